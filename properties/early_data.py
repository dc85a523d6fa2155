"""Early data of TLS 1.3."""

from __future__ import annotations

import itertools

from model.expr import FALSE, TRUE, Expr, conj, const, disj, eq, implies, neg
from model.extensions.alpn import Protocol, of_key
from properties import Implication, View, World, invariant, when
from properties.authentication import before, is_open, paired
from properties.order import connected
from properties.psk import key_known, offered_by
from properties.retry import field_of

NEEDS = ("tls13", "early_data")


def same_hello(a: View, b: View) -> Expr:
    """When two server runs got the same ClientHello, unchanged from a client run."""
    return conj(
        a.client_random != "adversary", a.client_random != "none",
        *(eq(getattr(a, n), getattr(b, n)) for n in ("client_random", "client_offer", "exchange")),
    )


def sent(c: View, message: str) -> Expr:
    """When the client sent `message`."""
    return c.system.of(c.run, f"sent_{message}")


@invariant("EDT-1", "8446 4.2.10, 4.1.2", (*NEEDS, "retry"))
def a_retry_ends_early_data(w: World) -> list[Implication]:
    """After a retry no client offers early data or accepts its acceptance, and no server takes an
    offer of it, delivers it or, once the second hello has come, passes over records of it."""
    out = [when(r.retried).then(neg(r.early_accepted)) for r in w.runs]
    for c in w.clients:
        again = field_of(c, "SecondClientHello", "early_data")
        out.append(when(conj(c.retried, c.early_offered)).then(neg(again)))
    for s in w.servers:
        wrong = disj(s.early_delivered, s.early_again, s.passed_after_hello)
        out.append(when(conj(s.retried, s.early_offered)).then(neg(wrong)))
    return out


@invariant("EDT-2", "8446 4.2.10", NEEDS)
def early_data_is_accepted_only_with_its_key(w: World) -> list[Implication]:
    """Accepted early data was offered, in TLS 1.3, under the pre-shared key of the handshake, which
    is the first one offered, and for the application protocol that goes with the key; a client
    knows that of an honest server."""
    out = []
    for r in w.runs:
        out.append(
            when(r.early_accepted).then(
                conj(
                    r.psk != "none",
                    r.version == "TLS13",
                    r.suite == "AEAD",
                    r.early_offered,
                    eq(r.psk, r.offered_psk) if r.role == "client" else r.keyed,
                    neg(second_selected(r)),
                )
            )
        )
        if "protocol" in r.run.role.variables:
            told = TRUE if r.role == "server" else conj(r.verified, neg(key_known(w, r)))
            out.append(
                when(conj(r.early_accepted, told)).then(eq(r.protocol, protocol_of_key(r)))
            )
    return out


def second_selected(r: View) -> Expr:
    """When the server selected the second key of a hello; false of a client."""
    return r.second_selected if "second_selected" in r.run.role.variables else FALSE


def protocol_of_key(r: View) -> Expr:
    """The application protocol that goes with the key in use."""
    b = before(r)
    session = const("none", Protocol) if b is None else b.protocol
    return of_key(r.psk, session, r.key_protocol)


@invariant("EDT-3", "8446 8", (*NEEDS, "register", "adversary"))
def one_server_takes_the_early_data_of_a_hello_once(w: World) -> list[Implication]:
    """A server that remembers hellos accepts the early data of each hello at most once."""
    return [
        when(
            conj(b.has_register, b.early_offered, a.early_accepted, same_hello(a, b))
        ).then(neg(b.early_accepted))
        for a in w.servers
        for b in w.servers
        if b.run.prev == a.name
    ]


@invariant("EDT-4", "8446 8, E.5", (*NEEDS, "two-servers", "adversary"))
def early_data_is_delivered_once_in_the_world(w: World) -> list[Implication]:
    """False by design: servers that share no record of hellos each accept the same early data."""
    return [
        when(conj(a.early_delivered, b.early_offered, same_hello(a, b))).then(
            neg(b.early_delivered)
        )
        for a, b in itertools.permutations(w.servers, 2)
    ]


@invariant("EDT-5", "8446 4.5, 4.2.10", (*NEEDS, "adversary"))
def early_data_is_delivered_whole_or_not_at_all(w: World) -> list[Implication]:
    """Rejected early data is never delivered. A handshake under a key that the adversary does not
    know completes only after all accepted early data was delivered."""
    return [
        *(when(s.early_offered & s.verified).then(implies(s.early_delivered, s.early_accepted))
          for s in w.servers),
        *(
            when(
                conj(s.verified, s.early_accepted, neg(key_known(w, s)), paired(c, s), c.sent_early)
            ).then(s.early_delivered)
            for c in w.clients
            for s in w.servers
        ),
    ]


@invariant("EDT-6", "8446 4.5, 4.2.10", (*NEEDS, "adversary"))
def the_end_of_early_data_is_sent_if_it_was_accepted(w: World) -> list[Implication]:
    """EndOfEarlyData is sent before Finished if and only if early data was accepted. A server
    accepts EndOfEarlyData only under the early key, and then changes the read key."""
    return [
        *(
            when(connected(c)).then(eq(sent(c, "EndOfEarlyData"), c.early_accepted))
            for c in w.clients
        ),
        *(
            when(conj(is_open(s), s.saw_end_of_early_data)).then(
                conj(s.early_accepted, neg(s.end_not_in_early_keys), s.read_key != "early")
            )
            for s in w.servers
        ),
    ]


@invariant("EDT-7", "8446 2.3", (*NEEDS, "adversary"))
def early_data_is_from_who_has_the_key(w: World) -> list[Implication]:
    """Early data delivered under a key that the adversary does not know was sent by a client that
    has the key and sent the server's hello."""
    return [
        when(conj(s.early_delivered, neg(key_known(w, s)))).then(
            disj(*(conj(c.sent_early, offered_by(c, s)) for c in w.clients))
        )
        for s in w.servers
    ]


@invariant("KEY-5E", "8446 5.1", NEEDS)
def a_key_change_is_at_a_message_boundary(w: World) -> list[Implication]:
    """A server that accepted early data changes to the next key only after EndOfEarlyData."""
    return [
        when(
            conj(is_open(s), s.early_accepted, s.read_key.one_of("handshake", "application"))
        ).then(s.saw_end_of_early_data)
        for s in w.servers
    ]


@invariant("EDT-8", "8446 4.2.10", NEEDS)
def records_are_passed_over_only_for_early_data_not_accepted(w: World) -> list[Implication]:
    """A server passes over records that do not decrypt only if early data was offered and not
    accepted, before the client's flight, and at most two."""
    return [
        when(s.passed_over != "0").then(conj(s.passed_over != "more", neg(s.passed_undue)))
        for s in w.servers
    ]


@invariant("EDT-9", "8446 4.2.10", NEEDS)
def early_data_is_sent_only_if_it_may_be(w: World) -> list[Implication]:
    """A client sends early data only if its hello offered it and no answer has refused it."""
    return [when(c.sent_early).then(neg(c.early_unasked)) for c in w.clients]


@invariant("EDT-10", "8446 4.2.10, 5.3", NEEDS)
def accepted_early_data_is_taken_once_under_its_key(w: World) -> list[Implication]:
    """A server delivers no record of accepted early data twice, and none under another key."""
    return [
        when(s.early_accepted).then(neg(s.early_twice | s.early_not_in_early_keys))
        for s in w.servers
    ]
