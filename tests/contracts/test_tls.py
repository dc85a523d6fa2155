"""Laws on the real scenarios: pinned counts, declared verdicts, engines that agree, knowledge that
only grows, variables that are written once and final before they are sent."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

import networkx as nx
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.by_search import search
from checker.decide import run_task
from checker.engines.explicit import Explicit
from checker.engines.native_source import available
from checker.engines.reference import Reference
from checker.engines.symbolic import Symbolic, bits_of
from checker.request import Request, Task, declared, expectations, properties_of, searched, tasks_of
from model.adversary.network import sent, sent_under, write_keys
from model.expr import Expr, variables
from model.flaws import flaws
from model.role import Role, overlaps
from model.roles import role
from model.scenario import SCENARIOS, Config, Scenario, scenario
from model.system import Compiled
from tests.contracts.agreement import fired, narrowed, same_graph, same_levels, set_once
from tests.sizes import deep_but

State = tuple[Any, ...]
NO_DATA: Config = {"sends_data": (False,)}
# The graph of all of tls13 takes 12 GB: each part leaves one thing out. That of tls12-small takes
# more, and is fired down to a depth.
BY_REFERENCE = {
    **{n: scenario(n) for n in ("honest", "retry-honest", "retry-early-data-honest")},
    "tls13 without data": narrowed("tls13", NO_DATA, {"asks_client": (True,), **NO_DATA}),
    "tls13 without client authentication": narrowed(
        "tls13", {"has_certificate": (False,)}, {"asks_client": (False,)}
    ),
}
# Those on request hold 15 to 67 million states: minutes in numpy, and gigabytes.
SEARCHED = [s.name for s in SCENARIOS if "explicit" in s.methods and (s.default or not available())]

QUICK = ["tls12-small", "tls13"]


# -- the whole default set ------------------------------------------------------------------------
@pytest.mark.parametrize("name", deep_but(QUICK, SEARCHED))
def test_a_searched_scenario_is_as_declared(name: str) -> None:
    results = run_task(Task(Request(), name, "explicit"))
    assert [(r.property, r.verdict, r.reason) for r in results if not r.as_declared] == []
    assert {r.states for r in results} == {expectations()["states"][name]}


def test_the_declared_scenarios_and_properties_exist() -> None:
    from properties import catalogue

    named = {s.name for s in SCENARIOS}
    # Flaws may have scenarios of their own.
    assert set(expectations()["states"]) == set(searched()) & named
    for prop, rows in expectations()["verdicts"].items():
        assert prop in catalogue()
        assert set(rows) - {"*"} <= named
        assert all(r["reason"] for r in rows.values())


@pytest.mark.deep
def test_a_run_proves_every_invariant_that_is_not_declared_violated() -> None:
    for where in SCENARIOS:
        tasks = tasks_of(Request(), where)
        asked = {n for t in tasks if t.method == "symbolic" for n in t.properties}
        every = {p.name for p in properties_of(Request(), where) if p.kind == "invariant"}
        # Nothing but the prover looks at what is violated where no search does.
        searched_too = "explicit" in where.methods
        violated = (
            {p for p in every if declared(p, where.name)[0] == "VIOLATED"}
            if searched_too
            else set()
        )
        assert asked == (every - violated if "symbolic" in where.methods else set())


# -- the reference judges the explicit engine -----------------------------------------------------
@pytest.mark.parametrize("name", deep_but(["retry-early-data-honest"], BY_REFERENCE))
def test_the_reference_agrees_and_the_laws_hold(name: str) -> None:
    """One test a scenario: the graph of fired `transitions` is the costly part."""
    where = BY_REFERENCE[name]
    system = where.system()
    exprs: list[Expr] = []
    for p in properties_of(Request(), where):
        if not p.temporal:
            exprs += [p.bad(system), p.witness(system)]
    compiled = system.compile(*exprs)
    reference = Reference(compiled)
    graph = reference.explore()
    same_graph(compiled, graph)
    _same_verdicts_and_lengths(where, graph, reference)
    set_once(compiled, reference)
    if where.network == "adversary":
        _deliveries_stay(compiled, graph)
        _sent_fields_are_final(compiled, graph)


@pytest.mark.deep
def test_the_reference_agrees_to_a_depth_and_the_laws_hold() -> None:
    where = scenario("tls12-small")
    exprs = [p.bad(where.system()) for p in properties_of(Request(), where) if not p.temporal]
    compiled = where.system().compile(*exprs)
    reference = Reference(compiled)
    graph = fired(reference)
    same_levels(compiled, graph)
    set_once(compiled, reference)
    depths = dict(graph.nodes(data="depth"))
    last = max(depths.values())
    # The last level has no steps, so nothing is known of what can be delivered there.
    before = graph.subgraph([s for s, d in depths.items() if d < last])
    _deliveries_stay(compiled, before, graph)
    _sent_fields_are_final(compiled, graph)


def _same_verdicts_and_lengths(
    where: Scenario, graph: nx.MultiDiGraph[State], reference: Reference
) -> None:
    system = where.system()
    asked = [p for p in properties_of(Request(), where) if not p.temporal]
    by_search = {r.property: r for r in search(system, asked, Request())}
    for p in asked:
        bad, witness = reference.predicate(p.bad(system)), reference.predicate(p.witness(system))
        wrong = [d for s, d in graph.nodes(data="depth") if bad(s)] if p.kind == "invariant" else []
        r = by_search[p.name]
        assert (r.verdict == "VIOLATED") == bool(wrong), p.name
        assert any(map(witness, graph)), p.name
        if wrong:
            assert len(r.trace) == min(wrong), p.name


def _deliveries_stay(
    compiled: Compiled,
    graph: nx.MultiDiGraph[State],
    whole: nx.MultiDiGraph[State] | None = None,
) -> None:
    """What can be delivered to a run, with its effect, still can after another run's step.

    `whole` has the steps of every state of `graph`; None if `graph` has.
    """
    every = graph if whole is None else whole
    own = defaultdict(list)
    for i, n in enumerate(compiled.names):
        run, _, variable = n.partition(".")
        if variable in compiled.system.by_name[run].role.all_variables:
            own[run].append(i)

    @cache
    def can(state: State) -> dict[str, set[Any]]:
        out: dict[str, set[Any]] = defaultdict(set)
        for _, after, label in every.out_edges(state, keys=True):
            if label[2] != "local":
                out[label[0]].add((label, tuple(after[i] for i in own[label[0]])))
        return out

    # Every 11th state: the law is about pairs of states, of which there are millions.
    for state in itertools.islice(graph, 0, None, 11):
        for after in set(graph.successors(state)):
            moved = {k[0] for k in graph[state][after]}
            for run in own:
                if run not in moved:
                    assert can(state)[run] <= can(after)[run], (run, state, after)


def _sent_fields_are_final(compiled: Compiled, graph: nx.MultiDiGraph[State]) -> None:
    """Once a message was sent, what its fields are read from no longer changes."""
    checks = []
    for r in compiled.system.runs:
        for message in r.role.sends:
            names = [
                sent(r.name, message),
                *(sent_under(r.name, message, k) for k in write_keys(r)),
            ]
            places = [compiled.index[v.payload] for v in names if v.payload in compiled.index]
            if not places or message in r.role.editions:
                continue
            fields = r.role.sends[message]
            exprs = [x for e in fields.values() for x in (e if isinstance(e, tuple) else (e,))]
            read = [
                compiled.index[n]
                for e in exprs
                for n in variables(compiled.system.at(r, e))
                if n in compiled.index
            ]
            checks.append((r.name, message, places, read))
    # The messages that end a handshake are replayed, so it is recorded that they were sent.
    assert {(end, "Finished") for end in compiled.system.by_name} <= {c[:2] for c in checks}
    for state in itertools.islice(graph, 0, None, 11):
        for after in set(graph.successors(state)):
            for name, message, places, read in checks:
                if any(state[i] for i in places):
                    for i in read:
                        fine = compiled.names[i] in LATER or state[i] == after[i]
                        assert fine, (name, message, compiled.names[i])


# Read under a condition: TLS 1.3's server proofs leave the client's certificate out.
LATER = {"server0.client_certificate"}


# -- tables ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", deep_but(["sound", "early_ccs"], ["sound", *flaws()]))
def test_no_two_rows_overlap_in_any_role_sound_or_flawed(name: str) -> None:
    every: Iterable[Role] = (role("client"), role("server"))
    if name != "sound":
        f = flaws()[name]
        every = f.roles(f.ends[0], scenario(f.where).extensions)
    for r in every:
        assert list(overlaps(r.rules, r.read_key)) == []


def test_every_row_has_its_rfc_section() -> None:
    for name in ("client", "server"):
        for r in role(name).rules:
            assert r.rfc.strip(), r.name


# -- a reference step and a Z3 step ---------------------------------------------------------------
@cache
def _encoded() -> tuple[Compiled, Reference, Explicit, Symbolic, list[Any]]:
    compiled = scenario("tls12-small").system().compile()
    explicit = Explicit(compiled)
    explicit.search()
    symbolic = Symbolic(compiled)
    return (
        compiled,
        Reference(compiled),
        explicit,
        symbolic,
        [(s, *symbolic.parts(s)) for s in compiled.steps],
    )


@pytest.mark.deep
@settings(max_examples=8, deadline=None)
@given(st.integers(min_value=0, max_value=10**9))
def test_a_reference_step_and_a_solver_step_agree(seed: int) -> None:
    compiled, reference, explicit, symbolic, encoded = _encoded()
    total = sum(len(w[0]) for w in explicit.words)
    state = explicit.state(seed % total)
    taken = defaultdict(set)
    for step, _, after in reference.successors(state):
        taken[step.label].add(after)
    here = []
    for n, d, v in zip(compiled.names, compiled.domains, state, strict=True):
        term = symbolic.now[n]
        here += zip(term if isinstance(term, list) else [term], bits_of(d.code(v), d), strict=True)
    for step, guard, effects in encoded:
        solver = z3.Solver()
        solver.add(z3.substitute(guard, *here))
        found = set()
        while solver.check() == z3.sat:
            model = solver.model()
            after = list(state)
            for n, value in effects.items():
                terms = value if isinstance(value, list) else [value]
                bits = [
                    z3.is_true(model.eval(z3.substitute(t, *here), model_completion=True))
                    for t in terms
                ]
                i = compiled.index[n]
                after[i] = compiled.domains[i].values[sum(b << k for k, b in enumerate(bits))]
            found.add(tuple(after))
            values = [
                (b, model.eval(b, model_completion=True))
                for n, b in symbolic.inputs.items()
                if n.startswith(f"{step.run}:") and n.split(":")[1].split("/")[0] in step.free
            ]
            if not values:
                break
            solver.add(z3.Or([b != v for b, v in values]))
        assert found == taken.get(step.label, set()), step.label
