"""A CertificateVerify without a Certificate (CVE-2021-3336): there is no key to verify with.

wolfSSL's client of TLS 1.3 took CertificateVerify where it waited for the Certificate. Without a
stored key of the peer the signature was not verified, and the handshake completed with a server
that had shown nothing. wolfSSL 4.7.0 refuses the message without a certificate before it.
"""

from model.flaws import Flaw
from model.message import CertificateVerify
from model.patch import with_rows
from model.rule import receive

FLAW = Flaw(
    name="proof_without_certificate",
    number=47,
    title="a TLS 1.3 client takes CertificateVerify without a Certificate, unverified",
    source="wolfSSL 4.7.0 release notes, 2021",
    cve=("CVE-2021-3336",),
    year=2021,
    hit="wolfSSL before 4.7.0",
    scenario="tls13",
    patches={
        "client": with_rows(
            receive("client", CertificateVerify, ("WAIT_CERT_CR", "WAIT_CERT"), "WAIT_FINISHED",
                    rfc="8446 4.4.3")
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=5,
    breaks={
        "client": (
            "each_proof_of_a_server_accepted_is_the_expected_one",
            "each_message_of_tls13_is_accepted_in_its_place",
            "a_client_that_finished_talked_to_the_server",
            "a_verified_finished_means_one_transcript",
            "the_server_certificate_is_there_unless_anonymous",
            "the_certificate_handshake_is_complete",
            "session_keys_with_an_honest_peer_are_secret",
            "data_of_a_server_is_sent_in_the_clients_own_handshake",
            "each_message_is_sent_in_its_place",
            "data_sent_to_an_honest_peer_is_secret",
            "authenticated_ends_agree_on_what_was_negotiated",
            "matching_runs_have_the_same_keys",
        ),
    },
)
