"""Guarantees after a secret is lost: forward secrecy, healing, key compromise impersonation."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, const, disj, neg
from model.principal import Key
from model.schedule import MASTER
from properties import Implication, View, World, invariant, when
from properties.authentication import (
    client_authenticated,
    lost_early,
    paired,
    server_authenticated,
    shown_by,
    shown_certificate,
)
from properties.secrecy import with_an_honest_client

LONG_TERM = ("ServerPrivateKey", "ClientPrivateKey", "ExternalKey")
FRESH = ("DHE", "ECDHE", "DHE_PSK", "ECDHE_PSK", "AEAD")
"""The suites with a fresh share of each end."""
EARLY = const("early", Key)


def lost(w: World, *secrets: str) -> Expr:
    """When some run has lost one of the secrets."""
    return disj(*(noted(r, f"sent_{s}") for r in w.runs for s in secrets))


def lost_later(r: View, w: World) -> Expr:
    """When a long-term key was lost after the run finished, and none before."""
    return conj(lost(w, *LONG_TERM), *(neg(lost_early(r, s)) for s in LONG_TERM))


def fresh(r: View) -> Expr:
    """When the handshake has a fresh share of each end: a suite of `FRESH`, but not psk_ke."""
    psk_ke: Expr = FALSE
    if "psk" in r.run.role.variables:
        psk_ke = (r.server_share == "none") if r.role == "client" else r.psk_ke
    return conj(r.suite.one_of(*FRESH), neg(psk_ke))


def authenticated(r: View) -> Expr:
    """When the run finished and takes its peer for the honest one."""
    return server_authenticated(r) if r.role == "client" else client_authenticated(r)


def with_an_honest_peer(w: World, r: View) -> Expr:
    """When the run finished with the honest peer, which need not have shown who it is."""
    known = authenticated(r)
    return known if r.role == "client" else known | with_an_honest_client(w, r)


def sent_early(c: View) -> Expr:
    """When the client sent early data; false without the extension."""
    return c.sent_early if "sent_early" in c.run.role.variables else FALSE


@invariant("SEC-5", "5246 F.1.1.3; 8446 E.1", ("adversary", "long-term"))
def a_key_lost_later_does_not_open_a_fresh_exchange(w: World) -> list[Implication]:
    """Forward secrecy: session keys of DHE, ECDHE or psk_dhe_ke stay secret, whatever long-term key
    is lost after the run finished."""
    return [
        when(conj(authenticated(r), fresh(r), lost(w, *LONG_TERM))).then(neg(w.knows(r)))
        for r in w.runs
    ]


@invariant("SEC-6", "5246 F.1.1.2; 8446 2.3, E.1", ("adversary", "long-term"))
def a_key_lost_later_opens_nothing(w: World) -> list[Implication]:
    """False by design: a long-term key gives the session keys of RSA, static Diffie-Hellman and
    psk_ke, and the keys of early data."""
    return [
        *(
            when(conj(authenticated(r), neg(fresh(r)), lost_later(r, w))).then(neg(w.knows(r)))
            for r in w.runs
        ),
        *(
            when(conj(server_authenticated(c), sent_early(c), lost_later(c, w))).then(
                neg(w.knows_key(c, EARLY))
            )
            for c in w.clients
        ),
    ]


@invariant("SEC-12", "8446 2.3, E.1", ("adversary", "early_data"))
def early_data_is_secret_as_long_as_its_key_is(w: World) -> list[Implication]:
    """The adversary reads a client's early data only if the pre-shared key is lost at some time, or
    is its own."""
    return [
        when(
            conj(c.sent_early, c.offered_psk != "adversary", neg(lost(w, "ExternalKey")))
        ).then(neg(w.knows_key(c, EARLY)))
        for c in w.clients
    ]


@invariant("SEC-9", "8446 E.1.5", ("adversary", "long-term"))
def a_fresh_exchange_heals_a_lost_key(w: World) -> list[Implication]:
    """Whatever was lost and whenever: an adversary that lets the shares of both ends pass does not
    know the session keys."""
    return [
        when(
            conj(
                c.verified, fresh(c), lost(w, *LONG_TERM), paired(c, s), fresh(s),
                c.server_share == s.name, s.exchange == c.name,
            )
        ).then(neg(w.knows(c) | w.knows(s)))
        for c in w.clients
        for s in w.servers
    ]


@invariant("AUT-22", "8446 E.8", ("adversary", "oracle"))
def a_key_that_decrypts_for_anyone_opens_no_fresh_exchange(w: World) -> list[Implication]:
    """Session keys of a fresh exchange stay secret though anyone can have the private key of the
    server's certificate decrypt. Where the key signs for anyone, too, false by design."""
    return [when(conj(server_authenticated(c), fresh(c))).then(neg(w.knows(c))) for c in w.clients]


def _let_nobody_in(w: World, which: str) -> list[Implication]:
    def suites(r: View) -> Expr:
        return (r.suite == "DH_RSA") if which == "static" else fresh(r)

    return [
        *(
            when(conj(server_authenticated(c), lost(w, "ClientPrivateKey"), suites(c))).then(
                disj(*(paired(c, s) for s in w.servers))
            )
            for c in w.clients
        ),
        *(
            when(
                conj(
                    client_authenticated(s), shown_certificate(s), lost(w, "ServerPrivateKey"),
                    suites(s),
                )
            ).then(
                disj(*(conj(paired(c, s), shown_by(c, "client") == "honest") for c in w.clients))
            )
            for s in w.servers
        ),
    ]


@invariant("AUT-10", "8446 E.1", ("adversary", "reveal_client_key", "reveal_server_key"))
def a_lost_key_of_ones_own_lets_nobody_in(w: World) -> list[Implication]:
    """No key compromise impersonation: with signing certificates, an adversary that has a run's
    private key cannot pass for the peer of that run."""
    return _let_nobody_in(w, "fresh")


@invariant("AUT-10S", "5246 7.4.7.2", ("adversary", "fixed_dh", "reveal_client_key"))
def a_lost_static_share_of_ones_own_lets_nobody_in(w: World) -> list[Implication]:
    """False by design: two static shares make a secret that either end's private key gives."""
    return _let_nobody_in(w, "static")


def noted(r: View, what: str) -> Expr:
    """The fact `what` at the moment that the run lost its traffic secrets; false without a leak."""
    return getattr(r, what) if f"{r.name}.{what}" in r.system.variables else FALSE


def lost_traffic(r: View) -> Expr:
    """When the run has lost the traffic secrets that it held at some moment."""
    return noted(r, f"sent_{r.role.capitalize()}TrafficSecret")


def alone(w: World, r: View) -> Expr:
    """When the run, and no other run, lost its traffic secrets."""
    return conj(lost_traffic(r), *(neg(lost_traffic(q)) for q in w.runs if q is not r))


@invariant("SEC-7", "8446 4.6.1, E.1", ("adversary", "psk-resumption", "reveal_resumption_key"))
def a_resumption_key_opens_no_other_connection(w: World) -> list[Implication]:
    """After the resumption key of a ticket is lost, the connection that issued the ticket stays
    secret, and so does a connection that resumes with another ticket."""
    first = [s.sent_ResumptionKey for s in w.servers if s.run.prev is None]
    later = [s.sent_ResumptionKey for s in w.servers if s.run.prev]
    return [
        when(
            conj(
                authenticated(r),
                conj(r.psk == "resumption", disj(*later), neg(disj(*first)))
                if r.run.prev
                else disj(*first, *later),
            )
        ).then(neg(w.knows(r)))
        for r in w.runs
    ]


@invariant("SEC-8", "8446 7.2", ("adversary", "key_update", "reveal_client_traffic_secret"))
def what_was_sent_before_a_key_update_stays_secret(w: World) -> list[Implication]:
    """An end's traffic secret after its first KeyUpdate does not give the one before."""
    return [
        when(
            conj(
                authenticated(r), r.data_0, alone(w, r), neg(noted(r, "lost_before_update")),
            )
        ).then(
            neg(noted(r, "lost_first_generation") | w.knows(r, MASTER))
        )
        for r in w.runs
    ]


@invariant("SEC-10", "8446 7.1", ("adversary", "tls13", "reveal_client_traffic_secret"))
def a_traffic_secret_does_not_give_another(w: World) -> list[Implication]:
    """Lost handshake traffic secrets, even in use, do not reveal what a run sends after Finished;
    lost application traffic secrets do not reveal what both ends sent before."""
    handshake = disj(*(noted(r, "lost_handshake") for r in w.runs))
    application = disj(*(noted(r, "lost_application") for r in w.runs))
    return [
        implication
        for r in w.runs
        for implication in (
            when(
                conj(
                    with_an_honest_peer(w, r), disj(r.sent_data, r.write_key == "application"),
                    handshake, neg(application),
                )
            ).then(neg(w.knows_key(r, r.write_key))),
            when(conj(with_an_honest_peer(w, r), application, neg(handshake))).then(
                neg(w.knows_key(r, const("handshake", Key)))
            ),
        )
    ]


@invariant("KEY-12", "8446 E.1", ("adversary", "reveal_client_traffic_secret"))
def a_closed_run_has_nothing_to_lose(w: World) -> list[Implication]:
    """A closed run has erased its keys, so a later loss opens nothing."""
    return [
        when(
            conj(with_an_honest_peer(w, r), alone(w, r), neg(noted(r, "lost_before_closed")))
        ).then(neg(w.knows(r)))
        for r in w.runs
    ]
