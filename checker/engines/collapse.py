"""A system as data for the C search: its components, and their steps as gates.

A component is a set of variables such that no step writes variables of two of them. The C numbers
the values that each component takes, and keeps a state as these numbers in one word: the COLLAPSE
compression of SPIN. See `views.c`.
"""

from __future__ import annotations

import ctypes
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from checker.engines import native_source
from checker.engines.native_source import ONE, ZERO, Circuit, NativeError
from checker.engines.words import Layout
from model.expr import Expr, neg, variables
from model.system import Compiled

COMPONENTS = 4
"""The largest number of components."""


class Gates(Circuit):
    """A circuit as numbers: each gate is a pair of literals.

    A literal is twice the number of a value, plus one for its complement. Value 0 is all ones, then
    come the planes, then from `first` on the gates.
    """

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


def components(compiled: Compiled, most: int = COMPONENTS) -> list[list[str]]:
    """The variables of each component, those with the most bits first.

    What the steps of one run write belongs together.
    """
    of: dict[str, str] = {}

    def find(x: str) -> str:
        while x in of:
            x = of[x]
        return x

    first: dict[str, str] = {}
    for step in compiled.steps:
        for name in step.effects:
            a, b = find(name), find(first.setdefault(step.run, name))
            if a != b:
                of[a] = b
    bits = {n: d.bits for n, d in zip(compiled.names, compiled.domains, strict=True)}
    parts: dict[str, list[str]] = {}
    for name in compiled.names:
        parts.setdefault(find(name), []).append(name)
    written = {find(n) for n in first.values()}
    out: list[list[str]] = [[] for _ in range(max(1, min(most, len(written))))]
    for part in sorted(parts, key=lambda p: (p not in written, -sum(bits[n] for n in parts[p]))):
        min(out, key=lambda p: sum(bits[n] for n in p)).extend(parts[part])
    return sorted(out, key=lambda p: -sum(bits[n] for n in p))


def disjuncts(e: Expr) -> Iterator[Expr]:
    """Expressions of which `e` is the disjunction."""
    if e.op == "or":
        for a in e.args:
            yield from disjuncts(a)
    elif e.op == "not" and e.args[0].op == "and":
        for a in e.args[0].args:
            yield from disjuncts(neg(a))
    else:
        yield e


def room(count: int) -> int:
    """The bits of a state's word for each of its components."""
    return 64 // count


class _Gate(ctypes.Structure):
    _fields_ = (("a", ctypes.c_uint32), ("b", ctypes.c_uint32))


class _Bit(ctypes.Structure):
    _fields_ = tuple((n, ctypes.c_uint32) for n in ("literal", "word", "shift"))


class _Action(ctypes.Structure):
    _fields_ = tuple((n, ctypes.c_uint32) for n in ("mask", "via", "first", "bits", "order"))


class _Component(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_void_p) for n in ("gate", "action", "bit", "words", "own")),
        *((n, ctypes.c_uint64) for n in ("gates", "actions", "shift", "field")),
    )


class _System(ctypes.Structure):
    _fields_ = (
        ("component", ctypes.c_void_p),
        *(
            (n, ctypes.c_uint64)
            for n in (
                "components",
                "words",
                "actions",
                "gates",
                "steps",
                "questions",
                "mixed",
                "edges",
            )
        ),
    )


class _Part:
    """The steps of one component, or the questions, as they are being written."""

    def __init__(self, own: Iterable[str], planes: Mapping[str, list[str]], words: int) -> None:
        self.own = frozenset(own)
        self.gates = Gates(planes, 1 + 64 * words)
        self.actions: list[tuple[int, ...]] = []
        self.bits: list[tuple[int, int, int]] = []
        self.words: list[int] = []
        self.fired: dict[object, str] = {}


class Collapsed:
    """A compiled system and its questions, as the C reads them."""

    def __init__(
        self,
        compiled: Compiled,
        layout: Layout,
        asked: Sequence[Expr],
        edges: bool = False,
        most: int = COMPONENTS,
    ) -> None:
        if len(compiled.steps) > 1 << 16:
            raise NativeError(f"{len(compiled.steps)} steps; the native engine takes {1 << 16}")
        self.compiled, self.layout, self.edges = compiled, layout, edges
        planes: dict[str, list[str]] = {}
        for n, d, (w, shift, _) in zip(compiled.names, compiled.domains, layout.slots, strict=True):
            planes[n] = [f"p[{64 * w + shift + k}]" for k in range(d.bits)]
        self._kept: list[Any] = []
        owns = components(compiled, most)
        self.parts = [_Part(own, planes, layout.words) for own in (*owns, owns[0])]
        home = {n: part for part in self.parts[:-1] for n in part.own}
        runs = {s.run: home[n] for s in compiled.steps for n in s.effects}
        count = 0
        for number, step in enumerate(compiled.steps):
            part = runs.get(step.run, self.parts[0])
            for _, guard, effects in step.cases():
                if count == native_source.MOST_ACTIONS:
                    raise NativeError(
                        f"{compiled.system.name} has more than {count} steps with their free "
                        f"values; {'.'.join(step.label)} is the one too many"
                    )
                if effects or edges:
                    self._add(part, guard, effects, number, count)
                count += 1
        questions = [
            (number, e)
            for number, question in enumerate(asked)
            for e in disjuncts(compiled.narrow(question))
        ]
        mixed = [len({id(home[n]) for n in variables(e) if n in home}) > 1 for _, e in questions]
        for kind in (True, False):
            for (number, e), is_mixed in zip(questions, mixed, strict=True):
                if is_mixed == kind:
                    self._add(self.parts[-1], e, {}, number, 0)
            if kind:
                count_mixed = len(self.parts[-1].actions)
        width = room(len(owns))
        places = [(width * i, (1 << width) - 1) for i in range(len(owns))]
        made = [
            self._component(p, *at) for p, at in zip(self.parts, (*places, places[0]), strict=True)
        ]
        self.system = _System(
            self._array(_Component, made),
            len(owns),
            layout.words,
            count,
            max(len(p.gates.made) for p in self.parts),
            len(compiled.steps),
            len(asked),
            count_mixed,
            int(edges),
        )

    @property
    def address(self) -> int:
        """Where the C reads it."""
        return ctypes.addressof(self.system)

    def _mask(self, names: Iterable[str]) -> list[int]:
        out = [0] * self.layout.words
        for n in names:
            w, shift, ones = self.layout.slots[self.compiled.index[n]]
            out[w] |= ones << shift
        return out

    def _add(
        self, part: _Part, guard: Expr, effects: Mapping[str, Expr], via: int, order: int
    ) -> None:
        """Write a step with values of its free parameters."""
        circuit, first = part.gates, len(part.bits)
        mask = circuit.truth(guard)
        if effects and not self.edges:
            # Where several steps have the same effects, one successor is enough.
            what = tuple(sorted((n, e.serial) for n, e in effects.items()))
            before = part.fired.get(what, ZERO)
            part.fired[what] = circuit.either(before, mask)
            mask = circuit.both(mask, circuit.invert(before))
        if mask == ZERO:
            return
        put = [0] * self.layout.words
        for n, e in effects.items():
            w, shift, _ = self.layout.slots[self.compiled.index[n]]
            for k, plane in enumerate(circuit.value(e)):
                if plane == ONE:
                    put[w] |= 1 << (shift + k)
                elif plane != ZERO:
                    part.bits.append((circuit.literal(plane), w, shift + k))
        index = self.compiled.index
        read = [n for n in variables(guard, *effects.values()) if n in index and n not in part.own]
        part.words += [*self._mask(effects), *put, *self._mask(read)]
        part.actions.append((circuit.literal(mask), via, first, len(part.bits) - first, order))

    def _array(self, kind: Any, values: Sequence[Any]) -> int:
        """The address of an array in C that lives as long as this."""
        array = (kind * (len(values) or 1))(*values)
        self._kept.append(array)
        return ctypes.addressof(array)

    def _component(self, part: _Part, shift: int, field: int) -> _Component:
        return _Component(
            self._array(_Gate, part.gates.made),
            self._array(_Action, part.actions),
            self._array(_Bit, part.bits),
            self._array(ctypes.c_uint64, part.words),
            self._array(ctypes.c_uint64, self._mask(part.own)),
            len(part.gates.made),
            len(part.actions),
            shift,
            field,
        )

    def identity(self) -> str:
        """A hash of the system and its questions, the same in every process."""
        c = self.compiled
        parts = [sys.byteorder, repr(c.names), repr(c.initial)]
        parts += [repr(d.values) for d in c.domains]
        parts += [repr(s.label) for s in c.steps]
        parts += [repr((p.gates.made, p.actions, p.bits, p.words)) for p in self.parts]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def source() -> str:
    """The C source, which is the same for all systems."""
    texts = native_source.kept("native.c", "views.c", "chunks.c", "collapse.c")
    return f"#define WORDS 1\n{native_source.tuned()}{texts}"
