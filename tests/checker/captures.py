"""Capture files made from real handshakes: pcap and pcapng, as a test needs them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from checker.conformance import live
from checker.conformance.recording import Recording

CLIENT, SERVER = b"\x0a\0\0\1", b"\x0a\0\0\2"


@dataclass
class Flow:
    """A TCP connection: what each end sent, in order."""

    port: int
    chunks: list[tuple[str, bytes]] = field(default_factory=list)

    def frames(self, most: int = 1400, *, end: bool = True) -> list[bytes]:
        """The connection as Ethernet frames with at most so many bytes of data."""
        next_ = {"client": 1000, "server": 2**32 - 300}  # one wraps around
        other = {"client": "server", "server": "client"}
        out = [self.frame(side, next_[side], 0, b"", 2) for side in next_]
        next_ = {side: n + 1 for side, n in next_.items()}
        for side, data in self.chunks:
            for i in range(0, len(data), most):
                part = data[i : i + most]
                out.append(self.frame(side, next_[side], next_[other[side]], part, 16))
                next_[side] += len(part)
        if end:
            for side in next_:
                out.append(self.frame(side, next_[side], next_[other[side]], b"", 17))
                next_[side] += 1
        return out

    def frame(self, side: str, sequence: int, acknowledged: int, data: bytes, flags: int) -> bytes:
        """One segment in an Ethernet frame."""
        numbers = sequence % 2**32, acknowledged % 2**32
        ports = (self.port, 443) if side == "client" else (443, self.port)
        ends = (CLIENT, SERVER) if side == "client" else (SERVER, CLIENT)
        tcp = struct.pack(">HHIIBBHHH", *ports, *numbers, 5 << 4, flags, 65535, 0, 0) + data
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + b"".join(ends)
        return bytes(12) + b"\x08\0" + ip + tcp


def real(
    handshake: live.Handshake, folder: Path, port: int = 40000
) -> tuple[list[Recording], list[Flow], str]:
    """The recordings of a real handshake, its connections, and its key log."""
    flows: list[Flow] = []
    log = folder / "keys.txt"

    def tap(side: str, data: bytes) -> None:
        # A ClientHello begins a connection; the one after a retry goes on.
        fresh = side == "client" and data[0] == 22 and data[5] == 1
        if fresh and not (flows and len(flows[-1].chunks) <= 2 and flows[-1].chunks[-1][0] != side):
            flows.append(Flow(port + len(flows)))
        flows[-1].chunks.append((side, data))

    recordings = live.record(handshake, live.make_identities(), tap, str(log))
    return recordings, flows, log.read_text()


def pcap(frames: Iterable[bytes], *, order: str = "<", nano: bool = False, link: int = 1) -> bytes:
    """A file in the format of libpcap."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 1 << 18, link)
    for n, f in enumerate(frames):
        out += struct.pack(f"{order}IIII", n, 0, len(f), len(f)) + f
    return out


def pcapng(frames: Iterable[bytes], secrets: str = "", *, order: str = "<") -> bytes:
    """A file in the format pcapng, with secrets if there are any."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = 12 + len(body)
        return struct.pack(f"{order}II", kind, size) + body + struct.pack(f"{order}I", size)

    out = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack(f"{order}HHI", 1, 0, 0))
    if secrets:
        log = secrets.encode()
        out += block(10, struct.pack(f"{order}II", 0x544C534B, len(log)) + log)
    for n, f in enumerate(frames):
        out += block(6, struct.pack(f"{order}5I", 0, 0, n, len(f), len(f)) + f)
    return out


def interleaved(flows: Sequence[Flow]) -> list[bytes]:
    """The frames of several connections, taken in turn."""
    lists = [f.frames() for f in flows]
    return [x[i] for i in range(max(map(len, lists))) for x in lists if i < len(x)]
