"""Mutants of tickets below TLS 1.3."""

from model.patch import without_condition, without_sources
from tests.mutants import c

MUTANTS = {
    # A ChangeCipherSpec in the place of the ticket that was promised.
    "a_new_ticket_comes_if_promised_and_in_its_place": c(
        "session-ticket",
        without_sources("client_receive_new_session_ticket_promised", "WAIT_CCS"),
        without_condition("client_receive_change_cipher_spec_WAIT_CCS_to_WAIT_FIN"),
    ),
}
