"""The downgrade dance of POODLE (2014): a server does not look at the fallback signal.

Browsers answered a failed handshake with a hello of the version below, down to SSL 3.0, for the
sake of broken servers. An adversary that drops packets so chooses the version, and nothing in the
last hello tells that it was not the first. The mend is a value among the suites of such a hello,
TLS_FALLBACK_SCSV (RFC 7507): a server that knows a higher version refuses it. This server does not.
The padding oracle that made SSL 3.0 worth the dance is outside this model. Here a client says SSL
3.0 and that it is a retry, and a server that knows TLS 1.2 goes on with SSL 3.0.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="ignored_fallback_signal",
    number=9,
    title="a server ignores the fallback signalling suite value",
    source="Moeller, Duong and Kotowicz, This POODLE Bites, 2014; RFC 7507",
    cve=("CVE-2014-3566",),
    year=2014,
    hit="servers of SSL 3.0 to TLS 1.1 beside better versions, before RFC 7507",
    scenario="fallback",
    patches={"server": without_check("server_receive_client_hello_START_to_SEND_SH", "fallback")},
    shows="a_fallback_ends_at_a_server_that_knows_no_better",
    steps=20,
    breaks={
        "server": ("a_fallback_ends_at_a_server_that_knows_no_better",),
    },
)
