"""The renegotiation indication (RFC 5746).

1. The first hellos carry an empty renegotiation_info (the ClientHello may have      3.4, 3.6
   the signalling suite instead): both ends can then renegotiate safely.
2. In a renegotiation the hellos carry the verify_data of the previous handshake     3.5, 3.7
   on the connection: the ClientHello the client's, the ServerHello both.
3. Anything else is a handshake_failure. With a peer that does not know the          4.1 to 4.4
   extension, an end renegotiates only if configured to.

A verify_data is compared by the fields that the Finished covered.
"""

from __future__ import annotations

from model.expr import BOOL, COMPOSITE, Domain, const, ite, same
from model.extensions import ENDS, Amend, Extension, takes, unasked
from model.observers import latch
from model.principal import Version
from model.role import Role
from model.rule import Check, Fields, Rule, Variable, check
from model.schedule import RESUMPTION, KeySchedule

RenegotiationInfo = Domain("RenegotiationInfo", ("none", "scsv", "empty", "value"))
"""The indication in a hello: none, TLS_EMPTY_RENEGOTIATION_INFO_SCSV, empty, or verify_data."""

_SHARED = {
    # Configuration: the end knows the extension; the end renegotiates with one that does not.
    "knows_ri": Variable(BOOL, (True,)),
    "allows_insecure": Variable(BOOL, (False,)),
    # The peer has shown that it knows the extension.
    "secure": Variable(BOOL, (False,)),
    # The indication in the peer's hello.
    "indication": Variable(RenegotiationInfo, ("none",)),
}
VARIABLES = {
    # Configuration: the first hello carries the signalling suite instead of the extension.
    "client": {"signals": Variable(BOOL, (False,)), **_SHARED},
    "server": _SHARED,
}
FIELDS = {"renegotiation_info": RenegotiationInfo, "renegotiated_connection": COMPOSITE}
own = Fields(
    "the run", "own", {**{n: v.domain for n, v in VARIABLES["client"].items()},
                       "renegotiating": BOOL, "version": Version},
)
prev = Fields("the handshake before", "prev", {n: v.domain for n, v in _SHARED.items()})
hello = Fields("the hello", "msg", FIELDS)
info = hello.renegotiation_info

_none, _scsv, _empty, _value = (
    const(v, RenegotiationInfo) for v in ("none", "scsv", "empty", "value")
)
_bound = own.knows_ri & own.renegotiating & prev.secure
# The fields under both Finished of the previous handshake; filled in when the role is built.
_right = (info == "value") & same(hello.renegotiated_connection)


def _checks(first: tuple[str, ...]) -> tuple[Check, ...]:
    return (
        check(
            "renegotiation_info of a first hello",
            ~own.knows_ri | own.renegotiating | info.one_of(*first),
            "handshake_failure",
        ),
        check("renegotiation_info of a renegotiation", ~_bound | _right, "handshake_failure"),
        check(
            "renegotiation without the extension",
            ~(own.knows_ri & own.renegotiating) | prev.secure
            | (own.allows_insecure & (info == "none")),
            "handshake_failure",
        ),
    )


_DO = {"secure": own.knows_ri & (info != "none"), "indication": info}
_SERVER = _checks(("none", "scsv", "empty"))
_CLIENT = (
    check("renegotiation_info asked for", own.knows_ri | (info == "none"), "unsupported_extension"),
    *_checks(("none", "empty")),
)


def _every(role: Role, rule: Rule) -> Amend | None:
    """TLS 1.3 has no renegotiation and no such answer."""
    there = takes(role, rule, "ServerHello", "tls13")
    checks = unasked("renegotiation_info", info != "none", own.knows_ri)
    return Amend("", checks=checks) if there else None


EXTENSION = Extension(
    "renegotiation_info",
    "5746",
    "the renegotiation indication",
    variables=VARIABLES,
    fields={"ClientHello": FIELDS, "ServerHello": FIELDS},
    optional={"ClientHello": ("renegotiation_info",), "ServerHello": ("renegotiation_info",)},
    sends={
        "client": {
            "ClientHello": {
                "renegotiation_info": ite(
                    own.knows_ri,
                    ite(own.renegotiating, ite(prev.secure, _value, _none),
                        ite(own.signals, _scsv, _empty)),
                    _none,
                ),
                "renegotiated_connection": (),
            }
        },
        "server": {
            "ServerHello": {
                "renegotiation_info": ite(
                    own.secure, ite(own.renegotiating, _value, _empty), _none
                ),
                "renegotiated_connection": (),
            }
        },
    },
    views={"client": {"secure": own.secure}, "server": {"secure": own.secure}},
    covers={"hellos": ("secure",)},
    schedule=dict.fromkeys(
        ENDS,
        KeySchedule(
            bound=_bound, seals={"renegotiated_connection": {RESUMPTION: own.renegotiating}}
        ),
    ),
    needs=("renegotiation",),
    observers={
        end: (
            # The hello that begins the run: a later one is only answered.
            latch("wrong_renegotiation", "receive", of, _bound & ~_right & (own.version == "none")),
        )
        for end, of in (("client", "ServerHello"), ("server", "ClientHello"))
    },
    every=_every,
    amends=(
        Amend("client_send_client_hello_START_to_WAIT_SH",
              when=~own.knows_ri | ~own.renegotiating | prev.secure | own.allows_insecure),
        *(
            Amend(f"client_receive_server_hello_WAIT_SH_to_{to}", of=of, checks=_CLIENT, do=_DO)
            for to, of in (("WAIT_CERTIFICATE", ""), ("WAIT_SKE", ""),
                           ("RES_WAIT_CCS", "resumption"))
        ),
        *(
            Amend(f"server_receive_client_hello_{name}", of=of, checks=_SERVER, do=_DO)
            for name, of in (("START_to_SEND_SH", ""),
                             ("START_to_RES_SEND_SH", "resumption"))
        ),
    ),
)
