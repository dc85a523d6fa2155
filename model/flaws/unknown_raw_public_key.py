"""A raw public key nobody knows (CVE-2024-12797): its verification fails, and nothing happens.

With raw public keys (RFC 7250) a peer shows a key and no certificate. An OpenSSL client that had
asked for the handshake to fail on an unknown key (SSL_VERIFY_PEER) went on all the same, so the
adversary could show a key of its own. The model's certificate of an unknown authority stands for
such a key. OpenSSL 3.4.1, 3.3.3 and 3.2.4 end the handshake.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="unknown_raw_public_key",
    number=60,
    title="a TLS 1.3 client goes on with a key that it does not know",
    source="OpenSSL security advisory of 11 February 2025",
    cve=("CVE-2024-12797",),
    year=2025,
    hit="OpenSSL 3.2 to 3.4.0, with raw public keys",
    scenario="tls13",
    patches={
        "client": without_check(
            "client_receive_certificate_WAIT_CERT_CR_WAIT_CERT_to_WAIT_CV", "known CA"
        )
    },
    shows="an_empty_or_untrusted_server_certificate_is_refused",
    steps=4,
    breaks={
        "client": (
            "an_empty_or_untrusted_server_certificate_is_refused",
            "a_client_that_finished_talked_to_the_server",
            "a_verified_finished_means_one_transcript",
            "session_keys_with_an_honest_peer_are_secret",
            "data_of_a_server_is_sent_in_the_clients_own_handshake",
            "data_sent_to_an_honest_peer_is_secret",
            "authenticated_ends_agree_on_what_was_negotiated",
            "matching_runs_have_the_same_keys",
        ),
    },
)
