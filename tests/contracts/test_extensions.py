"""Laws on the scenarios with extensions: the reference judges the search, what was sent stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import pytest

from checker.engines.reference import Reference
from checker.trace import every_variable
from model.expr import BOOL, TRUE, Expr, conj, var
from model.scenario import SCENARIOS, Config
from model.system import Compiled
from tests.contracts.agreement import fired, narrowed, same_graph, same_levels, set_once
from tests.sizes import deep_but

State = tuple[Any, ...]
ALONE = [
    (s.name, end)
    for s in SCENARIOS
    if s.extensions and s.default and s.network == "adversary" and not s.later
    if s.name != "after-handshake"  # what it has together, three others have each alone
    for end in ("client", "server")
    # 50,000 different hellos fit a state: `test_tls13_extensions` fires these to a depth.
    if (s.name, end) not in (("retry-psk", "server"), ("retry-early-data", "server"))
]
"""One end alone with the adversary; the runs of both have too many states for the machines."""
WHOLE = [
    (name, "both")
    for name in (
        "honest-half-close",
        "honest-ignored-records",
        "honest-key-update",
        "retry-early-data-honest",
        "retry-honest",
    )
]
QUICK = [("half-close", "server")]
_TWO = {"has_CHACHA20_SHA256": (False,), "key_cipher": ("AES128_SHA256",)}
_ALL_KEYS = {"shares_with_adversary": (True,), "prefers_second": (True,)}
FEWER: dict[str, tuple[Config, Config]] = {
    **{f"cipher-suites{n}": (_TWO, _TWO) for n in ("", "-retry", "-early-data")},
    "psk-list": ({}, _ALL_KEYS),
    "psk-list-early-data": ({}, _ALL_KEYS),
}
"""Fewer configurations of client and server, where 100,000 different hellos fit each of them."""


@pytest.mark.parametrize(("name", "end"), deep_but(QUICK, [*ALONE, *WHOLE]))
def test_the_reference_agrees_and_what_is_set_or_sent_stays(name: str, end: str) -> None:
    """One test a case: the graph of fired `transitions` is the costly part."""
    where = narrowed(name, *FEWER.get(name, ({}, {})))
    if end != "both":
        where = replace(where, clients=int(end == "client"), servers=int(end == "server"))
    compiled = every_variable(where.system())
    reference = Reference(compiled)
    graph = fired(reference)
    (same_graph if graph.graph["complete"] else same_levels)(compiled, graph)
    set_once(compiled, reference)
    _sent_stays(compiled, reference, graph)


def _sent_stays(compiled: Compiled, reference: Reference, graph: nx.MultiDiGraph[State]) -> None:
    """Each edition of a message, once it is there, is there for good, with the same contents."""
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
