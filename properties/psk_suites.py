"""Shared keys below TLS 1.3 (RFC 4279, RFC 5489)."""

from __future__ import annotations

from model.expr import conj, disj, eq
from model.transcript import PSK_SUITES
from properties import Implication, World, invariant, when
from properties.authentication import agree, flight, is_open, paired, shared_key


@invariant("PSK-1", "4279 2, 3, 4; 5489 2", ("adversary", "psk_suites"))
def a_server_that_shares_the_honest_key_talked_to_its_holder(w: World) -> list[Implication]:
    """A server that finished under the honest shared key has the transcript of a client with that
    key. AUT-1 has the other direction."""
    return [
        when(conj(s.verified, shared_key(s))).then(
            disj(*(conj(paired(c, s), agree(c, s, flight(s))) for c in w.clients))
        )
        for s in w.servers
    ]


@invariant("PSK-2", "4279 2", ("psk_suites",))
def a_known_key_is_named_where_the_suite_has_one(w: World) -> list[Implication]:
    """A known key is named if the suite has a shared key, and otherwise none."""
    return [
        when(conj(is_open(s), s.saw_client_key_exchange)).then(
            eq(s.named_key.one_of("honest", "adversary"), s.suite.one_of(*PSK_SUITES))
        )
        for s in w.servers
    ]
