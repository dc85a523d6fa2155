"""The status of another certificate (CVE-2021-37155): a stapled answer is good, but about whom?

An OCSP answer is signed by the authority and public, so the adversary staples the good answer of
its own certificate to a revoked one. wolfSSL, GnuTLS and curl did not compare the serial number in
the answer, or not all of it, with the certificate's. The mends compare it.
"""

from model.flaws import Flaw
from model.patch import without_check

_ROW = "client_receive_certificate_status"

FLAW = Flaw(
    name="status_of_another_certificate",
    title="a client takes the status of another certificate",
    source="wolfSSL 4.8.0 release notes, 2021; curl advisory of 9 December 2020",
    cve=("CVE-2016-7444", "CVE-2020-8286", "CVE-2021-37155"),
    year=2021,
    hit="GnuTLS before 3.4.15, curl 7.41.0 to 7.73.0, wolfSSL 4.6.0 to 4.7.0",
    scenario="status-request",
    patches={
        "client": [without_check(f"{_ROW}_{s}_to_SAME", "status of this certificate")
                   for s in ("WAIT_SKE", "WAIT_CR_SHD")]
    },
    shows="a_certificate_status_is_good_and_of_the_certificate_shown",
    steps=4,
    breaks={
        "client": ("a_certificate_status_is_good_and_of_the_certificate_shown",),
    },
)
