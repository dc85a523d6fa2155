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
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

from checker.conformance.honest import completed
from checker.conformance.recording import (
    MESSAGES,
    ROLES,
    TO_CLIENT,
    TO_SERVER,
    Recorded,
    Recording,
    RecordingError,
    choices_of,
    dump,
    read,
)
from checker.report.columns import columns
from model.expr import BOOL, COMPOSITE, Expr, const, substitute, var
from model.machine import CallError, Run, Sent
from model.message import ALPHABET
from model.principal import CLIENT, OFFERED, Version
from model.rule import Rule, satisfiable, snake
from model.transcript import EXPORT_SUITES

ENVIRONMENT = ("Alert", "AlertFragment", "UndecryptableRecord", "TransportClose")
"""Not sent by any row: judged at the receiver only, and left out of the lists of what is expected
(they are possible in every state but START and CLOSED)."""

PREFERRED = {"certificate": "honest", "client_auth": "optional"}
"""The argument assumed where the recording does not show one: a Certificate that is not empty is
the principal's own; a server that asks for a certificate takes an empty one too."""


MAY = {
    "client": ("updates", "false_starts"),
    "server": ("updates", "asks_later", "issues_more"),
}
"""What an end may do in any connection where an RFC lets it: it does if it is recorded."""


class Arguments(Protocol):
    """What `main` reads."""

    live: bool
    file: str | None
    record: str | None


@dataclass(frozen=True)
class Row:
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
    legal; `rows` ends with it. `length` is the number of messages in the recording."""

    title: str
    rows: tuple[Row, ...]
    assumptions: tuple[str, ...]
    length: int
    refused: int | None = None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every message was accepted."""
        return self.problem is None


# -- configuration -------------------------------------------------------------------------------


def configure(
    recording: Recording,
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
    """The variables of the client and of the server under which the recorded choices are legal.

    The client's are what its ClientHello shows. The server's are chosen: of the suites offered it
    knows just the one it took. Where no choice makes the recording legal, the server knows all the
    client offers, and the machines refuse. Also returns what was assumed, as sentences.
    """
    first: dict[str, Mapping[str, Any]] = {}
    for m in recording.messages:
        first.setdefault(m.message, m.fields)
    hello, answer = first.get("ClientHello", {}), first.get("ServerHello", {})
    guess = "TLS13" if {"EncryptedExtensions", "HelloRetryRequest"} & set(first) else "TLS12"
    offered: str = hello.get("version", answer.get("version", guess))
    version: str = answer.get("version", min(offered, "TLS13", key=Version.code))
    suite: str = answer.get("suite", _suite_guess(first, version))
    compression = answer.get("compression", "null")
    offers = {f"offers_{s}": hello.get(f"offers_{s}", s == suite) for s in OFFERED}
    deflate = hello.get("deflate", compression == "deflate")
    client = {"max_version": offered, **offers, "deflate": deflate, "closes": True}

    known = offers
    if offers.get(f"offers_{suite}") and not (suite in EXPORT_SUITES and version != "TLS10"):
        known = {f"offers_{s}": s == suite for s in OFFERED}
    highest = version
    if answer.get("sentinel", "none") != "none":
        # RFC 8446 4.1.3: the sentinel tells that the server knows more than it took.
        least = "TLS13" if answer["sentinel"] == "DOWNGRD01" else "TLS12"
        highest = max(version, least, key=Version.code)
    server = {
        "max_version": highest,
        **known,
        "deflate": compression == "deflate",
        "weak_dh": first.get("ServerKeyExchange", {}).get("group") == "dh_weak",
        "closes": True,
    }
    extra = _extensions(recording, first)
    missing = [f for f in ("version", "offers_*", "deflate") if not _shows(hello, f)]
    notes = [
        "the server's configuration, chosen so that the recorded choices are legal for it: "
        f"versions TLS10 to {highest}, of the suites offered "
        + (", ".join(s for s in OFFERED if known[f"offers_{s}"]) or "none below TLS 1.3"),
        "the client's configuration, as its ClientHello shows it; its lowest version: TLS10",
        *(
            f"the {end}'s part in extensions: {', '.join(f'{n} {v}' for n, v in more.items())}"
            for end, more in extra.items()
            if more
        ),
    ]
    if missing:
        notes.append(
            f"the ClientHello's {', '.join(missing)}, not recorded: version {offered}, suites "
            + (", ".join(s for s in OFFERED if offers[f"offers_{s}"]) or "of TLS 1.3 only")
        )
    for end, config in (("client", client), ("server", server)):
        config |= extra[end] | dict.fromkeys(MAY[end], True)
    return client, server, tuple(notes)


def _extensions(
    recording: Recording, first: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The variables of the extensions, for both ends, where they are not as they are initially.

    What a ClientHello shows of the client's configuration is taken from it, whichever extension
    it is of.
    """
    hello, answer = first.get("ClientHello", {}), first.get("ServerHello", {})
    encrypted = first.get("EncryptedExtensions")
    order = [(m.direction, m.message) for m in recording.messages]
    by_server = {message for direction, message in order if direction == TO_CLIENT}
    finished = (TO_SERVER, "Finished")
    after = order[order.index(finished) :] if finished in order else []
    canceled = {
        m.direction for m in recording.messages if m.fields.get("description") == "user_canceled"
    }
    # A server that shows no certificate in TLS 1.3 has selected a key.
    bare = {"EncryptedExtensions", "Finished"} <= by_server and "Certificate" not in by_server
    selected = answer.get("selected", "0" if bare else "none") != "none"
    ticket = recording.before is not None
    early = hello.get("early_data", bool({"EarlyData", "EndOfEarlyData"} & set(first)))
    known = "ticket" if ticket else "external"
    named = hello.get("identity", known if selected or early else "none")
    # A request counts where it may come, before ServerHello.
    asked = "HelloRetryRequest" in first and (
        "ServerHello" not in first
        or [*first].index("HelloRetryRequest") < [*first].index("ServerHello")
    )
    retry = first.get("HelloRetryRequest", {}) if asked else {}
    cookie = retry.get("cookie", "none")
    other_group = asked and (cookie == "none" or retry.get("group", "none") != "none")
    status = answer.get("status_request", "CertificateStatus" in first)
    ke_alone = selected and answer.get("key_share") == "none"
    client = {
        "cancels": TO_SERVER in canceled,
        "offers_session": recording.before is None or hello.get("session_id") != "none",
        "dh_certificate": any(
            m.direction == TO_SERVER and m.fields.get("dh_key", False) for m in recording.messages
        ),
        "offers_pha": (TO_CLIENT, "CertificateRequest") in after,
        "asks_status": status,
        "resumes": ticket and named not in ("none", "external"),
        "has_external": named == "external",
        "takes_psk_ke": ke_alone,
        "sends_early": early,
        **_shown_configuration(hello),
    }
    server = {
        "cancels": TO_CLIENT in canceled,
        "offers_ems": encrypted is not None or answer.get("extended_master_secret", True),
        "staples": status,
        "hints": "ServerKeyExchange" in first,
        "resumes": ticket and selected,
        "has_external": named == "external" and selected,
        "takes_psk_ke": ke_alone,
        "takes_psk_dhe_ke": not ke_alone,
        "takes_early": (encrypted or {}).get("early_data", "EndOfEarlyData" in first),
        "asks_cookie": cookie != "none",
        "supports_x25519": not other_group,
    }
    return {
        end: {n: v for n, v in chosen.items() if v != ROLES[end].variables[n].initial[0]}
        for end, chosen in (("client", client), ("server", server))
    }


def _shown_configuration(hello: Mapping[str, Any]) -> dict[str, Any]:
    """The extensions' configuration that stands in a ClientHello as it is, where it shows it."""
    client = ROLES["client"]
    set_by_rows = {name for r in client.table for name in r.do}
    out = {}
    for f, e in client.sends["ClientHello"].items():
        if isinstance(e, Expr) and e.op == "var" and f in hello:
            name = str(e.payload).removeprefix("own.")
            if name in client.variables and name not in CLIENT and name not in set_by_rows:
                out[name] = hello[f]
    return out


def _shows(hello: Mapping[str, Any], field: str) -> bool:
    return any(k.startswith("offers_") for k in hello) if field == "offers_*" else field in hello


def _suite_guess(first: Mapping[str, Mapping[str, Any]], version: str) -> str:
    """The suite of a recording whose ServerHello shows none, from the messages there are."""
    if version == "TLS13":
        return "AEAD"
    if "ServerKeyExchange" not in first:
        return "RSA"
    if "Certificate" not in first:
        return "DH_anon"
    by_group = {"dh": "DHE", "dh_weak": "DHE_EXPORT", "rsa_weak": "RSA_EXPORT"}
    return by_group.get(first["ServerKeyExchange"].get("group", "ecdh"), "ECDHE")


# -- the watch -----------------------------------------------------------------------------------


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
    configs = configure(recording)
    runs = {
        end: Run(r, f"{end}{number}", before.get(end), **config)
        for (end, r), config in zip(ROLES.items(), configs[:2], strict=True)
    }
    rows: list[Row] = []
    problem: str | None = None
    for at, item in enumerate(recording.messages, 1):
        row, problem = _feed(runs, at, item)
        rows.append(row)
        if problem:
            problem += _answered(recording, at, item, runs)
            break
        _renew(runs["client"], runs["server"])
        _renew(runs["server"], runs["client"])
    refused = len(rows) if problem else None
    report = Report(
        recording.title, tuple(rows), configs[2], len(recording.messages), refused, problem
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


def _feed(runs: Mapping[str, Run], number: int, item: Recorded) -> tuple[Row, str | None]:
    to_server = item.direction == TO_SERVER
    sender = runs["client" if to_server else "server"]
    receiver = runs["server" if to_server else "client"]
    before = {name: r.state for name, r in runs.items()}
    where = f"message {number}, {item.message} ({item.direction})" + (
        f", line {item.line}" if item.line else ""
    )
    problems: list[str] = []

    # The sender.
    note, arguments, send_rule = "", dict[str, Any](), None
    outside = _unjudged(sender, item)
    if outside:
        note = outside
        mine: Mapping[str, Any] = {}
    else:
        sent, arguments = _send(sender, item)
        if sent is None:
            problems.append(
                f"the {sender.role.name}'s machine does not send it in {before[sender.role.name]}"
                f"; it expects {_expected(sender)}"
            )
            mine = _view(sender, item.message)
        else:
            mine = sent.fields
            send_rule = sender.taken

    # The receiver.
    message = MESSAGES[item.message]
    shown = {k: v for k, v in item.fields.items() if k in message.fields}
    assumed = [f for f in message.fields if f not in shown]
    then = copy.copy(receiver)
    taken: Rule | None = None
    if receiver.state in receiver.role.final:
        if item.message == "TransportClose":
            note = "the connection was closed already"
        else:
            problems.append(
                f"the {receiver.role.name}'s machine is {receiver.state}: nothing may follow"
            )
    else:
        values = completed(message, {**mine, **shown})
        receiver.receive(Sent(item.message, values))
        taken = receiver.taken
        assert taken is not None
        if taken.rejects:
            problems.append(
                f"the {receiver.role.name}'s machine in {before[receiver.role.name]} answers it "
                f"with {taken.alert}: row {taken.name}, RFC {taken.rfc}"
                f"{_given(message.name, values)}; it expects {_expected(then)}"
            )
        elif receiver.end == "error" and send_rule is None:  # type: ignore[attr-defined]
            problems.append(_gave_up(sender, before[sender.role.name], item, taken))

    # What was shown against what the sender's machine sends.
    if not problems and not outside:
        wrong = [
            f"{f}={v}, expected {f}={mine[f]}"
            for f, v in shown.items()
            if f in mine and mine[f] != v
        ]
        if wrong and send_rule is not None:
            problems.append(
                f"it shows {'; '.join(wrong)}, which is what the {sender.role.name}'s machine "
                f"sends (row {send_rule.name}, RFC {send_rule.rfc}): changed on the way, or made "
                "by someone else"
            )
    if send_rule is not None:
        assumed += [
            f"{a}={v}"
            for a, v in arguments.items()
            if a in send_rule.choices and a not in message.fields
        ]
    rule = taken or send_rule
    return (
        Row(
            number,
            item.direction,
            item.message,
            (before["client"], runs["client"].state),
            (before["server"], runs["server"].state),
            send_rule.name if send_rule else "",
            rule.name if rule else "",
            rule.rfc if rule else "",
            tuple(shown),
            tuple(assumed),
            note,
        ),
        f"{where}: " + "; and ".join(problems) if problems else None,
    )


def _unjudged(sender: Run, item: Recorded) -> str:
    """Why no send row applies; empty if one must."""
    if item.message in ENVIRONMENT and not _cancels(sender, item):
        return "judged at the receiver only"
    if item.message == "ChangeCipherSpec":
        modern = sender.version == "TLS13" or (  # type: ignore[attr-defined]
            sender.state == "WAIT_SH" and sender.max_version == "TLS13"  # type: ignore[attr-defined]
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
        if not values or name in MESSAGES[item.message].fields:
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
    domains = MESSAGES[message].fields
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


def _answered(recording: Recording, number: int, item: Recorded, runs: Mapping[str, Run]) -> str:
    """Whether the recording goes on with the alert that the machine answers with."""
    rest = recording.messages[number:]
    receiver = runs["server" if item.direction == TO_SERVER else "client"]
    if not rest or rest[0].message != "Alert" or rest[0].direction == item.direction:
        return ""
    got, due = rest[0].fields.get("description"), receiver.alert  # type: ignore[attr-defined]
    if due == "none":
        return ""
    return f". The recorded {receiver.role.name} answered with {got}" + (
        ", as it must" if got == due else f", expected {due}"
    )


# -- output --------------------------------------------------------------------------------------


def _move(states: tuple[str, str]) -> str:
    return states[0] if states[0] == states[1] else f"{states[0]} > {states[1]}"


def render(report: Report) -> str:
    """The report as a plain text table, with what was assumed and the verdict under it."""
    head = ("#", "direction", "message", "client", "server", "RFC", "assumed", "shown")
    lines = [
        (
            str(r.number),
            r.direction,
            r.message,
            _move(r.client),
            _move(r.server),
            r.rfc,
            _fields(r.message, r.assumed) + (f" [{r.note}]" if r.note else ""),
            _fields(r.message, r.shown),
        )
        for r in report.rows
    ]
    out = [report.title, *(f"  {line}" for line in columns([head, *lines]))]
    out += [f"  assumed: {a}" for a in report.assumptions]
    if report.problem is None:
        last = report.rows[-1]
        out.append(
            f"  accepted: {report.length} messages; client in {last.client[1]}, server in "
            f"{last.server[1]}"
        )
    else:
        out.append(f"  REFUSED: {report.problem}")
        left = report.length - len(report.rows)
        if left:
            out.append(f"  not fed: the {left} messages after it")
    return "\n".join(out)


_BASE = {m.name: m.fields for m in ALPHABET}


def _fields(message: str, names: Sequence[str]) -> str:
    """Field names; the offers of suites as one, and what extensions add to a message as one."""
    own = _BASE.get(message, MESSAGES[message].fields)
    out = [n for n in names if "=" in n or (n in own and not n.startswith("offers_"))]
    if any(n.startswith("offers_") for n in names):
        out.append("offers")
    if any("=" not in n and n not in own for n in names):
        out.append("extensions")
    return ", ".join(out) or "-"


def main(args: Arguments) -> int:
    """Run `monitor`: 0 all accepted, 1 an illegal message, 2 a usage error or unreadable input."""
    from checker.conformance import live

    try:
        if bool(args.file) == args.live:
            raise RecordingError(
                "expected either --live or one FILE of recorded messages, got "
                + ("both" if args.live else "neither")
            )
        if args.record and not args.live:
            raise RecordingError("--record FILE writes what --live records: give --live with it")
        recordings = live.record_all() if args.live else read(str(args.file))
        if args.record:
            _write(args.record, dump(recordings))
    except (RecordingError, live.LiveError) as e:
        sys.stderr.write(f"monitor: {e}\n")
        return 2
    reports = [watch(r) for r in recordings]
    sys.stdout.write("\n\n".join(render(r) for r in reports) + "\n")
    refused = sum(not r.ok for r in reports)
    sys.stdout.write(
        f"\n{len(reports)} recordings: {len(reports) - refused} accepted, {refused} refused\n"
    )
    return 1 if refused else 0


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    except OSError as e:
        raise RecordingError(f"--record {path}: expected a file that can be written: {e}") from None
