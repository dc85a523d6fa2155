"""An unchecked chain (CVE-2014-0092): a certificate of an unknown authority passes.

GnuTLS returned an error of its verification as if it were success; OpenSSL took an ordinary
certificate for an authority's, once while it looked for another chain (2015), once where strict
checks were asked for (2021); LibreSSL lost an error of the leaf (2022). In each case the adversary
makes its own certificate for any name. The mends make every outcome but success a failure.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="unchecked_chain",
    title="a client takes a certificate that leads to no authority it trusts",
    source="GNUTLS-SA-2014-2; OpenSSL advisories of 9 July 2015 and 25 March 2021",
    cve=("CVE-2014-0092", "CVE-2015-1793", "CVE-2021-3450", "CVE-2022-48437"),
    year=2014,
    hit="GnuTLS before 3.2.12, OpenSSL 1.0.1n, 1.0.2b and 1.1.1h, LibreSSL before 3.6.1",
    scenario="tls12-small",
    patches={
        "client": without_check(
            "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD", "known CA"
        )
    },
    shows="an_empty_or_untrusted_server_certificate_is_refused",
    steps=3,
    breaks={
        "client": (
            "an_empty_or_untrusted_server_certificate_is_refused",
            "a_client_that_finished_talked_to_the_server",
            "a_verified_finished_means_one_transcript",
            "session_keys_with_an_honest_peer_are_secret",
            "authenticated_ends_agree_on_what_was_negotiated",
            "matching_runs_have_the_same_keys",
        ),
    },
)
