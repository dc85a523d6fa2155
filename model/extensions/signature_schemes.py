"""Signature schemes: the lists of both ends and the scheme of each signature.

1. A client of TLS 1.2 or 1.3 lists the schemes that it verifies in its hello; a  5246 7.4.1.4.1;
   hello of TLS 1.2 without a list stands for SHA-1; one of TLS 1.3 without a     8446 4.2.3, 9.2
   list is refused, unless a pre-shared key is used.
2. A server lists the schemes that it verifies in CertificateRequest.             5246 7.4.4;
                                                                                  8446 4.3.2
3. ServerKeyExchange and CertificateVerify name the scheme of their signature:    5246 4.7, 7.4.3;
   one that the verifier listed and that fits the key of the certificate.         8446 4.4.3
4. In TLS 1.3 SHA-1 is for certificates only.                                     8446 4.2.3

Below TLS 1.2 there is neither a list nor a name. The keys are RSA keys (others come with
`several_certificates`); every list that is not empty has `ecdsa_sha256` as well, which fits no RSA
key; `other` is in no list. `rsa_sha1` stands
for MD5 and SHA-1, whose use in signatures of TLS 1.2 RFC 9155 ended. A choice: a server that has no
scheme in common with the client refuses; it does not look for a suite without a signature. A client
without one answers with an empty Certificate.
"""

from __future__ import annotations

from dataclasses import replace

from model.expr import BOOL, FALSE, TRUE, Domain, Expr, conj, const, disj, eq, ite, neg
from model.extensions import ENDS, Amend, Extension, takes
from model.generations.negotiation import best, version
from model.observers import SIGNED_SUITES, after, keeps, latch
from model.principal import Certificate, Version, client, server
from model.role import Observer, Role
from model.rule import Check, Fields, Rule, Variable, check, choice
from model.schedule import COLLISION, KeySchedule

Scheme = Domain("Scheme", ("none", "rsa_sha1", "rsa_sha256", "ecdsa_sha256", "other"))
Schemes = Domain("Schemes", ("none", "empty", "sha1", "sha256", "both", "ecdsa"))
"""A list of schemes: no list; nothing; RSA with SHA-1, with SHA-256, with both, no RSA."""
Signs = Domain("Signs", ("sha256", "both", "sha1"))
"""What an end signs with: SHA-256 alone; SHA-256, or else SHA-1; SHA-1 alone."""

LISTED = {"rsa_sha1": ("sha1", "both"), "rsa_sha256": ("sha256", "both"),
          "ecdsa_sha256": ("sha1", "sha256", "both", "ecdsa")}
"""By scheme: the lists that have it."""
_none, _strong = const("none", Scheme), const("rsa_sha256", Scheme)
_BOTH = {
    # Configuration: the schemes that the end lists, and those that it signs with.
    "schemes": Variable(Schemes, ("sha256",)),
    "signs": Variable(Signs, ("sha256",)),
    "signed_sha1": Variable(BOOL, (False,)),
    # The scheme of each end's signature.
    "server_scheme": Variable(Scheme, ("none",)),
    "client_scheme": Variable(Scheme, ("none",)),
}
VARIABLES = {
    "client": {**_BOTH, "asked_schemes": Variable(Schemes, ("none",))},
    "server": _BOTH,
}
LIST = {"signature_algorithms": Schemes}
NAMED = {"scheme": Scheme}

own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES["client"].items()})
listed = Fields("a list", "msg", LIST).signature_algorithms
scheme = Fields("a signature", "msg", NAMED).scheme

FITS_KEY = scheme != "ecdsa_sha256"
"""Whether the message's scheme fits the key of the peer's certificate."""

OF = {"client": client, "server": server}
_names = {end: of.version >= "TLS12" for end, of in OF.items()}
_is_13 = {end: of.version == "TLS13" for end, of in OF.items()}


def has(schemes: Expr, of: Expr) -> Expr:
    """Whether the list `schemes` has the scheme `of`; in TLS 1.2 no list stands for SHA-1."""
    return disj(
        conj(schemes == "none", of == "rsa_sha1"),
        *(conj(of == s, schemes.one_of(*there)) for s, there in LISTED.items()),
    )


def chosen(schemes: Expr, is_13: Expr) -> Expr:
    """The scheme with which an end signs for a peer that lists `schemes`; none if it has none."""
    new = conj(has(schemes, _strong), own.signs != "sha1")
    old = conj(has(schemes, const("rsa_sha1", Scheme)), own.signs != "sha256", neg(is_13))
    return ite(new, _strong, ite(old, const("rsa_sha1", Scheme), _none))


def taken(end: str) -> Expr:
    """Whether the verifier `end` may take a signature of the message's scheme."""
    fits = conj(FITS_KEY, disj(scheme != "rsa_sha1", neg(_is_13[end])))
    return ite(_names[end], conj(has(own.schemes, scheme), fits), scheme == "none")


def _of_signature(end: str) -> tuple[Check, ...]:
    """The checks of the scheme of a signature."""
    names, is_13 = _names[end], _is_13[end]
    return (
        check("scheme there", ite(names, scheme != "none", scheme == "none"), "decode_error"),
        check("scheme listed", disj(neg(names), has(own.schemes, scheme)), "illegal_parameter"),
        check("scheme of the key", FITS_KEY, "illegal_parameter"),
        check("no SHA-1 in TLS 1.3", disj(scheme != "rsa_sha1", neg(is_13)), "illegal_parameter"),
    )


def _later(rule: Rule) -> bool:
    """Whether a row is of client authentication after the handshake."""
    return any(s == "CONNECTED" or s.startswith("PH_") for s in rule.sources)


# An end that knows nothing better than TLS 1.1 does not know the extension.
_readable = {
    end: disj(of.max_version <= "TLS11", listed != "empty") for end, of in OF.items()
}
_not_empty = {
    end: check("schemes not empty", expr, "decode_error") for end, expr in _readable.items()
}
_there = check("schemes there", listed != "none", "missing_extension")
_request = {
    "tls12": (
        check("schemes of TLS 1.2", eq(listed != "none", _names["client"]), "decode_error"),
        _not_empty["client"],
    ),
    "tls13": (_there, _not_empty["client"]),
}
SIGNED = (version == "TLS12") & best().one_of(*SIGNED_SUITES)


def common(signs: Expr, scheme: Expr) -> Check:
    """The check that a server that signs has a scheme."""
    return check("common scheme", disj(neg(signs), scheme != "none"), "handshake_failure")


def _of_hello(role: Role, rule: Rule) -> Amend:
    """The change to a row that takes a hello: the scheme is chosen where the server will sign."""
    if rule.target == "SEND_HRR":
        return Amend("", checks=(_not_empty["server"],))
    signs, is_13 = SIGNED, FALSE
    if rule.target in role.generations["tls13"]:
        key = rule.do.get("psk")
        signs, is_13 = TRUE if key is None else key == "none", TRUE
    elif "suite" not in rule.do:  # a resumption
        signs = FALSE
    best_of = chosen(listed, is_13)
    checks = [_not_empty["server"]]
    if is_13 is TRUE:
        checks.append(replace(_there, expr=disj(neg(signs), _there.expr)))
    checks.append(common(signs, best_of))
    return Amend("", checks=tuple(checks), do={"server_scheme": ite(signs, best_of, _none)})


MINE = chosen(own.asked_schemes, _is_13["client"])
"""The scheme of a client for the request in the handshake."""
# In TLS 1.3 a client can sign with one scheme only, whatever lists asked for it.
SIGNS = ite(_is_13["client"], _strong, ite(_names["client"], MINE, _none))
"""The scheme with which a client signs."""
_shown = choice("certificate", Certificate)
MAY_SHOW = disj(neg(_names["client"]), MINE != "none", _shown == "empty")
"""When a client may send its choice of a certificate."""


def _every(role: Role, rule: Rule) -> Amend | None:
    end = role.name
    # A later request is taken in the same state.
    accepts = rule.kind == "receive" and rule.target != role.closed and not rule.unread
    if any(takes(role, rule, m) for m in ("ClientHello", "SecondClientHello")):
        return _of_hello(role, rule)
    if accepts and rule.event == "CertificateRequest":
        generation = "tls12" if rule.target in role.generations["tls12"] else "tls13"
        if _later(rule):
            common = check("common scheme", has(listed, _strong), "handshake_failure")
            return Amend("", checks=(*_request["tls13"], common))
        return Amend("", checks=_request[generation], do={"asked_schemes": listed})
    if accepts and rule.event in ("ServerKeyExchange", "CertificateVerify"):
        if not any(c.name == "signature" for c in rule.checks):
            return Amend("", checks=(check("no scheme", scheme == "none", "decode_error"),))
        return Amend("", first=_of_signature(end), do={f"{ENDS[end]}_scheme": scheme})
    if end == "server" and rule.kind == "send" and rule.event == "ServerKeyExchange":
        return Amend("", do={"signed_sha1": own.server_scheme == "rsa_sha1"})
    if end == "client" and rule.kind == "send" and rule.event == "CertificateVerify":
        return Amend("", do={"client_scheme": SIGNS, "signed_sha1": SIGNS == "rsa_sha1"})
    if end == "client" and rule.kind == "send" and rule.event == "Certificate" and not _later(rule):
        return Amend("", when=MAY_SHOW)
    return None


_its = conj(server.client_auth != "none", _names["server"])
_no_list = const("none", Schemes)


def _taken(role: str, message: str, due: Expr) -> tuple[Observer, ...]:
    """The observers of a signature that a run takes."""
    name = f"{ENDS[role]}_scheme"
    return (
        latch("unlisted_scheme", "receive", message, conj(due, neg(taken(role)))),
        keeps("receive", message, disj(neg(due), eq(after(name, Scheme), scheme))),
    )


def _picked(message: str) -> tuple[Observer, ...]:
    """The observers of a server for a hello: what it chooses for its signature."""
    now = after("server_scheme", Scheme)
    is_13 = after("version", Version) == "TLS13"
    return (
        latch("bad_list", "receive", message,
              neg(_readable["server"]) | conj(is_13, now != "none", listed == "none")),
        latch("signs_unlisted", "receive", message,
              conj(now != "none", neg(has(listed, now)))),
        keeps("receive", message, disj(now == "none", eq(now, chosen(listed, is_13)))),
    )


_OBSERVERS = {
    "client": (
        *_taken("client", "ServerKeyExchange", client.suite.one_of(*SIGNED_SUITES)),
        *_taken("client", "CertificateVerify", TRUE),
        latch("bad_list", "receive", "CertificateRequest",
              (listed == "empty") | eq(listed == "none", _names["client"])),
        keeps("receive", "CertificateRequest",
              disj(client.verified, eq(after("asked_schemes", Schemes), listed))),
        latch("signs_unlisted", "send", "CertificateVerify",
              conj(client.write_key != "application", _names["client"],
                   neg(has(own.asked_schemes, after("client_scheme", Scheme))))),
        keeps("send", "CertificateVerify", eq(after("client_scheme", Scheme), SIGNS)),
    ),
    "server": (
        *_taken("server", "CertificateVerify", TRUE),
        *_picked("ClientHello"),
        *_picked("SecondClientHello"),
    ),
}

EXTENSION = Extension(
    "signature_schemes",
    "5246 7.4.1.4.1; 8446 4.2.3",
    "the schemes of signatures: what each end lists, and takes",
    variables=VARIABLES,
    fields={
        **dict.fromkeys(("ClientHello", "SecondClientHello", "CertificateRequest"), LIST),
        **dict.fromkeys(("ServerKeyExchange", "CertificateVerify"), NAMED),
    },
    optional={
        **dict.fromkeys(
            ("ClientHello", "SecondClientHello", "CertificateRequest"), ("signature_algorithms",)
        ),
        **dict.fromkeys(("ServerKeyExchange", "CertificateVerify"), ("scheme",)),
    },
    sends={
        "client": {
            "ClientHello": {"signature_algorithms": own.schemes},
            "SecondClientHello": {"signature_algorithms": own.schemes},
            "CertificateVerify": {"scheme": own.client_scheme},
        },
        "server": {
            "ServerKeyExchange": {"scheme": own.server_scheme},
            "CertificateVerify": {"scheme": own.server_scheme},
            "CertificateRequest": {"signature_algorithms": ite(_names["server"], own.schemes,
                                                               _no_list)},
        },
    },
    views={
        "client": {
            "server_scheme": ite(_is_13["client"], _none, own.server_scheme),
            "asked_schemes": own.asked_schemes,
        },
        "server": {
            "server_scheme": ite(_is_13["server"], _none, own.server_scheme),
            "asked_schemes": ite(_its, own.schemes, _no_list),
        },
    },
    covers={"flight": ("server_scheme", "asked_schemes")},
    signs=dict.fromkeys(("ServerKeyExchange", "CertificateVerify"), ("scheme",)),
    every=_every,
    observers=_OBSERVERS,
    schedule={
        end: KeySchedule(seals={"signature": {COLLISION: scheme == "rsa_sha1"}}) for end in ENDS
    },
)
