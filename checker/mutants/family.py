"""The mutants of one system judged together: one search of the sound system serves all.

The sound system is compiled to C and searched once. A mutant differs from it in a few steps. First
the reachable states of the sound system are asked whether one of these steps is possible in one
system only, or does something else. If there is no such state, then by induction no run of the
mutant leaves those states: the mutant is *equivalent*. Otherwise its new states, and what follows
them, are added to the sound ones level by level until a property falls; they are taken away again
for the next mutant. The sound ones may be too many if the mutant lacks a step: a run that takes
such a step does not count, and then the mutant is searched by itself.

No mutant is compiled: its steps are gates that `family.c` interprets for 64 states at a time.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from itertools import chain
from typing import Any

from checker.broken import broken
from checker.engines.interface import Described
from checker.engines.native_calls import DONE, LIMIT, NEVER
from checker.engines.native_source import ZERO
from checker.engines.reference import EngineError
from checker.engines.words import Layout
from checker.mutants.changes import Change, Changes, narrowed
from checker.mutants.code import Ask, Code, Gated, Joint, SoundProgram, T, asks, given, loaded
from checker.mutants.generate import Mutant
from checker.trace import Trace, replay
from model.expr import Expr, Value, disj
from model.machine import CallError
from model.system import Step, System
from properties import Property

MOST = (1 << 32) - 2
"""The largest number of states."""
SMALL = 1_000_000
"""States up to which it is asked whether a mutant loses the case of a property."""
MANY = 2_000
"""Gates of a question from which on it is asked of fewer states: those that differ for it."""
FEWER = 8
"""How many times fewer these must be."""
SLICE = 1 << 16
"""States in one call to C."""


KILLED, EQUIVALENT, SURVIVES, UNDECIDED = "killed", "equivalent", "survives", "undecided"
FATES = (KILLED, EQUIVALENT, SURVIVES, UNDECIDED)


@dataclass
class Judgement:
    """What became of a mutant in one system."""

    fate: str
    falls: dict[str, int | None] = field(default_factory=dict)
    """By property that falls: the length of a trace; None if a case of it is never reached."""
    traces: dict[str, Trace] = field(default_factory=dict, compare=False)
    reason: str = ""


class Family:
    """The mutants of a system, and the search of the sound system that judges them.

    Each of `props` must hold in the sound system. Without `steps` the steps of some mutants are not
    made (see `Changes.of`); `judge` then says nothing of those that need them. Not `optimised`,
    the sound system's steps are compiled faster and run slower.
    """

    def __init__(
        self,
        sound: System,
        props: Sequence[Property],
        mutants: Iterable[Mutant],
        states: int | None = None,
        *,
        steps: bool = True,
        optimised: bool = True,
    ) -> None:
        self.sound = sound
        self.made = Changes(sound)
        found = ((m, self.made.of(m, steps=steps)) for m in mutants)
        self.changes = {m: c for m, c in found if c is not None}
        self.props = [p for p in props if p.kind != "leads_to"]
        single = [p for p in self.props if not p.temporal]
        self.ends = [p for p in self.props if p.temporal]
        self.bad = [p.bad(sound) for p in single]
        self.asked = [(p, False) for p in single] + [(p, True) for p in single]
        reads = [*self.bad, *(p.witness(sound) for p in single)]
        stuck = [p.bad(sound) for p in self.ends]
        self.other = {m: self._other(c) for m, c in self.changes.items() if c.whole}
        more = [e for found in self.other.values() for e in found.values()]
        self.joint = Joint(sound, self.changes.values(), [*reads, *stuck, *more])
        self.layout = Layout(self.joint)
        program = SoundProgram(self.joint, self.layout, reads, False)
        self.gated = Gated(self.joint, self.layout, program.planes)
        program.optimised = optimised
        self.lib = loaded(program)
        self.limit = MOST if states is None else states
        self.base = _Rows(self)
        self._set(Code(self.gated, Change(sound, (), (), {})))
        # Without a mutant nobody asks what the sound system's states are.
        self.complete = not self.changes or self.base.search()
        self.slots = self.lib.family_slots(self.base.head)
        self.held = self.base.seen(0, self.base.count)

    def _set(self, code: Code) -> None:
        """Search with the steps of a mutant from now on."""
        self.code = code  # keeps what C reads
        code.write()
        c, ends = self.gated.circuit, code.ends() if self.ends else ZERO
        last = {p.name: c.both(ends, self.gated.truth(p.bad(self.sound))) for p in self.ends}
        self.last = Ask(c, last)
        actions = (code.actions, len(code.steps), code.bits)
        done = self.lib.family_set(code.gates, code.count, self.gated.values, *actions, code.fires)
        if done != DONE:
            raise MemoryError("no memory for the steps of a mutant")

    @cached_property
    def codes(self) -> dict[Mutant, Code]:
        """The steps of each mutant."""
        return {m: Code(self.gated, c) for m, c in self.changes.items()}

    @cached_property
    def differs(self) -> dict[Mutant, int]:
        """By mutant: the first of the sound system's states where it differs, if it does."""
        may = self._where({m: c.may for m, c in self.codes.items()})
        return self._where({m: self.codes[m].differs for m in may})

    def _where(self, planes: Mapping[Mutant, str]) -> dict[Mutant, int]:
        """By mutant: the first of the sound system's states where its plane holds, if one does."""
        left = {m: x for m, x in planes.items() if x != ZERO}
        out, begin = dict[Mutant, int](), 0
        # Most that differ do so early; then the others are asked alone.
        for part in (4096, 256, 16, 1):
            end = self.base.count // part
            for ask in asks(self.gated.circuit, left):
                # It holds in no row before `begin`, so only a new value of its bits decides.
                some = self.base.distinct(ask.mask) if part == 1 and ask.count > MANY else None
                out |= self.base.first(ask, begin, end, some)
            left = {m: x for m, x in left.items() if m not in out}
            begin = end
        return out

    def _other(self, change: Change) -> dict[int, Expr]:
        """When the mutant's states are bad, by the number of the property, where that differs."""
        found = ((i, p.bad(change.system)) for i, (p, seen) in enumerate(self.asked) if not seen)
        return {i: e for i, e in found if e is not self.bad[i]}

    def judge(self, mutant: Mutant, *, every: bool = False) -> Judgement | None:
        """What becomes of a mutant; with `every`, each property that falls is found.

        None if that needs steps that were not made.
        """
        change, row = self.changes[mutant], self.differs.get(mutant, NEVER)
        other = {i: e for i, e in self.other.get(mutant, {}).items() if self.held[i] == NEVER}
        code = self.codes[mutant]
        self.code, base = code, self.base
        self._question(other)
        if other and (known := self._known(base, 0, base.count, every)):
            # What the adversary knows differs, or what the property says.
            paths = {p: base.path(at) for p, at in known.items()}
            if not every and self._kept(paths):
                killed = self._killed(change, dict([min(paths.items(), key=lambda x: len(x[1]))]))
                if killed.fate == KILLED or not change.open:
                    return killed
            # A path of the sound system need not be one of the mutant.
            if not change.open:
                self._set(code)
                return self._alone(change, every)
        if change.open:
            # Where no row for the message is ever due, nobody compares what it covers.
            never = mutant.kind == "field" and not base.first(self._due(mutant), 0, base.count)
            return self._nowhere(False) if never else None
        if row == NEVER:
            return self._nowhere(not self.complete and code.never)
        self._set(code)
        alone = bool(self.ends) or (every and bool(code.gone))
        if not alone:
            out = self._added(row, change, every)
            whole = bool(code.gone) and base.count <= SMALL
            if out is not None and (out.fate != SURVIVES or not whole):
                return out
        return self._alone(change, every)

    def _question(self, other: Mapping[int, Expr]) -> None:
        """Ask from now on what the properties in `other` say of a mutant."""
        c = self.gated.circuit
        wrong = {self.asked[i][0].name: self.gated.truth(e) for i, e in other.items()}
        self.others = {*other}
        self.wrong, self.some = Ask(c, wrong), Ask(c, {0: reduce(c.either, wrong.values(), ZERO)})

    def _nowhere(self, by_values: bool) -> Judgement:
        """The judgement on a mutant that differs in no state found, or `by_values` in none."""
        return Judgement(EQUIVALENT) if by_values or self.complete else self._much()

    def _due(self, mutant: Mutant) -> Ask[str]:
        """When a row that the mutant changes is due, as far as the local state goes."""
        parts = []
        for run in self.sound.runs:
            for row in (r for r in run.role.table if r.name in mutant.rows):
                parts.append(self.sound.of(run, "state").one_of(*row.sources))
        return Ask(self.gated.circuit, {mutant.row: self.gated.truth(disj(*parts))})

    def together(self, a: Mutant, b: Mutant, *, every: bool = False) -> Judgement:
        """What becomes of two mutants of different ends, each of which changes rows alone.

        A property that falls is broken in some state; cases that are never reached do not count.
        """
        one, two = self.changes[a], self.changes[b]
        roles = {**a.roles(self.made.roles), **b.roles(self.made.roles)}
        runs = (replace(r, role=roles.get(r.role.name, r.role)) for r in self.sound.runs)
        system = replace(self.sound, runs=tuple(runs))
        labels = {**one.labels, **two.labels}
        change = Change(system, one.new + two.new, one.gone + two.gone, labels)
        row = min(self.differs.get(m, NEVER) for m in (a, b))
        if row == NEVER:
            return self._nowhere(False)
        self._take(Code(self.gated, change))
        return self._added(row, change, every) or self._alone(change, every, cases=False)

    def beyond(self, mutant: Mutant, others: Iterable[Mutant]) -> list[Mutant]:
        """Those of other mutants that differ in a state that a mutant adds to the sound ones.

        `mutant` differs in some sound state. States that only the sound system has may be among
        those added where a mutant lacks a step. All others, where states do not fit.
        """
        self._take(self.codes[mutant])
        size = self.base.count
        for _ in self._levels(self.differs[mutant]):
            pass
        if not (self.fits and self.complete):
            self._back(size)
            return [*others]
        may = self._after(size, {m: self.codes[m].may for m in others})
        found = self._after(size, {m: self.codes[m].differs for m in may})
        self._back(size)
        return found

    def _after(self, begin: int, planes: Mapping[Mutant, str]) -> list[Mutant]:
        """The mutants whose plane holds in a state from row `begin` on."""
        left = {m: x for m, x in planes.items() if x != ZERO}
        every = asks(self.gated.circuit, left)
        return [m for ask in every for m in self.base.first(ask, begin, self.base.count)]

    def _take(self, code: Code) -> None:
        """Search with some steps, which properties say nothing else of."""
        self._question({})
        self._set(code)

    def _levels(self, row: int) -> Iterator[tuple[int, int]]:
        """Add what the steps of the mutant lead to from sound states, from level of `row` on.

        The rows of each new level; `fits` is False once states do not fit.
        """
        base, ends = self.base, [*self.base.bounds]
        lo = hi = base.count
        level = 0
        self.fits = True
        while self.fits and (level + 1 < len(ends) or hi > lo):
            if level + 1 < len(ends) and ends[level + 1] > row:
                self.fits = base.expand(ends[level], ends[level + 1], sound=False)
            self.fits = self.fits and base.expand(lo, hi, sound=True)
            lo, hi = hi, base.count
            yield lo, hi
            level += 1

    def _back(self, size: int) -> None:
        """Only the first `size` states again."""
        self.lib.family_back(self.base.head, size, self.slots)
        self.slots = self.lib.family_slots(self.base.head)

    def _added(self, row: int, change: Change, every: bool) -> Judgement | None:
        """The judgement by the states that the mutant adds to the sound ones.

        None if a run that breaks a property may take a step that the mutant does not have.
        """
        base, size = self.base, self.base.count
        falls: dict[str, int] = {}
        for lo, hi in self._levels(row):
            for p, at in self._fallen(base, lo, hi, every).items():
                falls.setdefault(p, at)
            if falls and not every:
                falls = dict([min(falls.items(), key=lambda x: x[1])])
                break
        paths = {p: base.path(at) for p, at in falls.items()}
        self._back(size)
        if not self._kept(paths):
            return None
        if not falls:
            return Judgement(SURVIVES) if self.fits and self.complete else self._much()
        return self._killed(change, paths)

    def _alone(self, change: Change, every: bool, *, cases: bool = True) -> Judgement:
        """The judgement by the mutant's own states; with `cases`, by those that are lost, too."""
        rows = _Rows(self)
        complete = rows.search(
            None
            if every
            else lambda lo, hi: bool(self._fallen(rows, lo, hi, every) or self._ended(rows, lo, hi))
        )
        seen = rows.seen(0, rows.count)
        paths = {p: rows.path(at) for p, at in self._fallen(rows, 0, rows.count, every).items()}
        paths |= {p: rows.path(at) for p, at in self._ended(rows, 0, rows.count).items()}
        if paths and not every:
            paths = dict([min(paths.items(), key=lambda x: len(x[1]))])
        if paths:
            return self._killed(change, paths)
        if not complete:
            return self._much()
        lost = {
            p.name: None
            for i, (p, witness) in enumerate(self.asked)
            if cases and witness and self.held[i] != NEVER and seen[i] == NEVER
        }
        return Judgement(KILLED if lost else SURVIVES, {**lost})

    def _much(self) -> Judgement:
        return Judgement(UNDECIDED, reason=f"it has more than {self.limit:,} states")

    def _kept(self, paths: Mapping[str, Sequence[tuple[int, Any]]]) -> bool:
        """Whether the mutant has every step of some paths."""
        gone = set(self.code.gone)
        return not any(via in gone for path in paths.values() for via, _ in path)

    def _fallen(self, rows: _Rows, begin: int, end: int, every: bool) -> dict[str, int]:
        """By property that falls: the first bad state from row `begin` to before `end`."""
        seen = rows.seen(begin, end)
        out = {
            p.name: at
            for i, ((p, witness), at) in enumerate(zip(self.asked, seen, strict=True))
            if not witness and at != NEVER and self.held[i] == NEVER and i not in self.others
        }
        return out | self._known(rows, begin, end, every)

    def _known(self, rows: _Rows, begin: int, end: int, every: bool) -> dict[str, int]:
        """The same of the properties that say something else of the mutant: those at the first
        row where one is broken, or with `every` all that are."""
        at = rows.first(self.some, begin, end).get(0)
        return {} if at is None else rows.first(self.wrong, at, end if every else at + 1)

    def _ended(self, rows: _Rows, begin: int, end: int) -> dict[str, int]:
        """By property of how runs end: the first state without a step that breaks it."""
        return rows.first(self.last, begin, end)

    def _killed(self, change: Change, paths: Mapping[str, Any]) -> Judgement:
        """The judgement by paths to bad states, each replayed on the machines."""
        made = (*self.joint.steps, *self.code.steps)
        taken = [made[via] for path in paths.values() for via, _ in path if via >= 0]
        small = narrowed(change.system, [s.rule for s in taken])
        steps = self._steps(change, small, {(s.run, s.rule.trigger) for s in taken})
        try:
            traces = {
                p.name: self._replayed(change, small, steps, p, paths[p.name])
                for p in self.props
                if p.name in paths
            }
        except (CallError, EngineError) as e:
            return Judgement(UNDECIDED, reason=f"the trace does not replay: {e}")
        return Judgement(KILLED, {n: len(x) for n, x in traces.items()}, traces)

    def _steps(self, change: Change, small: System, events: Collection[Any]) -> list[Step]:
        """The steps of the mutant on some events of its runs, with the rows of its machines."""
        rows = {r.name: {x.name: x for x in r.role.rules} for r in small.runs}
        kept: Iterable[Step] = ()
        if change.open:
            made: Iterable[Step] = self.made.on(change.system, events)
        elif change.whole:
            made = change.system.raw_steps
        else:
            gone = {id(s) for s in change.gone}
            kept, made = (s for s in self.sound.raw_steps if id(s) not in gone), change.new
        # A row may have the name that another one has in the sound system.
        named = chain(
            ((s, change.labels.get(s.label, s.label)[1]) for s in kept),
            ((s, s.rule.name) for s in made),
        )
        return [
            replace(s, rule=rows[s.run][name])
            for s, name in named
            if (s.run, s.rule.trigger) in events
        ]

    def _replayed(
        self, change: Change, small: System, steps: Sequence[Step], p: Property, found: Any
    ) -> Trace:
        path = self._described(change, found)
        taken = {label for label, _ in path if label is not None}
        # The machines have every row of the events: one that takes another row is found out.
        few = [s for s in steps if s.label in taken]
        system = given(small, few, self.joint.system.values)
        why = partial(broken, p, change.system)
        return replay(system, path, p.bad(change.system), p.name, why=why)

    def _described(self, change: Change, path: Sequence[tuple[int, Sequence[Value]]]) -> Described:
        """A path with the labels of the mutant."""
        out: list[Any] = []
        for via, state in path:
            if via < 0:
                label = None
            elif via < len(self.joint.steps):
                old = self.joint.steps[via].label
                label = change.labels.get(old, old)
            else:
                label = self.code.steps[via - len(self.joint.steps)].label
            out.append((label, self.joint.describe(state)))
        return out


class _Rows:
    """The states of one search, level by level."""

    def __init__(self, family: Family) -> None:
        self.lib, self.joint, self.layout = family.lib, family.joint, family.layout
        self.gated = family.gated
        self.questions = len(family.asked)
        self.head = self.lib.search_new(MOST, (ctypes.c_int * 3)(-1, -1, -1))
        if not self.head:
            raise MemoryError("no memory for the arrays of the search")
        self.head.contents.limit = family.limit
        self.bounds = [0]
        self._rows: dict[tuple[int, ...], ctypes.Array[ctypes.c_uint32] | None] = {}

    def __del__(self) -> None:
        self.lib.search_free(self.head)

    @property
    def count(self) -> int:
        """The number of states."""
        return int(self.head.contents.count)

    def search(self, enough: Callable[[int, int], bool] | None = None) -> bool:
        """Search until nothing is new, or a level is `enough`; False if states do not fit."""
        for values in self.joint.initial_states():
            words = (ctypes.c_uint64 * self.layout.words)()
            for v, d, (w, shift, _) in zip(
                values, self.joint.domains, self.layout.slots, strict=True
            ):
                words[w] |= d.code(v) << shift
            self.lib.search_begin(self.head, words)
        while self.count > self.bounds[-1]:
            self.bounds.append(self.count)
            if enough is not None and enough(*self.bounds[-2:]):
                return True
            if not self.expand(*self.bounds[-2:], sound=True):
                return False
        return True

    def expand(self, begin: int, end: int, *, sound: bool) -> bool:
        """Expand rows; False if a state does not fit."""
        for at in range(begin, end, SLICE):
            code = self.lib.family_expand(self.head, at, min(end, at + SLICE), int(sound))
            if code == LIMIT:
                return False
            if code != DONE:
                raise MemoryError("no memory for the states of a mutant")
        return True

    def seen(self, begin: int, end: int) -> list[int]:
        """By question: the first row from `begin` to before `end` where it holds, or NEVER."""
        self.lib.family_ask(self.head, begin, end)
        return [int(x) for x in self.head.contents.seen[: self.questions]]

    def first(
        self, ask: Ask[T], begin: int, end: int, some: ctypes.Array[ctypes.c_uint32] | None = None
    ) -> dict[T, int]:
        """By name: the first row from `begin` to before `end` where it holds, if there is one.

        With `some`, in order, only these rows are asked.
        """
        count = len(ask.names)
        out = (ctypes.c_uint64 * (count or 1))()
        gates = (ask.gates, ask.count, self.gated.values)
        if some is not None:
            begin, end = (bisect_left(some, x) for x in (begin, end))
        done = self.lib.family_first(self.head, some, begin, end, *gates, ask.literals, count, out)
        if done != DONE:
            raise MemoryError("no memory for the questions about mutants")
        return {n: at for n, at in zip(ask.names, out, strict=False) if at != NEVER}

    def distinct(self, mask: tuple[int, ...]) -> ctypes.Array[ctypes.c_uint32] | None:
        """The first row of each value of the bits under a mask, when the search has ended.

        None if these are many.
        """
        if mask not in self._rows:
            most = self.count // FEWER
            room, bits = (ctypes.c_uint32 * (most or 1))(), (ctypes.c_uint64 * len(mask))(*mask)
            found = self.lib.family_distinct(self.head, self.count, bits, room, most)
            self._rows[mask] = (ctypes.c_uint32 * found)(*room[:found]) if found != NEVER else None
        return self._rows[mask]

    def path(self, row: int) -> list[tuple[int, Sequence[Value]]]:
        """A path to a row: the number of the step, -1 at first, and the state."""
        head, width = self.head.contents, self.layout.words
        out: list[tuple[int, Sequence[Value]]] = []
        while True:
            cell = (ctypes.c_uint64 * width).from_address(head.words + 8 * width * row)
            state = tuple(
                d.values[(cell[w] >> shift) & mask]
                for d, (w, shift, mask) in zip(self.joint.domains, self.layout.slots, strict=True)
            )
            if row < self.bounds[1]:
                return [*reversed([*out, (-1, state)])]
            out.append((ctypes.c_uint16.from_address(head.via + 2 * row).value, state))
            row = ctypes.c_uint32.from_address(head.parent + 4 * row).value
