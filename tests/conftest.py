"""Sizes: each test is marked `scenario` or `deep`, or is a `toy`."""

from __future__ import annotations

import pytest

from tests.sizes import SIZES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test without a size as a toy, so that `-m toy` selects it."""
    for item in items:
        if not any(item.get_closest_marker(size) for size in SIZES):
            item.add_marker("toy")
