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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from checker.engines.interface import Described, Label
from checker.engines.native_calls import DONE, LIMIT, NEVER, Head, declare
from checker.engines.native_source import ONE, ZERO, Circuit, Program, load
from checker.engines.reference import EngineError
from checker.engines.words import Layout
from checker.mutants.generate import COVERED, Mutant
from checker.trace import Trace, replay
from model.expr import BOOL, Expr, Value, conj, var
from model.machine import CallError
from model.role import Role
from model.rule import ModelError, Rule, Variable
from model.system import Compiled, Instance, Source, Step, System, Values
from properties import Property

MOST = (1 << 32) - 2
"""The largest number of states."""
SMALL = 1_000_000
"""States up to which it is asked whether a mutant loses the case of a property."""
SLICE = 1 << 16
"""States in one call to C."""


# -- the steps that differ -------------------------------------------------------------------------
@dataclass(frozen=True)
class Change:
    """A mutant's steps beside those of the sound system."""

    system: System
    new: tuple[Step, ...]
    """The steps that the sound system does not have."""
    gone: tuple[Step, ...]
    """The steps of the sound system that the mutant does not have."""
    labels: Mapping[Label, Label]
    """The label of each other step, by its label in the sound system, where it differs."""
    whole: bool = False
    """Whether more may differ than the steps of some events: variables, or what is known."""


class Changes:
    """The changes that mutants make to one system."""

    def __init__(self, sound: System) -> None:
        self.sound = sound
        self.roles = {r.role.name: r.role for r in sound.runs}
        self._sources: dict[tuple[str, str, int], list[tuple[Source, dict[int, Expr]]]] = {}

    def of(self, mutant: Mutant) -> Change | None:
        """The change of a mutant; None if it is no mutant of this system."""
        try:
            roles = self.roles | mutant.roles(self.roles)
            runs = tuple(replace(r, role=roles[r.role.name]) for r in self.sound.runs)
            system = replace(self.sound, runs=runs)
            triggers = self._alone(mutant, roles)
            network = self.sound.network
            if network.variables(system).keys() != network.variables(self.sound).keys():
                triggers = None
            steps = system.raw_steps if triggers is None else tuple(self._few(system, triggers))
        except ModelError:
            return None
        kept: dict[Any, list[Step]] = {}
        for s in self.sound.raw_steps:
            if triggers is None or s.run in triggers.get(s.rule.trigger, ()):
                kept.setdefault(_content(s), []).append(s)
        new, labels = [], {}
        for s in steps:
            same = kept.get(_content(s))
            if not same:
                new.append(s)
                continue
            old = same.pop()
            if old.label != s.label:
                labels[old.label] = s.label
        gone = tuple(s for x in kept.values() for s in x)
        return Change(system, tuple(new), gone, labels, triggers is None)

    def _alone(self, mutant: Mutant, roles: Mapping[str, Role]) -> dict[str, set[str]] | None:
        """The events whose rows differ, each with the runs; None if more may differ than rows."""
        if mutant.kind in COVERED:
            return None
        out: dict[str, set[str]] = {}
        for name in mutant.ends:
            old, new = self.roles[name], roles[name]
            rows = {id(r): r for r in (*old.table, *new.table)}
            both = {id(r) for r in old.table} & {id(r) for r in new.table}
            differ = [r for i, r in rows.items() if i not in both]
            # Which message begins a handshake on a connection that goes on is read from the table.
            goes_on = any(x.takes_over for x in self.sound.runs)
            if goes_on and any(old.states[0] in r.sources for r in differ):
                return None
            for r in differ:
                out.setdefault(r.trigger, set()).update(
                    x.name for x in self.sound.runs if x.role is old
                )
        return out

    def _few(self, system: System, triggers: Mapping[str, set[str]]) -> Iterator[Step]:
        """The steps of the runs on these events, with the sound system's sources."""
        rules: dict[int, tuple[Rule, ...]] = {}
        for run in system.runs:
            here = [t for t, names in triggers.items() if run.name in names]
            if not here:
                continue
            if id(run.role) not in rules:
                table = tuple(r for r in run.role.table if r.trigger in here)
                heard = {id(r.message) for r in table if r.kind == "receive"}
                alphabet = tuple(m for m in run.role.alphabet if id(m) in heard)
                rules[id(run.role)] = replace(run.role, table=table, alphabet=alphabet).rules
            for rule in rules[id(run.role)]:
                for source, memo in self._from(run, rule):
                    yield system._step(run, rule, source, memo)

    def _from(self, run: Instance, rule: Rule) -> list[tuple[Source, dict[int, Expr]]]:
        """The sources of the row's message: what a network can deliver depends on no row."""
        taken = rule.key(run.role.read_key) if rule.kind == "receive" else None
        key = (run.name, rule.event if rule.kind == "receive" else "", id(taken))
        if key not in self._sources:
            found: Iterable[Source] = [Source("local")]
            if rule.kind == "receive":
                assert rule.message is not None
                of, under = self.sound.by_name[run.name], None
                if taken is not None:
                    under = self.sound.at(of, taken)
                found = self.sound.network.sources(self.sound, of, rule.message, under)
            self._sources[key] = [(s, {}) for s in found]
        return self._sources[key]


def _content(s: Step) -> Any:
    effects = tuple(sorted((n, id(e)) for n, e in s.effects.items()))
    return s.run, s.rule.trigger, s.source.name, id(s.full), effects


# -- the system with the steps of all mutants ------------------------------------------------------
def _given(system: System, steps: Sequence[Step], values: Values | None = None) -> System:
    """The system with other steps; `values` are those that occur, by default the least."""
    out = replace(system)
    out.__dict__["raw_steps"] = tuple(steps)
    if values is not None:
        more = {"fireable": [(s, values.narrow(s.full)) for s in steps]}
        out.__dict__["values"] = SimpleNamespace(
            **{**vars(values), "narrow": values.narrow, **more}
        )
    return out


def _grown(sound: System, changes: Iterable[Change]) -> System:
    """The sound system with the variables and steps of all changes, and the values that occur."""
    changes = [*changes]
    out = _given(sound, (*sound.raw_steps, *(s for c in changes for s in c.new)))
    more = (c.system.variables.items() for c in changes if c.whole)
    out.__dict__["variables"] = every = {**dict(chain(*more)), **sound.variables}
    known = sound.values.domain
    held = {
        n: Variable(v.domain, known[n].values if n in known else v.initial)
        for n, v in every.items()
    }
    start: Any = SimpleNamespace(variables=held, raw_steps=out.raw_steps)
    out.__dict__["values"] = Values(start)
    return out


class _Joint(Compiled):
    """The compiled system whose steps are the sound ones, each with a switch."""

    def __init__(self, sound: System, changes: Iterable[Change], reads: Sequence[Expr]) -> None:
        self.small: dict[int, Step] = {}
        super().__init__(_grown(sound, changes), reads)
        mine = [s for s in sound.raw_steps if id(s) in self.small]
        self.number = {id(s): i for i, s in enumerate(mine)}
        switched = (
            replace(self.small[id(s)], guard=conj(var(f"on.{i}", BOOL), self.small[id(s)].guard))
            for i, s in enumerate(mine)
        )
        self.steps = tuple(switched)

    def _restrict(self, step: Step, guard: Expr) -> Step | None:
        out = super()._restrict(step, guard)
        if out is not None:
            self.small[id(step)] = out
        return out


class _Program(Program):
    """The C of the sound system's steps, with their switches, and the interpreter."""

    def _expand(self) -> str:
        self.planes |= {f"on.{i}": [f"on[{i}]"] for i in range(len(self.compiled.steps))}
        return super()._expand()

    def text(self) -> str:
        mine = Path(__file__).with_name("family.c").read_text(encoding="utf-8")
        return super().text().replace(self.made, f"{mine}\n{self.made}")


class _Gate(ctypes.Structure):
    _fields_ = (("a", ctypes.c_uint32), ("b", ctypes.c_uint32))


class _Bit(ctypes.Structure):
    _fields_ = tuple((n, ctypes.c_uint32) for n in ("literal", "word", "shift"))


class _Gates(Circuit):
    """A circuit as numbers: each gate is a pair of literals."""

    def __init__(self, planes: Mapping[str, list[str]], first: int) -> None:
        super().__init__(planes)
        self.first = first
        self.made: list[tuple[int, int]] = []

    def _gate(self, text: str) -> str:
        name = self._gates.get(text)
        if name is None:
            a, b = text.split(" & ")
            name = self._gates[text] = f"t{len(self.made)}"
            self.made.append((self.literal(a), self.literal(b)))
        return name

    def literal(self, plane: str) -> int:
        """The number of a plane, or of its complement."""
        if plane in (ONE, ZERO):
            return int(plane == ZERO)
        name = plane.removeprefix("~")
        number = 1 + int(name[2:-1]) if name[0] == "p" else self.first + int(name[1:])
        return 2 * number + (name != plane)


@dataclass(frozen=True)
class _Case:
    """A step with values of its free parameters: where it is possible, and what it changes."""

    step: Step
    mask: str
    changes: Mapping[str, Expr]


class _Code:
    """What a mutant's steps are for `family.c`."""

    def __init__(
        self,
        joint: _Joint,
        layout: Layout,
        planes: Mapping[str, list[str]],
        change: Change,
        stuck: Sequence[Expr] = (),
        bad: Mapping[int, Expr] | None = None,
    ) -> None:
        self.circuit = c = _Gates(planes, 1 + 64 * layout.words)
        self.joint = joint
        new, gone = list(self._cases(change.new)), list(self._cases(change.gone))
        self.gone = [joint.number[id(s)] for s in change.gone if id(s) in joint.number]
        differs = c.either(self._unmatched(gone, new), self._unmatched(new, gone))
        self.differs, self.first = c.literal(differs), len(c.made)
        self.never = differs == ZERO
        self.bad = {i: c.literal(c.truth(joint.narrow(e))) for i, e in (bad or {}).items()}
        self.stuck = []
        if stuck:
            absent = {id(s) for s in change.gone}
            kept = self._cases(
                s for s in joint.system.raw_steps if id(s) in joint.number and id(s) not in absent
            )
            moves = (c.both(n.mask, c.invert(self._equal(n.changes, {}))) for n in (*kept, *new))
            ends = c.invert(reduce(c.either, moves, ZERO))
            self.stuck = [c.literal(c.both(ends, c.truth(joint.narrow(e)))) for e in stuck]
        self.steps = [n.step for n in new]
        self._write(layout, new)

    def _write(self, layout: Layout, new: Sequence[_Case]) -> None:
        class Action(ctypes.Structure):
            _fields_ = (
                *((n, ctypes.c_uint32) for n in ("mask", "via", "first", "bits")),
                *((n, ctypes.c_uint64 * layout.words) for n in ("clear", "put")),
            )

        c = self.circuit
        bits: list[tuple[int, int, int]] = []
        self.actions = (Action * (len(new) or 1))()
        for i, n in enumerate(new):
            a = self.actions[i]
            a.mask, a.via, a.first = c.literal(n.mask), len(self.joint.steps) + i, len(bits)
            for name, e in n.changes.items():
                w, shift, ones = layout.slots[self.joint.index[name]]
                a.clear[w] |= ones << shift
                for k, plane in enumerate(c.value(e)):
                    if plane == ONE:
                        a.put[w] |= 1 << (shift + k)
                    elif plane != ZERO:
                        bits.append((c.literal(plane), w, shift + k))
            a.bits = len(bits) - a.first
        self.bits = (_Bit * (len(bits) or 1))(*(_Bit(*b) for b in bits))
        self.gates = (_Gate * (len(c.made) or 1))(*(_Gate(*g) for g in c.made))
        fires = [i not in self.gone for i in range(len(self.joint.steps))]
        self.fires = (ctypes.c_uint8 * (len(fires) or 1))(*fires)

    def _cases(self, steps: Iterable[Step]) -> Iterator[_Case]:
        for s in steps:
            small = self.joint.small.get(id(s))
            if small is not None:
                for _, guard, changes in small.cases():
                    mask = self.circuit.truth(guard)
                    if mask != ZERO:
                        yield _Case(s, mask, changes)

    def _unmatched(self, some: Sequence[_Case], others: Sequence[_Case]) -> str:
        """Where one of `some` is possible and none of `others` does the same."""
        c, out = self.circuit, ZERO
        by: dict[tuple[str, str, str], list[_Case]] = {}
        for x in others:
            by.setdefault((x.step.run, x.step.rule.trigger, x.step.source.name), []).append(x)
        for o in some:
            found = ZERO
            for n in by.get((o.step.run, o.step.rule.trigger, o.step.source.name), ()):
                if found == ONE:
                    break
                found = c.either(found, c.both(n.mask, self._equal(o.changes, n.changes)))
            out = c.either(out, c.both(o.mask, c.invert(found)))
        return out

    def _equal(self, a: Mapping[str, Expr], b: Mapping[str, Expr]) -> str:
        """Where two sets of changes lead to one state."""
        c, out = self.circuit, ONE
        for n in {**a, **b}:
            d = self.joint.domains[self.joint.index[n]]
            x, y = a.get(n, var(n, d)), b.get(n, var(n, d))
            if x is not y and out != ZERO:
                out = c.both(out, c._same(c.value(x), c.value(y)))
        return out


# -- judging ---------------------------------------------------------------------------------------
KILLED, EQUIVALENT, SURVIVES, UNDECIDED = "killed", "equivalent", "survives", "undecided"


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

    `expected` says of a property whether it must hold in the system.
    """

    def __init__(
        self,
        sound: System,
        props: Sequence[Property],
        mutants: Iterable[Mutant],
        expected: Callable[[Property], bool] = lambda p: True,
        states: int | None = None,
    ) -> None:
        self.sound = sound
        changes = Changes(sound)
        found = ((m, changes.of(m)) for m in mutants)
        self.changes = {m: c for m, c in found if c is not None}
        self.props = [p for p in props if expected(p) and p.kind != "leads_to"]
        single = [p for p in self.props if not p.temporal]
        self.ends = [p for p in self.props if p.temporal]
        self.bad = [p.bad(sound) for p in single]
        self.asked = [(p, False) for p in single] + [(p, True) for p in single]
        reads = [*self.bad, *(p.witness(sound) for p in single)]
        stuck = [p.bad(sound) for p in self.ends]
        self.other = {m: self._other(c) for m, c in self.changes.items() if c.whole}
        more = [e for found in self.other.values() for e in found.values()]
        self.joint = _Joint(sound, self.changes.values(), [*reads, *stuck, *more])
        self.layout = Layout(self.joint)
        program = _Program(self.joint, self.layout, reads, False)
        self.planes, self.stuck = program.planes, stuck
        self.lib = _declared(load(program.text()))
        self.limit = MOST if states is None else states
        self.base = _Rows(self)
        nothing = Change(sound, (), (), {})
        self._set(_Code(self.joint, self.layout, self.planes, nothing))
        self.complete = self.base.search()
        self.slots = self.lib.family_slots(self.base.head)
        self.held = self.base.seen(0, self.base.count)

    def _set(self, code: _Code) -> None:
        self.code = code  # keeps what C reads
        self.lib.family_set(
            code.gates, len(code.circuit.made), code.actions, len(code.steps), code.bits, code.fires
        )

    def _other(self, change: Change) -> dict[int, Expr]:
        """When the mutant's states are bad, by the number of the property, where that differs."""
        found = ((i, p.bad(change.system)) for i, (p, seen) in enumerate(self.asked) if not seen)
        return {i: e for i, e in found if e is not self.bad[i]}

    def judge(self, mutant: Mutant, *, every: bool = False) -> Judgement:
        """What becomes of a mutant; with `every`, each property that falls is found."""
        change = self.changes[mutant]
        other = self.other.get(mutant)
        code = _Code(self.joint, self.layout, self.planes, change, self.stuck, other)
        self._set(code)
        base = self.base
        if other and (known := self._known(base, 0, base.count)):
            # What the adversary knows differs, or what the property says.
            paths = {p: base.path(at) for p, at in known.items()}
            if not every and self._kept(paths):
                return self._killed(change, dict([min(paths.items(), key=lambda x: len(x[1]))]))
            return self._alone(change, every)
        row = NEVER if code.never else base.first(code.differs, code.first, base.count)
        if row == NEVER:
            return Judgement(EQUIVALENT)
        alone = bool(self.ends) or (every and bool(code.gone))
        if not alone:
            out = self._added(row, change, every)
            whole = bool(code.gone) and base.count <= SMALL
            if out is not None and (out.fate != SURVIVES or not whole):
                return out
        return self._alone(change, every)

    def _added(self, row: int, change: Change, every: bool) -> Judgement | None:
        """The judgement by the states that the mutant adds to the sound ones.

        None if a run that breaks a property may take a step that the mutant does not have.
        """
        base, size = self.base, self.base.count
        ends = [*base.bounds]
        falls: dict[str, int] = {}
        lo = hi = size
        level = 0
        fits = True
        while fits and (level + 1 < len(ends) or hi > lo):
            if level + 1 < len(ends) and ends[level + 1] > row:
                fits = base.expand(ends[level], ends[level + 1], sound=False)
            fits = fits and base.expand(lo, hi, sound=True)
            lo, hi = hi, base.count
            for p, at in self._fallen(base, lo, hi).items():
                falls.setdefault(p, at)
            if falls and not every:
                falls = dict([min(falls.items(), key=lambda x: x[1])])
                break
            level += 1
        paths = {p: base.path(at) for p, at in falls.items()}
        self.lib.family_back(base.head, size, self.slots)
        self.slots = self.lib.family_slots(base.head)
        if not self._kept(paths):
            return None
        if not falls:
            return Judgement(SURVIVES) if fits else self._much()
        return self._killed(change, paths)

    def _alone(self, change: Change, every: bool) -> Judgement:
        """The judgement by the mutant's own states."""
        rows = _Rows(self)
        complete = rows.search(
            None
            if every
            else lambda lo, hi: bool(self._fallen(rows, lo, hi) or self._ended(rows, lo, hi))
        )
        seen = rows.seen(0, rows.count)
        paths = {p: rows.path(at) for p, at in self._fallen(rows, 0, rows.count).items()}
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
            if witness and self.held[i] != NEVER and seen[i] == NEVER
        }
        return Judgement(KILLED if lost else SURVIVES, {**lost})

    def _much(self) -> Judgement:
        return Judgement(UNDECIDED, reason=f"it has more than {self.limit:,} states")

    def _kept(self, paths: Mapping[str, Sequence[tuple[int, Any]]]) -> bool:
        """Whether the mutant has every step of some paths."""
        gone = set(self.code.gone)
        return not any(via in gone for path in paths.values() for via, _ in path)

    def _fallen(self, rows: _Rows, begin: int, end: int) -> dict[str, int]:
        """By property that falls: the first bad state from row `begin` to before `end`."""
        seen = rows.seen(begin, end)
        out = {
            p.name: at
            for i, ((p, witness), at) in enumerate(zip(self.asked, seen, strict=True))
            if not witness and at != NEVER and self.held[i] == NEVER and i not in self.code.bad
        }
        return out | self._known(rows, begin, end)

    def _known(self, rows: _Rows, begin: int, end: int) -> dict[str, int]:
        """The same of the properties that say something else of the mutant."""
        gates, out = len(self.code.circuit.made), {}
        for i, x in self.code.bad.items():
            at = rows.first(x, gates, end, begin)
            if at != NEVER and self.held[i] == NEVER:
                out[self.asked[i][0].name] = at
        return out

    def _ended(self, rows: _Rows, begin: int, end: int) -> dict[str, int]:
        """By property of how runs end: the first state without a step that breaks it."""
        out = {}
        for p, x in zip(self.ends, self.code.stuck, strict=True):
            at = rows.first(x, len(self.code.circuit.made), end, begin)
            if at != NEVER:
                out[p.name] = at
        return out

    def _killed(self, change: Change, paths: Mapping[str, Any]) -> Judgement:
        """The judgement by paths to bad states, each replayed on the machines."""
        steps = self._steps(change)
        try:
            traces = {
                p.name: self._replayed(change, steps, p, self._described(change, paths[p.name]))
                for p in self.props
                if p.name in paths
            }
        except (CallError, EngineError) as e:
            return Judgement(UNDECIDED, reason=f"the trace does not replay: {e}")
        return Judgement(KILLED, {n: len(x) for n, x in traces.items()}, traces)

    def _steps(self, change: Change) -> list[Step]:
        """The steps of the mutant, each with the row that its machine takes."""
        if "raw_steps" in vars(change.system):
            return list(change.system.raw_steps)
        gone = {id(s) for s in change.gone}
        kept = (s for s in self.sound.raw_steps if id(s) not in gone)
        rows = {r.name: {x.name: x for x in r.role.rules} for r in change.system.runs}
        return [
            replace(s, rule=rows[s.run][change.labels.get(s.label, s.label)[1]])
            for s in (*kept, *change.new)
        ]

    def _replayed(
        self, change: Change, steps: Sequence[Step], p: Property, path: Described
    ) -> Trace:
        taken = {label for label, _ in path if label is not None}
        events = {(s.run, s.rule.trigger, s.source.name) for s in steps if s.label in taken}
        few = [s for s in steps if (s.run, s.rule.trigger, s.source.name) in events]
        system = _given(change.system, few, self.joint.system.values)
        return replay(system, path, p.bad(change.system), p.name)

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
        self.questions = len(family.asked)
        self.head = self.lib.search_new(MOST, (ctypes.c_int * 3)(-1, -1, -1))
        if not self.head:
            raise MemoryError("no memory for the arrays of the search")
        self.head.contents.limit = family.limit
        self.bounds = [0]

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

    def first(self, x: int, gates: int, end: int, begin: int = 0) -> int:
        """The first row where the literal `x` holds, or NEVER."""
        return int(self.lib.family_first(self.head, begin, end, x, gates))

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


def _declared(lib: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the types of the functions of `family.c`."""
    head, u64, u32 = ctypes.POINTER(Head), ctypes.c_uint64, ctypes.c_uint32
    any_ = ctypes.c_void_p
    for name, result, arguments in (
        ("family_set", ctypes.c_int, [any_, u64, any_, u64, any_, any_]),
        ("family_first", u64, [head, u64, u64, u32, u64]),
        ("family_expand", ctypes.c_int, [head, u64, u64, ctypes.c_int]),
        ("family_ask", None, [head, u64, u64]),
        ("family_back", None, [head, u64, u64]),
        ("family_slots", u64, [head]),
    ):
        f = getattr(lib, name)
        f.restype, f.argtypes = result, arguments
    return declare(lib)
