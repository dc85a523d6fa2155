"""Mutants of server names."""

from model.extensions.server_name import host
from model.patch import with_effects, without_effects
from tests.mutants import s

MUTANTS = {
    # The host of the first hello stays, whatever the second one names.
    "a_host_serves_only_clients_that_meet_its_demand": s(
        "server-names-retry",
        with_effects("server_receive_client_hello_START_to_SEND_HRR", host=host),
        without_effects("server_receive_second_client_hello_WAIT_CH_to_NEGOTIATED", "host"),
    ),
}
