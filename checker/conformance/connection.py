"""A connection to a peer that is not trusted: what it sends, as events, within bounds.

The peer may send without end, byte by byte, garbage, or nothing. So each read has a deadline, and
what a connection may bring has a limit in bytes and in events.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from checker.conformance import records as rec
from checker.conformance.alerts import NAMES
from checker.conformance.wire import name_of

BYTES = 2**20
"""The most bytes that a peer may send on one connection."""
EVENTS = 2000
"""The most messages, alerts and records of data that a peer may send on one connection."""


@dataclass(frozen=True)
class Event:
    """Something that a peer sent, or the end of the connection."""

    name: str  # a message, "Alert", or one of the names below
    level: str = ""  # of an alert
    description: str = ""  # of an alert
    body: bytes = b""  # of a handshake message or data
    raw: bytes = b""  # a handshake message with its header
    keys: int = 0  # the number of the keys of its record, 0 in the clear

    @property
    def fatal(self) -> bool:
        """Whether the event is a fatal alert."""
        return self.name == "Alert" and self.level == "fatal" and self.description != "close_notify"

    @property
    def ends(self) -> bool:
        """Whether nothing is to be expected after the event."""
        return self.fatal or self.name in (CLOSED, RESET, FLOOD, NOT_TLS)

    def __str__(self) -> str:
        if self.name == "Alert":
            return f"Alert({self.level}, {self.description})"
        return self.name


CLOSED, RESET, FLOOD = "ConnectionClosed", "ConnectionReset", "Flood"
NOT_TLS, UNDECRYPTABLE = "NotTLS", "Undecryptable"


class Connection:
    """A connection: sealed writes, and reads as events."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream, self.messages = rec.Stream(), rec.Messages()
        self.epochs = rec.Epochs(whole=True)
        self.write: rec.Protection = rec.Plain()
        self._records: deque[rec.Record] = deque()
        self._events: deque[Event] = deque()
        self._bytes = self._count = 0
        self._end_event: Event | None = None
        self.on_close: Callable[[], None] | None = None

    def close(self) -> None:
        """End the connection."""
        self.sock.close()
        if self.on_close is not None:
            self.on_close()

    def put(
        self, kind: int, content: bytes, version: int, under: rec.Protection | None = None
    ) -> None:
        """Send content as records, under the write keys or other ones; errors show in a read."""
        protection = under or self.write
        parts = [content[i : i + rec.PLAINTEXT] for i in range(0, len(content), rec.PLAINTEXT)]
        self.put_raw(b"".join(protection.seal(kind, p, version) for p in parts or [b""]))

    def put_raw(self, data: bytes) -> None:
        """Send bytes as they are; a peer that does not read for a second gets no more."""
        until = time.monotonic() + 1.0
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                left = until - time.monotonic()
                if left <= 0 or not select.select([], [self.sock], [], left)[1]:
                    return
            except OSError:
                return  # the end shows in the next read, after what the peer sent before it

    def get(self, until: float) -> Event | None:
        """The next event; None if there is none at the time `until` (of `time.monotonic`).

        A record is opened when its turn comes, under the keys that are known by then.
        """
        while not self._events:
            if self._records:
                self._take(self._records.popleft())
                continue
            if self._end_event is not None:
                return self._end_event
            left = until - time.monotonic()
            self._quick_ack()
            if not select.select([self.sock], [], [], max(0.0, left))[0]:
                return None
            self._read()
            if left <= 0 and not self._records and self._end_event is None:
                return None
        return self._events.popleft()

    def _read(self) -> None:
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self._end(RESET)
            return
        if not data:
            self._end(CLOSED)
            return
        self._bytes += len(data)
        try:
            for record in self.stream.feed(data):
                self._count += 1
                self._records.append(record)
        except rec.RecordError:
            self._end(NOT_TLS, data[:60])
            return
        if self._bytes > BYTES or self._count > EVENTS:
            self._end(FLOOD)

    def _quick_ack(self) -> None:
        # Without it Nagle's algorithm at the peer waits for our delayed acknowledgement, and an
        # alert before a reset is lost. The system forgets it, so it is asked for each time.
        if hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _end(self, name: str, body: bytes = b"") -> None:
        """Read no more: this event follows what was read before, and stands for ever."""
        self._end_event = Event(name, body=body)

    def _take(self, record: rec.Record) -> None:
        try:
            kind, content, keys = self.epochs.open(record)
        except rec.ProtectionError:
            self._events.append(Event(UNDECRYPTABLE))
            return
        if kind == rec.ALERT:
            if len(content) != 2:
                self._events.append(Event("Alert", "fatal", f"of {len(content)} bytes", keys=keys))
                return
            level = {1: "warning", 2: "fatal"}.get(content[0], f"level {content[0]}")
            name = NAMES.get(content[1], f"number {content[1]}")
            self._events.append(Event("Alert", level, name, keys=keys))
        elif kind == rec.HANDSHAKE:
            try:
                for raw in self.messages.feed(content):
                    name = name_of(raw[0], raw[4:], retried=False) or f"handshake type {raw[0]}"
                    self._events.append(Event(name, body=raw[4:], raw=raw, keys=keys))
            except rec.RecordError as e:
                self._end(NOT_TLS, str(e).encode())
        elif kind == rec.CHANGE_CIPHER_SPEC:
            self._events.append(Event("ChangeCipherSpec", body=content, keys=keys))
        elif kind == rec.APPLICATION_DATA:
            self._events.append(Event("ApplicationData", body=content, keys=keys))
