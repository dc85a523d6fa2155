"""The choice of the application protocol, ALPN (RFC 7301).

1. The client lists the protocols that it can speak on the connection.       3.1
2. A server picks one of them that it knows, and says so: in ServerHello, in  3.1, 3.2; 8446 4.3.1
   TLS 1.3 in EncryptedExtensions. Without one in common it refuses.
3. The choice is for the connection, also where a session is resumed.         3.1
4. Without the extension, at either end, each end speaks a protocol of its    3.2
   own, and nothing says that it is the same.
5. Early data speaks the protocol that goes with its key: a ticket's is that  8446 4.2.10
   of its connection, an external key's is agreed upon with the key. A server
   accepts early data only if it picks the same protocol.

Two protocols, of which a server prefers the last.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, Expr, conj, const, disj, eq, ite
from model.extensions import Amend, Extension, early_data, psk, takes, unasked
from model.observers import after, held, keeps, latch
from model.principal import ClientOwner, Version
from model.principal import client as base_client
from model.principal import server as base_server
from model.role import Observer, Role
from model.rule import Fields, Rule, Variable, check

Protocol = Domain("Protocol", ("none", "ftp", "http"))
PROTOCOLS = ("ftp", "http")
"""The protocols whose use is a configuration; a server prefers the last."""


def _once(domain: Domain, initial: object) -> Variable:
    return Variable(domain, (initial,))


_SHARED = {
    # Configuration: the protocol that the end speaks without ALPN, and that which goes with its
    # external key.
    "speaks": _once(Protocol, "http"),
    "key_protocol": _once(Protocol, "none"),
    # The protocol that was chosen.
    "protocol": _once(Protocol, "none"),
}
VARIABLES = {
    "client": {
        **_SHARED,
        # Configuration: the protocols that the client lists.
        **{f"lists_{p}": _once(BOOL, False) for p in PROTOCOLS},
    },
    "server": {
        **_SHARED,
        # Configuration: whether the server has the extension, and the protocols that it knows.
        "uses_alpn": _once(BOOL, True),
        **{f"knows_{p}": _once(BOOL, True) for p in PROTOCOLS},
        "unlisted_protocol": _once(BOOL, False),
    },
}
HELLO = {f"lists_{p}": BOOL for p in PROTOCOLS}
ANSWER = {"protocol": Protocol}

client, server = (
    Fields(f"the {r}", "own", {n: v.domain for n, v in VARIABLES[r].items()}) for r in VARIABLES
)
before = Fields("the server before", "prev", {"protocol": Protocol})
hello = Fields("ClientHello", "msg", HELLO)
answered = Fields("ServerHello", "msg", ANSWER).protocol

listed = disj(*(hello[f"lists_{p}"] for p in PROTOCOLS))
"""Whether a hello has the extension."""


def chosen() -> Expr:
    """The protocol that a server picks for a hello."""
    best: Expr = const("none", Protocol)
    for p in PROTOCOLS:
        both = conj(server.uses_alpn, hello[f"lists_{p}"], server[f"knows_{p}"])
        best = ite(both, const(p, Protocol), best)
    return best


def of_key(key: Expr, session: Expr, external: Expr) -> Expr:
    """The protocol that goes with a key: of the `session` of a ticket, or of an `external` key."""
    none = const("none", Protocol)
    return ite(key == "resumption", session, ite(key == "none", none, external))


_common = check(
    "common protocol",
    ~(listed & server.uses_alpn) | (chosen() != "none"),
    "no_application_protocol",
)
_lists_any = disj(*(client[f"lists_{p}"] for p in PROTOCOLS))
_asked = check(
    "protocol asked for", (answered == "none") | _lists_any, "unsupported_extension"
)
_own = check(
    "protocol listed",
    (answered == "none") | disj(*((answered == p) & client[f"lists_{p}"] for p in PROTOCOLS)),
    "illegal_parameter",
)


def _every(role: Role, rule: Rule) -> Amend | None:
    if takes(role, rule, "ServerHello", "tls13"):
        return Amend("", checks=unasked("protocol", answered != "none", _lists_any))
    if takes(role, rule, "ServerHello") or takes(role, rule, "EncryptedExtensions"):
        return Amend("", checks=(_asked, _own), do={"protocol": answered})
    if any(takes(role, rule, m) for m in ("ClientHello", "SecondClientHello")):
        first = rule.target == "SEND_HRR"
        return Amend("", checks=(_common,), do={} if first else {"protocol": chosen()})
    return None


def _of_hello(message: str) -> tuple[Observer, ...]:
    """The observers of a hello that is answered with ServerHello."""
    last = after("client_random", ClientOwner) != "none"
    picked = after("protocol", Protocol)
    both = disj(
        picked == "none",
        *((picked == p) & hello[f"lists_{p}"] & server[f"knows_{p}"] for p in PROTOCOLS),
    )
    return (
        latch("unlisted_protocol", "receive", message, ~both),
        latch("no_common_protocol", "receive", message,
              conj(last, listed, server.uses_alpn, picked == "none")),
        keeps("receive", message, ~last | (eq(picked, chosen()))),
    )


_is_13 = {"client": base_client.version == "TLS13", "server": base_server.version == "TLS13"}
_picked = {"client": client.protocol, "server": server.protocol}
_nothing = const("none", Protocol)
_fits_key = eq(chosen(), of_key(psk.kind, before.protocol, server.key_protocol))

EXTENSION = Extension(
    "alpn",
    "7301",
    "the choice of the application protocol",
    variables=VARIABLES,
    fields={
        "ClientHello": HELLO,
        "SecondClientHello": HELLO,
        "ServerHello": ANSWER,
        "EncryptedExtensions": ANSWER,
    },
    optional={"ServerHello": ("protocol",), "EncryptedExtensions": ("protocol",)},
    sends={
        "client": {
            m: {f"lists_{p}": client[f"lists_{p}"] for p in PROTOCOLS}
            for m in ("ClientHello", "SecondClientHello")
        },
        "server": {
            "ServerHello": {"protocol": ite(_is_13["server"], _nothing, server.protocol)},
            "EncryptedExtensions": {"protocol": server.protocol},
        },
    },
    views={
        end: {
            "protocol": ite(_is_13[end], _nothing, of),
            "protocol_13": ite(_is_13[end], of, _nothing),
        }
        for end, of in _picked.items()
    },
    covers={"hellos": ("protocol",), "flight": ("protocol_13",)},
    every=_every,
    terms=((early_data.accepts, early_data.accepts & _fits_key),),
    observers={
        "client": (
            keeps("receive", "EncryptedExtensions", held(client, protocol=answered)),
            keeps("receive", "ServerHello",
                  ite(after("version", Version) == "TLS13", answered == "none",
                      held(client, protocol=answered))),
        ),
        "server": (*_of_hello("ClientHello"), *_of_hello("SecondClientHello")),
    },
)
