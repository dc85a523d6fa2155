"""The recordings in a file, whatever form they have."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from checker.conformance import capture, notation, openssl_msg, recording, tls_attacker
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recording
from checker.conformance.wire import RecordingError

LARGEST = 1 << 28
"""The most bytes of a file: some million messages."""


def read(path: str, keys: str | None = None) -> Iterator[Recording]:
    """The recordings in a file, one after another; RecordingError if it has none.

    `keys` is a file in the format of SSLKEYLOGFILE, for a capture.
    """
    data = _bytes(path)
    if data[:4] in capture.MAGIC:
        return _some(path, _captured(path, data, keys))
    if keys is not None:
        raise RecordingError(f"{path}: expected a capture, pcap or pcapng, for --keys {keys}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise RecordingError(f"{path}: expected recorded messages, got: {e}") from None
    return _some(path, _text(path, text))


def _bytes(path: str) -> bytes:
    """The content of a file, which is not too large."""
    try:
        with open(path, "rb") as f:
            data = f.read(LARGEST + 1)
    except OSError as e:
        raise RecordingError(f"{path}: expected recorded messages, got: {e}") from None
    if len(data) > LARGEST:
        raise RecordingError(
            f"{path}: expected at most {LARGEST:,} bytes in a file, got more; split it"
        )
    return data


def typed(text: str) -> Iterator[Recording]:
    """The recordings in words that were typed, or in a file of words of that name."""
    if text.strip() and not set("<>\n") & set(text) and Path(text).exists():
        return read(text)
    return _some("--words", notation.parse(text.splitlines(), ""))


def _captured(path: str, data: bytes, keys: str | None) -> Iterator[Recording]:
    """The TLS connections of a capture, in the order of their first packets."""
    openable(path)
    from checker.conformance.decoding import Decoder, Earlier
    from checker.conformance.records import RecordError, key_log

    try:
        found = capture.read(data)
        lines = [*found.secrets, *(_lines(keys) if keys is not None else ())]
        secrets = key_log(lines)
    except (RecordingError, RecordError) as e:
        raise RecordingError(f"{path}: {e}") from None
    earlier, tls = Earlier(), 0
    for c in found.connections:
        chunks = tls_part(c)
        if not chunks:
            continue
        tls += 1
        decoder = Decoder(lambda random: secrets.get(random, {}))
        for number, to_server, part in chunks:
            decoder.feed(TO_SERVER if to_server else TO_CLIENT, part, number)
        decoder.unread = decoder.unread or c.hole or found.cut
        ends = (c.first, c.second) if client_first(c) else (c.second, c.first)
        title = f"{path}, {ends[0][0]} port {ends[0][1]} to {ends[1][0]} port {ends[1][1]}"
        yield decoder.recording(title, earlier)
    if not tls:
        cut = f" ({found.cut})" if found.cut else ""
        raise RecordingError(
            f"{path}: expected a TLS connection, got {found.packets} packets with "
            f"{len(found.connections)} TCP connections, none of which has a ClientHello{cut}"
        )


def openable(what: str) -> None:
    """Raise RecordingError if protected records cannot be opened here."""
    if importlib.util.find_spec("cryptography") is None:
        raise RecordingError(
            f"{what}: the package cryptography is not installed, and records are opened with it: "
            "run `pip install '.[live]'`"
        )


def _lines(path: str) -> list[str]:
    return _bytes(path).decode("utf-8", "replace").splitlines()


def says_hello(chunk: bytes) -> bool:
    """Whether bytes begin with the record of a ClientHello."""
    return len(chunk) > 5 and chunk[0] == 22 and chunk[1] == 3 and chunk[5] == 1


def client_first(c: capture.Connection) -> bool:
    """Whether the end that the file shows first is the client of TLS."""
    return next((here for _, here, part in c.chunks if says_hello(part)), True)


def tls_part(c: capture.Connection) -> list[tuple[int, bool, bytes]]:
    """The bytes of a connection from its ClientHello on, and whether the client sent them.

    What comes before is another protocol's, which asks for TLS (RFC 3207).
    """
    first = client_first(c)
    begin = next((i for i, (_, _, part) in enumerate(c.chunks) if says_hello(part)), None)
    if begin is None:
        return []
    return [(number, here == first, part) for number, here, part in c.chunks[begin:]]


def _text(path: str, text: str) -> Iterator[Recording]:
    """The recordings in a text, by its form."""
    if tls_attacker.is_trace(text):
        return tls_attacker.parse(text, path)
    lines = text.splitlines()
    if notation.is_words(text):
        return notation.parse(lines, path)
    if not text.lstrip().startswith("{") and openssl_msg.is_messages(text):
        return openssl_msg.parse(lines, path)
    return recording.parse(lines, path)


def _some(path: str, found: Iterator[Recording]) -> Iterator[Recording]:
    """The recordings found; RecordingError if there are none."""
    empty = True
    for r in found:
        empty = False
        yield r
    if empty:
        raise RecordingError(f"{path}: expected at least one message, got an empty recording")
