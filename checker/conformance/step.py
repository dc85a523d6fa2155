"""One recorded message on its way through the sender's and the receiver's machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from checker.conformance import alerts, runs
from checker.conformance.guess import JUDGED
from checker.conformance.honest import completed
from checker.conformance.recording import Recorded, alphabet, choices_of
from model.expr import BOOL, COMPOSITE, Expr, const, substitute, var
from model.machine import Run, Sent
from model.principal import Alert
from model.rule import Rule
from model.solver import satisfiable

if TYPE_CHECKING:
    from checker.conformance.ends import Ends

ENVIRONMENT = ("Alert", "AlertFragment", "UndecryptableRecord", "TransportClose")
"""Messages that no row sends. They are judged at the receiver only, and not listed as expected,
since they are possible in every state but CLOSED; so are a close_notify in a handshake and a
HelloRequest, which is not listed either."""

PREFERRED = {"certificate": "honest", "client_auth": "optional"}
"""The argument assumed if the recording shows none: a Certificate that is not empty is the
principal's own; a server that asks for a certificate also takes an empty one."""

CROSSED: Mapping[str, tuple[str, ...] | None] = {
    "CloseNotify": None,  # RFC 5246 7.2.1: whatever was on its way
    "HelloRetryRequest": ("EarlyData", "ChangeCipherSpec"),  # RFC 8446 4.2.10
    "ServerHello": ("EarlyData",),
    "EncryptedExtensions": ("EarlyData",),
    "Certificate": ("NewSessionTicket",),  # RFC 8446 4.6.1: at any time
    "CertificateVerify": ("NewSessionTicket",),
}
"""By message: what its receiver may have sent before reading the message; None for everything."""

READINGS = "altered on the way, made by someone else, or the sender erred"
"""What a refusal can mean: a recording does not tell which."""


@dataclass(frozen=True)
class Ended:
    """A handshake that an end gave up, as it may."""

    end: str
    number: int  # of the alert
    description: object
    refused: int | None = None  # the number of the message that the end refused
    due: str = ""  # the alert of its machine; empty if the machine refused nothing


class IllegalError(Exception):
    """A message is illegal; the text says why."""


@dataclass(frozen=True)
class Held:
    """A message that its receiver may not have read yet."""

    before: dict[str, Any]  # the receiver's values
    number: int
    sent: Sent


class Step:
    """One message on its way through both machines; `take` fills the attributes."""

    def __init__(self, both: Ends, at: int, item: Recorded, ends: tuple[str, str]) -> None:
        self.both, self.at, self.item, self.ends = both, at, item, ends
        self.sender, self.receiver = (both.runs[end] for end in ends)
        fields = alphabet()[item.message].fields
        self.shown = {f: v for f, v in item.fields.items() if f in fields}
        self.row: Rule | None = None
        self.send_rule: Rule | None = None
        self.arguments: dict[str, Any] = {}
        self.note = ""
        if item.message == "ServerHello" and self.shown.get("session_id") == "none":
            version = self.shown.get("version", self.sender.version)
            if version != "TLS13":
                del self.shown["session_id"]
                both.uncached = True
                self.note = "no session id: the session is not kept"

    def take(self) -> None:
        """Send and receive the message; IllegalError if it is illegal."""
        item, both = self.item, self.both
        if both.ended is not None:
            self._afterwards(both.ended)
            return
        if item.message == "ClientHello" and self.sender.state in ("CONNECTED", "CLOSING"):
            self._hello_again()
            return
        written = self.sender.write_key
        if item.message == "ApplicationData" and written == self.receiver.read_key == "previous":
            self.note = "under the keys of the handshake before (RFC 5246 7.1)"
            return
        unjudged = _unjudged(self.sender, item)
        problems: list[str] = []
        mine: Mapping[str, Any] = {}
        if unjudged:
            self.note = unjudged
        else:
            sent = self._send(self.sender)
            if sent is None:
                sent = self._crossed()
            if sent is None:
                problems.append(
                    f"the {self.ends[0]}'s machine does not send it in {self.sender.state}; it "
                    f"expects {expected(self.sender)}"
                )
                mine = _view(self.sender, item.message)
            else:
                self.send_rule = self.sender.taken
                mine = sent.fields
                if not self.note:
                    both.held[self.ends[0]].clear()
        if both.refusal is not None and both.refusal[1] == self.ends[1]:
            self.note = "on its way when the handshake was given up: judged at the sender only"
        elif not (problems and self._over()):
            problems += self._receive(mine, self._under(written), problems)
        if not problems and self.send_rule is not None:
            problems += self._changed(mine)
        if problems:
            raise IllegalError("; and ".join(problems))

    def _over(self) -> bool:
        """Whether nothing can follow, which is said once."""
        return bool(self.sender.state in self.sender.role.final)

    def _under(self, written: object) -> str | None:
        """The record key to deliver under, None for the receiver's read key; IllegalError if the
        recording shows protection that the sender has not."""
        item, who = self.item, f"the {self.ends[0]}"
        if item.message in ("UndecryptableRecord", "TransportClose"):
            return None
        if item.protected and written == "plaintext":
            raise IllegalError(f"it is protected, and {who} has no keys yet")
        if item.message == "ChangeCipherSpec" and self.note and not item.protected:
            return "plaintext"  # for middleboxes: RFC 8446 5
        if item.protected is False and written != "plaintext":
            raise IllegalError(
                f"it is in the clear, and {who} writes under its {written} keys; the "
                f"{self.ends[1]} cannot read it, and answers with bad_record_mac or "
                "unexpected_message"
            )
        return None

    # -- the sender ------------------------------------------------------------------------------
    def _send(self, sender: Any) -> Sent | None:
        """The message that the sender's machine sends; None if no send row applies."""
        item = self.item
        if item.message == "EarlyData":
            sender.sent_early = False  # one record of the model stands for all early data
        for arguments in self._attempts():
            sent = runs.send(sender, item.message, arguments)
            if sent is not None:
                self.arguments = {a: v for a, v in arguments.items() if item.fields.get(a) != v}
                return sent
        return None

    def _attempts(self) -> Sequence[dict[str, Any]]:
        """The arguments that the sender may have chosen, likeliest first."""
        item = self.item
        attempts: list[dict[str, Any]] = [{}]
        for name, domain in choices_of(item.direction, item.message).items():
            values = [item.fields[name]] if name in item.fields else []
            if not values or name in alphabet()[item.message].fields:
                # Fields have the receiver's view: an `expired` certificate is `honest` to its
                # owner.
                preferred = {**PREFERRED, **self.both.assumed.arguments}.get(name)
                values += [v for v in (preferred,) if v is not None]
                if name not in item.fields:
                    values += [v for v in domain.values if v != preferred]
            attempts = [{**a, name: v} for a in attempts for v in values]
        return attempts

    def _crossed(self) -> Sent | None:
        """The message as sent before the sender had read what was recorded before; or None."""
        held, sender = self.both.held[self.ends[0]], self.sender
        now, taken = dict(sender.__dict__), list(held)
        for i in reversed(range(len(held))):
            may = CROSSED.get(taken[i].sent.message, ())
            if may is not None and self.item.message not in may:
                continue
            sender.__dict__.update(taken[i].before)
            sent = self._send(sender)
            if sent is not None:
                rule = sender.taken
                del held[i:]
                if all(self._again(one) for one in taken[i:]):
                    sender.taken = rule
                    self.note = f"crossed the {taken[i].sent.message} on the way"
                    return sent
                held[:] = taken
            sender.__dict__.update(now)
        return None

    def _again(self, one: Held) -> bool:
        """Deliver to the sender what it had not read yet; whether it takes that."""
        before = dict(self.sender.__dict__)
        row = runs.receive(self.sender, one.sent)
        self.both.held[self.ends[0]].append(Held(before, one.number, one.sent))
        return row is not None and not row.rejects

    def _changed(self, mine: Mapping[str, Any]) -> list[str]:
        """A problem, or none, with recorded fields that the sender's machine does not send."""
        wrong = [
            f"{f}={v}, expected {f}={mine[f]}"
            for f, v in self.shown.items()
            if f in mine and mine[f] != v and not (f == "certificate" and v in JUDGED)
        ]
        if not wrong:
            return []
        row = self.send_rule
        assert row is not None
        return [
            f"it shows {'; '.join(wrong)}, which is what the {self.ends[0]}'s machine sends (row "
            f"{row.name}, RFC {row.rfc}): {READINGS}"
        ]

    # -- the receiver ----------------------------------------------------------------------------
    def _receive(
        self, mine: Mapping[str, Any], under: str | None, problems: Sequence[str]
    ) -> list[str]:
        """Deliver the message; why it is illegal, in one text or none."""
        receiver, item = self.receiver, self.item
        if receiver.state in receiver.role.final:
            if item.message == "TransportClose":
                self.note = "the connection was closed already"
                return []
            return [f"the {self.ends[1]}'s machine is {receiver.state}: nothing may follow"]
        then, state = dict(receiver.__dict__), receiver.state
        values = completed(alphabet()[item.message], {**mine, **self.shown})
        assumed = self.both.assumed.fields.get(item.message, {})
        values |= {f: v for f, v in assumed.items() if f not in self.shown and mine}
        if item.message == "Alert":
            values["description"] = _in_model(values["description"])
        if item.message in ("EarlyData", "UndecryptableRecord") and self.ends[1] == "server":
            receiver.early_delivered, receiver.skipped = False, 0
        sent = Sent(item.message, values, under)
        row = self.row = self._deliver(sent, then)
        if not row.rejects:
            self.both.held[self.ends[1]].append(Held(then, self.at, sent))
            if receiver.end == "error" and self.send_rule is None and not problems:
                return self._gave_up()
            return []
        if not problems and not self._changed_if_sent(mine):
            answer = self._answer(row)
            if answer is not None:
                self.both.refusal = (self.at, self.ends[1], str(row.alert))
                self.note = f"refused with {row.alert} (row {row.name}); see message {answer}"
                return []
            if self._tolerated(row, then, mine, values):
                return []
        after = dict(receiver.__dict__)
        receiver.__dict__.update(then)
        said = expected(receiver)
        receiver.__dict__.update(after)
        return [
            f"the {self.ends[1]}'s machine in {state} answers it with {row.alert}: row "
            f"{row.name}, RFC {row.rfc}{_given(item.message, values)}; it expects {said}"
            + self._answered()
        ]

    def _deliver(self, sent: Sent, then: Mapping[str, Any]) -> Rule:
        """The row by which the receiver, whose values were `then`, takes the message."""
        row = runs.receive(self.receiver, sent)
        if row is None or (row.event != sent.message == "ChangeCipherSpec"):
            # One in the clear that no row takes is of an unexpected type (RFC 8446 5).
            self.receiver.__dict__.update(then)
            row = runs.receive(self.receiver, Sent(sent.message, sent.fields))
        assert row is not None
        return row

    def _changed_if_sent(self, mine: Mapping[str, Any]) -> bool:
        return self.send_rule is None or bool(self._changed(mine))

    def _answer(self, row: Rule) -> int | None:
        """The number of the alert with which the recording answers the refusal; None without one.

        Before it come only messages that the refused end's peer had on the way.
        """
        for n, m in enumerate(self.both.recording.messages[self.at :], self.at + 1):
            if m.direction == self.item.direction:
                continue
            if m.message != "Alert":
                return None
            d = m.fields["description"]
            fits = alerts.allowed(str(row.alert), self.receiver.version, garbled_in_clear=False)
            own = self.item.message in alerts.ANSWERS.get(d, ())
            return n if d in fits or own else None
        return None

    def _tolerated(
        self, row: Rule, then: dict[str, Any], mine: Mapping[str, Any], values: dict[str, Any]
    ) -> bool:
        """Whether a server may go on without trust in the client's certificate, and does."""
        may = self.ends[1] == "server" and values.get("certificate") in JUDGED
        goes_on = len(self.both.recording.messages) > self.at
        if not (may and goes_on):
            return False
        self.receiver.__dict__.update(then)
        trusted = completed(alphabet()["Certificate"], mine)
        self.row = runs.receive(self.receiver, Sent("Certificate", trusted))
        self.note = "not trusted: the server goes on (RFC 5246 7.4.6; 8446 4.4.2.4)"
        return True

    def _answered(self) -> str:
        """The error text's part on whether the recording goes on with the machine's alert."""
        rest = self.both.recording.messages[self.at :]
        if not rest or rest[0].message != "Alert" or rest[0].direction == self.item.direction:
            return ""
        got, due = rest[0].fields["description"], self.receiver.alert
        if due == "none":
            return ""
        said = ", as it must" if got == due else f", expected {due}"
        return f". The recorded {self.ends[1]} answered with {got}{said}"

    # -- the end ---------------------------------------------------------------------------------
    def _gave_up(self) -> list[str]:
        """The handshake is given up by the sender; why that is illegal, in one text or none."""
        item, both, who = self.item, self.both, f"the {self.ends[0]}"
        assert self.row is not None
        rule = f"row {self.row.name}, RFC {self.row.rfc}"
        if item.message == "TransportClose":
            return [f"{who} ends the transport without close_notify ({rule})"]
        if item.message != "Alert":
            return []
        d = item.fields["description"]
        if both.refusal is not None and both.refusal[1] == self.ends[0]:
            both.ended = Ended(self.ends[0], self.at, d, both.refusal[0], both.refusal[2])
            self.note = f"answers message {both.refusal[0]}"
            return []
        answered = alerts.ANSWERS.get(d)
        if answered is not None:
            held = [h.number for h in both.held[self.ends[0]]]
            open_ = range(1, self.at) if not self.sender.verified else held
            messages = both.recording.messages
            named = [
                n
                for n in open_
                if messages[n - 1].direction != item.direction
                and messages[n - 1].message in answered
            ]
            if named or not answered:
                number = named[-1] if named else None
                both.ended = Ended(self.ends[0], self.at, d, number)
                self.note = "for a reason of its own, which the model does not have"
                return []
        if d not in alerts.ALERTS:
            return [f"{who} gives up with alert {d}, which is in no registry ({rule})"]
        return [
            f"{who} gives up with {d} in {self.sender.state} ({rule}), though its machine refused "
            f"nothing it was sent: what it was sent was {READINGS}"
        ]

    def _afterwards(self, ended: Ended) -> None:
        """A message after a fatal alert; IllegalError if its sender may not send it."""
        if self.item.message in ("TransportClose", "CloseNotify") or ended.end != self.ends[0]:
            self.note = "the connection was given up already"
            return
        raise IllegalError(
            f"the {self.ends[0]} gave up with {ended.description} (message {ended.number}): "
            "nothing may follow (RFC 5246 7.2.2; 8446 6.2)"
        )

    def _hello_again(self) -> None:
        """A ClientHello on a connection that no ServerHello answers."""
        both = self.both
        if self.sender.version == "TLS13":
            problem = "TLS 1.3 has no renegotiation (RFC 8446 4.1.2)"
            raise IllegalError(
                f"the client's machine does not send it in {self.sender.state}: {problem}"
                f"; it expects {expected(self.sender)}"
                + "".join(f"; and {p}" for p in self._receive(_view(self.sender, "ClientHello"),
                                                              None, [problem]))
            )  # fmt: skip
        before = {end: runs.frozen(r) for end, r in both.runs.items()}
        guess = both.configured(replace(both.recording, messages=(self.item,), before=None))
        more = {**guess.client, "renegotiating": True}
        new = runs.run_of(
            "client", f"client{(both.number + 1) % runs.NAMES}", before["client"], more
        )
        sent = self._send(new)
        if sent is None:
            raise IllegalError(f"the client's machine does not renegotiate in {self.sender.state}")
        self.send_rule = new.taken
        problems = self._receive(sent.fields, None, [])
        if problems:
            raise IllegalError("; and ".join(problems))
        self.note = "a renegotiation that the server does not begin"


# -- words -----------------------------------------------------------------------------------------


def _in_model(description: object) -> object:
    """The alert of the model for one of the registry: any fatal one does the same."""
    return description if description in Alert.codes else "internal_error"


def _unjudged(sender: Any, item: Recorded) -> str:
    """The reason why the sender is not judged; empty if a send row must apply."""
    if item.message in ENVIRONMENT and not _cancels(sender, item):
        return "judged at the receiver only"
    asks = item.message == "HelloRequest" and "HelloRequest" in sender.role.sends
    if asks and sender.version != "TLS13":
        return "may come at any time (RFC 5246 7.4.1.1): judged at the receiver only"
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


def expected(run: Run) -> str:
    """The messages that the run may send or receive now, as in "receive Finished (5246 7.4.9)"."""
    out = [
        f"{r.kind} {r.event} (RFC {r.rfc}, row {r.name})"
        for r in run.enabled()
        if r.event not in (*ENVIRONMENT, "HelloRequest") and r.target != "ANSWER_EARLY_CLOSE"
        if not r.unread and _possible(run, r)
    ]
    return " or ".join(out) or "nothing"


def _given(message: str, values: Mapping[str, Any]) -> str:
    """The plain fields of a refused message, for the error text."""
    domains = alphabet()[message].fields
    plain = [f"{f}={v}" for f, v in values.items() if domains[f] is not COMPOSITE]
    return f", for {', '.join(plain)}" if plain else ""
