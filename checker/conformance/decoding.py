"""The bytes of a TLS connection to the model's messages, as far as the keys allow.

Bytes are fed as they were seen, each with its sender. The secrets of a key log open the records;
they may become known while the connection runs. Without them, below TLS 1.3 the types of records
are still seen, and the first protected handshake message after ChangeCipherSpec is taken for a
Finished, which the recording says; in TLS 1.3 nothing can be told after ServerHello. What cannot be
told ends the recording, with the reason: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from checker.conformance import key_schedule as ks
from checker.conformance import records, wire
from checker.conformance.abstraction import Abstraction
from checker.conformance.alerts import NAMES
from checker.conformance.recording import OWN_NAME, TO_CLIENT, TO_SERVER, Recorded, Recording
from checker.conformance.wire import RecordingError

Secrets = Callable[[bytes], Mapping[str, bytes]]
"""The secrets of a client random, by label, as far as they are known now."""

EARLY, TRAFFIC = "CLIENT_EARLY_TRAFFIC_SECRET", {
    TO_SERVER: ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"),
    TO_CLIENT: ("SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"),
}  # fmt: skip
FINISHED = "Finished is what stands protected after ChangeCipherSpec: it was not decrypted"


@dataclass(frozen=True)
class _Item:
    """A message; `body` has no handshake header, and is None if it was not decrypted."""

    direction: str
    message: str
    body: bytes | None
    protected: bool
    line: int


class _Side:
    """What is known of the records of one sender."""

    def __init__(self) -> None:
        self.stream = records.Stream()
        self.messages = records.Messages()
        self.epochs = records.Epochs()
        self.added: set[str] = set()  # the labels of the secrets in `epochs`
        self.keyed = False  # a ChangeCipherSpec came, below TLS 1.3
        self.changed = False  # its keys are not known
        self.finished = False  # the protected message after it came
        self.early = 0  # records of early data that came before the keys were known
        self.over = False  # it closed or gave up


class UnreadableError(Exception):
    """What follows cannot be told; the text says why."""


class Decoder:
    """The messages of one connection, from the bytes of both directions."""

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets
        self.items: list[list[_Item]] = [[]]  # by handshake on the connection
        self.unread = ""
        self.notes: list[str] = []
        self._sides = {TO_SERVER: _Side(), TO_CLIENT: _Side()}
        self._hello: wire.ClientHello | None = None
        self._answer: wire.ServerHello | None = None
        self._retried = False
        self._line = 0

    # -- bytes -----------------------------------------------------------------------------------
    def feed(self, direction: str, data: bytes, line: int = 0) -> None:
        """Take bytes from the sender of `direction`; empty ones are the end of what it sends."""
        if self.unread:
            return
        self._line = line
        side = self._sides[direction]
        try:
            if not data:
                self._end(direction, side)
            for record in side.stream.feed(data):
                self._record(direction, side, record)
        except (UnreadableError, RecordingError, records.RecordError) as e:
            self.unread = f"packet {line}: {e}" if line else str(e)

    def _end(self, direction: str, side: _Side) -> None:
        if side.stream.pending or side.messages.pending:
            raise UnreadableError("the connection ends within a message")
        if not side.over:
            self._add(direction, "TransportClose", b"", protected=False)
            side.over = True

    def _record(self, direction: str, side: _Side, record: records.Record) -> None:
        first = not self.items[0] and record.kind != records.HANDSHAKE
        if first or (record.kind == records.CHANGE_CIPHER_SPEC and not side.keyed):
            # In the clear, whatever its content.
            self._content(direction, side, record.kind, record.body, protected=False)
            return
        self._keys(direction, side)
        try:
            kind, content, keys = side.epochs.open(record)
        except records.ProtectionError:
            self._sealed(direction, side, record)
            return
        if keys == 0 and side.keyed and (side.changed or not _in_the_clear(kind, content)):
            self._sealed(direction, side, record)
            return
        self._content(direction, side, kind, content, protected=keys > 0)

    def _content(
        self, direction: str, side: _Side, kind: int, content: bytes, *, protected: bool
    ) -> None:
        if kind == records.HANDSHAKE:
            for message in side.messages.feed(content):
                self._handshake(direction, message[0], message[4:], protected=protected)
            return
        if side.messages.pending:
            raise UnreadableError("a record of another type stands within a handshake message")
        if kind == records.CHANGE_CIPHER_SPEC:
            self._add(direction, "ChangeCipherSpec", content, protected=protected)
            if self._answer is not None and self._answer.version != "TLS13":
                side.changed, side.finished = self._legacy(direction, side), False
                side.keyed = True
        elif kind == records.ALERT:
            if len(content) != 2:
                raise UnreadableError(f"an alert of {len(content)} bytes")
            name = OWN_NAME.get(NAMES.get(content[1], ""), "Alert")
            side.over |= name == "CloseNotify" or content[0] == 2
            self._add(direction, name, content, protected=protected)
        else:
            early = self._is_early(direction, side)
            self._add(direction, "EarlyData" if early else "ApplicationData", b"",
                      protected=protected)  # fmt: skip

    def _is_early(self, direction: str, side: _Side) -> bool:
        """Whether data that was opened is early data: the keys of early data opened it."""
        return direction == TO_SERVER and EARLY in side.added and side.epochs.at == 1

    # -- keys ------------------------------------------------------------------------------------
    def _keys(self, direction: str, side: _Side) -> None:
        """Add the keys of TLS 1.3 that are known by now."""
        answer, hello = self._answer, self._hello
        if answer is None or hello is None or answer.version != "TLS13":
            return
        wanted = [*([EARLY] * (direction == TO_SERVER)), *TRAFFIC[direction]]
        if side.added.issuperset(wanted[1:]):
            return
        known = self.secrets(hello.random)
        for label in wanted:
            if label in known and label not in side.added:
                if label == EARLY and side.added:
                    continue
                protection = records.Traffic(self._suite(answer), known[label])
                if label == EARLY:
                    protection.sequence = side.early
                side.epochs.add(protection)
                side.added.add(label)

    def _legacy(self, direction: str, side: _Side) -> bool:
        """Add the keys of TLS 1.0 to 1.2 after ChangeCipherSpec; whether they are not known."""
        assert self._hello is not None and self._answer is not None
        master = self.secrets(self._hello.random).get(ks.MASTER)
        suite = ks.suite(self._answer.suite)
        if master is None or suite is None or self._answer.version == "SSL30":
            return True  # the keys of SSL 3.0 are made in another way (RFC 6101 6.2.2)
        version = next(n for n, v in wire.VERSIONS.items() if v == self._answer.version)
        both = records.legacy_protections(
            version,
            suite,
            master,
            self._hello.random,
            self._answer.random,
            etm=wire.ENCRYPT_THEN_MAC in self._answer.extensions,
        )
        side.epochs.add(both["client" if direction == TO_SERVER else "server"])
        return False

    def _suite(self, answer: wire.ServerHello) -> ks.Suite:
        suite = ks.suite(answer.suite)
        if suite is None:
            raise UnreadableError(
                f"records of the suite 0x{answer.suite:04x} cannot be opened here"
            )
        return suite

    def _sealed(self, direction: str, side: _Side, record: records.Record) -> None:
        """A record that does not open: what its type tells; UnreadableError if that is nothing."""
        answer, data = self._answer, record.kind == records.APPLICATION_DATA
        offered = direction == TO_SERVER and self._offers_early() and not side.added - {EARLY}
        if data and offered and (answer is None or answer.version == "TLS13"):
            side.early += 1
            self._add(direction, "EarlyData", None, protected=True)
            return
        random = self._hello.random.hex() if self._hello is not None else "this connection"
        why = f"protected, and the keys of client random {random} are not known"
        if answer is not None and answer.version == "TLS13":
            if side.added:
                why = "a protected record that opens under none of the keys known"
            raise UnreadableError(f"{why}: with a key log more can be read")
        if not side.changed:
            raise UnreadableError("a protected record that opens under none of the keys known")
        if data:
            self._add(direction, "ApplicationData", None, protected=True)
        elif record.kind == records.HANDSHAKE and not side.finished:
            side.finished = True
            self._add(direction, "Finished", None, protected=True)
            if FINISHED not in self.notes:
                self.notes.append(FINISHED)
        else:
            what = "an alert" if record.kind == records.ALERT else "a handshake message"
            raise UnreadableError(f"{what}, {why}")

    def _offers_early(self) -> bool:
        return self._hello is not None and wire.EARLY_DATA in self._hello.extensions

    # -- messages --------------------------------------------------------------------------------
    def _handshake(self, direction: str, kind: int, body: bytes, *, protected: bool) -> None:
        name = wire.name_of(kind, body, retried=self._retried and self._answer is None)
        if name is None:
            raise UnreadableError(
                f"handshake type {kind} has no counterpart in the model, which knows "
                f"{', '.join(wire.HANDSHAKE.values())}"
            )
        if name == "ClientHello" and direction == TO_SERVER:
            if self.items[-1] and self._answer is not None and self._answer.version != "TLS13":
                self.items.append([])  # another handshake on the connection
            self._hello = wire.client_hello(body)
            if len(self.items) > 1:
                self._answer, self._retried = None, False
        elif name == "HelloRetryRequest":
            self._retried = True
        elif name == "ServerHello" and direction == TO_CLIENT:
            self._answer = wire.server_hello(body)
        self._add(direction, name, body, protected=protected)

    def _add(self, direction: str, message: str, body: bytes | None, *, protected: bool) -> None:
        self.items[-1].append(_Item(direction, message, body, protected, self._line))

    # -- the recording ---------------------------------------------------------------------------
    def recording(self, title: str, earlier: Earlier) -> Recording:
        """The connection as a recording, which may resume one of the `earlier` ones."""
        messages: list[Recorded] = []
        unread = self.unread
        before = earlier.of(self._first_hello())
        abstraction = Abstraction(before[1] if before else None)
        first = abstraction
        for n, items in enumerate(self.items):
            if n:
                abstraction = Abstraction(abstraction)
            try:
                for i in items:
                    if i.body is not None:
                        abstraction.sent(i.direction, i.message, i.body)
            except RecordingError as e:
                unread = unread or str(e)
            try:
                for i in items:
                    fields = (
                        {} if i.body is None else abstraction.fields(i.direction, i.message, i.body)
                    )
                    one = Recorded(i.direction, i.message, fields, i.line, i.protected)
                    messages.append(one)
            except RecordingError as e:
                unread = str(e)
                break
        out = Recording(
            title,
            tuple(messages),
            before[0] if before else None,
            unread,
            notes=tuple(self.notes),
            unit="packet",
        )
        earlier.add(out, first)
        return out

    def _first_hello(self) -> wire.ClientHello | None:
        for i in self.items[0]:
            if i.message == "ClientHello" and i.body is not None:
                return wire.client_hello(i.body)
        return None


def _in_the_clear(kind: int, content: bytes) -> bool:
    """Whether content has the form of its type, as that of a protected record hardly has."""
    if kind == records.HANDSHAKE:
        whole = len(content) >= 4 and int.from_bytes(content[1:4], "big") == len(content) - 4
        return whole and content[0] in wire.HANDSHAKE
    return kind == records.CHANGE_CIPHER_SPEC or (len(content) == 2 and content[0] in (1, 2))


class Earlier:
    """The connections read so far, by what a later one can resume."""

    NAMES = 100_000
    """The most session ids and tickets that are known; the oldest go first."""

    def __init__(self) -> None:
        self._by: dict[bytes, tuple[Recording, Abstraction]] = {}

    def add(self, recording: Recording, abstraction: Abstraction) -> None:
        """Add a connection, with its session id and its tickets."""
        names: Iterable[bytes] = abstraction.tickets
        if abstraction.answer is not None and not abstraction.modern:
            names = [*names, abstraction.answer.session_id]
        for name in names:
            if name:
                self._by[name] = (recording, abstraction)
        while len(self._by) > self.NAMES:
            del self._by[next(iter(self._by))]

    def of(self, hello: wire.ClientHello | None) -> tuple[Recording, Abstraction] | None:
        """The connection that a hello offers to resume."""
        if hello is None:
            return None
        offered = [*hello.identities, hello.extensions.get(wire.SESSION_TICKET, b""),
                   hello.session_id]  # fmt: skip
        return next((self._by[n] for n in offered if n in self._by), None)
