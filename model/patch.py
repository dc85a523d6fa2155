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

from model.expr import TRUE, Expr, conj, conjuncts, disj, neg, replaced, same, substitute, var
from model.extensions import with_messages
from model.near import hint, unknown
from model.operation import Operation, Patch, found, known, on_role, on_row, patched
from model.role import Edition, Observer, Role
from model.rule import Check, ModelError, Rule, Variable
from model.schedule import KeySchedule

__all__ = [
    "Operation",
    "Patch",
    "loosened",
    "narrowed",
    "on_role",
    "on_row",
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

    With `first` these rows take precedence over the others.
    """
    messages = {m.name: m for m in role.alphabet}
    role = replace(role, table=(*role.table, *(with_messages(x, messages) for x in rows)))
    return _first(role, [x.name for x in rows]) if first else role


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
def with_under(row: Rule, key: Expr | None) -> Rule:
    """The row for records under another key; None is the read key of the run."""
    return replace(row, under=key)


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
@on_row
def with_effects(row: Rule, /, **effects: Expr) -> Rule:
    """The row with further or other effects."""
    return replace(row, do={**row.do, **effects})


@on_row
def without_effects(row: Rule, *variables: str) -> Rule:
    """The row without the effects on some variables; without all if none is named."""
    known(row, "effect", variables, row.do)
    kept = {n: e for n, e in row.do.items() if variables and n not in variables}
    return replace(row, do=kept)


# -- what is sent and covered ----------------------------------------------------------------------
@on_role
def with_sent(role: Role, message: str, /, **values: Expr) -> Role:
    """The role with other values in fields of a sent message."""
    sent = role.sends.get(message)
    if sent is None:
        raise ModelError(unknown(f"message that the {role.name} sends", message, role.sends))
    for f in values:
        if f not in sent:
            raise ModelError(unknown(f"field that the {role.name} sends in {message}", f, sent))
    return replace(role, sends={**role.sends, message: {**sent, **values}})


@on_role
def without_fields(role: Role, message: str, *names: str) -> Role:
    """The role without some fields in a message's signature or MAC, made or checked."""
    if message not in role.covered:
        raise ModelError(unknown("message that covers fields", message, role.covered))
    # A received proof has the peer's layout. Both layouts are equal but for the fields that an
    # extension adds to one end's proof alone, which come last.
    layout = role.covered[message]
    for f in names:
        if f not in layout:
            raise ModelError(
                f"{message} does not cover {f!r}: it covers {', '.join(layout)}{hint(f, layout)}"
            )
    left = {i for i, f in enumerate(layout) if f in names}

    def shorter(node: Expr, parts: tuple[Expr, ...]) -> Expr:
        if len(parts) != len(layout):
            return same(node.args[0], *parts)  # a proof with another layout
        return same(node.args[0], *(p for i, p in enumerate(parts) if i not in left))

    rows = [
        replace(
            x,
            checks=tuple(
                replace(c, expr=substitute(c.expr, lambda v: v, shorter)) for c in x.checks
            ),
        )
        if x.event == message and x.kind == "receive"
        else x
        for x in role.table
    ]
    sends = dict(role.sends)
    if message in sends:
        sends[message] = {
            f: tuple(p for i, p in enumerate(e) if i not in left) if isinstance(e, tuple) else e
            for f, e in sends[message].items()
        }
    return replace(role, table=tuple(rows), sends=sends)


@on_role
def without_covered(role: Role, *names: str) -> Role:
    """The role with secrets made without some fields; without all if none is named."""
    groups = {g: role.covered[g] for g in ("secret", "hellos")}
    for n in names:
        if not any(n in group for group in groups.values()):
            every = (m for group in groups.values() for m in group)
            raise ModelError(unknown("field that a secret is made of", n, every))
    kept = {g: tuple(n for n in group if names and n not in names) for g, group in groups.items()}
    return replace(role, covered={**role.covered, **kept})


# -- the rest of a role ----------------------------------------------------------------------------
@on_role
def with_term(role: Role, old: Expr, new: Expr, *rows: str) -> Role:
    """The role with `new` wherever the term `old` stands: in rows, proofs, views, keys, everything.

    With `rows` in these rows alone.
    """
    memo: dict[int, Expr] = {}

    def anew(of: Any) -> Any:
        if isinstance(of, Expr):
            return replaced(of, old, new, memo)
        if isinstance(of, tuple):
            return tuple(map(anew, of))
        if isinstance(of, Mapping):
            return {n: anew(x) for n, x in of.items()}
        if isinstance(of, (Role, Rule, Check, Observer, Edition, KeySchedule)):
            named = {"label": of.name} if isinstance(of, Rule) else {}
            return replace(of, **{f.name: anew(getattr(of, f.name)) for f in fields(of)} | named)
        return of

    if rows:
        here = [found(role, n) for n in rows]
        return replace(role, table=tuple(anew(x) if x in here else x for x in role.table))
    changed: Role = anew(role)
    return changed


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
