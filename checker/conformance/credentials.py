"""The certificates and keys of a live check, made at run time and never kept.

One CA signs a server's certificate (RSA, for any suite) and a client's (P-256). Beside them there
is a certificate for each class of `Certificate` in the model that an end can show: of a CA that
nobody knows, expired, of another name.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "password"
"""The password of the PKCS #12 file."""
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate with its key and the certificate of its issuer."""

    certificate: bytes  # DER
    key: Any
    issuer: bytes = b""  # DER

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return x509.load_der_x509_certificate(self.certificate).public_bytes(
            serialization.Encoding.PEM
        )

    @property
    def key_pem(self) -> bytes:
        """The key as PEM (PKCS #8)."""
        return bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


def _signed(
    name: str,
    key: Any,
    issuer: str,
    signer: Any,
    *,
    ca: bool = False,
    expired: bool = False,
    host: str = "localhost",
) -> bytes:
    """A certificate for `key`, valid since yesterday for two days, or long expired."""
    now = datetime.datetime.now(datetime.UTC)
    begin, until = (now - 30 * DAY, now - DAY) if expired else (now - DAY, now + DAY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True)
class Credentials:
    """The CA, and each end's identities by class of the model's `Certificate`."""

    ca: Identity
    servers: Mapping[str, Identity]
    client: Mapping[str, Identity]

    @property
    def server(self) -> Identity:
        """The server's identity that its peer trusts."""
        return self.servers["honest"]

    def write(self, folder: str | Path) -> dict[str, str]:
        """The paths of files in `folder`, PEM: ca, server, server_key, client, client_key, p12."""
        honest = self.client["honest"]
        files = {
            "ca": self.ca.certificate_pem,
            "server": self.server.certificate_pem,
            "server_key": self.server.key_pem,
            "client": honest.certificate_pem,
            "client_key": honest.key_pem,
        }
        files["p12"] = pkcs12.serialize_key_and_certificates(
            b"server",
            self.server.key,
            x509.load_der_x509_certificate(self.server.certificate),
            [x509.load_der_x509_certificate(self.ca.certificate)],
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
        out = {}
        for name, pem in files.items():
            out[name] = os.path.join(folder, f"{name}.pem")
            with open(out[name], "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write(pem)
        return out


@cache
def credentials() -> Credentials:
    """The credentials of this process."""
    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    stranger = ec.generate_private_key(ec.SECP256R1())
    ca = _signed("Test CA", ca_key, "Test CA", ca_key, ca=True)
    server_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    client_key = ec.generate_private_key(ec.SECP256R1())

    def identities(name: str, key: Any) -> dict[str, Identity]:
        made = {
            "honest": _signed(name, key, "Test CA", ca_key),
            "unknown_ca": _signed(name, key, "Nobody's CA", stranger),
            "expired": _signed(name, key, "Test CA", ca_key, expired=True),
            "wrong_name": _signed("elsewhere", key, "Test CA", ca_key, host="elsewhere"),
        }
        return {kind: Identity(der, key, ca) for kind, der in made.items()}

    return Credentials(
        Identity(ca, ca_key), identities("localhost", server_key), identities("client", client_key)
    )


def given(certificate: str, key: str) -> Identity:
    """The identity in two PEM files; ValueError or OSError if they cannot be read."""
    chain = x509.load_pem_x509_certificates(Path(certificate).read_bytes())
    der = [c.public_bytes(serialization.Encoding.DER) for c in chain]
    private = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    return Identity(der[0], private, der[1] if len(der) > 1 else b"")
