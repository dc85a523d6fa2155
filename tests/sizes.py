"""Sizes of tests, and how long a test of each may take; see tests/README.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

SIZES = {"toy": 1.0, "scenario": 10.0, "deep": float("inf")}
"""The most seconds of a test of each size, on a quiet core."""


def deep_but(shown: Iterable[str], cases: Iterable[str]) -> Iterator[Any]:
    """Parameters of a test: every case is deep, but those of `shown` are scenarios."""
    left = set(shown)
    for case in cases:
        mark = pytest.mark.scenario if case in left else pytest.mark.deep
        left.discard(case)
        yield pytest.param(case, marks=mark)
    assert not left, f"no such cases: {', '.join(sorted(left))}"
