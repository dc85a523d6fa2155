"""Laws on the scenarios with extensions: the reference judges the search, what was sent stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import networkx as nx
import pytest

from checker.engines.explicit import Explicit
from checker.engines.reference import Reference
from checker.trace import every_variable
from model.expr import BOOL, TRUE, Expr, conj, var
from model.scenario import SCENARIOS, scenario
from model.system import Compiled

State = tuple[Any, ...]
ALONE = [
    (s.name, end)
    for s in SCENARIOS
    if s.extensions and s.default and s.network == "adversary" and not s.later
    for end in ("client", "server")
]
"""One end alone with the adversary; the runs of both have too many states for the machines."""
WHOLE = [
    (name, "both") for name in ("honest-half-close", "honest-ignored-records", "honest-key-update")
]


@cache
def _graph(name: str, end: str) -> tuple[Compiled, Reference, nx.MultiDiGraph[State]]:
    where = scenario(name)
    if end != "both":
        where = replace(where, clients=int(end == "client"), servers=int(end == "server"))
    compiled = every_variable(where.system())
    reference = Reference(compiled)
    return compiled, reference, reference.explore()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "end"), [*ALONE, *WHOLE])
def test_the_reference_agrees_and_what_is_set_once_stays(name: str, end: str) -> None:
    compiled, reference, graph = _graph(name, end)
    engine = Explicit(compiled)
    found = engine.search(edges=True)
    assert {engine.state(i) for i in range(found.states)} == set(graph)
    assert Counter(k for *_, k in graph.edges(keys=True)) == found.edges
    assert Counter(d for _, d in graph.nodes(data="depth")) == dict(enumerate(found.levels))
    once = set(compiled.write_once())
    for (run, own, *_), out in reference.fired.items():
        for (variable, i), before, after in zip(
            reference.own[run], own, out[1] if out else own, strict=True
        ):
            if before != after and f"{run}.{variable}" in once:
                assert before in compiled.initial[i], (out, variable)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "end"), [*ALONE, *WHOLE])
def test_what_was_sent_stays_as_it_was(name: str, end: str) -> None:
    """Each edition of a message, once it is there, is there for good, with the same contents."""
    compiled, reference, graph = _graph(name, end)
    system = compiled.system
    checks = []
    for r in system.runs:
        for message, editions in r.role.editions.items():
            seen = f"{r.name}.sent_{message}"
            sent = var(seen, BOOL) if seen in system.variables else TRUE
            for e, whole in zip(editions, r.role.times(message), strict=True):
                parts: list[Expr] = []
                for x in whole.fields.values():
                    parts += x if isinstance(x, tuple) else (x,)
                narrow = compiled.narrow
                _, values = reference.function(
                    {str(i): narrow(system.at(r, x)) for i, x in enumerate(parts)}
                )
                there = reference.predicate(conj(system.at(r, e.when), sent))
                checks.append((r.name, message, e.name, there, values))
    for state, after in graph.edges():
        for run, message, edition, there, values in checks:
            if there(state):
                assert there(after), (run, message, edition)
                assert values(state, {}) == values(after, {}), (run, message, edition)
