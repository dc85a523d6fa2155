"""Mutants of static Diffie-Hellman."""

from model.patch import without_rows
from tests.mutants import c

MUTANTS = {
    "can_a_client_be_authenticated_by_the_key_it_exchanges": c(
        "fixed-dh", without_rows("client_send_client_key_exchange_empty")
    ),
}
