"""A bound on records that are ignored in a row.

Some records are accepted and change nothing: warning alerts below TLS 1.3, user_canceled and the
compatibility ChangeCipherSpec in TLS 1.3, empty records, a HelloRequest that is not due (RFC 5246
7.4.1.1), a ClientHello that is refused with the warning no_renegotiation (7.2.2). KeyUpdate changes
keys but makes no progress. Without a bound a peer can keep an end busy for ever. RFC 8446 5 and D.4
bound only some of these records, and no RFC names a number; stacks give up after 16 or 32 in a row.
Here two in a row are ignored, and a third is answered with unexpected_message. Any other accepted
message resets the count. After the peer's close_notify nothing is read, and nothing counted.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, Expr, const, ite, mapping
from model.extensions import ENDS, Amend, Extension
from model.message import ALPHABET
from model.observers import latch
from model.principal import client, server
from model.role import Observer
from model.rule import SAME, Fields, Message, Rule, Variable, check, receive, send

Count = Domain("Count", ("0", "1", "2", "more"))
"""The number of records ignored in a row; `more` is above the bound."""

VARIABLES = {
    # Configuration: whether the end sends such records without end.
    "floods": Variable(BOOL, (False,)),
    "ignored": Variable(Count, ("0",), write_once=False),
    # The true count for the properties, even if a flawed end counts wrongly.
    "idle": Variable(Count, ("0",), write_once=False),
}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})

EmptyRecord = Message("EmptyRecord", {}, "5246 6.2.1; 8446 5.1", handshake=False)
"""Application data of length zero."""

BOUND = check("records ignored", own.ignored < "2", "unexpected_message")


def _rows(role: str) -> list[Rule]:
    there = ("CONNECTED", "CLOSING")
    return [
        receive(role, EmptyRecord, there, SAME, rfc="5246 6.2.1; 8446 5.1", checks=[BOUND]),
        send(role, EmptyRecord, "CONNECTED", SAME, rfc="5246 6.2.1; 8446 5.1", when=own.floods),
    ]


def one_more(count: Expr) -> Expr:
    """The count after one more."""
    return mapping(count, {"0": "1", "1": "2", "2": "more", "more": "more"}, Count)


PROGRESS = (
    *(m.name for m in ALPHABET if m.name not in ("Alert", "UndecryptableRecord", "TransportClose")),
    "CertificateStatus", "NewSessionTicket", "HelloRetryRequest", "EndOfEarlyData",
)
"""The messages that reset the count; ChangeCipherSpec only below TLS 1.3."""


def counter(role: str, name: str) -> tuple[Observer, ...]:
    """The observers that count in the variable `name` the records that `role` ignores."""
    of = client if role == "client" else server
    dropped = (of.version == "TLS13") | (of.version == "none")
    more, zero = one_more(own[name]), const("0", Count)
    counts = {
        **dict.fromkeys(PROGRESS, zero),
        **dict.fromkeys(("Alert", "EmptyRecord", "HelloRequest", "KeyUpdate"), more),
        "ClientHello": ite(of.verified, more, zero),  # the one of a renegotiation
        "ChangeCipherSpec": ite(dropped, more, zero),
    }
    return tuple(Observer(name, "receive", m, e, transient=True) for m, e in counts.items())


def _amends(role: str) -> list[Amend]:
    rows = [f"{role}_receive_alert_ignored", f"{role}_receive_change_cipher_spec_dropped"]
    refused = "client_hello_no_renegotiation"
    if role == "client":
        refused = "hello_request_ignored"
        rows.append("client_receive_change_cipher_spec_WAIT_SH_to_SAME")
    return [
        *(Amend(row, checks=(BOUND,)) for row in rows),
        Amend(f"{role}_receive_key_update", checks=(BOUND,), of="key_update"),
        Amend(f"{role}_receive_{refused}", checks=(BOUND,), of="renegotiation"),
    ]


EXTENSION = Extension(
    "ignored_records",
    "8446 5, D.4; 5246 7.2.2",
    "a bound on records that are ignored in a row",
    variables=dict.fromkeys(ENDS, VARIABLES),
    messages=(EmptyRecord,),
    sends={end: {"EmptyRecord": {}} for end in ENDS},
    rows=(*_rows("client"), *_rows("server")),
    amends=(*_amends("client"), *_amends("server")),
    observers={
        end: (
            *counter(end, "ignored"),
            *counter(end, "idle"),
            latch("empty_early", "receive", "EmptyRecord", ~of.verified),
        )
        for end, of in (("client", client), ("server", server))
    },
)
