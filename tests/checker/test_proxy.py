"""The proxy between a real client and a real server on loopback, and the fixture `tls_proxy`."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checker.conformance import live, monitor
from checker.conformance.proxy import Proxy, address
from checker.conformance.wire import RecordingError
from checker.report.monitor import main
from tests.checker.test_monitor import needs_live
from tests.checker.test_recordings import args

pytestmark = needs_live


@pytest.fixture(scope="module")
def identities() -> dict[str, bytes]:
    return live.make_identities()


@contextlib.contextmanager
def serving(identities: dict[str, bytes], version: str) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of a server that echoes, and a client's context for it."""
    client, server = live.contexts(live.Handshake(version, False), identities, [])
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    here, _ = listener.accept()
                    here.settimeout(5)
                    with here, server.wrap_socket(here, server_side=True) as tls:
                        while data := tls.read(1024):
                            tls.write(data)
                        tls.unwrap()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], client
        finally:
            stop.set()
            thread.join()


def talk(context: ssl.SSLContext, to: tuple[str, int], session: Any = None) -> Any:
    """Ping over TLS, and close as it should be; the session."""
    with socket.create_connection(to, timeout=5) as there:
        tls = context.wrap_socket(there, server_hostname="server", session=session)
        tls.write(b"ping")
        assert tls.read(4) == b"ping"
        out = tls.session
        with contextlib.suppress(OSError):
            tls.unwrap()
    return out


@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_each_connection_is_followed(
    identities: dict[str, bytes], tmp_path: Path, version: str
) -> None:
    """Two connections, the second a resumption; both are read to their ends."""
    keys = tmp_path / "keys.txt"
    with serving(identities, version) as (port, client):
        client.keylog_filename = str(keys)
        with Proxy(("127.0.0.1", 0), ("127.0.0.1", port), str(keys)) as proxy:
            session = talk(client, proxy.address)
            talk(client, proxy.address, session)
            proxy.settle(5)
            first, second = proxy.recordings(1)
    for r in (first, second):
        report = monitor.watch(r)
        assert report.ok, report.problem or report.unread
        names = [m.message for m in r.messages]
        assert names.count("Finished") == 2 and "CloseNotify" in names
        assert names.count("ApplicationData") == 2
    assert second.before is first


def test_without_keys_it_says_so(identities: dict[str, bytes], tmp_path: Path) -> None:
    with serving(identities, "TLS13") as (port, client):
        for keys, why in ((None, "no --keys were given"), (tmp_path / "none", "No such file")):
            with Proxy(
                ("127.0.0.1", 0), ("127.0.0.1", port), None if keys is None else str(keys)
            ) as p:
                talk(client, p.address)
                p.settle(5)
                (got,) = p.recordings(1)
            assert "with a key log more can be read" in got.unread and why in got.unread
            assert monitor.watch(got).verdict == "not read"


def test_what_is_no_tls_is_forwarded_and_not_read() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Proxy(("127.0.0.1", 0), listener.getsockname()[:2]) as proxy,
    ):
        with socket.create_connection(proxy.address, timeout=5) as there:
            here, _ = listener.accept()
            there.sendall(b"hello")
            assert here.recv(5) == b"hello"
            here.sendall(b"world")
            assert there.recv(5) == b"world"
            here.close()
        proxy.settle(5)
        (got,) = proxy.recordings(1)
    assert got.unread.startswith("no ClientHello: this is not TLS")


def test_a_connection_ends_with_its_target_or_the_proxy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[:2]
    with Proxy(("127.0.0.1", 0), closed) as proxy:
        with socket.create_connection(proxy.address, timeout=5) as there:
            assert there.recv(1) == b""  # the target refuses
        assert list(proxy.recordings()) == []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Proxy(("127.0.0.1", 0), listener.getsockname()[:2]) as proxy:
            there = socket.create_connection(proxy.address, timeout=5)
            listener.accept()[0].recv(0)
        with there:
            assert there.recv(1) == b""


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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = args()
        given.proxy = [str(taken.getsockname()[1]), "4433"]
        assert main(given) == 2
    assert "cannot listen on 127.0.0.1 port" in capsys.readouterr().err


@pytest.mark.scenario
@pytest.mark.parametrize("ends_by", ["--connections", "SIGTERM"])
def test_the_command(identities: dict[str, bytes], tmp_path: Path, ends_by: str) -> None:
    keys = tmp_path / "keys.txt"
    with serving(identities, "TLS13") as (port, client):
        client.keylog_filename = str(keys)
        command = [sys.executable, "-m", "checker", "monitor", "--keys", str(keys)]
        command += ["--proxy", "0", str(port)]
        command += ["--connections", "1"] if ends_by == "--connections" else []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None and process.stdout is not None
            said = process.stderr.readline()
            assert said.startswith("forwarding 127.0.0.1 port ")
            talk(client, ("127.0.0.1", int(said.split()[4])))
            if ends_by == "SIGTERM":
                line = ""
                while "accepted" not in line:
                    line = process.stdout.readline()
                    assert line, "ended before a report"
                process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "1 recording: 1 accepted, 0 refused" in out


# -- the fixture -----------------------------------------------------------------------------------
def test_the_fixture_follows_the_tests_own_server(
    tls_proxy: Callable[..., Any], identities: dict[str, bytes], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.txt"
    with serving(identities, "TLS13") as (port, client):
        client.keylog_filename = str(keys)
        talk(client, tls_proxy(port, keys=keys).address)


def test_the_fixture_fails_a_test_whose_server_errs(pytester: pytest.Pytester) -> None:
    """A server that answers a ClientHello with data."""
    pytester.makepyfile(
        """
        import socket

        def test_server(tls_proxy):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                proxy = tls_proxy(listener.getsockname()[1])
                with socket.create_connection(proxy.address) as there:
                    here, _ = listener.accept()
                    there.sendall(bytes.fromhex(HELLO))
                    here.recv(1000)
                    here.sendall(bytes.fromhex("170303000100"))
                    assert there.recv(6)
                    here.close()

        HELLO = (
            "16030300310100002d0303" + 32 * "00" + "000006c02f009c00ff0100"
        )
        """
    )
    result = pytester.runpytest_subprocess("-p", "checker.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*REFUSED: message 2, ApplicationData (server->client)*"])
