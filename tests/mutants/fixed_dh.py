"""Mutants of static Diffie-Hellman."""

from tests.mutants import c, without_rows

MUTANTS = {
    "can_a_client_be_authenticated_by_the_key_it_exchanges": c(
        "fixed-dh", without_rows("client_send_client_key_exchange_empty")
    ),
}
