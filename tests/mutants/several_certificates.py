"""Mutants of several certificates."""

from model.patch import without_check
from tests.mutants import c

MUTANTS = {
    "the_key_of_a_certificate_fits_its_use": c(
        "several-certificates",
        without_check(
            "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD", "key of the suite"
        ),
    ),
}
