"""Why a state breaks a property: the case that is not kept, with the values on both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.expr import TRUE, Expr, const, neg, substitute, variables
from model.system import System
from properties import Implication, Property


@dataclass(frozen=True)
class Broken:
    """An implication of a property in a state in which it is false."""

    place: str
    """File, line and column of the case."""
    runs: Mapping[str, str]
    """The runs by the name that they have there."""
    given: str
    """The premise as it is written; empty if the property has none."""
    holds: str
    """The conclusion as it is written; empty for a property without a premise."""
    given_by: Mapping[str, Any]
    """The variables that make the premise true, with their values."""
    denied_by: Mapping[str, Any]
    """The variables that make the conclusion false, with their values."""


def broken(p: Property, system: System, state: Mapping[str, Any]) -> Broken | None:
    """The implication of `p` that `state` breaks, told by the fewest values; None if none is.

    No single state breaks a goal or a leads-to.
    """
    if p.kind in ("reachable", "leads_to"):
        return None
    found = [i for i in p.implications(system) if true(i.given, state) and not true(i.holds, state)]
    each = [_told(i, state) for i in found]
    return min(each, key=lambda b: len(b.given_by) + len(b.denied_by), default=None)


def _told(i: Implication, state: Mapping[str, Any]) -> Broken:
    def values(e: Expr) -> dict[str, Any]:
        return {n: state[n] for n in reasons(e, state)}

    bare = i.given is TRUE
    return Broken(
        i.case.place,
        dict(i.runs),
        "" if bare else i.case.says,
        i.says,
        values(i.given),
        values(neg(i.holds)),
    )


def true(expr: Expr, state: Mapping[str, Any], memo: dict[int, Expr] | None = None) -> bool:
    """Whether `expr` is true in `state`; calls for one state may share a `memo`."""
    return bool(substitute(expr, lambda v: const(state[v.payload], v.domain), memo=memo).payload)


def reasons(expr: Expr, state: Mapping[str, Any]) -> list[str]:
    """The variables that make `expr` true, or false, in `state`; of several sets a small one."""
    memo: dict[int, Expr] = {}

    def why(e: Expr) -> Sequence[str]:
        if e.op not in ("and", "or", "not"):
            return list(variables(e))
        decisive = [a for a in e.args if e.op == "not" or true(a, state, memo) == (e.op == "or")]
        if e.op != "not" and decisive:
            return min(map(why, decisive), key=len)
        return [n for a in e.args for n in why(a)]

    return list(dict.fromkeys(why(expr)))
