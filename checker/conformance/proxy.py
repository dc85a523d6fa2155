"""A proxy on loopback that forwards connections between a client and a server, and follows them.

    with Proxy(("127.0.0.1", 0), ("127.0.0.1", 4433), keys="keys.txt") as proxy:
        ...  # the client connects to proxy.address
        for recording in proxy.recordings(): ...

A connection becomes a recording when it has ended: by then the ends have written its secrets into
the file `keys` (SSLKEYLOGFILE). Bytes are forwarded as they come and never changed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
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
from model.near import shown

Address = tuple[str, int]
KEPT = 1 << 26
"""The most bytes of a connection that are kept; more are forwarded and not read."""
AT_ONCE = 200
"""The most connections at a time."""


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


class _Connection:
    """One connection: the bytes of both directions in the order in which they came."""

    def __init__(self, number: int, client: socket.socket, server: socket.socket) -> None:
        self.number = number
        self.sockets = {TO_SERVER: (client, server), TO_CLIENT: (server, client)}
        self.chunks: list[tuple[str, bytes]] = []
        self.size = 0
        self.full = False
        self.lock = threading.Lock()
        self.open = 2

    def keep(self, direction: str, data: bytes) -> None:
        """Keep bytes, as long as there are not too many."""
        with self.lock:
            self.size += len(data)
            self.full |= self.size > KEPT
            if not self.full:
                self.chunks.append((direction, data))

    def close(self) -> None:
        """End both sides."""
        for s, _ in self.sockets.values():
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


class Proxy:
    """The proxy; use it in a `with` block. `address` is where it listens."""

    def __init__(self, listen: Address, target: Address, keys: str | None = None) -> None:
        self.target, self.keys = target, keys
        family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        try:
            self._listener = socket.create_server(listen, family=family)
        except OSError as e:
            raise ProxyError(f"cannot listen on {listen[0]} port {listen[1]}: {e.strerror}") from e
        self.address: Address = self._listener.getsockname()[:2]
        self._ended: queue.Queue[_Connection] = queue.Queue()
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._earlier = Earlier()
        self._count = 0
        self._stop = False

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Accept no more connections, and end those that are open."""
        self._stop = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for c in list(self._open):
            c.close()

    # -- forwarding ------------------------------------------------------------------------------
    def _accept(self) -> None:
        while not self._stop:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if len(self._open) >= AT_ONCE:
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._count += 1
            connection = _Connection(self._count, client, server)
            with self._lock:
                self._open.add(connection)
            for direction in (TO_SERVER, TO_CLIENT):
                threading.Thread(
                    target=self._forward, args=(connection, direction), daemon=True
                ).start()

    def _forward(self, connection: _Connection, direction: str) -> None:
        source, sink = connection.sockets[direction]
        try:
            while data := source.recv(1 << 16):
                connection.keep(direction, data)
                sink.sendall(data)
        except OSError:
            pass
        connection.keep(direction, b"")
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        with self._lock:
            connection.open -= 1
            last = not connection.open
            if last:
                self._open.discard(connection)
        if last:
            connection.close()
            self._ended.put(connection)

    def settle(self, seconds: float) -> None:
        """Wait until no connection is open, so many seconds at most."""
        end = time.monotonic() + seconds
        while self._open and time.monotonic() < end:
            time.sleep(0.01)

    # -- recordings ------------------------------------------------------------------------------
    def recordings(self, seconds: float = 0.0) -> Iterator[Recording]:
        """The connections that have ended since the last call, waiting so long for the first."""
        try:
            yield self._recording(self._ended.get(timeout=seconds) if seconds else self._now())
            while True:
                yield self._recording(self._now())
        except queue.Empty:
            return

    def _now(self) -> _Connection:
        return self._ended.get_nowait()

    def _recording(self, c: _Connection) -> Recording:
        title = f"connection {c.number} to {self.target[0]} port {self.target[1]}"
        secrets, problem = self._secrets()
        decoder = Decoder(lambda random: secrets.get(random, {}))
        begun = False
        for direction, data in c.chunks:
            begun |= direction == TO_SERVER and says_hello(data)
            if begun:
                decoder.feed(direction, data)
        if not begun:
            decoder.unread = "no ClientHello: this is not TLS"
        elif c.full:
            decoder.unread = decoder.unread or f"over {KEPT:,} bytes: the rest was not kept"
        if problem and decoder.unread:
            decoder.unread += f" ({problem})"
        return decoder.recording(title, self._earlier, unit="message")

    def _secrets(self) -> tuple[dict[bytes, dict[str, bytes]], str]:
        """The secrets that are in the file now, and why there are none."""
        if self.keys is None:
            return {}, "no --keys were given"
        try:
            return key_log(Path(self.keys).read_text("utf-8", "replace").splitlines()), ""
        except (OSError, RecordError) as e:
            return {}, f"{self.keys}: {e}"
