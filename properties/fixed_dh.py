"""Static Diffie-Hellman (RFC 5246 7.4.7.2)."""

from __future__ import annotations

from model.expr import Expr, conj, disj, eq
from properties import Implication, View, World, invariant, reachable, when
from properties.order import legacy


@invariant("NEG-22", "5246 7.4.2, 7.4.6; 8446 4.4.2.2, 4.4.2.3", ("fixed_dh",))
def a_certificate_holds_the_kind_of_key_that_the_suite_uses(w: World) -> list[Implication]:
    """A client holds a server's certificate with a Diffie-Hellman key exactly if the suite is of
    static Diffie-Hellman, and a server takes such a one of a client with no other suite."""
    return [
        *(when(c.server_certificate != "none").then(eq(c.server_dh, static(c))) for c in w.clients),
        *(when(s.client_dh).then(static(s)) for s in w.servers),
    ]


@invariant("KEY-22", "5246 7.4.7.2, 8.1.2", ("fixed_dh",))
def a_finished_is_verified_only_with_both_shares(w: World) -> list[Implication]:
    """With an exchange of Diffie-Hellman a server below TLS 1.3 verifies a Finished only when it
    has a share of the client, from ClientKeyExchange or from the client's certificate."""
    return [
        when(conj(s.verified, legacy(s), s.suite.one_of("DH_RSA", "DHE", "ECDHE"))).then(
            s.exchange != "none"
        )
        for s in w.servers
    ]


def static(r: View) -> Expr:
    """When the suite, below TLS 1.3, is of static Diffie-Hellman."""
    return conj(legacy(r), r.suite == "DH_RSA")


@reachable("ORD-11F", "5246 7.4.7.2, 7.4.8", ("fixed_dh", "client-auth"))
def can_a_client_be_authenticated_by_the_key_it_exchanges(w: World) -> Expr:
    """Both ends can connect with a client certificate and without CertificateVerify."""
    return disj(
        *(
            conj(
                c.state == "CONNECTED", s.state == "CONNECTED", s.client_certificate == "honest",
                s.exchange == "fixed",
            )
            for c in w.clients
            for s in w.servers
        )
    )
