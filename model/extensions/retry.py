"""HelloRetryRequest (RFC 8446): a second ClientHello, with another share or with a cookie.

1. The client shows a share of one of the groups it supports, or an       4.2.7, 4.2.8
   empty list, which asks for a retry.
2. A server that cannot use the share but supports another of those       4.1.4, 4.2.2
   groups, or wants a cookie back, asks for a second ClientHello. The
   request fixes version and suite.
3. The client refuses a second request, a request that changes nothing,   4.1.4, 4.2.8
   and a request for a group that is unsupported or was shared already.
4. The second ClientHello is the first with a share of the requested      4.1.2
   group and the cookie. The transcript, not the server, compares the two.
5. The transcript is message_hash(ClientHello), HelloRetryRequest, second  4.4.1
   ClientHello.

On the wire the second ClientHello is a ClientHello. Here the message has its own name, so that a
sent message never changes. To a server that waits for a first ClientHello, the adversary delivers a
second one as made up: no client's transcript has it in that place. A cookie is the name of the
server that made it; the server also keeps its state.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Domain, Expr, conj, const, disj, eq, ite, neg, var
from model.extensions import Amend, Extension, takes
from model.generations.negotiation import (
    ch,
    compression_null,
    no_ssl,
    offer,
    share_missing,
    version,
    version_common,
)
from model.message import ClientHello
from model.observers import after, held, keeps, latch
from model.principal import (
    Alert,
    ClientOwner,
    Compression,
    ServerOwner,
    Shares,
    Suite,
    Version,
)
from model.principal import client as base_client
from model.principal import server as base_server
from model.role import Observer, Role
from model.roles import SENDS
from model.rule import Fields, Message, Rule, Variable, check, receive, send
from model.transcript import client_exchange

NamedGroup = Domain("NamedGroup", ("none", "x25519", "secp256r1", "x448"))
"""The group of a TLS 1.3 key share; no end supports the last."""
SUPPORTED = ("x25519", "secp256r1")
"""The groups whose support is a configuration; a server prefers the last."""


def _once(domain: Domain, initial: object = "none") -> Variable:
    return Variable(domain, (initial,))


_SHARED = {
    # Configuration: the groups that the end supports.
    **{f"supports_{g}": _once(BOOL, True) for g in SUPPORTED},
    # The group of both shares; the requests of the HelloRetryRequest, if any.
    "named_group": _once(NamedGroup),
    "retried": _once(BOOL, False),
    "retry_group": _once(NamedGroup),
    "cookie": _once(ServerOwner),
}
VARIABLES = {
    "client": {
        **_SHARED,
        # Configuration: the group of the first share; none: an empty list of shares.
        "first_group": _once(NamedGroup, "x25519"),
        "wrong_retry_alert": _once(BOOL, False),
    },
    "server": {
        **_SHARED,
        "asks_cookie": _once(BOOL, False),  # configuration
        "first_random": _once(ClientOwner),
        "first_offer": _once(ClientOwner),
        "wrong_cookie": _once(BOOL, False),
    },
}
FIELDS = {
    "ClientHello": {"group": NamedGroup, **{f"supports_{g}": BOOL for g in SUPPORTED}},
    "ServerHello": {"group": NamedGroup},
}

HelloRetryRequest = Message(
    "HelloRetryRequest",
    {
        "version": Version,
        "session_id": ServerOwner,  # none: the client's, echoed
        "suite": Suite,
        "compression": Compression,
        "group": NamedGroup,  # none: no other share wanted
        "cookie": ServerOwner,
    },
    "8446 4.1.4",
    optional=("session_id", "group", "cookie"),
    shown={"session_id": "ServerHello", "cookie": "HelloRetryRequest"},
    before_hello=True,
)
SecondClientHello = Message(
    "SecondClientHello",
    {**ClientHello.fields, **FIELDS["ClientHello"], "cookie": ServerOwner},
    "8446 4.1.2",
    optional=("shares", "key_share", "group", "cookie"),
    shown={
        "random": "ClientHello",
        "offer": "SecondClientHello",
        "key_share": "ClientHello",
        "cookie": "HelloRetryRequest",
    },
)


client, server = (
    Fields(f"the {r}", "own", {n: v.domain for n, v in VARIABLES[r].items()}) for r in VARIABLES
)
hello = Fields("ClientHello", "msg", FIELDS["ClientHello"])
answer = Fields("ServerHello", "msg", FIELDS["ServerHello"])
hrr, second = HelloRetryRequest.f, SecondClientHello.f

# -- the client ------------------------------------------------------------------------------------
offered = conj(
    base_client.shares != "none",
    disj(*((hrr.group == g) & client[f"supports_{g}"] for g in SUPPORTED)),
)
another = (hrr.group == "none") | (hrr.group != client.first_group)
shares = ite(client.first_group == "none", const("empty", Shares), const("one", Shares))
"""What the first hello of TLS 1.3 has of key_share."""
shares_now = ite(client.retry_group == "none", base_client.shares, const("one", Shares))
present_share = ite(shares_now == "one", base_client.me, const("none", ClientOwner))
"""The share in the client's last hello."""
share_group = ite(client.retry_group == "none", client.first_group, client.retry_group)
"""The group of the client's present share."""

_no_retry = check("not after a retry", ~client.retried, "illegal_parameter")
_group = check(
    "group of the share",
    (share_group != "none") & eq(answer.group, share_group),
    "illegal_parameter",
)

# -- the server ------------------------------------------------------------------------------------
_shared = ch.key_share != "none"
supported = _shared & disj(*((hello.group == g) & server[f"supports_{g}"] for g in SUPPORTED))
listed = disj(*((hello.group == g) & hello[f"supports_{g}"] for g in SUPPORTED))


def best_common() -> Expr:
    best: Expr = const("none", NamedGroup)
    for g in SUPPORTED:
        best = ite(hello[f"supports_{g}"] & server[f"supports_{g}"], const(g, NamedGroup), best)
    return best


group_kept = ite(
    server.retry_group == "none", supported, _shared & eq(hello.group, server.retry_group)
)
needs_retry = (best_common() != "none") & (~supported | server.asks_cookie)
listed_check = check("share in supported groups", ~_shared | listed, "illegal_parameter")
_TLS13 = {"version": const("TLS13", Version), "suite": const("AEAD", Suite)}

ROWS = (
    receive("client", HelloRetryRequest, "WAIT_SH", "SEND_CH", rfc="8446 4.1.4",
            when=~client.retried,
            checks=[
                check("version offered", base_client.max_version == "TLS13",
                      "unsupported_extension"),
                check("version", hrr.version == "TLS13", "illegal_parameter"),
                check("session id echo", hrr.session_id == "none", "illegal_parameter"),
                check("suite offered", hrr.suite == "AEAD", "illegal_parameter"),
                check("compression null", hrr.compression == "null", "illegal_parameter"),
                check("group offered", (hrr.group == "none") | offered, "illegal_parameter"),
                check("group not shared yet", another, "illegal_parameter"),
                check("changes something", (hrr.group != "none") | (hrr.cookie != "none"),
                      "illegal_parameter"),
            ],
            do={"retried": TRUE, "retry_group": hrr.group, "cookie": hrr.cookie, **_TLS13}),
    send("client", SecondClientHello, "SEND_CH", "WAIT_SH", rfc="8446 4.1.2"),
    receive("server", ClientHello, "START", "SEND_HRR", rfc="8446 4.1.1, 4.1.4",
            when=(version == "TLS13") & needs_retry,
            checks=[*version_common, compression_null, share_missing, listed_check],
            do={"retried": TRUE, "first_random": ch.random, "first_offer": offer,
                "retry_group": ite(supported, const("none", NamedGroup), best_common()),
                "cookie": ite(server.asks_cookie, base_server.me, const("none", ServerOwner)),
                **_TLS13}),
    send("server", HelloRetryRequest, "SEND_HRR", "WAIT_CH", rfc="8446 4.1.4"),
    receive("server", SecondClientHello, "WAIT_CH", "NEGOTIATED", rfc="8446 4.1.1, 4.1.2, 4.2.8",
            checks=[
                no_ssl,
                check("version kept", version == "TLS13", "illegal_parameter"),
                compression_null,
                share_missing,
                listed_check,
                check("group kept", group_kept, "illegal_parameter"),
                check("cookie", eq(second.cookie, server.cookie), "illegal_parameter"),
            ],
            do={"client_version": ch.version, "legacy_version": ch.legacy_version,
                "client_random": ch.random,
                "client_offer": offer, "exchange": ch.key_share,
                "named_group": hello.group, "keyed": TRUE}),
)

_asks_again = after("retried", BOOL)
_first_kept = conj(
    held(server, first_random=ch.random, first_offer=offer,
         retry_group=ite(supported, const("none", NamedGroup), best_common()),
         cookie=ite(server.asks_cookie, base_server.me, const("none", ServerOwner))),
    ch.version == "TLS13",
)
_group_kept = (after("version", Version) != "TLS13") | held(server, named_group=hello.group)

_nobody = const("none", ClientOwner)
_client_hello = {
    "group": ite(base_client.shares == "one", client.first_group, const("none", NamedGroup)),
    **{f"supports_{g}": client[f"supports_{g}"] for g in SUPPORTED},
}
_SH = "client_receive_server_hello_WAIT_SH_to"
_CH = "server_receive_client_hello_START_to_NEGOTIATED"


def _every(role: Role, rule: Rule) -> Amend | None:
    # The group is a part of the share.
    alone = check("no group below TLS 1.3", answer.group == "none", "illegal_parameter")
    there = takes(role, rule, "ServerHello", "tls12")
    return Amend("", checks=(_no_retry, alone)) if there else None


EXTENSION = Extension(
    "retry",
    "8446 4.1.4",
    "HelloRetryRequest, for another group or with a cookie",
    variables=VARIABLES,
    states={
        "client": {"tls13": ("SEND_CH",)},
        "server": {"tls13": ("SEND_HRR", "WAIT_CH")},
    },
    messages=(HelloRetryRequest, SecondClientHello),
    fields=FIELDS,
    optional={"ClientHello": ("group",), "ServerHello": ("group",)},
    sends={
        "client": {
            "ClientHello": _client_hello,
            "SecondClientHello": {
                **SENDS["client"]["ClientHello"],
                **_client_hello,
                "shares": shares_now,
                "key_share": present_share,
                "group": ite(shares_now == "one", share_group, const("none", NamedGroup)),
                "cookie": client.cookie,
            },
        },
        "server": {
            "ServerHello": {
                "group": ite(
                    base_server.version == "TLS13", server.named_group, const("none", NamedGroup)
                )
            },
            "HelloRetryRequest": {
                **_TLS13,
                "session_id": const("none", ServerOwner),
                "compression": const("null", Compression),
                "group": server.retry_group,
                "cookie": server.cookie,
            },
        },
    },
    views={
        "client": {
            "exchange": client_exchange(present_share),
            "named_group": client.named_group,
            "first_random": ite(client.retried, base_client.me, _nobody),
            "first_offer": ite(client.retried, base_client.me, _nobody),
            "retry_group": client.retry_group,
            "cookie": client.cookie,
        },
        "server": {
            n: server[n]
            for n in ("named_group", "first_random", "first_offer", "retry_group", "cookie")
        },
    },
    covers={
        "secret": ("named_group",),
        "hellos": ("named_group", "first_random", "first_offer", "retry_group", "cookie"),
    },
    rows=ROWS,
    every=_every,
    amends=(
        Amend("client_send_client_hello_START_to_WAIT_SH",
              instead={"shares": ite(base_client.max_version == "TLS13", shares,
                                     const("none", Shares))}),
        Amend(f"{_SH}_WAIT_EE", checks=(_group,), do={"named_group": answer.group}),
        Amend("client_receive_change_cipher_spec_WAIT_SH_to_SAME", sources=("SEND_CH",)),
        Amend(
            _CH,
            when=neg(needs_retry),
            checks=(listed_check, check("common group", supported, "handshake_failure")),
            do={"named_group": hello.group},
        ),
        Amend("server_receive_change_cipher_spec_dropped", sources=("SEND_HRR", "WAIT_CH")),
    ),
    observers={
        "client": (
            Observer("wrong_retry_alert", "reject", "HelloRetryRequest",
                     client.wrong_retry_alert
                     | conj(client.retried, var("msg.alert", Alert) != "unexpected_message")),
            keeps("receive", "HelloRetryRequest",
                  held(client, retried=TRUE, retry_group=hrr.group, cookie=hrr.cookie),
                  held(base_client, version=hrr.version, suite=hrr.suite)),
            keeps("receive", "ServerHello",
                  held(client, named_group=answer.group),
                  (answer.group == "none") | (after("version", Version) == "TLS13")),
        ),
        "server": (
            Observer("wrong_cookie", "receive", "SecondClientHello",
                     server.wrong_cookie | (second.cookie != server.cookie)),
            keeps("receive", "ClientHello", ~_asks_again | _first_kept),
            # With a pre-shared key alone no share is taken, and so no group.
            latch("other_group", "receive", "ClientHello", ~_asks_again & ~_group_kept),
            latch("other_group", "receive", "SecondClientHello", ~_group_kept),
            *(
                latch("unlisted_share", "receive", m,
                      (after("version", Version) == "TLS13") & _shared & ~listed)
                for m in ("ClientHello", "SecondClientHello")
            ),
        ),
    },
)
