"""Secrecy of the session keys."""

from __future__ import annotations

from model.expr import conj, neg
from properties import Implication, World, invariant, when
from properties.authentication import client_authenticated, known, server_authenticated


@invariant("SEC-1", "5246 F.1.1.1; 8446 E.1", ("adversary", "certificates"))
def session_keys_with_an_honest_peer_are_secret(w: World) -> list[Implication]:
    """A run that finished with an authenticated honest peer has keys the adversary cannot
    derive."""
    return [
        *(when(server_authenticated(c)).then(neg(known(c))) for c in w.clients),
        *(
            when(conj(client_authenticated(s), s.suite != "none")).then(neg(known(s)))
            for s in w.servers
        ),
    ]
