"""Liveness on the reliable network, and reachable goals."""

from __future__ import annotations

from model.expr import FALSE, TRUE, Expr, conj, const, disj, implies, ite, neg
from model.extensions.alpn import PROTOCOLS
from model.extensions.cipher_suites import CIPHERS
from model.extensions.server_name import NAMES
from model.extensions.signature_schemes import LISTED, Scheme, has
from model.observers import SIGNED_SUITES
from model.principal import OFFERED
from model.transcript import EXPORT_SUITES, FLIGHT, RSA_SUITES
from properties import Implication, View, World, ends, leads_to, reachable, when
from properties.alpn import lists_any
from properties.authentication import agree
from properties.closure import canceled

VIEW = ("version", "suite", "compression", "client_version", "requested", "client_certificate")


def compatible(w: World) -> Expr:
    """When both ends know TLS 1.3, a common suite of it and a common group or key, or have a common
    suite below, the server can sign as the client asks, and no user cancels the handshake."""
    c, s = w.clients[0], w.servers[0]
    both_13 = conj(
        c.max_version == "TLS13",
        s.max_version == "TLS13",
        common_group(c, s),
        common_key(c, s),
        common_cipher(c, s),
    )
    suites = disj(
        *(conj(getattr(c, f"offers_{x}"), getattr(s, f"offers_{x}"))
          for x in OFFERED if x not in EXPORT_SUITES)
    )
    return conj(
        disj(both_13, suites), common_scheme(c, s), neg(canceled(w)), neg(strangers(c, s))
    )


def strangers(c: View, s: View) -> Expr:
    """When the server refuses the client's name, or knows none of its protocols."""
    return disj(unknown_name(c, s), no_protocol(c, s))


def unknown_name(c: View, s: View) -> Expr:
    """When the server refuses the name in the client's hello; false without the extension."""
    if "host" not in s.run.role.variables:
        return FALSE
    known = disj(*((c.wanted == n) & getattr(s, f"serves_{n}") for n in NAMES))
    return conj(c.wanted != "none", neg(known), s.refuses_unknown)


def no_protocol(c: View, s: View) -> Expr:
    """When the server knows no protocol that the client lists; false without the extension."""
    if "protocol" not in s.run.role.variables:
        return FALSE
    both = disj(*(getattr(c, f"lists_{p}") & getattr(s, f"knows_{p}") for p in PROTOCOLS))
    return conj(lists_any(c), s.uses_alpn, neg(both))


def common_group(c: View, s: View) -> Expr:
    """When both ends support some group of TLS 1.3; true if groups are not modelled."""
    names = [n for n in c.run.role.variables if n.startswith("supports_")]
    return disj(*(getattr(c, n) & getattr(s, n) for n in names)) if names else TRUE


def common_key(c: View, s: View) -> Expr:
    """When the server takes the key of a client that sends no share beside it (RFC 8446 9.2); true
    if the client sends a share."""
    if "has_external" not in c.run.role.variables:
        return TRUE
    alone = conj(c.has_external, c.takes_psk_ke, neg(c.takes_psk_dhe_ke), neg(c.shares_beside))
    return implies(alone, s.has_external & s.takes_psk_ke)


def common_cipher(c: View, s: View) -> Expr:
    """When both ends have some suite of TLS 1.3; true if there is only one."""
    names = [n for n in c.run.role.variables if n in {f"has_{x}" for x in CIPHERS}]
    return disj(*(getattr(c, n) & getattr(s, n) for n in names)) if names else TRUE


def common_scheme(c: View, s: View) -> Expr:
    """When the server has a key for the suite and for a signature scheme that the client lists, if
    it signs; true without the extension."""
    if "schemes" not in c.run.role.variables:
        return TRUE
    signs: Expr = FALSE
    static: Expr = FALSE
    for x in OFFERED:  # the last common one is chosen
        common = conj(getattr(c, f"offers_{x}"), getattr(s, f"offers_{x}"))
        signs = ite(common, const(x in SIGNED_SUITES), signs)
        static = ite(common, const(x in RSA_SUITES), static)
    rsa: Expr = TRUE
    ecdsa: Expr = FALSE
    if "keys" in s.run.role.variables:
        rsa, ecdsa = s.keys != "ecdsa", s.keys != "rsa"
    both_13 = conj(c.max_version == "TLS13", s.max_version == "TLS13")
    none_needed = disj(c.max_version <= "TLS11", s.max_version <= "TLS11", neg(signs))
    listed = {x: has(c.schemes, const(x, Scheme)) for x in LISTED}
    either = disj(listed["rsa_sha256"] & rsa, listed["ecdsa_sha256"] & ecdsa)
    strong = conj(either, s.signs != "sha1")
    weak = conj(listed["rsa_sha1"], rsa, s.signs != "sha256")
    return ite(both_13, strong, disj(none_needed, strong, weak) & (rsa | neg(static)))


def no_list(c: View, s: View) -> Expr:
    """When a client of TLS 1.3 lists no signature schemes; false without the extension."""
    if "schemes" not in c.run.role.variables:
        return FALSE
    return conj(c.schemes == "none", c.max_version == "TLS13", s.max_version == "TLS13")


def extended(r: View) -> list[str]:
    """The fields that extensions add to every Finished."""
    return [f for f in r.run.role.covered["flight"] if f not in FLIGHT]


def refused_client(w: World) -> Expr:
    """When the server demands a certificate and the client shows none."""
    c, s = w.clients[0], w.servers[0]
    return conj(s.client_auth == "mandatory", c.client_certificate == "empty")


def superseded(w: World, r: View) -> Expr:
    """When the next handshake on the same connection has begun and speaks for the connection."""
    after = [n for n in w.runs if n.run.prev == r.name and n.run.takes_over]
    return disj(*(n.state != "START" for n in after))


def over(w: World, r: View) -> Expr:
    """When the run is closed or superseded, or a renegotiation whose connection is closed."""
    waiting = (r.state == "START") if r.run.takes_over else FALSE
    return disj(r.state == "CLOSED", superseded(w, r), waiting)


@ends("LIV-1", "5246 7.3; 8446 A", ("reliable",))
def compatible_ends_complete_and_agree(w: World) -> list[Implication]:
    """Without an adversary, compatible configurations end with both Finished verified and equal
    views."""
    c, s = w.clients[0], w.servers[0]
    return [
        when(conj(compatible(w), neg(refused_client(w)))).then(
            conj(c.verified, s.verified, agree(c, s, (*VIEW, *extended(c))))
        )
    ]


@ends("LIV-2", "5246 7.2.2; 8446 6.2", ("reliable",))
def incompatible_ends_close_with_the_right_alert(w: World) -> list[Implication]:
    """Ends without a common suite close with handshake_failure; a client whose name or protocols
    the server does not know, or without a mandatory certificate, gets the RFC's alert."""
    c, s = w.clients[0], w.servers[0]
    both_closed = conj(c.state == "CLOSED", s.state == "CLOSED", c.end == "error", s.end == "error")
    missing = disj(
        conj(s.version == "TLS13", s.alert == "certificate_required"),
        conj(s.version != "TLS13", s.alert == "handshake_failure"),
    )
    return [
        when(conj(neg(compatible(w)), neg(canceled(w)))).then(
            conj(
                both_closed,
                disj(
                    conj(
                        neg(strangers(c, s)), neg(no_list(c, s)), s.alert == "handshake_failure"
                    ),
                    conj(unknown_name(c, s), s.alert == "unrecognized_name"),
                    conj(no_protocol(c, s), s.alert == "no_application_protocol"),
                    conj(no_list(c, s), s.alert == "missing_extension"),
                ),
            )
        ),
        when(conj(refused_client(w), neg(canceled(w)))).then(conj(s.state == "CLOSED", missing)),
    ]


@ends("LIV-3", "5246 7.3; 8446 A", ("reliable",))
def every_run_ends_closed(w: World) -> list[Implication]:
    """No deadlock: all runs are closed when nothing more can happen."""
    return [when(TRUE).then(conj(*(over(w, r) for r in w.runs)))]


@leads_to("LIV-4", "5246 7.2.1; 8446 6.1", ("reliable",), fairness="strong")
def a_run_that_started_ends_however_much_data_flows(w: World) -> list[Implication]:
    """No livelock: a run that left START is CLOSED in the end. Strong fairness is needed, since a
    peer's data can fill the channel again and again and leave no room for close_notify."""
    return [when(r.state != "START").then(over(w, r)) for r in w.runs]


@ends("LIV-7", "5246 7.2.1; 8446 6.1", ("reliable",))
def an_honest_close_is_clean_and_loses_no_data(w: World) -> list[Implication]:
    """Runs that end by close_notify are closed on both sides; data that arrived at an end before
    that end's close_notify was delivered."""
    out = []
    for c, s in zip(w.clients, w.servers, strict=True):
        clean = conj(c.end == "close_notify", s.end == "close_notify")
        out.append(
            when(conj(clean, disj(c.sent_data, s.sent_data))).then(
                conj(
                    c.state == "CLOSED",
                    s.state == "CLOSED",
                    implies(c.sent_data, s.delivered | s.closed_first),
                    implies(s.sent_data, c.delivered | c.closed_first),
                )
            )
        )
    return out


@reachable("LIV-5", "5246 7.3; 8446 A")
def can_connect_both_ends(w: World) -> Expr:
    """Both ends can connect and one of them can deliver data."""
    return disj(
        *(
            conj(c.state == "CONNECTED", s.state == "CONNECTED", disj(c.verified, s.verified))
            for c in w.clients
            for s in w.servers
        )
    )
