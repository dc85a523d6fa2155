"""Patches: changes of a role, for flaws, `--drop`, the audit's weakenings and the mutants.

A patch is one operation or a sequence of operations, applied in order. `str` of an operation is a
description. An unknown row, check, field or variable is a ModelError with the near names, and so is
an operation that changes nothing. `on_row` and `on_role` make an operation of a function of a row
or a role; a plain function of a role is an operation, too.

    patched(role("client"), [without_check(ROW, "signature"), with_target(ROW, "CONNECTED")])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import wraps
from inspect import unwrap
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from model.expr import TRUE, Expr, conj, conjuncts, disj, same, substitute
from model.extensions import with_messages
from model.folder import failure
from model.near import hint, unknown
from model.role import Role
from model.rule import Check, Message, ModelError, Rule

__all__ = [
    "Operation",
    "Patch",
    "loosened",
    "narrowed",
    "on_role",
    "on_row",
    "patched",
    "widened",
    "with_alert",
    "with_effects",
    "with_observer",
    "with_rows",
    "with_secret",
    "with_sent",
    "with_sources",
    "with_target",
    "without_check",
    "without_condition",
    "without_covered",
    "without_effects",
    "without_fields",
    "without_refusals",
    "without_rows",
    "without_sources",
]

P = ParamSpec("P")


@dataclass(frozen=True, eq=False)
class Operation:
    """One change of a role: a function and the arguments."""

    change: Callable[..., Role]
    row: str
    """The name of the changed row; empty if not exactly one row is changed."""
    given: tuple[object, ...]
    named: Mapping[str, object]

    def __call__(self, role: Role) -> Role:
        out = self.change(role, *((self.row,) if self.row else ()), *self.given, **self.named)
        if _content(out) == _content(role):
            raise ModelError(f"{self}: that changes nothing in the {role.name}")
        return out

    def __str__(self) -> str:
        given = [*map(_word, self.given), *(f"{n} = {_word(v)}" for n, v in self.named.items())]
        words = " ".join((self.change.__name__.replace("_", " "), ", ".join(given))).rstrip()
        return f"{self.row}: {words}" if self.row else words


Patch = Callable[[Role], Role] | Sequence["Patch"]


def patched(role: Role, patch: Patch) -> Role:
    """The role after all operations of a patch."""
    if not callable(patch):
        for one in patch:
            role = patched(role, one)
        return role
    try:
        return patch(role)
    except ModelError:
        raise
    except Exception as e:
        written = unwrap(patch.change if isinstance(patch, Operation) else patch)
        file = getattr(getattr(written, "__code__", None), "co_filename", __file__)
        raise ModelError(failure(e, Path(file))) from e


def on_role(change: Callable[Concatenate[Role, P], Role]) -> Callable[P, Operation]:
    """An operation from a function of the role and further arguments."""

    @wraps(change)
    def made(*given: P.args, **named: P.kwargs) -> Operation:
        return Operation(change, "", given, named)

    return made


def on_row(
    change: Callable[Concatenate[Rule, P], Rule],
) -> Callable[Concatenate[str, P], Operation]:
    """An operation on a row from a function of the row and further arguments.

    The first argument of the operation is the name of the row, which the changed row keeps.
    """

    @wraps(change)
    def of(role: Role, name: str, /, *given: P.args, **named: P.kwargs) -> Role:
        row = _found(role, name)
        new = change(row, *given, **named)
        new = new if new.name == name else replace(new, label=name)
        return replace(role, table=tuple(new if x is row else x for x in role.table))

    @wraps(change)
    def made(row: str, /, *given: P.args, **named: P.kwargs) -> Operation:
        return Operation(of, row, given, named)

    return made


# -- rows ------------------------------------------------------------------------------------------
@on_role
def with_rows(role: Role, *rows: Rule) -> Role:
    """The role with further rows, whose messages get the fields that the role's messages have."""
    messages = {m.name: m for m in role.alphabet}
    return replace(role, table=(*role.table, *(with_messages(x, messages) for x in rows)))


@on_role
def without_rows(role: Role, *names: str) -> Role:
    """The role without some rows; a message that no other row accepts is refused."""
    gone = [_found(role, n) for n in names]
    return replace(role, table=tuple(x for x in role.table if x not in gone))


# -- one row: where it is taken --------------------------------------------------------------------
@on_row
def with_sources(row: Rule, *states: str) -> Rule:
    """The row with further source states; with its own target, the row can fire twice."""
    return replace(row, sources=tuple(dict.fromkeys((*row.sources, *states))))


@on_row
def without_sources(row: Rule, *states: str) -> Rule:
    """The row without some source states."""
    _known(row, "source", states, row.sources)
    return replace(row, sources=tuple(s for s in row.sources if s not in states))


@on_row
def with_target(row: Rule, target: str) -> Rule:
    """The row with another target, for example to skip a state."""
    return replace(row, target=target)


# -- one row: when it is taken ---------------------------------------------------------------------
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
    _known(row, "condition", conditions, () if row.when is TRUE else map(str, parts))
    kept = (e for e in parts if conditions and str(e) not in conditions)
    return replace(row, when=conj(*kept))


# -- one row: what it demands ----------------------------------------------------------------------
@on_row
def without_check(row: Rule, *checks: str) -> Rule:
    """The row without some checks; without all if none is named."""
    _known(row, "check", checks, (c.name for c in row.checks))
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
    _known(row, "effect", variables, row.do)
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
    known = [f.name for f in fields(role.schedule)]
    for n in terms:
        if n not in known:
            raise ModelError(unknown("part of a key schedule", n, known))
    return replace(role, schedule=replace(role.schedule, **terms))


def _found(role: Role, name: str) -> Rule:
    for x in role.table:
        if x.name == name:
            return x
    raise ModelError(unknown(f"row of the {role.name}", name, (x.name for x in role.table)))


def _known(row: Rule, what: str, names: Sequence[str], known: Iterable[str]) -> None:
    """ModelError unless every name is in `known`."""
    known = list(known)
    for n in names:
        if n not in known:
            raise ModelError(f"{row.name} has no {what} {n!r}: it has {', '.join(known) or 'none'}")


def _checked(row: Rule, name: str, change: Callable[[Check], Check]) -> Rule:
    _known(row, "check", [name], (c.name for c in row.checks))
    return replace(row, checks=tuple(change(c) if c.name == name else c for c in row.checks))


def _word(given: object) -> str:
    if isinstance(given, Rule):
        return given.name
    return repr(given) if isinstance(given, str) else str(given)


def _content(of: Any) -> Any:
    """The content by which roles are compared; an expression is compared by identity."""
    if isinstance(of, (Expr, Message)):
        return id(of)
    if isinstance(of, Mapping):
        return {n: _content(x) for n, x in of.items()}
    if isinstance(of, tuple):
        return [_content(x) for x in of]
    if is_dataclass(of):
        return [_content(getattr(of, f.name)) for f in fields(of)]
    return of
