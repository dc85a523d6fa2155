"""Operations on what a role sends, signs and MACs, and on terms wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import zip_longest
from typing import Any, TypeVar

from model.expr import Expr, replaced, same, substitute
from model.near import hint, unknown
from model.operation import found, on_role
from model.role import Edition, Observer, Role
from model.rule import Check, ModelError, Rule
from model.schedule import KeySchedule


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
    # What an end takes for the right proof is what the peer makes: so an attack is found, not the
    # shorter proof of two ends that agree on it.
    observers = tuple(
        replace(o, value=substitute(o.value, lambda v: v, shorter)) if o.event == message else o
        for o in role.observers
    )
    sends = dict(role.sends)
    if message in sends:
        sends[message] = {
            f: tuple(p for i, p in enumerate(e) if i not in left) if isinstance(e, tuple) else e
            for f, e in sends[message].items()
        }
    covered = {**role.covered, message: tuple(f for f in layout if f not in names)}
    return replace(role, table=tuple(rows), observers=observers, sends=sends, covered=covered)


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


@on_role
def with_view(role: Role, field: str, value: Expr) -> Role:
    """The role that holds another value of a field: in its view and in each proof with it."""
    if field not in role.views:
        raise ModelError(unknown(f"field that the {role.name} has a view of", field, role.views))
    names = (field, f"secret.{field}")

    def anew(message: str, parts: tuple[Expr, ...]) -> tuple[Expr, ...]:
        layout = role.covered.get(message, ())
        return tuple(
            value if n in names else p for n, p in zip_longest(layout[: len(parts)], parts)
        )

    def checked(row: Rule) -> Rule:
        def swapped(node: Expr, parts: tuple[Expr, ...]) -> Expr:
            return same(node.args[0], *anew(row.event, parts))

        checks = tuple(
            replace(c, expr=substitute(c.expr, lambda v: v, swapped)) for c in row.checks
        )
        return replace(row, checks=checks) if row.kind == "receive" else row

    def sent(message: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {f: anew(message, e) if isinstance(e, tuple) else e for f, e in fields.items()}

    return replace(
        role,
        views={**role.views, field: value},
        table=tuple(map(checked, role.table)),
        sends={m: sent(m, fields) for m, fields in role.sends.items()},
        editions={
            m: tuple(replace(e, fields=sent(m, e.fields)) for e in times)
            for m, times in role.editions.items()
        },
    )


T = TypeVar("T")


def renewed(of: T, old: Expr, new: Expr) -> T:
    """A role, a row or any part of one, with `new` wherever the term `old` stands."""
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

    changed: T = anew(of)
    return changed


def with_new_term(role: Role, old: Expr, new: Expr, *rows: str) -> Role:
    """The role with `new` wherever the term `old` stands, if anywhere; see `with_term`."""
    if not rows:
        return renewed(role, old, new)
    here = [found(role, n) for n in rows]
    return replace(role, table=tuple(renewed(x, old, new) if x in here else x for x in role.table))


@on_role
def with_term(role: Role, old: Expr, new: Expr, *rows: str) -> Role:
    """The role with `new` wherever the term `old` stands: in rows, proofs, views, keys, everything.

    With `rows` in these rows alone.
    """
    return with_new_term(role, old, new, *rows)
