"""Mutants of certificate status."""

from model.extensions.status_request import CertificateStatus
from model.patch import with_rows, without_check
from model.rule import SAME, receive
from tests.mutants import c

MUTANTS = {
    "certificate_status_comes_right_after_the_certificate": c(
        "status-request",
        with_rows(
            receive("client", CertificateStatus, "WAIT_SHD", SAME, rfc="6066 8"),
            receive("client", CertificateStatus, "SEND_CKE", SAME, rfc="6066 8"),
        ),
    ),
    "a_certificate_status_is_good_and_of_the_certificate_shown": c(
        "status-request",
        without_check(
            "client_receive_certificate_status_WAIT_SKE_to_SAME", "status of this certificate"
        ),
    ),
}
