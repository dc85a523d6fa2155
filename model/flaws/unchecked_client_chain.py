"""An unchecked client chain (CVE-2021-20230): any authority will do.

stunnel can send those who fail verification to another address (redirect), for which it must not
end the handshake. Together with verifyChain it then sent everybody to the protected service,
whoever had signed their certificates. stunnel 5.57 keeps the outcome of the verification.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="unchecked_client_chain",
    title="a TLS 1.3 server takes a client's certificate of an unknown authority",
    source="stunnel 5.57 change log",
    cve=("CVE-2021-20230",),
    year=2021,
    hit="stunnel before 5.57",
    scenario="tls13",
    patches={
        "server": without_check(
            "server_receive_certificate_WAIT_CERT_to_WAIT_CV", "known CA"
        )
    },
    shows="a_server_that_authenticated_a_client_talked_to_it",
    steps=10,
    breaks={
        "server": (
            "a_server_that_authenticated_a_client_talked_to_it",
            "a_verified_finished_means_one_transcript",
            "mandatory_client_authentication_is_enforced",
            "session_keys_with_an_honest_peer_are_secret",
            "data_sent_to_an_honest_peer_is_secret",
            "authenticated_ends_agree_on_what_was_negotiated",
        ),
    },
)
