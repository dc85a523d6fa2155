"""Renegotiation prefix injection (CVE-2009-3555): the server does not know the indication.

The adversary makes a handshake of its own and sends a prefix; then it relays a client's first
handshake under the keys of its own, as a renegotiation. The server takes prefix and what follows
for one peer's.
"""

from dataclasses import replace

from model.expr import FALSE
from model.flaws import Flaw
from model.rule import Role


def unaware(r: Role) -> Role:
    """The server ignores renegotiation_info and sends none."""
    rows = []
    for x in r.table:
        if x.event == "ClientHello" and "secure" in x.do:
            checks = tuple(c for c in x.checks if not c.name.startswith("renegotiation"))
            x = replace(x, checks=checks, do={**x.do, "secure": FALSE})
        rows.append(x)
    return replace(r, table=tuple(rows))


FLAW = Flaw(
    name="renegotiation_injection",
    number=7,
    title="a server renegotiates without renegotiation_info",
    source="CVE-2009-3555 (Ray and Dispensa, TLS renegotiation)",
    scenario="renegotiation-info",
    patches={"server": unaware},
    shows="before_and_after_a_renegotiation_there_is_one_peer",
    breaks={
        "server": (
            "before_and_after_a_renegotiation_there_is_one_peer",
            "a_first_hello_carries_no_verify_data",
        )
    },
    idle={"server": ("a_renegotiation_carries_what_it_goes_on_from",)},
)
