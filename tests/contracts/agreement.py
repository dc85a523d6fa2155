"""Assertions that the explicit engine agrees with the reference, which fires real machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import networkx as nx

from checker.engines.explicit import Explicit
from checker.engines.interface import Budget
from checker.engines.reference import Reference
from model.scenario import Config, Scenario, scenario
from model.system import Compiled

FEW = 1000
"""States that the reference reaches quickly."""
EDGES = 30_000
"""Firings of machines after which no further level is begun."""


def fired(reference: Reference) -> nx.MultiDiGraph[tuple[Any, ...]]:
    """The reference's graph, whole or down to a level after `EDGES` firings."""
    return reference.explore(level=lambda g: g.number_of_edges() > EDGES)


def same_graph(compiled: Compiled, graph: nx.MultiDiGraph[tuple[Any, ...]]) -> Explicit:
    """Assert equal states, depths and numbers of edges of each step; the explicit engine."""
    engine = Explicit(compiled, edges=True)
    found = engine.search()
    assert found.complete
    depths = [d for d, n in enumerate(found.levels) for _ in range(n)]
    assert {engine.state(i): d for i, d in enumerate(depths)} == dict(graph.nodes(data="depth"))
    assert Counter(k for *_, k in graph.edges(keys=True)) == found.edges
    return engine


def same_to_depth(compiled: Compiled, depth: int | None = None) -> None:
    """Assert equal states at each depth: up to `depth`, or while there are at most `FEW` states."""
    if depth is None:
        levels = Explicit(compiled).search(budget=Budget(states=2 * FEW)).levels
        depth = next(d for d in range(len(levels)) if sum(levels[: d + 2]) > FEW)
    same_levels(compiled, Reference(compiled).explore(depth=depth))


def same_levels(compiled: Compiled, graph: nx.MultiDiGraph[tuple[Any, ...]]) -> None:
    """Assert equal states at each depth of a graph that ends with a whole level."""
    found = dict(graph.nodes(data="depth"))
    depth, most = max(found.values()), 2 * len(found)
    while True:
        engine = Explicit(compiled)
        result = engine.search(budget=Budget(states=most))
        # The last level may be incomplete.
        sizes = result.levels if result.complete else result.levels[:-1]
        if depth < len(sizes):
            break
        assert not result.complete
        most *= 4
    depths = [d for d, n in enumerate(sizes[: depth + 1]) for _ in range(n)]
    assert {engine.state(i): d for i, d in enumerate(depths)} == found


def narrowed(name: str, client: Config, server: Config) -> Scenario:
    """A scenario whose ends have fewer configurations."""
    where = scenario(name)
    return replace(where, client={**where.client, **client}, server={**where.server, **server})


def set_once(compiled: Compiled, reference: Reference) -> None:
    """Assert that each firing of a machine sets a write-once variable from its initial value."""
    once = set(compiled.write_once())
    for (run, own, *_), out in reference.fired.items():
        if out is None:
            continue
        for (variable, i), before, after in zip(reference.own[run], own, out[1], strict=True):
            full = f"{run}.{variable}"
            if full in once and before != after:
                assert before in compiled.initial[i], (out[0].name, full, before, after)
