"""Mutants that take or send a message out of its place."""

from model.expr import TRUE
from model.message import CertificateRequest, CertificateVerify
from model.patch import with_rows
from model.principal import client
from model.rule import SAME, receive, send
from tests.mutants import c

MUTANTS = {
    "each_message_is_accepted_in_its_place": c(
        "tls12-small",
        with_rows(
            receive("client", CertificateRequest, "WAIT_CERTIFICATE", SAME, rfc="5246 7.4.4",
                    when=~client.requested, do={"requested": TRUE}),
        ),
    ),
    "each_message_of_tls13_is_accepted_in_its_place": c(
        "tls13",
        with_rows(
            receive("client", CertificateRequest, "WAIT_CV", SAME, rfc="8446 4.3.2",
                    when=~client.requested, do={"requested": TRUE}),
        ),
    ),
    "each_message_is_sent_in_its_place": c(
        "tls13",
        with_rows(send("client", CertificateVerify, "SEND_CERT", SAME, rfc="8446 4.4.3")),
    ),
}
