"""Mutants of static Diffie-Hellman."""

from model.patch import without_check, without_rows
from tests.mutants import c, s

MUTANTS = {
    "can_a_client_be_authenticated_by_the_key_it_exchanges": c(
        "fixed-dh", without_rows("client_send_client_key_exchange_empty")
    ),
    "a_certificate_holds_the_kind_of_key_that_the_suite_uses": c(
        "fixed-dh",
        without_check("client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_SKE", "kind of key"),
    ),
    "a_finished_is_verified_only_with_both_shares": s(
        "fixed-dh",
        without_check(
            "server_receive_client_key_exchange_WAIT_CKE_to_WAIT_CERTIFICATE_VERIFY", "exchange"
        ),
    ),
}
