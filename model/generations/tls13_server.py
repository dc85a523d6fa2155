"""The server of TLS 1.3 after ClientHello (RFC 8446 appendix A.2, rows S5 to S16, certificates).

1. ServerHello; then, under the handshake key, EncryptedExtensions,       4.1.3, 4.3.1
   CertificateRequest or not, Certificate, CertificateVerify, Finished.   4.3.2, 4.4
2. The client's Certificate, if asked for (empty is a failure when it is  4.4.2.4
   mandatory), CertificateVerify, Finished.
3. A ChangeCipherSpec is dropped until the client's Finished.             5, D.4
4. The server may send data after its own Finished.                       2

A choice: a client certificate that is not trusted is refused with an alert, even where none is
demanded. RFC 8446 4.4.2.4 also allows to go on and take the client for anonymous.

HelloRetryRequest (S2), pre-shared keys and early data (S6 to S9) are extensions.
"""

from __future__ import annotations

from model.expr import const, same
from model.generations.tls12_server import TRUST_CLIENT
from model.generations.tls13_client import DROPPED, IN_THE_CLEAR
from model.message import (
    ApplicationData,
    CertificateMessage,
    CertificateRequest,
    CertificateVerify,
    ChangeCipherSpec,
    EncryptedExtensions,
    Finished,
    ServerHello,
)
from model.principal import ClientAuth, Key, server
from model.rule import SAME, check, choice, receive, send
from model.transcript import certificate_verify, verify_data

own = server
certificate = CertificateMessage.f.certificate
auth = choice("client_auth", ClientAuth)
asked = own.client_auth != "none"
mandatory = check(
    "client certificate",
    (certificate != "empty") | (own.client_auth != "mandatory"),
    "certificate_required",
)
APPLICATION = {"write_key": const("application", Key)}

GENERATION = "tls13"
RULES = [
    send("server", ServerHello, "NEGOTIATED", "SEND_EE", rfc="8446 4.1.3",
         do={"write_key": const("handshake", Key), "read_key": const("handshake", Key)}),
    send("server", EncryptedExtensions, "SEND_EE", "SEND_CR_CERT", rfc="8446 4.3.1"),
    send("server", CertificateRequest, "SEND_CR_CERT", "SEND_CERT", rfc="8446 4.3.2",
         when=own.asks_client & (auth != "none"),
         do={"client_auth": auth}, choices={"client_auth": ClientAuth}),
    send("server", CertificateMessage, ("SEND_CR_CERT", "SEND_CERT"), "SEND_CV", rfc="8446 4.4.2"),
    send("server", CertificateVerify, "SEND_CV", "SEND_FINISHED", rfc="8446 4.4.3"),
    send("server", Finished, "SEND_FINISHED", "WAIT_CERT", rfc="8446 4.4.4", when=asked,
         do=APPLICATION),
    send("server", Finished, "SEND_FINISHED", "WAIT_FINISHED", rfc="8446 4.4.4", when=~asked,
         do=APPLICATION),
    receive("server", CertificateMessage, "WAIT_CERT", "WAIT_FINISHED", rfc="8446 4.4.2",
            when=certificate == "empty", checks=[mandatory],
            do={"client_certificate": certificate}),
    receive("server", CertificateMessage, "WAIT_CERT", "WAIT_CV", rfc="8446 4.4.2",
            when=certificate != "empty", checks=TRUST_CLIENT,
            do={"client_certificate": certificate}),
    receive("server", CertificateVerify, "WAIT_CV", "WAIT_FINISHED", rfc="8446 4.4.3",
            checks=[check("signature",
                          same(CertificateVerify.f.signature,
                               *certificate_verify("server", "client")),
                          "decrypt_error")]),
    receive("server", Finished, "WAIT_FINISHED", "CONNECTED", rfc="8446 4.4.4",
            checks=[check("verify_data",
                          same(Finished.f.verify_data, *verify_data("server", "client")),
                          "decrypt_error")],
            do={"verified": const(True), "read_key": const("application", Key)}),
    receive("server", ChangeCipherSpec,
            ("NEGOTIATED", "SEND_EE", "SEND_CR_CERT", "SEND_CERT", "SEND_CV", "SEND_FINISHED",
             "WAIT_CERT", "WAIT_CV", "WAIT_FINISHED"), SAME, rfc="8446 5, D.4",
            when=DROPPED, under=IN_THE_CLEAR, label="server_receive_change_cipher_spec_dropped"),
    send("server", ApplicationData, ("WAIT_CERT", "WAIT_CV", "WAIT_FINISHED"), SAME, rfc="8446 2",
         when=own.sends_data, do={"sent_data": const(True)},
         label="server_send_application_data_early"),
]
