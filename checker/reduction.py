"""Partial-order reduction: a run's own moves are taken at once where waiting shows nothing new.

`reduce` makes a compiled system with fewer reachable states from the same expressions, for every
engine that takes one: a step gets the conjunct "no eager move is possible" and nothing else. It
keeps, for each of the questions given, whether a reachable state makes it true. It keeps no
distances and no liveness. Nothing is assumed of the model: each condition below is proved by a
solver of the steps as compiled, flaws included, and what is not proved is not used.

Terms. A run *owns* the variables that no other run's steps write. A step is *own* if it reads and
writes only what its run owns. A variable is *growing* if it is a boolean that is never cleared
and, once raised, only helps: it disables no step, changes no other variable's new value and makes
no question false. So if t is s with growing variables raised, t has every step that s has, to such
a state again, and the answers (G).

Eager moves. For a run X in a local state A, F is a set of own steps of X that receive nothing.
Where one of F is possible and changes something, only F is taken (of several runs that of the
first). A path of the whole system to a state where a question is true is turned into a reduced one
from left to right. Let s be the first state on it that has an F and whose next step is not of it.
Let f be the first step of F that X takes later on the path while still in A, or any of F if there
is none. Put f at s. (A later step of F that changes nothing is left out.) Then:

C1. A step r of another run that follows is still possible after f, to the same effect, even where
    it reads what f writes. It writes nothing that f reads or writes, since f is own. So f and r
    commute, up to where X takes f itself or some c that is not in F.
C2. For such a c some step d of X (or none) is possible after f, and one of these is true of it:
    - what d reaches is what c reaches, but for growing variables that are raised: go on by G;
    - c stays in A, and d after f reaches what f after c reaches: go on, X still before f. No step
      of F is possible after c that was not before it, so f was possible at s;
    - c and d reach one local state that X never leaves. They differ in variables that X owns, and
      from then on this hurts no step of another run and no question that reads others too.
C3. A question that was true on the old path is true on the new one. If it reads others than X it
    stays true under f. If it speaks of X alone it was true in s too, or came true by some c; then
    it is true before c, after f, or after d, and these are on the new path.
C0. It ends: eager moves of a run go round no circle of its local states, and one that stays in its
    state only raises growing variables.

A question that is a disjunction is kept one disjunct at a time. All of this is asked for X in A,
with what `_facts` knows of the values that X's variables have there.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model.expr import (
    BOOL,
    FALSE,
    TRUE,
    Expr,
    Value,
    conj,
    const,
    disj,
    eq,
    exists,
    neg,
    substitute,
    var,
    variables,
)
from model.rule import SAME
from model.system import Compiled, Step, bind, possible

Effects = Mapping[str, Expr]
LIMIT = 256
"""How many disjuncts one conjunction of a question is taken apart into."""


@dataclass(frozen=True)
class Reduction:
    """The reduced system, and the eager moves: (run, local state, rules)."""

    compiled: Compiled
    eager: tuple[tuple[str, str, tuple[str, ...]], ...]


def reduce(
    compiled: Compiled, questions: Sequence[Expr], told: Callable[[str], None] | None = None
) -> Reduction:
    """`compiled` with eager moves; it answers each of `questions` as `compiled` does.

    A question is a boolean expression over the system's variables, asked of each state: is there
    a reachable one where it is true. `told` hears what is being looked at.
    """
    analysis = _Analysis(compiled, questions)
    eager: dict[tuple[str, str], list[Step]] = {}
    for run, state in analysis.places():
        if told is not None:
            told(f"{compiled.system.name}: looking for eager moves, {run} in {state}")
        found = analysis.eager(run, state)
        if found:
            eager[run, state] = found
    _break_circles(eager)
    return Reduction(
        _prioritized(compiled, eager),
        tuple((*k, tuple(s.rule.name for s in steps)) for k, steps in eager.items()),
    )


# -- the reduced system ----------------------------------------------------------------------------
def _prioritized(compiled: Compiled, eager: Mapping[tuple[str, str], Sequence[Step]]) -> Compiled:
    """Each step with the conjunct that no eager move takes precedence."""
    runs = [r.name for r in compiled.system.runs]
    ready: dict[str, Expr] = {}
    for run in runs:
        cases = [
            conj(_state(compiled, run) == state, _moves(s))
            for (r, state), steps in eager.items()
            if r == run
            for s in steps
        ]
        ready[run] = disj(*cases)
    none = neg(disj(*ready.values()))
    steps = []
    for s in compiled.steps:
        here = [a for (r, a), fs in eager.items() if r == s.run and any(f is s for f in fs)]
        allowed = none
        if here:
            mine = conj(_state(compiled, s.run).one_of(*here), ready[s.run])
            before = [ready[r] for r in runs[: runs.index(s.run)]]
            allowed = disj(none, conj(mine, neg(disj(*before))))
        # `room` is where the reference engine looks for what a step demands beyond its row.
        steps.append(
            replace(
                s, guard=conj(s.guard, allowed), full=conj(s.full, allowed),
                room=conj(s.room, allowed),
            )
        )  # fmt: skip
    out = copy.copy(compiled)
    out.steps = tuple(s for s in steps if s.guard is not FALSE)
    return out


def _state(compiled: Compiled, run: str) -> Expr:
    name = f"{run}.state"
    return var(name, compiled.domains[compiled.index[name]])


def _moves(step: Step) -> Expr:
    """The step is possible and changes something."""
    if step.rule.target != SAME:
        changes = TRUE
    else:
        changes = disj(*(neg(eq(var(n, e.domain), e)) for n, e in step.effects.items()))
    out = conj(step.guard, changes)
    for n, values in step.free.items():
        out = exists(n, values, step.parameters[n], out)
    return out


def _break_circles(eager: dict[tuple[str, str], list[Step]]) -> None:
    """C0: leave out the eager moves of a local state that such moves lead back to."""
    for run, state in list(eager):
        seen: set[str] = set()
        stack = [state]
        while stack:
            for s in eager.get((run, stack.pop()), ()):
                if s.rule.target != SAME and s.rule.target not in seen:
                    seen.add(s.rule.target)
                    stack.append(s.rule.target)
        if state in seen:
            del eager[run, state]


# -- the conditions --------------------------------------------------------------------------------
class _Analysis:
    """The steps and questions of a compiled system, and what is proved of them."""

    def __init__(self, compiled: Compiled, questions: Sequence[Expr]) -> None:
        from checker.engines.symbolic import Refuter

        self.refuter = Refuter()
        self.compiled = compiled
        self.steps = [_limited(s) for s in compiled.steps]
        self.reads = [(s, set(variables(s.guard, *s.effects.values()))) for s in self.steps]
        self.questions = [compiled.fold(q) for q in questions]
        self.disjuncts = [
            (d, set(variables(d)))
            for d in {id(d): d for q in self.questions for d in _disjuncts(q)}.values()
        ]
        self.known: Mapping[str, set[Value]] = {}
        self.bound: dict[int, Expr] = {}
        self.told: dict[Any, bool] = {}
        self.memos: dict[tuple[tuple[str, int], ...], dict[int, Expr]] = {}
        self.runs = [r.name for r in compiled.system.runs if f"{r.name}.state" in compiled.index]
        writers: dict[str, set[str]] = {n: set() for n in compiled.names}
        for s in compiled.steps:
            for n in s.effects:
                writers[n].add(s.run)
        self.owned = {r: {n for n, by in writers.items() if by <= {r}} for r in self.runs}
        self.facts = {r: self._facts(r) for r in self.runs}
        self.growing = {n for n in compiled.names if self._grows(n)}

    def places(self) -> Iterator[tuple[str, str]]:
        """Each run and local state that occurs."""
        for run in self.runs:
            for state in self.facts[run]:
                yield run, state

    def _facts(self, run: str) -> dict[str, dict[str, set[Value]]]:
        """For each local state of `run` that occurs, the values its owned variables can have.

        A least fixpoint over the run's steps, whatever the others do.
        """
        at = f"{run}.state"
        owned = self.owned[run] - {at}
        start = dict(zip(self.compiled.names, self.compiled.initial, strict=True))
        facts = {str(a): {n: set(start[n]) for n in owned} for a in start[at]}
        mine = [s for s in self.compiled.steps if s.run == run]
        waiting = list(facts)
        while waiting:
            here = waiting.pop()
            held = facts[here]
            known = {n: next(iter(vs)) for n, vs in held.items() if len(vs) == 1}
            known[at] = here
            for s in mine:
                if here not in s.rule.sources:
                    continue
                guard = bind(s.guard, known)
                if guard is FALSE:
                    continue
                there = here if s.rule.target == SAME else s.rule.target
                target = facts.get(there)
                if target is None:
                    target = facts[there] = {n: set() for n in owned}
                    waiting.append(there)
                for n in owned:
                    e = s.effects.get(n)
                    new = held[n] if e is None else _values(bind(e, known), held, guard)
                    if not new <= target[n]:
                        target[n] |= new
                        if there not in waiting:
                            waiting.append(there)
        return facts

    def _never(self, e: Expr, *given: Expr) -> bool:
        """`e` is false wherever `given` are true, in the place being looked at."""
        # Without the assumptions it is a question asked, and answered, for many steps.
        return self._refuted(e) or (bool(given) and self._refuted(conj(*given, e)))

    def _refuted(self, e: Expr) -> bool:
        def leaf(v: Expr) -> Expr:
            values = self.known.get(v.payload, ())
            return const(next(iter(values)), v.domain) if len(values) == 1 else v

        small = substitute(e, leaf, memo=self.bound)
        facts = [
            var(n, d).one_of(*self.known[n])
            for n, d in variables(small).items()
            if len(self.known.get(n, d.values)) < len(d.values)
        ]
        return self.refuter.impossible(conj(*facts, small))

    def _after(self, e: Expr, effects: Effects) -> Expr:
        """`e`, read after `effects`."""
        memo = self.memos.setdefault(_key(effects), {})
        return substitute(e, lambda v: effects.get(v.payload, v), memo=memo)

    def _grows(self, name: str) -> bool:
        """Whether `name` is growing."""
        domain = self.compiled.domains[self.compiled.index[name]]
        if domain is not BOOL:
            return False
        me = var(name, BOOL)

        def helps(e: Expr) -> bool:
            if name not in variables(e):
                return True
            return self._never(conj(bind(e, {name: False}), neg(bind(e, {name: True}))))

        for s in self.steps:
            for n, e in s.effects.items():
                if n == name:
                    if (
                        e is not TRUE
                        and e is not me
                        and not (e.op == "or" and any(a is me for a in e.args))
                    ):
                        return False
                elif name in variables(e):
                    return False
        return all(map(helps, (s.guard for s in self.steps))) and all(map(helps, self.questions))

    def eager(self, run: str, state: str) -> list[Step]:
        """A set F for `run` in `state`: what is left when no step of it fails a condition."""
        self.known = {**self.facts[run][state], f"{run}.state": {state}}
        self.bound, self.told, self.memos = {}, {}, {}
        here = [s for s in self.steps if s.run == run and state in s.rule.sources]
        chosen = [s for s in here if s.rule.kind != "receive" and self._is_own(s)]
        while chosen:
            rest = [s for s in here if not any(s is f for f in chosen)]
            kept = [f for f in chosen if self._passes(f, run, state, chosen, rest)]
            if len(kept) == len(chosen):
                break
            chosen = kept
        original = dict(zip(map(id, self.steps), self.compiled.steps, strict=True))
        return [original[id(f)] for f in chosen]

    def _is_own(self, s: Step) -> bool:
        reads = {n for n in variables(s.guard, *s.effects.values()) if not n.startswith("msg.")}
        return reads | set(s.effects) <= self.owned[s.run]

    def _passes(
        self, f: Step, run: str, state: str, chosen: Sequence[Step], rest: Sequence[Step]
    ) -> bool:
        f = _renamed(f, "eager")
        if self._never(f.guard):
            return False
        if f.rule.target == SAME and not set(f.effects) <= self.growing:
            return False  # C0
        return (
            self._spares_others(f, run)
            and self._keeps_questions(f, run)
            and all(self._matched(f, c, run, state, chosen) for c in rest)
        )

    def _spares_others(self, f: Step, run: str) -> bool:
        """C1."""
        return all(self._unhurt(r, {}, f.effects, f.guard) for r in self._readers(run, f.effects))

    def _readers(self, run: str, names: Iterable[str]) -> list[Step]:
        """The steps of other runs than `run` that read any of `names`."""
        wanted = set(names)
        return [s for s, reads in self.reads if s.run != run and not reads.isdisjoint(wanted)]

    def _unhurt(self, r: Step, before: Effects, after: Effects, given: Expr) -> bool:
        """Where `r` is possible after `before` it is possible after `after`, with equal effects."""
        r = _renamed(r, "other")
        now = self._after(r.guard, before)
        return self._never(conj(now, neg(self._after(r.guard, after))), given) and all(
            self._equal(self._after(e, before), self._after(e, after), given, now)
            for e in r.effects.values()
        )

    def _equal(self, a: Expr, b: Expr, *given: Expr) -> bool:
        return a is b or self._never(neg(eq(a, b)), *given)

    def _keeps_questions(self, f: Step, run: str) -> bool:
        """C3 for a question that is true while X waits."""
        return all(
            self._never(conj(q, neg(self._after(q, f.effects))), f.guard)
            for q, reads in self.disjuncts
            if not reads <= self.owned[run] and not reads.isdisjoint(f.effects)
        )

    def _matched(self, f: Step, c: Step, run: str, state: str, chosen: Sequence[Step]) -> bool:
        """C2: what X does by `c` instead of `f` is done as well after `f`."""
        given = (f.guard, c.guard)
        if self._never(c.guard, f.guard):
            return True
        if c.rule.target in (SAME, state) and not self._enables_none(c, chosen, given):
            return False
        there = f.rule.target if f.rule.target != SAME else state
        options = [s for s in self.steps if s.run == run and there in s.rule.sources]
        options.sort(key=lambda s: s.label != c.label)
        guards: list[Expr] = []
        for d in (None, *options):
            # Parameters of one row from one source are the same message; of others, any.
            if d is not None and d.free and d.label != c.label:
                continue
            if self._covers(f, c, d, run, state):
                guards.append(TRUE if d is None else self._after(d.guard, f.effects))
                if self._never(neg(disj(*guards)), *given):
                    return True
        return False

    def _enables_none(self, c: Step, chosen: Sequence[Step], given: Sequence[Expr]) -> bool:
        """A move of F that is possible after `c` was possible before it."""
        moves = [_renamed(g, "then") for g in chosen]
        return all(
            self._never(conj(self._after(g.guard, c.effects), neg(g.guard)), *given) for g in moves
        )

    def _covers(self, f: Step, c: Step, d: Step | None, run: str, state: str) -> bool:
        """Whether what `d` (None: no step) reaches after `f` stands for what `c` reaches."""
        at = f"{run}.state"
        domain = dict(zip(self.compiled.names, self.compiled.domains, strict=True))
        names = [at, *f.effects, *c.effects, *(() if d is None else d.effects)]
        here: dict[str, Expr] = {n: var(n, domain[n]) for n in names}
        here[at] = const(state, domain[at])
        by_c = {**here, **c.effects}
        by_d = {**here, **f.effects}
        given = [f.guard, c.guard]
        if d is not None:
            by_d.update({n: self._after(e, f.effects) for n, e in d.effects.items()})
            given.append(self._after(d.guard, f.effects))
        differ = self._differences(by_c, by_d, given)
        if differ and c.rule.target in (SAME, state):
            # X still waits: `c` may commute with `f`.
            both = {**by_c, **{n: self._after(e, c.effects) for n, e in f.effects.items()}}
            still = self._never(neg(self._after(f.guard, c.effects)), *given)
            if not still or self._differences(both, by_d, given):
                return False
        elif differ:
            # Many rows do the same: those that refuse.
            same = (frozenset(differ), _key(by_c), _key(by_d), id(f.guard))
            if same not in self.told:
                self.told[same] = self._never_told(differ, by_c, by_d, run, f.guard)
            if not self.told[same]:
                return False
        return self._seen(f, c, by_c, by_d, run, given)

    def _seen(
        self, f: Step, c: Step, by_c: Effects, by_d: Effects, run: str, given: Sequence[Expr]
    ) -> bool:
        """C3 for a question that speaks of X alone and is true after `c`: it is true before, after
        `f` or after `d`."""
        return all(
            self._never(
                conj(
                    self._after(q, by_c),
                    neg(q), neg(self._after(q, f.effects)), neg(self._after(q, by_d)),
                ),
                *given,
            )
            for q, reads in self.disjuncts
            if reads <= self.owned[run] and not reads.isdisjoint(c.effects)
        )  # fmt: skip

    def _never_told(
        self, differ: set[str], by_c: Effects, by_d: Effects, run: str, given: Expr
    ) -> bool:
        """X never moves again, and neither the others nor a question are hurt by `differ`."""
        at = f"{run}.state"
        last = by_c[at].payload
        if at in differ or any(s.run == run and last in s.rule.sources for s in self.steps):
            return False
        owned = self.owned[run]
        first: dict[str, Expr] = {}
        second: dict[str, Expr] = {}
        for n in by_c:
            if n not in owned:
                if n in differ:
                    return False
                continue
            reads = {m for m in variables(by_c[n], by_d[n]) if ".msg." not in f".{m}"}
            if reads <= owned:
                first[n], second[n] = by_c[n], by_d[n]
            elif n in differ:
                return False
            else:
                # The others have moved on since: it is some value, the same in both.
                first[n] = second[n] = var(f"then.{n}", by_c[n].domain)
        return all(
            self._unhurt(r, first, second, given) for r in self._readers(run, differ)
        ) and all(
            self._never(conj(self._after(q, first), neg(self._after(q, second))), given)
            for q, reads in self.disjuncts
            if reads & differ and not reads <= owned
        )

    def _differences(self, a: Effects, b: Effects, given: Sequence[Expr]) -> set[str]:
        """The variables that may differ, but for growing ones that are raised in `b`.

        The local state comes first; if it differs, no more is asked.
        """
        out: set[str] = set()
        for i, n in enumerate(a):
            if n in self.growing:
                same = self._never(conj(a[n], neg(b[n])), *given)
            else:
                same = self._equal(a[n], b[n], *given)
            if not same:
                out.add(n)
                if i == 0:
                    break
        return out


def _key(effects: Effects) -> tuple[tuple[str, int], ...]:
    # Expressions are interned and kept, so that an identity is a structure.
    return tuple((n, id(e)) for n, e in effects.items())


def _limited(s: Step) -> Step:
    """`s` with its free parameters' values as part of the guard."""
    limits = [var(n, s.parameters[n]).one_of(*values) for n, values in s.free.items()]
    return replace(s, guard=conj(s.guard, *limits))


def _renamed(s: Step, by: str) -> Step:
    """`s` with parameters of its own."""

    def leaf(v: Expr) -> Expr:
        return var(f"{by}.{v.payload}", v.domain) if v.payload.startswith("msg.") else v

    return replace(
        s,
        guard=substitute(s.guard, leaf),
        effects={n: substitute(e, leaf) for n, e in s.effects.items()},
    )


def _values(e: Expr, held: Mapping[str, set[Value]], guard: Expr) -> set[Value]:
    """The values `e` can have at most, its variables being among `held`."""
    if any(n.startswith("msg.") for n in variables(e)):
        return possible(e, guard)
    match e.op:
        case "var" if e.payload in held:
            return held[e.payload]
        case "ite":
            return _values(e.args[1], held, guard) | _values(e.args[2], held, guard)
        case "map":
            table = dict(e.payload)
            return {table[v] for v in _values(e.args[0], held, guard)}
        case _:
            return possible(e, None)


def _disjuncts(e: Expr) -> list[Expr]:
    """Expressions of which one is true where `e` is: at most LIMIT, else `e` as it stands."""
    if e.op == "not" and e.args[0].op in ("and", "or"):
        parts = [neg(a) for a in e.args[0].args]
        return _disjuncts((disj if e.args[0].op == "and" else conj)(*parts))
    if e.op == "or":
        return [d for a in e.args for d in _disjuncts(a)]
    if e.op == "and":
        choices = [_disjuncts(a) for a in e.args]
        if 1 < math.prod(map(len, choices)) <= LIMIT:
            return [conj(*parts) for parts in itertools.product(*choices)]
    return [e]
