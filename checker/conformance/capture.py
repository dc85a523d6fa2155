"""Capture files, pcap and pcapng: packets, and the bytes of their TCP connections in order.

Read are Ethernet, loopback, raw IP and Linux cooked frames, with VLAN tags; IPv4 and IPv6; the
secrets that a pcapng file holds. Segments are put in order, repeated ones dropped, and one that
acknowledges bytes of the other end comes after these. A hole in a connection (a lost packet, one
that was cut off, a fragment) ends what is read of it, and says so.
All that a file says of sizes is bounded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from checker.conformance.wire import RecordingError

LARGEST_PACKET = 1 << 18
CONNECTIONS = 20_000
"""The most TCP connections of a file."""
WAITING = 4096
"""The most segments of a direction that wait for an earlier one."""

MAGIC = (
    b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d",
    b"\x0a\x0d\x0d\x0a",
)  # fmt: skip
"""The first bytes: pcap in both orders, of micro- and nanoseconds, and pcapng."""

Address = tuple[str, int]


@dataclass(frozen=True)
class Segment:
    """A TCP segment."""

    packet: int  # its number in the file, from 1
    source: Address
    target: Address
    sequence: int
    acknowledged: int | None  # the next sequence number expected of the other end
    syn: bool
    end: bool  # FIN or RST
    data: bytes


@dataclass
class _Side:
    """What one end of a connection has sent so far."""

    next: int | None = None  # the sequence number expected; None before the first segment
    waiting: dict[int, Segment] = field(default_factory=dict)
    ended: bool = False


@dataclass
class Connection:
    """A TCP connection: its ends, and what each sent, in the order of the file."""

    first: Address  # the sender of the first packet, or of the SYN
    second: Address
    chunks: list[tuple[int, bool, bytes]] = field(default_factory=list)
    """The number of the packet, whether `first` sent it, the bytes; empty for the end."""
    begun: bool = False  # whether the file has the beginning of the connection
    hole: str = ""  # why what follows the chunks is not there
    _sides: tuple[_Side, _Side] = field(default_factory=lambda: (_Side(), _Side()))

    def take(self, s: Segment) -> None:
        """Take a segment, and those that waited for it."""
        if self.hole:
            return
        here = s.source == self.first
        side = self._sides[not here]
        if s.syn:
            side.next, self.begun = (s.sequence + 1) % 2**32, True
            return
        if side.next is None:
            side.next = s.sequence
        side.waiting.setdefault(s.sequence, s)
        if len(side.waiting) > WAITING:
            self.hole = f"packet {s.packet}: over {WAITING} segments wait for an earlier one"
            return
        while self._deliver(0) or self._deliver(1):
            pass

    def _deliver(self, n: int) -> bool:
        """Deliver one segment of an end that is next; whether there was one."""
        side, other = self._sides[n], self._sides[1 - n]
        for sequence, s in side.waiting.items():
            assert side.next is not None
            behind = (side.next - sequence) % 2**32
            if behind >= 2**31 or _before(other.next, s.acknowledged):
                continue  # it comes later
            del side.waiting[sequence]
            rest = s.data[behind:]
            if rest:
                self.chunks.append((s.packet, n == 0, rest))
                side.next = (side.next + len(rest)) % 2**32
            if s.end and behind <= len(s.data) and not side.ended:
                side.ended = True
                self.chunks.append((s.packet, n == 0, b""))
                side.next = (side.next + 1) % 2**32  # FIN takes a number
            return True
        return False

    def close(self) -> None:
        """Say what is missing, at the end of the file."""
        for side in self._sides:
            if side.waiting and not self.hole:
                packet = min(s.packet for s in side.waiting.values())
                self.hole = f"packet {packet}: a segment before it is not in the file"


def _before(now: int | None, acknowledged: int | None) -> bool:
    """Whether bytes that are acknowledged have not been seen yet."""
    if now is None or acknowledged is None:
        return False
    return 0 < (acknowledged - now) % 2**32 < 2**31


@dataclass
class Capture:
    """The connections of a file in the order of their first packets, and the secrets in it."""

    connections: list[Connection]
    secrets: list[str]  # lines of a key log
    packets: int
    cut: str = ""  # why the end of the file was not read


def read(data: bytes) -> Capture:
    """The connections in a capture file; RecordingError if it is none."""
    open_: dict[tuple[Address, Address], Connection] = {}
    out = Capture([], [], 0)
    packets = _pcapng(data, out) if data[:4] == MAGIC[4] else _pcap(data, out)
    for number, (link, packet, whole) in enumerate(packets, 1):
        out.packets = number
        try:
            s = _segment(number, link, packet)
        except (IndexError, struct.error):
            continue  # no TCP that could be read
        if s is None:
            continue
        key = (min(s.source, s.target), max(s.source, s.target))
        now = open_.get(key)
        if now is None or (s.syn and now.chunks and s.source == now.first):
            if len(out.connections) >= CONNECTIONS:
                raise RecordingError(f"expected at most {CONNECTIONS:,} TCP connections; split it")
            now = open_[key] = Connection(s.source, s.target)
            out.connections.append(now)
        if not whole:
            now.hole = now.hole or f"packet {number}: only a part of it was captured"
        now.take(s)
    for c in out.connections:
        c.close()
    return out


def _pcap(data: bytes, out: Capture) -> Iterator[tuple[int, bytes, bool]]:
    order = "<" if data[:4] in (MAGIC[0], MAGIC[2]) else ">"
    if len(data) < 24:
        raise RecordingError(f"expected a pcap header of 24 bytes, got {len(data)}")
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0x0FFFFFFF
    at = 24
    while at < len(data):
        if at + 16 > len(data):
            out.cut = f"byte {at}: expected the header of a packet, got {len(data) - at} bytes"
            return
        size, original = struct.unpack_from(f"{order}II", data, at + 8)
        if size > LARGEST_PACKET or at + 16 + size > len(data):
            out.cut = f"byte {at}: expected a packet of {size:,} bytes, got {len(data) - at - 16:,}"
            return
        yield link, data[at + 16 : at + 16 + size], size >= original
        at += 16 + size


def _pcapng(data: bytes, out: Capture) -> Iterator[tuple[int, bytes, bool]]:
    at, order, links = 0, "<", list[tuple[int, int]]()
    while at < len(data):
        kind = data[at : at + 4]
        if kind == MAGIC[4]:
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
        if at + 12 > len(data):
            out.cut = f"byte {at}: expected the header of a block, got {len(data) - at} bytes"
            return
        number, size = struct.unpack_from(f"{order}II", data, at)
        if size < 12 or size % 4 or at + size > len(data):
            out.cut = f"byte {at}: expected a block of {size:,} bytes, got {len(data) - at:,}"
            return
        body = data[at + 8 : at + size - 4]
        at += size
        try:
            if number == 1:  # interface description
                links.append(struct.unpack_from(f"{order}HxxI", body))
            elif number == 6:  # enhanced packet
                interface, _, _, got, original = struct.unpack_from(f"{order}5I", body)
                yield links[interface][0], body[20 : 20 + got], got >= original
            elif number == 3:  # simple packet
                (original,) = struct.unpack_from(f"{order}I", body)
                link, most = links[0]
                got = min(original, most or original)
                yield link, body[4 : 4 + got], got >= original
            elif number == 10:  # decryption secrets
                which, length = struct.unpack_from(f"{order}II", body)
                if which == 0x544C534B:  # a key log of TLS
                    out.secrets += body[8 : 8 + length].decode("utf-8", "replace").splitlines()
        except (struct.error, IndexError):
            out.cut = f"byte {at - size}: expected a block of type {number}, got another content"
            return


def _segment(number: int, link: int, packet: bytes) -> Segment | None:
    """The TCP segment in a packet; None if there is none."""
    kind, at = _network(link, packet)
    if kind == 4:
        if packet[at] >> 4 != 4 or packet[at + 9] != 6:
            return None
        if struct.unpack_from(">H", packet, at + 6)[0] & 0x3FFF:
            return None  # a fragment: the hole it leaves is seen later
        size = struct.unpack_from(">H", packet, at + 2)[0]
        ends = (
            ".".join(map(str, packet[at + 12 : at + 16])),
            ".".join(map(str, packet[at + 16 : at + 20])),
        )
        stop = at + size if size else len(packet)  # 0: left to the network card
        at += (packet[at] & 15) * 4
    elif kind == 6:
        if packet[at] >> 4 != 6:
            return None
        size, following = struct.unpack_from(">HB", packet, at + 4)
        ends = packet[at + 8 : at + 24].hex(":", 2), packet[at + 24 : at + 40].hex(":", 2)
        stop = at + 40 + size if size else len(packet)
        at += 40
        while following in (0, 43, 60):  # options, routing
            following, length = packet[at], packet[at + 1]
            at += (length + 1) * 8
        if following != 6:
            return None
    else:
        return None
    source, target, sequence, acknowledged, offset, flags = struct.unpack_from(
        ">HHIIBB", packet, at
    )
    data = packet[at + (offset >> 4) * 4 : min(stop, len(packet))]
    return Segment(
        number,
        (ends[0], source),
        (ends[1], target),
        sequence,
        acknowledged if flags & 16 else None,
        bool(flags & 2),
        bool(flags & 5),
        data,
    )


def _network(link: int, packet: bytes) -> tuple[int, int]:
    """The version of IP in a frame, 0 for another protocol, and where its header begins."""
    kinds = {0x0800: 4, 0x86DD: 6}
    if link == 1:  # Ethernet
        at, kind = 12, struct.unpack_from(">H", packet, 12)[0]
        while kind in (0x8100, 0x88A8):
            at += 4
            kind = struct.unpack_from(">H", packet, at)[0]
        return kinds.get(kind, 0), at + 2
    if link in (0, 108):  # loopback: the family in the order of some machine
        return packet[4] >> 4, 4
    if link in (101, 12, 14):  # raw IP
        return packet[0] >> 4, 0
    if link in (228, 229):
        return 4 if link == 228 else 6, 0
    if link == 113:  # Linux cooked
        return kinds.get(struct.unpack_from(">H", packet, 14)[0], 0), 16
    if link == 276:
        return kinds.get(struct.unpack_from(">H", packet, 0)[0], 0), 20
    return 0, 0
