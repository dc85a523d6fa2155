"""Static Diffie-Hellman (RFC 5246 7.4.7.2)."""

from __future__ import annotations

from model.expr import Expr, conj, disj
from properties import World, reachable


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
