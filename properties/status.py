"""Certificate status (RFC 6066 8)."""

from __future__ import annotations

from model.expr import conj, disj, neg
from properties import Implication, World, invariant, when
from properties.authentication import is_open


@invariant("ORD-17", "6066 8", ("status_request",))
def certificate_status_comes_right_after_the_certificate(w: World) -> list[Implication]:
    """CertificateStatus comes, if at all, right after Certificate, and only if both hellos have
    status_request."""
    return [
        when(conj(is_open(c), c.saw_certificate_status)).then(
            conj(c.asks_status, c.status_acked, neg(c.status_out_of_place))
        )
        for c in w.clients
    ]


@invariant("STA-1", "6066 8", ("status_request",))
def a_certificate_status_is_good_and_of_the_certificate_shown(w: World) -> list[Implication]:
    """A client accepts only a good status of the certificate that was shown."""
    return [
        when(c.status != "none").then(
            disj(*(conj(c.status == x, c.server_certificate == x) for x in ("honest", "adversary")))
        )
        for c in w.clients
    ]
