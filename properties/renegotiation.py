"""Renegotiation in TLS 1.0 to 1.2, with and without RFC 5746."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, disj, eq, implies, neg
from model.transcript import earlier, view
from properties import Implication, View, World, ends, invariant, when
from properties.authentication import agree, flight, later, paired, server_authenticated

INFO = "renegotiation_info"


def goes_on(runs: list[View]) -> list[tuple[View, View]]:
    """The pairs of a run that renegotiates and its previous handshake."""
    return [(r, b) for r, b in later(runs) if r.run.takes_over]


def bound(c: View, s: View) -> Expr:
    """When the previous handshakes of both runs had a Finished over equal fields."""

    def held(r: View, name: str) -> Expr:
        return r.system.at(r.run, earlier(view(r.run.role, name)))

    names = (*(f"secret.{n}" for n in c.run.role.covered["secret"]), *flight(c))
    own = [n for n in names if not n.startswith("before.")]
    return conj(*(eq(held(c, n), held(s, n)) for n in own))


@invariant("REN-1", "5746 3.5, 3.7", (INFO, "later"))
def a_renegotiation_carries_what_it_goes_on_from(w: World) -> list[Implication]:
    """Ends that know the extension have both shown the verify_data of the previous handshake after
    the hellos of a renegotiation; with the honest server, of the same handshake."""
    out = [
        when(conj(r.version != "none", r.knows_ri, b.secure)).then(
            conj(r.indication == "value", r.secure)
        )
        for r, b in goes_on(w.runs)
    ]
    for c, b in goes_on(w.clients):
        for s, d in goes_on(w.servers):
            given = conj(server_authenticated(c), paired(c, s), b.secure, d.secure)
            out.append(when(given).then(bound(c, s)))
    return out


@invariant("REN-2", "5746 1", ("adversary", "certificates", "renegotiation", "later-servers"))
def before_and_after_a_renegotiation_there_is_one_peer(w: World) -> list[Implication]:
    """A server that renegotiates with an honest client had the same client as peer before, so all
    data under the earlier keys came from that client."""
    out = []
    for s, b in goes_on(w.servers):
        for c in w.clients:
            peer = {n.name: d for n, d in goes_on(w.clients)}.get(c.name)
            same = FALSE if peer is None else conj(paired(peer, b), w.same_secret(peer, b))
            given = conj(s.verified, paired(c, s), neg(w.knows(s)))
            out.append(when(given).then(conj(same, neg(w.knows(b)))))
    return out


@invariant("REN-3", "5746 3.4, 3.6", (INFO, "later"))
def a_first_hello_carries_no_verify_data(w: World) -> list[Implication]:
    """After the hellos of a first handshake the peer's verify_data was empty or absent."""
    return [
        when(conj(r.version != "none", r.knows_ri, neg(r.renegotiating))).then(
            r.indication != "value"
        )
        for r in w.runs
    ]


@invariant("REN-4", "8446 4.1.2, 4.1.3", ("renegotiation", "later", "tls13"))
def tls13_is_not_renegotiated_nor_negotiated_so(w: World) -> list[Implication]:
    """TLS 1.3 is neither renegotiated nor chosen in a renegotiation, and has no HelloRequest."""
    out = []
    for r, b in goes_on(w.runs):
        out.append(when(r.version != "none").then(conj(r.version != "TLS13", b.version != "TLS13")))
    out += [when(c.version == "TLS13").then(neg(c.asked_in_tls13)) for c in w.clients]
    return out


@invariant("REN-5", "5746 3.5, 3.7; 5246 7.4.1.4", (INFO, "later"))
def nothing_negotiated_before_goes_on_unsaid(w: World) -> list[Implication]:
    """A handshake's view of the peer's extension is from the peer's hello in that handshake."""
    return [
        when(r.version != "none").then(implies(r.secure, r.indication != "none")) for r in w.runs
    ]


@invariant("REN-7", "5246 7.1, 10", ("renegotiation", "interleaved"))
def data_in_a_renegotiation_is_under_the_old_keys(w: World) -> list[Implication]:
    """Data between the hellos and Finished is only under the keys of the previous handshake."""
    return [when(r.old_data).then(neg(r.late_data)) for r, _ in goes_on(w.runs)]


@invariant("ORD-19", "5246 7.4.1.1", ("adversary", "certificates", "renegotiation", "asked"))
def a_hello_request_is_ignored_in_a_handshake(w: World) -> list[Implication]:
    """A client that received a HelloRequest completes with the honest server's transcript all the
    same, and no server accepts a HelloRequest."""
    return [
        *(
            when(conj(c.saw_hello_request, server_authenticated(c))).then(
                disj(*(agree(c, s, flight(c), server_proof=True) for s in w.servers))
            )
            for c in w.clients
        ),
        *(when(s.version != "none").then(neg(s.saw_hello_request)) for s in w.servers),
    ]


@ends("LIV-10", "5246 7.4.1.1; 5746 3.5, 3.7", ("renegotiation", "later-servers", "reliable"))
def a_renegotiation_completes(w: World) -> list[Implication]:
    """Without an adversary, a renegotiation that began ends with both Finished verified and equal
    views, unless the server demands a certificate and the client shows none."""
    out = []
    for (c, _), (s, _) in zip(goes_on(w.clients), goes_on(w.servers), strict=True):
        shown = (s.client_auth != "mandatory") | (c.client_certificate != "empty")
        agreed = agree(c, s, ("version", "suite", "client_certificate"))
        out.append(when(conj(c.state != "START", shown)).then(conj(c.verified, s.verified, agreed)))
    return out
