"""The server of SSL 3.0 and TLS 1.0 to 1.2 after ClientHello (RFC 6101, 2246, 4346, 5246).

1. ServerHello, Certificate, ServerKeyExchange, CertificateRequest,      7.4.1.3 to 7.4.5
   ServerHelloDone, each where the suite has it.
2. The client's Certificate, if asked for: none is a failure when it     7.4.6
   is mandatory. None is an empty one, in SSL 3.0 a warning.
3. ClientKeyExchange: a premaster that does not decrypt or holds the     7.4.7.1
   wrong version is replaced by a random one, without an alert.
4. CertificateVerify after a certificate; ChangeCipherSpec; Finished.    7.4.8, 7.1, 7.4.9
5. The server's ChangeCipherSpec and Finished.

A choice: a client certificate that is not trusted is refused with an alert, even where none is
demanded. RFC 5246 7.4.6 also allows to go on and take the client for anonymous.
"""

from __future__ import annotations

from model.expr import Expr, const, ite, mapping, same
from model.generations.tls12_client import SPEC, TRUST
from model.message import (
    CertificateMessage,
    CertificateRequest,
    CertificateVerify,
    ChangeCipherSpec,
    ClientKeyExchange,
    Finished,
    NoCertificate,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
)
from model.principal import Certificate, ClientAuth, ClientOwner, EncryptedTo, ServerOwner, server
from model.rule import check, choice, receive, send
from model.transcript import (
    CERTIFICATE_SUITES,
    RSA_SUITES,
    SKE_SUITES,
    activated,
    certificate_verify,
    verify_data,
)

own = server
cke = ClientKeyExchange.f
certificate = CertificateMessage.f.certificate
auth = choice("client_auth", ClientAuth)

needs_ske = own.suite.one_of(*SKE_SUITES)
has_certificate = own.suite.one_of(*CERTIFICATE_SUITES)
has_signing_certificate = own.client_certificate.one_of(
    *(c for c in Certificate.values if c not in ("none", "empty"))
)

TRUST_CLIENT = TRUST[1:]
mandatory = check(
    "client certificate",
    (certificate != "empty") | (own.client_auth != "mandatory"),
    "handshake_failure",
)

# RFC 5246 7.4.7.1: decryption or the version check fails silently.
to_me = ite(
    own.suite == "RSA_EXPORT",
    mapping(own.me, {v: v if v in EncryptedTo.codes else "none" for v in ServerOwner.values},
            EncryptedTo),
    const("honest", EncryptedTo),
)
decrypts = cke.encrypted_to == to_me
version_inside = cke.premaster_version == own.legacy_version
premaster: Expr = ite(
    own.suite.one_of(*RSA_SUITES),
    ite(decrypts & version_inside, cke.exchange, const("random", ClientOwner)),
    cke.exchange,
)
# PSK alone (RFC 4279 2): the message names a key and carries nothing else.
_made = ite(own.suite == "PSK", cke.exchange == "none",
            ~cke.exchange.one_of("none", "random", "fixed"))
_keyed = {"exchange": premaster, "keyed": const(True)}
_share = (check("exchange", _made, "illegal_parameter"),)

GENERATION = "tls12"
RULES = [
    send("server", ServerHello, "SEND_SH", "SEND_CERTIFICATE", rfc="5246 7.4.1.3",
         when=has_certificate),
    send("server", ServerHello, "SEND_SH", "SEND_SKE", rfc="5246 7.4.1.3, F.1.1.1",
         when=~has_certificate),
    send("server", CertificateMessage, "SEND_CERTIFICATE", "SEND_SKE", rfc="5246 7.4.2",
         when=needs_ske),
    send("server", CertificateMessage, "SEND_CERTIFICATE", "SEND_CR_SHD", rfc="5246 7.4.2",
         when=~needs_ske),
    send("server", ServerKeyExchange, "SEND_SKE", "SEND_CR_SHD", rfc="5246 7.4.3"),
    send("server", CertificateRequest, "SEND_CR_SHD", "SEND_SHD", rfc="5246 7.4.4",
         when=has_certificate & own.asks_client & (auth != "none"),
         do={"client_auth": auth}, choices={"client_auth": ClientAuth}),
    send("server", ServerHelloDone, "SEND_CR_SHD", "WAIT_CKE", rfc="5246 7.4.5"),
    send("server", ServerHelloDone, "SEND_SHD", "WAIT_CERTIFICATE", rfc="5246 7.4.5"),
    receive("server", CertificateMessage, "WAIT_CERTIFICATE", "WAIT_CKE", rfc="5246 7.4.6",
            checks=[check("some certificate", (certificate != "empty") | (own.version != "SSL30"),
                          "illegal_parameter"),
                    mandatory, *TRUST_CLIENT], do={"client_certificate": certificate}),
    receive("server", NoCertificate, "WAIT_CERTIFICATE", "WAIT_CKE", rfc="6101 5.4.2, 5.6.6",
            when=own.version == "SSL30",
            checks=[check("client certificate", own.client_auth != "mandatory",
                          "handshake_failure")],
            do={"client_certificate": const("empty", Certificate)}),
    receive("server", ClientKeyExchange, "WAIT_CKE", "WAIT_CERTIFICATE_VERIFY", rfc="5246 7.4.7",
            when=has_signing_certificate, checks=_share, do=_keyed),
    receive("server", ClientKeyExchange, "WAIT_CKE", "WAIT_CCS", rfc="5246 7.4.7",
            when=~has_signing_certificate, checks=_share, do=_keyed),
    receive("server", CertificateVerify, "WAIT_CERTIFICATE_VERIFY", "WAIT_CCS", rfc="5246 7.4.8",
            checks=[check("signature",
                          same(CertificateVerify.f.signature,
                               *certificate_verify("server", "client")),
                          "decrypt_error")]),
    receive("server", ChangeCipherSpec, "WAIT_CCS", "WAIT_FIN", rfc="5246 7.1",
            checks=SPEC, do={"read_key": activated(own)}),
    receive("server", Finished, "WAIT_FIN", "SEND_CCS", rfc="5246 7.4.9",
            checks=[check("verify_data",
                          same(Finished.f.verify_data, *verify_data("server", "client")),
                          "decrypt_error")],
            do={"verified": const(True)}),
    send("server", ChangeCipherSpec, "SEND_CCS", "SEND_FIN", rfc="5246 7.1",
         do={"write_key": activated(own)}),
    send("server", Finished, "SEND_FIN", "CONNECTED", rfc="5246 7.4.9"),
]
