"""SKIP-TLS, early Finished (CVE-2014-6593, JSSE; CyaSSL): Finished ends the handshake anywhere.

After the Certificate a client accepts a Finished without verification and sends data in the clear.
The state machine of JSSE took messages out of order, and verified only what had come. Whoever can
show the certificate of a server is the server. The mend is to ask for each message in its turn.
"""

from model.expr import const
from model.flaws import Flaw
from model.message import Finished
from model.patch import with_rows
from model.rule import receive

FLAW = Flaw(
    name="early_finished",
    number=28,
    title="a client accepts Finished right after the Certificate, unverified",
    source="Beurdouche et al., A Messy State of the Union, 2015",
    cve=("CVE-2014-6593",),
    year=2015,
    hit="JDK before 7u75 and 8u31, CyaSSL before 3.3",
    scenario="tls12",
    patches={
        "client": with_rows(
            receive("client", Finished, ("WAIT_SKE", "WAIT_CR_SHD", "WAIT_SHD"), "CONNECTED",
                    rfc="5246 7.4.9", do={"verified": const(True)})
        )
    },
    shows="a_client_that_finished_talked_to_the_server",
    steps=4,
    breaks={
        "client": (
            "a_client_that_finished_talked_to_the_server",
            "a_connected_run_writes_under_its_last_key",
            "a_finished_that_does_not_verify_is_a_decrypt_error",
            "a_run_is_connected_only_with_a_verified_finished",
            "each_finished_accepted_is_the_expected_one",
            "each_message_is_accepted_in_its_place",
            "every_message_is_sent_under_its_key",
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "an_authenticated_peer_proved_it_has_its_key",
            "the_end_is_clean_only_after_close_notify",
            "server_key_exchange_is_there_where_the_suite_demands_it",
            "finished_comes_right_after_change_cipher_spec",
            "finished_covers_every_handshake_message",
            "one_change_cipher_spec_comes_before_each_finished",
            "no_finished_and_no_data_is_accepted_in_the_clear",
            "the_suite_is_the_best_both_know",
            "data_sent_to_an_honest_peer_is_secret",
            "data_is_delivered_only_after_ones_own_finished",
        ),
    },
)
