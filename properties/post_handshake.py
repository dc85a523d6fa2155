"""Client authentication after the handshake (RFC 8446 4.6.2)."""

from __future__ import annotations

from model.expr import Expr, conj, disj, implies, neg
from model.extensions.post_handshake_auth import CONTEXTS
from properties import Implication, View, World, ends, invariant, when
from properties.authentication import agree, flight, paired


def of(r: View, name: str, k: str) -> Expr:
    """The variable `name` of the request context `k`."""
    return r.system.of(r.run, f"{name}_{k}")


@invariant("PHA-1", "8446 4.6.2", ("post_handshake_auth",))
def a_later_request_is_taken_only_if_it_was_offered_for(w: World) -> list[Implication]:
    """Without post_handshake_auth no server sends a later request and no client accepts one."""
    return [
        *(when(c.asked_1 | c.asked_2).then(c.offers_pha) for c in w.clients),
        *(when(s.request_1 | s.request_2).then(s.pha_offered) for s in w.servers),
    ]


@invariant("PHA-2", "8446 4.6.2, 4.4", ("adversary", "post_handshake_auth"))
def a_later_answer_is_the_clients_own_over_the_whole_handshake(w: World) -> list[Implication]:
    """A certificate accepted after the handshake is from the client that has the keys of the
    connection, in answer to the same request."""
    return [
        when(conj(of(s, "done", k), of(s, "shown", k) == "honest")).then(
            disj(
                *(
                    conj(
                        paired(c, s),
                        w.same_keys(c, s),
                        agree(c, s, flight(s)),
                        of(c, "answer", k) == "honest",
                        of(c, "answered", k),
                    )
                    for c in w.clients
                )
            )
        )
        for s in w.servers
        for k in CONTEXTS
    ]


@invariant("PHA-6", "8446 4.4.2.4, 4.6.2", ("post_handshake_auth",))
def a_later_certificate_is_of_somebody_trusted(w: World) -> list[Implication]:
    """A server completes an answer only with an empty certificate or a good one of a trusted CA."""
    return [
        when(of(s, "done", k)).then(of(s, "shown", k).one_of("empty", "honest", "adversary"))
        for s in w.servers
        for k in CONTEXTS
    ]


@invariant("PHA-7", "8446 4.6.2, E.1.2", ("adversary", "post_handshake_auth"))
def a_connection_authenticated_later_is_secret(w: World) -> list[Implication]:
    """The keys of a connection whose client was authenticated after the handshake are secret."""
    return [
        when(conj(of(s, "done", k), of(s, "shown", k) == "honest")).then(neg(w.knows(s)))
        for s in w.servers
        for k in CONTEXTS
    ]


@invariant("PHA-2C", "8446 4.6.2", ("post_handshake_auth",))
def nothing_comes_between_the_messages_of_an_answer(w: World) -> list[Implication]:
    """Certificate, CertificateVerify and Finished of an answer are sent and accepted in a row."""
    return [
        *(when(c.answered_1 | c.answered_2).then(neg(c.broke_answer)) for c in w.clients),
        *(when(s.request_1).then(neg(s.broke_answer)) for s in w.servers),
    ]


@invariant("PHA-8", "8446 4.3.2, 4.6.2", ("post_handshake_auth",))
def each_context_is_asked_and_answered_once(w: World) -> list[Implication]:
    """A client takes a request only with a context that is new, in the main handshake with none,
    and answers only what it was asked, with a proof of the certificate shown. A server takes an
    answer only for an open request."""
    return [
        *(
            when(c.version == "TLS13").then(neg(c.wrong_context | c.unasked_answer))
            for c in w.clients
        ),
        *(when(s.version == "TLS13").then(neg(s.wrong_context)) for s in w.servers),
    ]


@invariant("PHA-3", "8446 4.6.2", ("post_handshake_auth",))
def a_later_finished_comes_after_the_certificate_and_its_proof(w: World) -> list[Implication]:
    """The Finished of an answer is accepted only for an open request, after a Certificate and, if
    that is not empty, a CertificateVerify."""
    return [
        when(of(s, "done", k)).then(
            conj(
                of(s, "request", k),
                of(s, "shown", k) != "none",
                implies(of(s, "shown", k) != "empty", of(s, "proof_seen", k)),
            )
        )
        for s in w.servers
        for k in CONTEXTS
    ]


@invariant("AUT-17", "8446 E.1.2, 4.4.2.4", ("post_handshake_auth",))
def a_client_whose_certificate_was_good_is_authenticated(w: World) -> list[Implication]:
    """False by design: a server that verified everything may still treat the client as anonymous,
    without telling the client."""
    return [
        when(conj(of(c, "answered", k), of(s, "done", k), of(s, "shown", k) == "honest")).then(
            s.accepts_later
        )
        for c in w.clients
        for s in w.servers
        for k in CONTEXTS
    ]


@ends("PHA-L", "8446 4.6.2", ("reliable", "post_handshake_auth"))
def later_answers_arrive_as_they_were_given(w: World) -> list[Implication]:
    """Without an adversary, the server accepts for each context what the client showed."""
    c, s = w.clients[0], w.servers[0]
    return [
        when(of(s, "done", k)).then(
            conj(
                of(c, "answered", k),
                disj(*(conj(of(c, "answer", k) == x, of(s, "shown", k) == x)
                       for x in ("empty", "honest"))),
            )
        )
        for k in CONTEXTS
    ]
