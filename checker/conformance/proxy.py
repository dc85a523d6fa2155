"""A proxy on loopback that forwards connections between a client and a server, and follows them.

    with Proxy(("127.0.0.1", 0), ("127.0.0.1", 4433), keys="keys.txt") as proxy:
        ...  # the client connects to proxy.address
        for recording in proxy.recordings(): ...

Bytes are forwarded as they come and never changed. A connection becomes a recording when it has
ended: by then the ends have written its secrets into the file `keys` (SSLKEYLOGFILE).

One thread forwards, by non-blocking sockets: no end can block it, whatever it sends or does not
read. What waits to be sent is bounded, and so is what is kept to be read.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import queue
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from checker.conformance.decoding import Decoder, Earlier
from checker.conformance.reading import says_hello
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recording
from checker.conformance.records import RecordError, key_log
from checker.conformance.wire import RecordingError
from checker.signals import whole
from model.near import shown

Address = tuple[str, int]
KEPT = 1 << 26
"""The most bytes that are kept of connections not yet read; more are forwarded and not read."""
UNSENT = 1 << 18
"""The bytes that wait for a slow end before its peer is read no further."""
AT_ONCE = 200
"""The most connections at a time."""
HALF = 10.0
"""Seconds that a connection lives on after one end has closed, if the other end is silent."""


class ProxyError(RuntimeError):
    """The proxy cannot listen; the message says why."""


def address(text: str, what: str) -> Address:
    """The address in `host:port` or in a port alone, which must be on loopback."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise RecordingError(f"--proxy: expected {what} as host:port or port, got {shown(text)}")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise RecordingError(
            f"--proxy: expected {what} on loopback (127.0.0.1 or ::1), got {shown(host)}"
        )
    return host, int(port)


class _End:
    """One end of a connection: its socket, and what waits to be sent to it."""

    def __init__(self, sock: socket.socket, direction: str) -> None:
        self.sock, self.direction = sock, direction  # that of what it sends
        self.unsent = bytearray()
        self.closed = False  # it sends no more
        self.told = False  # it knows that its peer sends no more
        self.ready = True  # whether it is connected


class _Connection:
    """One connection: the bytes of both directions in the order in which they came."""

    def __init__(self, number: int, client: socket.socket, server: socket.socket) -> None:
        self.number = number
        self.client, self.server = _End(client, TO_SERVER), _End(server, TO_CLIENT)
        self.server.ready = False
        self.chunks: list[tuple[str, bytes]] = []
        self.full = False  # not all bytes were kept
        self.problem = ""  # why the target was not reached
        self.last = time.monotonic()

    @property
    def ends(self) -> tuple[_End, _End]:
        """The client and the server."""
        return self.client, self.server

    def peer(self, end: _End) -> _End:
        """The other end."""
        return self.server if end is self.client else self.client


class Proxy:
    """The proxy; use it in a `with` block. `address` is where it listens."""

    def __init__(self, listen: Address, target: Address, keys: str | None = None) -> None:
        self.target = target
        self._log = KeyLog(keys)
        family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        try:
            self._listener = socket.create_server(listen, family=family)
        except OSError as e:
            raise ProxyError(f"cannot listen on {listen[0]} port {listen[1]}: {e.strerror}") from e
        self.address: Address = self._listener.getsockname()[:2]
        if self.address == target:
            self._listener.close()
            raise ProxyError(f"expected another TARGET than LISTEN, got port {target[1]} twice")
        self._ended: queue.Queue[_Connection] = queue.Queue()
        self._open: dict[_Connection, None] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        for s in (self._listener, self._woken):
            s.setblocking(False)
            self._selector.register(s, selectors.EVENT_READ)
        self._earlier = Earlier()
        self._count = self._kept = 0
        self._lock = threading.Lock()  # of `_kept`
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        with whole():  # signals are for the main thread
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the connections that are open, and accept no more."""
        with contextlib.suppress(OSError):
            self._wake.send(b"!")
        self._thread.join(timeout=5)

    def settle(self, seconds: float) -> None:
        """Wait until no connection is open, so many seconds at most."""
        until = time.monotonic() + seconds
        while self._open and time.monotonic() < until:
            time.sleep(0.01)

    def wait(self, seconds: float) -> bool:
        """Wait until a connection has ended, so many seconds at most; whether one has."""
        until = time.monotonic() + seconds
        while self._ended.empty() and time.monotonic() < until:
            time.sleep(0.01)
        return not self._ended.empty()

    # -- forwarding ------------------------------------------------------------------------------
    def _run(self) -> None:
        """Forward until `stop`."""
        try:
            while self._turn():
                pass
        finally:
            for connection in list(self._open):
                self._finish(connection)
            self._selector.close()
            for s in (self._listener, self._wake, self._woken):
                s.close()

    def _turn(self) -> bool:
        """Wait until there is something to do, and do it; whether to go on."""
        for key, events in self._selector.select(timeout=min(1.0, HALF)):
            if key.fileobj is self._woken:
                return False
            if key.fileobj is self._listener:
                self._accept()
                continue
            connection, end = key.data
            if connection in self._open:
                if events & selectors.EVENT_WRITE:
                    self._write(connection, end)
                if events & selectors.EVENT_READ:
                    self._read(connection, end)
                self._update(connection)
        now = time.monotonic()
        for c in list(self._open):
            if any(e.closed for e in c.ends) and now - c.last > HALF:
                self._finish(c)
        return True

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if len(self._open) >= AT_ONCE:
            client.close()
            return
        family = socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET
        server = socket.socket(family, socket.SOCK_STREAM)
        for s in (client, server):
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._count += 1
        connection = _Connection(self._count, client, server)
        self._open[connection] = None
        code = server.connect_ex(self.target)
        if code in (0, errno.EINPROGRESS):
            self._update(connection)
        else:
            self._unreached(connection, code)

    def _unreached(self, connection: _Connection, code: int) -> None:
        at = f"{self.target[0]} port {self.target[1]}"
        connection.problem = f"no server takes connections at {at}: {os.strerror(code)}"
        self._finish(connection)

    def _read(self, connection: _Connection, end: _End) -> None:
        """Take what an end sends."""
        try:
            data = end.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        connection.last = time.monotonic()
        if data:
            connection.peer(end).unsent += data
        else:
            end.closed = True
        self._keep(connection, end.direction, data)

    def _write(self, connection: _Connection, end: _End) -> None:
        """Send what waits for an end; one that takes no more has closed."""
        if not end.ready:
            code = end.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._unreached(connection, code)
                return
            end.ready = True
        try:
            if end.unsent:
                del end.unsent[: end.sock.send(end.unsent)]
                connection.last = time.monotonic()
        except BlockingIOError:
            return
        except OSError:
            end.unsent.clear()
            if not end.closed:
                end.closed = True
                self._keep(connection, end.direction, b"")

    def _update(self, connection: _Connection) -> None:
        """Say what to wait for on a connection, tell its ends of a close, and end it after both."""
        if connection not in self._open:
            return
        for end in connection.ends:
            peer = connection.peer(end)
            if peer.closed and end.ready and not end.unsent and not end.told:
                end.told = True
                with contextlib.suppress(OSError):
                    end.sock.shutdown(socket.SHUT_WR)
        if all(e.closed and (e.told or not e.ready) for e in connection.ends):
            self._finish(connection)
            return
        for end in connection.ends:
            room = end.ready and not end.closed and len(connection.peer(end).unsent) < UNSENT
            wanted = selectors.EVENT_READ * room
            wanted |= selectors.EVENT_WRITE * (bool(end.unsent) or not end.ready)
            self._wait(connection, end, wanted)

    def _wait(self, connection: _Connection, end: _End, wanted: int) -> None:
        known = end.sock in self._selector.get_map()
        if wanted and known:
            self._selector.modify(end.sock, wanted, (connection, end))
        elif wanted:
            self._selector.register(end.sock, wanted, (connection, end))
        elif known:
            self._selector.unregister(end.sock)

    def _keep(self, connection: _Connection, direction: str, data: bytes) -> None:
        """Keep bytes to be read, as long as there are not too many; none are the end."""
        with self._lock:
            connection.full |= self._kept + len(data) > KEPT
            if not connection.full:
                self._kept += len(data)
                connection.chunks.append((direction, data))

    def _finish(self, connection: _Connection) -> None:
        """End both sides, and hand the connection over."""
        if connection not in self._open:
            return
        for end in connection.ends:
            self._wait(connection, end, 0)
            end.sock.close()
        if connection.problem or any(data for _, data in connection.chunks):
            self._ended.put(connection)  # else it was only tried whether the port is open
        del self._open[connection]

    # -- recordings ------------------------------------------------------------------------------
    def recordings(self) -> Iterator[Recording]:
        """The connections that have ended since the last call."""
        while not self._ended.empty():
            yield self._recording(self._ended.get())

    def _recording(self, c: _Connection) -> Recording:
        title = f"connection {c.number} to {self.target[0]} port {self.target[1]}"
        secrets, problem = self._log.secrets()
        decoder = Decoder(lambda random: secrets.get(random, {}))
        begun = False
        for direction, data in c.chunks:
            begun |= direction == TO_SERVER and says_hello(data)
            if begun:
                decoder.feed(direction, data)
        with self._lock:
            self._kept -= sum(len(data) for _, data in c.chunks)
        if c.problem:
            decoder.unread = c.problem
        elif not begun:
            decoder.unread = "no ClientHello: this is not TLS"
        elif c.full:
            decoder.unread = decoder.unread or f"over {KEPT:,} bytes: the rest was not kept"
        elif problem and decoder.unread:
            decoder.unread += f" ({problem})"
        return decoder.recording(title, self._earlier)


class KeyLog:
    """A file in the format of SSLKEYLOGFILE that ends write while it is read."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._at = 0  # the bytes read so far
        self._known: dict[bytes, dict[str, bytes]] = {}

    def secrets(self) -> tuple[dict[bytes, dict[str, bytes]], str]:
        """The secrets that are in the file now, and why there are none."""
        if self.path is None:
            return {}, "no file of secrets was given: --keys FILE, as SSLKEYLOGFILE names it"
        try:
            with Path(self.path).open("rb") as f:
                f.seek(self._at)
                lines = f.read(KEPT).rpartition(b"\n")[0]  # the last one may not be whole
            for random, found in key_log(lines.decode("utf-8", "replace").splitlines()).items():
                self._known.setdefault(random, {}).update(found)
        except (OSError, RecordError) as e:
            return self._known, f"{self.path}: {getattr(e, 'strerror', None) or e}"
        self._at += len(lines) + bool(lines)
        return self._known, ""
