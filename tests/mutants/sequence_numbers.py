"""Mutants of record sequence numbers."""

from model.patch import without_check, without_effects
from tests.mutants import c, s

_DATA = "{}_receive_application_data_CONNECTED_to_SAME"

MUTANTS = {
    "data_delivered_was_written_in_the_same_place": c(
        "sequence-numbers", without_check(_DATA.format("client"), "sequence number")
    ),
    "no_record_of_data_is_delivered_twice": s(
        "sequence-numbers-tls13", without_check(_DATA.format("server"), "sequence number")
    ),
    "no_number_is_used_twice_under_a_key": s(
        "sequence-numbers-tls13",
        without_effects("server_send_application_data_CONNECTED_to_SAME", "write_sequence"),
    ),
    "no_record_between_honest_ends_is_a_bad_one": c(
        "sequence-numbers-honest",
        without_effects("client_receive_application_data_CLOSING_to_SAME", "read_sequence"),
    ),
    "a_clean_end_comes_after_all_data": c(
        "sequence-numbers",
        without_check("client_receive_close_notify_CONNECTED_to_ANSWER_CLOSE", "sequence number"),
    ),
}
