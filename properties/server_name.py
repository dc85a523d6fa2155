"""Several names at one server (RFC 6066 3): who serves a client, and what is demanded of it."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, const, disj, eq, implies, ite
from model.extensions.server_name import NAMES, Demand, meets
from properties import Implication, View, World, invariant, when
from properties.authentication import (
    is_open,
    later,
    paired,
    resumed,
    resumes,
    server_authenticated,
    shown_by,
)


def named_host(s: View) -> Expr:
    """The host for the name in the client's last hello."""
    known = disj(*((s.server_name == n) & getattr(s, f"serves_{n}") for n in NAMES))
    return ite(known, s.server_name, s.default_name)


def demanded(s: View) -> Expr:
    """What the host for the client's last hello demands of its clients."""
    out: Expr = const("nothing", Demand)
    for n in NAMES:
        out = ite(named_host(s) == n, getattr(s, f"{n}_demands"), out)
    return out


def satisfied(s: View) -> Expr:
    """When the server's client is one that the host may serve."""
    return meets(shown_by(s, "client"), demanded(s))


@invariant("NEG-19", "6066 3; 8446 4.2", ("adversary", "certificates", "server_name"))
def a_client_is_served_by_the_host_that_it_named(w: World) -> list[Implication]:
    """A client that finished with the honest server is served by the host of the name in its hello,
    if the server says that it used the name, or refuses unknown names. A client without a name
    takes no such answer."""
    out = [when(c.name_used).then(c.wanted != "none") for c in w.clients]
    return out + [
        when(conj(server_authenticated(c), paired(c, s), c.wanted != "none", sure)).then(
            eq(s.host, c.wanted)
        )
        for c in w.clients
        for s in w.servers
        for sure in (c.name_used, s.refuses_unknown)
    ]


@invariant("AUT-31", "6066 3; 5246 7.4.6; 8446 4.4.2.4", ("server_name",))
def a_host_serves_only_clients_that_meet_its_demand(w: World) -> list[Implication]:
    """A server that finished has the certificate that the host for the client's last hello
    demands, from this handshake or from the one that it resumes."""
    return [
        when(conj(is_open(s), s.verified, demanded(s) == d)).then(satisfied(s))
        for s in w.servers
        for d in ("certificate", "member")
    ]


@invariant("RES-8", "6066 3; 8446 4.6.1", ("sessions", "server_name"))
def a_session_is_resumed_only_where_it_could_be_made(w: World) -> list[Implication]:
    """A server resumes below TLS 1.3 only under the session's own name; in any version only with a
    client that the host serves. A client offers a session of another name only if it may."""
    out = []
    for s, b in later(w.servers):
        out.append(when(conj(resumes(s), demanded(s) != "nothing")).then(satisfied(s)))
        if resumed(s) is not FALSE:
            out.append(when(resumed(s)).then(
                conj(eq(s.server_name, b.server_name), eq(s.host, b.host))
            ))
    for c, b in later(w.clients):
        out.append(when(resumes(c)).then(implies(~c.crosses_names, eq(c.wanted, b.wanted))))
    return out
