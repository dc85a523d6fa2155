"""Record boundaries: bytes left over in a buffer when keys change.

1. In TLS 1.3 a message right before a change of keys ends its record: ClientHello, ServerHello,
   Finished, KeyUpdate. Such a message `followed` by more bytes is refused.         8446 5.1
2. Below TLS 1.3 an alert may come in two records. Half an alert must not wait      5246 6.2.1
   while keys change, or bytes under another key complete the alert.
3. In TLS 1.3 an alert does not come in pieces.                                     8446 5.1

A buffer is modelled by whether bytes wait there and, for half an alert, under which keys it came.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, conj, const, ite
from model.extensions import Amend, Extension
from model.generations.records import failed
from model.principal import STATES, client, server
from model.role import Observer
from model.rule import SAME, Fields, Message, Rule, Variable, check, receive

Fragment = Domain("Fragment", ("none", "plaintext", "protected"))
"""The record protection of half an alert that waits; `none` if none waits."""

VARIABLES = {
    # Bytes after a message that changed the keys, and half an alert.
    "left_over": Variable(BOOL, (False,)),
    "fragment": Variable(Fragment, ("none",), write_once=False),
    # For the properties: a Finished was refused that may have been right.
    "refused_followed": Variable(BOOL, (False,)),
}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})
FIELD = {"followed": BOOL}
followed = Fields("a message", "msg", FIELD).followed

AlertFragment = Message("AlertFragment", {}, "5246 6.2.1; 8446 5.1", handshake=False)
"""A record with half an alert."""

ENDS_RECORD = check("end of record", ~followed, "unexpected_message")
NO_FRAGMENT = check("no half alert", own.fragment == "none", "unexpected_message")


def _rows(role: str, of: Fields) -> list[Rule]:
    started = tuple(s for s in STATES[role] if s not in ("START", "CLOSED"))
    below = of.version <= "TLS12"  # or not chosen yet
    now = ite(of.read_key == "plaintext", const("plaintext", Fragment),
              const("protected", Fragment))
    return [
        receive(role, AlertFragment, started, SAME, rfc="5246 6.2.1",
                when=conj(below, own.fragment == "none"), do={"fragment": now},
                label=f"{role}_receive_alert_fragment"),
        receive(role, AlertFragment, started, "CLOSED", rfc="5246 6.2.1, 7.2.2",
                when=conj(below, own.fragment != "none"), do=failed(of),
                label=f"{role}_receive_alert_fragment_last"),
    ]


def _amends(role: str) -> list[Amend]:
    change = {
        "client": (
            "client_receive_server_hello_WAIT_SH_to_WAIT_EE",
            "client_receive_finished_WAIT_FINISHED_to_SEND_CERT",
            "client_receive_finished_WAIT_FINISHED_to_SEND_FINISHED",
        ),
        "server": (
            "server_receive_client_hello_START_to_NEGOTIATED",
            "server_receive_finished_WAIT_FINISHED_to_CONNECTED",
        ),
    }[role]
    left = {"left_over": own.left_over | followed}
    return [
        *(Amend(row, checks=(ENDS_RECORD,), do=left) for row in change),
        Amend(f"{role}_receive_key_update", checks=(ENDS_RECORD,), do=left, of="key_update"),
        Amend(f"{role}_receive_change_cipher_spec_WAIT_CCS_to_WAIT_FIN", checks=(NO_FRAGMENT,)),
        Amend(f"{role}_receive_alert_ignored", when=own.fragment == "none"),
    ]


_CHANGES = ("ClientHello", "ServerHello", "Finished", "KeyUpdate")
_SENDS = {"followed": const(False)}
EXTENSION = Extension(
    "record_boundaries",
    "8446 5.1; 5246 6.2.1",
    "what is left over in a buffer when keys change",
    variables={"client": VARIABLES, "server": VARIABLES},
    messages=(AlertFragment,),
    fields=dict.fromkeys(_CHANGES, FIELD),
    record=("followed",),
    sends={
        "client": dict.fromkeys(("ClientHello", "Finished", "KeyUpdate"), _SENDS),
        "server": dict.fromkeys(("ServerHello", "Finished", "KeyUpdate"), _SENDS),
    },
    observers=dict.fromkeys(
        ("client", "server"),
        (Observer("refused_followed", "reject", "Finished", own.refused_followed | followed),),
    ),
    rows=(*_rows("client", client), *_rows("server", server)),
    amends=(*_amends("client"), *_amends("server")),
)
