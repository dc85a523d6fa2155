"""Mutants of the fallback signalling suite."""

from model.patch import without_check
from tests.mutants import s

MUTANTS = {
    "a_fallback_ends_at_a_server_that_knows_no_better": s(
        "fallback", without_check("server_receive_client_hello_START_to_SEND_SH", "fallback")
    )
}
