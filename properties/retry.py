"""HelloRetryRequest and the groups of TLS 1.3."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, const, disj, eq, implies, ite, neg
from model.extensions.retry import SUPPORTED, NamedGroup
from properties import Implication, View, World, invariant, when
from properties.authentication import agree, by_key, is_open, paired, server_authenticated
from properties.server_name import named_host

NEEDS = ("tls13", "retry")
CHANGED = ("cookie", "binder", "early_data")
"""The fields in which the second ClientHello may differ from the first (RFC 8446 4.1.2)."""
SHARE = ("shares", "key_share", "group")
"""The fields in which it may differ after a request for another group."""


def field_of(r: View, message: str, field: str) -> Expr:
    """The value that the run sends in a field of `message`."""
    value = r.run.role.sends[message][field]
    assert isinstance(value, Expr)
    return r.system.at(r.run, value)


def supports(r: View, group: Expr) -> Expr:
    """When the run supports `group`."""
    return disj(*((group == g) & getattr(r, f"supports_{g}") for g in SUPPORTED))


def alone(s: View) -> Expr:
    """When the server uses a pre-shared key without shares; false without the extension."""
    return s.psk_ke if "psk_ke" in s.run.role.variables else FALSE


def chosen(r: View) -> Expr:
    """When the run has a group for both shares."""
    return r.named_group != "none"


@invariant("HRR-1", "8446 4.1.4", NEEDS)
def one_retry_is_taken_and_it_changes_something(w: World) -> list[Implication]:
    """A second HelloRetryRequest is answered with unexpected_message; a first one is accepted only
    if it asks for another share or a cookie."""
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
    """The second hello equals the first but for the cookie and a share of the requested group."""
    out = []
    for c in w.clients:
        hello = c.run.role.sends["ClientHello"]
        fields = [f for f in c.run.role.sends["SecondClientHello"] if f in hello]
        same = {
            f: eq(field_of(c, "ClientHello", f), field_of(c, "SecondClientHello", f))
            for f in fields
            if f not in CHANGED
        }
        another = c.retry_group != "none"
        asked = eq(field_of(c, "SecondClientHello", "group"), c.retry_group)
        out.append(
            when(c.retried).then(
                conj(
                    *(e | another if f in SHARE else e for f, e in same.items()),
                    implies(another, asked),
                )
            )
        )
    return out


@invariant("HRR-3", "8446 4.1.4, 4.2.8", NEEDS)
def after_a_retry_version_suite_and_group_are_those_it_named(w: World) -> list[Implication]:
    """The hellos after a HelloRetryRequest have its version, suite and group."""
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
    """The group in a HelloRetryRequest is one that the client offered without a share."""
    return [
        when(conj(c.retried, c.retry_group != "none")).then(
            conj(supports(c, c.retry_group), c.retry_group != c.first_group)
        )
        for c in w.clients
    ]


@invariant("HRR-5", "8446 4.4.1", (*NEEDS, "adversary", "certificates"))
def both_hellos_and_the_retry_are_in_the_transcript(w: World) -> list[Implication]:
    """A client that finished with the honest server agrees with that server on both hellos and the
    request in between, or on their absence."""
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
    """After a retry the server's choices fit the second hello: the version, a supported group or,
    if a pre-shared key needs none, no group, the host and the application protocol."""
    out = []
    for s in w.servers:
        given = conj(s.retried, s.client_random != "none")
        fits = conj(
            eq(s.version, ite(s.client_version <= s.max_version, s.client_version, s.max_version)),
            disj(supports(s, s.named_group), conj(by_key(s), s.named_group == "none")),
        )
        out.append(when(given).then(fits))
        if "host" in s.run.role.variables:
            out.append(when(conj(given, s.server_name != "none")).then(eq(s.host, named_host(s))))
        if "protocol" in s.run.role.variables:
            out.append(when(conj(given, s.protocol != "none")).then(~s.unlisted_protocol))
    return out


@invariant("HRR-7", "8446 4.2.2", NEEDS)
def a_cookie_is_echoed_and_taken_only_from_its_maker(w: World) -> list[Implication]:
    """A client sends back exactly the cookie received, never in the first hello; a server accepts
    only its own cookie, and none if it made none."""
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
    """A client that finished with the honest server in TLS 1.3 uses the group of its first share if
    the server supports that group, otherwise the best that both support; with a pre-shared key
    alone, none."""
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


@invariant("NEG-18", "8446 4.2.7, 4.2.8, 4.1.1", NEEDS)
def a_share_is_of_a_group_that_was_listed_and_is_supported(w: World) -> list[Implication]:
    """A server goes on only with a hello whose share is of a group that the hello lists, and uses
    the share only of a group that it supports."""
    return [
        when(conj(is_open(s), s.version == "TLS13", s.keyed)).then(
            conj(neg(s.unlisted_share), supports(s, s.named_group) | alone(s))
        )
        for s in w.servers
    ]


@invariant("HRR-8", "8446 4.2.2", (*NEEDS, "cookie"))
def a_server_that_wants_a_cookie_asks_for_it(w: World) -> list[Implication]:
    """A server that wants a cookie goes on with certificates only after a HelloRetryRequest."""
    return [
        when(conj(is_open(s), s.version == "TLS13", s.keyed, s.asks_cookie)).then(
            s.retried | by_key(s)
        )
        for s in w.servers
    ]
