"""Pre-shared keys and resumption in TLS 1.3."""

from __future__ import annotations

from model.expr import BOOL, FALSE, TRUE, Expr, conj, disj, eq, implies, ite, neg
from model.extensions.psk import EARLIER
from model.extensions.psk import SESSION as SESSIONS
from model.schedule import RESUMPTION
from properties import Implication, View, World, invariant, when
from properties.authentication import agree, before, is_open, paired
from properties.retry import field_of

NEEDS = ("tls13", "psk")
SESSION = (
    "psk", "client_random", "offer", "exchange", "server_random", "server_share",
    "server_certificate", "requested", "client_certificate",
)


def key_known(w: World, r: View) -> Expr:
    """When the adversary knows the key in use; that of the honest ends counts as unknown."""
    return disj(r.psk == "adversary", conj(r.psk == "resumption", w.knows(r, RESUMPTION)))


def offers(c: View, key: Expr | str) -> Expr:
    """When the hello of the client offers a pre-shared `key`."""
    second = c.second_psk == key if "second_psk" in c.run.role.variables else FALSE
    return (c.offered_psk == key) | second


def offered_by(c: View, s: View) -> Expr:
    """When the client offered the key in use, and the hello that the server took is its own."""
    share = field_of(c, "ClientHello", "key_share")
    if "retried" in s.run.role.variables:
        share = ite(s.retried, field_of(c, "SecondClientHello", "key_share"), share)
    return conj(
        offers(c, s.psk), s.client_random == c.name, s.client_offer == c.name,
        eq(s.exchange, share),
    )


def earlier(r: View, name: str) -> Expr:
    """The variable `name` of the previous handshake of the same end."""
    assert r.run.prev is not None
    return r.system.of(r.run.prev, name)


@invariant("RES-6", "8446 4.2.11.2", (*NEEDS, "adversary"))
def a_key_is_selected_for_a_hello_of_who_has_it(w: World) -> list[Implication]:
    """A server that selected a key which the adversary does not know has the unchanged hello of a
    client that offered that key, since the binder was verified."""
    return [
        when(conj(s.psk != "none", neg(key_known(w, s)))).then(
            disj(*(offered_by(c, s) for c in w.clients))
        )
        for s in w.servers
    ]


@invariant("RES-10", "8446 4.2.9, 4.6.1", NEEDS)
def a_key_is_used_in_a_mode_that_was_offered(w: World) -> list[Implication]:
    """psk_ke and psk_dhe_ke are used only if the hello names them and the run allows them; a hello
    with a key and without modes is refused; a ticket goes only to a client that named a mode."""
    return [
        *(
            when(conj(c.psk != "none")).then(
                ite(c.server_share == "none", c.takes_psk_ke, c.takes_psk_dhe_ke)
            )
            for c in w.clients
        ),
        *(
            when(s.psk != "none").then(
                conj(ite(s.psk_ke, s.takes_psk_ke, s.takes_psk_dhe_ke), neg(s.mode_not_offered))
            )
            for s in w.servers
        ),
        *(when(s.version == "TLS13").then(neg(s.key_without_modes)) for s in w.servers),
        *(when(s.issued).then(neg(s.names_no_mode)) for s in w.servers),
    ]


@invariant("RES-11", "8446 7.1, 4.6.1", (*NEEDS, "psk-resumption", "adversary"))
def a_resumption_key_binds_the_whole_earlier_handshake(w: World) -> list[Implication]:
    """Ends that completed with the same resumption key agree on the handshake that made the key,
    including the client's authentication."""
    fields = [f"session_{n}" for n in SESSION]
    return [
        when(
            conj(s.psk == "resumption", s.verified, neg(w.knows(s)), paired(c, s), of_whom)
        ).then(
            conj(
                c.psk == "resumption",
                agree(c, s, fields),
                eq(earlier(c, "client_certificate"), earlier(s, "client_certificate")),
                eq(earlier(c, "requested"), earlier(s, "client_auth") != "none"),
            )
        )
        for c in w.clients
        for s in w.servers
        if c.run.prev and s.run.prev
        for known in (earlier(s, "client_certificate") == "honest",)
        for of_whom in (known, neg(known))
    ]


@invariant("AUT-23", "8446 4.1.1, 4.3.2, E.1", NEEDS)
def a_key_and_certificates_do_not_mix(w: World) -> list[Implication]:
    """In a handshake with a pre-shared key no end shows or requests a certificate."""
    return [
        *(
            when(conj(c.psk != "none", c.verified)).then(
                conj(
                    c.server_certificate == "none",
                    c.client_certificate == "none",
                    neg(c.requested),
                )
            )
            for c in w.clients
        ),
        *(
            when(conj(s.psk != "none", s.write_key == "application")).then(
                conj(s.client_auth == "none", s.client_certificate == "none")
            )
            for s in w.servers
        ),
    ]


@invariant("PHA-4", "8446 4.6.1", NEEDS)
def a_ticket_comes_after_finished(w: World) -> list[Implication]:
    """A client accepts a ticket after the server's Finished. A server sends a ticket after the
    client's Finished, or after its own if no certificate was requested."""
    return [
        *(when(c.ticket != "none").then(c.verified) for c in w.clients),
        *(
            when(s.issued).then(
                s.verified | conj(s.write_key == "application", s.client_auth == "none")
            )
            for s in w.servers
        ),
    ]


@invariant("NEG-11", "8446 4.2", NEEDS)
def what_a_hello_answers_was_offered(w: World) -> list[Implication]:
    """A client accepts only answers to what it sent: a pre-shared key only if offered, and the one
    offered; early data only if offered, and only with that key."""
    out = [
        when(conj(is_open(c), c.version == "TLS13", answered)).then(neg(c.unoffered_answer))
        for c in w.clients
        for answered in (c.psk != "none", c.psk == "none")
    ]
    for c in w.clients:
        if "early_offered" in c.run.role.variables:
            given = conj(c.version == "TLS13", neg(c.early_offered))
            out.append(when(given).then(neg(c.early_accepted)))
    return out


@invariant("RES-12", "8446 4.2.11, 4.6.1, 7.1", NEEDS)
def a_resumption_key_is_that_of_the_handshake_before(w: World) -> list[Implication]:
    """An end that offers or selects a resumption key has the session of its own earlier handshake,
    and any other end has none."""
    out = []
    for r in w.runs:
        b = before(r)
        used = offers(r, "resumption") if r.role == "client" else r.psk == "resumption"
        kept = {n: getattr(r, f"session_{n}") for n in SESSIONS[r.role]}
        nothing = {n: e if e.domain is BOOL else e != "none" for n, e in kept.items()}
        out.append(when(neg(used)).then(neg(disj(*nothing.values()))))
        if b is not None:
            made = {n: r.system.at(r.run, e) for n, e in EARLIER[r.role].items()}
            same = [eq(kept[n], made[n]) for n in kept]
            if r.role == "client":
                same.append(eq(r.offered_ticket, b.ticket))
            out.append(when(used).then(conj(*same)))
    return out


@invariant("RES-13", "8446 4.2.11; 9257 4", NEEDS)
def a_key_is_offered_only_by_who_has_it(w: World) -> list[Implication]:
    """A client offers only keys that it has, none twice, and a ticket with a resumption key."""
    out = []
    for c in w.clients:
        has: dict[str, Expr] = {
            "external": c.has_external & ~c.shares_with_adversary,
            "adversary": c.has_external & c.shares_with_adversary,
            "resumption": c.resumes,
        }
        twice: Expr = FALSE
        if "second_psk" in c.run.role.variables:
            has |= {k: e | (c.second_key == k) for k, e in has.items() if k != "resumption"}
            twice = (c.second_psk != "none") & eq(c.offered_psk, c.second_psk)
        out.append(
            when(c.version == "TLS13").then(
                conj(
                    *(implies(offers(c, k), e) for k, e in has.items()),
                    eq(c.offered_ticket != "none", offers(c, "resumption")),
                    neg(twice),
                )
            )
        )
    return out


@invariant("KEY-20", "8446 4.1.1, 4.2.9, 7.1", ("tls13",))
def without_a_key_there_is_an_exchange(w: World) -> list[Implication]:
    """A handshake of TLS 1.3 without a pre-shared key uses a share of each end."""
    out = []
    for r in w.runs:
        share = r.server_share if r.role == "client" else r.exchange
        alone = r.psk == "none" if "psk" in r.run.role.variables else TRUE
        given = conj(is_open(r), r.version == "TLS13", r.keyed, alone)
        out.append(when(given).then(share != "none"))
    return out
