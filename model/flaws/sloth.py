"""SLOTH (CVE-2015-7575): a signature with MD5 is taken by an end that did not list MD5.

TLS 1.2 lets each end say which hashes it takes in signatures. NSS, OpenSSL, GnuTLS, Java and others
compared the hash of a signature with what the code knew, not with what had been said, and the code
still knew MD5. A collision makes one signature fit two handshakes: an adversary between the ends
has the server sign parameters for a hello of its own, or the client sign for a server of its own,
and shows the signature to the other side. The mends take a scheme only if it was listed, and took
MD5 out of the code.
"""

from model.extensions.signature_schemes import scheme
from model.flaws import Flaw
from model.patch import loosened

OLD = scheme == "rsa_sha1"

FLAW = Flaw(
    name="sloth",
    number=12,
    title="an end takes a signature with a broken hash that it did not list",
    source="Bhargavan and Leurent, Transcript Collision Attacks, 2016",
    cve=("CVE-2015-7575",),
    year=2016,
    hit="NSS before 3.20.2, OpenSSL before 1.0.1f, GnuTLS before 3.3.15, JDK before 8u71",
    scenario="signature-collisions",
    capability="collide_sha1",
    patches={
        "client": loosened(
            "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD", "scheme listed", OLD
        ),
        "server": loosened(
            "server_receive_certificate_verify_WAIT_CERTIFICATE_VERIFY_to_WAIT_CCS",
            "scheme listed",
            OLD,
        ),
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=15,
    breaks={
        "client": (
            "a_client_that_finished_talked_to_the_server",
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "signed_parameters_are_the_servers",
            "session_keys_with_an_honest_peer_are_secret",
            "a_signature_has_a_scheme_that_its_verifier_listed",
            "nobody_lowers_the_scheme_of_a_signature",
        ),
        "server": (
            "a_server_that_authenticated_a_client_talked_to_it",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "session_keys_with_an_honest_peer_are_secret",
            "a_signature_has_a_scheme_that_its_verifier_listed",
        ),
        "both": (
            "a_client_that_finished_talked_to_the_server",
            "a_server_that_authenticated_a_client_talked_to_it",
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "signed_parameters_are_the_servers",
            "session_keys_with_an_honest_peer_are_secret",
            "a_signature_has_a_scheme_that_its_verifier_listed",
            "nobody_lowers_the_scheme_of_a_signature",
        ),
    },
    local=("a_signature_has_a_scheme_that_its_verifier_listed",),
)
