"""External pre-shared keys of principals that are client and server: Selfie (RFC 9257, RFC 9258).

1. A and B share one external key, and each acts as client and as server with    9257 4.1
   that key; a client of A takes any holder of the key for B.
2. So a hello of A that the adversary reflects to A is answered by A itself.     9258 A
3. An imported key is also made of a context that names the client. The client   9258 4.1, A
   sends the context with the name of the key; a server refuses a context that
   names the server's own principal.

The context is part of the offer: another context makes another hello.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, const, eq, ite, mapping
from model.extensions import ENDS, Amend, Extension
from model.extensions.psk import client as psk_client
from model.extensions.psk import kind
from model.rule import Fields, Variable, check

Principal = Domain("Principal", ("none", "A", "B"))

_SHARED = {
    # Configuration: the principal of the run; whether the key's context names the client.
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
"""The principal that the server takes for the client: the other holder of the key."""
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
    excludes={
        "psk_list": "the principal in a hello goes with its first key",
        "retry": "a second hello has no context here",
    },
)
