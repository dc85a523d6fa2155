"""Composites: each signature, MAC and ciphertext that is accepted is the one that is expected.

What is expected, the observers of `model/observers.py` and of the extensions say, not the rows: so
a run is seen that accepts without comparing, even where nothing else would come of it. (In TLS 1.3
the record keys are made of both hellos, so that a Finished that nobody compares is hardly missed.)
"""

from __future__ import annotations

from collections.abc import Iterable

from model.expr import Expr, conj, const, disj, neg
from model.extensions import extensions
from model.extensions.post_handshake_auth import CONTEXTS
from model.observers import SIGNED_SUITES
from model.role import Role
from model.transcript import HELLOS, LAYOUT, RSA_SUITES, SECRET, SIGNED_PARAMS
from properties import Implication, View, World, invariant, when


def right_finished(r: View) -> Expr:
    """When every Finished that the run accepted in the handshake was the expected one."""
    return neg(r.wrong_finished)


def declared(role: Role, group: str) -> list[str]:
    """The fields that the role's extensions add to a group of covered fields."""
    return [f for n in role.extensions for f in extensions()[n].covers.get(group, ())]


def covers(r: View, group: str, fields: Iterable[str]) -> Expr:
    """Whether a composite or a secret of the run is made of all these fields."""
    return const({*fields} <= {*r.run.role.covered[group]})


@invariant("AUT-24", "5246 7.4.9; 8446 4.4.4")
def each_finished_accepted_is_the_expected_one(w: World) -> list[Implication]:
    """A run accepts only the Finished that it computes itself."""
    return [when(r.saw_finished).then(right_finished(r)) for r in w.runs]


@invariant("AUT-25", "8446 4.4.3", ("tls13",))
def each_proof_of_a_server_accepted_is_the_expected_one(w: World) -> list[Implication]:
    """A client accepts only a CertificateVerify over its own transcript, made with the key that the
    server showed a certificate of."""
    return [when(c.saw_certificate_verify).then(neg(c.wrong_proof)) for c in w.clients]


@invariant("AUT-26", "5246 7.4.8; 8446 4.4.3", ("client-auth",))
def each_proof_of_a_client_accepted_is_the_expected_one(w: World) -> list[Implication]:
    """A server accepts only a CertificateVerify over its own transcript, made with the key that the
    client showed a certificate of."""
    return [when(s.saw_certificate_verify).then(neg(s.wrong_proof)) for s in w.servers]


@invariant("AUT-27", "5246 7.4.3", ("tls12", "signed-params"))
def each_signature_of_parameters_accepted_is_the_expected_one(w: World) -> list[Implication]:
    """A client accepts signed parameters only with a signature over both randoms and themselves, by
    the certificate shown."""
    return [
        when(conj(c.suite.one_of(*SIGNED_SUITES), c.saw_server_key_exchange)).then(
            neg(c.wrong_parameters)
        )
        for c in w.clients
    ]


@invariant("AUT-28", "8446 4.2.11.2", ("tls13", "psk"))
def each_binder_accepted_is_the_expected_one(w: World) -> list[Implication]:
    """A server selects a key only with the binder that it computes itself."""
    return [when(s.psk != "none").then(neg(s.wrong_binder)) for s in w.servers]


@invariant("AUT-30", "5246 7.4.3, 7.4.8, 7.4.9; 8446 4.4")
def each_proof_covers_the_whole_handshake(w: World) -> list[Implication]:
    """Finished and CertificateVerify cover every field of the handshake so far, Finished the
    secret too, and the signature of parameters both randoms and the parameters: each field by
    itself, whatever else would bind it."""
    out = []
    for r in w.runs:
        role = r.run.role
        whole = [*role.covered["flight"], *declared(role, role.name)]
        secret = [f"secret.{f}" for f in role.covered["secret"]]
        for message, given, fields in (
            ("Finished", r.saw_finished, [*whole, *secret]),
            ("CertificateVerify", r.saw_certificate_verify, whole),
        ):
            head = [f for f in LAYOUT[message] if f in ("label", "key")]
            out.append(when(given).then(covers(r, message, [*head, *fields])))
        if r.role == "client":
            signed = ["key", *SIGNED_PARAMS, *declared(role, "signed")]
            given = conj(r.suite.one_of(*SIGNED_SUITES), r.saw_server_key_exchange)
            out.append(when(given).then(covers(r, "ServerKeyExchange", signed)))
    return out


@invariant("KEY-21", "5246 8.1; 7627 3, 4; 8446 7.1")
def each_secret_is_made_of_all_that_it_should_be(w: World) -> list[Implication]:
    """The secret of a handshake is made of the exchange and both randoms, with the extended master
    secret of the whole handshake, and in TLS 1.3 of both hellos."""
    out = []
    for r in w.runs:
        role = r.run.role
        made = covers(r, "secret", [*SECRET, *declared(role, "secret")])
        if "ems" in role.variables:
            hashed = [f"hash.{f}" for f in role.covered["flight"]]
            out.append(when(r.ems & r.keyed).then(covers(r, "secret", hashed)))
        out.append(when(conj(r.version != "TLS13", r.keyed)).then(made))
        hellos = covers(r, "hellos", [*HELLOS, *declared(role, "hellos")])
        out.append(when(conj(r.version == "TLS13", r.keyed)).then(conj(made, hellos)))
    return out


@invariant("KEY-15", "5246 7.4.7.1", ("rsa",))
def a_premaster_used_was_well_encrypted(w: World) -> list[Implication]:
    """A server uses an encrypted premaster only if it decrypts and holds the right version;
    otherwise a random one."""
    return [
        when(conj(s.suite.one_of(*RSA_SUITES), s.saw_client_key_exchange)).then(
            neg(s.wrong_premaster)
        )
        for s in w.servers
    ]


@invariant("REN-8", "5746 3.5, 3.7", ("renegotiation_info", "later"))
def each_verify_data_in_a_renegotiation_is_the_expected_one(w: World) -> list[Implication]:
    """A run that knows the extension goes on only with the verify_data of the handshake before."""
    return [
        when(conj(r.version != "none", r.knows_ri)).then(neg(r.wrong_renegotiation))
        for r in w.runs
        if r.run.takes_over
    ]


@invariant("PHA-5", "8446 4.4.3, 4.4.4, 4.6.2", ("post_handshake_auth",))
def each_proof_of_a_later_answer_is_the_expected_one(w: World) -> list[Implication]:
    """A server accepts an answer only with the signature and the Finished that it expects: over the
    handshake, the request and the certificate shown."""
    return [
        when(disj(*(s.system.of(s.run, f"done_{k}") for k in CONTEXTS))).then(neg(s.wrong_answer))
        for s in w.servers
    ]
