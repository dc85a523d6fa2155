"""Leads-to under fairness: toys, the definition itself on small graphs, the honest network."""

from __future__ import annotations

import itertools
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.engines.liveness import decide_leads_to, fair_component
from checker.report.text import chart
from checker.verdict import PROVED, VACUOUS, VIOLATED
from model.scenario import scenario
from model.system import System
from properties import Implication, World, declared, when
from tests.toys import pacer


def follows(w: World) -> list[Implication]:
    """IDLE leads to DONE."""
    (walker, _) = w.runs
    return [when(walker.state == "IDLE").then(walker.state == "DONE")]


@pytest.mark.parametrize(
    ("system", "fairness", "verdict"),
    [
        (pacer.spinning, "weak", PROVED),
        (pacer.spinning, "strong", PROVED),
        (pacer.resting, "weak", VIOLATED),
        (pacer.resting, "strong", PROVED),
        (pacer.stuck, "weak", VIOLATED),
        (pacer.stuck, "strong", VIOLATED),
    ],
)
def test_fairness_decides(system: System, fairness: str, verdict: str) -> None:
    (r,) = decide_leads_to(system, [declared("leads_to", "follows", follows, fairness)])
    assert r.verdict == verdict


def test_a_lasso_is_replayed_and_shown() -> None:
    (r,) = decide_leads_to(pacer.resting, [declared("leads_to", "follows", follows, "weak")])
    assert [s.event for s in r.trace.steps] == ["wait", "rest"] and r.trace.loop == 0
    assert "steps 1 to 2 repeat for ever" in chart(r.trace)


def test_a_dead_end_is_a_lasso_without_steps() -> None:
    (r,) = decide_leads_to(pacer.stuck, [declared("leads_to", "follows", follows, "strong")])
    assert [s.event for s in r.trace.steps] == ["wait"] and r.trace.loop == 1
    assert "nothing follows, for ever" in chart(r.trace)


def test_what_is_never_given_is_vacuous() -> None:
    def never(w: World) -> list[Implication]:
        return [when(w.runs[0].state == "READY").then(w.runs[0].state == "DONE")]

    (r,) = decide_leads_to(pacer.spinning, [declared("leads_to", "never", never)])
    assert r.verdict == VACUOUS


def fair(graph: nx.MultiDiGraph[Any], part: frozenset[int], fairness: str) -> bool:
    """The definition: a run can stay in `part`, visiting all of it for ever, and is fair."""
    inside = graph.subgraph(part)
    if not inside.number_of_edges() or not nx.is_strongly_connected(inside):
        return False
    taken = {k for _, _, k in inside.edges(keys=True)}
    for a in {k for _, _, k in graph.edges(keys=True)}:
        possible = [any(k == a for _, _, k in graph.out_edges(n, keys=True)) for n in part]
        demanded = all(possible) if fairness == "weak" else any(possible)
        if demanded and a not in taken:
            return False
    return True


edges = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from("abc")), max_size=12
)


@given(edges, st.sampled_from(["weak", "strong"]), st.sets(st.integers(0, 4), min_size=1))
def test_a_component_is_found_exactly_where_the_definition_has_one(
    rows: list[tuple[int, int, str]], fairness: str, among: set[int]
) -> None:
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    graph.add_nodes_from(range(5))
    graph.add_edges_from(rows)
    parts = (
        frozenset(p) for n in range(1, len(among) + 1) for p in itertools.combinations(among, n)
    )
    wanted = any(fair(graph, p, fairness) for p in parts)
    found = fair_component(graph, among, fairness)
    assert (found is not None) == wanted
    if found is not None:
        assert fair(graph, frozenset(found), fairness)


def test_honest_runs_end_only_under_strong_fairness() -> None:
    """A peer that keeps the channel full of data leaves no room for close_notify."""

    def ends(w: World) -> list[Implication]:
        return [when(r.state != "START").then(r.state == "CLOSED") for r in w.runs]

    system = scenario("honest").system()
    (weak,) = decide_leads_to(system, [declared("leads_to", "ends", ends, "weak")])
    assert weak.verdict == VIOLATED
    loop = weak.trace.steps[weak.trace.loop :]
    assert loop and {s.event for s in loop} <= {"ApplicationData"}
    (strong,) = decide_leads_to(system, [declared("leads_to", "ends", ends, "strong")])
    assert strong.verdict == PROVED
