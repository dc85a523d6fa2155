"""Mutants of KeyUpdate."""

from model.extensions.key_update import KeyUpdate, own
from model.patch import with_effects, with_rows, without_check, without_condition, without_rows
from model.rule import SAME, receive
from tests.mutants import c, s

MUTANTS = {
    "a_key_update_comes_only_after_the_peers_finished": c(
        "key-update",
        with_rows(receive("client", KeyUpdate, "WAIT_FINISHED", SAME, rfc="8446 4.6.3")),
    ),
    "a_receiver_is_never_ahead_of_an_honest_sender": s(
        "key-update",
        with_effects("server_send_key_update", write_generation=own.write_generation),
    ),
    "a_requested_update_is_answered_before_the_next_data": s(
        "key-update",
        without_condition("server_send_application_data_CONNECTED_to_SAME", "~own.must_answer"),
    ),
    "can_crossing_requests_take_both_ends_two_generations_up": c(
        "key-update", without_rows("client_send_key_update_answer")
    ),
    "after_a_clean_close_each_end_read_what_the_other_wrote": c(
        "honest-key-update",
        with_effects("client_receive_key_update", read_generation=own.read_generation),
        without_check("client_receive_close_notify_CONNECTED_to_ANSWER_CLOSE", "key generation"),
        without_check("client_receive_close_notify_CLOSING_to_CLOSED", "key generation"),
    ),
    "every_record_is_read_in_its_generation": c(
        "key-update",
        without_check("client_receive_application_data_CONNECTED_to_SAME", "key generation"),
    ),
    "a_key_update_asks_or_does_not": c(
        "key-update", without_check("client_receive_key_update", "request_update")
    ),
}
