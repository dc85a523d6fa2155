"""A resumed session changes its suite (CVE-2010-4180): the server takes the best one offered."""

from dataclasses import replace

from model.flaws import Flaw
from model.generations.negotiation import best
from model.rule import Role


def any_suite(r: Role) -> Role:
    """A server that chooses the suite of a resumed session anew."""
    rows = []
    for x in r.table:
        if x.name == "server_receive_client_hello_START_to_RES_SEND_SH":
            x = replace(x, do={**x.do, "suite": best()})
        rows.append(x)
    return replace(r, table=tuple(rows))


FLAW = Flaw(
    name="session_suite_change",
    number=35,
    title="a server resumes a session with another suite",
    source="CVE-2010-4180, CVE-2008-7270 (OpenSSL)",
    scenario="resumption-suites",
    patches={"server": any_suite},
    shows="a_session_keeps_its_parameters",
    breaks={"server": ("a_session_keeps_its_parameters",)},
)
