"""Mutants of early data."""

from model.expr import TRUE
from model.extensions.early_data import client, ee, skips
from model.message import UndecryptableRecord
from model.patch import with_effects, with_rows, with_sent, without_check, without_condition
from model.rule import SAME, receive
from tests.mutants import Mutant, c, s

EE = "client_receive_encrypted_extensions_WAIT_EE_to_WAIT_CERT_CR"
READS = "server_receive_early_data_NEGOTIATED_SEND_EE_SEND_FINISHED_WAIT_EOED_to_SAME"

MUTANTS = {
    # The second hello offers early data as the first did.
    "a_retry_ends_early_data": c(
        "retry-early-data", with_sent("SecondClientHello", early_data=client.early_offered)
    ),
    "early_data_is_accepted_only_with_its_key": c(
        "tls13-early-data",
        without_check(EE),
        with_effects(EE, early_accepted=ee.early_data),
    ),
    "early_data_is_delivered_once_in_the_world": Mutant("early-data-two-servers", {}),
    # A record is taken for Finished without its key.
    "a_client_run_is_the_peer_of_one_server_run": s(
        "early-data-two-servers",
        with_rows(
            receive(
                "server", UndecryptableRecord, "WAIT_FINISHED", "CONNECTED", rfc="8446 5.2",
                when=~skips, do={"verified": TRUE}, label="any_record_as_finished",
            )
        ),
    ),
    "the_end_of_early_data_is_sent_if_it_was_accepted": c(
        "tls13-early-data", without_condition("client_send_finished_SEND_FINISHED_to_CONNECTED")
    ),
    # A record is delivered without its key.
    "early_data_is_from_who_has_the_key": s(
        "tls13-early-data",
        with_rows(
            receive(
                "server", UndecryptableRecord, "WAIT_EOED", SAME, rfc="8446 5.2",
                do={"early_delivered": TRUE}, label="any_record_as_early_data",
            )
        ),
    ),
    "records_are_passed_over_only_for_early_data_not_accepted": s(
        "tls13-early-data", without_condition("server_skip_early_data", "own.early_offered")
    ),
    "early_data_is_sent_only_if_it_may_be": c(
        "tls13-early-data",
        without_condition("client_send_early_data_WAIT_SH_WAIT_EE_to_SAME", "own.early_offered"),
    ),
    "accepted_early_data_is_taken_once_under_its_key": s(
        "tls13-early-data", without_condition(READS, "~own.early_delivered")
    ),
}
