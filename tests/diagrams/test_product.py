"""The product graph: the states of client and server together, by their local states."""

from __future__ import annotations

import pytest

import checker
from checker.local_states import by_local_states
from diagrams.product import product
from model.scenario import scenario

SMALL = "retry-early-data-honest"


@pytest.mark.deep
def test_pairs_of_local_states_and_the_moves_between_them() -> None:
    depth, moves, _ = by_local_states(scenario(SMALL).system())
    graph = checker.graph(SMALL)
    assert max(depth.values()) <= max(d for _, d in graph.nodes(data="depth"))
    assert depth["START", "START"] == 0
    assert depth["CONNECTED", "CONNECTED"] > 8
    assert {pair for ends in moves for pair in ends} <= set(depth)


@pytest.mark.scenario
def test_the_picture_has_the_local_states() -> None:
    text = product(scenario(SMALL)).source
    assert "WAIT_SH" in text
