"""Shared keys below TLS 1.3 (RFC 4279, RFC 5489)."""

from __future__ import annotations

from model.expr import conj, disj, eq
from model.transcript import HINT_SUITES, PSK_SUITES, SKE_SUITES
from properties import Implication, World, invariant, when
from properties.authentication import agree, flight, is_open, paired, shared_key
from properties.order import AFTER_FLIGHT, AFTER_HELLO_DONE


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


@invariant("PSK-3", "4279 2, 3, 4", ("psk_suites",))
def a_server_key_exchange_has_parameters_or_a_hint(w: World) -> list[Implication]:
    """With PSK and RSA_PSK a ServerKeyExchange is a hint, of a server that gives hints; such a
    server gives one with PSK. With another suite a ServerKeyExchange has parameters."""
    clients = [(c, c.state.one_of(*AFTER_HELLO_DONE)) for c in w.clients]
    servers = [(s, s.state.one_of(*AFTER_FLIGHT)) for s in w.servers]
    return [
        *(
            when(conj(after, c.suite.one_of(*HINT_SUITES))).then(
                eq(c.hinted, c.saw_server_key_exchange)
            )
            for c, after in clients
        ),
        *(
            when(conj(after, c.suite.one_of(*SKE_SUITES))).then(
                conj(~c.hinted, c.server_share != "none")
            )
            for c, after in clients
        ),
        *(
            when(conj(after, s.suite.one_of(*HINT_SUITES))).then(
                conj(eq(s.hinted, s.said_server_key_exchange), disj(~s.hinted, s.hints))
            )
            for s, after in servers
        ),
        *(when(conj(after, s.suite == "PSK")).then(eq(s.hinted, s.hints)) for s, after in servers),
        *(when(conj(after, s.suite.one_of(*SKE_SUITES))).then(~s.hinted) for s, after in servers),
    ]
