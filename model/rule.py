"""Rules, messages and roles: the tables from which everything else is built.

Theory of operation. A role is a table of rules. A rule names its source states, its event (receive
a message, send a message, or a local step), a guard in two parts, its effects, its target and its
RFC section. `when` selects the rule among those for the same event; `checks` are what the rule
demands of the message, each with the alert the RFC asks for when it fails. `Role` adds to the
accept rules the reject rules, which are their exact complement: so in every state but the final
ones every message has exactly one rule.

A rule is local: it reads `own.x` (the run that takes it), `prev.x` (the same end's handshake before
it: initial values if there was none; `prev.prev.x` is of the one before that) and `msg.f` (a field
of the message, or a choice of the caller), nothing else. Effects are parallel: all read the state
before the step.
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
"""The target of a rule that leaves the state as it is (as `transitions` writes it)."""


class ModelError(Exception):
    """A table is malformed: names the file or role, the row and the field. Exit status 4."""


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
    """How a message comes to its receiver."""

    RECORD = "record"
    """In a record under the receiver's read key."""
    GARBLED = "garbled"
    """As a record that does not decrypt under that key."""
    END = "end"
    """As the end of the transport."""


@dataclass(frozen=True, eq=False)
class Encrypted:
    """A secret in a message that is encrypted, with what is beside it, to a public key."""

    secret: str
    """The field that holds the secret; where nothing is encrypted, a public share."""
    to: str
    """The field that says whose key it is encrypted to."""
    beside: tuple[str, ...]
    """Further fields inside."""
    when: Mapping[str, Expr]
    """By role, over `own`: the handshake is one where it is encrypted."""


@dataclass(frozen=True, eq=False)
class Message:
    """A message type: its name as in the RFC and its abstract fields."""

    name: str
    fields: Mapping[str, Domain]
    rfc: str
    refused: str = UNEXPECTED_MESSAGE
    """The alert where the message is not due."""
    optional: tuple[str, ...] = ()
    """The fields that may be `none`, that is, left out."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """For a field whose value some run made: the message in which that run shows it."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """For a field that is a part of another one: that other one."""
    sealed: Mapping[str, str] = field(default_factory=dict)
    """For a composite field: the kind of secret that it is signed or MACed with. What is not here
    is sealed as the receiver's `KeySchedule.seals` says."""
    encrypted: Encrypted | None = None
    """The secret inside."""
    made_up: Expr = TRUE
    """What is true of the fields, over `msg`, whoever makes the message up."""
    replayed: bool = True
    """The adversary notes who sent it and can deliver it again; else it only makes it up."""
    form: Form = Form.RECORD
    record: tuple[str, ...] = ()
    """The fields that are those of the record around it, chosen by whoever writes that."""
    handshake: bool = True
    """It is a step of a handshake."""
    before_hello: bool = False
    """It may come before the peer's hello."""

    def demands(self, field: str) -> bool:
        """Whether the field must have a value other than `none`."""
        return "none" in self.fields[field].codes and field not in self.optional

    @cached_property
    def f(self) -> Fields:
        """The fields as expressions."""
        return Fields(self.name, "msg", self.fields)


@dataclass(frozen=True, eq=False)
class Check:
    """A demand on a message: its name (for `--drop`), the expression, the alert if it fails."""

    name: str
    expr: Expr
    alert: str


@dataclass(frozen=True)
class Variable:
    """A variable of a run or of a network."""

    domain: Domain
    initial: tuple[Value, ...]
    """The possible values at the start; a scenario may name others for a run's configuration."""
    write_once: bool = True
    """It is set once at most."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of a role's table."""

    role: str
    """The name of the role."""
    kind: str
    """One of "receive", "send" and "step"."""
    event: str
    """The message's name, or that of the local step."""
    sources: tuple[str, ...]
    """The local states it leaves."""
    target: str
    """The local state it enters, or `SAME`."""
    when: Expr
    """What selects the row among those for its event."""
    checks: tuple[Check, ...]
    """What it demands of the message, in the order in which failures are answered."""
    do: Mapping[str, Expr]
    """The effects: variables of the run by name, and what they become."""
    choices: Mapping[str, Domain]
    """The arguments of the call: the message's fields, or what the caller chooses."""
    rfc: str
    """Section numbers, each RFC's before its own: "5246 7.4.9; 8446 4.4.4"."""
    message: Message | None = None
    """The message that is sent or received."""
    alert: str | None = None
    """On reject rows only: the alert sent."""
    label: str = ""
    """The name, where role, event and states do not make one."""
    file: str = ""
    """The file the row is written in."""
    generation: str = ""
    """The generation whose row it is; empty for a row of all."""
    refuses: tuple[str, str] | None = None
    """On reject rows: the row and the check whose failure it answers; None if no row was due."""

    @property
    def trigger(self) -> str:
        """The event's name as a call: `receive_server_hello`."""
        return self.event if self.kind == "step" else f"{self.kind}_{snake(self.event)}"

    @cached_property
    def name(self) -> str:
        """Unique in its role: `client_receive_server_hello_WAIT_SH_to_WAIT_CERT`."""
        if self.label:
            return self.label
        target = "SAME" if self.target == SAME else self.target
        return f"{self.role}_{self.trigger}_{'_'.join(self.sources)}_to_{target}"

    @cached_property
    def guard(self) -> Expr:
        """`when` and every check."""
        return conj(self.when, *(c.expr for c in self.checks))

    @property
    def location(self) -> str:
        """Where an error message sends the reader: file, role and row."""
        return f"{self.file + ': ' if self.file else ''}{self.role}, row {self.name}"

    @property
    def rejects(self) -> bool:
        """Whether this row answers an illegal message with its alert."""
        return self.alert is not None


def check(name: str, expr: Expr, alert: str) -> Check:
    """One demand of a receive rule."""
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
    """A rule that sends `message`; its fields are the role's `sends` entry, read after the step."""
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
    """The rows with the file that they are written in, and the generation that it is of."""
    return tuple(replace(r, file=file, generation=generation) for r in rows)


def choice(name: str, domain: Domain) -> Expr:
    """An argument of a send or local step, as an expression."""
    return var(f"msg.{name}", domain)


def _tuple(sources: str | Sequence[str]) -> tuple[str, ...]:
    return (sources,) if isinstance(sources, str) else tuple(sources)


@dataclass(frozen=True, eq=False)
class Observer:
    """What happened before: `variable` takes `value` whenever a run accepts or does `event`.

    It names the event, never a row, so that a flaw's new row triggers it too. `kind` is "receive",
    "send", "step" or "reject" (any message refused; `msg.alert` is the alert sent). A `transient`
    observer tells of the handshake under way and is cleared when the run is closed.
    """

    variable: str
    kind: str
    event: str
    value: Expr
    transient: bool = False


@dataclass(frozen=True, eq=False)
class Edition:
    """One of the times that a role sends a message which it sends more than once."""

    name: str
    """What tells it apart in a source's name: "in generation 1"."""
    when: Expr
    """This one was sent, over the sender's `own`."""
    fields: Mapping[str, Expr | tuple[Expr, ...]] = field(default_factory=dict)
    """The contents that differ from `Role.sends`."""
    order: Expr = TRUE
    """This one is next on a channel that keeps the order, over `own` and the receiver's `to`."""
    under: Expr | None = None
    """The record key, if it is not that of the message."""
    now: Expr = FALSE
    """This one was the last that the sender sent, over `own`."""


@dataclass(frozen=True, eq=False)
class Role:
    """A named table with its variables, alphabet and observers."""

    name: str
    """What messages of errors and rows call it: client, server."""
    states: tuple[str, ...]
    """The local states, the first one first."""
    variables: Mapping[str, Variable]
    """What a run remembers besides its local state."""
    table: tuple[Rule, ...]
    """The rows that accept; those that refuse are made from them."""
    alphabet: tuple[Message, ...]
    """Every message that a run can be given."""
    sends: Mapping[str, Mapping[str, Expr | tuple[Expr, ...]]]
    """By message and field, the contents over `own`, after the step; a tuple for a composite."""
    closed: str = "CLOSED"
    """The state that a reject row enters."""
    final: tuple[str, ...] = ("CLOSED",)
    """States in which nothing is taken and nothing refused."""
    refuse: Mapping[str, Expr] = field(default_factory=dict)
    """The effects of every reject row."""
    observers: tuple[Observer, ...] = ()
    """What properties ask about the past."""
    fatal: Message | None = None
    """The message that carries the alert of a reject row; None: nothing is sent."""
    views: Mapping[str, Expr] = field(default_factory=dict)
    """By field that both ends have: what this end holds of it."""
    covered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By group ("secret", "hellos", "flight", "early") or message with a proof: its fields."""
    under: Mapping[str, Expr] = field(default_factory=dict)
    """By message: the record key it was sent under."""
    again: Mapping[str, Expr] = field(default_factory=dict)
    """By message: it may be taken a second time."""
    generations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By generation: the local states that are its alone."""
    schedule: KeySchedule = field(default_factory=KeySchedule)
    """Of which secrets the keys are made."""
    begins: Expr = TRUE
    """The run takes part at all, over `own` and `prev`."""
    extensions: tuple[str, ...] = ()
    """The names of those in the table."""
    editions: Mapping[str, tuple[Edition, ...]] = field(default_factory=dict)
    """By message: the times that it is sent, if it is sent more than once."""
    signer: Expr | None = None
    """The certificate whose key must have made a signature that a run checks."""

    @cached_property
    def state_domain(self) -> Domain:
        """The local states, in the order of the table."""
        return Domain(f"{self.name.capitalize()}State", self.states)

    @cached_property
    def all_variables(self) -> dict[str, Variable]:
        """`state` first, then the run's variables."""
        state = Variable(self.state_domain, (self.states[0],), write_once=False)
        return {"state": state, **self.variables}

    @cached_property
    def configuration(self) -> tuple[str, ...]:
        """The variables that stay as they are at the start: no row and no observer sets them."""
        set_ = {"alert", *self.refuse, *(n for r in self.accepts for n in r.do)}
        set_ |= {o.variable for o in self.observers}
        return tuple(n for n in self.variables if n not in set_)

    @cached_property
    def accepts(self) -> tuple[Rule, ...]:
        """The written rows, with the observers' effects added."""
        return tuple(self._observed(r) for r in self.table)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Accept rows, then the generated reject rows; checked for names, domains and overlap."""
        for r in self.table:
            self._check(r)
        rows = self.accepts + tuple(self._observed(r) for r in self._rejects())
        self._validate(rows)
        return rows

    def times(self, message: str) -> tuple[Edition, ...]:
        """The editions of a message: a single one, of any time, where none are told apart."""
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
        """What the reject rows are made from: the row's guard and alerts."""
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
    """Pairs of rows for one event that some state and message would let both fire."""
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
    """Whether some values of its variables make `expr` true, by elimination.

    Comparisons of composites count as independent of each other and of everything else.
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
    """The composite fields of a message: what its signature, MAC or encryption covers."""
    return tuple(n for n, d in message.fields.items() if d is COMPOSITE)
