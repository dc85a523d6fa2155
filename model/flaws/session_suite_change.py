"""A resumed session with another suite (CVE-2010-4180): the server takes the best one offered."""

from model.flaws import Flaw
from model.generations.negotiation import best
from model.patch import with_effects

FLAW = Flaw(
    name="session_suite_change",
    number=35,
    title="a server resumes a session with another suite",
    source="CVE-2010-4180, CVE-2008-7270 (OpenSSL)",
    scenario="resumption-suites",
    patches={
        "server": with_effects("server_receive_client_hello_START_to_RES_SEND_SH", suite=best())
    },
    shows="a_session_keeps_its_parameters",
    steps=19,
    breaks={"server": ("a_session_keeps_its_parameters",)},
)
