"""The recordings in a file, whatever form they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from checker.conformance import notation, recording
from checker.conformance.recording import Recording
from checker.conformance.wire import RecordingError

LARGEST = 1 << 28
"""The most bytes of a file: some million messages."""


def read(path: str) -> Iterator[Recording]:
    """The recordings in a file, one after another; RecordingError if it has none."""
    try:
        with open(path, "rb") as f:
            data = f.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise RecordingError(
                f"{path}: expected at most {LARGEST:,} bytes in a file, got more; split it"
            )
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise RecordingError(f"{path}: expected recorded messages, got: {e}") from None
    yield from _some(path, _text(path, text))


def typed(text: str) -> Iterator[Recording]:
    """The recordings in words that were typed, or in a file of words of that name."""
    if text.strip() and not set("<>\n") & set(text) and Path(text).exists():
        return read(text)
    return _some("--words", notation.parse(text.splitlines(), ""))


def _text(path: str, text: str) -> Iterator[Recording]:
    form = notation.parse if notation.is_words(text) else recording.parse
    return form(text.splitlines(), path)


def _some(path: str, found: Iterator[Recording]) -> Iterator[Recording]:
    empty = True
    for r in found:
        empty = False
        yield r
    if empty:
        raise RecordingError(f"{path}: expected at least one message, got an empty recording")
