"""Why an expression is true or false: its deciding parts, each with the values that it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.expr import Expr, neg, python_function, text, variables
from model.machine import JUNK

Read = Callable[[str], Any]
"""The value of a variable by its name in the expression."""
LONGEST = 300
"""The most characters of a part that are shown."""


def value(expr: Expr, read: Read) -> Any:
    """The value of `expr`."""
    (out,) = python_function({"": expr}, "read", lambda v: f"read({v.payload!r})")(read)
    return out


def why(expr: Expr, read: Read) -> dict[str, Any]:
    """The `Reason` that `expr` has its value: of a junction, only the parts that decide it."""
    holds = bool(value(expr, read))
    negated = expr.op == "not" and expr.args[0].op in ("and", "or")
    junction = expr.args[0] if negated else expr
    if junction.op in ("and", "or"):
        parts = [why(neg(p) if negated else p, read) for p in _deciding(junction, read)]
        op = {"and": "or", "or": "and"}[junction.op] if negated else junction.op
        if len(parts) == 1:
            return parts[0]
        return {"says": "", "holds": holds, "op": op, "values": [], "parts": parts}
    said = text(expr)
    return {
        "says": said if len(said) <= LONGEST else f"{said[: LONGEST - 4]} ...",
        "holds": holds,
        "op": "",
        "values": [[n, shown(read(n))] for n in variables(expr)],
        "parts": [],
    }


def _deciding(expr: Expr, read: Read) -> list[Expr]:
    """The operands of a junction that make it true or false: all of them, or those that do."""
    every = [(p, bool(value(p, read))) for p in expr.args]
    decides = [p for p, holds in every if holds == (expr.op == "or")]
    return decides or [p for p, _ in every]


def shown(of: Any) -> Any:
    """A value as plain data."""
    if of == JUNK:
        return "junk"
    if isinstance(of, tuple):
        return f"({', '.join(map(str, of))})"
    return of if isinstance(of, bool | int | str) else str(of)
