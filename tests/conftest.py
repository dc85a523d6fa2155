"""Sizes: each test is marked `scenario` or `deep`, or is a `toy`. Signals: as in a terminal."""

from __future__ import annotations

import signal

import pytest

from tests.sizes import SIZES

# A job in the background may ignore SIGINT, one under nohup SIGHUP, and so would the commands that
# the tests start and interrupt.
for number, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    there = getattr(signal, number, None)
    if there is not None and signal.getsignal(there) is signal.SIG_IGN:
        signal.signal(there, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test without a size as a toy, so that `-m toy` selects it."""
    for item in items:
        if not any(item.get_closest_marker(size) for size in SIZES):
            item.add_marker("toy")
