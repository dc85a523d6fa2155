"""Signature schemes (RFC 5246 7.4.1.4.1, RFC 8446 4.2.3)."""

from __future__ import annotations

from model.expr import conj, eq
from model.transcript import RSA_SUITES
from properties import Implication, World, invariant, when
from properties.authentication import is_open, paired, server_authenticated


@invariant("AUT-12", "5246 7.4.3, 7.4.8; 8446 4.2.3, 4.4.3", ("signature_schemes",))
def a_signature_has_a_scheme_that_its_verifier_listed(w: World) -> list[Implication]:
    """A run takes a signature only under a scheme that it listed, that fits the key of the
    certificate, and, in TLS 1.3, that is not with SHA-1."""
    out = []
    for c in w.clients:
        out.append(when(conj(is_open(c), c.saw_server_key_exchange)).then(~c.unlisted_scheme))
        out.append(when(conj(is_open(c), c.saw_certificate_verify)).then(~c.unlisted_scheme))
    for s in w.servers:
        out.append(when(conj(is_open(s), s.saw_certificate_verify)).then(~s.unlisted_scheme))
    return out


@invariant("NEG-23", "5246 7.4.1.4.1, 7.4.4; 8446 4.2.3", ("signature_schemes",))
def a_run_signs_with_a_scheme_that_its_peer_listed(w: World) -> list[Implication]:
    """The scheme of a run's own signature is one that the peer's list has; a client of TLS 1.2 or
    1.3 without such a scheme signs nothing."""
    return [
        *(
            when(conj(c.said_certificate_verify, c.version >= "TLS12")).then(
                c.client_scheme != "none"
            )
            for c in w.clients
        ),
        *(when(c.client_scheme != "none").then(~c.signs_unlisted) for c in w.clients),
        *(when(s.server_scheme != "none").then(~s.signs_unlisted) for s in w.servers),
    ]


@invariant(
    "NEG-24", "5246 7.4.1.4.1; 9155 2", ("adversary", "certificates", "signature_schemes")
)
def nobody_lowers_the_scheme_of_a_signature(w: World) -> list[Implication]:
    """A client that lists SHA-256 and finished with the honest server, which signs with it,
    verified no SHA-1; that server chose the same scheme and, of several certificates, showed the
    one that the client saw."""
    out = []
    for c in w.clients:
        for s in w.servers:
            done = conj(server_authenticated(c), paired(c, s))
            common = conj(c.schemes.one_of("sha256", "both"), s.signs != "sha1")
            out.append(when(conj(done, common)).then(c.server_scheme != "rsa_sha1"))
            out.append(when(done).then(eq(c.server_scheme, s.server_scheme)))
            if "own_key" in s.run.role.variables:
                out.append(when(done).then(eq(c.peer_key, s.own_key)))
    return out


@invariant("NEG-25", "5246 7.4.1.4.1, 7.4.4; 8446 4.2.3, 4.3.2, 9.2", ("signature_schemes",))
def a_list_of_schemes_is_there_and_not_empty(w: World) -> list[Implication]:
    """A run goes on only with lists that are not empty: a client with one in each request from TLS
    1.2 on and none before, a server that signs in TLS 1.3 with one in the hello."""
    return [
        *(when(conj(is_open(c), c.saw_certificate_request)).then(~c.bad_list) for c in w.clients),
        *(when(conj(is_open(s), s.saw_client_hello)).then(~s.bad_list) for s in w.servers),
    ]


@invariant("AUT-33", "5246 7.4.2, 7.4.6; 8446 4.4.2", ("several_certificates",))
def the_key_of_a_certificate_fits_its_use(w: World) -> list[Implication]:
    """With static RSA the server's certificate has an RSA key; every certificate has a key, and
    what is no certificate has none."""
    out = []
    for c in w.clients:
        shown = conj(is_open(c), c.server_certificate != "none")
        out.append(when(conj(shown, c.suite.one_of(*RSA_SUITES))).then(c.peer_key == "rsa"))
        out.append(when(shown).then(c.peer_key != "none"))
    for s in w.servers:
        shown = conj(is_open(s), s.client_certificate != "none")
        out.append(when(shown).then(eq(s.client_certificate == "empty", s.peer_key == "none")))
    return out
