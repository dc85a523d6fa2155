"""Capabilities of the adversary beyond the network, one in each file.

A capability has a `SUMMARY` and one or more of

- the function `breaks(weak)`: the condition under which the adversary breaks a key, from the
  condition `weak` under which the key is export-grade;
- `LEAK`: a secret that an end loses, once, at any moment;
- `ORACLE`: the uses of the honest server's private key that the adversary can ask for at any
  moment: `DECRYPT`, `SIGN`.

A leak is a message M to nobody: a row of the end that loses the secret, possible in every state.
The loss is recorded in the variable `sent_M`, as for any message, and shown in a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType

from model.expr import BOOL, TRUE, Expr, neg, var
from model.folder import modules
from model.role import Role
from model.rule import SAME, Message, send
from model.system import Instance, System


def early(message: str) -> str:
    """The name of a run's variable "a secret was lost before this run verified a Finished"."""
    return f"early_{message}"


@dataclass(frozen=True, eq=False)
class Leak:
    """A secret that runs of `roles` lose by "sending" `message`."""

    message: Message
    roles: tuple[str, ...]
    gives: str = ""
    """The kind of the secret (`model.schedule`); empty if `notes` describe the loss."""
    when: Mapping[str, Expr] = field(default_factory=dict)
    """By role: when a run can lose the secret."""
    notes: Callable[[Instance], Mapping[str, Expr]] = lambda _: {}
    """By name of a global boolean besides `early`: a fact at the moment that a run leaks."""

    def noted(self, system: System, run: Instance) -> dict[str, Expr]:
        """The effects of a leak by `run` on the recorded facts, by global variable.

        A fact recorded at an earlier leak stays true.
        """
        if run.role.name not in self.roles:
            return {}
        before = {
            f"{r.name}.{early(self.message.name)}": neg(var(f"{r.name}.verified", BOOL))
            for r in system.runs
        }
        return {n: var(n, BOOL) | e for n, e in {**before, **self.notes(run)}.items()}


@cache
def capabilities() -> dict[str, ModuleType]:
    """Every capability by name, in the order of the files."""
    return modules(__name__, "SUMMARY")


def leaks(names: Iterable[str]) -> tuple[Leak, ...]:
    """The leaks among the capabilities called `names`."""
    found = (getattr(capabilities()[n], "LEAK", None) for n in names)
    return tuple(x for x in found if x is not None)


@cache
def leaking(role: Role, names: tuple[str, ...]) -> Role:
    """`role` with a row for each secret that the capabilities `names` let a run lose."""
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
