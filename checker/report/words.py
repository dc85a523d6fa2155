"""Words of reports."""

from __future__ import annotations


def count(n: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`; with `many` for a plural that is not made with an `s`."""
    return f"{n} {one if n == 1 else many or one + 's'}"
