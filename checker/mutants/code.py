"""A system with the steps of all its mutants, as C: the sound steps compiled, the others as gates.

Each sound step has a switch. A mutant's steps are written as gates for the interpreter `family.c`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from checker.engines.collapse import Gates
from checker.engines.native_calls import Head, declare
from checker.engines.native_source import ONE, ZERO, Program, load
from checker.engines.words import Layout
from checker.mutants.changes import Change
from model.expr import BOOL, Expr, Value, conj, var
from model.rule import Variable
from model.system import Compiled, Step, System, Values

T = TypeVar("T", bound=Hashable)
TOGETHER = 6_000
"""Gates whose values for some hundred states stay in a cache near a core."""


def given(system: System, steps: Sequence[Step], values: Values | None = None) -> System:
    """The system with other steps; `values` are those that occur, by default the least."""
    out = replace(system)
    out.__dict__["raw_steps"] = tuple(steps)
    out.__dict__["variables"] = system.variables
    if values is not None:
        more = {"fireable": [(s, values.narrow(s.full)) for s in steps]}
        out.__dict__["values"] = SimpleNamespace(
            **{**vars(values), "narrow": values.narrow, **more}
        )
    return out


def _grown(sound: System, changes: Iterable[Change]) -> System:
    """The sound system with the variables and steps of all changes, and the values that occur."""
    changes = [*changes]
    out = given(sound, (*sound.raw_steps, *(s for c in changes for s in c.new)))
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


class Joint(Compiled):
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


class SoundProgram(Program):
    """The C of the sound system's steps, with their switches, and the interpreter."""

    optimised = True
    """Whether the compiler optimises the steps, and not the search and the interpreter alone."""

    def _expand(self) -> str:
        self.planes |= {f"on.{i}": [f"on[{i}]"] for i in range(len(self.compiled.steps))}
        return super()._expand()

    def text(self) -> str:
        mine = Path(__file__).with_name("family.c").read_text(encoding="utf-8")
        after = "" if self.optimised else '#pragma GCC optimize ("O0")\n'
        return super().text().replace(self.made, f"{mine}\n{after}{self.made}")


class _Gate(ctypes.Structure):
    _fields_ = (("out", ctypes.c_uint32), ("a", ctypes.c_uint32), ("b", ctypes.c_uint32))


class _Bit(ctypes.Structure):
    _fields_ = tuple((n, ctypes.c_uint32) for n in ("literal", "word", "shift"))


@dataclass(frozen=True)
class _Case:
    """A step with values of its free parameters: where it is possible, and what it changes."""

    step: Step
    mask: str
    changes: Mapping[str, Expr]

    @cached_property
    def fixed(self) -> dict[str, Value]:
        """The values that the step gives to variables, wherever it is taken."""
        return {n: e.payload for n, e in self.changes.items() if e.op == "const"}

    @property
    def place(self) -> tuple[str, str, str]:
        """The names of the run, the event and the source."""
        return self.step.run, self.step.rule.trigger, self.step.source.name


class _Cases:
    """Cases of one event from one source, found by the values that they give to variables."""

    def __init__(self) -> None:
        self._by: dict[frozenset[str], list[_Case]] = {}
        self._index: dict[Any, dict[tuple[Value, ...], list[_Case]]] = {}

    def add(self, case: _Case) -> None:
        """Add a case; none are added once cases are looked for."""
        self._by.setdefault(frozenset(case.fixed), []).append(case)

    def like(self, case: _Case) -> Iterator[_Case]:
        """Those that give no variable a fixed value where `case` gives it another one."""
        for fixed, cases in self._by.items():
            names = tuple(sorted(fixed & case.fixed.keys()))
            if (fixed, names) not in self._index:
                index = self._index[fixed, names] = {}
                for x in cases:
                    index.setdefault(tuple(x.fixed[n] for n in names), []).append(x)
            yield from self._index[fixed, names].get(tuple(case.fixed[n] for n in names), ())


class Ask(Generic[T]):
    """Questions by name, each a plane of a circuit, as `family.c` reads them."""

    def __init__(self, circuit: Gates, planes: Mapping[T, str]) -> None:
        self.names = list(planes)
        literals = [circuit.literal(x) for x in planes.values()]
        gates = cone(circuit, literals)
        self.gates, self.count = written(circuit, gates)
        # The bits of a state that decide, by word.
        read = {x >> 1 for i in gates for x in circuit.made[i]} | {x >> 1 for x in literals}
        words = [0] * ((circuit.first - 1) // 64)
        for i in read:
            if 0 < i < circuit.first:
                words[(i - 1) // 64] |= 1 << ((i - 1) % 64)
        self.mask = tuple(words)
        self.literals = (ctypes.c_uint32 * (len(literals) or 1))(*literals)


def written(circuit: Gates, gates: Iterable[int]) -> tuple[Any, int]:
    """Gates of a circuit, by number, as an array for C, and how many they are."""
    order = sorted(gates)
    made, first = circuit.made, circuit.first
    return (_Gate * (len(order) or 1))(*(_Gate(first + i, *made[i]) for i in order)), len(order)


def cone(circuit: Gates, literals: Iterable[int], known: Set[int] = frozenset()) -> set[int]:
    """The gates, by number, that some literals are made of; those of `known` are left out."""
    made, first, out = circuit.made, circuit.first, set[int]()
    left = [x >> 1 for x in literals]
    while left:
        i = left.pop() - first
        if i >= 0 and i not in out and i not in known:
            out.add(i)
            a, b = made[i]
            left += (a >> 1, b >> 1)
    return out


def asks(circuit: Gates, planes: Mapping[T, str]) -> Iterator[Ask[T]]:
    """The questions in groups of few gates."""
    group, known = dict[T, str](), set[int]()
    for name, plane in planes.items():
        more = cone(circuit, [circuit.literal(plane)], known)
        if group and len(known) + len(more) > TOGETHER:
            yield Ask(circuit, group)
            group, known = {}, set()
            more = cone(circuit, [circuit.literal(plane)])
        group[name] = plane
        known |= more
    if group:
        yield Ask(circuit, group)


class Gated:
    """The steps of a system and of its mutants as gates of one circuit."""

    def __init__(self, joint: Joint, layout: Layout, planes: Mapping[str, list[str]]) -> None:
        self.joint, self.layout = joint, layout
        self.circuit = Gates(planes, 1 + 64 * layout.words)
        self._of: dict[int, list[_Case]] = {}
        self._moves: dict[int, str] = {}
        self._kept = {n: var(n, d) for n, d in zip(joint.names, joint.domains, strict=True)}
        self._pairs: dict[tuple[int, int], str] = {}
        self._bound: dict[tuple[str, Value], dict[int, Expr]] = {}

    @property
    def values(self) -> int:
        """The number of planes and gates."""
        return self.circuit.first + len(self.circuit.made)

    def cases(self, steps: Iterable[Step]) -> Iterator[_Case]:
        """The steps with each of the values of their free parameters."""
        for s in steps:
            if id(s) not in self._of:
                small = self.joint.small.get(id(s))
                found = small.cases(self._bound) if small is not None else ()
                made = ((self.circuit.truth(guard), changes) for _, guard, changes in found)
                self._of[id(s)] = [
                    _Case(s, mask, changes) for mask, changes in made if mask != ZERO
                ]
            yield from self._of[id(s)]

    def truth(self, e: Expr) -> str:
        """The plane of a condition."""
        return self.circuit.truth(self.joint.narrow(e))

    def moved(self, some: Iterable[_Case], others: Iterable[_Case]) -> str:
        """Where a step with some changes is possible among one of the two and not among the other.

        Only there some step can differ; changes that are written otherwise may still be the same.
        """
        masks: dict[Any, list[str]] = {}
        for i, cases in enumerate((some, others)):
            for x in cases:
                what = frozenset((n, e.serial) for n, e in x.changes.items())
                both = masks.setdefault((x.place, what), [ZERO, ZERO])
                both[i] = self.circuit.either(both[i], x.mask)
        c, out = self.circuit, ZERO
        for a, b in masks.values():
            out = c.either(out, c.choose(a, c.invert(b), b))
        return out

    def unmatched(self, some: Sequence[_Case], others: Sequence[_Case]) -> str:
        """Where one of `some` is possible and none of `others` does the same.

        A step that changes nothing does not count: the network could have lost the message.
        """
        c, out = self.circuit, ZERO
        by: dict[tuple[str, str, str], _Cases] = {}
        for x in others:
            by.setdefault(x.place, _Cases()).add(x)
        for o in some:
            found = self._equal(o.changes, {})
            for n in by.get(o.place, _Cases()).like(o):
                if found == ONE:
                    break
                found = c.either(found, c.both(n.mask, self._equal(o.changes, n.changes)))
            out = c.either(out, c.both(o.mask, c.invert(found)))
        return out

    def moves(self, cases: Iterable[_Case]) -> str:
        """Where one of the steps leads to another state."""
        out = ZERO
        for x in cases:
            if id(x) not in self._moves:
                self._moves[id(x)] = self.circuit.both(
                    x.mask, self.circuit.invert(self._equal(x.changes, {}))
                )
            out = self.circuit.either(out, self._moves[id(x)])
        return out

    def _equal(self, a: Mapping[str, Expr], b: Mapping[str, Expr]) -> str:
        """Where two sets of changes lead to one state."""
        out = ONE
        for n in {**a, **b}:
            x, y = a.get(n, self._kept[n]), b.get(n, self._kept[n])
            if x is not y and out != ZERO:
                out = self.circuit.both(out, self._same(x, y))
        return out

    def _same(self, x: Expr, y: Expr) -> str:
        """Where two expressions have one value."""
        if (x.serial, y.serial) not in self._pairs:
            c = self.circuit
            self._pairs[x.serial, y.serial] = c._same(c.value(x), c.value(y))
        return self._pairs[x.serial, y.serial]


class Code:
    """What a mutant's steps are for `family.c`."""

    def __init__(self, gated: Gated, change: Change) -> None:
        self.gated, self.change = gated, change
        self.new = list(gated.cases(change.new))
        self.old = list(gated.cases(change.gone))
        numbers = gated.joint.number
        self.gone = [numbers[id(s)] for s in change.gone if id(s) in numbers]
        self.may = gated.moved(self.old, self.new)
        """The plane of where a step of the mutant or of the sound system may differ."""
        self.steps = [n.step for n in self.new]

    @cached_property
    def differs(self) -> str:
        """The plane of where one does; it takes longer to make."""
        g, old, new = self.gated, self.old, self.new
        return g.circuit.either(g.unmatched(old, new), g.unmatched(new, old))

    @property
    def never(self) -> bool:
        """Whether no values that occur let a step differ."""
        return ZERO in (self.may, self.differs)

    def ends(self) -> str:
        """The plane of where no step leads to another state."""
        g = self.gated
        absent = {id(s) for s in self.change.gone}
        kept = (s for s in g.joint.system.raw_steps if id(s) in g.joint.number)
        moves = g.moves((*g.cases(s for s in kept if id(s) not in absent), *self.new))
        return g.circuit.invert(moves)

    def write(self) -> None:
        """Write the steps as C reads them."""
        layout, joint, c = self.gated.layout, self.gated.joint, self.gated.circuit

        class Action(ctypes.Structure):
            _fields_ = (
                *((n, ctypes.c_uint32) for n in ("mask", "via", "first", "bits")),
                *((n, ctypes.c_uint64 * layout.words) for n in ("clear", "put")),
            )

        bits: list[tuple[int, int, int]] = []
        self.actions = (Action * (len(self.new) or 1))()
        for i, n in enumerate(self.new):
            a = self.actions[i]
            a.mask, a.via, a.first = c.literal(n.mask), len(joint.steps) + i, len(bits)
            for name, e in n.changes.items():
                w, shift, ones = layout.slots[joint.index[name]]
                a.clear[w] |= ones << shift
                for k, plane in enumerate(c.value(e)):
                    if plane == ONE:
                        a.put[w] |= 1 << (shift + k)
                    elif plane != ZERO:
                        bits.append((c.literal(plane), w, shift + k))
            a.bits = len(bits) - a.first
        self.bits = (_Bit * (len(bits) or 1))(*(_Bit(*b) for b in bits))
        read = (*(a.mask for a in self.actions[: len(self.new)]), *(x for x, _, _ in bits))
        self.gates, self.count = written(c, cone(c, read))
        gone = {*self.gone}
        fires = [i not in gone for i in range(len(joint.steps))]
        self.fires = (ctypes.c_uint8 * (len(fires) or 1))(*fires)


def loaded(program: Program) -> ctypes.CDLL:
    """The program compiled, its functions and those of `family.c` given their types."""
    lib = load(program.text())
    head, u64 = ctypes.POINTER(Head), ctypes.c_uint64
    any_ = ctypes.c_void_p
    for name, result, arguments in (
        ("family_set", ctypes.c_int, [any_, u64, u64, any_, u64, any_, any_]),
        ("family_first", ctypes.c_int, [head, any_, u64, u64, any_, u64, u64, any_, u64, any_]),
        ("family_distinct", u64, [head, u64, any_, any_, u64]),
        ("family_expand", ctypes.c_int, [head, u64, u64, ctypes.c_int]),
        ("family_ask", None, [head, u64, u64]),
        ("family_back", None, [head, u64, u64]),
        ("family_slots", u64, [head]),
    ):
        f = getattr(lib, name)
        f.restype, f.argtypes = result, arguments
    return declare(lib)
