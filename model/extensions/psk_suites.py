"""Pre-shared keys below TLS 1.3: PSK, DHE_PSK, RSA_PSK (RFC 4279) and ECDHE_PSK (RFC 5489).

1. No Certificate but with RSA_PSK, and so no CertificateRequest.              4279 2, 3, 4; 5489 2
2. ServerKeyExchange: with DHE_PSK and ECDHE_PSK always, for the parameters, which nobody signs;
   with PSK and RSA_PSK only if the server gives a hint.                       4279 2, 3, 4
3. ClientKeyExchange names the key; the premaster is made of that key and the  4279 2, 3, 4
   rest of the exchange.
4. A server that does not know the name answers unknown_psk_identity.          4279 2

Each run has one key: the key that both honest ends share, or a key that the run's end shares with
the adversary. A hint is not secret and selects nothing here.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Domain, const, ite
from model.extensions import Amend, Extension, takes
from model.message import ServerHelloDone, ServerKeyExchange
from model.principal import Group, ServerOwner, client, server
from model.role import Role
from model.rule import SAME, Fields, Rule, Variable, check, receive, send
from model.schedule import EXTERNAL, KeySchedule
from model.transcript import HINT_SUITES, PSK_SUITES, server_group

SharedKey = Domain("SharedKey", ("none", "honest", "adversary", "unknown"))
"""The name of a shared key: of the honest ends, of an end and the adversary, or of no key."""

_flag = Variable(BOOL, (False,))
VARIABLES = {
    # Configuration: the key that the client has for this connection.
    "client": {"key": Variable(SharedKey, ("honest",)), "hinted": _flag},
    # Configuration: whether the server gives hints. Negotiated: the key that was named.
    "server": {"hints": _flag, "hinted": _flag, "named_key": Variable(SharedKey, ("none",))},
}
own = Fields("the client", "own", {n: v.domain for n, v in VARIABLES["client"].items()})
its = Fields("the server", "own", {n: v.domain for n, v in VARIABLES["server"].items()})
identity = Fields("ClientKeyExchange", "msg", {"psk_identity": SharedKey}).psk_identity
ske = ServerKeyExchange.f

_none = const("none", SharedKey)
shared_key = {
    "client": ite(client.suite.one_of(*PSK_SUITES), own.key, _none),
    "server": its.named_key,
}
"""By role: the key in use; `none` with a suite without a shared key."""

_named = (
    check(
        "psk identity there",
        ite(server.suite.one_of(*PSK_SUITES), identity != "none", identity == "none"),
        "decode_error",
    ),
    check("psk identity known", identity != "unknown", "unknown_psk_identity"),
)
_empty = (ske.share == "none") & (ske.group == "none")
_hint = check("hint only", _empty, "illegal_parameter")
_parameters = check("parameters", (ske.share != "none") & (ske.group != "none"), "decode_error")
_SKE = "receive_server_key_exchange"

ROWS = [
    # -- client ------------------------------------------------------------------------------------
    receive("client", ServerKeyExchange, "WAIT_SKE", "WAIT_CR_SHD", rfc="4279 2",
            when=client.suite == "PSK", checks=[_hint], do={"hinted": TRUE},
            label=f"client_{_SKE}_hint"),
    receive("client", ServerHelloDone, "WAIT_SKE", "SEND_CKE", rfc="4279 2",
            when=client.suite == "PSK"),
    receive("client", ServerKeyExchange, "WAIT_CR_SHD", SAME, rfc="4279 4",
            when=(client.suite == "RSA_PSK") & ~own.hinted, checks=[_hint], do={"hinted": TRUE},
            label=f"client_{_SKE}_hint_rsa"),
    # -- server ------------------------------------------------------------------------------------
    send("server", ServerKeyExchange, "SEND_SKE", "SEND_CR_SHD", rfc="4279 2",
         when=(server.suite == "PSK") & its.hints, do={"hinted": TRUE},
         label="server_send_server_key_exchange_hint"),
    send("server", ServerHelloDone, "SEND_SKE", "WAIT_CKE", rfc="4279 2",
         when=(server.suite == "PSK") & ~its.hints),
    send("server", ServerKeyExchange, "SEND_CR_SHD", SAME, rfc="4279 4",
         when=(server.suite == "RSA_PSK") & its.hints & ~its.hinted, do={"hinted": TRUE},
         label="server_send_server_key_exchange_hint_rsa"),
]


def _every(role: Role, rule: Rule) -> Amend | None:
    there = takes(role, rule, "ClientKeyExchange")
    return Amend("", checks=_named, do={"named_key": identity}) if there else None


_no_share = server.suite.one_of(*HINT_SUITES)
EXTENSION = Extension(
    "psk_suites",
    "4279; 5489",
    "pre-shared keys below TLS 1.3",
    variables=VARIABLES,
    fields={"ClientKeyExchange": {"psk_identity": SharedKey}},
    optional={
        "ClientKeyExchange": ("exchange", "psk_identity"),
        "ServerKeyExchange": ("share", "group"),
    },
    sends={
        "client": {
            "ClientKeyExchange": {
                "psk_identity": shared_key["client"],
            }
        },
        "server": {
            "ServerKeyExchange": {
                "share": ite(_no_share, const("none", ServerOwner), server.me),
                "group": ite(_no_share, const("none", Group), server_group),
            }
        },
    },
    views={
        "client": {"named_key": shared_key["client"], "hinted": own.hinted},
        "server": {"named_key": shared_key["server"], "hinted": its.hinted},
    },
    covers={"secret": ("named_key",), "flight": ("named_key", "hinted")},
    rows=tuple(ROWS),
    every=_every,
    amends=(
        Amend(f"client_{_SKE}_WAIT_SKE_to_WAIT_CR_SHD", checks=(_parameters,)),
        Amend(f"client_{_SKE}_anonymous", when=client.suite != "PSK", checks=(_parameters,)),
        Amend("server_send_server_key_exchange_SEND_SKE_to_SEND_CR_SHD",
              when=server.suite != "PSK"),
        Amend("client_receive_certificate_status_WAIT_CR_SHD_to_SAME", when=~own.hinted,
              of="status_request"),
        Amend("server_send_certificate_status_SEND_CR_SHD_to_SAME", when=~its.hinted,
              of="status_request"),
    ),
    schedule={
        end: KeySchedule(
            unexchanged=of.suite == "PSK", secret={EXTERNAL: shared_key[end] == "honest"}
        )
        for end, of in (("client", client), ("server", server))
    },
)
