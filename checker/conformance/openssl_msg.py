"""What `openssl s_client -msg` and `s_server -msg` print: the messages as one end saw them.

    >>> TLS 1.3, Handshake [length 0124], ClientHello
        01 00 01 20 03 03 ...

`>>>` is what the program wrote. The program is the client if it wrote the first ClientHello. Lines
of another form stand between the messages and are skipped. Each `CONNECTED` of a client, and each
`ACCEPT` of a server, begins a connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from checker.conformance.abstraction import Abstraction
from checker.conformance.events import HEADER, INNER, Event, messages
from checker.conformance.recording import Recording
from checker.conformance.wire import RecordingError

_HEAD = re.compile(r"(>>>|<<<) (.*?)\s*\[length ([0-9a-f]{4,6})\](?:, (.*))?\s*$")
_HEX = re.compile(r"\s+((?:[0-9a-f]{2} ?)+)\s*$")
_BEGIN = re.compile(r"CONNECTED\(|ACCEPT\b")
_KINDS = {
    "RecordHeader": HEADER,
    "???": HEADER,  # as OpenSSL before 3.0 calls it
    "InnerContent": INNER,
    "ChangeCipherSpec": 20,
    "Alert": 21,
    "Handshake": 22,
}


def is_messages(text: str) -> bool:
    """Whether a text has such messages."""
    return any(_HEAD.match(line) for line in text.splitlines())


def parse(lines: Iterable[str], title: str) -> Iterator[Recording]:
    """The connections in the output of one program."""
    number = 0
    for number, (blocks, why) in enumerate(_connections(lines), 1):
        name = title if number == 1 else f"{title}, connection {number}"
        yield _recording(name, blocks, why)


Block = tuple[bool, str, bytes]
"""Whether the program wrote it, what it is, and its bytes."""


def _connections(lines: Iterable[str]) -> Iterator[tuple[list[Block], str]]:
    """The blocks of each connection, and why what follows them cannot be read."""
    now: list[Block] = []
    why = ""
    head: tuple[bool, str, int, int] | None = None
    data = bytearray()

    def done() -> None:
        nonlocal head, why
        if head is not None and not why:
            if len(data) == head[2]:
                now.append((head[0], head[1], bytes(data)))
            else:
                why = f"line {head[3]}: expected {head[2]} bytes, got {len(data)}"
        head = None
        data.clear()

    for number, line in enumerate(lines, 1):
        found = _HEAD.match(line)
        if found:
            done()
            kind = found[2].replace(",", " ").split()[-1]
            head = found[1] == ">>>", kind, int(found[3], 16), number
            continue
        more = _HEX.match(line) if head is not None and len(data) < head[2] else None
        if more:
            data += bytes.fromhex(more[1])
        elif _BEGIN.match(line):
            done()
            if now:
                yield now, why
            now, why = [], ""
    done()
    if now:
        yield now, why


def _recording(title: str, blocks: list[Block], why: str) -> Recording:
    hello = next((w for w, kind, data in blocks if kind == "Handshake" and data[:1] == b"\1"), True)
    side = "client" if hello else "server"
    events = []
    for written, kind, data in blocks:
        content = _KINDS.get(kind)
        if content is None or not data:
            why = why or f"a record of the type {kind} is not known"
            break
        events.append(Event(side, written, content, data[0], data))
    try:
        return Recording(title, messages(title, events, Abstraction()), unread=why)
    except RecordingError as e:
        return Recording(title, (), unread=str(e))
