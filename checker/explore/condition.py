"""Conditions as one types them: an expression as in a property, over the world and its runs."""

from __future__ import annotations

import ast
from typing import Any

from model.expr import BOOL, Expr
from model.near import UsageError, hint, shown
from model.system import System
from properties import World

ALLOWED = (
    ast.Expression, ast.BinOp, ast.BitAnd, ast.BitOr, ast.UnaryOp, ast.Invert, ast.Compare,
    ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Name, ast.Load, ast.Attribute,
    ast.Subscript, ast.Call, ast.Constant, ast.Starred, ast.Tuple, ast.List,
)  # fmt: skip
"""What an expression may be made of: nothing that runs a program."""
LONGEST = 2_000


def condition(system: System, says: str) -> Expr:
    """The condition `says`, such as `client0.verified & ~server0.keyed & w.knows(client0)`.

    Names are those of the runs, and `w`, the world as a property gets it. UsageError for anything
    else.
    """
    world = World(system)
    names: dict[str, Any] = {"w": world, **{r.name: r for r in world.runs}}
    if len(says) > LONGEST:
        raise UsageError(f"expected a condition of at most {LONGEST} characters")
    try:
        tree = ast.parse(says.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        raise UsageError(f"expected a condition, got {shown(says)}: {e}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in names:
            raise UsageError(f"{node.id} is no run: expected one of {', '.join(names)}"
                             f"{hint(node.id, names)}")  # fmt: skip
        private = isinstance(node, ast.Attribute) and node.attr.startswith("_")
        if not isinstance(node, ALLOWED) or private:
            raise UsageError(
                f"{ast.unparse(node)!r} is not allowed in a condition: expected comparisons "
                "joined by & | ~"
            )
        if isinstance(node, ast.Compare) and len(node.ops) > 1:
            raise UsageError("compare two at a time, joined by &")
    try:
        found = eval(compile(tree, "condition", "eval"), {"__builtins__": {}}, names)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as e:
        raise UsageError(f"{shown(says)}: {e}") from None
    if not isinstance(found, Expr) or found.domain is not BOOL:
        raise UsageError(f"{shown(says)}: expected a condition, got a {type(found).__name__}")
    return found
