"""Mutants of the cipher suites of TLS 1.3."""

from model.expr import const
from model.extensions import early_data
from model.extensions.cipher_suites import Cipher
from model.patch import with_effects, without_check
from tests.mutants import c, s

_HELLO = "client_receive_server_hello_WAIT_SH_to_WAIT_EE"
MUTANTS = {
    "a_suite_of_tls13_is_one_that_both_ends_have": c(
        "cipher-suites", without_check(_HELLO, "cipher offered")
    ),
    "a_suite_of_tls13_is_the_best_both_know": s(
        "cipher-suites-retry",
        with_effects(
            "server_receive_client_hello_START_to_SEND_HRR",
            cipher=const("AES128_SHA256", Cipher),
        ),
    ),
    "after_a_retry_the_suite_is_the_one_it_named": c(
        "cipher-suites-retry", without_check(_HELLO, "cipher of the retry")
    ),
    "a_key_is_used_with_its_hash": c(
        "cipher-suites", without_check("client_receive_server_hello_psk", "hash of the key")
    ),
    "early_data_is_accepted_only_under_the_suite_of_its_key": s(
        "cipher-suites-early-data",
        with_effects(
            "server_receive_client_hello_psk", early_accepted=early_data.hello.early_data
        ),
    ),
}
