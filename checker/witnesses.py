"""Witnesses of the cases of properties where only proofs are made: paths, found and replayed.

A proof does not show that a case is ever reached. Most cases need no misbehaviour: they are looked
for on the honest network, which has few states, and the path is carried over to the system itself.
What is left is searched for there.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from checker.engines.choice import Options, searcher
from checker.engines.interface import (
    Budget,
    Described,
    Label,
    Question,
    Route,
    Search,
    Watch,
    described,
)
from checker.engines.reference import Reference, State
from checker.kept import Kept, digests
from checker.request import Request
from checker.trace import machines_of, replay
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

MORE = 4
"""How many times the states of a search that finds one violation are looked at for others."""

Reached = dict[str, dict[Case, bool | None]]
"""By property: whether each case is reached; None if that is not known."""


@dataclass(frozen=True)
class Candidate:
    """A path that a search found to a question."""

    question: Question
    reference: Reference
    """The engine that evaluates the path's states."""
    route: Callable[[], Route | None]
    """The path; None if it is none of the system."""


def witnesses(
    system: System, props: Sequence[Property], request: Request, kept: Kept | None = None
) -> Reached:
    """Which cases of the properties lie on a replayed path.

    Paths in `kept` come first, and those found are put there. After the honest network, a search
    lets one client and one server run alone, which is a part of every larger system; the last
    search lets all runs. One path may serve several cases. All searches together have the seconds
    of the request.
    """
    ends = time.monotonic() + (request.seconds or math.inf)
    given = {(p.name, c): e for p in props for c, e in p.cases(system).items()}
    narrow = system.values.narrow
    reached = {k: False if narrow(e) is FALSE else None for k, e in given.items()}
    pair = _pair(system)
    ways: list[Callable[[Request, Sequence[Question]], Iterator[Candidate]]] = [
        partial(_among_honest, system),
        partial(_among, system, pair),
    ]
    if len(pair) < len(system.runs):
        ways.append(partial(_among, system, [r.name for r in system.runs]))

    @cache
    def case(reference: Reference, k: tuple[str, Case]) -> Callable[[State], bool]:
        return reference.predicate(given[k])

    paths: list[Described] = []

    def mark(reference: Reference, states: Sequence[State]) -> None:
        new = [k for k, r in reached.items() if r is None and any(map(case(reference, k), states))]
        reached.update(dict.fromkeys(new, True))

    for path, states in kept.witnesses(system) if kept else ():
        mark(machines_of(system), states)
        paths.append(path)
    still = {k: given[k] for k, r in reached.items() if r is None}
    digest = digests(system, still) if kept and still else {}
    unreached = kept.unreached() if kept else set()
    old = {k for k in digest if digest[k] in unreached}
    known = len(paths)
    for way in ways:
        left_open = (k for k, r in reached.items() if r is None and k not in old)
        asked = {k: Question(str(k[1]), given[k]) for k in left_open}
        left = ends - time.monotonic()
        if not asked or left <= 0:
            break
        keys = {id(q): k for k, q in asked.items()}
        short = replace(request, seconds=left) if request.seconds else request
        for found in way(short, [*asked.values()]):
            k = keys[id(found.question)]
            route = found.route() if reached[k] is None else None
            if route is None:
                continue
            path = described(found.reference.compiled, route)
            replay(system, path, given[k])
            mark(found.reference, [s for _, s in route])
            paths.append(path)
    whole = request.bounded is None and request.seconds is None
    missed = {k for k, r in reached.items() if r is None and whole}
    if kept and (len(paths) > known or missed - old):
        kept.keep_witnesses(paths, unreached.union(digest[k] for k in missed))
    return {p.name: {c: r for (n, c), r in reached.items() if n == p.name} for p in props}


class Violations:
    """The violations of a system's invariants that searches within a request's budget find.

    A search costs the same for one property as for many, so what may be violated is asked together:
    first where one client and one server alone take steps, then where all runs do. Once the
    property that is asked for is found violated, the others have `MORE` times as many states.
    """

    def __init__(self, system: System, request: Request) -> None:
        self.system, self.request = system, request
        self.paths: dict[str, Described] = {}
        """By property: a path to a violation."""
        self._never: set[str] = set()
        """The properties that whole searches found no violation of."""

    def of(self, p: Property, among: Iterable[Property]) -> Described | None:
        """A path to a violation of `p`; those `among` others that are open are asked, too."""
        if p.name not in self._never and p.name not in self.paths:
            known = {*self._never, *self.paths}
            new = {q.name: q for q in (p, *among) if q.name not in known}
            pair, every = _pair(self.system), [r.name for r in self.system.runs]
            for runs in (pair, every) if len(pair) < len(every) else (every,):
                self._search(runs, [q for n, q in new.items() if n not in self.paths])
                if p.name in self.paths:
                    break
            else:
                self._never |= new.keys() - self.paths.keys()
        return self.paths.get(p.name)

    def _search(self, runs: Sequence[str], left: Sequence[Property]) -> None:
        """Look for violations where these runs take steps, above all of the first property."""
        bad = [Question(q.name, q.bad(self.system)) for q in left]
        most = math.inf

        def enough(found: Search) -> bool:
            nonlocal most
            if bad[0].state is not None:
                most = min(most, MORE * found.states)
            return found.states >= most

        for found in _among(self.system, runs, self.request, bad, self.request.budget, enough):
            route = found.route()
            if route is not None:
                self.paths[found.question.name] = described(found.reference.compiled, route)


def _pair(system: System) -> list[str]:
    """The first run of each role."""
    return [*{r.role.name: r.name for r in reversed(system.runs)}.values()]


def _found(
    compiled: Compiled,
    asked: Sequence[Question],
    request: Request,
    budget: Budget,
    enough: Callable[[Search], bool] = lambda _: False,
) -> Iterator[tuple[Question, Callable[[], Route]]]:
    """A path to each question that a search answers, the latest first: it may serve the others.

    The search also ends when it is `enough`.
    """
    engine = searcher(compiled, Options(backend=request.backend))

    def stop(found: Search) -> bool:
        return enough(found) or all(q.state is not None for q in asked)

    engine.search(asked, budget, Watch(stop=stop))
    answers = [(q.state, i) for i, q in enumerate(asked) if q.state is not None]
    for state, i in sorted(answers, reverse=True):
        yield asked[i], partial(engine.path, state)


def _among(
    system: System,
    runs: Sequence[str],
    request: Request,
    asked: Sequence[Question],
    budget: Budget | None = None,
    enough: Callable[[Search], bool] = lambda _: False,
) -> Iterator[Candidate]:
    """Paths of the system on which only these runs take steps; by default, in `WITNESS_STATES`."""
    compiled = copy.copy(system.compile(*(q.expr for q in asked)))
    compiled.steps = tuple(s for s in compiled.steps if s.run in runs)
    reference = Reference(compiled)
    budget = budget or Budget(WITNESS_STATES, request.seconds, request.memory)
    for q, path in _found(compiled, asked, request, budget, enough):
        yield Candidate(q, reference, path)


# -- honest runs -----------------------------------------------------------------------------------
def _among_honest(
    system: System, request: Request, asked: Sequence[Question]
) -> Iterator[Candidate]:
    """Paths of the system on which the adversary only listens."""
    if not isinstance(system.network, Adversary):
        return
    honest = replace(system, network=Overheard(adversary=system.network))
    compiled = honest.compile(*(q.expr for q in asked))
    reference = machines_of(system)

    def carry(q: Question, path: Callable[[], Route]) -> Route | None:
        route = carried(reference, described(compiled, path()))
        return route if route and reference.predicate(q.expr)(route[-1][1]) else None

    budget = Budget(HONEST_STATES, request.seconds, request.memory)
    for q, path in _found(compiled, asked, request, budget):
        yield Candidate(q, reference, partial(carry, q, path))


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
                more = {
                    state: [*way, (step, state)]
                    for step, _, state in reference.successors(way[-1][1], label)
                    if all(state[i] == v for i, v in wanted.items())
                }
                if more:  # an honest source, if there is one: it has the fewest messages
                    after = {**more, **after}
                    break
        ways = [*after.values()][:WAYS]
    return ways[0] if ways else None
