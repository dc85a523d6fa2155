"""The client and the server: the rows of `model.generations`, put together."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import model.generations
from model import observers
from model.expr import const, ite, mapping
from model.generations import records
from model.message import ALPHABET, AlertMessage
from model.principal import (
    CLIENT,
    OFFERED,
    SERVER,
    STATES,
    ClientOwner,
    EncryptedTo,
    Level,
    ServerOwner,
    client,
    server,
)
from model.rule import ModelError, Role, Rule
from model.transcript import (
    RSA_SUITES,
    VIEWS,
    certificate_verify,
    params_signature,
    server_group,
    verify_data,
)

_nobody = const("none", ClientOwner)
_no_server = const("none", ServerOwner)
_empty: dict[str, object] = {}

# The RSA key a client encrypts its premaster to: the temporary one, if it was given one.
_encrypted_to = ite(
    client.group == "rsa_weak",
    mapping(client.server_share,
            {v: v if v in EncryptedTo.codes else "none" for v in ServerOwner.values}, EncryptedTo),
    mapping(client.server_certificate,
            {"none": "none", "empty": "none", "honest": "honest"}
            | dict.fromkeys(("adversary", "unknown_ca", "expired", "wrong_name"), "adversary"),
            EncryptedTo),
)  # fmt: skip

SENDS = {
    "client": {
        "ClientHello": {
            "version": client.max_version,
            "random": client.me,
            "offer": client.me,
            **{f"offers_{s}": client[f"offers_{s}"] for s in OFFERED},
            "deflate": client.deflate,
            "key_share": ite(client.max_version == "TLS13", client.me, _nobody),
        },
        "Certificate": {"certificate": client.client_certificate},
        "NoCertificate": {},
        "ClientKeyExchange": {
            "exchange": client.me,
            "encrypted_to": ite(
                client.suite.one_of(*RSA_SUITES), _encrypted_to, const("none", EncryptedTo)
            ),
            "premaster_version": client.max_version,
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
"""What each role puts into the fields of a message it sends."""


def _sends(role: str) -> dict[str, dict[str, object]]:
    own = client if role == "client" else server
    return {
        **SENDS[role],  # type: ignore[dict-item]
        "ChangeCipherSpec": _empty,
        "Finished": {"verify_data": verify_data(role, role)},
        "ApplicationData": _empty,
        "CloseNotify": _empty,
        "Alert": {"level": const("fatal", Level), "description": own.alert},
    }


@cache
def table() -> tuple[Rule, ...]:
    """The rows of every file in `model.generations`, sorted by file."""
    rows: list[Rule] = []
    for info in sorted(pkgutil.iter_modules(model.generations.__path__), key=lambda i: i.name):
        try:
            module = importlib.import_module(f"model.generations.{info.name}")
        except (AttributeError, TypeError, ValueError) as e:
            raise ModelError(f"model/generations/{info.name}.py: {e}") from e
        rows.extend(getattr(module, "RULES", ()))
    return tuple(rows)


@cache
def role(name: str) -> Role:
    """The client or the server."""
    variables = CLIENT if name == "client" else SERVER
    return Role(
        name,
        STATES[name],
        {**variables, **observers.variables(name)},
        (*(r for r in table() if r.role == name), *records.rows(name, STATES[name])),
        ALPHABET,
        _sends(name),  # type: ignore[arg-type]
        refuse=records.failed(client if name == "client" else server),
        observers=observers.observers(name),
        fatal=AlertMessage,
    )
