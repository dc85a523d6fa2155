"""Mutants of half-close."""

from model.expr import TRUE, const
from model.patch import with_effects, without_condition, without_rows
from model.principal import End
from tests.mutants import Mutant, c, s

MUTANTS = {
    "data_after_close_notify_is_ignored": c(
        "half-close",
        with_effects("client_ignore_application_data_after_close", delivered=TRUE),
    ),
    "can_data_be_sent_after_the_peers_close_notify": Mutant(
        "half-close",
        {
            end: without_rows(f"{end}_send_application_data_READ_CLOSED_to_SAME")
            for end in ("client", "server")
        },
    ),
    "below_tls13_close_notify_ends_both_directions": c(
        "half-close-tls12",
        without_rows("client_receive_close_notify_CONNECTED_to_ANSWER_CLOSE"),
        without_condition("client_receive_close_notify_CONNECTED_to_READ_CLOSED"),
    ),
    "user_canceled_is_followed_by_close_notify": c(
        "honest-half-close", without_rows("client_send_close_notify_CANCELED_to_CLOSED")
    ),
    "a_handshake_given_up_ends_at_both_ends": s(
        "honest-half-close",
        with_effects("server_receive_close_notify_in_handshake", end=const("close_notify", End)),
    ),
}
