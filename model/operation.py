"""Operations: single changes of a role, of which patches are made (see `model.patch`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import wraps
from inspect import unwrap
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

from model.expr import Expr
from model.folder import failure
from model.near import unknown
from model.role import Role
from model.rule import Message, ModelError, Rule

P = ParamSpec("P")


@dataclass(frozen=True, eq=False)
class Operation:
    """One change of a role: a function and the arguments."""

    change: Callable[..., Role]
    row: str
    """The name of the changed row; empty if not exactly one row is changed."""
    given: tuple[object, ...]
    named: Mapping[str, object]

    def applied(self, role: Role) -> Role:
        """The role after the change; whether it is another one is not asked."""
        return self.change(role, *((self.row,) if self.row else ()), *self.given, **self.named)

    def __call__(self, role: Role) -> Role:
        out = self.applied(role)
        if content(out) == content(role):
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
        out = patch(role)
        if not isinstance(patch, Operation) and content(out) == content(role):
            name = getattr(patch, "__name__", str(patch))
            raise ModelError(f"{name}: that changes nothing in the {role.name}")
        return out
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
    def of(_: Role, row: Rule, /, *given: P.args, **named: P.kwargs) -> Rule:
        return change(row, *given, **named)

    return on_row_of(of)


def on_row_of(
    change: Callable[Concatenate[Role, Rule, P], Rule],
) -> Callable[Concatenate[str, P], Operation]:
    """As `on_row`, from a function that reads the role, too."""

    @wraps(change)
    def of(role: Role, name: str, /, *given: P.args, **named: P.kwargs) -> Role:
        row = found(role, name)
        new = change(role, row, *given, **named)
        new = new if new.name == name else replace(new, label=name)
        return replace(role, table=tuple(new if x is row else x for x in role.table))

    @wraps(change)
    def made(row: str, /, *given: P.args, **named: P.kwargs) -> Operation:
        return Operation(of, row, given, named)

    return made


def found(role: Role, name: str) -> Rule:
    """The row of the role's table with that name; ModelError with the near names."""
    for x in role.table:
        if x.name == name:
            return x
    raise ModelError(unknown(f"row of the {role.name}", name, (x.name for x in role.table)))


def known(row: Rule, what: str, names: Sequence[str], those: Iterable[str]) -> None:
    """ModelError unless every name is in `those`."""
    those = list(those)
    for n in names:
        if n not in those:
            raise ModelError(f"{row.name} has no {what} {n!r}: it has {', '.join(those) or 'none'}")


def _word(given: object) -> str:
    if isinstance(given, Rule):
        return given.name
    return repr(given) if isinstance(given, str) else str(given)


def content(of: Any) -> Any:
    """The content by which roles are compared; an expression is compared by identity."""
    if isinstance(of, (Expr, Message)):
        return id(of)
    if isinstance(of, Mapping):
        return {n: content(x) for n, x in of.items()}
    if isinstance(of, tuple):
        return [content(x) for x in of]
    if isinstance(of, Rule):
        # A row is told by its name, however that is made; where it is written changes nothing.
        told = ("label", "file", "line", "generation")
        return [of.name, *(content(getattr(of, f.name)) for f in fields(of) if f.name not in told)]
    if is_dataclass(of):
        return [content(getattr(of, f.name)) for f in fields(of)]
    return of
