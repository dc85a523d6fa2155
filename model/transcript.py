"""Transcripts: each end's view of a handshake, and the fields in proofs and keys.

A transcript is compared, not stored: each field of a message is an expression over the run's own
variables, each proof an ordered list of fields. This is sound because every variable in a proof is
set once, before the proof is sent (a test checks this).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from model.expr import Expr, conj, const, eq, implies, ite, mapping, substitute, var
from model.near import unknown
from model.principal import (
    Certificate,
    ClientOwner,
    Group,
    Key,
    Label,
    Sentinel,
    ServerOwner,
    Suite,
    client,
    server,
)
from model.role import Role
from model.rule import Fields, ModelError
from model.system import Instance, System, once

RSA_SUITES = ("RSA", "RSA_EXPORT", "RSA_PSK")
"""The suites with a premaster encrypted to an RSA key."""
PSK_SUITES = ("PSK", "RSA_PSK", "DHE_PSK", "ECDHE_PSK")
"""The suites with a pre-shared key in the premaster (RFC 4279, RFC 5489)."""
EXPORT_SUITES = ("RSA_EXPORT", "DHE_EXPORT")
SKE_SUITES = ("DH_anon", "RSA_EXPORT", "DHE_EXPORT", "DHE", "ECDHE", "DHE_PSK", "ECDHE_PSK")
"""The suites that require ServerKeyExchange; others forbid it (RFC 5246 7.4.3, 2246 7.4.3)."""
HINT_SUITES = ("PSK", "RSA_PSK")
"""The suites that allow ServerKeyExchange, for a hint of the server (RFC 4279 2, 4)."""
CERTIFICATE_SUITES = tuple(
    s for s in Suite.values if s not in ("none", "DH_anon", "PSK", "DHE_PSK", "ECDHE_PSK")
)

GROUP_OF = {
    "none": "none", "DH_anon": "dh", "RSA_EXPORT": "rsa_weak", "DHE_EXPORT": "dh_weak",
    "RSA": "none", "DHE": "dh", "ECDHE": "ecdh", "AEAD": "ecdh",
    "PSK": "none", "DH_RSA": "none", "RSA_PSK": "none", "DHE_PSK": "dh", "ECDHE_PSK": "ecdh",
}
"""The group a sound server uses with each suite."""

_is_13 = {"client": client.version == "TLS13", "server": server.version == "TLS13"}

server_sentinel = ite(
    (server.max_version == "TLS13") & (server.version == "TLS12"),
    const("DOWNGRD01", Sentinel),
    ite(
        (server.max_version >= "TLS12") & (server.version < "TLS12"),
        const("DOWNGRD00", Sentinel),
        const("none", Sentinel),
    ),
)
"""The sentinel in the server's random (RFC 8446 4.1.3)."""

_weak = server.weak_dh & (server.suite == "DHE")
server_group = ite(_weak, const("dh_weak", Group), mapping(server.suite, GROUP_OF, Group))

_nobody = const("none", ClientOwner)
first_share = ite(client.shares == "one", client.me, _nobody)
"""The share in the client's first hello."""


def client_exchange(share: Expr) -> Expr:
    """The client's part of the exchange; in TLS 1.3, `share`."""
    mine = ite(client.fixed_dh, const("fixed", ClientOwner), client.me)
    return ite(_is_13["client"], share, ite(client.suite == "PSK", _nobody, mine))


# By role and field of the handshake: the value that the end holds.
VIEWS: Mapping[str, Mapping[str, Expr]] = {
    "client": {
        "client_version": client.max_version,
        "client_random": client.me,
        "offer": client.me,
        "exchange": client_exchange(first_share),
        "version": client.version,
        "server_random": client.server_random,
        "sentinel": client.sentinel,
        "session_id": client.session_id,
        "suite": client.suite,
        "compression": client.compression,
        "server_certificate": client.server_certificate,
        "server_share": client.server_share,
        "group": client.group,
        "requested": client.requested,
        "client_certificate": client.client_certificate,
    },
    "server": {
        "client_version": server.client_version,
        "client_random": server.client_random,
        "offer": server.client_offer,
        "exchange": server.exchange,
        "version": server.version,
        "server_random": server.me,
        "sentinel": server_sentinel,
        "session_id": ite(_is_13["server"], const("none", ServerOwner), server.me),
        "suite": server.suite,
        "compression": server.compression,
        "server_certificate": mapping(
            server.suite,
            {s: "honest" if s in CERTIFICATE_SUITES else "none" for s in Suite.values},
            Certificate,
        ),
        "server_share": ite(
            server.suite.one_of(*SKE_SUITES, "AEAD"), server.me, const("none", ServerOwner)
        ),
        "group": server_group,
        "requested": server.client_auth != "none",
        "client_certificate": server.client_certificate,
    },
}

HELLOS = (
    "client_version", "client_random", "offer", "version", "server_random", "sentinel",
    "session_id", "suite", "compression",
)
EXCHANGED = ("exchange", "server_share", "group")
"""The fields of the key exchange, which go into the premaster."""
SECRET = (
    "version", "client_random", "server_random", "sentinel", *EXCHANGED,
)
"""The fields in the master secret (TLS 1.3: the handshake secret, which adds the hellos)."""
FLIGHT = (
    *HELLOS, "exchange", "server_certificate", "server_share", "group", "requested",
    "client_certificate",
)
"""The fields from ClientHello to ClientKeyExchange (TLS 1.3: to the client's Certificate).

RFC 5246 7.4.8, 7.4.9, RFC 8446 4.4.
"""

SIGNED_PARAMS = ("client_random", "server_random", "sentinel", "server_share", "group")
"""The fields that ServerKeyExchange signs: neither suite nor version (RFC 5246 7.4.3)."""

# The fields of each proof, in order; the composite has a label or key before the fields.
FINISHED = (*(f"secret.{f}" for f in SECRET), *FLIGHT)
CERTIFICATE_VERIFY = FLIGHT
LAYOUT = {
    "Finished": ("label", *FINISHED),
    "CertificateVerify": ("label", "key", *CERTIFICATE_VERIFY),
    "ServerKeyExchange": ("key", *SIGNED_PARAMS),
}
"""By message: the names of the composite's elements, in order."""


_earlier: dict[int, Expr] = {}


def _back(v: Expr) -> Expr:
    kind, _, name = v.payload.partition(".")
    if kind == "own":
        return var(f"prev.{name}", v.domain)
    return var(f"prev.{v.payload}", v.domain) if kind == "prev" else v


def earlier(expr: Expr) -> Expr:
    """`expr` with `prev` for `own`: the same of the previous handshake."""
    return substitute(expr, _back, memo=_earlier)


def hidden(shown: Expr, expr: Expr) -> Expr:
    """`expr` where `shown` holds, elsewhere the first value of the domain ("absent")."""
    return ite(shown, expr, const(expr.domain.values[0], expr.domain))


def _exchanged(role: Role, name: str, value: Expr) -> Expr:
    """What goes into the premaster of the field `name` of the exchange, which has that `value`."""
    maker = role.schedule.encapsulated
    if maker is not None and name == "exchange":
        value = hidden(maker == "none", value)
    if maker is not None and name == "server_share":
        value = ite((maker == "none") | (value == "none"), value, maker)
    return hidden(~role.schedule.degenerate, value)


def view(role: str | Role, field: str, *, server_proof: bool = False) -> Expr:
    """The value that `role` (or the end of that name without extensions) holds of `field`.

    `secret.f` is the field `f` in the master secret. In an abbreviated handshake `secret.f` is from
    the previous handshake, and only the fields of the hellos are present. A `server_proof` in
    TLS 1.3 has no client certificate: the server's CertificateVerify and Finished come before the
    client's Certificate (RFC 8446 4.4). ModelError for an unknown field.
    """
    name = field.removeprefix("secret.")
    end, views = (role, VIEWS[role]) if isinstance(role, str) else (role.name, role.views)
    if name not in views:
        raise ModelError(unknown(f"field that the {end} has a view of", name, views))
    value = views[name]
    if not isinstance(role, str):
        if name != field:
            if name in EXCHANGED:
                value = _exchanged(role, name, value)
            value = ite(role.schedule.abbreviated, earlier(value), value)
        elif name in role.covered["flight"] and name not in role.covered["hellos"]:
            value = hidden(~role.schedule.abbreviated, value)
    late = () if isinstance(role, str) else role.covered.get("certificate", ())
    if server_proof and name in ("client_certificate", *late):
        return ite(_is_13[end], const("none", value.domain), value)
    return value


def fields(role: str, names: Iterable[str], *, server_proof: bool = False) -> tuple[Expr, ...]:
    """The views of several fields, in order."""
    return tuple(view(role, n, server_proof=server_proof) for n in names)


def agree(system: System, a: Instance, b: Instance, names: Iterable[str]) -> Expr:
    """When runs `a` and `b` hold equal values of each field."""
    return conj(*(eq(system.at(a, view(a.role, n)), system.at(b, view(b.role, n))) for n in names))


@once
def same_secret(system: System, a: Instance, b: Instance) -> Expr:
    """When runs `a` and `b`, of different roles, hold the same secret."""
    is_13 = system.of(a, "version") == "TLS13"
    return conj(
        system.of(a, "keyed"),
        system.of(b, "keyed"),
        agree(system, a, b, (f"secret.{n}" for n in a.role.covered["secret"])),
        implies(is_13, agree(system, a, b, a.role.covered["hellos"])),
    )


@once
def same_keys(system: System, a: Instance, b: Instance) -> Expr:
    """When runs `a` and `b`, of different roles, hold the same session keys.

    Session keys are made of the secret and this handshake's randoms (RFC 5246 6.3).
    """
    randoms = ("client_random", "server_random", "sentinel")
    return conj(same_secret(system, a, b), agree(system, a, b, randoms))


def verify_data(role: str, sender: str) -> tuple[Expr, ...]:
    """The Finished of `sender` as `role` computes it."""
    label = const(f"{sender} finished", Label)
    return (label, *fields(role, FINISHED, server_proof=sender == "server"))


def certificate_verify(role: str, sender: str) -> tuple[Expr, ...]:
    """The CertificateVerify of `sender` as `role` computes it: label, signing key, transcript."""
    label = const(f"{sender} finished", Label)
    key = view(role, f"{sender}_certificate")
    return (label, key, *fields(role, CERTIFICATE_VERIFY, server_proof=sender == "server"))


def params_signature(
    role: str, share: Expr | None = None, group: Expr | None = None
) -> tuple[Expr, ...]:
    """The signature of ServerKeyExchange as `role` computes it: key, both randoms, parameters."""
    parts = dict(zip(SIGNED_PARAMS, fields(role, SIGNED_PARAMS), strict=True))
    if share is not None and group is not None:
        parts |= {"server_share": share, "group": group}
    return (view(role, "server_certificate"), *parts.values())


def activated(own: Fields) -> Expr:
    """The key that a ChangeCipherSpec activates (RFC 5246 7.1, 6.3).

    The key block is derived once, from the master secret at that moment. So keys from a master
    secret that was never set ("empty") in one direction are used in the other direction too.
    """
    early = (own.read_key == "empty") | (own.write_key == "empty")
    return ite(early | ~own.keyed, const("empty", Key), const("application", Key))
