"""Rules, messages and roles: the tables from which everything else is built.

A role is a table of rules. A rule has source states, an event (receive a message, send a message,
or a local step), a guard in two parts, effects, a target state and an RFC section. In the guard,
`when` selects the rule among the rules for the same event; `checks` are demands on the message,
each with the alert that the RFC asks for on failure. `Role` generates the reject rules as the exact
complement of the accept rules: in every state but the final ones each message has exactly one rule.

A rule is local: it reads only `own.x` (a variable of the run that takes the rule), `prev.x` (the
previous handshake of the same end; initial values if there was none; `prev.prev.x` is one further
back) and `msg.f` (a field of the message, or a choice of the caller). Effects are parallel: all
read the state before the step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache, cached_property

from model.expr import (
    BOOL,
    COMPOSITE,
    FALSE,
    TRUE,
    Domain,
    Expr,
    Value,
    conj,
    const,
    disj,
    exists,
    neg,
    substitute,
    var,
    variables,
)
from model.schedule import KeySchedule

UNEXPECTED_MESSAGE = "unexpected_message"
SAME = "="
"""The target of a rule that does not change the state (the notation of `transitions`)."""


class ModelError(Exception):
    """A malformed table; the text names the file or role, the row and the field. Exit status 4."""


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
    """A record that does not decrypt under the receiver's read key."""
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
    sealed: Mapping[str, str] = field(default_factory=dict)
    """By composite field: the kind of secret that signs or MACs the field. A composite field that
    is absent here is sealed as the receiver's `KeySchedule.seals` says."""
    encrypted: Encrypted | None = None
    """The part encrypted to a public key."""
    made_up: Expr = TRUE
    """A condition over `msg` that holds even if the adversary makes the message up."""
    replayed: bool = True
    """Whether the adversary can replay the message; otherwise the adversary only makes it up."""
    form: Form = Form.RECORD
    record: tuple[str, ...] = ()
    """The fields of the surrounding record, chosen by the writer of the record."""
    handshake: bool = True
    """Whether the message is a step of a handshake."""
    before_hello: bool = False
    """Whether the message may come before the peer's hello."""

    def demands(self, field: str) -> bool:
        """Whether the field must have a value other than `none`."""
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
    generation: str = ""
    """The one generation that has the row; empty for a row of all generations."""
    refuses: tuple[str, str] | None = None
    """Of a reject row: the accept row and the failed check; None if no accept row was due."""

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

    @property
    def location(self) -> str:
        """File, role and row, for error messages."""
        return f"{self.file + ': ' if self.file else ''}{self.role}, row {self.name}"

    @property
    def rejects(self) -> bool:
        """Whether this row answers an illegal message with an alert."""
        return self.alert is not None


def check(name: str, expr: Expr, alert: str) -> Check:
    """A demand of a receive rule."""
    return Check(name, expr, alert)


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
) -> Rule:
    """A rule that accepts `message`."""
    return Rule(
        role,
        "receive",
        message.name,
        _tuple(sources),
        target,
        when,
        tuple(checks),
        do or {},
        message.fields,
        rfc,
        message,
        None,
        label,
    )


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
    return Rule(
        role,
        "send",
        message.name,
        _tuple(sources),
        target,
        when,
        (),
        do or {},
        choices or {},
        rfc,
        message,
        None,
        label,
    )


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
        _tuple(sources),
        target,
        when,
        (),
        do or {},
        choices or {},
        rfc,
    )


def written(rows: Iterable[Rule], file: str, generation: str = "") -> tuple[Rule, ...]:
    """The rows, each marked with its file and generation."""
    return tuple(replace(r, file=file, generation=generation) for r in rows)


def choice(name: str, domain: Domain) -> Expr:
    """An argument of a send or local step, as an expression."""
    return var(f"msg.{name}", domain)


def _tuple(sources: str | Sequence[str]) -> tuple[str, ...]:
    return (sources,) if isinstance(sources, str) else tuple(sources)


@dataclass(frozen=True, eq=False)
class Observer:
    """A record of the past: `variable` takes `value` whenever a run accepts or does `event`.

    An observer names an event, never a row, so that a flaw's new row triggers the observer too.
    """

    variable: str
    kind: str
    """One of "receive", "send", "step" and "reject" (with `msg.alert` as the alert sent)."""
    event: str
    value: Expr
    transient: bool = False
    """Whether closing the run resets the variable to its initial value."""


@dataclass(frozen=True, eq=False)
class Edition:
    """One of several times that a role sends the same message. Conditions are over `own`."""

    name: str
    """The suffix in a source's name: "in generation 1"."""
    when: Expr
    """Whether the edition was sent."""
    fields: Mapping[str, Expr | tuple[Expr, ...]] = field(default_factory=dict)
    """The contents that differ from `Role.sends`."""
    order: Expr = TRUE
    """Whether the edition is next on a FIFO channel; may also read the receiver's `to`."""
    under: Expr | None = None
    """The record key; None for the record key in `Role.under`."""
    now: Expr = FALSE
    """Whether the edition is the last one sent."""


@dataclass(frozen=True, eq=False)
class Role:
    """A table of rows with the variables, alphabet and observers of the runs."""

    name: str
    """The name in rows and error messages: "client" or "server"."""
    states: tuple[str, ...]
    """The local states; the initial state comes first."""
    variables: Mapping[str, Variable]
    """The variables of a run besides `state`."""
    table: tuple[Rule, ...]
    """The accept rows, from which the reject rows are generated."""
    alphabet: tuple[Message, ...]
    """Every message that a run can receive."""
    sends: Mapping[str, Mapping[str, Expr | tuple[Expr, ...]]]
    """By message and field: the contents over `own`, after the step; a tuple for a composite."""
    closed: str = "CLOSED"
    """The target of a reject row."""
    final: tuple[str, ...] = ("CLOSED",)
    """The states without any rows, reject rows included."""
    refuse: Mapping[str, Expr] = field(default_factory=dict)
    """The effects of every reject row."""
    observers: tuple[Observer, ...] = ()
    """The records of the past that properties read."""
    fatal: Message | None = None
    """The message that carries the alert of a reject row; None if a reject row sends nothing."""
    views: Mapping[str, Expr] = field(default_factory=dict)
    """By field that both ends have: the value that this end holds."""
    covered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By group ("secret", "hellos", "flight", "early") or message with a proof: the fields."""
    under: Mapping[str, Expr] = field(default_factory=dict)
    """By sent message: the record key."""
    again: Mapping[str, Expr] = field(default_factory=dict)
    """By message: when a run may accept the message a second time."""
    generations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By generation: the local states that no other generation has."""
    schedule: KeySchedule = field(default_factory=KeySchedule)
    """The secrets that go into the keys."""
    begins: Expr = TRUE
    """When the run may start at all, over `own` and `prev`."""
    extensions: tuple[str, ...] = ()
    """The names of the extensions in the table."""
    editions: Mapping[str, tuple[Edition, ...]] = field(default_factory=dict)
    """By message that is sent more than once: the editions."""
    signer: Expr | None = None
    """The certificate whose key must have made the signatures that a run checks."""

    @cached_property
    def state_domain(self) -> Domain:
        """The local states, in the order of the table."""
        return Domain(f"{self.name.capitalize()}State", self.states)

    @cached_property
    def all_variables(self) -> dict[str, Variable]:
        """All variables of a run, `state` first."""
        state = Variable(self.state_domain, (self.states[0],), write_once=False)
        return {"state": state, **self.variables}

    @cached_property
    def configuration(self) -> tuple[str, ...]:
        """The names of the variables that no row and no observer sets."""
        set_ = {"alert", *self.refuse, *(n for r in self.accepts for n in r.do)}
        set_ |= {o.variable for o in self.observers}
        return tuple(n for n in self.variables if n not in set_)

    @cached_property
    def accepts(self) -> tuple[Rule, ...]:
        """The accept rows with the observers' effects."""
        return tuple(self._observed(r) for r in self.table)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The accept rows, then the reject rows; ModelError for a bad name, domain or overlap."""
        for r in self.table:
            self._check(r)
        rows = self.accepts + tuple(self._observed(r) for r in self._rejects())
        self._validate(rows)
        return rows

    def times(self, message: str) -> tuple[Edition, ...]:
        """The editions of a message with all fields and record keys; a single nameless edition
        for a message without editions."""
        found = self.editions.get(message) or (Edition("", TRUE),)
        under = self.under.get(message)
        return tuple(
            replace(
                e,
                fields={**self.sends[message], **e.fields},
                under=under if e.under is None else e.under,
            )
            for e in found
        )

    def rule(self, name: str) -> Rule:
        """The row called `name`."""
        for r in self.rules:
            if r.name == name:
                return r
        raise KeyError(name)

    def _observed(self, rule: Rule) -> Rule:
        do = dict(rule.do)
        kind = "reject" if rule.rejects else rule.kind
        if rule.target == self.closed:
            for o in self.observers:
                if o.transient:
                    v = self.variables[o.variable]
                    do[o.variable] = const(v.initial[0], v.domain)
        sent: Expr | None = None
        if rule.alert is not None and "alert" in self.variables:
            sent = const(rule.alert, self.variables["alert"].domain)

        def with_alert(v: Expr) -> Expr:
            return v if sent is None or v.payload != "msg.alert" else sent

        for o in self.observers:
            if o.kind == kind and o.event == rule.event:
                if o.transient and rule.target == self.closed:
                    continue
                if o.variable in do:
                    raise ModelError(f"{rule.location}: observer and row both set {o.variable}")
                do[o.variable] = o.value if sent is None else substitute(o.value, with_alert)
        return replace(rule, do=do)

    def _rejects(self) -> Iterable[Rule]:
        for message in self.alphabet:
            by_rows: dict[tuple[int, ...], list[str]] = {}
            rows = [r for r in self.table if r.kind == "receive" and r.message is message]
            for state in self.states:
                if state not in self.final:
                    key = tuple(i for i, r in enumerate(rows) if state in r.sources)
                    by_rows.setdefault(key, []).append(state)
            for key, states in by_rows.items():
                yield from self._complement(message, [rows[i] for i in key], tuple(states))

    def _check(self, rule: Rule) -> None:
        """ModelError unless the row's conditions are boolean and its alerts exist."""
        for what, e in (("when", rule.when), *((f"check {c.name}", c.expr) for c in rule.checks)):
            if e.domain is not BOOL:
                raise ModelError(f"{rule.location}, field {what}: expected a boolean, got {e}")
        alerts = self.variables["alert"].domain if "alert" in self.variables else None
        for c in rule.checks:
            if alerts is not None and c.alert not in alerts.codes:
                raise ModelError(
                    f"{rule.location}, field check {c.name}: {c.alert} is no alert; "
                    f"expected one of {', '.join(map(str, alerts.values))}"
                )

    def _complement(
        self, message: Message, rows: list[Rule], states: tuple[str, ...]
    ) -> Iterable[Rule]:
        where = "_".join(states) if rows else "elsewhere"
        stem = f"{self.name}_reject_{snake(message.name)}"

        def reject(
            label: str, guard: Expr, alert: str, rfc: str, refuses: tuple[str, str] | None = None
        ) -> Rule:
            do = dict(self.refuse)
            if "alert" in self.variables:
                do["alert"] = const(alert, self.variables["alert"].domain)
            return Rule(
                self.name,
                "receive",
                message.name,
                states,
                self.closed,
                guard,
                (),
                do,
                message.fields,
                rfc,
                message,
                alert,
                label,
                refuses=refuses,
            )

        for i, row in enumerate(rows):
            passed = [row.when]
            for c in row.checks:
                yield reject(
                    f"{stem}_{where}_{i}_{snake(c.name).replace(' ', '_')}",
                    conj(*passed, neg(c.expr)),
                    c.alert,
                    row.rfc,
                    (row.name, c.name),
                )
                passed.append(c.expr)
        nothing = neg(disj(*(r.when for r in rows)))
        if satisfiable(nothing):
            rfc = rows[0].rfc if rows else message.rfc
            yield reject(f"{stem}_{where}", nothing, message.refused, rfc)

    def _validate(self, rows: Sequence[Rule]) -> None:
        seen: set[str] = set()
        own = {f"own.{n}": v.domain for n, v in self.all_variables.items()}
        for r in rows:
            if r.name in seen:
                raise ModelError(f"{r.location}: two rows have this name; give one a label")
            seen.add(r.name)
            for s in (*r.sources, r.target):
                if s not in self.states and not (s == SAME and s is r.target):
                    raise ModelError(
                        f"{r.location}, field source/target: {s!r} is not a state; "
                        f"expected one of {', '.join(self.states)}"
                    )
            if r.kind == "receive" and r.message not in self.alphabet:
                raise ModelError(f"{r.location}, field message: {r.event} is not in the alphabet")
            if r.kind == "send" and r.event not in self.sends:
                raise ModelError(f"{r.location}: sends has no fields for {r.event}")
            for name, value in r.do.items():
                if name not in self.variables:
                    raise ModelError(f"{r.location}, field do: no variable {name!r}")
                if value.domain.values != self.variables[name].domain.values:
                    raise ModelError(
                        f"{r.location}, field do: {name} is a "
                        f"{self.variables[name].domain.name}, got {value} ({value.domain.name})"
                    )
            for name in variables(r.guard, *r.do.values()):
                kind, _, rest = name.partition(".")
                if kind == "own" and (name in own or rest == "me"):
                    continue
                before = rest.rpartition("prev.")[2]
                if kind == "prev" and (f"own.{before}" in own or before == "me"):
                    continue
                if kind == "msg" and rest in r.choices:
                    continue
                raise ModelError(f"{r.location}: {name} is not a field it may read")
        for a, b in overlaps(rows):
            raise ModelError(f"{a.location} and {b.location} can both fire")


def overlaps(rows: Sequence[Rule]) -> Iterable[tuple[Rule, Rule]]:
    """Pairs of rows for the same event that can both fire in some state with some message."""
    groups: dict[tuple[str, str], list[Rule]] = {}
    for r in rows:
        for s in r.sources:
            groups.setdefault((r.trigger, s), []).append(r)
    done: set[tuple[str, str]] = set()
    for group in groups.values():
        for i, a in enumerate(group):
            for b in group[i + 1 :]:
                if (a.name, b.name) not in done:
                    done.add((a.name, b.name))
                    if satisfiable(conj(a.guard, b.guard)):
                        yield a, b


@cache
def satisfiable(expr: Expr) -> bool:
    """Whether some assignment of the variables makes `expr` true, by eliminating each variable.

    Each comparison of composites is taken as a free boolean.
    """
    fresh: dict[int, Expr] = {}

    def on_same(node: Expr, _parts: tuple[Expr, ...]) -> Expr:
        return fresh.setdefault(id(node), var(f"same{len(fresh)}", BOOL))

    expr = substitute(expr, lambda v: v, on_same)
    while expr is not TRUE and expr is not FALSE:
        name, domain = next(iter(variables(expr).items()))
        expr = exists(name, domain.values, domain, expr)
    return expr is TRUE


def composites(message: Message) -> tuple[str, ...]:
    """The composite fields of a message: signatures, MACs and encrypted contents."""
    return tuple(n for n, d in message.fields.items() if d is COMPOSITE)
