"""A role's table as a `transitions.Machine`, driven by users and a reference for the fast engines.

    client = Run(role, "client0")
    hello = client.send_client_hello()           # returns the message sent
    client.receive(server.send_server_hello())   # None if accepted, else the alert

A bad *message* fires a reject row: the alert is returned and the run is CLOSED. A bad *call* (an
event without a row in this state, a missing or malformed field) raises `CallError` and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any, cast

from transitions import EventData, Machine

from model.expr import COMPOSITE, FALSE, Expr, Value, python_function
from model.near import hint
from model.role import Role
from model.rule import Message, Rule, snake
from model.shown import picture

JUNK = ("junk",)
"""A composite value that no run made: a bad signature, MAC or ciphertext."""


class CallError(Exception):
    """A call that is not enabled or malformed; the text has role, state, event and expectation."""


@dataclass(frozen=True)
class Sent:
    """A message on its way: the name of the type and the values of the fields."""

    message: str
    fields: Mapping[str, Any]
    under: Value = field(default=None, compare=False)
    """The record key: the write key of the sender; None for the read key of the receiver."""


def _read(v: Expr) -> str:
    kind, _, name = v.payload.partition(".")
    return {"own": f"own.{name}", "prev": f"own.{v.payload}"}.get(kind, f"msg[{name!r}]")


Function = Callable[[Any, Mapping[str, Any]], tuple[Any, ...]]
"""A function of a run and the fields of a message."""


class _Functions(dict[str, Function]):
    """Functions by row, each compiled when it is first asked for."""

    def __init__(self, exprs: Mapping[str, Mapping[str, Expr]]) -> None:
        super().__init__()
        self.exprs = exprs

    def __missing__(self, name: str) -> Function:
        made = self[name] = python_function(self.exprs[name], "own, msg", _read)
        return made


Sender = Callable[[Any], dict[str, Any]]
"""A function of a run that gives the values of a message's fields."""


def _sender(fields: Mapping[str, Expr | tuple[Expr, ...]]) -> Sender:
    """The sender of a message that has these expressions in its fields."""
    flat: dict[str, Expr] = {}
    places: list[tuple[str, int | slice]] = []
    for f, e in fields.items():
        first = len(flat)
        if isinstance(e, tuple):
            flat.update({f"{f}.{i}": part for i, part in enumerate(e)})
            places.append((f, slice(first, len(flat))))
        else:
            flat[f] = e
            places.append((f, first))
    values = python_function(flat, "own, msg", _read)

    def send(run: Any) -> dict[str, Any]:
        got = values(run, {})
        return {f: got[i] for f, i in places}

    return send


class Callables:
    """The callables of one role, compiled once and shared by its runs."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.condition = _Functions({r.name: {"guard": r.guard} for r in role.rules})
        self.effect = _Functions({r.name: r.do for r in role.rules})
        self.triggers: dict[str, dict[str, Any]] = {}
        self.needed: dict[tuple[str, str], set[str]] = {}
        self.rows: dict[tuple[str, str], list[Rule]] = {}
        self.messages = {f"receive_{snake(m.name)}": m for m in role.alphabet}
        for r in role.rules:
            # All rows of an event and state have the same arguments, read by a row or not.
            self.triggers.setdefault(r.trigger, {}).update(r.choices)
            for state in r.sources:
                self.needed.setdefault((r.trigger, state), set()).update(r.choices)
                self.rows.setdefault((r.trigger, state), []).append(r)
        # The record keys of rows that take another key than the read key.
        self.under = _Functions(
            {r.name: {"under": r.under} for r in role.rules if r.under is not None}
        )
        self._senders: dict[str, tuple[Sender, list[tuple[Function, Sender]]]] = {}

    def senders(self, name: str) -> tuple[Sender, list[tuple[Function, Sender]]]:
        """The sender of a message; for each edition, when it is sent and its sender."""
        if name not in self._senders:
            times = [
                (python_function({"now": e.now}, "own, msg", _read), _sender(e.fields))
                for e in self.role.times(name)
                if e.now is not FALSE
            ]
            self._senders[name] = (_sender(self.role.sends.get(name, {})), times)
        return self._senders[name]

    @cached_property
    def machine(self) -> Machine:
        """The `transitions` machine that all runs of the role share."""
        return Machine(
            model=None,
            states=list(self.role.states),
            transitions=self._transitions(),
            initial=self.role.states[0],
            send_event=True,
            auto_transitions=False,
        )

    def _transitions(self) -> list[dict[str, Any]]:
        """The rows in the form of `transitions`; conditions and effects read the event's data."""
        rows = []
        for r in self.role.rules:

            def passes(e: EventData, r: Rule = r) -> bool:
                run: Any = e.model
                if not run.takes_record(r, e.kwargs.get("under")):
                    return False
                return self.condition[r.name](run, e.kwargs)[0]  # type: ignore[no-any-return]

            def apply(e: EventData, r: Rule = r) -> None:
                run: Any = e.model
                effect = self.effect[r.name]
                for name, value in zip(r.do, effect(run, e.kwargs), strict=True):
                    setattr(run, name, value)
                run.taken = r

            rows.append(
                {
                    "trigger": r.trigger,
                    "source": list(r.sources),
                    "dest": r.target,
                    "conditions": [passes],
                    "before": [apply],
                }
            )
        return rows


_compiled: dict[int, tuple[Role, Callables]] = {}


def compiled(role: Role) -> Callables:
    """The role's callables, compiled on first use."""
    hit = _compiled.get(id(role))
    if hit is None:
        hit = _compiled[id(role)] = (role, Callables(role))
    return hit[1]


def nothing_before(first: Mapping[str, Value]) -> Any:
    """The `prev` of a first handshake: an object with initial values and the maker "none"."""
    nobody = SimpleNamespace(**first, me="none")
    nobody.prev = nobody
    return nobody


class Run:
    """One handshake of a role: the model object of a `transitions.Machine`.

    The role's variables are attributes (`run.state`, `run.version`, ...) and each event of the
    table is a method. A run starts with a configuration (`Role.configuration`); `place` sets
    any variable. `prev` is the previous handshake of the same end.
    """

    state: str
    taken: Rule | None
    """The row of the last step."""

    def __init__(self, role: Role, me: Value, prev: Run | None = None, /, **config: Value) -> None:
        self.callables = compiled(role)
        self.role = role
        self.me = me
        self.taken = None
        first = {n: v.initial[0] for n, v in role.all_variables.items()}
        self.prev: Any = prev or nothing_before(first)
        for name in config:
            if name not in role.configuration:
                raise CallError(_no_configuration(role, name))
        self.place({n: v.initial[0] for n, v in role.variables.items()} | config)
        self.machine = self.callables.machine
        self.machine.add_model(self)
        self.machine.remove_model(self)  # keeps the events, lets the run be freed
        self._fire = {t: getattr(self, t) for t in self.callables.triggers}
        for t in self._fire:
            setattr(self, t, self._call(t))

    def place(self, values: Mapping[str, Value]) -> None:
        """Set `state` and other variables by name, whether or not a handshake leads there.

        CallError for an unknown variable, ValueError for a value outside the domain.
        """
        variables = self.role.all_variables
        for name, value in values.items():
            if name not in variables:
                raise CallError(f"{self.role.name} has no variable {name}{hint(name, variables)}")
            variables[name].domain.code(value)
            setattr(self, name, value)

    def record_key(self, row: Rule) -> Value:
        """The record key that the row takes now; None for a role without record keys."""
        if row.under is None:
            return cast(Value, getattr(self, "read_key", None))
        return cast(Value, self.callables.under[row.name](self, {})[0])

    def takes_record(self, row: Rule, under: Value) -> bool:
        """Whether the row takes a record under the key `under`; None is the read key."""
        if under is None and row.under is None:
            return True
        read = getattr(self, "read_key", None)
        return self.record_key(row) == (read if under is None else under)

    def _call(self, trigger: str) -> Callable[..., Sent | str | None]:
        def call(under: Value = None, **fields: Any) -> Sent | str | None:
            self._check_call(trigger, fields)
            last, self.taken = self.taken, None
            written = getattr(self, "write_key", None)
            if not self._fire[trigger](under=under, **fields):
                self.taken = last
                raise CallError(self._refusal(trigger, fields))
            row: Any = self.taken
            if row.rejects:
                return row.alert  # type: ignore[no-any-return]
            if row.kind != "send":
                return None
            return replace(self.message(row.event), under=written)

        call.__name__ = trigger
        return call

    def _check_call(self, trigger: str, fields: Mapping[str, Any]) -> None:
        where = f"{self.role.name} {self.me} in {self.state}: {trigger}"
        if not self.machine.get_transitions(trigger, source=self.state):
            able = ", ".join(sorted(self.machine.get_triggers(self.state))) or "nothing"
            raise CallError(f"{where} is not enabled; expected one of: {able}")
        wanted = self.callables.triggers[trigger]
        needed = self.callables.needed[trigger, self.state]
        missing = [n for n in wanted if n in needed and n not in fields]
        extra = [n for n in fields if n not in wanted]
        if missing or extra:
            raise CallError(
                f"{where} takes the fields {', '.join(wanted) or '(none)'}"
                + (f"; missing {', '.join(missing)}" if missing else "")
                + (f"; not known {', '.join(extra)}" if extra else "")
            )
        message = self.callables.messages.get(trigger)
        for name, value in fields.items():
            domain = wanted[name]
            if value == "none" and message is not None and message.demands(name):
                raise CallError(f"{where}: {name} must have a value in a {message.name}")
            if domain is COMPOSITE:
                if not isinstance(value, tuple):
                    raise CallError(
                        f"{where}: {name} is a composite, expected the tuple that an honest run's "
                        f"message carries or JUNK, got {value!r}"
                    )
                continue
            try:
                domain.code(value)
            except ValueError as e:
                raise CallError(f"{where}: {name}: {e}") from None

    def _refusal(self, trigger: str, fields: Mapping[str, Any]) -> str:
        rows = self.callables.rows.get((trigger, self.state), ())
        given = ", ".join(f"{k}={v}" for k, v in fields.items())
        return (
            f"{self.role.name} {self.me} in {self.state}: {trigger}({given}) is not enabled; "
            + "expected "
            + " or ".join(f"{r.guard} ({r.name})" for r in rows)
        )

    def message(self, name: str) -> Sent:
        """The message `name` with the fields that this run gives in the present state."""
        send, times = self.callables.senders(name)
        for now, sender in times:
            if now(self, {})[0]:
                send = sender
        return Sent(name, send(self))

    def receive(self, sent: Sent) -> str | None:
        """Take a message; None if accepted, the alert if refused.

        A record in the clear that no row takes does not decrypt; any other is taken to be under
        the read key.
        """
        call = getattr(self, f"receive_{snake(sent.message)}", None)
        if call is None:
            names = ", ".join(m.name for m in self.role.alphabet)
            raise CallError(f"{self.role.name} knows no message {sent.message}: one of {names}")
        trigger = f"receive_{snake(sent.message)}"
        rows = self.callables.rows.get((trigger, self.state), ())
        under = sent.under if sent.under == "plaintext" else None
        if rows and not any(self.takes_record(r, under) for r in rows):
            return self.receive_undecryptable_record()  # type: ignore[attr-defined, no-any-return]
        return call(under=under, **sent.fields)  # type: ignore[no-any-return]

    def enabled(self) -> list[Rule]:
        """The accept rows that have the present state as a source."""
        return [r for r in self.role.accepts if self.state in r.sources]

    def _repr_svg_(self) -> str | None:
        return picture(self)

    def valuation(self) -> dict[str, Value]:
        """The values of all variables by name, `state` first."""
        values = vars(self)
        return {"state": self.state, **{n: values[n] for n in self.role.variables}}


def _no_configuration(role: Role, name: str) -> str:
    """The error text for a `name` that is not in the configuration of `role`."""
    calls = dict.fromkeys(
        r.trigger for r in role.table if r.message is None or r.kind == "send" if name in r.choices
    )
    if calls:
        return f"{name} is no configuration of a {role.name}: it is a choice of {', '.join(calls)}"
    known = role.configuration
    why = "a handshake sets it" if name in role.variables else "no such variable"
    return (
        f"{name} is no configuration of a {role.name} ({why}): expected one of "
        f"{', '.join(known) or 'none'}{hint(name, known)}"
    )


def fields_of(message: Message, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` completed with JUNK for composites and the first value of other fields."""
    return {
        n: values.get(n, JUNK if d is COMPOSITE else d.values[0]) for n, d in message.fields.items()
    }
