"""Liveness: how every run ends ("ends"), and what follows what in every fair run ("leads_to").

Ends: on a finite graph, a fair run ends in a bottom component, a strongly connected component that
no edge leaves. So a property of the states of all bottom components holds of every fair run in the
end. A state that no edge leaves is such a component, too: a deadlock shows as an end that is not a
declared one.

Leads-to: `given` leads to `holds` unless some fair run has a state with `given` and from there on
no state with `holds`. On a finite graph, such a run is a path into a fair component of the states
without `holds`, or into a state that no edge leaves. A component is weakly fair if each step is
impossible in one of its states or taken within it; strongly fair if each step possible in one of
its states is taken within it. If a component is not weakly fair, no part of it is. If it is not
strongly fair, the states where the missing step is possible are removed, and the components of
the rest are examined again (Emerson and Lei 1987).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import networkx as nx

from checker.engines.interface import (
    UNLIMITED,
    UNWATCHED,
    Budget,
    Follows,
    Label,
    Question,
    Route,
    Search,
    Watch,
)
from checker.engines.reference import EngineError, Reference

Node = Any


def bottoms(graph: nx.MultiDiGraph[Any]) -> list[set[Any]]:
    """The strongly connected components that no edge leaves, by the least depth of a state."""
    condensed = nx.condensation(nx.DiGraph(graph))
    out = [condensed.nodes[c]["members"] for c in condensed if condensed.out_degree(c) == 0]
    return sorted(out, key=lambda members: min(graph.nodes[s]["depth"] for s in members))


def fair_component(
    graph: nx.MultiDiGraph[Any], among: set[Node], fairness: str
) -> set[Node] | None:
    """A strongly connected set within `among` in which a fair run can stay for ever, or None."""
    waiting = [among]
    while waiting:
        part = graph.subgraph(waiting.pop())
        for found in nx.strongly_connected_components(part):
            inside = graph.subgraph(found)
            if not inside.number_of_edges():
                continue
            taken = {key for _, _, key in inside.edges(keys=True)}
            possible = [{key for _, _, key in graph.out_edges(n, keys=True)} for n in found]
            if fairness == "weak":
                demanded = set.intersection(*possible) - taken
            else:
                demanded = set.union(*possible) - taken
            if not demanded:
                return set(found)
            if fairness == "strong":
                left = {n for n, here in zip(found, possible, strict=True) if not here & demanded}
                if left:
                    waiting.append(left)
    return None


def _path(graph: nx.MultiDiGraph[Any], start: Node, goal: Callable[[Node], bool]) -> list[Node]:
    """A shortest path from `start` to a node with `goal`."""
    before: dict[Node, Node] = {start: None}
    queue = deque([start])
    while queue:
        n = queue.popleft()
        if goal(n):
            out = [n]
            while before[out[-1]] is not None:
                out.append(before[out[-1]])
            return out[::-1]
        for m in graph.successors(n):
            if m not in before:
                before[m] = n
                queue.append(m)
    raise ValueError("no path")


def _loop(
    graph: nx.MultiDiGraph[Any], start: Node, part: set[Node], fairness: str
) -> list[tuple[Label, Node]]:
    """A fair cycle through `start` within `part`: steps as (label, state reached)."""
    inside = graph.subgraph(part)
    by_label: dict[Label, tuple[Node, Node]] = {}
    for a, b, key in inside.edges(keys=True):
        by_label.setdefault(key, (a, b))
    out: list[tuple[Label, Node]] = []
    at = start
    done: set[Label] = set()
    demanded: set[Label] = set()
    for n in part:
        demanded |= {key for _, _, key in graph.out_edges(n, keys=True)}
    for key in sorted(demanded):
        if key in done:
            continue
        if key in by_label:
            a, b = by_label[key]
            way = _path(inside, at, lambda n, a=a: n == a)  # type: ignore[misc]
            steps = [*_steps(inside, way), (key, b)]
        elif fairness == "weak":
            # No edge of `part`: pass through a state where the step is impossible.
            steps = _steps(inside, _path(inside, at, lambda n, k=key: not _has(graph, n, k)))  # type: ignore[misc]
        else:
            continue
        out += steps
        done |= {label for label, _ in steps}
        at = out[-1][1] if out else at
    if at != start or not out:
        if not out:
            key, (a, b) = next(iter(sorted(by_label.items())))
            out = [*_steps(inside, _path(inside, at, lambda n: n == a)), (key, b)]
            at = b
        out += _steps(inside, _path(inside, at, lambda n: n == start))
    return out


def _has(graph: nx.MultiDiGraph[Any], n: Node, key: Label) -> bool:
    return any(k == key for _, _, k in graph.out_edges(n, keys=True))


def _steps(graph: nx.MultiDiGraph[Any], nodes: Sequence[Node]) -> list[tuple[Label, Node]]:
    return [(min(graph[a][b]), b) for a, b in itertools.pairwise(nodes)]


def _lasso(
    graph: nx.MultiDiGraph[Any], starts: Iterable[Node], without: set[Node], fairness: str
) -> tuple[list[Node], Node, list[tuple[Label, Node]]] | None:
    """A lasso that stays in the states `without` after some state of `starts`; None if none exists.

    Its stem from an initial state, the last state of the stem, and a fair loop there; the loop is
    empty if no edge leaves that state.
    """
    begin = set(starts)
    reached, stack = set(begin), list(begin)
    while stack:
        for m in graph.successors(stack.pop()):
            if m in without and m not in reached:
                reached.add(m)
                stack.append(m)
    stuck = {n for n in reached if not graph.out_degree(n)}
    part = stuck or fair_component(graph, reached, fairness)
    if not part:
        return None
    # Search backwards from the end to the nearest start, then to an initial state.
    end = min(part, key=lambda n: graph.nodes[n]["depth"])
    back = graph.subgraph(reached).reverse(copy=False)
    middle = _path(back, end, lambda n: n in begin)[::-1]
    whole = graph.reverse(copy=False)
    stem = _path(whole, middle[0], lambda n: bool(graph.nodes[n]["initial"]))[::-1]
    return [*stem, *middle[1:]], end, [] if stuck else _loop(graph, end, part, fairness)


class Ends(Reference):
    """The reference engine, asked only about the states of bottom components."""

    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore all states, then answer questions by those of bottom components only."""
        found = super().search((), budget, watch)
        if found.complete:
            final = set[Node]().union(*bottoms(self.graph))
            for q in questions:
                true = self.predicate(q.expr)
                hits = (i for i, s in enumerate(self.order) if s in final and true(s))
                q.state = next(hits, None)
        return found


class Lassos(Reference):
    """The reference engine, which answers a question `Follows` by a lasso."""

    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore all states, then look for a lasso for each question `Follows`."""
        self.lassos: list[Route] = []
        plain = [q for q in questions if not isinstance(q, Follows)]
        found = super().search(plain, budget, watch)
        if found.complete:
            for q in questions:
                if isinstance(q, Follows):
                    self._answer(q)
        return found

    def path(self, state: int) -> Route:
        """The lasso numbered `state`: its stem, then its loop once."""
        return self.lassos[state]

    def _answer(self, q: Follows) -> None:
        begins, holds = self.predicate(q.expr), self.predicate(q.holds)
        without = {n for n in self.graph if not holds(n)}
        lasso = _lasso(self.graph, filter(begins, self.graph), without, q.fairness)
        if lasso is None:
            return
        stem, end, loop = lasso
        if loop and loop[-1][1] != end:
            raise EngineError("the loop of a lasso does not close")
        q.state, q.loop = len(self.lassos), len(stem) - 1
        self.lassos.append([*self.route(stem), *((self.steps[label], n) for label, n in loop)])
