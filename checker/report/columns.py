"""Tables and paragraphs as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

WIDTH = 80
"""The columns of what is wrapped and not for a terminal."""


def columns(rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a table, a line for each row, in aligned columns two spaces apart."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def wrapped(text: str, width: int, indent: int = 0, first: int = 0) -> list[str]:
    """The lines of a paragraph: the first indented by `first`, the others by `indent` more.

    A word that is too long stays whole.
    """
    return textwrap.wrap(
        text,
        max(width, WIDTH // 2),
        initial_indent=" " * first,
        subsequent_indent=" " * (indent + first),
        break_on_hyphens=False,
        break_long_words=False,
    )
