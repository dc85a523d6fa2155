"""An incremental SAT solver with assumptions, for provers that ask thousands of small questions.

A literal is a variable's number, from 1, or its negative. The solver is not trusted: an invariant
found with its help is checked again by `Symbolic.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from model.solver import SatSolver

BUDGET = 20_000
"""Conflicts after which a question comes back unanswered, so that its asker can look at the clock.
Asked again, the solver goes on with what it has learnt."""


class Sat:
    """A growing set of clauses that is asked questions."""

    def __init__(self) -> None:
        self._solver = SatSolver()
        self._model: list[int] = []

    def add(self, clauses: Iterable[Sequence[int]]) -> None:
        """Add clauses."""
        for c in clauses:
            self._solver.add_clause(c)

    def solve(self, assumptions: Sequence[int]) -> bool | None:
        """Whether the clauses and assumptions have a model; None if not decided in `BUDGET`."""
        self._model = []
        self._solver.conf_budget(BUDGET)
        answer: bool | None = self._solver.solve_limited(assumptions, expect_interrupt=True)
        return answer

    def core(self) -> list[int]:
        """The assumptions that suffice for the last answer False."""
        return self._solver.get_core() or []

    def true(self, variables: Sequence[int]) -> list[bool]:
        """The value of each variable in the model of the last answer True."""
        self._model = self._model or self._solver.get_model()
        return [self._model[v - 1] > 0 for v in variables]
