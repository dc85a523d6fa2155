"""Property-directed reachability (IC3) over values, guided by reached states.

A cube is a set of states, given by the values that it excludes for each variable; its clause, the
negation, says that some variable has one of the excluded values. Both are the same mask: bit i
stands for `positions[i]`, a variable and the code of a value. Frame k is a set of clauses that hold
in every state reached in k steps or fewer. The prover blocks cubes that lead to a violation by
adding clauses to frames, until the clauses of some frame are closed under every step.

A random walk first collects reached states. A clause that is false in a reached state cannot be
part of an invariant and is never tried. The walk only steers the search for clauses.

Clauses proved for one property are kept for the next properties of the same system. Nothing here is
trusted: before a property is called proved, `Symbolic.check` checks the clauses over another
encoding. The same system and questions give the same clauses.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from checker.engines.sat import Sat
from checker.engines.walk import walk
from model.expr import BOOL, Domain, Expr, variables
from model.solver import Bits, Gates
from model.system import Compiled

HARD = 20
"""A question that the solver does not answer in its budget of conflicts counts as so many."""
LARGEST = 256
"""The most values of a variable for which the walk is done."""


class ViolationError(Exception):
    """A reachable state leads to a violation."""


class OutOfTimeError(Exception):
    """The time or the number of questions ended."""


@dataclass(frozen=True)
class Lemma:
    """A clause that holds in every reachable state."""

    mask: int
    needs: frozenset[str]  # variables, besides those of the guards, that its proof reads


class Pdr:
    """The prover for one compiled system, which keeps the lemmas that it has proved."""

    def __init__(self, compiled: Compiled, *, guided: bool = True) -> None:
        self.compiled = compiled
        self.domains = dict(zip(compiled.names, compiled.domains, strict=True))
        self.positions: list[tuple[str, int]] = []
        self.first: dict[str, int] = {}
        for n, d in self.domains.items():
            self.first[n] = len(self.positions)
            self.positions += [(n, i) for i in range(len(d.values))]
        self.initially = [
            sum(1 << (self.first[n] + self.domains[n].code(v)) for v in set(values))
            for n, values in zip(compiled.names, compiled.initial, strict=True)
        ]
        self._gates()
        small = all(len(d.values) <= LARGEST for d in compiled.domains)
        self._reached(walk(compiled) if guided and small and compiled.names else None)
        self._cones()
        self.lemmas: list[Lemma] = []
        self.groups: dict[frozenset[str], int] = {}
        self.switch: dict[int, int] = {}
        self.queries = self.began = 0
        self.deadline = 0.0
        self.most: float = math.inf
        self.frames: list[set[int]] = []
        self.acts: list[int] = []
        self.shared: list[int] = []
        self.top = 0

    # -- the encoding ----------------------------------------------------------------------------
    def _gates(self) -> None:
        """Encode the states, the guard and effects of every step, and the transition relation.

        For position i, a variable and a value: `is_[i]` is the literal of "the variable has the
        value before the step", `isnt[i]` its negation. `later[i]` is "the variable has another
        value after the step" (one direction, for assumptions only). `after[k][i]` is "the
        variable has the value after step k", where step k writes the variable.
        """
        gates = Gates()
        env = {n: gates.value(d) for n, d in self.domains.items()}
        self.state = range(2, gates.variables + 1)
        self.is_ = [x for n in self.domains for x in env[n]]
        self.isnt = [-x for x in self.is_]
        self.position_of = {x: i for i, x in enumerate(self.isnt)}
        inputs: dict[tuple[str, str, Domain], list[int]] = {}
        for s in self.compiled.steps:
            for n in s.free:
                key = (s.run, n, s.parameters[n])
                if key not in inputs:
                    inputs[key] = gates.value(key[2])
        self.steps = range(gates.variables + 1, gates.variables + 1 + len(self.compiled.steps))
        gates.variables += len(self.compiled.steps)
        memo: dict[int, Bits] = {}
        self.guard: list[int] = []
        self.inputs: list[list[int]] = []
        self.after: list[dict[int, int]] = []
        for s in self.compiled.steps:
            given = {n: inputs[s.run, n, s.parameters[n]] for n in s.free}
            known: dict[int, Bits] = {} if s.free else memo
            here = {**env, **given}
            limits = [
                gates.any(given[n][s.parameters[n].code(v)] for v in values)
                for n, values in s.free.items()
            ]
            self.guard.append(gates.all([gates.encode(s.guard, here, known), *limits]))
            self.inputs.append(sorted({abs(x) for v in given.values() for x in v}))
            after = {}
            for n, e in s.changes.items():
                new = gates.encode(e, here, known)
                for i, x in enumerate([-new, new] if e.domain is BOOL else new):
                    after[self.first[n] + i] = x
            self.after.append(after)
        self.env, self.memo, self.gates = env, memo, gates
        self.lifter, self.solver, self.keeper = Sat(), Sat(), Sat()
        self._sync(0)
        self.later = [gates.new() for _ in self.positions]
        self.later_of = {x: i for i, x in enumerate(self.later)}
        self.moves = gates.new()
        self.start = gates.new()
        relation = self._relation()
        self.solver.add(relation)
        self.keeper.add(relation)

    def _sync(self, begin: int) -> None:
        """Give every solver the clauses made from number `begin` on."""
        for solver in (self.lifter, self.solver, self.keeper):
            solver.add(self.gates.clauses[begin:])

    def _relation(self) -> list[Sequence[int]]:
        """The clauses of the transition relation and of the initial states."""
        out: list[Sequence[int]] = []
        runs: dict[str, list[int]] = {}
        for k, s in enumerate(self.compiled.steps):
            runs.setdefault(s.run, []).append(k)
        movers = []
        for steps in runs.values():
            mover = self.gates.new()
            movers.append(mover)
            out.append((-mover, *(self.steps[k] for k in steps)))
            written = sorted({i for k in steps for i in self.after[k]})
            for k in steps:
                chosen = self.steps[k]
                out += [(-chosen, mover), (-chosen, self.guard[k])]
                out += [
                    (-chosen, -self.later[i], -self.after[k].get(i, self.is_[i])) for i in written
                ]
            left = set(range(len(self.positions))) - set(written)
            out += [(-mover, -self.later[i], self.isnt[i]) for i in sorted(left)]
        out.append((-self.moves, *movers))
        out += [(-self.start, *(self.is_[i] for i in bits(m))) for m in self.initially]
        return out

    def _reached(self, columns: list[Any] | None) -> None:
        """Set `reached`: for each position, a number whose bits are the states that have it."""
        self.reached: list[int] = []
        self.every = 0
        if columns is None:
            return
        for n, codes in zip(self.compiled.names, columns, strict=True):
            for i in range(len(self.domains[n].values)):
                self.reached.append(int.from_bytes(np.packbits(codes == i).tobytes(), "big"))
        count = len(columns[0]) if columns else 0
        self.every = ((1 << count) - 1) << (-count % 8)

    def _cones(self) -> None:
        """Set `sources`, the variables that the effects on a variable read, and `core`.

        `core` is the cone of all guards.
        """
        self.sources: dict[str, set[str]] = {}
        for s in self.compiled.steps:
            for n, e in s.effects.items():
                self.sources.setdefault(n, set()).update(self._names(e))
        self.core: frozenset[str] = frozenset()
        self.core = self.cone(self._names(*(s.guard for s in self.compiled.steps)))

    def _names(self, *exprs: Expr) -> set[str]:
        return {n for n in variables(*exprs) if n in self.domains}

    def cone(self, names: Iterable[str]) -> frozenset[str]:
        """The variables `names` and all that their effects depend on, except those in `core`."""
        out: set[str] = set()
        stack = [n for n in names if n not in self.core]
        while stack:
            n = stack.pop()
            if n not in out:
                out.add(n)
                stack += [m for m in self.sources.get(n, ()) if m not in self.core]
        return frozenset(out)

    # -- questions -------------------------------------------------------------------------------
    def _ask(self, solver: Sat, assumptions: Sequence[int]) -> bool:
        self.queries += 1
        while True:
            if self.queries > self.most:
                raise OutOfTimeError(f"after {self.most - self.began:,.0f} questions to the solver")
            if time.process_time() > self.deadline:
                raise OutOfTimeError("when its time ended")
            answer = solver.solve(assumptions)
            if answer is not None:
                return answer
            self.queries += HARD

    def _frame(self, level: int) -> list[int]:
        """The assumptions that select the states of frame `level`."""
        return [self.start] if level == 0 else [*self.shared, *self.acts[level:]]

    def meets_initial(self, mask: int) -> bool:
        """Whether the cube contains an initial state."""
        return all(mask & m != m for m in self.initially)

    def covers(self, mask: int) -> bool:
        """Whether the clause is true in every state reached by the walk."""
        seen = 0
        for i in bits(mask) if self.every else ():
            seen |= self.reached[i]
        return seen == self.every

    def closed(self, mask: int, level: int) -> int | None:
        """The positions of a smaller mask that no step enters from frame `level`.

        Steps start outside the cube. None if one of them leads into the cube.
        """
        t = self.gates.new()
        chosen = bits(mask)
        self.solver.add([(-t, *(self.is_[i] for i in chosen))])
        asked = [t, self.moves, *self._frame(level), *(self.later[i] for i in chosen)]
        reaches = self._ask(self.solver, asked)
        self.solver.add([(-t,)])
        return None if reaches else _mask(self.later_of, self.solver.core())

    def _state(self) -> int:
        """The state of the solver's model, as the mask of a cube."""
        values = dict(zip(self.state, self.solver.true(self.state), strict=True))
        mask = 0
        for i, x in enumerate(self.isnt):
            if values[abs(x)] == (x > 0):
                mask |= 1 << i
        return mask

    def _lift(self, state: int, clause: Sequence[int], inputs: Sequence[int]) -> int:
        """A larger cube around `state` in which `clause` is false under the same `inputs`."""
        t = self.gates.new()
        self.lifter.add([(-t, *clause)])
        for _ in range(2):
            if self._ask(self.lifter, [t, *inputs, *(self.isnt[i] for i in bits(state))]):
                raise AssertionError("the encoding of a step is not a function of state and input")
            state = _mask(self.position_of, self.lifter.core())
        self.lifter.add([(-t,)])
        return state

    def _predecessor(self, mask: int) -> int:
        """A cube of states from which a step leads into the cube `mask`.

        Read from the solver's model, so only right after `closed` returned None.
        """
        state = self._state()
        k = self.solver.true(self.steps).index(True)
        wanted = self.inputs[k]
        inputs = [x if v else -x for x, v in zip(wanted, self.solver.true(wanted), strict=True)]
        after = self.after[k]
        clause = [-self.guard[k], *(after.get(i, self.is_[i]) for i in bits(mask))]
        return self._lift(state, clause, inputs)

    # -- clauses ---------------------------------------------------------------------------------
    def _repair(self, core: int, mask: int) -> int:
        """`core` with positions of `mask` added until its cube has no initial or reached state."""
        if self.meets_initial(core):
            whole = [m for m in self.initially if mask & m == m]
            core |= min(whole, key=lambda m: (m & ~core).bit_count())
        if self.every:
            seen = 0
            for i in bits(core):
                seen |= self.reached[i]
            rest = bits(mask & ~core)
            while seen != self.every:
                left = self.every & ~seen
                best = max(rest, key=lambda i: ((self.reached[i] & left).bit_count(), -i))
                rest.remove(best)
                seen |= self.reached[best]
                core |= 1 << best
        return core

    def _generalise(self, mask: int, level: int, depth: int) -> int:
        """A smaller mask, from which positions are dropped while it is closed in frame `level`."""
        for i in reversed(bits(mask)):
            trial = mask & ~(1 << i)
            if mask >> i & 1 and not self.meets_initial(trial) and self.covers(trial):
                found = self._down(trial, level, depth)
                mask = mask if found is None else found
        return mask

    def _down(self, mask: int, level: int, depth: int) -> int | None:
        """A part of `mask` that is closed in frame `level`, or None.

        With `depth`, a few predecessors that stand in the way are blocked first.
        """
        for _ in range(4):
            core = self.closed(mask, level)
            if core is not None:
                return self._repair(core, mask)
            if depth == 0 or level == 0:
                return None
            before = self._predecessor(mask)
            if self.meets_initial(before) or not self.covers(before):
                return None
            core = self.closed(before, level - 1)
            if core is None:
                return None
            self._learn(self._repair(core, before), level, depth - 1)
        return None

    def _learn(self, mask: int, level: int, depth: int) -> int:
        """Add a clause that is closed in frame `level - 1`; the highest frame that has it.

        The clause is made smaller first.
        """
        mask = self._generalise(mask, level - 1, depth)
        while level < self.top and self.closed(mask, level) is not None:
            level += 1
        self._add(mask, level)
        return level

    def _add(self, mask: int, level: int) -> None:
        for frame in self.frames[1 : level + 1]:
            frame -= {m for m in frame if m & mask == mask}
        self.frames[level].add(mask)
        self.solver.add([(-self.acts[level], *(self.is_[i] for i in bits(mask)))])

    def _block(self, mask: int, level: int) -> None:
        """Exclude the cube from frame `level` by new clauses; ViolationError if it is reachable."""
        serial = 0
        queue = [(level, serial, mask)]
        while queue:
            level, _, mask = heapq.heappop(queue)
            if self.meets_initial(mask) or not self.covers(mask):
                raise ViolationError
            if any(mask & m == m for frame in self.frames[level:] for m in frame):
                continue
            core = self.closed(mask, level - 1)
            serial += 2
            if core is None:
                heapq.heappush(queue, (level - 1, serial, self._predecessor(mask)))
                heapq.heappush(queue, (level, serial + 1, mask))
            else:
                level = self._learn(self._repair(core, mask), level, 1)
                if level < self.top:
                    heapq.heappush(queue, (level + 1, serial, mask))

    # -- properties ------------------------------------------------------------------------------
    def prove(self, prop: Expr, queries: float, seconds: float = math.inf) -> list[int]:
        """The clauses of an invariant that implies `prop`, as masks.

        ViolationError if `prop` can be violated; OutOfTimeError after so many `queries` to the
        solver or `seconds` of this process's CPU time.
        """
        self.began, self.most = self.queries, self.queries + queries
        self.deadline = time.process_time() + seconds
        folded = self.compiled.narrow(prop)
        begin = len(self.gates.clauses)
        holds = self.gates.encode(folded, self.env, self.memo)
        self._sync(begin)
        cone = self.cone(self._names(folded))
        self.shared = [a for needs, a in self.groups.items() if needs <= cone]
        self.frames, self.acts = [set(), set()], [self.gates.new(), self.gates.new()]
        self.top = 1
        try:
            if self._ask(self.solver, [self.start, -holds]):
                raise ViolationError
            return self._keep(self._run(holds), holds, cone)
        finally:
            # Switch off the frames of this property: they are of no use to the next.
            self.solver.add([(-a,) for a in self.acts])

    def _run(self, holds: int) -> list[int]:
        """The clauses of an invariant that implies `holds`, from a new last frame each time."""
        while True:
            # Block every state of the last frame that violates the property.
            while self._ask(self.solver, [*self._frame(self.top), -holds]):
                self._block(self._lift(self._state(), [holds], []), self.top)
            self.top += 1
            self.frames.append(set())
            self.acts.append(self.gates.new())
            # Push clauses up. A frame without clauses of its own equals the next: an invariant.
            for j in range(1, self.top):
                for m in sorted(self.frames[j]):
                    if m in self.frames[j] and self.closed(m, j) is not None:
                        self._add(m, j + 1)
                if not self.frames[j]:
                    return sorted(m for frame in self.frames[j + 1 :] for m in frame)

    def suggest(self, clauses: Iterable[Iterable[tuple[str, int]]]) -> None:
        """Take as lemmas those of the clauses that are together an invariant."""
        position = {x: i for i, x in enumerate(self.positions)}
        masks = sorted({sum(1 << position[x] for x in {*c}) for c in clauses})
        left = [m for m in masks if not self.meets_initial(m) and self.covers(m)]
        self.most, self.deadline = math.inf, math.inf
        self._assumable(left)
        waiting = deque(left)
        needed: dict[int, list[int]] = {}
        while waiting:
            m = waiting.popleft()
            asked = [self.moves, *(self.switch[x] for x in left), *(self.later[i] for i in bits(m))]
            if self._ask(self.keeper, asked):
                left.remove(m)
                # What needed the clause is asked about again.
                waiting.extend(x for x in needed if m in needed[x] and x in left)
                needed = {x: n for x, n in needed.items() if m not in n and x != m}
            else:
                needed[m] = self._used(left)
        self._lemmas(left, needed)

    def reduced(self, clauses: Iterable[Iterable[tuple[str, int]]], prop: Expr) -> list[int]:
        """A minimal part of an invariant that implies `prop`, as masks.

        No clause can be left out, and no value in one, so that it is still such an invariant.
        """
        position = {x: i for i, x in enumerate(self.positions)}
        left = sorted({sum(1 << position[x] for x in {*c}) for c in clauses})
        self.most = self.deadline = math.inf
        begin = len(self.gates.clauses)
        holds = self.gates.encode(self.compiled.narrow(prop), self.env, self.memo)
        self._sync(begin)

        def kept(m: int, among: Sequence[int]) -> bool:
            """Whether no step leaves the clause where all of `among` are true."""
            later = (self.later[i] for i in bits(m))
            if self._ask(self.keeper, [self.moves, *later, *(self.switch[x] for x in among)]):
                return False
            needed[m] = self._used(among)
            return True

        self._assumable(left)
        needed: dict[int, list[int]] = {}
        before: list[int] = []
        while before != left:
            before = list(left)
            for m in before:
                rest = [x for x in left if x != m]
                if self._ask(self.keeper, [-holds, *(self.switch[x] for x in rest)]):
                    continue
                if all(m not in needed.get(x, left) or kept(x, rest) for x in rest):
                    left = rest
            for m in list(left):
                for i in bits(m):
                    smaller = m & ~(1 << i)
                    if self.meets_initial(smaller):
                        continue
                    self._assumable([smaller])
                    changed = [smaller if x == m else x for x in left]
                    if kept(smaller, changed):
                        # The others are still kept: more is assumed.
                        for n in needed.values():
                            n[:] = [smaller if x == m else x for x in n]
                        left, m = changed, smaller
            left = sorted(set(left))
        return left

    def _assumable(self, masks: Iterable[int]) -> None:
        """Make a literal for each clause, to assume it in `keeper`."""
        for m in masks:
            if m not in self.switch:
                self.switch[m] = self.gates.new()
                self.keeper.add([(-self.switch[m], *(self.is_[i] for i in bits(m)))])

    def _used(self, masks: Sequence[int]) -> list[int]:
        """Those of the clauses that the last answer of `keeper` needed."""
        mask_of = {self.switch[m]: m for m in masks}
        return sorted(mask_of[x] for x in self.keeper.core() if x in mask_of)

    def _closure(
        self, masks: Iterable[int], needed: dict[int, list[int]], among: Sequence[int]
    ) -> list[int]:
        """The clauses `masks` and all that these need in turn to stay true.

        `needed` is known for some clauses; for others it is found, and added.
        """
        stack, out = list(masks), set()
        switches = [self.switch[m] for m in among]
        while stack:
            m = stack.pop()
            if m in out:
                continue
            out.add(m)
            if m not in needed:
                # Assume the clause itself first: most clauses need little else.
                later = (self.later[i] for i in bits(m))
                if self._ask(self.keeper, [self.moves, self.switch[m], *later, *switches]):
                    raise AssertionError("the clauses found are not closed")
                needed[m] = self._used(among)
            stack += needed[m]
        return sorted(out)

    def _keep(self, found: Sequence[int], holds: int, cone: frozenset[str]) -> list[int]:
        """Keep the clauses found as lemmas; return those that the property's proof needs."""
        candidates = sorted({*found, *(x.mask for x in self.lemmas if x.needs <= cone)})
        self._assumable(candidates)
        if self._ask(self.keeper, [-holds, *(self.switch[m] for m in candidates)]):
            raise AssertionError("the clauses found do not imply the property")
        needed: dict[int, list[int]] = {}
        proof = self._closure(self._used(candidates), needed, candidates)
        self._lemmas(candidates, needed)
        return proof

    def _lemmas(self, masks: Sequence[int], needed: dict[int, list[int]]) -> None:
        """Add clauses that are closed together to the lemmas; `needed` as for `_closure`."""
        old = {x.mask: x.needs for x in self.lemmas}
        # All or none: a lemma without those that it needs, as when time ends here, is no lemma.
        closures = {m: self._closure([m], needed, masks) for m in masks if m not in old}
        for m, closure in closures.items():
            names = {self.positions[i][0] for c in closure for i in bits(c)}
            # A lemma is only used where all the lemmas that it needs are used.
            needs = self.cone(names).union(*(old[c] for c in closure if c in old))
            self.lemmas.append(Lemma(m, needs))
            if needs not in self.groups:
                self.groups[needs] = self.gates.new()
            self.solver.add([(-self.groups[needs], *(self.is_[i] for i in bits(m)))])

    def named(self, mask: int) -> list[tuple[str, int]]:
        """The clause as pairs of a variable and a code."""
        return [self.positions[i] for i in bits(mask)]

    def names_for(self, prop: Expr) -> list[str]:
        """The variables that clauses of a proof of `prop` can mention."""
        names = self.core | self.cone(self._names(self.compiled.narrow(prop)))
        return [n for n in self.domains if n in names]


def _mask(position: Mapping[int, int], literals: Iterable[int]) -> int:
    """The mask of the literals' positions; literals without a position are left out."""
    return sum(1 << position[x] for x in set(literals) if x in position)


def bits(mask: int) -> list[int]:
    """The positions of a mask, ascending."""
    out = []
    while mask:
        low = mask & -mask
        out.append(low.bit_length() - 1)
        mask ^= low
    return out
