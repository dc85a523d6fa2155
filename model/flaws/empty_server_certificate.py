"""An empty Certificate of a server (2026): a client goes on with nobody.

The list in a server's Certificate must not be empty. wolfSSL's client of TLS 1.2 took an empty one,
and so had LibreSSL's before: there was no certificate to verify, and no verification failed. With
static RSA there is then no key to encrypt to; with a signature there is none to verify.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="empty_server_certificate",
    number=73,
    title="a client takes an empty Certificate of the server",
    source="wolfSSL issue 9651, 2026",
    year=2026,
    hit="wolfSSL, LibreSSL 3.1.2",
    scenario="tls12-small",
    patches={
        "client": without_check(
            "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD", "not empty"
        )
    },
    shows="an_empty_or_untrusted_server_certificate_is_refused",
    steps=3,
    breaks={
        "client": (
            "an_empty_or_untrusted_server_certificate_is_refused",
            "a_client_that_finished_talked_to_the_server",
            "a_verified_finished_means_one_transcript",
            "session_keys_with_an_honest_peer_are_secret",
            "authenticated_ends_agree_on_what_was_negotiated",
            "matching_runs_have_the_same_keys",
        ),
    },
)
