"""The support of a proof: whether its invariant proves the property of a changed system, too.

An inductive invariant does so if it is closed under the steps that differ between the systems: for
all other steps that was proved before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from checker.by_search import search
from checker.certificate import encoding, invariant
from checker.engines.interface import Label
from checker.engines.sat import Sat
from checker.engines.symbolic import Refuter
from checker.request import Request, system_of
from checker.verdict import VIOLATED
from model.expr import BOOL, Domain, Expr, conj, disj, neg, substitute, var, variables
from model.scenario import scenario
from model.solver import Gates
from model.system import Step, System
from properties import Property, catalogue


@dataclass(frozen=True)
class Support:
    """A proof of a property, and a run that reaches the interesting case."""

    invariant: str  # as `Result.certificate`
    method: str  # what found the invariant
    enough: tuple[int, ...]  # positions in `Invariant.parts` that suffice for the proof
    witness: frozenset[Label]  # the steps of the run


class Invariant:
    """The invariant of a proof, as expressions over the model's variables.

    Its `parts` are the clauses, and for each variable "only those values occur" that the analysis
    before the proof found. With `enough`, only the parts at these positions are kept.
    """

    def __init__(
        self, proved: str, system: System, holds: Expr, enough: Sequence[int] | None = None
    ) -> None:
        self.system, self.holds = system, holds
        state = encoding.depended(system, holds)
        small = system.values.domain
        bits: dict[str, Expr] = {n: var(n, BOOL) for n, d in state.items() if d is BOOL}
        for n, d in state.items():
            for i in range(small[n].bits if d is not BOOL else 0):
                having = (v for k, v in enumerate(small[n].values) if k >> i & 1)
                bits[f"{n}/{i}"] = var(n, d).one_of(*having)
        self.parts = [_over(c, bits) for c in invariant.read(proved, {n: n for n in bits})]
        self.parts += [
            var(n, d).one_of(*small[n].values)
            for n, d in state.items()
            if len(small[n].values) < len(d.values)
        ]
        if enough is not None:
            self.parts = [self.parts[i] for i in enough]
        self.refuter = Refuter()

    def enough(self) -> tuple[int, ...]:
        """The positions of parts that suffice for the proof, by unsat cores.

        These are parts that imply the property, parts that keep those true, and so on. The solver
        is not trusted: `sound` checks the outcome.
        """
        gates, solver = Gates(), Sat()
        state = {n: gates.value(v.domain) for n, v in self.system.variables.items()}
        inputs: dict[tuple[str, Domain], list[int]] = {}
        for s in self.system.raw_steps:
            for p in s.parameters.items():
                inputs[p] = inputs.get(p) or gates.value(p[1])
        memo: dict[int, Any] = {}
        places = {gates.encode(c, state, memo): i for i, c in enumerate(self.parts)}
        told = 0

        def core(*assumed: int) -> list[int]:
            nonlocal told
            solver.add(gates.clauses[told:])
            told = len(gates.clauses)
            while (answer := solver.solve([*assumed, *places])) is None:
                pass
            return (
                list(places.values())
                if answer
                else [places[x] for x in solver.core() if x in places]
            )

        # For each step, the literals of all that its guard and effects read, and a memo.
        readings: list[tuple[Step, dict[str, list[int]], dict[int, Any]]] = []
        for s in self.system.raw_steps:
            given = {n: inputs[n, d] for n, d in s.parameters.items()}
            readings.append((s, {**state, **given}, {} if given else memo))
        literal = {i: x for x, i in places.items()}
        out: set[int] = set()
        waiting = core(-gates.encode(self.holds, state, memo))
        while waiting:
            i = waiting.pop()
            if i in out:
                continue
            out.add(i)
            reads = variables(self.parts[i])
            for s, env, known in readings:
                if not s.effects.keys().isdisjoint(reads):
                    guard = gates.encode(s.full, env, known)
                    after = gates.encode(_after(self.parts[i], s), env, known)
                    # Assume the part itself first: most parts need little else.
                    waiting += core(guard, -after, literal[i])
        return tuple(sorted(out))

    def proves(self, holds: Expr, steps: Iterable[Step]) -> bool:
        """Whether the invariant proves `holds` of a system that differs in `steps` alone.

        That system has the same initial states.
        """
        implied = holds is self.holds or self._impossible(neg(holds))
        return implied and all(map(self.closed, steps))

    def closed(self, s: Step) -> bool:
        """Whether no step `s` leaves the invariant; False, too, if the solver gave up."""
        after = [_after(c, s) for c in self.parts if not s.effects.keys().isdisjoint(variables(c))]
        return self._impossible(s.full, neg(conj(*after)))

    def sound(self) -> bool:
        """Whether the invariant proves the property of its own system.

        That is: it contains the initial states, it implies the property, no step leaves it.
        """
        first = (var(n, v.domain).one_of(*v.initial) for n, v in self.system.variables.items())
        return (
            self.refuter.impossible(conj(*first, neg(conj(*self.parts))))
            and self._impossible(neg(self.holds))
            and all(map(self.closed, self.system.raw_steps))
        )

    def _impossible(self, *exprs: Expr) -> bool:
        return self.refuter.impossible(conj(*self.parts, *exprs))


def _after(e: Expr, s: Step) -> Expr:
    """The value of `e` after the step, as an expression over the state before."""
    return substitute(e, lambda v: s.effects.get(v.payload, v))


def _over(f: invariant.Formula, bits: Mapping[str, Expr]) -> Expr:
    """The formula of an invariant as an expression over `bits`."""
    if f.kind == "literal":
        return bits[f.name] if f.sign else neg(bits[f.name])
    return (conj if f.kind == "and" else disj)(*(_over(x, bits) for x in f.parts))


def carried(
    witness: Iterable[Label], sound: System, steps: Sequence[Step], refuter: Refuter
) -> bool:
    """Whether a run of `sound` with the steps `witness` is also one of the changed system.

    `steps` are those of the changed system that differ. True if each of them that the run takes is
    possible whenever it was in `sound`, and has the same effects.
    """
    before = {s.label: s for s in sound.raw_steps}
    return all(
        before[s.label].same_effects(s)
        and refuter.impossible(conj(before[s.label].full, neg(s.full)))
        for s in steps
        if s.label in witness
    )


@cache
def _invariant(
    proved: str, name: str, where: str, enough: tuple[int, ...] | None = None
) -> Invariant:
    system = system_of(Request(), scenario(where))
    return Invariant(proved, system, catalogue()[name].holds(system), enough)


def proof(name: str, where: str, request: Request, proved: str, method: str) -> Support | None:
    """The support of a proved property, for `uses`.

    None if no run reaches the interesting case within the budget, or a solver gives up.
    """
    p, system = catalogue()[name], system_of(Request(), scenario(where))
    enough = _invariant(proved, name, where).enough()
    if not _invariant(proved, name, where, enough).sound():
        return None
    never = replace(p, function=lambda w: neg(p.witness(w.system)))
    (r,) = search(system, [never], request)
    if r.verdict != VIOLATED or r.trace is None:
        return None
    steps = frozenset((s.run, s.rule, s.source) for s in r.trace.steps)
    return Support(proved, method, enough, steps)


def uses(found: Support, asked: Property, where: str, system: System) -> bool:
    """Whether the proof of a property uses what `system` lacks: as it stands, it fails there.

    The proof also counts as failing if the run to the interesting case may not exist there.
    """
    inv = _invariant(found.invariant, asked.name, where, found.enough)
    steps = system.changed(inv.system)
    return not (
        inv.proves(asked.holds(system), steps)
        and carried(found.witness, inv.system, steps, inv.refuter)
    )
