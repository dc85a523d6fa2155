"""The client and the server: the rows of `model.generations`, put together."""

from __future__ import annotations

from functools import cache

from model.expr import Expr, const, ite, mapping
from model.extensions import ENDS, Extension, chosen, extended
from model.folder import modules
from model.generations import records
from model.generations.negotiation import offers_deflate
from model.message import ALPHABET, AlertMessage
from model.observers import composites, observed
from model.principal import (
    CLIENT,
    GENERATIONS,
    OFFERED,
    SERVER,
    STATES,
    EncryptedTo,
    Level,
    ServerOwner,
    SpecValue,
    client,
    server,
)
from model.role import Role
from model.rule import Rule, written
from model.transcript import (
    FLIGHT,
    HELLOS,
    LAYOUT,
    RSA_SUITES,
    SECRET,
    VIEWS,
    certificate_verify,
    first_share,
    params_signature,
    server_group,
    verify_data,
)

_no_server = const("none", ServerOwner)
Contents = dict[str, Expr | tuple[Expr, ...]]
_empty: Contents = {}

# RFC 8446 4.1.2: a client of TLS 1.3 says 1.2 here, and TLS 1.3 in supported_versions. This version
# goes into the premaster (RFC 5246 7.4.7.1), which so does not tell TLS 1.3 from TLS 1.2.
legacy_version = ite(
    client.max_version == "TLS13", const("TLS12", client.max_version.domain), client.max_version
)

# The RSA key to which a client encrypts the premaster: the server's temporary key, if any.
_encrypted_to = ite(
    client.group == "rsa_weak",
    mapping(client.server_share,
            {v: v if v in EncryptedTo.codes else "none" for v in ServerOwner.values}, EncryptedTo),
    mapping(client.server_certificate,
            {"none": "none", "empty": "none", "honest": "honest"}
            | dict.fromkeys(("adversary", "unknown_ca", "expired", "wrong_name"), "adversary"),
            EncryptedTo),
)

SENDS: dict[str, dict[str, Contents]] = {
    "client": {
        "ClientHello": {
            "version": client.max_version,
            "legacy_version": legacy_version,
            "random": client.me,
            "offer": client.me,
            **{f"offers_{s}": client[f"offers_{s}"] for s in OFFERED},
            "deflate": offers_deflate,
            "shares": client.shares,
            "key_share": first_share,
        },
        "Certificate": {"certificate": client.client_certificate},
        "NoCertificate": {},
        "ClientKeyExchange": {
            "exchange": VIEWS["client"]["exchange"],
            "encrypted_to": ite(
                client.suite.one_of(*RSA_SUITES), _encrypted_to, const("none", EncryptedTo)
            ),
            "premaster_version": legacy_version,
        },
        "CertificateVerify": {"signature": certificate_verify("client", "client")},
    },
    "server": {
        "ServerHello": {
            "version": server.version,
            "random": server.me,
            "sentinel": VIEWS["server"]["sentinel"],
            "session_id": VIEWS["server"]["session_id"],
            "suite": server.suite,
            "compression": server.compression,
            "key_share": ite(server.version == "TLS13", server.me, _no_server),
        },
        "EncryptedExtensions": {},
        "Certificate": {"certificate": VIEWS["server"]["server_certificate"]},
        "ServerKeyExchange": {
            "share": VIEWS["server"]["server_share"],
            "group": server_group,
            "signature": params_signature("server"),
        },
        "CertificateRequest": {},
        "ServerHelloDone": {},
        "CertificateVerify": {"signature": certificate_verify("server", "server")},
    },
}
"""By role, message and field: the contents of sent messages."""


def _sends(role: str) -> dict[str, Contents]:
    own = client if role == "client" else server
    return {
        **SENDS[role],
        "ChangeCipherSpec": {"value": const("1", SpecValue)},
        "Finished": {"verify_data": verify_data(role, role)},
        "ApplicationData": _empty,
        "CloseNotify": _empty,
        "Alert": {"level": const("fatal", Level), "description": own.alert},
    }


@cache
def table() -> tuple[Rule, ...]:
    """The rows of every file in `model.generations`, in the order of the files."""
    return tuple(
        r
        for name, m in modules("model.generations", "RULES", "GENERATION").items()
        for r in written(m.RULES, f"model/generations/{name}.py", m.GENERATION)
    )


def _bare(name: str, overlays: tuple[Extension, ...]) -> Role:
    """The client or the server with the observers of composites alone."""
    later = [s for e in overlays for group in e.states.get(name, {}).values() for s in group]
    states = tuple(dict.fromkeys((*STATES[name], *later)))
    role = Role(
        name,
        states,
        CLIENT if name == "client" else SERVER,
        (
            *(r for r in table() if r.role == name),
            *written(records.rows(name, states), "model/generations/records.py"),
        ),
        ALPHABET,
        _sends(name),
        refuse=records.failed(client if name == "client" else server),
        fatal=AlertMessage,
        views=VIEWS[name],
        covered={"secret": SECRET, "hellos": HELLOS, "flight": FLIGHT, **LAYOUT},
        generations=GENERATIONS[name],
        observers=composites(name),
        signer=client.server_certificate if name == "client" else server.client_certificate,
    )
    return extended(role, overlays)


@cache
def role(name: str, extensions: tuple[str, ...] = ()) -> Role:
    """The role "client" or "server" with the extensions of those names.

    UsageError for an unknown extension, ModelError for extensions that cannot be combined.
    """
    overlays = chosen(extensions)
    return observed(_bare(name, overlays), _bare(ENDS[name], overlays))
