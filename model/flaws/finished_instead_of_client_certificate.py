"""Finished instead of a client's proof (CVE-2022-25640): mutual authentication is skipped.

A wolfSSL server of TLS 1.3 that demands a client certificate accepted Finished in its place, or in
place of the CertificateVerify after it. A client of no certificate, or of somebody else's, was
connected all the same. State-machine learning found it; wolfSSL 5.2.0 refuses a Finished that comes
before what was demanded.
"""

from model.flaws import Flaw
from model.patch import with_sources

FLAW = Flaw(
    name="finished_instead_of_client_certificate",
    number=50,
    title="a TLS 1.3 server takes Finished where it waits for a client's certificate or its proof",
    source="Rasoamanana et al., Towards a Systematic and Automatic Use of State Machine Inference, "
    "2022",
    cve=("CVE-2022-25640",),
    year=2022,
    hit="wolfSSL before 5.2.0",
    scenario="tls13",
    patches={
        "server": with_sources(
            "server_receive_finished_WAIT_FINISHED_to_CONNECTED", "WAIT_CERT", "WAIT_CV"
        )
    },
    shows="mandatory_client_authentication_is_enforced",
    steps=8,
    breaks={
        "server": (
            "mandatory_client_authentication_is_enforced",
            "the_certificate_handshake_is_complete",
            "each_message_of_tls13_is_accepted_in_its_place",
            "a_server_that_authenticated_a_client_talked_to_it",
            "a_verified_finished_means_one_transcript",
            "an_authenticated_peer_proved_it_has_its_key",
            "session_keys_with_an_honest_peer_are_secret",
            "data_sent_to_an_honest_peer_is_secret",
            "authenticated_ends_agree_on_what_was_negotiated",
        ),
    },
)
