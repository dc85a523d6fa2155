"""The one list of what no proof covers: fields of handshake messages, each with the reason.

Every other field, up to the binder, CertificateVerify or Finished that follows, is in the
transcript under that proof (a test holds this for every role with any extension). `when` says where
the field is under no proof, over the receiver's `own` and the message's fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model.expr import TRUE, Expr, eq
from model.extensions import psk, psk_list
from model.extensions.renegotiation_info import hello
from model.message import CertificateMessage, ClientKeyExchange
from model.principal import client, server
from model.transcript import CERTIFICATE_SUITES, RSA_SUITES, SKE_SUITES


@dataclass(frozen=True)
class Uncovered:
    """Why and where a field is under no proof."""

    reason: str
    when: Expr


_signed = client.suite.one_of(*(s for s in SKE_SUITES if s in CERTIFICATE_SUITES))
_rsa_only = Uncovered(
    "the message has such a part with RSA only",
    ~server.suite.one_of(*RSA_SUITES) | (ClientKeyExchange.f.exchange == "none"),
)
_from_13 = Uncovered("below TLS 1.3 the message has no such field", client.version <= "TLS12")

UNCOVERED: Mapping[tuple[str, str], Uncovered] = {
    ("ClientKeyExchange", "encrypted_to"): _rsa_only,
    ("ClientKeyExchange", "premaster_version"): _rsa_only,
    ("Certificate", "context"): _from_13,
    ("CertificateRequest", "context"): _from_13,
    ("Certificate", "dh_key"): Uncovered(
        "an empty Certificate has no key", CertificateMessage.f.certificate == "empty"
    ),
    ("ServerKeyExchange", "signature"): Uncovered(
        "the message has no signature without a certificate, nor as a hint", ~_signed
    ),
    ("ServerHello", "renegotiated_connection"): Uncovered(
        "a first handshake has no such value", hello.renegotiation_info != "value"
    ),
    ("ServerHello", "selected"): Uncovered(
        "a client offers no key twice, so another identity is another key",
        (psk.client.offered_psk != "none") & eq(psk_list.client.second_psk, psk.client.offered_psk),
    ),
    ("EndOfEarlyData", "records"): Uncovered("a record number, not in the message", TRUE),
    ("NewSessionTicket", "ticket"): Uncovered(
        "in TLS 1.3 it comes after the handshake (RFC 8446 4.4.1)", client.version == "TLS13"
    ),
}
"""By message and field."""
