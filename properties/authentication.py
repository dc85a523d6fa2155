"""Authentication and agreement: the peer of a run that verified a Finished, and shared values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import permutations

from model.adversary.capabilities import early
from model.expr import FALSE, Expr, conj, const, disj, eq, implies, ite, neg
from model.principal import Certificate
from model.transcript import CERTIFICATE_SUITES, PSK_SUITES, view
from properties import Implication, View, World, invariant, when
from properties.composites import right_finished


def heard(r: View, peer: View) -> Expr:
    """When the run used the random of `peer`, a run of the other role."""
    random: Expr = getattr(r, f"{peer.role}_random")
    return random == peer.name


def paired(c: View, s: View) -> Expr:
    """When both runs used each other's randoms."""
    return conj(heard(c, s), heard(s, c))


def one_peer(
    ends: Sequence[View], peers: Sequence[View], authenticated: Callable[[View], Expr]
) -> list[Implication]:
    """For each peer: no two of the runs `ends` authenticated a peer and have this peer's random."""
    return [
        when(conj(authenticated(r), paired(r, p))).then(neg(authenticated(other) & heard(other, p)))
        for p in peers
        for r, other in permutations(ends, 2)
    ]


def agree(c: View, s: View, fields: Iterable[str], *, server_proof: bool = False) -> Expr:
    """When client `c` and server `s` hold equal values of `fields`."""

    def held(r: View, f: str) -> Expr:
        return r.system.at(r.run, view(r.run.role, f, server_proof=server_proof))

    return conj(*(eq(held(c, f), held(s, f)) for f in fields))


def flight(r: View) -> tuple[str, ...]:
    """The fields of the messages that every Finished covers."""
    return r.run.role.covered["flight"]


def by_key(r: View) -> Expr:
    """When the handshake uses a pre-shared key instead of certificates."""
    return r.psk != "none" if "psk" in r.run.role.variables else FALSE


def shown_by(r: View, peer: str) -> Expr:
    """The certificate that identifies the run's peer, "server" or "client".

    With a resumption key, the certificate of the handshake that made the key. With an external key,
    "honest" or "adversary", whoever shares that key.
    """
    name = f"{peer}_certificate"
    now: Expr = getattr(r, name)
    if "psk" not in r.run.role.variables:
        return now

    def by(key: Expr, certificate: Expr) -> Expr:
        shares = {"external": "honest", "adversary": "adversary"}
        for k, who in shares.items():
            certificate = ite(key == k, const(who, Certificate), certificate)
        return certificate

    kept = f"session_{name}"
    earlier = getattr(r, kept) if kept in r.run.role.variables else now
    return ite(r.psk == "resumption", by(r.session_psk, earlier), by(r.psk, now))


def server_authenticated(c: View) -> Expr:
    """When the client verified a Finished and takes the peer for the honest server.

    Either the suite has certificates and the one shown is not the adversary's valid one (a client
    that wrongly accepts none, or an untrusted one, believes in the wanted name), or the shared key
    is that of the honest ends. The peer's key was not lost before.
    """
    shown = conj(c.suite.one_of("none", *CERTIFICATE_SUITES), shown_by(c, "server") != "adversary")
    return conj(c.verified, shown | shared_key(c), peer_kept_its_key(c))


def client_authenticated(s: View) -> Expr:
    """When the server verified a Finished and takes the peer for the honest client.

    The peer's key was not lost before.
    """
    return conj(s.verified, shown_certificate(s) | shared_key(s), peer_kept_its_key(s))


def peer_kept_its_key(r: View) -> Expr:
    """When the key that authenticates the peer was not lost before the run verified a Finished."""

    peer = "Server" if r.role == "client" else "Client"
    external = shared_key(r)
    if "psk" in r.run.role.variables:
        external = external | (r.psk == "external")
    return neg(ite(external, lost_early(r, "ExternalKey"), lost_early(r, f"{peer}PrivateKey")))


def lost_early(r: View, secret: str) -> Expr:
    """When the secret was lost before the run verified a Finished; false without the capability."""
    there = f"{r.name}.{early(secret)}" in r.system.variables
    return getattr(r, early(secret)) if there else FALSE


def shown_certificate(s: View) -> Expr:
    """When the server takes the certificate shown for that of the honest client."""
    return shown_by(s, "client").one_of("honest", "unknown_ca", "expired", "wrong_name")


def shared_key(r: View) -> Expr:
    """When the suite, below TLS 1.3, uses the key that the honest ends share.

    False without the extension.
    """
    if "psk_suites" not in r.run.role.extensions:
        return FALSE
    return conj(
        r.suite.one_of(*PSK_SUITES), r.system.at(r.run, view(r.run.role, "named_key")) == "honest"
    )


def fixed_key(s: View) -> Expr:
    """When the client's share is the key in its certificate; false without the extension."""
    if "client_dh" not in s.run.role.variables:
        return FALSE
    return conj(
        s.client_dh,
        disj(*(conj(s.client_certificate == who, s.exchange == share)
               for who, share in (("honest", "fixed"), ("adversary", "adversary")))),
    )


def resumed(r: View) -> Expr:
    """When the run resumes an earlier session, without certificates and key exchange."""
    return r.resumed if "resumed" in r.run.role.variables else FALSE


def resumes(r: View) -> Expr:
    """When the run resumes a session of any version."""
    by_ticket = r.psk == "resumption" if "psk" in r.run.role.variables else FALSE
    return resumed(r) | by_ticket


def before(r: View) -> View | None:
    """The previous handshake of the same end, if any."""
    prev = r.run.prev
    return None if prev is None else View(r.system, r.system.by_name[prev])


def later(runs: list[View]) -> list[tuple[View, View]]:
    """The pairs of a run and its previous handshake."""
    return [(r, b) for r in runs if (b := before(r)) is not None]


def is_open(r: View) -> Expr:
    """When the run is not closed."""
    return r.state != "CLOSED"


@invariant("AUT-1", "5246 F.1.1; 8446 E.1", ("adversary", "certificates"))
def a_client_that_finished_talked_to_the_server(w: World) -> list[Implication]:
    """A client that authenticated the server shares both randoms with a run of the server."""
    return [
        when(server_authenticated(c)).then(disj(*(paired(c, s) for s in w.servers)))
        for c in w.clients
    ]


@invariant("AUT-2", "5246 F.1.1; 8446 E.1", ("adversary", "certificates", "several-clients"))
def a_server_run_is_the_peer_of_one_client_run(w: World) -> list[Implication]:
    """Authentication of the server is injective: no two client runs finish with one server run."""
    return one_peer(w.clients, w.servers, server_authenticated)


@invariant("AUT-3", "5246 7.4.8; 8446 E.1", ("adversary", "client-auth"))
def a_server_that_authenticated_a_client_talked_to_it(w: World) -> list[Implication]:
    """A server that authenticated the client, in this handshake or in the one that it resumes,
    shares both randoms with a run of the client."""
    out = []
    for s in w.servers:
        peer = disj(
            *(
                conj(
                    paired(c, s),
                    implies(shown_certificate(s), shown_by(c, "client") == "honest"),
                )
                for c in w.clients
            )
        )
        for how in (resumes(s), neg(resumes(s))):
            if how is not FALSE:
                out.append(when(conj(client_authenticated(s), how)).then(peer))
    return out


@invariant("AUT-4", "5246 7.4.8; 8446 E.1", ("adversary", "known-clients", "several-servers"))
def a_client_run_is_the_peer_of_one_server_run(w: World) -> list[Implication]:
    """Authentication of the client is injective: no two server runs finish with one client run."""
    return one_peer(w.servers, w.clients, client_authenticated)


@invariant("AUT-5", "5246 8.1; 8446 7.1", ("adversary", "certificates"))
def matching_runs_have_the_same_keys(w: World) -> list[Implication]:
    """Two finished runs with each other's randoms and an authenticated server have one secret."""
    return [
        when(conj(server_authenticated(c), s.verified, paired(c, s))).then(w.same_secret(c, s))
        for c in w.clients
        for s in w.servers
    ]


@invariant("AUT-6", "5246 7.4.9; 8446 4.4.4", ("adversary", "certificates"))
def a_verified_finished_means_one_transcript(w: World) -> list[Implication]:
    """A run that verified the Finished of an authenticated peer has that peer's transcript, and the
    Finished was over it."""
    return [
        *(
            when(server_authenticated(c)).then(
                conj(
                    right_finished(c),
                    disj(*(agree(c, s, flight(c), server_proof=True) for s in w.servers)),
                )
            )
            for c in w.clients
        ),
        *(
            when(client_authenticated(s)).then(
                conj(right_finished(s), disj(*(agree(c, s, flight(s)) for c in w.clients)))
            )
            for s in w.servers
        ),
    ]


VIEW_FIELDS = (
    "version",
    "suite",
    "compression",
    "session_id",
    "group",
    "client_version",
    "requested",
)


@invariant("AUT-7", "8446 E.1; 5246 7.4.9", ("adversary", "certificates"))
def authenticated_ends_agree_on_what_was_negotiated(w: World) -> list[Implication]:
    """Both ends have the same version, suite, compression, session id, group, offered version and
    request of a certificate."""
    return [
        when(conj(end, paired(c, s))).then(agree(c, s, VIEW_FIELDS))
        for c in w.clients
        for s in w.servers
        for end in (server_authenticated(c), client_authenticated(s))
    ]


@invariant("AUT-9", "9257 4.1; 9258 A", ("adversary", "reflection"))
def a_session_joins_two_principals(w: World) -> list[Implication]:
    """No reflection: an end that finished under an external key talks to another principal."""
    return [
        when(conj(r.verified, r.psk == "external", paired(c, s))).then(
            neg(eq(c.principal, s.principal))
        )
        for c in w.clients
        for s in w.servers
        for r in (c, s)
    ]


@invariant("AUT-11", "5246 7.4.8; 8446 4.4.3", ("certificates",))
def an_authenticated_peer_proved_it_has_its_key(w: World) -> list[Implication]:
    """A certificate is accepted only with a proof of its key: a signature or, with RSA or static
    DH, a Finished. In a resumed session the earlier handshake had the proof."""
    out = []
    for s in w.servers:
        shown = conj(s.client_certificate.one_of("honest", "adversary"), neg(resumed(s)))
        proof = s.saw_certificate_verify | fixed_key(s)
        out.append(when(conj(is_open(s), s.verified, shown)).then(proof))
    for c in w.clients:
        signed = c.suite.one_of("DHE", "ECDHE", "RSA_EXPORT", "DHE_EXPORT")
        proof = disj(
            conj(signed, c.saw_server_key_exchange),
            conj(c.suite == "AEAD", c.saw_certificate_verify),
            conj(c.suite.one_of("RSA", "RSA_PSK", "DH_RSA"), c.saw_finished),
        )
        done = c.state.one_of("CONNECTED", "CLOSING", "ANSWER_CLOSE")
        shown = conj(c.server_certificate != "none", neg(resumed(c)))
        out.append(when(conj(done, shown)).then(proof))
    return out


@invariant("AUT-13", "5246 7.4.6; 8446 4.4.2.4", ("client-auth",))
def mandatory_client_authentication_is_enforced(w: World) -> list[Implication]:
    """A handshake with mandatory client authentication completes only with a certificate and a
    proof of its key; one that resumes it, only with the certificate of then."""
    return [
        *(
            when(conj(is_open(s), s.verified, s.client_auth == "mandatory")).then(
                conj(
                    s.client_certificate.one_of("honest", "adversary"),
                    s.saw_certificate_verify | fixed_key(s),
                )
            )
            for s in w.servers
        ),
        *(
            when(conj(s.verified, resumes(s), b.client_auth == "mandatory")).then(
                conj(
                    shown_by(s, "client").one_of("honest", "adversary"),
                    eq(shown_by(s, "client"), b.client_certificate),
                )
            )
            for s, b in later(w.servers)
            if resumes(s) is not FALSE
        ),
    ]


@invariant("AUT-14", "5246 7.2.2; 6101 5.4.2", ("client-auth",))
def no_certificate_is_a_warning_in_ssl30_alone(w: World) -> list[Implication]:
    """The warning "no certificate" takes the place of an empty Certificate in SSL 3.0, and there
    alone."""
    out = []
    for s in w.servers:
        asked = conj(is_open(s), s.client_auth != "none")
        out += [
            when(conj(asked, s.version != "SSL30")).then(neg(s.saw_no_certificate)),
            when(conj(asked, s.version == "SSL30")).then(neg(s.saw_certificate)
                | (s.client_certificate != "empty")),
        ]
    return out


@invariant("AUT-15", "5246 7.4.2; 8446 4.4.2.4", ("certificates",))
def an_empty_or_untrusted_server_certificate_is_refused(w: World) -> list[Implication]:
    """A client accepts only a certificate of a trusted CA for the right name."""
    return [
        when(c.server_certificate != "none").then(
            c.server_certificate.one_of("honest", "adversary")
        )
        for c in w.clients
    ]


@invariant("AUT-16", "5246 F.1.1.1", ("anonymous",))
def an_anonymous_handshake_authenticates_nobody(w: World) -> list[Implication]:
    """DH_anon is used only if the run offers this suite, and then without certificates."""
    return [
        when(r.suite == "DH_anon").then(
            conj(
                r.offers_DH_anon,
                r.server_certificate == "none" if r.role == "client" else r.client_auth == "none",
            )
        )
        for r in w.runs
    ]


EARLY_SERVER_DATA = ("adversary", "early-server-data")


@invariant("AUT-18", "8446 2, 4.4.4", EARLY_SERVER_DATA)
def data_of_a_server_is_sent_in_the_clients_own_handshake(w: World) -> list[Implication]:
    """Data that a client delivers was sent by a server run that agrees with the client on
    everything up to the server's Finished, which does not include the client's identity."""
    return [
        when(conj(server_authenticated(c), c.version == "TLS13", c.delivered)).then(
            disj(
                *(
                    conj(s.sent_data, paired(c, s), agree(c, s, flight(c), server_proof=True))
                    for s in w.servers
                )
            )
        )
        for c in w.clients
    ]


@invariant("AUT-18S", "8446 2, 4.4.4", (*EARLY_SERVER_DATA, "client-auth"))
def data_of_a_server_is_for_the_client_it_authenticated(w: World) -> list[Implication]:
    """False by design: a server may send before it has seen the client's certificate."""
    return [
        when(
            conj(
                server_authenticated(c), c.version == "TLS13", c.delivered,
                c.client_certificate == "honest",
            )
        ).then(
            disj(
                *(conj(s.sent_data, paired(c, s), s.client_certificate == "honest")
                  for s in w.servers)
            )
        )
        for c in w.clients
    ]
