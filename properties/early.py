"""Data sent before the handshake is over: False Start."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, neg
from properties import Implication, View, World, invariant, when


def started_early(c: View) -> Expr:
    """When the client sent data before the server's Finished; false without the extension."""
    return c.started_early if "started_early" in c.run.role.variables else FALSE


@invariant("ORD-2F", "7918 4, 5", ("false_start",))
def a_client_starts_early_only_under_its_conditions(w: World) -> list[Implication]:
    """A client starts early only with a strong cipher, the highest version, DHE or ECDHE with a
    good group, and no client certificate."""
    return [
        when(c.started_early).then(
            conj(
                c.false_starts,
                neg(c.null_cipher),
                c.version == "TLS12",
                c.suite.one_of("DHE", "ECDHE"),
                c.group.one_of("dh", "ecdh"),
                c.client_certificate.one_of("none", "empty"),
            )
        )
        for c in w.clients
    ]


@invariant("SEC-4F", "7918 5", ("adversary", "false_start"))
def data_sent_early_to_an_honest_server_is_secret(w: World) -> list[Implication]:
    """Data sent before the server's Finished is secret: the server's signature is enough."""
    return [
        when(conj(c.started_early, c.server_certificate == "honest")).then(neg(w.knows(c)))
        for c in w.clients
    ]
