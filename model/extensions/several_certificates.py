"""Several certificates: an end has one with an RSA key, one with an ECDSA key, or both.

1. The certificate shown has a key for a scheme that the peer listed.     5246 7.4.2, 7.4.4, 7.4.6;
                                                                          8446 4.4.2.2, 4.4.2.3
2. With static RSA the server's key is an RSA key.                        5246 7.4.2
3. A signature has a scheme of the key in the certificate.                5246 7.4.3, 7.4.8;
                                                                          8446 4.4.3

A choice: of schemes in common an end takes RSA with SHA-256, then ECDSA, then RSA with SHA-1; it
does not look for another suite. Below TLS 1.2, where nothing is listed, an end with both
certificates shows that with the RSA key. The suites of an exchange with RSA and ECDSA signatures
are one suite.
"""

from __future__ import annotations

from model.expr import FALSE, TRUE, Domain, Expr, conj, const, disj, eq, ite, neg
from model.extensions import Amend, Extension, takes
from model.extensions import signature_schemes as schemes
from model.generations.negotiation import best, version
from model.generations.tls12_client import answer
from model.message import CertificateMessage
from model.observers import after, keeps
from model.principal import Version, client, server
from model.role import Observer, Role
from model.rule import Fields, Rule, Variable, check
from model.transcript import CERTIFICATE_SUITES, RSA_SUITES

Keys = Domain("Keys", ("rsa", "ecdsa", "both"))
"""The keys in an end's certificates."""
KeyType = Domain("KeyType", ("none", "rsa", "ecdsa"))
_NONE, _RSA, _ECDSA = (const(v, KeyType) for v in KeyType.values)
VARIABLES = {
    # Configuration: the keys. The key in the certificate that the end shows, and in the peer's.
    "keys": Variable(Keys, ("rsa",)),
    "own_key": Variable(KeyType, ("none",)),
    "peer_key": Variable(KeyType, ("none",)),
}
FIELD = {"key_type": KeyType}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})
key_type = Fields("Certificate", "msg", FIELD).key_type
certificate = CertificateMessage.f.certificate
_scheme = {v: const(v, schemes.Scheme) for v in schemes.Scheme.values}


def chosen(listed: Expr, is_13: Expr) -> Expr:
    """The scheme with which an end signs for a peer that lists `listed`; none if it has none."""
    new = conj(schemes.has(listed, _scheme["rsa_sha256"]), own.keys != "ecdsa")
    curve = conj(schemes.has(listed, _scheme["ecdsa_sha256"]), own.keys != "rsa")
    old = conj(schemes.has(listed, _scheme["rsa_sha1"]), own.keys != "ecdsa",
               schemes.own.signs != "sha256", neg(is_13))
    strong = ite(new, _scheme["rsa_sha256"], ite(curve, _scheme["ecdsa_sha256"], _scheme["none"]))
    weak = ite(old, _scheme["rsa_sha1"], _scheme["none"])
    return ite(conj(schemes.own.signs != "sha1", strong != "none"), strong, weak)


def shown(scheme: Expr) -> Expr:
    """The key in the certificate that an end shows for a `scheme`; none is for no list."""
    alone = ite(own.keys == "ecdsa", _ECDSA, _RSA)
    return ite(scheme == "none", alone, ite(scheme == "ecdsa_sha256", _ECDSA, _RSA))


_names = {end: of.version >= "TLS12" for end, of in schemes.OF.items()}
_mine = chosen(schemes.own.asked_schemes, client.version == "TLS13")
_signs = ite(_names["client"], _mine, _scheme["none"])
TERMS = (
    (schemes.FITS_KEY, (schemes.scheme == "none") | eq(schemes.scheme == "ecdsa_sha256",
                                                       own.peer_key == "ecdsa")),
    (schemes.SIGNS, _signs),
    (schemes.MAY_SHOW, disj(neg(_names["client"]), _mine != "none", answer == "empty")),
    *(
        (schemes.chosen(listed, is_13), chosen(listed, is_13))
        for listed, is_13 in (
            (schemes.own.asked_schemes, client.version == "TLS13"),
            (schemes.listed, TRUE),
            (schemes.listed, FALSE),
            (schemes.listed, after("version", Version) == "TLS13"),
        )
    ),
)
"""What is said of RSA keys alone, and what is said here; rows of `signature_schemes` come late."""
_of_client = ite(answer == "empty", _NONE, shown(_signs))
_rsa = best().one_of(*RSA_SUITES)
_there = check("key there", eq(certificate == "empty", key_type == "none"), "decode_error")
_of_suite = check(
    "key of the suite", ~client.suite.one_of(*RSA_SUITES) | (key_type == "rsa"), "illegal_parameter"
)
_OLD = ("common scheme",)
"""The check that has another in its place here."""


def _of_hello(role: Role, rule: Rule) -> Amend | None:
    """The change to a row that takes a hello: the server chooses its certificate."""
    if rule.target == "SEND_HRR":
        return None
    if rule.target in role.generations["tls13"]:
        alone = TRUE if "psk" not in rule.do else rule.do["psk"] == "none"
        scheme = chosen(schemes.listed, TRUE)
        return Amend("", terms=TERMS, without=_OLD, checks=(schemes.common(alone, scheme),),
                     do={"own_key": ite(alone, shown(scheme), _NONE)})
    if "suite" not in rule.do:  # a resumption
        return Amend("", terms=TERMS, without=_OLD)
    of_suite = check("key of the suite", ~_rsa | (own.keys != "ecdsa"), "handshake_failure")
    signed = ite(version == "TLS12", chosen(schemes.listed, FALSE), _scheme["none"])
    key = ite(_rsa, _RSA, shown(signed))
    shows = best().one_of(*CERTIFICATE_SUITES)
    common = schemes.common(schemes.SIGNED, signed)
    return Amend("", terms=TERMS, without=_OLD, checks=(of_suite, common),
                 do={"own_key": ite(shows, key, _NONE)})


def _every(role: Role, rule: Rule) -> Amend | None:
    if any(takes(role, rule, m) for m in ("ClientHello", "SecondClientHello")):
        return _of_hello(role, rule)
    if takes(role, rule, "Certificate"):
        of_suite = (_of_suite,) if role.name == "client" else ()
        return Amend("", terms=TERMS, checks=(_there, *of_suite), do={"peer_key": key_type})
    if rule.kind == "send" and rule.event == "Certificate" and role.name == "client":
        return Amend("", terms=TERMS, do={"own_key": _of_client})
    return Amend("", terms=TERMS)


def _kept(message: str) -> tuple[Observer, ...]:
    """The observer of a server for a hello: the certificate that it chooses."""
    now, scheme = after("own_key", KeyType), after("server_scheme", schemes.Scheme)
    is_13 = after("version", Version) == "TLS13"
    fits = ite(scheme == "ecdsa_sha256", now == "ecdsa", now == "rsa")
    static = ~after("suite", server.suite.domain).one_of(*RSA_SUITES) | (now == "rsa")
    return (keeps("receive", message,
                  disj(scheme == "none", fits),
                  disj(now == "none", is_13, static)),)


EXTENSION = Extension(
    "several_certificates",
    "5246 7.4.2; 8446 4.4.2.2",
    "certificates with RSA and with ECDSA keys",
    needs=("signature_schemes",),
    excludes={
        "fixed_dh": "the keys here are for signatures",
        "post_handshake_auth": "an end keeps the key of one certificate of its peer",
    },
    variables={"client": VARIABLES, "server": VARIABLES},
    fields={"Certificate": FIELD},
    optional={"Certificate": ("key_type",)},
    sends={end: {"Certificate": {"key_type": own.own_key}} for end in schemes.OF},
    views={
        "client": {"server_key": own.peer_key, "client_key": own.own_key},
        "server": {"server_key": own.own_key, "client_key": own.peer_key},
    },
    covers={"flight": ("server_key",), "certificate": ("client_key",), "signed": ("server_key",)},
    terms=TERMS,
    every=_every,
    observers={
        "client": (
            keeps("receive", "Certificate", eq(after("peer_key", KeyType), key_type)),
            keeps("send", "Certificate", eq(after("own_key", KeyType), _of_client)),
        ),
        "server": (
            *_kept("ClientHello"),
            *_kept("SecondClientHello"),
            keeps("receive", "Certificate", eq(after("peer_key", KeyType), key_type)),
        ),
    },
)
