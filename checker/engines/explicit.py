"""The explicit engine: breadth-first search over whole frontiers, compiled to numpy.

A state is packed into 64-bit words; full words are compared, never fingerprints. Each frontier is
unpacked into one array of codes for each variable, each step's guard is evaluated on the rows
whose run is in its source states, and the changed bits are written into copies of the words.
Parents and steps are kept, so a counterexample is a shortest one.

Memory: about 8 bytes a word twice, plus 6 bytes, for each state.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.expr import BOOL, Expr, fold, variables
from model.system import Compiled, Step

Array = NDArray[Any]
CHUNK = 1 << 16
BATCH = 1 << 22
"""States are expanded by chunks that fit the caches, their successors looked up by batches."""

EXPANSION = 1 << 21


class Layout:
    """Where each variable lies: word, shift and mask. Variables never straddle words."""

    def __init__(self, compiled: Compiled) -> None:
        self.slots: list[tuple[int, int, int]] = []
        word, shift = 0, 0
        for n, d in zip(compiled.names, compiled.domains, strict=True):
            if len(d.values) > 256:
                raise ValueError(f"{n} has {len(d.values)} values; the explicit engine takes 256")
            if shift + d.bits > 64:
                word, shift = word + 1, 0
            self.slots.append((word, shift, (1 << d.bits) - 1))
            shift += d.bits
        self.words = word + 1
        self.bits = word * 64 + shift


def numpy_function(expr: Expr, index: Mapping[str, int]) -> Callable[[Any, Any, Any], Any]:
    """`expr` as a function of (columns, parameter columns, numpy): an array, or a scalar.

    A node used more than once is computed once.
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
                # A boolean array would be taken for a mask, not for indices.
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


@dataclass
class Question:
    """An expression that a search looks for; `state` numbers the first state where it is true."""

    name: str
    expr: Expr
    state: int | None = None


@dataclass
class Search:
    """What a search found. `levels` are the numbers of new states at each depth."""

    complete: bool = False
    reason: str = ""
    levels: list[int] = field(default_factory=list)
    edges: dict[tuple[str, str, str], int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def states(self) -> int:
        """Distinct states."""
        return sum(self.levels)

    @property
    def depth(self) -> int:
        """The largest distance from an initial state."""
        return len(self.levels) - 1


class _Action:
    """A step ready to run: its source codes, guard and effect functions."""

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
        for n, e in step.effects.items():
            if e.op == "var" and e.payload == n:
                continue
            value = e.domain.code(e.payload) if e.op == "const" else numpy_function(e, index)
            self.effects.append((index[n], value))
        self.signature = (
            step.run,
            tuple(sorted((n, id(e)) for n, e in step.effects.items())) if not self.free else number,
        )


class Explicit:
    """Breadth-first search of a compiled system."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
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

    def path(self, row: int) -> list[tuple[Step | None, tuple[Any, ...]]]:
        """From an initial state to `row`: (step taken, state reached); the first step is None."""
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
        *,
        states: int | None = None,
        seconds: float | None = None,
        memory: int | None = None,
        edges: bool = False,
        stop: Callable[[], bool] | None = None,
        progress: Callable[[Search, int], None] | None = None,
    ) -> Search:
        """Explore until nothing is new, a budget ends, or `stop()` says every answer is known.

        `states` is a count, `seconds` wall time, `memory` bytes of the engine's arrays. With
        `edges`, every step is tried on its own and the edges are counted by label.
        KeyboardInterrupt ends the search with what was found so far.
        """
        result = Search()
        asked = [
            (q, numpy_function(self.compiled.narrow(q.expr), self.compiled.index))
            for q in questions
        ]
        began = time.monotonic()
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._search(result, asked, states, seconds, memory, edges, stop, progress, began)
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
        states: int | None,
        seconds: float | None,
        memory: int | None,
        edges: bool,
        stop: Callable[[], bool] | None,
        progress: Callable[[Search, int], None] | None,
        began: float,
    ) -> None:
        visited = _Visited()
        frontier = _unique(self.pack(self.compiled.initial_states()))[0]
        n = frontier.shape[1]
        parent, via = np.zeros(n, np.int64), np.zeros(n, np.int16)
        total, held = 0, 0
        while n:
            # A budget smaller than the next level keeps what fits of it: the count is exact.
            if states is not None and total + n > states:
                keep = states - total
                frontier, parent, via = frontier[:, :keep], parent[:keep], via[:keep]
                result.reason = f"the budget of {states} states ended before the search"
            self.words.append(frontier)
            self.parent.append(parent)
            self.via.append(via)
            self.starts.append(total)
            result.levels.append(frontier.shape[1])
            self._ask(asked, frontier, total)
            if result.reason:
                return
            visited.add(frontier)
            held += frontier.nbytes * 2 + n * 18
            if stop is not None and stop():
                result.reason = "every question was answered"
                return
            if seconds is not None and time.monotonic() - began > seconds:
                result.reason = f"the time budget of {seconds:g} s ended"
                return
            if memory is not None and held > memory:
                result.reason = f"the memory budget of {memory} bytes ended"
                return
            if progress is not None:
                progress(result, n)
            found: list[tuple[Array, Array, Array]] = []
            new: list[tuple[Array, Array, Array]] = []
            for begin in range(0, n, CHUNK):
                part = frontier[:, begin : begin + CHUNK]
                new += self._expand(part, begin + total, result.edges if edges else None)
                if not new or (begin + CHUNK < n and sum(p.size for _, p, _ in new) < BATCH):
                    continue
                words = np.concatenate([w for w, _, _ in new], axis=1)
                came = np.concatenate([p for _, p, _ in new])
                by = np.concatenate([v for _, _, v in new])
                new = []
                words, first = _unique(words)
                fresh = np.flatnonzero(~visited.contains(words))
                first = first[fresh]
                found.append((_take(words, fresh), came[first], by[first]))
            total += n
            if not found:
                break
            frontier = np.concatenate([w for w, _, _ in found], axis=1)
            parent = np.concatenate([p for _, p, _ in found])
            via = np.concatenate([v for _, _, v in found])
            if len(found) > 1:
                frontier, first = _unique(frontier)
                parent, via = parent[first], via[first]
            n = frontier.shape[1]
        result.complete = True

    def _ask(self, asked: Sequence[tuple[Question, Any]], frontier: Array, base: int) -> None:
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

    def _expand(
        self, part: Array, base: int, edges: dict[tuple[str, str, str], int] | None
    ) -> Iterator[tuple[Array, Array, Array]]:
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
                            new = _unique(pairs)[0].shape[1]
                        else:
                            new = hit.size
                        edges[label] = edges.get(label, 0) + new
                    done[hit] = True
                    yield words, hit + base, np.full(hit.size, a.number, np.int16)

    def _apply(
        self, a: _Action, part: Array, columns: list[Array], rows: Array
    ) -> tuple[Array, Array]:
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
        words = _take(part, rows)
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


def _key(words: Array) -> Array:
    """A sort key: the word itself, or a mix of the words (equal states have equal keys)."""
    key: Array = words[0]
    if words.shape[0] == 1:
        return key
    key = key * np.uint64(0x9E3779B97F4A7C15)
    for w in words[1:]:
        key ^= key >> np.uint64(29)
        key += w
        key *= np.uint64(0xBF58476D1CE4E5B9)
    key ^= key >> np.uint64(32)
    return key


def _sorted(key: Array) -> tuple[Array, Array]:
    """`key` sorted, and the positions it came from, equal ones in order."""
    # Values sort faster than positions do: so the low bits of each key give way to its position.
    spare = 64 - int(key.max(initial=0)).bit_length()
    low = np.uint64((1 << key.size.bit_length()) - 1)
    packed = key << np.uint64(min(spare, 63))
    packed &= ~low
    packed |= np.arange(key.size, dtype=np.uint64)
    packed.sort()
    packed &= low
    order = packed.view(np.int64)
    out = key.take(order, mode="clip")
    if (out[1:] < out[:-1]).any():  # two keys differ only in what gave way
        order = np.argsort(key, kind="stable")
        out = key[order]
    return out, order


def _take(words: Array, columns: Array) -> Array:
    """Some columns, by position."""
    out = np.empty((words.shape[0], columns.size), dtype=np.uint64)
    for w in range(words.shape[0]):
        # No position is out of bounds; to say so spares numpy a copy.
        np.take(words[w], columns, out=out[w], mode="clip")
    return out


def _equal(a: Array, b: Array) -> Array:
    """Which columns are the same states."""
    out: Array = a[0] == b[0]
    for w in range(1, a.shape[0]):
        out &= a[w] == b[w]
    return out


def _unique(words: Array) -> tuple[Array, Array]:
    """Distinct columns, ordered by key, and the first position of each."""
    key, order = _sorted(_key(words))
    ordered = _take(words, order)
    same_key = key[1:] == key[:-1]
    same = _equal(ordered[:, 1:], ordered[:, :-1])
    if not np.array_equal(same, same_key):  # two states share a key: order by the words themselves
        order = np.lexsort(words[::-1])
        ordered = words[:, order]
        same = _equal(ordered[:, 1:], ordered[:, :-1])
    keep = np.flatnonzero(np.concatenate([[True], ~same])) if words.shape[1] else order
    return _take(ordered, keep), order[keep]


class _Visited:
    """The visited states: sorted runs, merged so that there are only a few."""

    def __init__(self) -> None:
        self.runs: list[tuple[Array, Array]] = []

    def add(self, words: Array) -> None:
        """Add states that are not in yet."""
        key = _key(words)
        if (key[1:] < key[:-1]).any():
            key, order = _sorted(key)
            words = _take(words, order)
        self.runs.append((key, words))
        while len(self.runs) > 1 and self.runs[-2][0].size < 2 * self.runs[-1][0].size:
            a, b = self.runs.pop(), self.runs.pop()
            key = np.concatenate([b[0], a[0]])
            # A stable sort sees two sorted runs and merges them.
            order = np.argsort(key, kind="stable")
            both = np.concatenate([b[1], a[1]], axis=1)
            self.runs.append((key.take(order, mode="clip"), _take(both, order)))

    def contains(self, words: Array) -> Array:
        """Which of `words` are in."""
        out = np.zeros(words.shape[1], dtype=np.bool_)
        keys = _key(words)
        for run_keys, run in self.runs:
            at = np.searchsorted(run_keys, keys)
            live = np.flatnonzero((at < run_keys.size) & ~out)
            while live.size:
                pos = at[live]
                match = run_keys[pos] == keys[live]
                live, pos = live[match], pos[match]
                hit = _equal(_take(run, pos), _take(words, live))
                out[live[hit]] = True
                live = live[~hit]
                at[live] += 1
                live = live[at[live] < run_keys.size]
        return out
