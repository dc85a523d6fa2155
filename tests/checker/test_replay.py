"""Traces as files: written, read, replayed on the machines, drawn, and pasted as a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker import cli
from checker.attack import attack
from checker.replay import Recorded, as_json, read, replayed
from checker.report import as_test, markup
from checker.report import replay as report
from model.flaws import Flaw, flaws
from model.near import UsageError

# The ends at which what the flaw shows falls.
ENDS = [(f, end) for f in flaws().values() for end in f.ends if f.shows in f.breaks[end]]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the trace that `goto_fail` shows."""
    folder = tmp_path_factory.mktemp("traces")
    assert cli.main(["verify", "SEC-1", "--flaw", "goto_fail", "--traces", str(folder)]) == 0
    (file,) = folder.iterdir()
    return file


def edited(file: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of a trace's file with its data changed."""
    data = json.loads(file.read_text())
    change(data)
    out = folder / "edited.json"
    out.write_text(json.dumps(data))
    return out


def why(file: Path) -> str:
    """Why the trace of a file does not go through."""
    return replayed(read(str(file))).why


@pytest.mark.scenario
def test_what_is_read_is_what_was_written(recorded: Path) -> None:
    assert recorded.name == "tls12.session_keys_with_an_honest_peer_are_secret.goto_fail.json"
    found = read(str(recorded))
    assert json.loads(as_json(found)) == json.loads(recorded.read_text())
    assert found.flaw == "goto_fail"
    assert len(found.trace) == 10


@pytest.mark.scenario
def test_the_text_shows_each_step_with_what_it_changed(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["replay", str(recorded)]) == 0
    out = capsys.readouterr().out
    assert "client0.version           none -> TLS12" in out
    assert "client0.write_key                plaintext -> application" in out
    assert out.endswith("breaks session_keys_with_an_honest_peer_are_secret\n")


@pytest.mark.scenario
def test_a_trace_that_the_tables_refuse_says_which_check_does(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = edited(recorded, tmp_path, lambda d: d.update(flaw=None))
    assert cli.main(["replay", str(sound)]) == 1
    out = capsys.readouterr().out
    assert "  3. client0 receives Certificate" in out
    assert "  4. " not in out
    last = out.splitlines()[-1]
    assert last.startswith(
        "does not go through: step 4: client0 refuses ServerKeyExchange in WAIT_SKE with "
        "decrypt_error; check signature of client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR"
    )


@pytest.mark.scenario
@pytest.mark.parametrize(
    ("step", "change", "says"),
    [
        (0, {"rule": "client_send_client_helo"}, "has no row 'client_send_client_helo'; did you"),
        (0, {"run": "client7"}, "there is no run 'client7'; did you mean client0"),
        (3, {"source": "server3"}, "comes from 'server3'; did you mean server0"),
        (4, {"rule": "client_send_finished_SEND_FIN_to_WAIT_CCS", "source": "local"},
         "client0 is in WAIT_CR_SHD, and client_send_finished_SEND_FIN_to_WAIT_CCS is a row of"),
        (1, {"fields": {"version": "TLS99"}}, "'TLS99' is not a "),
        (1, {"fields": {"version": "TLS13", "suite": "ECDHE"}}, "client0 refuses ServerHello in"),
        (1, {"changed": {"suite": "RSA"}}, "client0.suite is ECDHE, not 'RSA'"),
        (1, {"source": "server0"}, "the network cannot deliver this ServerHello from server0"),
        (3, {"alert": "bad_certificate"}, "the alert is None, not 'bad_certificate'"),
    ],
)  # fmt: skip
def test_a_step_that_fails_says_why(
    step: int, change: dict[str, Any], says: str, recorded: Path, tmp_path: Path
) -> None:
    def alter(data: dict[str, Any]) -> None:
        at = data["trace"]["steps"][step]
        for n, v in change.items():
            at[n] = {**at[n], **v} if isinstance(v, dict) else v

    found = why(edited(recorded, tmp_path, alter))
    assert found.startswith(f"step {step + 1}: ")
    assert says in found


@pytest.mark.scenario
def test_a_trace_without_its_last_step_breaks_nothing(recorded: Path, tmp_path: Path) -> None:
    short = edited(recorded, tmp_path, lambda d: d["trace"]["steps"].pop())
    assert why(short) == (
        "the last state does not break session_keys_with_an_honest_peer_are_secret"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(command="verify"), "got one of the command 'verify'"),
        (lambda d: d.pop("drop"), "it lacks 'drop'"),
        (lambda d: d["trace"].pop("runs"), "it lacks 'runs'"),
        (lambda d: d["trace"].update(start=[]), "is no dict"),
        (lambda d: d["trace"]["steps"][0].update(rulle=""), "did you mean rule"),
    ],
)
@pytest.mark.scenario
def test_another_form_is_refused(
    change: Callable[[dict[str, Any]], object], says: str, recorded: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="expected a trace that `verify --traces` wrote") as e:
        read(str(edited(recorded, tmp_path, change)))
    assert says in str(e.value)


@pytest.mark.scenario
def test_charts_mark_what_is_forged(recorded: Path) -> None:
    trace = read(str(recorded)).trace
    drawn = markup.mermaid(trace).splitlines()
    assert drawn[0] == "sequenceDiagram"
    assert "  client0->>network: 1 ClientHello" in drawn
    assert "  network-xclient0: 4 ServerKeyExchange" in drawn
    text = markup.plantuml(trace).splitlines()
    assert (text[0], text[-1]) == ("@startuml", "@enduml")
    assert "network-[#c01818]>client0: 4 ServerKeyExchange" in text
    assert any("the adversary knows the session keys of client0" in line for line in text)


@pytest.mark.scenario
def test_a_picture_is_drawn(recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "trace.svg"
    assert cli.main(["replay", str(recorded), "--format", "svg", "-o", str(out)]) == 0
    assert out.read_text().count("ServerKeyExchange") >= 1


def holds_as_a_test(recorded: Recorded) -> str:
    """Run the trace as a test; its text."""
    found = replayed(recorded)
    assert not found.why
    assert report.end(found).startswith("goes through: ")
    text = as_test.as_test(recorded, found.system)
    names: dict[str, Any] = {}
    exec(compile(text, "pasted", "exec"), names)
    (test,) = (f for n, f in names.items() if n.startswith("test_"))
    test()
    return text


@pytest.mark.scenario
def test_a_pasted_test_passes_and_fails_where_the_machine_does_otherwise(recorded: Path) -> None:
    text = holds_as_a_test(read(str(recorded)))
    names: dict[str, Any] = {}
    exec(compile(text.replace(', flaw="goto_fail"', ""), "pasted", "exec"), names)
    with pytest.raises(AssertionError):
        names["test_session_keys_with_an_honest_peer_are_secret"]()


@pytest.mark.deep
@pytest.mark.parametrize(("flaw", "end"), ENDS, ids=lambda x: getattr(x, "name", x))
def test_the_attack_on_each_flaw_replays_and_is_a_test(
    flaw: Flaw, end: str, tmp_path: Path
) -> None:
    trace = attack(flaw, end).trace
    found = Recorded(trace, f"{flaw.name}@{end}")
    file = tmp_path / found.file_name
    file.write_text(as_json(found))
    again = read(str(file))
    assert replayed(again).trace.as_json() == replace(trace).as_json()
    holds_as_a_test(again)
