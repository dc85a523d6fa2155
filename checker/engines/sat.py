"""An incremental SAT solver with assumptions, for provers that ask thousands of small questions.

In C where a compiler is (`sat.c`), else z3's. A literal is a variable's number, from 1, or its
negative. Neither is trusted: what a prover finds by it is checked again by `Symbolic.check`.
"""

from __future__ import annotations

import array
import ctypes
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from checker.engines.native_source import available, load

BUDGET = 20_000
"""Conflicts after which a question comes back unanswered, to look at the clock; it may be asked
again and goes on from what was learnt."""


class Solver(Protocol):
    """A set of clauses to which more are added, and questions about it."""

    def decide(self, variables: range, phase: bool) -> None:
        """Mark variables whose values are to be chosen, each first tried as `phase`.

        The marked ones must be enough that the others follow, or are of no account.
        """

    def add(self, clauses: Iterable[Sequence[int]]) -> None:
        """Add clauses."""

    def solve(self, assumptions: Sequence[int]) -> bool | None:
        """Whether the clauses and assumptions have a model; None: ask again, or give up."""

    def core(self) -> list[int]:
        """Of the last question answered False: assumptions that are enough for that."""

    def true(self, variables: Sequence[int]) -> list[bool]:
        """Of the last question answered True: which of the variables are true in the model."""


def new() -> Solver:
    """The solver in C, or z3's where there is no compiler."""
    return Z3() if available() else InC()


class InC:
    """`sat.c`, compiled once and kept in the cache."""

    def __init__(self) -> None:
        lib = load(Path(__file__).with_name("sat.c").read_text(encoding="utf-8"))
        ints, many, handle = ctypes.POINTER(ctypes.c_int32), ctypes.c_int64, ctypes.c_void_p
        lib.sat_new.restype = handle
        lib.sat_free.argtypes = [handle]
        lib.sat_decide.argtypes = [handle, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]
        lib.sat_add.argtypes = [handle, handle, many]
        lib.sat_solve.argtypes = [handle, handle, ctypes.c_int32, many]
        lib.sat_core.argtypes = [handle, ints]
        lib.sat_model.argtypes = [handle, handle, ctypes.c_int32, handle]
        self._lib = lib
        self._solver = lib.sat_new()
        if not self._solver:
            raise MemoryError("the SAT solver has no memory")
        self._asked = 0

    def __del__(self) -> None:
        if getattr(self, "_solver", None):
            self._lib.sat_free(self._solver)

    def decide(self, variables: range, phase: bool) -> None:
        """See `Solver`."""
        if variables and self._lib.sat_decide(self._solver, variables[0], variables[-1], phase):
            raise MemoryError("the SAT solver has no memory")

    def add(self, clauses: Iterable[Sequence[int]]) -> None:
        """See `Solver`."""
        flat = array.array("i")
        for c in clauses:
            flat.extend(c)
            flat.append(0)
        if self._lib.sat_add(self._solver, flat.buffer_info()[0], len(flat)):
            raise MemoryError("the SAT solver has no memory")

    def solve(self, assumptions: Sequence[int]) -> bool | None:
        """See `Solver`."""
        flat = array.array("i", assumptions)
        self._asked = len(flat)
        answer = self._lib.sat_solve(self._solver, flat.buffer_info()[0], len(flat), BUDGET)
        if answer == -2:
            raise MemoryError("the SAT solver has no memory")
        return None if answer == 0 else bool(answer == 1)

    def core(self) -> list[int]:
        """See `Solver`."""
        out = (ctypes.c_int32 * (self._asked + 1))()
        return out[: self._lib.sat_core(self._solver, out)]

    def true(self, variables: Sequence[int]) -> list[bool]:
        """See `Solver`."""
        flat = array.array("i", variables)
        out = bytearray(len(flat))
        where = (ctypes.c_uint8 * len(out)).from_buffer(out)
        self._lib.sat_model(self._solver, flat.buffer_info()[0], len(flat), where)
        return [x == 1 for x in out]


class Z3:
    """The same by z3's SAT solver, through its C interface: the wrappers cost more than it."""

    def __init__(self) -> None:
        import z3
        from z3 import z3core

        self._z3: Any = z3
        self._api: Any = z3core
        self._solver: Any = z3.SolverFor("QF_FD")
        self._at = self._solver.solver
        self._context = self._solver.ctx.ref()
        # The terms are kept: what z3 is given are bare pointers.
        self._kept: list[Any] = []
        self._pointer: dict[int, Any] = {}
        self._literal: dict[int, int] = {}
        self._model: Any = None
        self._core: list[int] = []

    def _array(self, literals: Sequence[int]) -> Any:
        for x in literals:
            if x not in self._pointer:
                b = self._z3.Bool(f"x{abs(x)}")
                term = b if x > 0 else self._z3.Not(b)
                self._kept.append(term)
                self._pointer[x] = term.as_ast()
                self._literal[term.as_ast().value] = x
        return (self._z3.Ast * len(literals))(*(self._pointer[x] for x in literals))

    def decide(self, variables: range, phase: bool) -> None:
        """See `Solver`: nothing to do, z3 chooses for every variable."""

    def add(self, clauses: Iterable[Sequence[int]]) -> None:
        """See `Solver`."""
        for c in clauses:
            term = self._api.Z3_mk_or(self._context, len(c), self._array(c))
            self._api.Z3_solver_assert(self._context, self._at, term)

    def solve(self, assumptions: Sequence[int]) -> bool | None:
        """See `Solver`."""
        api, context = self._api, self._context
        asked = self._array(assumptions)
        answer = api.Z3_solver_check_assumptions(context, self._at, len(assumptions), asked)
        if answer > 0:
            self._model = self._solver.model()
        elif answer < 0:
            core = api.Z3_solver_get_unsat_core(context, self._at)
            api.Z3_ast_vector_inc_ref(context, core)
            every = range(api.Z3_ast_vector_size(context, core))
            self._core = [
                self._literal[api.Z3_ast_vector_get(context, core, i).value] for i in every
            ]
            api.Z3_ast_vector_dec_ref(context, core)
        return None if answer == 0 else bool(answer > 0)

    def core(self) -> list[int]:
        """See `Solver`."""
        return self._core

    def true(self, variables: Sequence[int]) -> list[bool]:
        """See `Solver`."""
        return [self._z3.is_true(self._model[self._z3.Bool(f"x{v}")]) for v in variables]
