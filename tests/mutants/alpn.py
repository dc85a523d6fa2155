"""Mutants of the application protocol."""

from model.patch import without_check
from tests.mutants import c

MUTANTS = {
    "the_protocol_is_one_that_both_ends_have": c(
        "alpn",
        without_check(
            "client_receive_encrypted_extensions_WAIT_EE_to_WAIT_CERT_CR", "protocol listed"
        ),
    ),
}
