"""Closing one direction in TLS 1.3, and canceling a handshake (RFC 8446 6.1; rows P11 to P14).

1. An end that received close_notify may go on writing, and closes that direction at any time; what
   still comes is ignored.
2. An end that sent close_notify goes on reading.
3. An end whose user cancels the handshake sends user_canceled, then close_notify. The first changes
   nothing for the receiver, the second ends the receiver's handshake too. Between the two the
   sender reads nothing: two ends that cancel at once, with both channels full, wait for each other.

In TLS 1.0 to 1.2 close_notify is answered at once and ends both directions (RFC 5246 7.2.1).
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Expr, const, ite
from model.extensions import Amend, Extension
from model.message import AlertMessage, ApplicationData, CloseNotify
from model.principal import GENERATIONS, Alert, End, Level, client, server
from model.role import Observer
from model.rule import SAME, Fields, Rule, Variable, receive, send

_flag = Variable(BOOL, (False,))
VARIABLES = {
    # Configuration: whether a user may cancel the handshake.
    "cancels": _flag,
    "canceled": _flag,
    # For the properties.
    "wrote_after_close": _flag,
    "delivered_before_close": _flag,
}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})


def _rows(role: str, of: Fields) -> list[Rule]:
    is_13 = of.version == "TLS13"
    handshake = GENERATIONS[role]["tls13"]
    begins: Expr = is_13
    if role == "client":
        # No version is chosen yet: a client that knows TLS 1.3 follows the rule of TLS 1.3.
        handshake = ("WAIT_SH", *handshake)
        begins = is_13 | ((of.version == "none") & (of.max_version == "TLS13"))
    return [
        receive(role, CloseNotify, "CONNECTED", "READ_CLOSED", rfc="8446 6.1", when=is_13,
                do={"end": const("close_notify", End)}),
        send(role, ApplicationData, "READ_CLOSED", SAME, rfc="8446 6.1", when=of.sends_data,
             do={"sent_data": TRUE}),
        send(role, CloseNotify, "READ_CLOSED", "CLOSED", rfc="8446 6.1"),
        receive(role, ApplicationData, "CLOSING", SAME, rfc="8446 6.1", when=is_13,
                do={"delivered": TRUE}, label=f"{role}_receive_application_data_write_closed"),
        send(role, AlertMessage, handshake, "CANCELED", rfc="8446 6.1", when=begins & own.cancels,
             do={"canceled": TRUE}, label=f"{role}_send_user_canceled"),
        send(role, CloseNotify, "CANCELED", "CLOSED", rfc="8446 6.1"),
    ]


def _amends(role: str, of: Fields) -> list[Amend]:
    below = of.version != "TLS13"
    return [
        Amend(f"{role}_receive_close_notify_CONNECTED_to_ANSWER_CLOSE", when=below),
        Amend(f"{role}_receive_application_data_CLOSING_to_SAME", when=below),
    ]


def _alert(of: Fields) -> dict[str, Expr]:
    """The effect on the alert: an end that canceled the handshake sends no other alert."""
    return {
        "level": ite(own.canceled, const("warning", Level), const("fatal", Level)),
        "description": ite(own.canceled, const("user_canceled", Alert), of.alert),
    }


def _observers(of: Fields) -> tuple[Observer, ...]:
    closed = of.end == "close_notify"
    return (
        Observer(
            "wrote_after_close", "send", "ApplicationData", own.wrote_after_close | closed
        ),
        Observer(
            "delivered_before_close", "receive", "CloseNotify",
            own.delivered_before_close | of.delivered,
        ),
    )


ENDS = {"client": client, "server": server}
EXTENSION = Extension(
    "half_close",
    "8446 6.1",
    "closing one direction in TLS 1.3, and giving a handshake up",
    variables=dict.fromkeys(ENDS, VARIABLES),
    states={end: {"": ("READ_CLOSED", "CANCELED")} for end in ENDS},
    final=("CANCELED",),
    sends={end: {"Alert": _alert(of)} for end, of in ENDS.items()},
    rows=tuple(row for end, of in ENDS.items() for row in _rows(end, of)),
    amends=tuple(a for end, of in ENDS.items() for a in _amends(end, of)),
    observers={end: _observers(of) for end, of in ENDS.items()},
)
