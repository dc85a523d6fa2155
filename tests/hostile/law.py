"""What holds for each reader whatever it is given.

A reading ends with a status that its command has. What is printed is one clear line if the input is
of no use, is never a traceback, and cannot speak to a terminal.
"""

from __future__ import annotations

import contextlib
import io
import random
import signal
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from checker import cli, output
from tests.hostile import mutations

LONGEST = 2_000
"""The most characters of a line."""
SECONDS = 60
"""A reading that takes so long hangs."""


@dataclass(frozen=True)
class Ended:
    """How a reading ended."""

    status: int
    out: str = ""
    err: str = ""


@dataclass(frozen=True)
class Reader:
    """A reader: what it reads, and how it is asked to."""

    samples: Callable[[], Sequence[bytes]]
    read: Callable[[Path, bytes], Ended]
    """Given an empty folder, and the input."""
    statuses: tuple[int, ...]
    """0 for what can be read; 2 for what cannot; others that the command has."""
    cases: int
    mutate: Callable[[bytes, random.Random, bytes], bytes] = mutations.of_bytes


def case(reader: Reader, name: str, number: int) -> bytes:
    """The mutated input of this number."""
    chance = random.Random(f"{name} {number}")
    samples = reader.samples()
    return reader.mutate(chance.choice(samples), chance, chance.choice(samples))


def wrong(reader: Reader, ended: Ended) -> str:
    """What the end of a reading has that it must not have; empty if it is well."""
    said = ended.out + ended.err
    if "Traceback" in said or "internal error" in said:
        return "an internal error"
    if ended.status not in reader.statuses:
        return f"exit status {ended.status}"
    for c in sorted({*said} - {"\n", "\t"}):
        if not c.isprintable():
            return f"a character {unicodedata.name(c, hex(ord(c)))} is printed"
    if ended.status in (2, 4) and not ended.out:
        lines = [x for x in ended.err.splitlines() if not x.startswith(("usage:", " "))]
        if len(lines) != 1:
            return f"{len(lines)} lines for one error"
    longest = max(map(len, said.splitlines()), default=0)
    if longest > LONGEST:
        return f"a line of {longest:,} characters"
    return ""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """A block that is ended if it hangs."""

    def late(*_: object) -> None:
        raise RuntimeError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def command(*words: str) -> Ended:
    """The end of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), limited():
        try:
            status = cli.main(words)
        except SystemExit as e:
            status = int(e.code or 0)
    return Ended(status, out.getvalue(), err.getvalue())


def called(call: Callable[[], str]) -> Ended:
    """The end of a part of a command, whose errors are told as those of a command are."""
    with limited():
        try:
            return Ended(0, call())
        except Exception as e:
            says, status = cli.failed(e)
            return Ended(status, "", output.line(says))
