"""Secrecy of the session keys."""

from __future__ import annotations

from model.expr import Expr, conj, disj, neg
from properties import Implication, View, World, invariant, when
from properties.authentication import (
    client_authenticated,
    server_authenticated,
    shared_key,
    shown_by,
)


@invariant("SEC-1", "5246 F.1.1.1; 8446 E.1", ("adversary", "certificates"))
def session_keys_with_an_honest_peer_are_secret(w: World) -> list[Implication]:
    """A run that finished with an authenticated honest peer has keys that the adversary does not
    know."""
    return [
        *(when(server_authenticated(c)).then(neg(w.knows(c))) for c in w.clients),
        *(
            when(conj(client_authenticated(s), s.suite != "none")).then(neg(w.knows(s)))
            for s in w.servers
        ),
    ]


def takes_for_honest(c: View) -> Expr:
    """When the client was shown the honest server's certificate or uses a key of honest ends."""
    return (shown_by(c, "server") == "honest") | shared_key(c)


def with_an_honest_client(w: World, s: View) -> Expr:
    """When the server finished, and a client with the same secret takes its peer for the honest
    server, finished or not."""
    return conj(
        s.verified, disj(*(w.same_secret(c, s) & takes_for_honest(c) for c in w.clients))
    )


@invariant("SEC-3", "8446 E.1", ("adversary", "certificates"))
def a_key_that_an_honest_client_holds_too_is_secret(w: World) -> list[Implication]:
    """A server has keys that the adversary does not know if an honest client has the same keys,
    even without client authentication."""
    return [when(with_an_honest_client(w, s)).then(neg(w.knows(s))) for s in w.servers]


@invariant("SEC-4", "5246 F.2; 8446 E.2", ("adversary", "certificates", "hidden-data"))
def data_sent_to_an_honest_peer_is_secret(w: World) -> list[Implication]:
    """Data that a run sends after it finished with an honest peer is under a key that the adversary
    does not know. A NULL cipher hides nothing."""
    return [
        when(conj(honest, r.sent_data, neg(r.null_cipher))).then(
            neg(w.knows_key(r, r.write_key))
        )
        for honest, r in (
            *((server_authenticated(c), c) for c in w.clients),
            *((client_authenticated(s) | with_an_honest_client(w, s), s) for s in w.servers),
        )
    ]
