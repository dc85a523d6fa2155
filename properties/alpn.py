"""The application protocol (RFC 7301)."""

from __future__ import annotations

from model.expr import Expr, conj, disj, eq, ite
from model.extensions.alpn import PROTOCOLS
from properties import Implication, View, World, invariant, when
from properties.authentication import is_open, paired, server_authenticated


def spoken(r: View) -> Expr:
    """The protocol that the run writes its data in, and reads its peer's data as."""
    return ite(r.protocol == "none", r.speaks, r.protocol)


def lists_any(c: View) -> Expr:
    """When the client has the extension."""
    return disj(*(getattr(c, f"lists_{p}") for p in PROTOCOLS))


@invariant("NEG-20", "7301 3.2", ("adversary", "certificates", "alpn"))
def data_is_read_as_the_protocol_that_it_is_written_in(w: World) -> list[Implication]:
    """A client that lists protocols and finished with the honest server speaks the same protocol as
    that server, if the server has the extension."""
    return [
        when(conj(server_authenticated(c), paired(c, s), lists_any(c), s.uses_alpn)).then(
            eq(spoken(c), spoken(s))
        )
        for c in w.clients
        for s in w.servers
    ]


@invariant("NEG-21", "7301 3.1, 3.2", ("alpn",))
def the_protocol_is_one_that_both_ends_have(w: World) -> list[Implication]:
    """A client goes on only with a protocol that it listed, a server only with one that it knows
    and that the hello lists; with none only if the hello lists none or the server has no ALPN."""
    out = []
    for c in w.clients:
        mine = disj(*((c.protocol == p) & getattr(c, f"lists_{p}") for p in PROTOCOLS))
        out.append(when(c.protocol != "none").then(mine))
    for s in w.servers:
        out.append(when(conj(is_open(s), s.protocol != "none")).then(~s.unlisted_protocol))
        out.append(when(conj(is_open(s), s.protocol == "none")).then(~s.no_common_protocol))
    return out
