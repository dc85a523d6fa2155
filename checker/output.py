"""Output: targets are tried before the work, and files are written whole at its end."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from model.near import UsageError


def check_file(option: str, path: str) -> None:
    """Raise UsageError if no file can be written at `path`, the value of `option`."""
    place = Path(path)
    if place.is_dir():
        raise UsageError(f"{option} {path}: expected a file to write, got a folder")
    if place.exists() and not os.access(place, os.W_OK):
        raise UsageError(f"{option} {path}: expected a file that can be written, got one that not")
    if not place.exists() or place.is_file():
        _try(option, path, Path(os.path.realpath(place)).parent)


def check_folder(option: str, path: str) -> None:
    """Make the folder `path`, the value of `option`; UsageError if no file can be made there."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UsageError(f"{option} {path}: expected a folder, got: {e.strerror}") from None
    _try(option, path, Path(path))


def _try(option: str, path: str, folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: expected a folder {folder}, which is not there")
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        raise UsageError(f"{option} {path}: expected a place to write, got: {e.strerror}") from None


def write(path: str, text: str) -> None:
    """Replace a file by one with the whole text, or leave it alone; write into a pipe or device."""
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        place.write_text(text, encoding="utf-8")
        return
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        if place.exists():
            beside.chmod(place.stat().st_mode)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def read(path: str, most: int) -> bytes:
    """The bytes of a file; OSError if there are more than `most`, as of a device without end."""
    out = bytearray()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            out += part
            if len(out) > most:
                raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return bytes(out)


class Stream:
    """Text written piece by piece: to stdout at once, or to the file `path` when closed.

    `paint` colours what goes to stdout.
    """

    def __init__(
        self, path: str | None = None, paint: Callable[[str], str] = lambda text: text
    ) -> None:
        self.path, self.paint = path, paint
        self.parts: list[str] = []

    def say(self, text: str) -> None:
        """Write a piece."""
        if self.path is None:
            say(text, self.paint)
        else:
            self.parts.append(printable(text))

    def close(self) -> None:
        """Write the file; if its disk is full, elsewhere, which the UsageError says."""
        if self.path is None:
            return
        text = "".join(self.parts)
        try:
            write(self.path, text)
        except OSError as e:
            import tempfile

            with tempfile.NamedTemporaryFile(
                "w", suffix=f"-{Path(self.path).name}", delete=False, encoding="utf-8"
            ) as file:
                file.write(text)
            raise UsageError(f"{self.path}: {e.strerror}; the result is in {file.name}") from None


def printable(text: str) -> str:
    """The text with all that is no visible character escaped, but for line ends and tabs.

    So foreign text cannot speak to a terminal, nor change the order in which it is read.
    """
    return _ODD.sub(lambda c: c[0] if c[0].isprintable() else ascii(c[0])[1:-1], text)


_ODD = re.compile(r"[^\n\t -~]")
LINE, BEGIN, END = 1_000, 600, 300
"""The most characters of one line about a mistake, and which of a longer one are shown."""


def line(text: str) -> str:
    """A foreign text as a part of one line: line ends are escaped, too, and it is shortened."""
    out = printable(text).replace("\n", "\\n")
    if len(out) > LINE:
        return f"{out[:BEGIN]} ... {out[-END:]} ({len(out):,} characters)"
    return out


def complain(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"{line(text)}\n")
    sys.stderr.flush()


def say(text: str, paint: Callable[[str], str] = lambda text: text) -> None:
    """Write to stdout, escaped as by `printable`, then coloured by `paint`.

    UsageError if stdout is full or closed.
    """
    if sys.stdout is None:
        raise UsageError("stdout: expected a place to write, got: it is closed")
    try:
        sys.stdout.write(paint(printable(text)))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as e:
        mute()
        raise UsageError(f"stdout: expected a place to write, got: {e.strerror}") from None


def mute() -> None:
    """Let the interpreter exit without an error message about a broken stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
