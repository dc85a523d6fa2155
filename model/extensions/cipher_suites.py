"""Several cipher suites of TLS 1.3, with two hashes (RFC 8446 B.4).

1. A client lists its suites; the server picks one of them that it has. The       4.1.1, 4.1.2,
   last of `CIPHERS` is preferred.                                                4.1.3
2. The suite of HelloRetryRequest is the suite of ServerHello.                    4.1.4
3. A pre-shared key has a hash: a ticket's is that of its connection's suite, an  4.2.11
   external key's is agreed upon with the key. The key is used with suites of
   that hash only.
4. Early data is under the suite of its key; a server accepts it only if it       4.2.10
   picks the same suite.

Elsewhere `AEAD` stands for the one suite of TLS 1.3; here it is refined by its cipher.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, Expr, conj, const, disj, eq, ite, mapping, neg
from model.extensions import ENDS, Amend, Extension, early_data, psk, takes
from model.generations.negotiation import version
from model.observers import after, keeps, latch
from model.principal import Version
from model.principal import client as base_client
from model.principal import server as base_server
from model.role import Observer, Role
from model.rule import Fields, Rule, Variable, check

Cipher = Domain("Cipher", ("none", "CHACHA20_SHA256", "AES128_SHA256", "AES256_SHA384"))
CIPHERS = Cipher.values[1:]
"""The suites whose use is a configuration; a server prefers the last."""
Hash = Domain("Hash", ("none", "SHA256", "SHA384"))
HASH = {c: str(c).partition("_")[2] or "none" for c in Cipher.values}
"""By suite: the hash of its key schedule."""

_none = const("none", Cipher)
VARIABLES = {
    # Configuration: the suites that the end has, and the one that goes with its external key.
    **{f"has_{c}": Variable(BOOL, (c == "AES128_SHA256",)) for c in CIPHERS},
    "key_cipher": Variable(Cipher, ("AES128_SHA256",)),
    # The suite in use, chosen with the first answer.
    "cipher": Variable(Cipher, ("none",)),
}
LIST = {f"has_{c}": BOOL for c in CIPHERS}
ONE = {"cipher": Cipher}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})
before = Fields("the end before", "prev", ONE)
hello = Fields("ClientHello", "msg", LIST)
said = Fields("an answer", "msg", ONE).cipher


def hash_of(cipher: Expr) -> Expr:
    """The hash of a suite."""
    return mapping(cipher, HASH, Hash)


def of_key(kind: Expr) -> Expr:
    """The suite that goes with a pre-shared key of that kind (`psk.Psk`); none without a key."""
    return ite(kind == "none", _none, ite(kind == "resumption", before.cipher, own.key_cipher))


def best(key: Expr) -> Expr:
    """The suite that a server picks for a hello, with the hash of the suite `key` if that is one;
    none if there is none. A suite that was picked stays."""
    out: Expr = _none
    for c in CIPHERS:
        fits = disj(key == "none", eq(hash_of(key), const(HASH[c], Hash)))
        there = conj(hello[f"has_{c}"], own[f"has_{c}"], fits)
        kept = disj(own.cipher == "none", own.cipher == c)
        out = ite(conj(there, kept), const(c, Cipher), out)
    return out


_listed = disj(*((said == c) & own[f"has_{c}"] for c in CIPHERS))
_kept = disj(own.cipher == "none", eq(said, own.cipher))
_offered = check("cipher offered", _listed, "illegal_parameter")
_same = check("cipher of the retry", _kept, "illegal_parameter")


def _of_hello(rule: Rule) -> Amend:
    """A server's change: the suite is picked with the hash of the key in use, if there is one."""
    key = rule.do.get("psk")
    picked = best(_none if key is None else of_key(key))
    common = check("common cipher", picked != "none", "handshake_failure")
    # With the answer to the first hello the suite is settled.
    settled = rule.event == "SecondClientHello"
    return Amend("", checks=(common,), do={} if settled else {"cipher": picked})


def _every(role: Role, rule: Rule) -> Amend | None:
    hellos = ("ClientHello", "SecondClientHello")
    if any(takes(role, rule, m, "tls13") for m in hellos):
        return _of_hello(rule)
    if takes(role, rule, "ServerHello", "tls12"):
        alone = check("no cipher of TLS 1.3", said == "none", "illegal_parameter")
        return Amend("", checks=(alone,))
    if takes(role, rule, "HelloRetryRequest"):
        return Amend("", checks=(_offered,), do={"cipher": said})
    if takes(role, rule, "ServerHello", "tls13"):
        checks = [_offered, _same]
        if "psk" in rule.do:
            same = eq(hash_of(said), hash_of(of_key(rule.do["psk"])))
            checks.append(check("hash of the key", same, "illegal_parameter"))
        return Amend("", checks=tuple(checks), do={"cipher": said})
    return None


_is_13 = {"client": base_client.version == "TLS13", "server": base_server.version == "TLS13"}
_now_13 = after("version", Version) == "TLS13"
_now = after("cipher", Cipher)
_common = disj(*((_now == c) & hello[f"has_{c}"] & own[f"has_{c}"] for c in CIPHERS))
_OBSERVERS: dict[str, tuple[Observer, ...]] = {
    "client": (
        latch("unlisted_cipher", "receive", "ServerHello", _now_13 & neg(_listed)),
        latch("unlisted_cipher", "receive", "HelloRetryRequest", neg(_listed)),
        latch("other_cipher", "receive", "ServerHello", _now_13 & neg(_kept)),
        keeps("receive", "ServerHello", eq(_now, said)),
        keeps("receive", "HelloRetryRequest", eq(_now, said)),
    ),
    "server": tuple(
        latch("unlisted_cipher", "receive", m, (version == "TLS13") & _now_13 & neg(_common))
        for m in ("ClientHello", "SecondClientHello")
    ),
}
_picked_for_key = best(of_key(psk.kind))

EXTENSION = Extension(
    "cipher_suites",
    "8446 4.1.2, B.4",
    "several suites of TLS 1.3, with two hashes",
    variables=dict.fromkeys(ENDS, VARIABLES),
    fields={
        **dict.fromkeys(("ClientHello", "SecondClientHello"), LIST),
        **dict.fromkeys(("ServerHello", "HelloRetryRequest"), ONE),
    },
    optional={"ServerHello": ("cipher",)},
    sends={
        "client": {
            m: {f"has_{c}": own[f"has_{c}"] for c in CIPHERS}
            for m in ("ClientHello", "SecondClientHello")
        },
        "server": {
            "ServerHello": {"cipher": ite(_is_13["server"], own.cipher, _none)},
            "HelloRetryRequest": {"cipher": own.cipher},
        },
    },
    views={end: {"cipher": ite(_is_13[end], own.cipher, _none)} for end in ENDS},
    covers={"hellos": ("cipher",)},
    every=_every,
    terms=(
        (psk.selects, psk.selects & (_picked_for_key != "none")),
        (early_data.accepts, early_data.accepts & eq(_picked_for_key, of_key(psk.kind))),
    ),
    observers=_OBSERVERS,
)
