"""Message order and presence: the messages that a run has accepted by each local state.

The observers `saw_X` are about the present handshake and are cleared when the run is closed.
"""

from __future__ import annotations

from model.expr import Expr, conj, disj, eq, neg
from model.principal import LEGACY
from model.transcript import CERTIFICATE_SUITES, HINT_SUITES, SKE_SUITES
from properties import Implication, View, World, invariant, when
from properties.authentication import agree, by_key, fixed_key, flight, is_open, resumed
from properties.composites import right_finished
from properties.early import started_early

AFTER_HELLO_DONE = (
    "SEND_CERTIFICATE", "SEND_CKE", "SEND_CERTIFICATE_VERIFY", "SEND_CCS", "SEND_FIN", "WAIT_CCS",
    "WAIT_FIN",
)
"""The client states of TLS 1.0 to 1.2 after ServerHelloDone."""
AFTER_FLIGHT = (
    "WAIT_CERTIFICATE", "WAIT_CKE", "WAIT_CERTIFICATE_VERIFY", "WAIT_CERT", "WAIT_CV",
    "WAIT_FINISHED",
)
"""The server states after its first flight."""


def legacy(r: View) -> Expr:
    """When a version below TLS 1.3 was chosen."""
    return r.version.one_of(*LEGACY)


def connected(r: View) -> Expr:
    """When the handshake is complete and the run is not closed."""
    return r.state.one_of("CONNECTED", "CLOSING", "ANSWER_CLOSE")


@invariant("ORD-1", "5246 7.3; 8446 A, 2")
def data_is_delivered_only_after_finished_is_verified(w: World) -> list[Implication]:
    """No application data is delivered before the receiver verified the peer's Finished."""
    return [when(r.delivered).then(r.verified) for r in w.runs]


@invariant("ORD-2", "5246 7.3; 8446 2", ("data",))
def data_is_sent_only_after_finished_is_verified(w: World) -> list[Implication]:
    """An end sends data only after verifying the peer's Finished; a TLS 1.3 server, and a client
    with False Start (RFC 7918), only after sending its own."""
    out = [when(c.sent_data).then(c.verified | started_early(c)) for c in w.clients]
    for s in w.servers:
        half = conj(s.version == "TLS13", s.write_key == "application")
        out.append(when(s.sent_data).then(s.verified | half))
    return out


@invariant("GLOBAL", "5246 7.3; 8446 2", ("data",))
def data_is_sent_only_after_both_finished_are_verified(w: World) -> list[Implication]:
    """False by design, as the global reading of ORD-2: a server may send before the client
    verified a Finished."""
    return [
        when(conj(r.sent_data, r.verified)).then(
            disj(*(p.verified for p in w.runs if p.role != r.role))
        )
        for r in w.runs
    ]


@invariant("ORD-4", "5246 7.4.1; 8446 4")
def the_hello_comes_first(w: World) -> list[Implication]:
    """No other handshake message is accepted before the peer's hello."""
    return [when(r.version != "none").then(neg(r.before_hello)) for r in w.runs]


@invariant("ORD-5", "5246 7.4.2; 8446 4.4.2", ("certificates",))
def the_server_certificate_is_there_unless_anonymous(w: World) -> list[Implication]:
    """Past the server's flight the server has sent, and the client has accepted, a Certificate,
    unless the suite is anonymous or has a shared key (RSA_PSK excepted), or the session is
    resumed."""

    def due(r: View) -> Expr:
        return conj(r.suite.one_of(*CERTIFICATE_SUITES), neg(by_key(r)), neg(resumed(r)))

    return [
        *(
            when(c.state.one_of(*AFTER_HELLO_DONE, "CONNECTED", "SEND_CERT", "SEND_FINISHED")).then(
                eq(c.saw_certificate, due(c))
            )
            for c in w.clients
        ),
        *(
            when(s.state.one_of(*AFTER_FLIGHT, "CONNECTED")).then(eq(s.said_certificate, due(s)))
            for s in w.servers
        ),
    ]


@invariant("ORD-6", "5246 7.4.3; 2246 7.4.3", ("tls12",))
def server_key_exchange_is_there_where_the_suite_demands_it(w: World) -> list[Implication]:
    """ServerKeyExchange is required for DHE, ECDHE, anonymous and export suites, DHE_PSK and
    ECDHE_PSK; forbidden for RSA, a static key and a resumed session; optional for PSK and
    RSA_PSK."""

    def right(r: View, there: Expr) -> Expr:
        due = conj(r.suite.one_of(*SKE_SUITES), neg(resumed(r)))
        return disj(eq(there, due), r.suite.one_of(*HINT_SUITES))

    return [
        *(
            when(conj(c.state.one_of(*AFTER_HELLO_DONE, "CONNECTED"), legacy(c))).then(
                right(c, c.saw_server_key_exchange)
            )
            for c in w.clients
        ),
        *(
            when(conj(s.state.one_of(*AFTER_FLIGHT, "CONNECTED"), legacy(s))).then(
                right(s, s.said_server_key_exchange)
            )
            for s in w.servers
        ),
    ]


@invariant("ORD-7", "5246 7.4.3", ("adversary", "signed-params"))
def signed_parameters_are_the_servers(w: World) -> list[Implication]:
    """Parameters accepted with the honest server's certificate are from a run of that server."""
    out = []
    for c in w.clients:
        given = conj(
            c.server_certificate == "honest", c.group != "none", c.suite.one_of(*SKE_SUITES)
        )
        theirs = [
            conj(c.server_share == s.name, c.server_random == s.name, s.client_random == c.name)
            for s in w.servers
        ]
        out.append(when(given).then(disj(*theirs)))
    return out


@invariant("ORD-8", "5246 7.4.4; 8446 4.3.2")
def a_certificate_is_asked_for_only_by_an_authenticated_server(w: World) -> list[Implication]:
    """No CertificateRequest is accepted with a suite that has no server certificate."""
    return [when(c.requested).then(c.suite.one_of(*CERTIFICATE_SUITES)) for c in w.clients]


@invariant("ORD-9", "5246 7.4.5", ("tls12",))
def the_client_answers_only_after_server_hello_done(w: World) -> list[Implication]:
    """The client's second flight starts after ServerHelloDone."""
    return [
        when(c.state.one_of(*AFTER_HELLO_DONE)).then(c.saw_server_hello_done) for c in w.clients
    ]


@invariant("ORD-10", "5246 7.4.7", ("tls12",))
def client_key_exchange_comes_before_finished(w: World) -> list[Implication]:
    """A server that waits for ChangeCipherSpec or Finished has accepted a ClientKeyExchange."""
    return [
        when(conj(s.state.one_of("WAIT_CCS", "WAIT_FIN", "SEND_CCS", "SEND_FIN"), legacy(s))).then(
            s.saw_client_key_exchange
        )
        for s in w.servers
    ]


@invariant("ORD-11", "5246 7.4.8", ("client-auth",))
def certificate_verify_is_there_and_in_its_place(w: World) -> list[Implication]:
    """CertificateVerify comes after ClientKeyExchange and before ChangeCipherSpec whenever a
    certificate was shown, unless the certificate's key is the exchanged share."""
    return [
        *(
            when(
                conj(
                    s.state.one_of("WAIT_CCS", "WAIT_FIN", "WAIT_FINISHED", "SEND_CCS", "SEND_FIN"),
                    s.client_certificate.one_of("honest", "adversary"),
                )
            ).then(
                conj(neg(s.verify_out_of_place), eq(s.saw_certificate_verify, neg(fixed_key(s))))
            )
            for s in w.servers
        ),
    ]


@invariant("ORD-12", "5246 7.4.9", ("tls12",))
def finished_comes_right_after_change_cipher_spec(w: World) -> list[Implication]:
    """No Finished of TLS 1.0 to 1.2 is accepted before a ChangeCipherSpec."""
    return [when(conj(r.verified, legacy(r))).then(neg(r.finished_not_after_ccs)) for r in w.runs]


@invariant("ORD-13", "5246 7.4.9; 8446 4.4.1", ("adversary",))
def finished_covers_every_handshake_message(w: World) -> list[Implication]:
    """A Finished verified under a key that the adversary does not know is over the run's own
    transcript, and means a peer with the same one."""
    out = []
    for c in w.clients:
        given = conj(c.verified, neg(w.knows(c)))
        peer = disj(*(agree(c, s, flight(c), server_proof=True) for s in w.servers))
        out.append(when(given).then(conj(right_finished(c), peer)))
    for s in w.servers:
        given = conj(s.verified, neg(w.knows(s)))
        peer = disj(*(agree(c, s, flight(s)) for c in w.clients))
        out.append(when(given).then(conj(right_finished(s), peer)))
    return out


@invariant("ORD-14", "5246 7.4.9; 8446 4.4.4")
def a_run_is_connected_only_with_a_verified_finished(w: World) -> list[Implication]:
    """A connected run has accepted a Finished, which was the expected one."""
    return [
        when(connected(r)).then(conj(r.verified, r.saw_finished, right_finished(r))) for r in w.runs
    ]


@invariant("ORD-15", "8446 4.3.1", ("tls13",))
def encrypted_extensions_come_first_under_the_handshake_key(w: World) -> list[Implication]:
    """EncryptedExtensions comes directly after ServerHello."""
    return [
        when(conj(is_open(c), c.saw_encrypted_extensions)).then(neg(c.misplaced_extensions))
        for c in w.clients
    ]


@invariant("ORD-16", "8446 A.1, 4.4", ("tls13",))
def the_certificate_handshake_is_complete(w: World) -> list[Implication]:
    """A TLS 1.3 client with a server certificate has accepted EncryptedExtensions, Certificate,
    CertificateVerify and Finished."""
    return [
        *(
            when(conj(is_open(c), c.verified, c.version == "TLS13", neg(by_key(c)))).then(
                conj(
                    c.saw_encrypted_extensions, c.saw_certificate, c.saw_certificate_verify,
                    c.saw_finished,
                )
            )
            for c in w.clients
        ),
        *(
            when(conj(connected(s), s.version == "TLS13", s.client_auth != "none")).then(
                s.saw_certificate
            )
            for s in w.servers
        ),
    ]


@invariant("ORD-20", "5246 7.3; 8446 4")
def no_message_of_ones_own_role_is_accepted(w: World) -> list[Implication]:
    """No client accepts a message that only clients send, no server one that only servers send."""
    return [when(r.version != "none").then(neg(r.foreign)) for r in w.runs]


@invariant("ORD-21", "5246 7.3; 8446 4")
def no_handshake_message_is_accepted_twice(w: World) -> list[Implication]:
    """Each handshake message is accepted at most once in a handshake."""
    return [when(r.version != "none").then(neg(r.repeated)) for r in w.runs]
