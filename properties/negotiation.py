"""Negotiation and downgrade."""

from __future__ import annotations

from model.expr import Expr, conj, const, disj, eq, implies, ite
from model.principal import OFFERED, Suite
from model.transcript import EXPORT_SUITES, GROUP_OF, SKE_SUITES
from properties import Implication, View, World, invariant, when
from properties.authentication import is_open, paired, server_authenticated
from properties.order import legacy


def best_version(c: View, s: View) -> Expr:
    """The highest version that both ends have enabled."""
    return ite(c.max_version <= s.max_version, c.max_version, s.max_version)


def preferred(c: View, s: View) -> Expr:
    """The suite that the server prefers among those of both ends."""
    best = const("none", Suite)
    for suite in OFFERED:
        both = conj(getattr(c, f"offers_{suite}"), getattr(s, f"offers_{suite}"))
        if suite in EXPORT_SUITES:
            both = conj(both, (s.version <= "TLS10") | s.export_after_tls10)
        best = ite(both, const(suite, Suite), best)
    return ite(s.version == "TLS13", const("AEAD", Suite), best)


@invariant("NEG-1", "5246 E.1; 8446 E.1", ("adversary", "certificates"))
def the_version_is_the_best_both_know(w: World) -> list[Implication]:
    """A client that finished with the honest server uses the highest version of both ends."""
    return [
        when(conj(server_authenticated(c), paired(c, s))).then(eq(c.version, best_version(c, s)))
        for c in w.clients
        for s in w.servers
    ]


@invariant("NEG-2", "8446 4.1.3", ("adversary", "downgrade"))
def the_sentinel_stops_a_downgrade_at_the_signature(w: World) -> list[Implication]:
    """With signed parameters, a client and a server that know TLS 1.3 never go on with an older
    version."""
    return [
        when(
            conj(
                c.server_certificate == "honest", c.max_version == "TLS13",
                c.server_random == s.name,
                disj(c.suite == "AEAD", conj(c.suite.one_of(*SKE_SUITES), c.group != "none")),
            )
        ).then(implies(s.max_version == "TLS13", c.version == "TLS13"))
        for c in w.clients
        for s in w.servers
    ]


@invariant("NEG-2L", "8446 4.1.3", ("adversary", "signed-params"))
def the_sentinel_stops_a_downgrade_below_tls12(w: World) -> list[Implication]:
    """With signed parameters, a client and a server that know TLS 1.2 do not both go on with an
    older version. (The version that a ServerHello says on its way to the client is under no
    signature: a change of that alone is stopped by Finished.)"""
    return [
        when(
            conj(
                c.server_certificate == "honest", c.server_random == s.name,
                c.suite.one_of(*SKE_SUITES), c.group != "none", knows,
            )
        ).then(
            implies(best_version(c, s) >= "TLS12", disj(*(r.version >= "TLS12" for r in (c, s))))
        )
        for c in w.clients
        for s in w.servers
        for knows in (c.max_version == "TLS13", c.max_version <= "TLS12")
    ]


@invariant("NEG-2R", "8446 4.1.3, E.1", ("adversary", "downgrade", "rsa"))
def the_sentinel_stops_a_downgrade_to_static_rsa(w: World) -> list[Implication]:
    """False by design: with static RSA no signature covers the server's random, so a client that
    knows TLS 1.3 goes on with an older version until Finished."""
    return [
        when(
            conj(c.server_certificate == "honest", c.max_version == "TLS13", c.suite == "RSA")
        ).then(conj(*(s.max_version != "TLS13" for s in w.servers)))
        for c in w.clients
    ]


@invariant("NEG-3", "7507 3, 4", ("adversary", "fallback"))
def a_fallback_ends_at_a_server_that_knows_no_better(w: World) -> list[Implication]:
    """A client that fell back and sent the signal finishes with the honest server only at the
    server's highest version."""
    return [
        when(conj(c.fallback, server_authenticated(c), paired(c, s))).then(
            s.max_version <= c.max_version
        )
        for c in w.clients
        for s in w.servers
    ]


@invariant("NEG-4", "5246 7.4.7.1", ("adversary", "rsa"))
def the_premaster_holds_the_version_that_was_offered(w: World) -> list[Implication]:
    """A client's RSA premaster is accepted only with the version that the client offered."""
    return [
        when(conj(s.suite == "RSA", s.exchange == c.name, c.server_certificate == "honest")).then(
            eq(s.client_version, c.max_version)
        )
        for c in w.clients
        for s in w.servers
    ]


@invariant("NEG-6", "5246 7.4.1.3; 8446 4.1.3")
def everything_chosen_was_offered(w: World) -> list[Implication]:
    """The chosen version, suite and compression are among those that the client offered."""
    out = []
    for c in w.clients:
        offered = disj(
            c.suite == "AEAD",
            *((c.suite == s) & getattr(c, f"offers_{s}") for s in OFFERED),
        )
        within = conj(c.version <= c.max_version, c.version >= c.min_version)
        out.append(
            when(c.version != "none").then(
                conj(offered, within, (c.compression == "null") | c.deflate)
            )
        )
    return out


@invariant("NEG-7", "5246 F.1.1.2; 8446 E.1", ("adversary", "certificates"))
def the_suite_is_the_best_both_know(w: World) -> list[Implication]:
    """A client that finished with the honest server uses the suite that the server prefers among
    those of both ends."""
    return [
        when(conj(server_authenticated(c), paired(c, s))).then(eq(c.suite, preferred(c, s)))
        for c in w.clients
        for s in w.servers
    ]


@invariant("NEG-9", "5246 7.4.3", ("tls12", "params"))
def parameters_fit_the_negotiated_suite(w: World) -> list[Implication]:
    """The group in ServerKeyExchange has the kind and strength of the negotiated suite."""
    return [
        when(conj(legacy(c), c.group != "none")).then(
            disj(
                *((c.suite == s) & (c.group == GROUP_OF[s]) for s in SKE_SUITES),
                conj(c.suite == "DHE", c.group == "dh_weak", c.weak_dh),
            )
        )
        for c in w.clients
    ]


@invariant("NEG-10", "7457 2; 4346 A.5", ("adversary", "certificates"))
def weak_parameters_need_both_ends_to_offer_them(w: World) -> list[Implication]:
    """No handshake with the honest server completes with export keys that an end does not offer."""
    out = []
    for c in w.clients:
        for s in w.servers:
            weak = disj(c.group.one_of("rsa_weak", "dh_weak"), c.suite.one_of(*EXPORT_SUITES))
            offered = disj(
                *(
                    conj(getattr(c, f"offers_{x}"), getattr(s, f"offers_{x}"), c.suite == x)
                    for x in EXPORT_SUITES
                ),
                conj(c.suite == "DHE", c.weak_dh, s.weak_dh),
            )
            out.append(
                when(conj(server_authenticated(c), c.server_random == s.name)).then(
                    implies(weak, offered)
                )
            )
    return out


@invariant("NEG-12", "5246 7.4.1.3; 8446 4.1.2")
def compression_is_offered_and_null_in_tls13(w: World) -> list[Implication]:
    """Compression is null in TLS 1.3, and otherwise one that the run has enabled."""
    return [
        when(r.version != "none").then(
            ite(
                r.version == "TLS13", r.compression == "null", (r.compression == "null") | r.deflate
            )
        )
        for r in w.runs
    ]


@invariant("NEG-13", "8446 4.1.3, 4.2.1")
def the_version_is_one_decision(w: World) -> list[Implication]:
    """The negotiated version and the generation of the local state always fit."""
    return [
        when(conj(is_open(r), r.version != "none")).then(
            conj(
                implies(r.state.one_of(*r.run.role.generations["tls13"]), r.version == "TLS13"),
                implies(r.state.one_of(*r.run.role.generations["tls12"]), legacy(r)),
                eq(r.version == "TLS13", r.suite == "AEAD"),
            )
        )
        for r in w.runs
    ]


@invariant("NEG-28", "8446 D.5", ("tls13",))
def who_knows_tls13_takes_no_hello_of_ssl30(w: World) -> list[Implication]:
    """An end that knows TLS 1.3 goes on with no hello that says SSL 3.0, whatever else it takes."""
    return [
        *(when(c.max_version == "TLS13").then(c.version != "SSL30") for c in w.clients),
        *(when(s.max_version == "TLS13").then(s.legacy_version != "SSL30") for s in w.servers),
    ]


@invariant("NEG-15", "8446 4.1.3", ("tls13", "adversary"))
def the_session_id_is_echoed(w: World) -> list[Implication]:
    """A TLS 1.3 client gets back the session id that it sent, empty or made up, and takes no other
    for a resumption."""
    return [
        when(conj(is_open(c), c.version == "TLS13")).then(c.session_id == "none") for c in w.clients
    ]
