"""Mutants of what an end does with each record."""

from model.expr import TRUE
from model.generations.tls13_client import IN_THE_CLEAR
from model.message import ApplicationData
from model.patch import with_rows, with_sources, without_check, without_effects
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
    "data_is_delivered_only_after_ones_own_finished": s("tls12", with_rows(_data)),
    "an_end_takes_part_only_in_what_it_allows": s(
        "tls12-small",
        without_check("server_receive_client_hello_START_to_SEND_SH", "common suite"),
    ),
}
