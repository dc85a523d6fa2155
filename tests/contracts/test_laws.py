"""Laws across the packages, held on the toys: each engine reads the same tables the same way."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import networkx as nx
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engines.reference import Reference
from checker.engines.symbolic import Symbolic, bits_of
from model.expr import BOOL, Domain, python_function, var
from model.rule import SAME, step
from model.system import Compiled, Instance, Step, System
from tests.contracts.agreement import same_graph
from tests.toys import counters, forger, handshake

State = tuple[Any, ...]
SYSTEMS = {s.name: s for s in (handshake.system, counters.system, forger.system)}
NAMES = sorted(SYSTEMS)


@cache
def compiled(name: str) -> Compiled:
    """A toy over all its variables."""
    system = SYSTEMS[name]
    return system.compile(*(var(n, v.domain) for n, v in system.variables.items()))


@cache
def reference(name: str) -> nx.MultiDiGraph[State]:
    """Its reachable graph."""
    return Reference(compiled(name)).explore()


# -- engines agree -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_and_the_explicit_engine_agree(name: str) -> None:
    graph = reference(name)
    engine = same_graph(compiled(name), graph)
    depths = graph.nodes(data="depth")
    assert all(len(engine.path(i)) - 1 == depths[engine.state(i)] for i in range(len(graph)))


@cache
def symbolic(name: str) -> tuple[Symbolic, list[tuple[Step, Any, dict[str, Any]]]]:
    """The symbolic engine and its steps, encoded."""
    engine = Symbolic(compiled(name))
    return engine, [(s, *engine.parts(s)) for s in compiled(name).steps]


def _pairs(term: Any, code: int, domain: Domain) -> Iterator[tuple[Any, Any]]:
    return zip(term if isinstance(term, list) else [term], bits_of(code, domain), strict=True)


def solver_step(name: str, item: tuple[Step, Any, dict[str, Any]], state: State) -> set[State]:
    """The successors of `state` by one step, as the terms say."""
    c, (engine, _), (s, guard, effects) = compiled(name), symbolic(name), item
    here = [
        p
        for n, d, v in zip(c.names, c.domains, state, strict=True)
        for p in _pairs(engine.now[n], d.code(v), d)
    ]
    out = set()
    for values in itertools.product(*(s.parameters[n].values for n in s.free)):
        pairs = list(here)
        for n, v in zip(s.free, values, strict=True):
            d = s.parameters[n]
            key = f"{s.run}:{n}"
            inputs = z3.Bool(key) if d is BOOL else [z3.Bool(f"{key}/{i}") for i in range(d.bits)]
            pairs.extend(_pairs(inputs, d.code(v), d))

        def holds(term: Any, pairs: list[Any] = pairs) -> bool:
            done = z3.simplify(z3.substitute(term, *pairs))
            assert z3.is_true(done) or z3.is_false(done), done
            return z3.is_true(done)

        if holds(guard):
            after = list(state)
            for n, term in effects.items():
                bits = [holds(b) for b in (term if isinstance(term, list) else [term])]
                place = c.index[n]
                after[place] = c.domains[place].values[sum(b << i for i, b in enumerate(bits))]
            out.add(tuple(after))
    return out


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_reference_step_is_a_solver_step(name: str, data: st.DataObject) -> None:
    graph = reference(name)
    state = data.draw(st.sampled_from(list(graph)))
    item = data.draw(st.sampled_from(symbolic(name)[1]))
    by_machine = {b for _, b, k in graph.out_edges(state, keys=True) if k == item[0].label}
    assert solver_step(name, item, state) == by_machine


@pytest.mark.parametrize("name", NAMES)
def test_every_edge_of_the_reference_is_in_the_relation(name: str) -> None:
    """And no other: the one disjunction over primed variables is the graph's own edges."""
    c, (engine, _), graph = compiled(name), symbolic(name), reference(name)
    solver = z3.Solver()
    solver.add(engine.relation)

    def at(env: Any, state: State) -> list[Any]:
        return [
            t if z3.is_true(bit) else z3.Not(t)
            for n, d, v in zip(c.names, c.domains, state, strict=True)
            for t, bit in _pairs(env[n], d.code(v), d)
        ]

    states = list(graph)
    for state in states[:: max(1, len(states) // 12)]:
        wanted = set(graph.successors(state))
        solver.push()
        solver.add(*at(engine.now, state))
        for after in wanted:
            assert solver.check(*at(engine.next, after)) == z3.sat
            solver.add(z3.Not(z3.And(at(engine.next, after))))
        assert solver.check() == z3.unsat
        solver.pop()


# -- write-once variables ------------------------------------------------------------------------
def written_twice(c: Compiled, graph: nx.MultiDiGraph[State]) -> set[str]:
    """The write-once variables that some path writes a second time."""
    places = [(n, c.index[n]) for n in c.write_once()]
    before: dict[State, set[str]] = {s: set() for s in graph}
    queue = deque(graph)
    wrong: set[str] = set()
    while queue:
        a = queue.popleft()
        for b in graph.successors(a):
            changed = {n for n, i in places if a[i] != b[i]}
            wrong |= changed & before[a]
            more = before[a] | changed
            if not more <= before[b]:
                before[b] |= more
                queue.append(b)
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_write_once_variables_are_written_once(name: str) -> None:
    c, graph = compiled(name), reference(name)
    assert written_twice(c, graph) == set()
    moved = {n for a, b in graph.edges() for n in c.write_once() if a[c.index[n]] != b[c.index[n]]}
    assert (
        moved
        == {
            "toy": {"asker.colour", "asker.warm", "answerer.colour", "answerer.warm"},
            "counters": set(),
            "forger": {"taker.colour", "maker.sent_Order", "maker.sent_Leak"},
        }[name]
    )


def test_a_variable_written_twice_is_found() -> None:
    base = handshake.asker
    own = handshake.own
    for effect, wrong in (
        # After a red reply (warm) the first is a second write; the second writes what is there.
        ({"warm": ~own.warm}, {"asker.warm"}),
        ({"warm": own.warm}, set()),
    ):
        row = step("asker", "repaint", "DONE", SAME, rfc="a mistake", do=effect)
        asker = replace(base, table=(*base.table, row))
        runs = (Instance("asker", asker), handshake.system.runs[1])
        system = System("twice", runs, handshake.system.network)
        c = system.compile(system.of("asker", "warm"))
        assert written_twice(c, Reference(c).explore()) == wrong


# -- knowledge grows -----------------------------------------------------------------------------
def deliveries(system: System, values: dict[str, Any]) -> set[tuple[Any, ...]]:
    """What the network can deliver in a state: run, row's event, source and field values."""
    out = set()
    for s in system.raw_steps:
        if s.rule.kind != "receive":
            continue

        def read(v: Any) -> str:
            return f"p[{v.payload!r}]" if v.payload.startswith("msg.") else f"s[{v.payload!r}]"

        bound = {
            f"{f}/{i}": part
            for f, e in s.source.fields.items()
            for i, part in enumerate(e if isinstance(e, tuple) else (e,))
        }
        f = python_function({"there": s.deliverable, **bound}, "s, p", read)
        for combo in itertools.product(*(d.values for d in s.parameters.values())):
            there, *fields = f(values, dict(zip(s.parameters, combo, strict=True)))
            if there:
                out.add((*s.label, *combo, *fields))
    return out


def test_what_can_be_delivered_stays_deliverable() -> None:
    """The adversary forgets nothing. A channel does: there the law must fail."""
    for name, grows in (("forger", True), ("toy", False)):
        c, system = compiled(name), SYSTEMS[name]
        start = {n: v.initial[0] for n, v in system.variables.items()}
        there = {s: deliveries(system, {**start, **c.describe(s)}) for s in reference(name)}
        assert any(there.values())
        lost = [(a, b) for a, b in reference(name).edges() if not there[a] <= there[b]]
        assert (not lost) is grows, name
