"""What the adversary can do beyond the network: one file a capability.

A capability has a `SUMMARY` and one or both of

- the function `breaks(weak)`: given when a key is export-grade, when the adversary gets its private
  part;
- `LEAK`: a secret that an end loses, once, at any moment.

A leak is a message to nobody: a row of the end that loses the secret, possible in every state. So
that it was lost is `sent_M`, as with all that the adversary has seen, and a trace shows when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType

from model.expr import BOOL, TRUE, Expr, neg, var
from model.folder import modules
from model.rule import SAME, Message, Role, send
from model.system import Instance, System


def early(message: str) -> str:
    """The variable of a run that says: a secret was lost before it had verified a Finished."""
    return f"early_{message}"


@dataclass(frozen=True, eq=False)
class Leak:
    """A secret that runs of `roles` lose by "sending" `message`."""

    message: Message
    roles: tuple[str, ...]
    gives: str = ""
    """The kind of the secret (`model.schedule`); none if `notes` tell what was lost."""
    when: Mapping[str, Expr] = field(default_factory=dict)
    """By role: when a run can lose it."""
    notes: Callable[[Instance], Mapping[str, Expr]] = lambda _: {}
    """Facts about the moment of the leak by a run, besides `early`: Booleans by global name."""

    def noted(self, system: System, run: Instance) -> dict[str, Expr]:
        """What is noted when `run` loses the secret: over global variables, by name. What was
        true when another run lost it stays true."""
        if run.role.name not in self.roles:
            return {}
        before = {
            f"{r.name}.{early(self.message.name)}": neg(var(f"{r.name}.verified", BOOL))
            for r in system.runs
        }
        return {n: var(n, BOOL) | e for n, e in {**before, **self.notes(run)}.items()}


@cache
def capabilities() -> dict[str, ModuleType]:
    """Every capability by name, sorted."""
    return modules(__name__, "SUMMARY")


def leaks(names: Iterable[str]) -> tuple[Leak, ...]:
    """The leaks among the capabilities called `names`."""
    found = (getattr(capabilities()[n], "LEAK", None) for n in names)
    return tuple(x for x in found if x is not None)


@cache
def leaking(role: Role, names: tuple[str, ...]) -> Role:
    """`role` with a row for each secret it can lose."""
    lost = [x for x in leaks(names) if role.name in x.roles]
    if not lost:
        return role
    rows = tuple(
        send(
            role.name,
            x.message,
            role.states,
            SAME,
            rfc=x.message.rfc,
            when=x.when.get(role.name, TRUE),
            label=f"{role.name}_loses_{x.message.name}",
        )
        for x in lost
    )
    sends = {**role.sends, **{x.message.name: {} for x in lost}}
    return replace(role, table=(*role.table, *rows), sends=sends)
