"""Assertions that the explicit engine agrees with the reference, which fires real machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import networkx as nx

from checker.engines.explicit import Explicit
from checker.engines.interface import Budget
from checker.engines.reference import Reference
from model.scenario import Config, Scenario, scenario
from model.system import Compiled


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
    """Assert equal states at each depth: up to `depth`, or while there are few states."""
    levels = _levels(compiled)
    if depth is None:
        depth = next(d for d in range(len(levels[1])) if sum(levels[1][: d + 2]) > 1000)
    same_levels(compiled, Reference(compiled).explore(depth=depth), levels)


def same_levels(
    compiled: Compiled,
    graph: nx.MultiDiGraph[tuple[Any, ...]],
    levels: tuple[Explicit, Sequence[int]] | None = None,
) -> None:
    """Assert equal states at each depth of a graph that ends with a whole level."""
    engine, sizes = _levels(compiled) if levels is None else levels
    found = dict(graph.nodes(data="depth"))
    depth = max(found.values())
    assert depth < len(sizes)
    depths = [d for d, n in enumerate(sizes[: depth + 1]) for _ in range(n)]
    assert {engine.state(i): d for i, d in enumerate(depths)} == found


def _levels(compiled: Compiled) -> tuple[Explicit, Sequence[int]]:
    """The explicit engine after a search, and the number of states at each depth."""
    engine = Explicit(compiled)
    # The last level may be incomplete, so it is not compared.
    return engine, engine.search(budget=Budget(states=120_000)).levels[:-1]


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
