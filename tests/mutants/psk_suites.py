"""Mutants of shared keys below TLS 1.3."""

from model.patch import without_check
from tests.mutants import c, s

MUTANTS = {
    "a_server_that_shares_the_honest_key_talked_to_its_holder": s(
        "psk-suites", without_check("server_receive_finished_WAIT_FIN_to_SEND_CCS", "verify_data")
    ),
    "a_known_key_is_named_where_the_suite_has_one": s(
        "psk-suites",
        without_check(
            "server_receive_client_key_exchange_WAIT_CKE_to_WAIT_CCS", "psk identity there"
        ),
    ),
    "a_server_key_exchange_has_parameters_or_a_hint": c(
        "psk-suites", without_check("client_receive_server_key_exchange_anonymous", "parameters")
    ),
}
