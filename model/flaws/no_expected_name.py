"""No expected name (CVE-2025-27809): a client without a name to compare compares nothing.

An application that forgot to give Mbed TLS the name of the server got no error, but a client that
takes any certificate; wolfSSL with the verifier of Apple's systems did not pass the name on, and
Bouncy Castle compared an address that it had looked up. Mbed TLS 3.6.3 refuses a handshake without
a name.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="no_expected_name",
    title="a TLS 1.3 client that was told no name takes a certificate for any",
    source="Mbed TLS security advisory 2025-03-1; wolfSSL 5.8.2 release notes",
    cve=("CVE-2024-34447", "CVE-2025-27809", "CVE-2025-7395"),
    year=2025,
    hit="Bouncy Castle before 1.78, Mbed TLS before 3.6.3, wolfSSL before 5.8.2 on Apple systems",
    scenario="tls13",
    patches={
        "client": without_check(
            "client_receive_certificate_WAIT_CERT_CR_WAIT_CERT_to_WAIT_CV", "right name"
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
