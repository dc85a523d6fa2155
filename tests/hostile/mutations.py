"""Seeded changes of what is read: of bytes, of JSON values, of words on a command line."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

TEXTS = (
    "",
    " ",
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\r\x08\x7f",
    "\x9b2J",
    "\u202eleft\u2066",
    "\u200b\ufeff\u2028",
    "a\nb",
    "é名\N{PILE OF POO}",
    "\udcff",
    "a" * 5_000,
    "../../etc/passwd",
    "%s%n{0}{x.y}",
    "$(id);`id`",
    "'\"\\",
    "none",
    "None",
    "true",
    "9" * 5_000,
    "-1",
    "1e999",
    "0x10",
    "NaN",
    "[" * 3_000,
    "{" * 3_000,
    "(" * 3_000,
    '{"a":' * 3_000,
)
"""Texts that speak to a terminal, are long, deep or of another kind than expected."""
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    1 << 31,
    1 << 32,
    1 << 63,
    1 << 64,
    10**400,
    0.5,
    1e308,
    float("inf"),
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    *(t for t in TEXTS if t != "\udcff"),
)
"""Values of every kind of JSON, at the ends of what a number can be."""


def of_bytes(data: bytes, chance: random.Random, other: bytes = b"") -> bytes:
    """One to three changes of a file; `other` is a second file, of which parts are mixed in."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(_CHANGES)(data, chance, other or data)
    return data


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    begin = chance.randint(0, len(data))
    return begin, min(len(data), begin + chance.choice((1, 2, 5, 20, 200)))


def _flipped(data: bytes, chance: random.Random, other: bytes) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _removed(data: bytes, chance: random.Random, other: bytes) -> bytes:
    begin, end = _span(data, chance)
    return data[:begin] + data[end:]


def _cut(data: bytes, chance: random.Random, other: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _inserted(data: bytes, chance: random.Random, other: bytes) -> bytes:
    at = chance.randint(0, len(data))
    new = chance.choice(TEXTS).encode("utf-8", "surrogatepass")
    new = chance.choice((new, new, chance.randbytes(4), b"\x00", b"\xff\xfe", b"\xef\xbb\xbf"))
    return data[:at] + new + data[at:]


def _spliced(data: bytes, chance: random.Random, other: bytes) -> bytes:
    begin, end = _span(other, chance)
    at = chance.randint(0, len(data))
    return data[:at] + other[begin:end] + data[at:]


def _lines(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A line goes, comes twice, moves, or gets another end."""
    lines = data.split(b"\n")
    i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            del lines[i]
        case 1:
            lines.insert(j, lines[i])
        case 2:
            lines[i], lines[j] = lines[j], lines[i]
        case 3:
            return b"\r\n".join(lines)
        case _:
            lines[i] = chance.choice(TEXTS).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _word(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A word or number becomes another one of the files, or one of `TEXTS`."""
    words = [m.span() for m in re.finditer(rb"[A-Za-z_]+|\d+", data)]
    if not words:
        return data
    begin, end = chance.choice(words)
    new = chance.choice(re.findall(rb"[A-Za-z_]+|\d+", other) or [b""])
    odd = chance.choice(TEXTS).encode("utf-8", "surrogatepass")
    return data[:begin] + chance.choice((new, new, odd)) + data[end:]


_CHANGES: Sequence[Callable[[bytes, random.Random, bytes], bytes]] = (
    _flipped,
    _removed,
    _cut,
    _inserted,
    _spliced,
    _lines,
    _lines,
    _word,
    _word,
    _word,
)


def of_json(value: Any, chance: random.Random) -> Any:
    """The value with one part replaced, left out, renamed or put elsewhere."""
    out = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []

    def visit(x: Any) -> None:
        items = x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ()
        for k, v in items:
            places.append((x, k))
            visit(v)

    visit(out)
    if not places:
        return chance.choice(VALUES)
    # As often a place near the root as one of the many leaves.
    at, key = chance.choice(places[: chance.choice((8, len(places)))])
    match chance.randrange(6):
        case 0:
            del at[key]
        case 1 if isinstance(at, dict):
            at[chance.choice(TEXTS)] = at.pop(key)
        case 1:
            at.insert(key, copy.deepcopy(at[key]))
        case 2:
            at[key] = copy.deepcopy(chance.choice(places)[0])
        case 3 if isinstance(at[key], int | float):
            at[key] += chance.choice((-1, 1, 1 << 20))
        case _:
            at[key] = chance.choice(VALUES)
    return out
