"""Tickets in TLS 1.0 to 1.2: a session that the server does not keep (RFC 5077).

A ticket is a session encrypted under the server's key: only the server can make a ticket, and
anybody who saw a ticket can show it. A ticket is named by the handshake that issued it.

1. The client offers tickets, and shows a ticket if there is one. Then the client    3.2, 3.4
   makes up a session id (here the session's own); the echo tells the answer.
2. The server resumes the session in the ticket or makes a full handshake; a hello   3.2, 3.4
   with a ticket is not looked up by session id.
3. If the ServerHello says so, the server sends one new ticket before                3.3
   ChangeCipherSpec; in a full handshake, after verifying the client's Finished.
4. The client uses a ticket only after verifying the server's Finished.              3.3

Limits: no ticket of length zero; a resumed session was made by a full handshake.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Expr, eq, ite
from model.extensions import Amend, Extension, takes, unasked
from model.extensions.psk import NewSessionTicket
from model.extensions.resumption import VARIABLES as BASE
from model.extensions.resumption import fits, none, offers, session_id
from model.observers import held, keeps
from model.principal import ServerOwner, server
from model.role import Role
from model.rule import SAME, Fields, Rule, Variable, check, receive, send
from model.transcript import earlier, hidden

_SHARED = {
    # Configuration: the end uses tickets.
    "uses_tickets": Variable(BOOL, (True,)),
    # The ServerHello promised a new ticket.
    "ticket_promised": Variable(BOOL, (False,)),
    # The ticket in the ClientHello.
    "hello_ticket": Variable(ServerOwner, ("none",)),
}
VARIABLES = {
    "client": {
        **_SHARED,
        # The new ticket came; the name of the new ticket.
        "ticket_taken": Variable(BOOL, (False,)),
        "held_ticket": Variable(ServerOwner, ("none",)),
    },
    "server": {
        **_SHARED,
        # Configuration: the server renews a ticket when resuming; the previous ticket has expired.
        "renews": Variable(BOOL, (True,)),
        "ticket_expired": Variable(BOOL, (False,)),
        # The server resumed from a ticket; the server sent a new ticket.
        "by_ticket": Variable(BOOL, (False,)),
        "ticket_sent": Variable(BOOL, (False,)),
    },
}
# The offer of tickets; the ticket itself may be left out.
HELLO = {"session_tickets": BOOL, "session_ticket": ServerOwner}
ANSWER = {"session_tickets": BOOL}
own = Fields(
    "the client", "own", {n: v.domain for n, v in {**BASE["client"], **VARIABLES["client"]}.items()}
)
its = Fields(
    "the server", "own", {n: v.domain for n, v in {**BASE["server"], **VARIABLES["server"]}.items()}
)
before = Fields(
    "the handshake before",
    "prev",
    {n: v.domain for r in ("client", "server") for n, v in VARIABLES[r].items()},
)
hello = Fields("ClientHello", "msg", HELLO)
answer = Fields("ServerHello", "msg", ANSWER)

shown: Expr = its.uses_tickets & hello.session_tickets & (hello.session_ticket != "none")
"""Whether the ClientHello shows a ticket to a server that uses tickets."""
taken: Expr = (
    shown
    & before.ticket_sent
    & eq(hello.session_ticket, earlier(server.me))
    & ~its.ticket_expired
    & fits
)
"""Whether the server resumes the session in the ticket."""

_held = {
    "client": own.held_ticket,
    "server": ite(its.ticket_sent, server.me, none),
}
_resumed = {"client": own.resumed, "server": its.resumed}
_in_time = {"client": ~own.ticket_promised | own.ticket_taken,
            "server": ~its.ticket_promised | its.ticket_sent}
_asked = check("tickets asked for", ~answer.session_tickets | own.uses_tickets,
               "unsupported_extension")
_promise = its.uses_tickets & hello.session_tickets
_id = ite(its.by_ticket, its.offered_session, session_id)

ROWS = (
    receive("client", NewSessionTicket, ("WAIT_CCS", "RES_WAIT_CCS"), SAME, rfc="5077 3.3",
            when=own.ticket_promised & ~own.ticket_taken,
            do={"ticket_taken": TRUE, "held_ticket": NewSessionTicket.f.ticket},
            label="client_receive_new_session_ticket_promised"),
    send("server", NewSessionTicket, ("SEND_CCS", "RES_SEND_CCS"), SAME, rfc="5077 3.3",
         when=its.ticket_promised & ~its.ticket_sent, do={"ticket_sent": TRUE},
         label="server_send_new_session_ticket_promised"),
)

_CH = "server_receive_client_hello_START_to"
_SH = "client_receive_server_hello_WAIT_SH_to"


def _every(role: Role, rule: Rule) -> Amend | None:
    """TLS 1.3 has the ticket of its hello in the transcript, and no answer to it."""
    if takes(role, rule, "ServerHello", "tls13"):
        return Amend("", checks=unasked("tickets", answer.session_tickets, own.uses_tickets))
    if takes(role, rule, "ClientHello", "tls13"):
        return Amend("", do={"hello_ticket": hello.session_ticket})
    return None


EXTENSION = Extension(
    "session_ticket",
    "5077",
    "resumption by tickets below TLS 1.3",
    variables=VARIABLES,
    messages=(NewSessionTicket,),
    fields={"ClientHello": HELLO, "ServerHello": ANSWER},
    optional={"ClientHello": ("session_ticket",)},
    shown={"ClientHello": {"session_ticket": "NewSessionTicket"}},
    sends={
        "client": {
            "ClientHello": {
                "session_tickets": own.uses_tickets,
                "session_ticket": own.hello_ticket,
            }
        },
        "server": {
            "ServerHello": {"session_tickets": its.ticket_promised, "session_id": _id},
            "NewSessionTicket": {"ticket": server.me},
        },
    },
    views={
        end: {
            "hello_ticket": of.hello_ticket,
            "ticket_promised": of.ticket_promised,
            "new_ticket": _held[end],
            "new_ticket_before": hidden(_resumed[end], _held[end]),
            **({"session_id": _id} if end == "server" else {}),
        }
        for end, of in (("client", own), ("server", its))
    },
    # In a full handshake the client's Finished comes before the ticket, in a resumed one after.
    covers={
        "hellos": ("hello_ticket", "ticket_promised"),
        "server": ("new_ticket",),
        "client": ("new_ticket_before",),
    },
    needs=("resumption",),
    rows=ROWS,
    every=_every,
    amends=(
        Amend("client_send_client_hello_START_to_WAIT_SH",
              do={"hello_ticket": ite(offers & own.uses_tickets, before.held_ticket, none)}),
        *(
            Amend(f"{_SH}_{to}", of="resumption", checks=(_asked,),
                  do={"ticket_promised": answer.session_tickets})
            for to in ("WAIT_CERTIFICATE", "WAIT_SKE", "RES_WAIT_CCS")
        ),
        Amend(f"{_CH}_SEND_SH",
              do={"hello_ticket": hello.session_ticket, "ticket_promised": _promise}),
        Amend(f"{_CH}_RES_SEND_SH", of="resumption", when=~shown, also=taken,
              do={"hello_ticket": hello.session_ticket, "by_ticket": taken,
                  "ticket_promised": _promise & its.renews}),
        *(
            Amend(f"{end}_{did}_change_cipher_spec_{states}", of="resumption",
                  when=_in_time[end])
            for end, did, states in (
                ("client", "receive", "WAIT_CCS_to_WAIT_FIN"),
                ("client", "receive", "RES_WAIT_CCS_to_RES_WAIT_FIN"),
                ("server", "send", "SEND_CCS_to_SEND_FIN"),
                ("server", "send", "RES_SEND_CCS_to_RES_SEND_FIN"),
            )
        ),
    ),
    observers={
        "client": (
            keeps("receive", "ServerHello", held(own, ticket_promised=answer.session_tickets)),
        ),
        "server": (
            keeps("receive", "ClientHello", held(its, hello_ticket=hello.session_ticket)),
        ),
    },
)
