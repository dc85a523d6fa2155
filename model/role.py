"""Roles: a table of rules with its variables and observers, and the reject rows made from it.

The reject rows are the exact complement of those that accept: so in every state but the final ones
every message has exactly one row.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import combinations
from typing import Any, TypeVar

from model.expr import (
    BOOL,
    FALSE,
    TRUE,
    Domain,
    Expr,
    conj,
    const,
    disj,
    eq,
    neg,
    substitute,
    var,
    variables,
)
from model.rule import SAME, Message, ModelError, Rule, Variable, snake
from model.schedule import KeySchedule
from model.shown import picture
from model.solver import Decider, UndecidedError, satisfiable

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Observer:
    """A record of the past: `variable` takes `value` whenever a run accepts or does `event`.

    An observer names an event, never a row, so that a flaw's new row triggers the observer too.
    """

    variable: str
    kind: str
    """One of "receive", "send", "step", "reject" and "drop" (see `Rule.unread`). The value may read
    `new.x`, what the row makes of the variable `x`; `msg.under`, the key of the record received;
    and for a reject `msg.alert`, the alert sent."""
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
    keys: Mapping[str, Expr] = field(default_factory=dict)
    """By record key: when the message under that key can be this edition; by default, always."""
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
        return tuple(self._once((r,), partial(self._observed, r)) for r in self.table)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The accept rows, then the reject rows; ModelError for a bad name, domain or overlap."""
        for r in self.table:
            self._check(r)
        self._validate(self.unchecked)
        return self.unchecked

    @cached_property
    def unchecked(self) -> tuple[Rule, ...]:
        """The rows of a role whose `rules` are known to be valid."""
        return (*self.accepts, *self._rejects())

    def _once(self, of: tuple[object, ...], make: Callable[[], T], *more: Hashable) -> T:
        """What is made of some rows, by roles that differ in other rows only: worked out once."""
        parts = (*of, self.observers, self.variables, self.refuse)
        key = (self.name, self.closed, *more, *map(id, parts))
        if key not in _MADE:
            if len(_MADE) == MOST_MADE:
                _MADE.clear()
            # The parts are kept, so that nothing else can have their numbers.
            _MADE[key] = parts, make()
        made: T = _MADE[key][1]
        return made

    def times(self, message: str) -> tuple[Edition, ...]:
        """The editions of a message with all fields; a single nameless edition for a message
        without editions."""
        found = self.editions.get(message) or (Edition("", TRUE),)
        return tuple(replace(e, fields={**self.sends[message], **e.fields}) for e in found)

    @cached_property
    def lacking(self) -> Mapping[str, frozenset[str]]:
        """By message sent: the fields that it must have, and that it may lack at some time.

        A field lacks its value if a row sends the message so, or takes the value away afterwards.
        """
        sent = {m.name for r in self.rules if (m := self.sent(r)) is not None}
        without = {x for r in self.rules for x in self.lacks(r)}
        return {name: frozenset(f for m, f in without if m == name) for name in sent}

    def sent(self, row: Rule) -> Message | None:
        """The message that a row sends, if it sends one."""
        return self.fatal if row.rejects else row.message if row.kind == "send" else None

    def lacks(self, row: Rule) -> Iterator[tuple[str, str]]:
        """The messages and their fields that may be `none`, though demanded, after a row."""
        sent = self.sent(row)
        for message, name, value, reads in self._demanded:
            if (sent is not None and message.name == sent.name) or not reads.isdisjoint(row.do):
                after = substitute(value, lambda v: _after(v, row.do))
                made = var("own.me", value.domain) != "none"  # a run is somebody
                if satisfiable(conj(row.when, made, after == "none")):
                    yield message.name, name

    @cached_property
    def _demanded(self) -> list[tuple[Message, str, Expr, set[str]]]:
        """The messages sent, the fields that they must have, each with its value and variables."""
        every = {r.event: r.message for r in self.table if r.kind == "send"}
        if self.fatal is not None:
            every[self.fatal.name] = self.fatal
        return [
            (message, f, value, {n.removeprefix("own.") for n in variables(value)})
            for message in every.values()
            if message is not None and message.name in self.sends
            for e in self.times(message.name)
            for f, value in e.fields.items()
            if isinstance(value, Expr) and f in message.fields and message.demands(f)
        ]

    @cached_property
    def read_key(self) -> Expr | None:
        """The run's read key, over `own`; None for a role without record keys."""
        return self._key("read_key")

    @cached_property
    def write_key(self) -> Expr | None:
        """The run's write key, over `own`; None for a role without record keys."""
        return self._key("write_key")

    def _key(self, name: str) -> Expr | None:
        v = self.variables.get(name)
        return None if v is None else var(f"own.{name}", v.domain)

    def taken(self, row: Rule) -> Expr:
        """When the `row` takes a record under the run's read key."""
        return TRUE if row.under is None or self.read_key is None else eq(row.under, self.read_key)

    def _repr_svg_(self) -> str | None:
        return picture(self)

    def rule(self, name: str) -> Rule:
        """The row called `name`."""
        for r in self.rules:
            if r.name == name:
                return r
        raise KeyError(name)

    def _observed(self, rule: Rule) -> Rule:
        do = dict(rule.do)
        kind = "reject" if rule.rejects else "drop" if rule.unread else rule.kind
        if rule.target == self.closed:
            for o in self.observers:
                if o.transient:
                    v = self.variables[o.variable]
                    do[o.variable] = const(v.initial[0], v.domain)
        sent: Expr | None = None
        if rule.alert is not None and "alert" in self.variables:
            sent = const(rule.alert, self.variables["alert"].domain)

        known = {"msg.alert": sent, "msg.under": rule.key(self.read_key)}

        def filled(v: Expr) -> Expr:
            kind, _, name = v.payload.partition(".")
            if kind == "new":
                return self._after(rule, name, v.domain)
            value = known.get(v.payload)
            return v if value is None else value

        observed: set[str] = set()
        for o in self.observers:
            if o.kind == kind and o.event == rule.event:
                if o.transient and rule.target == self.closed:
                    continue
                if o.variable in observed:
                    # Observers of one event follow each other.
                    known[f"own.{o.variable}"] = do[o.variable]
                elif o.variable in do:
                    raise ModelError(f"{rule.location}: observer and row both set {o.variable}")
                do[o.variable] = substitute(o.value, filled)
                known.pop(f"own.{o.variable}", None)
                observed.add(o.variable)
        out = replace(rule, do=do)
        self._reads(out)
        return out

    def _reads(self, r: Rule) -> None:
        """ModelError if a row reads what is no field of its own."""
        own = {f"own.{n}" for n in self.all_variables}
        for name in variables(r.guard, *r.do.values(), *(() if r.under is None else (r.under,))):
            kind, _, rest = name.partition(".")
            if kind == "own" and (name in own or rest == "me"):
                continue
            before = rest.rpartition("prev.")[2]
            if kind == "prev" and (f"own.{before}" in own or before == "me"):
                continue
            if kind == "msg" and rest in r.choices:
                continue
            raise ModelError(f"{r.location}: {name} is not a field it may read")

    def _after(self, rule: Rule, name: str, domain: Domain) -> Expr:
        """The value of a variable after the row."""
        if name == "state" and rule.target != SAME:
            return const(rule.target, domain)
        return rule.do.get(name, var(f"own.{name}", domain))

    def _rejects(self) -> Iterable[Rule]:
        for message in self.alphabet:
            by_rows: dict[tuple[int, ...], list[str]] = {}
            rows = [r for r in self.table if r.kind == "receive" and r.message is message]
            for state in self.states:
                if state not in self.final:
                    key = tuple(i for i, r in enumerate(rows) if state in r.sources)
                    by_rows.setdefault(key, []).append(state)
            for key, states in by_rows.items():
                due = tuple(rows[i] for i in key)
                make = partial(self._refusing, message, due, tuple(states))
                yield from self._once((message, *due), make, *states)

    def _refusing(
        self, message: Message, due: Sequence[Rule], states: tuple[str, ...]
    ) -> tuple[Rule, ...]:
        """The reject rows of a message in some states, with the observers' effects."""
        return tuple(self._observed(r) for r in self._complement(message, due, states))

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
        self, message: Message, rows: Sequence[Rule], states: tuple[str, ...]
    ) -> Iterable[Rule]:
        where = "_".join(states) if rows else "elsewhere"
        stem = f"{self.name}_reject_{snake(message.name)}"

        def reject(
            label: str,
            guard: Expr,
            alert: str,
            rfc: str,
            refuses: tuple[str, str] | None = None,
            under: Expr | None = None,
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
                under=under,
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
                    row.under,
                )
                passed.append(c.expr)
        nothing = neg(disj(*(conj(r.when, self.taken(r)) for r in rows)))
        try:
            others = satisfiable(nothing)
        except UndecidedError as e:
            what = f"{self.name}, {message.name} in {where}"
            raise UndecidedError(f"{what}: whether it is refused is not known: {e}") from e
        if others:
            rfc = rows[0].rfc if rows else message.rfc
            yield reject(f"{stem}_{where}", nothing, message.refused, rfc)

    def _validate(self, rows: Sequence[Rule]) -> None:
        seen: set[str] = set()
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
        for a, b in overlaps(rows, self.read_key):
            raise ModelError(
                f"{a.location} and {b.location} can both fire: say which does, with "
                f"narrowed(row, also), or with_rows(row, first=True) for one that goes first"
            )


def _after(v: Expr, do: Mapping[str, Expr]) -> Expr:
    """The value of a variable after the effects `do`."""
    kind, _, name = v.payload.partition(".")
    return do.get(name, v) if kind == "own" else v


_MADE: dict[tuple[Hashable, ...], tuple[tuple[object, ...], Any]] = {}
"""What `Role._once` has made."""
MOST_MADE = 1 << 15

_BOTH: dict[tuple[Expr, ...], bool] = {}
"""Whether conditions of two rows can hold together: tables that differ in one row ask the same."""


def overlaps(rows: Sequence[Rule], read: Expr | None = None) -> Iterator[tuple[Rule, Rule]]:
    """Pairs of rows for the same event that can both fire in some state with some message.

    `read` is the read key, under which rows take a record by default. UndecidedError if it is not
    known of a pair.
    """
    by_event: dict[str, list[Rule]] = {}
    for r in rows:
        by_event.setdefault(r.trigger, []).append(r)
    for group in by_event.values():
        decider = None
        for a, b in combinations(group, 2):
            if not set(a.sources).isdisjoint(b.sources):
                asked = (a.guard, b.guard, a.same_key(b, read))
                if asked not in _BOTH:
                    decider = Decider() if decider is None else decider
                    try:
                        _BOTH[asked] = decider.possible(*asked)
                    except UndecidedError as e:
                        where = f"{a.location} and {b.location}: whether both can fire"
                        raise UndecidedError(f"{where} is not known: {e}") from e
                if _BOTH[asked]:
                    yield a, b
