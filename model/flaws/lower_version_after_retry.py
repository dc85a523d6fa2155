"""NSS after HelloRetryRequest (CVE-2019-17023): the version may still fall to TLS 1.2.

A client that received a HelloRetryRequest, a message of TLS 1.3, accepts a ServerHello of TLS 1.2.
NSS then was in a state that it had no rules for, and dropped the data that came. NSS 3.49 refuses
the hello with illegal_parameter, as RFC 8446 4.1.4 says.
"""

from model.flaws import Flaw
from model.patch import without_check

ROW = "client_receive_server_hello_WAIT_SH_to"

FLAW = Flaw(
    name="lower_version_after_retry",
    number=46,
    title="a client goes on with TLS 1.2 after HelloRetryRequest",
    source="NSS 3.49 release notes",
    cve=("CVE-2019-17023",),
    year=2019,
    hit="NSS before 3.49",
    scenario="tls13-retry",
    patches={
        "client": (
            without_check(f"{ROW}_WAIT_CERTIFICATE", "not after a retry"),
            without_check(f"{ROW}_WAIT_SKE", "not after a retry"),
        )
    },
    shows="after_a_retry_version_suite_and_group_are_those_it_named",
    steps=4,
    breaks={"client": ("after_a_retry_version_suite_and_group_are_those_it_named",)},
)
