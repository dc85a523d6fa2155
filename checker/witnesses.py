"""Witnesses of the cases of properties where only proofs are made: paths, found and replayed.

A proof does not show that a case is ever reached. Most cases need no misbehaviour: they are looked
for on the honest network, which has few states, and the path is carried over to the system itself.
What is left is searched for there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from checker.engines.choice import Options, searcher
from checker.engines.interface import Budget, Described, Label, Question, Route, Watch, described
from checker.engines.reference import Reference, State
from checker.request import Request
from checker.trace import every_variable, replay
from model.adversary.network import Adversary
from model.adversary.reliable import Overheard
from model.expr import FALSE
from model.system import Compiled, Step, System
from properties import Case, Property

WITNESS_STATES = 30_000_000
"""The limit of a search for cases."""
HONEST_STATES = 3_000_000
"""The limit of a search for cases on the honest network."""
WAYS = 16
"""How many ways to go on are kept while a path is carried over."""

Reached = dict[str, dict[Case, bool | None]]
"""By property: whether each case is reached; None if that is not known."""
Paths = Iterator[tuple[Reference, Route]]
"""Paths of a system, each with an engine that evaluates its states."""


def witnesses(system: System, props: Sequence[Property], request: Request) -> Reached:
    """Which cases of the properties lie on a replayed path.

    After the honest network, a search lets one client and one server run alone, which is a part of
    every larger system; the last search lets all runs. One path may serve several cases.
    """
    given = {(p.name, c): e for p in props for c, e in p.cases(system).items()}
    narrow = system.values.narrow
    reached = {k: False if narrow(e) is FALSE else None for k, e in given.items()}
    pair = {r.role.name: r.name for r in reversed(system.runs)}.values()
    ways: list[Callable[[Sequence[Question]], Paths]] = [
        partial(_among_honest, system, request),
        partial(_among, system, request, [*pair]),
    ]
    if len(pair) < len(system.runs):
        ways.append(partial(_among, system, request, [r.name for r in system.runs]))
    for way in ways:
        asked = {k: Question(str(k[1]), given[k]) for k, r in reached.items() if r is None}
        if not asked:
            break
        for reference, route in way([*asked.values()]):
            for k, q in asked.items():
                if reached[k] is None and any(map(reference.predicate(q.expr), _states(route))):
                    reached[k] = True
    return {p.name: {c: r for (n, c), r in reached.items() if n == p.name} for p in props}


def _states(route: Route) -> list[State]:
    return [state for _, state in route]


def _found(
    compiled: Compiled, asked: Sequence[Question], request: Request, states: int
) -> Iterator[tuple[Question, Route]]:
    """A path to each question that a search answers, the latest first: it may serve the others."""
    engine = searcher(compiled, Options(backend=request.backend))
    enough = Watch(stop=lambda: all(q.state is not None for q in asked))
    engine.search(asked, Budget(states=states, memory=request.memory), enough)
    answers = [(q.state, i, q) for i, q in enumerate(asked) if q.state is not None]
    for state, _, q in sorted(answers, reverse=True):
        yield q, engine.path(state)


def _among(
    system: System, request: Request, runs: Sequence[str], asked: Sequence[Question]
) -> Paths:
    """Replayed paths of the system in which only these runs take steps."""
    compiled = copy.copy(system.compile(*(q.expr for q in asked)))
    compiled.steps = tuple(s for s in compiled.steps if s.run in runs)
    reference = Reference(compiled)
    seen: set[State] = set()
    for q, route in _found(compiled, asked, request, WITNESS_STATES):
        if not any(map(reference.predicate(q.expr), seen)):
            replay(system, described(compiled, route), q.expr)
            seen.update(_states(route))
            yield reference, route


# -- honest runs -----------------------------------------------------------------------------------
def _among_honest(system: System, request: Request, asked: Sequence[Question]) -> Paths:
    """Replayed paths of the system on which the adversary only listens."""
    if not isinstance(system.network, Adversary):
        return
    honest = replace(system, network=Overheard(adversary=system.network))
    compiled = honest.compile(*(q.expr for q in asked))
    reference = Reference(every_variable(system))
    seen: set[State] = set()
    for q, route in _found(compiled, asked, request, HONEST_STATES):
        holds = reference.predicate(q.expr)
        if not any(map(holds, seen)):
            way = carried(reference, described(compiled, route))
            if way is not None and holds(way[-1][1]):
                replay(system, described(reference.compiled, way), q.expr)
                seen.update(_states(way))
                yield reference, way


def carried(reference: Reference, path: Described) -> Route | None:
    """A path of honest runs as one of the engine's system; None if that has none.

    The same runs take the same rows, and each run's variables have the same values after each of
    its steps.
    """
    variables, position = reference.compiled.system.variables, reference.position
    start = path[0][1]
    first = tuple(start.get(n, variables[n].initial[0]) for n in reference.compiled.names)
    labels: dict[tuple[str, str], list[Label]] = {}
    for label in sorted(reference.steps, key=lambda x: x[2] == "forged"):
        labels.setdefault(label[:2], []).append(label)
    ways: list[list[tuple[Step | None, State]]] = [[(None, first)]]
    for row, values in path[1:]:
        assert row is not None
        wanted = {
            position[n]: v
            for n, v in values.items()
            if n in position and n.startswith(f"{row[0]}.")
        }
        after: dict[State, list[tuple[Step | None, State]]] = {}
        for way in ways:
            for label in labels.get(row[:2], ()):
                for step, _, state in reference.successors(way[-1][1], label):
                    if all(state[i] == v for i, v in wanted.items()):
                        after.setdefault(state, [*way, (step, state)])
        ways = [*after.values()][:WAYS]
    return ways[0] if ways else None
