"""A signature of a scheme that was not listed (CVE-2025-11934, CVE-2026-25834).

A client of TLS 1.3 lists the signature schemes that it takes. wolfSSL's client took a
CertificateVerify of any scheme that fitted the server's key, so a server could sign with less than
the client had asked for: with P-256 where only P-521 was listed. Mbed TLS had the like. The mends
compare the scheme with the list.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="unlisted_signature_scheme",
    title="a TLS 1.3 client takes a signature of a scheme that it did not list",
    source="wolfSSL 5.8.4 release notes, 2025",
    cve=("CVE-2025-11934", "CVE-2026-25834"),
    year=2025,
    hit="wolfSSL before 5.8.4, Mbed TLS",
    scenario="signature-schemes-tls13",
    patches={
        "client": without_check(
            "client_receive_certificate_verify_WAIT_CV_to_WAIT_FINISHED", "scheme listed"
        )
    },
    shows="a_signature_has_a_scheme_that_its_verifier_listed",
    steps=5,
    breaks={"client": ("a_signature_has_a_scheme_that_its_verifier_listed",)},
)
