"""A flood of warning alerts (CVE-2016-8610): OpenSSL reads them without end.

A warning changes nothing below TLS 1.3, so OpenSSL dropped each and read the next: a peer that
sends nothing else keeps the process busy in the middle of the handshake. OpenSSL 1.1.0a and 1.0.2i
give up after five in a row.
"""

from model.flaws import Flaw
from model.patch import without_check

_FALLS = ("no_more_records_are_ignored_in_a_row_than_the_bound",)

FLAW = Flaw(
    name="warning_alert_flood",
    title="warning alerts are ignored without a bound",
    source="Shi Lei, SSL Death Alert, 2016",
    cve=("CVE-2016-8610",),
    year=2016,
    hit="OpenSSL before 1.0.2i and 1.1.0a",
    scenario="ignored-records",
    patches={
        end: without_check(f"{end}_receive_alert_ignored", "records ignored")
        for end in ("client", "server")
    },
    shows=_FALLS[0],
    steps=3,
    breaks={
        "both": ("no_more_records_are_ignored_in_a_row_than_the_bound",),
        "client": ("no_more_records_are_ignored_in_a_row_than_the_bound",),
        "server": ("no_more_records_are_ignored_in_a_row_than_the_bound",),
    },
)
