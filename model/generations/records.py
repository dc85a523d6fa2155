"""The rows of both roles in all versions: application data, alerts, closure.

1. Application data in CONNECTED, under the session keys.          RFC 5246 10, 8446 2
2. close_notify is answered, in a handshake too, which then has    RFC 5246 7.2.1, 8446 6.1
   failed; whatever comes after it is ignored.
3. A fatal alert closes the run. In TLS 1.3 every alert but        RFC 5246 7.2.2, 8446 6.2
   close_notify and user_canceled is fatal, whatever its level.
4. The end of the transport is an error.                           RFC 5246 7.2.1
5. Before any hello there is nothing to answer: an alert, a close_notify or the end of the
   transport closes the run without a word.

Choices: a warning that is not fatal is ignored (5246 7.2.2), also by a client of several versions
that has no answer yet. A fatal alert after close_notify still closes the run.
"""

from __future__ import annotations

from model.expr import Expr, const, ite
from model.message import (
    AlertMessage,
    ApplicationData,
    CloseNotify,
    TransportClose,
)
from model.principal import End, client, server
from model.role import Role
from model.rule import SAME, Fields, Form, Rule, receive, send, snake, unread

alert = AlertMessage.f

GENERATION = ""
RULES: tuple[Rule, ...] = ()
"""Empty, since the rows depend on the states of a role: see `rows`."""


READ_CLOSED = ("ANSWER_CLOSE", "ANSWER_EARLY_CLOSE", "READ_CLOSED")
"""The local states after the peer's close_notify; the second in a handshake."""


def fatal(own: Fields) -> Expr:
    """Whether an alert is fatal to an end that has `own` variables."""
    # An end that knows TLS 1.3 alone follows its rule from the first record.
    is_13 = (own.version == "TLS13") | ((own.version == "none") & (own.min_version == "TLS13"))
    return ite(is_13, alert.description != "user_canceled", alert.level == "fatal")


def _rows(role: str, own: Fields, states: tuple[str, ...]) -> list[Rule]:
    error = failed(own)
    there = tuple(s for s in states if s != "CLOSED")
    ended = ("START", "CONNECTED", "CLOSING", "CANCELED", *READ_CLOSED)
    handshake = tuple(s for s in there if s not in ended)
    return [
        send(role, ApplicationData, "CONNECTED", SAME, rfc="5246 10; 8446 2", when=own.sends_data,
             do={"sent_data": const(True)}),
        receive(role, ApplicationData, "CONNECTED", SAME, rfc="5246 10; 8446 2",
                do={"delivered": const(True)}),
        send(role, CloseNotify, "CONNECTED", "CLOSING", rfc="5246 7.2.1; 8446 6.1",
             when=own.closes),
        unread(receive(role, ApplicationData, "CLOSING", SAME, rfc="5246 7.2.1")),
        receive(role, CloseNotify, "CONNECTED", "ANSWER_CLOSE", rfc="5246 7.2.1; 8446 6.1",
                do={"end": const("close_notify", End)}),
        receive(role, CloseNotify, "CLOSING", "CLOSED", rfc="5246 7.2.1; 8446 6.1",
                do={"end": const("close_notify", End)}),
        receive(role, CloseNotify, handshake, "ANSWER_EARLY_CLOSE", rfc="5246 7.2.1; 8446 6.1",
                label=f"{role}_receive_close_notify_in_handshake"),
        receive(role, CloseNotify, "START", "CLOSED", rfc="5246 7.2.1", do=error),
        send(role, CloseNotify, "ANSWER_CLOSE", "CLOSED", rfc="5246 7.2.1"),
        send(role, CloseNotify, "ANSWER_EARLY_CLOSE", "CLOSED", rfc="5246 7.2.1; 8446 6.1",
             do=error),
        receive(role, AlertMessage, there, SAME, rfc="5246 7.2.2; 8446 6", when=~fatal(own),
                label=f"{role}_receive_alert_ignored"),
        receive(role, AlertMessage, there, "CLOSED", rfc="5246 7.2.2; 8446 6.2",
                when=fatal(own), do=error, label=f"{role}_receive_alert_fatal"),
        receive(role, TransportClose, there, "CLOSED", rfc="5246 7.2.1; 8446 6.1", do=error,
                label=f"{role}_receive_transport_close"),
    ]


def failed(own: Fields) -> dict[str, Expr]:
    """The effect of an error: the read side ends with an error, unless ended before."""
    return {"end": ite(own.end == "none", const("error", End), own.end)}


def rows(role: str, states: tuple[str, ...]) -> list[Rule]:
    """The rows of `role` with the local states `states`."""
    return _rows(role, client if role == "client" else server, states)


def after_close(role: Role) -> list[Rule]:
    """The rows of `role` that ignore whatever comes after the peer's close_notify, alerts apart."""
    out = []
    for m in role.alphabet:
        if m.name == AlertMessage.name or m.form is Form.END:
            continue
        taken = {s for r in role.table if r.kind == "receive" and r.message is m for s in r.sources}
        states = tuple(s for s in READ_CLOSED if s in role.states and s not in taken)
        if states:
            row = receive(role.name, m, states, SAME, rfc="5246 7.2.1; 8446 6.1",
                          label=f"{role.name}_ignore_{snake(m.name)}_after_close")
            out.append(unread(row))
    return out
