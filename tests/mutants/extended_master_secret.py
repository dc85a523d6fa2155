"""Mutants of the extended master secret."""

from model.patch import without_check
from tests.mutants import Mutant, c

CLIENT = "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE"
SERVER = "server_receive_client_hello_START_to_SEND_SH"
# The adversary strips the extension from both hellos.
LENIENT = Mutant(
    "tls12-ems",
    {
        "client": without_check(CLIENT, "EMS there"),
        "server": without_check(SERVER, "EMS there"),
    },
)

MUTANTS = {
    "the_session_hash_is_used_if_both_hellos_ask_for_it": c(
        "tls12-ems-optional", without_check(CLIENT, "EMS asked for")
    ),
    "who_shares_a_key_knows_with_whom": LENIENT,
    "the_session_keys_identify_the_channel": LENIENT,
}
