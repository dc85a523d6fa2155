"""Selfie (Drucker and Gueron 2019): a server accepts a hello of its own principal.

A pre-shared key is of two, but does not say who is the client. Two peers that are client and server
with one key can be made to talk to themselves. The imported key's context names the client (RFC
9258); here the server ignores the name and answers as the peer that the client wanted. The proofs
of TLS 1.3 had left external keys of two roles out.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="selfie",
    number=16,
    title="a server does not check that the client of an external key is the other end",
    source="Drucker and Gueron, Selfie: reflections on TLS 1.3 with PSK, 2019; RFC 9258 A",
    year=2019,
    hit="groups that share one external key",
    scenario="reflection-imported",
    patches={
        "server": without_check("server_receive_client_hello_psk", "the client is the other one")
    },
    shows="a_session_joins_two_principals",
    steps=8,
    breaks={"server": ("a_session_joins_two_principals",)},
)
