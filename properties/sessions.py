"""Sessions and shared keys: the extended master secret, resumption, who shares a key with whom."""

from __future__ import annotations

from model.expr import BOOL, FALSE, Expr, conj, disj, eq, ite, neg, var
from properties import Implication, View, World, ends, invariant, when
from properties.authentication import (
    VIEW_FIELDS,
    agree,
    before,
    flight,
    is_open,
    later,
    paired,
    resumed,
    server_authenticated,
    shared_key,
    shown_by,
)
from properties.order import legacy

EMS = "extended_master_secret"


def one_identity(c: View, s: View) -> Expr:
    """When each end takes its peer for the other end, or does not know the peer."""
    server = disj(c.suite == "DH_anon", shown_by(c, "server") == "honest", shared_key(c))
    client = shown_by(s, "client")
    return conj(server, disj(client.one_of("none", "empty"), eq(shown_by(c, "client"), client)))


def done(c: View, s: View) -> Expr:
    """When both runs have verified a Finished."""
    return conj(c.verified, s.verified)


@invariant("KEY-13", "7627 4, 5.1", ("adversary", "certificates", EMS))
def the_session_hash_is_used_if_both_hellos_ask_for_it(w: World) -> list[Implication]:
    """The extended master secret is used only by an end that offered it, always by an end that
    demands it, and with the honest server exactly if both ends offered it."""
    return [
        *(when(r.ems).then(r.offers_ems) for r in w.runs),
        *(when(legacy(r) & r.requires_ems & is_open(r)).then(r.ems) for r in w.runs),
        *(
            when(conj(server_authenticated(c), paired(c, s))).then(
                conj(eq(c.ems, s.ems), eq(c.ems, c.offers_ems & s.offers_ems))
            )
            for c in w.clients
            for s in w.servers
        ),
    ]


@invariant("AUT-8", "7627 1", ("adversary", "certificates", "unknown-key-share"))
def who_shares_a_key_knows_with_whom(w: World) -> list[Implication]:
    """No unknown key share: two ends with the same keys take each other for their peer."""
    return [
        when(conj(done(c, s), w.same_keys(c, s))).then(one_identity(c, s))
        for c in w.clients
        for s in w.servers
    ]


@invariant("AUT-21", "7627 3, 5; 5929 3", ("adversary", "certificates", "unknown-key-share"))
def the_session_keys_identify_the_channel(w: World) -> list[Implication]:
    """Ends with the same master secret agree on all that was negotiated and on both identities, so
    exported keys are bound to one channel."""
    return [
        when(conj(done(c, s), w.same_keys(c, s))).then(
            conj(agree(c, s, VIEW_FIELDS), one_identity(c, s))
        )
        for c in w.clients
        for s in w.servers
    ]


def same_tls_unique(c: View, s: View) -> Expr:
    """When a client and a server, below TLS 1.3, have the same tls-unique: the first Finished, here
    without what only one end's Finished covers (RFC 5929 3.1)."""
    secret = (f"secret.{n}" for n in c.run.role.covered["secret"])
    return conj(legacy(c), legacy(s), c.keyed, s.keyed, agree(c, s, (*flight(c), *secret)))


@invariant(
    "AUT-32",
    "5929 3.1; 7627 1, 5",
    ("later-clients", "later-servers", "resumption", "adversary", "certificates"),
)
def ends_with_one_tls_unique_are_on_one_channel(w: World) -> list[Implication]:
    """Ends with the same tls-unique agree on all that was negotiated and on both identities, so
    that whoever authenticates over one channel is not taken for its peer on another."""
    return [
        when(conj(done(c, s), same_tls_unique(c, s))).then(
            conj(agree(c, s, VIEW_FIELDS), one_identity(c, s))
        )
        for c in w.clients
        for s in w.servers
    ]


@invariant("RES-1", "5246 7.4.1.3; 8446 4.2.11, 4.6.1", ("sessions",))
def a_session_keeps_its_parameters(w: World) -> list[Implication]:
    """A resumed handshake has the version, suite and compression of the session. In TLS 1.3, where
    only the hash must be the same, both handshakes are of TLS 1.3."""
    out = []
    for r in w.runs:
        b = before(r)
        if "psk" in r.run.role.variables:
            external = r.psk.one_of("external", "adversary")
            kept = external if b is None else external | (b.version == "TLS13")
            kept = conj(r.version == "TLS13", kept)
            out.append(when(r.psk != "none").then(kept))
        if "resumed" in r.run.role.variables and b is not None:
            names = ("version", "suite", "compression")
            kept = conj(*(eq(getattr(r, n), getattr(b, n)) for n in names))
            out.append(when(r.resumed).then(kept))
    return out


@invariant("RES-2", "7627 5.3", ("later-servers", "resumption", EMS))
def a_session_keeps_its_master_secret(w: World) -> list[Implication]:
    """A session is resumed with the extended master secret if and only if it was made with it."""
    return [when(resumed(r)).then(eq(r.ems, b.ems)) for r, b in later(w.runs)]


@invariant(
    "RES-3", "7627 1; 5246 F.1.4", ("later-servers", "resumption", "certificates")
)
def a_session_keeps_its_identities(w: World) -> list[Implication]:
    """A resumed run has the peer of the session; if that is the honest server, a run of that server
    made the session with this client."""
    out = []
    for r, b in later(w.runs):
        kept = eq(r.client_certificate, b.client_certificate)
        if r.role == "client":
            kept = conj(kept, eq(r.server_certificate, b.server_certificate))
        out.append(when(conj(resumed(r), b.client_certificate == "honest")).then(kept))
        out.append(when(conj(resumed(r), b.client_certificate != "honest")).then(kept))
    for c, b in later(w.clients):
        made = [conj(paired(c, s), resumed(s), paired(b, t)) for s, t in later(w.servers)]
        if made:
            out.append(when(conj(resumed(c), server_authenticated(c))).then(disj(*made)))
    return out


@invariant(
    "RES-4",
    "7627 1, 5",
    ("later-clients", "later-servers", "resumption", "adversary", "certificates"),
)
def a_session_is_shared_by_those_who_know_each_other(w: World) -> list[Implication]:
    """Two honest runs that share a session take each other for their peer."""
    return [
        when(conj(done(c, s), resumed(c), resumed(s), w.same_secret(c, s))).then(one_identity(c, s))
        for c, _ in later(w.clients)
        for s, _ in later(w.servers)
    ]


@invariant("RES-5", "5246 7.4.1.2", ("later-servers", "resumption"))
def a_session_is_resumed_by_its_own_name(w: World) -> list[Implication]:
    """An abbreviated handshake needs a server that has the requested session and its secret, in
    memory or in a ticket."""
    out = []
    for s, b in later(w.servers):
        named = s.offered_session == b.name
        if "by_ticket" in s.run.role.variables:
            named = ite(s.by_ticket, s.hello_ticket == b.name, named)
        out.append(when(resumed(s)).then(conj(b.keyed, named)))
    for c, b in later(w.clients):
        out.append(when(resumed(c)).then(conj(b.keyed, eq(c.offered_session, b.session_id))))
    return out


@invariant("RES-14", "5246 7.4.1.2, 7.4.1.3", ("resumption",))
def a_client_offers_only_the_session_that_it_has(w: World) -> list[Implication]:
    """A client offers the id of the session of its earlier handshake or none; a server that resumes
    or closes goes on only with a session that is resumed."""
    out = []
    for c in w.clients:
        b = before(c)
        named = FALSE if b is None else conj(eq(c.offered_session, b.session_id), b.stored)
        out.append(when(c.offered_session != "none").then(named))
    for s in w.servers:
        given = conj(is_open(s), legacy(s), s.requires_session)
        out.append(when(given).then(s.resumed))
    return out


@invariant("RES-7", "8446 4.6.1; 5077 3.4, 4", ("tickets",))
def a_ticket_is_taken_only_from_its_issuer_in_time(w: World) -> list[Implication]:
    """A server resumes only from a ticket that it issued, in the same version, not yet expired."""
    out = []
    for s, b in later(w.servers):
        if "psk" in s.run.role.variables:
            right = conj(b.issued, b.version == "TLS13", neg(s.expired))
            out.append(when(s.psk == "resumption").then(right))
        if "by_ticket" in s.run.role.variables:
            mine = conj(b.ticket_sent, s.hello_ticket == b.name, neg(s.ticket_expired))
            out.append(when(s.by_ticket).then(conj(mine, eq(s.version, b.version))))
    return out


@invariant("ORD-18", "5077 3.3", ("session_ticket", "adversary", "certificates"))
def a_new_ticket_comes_if_promised_and_in_its_place(w: World) -> list[Implication]:
    """Below TLS 1.3 NewSessionTicket comes exactly if the ServerHello said so: before the server's
    ChangeCipherSpec and, in a full handshake, after the client's Finished. With the honest server
    the client has the ticket that was sent."""
    out = []
    for s in w.servers:
        old = s.version <= "TLS12"
        due = conj(s.ticket_promised, s.verified | s.resumed)
        out.append(when(s.ticket_sent).then(due))
        out.append(when(conj(old, s.write_key == "application")).then(
            eq(s.ticket_promised, s.ticket_sent)
        ))
    for c in w.clients:
        seen = c.saw_new_session_ticket
        out.append(when(seen).then(c.resumed | w.system.of(c.run, "sent_Finished")))
        got = conj(is_open(c), c.verified, c.version <= "TLS12")
        out.append(when(got).then(eq(c.ticket_promised, seen)))
        for s in w.servers:
            given = conj(server_authenticated(c), paired(c, s), c.ticket_promised)
            out.append(when(given).then(conj(s.ticket_sent, c.held_ticket == s.name)))
    return out


@invariant("RES-9", "5246 7.4.1.2, 7.2.2", ("later-servers", "resumption", "adversary"))
def a_session_is_resumed_only_if_it_was_completed_well(w: World) -> list[Implication]:
    """A resumed session had both Finished, and no fatal alert ended its connection before the
    hello. A server cannot take back a ticket, so from a ticket it resumes after an alert too."""
    out = []
    for r, b in later(w.runs):
        finished = var(f"{b.name}.sent_Finished", BOOL)
        well = conj(finished, neg(r.from_failed))
        if "by_ticket" in r.run.role.variables and r.role == "server":
            well = well | r.by_ticket
        out.append(when(resumed(r)).then(conj(b.verified, well)))
    return out


@ends(
    "LIV-9", "5246 7.3; 7627 5.3", ("later-clients", "later-servers", "resumption", EMS, "reliable")
)
def a_second_handshake_completes_and_resumes_if_it_may(w: World) -> list[Implication]:
    """Without an adversary a second handshake completes, and the session is resumed exactly if the
    client asks, with no expired ticket, both still offer the suite, and the extended master secret
    is as before."""
    out = []
    for (c, b), (s, d) in zip(later(w.clients), later(w.servers), strict=True):
        usable = disj(
            *(
                conj(b.suite == x, getattr(c, f"offers_{x}"), getattr(s, f"offers_{x}"))
                for x in ("RSA", "ECDHE")
            )
        )
        asked = conj(c.offers_session, b.stored, d.stored, usable)
        ems = c.offers_ems & s.offers_ems
        begun = conj(s.state != "START", b.end == "close_notify", d.end == "close_notify")
        expired: Expr = FALSE
        if "by_ticket" in s.run.role.variables:
            expired = (c.hello_ticket != "none") & s.ticket_expired
        kept = conj(begun, asked, eq(ems, b.ems))
        out.append(when(conj(kept, neg(expired))).then(conj(done(c, s), s.resumed)))
        shown = (s.client_auth != "mandatory") | (c.client_certificate != "empty")
        upgraded = conj(begun, asked, ems, neg(b.ems))
        anew = conj(done(c, s), neg(s.resumed))
        out.append(when(conj(upgraded, shown)).then(anew))
        if expired is not FALSE:
            out.append(when(conj(kept, expired, shown)).then(anew))
    return out
