"""A signature of another scheme (CVE-2022-25638): what does not fit the key is not verified.

CertificateVerify names its signature scheme. Where the scheme did not fit the kind of key in the
certificate, wolfSSL's client verified nothing and went on. Anybody can name another scheme, so
anybody could show any server's certificate. The model has one scheme, and the adversary is free to
name another: the check falls away. wolfSSL 5.2.0 refuses a scheme that does not fit the key.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="mismatched_signature_scheme",
    number=49,
    title="a TLS 1.3 client does not verify a signature whose scheme does not fit the key",
    source="wolfSSL 5.2.0 release notes, 2022",
    cve=("CVE-2022-25638",),
    year=2022,
    hit="wolfSSL before 5.2.0",
    scenario="tls13",
    patches={
        "client": without_check(
            "client_receive_certificate_verify_WAIT_CV_to_WAIT_FINISHED", "signature"
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=6,
    breaks={
        "client": (
            "each_proof_of_a_server_accepted_is_the_expected_one",
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
