"""The mutants of a system: one generator for each kind of change.

A generator yields the description and the patch of each of its mutants of a row. A mutant that
makes two rows take one message needs an order: the changed row wins, and another row of the same
event takes what is left (`first`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from model.expr import TRUE, Value, conj, conjuncts, const, eq, neg
from model.patch import (
    Operation,
    takes_precedence,
    with_effects,
    with_rows,
    with_sources,
    with_target,
    without_check,
    without_condition,
    without_covered,
    without_effects,
    without_fields,
)
from model.role import Role
from model.rule import SAME, Form, ModelError, Rule
from model.solver import satisfiable
from model.system import System

VALUES = 3
"""The largest number of other values that an effect is given."""
Made = Iterator[tuple[str, Operation]]


@dataclass(frozen=True)
class Mutant:
    """One change of one row, or of what a message signs or MACs."""

    kind: str
    """A name of `KINDS` or `COVERED`."""
    row: str
    """The changed row; for a field, the message or the secret that covers the field."""
    what: str
    """The check, condition, effect, state or field."""
    file: str = field(compare=False)
    """The file in which the row is written."""
    rfc: str = field(compare=False)
    rows: tuple[str, ...] = field(compare=False)
    """The rows of which some must be able to fire for the mutant to matter."""
    ends: tuple[str, ...] = field(compare=False)
    """The names of the changed roles."""
    patch: Operation = field(compare=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the mutant."""
        return self.kind, self.row, self.what

    def __str__(self) -> str:
        return f"{self.kind} {self.row}: {self.what}"

    def roles(self, sound: Mapping[str, Role]) -> dict[str, Role]:
        """The changed roles by name; ModelError if the change is not possible."""
        out = {}
        for name in self.ends:
            # Whether anything changes is asked of the steps: comparing roles takes longer.
            new = self.patch.applied(sound[name])
            old = {id(r) for r in sound[name].table}
            for r in new.table:
                new = first(new, r) if id(r) not in old else new
            out[name] = new
        return out


def first(role: Role, row: Rule) -> Role:
    """The role in which a row takes precedence over others of its event, if they can both fire.

    Where the row's own condition (`when`) holds, the others do not fire; its checks still refuse.
    """
    for r in role.table:
        rival = r is not row and r.trigger == row.trigger
        if not rival or {*r.sources}.isdisjoint(row.sources):
            continue
        if satisfiable(conj(r.when, row.when, r.same_key(row, role.read_key))):
            return takes_precedence(row.name).applied(role)
    return role


# -- the kinds -------------------------------------------------------------------------------------
def _checks(role: Role, row: Rule) -> Made:
    for c in row.checks:
        yield c.name, without_check(row.name, c.name)


def _loosened(row: Rule) -> Made:
    for e in conjuncts(row.when) if row.when is not TRUE else ():
        yield str(e), without_condition(row.name, str(e))


def _conditions(role: Role, row: Rule) -> Made:
    return _loosened(row) if row.kind != "send" else iter(())


def _unguarded(role: Role, row: Rule) -> Made:
    return _loosened(row) if row.kind == "send" else iter(())


def _effects(role: Role, row: Rule) -> Made:
    for n in row.do:
        yield n, without_effects(row.name, n)


def _values(role: Role, row: Rule) -> Made:
    for n, e in row.do.items():
        # The first value is what the variable has without the effect.
        others = (v for v in e.domain.values if v not in role.variables[n].initial)
        fresh = (x for v in others if (x := const(v, e.domain)) is not e)
        for x in islice(fresh, VALUES):
            yield f"{n} = {x}", with_effects(row.name, **{n: x})


def _states(role: Role, row: Rule) -> Made:
    for s in role.states:
        if row.kind == "receive" and s not in (*row.sources, *role.final, row.target):
            yield s, with_sources(row.name, s)


def _twice(role: Role, row: Rule) -> Made:
    again = row.target not in (SAME, *row.sources, *role.final)
    if row.kind == "receive" and again:
        yield row.target, with_sources(row.name, row.target)


def _protections(role: Role, row: Rule) -> Made:
    taken = row.key(role.read_key)
    record = row.kind == "receive" and row.message is not None and row.message.form is Form.RECORD
    for k in taken.domain.values if taken is not None and record else ():
        assert taken is not None
        key = const(k, taken.domain)
        if key is not taken:
            label = f"{row.name}_under_{k}"
            when = conj(row.when, neg(eq(taken, key)))
            yield str(k), with_rows(replace(row, under=key, when=when, label=label))


def _skips(role: Role, row: Rule) -> Made:
    after = {r.target for r in role.table if row.target in r.sources}
    for s in role.states:
        if row.target != SAME and s in after - {row.target, role.closed, *role.final}:
            yield f"{row.target}, on to {s}", with_target(row.name, s)


KINDS: dict[str, Callable[[Role, Rule], Made]] = {
    "check": _checks,
    "condition": _conditions,
    "guard": _unguarded,
    "effect": _effects,
    "value": _values,
    "state": _states,
    "twice": _twice,
    "protection": _protections,
    "skip": _skips,
}
"""By kind: the mutants of a row."""
WORDS = {
    "check": "without a check",
    "condition": "taken without a condition",
    "guard": "sent without a condition",
    "effect": "without an effect",
    "value": "another value in an effect",
    "field": "a field less in a signature or MAC",
    "secret": "a field less in a secret",
    "state": "taken in one more state",
    "twice": "taken twice",
    "protection": "taken under one more key",
    "skip": "a state left out",
}
"""What each kind changes, in words."""
COVERED = ("field", "secret")
"""The kinds that change what a message or a secret covers, at both ends."""


def mutants_of(system: System) -> list[Mutant]:
    """The mutants of the rows that can fire in `system`, and of what these sign or MAC."""
    roles = {r.role.name: r.role for r in system.runs}
    fired = {s.rule.name for s, _ in system.values.fireable}
    # The states that occur, and the record keys.
    reached = {n: set[Value]() for n in roles}
    for n, d in system.values.domain.items():
        run, _, name = n.partition(".")
        if run in system.by_name and name in ("state", "read_key", "write_key"):
            reached[system.by_name[run].role.name] |= set(d.values)
    out: dict[Mutant, None] = {}
    for role in roles.values():
        for row in role.table:
            if row.name in fired:
                for kind, made in KINDS.items():
                    for what, patch in made(role, row):
                        if kind in ("state", "protection") and what not in reached[role.name]:
                            continue
                        about = (row.file, row.rfc, (row.name,), (role.name,))
                        out[Mutant(kind, row.name, what, *about, patch)] = None
    out.update(dict.fromkeys(_covered(roles, fired)))
    return list(out)


def _covered(roles: Mapping[str, Role], fired: set[str]) -> Iterator[Mutant]:
    """The mutants of what the proofs that can arrive, and the secrets, are made of."""
    for role in roles.values():
        for message in role.covered:
            rows = [r for r in role.table if r.kind == "receive" and r.event == message]
            rows = [r for r in rows if r.name in fired]
            for f in role.covered[message] if rows else ():
                about = (_file(rows), rows[0].rfc, tuple(r.name for r in rows))
                ends = tuple(n for n, r in roles.items() if f in r.covered.get(message, ()))
                yield Mutant("field", message, f, *about, ends, without_fields(message, f))
        for group in ("secret", "hellos"):
            for f in role.covered.get(group, ()):
                rows = [r for r in role.table if r.name in fired and r.file]
                about = ("model/transcript.py", "5246 8.1; 8446 7.1", tuple(r.name for r in rows))
                yield Mutant("secret", group, f, *about, tuple(roles), without_covered(f))


def _file(rows: Sequence[Rule]) -> str:
    """The file of the first row that is written in one."""
    return next((r.file for r in rows if r.file), "")


def changed(system: System, mutant: Mutant) -> System | None:
    """The system with the mutant, or None if the mutant is none of this system."""
    roles = {r.role.name: r.role for r in system.runs}
    try:
        roles |= mutant.roles(roles)
    except ModelError:
        return None
    return replace(system, runs=tuple(replace(r, role=roles[r.role.name]) for r in system.runs))
