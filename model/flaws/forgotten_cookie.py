"""A forgotten cookie (CVE-2022-34293): a server that wants one back goes on without.

Over datagrams a server first sends a cookie, to see that the client is where it says. wolfSSL's
server of DTLS could be made to skip that round, and then did work, and sent flights, for anybody's
address. The HelloRetryRequest of TLS 1.3 is the same round, here with a server that never asks.
wolfSSL 5.4.0 mends it.
"""

from model.extensions.retry import best_common, needs_retry, supported
from model.flaws import Flaw
from model.patch import with_term

FLAW = Flaw(
    name="forgotten_cookie",
    title="a server that wants a cookie back goes on without one",
    source="wolfSSL 5.4.0 release notes, 2022",
    cve=("CVE-2022-34293",),
    year=2022,
    hit="wolfSSL before 5.4.0, DTLS",
    scenario="tls13-retry",
    patches={"server": with_term(needs_retry, (best_common() != "none") & ~supported)},
    shows="a_server_that_wants_a_cookie_asks_for_it",
    steps=1,
    breaks={
        "server": ("a_server_that_wants_a_cookie_asks_for_it",),
    },
)
