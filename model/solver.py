"""Deciding whether an expression can be true, by a SAT solver, within a limit of work.

Tables are checked with it before anything is searched, so no row, however large, may hold that up:
a question that is not decided within the limit is an UndecidedError, which says so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from pysat.solvers import Glucose4

from model.expr import BOOL, Domain, Expr, Value, fold, substitute, var, variables

TRUE = 1
"""The solver's variable that is always true."""

Bits = Any
"""A literal for a boolean; for another expression one literal for each code."""


class Gates:
    """Expressions as clauses (Tseitin): each operator is a fresh variable, defined by clauses."""

    def __init__(self) -> None:
        self.clauses: list[Sequence[int]] = [(TRUE,)]
        self.variables = TRUE
        self._and: dict[tuple[int, ...], int] = {}

    def new(self) -> int:
        """A fresh variable's number."""
        self.variables += 1
        return self.variables

    def value(self, domain: Domain) -> list[int]:
        """Fresh literals for the codes of a domain, of which exactly one is true."""
        if len(domain.values) == 2:
            v = self.new()
            return [-v, v]
        out = [self.new() for _ in domain.values]
        self.clauses.append(out)
        self.clauses += [(-a, -b) for i, a in enumerate(out) for b in out[:i]]
        return out

    def all(self, literals: Iterable[int]) -> int:
        """A literal that is true exactly if all of `literals` are."""
        parts = sorted(set(literals) - {TRUE})
        if -TRUE in parts or any(-x in parts for x in parts if x > 0):
            return -TRUE
        if len(parts) < 2:
            return parts[0] if parts else TRUE
        key = tuple(parts)
        gate = self._and.get(key)
        if gate is None:
            gate = self._and[key] = self.new()
            self.clauses += [(-gate, x) for x in parts]
            self.clauses.append((gate, *(-x for x in parts)))
        return gate

    def any(self, literals: Iterable[int]) -> int:
        """A literal that is true exactly if one of `literals` is."""
        return -self.all(-x for x in literals)

    def encode(self, expr: Expr, env: Mapping[str, list[int]], memo: dict[int, Bits]) -> Bits:
        """The literals of `expr` (see `Bits`), its variables read from `env`."""

        def codes(e: Expr, a: Bits) -> list[int]:
            return [-a, a] if e.domain is BOOL else a

        def algebra(e: Expr, a: list[Bits]) -> Bits:
            match e.op:
                case "const":
                    k = e.domain.code(e.payload)
                    if e.domain is BOOL:
                        return TRUE if k else -TRUE
                    return [TRUE if i == k else -TRUE for i in range(len(e.domain.values))]
                case "var":
                    return env[e.payload][1] if e.domain is BOOL else env[e.payload]
                case "and":
                    return self.all(a)
                case "or":
                    return self.any(a)
                case "not":
                    return -a[0]
                case "eq":
                    x, y = (codes(s, v) for s, v in zip(e.args, a, strict=True))
                    return self.any(self.all((p, q)) for p, q in zip(x, y, strict=True))
                case "ite":
                    return [
                        self.any((self.all((a[0], p)), self.all((-a[0], q))))
                        for p, q in zip(a[1], a[2], strict=True)
                    ]
                case "le":
                    x, y = (codes(s, v) for s, v in zip(e.args, a, strict=True))
                    return self.any(self.all((q, self.any(x[: i + 1]))) for i, q in enumerate(y))
                case "map":
                    x = codes(e.args[0], a[0])
                    hits: list[list[int]] = [[] for _ in e.domain.values]
                    for p, (_, v) in zip(x, e.payload, strict=True):
                        hits[e.domain.code(v)].append(p)
                    return self.any(hits[1]) if e.domain is BOOL else [self.any(h) for h in hits]
                case _:
                    raise TypeError(f"a composite comparison was not grounded: {e}")

        return fold(expr, algebra, memo)


class UndecidedError(Exception):
    """A question about the rows of a table that the solver gave up."""


class SatSolver(Glucose4):  # type: ignore[misc]
    """The SAT solver of the tables and proofs, freed once.

    Its library frees it again after an interrupt between the end of freeing and the note of it.
    """

    _freed = False

    def delete(self) -> None:
        """Free the memory of the solver."""
        if not self._freed:
            self._freed = True
            super().delete()


SAME = "same "
"""The start of the names of the booleans that stand for comparisons of composites."""
SLICE = 2_000
"""Conflicts of the solver between two looks at the clock."""
CONFLICTS = 400_000
"""Conflicts after which a question is given up; the tables here need a few dozen."""
_ends: ContextVar[float] = ContextVar("ends", default=math.inf)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """A block in which questions are given up after `seconds` from now; None is no limit."""
    token = _ends.set(math.inf if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


class Decider:
    """A SAT solver that knows some expressions, whose variables agree in their domains.

    Each comparison of composites is taken as a free boolean.
    """

    def __init__(self) -> None:
        self._gates, self._told = Gates(), 0
        self._values: dict[str, list[int]] = {}
        self._domains: dict[str, Domain] = {}
        self._memo: dict[int, Bits] = {}
        self._plain: dict[int, Expr] = {}
        self._free: dict[int, Expr] = {}
        self._solver = SatSolver()

    def literal(self, expr: Expr) -> int:
        """The solver's literal for a boolean expression."""
        plain = substitute(expr, lambda v: v, self._compared, self._plain)
        for n, d in variables(plain).items():
            if n not in self._values:
                self._values[n], self._domains[n] = self._gates.value(d), d
        out: int = self._gates.encode(plain, self._values, self._memo)
        return out

    def _compared(self, node: Expr, _parts: tuple[Expr, ...]) -> Expr:
        return self._free.setdefault(id(node), var(f"{SAME}{len(self._free)}", BOOL))

    def possible(self, *exprs: Expr) -> bool:
        """Whether some values of the variables make all of `exprs` true; or UndecidedError."""
        asked = [self.literal(e) for e in exprs]
        for c in self._gates.clauses[self._told :]:
            self._solver.add_clause(c)
        self._told = len(self._gates.clauses)
        for spent in range(0, CONFLICTS, SLICE):
            if time.monotonic() > _ends.get():
                raise UndecidedError(f"the time ended, after {spent:,} conflicts of the solver")
            self._solver.conf_budget(SLICE)
            answer: bool | None = self._solver.solve_limited(asked, expect_interrupt=True)
            if answer is not None:
                return answer
        raise UndecidedError(f"the solver gave up after {CONFLICTS:,} conflicts")

    def example(self, *exprs: Expr) -> dict[str, Value] | None:
        """Values of the variables in `exprs` that make all of them true; None if there are none.

        Comparisons of composites are left out.
        """
        if not self.possible(*exprs):
            return None
        true = {x for x in self._solver.get_model() or () if x > 0}
        return {
            n: d.values[
                next(i for i, x in enumerate(self._values[n]) if (x > 0) == (abs(x) in true))
            ]
            for n, d in self._domains.items()
            if not n.startswith(SAME)
        }


@cache
def satisfiable(expr: Expr) -> bool:
    """Whether some values of the variables make `expr` true, as a `Decider` says."""
    return bool(expr.payload) if expr.op == "const" else Decider().possible(expr)
