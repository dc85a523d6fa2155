"""The rows of both roles in all versions: application data, alerts, closure.

1. Application data in CONNECTED, under the session keys.          RFC 5246 10, 8446 2
2. close_notify is answered; data after it is discarded.           RFC 5246 7.2.1, 8446 6.1
3. A fatal alert closes the run. In TLS 1.3 every alert but        RFC 5246 7.2.2, 8446 6.2
   close_notify and user_canceled is fatal, whatever its level.
4. The end of the transport is an error.                           RFC 5246 7.2.1
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
from model.rule import SAME, Fields, Rule, receive, send

alert = AlertMessage.f

GENERATION = ""
RULES: tuple[Rule, ...] = ()
"""Empty, since the rows depend on the states of a role: see `rows`."""


def _rows(role: str, own: Fields, states: tuple[str, ...]) -> list[Rule]:
    is_13 = own.version == "TLS13"
    # RFC 5246 7.2.2 leaves other warnings to the receiver; ignoring them is the common choice.
    ignored = (is_13 & (alert.description == "user_canceled")) | (
        ~is_13 & (alert.level == "warning")
    )
    error = failed(own)
    started = tuple(s for s in states if s not in ("START", "CLOSED"))
    return [
        send(role, ApplicationData, "CONNECTED", SAME, rfc="5246 10; 8446 2", when=own.sends_data,
             do={"sent_data": const(True)}),
        receive(role, ApplicationData, "CONNECTED", SAME, rfc="5246 10; 8446 2",
                do={"delivered": const(True)}),
        send(role, CloseNotify, "CONNECTED", "CLOSING", rfc="5246 7.2.1; 8446 6.1",
             when=own.closes),
        receive(role, ApplicationData, "CLOSING", SAME, rfc="5246 7.2.1"),
        receive(role, CloseNotify, "CONNECTED", "ANSWER_CLOSE", rfc="5246 7.2.1; 8446 6.1",
                do={"end": const("close_notify", End)}),
        receive(role, CloseNotify, "CLOSING", "CLOSED", rfc="5246 7.2.1; 8446 6.1",
                do={"end": const("close_notify", End)}),
        send(role, CloseNotify, "ANSWER_CLOSE", "CLOSED", rfc="5246 7.2.1"),
        receive(role, AlertMessage, started, SAME, rfc="5246 7.2.2; 8446 6", when=ignored,
                label=f"{role}_receive_alert_ignored"),
        receive(role, AlertMessage, started, "CLOSED", rfc="5246 7.2.2; 8446 6.2",
                when=~ignored, do=error, label=f"{role}_receive_alert_fatal"),
        receive(role, TransportClose, started, "CLOSED", rfc="5246 7.2.1; 8446 6.1", do=error,
                label=f"{role}_receive_transport_close"),
    ]


def failed(own: Fields) -> dict[str, Expr]:
    """The effect of an error: the read side ends with an error, unless ended before."""
    return {"end": ite(own.end == "none", const("error", End), own.end)}


def rows(role: str, states: tuple[str, ...]) -> list[Rule]:
    """The rows of `role` with the local states `states`."""
    return _rows(role, client if role == "client" else server, states)
