"""The sizes of tests, with the longest time for each; see tests/README.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

SIZES = {"toy": 1.0, "scenario": 10.0, "deep": float("inf")}
"""The most seconds of a test of each size, on a quiet core."""


def deep_but(shown: Collection[Any], cases: Iterable[Any]) -> list[Any]:
    """The cases as parameters of a test: those in `shown` are of size scenario, the others deep."""
    every = list(cases)
    assert set(shown) <= set(every), f"no such cases: {set(shown) - set(every)}"
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=pytest.mark.scenario if case in shown else pytest.mark.deep,
        )
        for case in every
    ]
