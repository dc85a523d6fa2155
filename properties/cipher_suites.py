"""The cipher suites of TLS 1.3, and the hash of a key (RFC 8446 4.1.3, 4.2.10, 4.2.11)."""

from __future__ import annotations

from model.expr import Expr, conj, const, eq, ite
from model.extensions import psk
from model.extensions.cipher_suites import CIPHERS, Cipher, of_key
from properties import Implication, View, World, invariant, when
from properties.authentication import is_open, paired, server_authenticated

NEEDS = ("cipher_suites",)
KEYS = ("cipher_suites", "psk")


def best(c: View, s: View) -> Expr:
    """The suite that the server prefers of those that both ends have; none without any."""
    out: Expr = const("none", Cipher)
    for x in CIPHERS:
        both = conj(getattr(c, f"has_{x}"), getattr(s, f"has_{x}"))
        out = ite(both, const(x, Cipher), out)
    return out


@invariant("NEG-26", "8446 4.1.2, 4.1.3, 4.1.4", NEEDS)
def a_suite_of_tls13_is_one_that_both_ends_have(w: World) -> list[Implication]:
    """A client goes on only with a suite that it listed; a server picks one that it has and the
    hello lists."""
    return [when(conj(is_open(r), r.cipher != "none")).then(~r.unlisted_cipher) for r in w.runs]


@invariant("NEG-27", "8446 4.1.1, D", ("adversary", "certificates", *NEEDS))
def a_suite_of_tls13_is_the_best_both_know(w: World) -> list[Implication]:
    """A client that finished with the honest server, with a certificate, uses the suite that the
    server prefers of those that both have."""
    return [
        when(conj(server_authenticated(c), paired(c, s), c.server_certificate == "honest")).then(
            eq(c.cipher, best(c, s))
        )
        for c in w.clients
        for s in w.servers
    ]


@invariant("HRR-9", "8446 4.1.4", ("retry", *NEEDS))
def after_a_retry_the_suite_is_the_one_it_named(w: World) -> list[Implication]:
    """The suite of ServerHello is that of the HelloRetryRequest before it."""
    return [
        when(conj(is_open(c), c.retried, c.saw_server_hello)).then(~c.other_cipher)
        for c in w.clients
    ]


@invariant("RES-17", "8446 4.2.11", KEYS)
def a_key_is_used_with_its_hash(w: World) -> list[Implication]:
    """A pre-shared key is used with a suite whose hash is the key's."""
    return [when(conj(is_open(r), r.psk != "none")).then(~r.other_hash) for r in w.runs]


@invariant("EDT-12", "8446 4.2.10", ("early_data", *NEEDS))
def early_data_is_accepted_only_under_the_suite_of_its_key(w: World) -> list[Implication]:
    """A server that accepts early data has picked the suite that goes with the key."""
    out = []
    for s in w.servers:
        with_key = w.system.at(s.run, of_key(psk.server.psk))
        out.append(when(conj(is_open(s), s.early_accepted)).then(eq(s.cipher, with_key)))
    return out
