"""Resumption by session id in TLS 1.0 to 1.2 (RFC 5246 7.3 figure 2, 7.4.1.2, 7.4.1.3).

The session is that of the same end's previous handshake. A session is kept once that handshake is
complete, until the connection ends uncleanly (7.2.2; for a truncation, 2246 7.2.1: TLS 1.1 and 1.2
allow to keep the session, and the choice here is to drop it in all versions).

1. The client offers the session id, if the session's suite is among its own.    7.4.1.2
2. A server that has the session, and finds its suite in the hello, echoes the   7.4.1.3
   id and goes on with the session's version, suite and secret. Otherwise
   there is a full handshake under a new id.
3. A client that gets its id back demands the session's version, suite and       7.4.1.3
   compression.
4. ChangeCipherSpec and Finished, the server's first.                            7.3 figure 2

Limit: a resumed session was made by a full handshake.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Expr, const, disj, eq, ite, same
from model.extensions import ENDS, Amend, Extension, takes
from model.generations.negotiation import (
    acceptable,
    ch,
    hello_12,
    sh,
    take_client_hello,
    take_hello,
    version,
    version_common,
)
from model.generations.tls12_client import SPEC
from model.message import ChangeCipherSpec, ClientHello, Finished, ServerHello
from model.observers import held, keeps
from model.principal import CLIENT, OFFERED, SERVER, ServerOwner, client, server
from model.role import Observer, Role
from model.rule import Fields, Rule, Variable, check, receive, send
from model.schedule import RESUMPTION, KeySchedule
from model.transcript import VIEWS, activated, earlier, verify_data

_SHARED = {
    # Configuration: the end resumes a session or closes.
    "requires_session": Variable(BOOL, (False,)),
    # The session that the hello offers; whether that session is resumed; whether the session of
    # this handshake is kept.
    "offered_session": Variable(ServerOwner, ("none",)),
    "resumed": Variable(BOOL, (False,)),
    "stored": Variable(BOOL, (False,)),
    # Observed: the previous handshake had failed when the peer's hello came.
    "from_failed": Variable(BOOL, (False,)),
}
VARIABLES = {
    "client": {
        # Configuration: the client offers the session it has.
        "offers_session": Variable(BOOL, (True,)),
        **_SHARED,
    },
    "server": _SHARED,
}
FIELDS = {"session_id": ServerOwner}
own = Fields("the run", "own", {n: v.domain for n, v in VARIABLES["client"].items()})
hello = Fields("ClientHello", "msg", FIELDS)


def _before(base: dict[str, Variable], role: str) -> Fields:
    every = {**base, **VARIABLES[role]}
    return Fields("the handshake before", "prev", {n: v.domain for n, v in every.items()})


c_prev, s_prev = _before(CLIENT, "client"), _before(SERVER, "server")
none = const("none", ServerOwner)

offers = (
    own.offers_session
    & c_prev.stored
    & (c_prev.end != "error")
    & (c_prev.version <= "TLS12")
    & disj(*((c_prev.suite == s) & client[f"offers_{s}"] for s in OFFERED))
)
"""Whether a client has a session to offer."""

echoed = (own.offered_session != "none") & (sh.session_id == own.offered_session)
"""Whether the ServerHello resumes the session that the client offered."""

_id = VIEWS["server"]["session_id"]
session_id = ite(own.resumed, earlier(_id), _id)
"""The session id of a ServerHello."""

fits = (
    eq(version, s_prev.version)
    & (version <= "TLS12")
    & disj(*((s_prev.suite == s) & acceptable(s) for s in OFFERED))
    & ((s_prev.compression == "null") | ch.deflate)
)
"""Whether the ClientHello lets the server resume the session of the previous handshake."""

resumes = (
    s_prev.stored
    & (s_prev.end != "error")
    & fits
    & (hello.session_id != "none")
    & eq(hello.session_id, earlier(_id))
)
"""Whether the ClientHello asks for a session that the server has."""

_failed = own.from_failed | (c_prev.end == "error")
_full = check("full handshake", ~own.requires_session, "handshake_failure")
SESSION = (
    check("session version", eq(sh.version, c_prev.version), "illegal_parameter"),
    check("session suite", eq(sh.suite, c_prev.suite), "illegal_parameter"),
    check("session compression", eq(sh.compression, c_prev.compression), "illegal_parameter"),
)
C_RESUME = {
    "resumed": TRUE,
    "keyed": TRUE,
    "server_certificate": c_prev.server_certificate,
    "client_certificate": c_prev.client_certificate,
}
S_RESUME = {
    "resumed": TRUE,
    "keyed": TRUE,
    "suite": s_prev.suite,
    "compression": s_prev.compression,
    "client_certificate": s_prev.client_certificate,
}
"""The effects that copy a session, except the secret, to the handshake that resumes it."""


def finished_ok(role: str, sender: str) -> Expr:
    """Whether the Finished of `sender` is the one that `role` expects."""
    return same(Finished.f.verify_data, *verify_data(role, sender))


ROWS = (
    receive("client", ServerHello, "WAIT_SH", "RES_WAIT_CCS", rfc="5246 7.4.1.3, 7.3",
            when=(sh.version <= "TLS12") & echoed, checks=(*hello_12, *SESSION),
            do={**take_hello, **C_RESUME}),
    receive("client", ChangeCipherSpec, "RES_WAIT_CCS", "RES_WAIT_FIN", rfc="5246 7.1, 7.3",
            checks=SPEC, do={"read_key": activated(client)}),
    receive("client", Finished, "RES_WAIT_FIN", "RES_SEND_CCS", rfc="5246 7.4.9, 7.3",
            checks=[check("verify_data", finished_ok("client", "server"), "decrypt_error")],
            do={"verified": TRUE}),
    send("client", ChangeCipherSpec, "RES_SEND_CCS", "RES_SEND_FIN", rfc="5246 7.1, 7.3",
         do={"write_key": activated(client)}),
    send("client", Finished, "RES_SEND_FIN", "CONNECTED", rfc="5246 7.4.9, 7.3"),
    receive("server", ClientHello, "START", "RES_SEND_SH", rfc="5246 7.4.1.2, 7.3",
            when=resumes, checks=version_common,
            do={**take_client_hello, "offered_session": hello.session_id, **S_RESUME}),
    send("server", ServerHello, "RES_SEND_SH", "RES_SEND_CCS", rfc="5246 7.4.1.3, 7.3"),
    send("server", ChangeCipherSpec, "RES_SEND_CCS", "RES_SEND_FIN", rfc="5246 7.1, 7.3",
         do={"write_key": activated(server)}),
    send("server", Finished, "RES_SEND_FIN", "RES_WAIT_CCS", rfc="5246 7.4.9, 7.3"),
    receive("server", ChangeCipherSpec, "RES_WAIT_CCS", "RES_WAIT_FIN", rfc="5246 7.1, 7.3",
            checks=SPEC, do={"read_key": activated(server)}),
    receive("server", Finished, "RES_WAIT_FIN", "CONNECTED", rfc="5246 7.4.9, 7.3",
            checks=[check("verify_data", finished_ok("server", "client"), "decrypt_error")],
            do={"verified": TRUE}),
)

_STATES = ("RES_WAIT_CCS", "RES_WAIT_FIN", "RES_SEND_CCS", "RES_SEND_FIN")


def _every(role: Role, rule: Rule) -> Amend | None:
    """TLS 1.3 has the session id of its hello in the transcript."""
    there = takes(role, rule, "ClientHello", "tls13")
    return Amend("", do={"offered_session": hello.session_id}) if there else None


EXTENSION = Extension(
    "resumption",
    "5246 7.3",
    "resumption by session id",
    variables=VARIABLES,
    states={
        "client": {"tls12": _STATES},
        "server": {"tls12": ("RES_SEND_SH", *_STATES)},
    },
    fields={"ClientHello": FIELDS},
    optional={"ClientHello": ("session_id",)},
    shown={"ClientHello": {"session_id": "ServerHello"}},
    sends={
        "client": {"ClientHello": {"session_id": own.offered_session}},
        "server": {"ServerHello": {"session_id": session_id}},
    },
    views={
        "client": {"offered_session": own.offered_session},
        "server": {
            "offered_session": own.offered_session,
            "session_id": session_id,
        },
    },
    covers={"hellos": ("offered_session",)},
    observers={
        "client": (Observer("from_failed", "receive", "ServerHello", _failed),),
        "server": (
            Observer("from_failed", "receive", "ClientHello", _failed),
            keeps("receive", "ClientHello", held(own, offered_session=hello.session_id)),
        ),
    },
    schedule=dict.fromkeys(
        ENDS,
        KeySchedule(
            abbreviated=own.resumed, unexchanged=own.resumed, secret={RESUMPTION: own.resumed}
        ),
    ),
    rows=ROWS,
    every=_every,
    amends=(
        Amend("client_send_client_hello_START_to_WAIT_SH",
              do={"offered_session": ite(offers, c_prev.session_id, none)}),
        Amend("client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE", when=~echoed,
              checks=(_full,)),
        Amend("client_receive_server_hello_WAIT_SH_to_WAIT_SKE", when=~echoed, checks=(_full,)),
        Amend("client_receive_finished_WAIT_FIN_to_CONNECTED", do={"stored": TRUE}),
        Amend("server_receive_client_hello_START_to_SEND_SH", checks=(_full,),
              unless="server_receive_client_hello_START_to_RES_SEND_SH",
              do={"offered_session": hello.session_id}),
        Amend("server_send_finished_SEND_FIN_to_CONNECTED", do={"stored": TRUE}),
    ),
)
