"""Mutants of what an end does with each record."""

from model.expr import TRUE, const
from model.generations.tls13_client import IN_THE_CLEAR
from model.message import ApplicationData
from model.patch import (
    with_effects,
    with_rows,
    with_sources,
    with_target,
    without_check,
    without_condition,
    without_effects,
)
from model.principal import Key, ServerOwner
from model.rule import SAME, receive
from tests.mutants import c, s

_data = receive(
    "server", ApplicationData, "SEND_CCS", SAME, rfc="5246 10", label="early",
    do={"delivered": TRUE},
)
MUTANTS = {
    "every_record_is_taken_under_the_read_key": s(
        "tls13",
        with_rows(
            receive("server", ApplicationData, "WAIT_FINISHED", SAME, rfc="8446 5",
                    under=IN_THE_CLEAR, label="clear")
        ),
    ),
    "a_closed_run_knows_how_it_ended": c(
        "tls12-small", without_effects("client_receive_transport_close", "end")
    ),
    "a_clean_end_stays_clean": c(
        "closure", without_effects("client_receive_close_notify_CLOSING_to_CLOSED", "end")
    ),
    "nothing_is_dropped_before_the_close": s(
        "tls12-small", with_sources("server_ignore_finished_after_close", "WAIT_CKE")
    ),
    "a_clean_end_is_told_to_the_peer": c(
        "tls12-small",
        with_target("client_receive_close_notify_CONNECTED_to_ANSWER_CLOSE", "CLOSED"),
    ),
    "every_change_cipher_spec_is_well_formed": s(
        "tls12-small",
        without_check("server_receive_change_cipher_spec_WAIT_CCS_to_WAIT_FIN", "value"),
    ),
    "what_a_message_says_is_what_is_kept": c(
        "tls12-small",
        with_effects(
            "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE",
            server_random=const("server0", ServerOwner),
        ),
    ),
    "a_client_shows_only_a_certificate_that_it_has": c(
        "tls12-small",
        without_condition(
            "client_send_certificate_SEND_CERTIFICATE_to_SEND_CKE",
            "((msg.certificate == empty) & (own.version != SSL30)) | "
            "((msg.certificate == honest) & own.has_certificate)",
        ),
    ),
    "a_connected_run_writes_under_its_last_key": c(
        "tls13", without_effects("client_send_finished_SEND_FINISHED_to_CONNECTED", "write_key")
    ),
    "data_is_delivered_only_after_ones_own_finished": s("tls12", with_rows(_data)),
    "an_end_takes_part_only_in_what_it_allows": s(
        "tls12-small",
        without_check("server_receive_client_hello_START_to_SEND_SH", "common suite"),
    ),
    "every_message_is_sent_under_its_key": c(
        "tls13",
        with_effects(
            "client_receive_finished_WAIT_FINISHED_to_SEND_FINISHED",
            write_key=const("application", Key),
        ),
    ),
}
