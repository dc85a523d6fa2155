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
from collections.abc import Callable, Sequence
from functools import cached_property
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
from checker.engines.words import Array, equal, in_order, key_of, take
from model.expr import Expr
from model.system import Compiled

Node = int


def counted(values: Array) -> tuple[Array, Array]:
    """The distinct values, sorted, and how often each comes (`np.unique` by hash is slower)."""
    found = np.sort(values)
    first = np.flatnonzero(np.concatenate(([True], found[1:] != found[:-1]))[: found.size])
    return found[first], np.diff(first, append=found.size)


def distinct(values: Array) -> Array:
    """The distinct values, sorted."""
    return counted(values)[0]


class Graph:
    """The numbered states of a system, and its steps as the arrays `tail`, `head` and `label`.

    The edges are ordered by their tail. `depth` has the depth of each state.
    """

    def __init__(self, depth: Array, tail: Array, head: Array, label: Array) -> None:
        order = np.argsort(tail, kind="stable")
        self.tail, self.head, self.label = (x[order].astype(np.int64) for x in (tail, head, label))
        self.depth = depth
        self.first = np.searchsorted(self.tail, np.arange(depth.size + 1))

    def leaving(self, nodes: Array) -> Array:
        """The edges that leave the nodes."""
        start, number = self.first[nodes], np.diff(self.first)[nodes]
        skipped = np.repeat(start - (number.cumsum() - number), number)
        return skipped + np.arange(skipped.size)

    def reached(self, starts: Array, within: Array) -> Array:
        """Whether each node is reached from `starts` through nodes `within`; both are masks."""
        seen = starts.copy()
        new = np.flatnonzero(seen)
        while new.size:
            new = self.head[self.leaving(new)]
            new = distinct(new[within[new] & ~seen[new]])
            seen[new] = True
        return seen

    def components(self, among: Array) -> Array:
        """The strongly connected component of each node `among`: its greatest node; -1 for others.

        Each node gets the greatest node that leads to it. Those that lead back to a node that got
        itself are its component; the edges between others that got the same are looked at again.
        """
        size = among.size
        out = np.where(among, np.arange(size), -1)
        inside = among[self.tail] & among[self.head] & (self.tail != self.head)
        tail, head = self.tail[inside], self.head[inside]
        while tail.size:
            left = Graph(self.depth, tail, head, tail)
            top = np.arange(size)
            new = distinct(tail)
            while new.size:
                at = left.leaving(new)
                before = top.copy()
                np.maximum.at(top, left.head[at], top[left.tail[at]])
                new = np.flatnonzero(top != before)
            same = top[tail] == top[head]
            back = Graph(self.depth, head[same], tail[same], tail[same])
            found = back.reached(top == np.arange(size), np.ones(size, np.bool_))
            out = np.where(found & among, np.maximum(out, top), out)  # found before: unchanged
            rest = same & ~found[tail] & ~found[head]
            tail, head = tail[rest], head[rest]
        return out

    def bottoms(self) -> Array:
        """Whether each node is in a strongly connected component that no edge leaves."""
        moves = self.tail != self.head
        ends = np.ones(self.depth.size, np.bool_)
        ends[self.tail[moves]] = False
        every = np.ones(self.depth.size, np.bool_)
        back = Graph(self.depth, self.head[moves], self.tail[moves], self.label[moves])
        # What reaches an end is in no such component but its own; mostly, that is every node.
        part = self.components(~back.reached(ends, every))
        left = np.zeros(part.size, np.bool_)
        crossing = (part[self.tail] >= 0) & (part[self.tail] != part[self.head])
        left[part[self.tail[crossing]]] = True
        return ends | ((part >= 0) & ~left[part])

    def fair_component(self, among: Array, fairness: str) -> Array:
        """A strongly connected set within `among` in which a fair run can stay for ever, or none.

        `among` is a mask, and the answer an array of nodes.
        """
        kinds = int(self.label.max(initial=0)) + 1
        while among.any():
            part = self.components(among)
            inside = (part[self.tail] == part[self.head]) & (part[self.tail] >= 0)
            among = np.zeros_like(among)
            among[self.tail[inside]] = True  # where a run can stay
            here = among[self.tail]
            possible = distinct(self.tail[here] * kinds + self.label[here])  # node and step
            taken = distinct(part[self.tail[inside]] * kinds + self.label[inside])
            of = part[possible // kinds] * kinds + possible % kinds  # component and step
            asked, number = counted(of)
            if fairness == "weak":
                size = np.bincount(part[among], minlength=part.size)
                asked = asked[number == size[asked // kinds]]
            demanded = np.setdiff1d(asked, taken, assume_unique=True)
            fair = among.copy()
            fair[among] = ~np.isin(part[among], demanded // kinds)
            if fair.any():
                return np.flatnonzero(part == part[fair].min())
            if fairness == "weak":
                break
            among[possible[np.isin(of, demanded)] // kinds] = False
        return np.zeros(0, np.int64)

    @cached_property
    def shown(self) -> nx.MultiDiGraph[int]:
        """The graph to take paths from; the keys of edges are the numbers of the steps' labels."""
        out: nx.MultiDiGraph[Node] = nx.MultiDiGraph()
        out.add_nodes_from(range(self.depth.size))
        edges = (self.tail.tolist(), self.head.tolist(), self.label.tolist())
        out.add_edges_from(zip(*edges, strict=True))
        return out


def _path(graph: nx.MultiDiGraph[Node], start: Node, goal: Callable[[Node], bool]) -> list[Node]:
    """A shortest path from `start` to a node with `goal`."""
    before: dict[Node, Node | None] = {start: None}
    queue = deque([start])
    while queue:
        n = queue.popleft()
        if goal(n):
            out = [n]
            while (b := before[out[-1]]) is not None:
                out.append(b)
            return out[::-1]
        for m in graph.successors(n):
            if m not in before:
                before[m] = n
                queue.append(m)
    raise ValueError("no path")


def _loop(
    graph: nx.MultiDiGraph[Node], start: Node, part: set[Node], fairness: str
) -> list[tuple[int, Node]]:
    """A fair cycle through `start` within `part`: steps as (label, state reached)."""
    inside = graph.subgraph(part)
    by_label: dict[int, tuple[Node, Node]] = {}
    for a, b, key in inside.edges(keys=True):
        by_label.setdefault(key, (a, b))
    out: list[tuple[int, Node]] = []
    at = start
    done: set[int] = set()
    demanded: set[int] = set()
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


def _has(graph: nx.MultiDiGraph[Node], n: Node, key: int) -> bool:
    return any(k == key for _, _, k in graph.out_edges(n, keys=True))


def _steps(graph: nx.MultiDiGraph[Node], nodes: Sequence[Node]) -> list[tuple[int, Node]]:
    return [(min(graph[a][b]), b) for a, b in itertools.pairwise(nodes)]


def _lasso(
    graph: Graph, starts: Array, without: Array, fairness: str
) -> tuple[list[Node], Node, list[tuple[int, Node]]] | None:
    """A lasso that stays in the states `without` after some state of `starts`; None if none exists.

    Its stem from an initial state, the last state of the stem, and a fair loop there; the loop is
    empty if no edge leaves that state.
    """
    reached = graph.reached(starts, without)
    stuck = np.flatnonzero(reached & (np.diff(graph.first) == 0))
    part = stuck if stuck.size else graph.fair_component(reached, fairness)
    if not part.size:
        return None
    # Search backwards from the end to the nearest start, then to an initial state.
    end = int(part[np.argmin(graph.depth[part])])
    among = graph.shown.subgraph(np.flatnonzero(reached).tolist())
    middle = _path(among.reverse(copy=False), end, lambda n: bool(starts[n]))[::-1]
    whole = graph.shown.reverse(copy=False)
    stem = _path(whole, middle[0], lambda n: bool(graph.depth[n] == 0))[::-1]
    loop = [] if stuck.size else _loop(graph.shown, end, {*part.tolist()}, fairness)
    return [*stem, *middle[1:]], end, loop


class Liveness:
    """The engine for questions about whole runs, on the graph that another engine explores.

    The states are numbered as that engine does: the explicit one or, with `fired`, the reference.
    """

    def __init__(self, compiled: Compiled, *, fired: bool = False) -> None:
        self.compiled = compiled
        self.labels = sorted({s.label for s in compiled.steps})
        self.engine = Reference(compiled) if fired else Explicit(compiled)
        self.graph: Graph | None = None
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
        self.graph = _numbered(self.engine, self.labels)
        final = self.graph.bottoms()
        for q in questions:
            if isinstance(q, Final):
                q.state = next(map(int, np.flatnonzero(final & self._where(q.expr))), None)
            elif isinstance(q, Follows):
                self._answer(self.graph, q)
        return found

    def path(self, state: int) -> Route:
        """A shortest path to a state, or the lasso of that number: its stem, then its loop once."""
        n = state - (0 if self.graph is None else self.graph.depth.size)
        return self.engine.path(state) if n < 0 else self.lassos[n]

    def _where(self, expr: Expr) -> Array:
        """In which states `expr` is true, as a mask."""
        if isinstance(self.engine, Reference):
            true = self.engine.predicate(expr)
            return np.array([true(s) for s in self.engine.order], np.bool_)
        value = numpy_function(self.compiled.narrow(expr), self.compiled.index)
        words = np.concatenate(self.engine.words, axis=1)
        hit = value(self.engine.unpack(words), {}, np)
        return np.array(np.broadcast_to(hit, words.shape[1]), np.bool_)

    def _answer(self, graph: Graph, q: Follows) -> None:
        without = ~self._where(q.holds)
        lasso = _lasso(graph, self._where(q.expr) & without, without, q.fairness)
        if lasso is None:
            return
        stem, end, loop = lasso
        if loop and loop[-1][1] != end:
            raise EngineError("the loop of a lasso does not close")
        steps = {s.label: s for s in self.compiled.steps}
        taken = [*_steps(graph.shown, stem), *loop]
        q.state, q.loop = graph.depth.size + len(self.lassos), len(stem) - 1
        after = ((steps[self.labels[k]], self._state(n)) for k, n in taken)
        self.lassos.append([(None, self._state(stem[0])), *after])

    def _state(self, n: int) -> tuple[Any, ...]:
        return self.engine.order[n] if isinstance(self.engine, Reference) else self.engine.state(n)


def _numbered(engine: Explicit | Reference, labels: Sequence[Label]) -> Graph:
    """The graph that the engine has explored."""
    number = {x: k for k, x in enumerate(labels)}
    if isinstance(engine, Reference):
        row = {s: i for i, s in enumerate(engine.order)}
        depth = np.array([engine.graph.nodes[s]["depth"] for s in engine.order])
        edges = engine.graph.edges(keys=True)
        found = np.array([(row[a], row[b], number[key]) for a, b, key in edges])
        return Graph(depth, *found.reshape(-1, 3).T)
    depth = np.repeat(np.arange(len(engine.words)), [w.shape[1] for w in engine.words])
    of = np.array([number[s.label] for s in engine.compiled.steps])
    words = np.concatenate(engine.words, axis=1)
    key, order = in_order(key_of(words))
    tail, head, label = [depth[:0]], [depth[:0]], [depth[:0]]
    for start, part in zip(engine.starts, engine.words, strict=True):
        for after, before, via in engine.expand(part, start, {}):
            at = order[np.searchsorted(key, key_of(after))]
            for i in np.flatnonzero(~equal(take(words, at), after)):  # two states share a key
                at[i] = np.flatnonzero(equal(words, after[:, i : i + 1]))[0]
            tail.append(before)
            head.append(at)
            label.append(of[via])
    return Graph(depth, *map(np.concatenate, (tail, head, label)))
