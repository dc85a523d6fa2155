"""A resumed session with another suite (CVE-2010-4180): the server takes the best one offered.

A workaround for old browsers (SSL_OP_NETSCAPE_REUSE_CIPHER_CHANGE_BUG) let a client change the
suite of a cached session, and the cache kept the change: the adversary asks once with a weak suite,
and the next client that resumes gets it. OpenSSL turned the workaround off.
"""

from model.flaws import Flaw
from model.generations.negotiation import best
from model.patch import with_effects

FLAW = Flaw(
    name="session_suite_change",
    number=35,
    title="a server resumes a session with another suite",
    source="OpenSSL security advisory of 2 December 2010",
    cve=("CVE-2008-7270", "CVE-2010-4180"),
    year=2010,
    hit="OpenSSL before 0.9.8q and 1.0.0c",
    scenario="resumption-suites",
    patches={
        "server": with_effects("server_receive_client_hello_START_to_RES_SEND_SH", suite=best())
    },
    shows="a_session_keeps_its_parameters",
    steps=19,
    breaks={"server": ("a_session_keeps_its_parameters",)},
)
