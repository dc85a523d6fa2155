"""The monitor: recorded messages, fed to the client's and the server's machine.

Each message takes the send row of its sender's machine, then the receive row of its receiver's. It
is illegal where the sender has no row for it, where the receiver takes a reject row, or where a
field that was shown is not what the sender's machine sends. The first illegal message ends the
watch.

Fields the recording does not show come from the sender's machine; they and the configuration of
both ends are reported as assumed. A run of `watch` therefore says "some sound configuration of the
two ends takes these steps with these shown fields", not that a signature or MAC was verified.

The machines have every extension of the model but one (see `recording.WITHOUT`). A connection that
resumes another one is fed to runs that come after that one's.

Not judged at the sender, for want of a send row: alerts but user_canceled, the end of the
transport, a record that does not decrypt, and the ChangeCipherSpec that TLS 1.3 sends for
middleboxes (RFC 8446 5, D.4).
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
from model.rule import Rule, satisfiable, snake

ENVIRONMENT = ("Alert", "AlertFragment", "UndecryptableRecord", "TransportClose")
"""Not sent by any row: judged at the receiver only, and left out of the lists of what is expected
(they are possible in every state but START and CLOSED)."""

PREFERRED = {"certificate": "honest", "client_auth": "optional"}
"""The argument assumed where the recording does not show one: a Certificate that is not empty is
the principal's own; a server that asks for a certificate takes an empty one too."""


@dataclass(frozen=True)
class Watched:
    """One message: where both machines stood before and after, the rows taken, the fields.

    `number` counts from 1. `row` and `rfc` are the receiver's, or the sender's where the receiver
    was not reached. `send_row` is empty where the sender is not judged. `shown` fields were
    compared, `assumed` ones (and choices) were taken from the sender's machine.
    """

    number: int
    direction: str
    message: str
    client: tuple[str, str]
    server: tuple[str, str]
    send_row: str
    row: str
    rfc: str
    shown: tuple[str, ...]
    assumed: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What `watch` found. `refused` is the number of the first illegal message, None if all are
    legal; `messages` ends with it. `length` is the number of messages in the recording."""

    title: str
    messages: tuple[Watched, ...]
    assumptions: tuple[str, ...]
    length: int
    refused: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every message was accepted."""
        return self.problem is None


def watch(recording: Recording) -> Report:
    """Feed `recording` to a client and a server machine, up to the first illegal message.

    Raises CallError for a field value that `recording.parse` would have refused.
    """
    return _watch(recording)[0]


def _watch(recording: Recording) -> tuple[Report, dict[str, Run]]:
    """The report, and both runs as they ended."""
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
    """Whether the server shows another session id than the one it was offered (RFC 5246 7.4.1.3).

    Then it has not kept that session: its run comes after none.
    """
    shown = [
        next((m.fields.get("session_id") for m in recording.messages if m.message == name), None)
        for name in ("ClientHello", "ServerHello")
    ]
    return recording.before is not None and shown[0] not in (None, "none", shown[1])


def _renew(writer: Any, reader: Any) -> None:
    """Count the key generations of one direction anew once both ends have the same.

    The model's runs have three of them and start one update each; a connection may have any number.
    """
    if writer.write_generation == reader.read_generation != "0":
        writer.write_generation = reader.read_generation = "0"
        writer.update_0 = writer.update_1 = "none"
        writer.updated = False


def _feed(runs: Mapping[str, Any], number: int, item: Recorded) -> tuple[Watched, str | None]:
    """Send and receive one message: what was watched, and why it is illegal, if it is."""
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
        taken, problem = _receive(receiver, item.message, {**mine, **shown})
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
        send_rule.name if send_rule else "",
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


def _receive(receiver: Run, name: str, fields: Mapping[str, Any]) -> tuple[Rule, str]:
    """The receive row taken, and why the message is illegal there; empty if it is legal."""
    then, state = copy.copy(receiver), receiver.state
    values = completed(alphabet()[name], fields)
    receiver.receive(Sent(name, values))
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
    """What was shown against what the sender's machine sends: a problem or none."""
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
    """Why no send row applies; empty if one must."""
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
    """Whether it is the user_canceled of an end that may give the handshake up now."""
    return item.fields.get("description") == "user_canceled" and any(
        r.kind == "send" and r.event == item.message and _possible(sender, r)
        for r in sender.enabled()
    )


def _send(sender: Run, item: Recorded) -> tuple[Sent | None, dict[str, Any]]:
    """Take the send row of `item`, and the arguments that were assumed; None if there is none."""
    choices = choices_of(item.direction, item.message)
    call = getattr(sender, f"send_{snake(item.message)}", None)
    if call is None:
        return None, {}
    attempts: list[dict[str, Any]] = [{}]
    for name, domain in choices.items():
        values = [item.fields[name]] if name in item.fields else []
        if not values or name in alphabet()[item.message].fields:
            # A field is as its receiver sees it: an `expired` certificate is `honest` to its owner.
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
    """The fields this run would give `message` now; none if it never sends one."""
    return sender.message(message).fields if message in sender.role.sends else {}


def _possible(run: Run, rule: Rule) -> bool:
    """Whether some message or argument makes the row fire, the run being as it is."""

    def leaf(v: Expr) -> Expr:
        kind, _, name = v.payload.partition(".")
        if kind == "msg":
            return v
        return const(attrgetter(name if kind == "own" else v.payload)(run), v.domain)

    def unknown(node: Expr, _parts: tuple[Expr, ...]) -> Expr:
        return var(f"same{id(node)}", BOOL)

    return satisfiable(substitute(rule.guard, leaf, unknown))


def _expected(run: Run) -> str:
    """What the run may send and receive now: `receive Finished (5246 7.4.9)`, row by row."""
    out = [
        f"{r.kind} {r.event} (RFC {r.rfc}, row {r.name})"
        for r in run.enabled()
        if r.event not in ENVIRONMENT and _possible(run, r)
    ]
    return " or ".join(out) or "nothing"


def _given(message: str, values: Mapping[str, Any]) -> str:
    """The plain fields of a refused message, for its error."""
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
    """Whether the recording goes on with the alert that the machine answers with."""
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
