"""The monitor: recorded messages, fed to the client's and the server's machine.

Each message takes a send row of its sender's machine, then a receive row of its receiver's. The
message is illegal if the sender has no row for it, if the receiver takes a reject row, or if a
recorded field is not what the sender's machine sends. `watch` ends at the first illegal message.

Fields that the recording does not show come from the sender's machine; they and the configuration
of both ends are reported as assumed. So an accepted recording is one that two sound ends can have
had; no signature or MAC was verified.

The machines have every extension of the model but one (see `recording.WITHOUT`). A connection that
resumes another one is fed to runs that come after the other connection's.

For some messages there are no send rows, so only the receiver is judged: alerts except
user_canceled, the end of the transport, a record that does not decrypt, and the ChangeCipherSpec
that TLS 1.3 sends for middleboxes (RFC 8446 5, D.4).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from checker.conformance.guess import configure
from checker.conformance.honest import completed
from checker.conformance.recording import (
    TO_SERVER,
    Recorded,
    Recording,
    alphabet,
    choices_of,
    roles,
)
from model.expr import BOOL, COMPOSITE, Expr, const, substitute, var
from model.machine import CallError, Run, Sent
from model.rule import Rule, snake
from model.solver import satisfiable

ENVIRONMENT = ("Alert", "AlertFragment", "UndecryptableRecord", "TransportClose")
"""Messages that no row sends. They are judged at the receiver only, and not listed as expected,
since they are possible in every state but CLOSED; so is a close_notify in a handshake."""

PREFERRED = {"certificate": "honest", "client_auth": "optional"}
"""The argument assumed if the recording shows none: a Certificate that is not empty is the
principal's own; a server that asks for a certificate also takes an empty one."""


@dataclass(frozen=True)
class Watched:
    """One message as both machines took it."""

    number: int  # from 1
    direction: str
    message: str
    client: tuple[str, str]  # local states before and after
    server: tuple[str, str]
    row: str  # the receiver's; the sender's if the message did not reach the receiver
    rfc: str  # of `row`
    shown: tuple[str, ...]  # fields compared with the sender's machine
    assumed: tuple[str, ...]  # fields and arguments taken from the sender's machine
    note: str = ""


@dataclass(frozen=True)
class Report:
    """The result of `watch`."""

    title: str
    messages: tuple[Watched, ...]  # up to the first illegal one
    assumptions: tuple[str, ...]
    length: int  # number of messages in the recording
    refused: int | None = None  # number of the first illegal message
    problem: str | None = None  # why that message is illegal

    @property
    def ok(self) -> bool:
        """Whether every message was accepted."""
        return self.problem is None


def watch(recording: Recording) -> Report:
    """The report on a recording, fed to both machines up to the first illegal message.

    CallError for a field value that `recording.parse` would have refused.
    """
    return _watch(recording)[0]


def _watch(recording: Recording) -> tuple[Report, dict[str, Run]]:
    """The report, and both runs at the end."""
    before = _watch(recording.before)[1] if recording.before is not None else {}
    number = 1 if before else 0
    if _forgotten(recording):
        del before["server"]
    guess = configure(recording)
    configs = {"client": guess.client, "server": guess.server}
    runs = {
        end: Run(r, f"{end}{number}", before.get(end), **configs[end]) for end, r in roles().items()
    }
    watched: list[Watched] = []
    problem: str | None = None
    for at, item in enumerate(recording.messages, 1):
        one, problem = _feed(runs, at, item)
        watched.append(one)
        if problem:
            problem += _answered(recording, at, item, runs)
            break
        _renew(runs["client"], runs["server"])
        _renew(runs["server"], runs["client"])
    refused = len(watched) if problem else None
    report = Report(
        recording.title,
        tuple(watched),
        guess.assumptions,
        len(recording.messages),
        refused,
        problem,
    )
    return report, runs


def _forgotten(recording: Recording) -> bool:
    """Whether the server shows another session id than the offered one (RFC 5246 7.4.1.3).

    Such a server has not kept the session: no run comes before its run.
    """
    shown = [
        next((m.fields.get("session_id") for m in recording.messages if m.message == name), None)
        for name in ("ClientHello", "ServerHello")
    ]
    return recording.before is not None and shown[0] not in (None, "none", shown[1])


def _renew(writer: Any, reader: Any) -> None:
    """Restart the count of key generations of one direction once both ends agree.

    A run of the model has three generations and starts one update; a connection can have any number
    of updates.
    """
    if writer.write_generation == reader.read_generation != "0":
        writer.write_generation = reader.read_generation = "0"
        writer.update_0 = writer.update_1 = "none"
        writer.updated = False


def _feed(runs: Mapping[str, Any], number: int, item: Recorded) -> tuple[Watched, str | None]:
    """One message as sent and received, and why it is illegal; None if it is legal."""
    ends = ("client", "server") if item.direction == TO_SERVER else ("server", "client")
    sender, receiver = (runs[end] for end in ends)
    before = {name: r.state for name, r in runs.items()}
    fields = alphabet()[item.message].fields
    shown = {f: v for f, v in item.fields.items() if f in fields}
    note = _unjudged(sender, item)
    judged = not note
    sent, arguments = _send(sender, item) if judged else (None, dict[str, Any]())
    send_rule = sender.taken if sent is not None else None
    problems: list[str] = []
    if judged and sent is None:
        problems.append(
            f"the {ends[0]}'s machine does not send it in {before[ends[0]]}; it expects "
            f"{_expected(sender)}"
        )
    mine = sent.fields if sent is not None else _view(sender, item.message) if judged else {}
    taken: Rule | None = None
    if receiver.state not in receiver.role.final:
        # The ChangeCipherSpec for middleboxes is in the clear (RFC 8446 5).
        clear = "plaintext" if note and item.message == "ChangeCipherSpec" else None
        taken, problem = _receive(receiver, item.message, {**mine, **shown}, clear)
        if problem:
            problems.append(problem)
        elif receiver.end == "error" and send_rule is None:
            problems.append(_gave_up(sender, before[ends[0]], item, taken))
    elif item.message == "TransportClose":
        note = "the connection was closed already"
    else:
        problems.append(f"the {ends[1]}'s machine is {receiver.state}: nothing may follow")
    if not problems and send_rule is not None:
        problems += _changed(sender, send_rule, mine, shown)
    row = taken or send_rule
    choices = send_rule.choices if send_rule is not None else {}
    watched = Watched(
        number,
        item.direction,
        item.message,
        (before["client"], runs["client"].state),
        (before["server"], runs["server"].state),
        row.name if row else "",
        row.rfc if row else "",
        tuple(shown),
        (
            *(f for f in fields if f not in shown),
            *(f"{a}={v}" for a, v in arguments.items() if a in choices and a not in fields),
        ),
        note,
    )
    where = f"message {number}, {item.message} ({item.direction})" + (
        f", line {item.line}" if item.line else ""
    )
    return watched, f"{where}: " + "; and ".join(problems) if problems else None


def _receive(
    receiver: Run, name: str, fields: Mapping[str, Any], under: str | None
) -> tuple[Rule, str]:
    """The receive row taken, and why the message is illegal; empty if it is legal.

    `under` is the record key, None for the read key.
    """
    then, state = copy.copy(receiver), receiver.state
    values = completed(alphabet()[name], fields)
    receiver.receive(Sent(name, values, under))
    row = receiver.taken
    assert row is not None
    if not row.rejects:
        return row, ""
    return row, (
        f"the {receiver.role.name}'s machine in {state} answers it with {row.alert}: row "
        f"{row.name}, RFC {row.rfc}{_given(name, values)}; it expects {_expected(then)}"
    )


def _changed(
    sender: Run, row: Rule, mine: Mapping[str, Any], shown: Mapping[str, Any]
) -> list[str]:
    """A problem, or none, with recorded fields that the sender's machine does not send."""
    wrong = [
        f"{f}={v}, expected {f}={mine[f]}" for f, v in shown.items() if f in mine and mine[f] != v
    ]
    if not wrong:
        return []
    return [
        f"it shows {'; '.join(wrong)}, which is what the {sender.role.name}'s machine sends (row "
        f"{row.name}, RFC {row.rfc}): changed on the way, or made by someone else"
    ]


def _unjudged(sender: Any, item: Recorded) -> str:
    """The reason why the sender is not judged; empty if a send row must apply."""
    if item.message in ENVIRONMENT and not _cancels(sender, item):
        return "judged at the receiver only"
    if item.message == "ChangeCipherSpec":
        modern = sender.version == "TLS13" or (
            sender.state == "WAIT_SH" and sender.max_version == "TLS13"
        )
        if modern:
            return "for middleboxes (RFC 8446 D.4): judged at the receiver only"
    return ""


def _cancels(sender: Run, item: Recorded) -> bool:
    """Whether the message is user_canceled, from an end that may give up the handshake now."""
    return item.fields.get("description") == "user_canceled" and any(
        r.kind == "send" and r.event == item.message and _possible(sender, r)
        for r in sender.enabled()
    )


def _send(sender: Run, item: Recorded) -> tuple[Sent | None, dict[str, Any]]:
    """The message that the sender's machine sends for `item`, and the arguments assumed.

    None for the message if no send row applies.
    """
    choices = choices_of(item.direction, item.message)
    call = getattr(sender, f"send_{snake(item.message)}", None)
    if call is None:
        return None, {}
    attempts: list[dict[str, Any]] = [{}]
    for name, domain in choices.items():
        values = [item.fields[name]] if name in item.fields else []
        if not values or name in alphabet()[item.message].fields:
            # Fields have the receiver's view: an `expired` certificate is `honest` to its owner.
            preferred = PREFERRED.get(name)
            values += [v for v in (preferred,) if v is not None]
            if name not in item.fields:
                values += [v for v in domain.values if v != preferred]
        attempts = [{**a, name: v} for a in attempts for v in values]
    for arguments in attempts:
        try:
            sent = call(**arguments)
        except CallError:
            continue
        assert isinstance(sent, Sent)
        return sent, {a: v for a, v in arguments.items() if item.fields.get(a) != v}
    return None, {}


def _view(sender: Run, message: str) -> Mapping[str, Any]:
    """The fields that the run would give `message` now; empty if no row sends the message."""
    return sender.message(message).fields if message in sender.role.sends else {}


def _possible(run: Run, rule: Rule) -> bool:
    """Whether some message or argument makes the row fire in the run's present state."""

    def leaf(v: Expr) -> Expr:
        kind, _, name = v.payload.partition(".")
        if kind == "msg":
            return v
        return const(attrgetter(name if kind == "own" else v.payload)(run), v.domain)

    def unknown(node: Expr, _parts: tuple[Expr, ...]) -> Expr:
        return var(f"same{id(node)}", BOOL)

    return satisfiable(substitute(rule.guard, leaf, unknown))


def _expected(run: Run) -> str:
    """The messages that the run may send or receive now, as in "receive Finished (5246 7.4.9)"."""
    out = [
        f"{r.kind} {r.event} (RFC {r.rfc}, row {r.name})"
        for r in run.enabled()
        if r.event not in ENVIRONMENT and r.target != "ANSWER_EARLY_CLOSE" and not r.unread
        if _possible(run, r)
    ]
    return " or ".join(out) or "nothing"


def _given(message: str, values: Mapping[str, Any]) -> str:
    """The plain fields of a refused message, for the error text."""
    domains = alphabet()[message].fields
    plain = [f"{f}={v}" for f, v in values.items() if domains[f] is not COMPOSITE]
    return f", for {', '.join(plain)}" if plain else ""


def _gave_up(sender: Run, state: str, item: Recorded, taken: Rule) -> str:
    who = f"the {sender.role.name}"
    rule = f"row {taken.name}, RFC {taken.rfc}"
    if item.message == "TransportClose":
        return f"{who} ends the transport without close_notify ({rule})"
    return (
        f"{who} gives up with {item.fields.get('description')} in {state} ({rule}), though its "
        "machine refused nothing it was sent"
    )


def _answered(recording: Recording, number: int, item: Recorded, runs: Mapping[str, Any]) -> str:
    """The error text's part on whether the recording goes on with the machine's alert."""
    rest = recording.messages[number:]
    receiver = runs["server" if item.direction == TO_SERVER else "client"]
    if not rest or rest[0].message != "Alert" or rest[0].direction == item.direction:
        return ""
    got, due = rest[0].fields.get("description"), receiver.alert
    if due == "none":
        return ""
    return f". The recorded {receiver.role.name} answered with {got}" + (
        ", as it must" if got == due else f", expected {due}"
    )
