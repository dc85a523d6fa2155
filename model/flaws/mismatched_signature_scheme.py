"""A signature of another scheme (CVE-2022-25638): what does not fit the key is not verified.

CertificateVerify names its signature scheme. Where the scheme did not fit the kind of key in the
certificate, wolfSSL's client verified nothing and went on. Anybody can name another scheme, so
anybody could show any server's certificate. wolfSSL 5.2.0 refuses a scheme that does not fit the
key.
"""

from model.extensions.signature_schemes import scheme
from model.flaws import Flaw
from model.patch import loosened, together, without_check

ROW = "client_receive_certificate_verify_WAIT_CV_to_WAIT_FINISHED"

FLAW = Flaw(
    name="mismatched_signature_scheme",
    number=49,
    title="a TLS 1.3 client does not verify a signature whose scheme does not fit the key",
    source="wolfSSL 5.2.0 release notes, 2022",
    cve=("CVE-2022-25638",),
    year=2022,
    hit="wolfSSL before 5.2.0",
    scenario="signature-schemes-tls13",
    patches={
        "client": together(
            without_check(ROW, "scheme of the key"),
            loosened(ROW, "signature", scheme == "ecdsa_sha256"),
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
            "authenticated_ends_agree_on_what_was_negotiated",
            "matching_runs_have_the_same_keys",
            "a_signature_has_a_scheme_that_its_verifier_listed",
            "nobody_lowers_the_scheme_of_a_signature",
        ),
    },
)
