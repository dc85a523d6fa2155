"""A HelloRetryRequest for a group that was not offered (CVE-2026-25832, Mbed TLS).

The client makes a share of whatever group the server names, supported or not, so that the server
chooses what the client's configuration had left out. RFC 8446 4.2.8 demands the check; Mbed TLS
added it.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="unoffered_retry_group",
    number=61,
    title="a client follows a HelloRetryRequest for a group it did not offer",
    source="Mbed TLS security advisories, 2026",
    cve=("CVE-2026-25832",),
    year=2026,
    hit="Mbed TLS",
    scenario="tls13-retry",
    patches={
        "client": without_check(
            "client_receive_hello_retry_request_WAIT_SH_to_SEND_CH", "group offered"
        )
    },
    shows="a_retry_is_for_a_group_that_is_supported_and_not_shared_yet",
    steps=2,
    breaks={"client": ("a_retry_is_for_a_group_that_is_supported_and_not_shared_yet",)},
)
