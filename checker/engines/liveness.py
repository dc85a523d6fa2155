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
from collections.abc import Callable, Collection, Sequence
from typing import Any

import networkx as nx
import numpy as np

from checker.engines.explicit import Explicit, numpy_function
from checker.engines.interface import (
    UNLIMITED,
    UNWATCHED,
    Budget,
    Final,
    Follows,
    Label,
    Question,
    Route,
    Search,
    Watch,
)
from checker.engines.reference import EngineError, Reference
from model.expr import Expr
from model.system import Compiled

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
            if len(found) == 1 and not part.has_edge(*found, *found):
                continue
            inside = graph.subgraph(found)
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
    graph: nx.MultiDiGraph[Any], starts: Collection[Node], without: set[Node], fairness: str
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


class Liveness:
    """The engine for questions about whole runs, on the graph that another engine explores.

    The states are numbered as that engine does: the explicit one or, with `fired`, the reference.
    """

    def __init__(self, compiled: Compiled, *, fired: bool = False) -> None:
        self.compiled = compiled
        self.engine = Reference(compiled) if fired else Explicit(compiled)
        self.graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
        self.lassos: list[Route] = []

    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore all states, then answer the questions about whole runs."""
        plain = [q for q in questions if not isinstance(q, Final | Follows)]
        found = self.engine.search(plain, budget, watch)
        if not found.complete:
            return found
        self.graph = _numbered(self.engine)
        final = set[int]().union(*bottoms(self.graph))
        for q in questions:
            if isinstance(q, Final):
                q.state = min(final & self._where(q.expr), default=None)
            elif isinstance(q, Follows):
                self._answer(q)
        return found

    def path(self, state: int) -> Route:
        """A shortest path to a state, or the lasso of that number: its stem, then its loop once."""
        n = state - len(self.graph)
        return self.engine.path(state) if n < 0 else self.lassos[n]

    def _where(self, expr: Expr) -> set[int]:
        """The numbers of the states in which `expr` is true."""
        if isinstance(self.engine, Reference):
            true = self.engine.predicate(expr)
            return {i for i, s in enumerate(self.engine.order) if true(s)}
        value = numpy_function(self.compiled.narrow(expr), self.compiled.index)
        columns = self.engine.unpack(np.concatenate(self.engine.words, axis=1))
        hit = np.broadcast_to(value(columns, {}, np), len(self.graph))
        return set(np.flatnonzero(hit).tolist())

    def _answer(self, q: Follows) -> None:
        without = {*self.graph} - self._where(q.holds)
        lasso = _lasso(self.graph, self._where(q.expr) & without, without, q.fairness)
        if lasso is None:
            return
        stem, end, loop = lasso
        if loop and loop[-1][1] != end:
            raise EngineError("the loop of a lasso does not close")
        steps = {s.label: s for s in self.compiled.steps}
        taken = [*_steps(self.graph, stem), *loop]
        q.state, q.loop = len(self.graph) + len(self.lassos), len(stem) - 1
        self.lassos.append(
            [(None, self._state(stem[0])), *((steps[k], self._state(n)) for k, n in taken)]
        )

    def _state(self, n: int) -> tuple[Any, ...]:
        return self.engine.order[n] if isinstance(self.engine, Reference) else self.engine.state(n)


def _numbered(engine: Explicit | Reference) -> nx.MultiDiGraph[int]:
    """The graph that the engine has explored: numbered states, edges with the labels of steps."""
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    if isinstance(engine, Reference):
        number = {s: i for i, s in enumerate(engine.order)}
        for s, i in number.items():
            graph.add_node(i, **engine.graph.nodes[s])
        for a, b, key in engine.graph.edges(keys=True):
            graph.add_edge(number[a], number[b], key=key)
        return graph
    rows = {c.tobytes(): i for i, c in enumerate(np.concatenate(engine.words, axis=1).T)}
    for depth, (start, words) in enumerate(zip(engine.starts, engine.words, strict=True)):
        numbers = range(start, start + words.shape[1])
        graph.add_nodes_from(numbers, depth=depth, initial=depth == 0)
    for start, words in zip(engine.starts, engine.words, strict=True):
        for after, before, via in engine.expand(words, start, {}):
            label = engine.compiled.steps[via[0]].label
            reached = [rows[c.tobytes()] for c in after.T]
            graph.add_edges_from((a, b, label) for a, b in zip(before, reached, strict=True))
    return graph
