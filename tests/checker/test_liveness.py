"""Liveness on toys, on small graphs and on the honest network; SPIN agrees on all of these."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checker.by_search import temporal
from checker.engines.liveness import Graph
from checker.engines.reference import Reference
from checker.export import Temporal, asked, asked_temporal, export, promela
from checker.export import temporal as exported
from checker.report.sequence import chart
from checker.verdict import PROVED, VACUOUS, VIOLATED, Result
from model.scenario import scenario
from model.system import System
from properties import Implication, Property, World, catalogue, declared, when
from tests.benchmarks.spin import missing, run_spin
from tests.properties.test_mutants import MUTANTS
from tests.toys import pacer, wanderer


def follows(w: World) -> list[Implication]:
    """IDLE leads to DONE."""
    (walker, _) = w.runs
    return [when(walker.state == "IDLE").then(walker.state == "DONE")]


def judged(system: System, props: Sequence[Property]) -> list[Result]:
    """The results on the explicit engine's graph, which the reference engine shares."""
    out, fired = temporal(system, props), temporal(system, props, fired=True)
    for a, b in zip(out, fired, strict=True):
        # Of several lassos, each may find another one.
        same = (a.depth, a.states, a.cases) == (b.depth, b.states, b.cases)
        assert a.verdict == b.verdict and (same or a.verdict == VIOLATED)
    return out


@pytest.mark.deep
def test_both_graphs_give_the_same_verdicts_of_a_scenario() -> None:
    system = scenario("retry-early-data-honest").system()
    props = [p for p in catalogue().values() if p.temporal]
    asked = [p for p in props if {*p.needs} <= scenario("retry-early-data-honest").features]
    assert {r.verdict for r in judged(system, asked)} == {PROVED}


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
    (r,) = judged(system, [declared("leads_to", "follows", follows, fairness)])
    assert r.verdict == verdict


def test_a_lasso_is_replayed_and_shown() -> None:
    (r,) = temporal(pacer.resting, [declared("leads_to", "follows", follows, "weak")])
    assert [s.event for s in r.trace.steps] == ["wait", "rest"] and r.trace.loop == 0
    assert "steps 1 to 2 repeat for ever" in chart(r.trace)


def test_a_dead_end_is_a_lasso_without_steps() -> None:
    (r,) = temporal(pacer.stuck, [declared("leads_to", "follows", follows, "strong")])
    assert [s.event for s in r.trace.steps] == ["wait"] and r.trace.loop == 1
    assert "nothing follows, for ever" in chart(r.trace)


def test_what_is_never_given_is_vacuous() -> None:
    def never(w: World) -> list[Implication]:
        return [when(w.runs[0].state == "READY").then(w.runs[0].state == "DONE")]

    (r,) = temporal(pacer.spinning, [declared("leads_to", "never", never)])
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


def made(size: int, rows: Sequence[tuple[int, int, str]]) -> Graph:
    """The graph of these edges, whose nodes are all initial."""
    columns = [*zip(*((a, b, ord(key)) for a, b, key in rows), strict=True)] or [()] * 3
    return Graph(np.zeros(size, np.int64), *map(np.array, columns))


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
    mask = np.isin(np.arange(5), [*among])
    found = made(5, rows).fair_component(mask, fairness).tolist()
    assert bool(found) == wanted
    if found:
        assert fair(graph, frozenset(found), fairness)


@example([(0, 1, "a"), (0, 2, "a"), (1, 4, "a"), (4, 1, "a")], set())
@given(edges, st.sets(st.integers(0, 4)))
def test_components_and_bottoms_are_those_of_networkx(
    rows: list[tuple[int, int, str]], among: set[int]
) -> None:
    graph = nx.DiGraph((a, b) for a, b, _ in rows)
    graph.add_nodes_from(range(5))
    part = made(5, rows).components(np.isin(np.arange(5), [*among])).tolist()
    wanted = {n: max(c) for c in nx.strongly_connected_components(graph.subgraph(among)) for n in c}
    assert part == [wanted.get(n, -1) for n in range(5)]
    condensed = nx.condensation(graph)
    left = [condensed.nodes[c]["members"] for c in condensed if not condensed.out_degree(c)]
    assert {*np.flatnonzero(made(5, rows).bottoms()).tolist()} == set().union(*left)


@pytest.mark.deep
def test_honest_runs_end_only_under_strong_fairness() -> None:
    """A peer that keeps the channel full of data leaves no room for close_notify."""

    def ends(w: World) -> list[Implication]:
        return [when(r.state != "START").then(r.state == "CLOSED") for r in w.runs]

    system = scenario("honest").system()
    (weak,) = temporal(system, [declared("leads_to", "ends", ends, "weak")])
    assert weak.verdict == VIOLATED
    loop = weak.trace.steps[weak.trace.loop :]
    assert loop and {s.event for s in loop} <= {"ApplicationData"}
    (strong,) = temporal(system, [declared("leads_to", "ends", ends, "strong")])
    assert strong.verdict == PROVED


# -- SPIN ------------------------------------------------------------------------------------------
needs_spin = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")
QUICK: dict[str, Any] = {"optimise": "-O0", "table": 18}


def spin(asked: Temporal) -> bool:
    """Whether SPIN finds a run that breaks the property."""
    text = promela.write(asked.compiled, [], [asked])
    return run_spin(text, check=asked.name, live=not asked.ends, **QUICK)["violated"]


def agrees(system: System, prop: Property) -> str:
    """The verdict here, which SPIN shares."""
    (r,) = judged(system, [prop])
    assert spin(exported(system, prop)) is (r.verdict == VIOLATED), r
    return r.verdict


@needs_spin
@pytest.mark.parametrize("system", [pacer.spinning, pacer.resting, pacer.stuck])
def test_spin_is_fair_in_the_same_way(system: System) -> None:
    agrees(system, declared("leads_to", "follows", follows))


ways = st.lists(st.integers(0, 3), min_size=1, max_size=2)
graphs = st.dictionaries(
    st.sampled_from("abcd"), st.dictionaries(st.integers(0, 3), ways, min_size=1), min_size=1
)


@pytest.mark.deep
@needs_spin
@settings(max_examples=10, deadline=None)
@given(graphs, st.integers(0, 3), st.sets(st.integers(0, 3), min_size=1))
def test_spin_agrees_on_any_small_graph(
    edges: dict[str, dict[int, Sequence[int]]], place: int, goal: set[int]
) -> None:
    system = wanderer.graph(edges)

    def reaches(w: World) -> list[Implication]:
        return [when(w.runs[0].at == place).then(w.runs[0].at.one_of(*goal))]

    agrees(system, declared("leads_to", "reaches", reaches))

    prop = declared("ends", "reaches", reaches)
    reference = Reference(exported(system, prop).compiled)
    graph = reference.explore()
    holds = reference.predicate(prop.holds(system))
    found = spin(exported(system, prop))
    assert found is any(not holds(n) for n in graph if not graph.out_degree(n))
    (r,) = temporal(system, [prop])
    assert not found or r.verdict == VIOLATED


TEMPORAL = [
    p.name
    for p in catalogue().values()
    if p.temporal and set(p.needs) <= scenario("honest").features
]


STRONG = "a_run_that_started_ends_however_much_data_flows"


@pytest.mark.deep
@needs_spin
@pytest.mark.parametrize("name", [n for n in TEMPORAL if n != STRONG])
def test_spin_agrees_on_the_honest_scenario(name: str) -> None:
    """Both ways: every end there is a run that stops."""
    asked = exported(scenario("honest").system(), catalogue()[name])
    graph = Reference(asked.compiled).explore()
    parts = nx.condensation(nx.DiGraph(graph))
    assert all(len(parts.nodes[p]["members"]) == 1 for p in parts if not parts.out_degree(p))
    assert agrees(scenario("honest").system(), catalogue()[name]) == PROVED


@pytest.mark.deep
@needs_spin
def test_spin_agrees_that_weak_fairness_is_not_enough() -> None:
    prop = catalogue()[STRONG]
    assert agrees(scenario("honest").system(), replace(prop, fairness="weak")) == VIOLATED


@pytest.mark.deep
@needs_spin
@pytest.mark.parametrize(
    "name",
    ["compatible_ends_complete_and_agree", "every_run_ends_closed"],
    ids=["another end", "a deadlock"],
)
def test_spin_agrees_on_a_weakened_honest_scenario(name: str) -> None:
    assert agrees(MUTANTS[name].system, catalogue()[name]) == VIOLATED


@pytest.mark.scenario
def test_the_export_of_a_scenario_has_its_whole_runs_beside_what_is_searched() -> None:
    text = export("promela", "honest")
    assert [a.name for a in asked_temporal("honest")] == TEMPORAL
    assert text == promela.write(*asked("honest"), asked_temporal("honest"))
    for name in TEMPORAL:
        assert (f" *   {name} (the ends of runs; " in text) is (name != STRONG)
        assert (f"defined(CHECK_{name})" in text) is (name != STRONG)
    assert f"no strong fairness, under which alone they are asked:\n *   {STRONG} (LIV-4, " in text
    alone = export("promela", "honest", None, ["LIV-3"])
    assert "CHECK_every_run_ends_closed" in alone and STRONG not in alone
    for form, id, why in (("tlaplus", "LIV-3", "no property"), ("promela", "LIV-4", STRONG)):
        with pytest.raises(LookupError, match=f"{why}.* can(not)? be exported"):
            export(form, "honest", None, [id])


def test_more_steps_than_spin_has_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = exported(pacer.resting, declared("leads_to", "follows", follows, "weak"))
    monkeypatch.setattr(promela, "PROCESSES", 2)
    with pytest.raises(LookupError, match=r"follows cannot be exported.*each of 3 steps.* has 2"):
        promela.write(asked.compiled, [], [asked])
