"""Goto fail (CVE-2014-1266): the signature of ServerKeyExchange is not checked.

A line `goto fail;` stood twice in Secure Transport, and the second skipped the verification with
the status of success. Anybody can then be any server with DHE or ECDHE. It hit iPhones and Macs for
a year and a half; the mend was to delete the line.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="goto_fail",
    number=33,
    title="a client does not check the signature of ServerKeyExchange",
    source="Apple security content of iOS 7.0.6, 2014",
    cve=("CVE-2014-1266",),
    year=2014,
    hit="Secure Transport of iOS before 7.0.6, OS X before 10.9.2",
    scenario="tls12",
    patches={
        "client": without_check(
            "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD", "signature"
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=10,
    breaks={
        "client": (
            "a_client_that_finished_talked_to_the_server",
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "signed_parameters_are_the_servers",
            "each_signature_of_parameters_accepted_is_the_expected_one",
            "session_keys_with_an_honest_peer_are_secret",
            "data_sent_to_an_honest_peer_is_secret",
        ),
    },
)
