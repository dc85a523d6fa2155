"""Mutants of the bound on ignored records."""

from model.patch import without_check
from tests.mutants import s

MUTANTS = {
    "a_run_that_ignores_records_goes_on_or_closes": s(
        "honest-ignored-records",
        without_check("server_receive_empty_record_CONNECTED_CLOSING_to_SAME", "records ignored"),
    ),
}
