"""A system with the steps of all its mutants, as C: the sound steps compiled, the others as gates.

Each sound step has a switch. A mutant's steps are written as gates for the interpreter `family.c`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from checker.engines.collapse import Gates
from checker.engines.native_calls import Head, declare
from checker.engines.native_source import ONE, ZERO, Program, load
from checker.engines.words import Layout
from checker.mutants.changes import Change
from model.expr import BOOL, FALSE, Expr, Value, conj, var
from model.rule import Variable
from model.system import Compiled, Step, System, Values


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

    def agrees(self, other: _Case) -> bool:
        """Whether no variable gets two different fixed values."""
        mine, its = self.fixed, other.fixed
        return all(mine[n] == v for n, v in its.items() if n in mine)


class Code:
    """What a mutant's steps are for `family.c`."""

    def __init__(
        self,
        joint: Joint,
        layout: Layout,
        planes: Mapping[str, list[str]],
        change: Change,
        stuck: Sequence[Expr] = (),
        bad: Mapping[int, Expr] | None = None,
        due: Expr = FALSE,
    ) -> None:
        self.circuit = c = Gates(planes, 1 + 64 * layout.words)
        self.joint = joint
        new, gone = list(self._cases(change.new)), list(self._cases(change.gone))
        self.gone = [joint.number[id(s)] for s in change.gone if id(s) in joint.number]
        differs = c.either(self._unmatched(gone, new), self._unmatched(new, gone))
        self.differs, self.first = c.literal(differs), len(c.made)
        self.never = differs == ZERO
        wrong = {i: c.truth(joint.narrow(e)) for i, e in (bad or {}).items()}
        self.bad = {i: c.literal(x) for i, x in wrong.items()}
        self.some = c.literal(reduce(c.either, wrong.values(), ZERO))
        self.due = c.literal(c.truth(joint.narrow(due)))
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
        """Where one of `some` is possible and none of `others` does the same.

        A step that changes nothing does not count: the network could have lost the message.
        """
        c, out = self.circuit, ZERO
        by: dict[tuple[str, str, str], list[_Case]] = {}
        for x in others:
            by.setdefault((x.step.run, x.step.rule.trigger, x.step.source.name), []).append(x)
        for o in some:
            found = self._equal(o.changes, {})
            for n in by.get((o.step.run, o.step.rule.trigger, o.step.source.name), ()):
                if found == ONE:
                    break
                if o.agrees(n):
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


def loaded(program: Program) -> ctypes.CDLL:
    """The program compiled, its functions and those of `family.c` given their types."""
    lib = load(program.text())
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
