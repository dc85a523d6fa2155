"""Another share after a retry (2025): a server takes a share of a group it did not ask for.

A HelloRetryRequest names a group, and the second ClientHello must have one share of that group.
wolfSSL's server took a share of any group that it supports, so a client could go back to a group
that the server had just passed over. RFC 8446 4.2.8 has the client's duty; the check at the server
is the mend.
"""

from model.extensions.retry import supported
from model.flaws import Flaw
from model.patch import loosened

FLAW = Flaw(
    name="another_share_after_retry",
    title="a server takes a second hello with a share of another group than it asked for",
    source="wolfSSL issue 9362, 2025",
    year=2025,
    hit="wolfSSL",
    scenario="tls13-retry",
    patches={
        "server": loosened(
            "server_receive_second_client_hello_WAIT_CH_to_NEGOTIATED", "group kept", supported
        )
    },
    shows="after_a_retry_version_suite_and_group_are_those_it_named",
    steps=3,
    breaks={
        "server": ("after_a_retry_version_suite_and_group_are_those_it_named",),
    },
)
