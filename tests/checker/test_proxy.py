"""The proxy between a real client and a real server on loopback, and the fixture `tls_proxy`.

Every socket has a timeout, and every process one: an end that waits for ever fails its test.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checker.conformance import live, monitor, proxy
from checker.conformance.proxy import Address, KeyLog, Proxy, address
from checker.conformance.recording import Recording
from checker.conformance.wire import RecordingError
from checker.report.monitor import main
from tests.checker.test_monitor import needs_live
from tests.checker.test_recordings import args
from tests.sizes import deep_but

pytestmark = needs_live
SECONDS = 60.0
"""The most that one call of a socket may take."""
HERE = ("127.0.0.1", 0)


@pytest.fixture(scope="module")
def identities() -> dict[str, bytes]:
    return live.make_identities()


@contextlib.contextmanager
def serving(identities: dict[str, bytes], version: str) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of a server that echoes, and a client's context for it."""
    client, server = live.contexts(live.Handshake(version, False), identities, [])
    stop = threading.Event()
    with socket.create_server(HERE) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    here, _ = listener.accept()
                    here.settimeout(SECONDS)
                    with server.wrap_socket(here, server_side=True) as tls:
                        while data := tls.read(1024):
                            tls.write(data)
                        tls.unwrap()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], client
        finally:
            stop.set()
            thread.join(timeout=2 * SECONDS)


def talk(context: ssl.SSLContext, to: Address, session: Any = None) -> Any:
    """Ping over TLS, and close as it should be; the session."""
    there = socket.create_connection(to, timeout=SECONDS)
    with context.wrap_socket(there, server_hostname="server", session=session) as tls:
        tls.write(b"ping")
        assert tls.read(4) == b"ping"
        out = tls.session
        with contextlib.suppress(OSError):
            tls.unwrap()
    return out


@contextlib.contextmanager
def plain() -> Iterator[tuple[Proxy, Callable[[], tuple[socket.socket, socket.socket]]]]:
    """A proxy to a listener of the test's own, and a function that gives both ends of a connection.

    All is closed at the end, and the proxy has ended.
    """
    with contextlib.ExitStack() as ends:
        listener = ends.enter_context(socket.create_server(HERE))
        listener.settimeout(SECONDS)
        between = ends.enter_context(Proxy(HERE, listener.getsockname()[:2]))

        def pair() -> tuple[socket.socket, socket.socket]:
            client = ends.enter_context(socket.create_connection(between.address, SECONDS))
            server = ends.enter_context(listener.accept()[0])
            server.settimeout(SECONDS)
            return client, server

        yield between, pair
        between.stop()
        assert "proxy" not in {t.name for t in threading.enumerate()}


def ended(between: Proxy, count: int = 1) -> list[Recording]:
    """The recordings of connections that have ended, or soon will."""
    out: list[Recording] = []
    while len(out) < count and between.wait(SECONDS):
        out += between.recordings()
    return out


# -- what is recorded ------------------------------------------------------------------------------
@pytest.mark.scenario
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_each_connection_is_followed(
    identities: dict[str, bytes], tmp_path: Path, version: str
) -> None:
    """Two connections, the second a resumption; both are read to their ends."""
    keys = tmp_path / "keys.txt"
    with serving(identities, version) as (port, client):
        client.keylog_filename = str(keys)
        with Proxy(HERE, ("127.0.0.1", port), str(keys)) as between:
            session = talk(client, between.address)
            talk(client, between.address, session)
            first, second = ended(between, 2)
    for r in (first, second):
        report = monitor.watch(r)
        assert report.ok, report.problem or report.unread
        names = [m.message for m in r.messages]
        assert names.count("Finished") == 2 and "CloseNotify" in names
        assert names.count("ApplicationData") == 2
    assert second.before is first


def test_without_keys_it_says_so(identities: dict[str, bytes], tmp_path: Path) -> None:
    with serving(identities, "TLS13") as (port, client):
        for keys, why in ((None, "--keys FILE"), (str(tmp_path / "none"), "No such file")):
            with Proxy(HERE, ("127.0.0.1", port), keys) as between:
                talk(client, between.address)
                (got,) = ended(between)
            assert "with a key log more can be read" in got.unread and why in got.unread
            assert monitor.watch(got).verdict == "not read"


def test_a_key_log_is_read_as_it_grows(tmp_path: Path) -> None:
    """A line that is not whole yet is left for the next time."""
    keys = tmp_path / "keys.txt"
    log, line = KeyLog(str(keys)), f"CLIENT_RANDOM {32 * 'ab'} {48 * 'cd'}\n"
    keys.write_text(f"# a comment\n{line[:80]}")
    assert log.secrets() == ({}, "")
    with keys.open("a") as f:
        f.write(f"{line[80:]}{line.replace('ab', 'ef')}")
    assert [*log.secrets()[0]] == [32 * b"\xab", 32 * b"\xef"]
    with keys.open("a") as f:
        f.write("CLIENT_RANDOM x\n")
    found, why = log.secrets()
    assert len(found) == 2 and "expected a label, a client random and a secret" in why


# -- what is forwarded -----------------------------------------------------------------------------
def test_what_is_no_tls_is_forwarded_and_not_read() -> None:
    with plain() as (between, pair):
        client, server = pair()
        client.sendall(b"hello")
        assert server.recv(5) == b"hello"
        server.sendall(b"world")
        assert client.recv(5) == b"world"
        for s in (client, server):
            s.close()
        (got,) = ended(between)
    assert got.unread == "no ClientHello: this is not TLS"


def test_a_half_close_is_forwarded_and_the_other_half_lives_on() -> None:
    with plain() as (between, pair):
        client, server = pair()
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert server.recv(8) == b"question"
        assert server.recv(1) == b""
        server.sendall(b"answer")
        assert client.recv(6) == b"answer"
        server.close()
        assert client.recv(1) == b""
        assert len(ended(between)) == 1


def test_a_slow_reader_loses_nothing_and_stops_no_other_connection() -> None:
    size = 8 << 20  # more than the proxy and the system hold
    with plain() as (_, pair):
        client, server = pair()
        thread = threading.Thread(target=server.sendall, args=(bytes(size),), daemon=True)
        thread.start()
        thread.join(timeout=0.2)
        assert thread.is_alive()  # the proxy reads no further
        other, behind = pair()
        other.sendall(b"x")
        assert behind.recv(1) == b"x"
        got = 0
        while got < size:
            got += len(client.recv(1 << 20))
        thread.join(timeout=SECONDS)
        assert not thread.is_alive()


def test_more_than_is_kept_is_forwarded_and_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "KEPT", 1000)
    hello = bytes.fromhex("16030300310100002d0303" + 32 * "00" + "000006c02f009c00ff0100")
    with plain() as (between, pair):
        for _ in range(2):  # what was read is kept no longer
            client, server = pair()
            client.sendall(hello)
            assert server.recv(100) == hello
            client.sendall(bytes(2000))
            client.shutdown(socket.SHUT_WR)
            while server.recv(1 << 16):
                pass
            server.close()
            (got,) = ended(between)
            assert [m.message for m in got.messages] == ["ClientHello"]
            assert got.unread == "over 1,000 bytes: the rest was not kept"


# -- how it ends -----------------------------------------------------------------------------------
@pytest.mark.parametrize("end", [0, 1], ids=["client", "server"])
def test_a_reset_ends_both_sides(end: int) -> None:
    with plain() as (between, pair):
        both = pair()
        both[end].sendall(b"x")
        assert both[1 - end].recv(1) == b"x"
        both[end].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        both[end].close()
        assert both[1 - end].recv(1) == b""
        both[1 - end].close()
        assert len(ended(between)) == 1


def test_an_end_that_stays_silent_after_a_close_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "HALF", 0.1)
    with plain() as (between, pair):
        client, server = pair()
        client.sendall(b"x")
        client.close()
        assert len(ended(between)) == 1
        assert server.recv(10) == b"x"
        assert server.recv(1) == b""


def test_ends_that_never_speak_do_not_keep_the_proxy() -> None:
    with plain() as (between, pair):
        client, server = pair()
        began = time.monotonic()
        between.stop()
        assert time.monotonic() - began < SECONDS
        assert client.recv(1) == server.recv(1) == b""
        assert [*between.recordings()] == []  # nothing was said


def test_a_target_that_is_not_there_is_a_connection_not_read() -> None:
    with socket.create_server(HERE) as free:
        closed = free.getsockname()[:2]
    with Proxy(HERE, closed) as between:
        with socket.create_connection(between.address, timeout=SECONDS) as there:
            assert there.recv(1) == b""
        (got,) = ended(between)
    assert got.unread == f"no server takes connections at 127.0.0.1 port {closed[1]}: " + (
        "Connection refused"
    )


# -- the command -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("192.0.2.1:443", "expected TARGET on loopback"),
        ("example.org:443", "expected TARGET on loopback"),
        ("127.0.0.1", "expected TARGET as host:port or port"),
        ("127.0.0.1:99999", "expected TARGET as host:port or port"),
    ],
)
def test_only_loopback(text: str, error: str) -> None:
    with pytest.raises(RecordingError, match=error):
        address(text, "TARGET")
    assert address("4433", "TARGET") == address("localhost:4433", "x") == ("127.0.0.1", 4433)
    assert address("[::1]:4433", "TARGET") == ("::1", 4433)


def test_a_port_that_is_taken_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(HERE) as taken:
        given = args()
        given.proxy = [str(taken.getsockname()[1]), "4433"]
        assert main(given) == 2
    assert "cannot listen on 127.0.0.1 port" in capsys.readouterr().err


@contextlib.contextmanager
def command(*more: str) -> Iterator[tuple[subprocess.Popen[str], Address]]:
    """The command as a process, and where it listens; it is ended if the test does not end it."""
    whole = [sys.executable, "-m", "checker", "monitor", "--proxy", "0", *more]
    with subprocess.Popen(
        whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        late = threading.Timer(2 * SECONDS, process.kill)
        late.start()
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert said.startswith("forwarding 127.0.0.1 port "), said
            yield process, ("127.0.0.1", int(said.split()[3]))
        finally:
            late.cancel()
            process.kill()


@pytest.mark.parametrize("ends_by", deep_but(["SIGTERM"], ["--connections", "SIGTERM", "SIGINT"]))
def test_the_command(identities: dict[str, bytes], tmp_path: Path, ends_by: str) -> None:
    """However it ends, each connection is reported; one that is open then is ended."""
    keys = tmp_path / "keys.txt"
    number = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}.get(ends_by)
    more = ["--connections", "1"] if number is None else []
    with serving(identities, "TLS13") as (port, client):
        client.keylog_filename = str(keys)
        with command(str(port), "--keys", str(keys), *more) as (process, at):
            talk(client, at)
            if number is not None:
                with socket.create_connection(at, timeout=SECONDS) as idle:
                    process.send_signal(number)
                    assert idle.recv(1) == b""
            out, err = process.communicate(timeout=2 * SECONDS)
    assert (process.returncode, err) == (0, "")
    assert "1 recording: 1 accepted, 0 refused" in out


@pytest.mark.scenario
def test_the_command_without_a_connection_is_an_error() -> None:
    with command("4433") as (process, _):
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=2 * SECONDS)
    assert (process.returncode, out) == (2, "")
    assert err == "monitor: --proxy: expected a connection, got none before the end\n"


# -- the fixture -----------------------------------------------------------------------------------
def test_the_fixture_follows_the_tests_own_server(
    tls_proxy: Callable[..., Any], identities: dict[str, bytes], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.txt"
    with serving(identities, "TLS13") as (port, client):
        client.keylog_filename = str(keys)
        talk(client, tls_proxy(port, keys=keys).address)


ERRING = """
import socket

HELLO = "16030300310100002d0303" + 32 * "00" + "000006c02f009c00ff0100"

def test_server(tls_proxy):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        proxy = tls_proxy(listener.getsockname()[1])
        with socket.create_connection(proxy.address, timeout=10) as there:
            here, _ = listener.accept()
            there.sendall(bytes.fromhex(HELLO))
            assert here.recv(1000)
            here.sendall(bytes.fromhex("16030300040e000000"))
            assert there.recv(9)
            here.close()

def test_nobody(tls_proxy):
    tls_proxy(4433)
"""
"""Tests of a server that answers ClientHello with ServerHelloDone, and of one without clients."""


@pytest.mark.deep
def test_the_fixture_fails_a_test_whose_server_errs(tmp_path: Path) -> None:
    file = tmp_path / "test_erring.py"
    file.write_text(ERRING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "checker.pytest_plugin",
               "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(file)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * SECONDS, check=False)
    assert "2 passed, 2 errors" in done.stdout
    assert "REFUSED: message 2, ServerHelloDone (server->client)" in done.stdout
    assert "tls_proxy: no connection came to port" in done.stdout
