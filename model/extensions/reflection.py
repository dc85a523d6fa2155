"""External pre-shared keys of principals that are client and server: Selfie (RFC 9257, RFC 9258).

1. A and B share one external key. Each of them is client with it, and server;   9257 4.1
   a client of A takes whoever has the key for B.
2. So a hello of A that is led back to A is answered by A itself, which has      9258 A
   the key.
3. An imported key is made of a context besides, which says who is the client.   9258 4.1, A
   The client sends the context with the key's name; a server takes no context
   in which it is the client itself.

The context goes with the offer: whoever changes it, makes a hello of its own.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, const, eq, ite, mapping
from model.extensions import ENDS, Amend, Extension
from model.extensions.psk import client as psk_client
from model.extensions.psk import kind
from model.rule import Fields, Variable, check

Principal = Domain("Principal", ("none", "A", "B"))

_SHARED = {
    # Configuration: who the run belongs to; whether the key says who is the client.
    "principal": Variable(Principal, ("A",)),
    "imports": Variable(BOOL, (False,)),
}
VARIABLES = {
    "client": _SHARED,
    "server": {**_SHARED, "key_client": Variable(Principal, ("none",))},
}
client, server = (
    Fields(f"the {r}", "own", {n: v.domain for n, v in VARIABLES[r].items()}) for r in ENDS
)
FIELD = {"key_client": Principal}
hello = Fields("ClientHello", "msg", FIELD)

_none = const("none", Principal)
peer = mapping(server.principal, {"none": "none", "A": "B", "B": "A"}, Principal)
"""Who the server takes its client for: the other one that has the key."""
named = ite(client.imports & (psk_client.offered_psk == "external"), client.principal, _none)

EXTENSION = Extension(
    "reflection",
    "9258 4.1, A",
    "principals that are client and server with one external key",
    variables=VARIABLES,
    fields={"ClientHello": FIELD},
    optional={"ClientHello": ("key_client",)},
    sends={"client": {"ClientHello": {"key_client": named}}},
    views={
        "client": {"key_client": ite(psk_client.psk == "external", named, _none)},
        "server": {"key_client": server.key_client},
    },
    covers={"secret": ("key_client",)},
    amends=(
        Amend(
            "server_receive_client_hello_psk",
            checks=(
                check(
                    "the client is the other one",
                    (kind != "external") | eq(hello.key_client, ite(server.imports, peer, _none)),
                    "unknown_psk_identity",
                ),
            ),
            do={"key_client": ite(kind == "external", hello.key_client, _none)},
            of="psk",
        ),
    ),
    needs=("psk",),
    excludes={"retry": "a second hello has no context here"},
)
