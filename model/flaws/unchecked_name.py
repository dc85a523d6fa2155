"""An unchecked name (CVE-2012-5783): any valid certificate passes for the server's.

TLS gives the chain to the library above it, and many libraries never compared the name, so whoever
owns a certificate of any name could play every server. A study of 2012 found it in payment kits,
cloud clients and in Apache HttpClient. The mend is to compare the name, best in the TLS library
itself.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="unchecked_name",
    title="a client takes a certificate for another name",
    source="Georgiev et al., The Most Dangerous Code in the World, 2012",
    cve=("CVE-2012-5783",),
    year=2012,
    hit="Apache Commons HttpClient 3.x and other libraries above TLS",
    scenario="tls12-small",
    patches={
        "client": without_check(
            "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD", "right name"
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
