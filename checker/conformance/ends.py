"""Both ends of a recorded connection: a client's and a server's machine, fed message by message.

Each message takes a send row of its sender's machine, then a receive row of its receiver's. The
message is illegal if the sender has no row for it, if the receiver takes a reject row, or if a
recorded field is not what the sender's machine sends.

Five kinds of messages need more than that:

1. Messages that no row sends are judged at the receiver only (`ENVIRONMENT`), and so is the
   ChangeCipherSpec that TLS 1.3 has for middleboxes (RFC 8446 5, D.4).
2. A fatal alert is legal if its sender's machine refused a message and the alert answers that
   refusal, or if the reason is the sender's own (`alerts.ANSWERS`). What its peer had sent
   meanwhile is judged at the sender only.
3. Messages cross on the wire: a sender that has no row may not have read yet what was recorded
   before (`CROSSED`).
4. A ClientHello on a connection below TLS 1.3 begins a renegotiation, if a ServerHello answers it.
5. A ServerHello below TLS 1.3 may have no session id, and its session is not kept (RFC 5246
   7.4.1.3). The model's server always gives an id, so that session is forgotten at the end.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from checker.conformance.guess import Guess
from checker.conformance.honest import renew
from checker.conformance.recording import TO_SERVER, Recorded, Recording, alphabet
from checker.conformance.runs import begin, frozen
from checker.conformance.step import Ended, Held, IllegalError, Step


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


class LimitError(Exception):
    """A message cannot be judged; the text says why."""


class Ends:
    """Both machines of a connection, after the messages fed so far."""

    def __init__(
        self,
        recording: Recording,
        guess: Guess,
        configured: Callable[[Recording], Guess],
        before: Mapping[str, Any],
        number: int,
    ) -> None:
        self.recording, self.configured, self.assumed = recording, configured, guess
        self.number = number
        self.runs: dict[str, Any] = begin(guess, before, number)
        self.watched: list[Watched] = []
        self.ended: Ended | None = None
        self.uncached = False
        self.requests = 0
        # By end: the messages it received since it last sent one, and its values before each.
        self.held: dict[str, list[Held]] = {"client": [], "server": []}
        self.refusal: tuple[int, str, str] | None = None  # message, end, its machine's alert

    # -- one message -----------------------------------------------------------------------------
    def feed(self, at: int, item: Recorded) -> str:
        """Feed message `at`, counted from 1; why it is illegal, empty if it is legal."""
        self._limits(item)
        ends = ("client", "server") if item.direction == TO_SERVER else ("server", "client")
        if item.message == "ClientHello" and item.direction == TO_SERVER:
            self._renegotiate(at)
        before = {name: r.state for name, r in self.runs.items()}
        step = Step(self, at, item, ends)
        try:
            step.take()
        except IllegalError as e:
            problem = str(e)
        else:
            problem = ""
        row = step.row or step.send_rule
        choices = step.send_rule.choices if step.send_rule is not None else {}
        fields = alphabet()[item.message].fields
        watched = Watched(
            at,
            item.direction,
            item.message,
            (before["client"], self.runs["client"].state),
            (before["server"], self.runs["server"].state),
            row.name if row else "",
            row.rfc if row else "",
            tuple(step.shown),
            (
                *(f for f in fields if f not in step.shown),
                *(f"{a}={v}" for a, v in step.arguments.items() if a in choices if a not in fields),
            ),
            step.note,
        )
        self.watched.append(watched)
        if problem:
            return problem
        renew(self.runs["client"], self.runs["server"])
        renew(self.runs["server"], self.runs["client"])
        return ""

    def _limits(self, item: Recorded) -> None:
        """LimitError for a message that the model cannot say."""
        server: Any = self.runs["server"]
        if item.message == "CertificateRequest" and server.verified:
            self.requests += 1
            if self.requests > 2:
                raise LimitError(
                    "a third request for a certificate after the handshake: the model's "
                    "connections have two"
                )

    def _renegotiate(self, at: int) -> None:
        """Begin another handshake on the connection, if a ServerHello answers message `at`."""
        client: Any = self.runs["client"]
        if client.state not in ("CONNECTED", "CLOSING") or client.version == "TLS13":
            return
        rest = self.recording.messages[at - 1 :]
        answer = next((m for m in rest if m.direction != TO_SERVER and _answers_hello(m)), None)
        if answer is None or answer.message != "ServerHello":
            return
        self.number += 1
        guess = self.configured(replace(self.recording, messages=rest, before=None))
        more = {"renegotiating": True}
        guess = replace(guess, client={**guess.client, **more}, server={**guess.server, **more})
        self.runs = begin(guess, {end: frozen(r) for end, r in self.runs.items()}, self.number)
        for run in self.runs.values():
            run.read_key = run.write_key = "previous"
        self.held = {"client": [], "server": []}

    # -- what comes after ------------------------------------------------------------------------
    def freeze(self) -> None:
        """Keep the values of the runs, which other recordings will use."""
        self.runs = {end: frozen(run) for end, run in self.runs.items()}
        self.held = {"client": [], "server": []}

    def after(self) -> dict[str, Any]:
        """Both ends, frozen, as the handshake before another one."""
        client, server = (copy.copy(self.runs[end]) for end in ("client", "server"))
        if client.version != "TLS13" and client.resumed:
            # The session of an abbreviated handshake is that of the full one before.
            return {"client": client.prev, "server": server.prev}
        if self.uncached and not (client.ticket_taken and server.ticket_sent):
            client.stored = server.stored = False
        if client.psk == server.psk == "resumption":
            # In a chain of tickets an external key stands for the key of a ticket.
            client.psk = server.psk = "external"
        return {"client": client, "server": server}


def _answers_hello(m: Recorded) -> bool:
    """Whether a server's message answers a ClientHello on a connection in use."""
    return m.message in ("ServerHello", "Alert", "CloseNotify")
