"""Mutants of tickets below TLS 1.3."""

from model.expr import TRUE
from tests.mutants import c, changed

MUTANTS = {
    # A ChangeCipherSpec in the place of the ticket that was promised.
    "a_new_ticket_comes_if_promised_and_in_its_place": c(
        "session-ticket",
        changed("client_receive_new_session_ticket_promised", sources=("RES_WAIT_CCS",)),
        changed("client_receive_change_cipher_spec_WAIT_CCS_to_WAIT_FIN", when=TRUE),
    ),
}
