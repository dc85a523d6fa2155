"""The audit: small machines written by hand, the model's own machine, published flaws, samples."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checker.cli import main
from checker.conformance.audit import Audit, audit_all
from checker.conformance.honest import Configuration, HonestMachine, honest_machine
from checker.conformance.learned import read, symbol
from checker.conformance.weakening import consequences
from model.flaws import flaws
from model.patch import patched
from model.roles import role
from tests.checker.machines import ASKING, CLIENT, INPUTS, SERVER, UNEXPECTED, dot
from tests.sizes import deep_but


def classes(result: Audit) -> list[tuple[str, str]]:
    """(class, last input) of each divergence."""
    return [(d.kind, d.word[-1]) for d in result.divergences]


# -- a machine for each class ----------------------------------------------------------------------
@pytest.mark.parametrize(("rows", "end"), [(SERVER, "server"), (CLIENT, "client")])
def test_a_machine_that_does_as_the_model_conforms(check, rows: str, end: str) -> None:
    result = check(dot(rows, role=end))
    assert (result.verdict, classes(result)) == ("CONFORMS", [])
    assert result.config is not None and result.config.role == end


def test_laxer_a_message_that_is_ignored(check) -> None:
    result = check(dot(SERVER, "cke ClientHello cke Empty"))
    (d,) = result.divergences
    assert (d.kind, d.word, d.state) == ("laxer", ("ClientHello", "ClientHello"), "WAIT_CKE")
    assert d.rule == "server_reject_client_hello_elsewhere" and d.rfc
    assert d.weakening is not None and d.weakening.how == "ignored"
    assert result.verdict == "LAXER"


@pytest.mark.deep
def test_laxer_a_message_that_ends_the_wait_for_others(check) -> None:
    result = check(dot(SERVER, "cke Finished connected ChangeCipherSpec & Finished"))
    (d,) = [d for d in result.divergences if d.kind == "laxer"]
    assert (d.word, d.weakening.how) == (("ClientHello", "Finished"), "ends the wait")
    falls = {p["id"] for p in consequences(d.weakening)}
    assert {"KEY-2", "KEY-4", "ORD-10", "ORD-12"} <= falls


@pytest.mark.deep
def test_laxer_a_check_that_is_left_out(check) -> None:
    result = check(dot(CLIENT, "certificate EmptyCertificate done Empty", role="client"))
    (d,) = result.divergences
    assert (d.kind, d.weakening.how, d.weakening.check) == ("laxer", "is not checked", "not empty")
    assert d.expected == "decode_error"
    assert "AUT-15" in {p["id"] for p in consequences(d.weakening)}


@pytest.mark.deep
def test_laxer_the_keys_change_though_nothing_completes(check) -> None:
    broken = "Alert Fatal (Bad record MAC) & ConnectionClosed"
    more = ["cke ChangeCipherSpec early Empty"]
    more += [f"early {a} dead {broken}" for a in INPUTS["server"]]
    result = check(dot(SERVER, *more))
    (d,) = result.divergences
    assert (d.kind, d.word, d.flaw) == ("laxer", ("ClientHello", "ChangeCipherSpec"), "early_ccs")
    assert {p["id"] for p in consequences(d.weakening)} == {
        "KEY-1",
        "KEY-2",
        "KEY-7",
        "KEY-16",
        "KEY-17",
        "ORD-24",
        "PLC-1",
    }


def test_silence_is_not_acceptance(check) -> None:
    """The message is swallowed and the connection is dead: refused, only later."""
    result = check(dot(SERVER, "cke ChangeCipherSpec dead Empty"))
    assert classes(result) == [("late-reject", "ChangeCipherSpec")]
    assert result.verdict == "DIFFERS"


def test_the_next_flight_is_acceptance(check) -> None:
    """A second ClientHello is answered; the learner's own Finished does not count it, and fails."""
    flight = "ServerHello & Certificate & ServerHelloDone"
    result = check(
        dot(SERVER, f"cke ClientHello again {flight}", "again ClientKeyExchange stuck Empty")
    )
    assert classes(result) == [("laxer", "ClientHello")]
    (d,) = result.divergences
    assert d.note == "it sends its next flight"
    assert d.weakening is not None
    assert (d.weakening.how, d.weakening.base) == (
        "ends the wait",
        "server_receive_client_hello_START_to_SEND_SH",
    )


def test_an_early_message_may_count_as_the_one_due(check) -> None:
    """CertificateVerify after ChangeCipherSpec: one flaw, and not a second one at Finished."""
    rows = [
        "certificate Certificate verify Empty",
        "verify ClientKeyExchange cv Empty",
        "cv CertificateVerify ccs Empty",
        "cv ChangeCipherSpec late Empty",
        "late CertificateVerify fin Empty",
    ]
    result = check(dot(ASKING, *rows, inputs=("Certificate", "CertificateVerify")))
    assert [d.word for d in result.divergences if d.kind == "laxer"] == [
        ("ClientHello", "Certificate", "ClientKeyExchange", "ChangeCipherSpec")
    ]


def test_what_lies_behind_a_laxer_answer_names_no_flaw(check) -> None:
    more = ["cke ClientHello twice Empty", "twice Finished connected ChangeCipherSpec & Finished"]
    result = check(dot(SERVER, *more))
    first, *behind = (d for d in result.divergences if d.kind == "laxer")
    assert first.weakening is not None and not first.behind
    assert behind and all(d.behind and d.weakening is None and not d.flaw for d in behind)


def test_states_that_refuse_in_other_words_are_alike(check) -> None:
    """An empty record is ignored, though later refusals have another alert."""
    more = ["fin ApplicationDataEmpty odd Empty", "odd ApplicationDataEmpty odd Empty"]
    more += ["odd Finished connected ChangeCipherSpec & Finished"]
    other = "dead Alert Fatal (Bad record MAC) & ConnectionClosed"
    more += [f"odd {a} {other}" for a in ("ClientHello", "ChangeCipherSpec", "ClientKeyExchange")]
    assert check(dot(SERVER, *more)).verdict == "CONFORMS"
    gone = dot(SERVER, *more[:2], "odd Finished dead ConnectionClosed")
    assert ("late-reject", "ApplicationDataEmpty") in classes(check(gone))


def test_close_notify_is_an_end(check) -> None:
    answer = "ApplicationData & Alert Warning (Close notify)"
    assert classes(check(dot(SERVER, f"connected ApplicationData shut {answer}"))) == []
    refused = check(dot(SERVER, "cke Finished shut Alert Warning (Close notify)"))
    assert classes(refused) == [("silent-close", "Finished")]


def test_the_rule_of_a_message_is_that_of_the_version(check) -> None:
    """A ChangeCipherSpec in TLS 1.3 is for middleboxes: RFC 8446 5."""
    modern = """
    hello ClientHello wait {}
    hello ChangeCipherSpec hello Empty
    wait ChangeCipherSpec wait Empty
    wait Finished connected Empty
    connected ApplicationData connected ApplicationData
    """
    flight = ["ServerHello", "EncryptedExtensions", "Certificate", "CertificateVerify", "Finished"]
    lines = modern.format(" & ".join(flight)).strip().splitlines()
    text = "\n".join(map(str.strip, lines))
    result = check(dot(text, inputs=("ClientHello", "ChangeCipherSpec", "Finished")))
    assert [(d.kind, d.word, d.rfc) for d in result.divergences if d.kind == "laxer"] == [
        ("laxer", ("ChangeCipherSpec",), "8446 5")
    ]


def test_client_authentication_may_be_said(check) -> None:
    """A refused empty certificate is stricter only where a certificate was optional."""
    rows = [
        "certificate EmptyCertificate dead Alert Fatal (Handshake failure)",
        "certificate Certificate verify Empty",
        "verify ClientKeyExchange cv Empty",
        "cv CertificateVerify ccs Empty",
    ]
    asks = dot(ASKING, *rows)
    assert classes(check(asks, None, None, "mandatory")) == []
    assert classes(check(asks, None, None, "optional")) == [("stricter", "EmptyCertificate")]
    assert "sends a CertificateRequest" in check(asks, None, None, "none").error
    assert "sends no CertificateRequest" in check(dot(SERVER), None, None, "optional").error


def test_stricter(check) -> None:
    # A server that asks for a certificate and refuses an empty one: mandatory, not stricter.
    asks = dot(
        ASKING,
        "certificate EmptyCertificate dead Alert Fatal (Handshake failure)",
        "certificate Certificate verify Empty",
        "verify ClientKeyExchange cv Empty",
        "cv CertificateVerify ccs Empty",
    )
    result = check(asks)
    assert result.config is not None and result.config.asks == "mandatory"
    assert result.verdict == "CONFORMS"
    # One that refuses the client's data.
    refuses = f"connected ApplicationData dead {UNEXPECTED}"
    assert classes(check(dot(SERVER, refuses))) == [("stricter", "ApplicationData")]
    # One with which no handshake completes at all.
    never = check(dot(SERVER, f"cke ClientKeyExchange dead {UNEXPECTED}"))
    assert classes(never) == [("stricter", "ClientKeyExchange")]
    assert "no handshake completes with an honest peer" in never.notes
    # One whose Finished never comes.
    silent = check(dot(SERVER, "fin Finished connected ChangeCipherSpec"))
    assert classes(silent) == [("stricter", "Finished")]


def test_silent_close_and_alert_differs_are_one_cause_each(check) -> None:
    quiet = [f"cke {a} dead ConnectionClosed" for a in ("Finished", "ApplicationData")]
    wrong = "ccs Finished dead Alert Fatal (Internal error) & ConnectionClosed"
    result = check(dot(SERVER, *quiet, wrong))
    assert sorted(classes(result)) == [
        ("alert-differs", "Finished"),
        ("silent-close", "ApplicationData"),
    ]
    (quiet_one,) = [d for d in result.divergences if d.kind == "silent-close"]
    assert quiet_one.also == ("Finished in WAIT_CKE",)


def test_the_alert_may_be_any_that_the_rfcs_allow(check) -> None:
    """RFC 2246 has decryption_failed; RFC 4346 forbids it."""
    answer = "Alert Fatal (Decryption failed) & ConnectionClosed"
    more = ["cke DHClientKeyExchange wccs Empty", "wccs ChangeCipherSpec wfin Empty"]
    more += [f"wfin {a} dead {answer}" for a in (*INPUTS["server"], "DHClientKeyExchange")]
    text = dot(SERVER, *more)
    assert [k for k, _ in classes(check(text, None, "1.0"))] == []
    assert [k for k, _ in classes(check(text, None, "1.2"))] == ["alert-differs"]


def test_extra_output(check) -> None:
    result = check(dot(SERVER, "cke ClientKeyExchange ccs ServerHelloDone"))
    assert classes(result) == [("extra-output", "ClientKeyExchange")]


def test_a_ticket_is_not_extra(check) -> None:
    more = "fin Finished connected NewSessionTicket & ChangeCipherSpec & Finished"
    assert check(dot(SERVER, more)).verdict == "CONFORMS"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (f"cke HeartbeatRequest dead {UNEXPECTED}", []),
        ("cke HeartbeatRequest cke Empty", []),
        ("cke HeartbeatRequest cke HeartbeatResponse", [("extra-output", "HeartbeatRequest")]),
        ("cke HeartbeatRequest aside Empty", [("late-reject", "HeartbeatRequest")]),
        ("cke HeartbeatRequest ccs Empty", [("laxer", "HeartbeatRequest")]),
    ],
)
def test_what_the_model_does_not_know_is_followed(check, row: str, found: list) -> None:
    result = check(dot(SERVER, row))
    assert classes(result) == found
    assert result.unknown == ("HeartbeatRequest",)


def test_a_record_without_data_may_be_ignored(check) -> None:
    assert check(dot(SERVER, "cke ApplicationDataEmpty cke Empty")).verdict == "CONFORMS"
    assert check(dot(SERVER, "cke ApplicationData cke Empty")).verdict == "LAXER"


def test_the_shortest_word_and_one_divergence_for_a_cause(check) -> None:
    """The same laxness on two paths is one cause, told by the shorter word."""
    result = check(
        dot(
            ASKING,
            "certificate EmptyCertificate cke Empty",
            "certificate Certificate cke2 Empty",
            "cke2 ClientKeyExchange cv Empty",
            "cv CertificateVerify ccs Empty",
            "ccs ClientHello ccs Empty",
        )
    )
    (d,) = result.divergences
    assert d.kind == "laxer"
    assert d.word == ("ClientHello", "EmptyCertificate", "ClientKeyExchange", "ClientHello")


# -- the model itself, and the model with a flaw ---------------------------------------------------
def learned(machine: HonestMachine, inputs: tuple[str, ...]) -> str:
    """The honest machine as a learner would write it."""
    order: list[object] = [machine.initial]
    lines = []
    for i, key in enumerate(order):
        for a in inputs:
            to: object = "closed"
            if key == "closed":
                said = "ConnectionClosed"
            else:
                answer = machine.step(key, symbol(a))  # type: ignore[arg-type]
                said = " & ".join(answer.messages) or "Empty"
                if answer.alert:
                    said = f"Alert Fatal ({answer.alert}) & ConnectionClosed"
                elif machine.over(answer.key):
                    said += " & ConnectionClosed"
                else:
                    to = answer.key
            if to not in order:
                order.append(to)
            lines.append(f's{i} -> s{order.index(to)} [label="{a}/{said}"];')
    return "digraph g {\n__start0 -> s0;\n" + "\n".join(lines) + "\n}"


ALPHABETS = {
    ("server", "TLS12"): (
        "ClientHello",
        "Certificate",
        "EmptyCertificate",
        "ClientKeyExchange",
        "CertificateVerify",
        "ChangeCipherSpec",
        "Finished",
        "ApplicationData",
        "AlertWarningCloseNotify",
    ),
    ("client", "TLS12"): (
        "ServerHello",
        "Certificate",
        "EmptyCertificate",
        "ServerKeyExchange",
        "CertificateRequest",
        "ServerHelloDone",
        "ChangeCipherSpec",
        "Finished",
        "ApplicationData",
    ),
    ("server", "TLS13"): (
        "ClientHello",
        "Certificate",
        "EmptyCertificate",
        "CertificateVerify",
        "ChangeCipherSpec",
        "Finished",
        "ApplicationData",
    ),
    ("client", "TLS13"): (
        "ServerHello",
        "EncryptedExtensions",
        "Certificate",
        "CertificateRequest",
        "CertificateVerify",
        "ChangeCipherSpec",
        "Finished",
        "ApplicationData",
    ),
}
CONFIGURATIONS = [
    Configuration("server", "TLS12", ("RSA",)),
    Configuration("server", "TLS12", ("RSA",), "optional"),
    Configuration("server", "TLS12", ("ECDHE",), "mandatory"),
    Configuration("client", "TLS12", ("ECDHE",)),
    Configuration("client", "TLS12", ("ECDHE",), certificate="honest"),
    Configuration("server", "TLS13", (), "optional"),
    Configuration("client", "TLS13", ()),
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
def test_the_models_own_machine_conforms(check, config: Configuration) -> None:
    result = check(learned(honest_machine(config), ALPHABETS[config.role, config.version]))
    assert result.divergences == []
    assert result.config is not None
    assert (result.config.role, result.config.version) == (config.role, config.version)
    assert result.config.asks == config.asks


PUBLISHED = [
    ("early_ccs", CONFIGURATIONS[0]),
    ("early_ccs", CONFIGURATIONS[3]),
    ("ccs_dropping", CONFIGURATIONS[0]),
    ("ccs_dropping", CONFIGURATIONS[3]),
    ("early_finished", CONFIGURATIONS[3]),
    ("skipped_certificate_verify", CONFIGURATIONS[1]),
    ("finished_before_certificate", CONFIGURATIONS[6]),
]


@pytest.mark.deep
@pytest.mark.parametrize(
    ("name", "config"), PUBLISHED, ids=lambda x: x if isinstance(x, str) else x.role
)
def test_a_published_flaw_is_named(check, name: str, config: Configuration) -> None:
    flawed = patched(role(config.role), flaws()[name].patches[config.role])
    result = check(learned(HonestMachine(config, flawed), ALPHABETS[config.role, config.version]))
    lax = [d for d in result.divergences if d.kind == "laxer" and not d.behind]
    assert {d.flaw for d in lax} == {name}
    falls = {p["name"] for d in lax for p in consequences(d.weakening)}
    assert falls, "a published flaw breaks something"


# -- two machines ----------------------------------------------------------------------------------
def test_two_machines_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, same = (tmp_path / n for n in ("old.dot", "new.dot", "same.dot"))
    new.write_text(dot(SERVER))
    old.write_text(dot(SERVER, "cke ChangeCipherSpec cke Empty", inputs=("Certificate",)))
    same.write_text(dot(SERVER).replace("Unexpected message", "unexpected_message"))
    assert main(["audit", "--compare", str(new), str(same)]) == 0
    assert "0 differences" in capsys.readouterr().out
    assert main(["audit", "--compare", str(old), str(new)]) == 1
    out = capsys.readouterr().out
    assert (
        "after ClientHello, ChangeCipherSpec is answered by A with `Empty` and by B with "
        f"`{UNEXPECTED}`; only A goes on\n" in out
    )
    assert "left out, inputs of A alone: Certificate" in out and "1 difference\n" in out
    assert main(["audit", "--compare", str(old), str(new), "--format", "json"]) == 1
    (d,) = json.loads(capsys.readouterr().out)["differences"]
    assert d["word"] == ["ClientHello", "ChangeCipherSpec"] and d["goes_on"] == str(old)
    assert main(["audit", "--compare", str(old)]) == 2
    assert main(["audit", "--compare", str(old), str(tmp_path / "none.dot")]) == 2


# -- the command -----------------------------------------------------------------------------------
@pytest.mark.scenario
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, lax, bad = (tmp_path / n for n in ("good.dot", "lax.dot", "bad.dot"))
    good.write_text(dot(SERVER))
    lax.write_text(dot(SERVER, "cke ClientHello cke Empty"))
    bad.write_text("digraph {")
    assert main(["audit", str(good)]) == 0
    assert main(["audit", str(good), str(bad)]) == 2
    assert main(["audit", str(good), "--version", "1.3"]) == 2
    assert main(["audit", str(good), "--role", "client"]) == 2
    capsys.readouterr()
    assert main(["audit", str(good), str(lax), str(bad), "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    verdicts = [r["verdict"] for r in document["results"]]
    assert verdicts == ["CONFORMS", "LAXER", "ERROR"]
    (d,) = document["results"][1]["divergences"]
    wanted = {"class", "word", "expected", "got", "rule", "rfc", "properties", "flaw"}
    assert wanted <= set(d)
    assert d["word"] == ["ClientHello", "ClientHello"] and d["problem"] is None
    assert set(document["results"][0]) >= {"file", "role", "version", "verdict", "states"}


def test_equal_machines_are_audited_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file is named in full, in the text and in the file of -o."""
    files = [str(tmp_path / f"m{i}.dot") for i in range(20)]
    lines = dot(SERVER).splitlines()
    for i, name in enumerate(files):
        edges = lines[3:-1]
        Path(name).write_text("\n".join([*lines[:3], *edges[i:], *edges[:i], "}"]))
    assert len({read(name).content for name in files}) == 1
    results, why = audit_all(files)
    assert [r.file for r in results] == files and not why
    assert {r.verdict for r in results} == {"CONFORMS"}
    target = tmp_path / "audit.txt"
    assert main(["audit", *files, "-o", str(target)]) == 0
    assert capsys.readouterr().out == ""
    text = target.read_text()
    assert all(name in text for name in files)
    assert "20 files: 20 CONFORMS" in text


def test_the_time_may_be_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lax.dot"
    path.write_text(dot(SERVER, "cke ClientHello cke Empty"))
    assert main(["audit", str(path), "--time", "0.001"]) == 3
    out = capsys.readouterr().out
    assert "0.001 seconds are over, 1 of 1 files not audited: these are the results so far" in out


@pytest.mark.parametrize(
    "number", deep_but([signal.SIGTERM], [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
)
def test_a_signal_ends_all_workers_with_the_results_so_far(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The weakened models take seconds each; nothing is left running."""
    states = ("cke ClientHello cke Empty", "ccs ClientHello ccs Empty", "fin Finished fin Empty")
    for i, row in enumerate(states):
        (tmp_path / f"{i}.dot").write_text(dot(SERVER, row))
    command = [sys.executable, "-m", "checker", "audit", *map(str, tmp_path.glob("*.dot"))]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not (children := workers(process.pid)):
            assert process.poll() is None, "ended before it began"
            time.sleep(0.05)
        process.send_signal(number)
        out, _ = process.communicate(timeout=5)
    assert process.returncode == 130
    assert "interrupted" in out
    until = time.monotonic() + 5
    while left := [pid for pid in children if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < until, left
        time.sleep(0.05)


def workers(parent: int) -> list[int]:
    """The processes that a process has started."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    if not path.exists():
        pytest.skip("no /proc to list the workers")
    return [int(pid) for pid in path.read_text().split()]


@pytest.mark.deep
def test_machines_that_behave_alike_stand_in_one_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for i in range(4):
        files.append(str(tmp_path / f"m{i}.dot"))
        Path(files[-1]).write_text(dot(SERVER, "cke ClientHello cke Empty"))
    assert main(["audit", *files]) == 1
    out = capsys.readouterr().out
    assert "m0.dot, m1.dot and 2 more" in out
    assert out.count("laxer: after ClientHello") == 1
    assert "no property falls" in out or "there fall" in out


@pytest.mark.parametrize(
    ("rows", "end", "asked", "shown"),
    [
        (SERVER, "server", "client", "got the answers ServerHello, ServerHelloDone, which only a"),
        (CLIENT, "client", "server", "got the answers ClientKeyExchange, which only a client"),
    ],
)
def test_a_wrong_role_is_an_error(check, rows: str, end: str, asked: str, shown: str) -> None:
    # The inputs of the other role are there, and still it is not one.
    for inputs in ((), INPUTS[asked]):
        result = check(dot(rows, role=end, inputs=inputs), asked)
        hello = {"client": "ServerHello", "server": "ClientHello"}[asked]
        assert result.verdict == "ERROR"
        assert f"expected the input {hello}" in result.error
        assert f"--role {asked}" in result.error and shown in result.error


def test_a_role_without_its_hello_is_an_error(check) -> None:
    text = dot("hello Finished hello Empty", role="server")
    assert "expected the input ServerHello for a client, got" in check(text, "client").error


@pytest.mark.parametrize(("rows", "end"), [(SERVER, "server"), (CLIENT, "client")])
def test_a_wrong_version_is_an_error(check, rows: str, end: str) -> None:
    text = dot(rows, role=end)
    shown = {"server": "ServerHelloDone", "client": "ClientKeyExchange"}[end]
    error = check(text, None, "1.3").error
    assert "expected a machine of TLS 1.3 (--version 1.3)" in error
    assert f"got the answers {shown}, which TLS 1.3 does not have" in error
    assert check(text, None, "1.1").verdict == "CONFORMS"
    modern = text.replace("& ServerHelloDone", "").replace("Certificate ", "EncryptedExtensions ")
    if end == "server":
        assert "got the answers EncryptedExtensions" in check(modern, None, "1.2").error
        assert not check(modern, None, "1.3").error
