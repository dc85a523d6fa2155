"""Mutants of what is left over in a buffer."""

from model.patch import without_condition
from tests.mutants import s

MUTANTS = {
    "an_alert_comes_whole_or_in_two_records_in_a_row": s(
        "record-boundaries",
        without_condition(
            "server_receive_alert_fragment", "own.version in {none, SSL30, TLS10, TLS11, TLS12}"
        ),
    ),
}
