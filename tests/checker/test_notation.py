"""Handshakes in words, each with the right answer; and the monitor's verdict on them.

`handshakes/` has a file for each source: threads of maintainers, test suites, RFC texts. What
`kinds.txt` says is right is what the RFCs say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from checker.conformance import monitor, notation, reading, runs
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recording, alphabet
from checker.conformance.wire import RecordingError
from checker.report.monitor import main, render
from model.machine import CallError
from model.rule import Rule
from tests.checker.test_recordings import args

FILES = sorted((Path(__file__).parent / "handshakes").glob("*.txt"))
OTHER_ALERT = {
    "B28 SecondClientHelloMissingKeyShare-TLS13": "the model compares the group first",
}
"""Where the model refuses with another alert than the file says."""


def one(text: str) -> Recording:
    return next(notation.parse([text], ""))


def verdict(text: str) -> monitor.Report:
    return monitor.watch(one(text))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_each_handshake_has_the_right_answer(path: Path) -> None:
    lines = [x for x in path.read_text().splitlines() if x and not x.startswith("#")]
    found = list(reading.read(str(path)))
    assert [r.title for r in found] == [re.split(r" @resumes| \|", x)[0] for x in lines]
    for recording in found:
        report = monitor.watch(recording)
        assert recording.expected
        assert report.as_expected, f"{recording.title}: {report.verdict}, {report.problem}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_alert_is_one_that_the_file_allows(path: Path) -> None:
    """Where the receiver's machine refuses the message."""
    for recording in reading.read(str(path)):
        _, is_there, allowed = recording.expected.partition(":")
        if is_there and recording.title not in OTHER_ALERT:
            report = monitor.watch(recording)
            said = re.findall(r"answers it with (\w+)", str(report.problem))
            assert not said or set(said) & set(allowed.split(",")), recording.title


RSA = ">CH{version=TLS12,offers_RSA=true} <SH{suite=RSA} <C <SHD >CKE >CCS >F <CCS <F"


def test_words_are_messages_and_fields() -> None:
    got = one("a title | acc | >CH{version=TLS12, offers_RSA=true} <SH{protected=false} >Finished")
    assert (got.title, got.expected) == ("a title", "acc")
    assert [(m.direction, m.message, dict(m.fields), m.protected) for m in got.messages] == [
        (TO_SERVER, "ClientHello", {"version": "TLS12", "offers_RSA": True}, None),
        (TO_CLIENT, "ServerHello", {}, False),
        (TO_SERVER, "Finished", {}, None),
    ]


def test_each_short_name_is_a_message() -> None:
    assert set(notation.SHORT.values()) <= set(alphabet())


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (">CH <SHH", "line 1: expected a message .* got 'SHH'; did you mean SH"),
        (">CH{vers=TLS12}", "line 1, ClientHello: expected the fields version, .* got 'vers'"),
        (">CH{version=SSL3}", "ClientHello, version: 'SSL3' is not a Version"),
        (">CH{deflate=1}", "ClientHello, deflate: expected true or false, got '1'"),
        (">CH{version}", "ClientHello: expected field=value, got 'version'"),
        (">CH{version=TLS12", "expected > or <, a message's name .* got '{version=TLS12'"),
        ("CH >SH", "expected > or <, .* got 'CH >SH'"),
        (">CH{protected=maybe}", "expected protected to be true or false, got 'maybe'"),
        ("t | maybe | >CH", "expected title . acc, ref or ref:alert,... . messages, got 'maybe'"),
        ("t @resumes=nobody | acc | >CH", "resumes to name a recording above it, got 'nobody'"),
        (">AL{level=fatal,description=odd}", "expected an alert of the registry .* got 'odd'"),
    ],
)
def test_bad_words_are_not_read_and_hide_nothing(text: str, error: str) -> None:
    bad, good = notation.parse([text, f"good | acc | {RSA}"], "x")
    report = monitor.watch(bad)
    assert (report.verdict, bad.malformed) == ("not read", True)
    assert re.search(error, report.unread), report.unread
    assert monitor.watch(good).as_expected


def test_what_is_legal_before_an_unreadable_word_is_said() -> None:
    report = verdict(">CH{version=TLS12} <SH{suite=RSA} <C <XYZ")
    assert (report.verdict, len(report.messages)) == ("not read", 3)
    assert "the 3 messages before are legal" in render(report)
    report = verdict(">CH{version=TLS12} <SH{suite=RSA} <F <XYZ")
    assert (report.verdict, report.refused) == ("refused", 3)


def test_the_command_reads_words_and_files_of_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args(words=RSA)) == 0
    assert "accepted: 9 messages" in capsys.readouterr().out
    assert main(args(words=RSA.replace(">CCS ", ""))) == 1
    out = capsys.readouterr().out
    assert "altered on the way, made by someone else, or the sender erred" in out
    path = next(str(p) for p in FILES if p.stem == "retry")
    for given in (args(path), args(words=path)):
        assert main(given) == 0  # as expected, refusals included
        assert "as expected: ref:illegal_parameter" in capsys.readouterr().out
    assert main(args(words=f"t | ref | {RSA}")) == 1
    assert "NOT AS EXPECTED: ref" in capsys.readouterr().out
    assert main(args(words="  ")) == 2


def test_the_command_exits_3_for_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    asked = "<CR >C{certificate=empty} >F "
    text = ">CH{version=TLS13,post_handshake_auth=true} <SH <EE <C <CV <F >F " + 3 * asked
    assert main(args(words=text)) == 3
    out = capsys.readouterr().out
    assert "NOT READ: message 14, CertificateRequest: a third request for a certificate" in out
    assert "1 recording: 0 accepted, 0 refused, 1 not read" in out


@pytest.mark.parametrize(
    ("text", "assumed"),
    [
        (">CH{version=TLS12,offers_RSA=true} <AL{level=fatal,description=handshake_failure}",
         "of the server, from its alert: offers_RSA=False"),
        (">CH{version=TLS10,offers_RSA=true} <AL{level=fatal,description=protocol_version}",
         "of the server, from its alert: min_version=TLS1"),
        (">CH{version=TLS11,offers_RSA=true,fallback_scsv=true} "
         "<AL{level=fatal,description=inappropriate_fallback}",
         "of the server, from its alert: max_version=TLS1"),
        (">CH{version=TLS13} <SH{version=TLS13} <EE <CR <C <CV <F >C{certificate=empty} >F "
         "<AL{level=fatal,description=certificate_required}",
         "of the server, from its alert: client_auth=mandatory"),
        (">CH{version=TLS12,offers_RSA=true} <SH{suite=RSA} <C <SHD "
         ">AL{level=fatal,description=certificate_expired}",
         "of the client, from its alert: certificate=expired"),
    ],
)  # fmt: skip
def test_an_alert_chooses_a_configuration(text: str, assumed: str) -> None:
    """That in which its sender must give up so; without the alert it is not assumed."""
    report = verdict(text)
    assert report.ok, report.problem
    assert report.ended is not None and report.ended.refused
    assert any(assumed in a for a in report.assumptions), report.assumptions
    before = verdict(text.rpartition(" <AL" if "<AL" in text else " >AL")[0])
    assert before.ok and not any("from its alert" in a for a in before.assumptions)


def test_a_given_up_handshake_is_legal_and_refused() -> None:
    text = f"t | {{}} | {RSA[: RSA.index(' >CKE')]} >AL{{level=fatal,description=unknown_ca}}"
    for kind in ("acc", "ref"):
        report = verdict(text.replace("{}", kind).replace("{{", "{").replace("}}", "}"))
        assert report.ok and report.as_expected
        assert "the client gave up with unknown_ca, message 5 (message 3 refused)" in render(report)


def test_a_session_without_an_id_is_not_kept() -> None:
    """RFC 5246 7.4.1.3: so nobody can resume it."""
    uncached = RSA.replace("suite=RSA", "suite=RSA,session_id=none")
    again = ">CH{version=TLS12,offers_RSA=true,session_id=server0} "
    again += "<SH{suite=RSA,session_id=server0} <CCS <F >CCS >F"
    for first, ok in ((RSA, True), (uncached, False)):
        lines = [f"one | acc | {first}", f"two @resumes=one | | {again}"]
        full, resumed = notation.parse(lines, "")
        assert monitor.watch(full).ok
        assert monitor.watch(resumed).ok == ok


def test_a_session_that_no_handshake_can_have_made_is_refused() -> None:
    """The server's alert would have it refuse every hello, the earlier one too."""
    text = ">CH{version=TLS12,offers_RSA=true} <SH{suite=RSA} <CCS <F >AD "
    report = verdict(text + "<AL{level=fatal,description=handshake_failure}")
    assert report.verdict == "refused"


def test_a_recording_that_resumes_an_unread_one_is_not_read() -> None:
    lines = ["one | acc | >CH <XYZ", "two @resumes=one | acc | >CH <SH"]
    _, second = notation.parse(lines, "")
    report = monitor.watch(second)
    assert (report.verdict, report.unread) == ("not read", "it resumes 'one', which was not read")


def test_an_empty_file_is_one_error() -> None:
    with pytest.raises(RecordingError, match="at least one message"):
        list(reading.typed(""))


def test_rows_are_fired_as_the_machines_fire_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """`runs.fire` does without the bookkeeping of `transitions`, and nothing else."""

    def by_machine(
        run: Any, trigger: str, values: Mapping[str, Any], under: object = None
    ) -> Rule | None:
        try:
            getattr(run, trigger)(under=under, **values)
        except (AttributeError, CallError):
            return None
        return cast("Rule", run.taken)

    def outcomes() -> list[tuple[object, ...]]:
        found = [monitor.watch(r) for path in FILES for r in reading.read(str(path))]
        return [(r.title, r.messages, r.problem, r.unread, r.ended) for r in found]

    monitor.forget()
    ours = outcomes()
    monkeypatch.setattr(runs, "fire", by_machine)
    monitor.forget()
    assert outcomes() == ours
    monitor.forget()


def test_recordings_of_one_kind_are_watched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They differ in title and line, and each report has its own."""
    monitor.forget()
    bad = RSA.replace(">CCS ", "")
    first, *rest = notation.parse([f"{n} | ref | {bad}" for n in "abc"], "x")
    report = monitor.watch(first)
    monkeypatch.setattr(monitor, "configure", None)
    for n, recording in enumerate(rest, 2):
        again = monitor.watch(recording)
        assert again.title == recording.title
        assert again.problem == str(report.problem).replace("line 1", f"line {n}")
