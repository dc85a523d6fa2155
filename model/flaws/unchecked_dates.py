"""Unchecked dates (CVE-2009-1417): a certificate counts long after its end.

The verification of GnuTLS left the dates to its callers, and its own client did not look, so a key
that was lost and replaced years ago still opened connections. GnuTLS 2.6.6 checks activation and
expiration itself.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="unchecked_dates",
    title="a client takes a certificate that has expired",
    source="GNUTLS-SA-2009-3",
    cve=("CVE-2009-1417",),
    year=2009,
    hit="gnutls-cli of GnuTLS before 2.6.6",
    scenario="tls12-small",
    patches={
        "client": without_check(
            "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD", "not expired"
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
