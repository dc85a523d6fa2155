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
    """A run that finished with an authenticated honest peer has keys the adversary cannot
    derive."""
    return [
        *(when(server_authenticated(c)).then(neg(w.knows(c))) for c in w.clients),
        *(
            when(conj(client_authenticated(s), s.suite != "none")).then(neg(w.knows(s)))
            for s in w.servers
        ),
    ]


def takes_for_honest(c: View) -> Expr:
    """The client was shown the server's certificate, or uses a key that only honest ends have."""
    return (shown_by(c, "server") == "honest") | shared_key(c)


def with_an_honest_client(w: World, s: View) -> Expr:
    """The server finished, and a client holds its secret that takes its peer for the honest server,
    whether that client has finished or not."""
    return conj(
        s.verified, disj(*(w.same_secret(c, s) & takes_for_honest(c) for c in w.clients))
    )


@invariant("SEC-3", "8446 E.1", ("adversary", "certificates"))
def a_key_that_an_honest_client_holds_too_is_secret(w: World) -> list[Implication]:
    """A server that authenticates nobody has keys the adversary cannot derive, if an honest client
    has them."""
    return [when(with_an_honest_client(w, s)).then(neg(w.knows(s))) for s in w.servers]


@invariant("SEC-4", "5246 F.2; 8446 E.2", ("adversary", "certificates", "hidden-data"))
def data_sent_to_an_honest_peer_is_secret(w: World) -> list[Implication]:
    """What a run sends after it has finished with an honest peer, it sends under a key that the
    adversary does not know; with a NULL cipher nothing is hidden."""
    return [
        when(conj(honest, r.sent_data, neg(r.null_cipher))).then(
            neg(w.knows_key(r, r.write_key))
        )
        for honest, r in (
            *((server_authenticated(c), c) for c in w.clients),
            *((client_authenticated(s) | with_an_honest_client(w, s), s) for s in w.servers),
        )
    ]
