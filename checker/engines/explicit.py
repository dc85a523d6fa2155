"""The explicit engine: breadth-first search over whole frontiers, compiled to numpy.

A state is packed into 64-bit words; full words are compared, never fingerprints. Each frontier is
unpacked into one array of codes for each variable. A step's guard is evaluated on the states in
which the run is in a source state of the step's row, and the changed bits are written into copies
of the words. Parents and steps are kept, so a counterexample is a shortest one.

Memory: about 8 bytes a word twice, plus 6 bytes, for each state.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from checker.engines.interface import (
    STOPPED,
    UNLIMITED,
    UNWATCHED,
    Budget,
    Label,
    Question,
    Route,
    Search,
    Watch,
)
from checker.engines.words import Array, Layout, Visited, take, unique
from model.expr import BOOL, Expr, fold, variables
from model.system import Compiled, Step

CHUNK = 1 << 16
"""States expanded at once: as many as fit the CPU caches."""
BATCH = 1 << 22
"""Successors looked up at once."""

EXPANSION = 1 << 21


def numpy_function(expr: Expr, index: Mapping[str, int]) -> Callable[[Any, Any, Any], Any]:
    """`expr` as a function of (columns, parameter columns, numpy): an array, or a scalar.

    A shared subexpression is computed once.
    """
    uses: dict[int, int] = {}

    def count(e: Expr) -> None:
        uses[id(e)] = uses.get(id(e), 0) + 1
        if uses[id(e)] == 1:
            for a in e.args:
                count(a)

    count(expr)
    names: dict[str, Any] = {}
    lines: list[str] = []

    def algebra(e: Expr, a: list[str]) -> str:
        match e.op:
            case "const":
                code = e.domain.code(e.payload)
                return repr(bool(code)) if e.domain is BOOL else repr(code)
            case "var":
                i = index.get(e.payload)
                ref = f"p[{e.payload!r}]" if i is None else f"c[{i}]"
                return f"{ref}.view(np.bool_)" if e.domain is BOOL else ref
            case "eq":
                out = f"({a[0]} == {a[1]})"
            case "and":
                out = f"({' & '.join(a)})"
            case "or":
                out = f"({' | '.join(a)})"
            case "not":
                out = f"(~{a[0]})"
            case "ite":
                out = f"np.where({a[0]}, np.uint8({a[1]}), np.uint8({a[2]}))"
            case "le":
                out = f"({a[0]} <= {a[1]})"
            case "map":
                table = f"k{len(names)}"
                codes = [e.domain.code(v) for _, v in e.payload]
                names[table] = np.array(codes, dtype=np.bool_ if e.domain is BOOL else np.uint8)
                # numpy would take a boolean array for a mask, not for indices.
                index_by = f"np.uint8({a[0]})" if e.args[0].domain is BOOL else a[0]
                out = f"{table}[{index_by}]"
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")
        if uses[id(e)] > 1:
            lines.append(f"    t{len(lines)} = {out}")
            return f"t{len(lines) - 1}"
        return out

    result = fold(expr, algebra, {})
    source = "\n".join(["def f(c, p, np):", *lines, f"    return {result}"])
    exec(source, names)
    return names["f"]  # type: ignore[no-any-return]


class _Action:
    """A step ready to run: the codes of its source states, its guard and effects as functions."""

    def __init__(self, engine: Explicit, step: Step, number: int) -> None:
        compiled, index = engine.compiled, engine.compiled.index
        self.step, self.number = step, number
        self.state = index.get(f"{step.run}.state")
        rest = step.guard
        if self.state is not None:
            domain = compiled.domains[self.state]
            self.codes = sorted(domain.codes[s] for s in step.rule.sources if s in domain.codes)
        else:
            self.codes = []
        self.guard = None if rest.op == "const" else numpy_function(rest, index)
        self.reads = [index[n] for n in variables(rest, *step.effects.values()) if n in index]
        self.free = [
            (n, np.array([step.parameters[n].code(v) for v in vs], dtype=np.uint8))
            for n, vs in step.free.items()
        ]
        self.combinations = 1
        for _, vs in self.free:
            self.combinations *= len(vs)
        self.effects: list[tuple[int, Any]] = []
        for n, e in step.changes.items():
            value = e.domain.code(e.payload) if e.op == "const" else numpy_function(e, index)
            self.effects.append((index[n], value))
        self.signature = (
            step.run,
            tuple(sorted((n, id(e)) for n, e in step.effects.items())) if not self.free else number,
        )


class Explicit:
    """Breadth-first search of a compiled system, in numpy.

    With `edges`, every step is tried on its own and the edges are counted by label.
    """

    def __init__(self, compiled: Compiled, *, edges: bool = False) -> None:
        self.compiled = compiled
        self.edges = edges
        self.layout = Layout(compiled)
        self.actions = [_Action(self, s, i) for i, s in enumerate(compiled.steps)]
        groups: dict[Any, list[_Action]] = {}
        for a in self.actions:
            groups.setdefault(a.signature, []).append(a)
        self.groups = list(groups.values())
        self.words: list[Array] = []
        self.parent: list[Array] = []
        self.via: list[Array] = []
        self.starts: list[int] = []

    # -- packing ---------------------------------------------------------------------------------
    def pack(self, states: Sequence[Sequence[Any]]) -> Array:
        """States as an array of shape (words, n), uint64."""
        out = np.zeros((self.layout.words, len(states)), dtype=np.uint64)
        for j, s in enumerate(states):
            for value, d, (w, shift, _) in zip(
                s, self.compiled.domains, self.layout.slots, strict=True
            ):
                out[w, j] |= np.uint64(d.code(value) << shift)
        return out

    def unpack(self, words: Array) -> list[Array]:
        """One uint8 array of codes for each variable."""
        out = []
        for w, shift, mask in self.layout.slots:
            code = (words[w] >> np.uint64(shift)).astype(np.uint8)
            code &= np.uint8(mask)
            out.append(code)
        return out

    def state(self, row: int) -> tuple[Any, ...]:
        """The state numbered `row` in order of discovery."""
        level = int(np.searchsorted(self.starts, row, side="right")) - 1
        column = self.words[level][:, row - self.starts[level]]
        return self.decode(column)

    def decode(self, column: Array) -> tuple[Any, ...]:
        """One packed state as a tuple of values."""
        return tuple(
            d.values[(int(column[w]) >> shift) & mask]
            for d, (w, shift, mask) in zip(self.compiled.domains, self.layout.slots, strict=True)
        )

    def path(self, row: int) -> Route:
        """A shortest path from an initial state to the state numbered `row`."""
        out: list[tuple[Step | None, tuple[Any, ...]]] = []
        while True:
            level = int(np.searchsorted(self.starts, row, side="right")) - 1
            i = row - self.starts[level]
            via = int(self.via[level][i])
            step = None if level == 0 else self.compiled.steps[via]
            out.append((step, self.decode(self.words[level][:, i])))
            if level == 0:
                return out[::-1]
            row = int(self.parent[level][i])

    # -- search ----------------------------------------------------------------------------------
    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore as `Engine.search` says; the budget's bytes are those of the engine's arrays."""
        result = Search()
        asked = [
            (q, numpy_function(self.compiled.narrow(q.expr), self.compiled.index))
            for q in questions
        ]
        began = time.monotonic()
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._search(result, asked, budget, watch, began)
        except KeyboardInterrupt:
            result.reason = "interrupted"
        finally:
            if collecting:
                gc.enable()
            result.seconds = time.monotonic() - began
        return result

    def _search(
        self,
        result: Search,
        asked: Sequence[tuple[Question, Any]],
        budget: Budget,
        watch: Watch,
        began: float,
    ) -> None:
        visited = Visited()
        frontier = unique(self.pack(self.compiled.initial_states()))[0]
        n = frontier.shape[1]
        parent, via = np.zeros(n, np.int64), np.zeros(n, np.int16)
        total, held = 0, 0
        while n:
            # If the budget ends within the level, keep the states that fit: the count is exact.
            if budget.states is not None and total + n > budget.states:
                keep = budget.states - total
                frontier, parent, via = frontier[:, :keep], parent[:keep], via[:keep]
                result.reason = budget.short
            self.words.append(frontier)
            self.parent.append(parent)
            self.via.append(via)
            self.starts.append(total)
            result.levels.append(frontier.shape[1])
            self.ask(asked, frontier, total)
            if result.reason:
                return
            visited.add(frontier)
            held += frontier.nbytes * 2 + n * 18
            stopped = STOPPED if watch.stop(result) else ""
            result.reason = stopped or budget.ended(time.monotonic() - began, held)
            if result.reason:
                return
            watch.progress(result, n)
            found = self._successors(result, frontier, total, visited)
            total += n
            if not found:
                break
            frontier = np.concatenate([w for w, _, _ in found], axis=1)
            parent = np.concatenate([p for _, p, _ in found])
            via = np.concatenate([v for _, _, v in found])
            if len(found) > 1:
                frontier, first = unique(frontier)
                parent, via = parent[first], via[first]
            n = frontier.shape[1]
        result.complete = True

    def _successors(
        self, result: Search, frontier: Array, total: int, visited: Visited
    ) -> list[tuple[Array, Array, Array]]:
        """The new successors of a frontier, with their parents and steps, in batches."""
        found: list[tuple[Array, Array, Array]] = []
        new: list[tuple[Array, Array, Array]] = []
        n = frontier.shape[1]
        for begin in range(0, n, CHUNK):
            part = frontier[:, begin : begin + CHUNK]
            new += self.expand(part, begin + total, result.edges if self.edges else None)
            if not new or (begin + CHUNK < n and sum(p.size for _, p, _ in new) < BATCH):
                continue
            words = np.concatenate([w for w, _, _ in new], axis=1)
            came = np.concatenate([p for _, p, _ in new])
            by = np.concatenate([v for _, _, v in new])
            new = []
            words, first = unique(words)
            fresh = np.flatnonzero(~visited.contains(words))
            first = first[fresh]
            found.append((take(words, fresh), came[first], by[first]))
        return found

    def ask(self, asked: Sequence[tuple[Question, Any]], frontier: Array, base: int) -> None:
        """Answer each question whose function is true in some state of the frontier.

        `base` is the number of the frontier's first state.
        """
        pending = [(q, f) for q, f in asked if q.state is None]
        for begin in range(0, frontier.shape[1], CHUNK):
            if not pending:
                return
            columns = self.unpack(frontier[:, begin : begin + CHUNK])
            for q, f in pending:
                hit = f(columns, {}, np)
                if np.ndim(hit) == 0:
                    where = 0 if bool(hit) else -1
                else:
                    where = int(np.argmax(hit))
                    where = where if hit[where] else -1
                if where >= 0:
                    q.state = base + begin + where
            pending = [(q, f) for q, f in pending if q.state is None]

    def expand(
        self,
        part: Array,
        base: int = 0,
        edges: dict[Label, int] | None = None,
        some: Callable[[Array, int], Array] = lambda rows, each: rows,
    ) -> Iterator[tuple[Array, Array, Array]]:
        """The successors of the states `part`, in arrays: words, parents' numbers, steps.

        `base` is the number of the first state of `part`; `edges` are counted if given. `some`
        chooses among the rows of a step, of each of which so many combinations of the free
        parameters' values are tried.
        """
        columns = self.unpack(part)
        rows_in: dict[int, list[Array]] = {}
        for i, d in enumerate(self.compiled.domains):
            if self.compiled.names[i].endswith(".state"):
                rows_in[i] = [np.flatnonzero(columns[i] == k) for k in range(len(d.values))]
        every = np.arange(part.shape[1])
        for group in self.groups:
            done = np.zeros(part.shape[1], dtype=np.bool_)
            for a in group:
                if a.state is None:
                    rows = every
                else:
                    picks = [rows_in[a.state][k] for k in a.codes if rows_in[a.state][k].size]
                    if not picks:
                        continue
                    rows = picks[0] if len(picks) == 1 else np.concatenate(picks)
                if edges is None and len(group) > 1:
                    rows = rows[~done[rows]]
                rows = some(rows, a.combinations)
                size = max(1, EXPANSION // a.combinations)
                for begin in range(0, rows.size, size):
                    piece = rows[begin : begin + size]
                    hit, words = self._apply(a, part, columns, piece)
                    if not hit.size:
                        continue
                    if edges is not None:
                        label = a.step.label
                        if a.free:
                            pairs = np.concatenate([words, hit[None].astype(np.uint64)])
                            new = unique(pairs)[0].shape[1]
                        else:
                            new = hit.size
                        edges[label] = edges.get(label, 0) + new
                    done[hit] = True
                    yield words, hit + base, np.full(hit.size, a.number, np.int16)

    def _apply(
        self, a: _Action, part: Array, columns: list[Array], rows: Array
    ) -> tuple[Array, Array]:
        """The states of `rows` in which the step is possible, and their successors."""
        parameters: dict[str, Array] = {}
        if a.free:
            repeat = 1
            total = rows.size * a.combinations
            for name, values in a.free:
                block = np.repeat(values, repeat)
                parameters[name] = np.tile(block, total // block.size)
                repeat *= values.size
            rows = np.repeat(rows, a.combinations)
        local: dict[int, Array] = {i: columns[i][rows] for i in a.reads}
        if a.guard is not None:
            mask = a.guard(local, parameters, np)
            if np.ndim(mask) == 0:
                if not mask:
                    return rows[:0], part[:, :0]
            elif not mask.all():
                rows = rows[mask]
                if not rows.size:
                    return rows, part[:, :0]
                local = {i: v[mask] for i, v in local.items()}
                parameters = {k: v[mask] for k, v in parameters.items()}
        words = take(part, rows)
        for i, value in a.effects:
            w, shift, mask = self.layout.slots[i]
            code: Any = value if isinstance(value, int) else value(local, parameters, np)
            clear = np.uint64(~(mask << shift) & 0xFFFFFFFFFFFFFFFF)
            if np.ndim(code) == 0:
                bits: Any = np.uint64(int(code) << shift)
            else:
                bits = code.astype(np.uint64) << np.uint64(shift)
            words[w] = (words[w] & clear) | bits
        return rows, words
