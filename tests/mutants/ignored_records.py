"""Mutants of the bound on ignored records."""

from model.patch import with_sources, without_check
from tests.mutants import s

MUTANTS = {
    "a_run_that_ignores_records_goes_on_or_closes": s(
        "honest-ignored-records",
        without_check("server_receive_empty_record_CONNECTED_CLOSING_to_SAME", "records ignored"),
    ),
    "an_empty_record_is_application_data": s(
        "ignored-records",
        with_sources("server_receive_empty_record_CONNECTED_CLOSING_to_SAME", "WAIT_FINISHED"),
    ),
}
