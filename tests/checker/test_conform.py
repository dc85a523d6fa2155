"""Live conformance: sound and weakened servers of our own, hostile peers, the command."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker.arguments import ARGUMENTS
from checker.cli import main
from checker.conformance import allowance, sweep
from checker.conformance.comparison import LATE, LAXER
from checker.conformance.conform import Conformance, Prober, conform
from checker.conformance.connection import Connection
from checker.conformance.credentials import credentials
from checker.conformance.honest import ALWAYS, SETTINGS, Configuration
from checker.conformance.known import STACKS
from checker.conformance.mapper import Mapper
from checker.conformance.records import Plain, message
from checker.conformance.trial import Target, TargetError, Trial
from checker.conformance.weakening import Weakening
from checker.conformance.words import WordError, probe, word, words
from checker.report.conform import as_text, exit_status
from model.near import UsageError
from model.patch import Patch, patched, without_check
from model.roles import role
from tests.checker.own_server import OwnServer
from tests.sizes import deep_but

TLS12 = Configuration("server", "TLS12", ("ECDHE",), "none", "empty")
TLS12_AUTH = Configuration("server", "TLS12", ("ECDHE",), "mandatory", "empty")
TLS13 = Configuration("server", "TLS13", (), "none", "empty")
TLS13_AUTH = Configuration("server", "TLS13", (), "mandatory", "empty")
ALL = (TLS12, TLS12_AUTH, TLS13, TLS13_AUTH)
EXTENDED = tuple(replace(TLS13, extensions=(e,)) for e in SETTINGS)


def checked(config: Configuration, patch: Patch | None = None) -> Conformance:
    """The result for a server of our own, sound or patched."""
    weak = patched(role("server", config.overlays), patch) if patch is not None else None
    with OwnServer(config, credentials(), weak).running() as target:
        return conform("own", target, config, credentials())


# -- words -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("config", (*ALL, *EXTENDED), ids=str)
def test_every_state_is_reached_and_every_check_is_of_something_refused(
    config: Configuration,
) -> None:
    w = words(config)
    found = w.checks
    assert {c.state for c in found} == {state for state, *_ in w.reached}
    for c in found:
        key = w.model.initial
        for s in c.before:
            answer = w.model.step(key, s)
            assert not answer.alert
            key = answer.key
        assert w.answer(key, c.symbol).alert == c.answer.alert != ""


def test_a_word_is_read_as_it_is_printed() -> None:
    for config in (*ALL, *EXTENDED):
        for c in words(config).checks:
            assert word(" ".join(c.word)) == (*c.before, c.symbol)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Finishd", "expected a message"),
        ("Finished(random=junk)", "verify_data=junk"),
        ("Finished(secret)", r"\(clear\)"),
        ("ServerHelloDone(x=y)", "none can be wrong"),
    ],
)
def test_a_bad_name_says_what_is_expected(name: str, says: str) -> None:
    with pytest.raises(WordError, match=says):
        probe(name)


def test_a_ticket_that_comes_before_our_finished_is_in_no_transcript() -> None:
    here, there = socket.socketpair()
    with here, there:
        mapper = Mapper(Connection(here), TLS13, credentials())
        ticket = bytes(8) + b"\1\0" + b"\0\4name" + b"\0\0"
        there.sendall(Plain().seal(22, message(4, ticket), 0x0303))
        event = mapper.receive(time.monotonic() + 5)
    assert event is not None and event.name == "NewSessionTicket"
    assert (mapper.transcript, mapper.resumable and mapper.resumable.identity) == (b"", b"name")


# -- a sound server --------------------------------------------------------------------------------
@pytest.mark.parametrize("config", deep_but(ALL, (*ALL, *EXTENDED)), ids=str)
def test_a_sound_server_has_no_divergence(config: Configuration) -> None:
    found = checked(config)
    assert found.offered
    assert found.checks == len(words(config).checks)
    assert not found.divergences
    assert not found.unreached
    assert not found.unsteady


# -- weakened servers ------------------------------------------------------------------------------
def _dropped() -> Iterator[tuple[Configuration, str, str]]:
    """Each check of a row that a mode with certificates has, by row and name."""
    rows = {r.name for r in role("server", ALWAYS).table}
    for config in (TLS12_AUTH, TLS13_AUTH):
        refusals = dict.fromkeys(c.answer.rule.refuses for c in words(config).checks)
        for refused in refusals:
            if refused is not None and refused[0] in rows:
                yield config, *refused


NEGOTIATION = (
    "common suite",
    "common version",
    "common scheme",
    "schemes not empty",
    "schemes there",
)
"""Checks without which the server has nothing to go on with: no handshake completes after it."""
DROPPED = [(c, r, k) for c, r, k in _dropped() if k not in NEGOTIATION]
QUICK = [d for d in DROPPED if d[2] in ("signature", "verify_data", "client certificate")]


@pytest.mark.parametrize(("config", "row", "check"), deep_but(QUICK, DROPPED))
def test_a_dropped_check_is_found_and_named(config: Configuration, row: str, check: str) -> None:
    (d,) = checked(config, without_check(row, check)).divergences
    assert d.kind == LAXER
    assert d.weakening is not None
    assert (d.weakening.how, d.weakening.base, d.weakening.check) == ("is not checked", row, check)


_HRR = "server_receive_client_hello_START_to_SEND_HRR"
_CH2 = "server_receive_second_client_hello_WAIT_CH_to_NEGOTIATED"
_PSK = "server_receive_client_hello_psk"
OF_EXTENSIONS = {
    ("retry", _HRR, "compression null"): LAXER,
    ("retry", _HRR, "schemes not empty"): LAXER,
    ("retry", _CH2, "compression null"): LAXER,
    ("retry", _CH2, "share contributes"): LAXER,
    # Without a share no handshake completes.
    ("retry", _CH2, "group kept"): LATE,
    # Another check refuses a hello without a share, too.
    ("retry", _CH2, "key share"): None,
    ("psk", _PSK, "compression null"): LAXER,
    ("psk", _PSK, "schemes not empty"): LAXER,
    ("psk", _PSK, "share contributes"): LAXER,
    ("psk", _PSK, "binder"): LAXER,
    ("psk", "server_receive_client_hello_START_to_NEGOTIATED", "modes"): LAXER,
}


@pytest.mark.deep
@pytest.mark.parametrize(("extension", "row", "check"), OF_EXTENSIONS)
def test_a_dropped_check_of_an_extension_is_found(extension: str, row: str, check: str) -> None:
    config = replace(TLS13, extensions=(extension,))
    (word,) = {c.word for c in words(config).checks if c.answer.rule.refuses == (row, check)}
    kind = OF_EXTENSIONS[extension, row, check]
    found = [(d.kind, d.word) for d in checked(config, without_check(row, check)).divergences]
    assert found == ([(kind, word)] if kind else [])


@pytest.mark.deep
def test_every_check_that_an_extension_adds_to_the_words_is_dropped() -> None:
    plain = {c.answer.rule.refuses for c in words(TLS13).checks}
    for extension in SETTINGS:
        those = words(replace(TLS13, extensions=(extension,))).checks
        more = {c.answer.rule.refuses for c in those} - plain
        assert more == {(r, k) for e, r, k in OF_EXTENSIONS if e == extension}


def test_the_extensions_of_the_command_are_those_that_have_settings() -> None:
    choices = {
        n: o["choices"] for names, o in ARGUMENTS["conform"] if "choices" in o for n in names
    }
    assert choices["--extensions"] == tuple(SETTINGS)


def test_at_least_twelve_checks_can_be_dropped() -> None:
    assert len(DROPPED) >= 12


def _row(event: str, end: str) -> str:
    """The name of the server's row that takes a message into a state."""
    rows = role("server", ALWAYS).table
    taking = (r.name for r in rows if (r.kind, r.event) == ("receive", event))
    return next(name for name in taking if name.endswith(end))


CCS, FIN12, FIN13 = (
    _row("ChangeCipherSpec", "WAIT_FIN"),
    _row("Finished", "SEND_CCS"),
    _row("Finished", "CONNECTED"),
)
LAX = {
    ("WAIT_CKE", "ChangeCipherSpec", "takes effect early", CCS): (TLS12, "early_ccs"),
    ("WAIT_CERTIFICATE_VERIFY", "ChangeCipherSpec", "ends the wait", CCS): (
        TLS12_AUTH,
        "skipped_certificate_verify",
    ),
    ("WAIT_CCS", "Finished", "ends the wait", FIN12): (TLS12, "ccs_dropping"),
    ("WAIT_CV", "Finished", "ends the wait", FIN13): (TLS13_AUTH, ""),
    ("WAIT_CERT", "Finished", "ends the wait", FIN13): (TLS13_AUTH, ""),
    ("WAIT_CKE", "ClientHello", "ends the wait", _row("ClientHello", "SEND_SH")): (TLS12, ""),
    ("WAIT_CERTIFICATE", "ClientKeyExchange", "ends the wait",
     _row("ClientKeyExchange", "WAIT_CCS")): (TLS12_AUTH, ""),
    ("WAIT_CKE", "Certificate", "ignored", ""): (TLS12, ""),
    ("WAIT_CCS", "ClientKeyExchange", "ignored", ""): (TLS12, ""),
    ("WAIT_CKE", "ApplicationData", "ignored", ""): (TLS12, ""),
    ("CONNECTED", "Finished", "ignored", ""): (TLS12, ""),
    ("WAIT_FINISHED", "ApplicationData", "ignored", ""): (TLS13, ""),
    ("CONNECTED", "ClientHello", "ignored", ""): (TLS13, ""),
    ("START", "ChangeCipherSpec", "ignored", ""): (TLS13, ""),
}  # fmt: skip
"""Weakened rows, and the configuration and the published flaw of each."""


@pytest.mark.parametrize(("state", "message", "how", "base"), deep_but([*LAX][:3], LAX))
def test_a_message_out_of_order_is_found_and_explained(
    state: str, message: str, how: str, base: str
) -> None:
    config, flaw = LAX[state, message, how, base]
    weakening = Weakening(config, (state,), message, how, base)
    found = checked(config, weakening.patch()).divergences
    assert all(d.kind == LAXER for d in found)
    d = next(d for d in found if d.word[-1] == message)
    assert (d.state, d.flaw) == (state, flaw)
    assert d.weakening is not None
    assert (d.weakening.how, d.weakening.base) == (how, base)


@pytest.mark.scenario
def test_a_server_without_alerts_closes_in_silence_and_is_not_laxer() -> None:
    with OwnServer(TLS12, credentials(), alerts=False).running() as target:
        found = conform("own", target, TLS12, credentials())
    assert {d.kind for d in found.divergences} == {"silent-close"}
    assert not found.lax


@pytest.mark.scenario
def test_a_server_that_completes_nothing_at_first_is_asked_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stall is not taken for a version that is not offered."""
    asked = Prober.baseline
    tries: list[Prober] = []

    def stalled(self: Prober) -> tuple[list[Any], list[Any]]:
        done, failed = asked(self)
        tries.append(self)
        return (done, failed) if len(tries) > 1 else ([], failed)

    monkeypatch.setattr(Prober, "baseline", stalled)
    with OwnServer(TLS12, credentials()).running() as target:
        found = conform("own", target, TLS12, credentials())
    assert found.offered and len(tries) == 2
    assert not found.divergences


class Tiring(OwnServer):
    """A server that sends no alerts after so many connections."""

    left = 0

    def serves(self) -> None:
        self.left -= 1
        self.alerts = self.left >= 0


@pytest.mark.deep
def test_a_word_on_which_runs_differ_is_named_and_not_judged() -> None:
    server = Tiring(TLS12, credentials())
    w = words(TLS12)
    server.left = len(w.legal) + len(w.checks)
    with server.running() as target:
        found = conform("tiring", target, TLS12, credentials(), runs=2)
    assert not found.divergences
    outcomes = {u.word: u.outcomes for u in found.unsteady}
    assert outcomes["ClientHello", "Finished"] == ("as the model", "silent-close", "silent-close")
    assert found.checks == len(w.checks) - len(outcomes)  # close_notify, and what is garbled
    assert "not steady, so not judged: ClientHello Finished (as the model, silent-" in as_text(
        [found]
    )


# -- hostile peers ---------------------------------------------------------------------------------
def _endless(s: socket.socket) -> None:
    record = b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00" * 500
    while True:
        s.sendall(record)


def _dribble(s: socket.socket) -> None:
    while True:
        s.sendall(b"\x16")
        time.sleep(0.02)


def _huge(s: socket.socket) -> None:
    s.sendall(b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff" + bytes(2**14 - 4))
    time.sleep(1)


def _garbage(s: socket.socket) -> None:
    s.sendall(random.Random(1).randbytes(4000))


def _plain_text(s: socket.socket) -> None:
    s.recv(10)
    s.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


def _early_close(s: socket.socket) -> None:
    s.shutdown(socket.SHUT_WR)


def _fatal(s: socket.socket) -> None:
    s.sendall(b"\x15\x03\x03\x00\x02\x02\x28" * 3)


def _warnings(s: socket.socket) -> None:
    while True:
        s.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 100)


def _unread(s: socket.socket) -> None:
    time.sleep(1)


def _reset(s: socket.socket) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


HOSTILE = (_endless, _dribble, _huge, _garbage, _plain_text, _early_close, _fatal, _warnings,
           _unread, _reset)  # fmt: skip


@contextlib.contextmanager
def peer(answer: Callable[[socket.socket], None]) -> Iterator[Target]:
    """A server that answers each connection so, in threads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(s: socket.socket) -> None:
            with s, contextlib.suppress(OSError):
                answer(s)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield Target("127.0.0.1", listener.getsockname()[1], wait=0.1)
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.scenario
@pytest.mark.parametrize("answer", HOSTILE, ids=lambda f: f.__name__)
def test_a_hostile_peer_is_not_offered_and_cannot_hang_a_check(
    answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.conformance.trial.PATIENCE", 0.3)
    for config in (TLS12, TLS13):
        with peer(answer) as target:
            found = conform("hostile", target, config, credentials())
        assert not found.offered
        assert found.why
        assert not found.divergences


@pytest.mark.scenario
def test_mutated_answers_of_a_server_cannot_crash_a_check() -> None:
    """A sound server whose bytes are changed on the way: any result, but a result."""
    dice = random.Random(7)
    with OwnServer(TLS13, credentials()).running() as behind:

        def relay(s: socket.socket) -> None:
            with socket.create_connection((behind.host, behind.port)) as there:
                s.settimeout(0.3)
                there.settimeout(0.3)
                there.sendall(s.recv(65536))
                data = bytearray(there.recv(65536))
                for _ in range(dice.randint(1, 8)):
                    data[dice.randrange(len(data))] = dice.randrange(256)
                s.sendall(data)

        with peer(relay) as target:
            for n in range(60):
                with Trial(target, (TLS13, TLS12)[n % 2], credentials()) as trial:
                    step = trial.send(probe("ClientHello"))
                    trial.listen(step, 0.05)
                    trial.send(probe("Finished"))
                    trial.send(probe("ClientKeyExchange"))
                    trial.listen(trial.steps[-1], 0.02)


def test_a_port_without_a_server_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    with pytest.raises(TargetError, match=f"127.0.0.1:{port}: expected a server"):
        Prober(Target("127.0.0.1", port), TLS12, credentials()).baseline()


# -- the command -----------------------------------------------------------------------------------
def run(*args: str) -> tuple[int, str, str]:
    """A run of the command `conform` as a process: its status, stdout and stderr."""
    command = [sys.executable, "-m", "checker", "conform", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.scenario
def test_python_ssl_is_checked_in_every_mode_and_is_not_laxer() -> None:
    status, out, err = run("python-ssl", "--format", "json")
    data = json.loads(out)
    assert status == 0, (out, err)
    assert [(r["version"], r["client_auth"]) for r in data["results"]] == [
        (v, a) for v in ("1.2", "1.3") for a in ("off", "mandatory")
    ]
    assert sum(r["checks"] for r in data["results"]) == sum(len(words(c).checks) for c in ALL)
    assert not any(d["class"] == "laxer" for r in data["results"] for d in r["divergences"])


def lax() -> OwnServer:
    """A server that ignores data before the client's ClientKeyExchange."""
    weakening = Weakening(TLS12, ("WAIT_CKE",), "ApplicationData", "ignored")
    return OwnServer(TLS12, credentials(), patched(role("server", ALWAYS), weakening.patch()))


@pytest.mark.scenario
def test_a_laxer_server_on_a_port_is_reported_and_replayed() -> None:
    with lax().running() as target:
        place = f"127.0.0.1:{target.port}"
        status, out, _ = run(place, "--version", "1.2")
        replayed, again, _ = run(place, "--version", "1.2", "--word", "ClientHello ApplicationData")
    assert (status, replayed) == (1, 1)
    for said in (out, again):
        assert "laxer: after ClientHello, ApplicationData in WAIT_CKE is answered with" in said
        assert "the handshake goes on" in said
        assert "there fall KEY-4" in said
    assert '--word "ClientHello ApplicationData"' in out


@pytest.mark.scenario
def test_a_known_deviation_is_allowed_with_its_reason(tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text(
        '[[allow]]\nmessage = "ApplicationData"\nstate = "WAIT_CKE"\nreason = "our proxy"\n'
        '[[allow]]\nmessage = "Finished"\nreason = "was mended"\n'
    )
    with lax().running() as target:
        found = conform("own", target, TLS12, credentials())
    assert found.lax
    idle = allowance.apply(allowance.read(str(known)), [found])
    assert not found.lax
    assert [a.message for a in idle] == ["Finished"]
    text = as_text([found], idle)
    assert "allowed: our proxy" in text
    assert "note: --allow: nothing fits Finished" in text
    assert exit_status([found]) == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["opnssl"], "expected host:port or a known stack"),
        (["localhost:0"], "expected host:port with a port"),
        (["192.0.2.1:443"], "expected an address on loopback"),
        (["botan", "--version", "1.3"], "expected one of 1.2"),
        (["python-ssl", "--word", "Finishd"], "expected a message"),
        (["python-ssl", "--word", "SecondClientHello"], "--extensions names what adds others"),
        (["python-ssl", "--role", "client", "--extensions", "retry"], "expected a server"),
        (["python-ssl", "--allow", "nowhere.toml"], "cannot be read"),
        (["localhost:4433", "--certificate", "a"], "expected both, or none"),
        (["localhost:4433", "--certificate", "a", "--key", "b"], "expected a PEM certificate"),
    ],
)
def test_bad_usage_is_one_clear_error(
    args: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conform", *args]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "expected tables"),
        ("[[allow]]\nmessage = 'Finished'", "expected the keys message and reason"),
        ("[[allow]]\nmessage = 'Finishd'\nreason = 'r'", "expected a message"),
        ("[[allow]]\nmessage = 'Finished'\nreason = 'r'\nversion = '2'", "expected one of 1.0"),
        ("[[allow", "expected TOML"),
    ],
)
def test_a_bad_allowance_is_one_clear_error(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "allow.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        allowance.read(str(file))


@pytest.mark.scenario
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_server_is_left_when_the_command_ends(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "checker", "conform", "python-ssl"]
    # On Linux a child of a child is found by its environment.
    mark = {"CONFORM_TEST": f"{os.getpid()}-{end.name}"}
    child = subprocess.Popen(
        command, env=os.environ | mark, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def left() -> list[str]:
        want = f"CONFORM_TEST={mark['CONFORM_TEST']}".encode()
        out = []
        for p in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if want in (p / "environ").read_bytes() and int(p.name) != child.pid:
                    out.append((p / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return out

    until = time.monotonic() + 10
    while not any("python_ssl.py" in c for c in left()) and time.monotonic() < until:
        time.sleep(0.005)
    assert left()
    child.send_signal(end)
    child.wait(timeout=60)
    until = time.monotonic() + 2
    while left() and time.monotonic() < until:
        time.sleep(0.02)
    assert left() == []


def test_each_known_stack_has_a_command_and_says_how_it_is_installed() -> None:
    for s in STACKS.values():
        assert s.command
        assert s.install
        assert "none" in s.auths


def test_what_takes_longest_begins_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The results keep the order of the targets."""
    begun: list[str] = []
    monkeypatch.setattr(sweep._Sweep, "begin", lambda _, name: begun.append(name))
    sweep.sweep(["openssl", "erlang", "127.0.0.1:1", "jsse"], sweep.Asked())
    assert begun == ["erlang", "jsse", "openssl", "127.0.0.1:1"]
