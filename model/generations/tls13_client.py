"""The client of TLS 1.3 after ServerHello (RFC 8446 appendix A.1, rows C6 to C13, certificates).

1. EncryptedExtensions under the handshake key.                            4.3.1
2. CertificateRequest or not; Certificate, never empty; CertificateVerify  4.3.2, 4.4.2, 4.4.3
   over the transcript.
3. Finished: now the application keys hold.                                4.4.4
4. If asked: Certificate, perhaps empty, and CertificateVerify; Finished.  4.4
5. A ChangeCipherSpec is dropped until the server's Finished.              5, D.4

Pre-shared keys (C5), early data (C12) and tickets (P2) are extensions.
"""

from __future__ import annotations

from model.expr import const, same
from model.generations.tls12_client import TRUST
from model.message import (
    ApplicationData,
    CertificateMessage,
    CertificateRequest,
    CertificateVerify,
    ChangeCipherSpec,
    EncryptedExtensions,
    Finished,
)
from model.principal import Certificate, Key, client
from model.rule import SAME, check, choice, receive, send
from model.transcript import certificate_verify, verify_data

own = client
certificate = CertificateMessage.f.certificate
answer = choice("certificate", Certificate)
# RFC 8446 5: only an unprotected ChangeCipherSpec with the value 1 is dropped; any other is an
# unexpected_message.
DROPPED = ChangeCipherSpec.f.value == "1"
IN_THE_CLEAR = const("plaintext", Key)
HANDSHAKE = {"write_key": const("handshake", Key)}

GENERATION = "tls13"
RULES = [
    receive("client", EncryptedExtensions, "WAIT_EE", "WAIT_CERT_CR", rfc="8446 4.3.1"),
    receive("client", CertificateRequest, "WAIT_CERT_CR", "WAIT_CERT", rfc="8446 4.3.2",
            do={"requested": const(True)}),
    receive("client", CertificateMessage, ("WAIT_CERT_CR", "WAIT_CERT"), "WAIT_CV",
            rfc="8446 4.4.2", checks=TRUST, do={"server_certificate": certificate}),
    receive("client", CertificateVerify, "WAIT_CV", "WAIT_FINISHED", rfc="8446 4.4.3",
            checks=[check("signature",
                          same(CertificateVerify.f.signature,
                               *certificate_verify("client", "server")),
                          "decrypt_error")]),
    receive("client", Finished, "WAIT_FINISHED", "SEND_CERT", rfc="8446 4.4.4",
            when=own.requested,
            checks=[check("verify_data",
                          same(Finished.f.verify_data, *verify_data("client", "server")),
                          "decrypt_error")],
            do={"verified": const(True), "read_key": const("application", Key), **HANDSHAKE}),
    receive("client", Finished, "WAIT_FINISHED", "SEND_FINISHED", rfc="8446 4.4.4",
            when=~own.requested,
            checks=[check("verify_data",
                          same(Finished.f.verify_data, *verify_data("client", "server")),
                          "decrypt_error")],
            do={"verified": const(True), "read_key": const("application", Key), **HANDSHAKE}),
    send("client", CertificateMessage, "SEND_CERT", "SEND_CV", rfc="8446 4.4.2",
         when=(answer == "honest") & own.has_certificate,
         do={"client_certificate": answer}, choices={"certificate": Certificate}),
    send("client", CertificateMessage, "SEND_CERT", "SEND_FINISHED", rfc="8446 4.4.2",
         when=answer == "empty", do={"client_certificate": answer},
         choices={"certificate": Certificate}),
    send("client", CertificateVerify, "SEND_CV", "SEND_FINISHED", rfc="8446 4.4.3"),
    send("client", Finished, "SEND_FINISHED", "CONNECTED", rfc="8446 4.4.4",
         do={"write_key": const("application", Key)}),
    receive("client", ApplicationData, ("SEND_CERT", "SEND_CV", "SEND_FINISHED"), SAME,
            rfc="8446 2, 4.4.4", do={"delivered": const(True)}),
    receive("client", ChangeCipherSpec,
            ("WAIT_EE", "WAIT_CERT_CR", "WAIT_CERT", "WAIT_CV", "WAIT_FINISHED"), SAME,
            rfc="8446 5, D.4", when=DROPPED, under=IN_THE_CLEAR,
            label="client_receive_change_cipher_spec_dropped"),
    receive("client", ChangeCipherSpec, "WAIT_SH", SAME, rfc="8446 5, D.4",
            when=(own.max_version == "TLS13") & DROPPED, under=IN_THE_CLEAR),
]
