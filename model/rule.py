"""Rules and messages: the rows of the tables from which everything else is built.

A role is a table of rules. A rule has source states, an event (receive a message, send a message,
or a local step), a guard in two parts, effects, a target state and an RFC section. In the guard,
`when` selects the rule among the rules for the same event; `checks` are demands on the message,
each with the alert that the RFC asks for on failure. A role generates the reject rules as the exact
complement of the accept rules: in every state but the final ones each message has exactly one rule.

A rule is local: it reads only `own.x` (a variable of the run that takes the rule), `prev.x` (the
previous handshake of the same end; initial values if there was none; `prev.prev.x` is one further
back) and `msg.f` (a field of the message, or a choice of the caller). Effects are parallel: all
read the state before the step.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, cached_property

from model.expr import COMPOSITE, TRUE, Domain, Expr, Value, comparisons, conj, eq, var

UNEXPECTED_MESSAGE = "unexpected_message"
SAME = "="
"""The target of a rule that does not change the state (the notation of `transitions`)."""


class ModelError(Exception):
    """A malformed table; the text names the file or role, the row and the field. Exit status 4."""


@cache
def snake(name: str) -> str:
    """`ServerHelloDone` as `server_hello_done`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Fields:
    """Attribute access to named expressions: `own.version`, `ServerHello.f.suite`."""

    def __init__(self, what: str, prefix: str, domains: Mapping[str, Domain]) -> None:
        self._what = what
        self._names = {n: var(f"{prefix}.{n}", d) for n, d in domains.items()}

    def __getattr__(self, name: str) -> Expr:
        try:
            return self._names[name]
        except KeyError:
            raise AttributeError(
                f"{self._what} has no field {name!r}: it has {', '.join(self._names)}"
            ) from None

    def __getitem__(self, name: str) -> Expr:
        return self._names[name]


class Form(Enum):
    """The form in which a message reaches the receiver."""

    RECORD = "record"
    """A record under the receiver's read key."""
    GARBLED = "garbled"
    """A record under a key that no row of the receiver takes."""
    END = "end"
    """The end of the transport."""


@dataclass(frozen=True, eq=False)
class Encrypted:
    """The part of a message that is encrypted to a public key."""

    secret: str
    """The field with the secret; in handshakes without encryption, with a public share."""
    to: str
    """The field with the owner of the public key."""
    beside: tuple[str, ...]
    """Further encrypted fields."""
    when: Mapping[str, Expr]
    """By role, over `own`: whether this handshake encrypts the part."""


@dataclass(frozen=True, eq=False)
class Message:
    """A message type with abstract fields; `name` is spelled as in the RFC."""

    name: str
    fields: Mapping[str, Domain]
    rfc: str
    refused: str = UNEXPECTED_MESSAGE
    """The alert that answers the message where none is due."""
    optional: tuple[str, ...] = ()
    """The fields that may be `none` (absent)."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """By field whose value a run made: the message in which the maker shows the value."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """By field that is a part of another field: that other field."""
    knows: tuple[str, ...] = ()
    """The fields in `parts` that name the run whose exchanged secret is in the other field."""
    sealed: Mapping[str, str] = field(default_factory=dict)
    """By composite field: the kind of secret that signs or MACs the field. A composite field that
    is absent here is sealed as the receiver's `KeySchedule.seals` says."""
    encrypted: Encrypted | None = None
    """The part encrypted to a public key."""
    form: Form = Form.RECORD
    record: tuple[str, ...] = ()
    """The fields of the surrounding record, chosen by the writer of the record."""
    handshake: bool = True
    """Whether the message is a step of a handshake."""
    before_hello: bool = False
    """Whether the message may come before the peer's hello."""

    def demands(self, field: str) -> bool:
        """Whether the field must have a value other than `none`.

        A message without it is none: no network delivers it, and no machine takes it.
        """
        return "none" in self.fields[field].codes and field not in self.optional

    @cached_property
    def f(self) -> Fields:
        """The fields as expressions."""
        return Fields(self.name, "msg", self.fields)


@dataclass(frozen=True, eq=False)
class Check:
    """A demand on a message; `name` is what `--drop` takes, `alert` answers a failure."""

    name: str
    expr: Expr
    alert: str


@dataclass(frozen=True)
class Variable:
    """A variable of a run or of a network."""

    domain: Domain
    initial: tuple[Value, ...]
    """The possible initial values; a scenario may give a run others."""
    write_once: bool = True
    """Whether the variable is set at most once."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of a role's table."""

    role: str
    """The name of the role."""
    kind: str
    """One of "receive", "send" and "step"."""
    event: str
    """The name of the message or of the local step."""
    sources: tuple[str, ...]
    """The local states in which the row can fire."""
    target: str
    """The local state after the row, or `SAME`."""
    when: Expr
    """The condition that selects the row among the rows for the same event."""
    checks: tuple[Check, ...]
    """The demands on the message; the first failure is answered."""
    do: Mapping[str, Expr]
    """The effects: the new value of each variable of the run, by name."""
    choices: Mapping[str, Domain]
    """The arguments of the call: the message's fields, or the caller's choices."""
    rfc: str
    """RFC numbers, each followed by a section: "5246 7.4.9; 8446 4.4.4"."""
    message: Message | None = None
    """The message sent or received; None for a local step."""
    alert: str | None = None
    """The alert that a reject row sends; None for an accept row."""
    label: str = ""
    """A name to use instead of the one made of role, event and states."""
    file: str = ""
    """The file in which the row is written."""
    line: int = 0
    """The line in `file` at which the row begins."""
    generation: str = ""
    """The one generation that has the row; empty for a row of all generations."""
    refuses: tuple[str, str] | None = None
    """Of a reject row: the accept row and the failed check; None if no accept row was due."""
    under: Expr | None = None
    """Of a receive row, over `own`: the record key that the record must be under; None for the
    run's read key."""
    unread: bool = False
    """Whether the row drops its message unread, which observers see as another kind of event."""

    @property
    def trigger(self) -> str:
        """The event's name as a call: `receive_server_hello`."""
        return self.event if self.kind == "step" else f"{self.kind}_{snake(self.event)}"

    @cached_property
    def name(self) -> str:
        """The name, unique in the role: `client_receive_server_hello_WAIT_SH_to_WAIT_CERT`."""
        if self.label:
            return self.label
        target = "SAME" if self.target == SAME else self.target
        return f"{self.role}_{self.trigger}_{'_'.join(self.sources)}_to_{target}"

    @cached_property
    def guard(self) -> Expr:
        """The conjunction of `when` and every check."""
        return conj(self.when, *(c.expr for c in self.checks))

    @cached_property
    def proofs(self) -> Mapping[str, tuple[Expr, ...]]:
        """By composite field: the comparisons in the row, that of its own checks first."""
        out: dict[str, dict[Expr, None]] = {}
        for node in comparisons(self.guard, *self.do.values()):
            out.setdefault(node.args[0].payload.removeprefix("msg."), {})[node] = None
        return {name: tuple(nodes) for name, nodes in out.items()}

    def key(self, read: Expr | None) -> Expr | None:
        """The record key that the row takes, where the run's read key is `read`."""
        return read if self.under is None else self.under

    def same_key(self, other: Rule, read: Expr | None) -> Expr:
        """When both rows take the same record key; always for a role without record keys."""
        a, b = self.key(read), other.key(read)
        return TRUE if a is None or b is None else eq(a, b)

    @property
    def location(self) -> str:
        """File, role and row, for error messages."""
        return f"{self.file + ': ' if self.file else ''}{self.role}, row {self.name}"

    @property
    def rejects(self) -> bool:
        """Whether this row answers an illegal message with an alert."""
        return self.alert is not None


check = Check
"""A demand of a receive rule."""


def receive(
    role: str,
    message: Message,
    sources: str | Sequence[str],
    target: str,
    *,
    rfc: str,
    when: Expr = TRUE,
    checks: Sequence[Check] = (),
    do: Mapping[str, Expr] | None = None,
    label: str = "",
    under: Expr | None = None,
) -> Rule:
    """A rule that accepts `message`, in a record under the read key or the key `under`."""
    row = step(role, message.name, sources, target, rfc=rfc, when=when, do=do)
    return replace(
        row,
        kind="receive",
        message=message,
        choices=message.fields,
        checks=tuple(checks),
        label=label,
        under=under,
    )


def unread(row: Rule) -> Rule:
    """The row, which drops its message unread."""
    return replace(row, unread=True)


def send(
    role: str,
    message: Message,
    sources: str | Sequence[str],
    target: str,
    *,
    rfc: str,
    when: Expr = TRUE,
    do: Mapping[str, Expr] | None = None,
    choices: Mapping[str, Domain] | None = None,
    label: str = "",
) -> Rule:
    """A rule that sends `message` with the fields in the role's `sends`, read after the step."""
    row = step(role, message.name, sources, target, rfc=rfc, when=when, do=do, choices=choices)
    return replace(row, kind="send", message=message, label=label)


def step(
    role: str,
    event: str,
    sources: str | Sequence[str],
    target: str,
    *,
    rfc: str,
    when: Expr = TRUE,
    do: Mapping[str, Expr] | None = None,
    choices: Mapping[str, Domain] | None = None,
) -> Rule:
    """A local step that neither sends nor receives."""
    return Rule(
        role,
        "step",
        event,
        (sources,) if isinstance(sources, str) else tuple(sources),
        target,
        when,
        (),
        do or {},
        choices or {},
        rfc,
        line=_line(),
    )


def _line() -> int:
    """The line, outside this file, of the call under way."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_lineno


def written(rows: Iterable[Rule], file: str, generation: str = "") -> tuple[Rule, ...]:
    """The rows, each marked with its file and generation."""
    return tuple(replace(r, file=file, generation=generation) for r in rows)


def choice(name: str, domain: Domain) -> Expr:
    """An argument of a send or local step, as an expression."""
    return var(f"msg.{name}", domain)


def composites(message: Message) -> tuple[str, ...]:
    """The composite fields of a message: signatures, MACs and encrypted contents."""
    return tuple(n for n, d in message.fields.items() if d is COMPOSITE)
