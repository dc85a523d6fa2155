"""An incremental SAT solver with assumptions, for provers that ask thousands of small questions.

A literal is a variable's number, from 1, or its negative. The solver is not trusted: what a prover
finds by it is checked again by `Symbolic.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pysat.solvers import Solver

NAME = "glucose4"
BUDGET = 20_000
"""Conflicts after which a question comes back unanswered, to look at the clock; it may be asked
again and goes on from what was learnt."""


class Sat:
    """A set of clauses to which more are added, and questions about it."""

    def __init__(self) -> None:
        self._solver: Any = Solver(name=NAME)
        self._model: list[int] = []

    def add(self, clauses: Iterable[Sequence[int]]) -> None:
        """Add clauses."""
        for c in clauses:
            self._solver.add_clause(c)

    def solve(self, assumptions: Sequence[int]) -> bool | None:
        """Whether the clauses and assumptions have a model; None: ask again, or give up."""
        self._model = []
        self._solver.conf_budget(BUDGET)
        answer: bool | None = self._solver.solve_limited(assumptions)
        return answer

    def core(self) -> list[int]:
        """Of the last question answered False: assumptions that are enough for that."""
        return self._solver.get_core() or []

    def true(self, variables: Sequence[int]) -> list[bool]:
        """Of the last question answered True: which of the variables are true in the model."""
        self._model = self._model or self._solver.get_model()
        return [self._model[v - 1] > 0 for v in variables]
