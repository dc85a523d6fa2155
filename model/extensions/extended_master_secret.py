"""The extended master secret (RFC 7627).

1. Both hellos carry the extension, or the handshake does without.     5.1, 5.2
2. An end may refuse a peer that does not know the extension.          5.2
3. The master secret is made of the session hash: ClientHello to       3, 4
   ClientKeyExchange. So two handshakes with the same master secret
   have the same transcript and certificates.
4. A session made with the extension is refused to a hello without it. 5.3
   A session made without it is not upgraded: the handshake is full.
"""

from __future__ import annotations

from model.expr import BOOL
from model.extensions import ENDS, Amend, Extension, takes, unasked
from model.observers import after, held, keeps
from model.principal import Version
from model.role import Role
from model.rule import Fields, Rule, Variable, check
from model.schedule import KeySchedule

_SHARED = {
    # Configuration: the end knows the extension; the end refuses a peer that does not.
    "offers_ems": Variable(BOOL, (True,)),
    "requires_ems": Variable(BOOL, (False,)),
    # Negotiated.
    "ems": Variable(BOOL, (False,)),
}
VARIABLES = {"client": _SHARED, "server": _SHARED}
FIELDS = {"extended_master_secret": BOOL}
own = Fields("the run", "own", {n: v.domain for n, v in _SHARED.items()})
hello = Fields("the hello", "msg", FIELDS)
prev = Fields("the handshake before", "prev", {"ems": BOOL})
flag = hello.extended_master_secret
upgrade = flag & own.offers_ems & ~prev.ems

_asked = check("EMS asked for", ~flag | own.offers_ems, "unsupported_extension")
_kept = check("EMS of the session", (flag & own.offers_ems) | ~prev.ems, "handshake_failure")
_there = check("EMS there", flag | ~own.requires_ems, "handshake_failure")


def _every(role: Role, rule: Rule) -> Amend | None:
    # TLS 1.3 always binds the transcript; the extension is not for its ServerHello.
    there = takes(role, rule, "ServerHello", "tls13")
    return Amend("", checks=unasked("EMS", flag, own.offers_ems)) if there else None


EXTENSION = Extension(
    "extended_master_secret",
    "7627",
    "the extended master secret",
    variables=VARIABLES,
    fields={"ClientHello": FIELDS, "ServerHello": FIELDS},
    sends={
        "client": {"ClientHello": {"extended_master_secret": own.offers_ems}},
        "server": {"ServerHello": {"extended_master_secret": own.ems}},
    },
    views={"client": {"ems": own.ems}, "server": {"ems": own.ems}},
    covers={"hellos": ("ems",), "secret": ("ems",)},
    schedule=dict.fromkeys(ENDS, KeySchedule(hashed=own.ems)),
    every=_every,
    observers={
        "client": (keeps("receive", "ServerHello", held(own, ems=flag)),),
        "server": (
            keeps("receive", "ClientHello",
                  (after("version", Version) == "TLS13") | held(own, ems=flag & own.offers_ems)),
        ),
    },
    amends=(
        *(
            Amend(
                f"client_receive_server_hello_WAIT_SH_to_{to}",
                checks=(_asked, _there),
                do={"ems": flag},
            )
            for to in ("WAIT_CERTIFICATE", "WAIT_SKE")
        ),
        Amend(
            "server_receive_client_hello_START_to_SEND_SH",
            checks=(_there,),
            do={"ems": flag & own.offers_ems},
        ),
        # The four cases of a resumption.
        Amend("server_receive_client_hello_START_to_RES_SEND_SH", of="resumption",
              when=~upgrade,
              checks=(_kept, _there), do={"ems": flag & own.offers_ems}),
        Amend("server_receive_client_hello_START_to_RES_SEND_SH", of="session_ticket",
              when=~upgrade),
        Amend("client_receive_server_hello_WAIT_SH_to_RES_WAIT_CCS", of="resumption",
              checks=(check("EMS of the session", flag == prev.ems, "handshake_failure"), _there),
              do={"ems": flag}),
    ),
)
