"""Words of reports."""

from __future__ import annotations


def count(n: int, one: str, many: str = "") -> str:
    """A number with its noun, as in "1 file" and "2 files"; `many` is an irregular plural."""
    return f"{n} {one if n == 1 else many or one + 's'}"
