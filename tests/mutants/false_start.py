"""Mutants of False Start."""

from model.expr import conj
from model.extensions.false_start import own
from model.patch import narrowed, without_check, without_condition
from model.principal import client
from tests.mutants import c

EARLY = "client_send_application_data_WAIT_CCS_WAIT_FIN_to_SAME"

MUTANTS = {
    "a_client_starts_early_only_under_its_conditions": c(
        "false-start",
        without_condition(EARLY),
        narrowed(
            EARLY, conj(own.false_starts, client.sends_data, client.version == client.max_version)
        ),
    ),
    "data_sent_early_to_an_honest_server_is_secret": c(
        "false-start",
        without_check("client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD", "signature"),
    ),
}
