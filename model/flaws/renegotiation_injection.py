"""Renegotiation prefix injection (CVE-2009-3555): a server without renegotiation_info.

The adversary completes a handshake of its own, sends a prefix, and relays a client's first
handshake under its own keys, as a renegotiation. To the server the prefix and the client's data
come from one peer. Nothing in TLS bound the two handshakes, so every stack was hit; the mend is the
extension renegotiation_info (RFC 5746), with the Finished of the handshake before.
"""

from model.expr import FALSE
from model.flaws import Flaw
from model.patch import on_role, patched, with_effects, without_check
from model.role import Role

_CHECKS = (
    "renegotiation_info of a first hello",
    "renegotiation_info of a renegotiation",
    "renegotiation without the extension",
)


@on_role
def unaware(r: Role) -> Role:
    """A server that ignores renegotiation_info and sends none."""
    rows = [x.name for x in r.table if x.event == "ClientHello" and "secure" in x.do]
    return patched(r, [(without_check(n, *_CHECKS), with_effects(n, secure=FALSE)) for n in rows])


FLAW = Flaw(
    name="renegotiation_injection",
    number=7,
    title="a server renegotiates without renegotiation_info",
    source="Ray and Dispensa, Renegotiating TLS, 2009; RFC 5746",
    cve=("CVE-2009-3555",),
    year=2009,
    hit="every stack before RFC 5746",
    scenario="renegotiation-injection",
    patches={"server": unaware()},
    shows="before_and_after_a_renegotiation_there_is_one_peer",
    steps=23,
    breaks={
        "server": (
            "before_and_after_a_renegotiation_there_is_one_peer",
            "a_first_hello_carries_no_verify_data",
        )
    },
    idle={"server": ("a_renegotiation_carries_what_it_goes_on_from",)},
)
