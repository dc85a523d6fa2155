"""Patches: changes of a role, for flaws, `--drop`, the audit's weakenings and the mutants.

A patch is one operation or a sequence of operations, applied in order. `str` of an operation is a
description. An unknown row, check, field or variable is a ModelError with the near names, and so is
an operation that changes nothing. `on_row` and `on_role` make an operation of a function of a row
or a role; a plain function of a role is an operation, too.

    patched(role("client"), [without_check(ROW, "signature"), with_target(ROW, "CONNECTED")])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from model.contents import with_sent, with_term, with_view, without_covered, without_fields
from model.expr import (
    TRUE,
    Expr,
    conj,
    conjuncts,
    const,
    disj,
    neg,
    var,
)
from model.extensions import with_messages
from model.near import unknown
from model.operation import Operation, Patch, found, known, on_role, on_row, on_row_of, patched
from model.principal import Key
from model.role import Observer, Role
from model.rule import Check, ModelError, Rule, Variable

__all__ = [
    "Operation",
    "Patch",
    "also_under",
    "loosened",
    "narrowed",
    "on_role",
    "on_row",
    "on_row_of",
    "patched",
    "takes_precedence",
    "together",
    "widened",
    "with_alert",
    "with_condition",
    "with_effects",
    "with_memory",
    "with_observer",
    "with_rows",
    "with_secret",
    "with_sent",
    "with_sources",
    "with_target",
    "with_term",
    "with_under",
    "with_view",
    "without_check",
    "without_condition",
    "without_covered",
    "without_effects",
    "without_fields",
    "without_refusals",
    "without_rows",
    "without_sources",
]


@on_role
def together(role: Role, *patches: Patch) -> Role:
    """Several patches as one operation."""
    return patched(role, patches)


# -- rows ------------------------------------------------------------------------------------------
@on_role
def with_rows(role: Role, *rows: Rule, first: bool = False) -> Role:
    """The role with further rows, whose messages get the fields that the role's messages have.

    With `first` these rows take precedence over the others. Effects may be values, not expressions.
    """
    messages = {m.name: m for m in role.alphabet}
    added = (replace(with_messages(x, messages), do=_lifted(role, x.do)) for x in rows)
    role = replace(role, table=(*role.table, *added))
    return _first(role, [x.name for x in rows]) if first else role


def _lifted(role: Role, effects: Mapping[str, Any]) -> dict[str, Expr]:
    """Effects with constants for plain values; ModelError for an unknown variable."""
    out = {}
    for n, e in effects.items():
        if n not in role.variables:
            raise ModelError(unknown(f"variable of the {role.name}", n, role.variables))
        out[n] = e if isinstance(e, Expr) else const(e, role.variables[n].domain)
    return out


@on_role
def takes_precedence(role: Role, *names: str) -> Role:
    """The role in which some rows win: where one is due, no other row for its event is."""
    return _first(role, names)


def _first(role: Role, names: Iterable[str]) -> Role:
    winners = [found(role, n) for n in names]

    def after(row: Rule) -> Rule:
        when = row.when
        for w in winners:
            both = [s for s in row.sources if s in w.sources]
            if w.trigger == row.trigger and both:
                here = var("own.state", role.state_domain).one_of(*both)
                won = w.when if len(both) == len(row.sources) else w.when & here
                if row.under is not w.under and (key := w.key(role.read_key)) is not None:
                    won &= key == row.key(role.read_key)
                when &= neg(won)
        return row if when is row.when else replace(row, when=when, label=row.name)

    return replace(role, table=tuple(x if x in winners else after(x) for x in role.table))


@on_role
def without_rows(role: Role, *names: str) -> Role:
    """The role without some rows; a message that no other row accepts is refused."""
    gone = [found(role, n) for n in names]
    return replace(role, table=tuple(x for x in role.table if x not in gone))


# -- one row: where it is taken --------------------------------------------------------------------
@on_row
def with_sources(row: Rule, *states: str) -> Rule:
    """The row with further source states; with its own target, the row can fire twice."""
    return replace(row, sources=tuple(dict.fromkeys((*row.sources, *states))))


@on_row
def without_sources(row: Rule, *states: str) -> Rule:
    """The row without some source states."""
    known(row, "source", states, row.sources)
    return replace(row, sources=tuple(s for s in row.sources if s not in states))


@on_row
def with_target(row: Rule, target: str) -> Rule:
    """The row with another target, for example to skip a state."""
    return replace(row, target=target)


@on_row
def with_under(row: Rule, key: Expr | str | None) -> Rule:
    """The row for records under another key; None is the read key of the run."""
    return replace(row, under=const(key, Key) if isinstance(key, str) else key)


@on_role
def also_under(role: Role, name: str, key: str) -> Role:
    """The role that takes what a row takes under a further key, too."""
    row, read = found(role, name), role.read_key
    if read is None:
        raise ModelError(f"the {role.name} has no record keys")
    under = const(key, read.domain)
    more = replace(row, under=under, label=f"{name}_under_{key}")
    if row.under is None:
        more = replace(more, when=row.when & (read != under))
    return replace(role, table=(*role.table, more))


# -- one row: when it is taken ---------------------------------------------------------------------
@on_row
def with_condition(row: Rule, when: Expr) -> Rule:
    """The row with `when` instead of its conditions."""
    return replace(row, when=when)


@on_row
def narrowed(row: Rule, also: Expr) -> Rule:
    """The row with the further condition `also`."""
    return replace(row, when=row.when & also)


@on_row
def widened(row: Rule, instead: Expr) -> Rule:
    """The row with `instead` as an alternative to the row's conditions."""
    return replace(row, when=disj(row.when, instead))


@on_row
def without_condition(row: Rule, *conditions: str) -> Rule:
    """The row without some conditions, each named as printed; without all if none is named."""
    parts = conjuncts(row.when)
    known(row, "condition", conditions, () if row.when is TRUE else map(str, parts))
    kept = (e for e in parts if conditions and str(e) not in conditions)
    return replace(row, when=conj(*kept))


# -- one row: what it demands ----------------------------------------------------------------------
@on_row
def without_check(row: Rule, *checks: str) -> Rule:
    """The row without some checks; without all if none is named."""
    known(row, "check", checks, (c.name for c in row.checks))
    return replace(row, checks=tuple(c for c in row.checks if checks and c.name not in checks))


@on_row
def loosened(row: Rule, check: str, also: Expr) -> Rule:
    """The row with a check that also passes where `also` holds."""
    return _checked(row, check, lambda c: replace(c, expr=c.expr | also))


@on_row
def with_alert(row: Rule, check: str, alert: str) -> Rule:
    """The row with another alert for a failed check."""
    return _checked(row, check, lambda c: replace(c, alert=alert))


@on_row
def without_refusals(row: Rule) -> Rule:
    """The row with its checks as conditions, so that another row may accept what fails one."""
    return replace(row, when=row.guard, checks=())


# -- one row: what it does -------------------------------------------------------------------------
@on_row_of
def with_effects(role: Role, row: Rule, /, **effects: Any) -> Rule:
    """The row with further or other effects, given as expressions or values."""
    return replace(row, do={**row.do, **_lifted(role, effects)})


@on_row
def without_effects(row: Rule, *variables: str) -> Rule:
    """The row without the effects on some variables; without all if none is named."""
    known(row, "effect", variables, row.do)
    kept = {n: e for n, e in row.do.items() if variables and n not in variables}
    return replace(row, do=kept)


# -- the rest of a role ----------------------------------------------------------------------------
@on_role
def with_memory(role: Role, variable: str, event: str, value: Expr, kind: str = "receive") -> Role:
    """The role with a further variable that takes a value at an event: a record for rows to read.

    It begins with the first value of the domain of `value`, False for a boolean. Rows read it as
    `var("own.NAME", BOOL)`. The event is a message received, or sent if `kind` is "send", or a
    local step.
    """
    if variable in role.variables:
        raise ModelError(f"the {role.name} has a variable {variable}: give yours another name")
    events = {r.event for r in role.table if r.kind == kind}
    if event not in events:
        raise ModelError(unknown(f"event of kind {kind} of the {role.name}", event, events))
    first = Variable(value.domain, (value.domain.values[0],), write_once=False)
    return replace(
        role,
        variables={**role.variables, variable: first},
        observers=(*role.observers, Observer(variable, kind, event, value)),
    )


@on_role
def with_observer(role: Role, variable: str, event: str, value: Expr) -> Role:
    """The role with another value that an observer's variable takes at an event."""
    hit = [o for o in role.observers if (o.variable, o.event) == (variable, event)]
    if not hit:
        pairs = (f"{o.variable} at {o.event}" for o in role.observers)
        raise ModelError(unknown(f"observer of the {role.name}", f"{variable} at {event}", pairs))
    return replace(
        role,
        observers=tuple(replace(o, value=value) if o in hit else o for o in role.observers),
    )


@on_role
def with_secret(role: Role, /, **terms: Any) -> Role:
    """The role with other fields of the `KeySchedule`: `exposes`, `unexchanged` and the like."""
    parts = [f.name for f in fields(role.schedule)]
    for n in terms:
        if n not in parts:
            raise ModelError(unknown("part of a key schedule", n, parts))
    return replace(role, schedule=replace(role.schedule, **terms))


def _checked(row: Rule, name: str, change: Callable[[Check], Check]) -> Rule:
    known(row, "check", [name], (c.name for c in row.checks))
    return replace(row, checks=tuple(change(c) if c.name == name else c for c in row.checks))
