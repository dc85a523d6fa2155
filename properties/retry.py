"""HelloRetryRequest and the groups of TLS 1.3."""

from __future__ import annotations

from model.expr import Expr, conj, const, disj, eq, implies, ite, neg
from model.extensions.retry import SUPPORTED, NamedGroup
from properties import Implication, View, World, invariant, when
from properties.authentication import agree, by_key, is_open, paired, server_authenticated

NEEDS = ("tls13", "retry")
CHANGED = ("group", "cookie", "binder", "early_data")
"""The fields in which the second ClientHello may differ from the first (RFC 8446 4.1.2)."""


def field_of(r: View, message: str, field: str) -> Expr:
    """The value of a field of a message that the run sends."""
    value = r.run.role.sends[message][field]
    assert isinstance(value, Expr)
    return r.system.at(r.run, value)


def supports(r: View, group: Expr) -> Expr:
    """The run supports `group`."""
    return disj(*((group == g) & getattr(r, f"supports_{g}") for g in SUPPORTED))


def chosen(r: View) -> Expr:
    """The run has a group for both shares."""
    return r.named_group != "none"


@invariant("HRR-1", "8446 4.1.4", NEEDS)
def one_retry_is_taken_and_it_changes_something(w: World) -> list[Implication]:
    """A second HelloRetryRequest is answered with unexpected_message; one that asks for neither
    another share nor a cookie is not taken."""
    return [
        when(c.retried).then(
            conj(
                neg(c.wrong_retry_alert),
                disj(
                    c.cookie != "none",
                    conj(c.retry_group != "none", c.retry_group != c.first_group),
                ),
                neg(c.repeated),
            )
        )
        for c in w.clients
    ]


@invariant("HRR-2", "8446 4.1.2", NEEDS)
def the_second_hello_is_the_first_but_for_share_and_cookie(w: World) -> list[Implication]:
    """What the client sends again is what it sent; the share is one of the group asked for."""
    out = []
    for c in w.clients:
        fields = c.run.role.sends["SecondClientHello"]
        kept = [f for f in fields if f not in CHANGED and f in c.run.role.sends["ClientHello"]]
        asked = ite(c.retry_group == "none", c.first_group, c.retry_group)
        out.append(
            when(c.retried).then(
                conj(
                    *(
                        eq(field_of(c, "ClientHello", f), field_of(c, "SecondClientHello", f))
                        for f in kept
                    ),
                    eq(field_of(c, "SecondClientHello", "group"), asked),
                )
            )
        )
    return out


@invariant("HRR-3", "8446 4.1.4, 4.2.8", NEEDS)
def after_a_retry_version_suite_and_group_are_those_it_named(w: World) -> list[Implication]:
    """The hellos that follow a HelloRetryRequest choose what it chose."""
    return [
        when(conj(r.retried, r.version != "none")).then(
            conj(
                r.version == "TLS13",
                r.suite == "AEAD",
                implies(conj(chosen(r), r.retry_group != "none"), eq(r.named_group, r.retry_group)),
            )
        )
        for r in w.runs
    ]


@invariant("HRR-4", "8446 4.2.8", NEEDS)
def a_retry_is_for_a_group_that_is_supported_and_not_shared_yet(w: World) -> list[Implication]:
    """The group of a HelloRetryRequest is one the client offered, without a share of it."""
    return [
        when(conj(c.retried, c.retry_group != "none")).then(
            conj(supports(c, c.retry_group), c.retry_group != c.first_group)
        )
        for c in w.clients
    ]


@invariant("HRR-5", "8446 4.4.1", (*NEEDS, "adversary", "certificates"))
def both_hellos_and_the_retry_are_in_the_transcript(w: World) -> list[Implication]:
    """A client that finished with the honest server, after a retry or not, had both hellos and the
    request in between as that server had them."""
    fields = ("first_random", "first_offer", "retry_group", "cookie", "named_group")
    return [
        when(conj(server_authenticated(c), paired(c, s), c.retried | s.retried)).then(
            conj(eq(c.retried, s.retried), agree(c, s, fields))
        )
        for c in w.clients
        for s in w.servers
    ]


@invariant("HRR-6", "8446 4.1.2, 4.1.4", NEEDS)
def what_the_first_hello_decided_is_decided_again(w: World) -> list[Implication]:
    """After a retry the server's choices fit the second hello: its version, a supported group, or
    none where a pre-shared key needs none."""
    return [
        when(conj(s.retried, s.client_random != "none")).then(
            conj(
                eq(s.version, ite(s.client_version <= s.max_version, s.client_version,
                                  s.max_version)),
                disj(supports(s, s.named_group), conj(by_key(s), s.named_group == "none")),
            )
        )
        for s in w.servers
    ]


@invariant("HRR-7", "8446 4.2.2", NEEDS)
def a_cookie_is_echoed_and_taken_only_from_its_maker(w: World) -> list[Implication]:
    """The client sends back what it was given, never in its first hello; a server takes the cookie
    that it made, and none where it made none."""
    return [
        *(
            when(c.retried).then(
                conj(
                    eq(field_of(c, "SecondClientHello", "cookie"), c.cookie),
                    const("cookie" not in c.run.role.sends["ClientHello"]),
                )
            )
            for c in w.clients
        ),
        *(when(conj(is_open(s), s.retried)).then(neg(s.wrong_cookie)) for s in w.servers),
    ]


@invariant("NEG-8", "8446 4.2.7, 4.1.1", (*NEEDS, "adversary", "certificates"))
def the_group_is_the_one_both_ends_would_choose(w: World) -> list[Implication]:
    """A client that finished with the honest server in TLS 1.3 uses the group it showed first, if
    that server supports it, or else the best both support; none with a pre-shared key alone."""
    out = []
    for c in w.clients:
        alone = by_key(c) & (c.server_share == "none")
        for s in w.servers:
            best: Expr = const("none", NamedGroup)
            for g in SUPPORTED:
                both = getattr(c, f"supports_{g}") & getattr(s, f"supports_{g}")
                best = ite(both, const(g, NamedGroup), best)
            best = ite(supports(s, c.first_group), c.first_group, best)
            out.append(
                when(conj(server_authenticated(c), paired(c, s), c.version == "TLS13")).then(
                    ite(alone, c.named_group == "none", eq(c.named_group, best))
                )
            )
    return out
