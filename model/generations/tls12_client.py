"""The client of SSL 3.0 and TLS 1.0 to 1.2 after ServerHello (RFC 6101, 2246, 4346, 5246).

The RFCs name no states; a state here has the name of the message to wait for or to send.

1. Certificate, unless the suite is anonymous; it must lead to a trusted CA.    7.4.2
2. ServerKeyExchange where the suite demands it, and only there; signed over    7.4.3
   both randoms and the parameters.
3. CertificateRequest or not; ServerHelloDone.                                  7.4.4, 7.4.5
4. Certificate (or an empty one; in SSL 3.0 the warning "no certificate"),       7.4.6 to 7.4.8
   ClientKeyExchange, CertificateVerify, ChangeCipherSpec, Finished.            7.1, 7.4.9
5. The server's ChangeCipherSpec and Finished.
"""

from __future__ import annotations

from model.expr import const, disj, same
from model.message import (
    CertificateMessage,
    CertificateRequest,
    CertificateVerify,
    ChangeCipherSpec,
    ClientKeyExchange,
    Finished,
    NoCertificate,
    ServerHelloDone,
    ServerKeyExchange,
)
from model.principal import Certificate, client
from model.rule import check, choice, receive, send
from model.transcript import (
    CERTIFICATE_SUITES,
    GROUP_OF,
    SKE_SUITES,
    activated,
    params_signature,
    verify_data,
)

own = client
ske = ServerKeyExchange.f
certificate = CertificateMessage.f.certificate

answer = choice("certificate", Certificate)
needs_ske = own.suite.one_of(*SKE_SUITES)
has_certificate = own.suite.one_of(*CERTIFICATE_SUITES)

TRUST = (
    check("not empty", certificate != "empty", "decode_error"),
    check("known CA", certificate != "unknown_ca", "unknown_ca"),
    check("not expired", certificate != "expired", "certificate_expired"),
    check("right name", certificate != "wrong_name", "bad_certificate"),
)
"""The checks of a certificate chain, by class of failure (RFC 5280 6; RFC 6125 6)."""

# The group fits the suite; with DHE, a client that allows small groups takes dh_weak too.
group_fits = disj(
    *((own.suite == s) & (ske.group == GROUP_OF[s]) for s in SKE_SUITES),
    (own.suite == "DHE") & (ske.group == "dh_weak") & own.weak_dh,
)
signature_ok = same(ske.signature, *params_signature("client", ske.share, ske.group))


SPEC = (check("value", ChangeCipherSpec.f.value == "1", "decode_error"),)
"""The check of a ChangeCipherSpec (RFC 5246 7.1)."""

GENERATION = "tls12"
RULES = [
    receive("client", CertificateMessage, "WAIT_CERTIFICATE", "WAIT_SKE", rfc="5246 7.4.2",
            when=needs_ske, checks=TRUST, do={"server_certificate": certificate}),
    receive("client", CertificateMessage, "WAIT_CERTIFICATE", "WAIT_CR_SHD", rfc="5246 7.4.2",
            when=~needs_ske, checks=TRUST, do={"server_certificate": certificate}),
    receive("client", ServerKeyExchange, "WAIT_SKE", "WAIT_CR_SHD", rfc="5246 7.4.3",
            when=has_certificate,
            checks=[check("group fits suite", group_fits, "illegal_parameter"),
                    check("signature", signature_ok, "decrypt_error")],
            do={"server_share": ske.share, "group": ske.group}),
    receive("client", ServerKeyExchange, "WAIT_SKE", "WAIT_CR_SHD", rfc="5246 7.4.3, F.1.1.1",
            when=~has_certificate,
            checks=[check("group fits suite", group_fits, "illegal_parameter")],
            do={"server_share": ske.share, "group": ske.group},
            label="client_receive_server_key_exchange_anonymous"),
    receive("client", CertificateRequest, "WAIT_CR_SHD", "WAIT_SHD", rfc="5246 7.4.4",
            checks=[check("server authenticated", has_certificate, "handshake_failure")],
            do={"requested": const(True)}),
    receive("client", ServerHelloDone, "WAIT_CR_SHD", "SEND_CKE", rfc="5246 7.4.5"),
    receive("client", ServerHelloDone, "WAIT_SHD", "SEND_CERTIFICATE", rfc="5246 7.4.5"),
    send("client", CertificateMessage, "SEND_CERTIFICATE", "SEND_CKE", rfc="5246 7.4.6; 6101 5.6.6",
         when=((answer == "empty") & (own.version != "SSL30"))
         | ((answer == "honest") & own.has_certificate),
         do={"client_certificate": answer},
         choices={"certificate": Certificate}),
    send("client", NoCertificate, "SEND_CERTIFICATE", "SEND_CKE", rfc="6101 5.4.2, 5.6.6",
         when=own.version == "SSL30",
         do={"client_certificate": const("empty", Certificate)}),
    send("client", ClientKeyExchange, "SEND_CKE", "SEND_CERTIFICATE_VERIFY", rfc="5246 7.4.7",
         when=own.client_certificate == "honest", do={"keyed": const(True)}),
    send("client", ClientKeyExchange, "SEND_CKE", "SEND_CCS", rfc="5246 7.4.7",
         when=own.client_certificate != "honest", do={"keyed": const(True)}),
    send("client", CertificateVerify, "SEND_CERTIFICATE_VERIFY", "SEND_CCS", rfc="5246 7.4.8"),
    send("client", ChangeCipherSpec, "SEND_CCS", "SEND_FIN", rfc="5246 7.1",
         do={"write_key": activated(own)}),
    send("client", Finished, "SEND_FIN", "WAIT_CCS", rfc="5246 7.4.9"),
    receive("client", ChangeCipherSpec, "WAIT_CCS", "WAIT_FIN", rfc="5246 7.1",
            checks=SPEC, do={"read_key": activated(own)}),
    receive("client", Finished, "WAIT_FIN", "CONNECTED", rfc="5246 7.4.9",
            checks=[check("verify_data",
                          same(Finished.f.verify_data, *verify_data("client", "server")),
                          "decrypt_error")],
            do={"verified": const(True)}),
]
