"""Pre-shared keys in TLS 1.3: external ones, and resumption by tickets (RFC 8446).

1. The client names one key and the allowed modes, and proves to have     4.2.9, 4.2.11
   the key with the binder, a MAC over the hello.                         4.2.11.2
2. A server that knows the key and a common mode verifies the binder and  4.1.1, 4.2.11
   selects the key; otherwise the server goes on with certificates, if
   the client sent a share, and fails if not.
3. psk_dhe_ke exchanges shares besides, psk_ke does not. A client that    4.2.9, 9.2
   allows psk_ke alone may send a share for a server without the key.
4. With a selected key there is no CertificateRequest, no Certificate     4.1.1, 4.3.2
   and no CertificateVerify.
5. After the handshake the server sends a ticket with a key made of the   4.6.1
   resumption secret. The client may offer that key in the next
   handshake; the server accepts only a ticket that it issued and that
   has not expired.

An external key is shared by the two honest principals and not known to the adversary, or by one of
them and the adversary, which is then an ordinary peer. A resumption
key is made of the secret and the whole transcript of the handshake before. So both ends keep their
view of that handshake in `session_*` (all fields that are not fixed in TLS 1.3): the keys of two
runs are equal if and only if those fields are, and the adversary knows the key if and only if it
knows the secret of that handshake. A ticket is the name of the server run that issued the ticket,
and cannot be forged.

One key is offered at a time; all tickets of a connection are equal, and the client keeps the first.
A handshake with certificates or with an external key is resumed, by a run that has nothing else to
do. A chain of tickets needs no more: an external key stands for any key of two honest ends that the
adversary does not know, and what is proved of the ticket of a handshake with such a key holds of
the next key of any chain.
"""

from __future__ import annotations

from collections.abc import Mapping

from model.expr import (
    BOOL,
    COMPOSITE,
    TRUE,
    Domain,
    Expr,
    conj,
    const,
    eq,
    ite,
    mapping,
    neg,
    same,
    var,
)
from model.extensions import Amend, Extension, takes, unasked
from model.generations.negotiation import (
    ch,
    compression_null,
    hello_13,
    sh,
    share_there,
    share_usable,
    take_client_hello,
    take_hello,
    version,
    version_common,
)
from model.message import ClientHello, EncryptedExtensions, ServerHello
from model.observers import after, held, keeps, latch
from model.principal import Certificate, ClientOwner, Group, Key, ServerOwner, Shares, Suite
from model.principal import client as base_client
from model.principal import server as base_server
from model.role import Observer, Role
from model.rule import SAME, Fields, Message, Rule, Variable, check, receive, send
from model.schedule import EXTERNAL, PUBLIC, RESUMPTION, KeySchedule
from model.transcript import VIEWS, first_share

Psk = Domain("Psk", ("none", "external", "adversary", "resumption"))
"""The key in use: none, the external key of the honest ends, an external key that the end shares
with the adversary, or that of a ticket."""
Identity = Domain("Identity", ("none", "adversary", "external", "server0", "server1", "server2"))
"""The name of a key in a hello: the external key, or a ticket of that server run."""
Selected = Domain("Selected", ("none", "0", "1", "2"))
"""The server's selected_identity; 1 is in range with `psk_list` alone, and 2 never."""


def _once(domain: Domain, initial: object = "none") -> Variable:
    return Variable(domain, (initial,))


SESSION = {
    "client": {
        "psk": Psk,
        "client_random": ClientOwner,
        "exchange": ClientOwner,
        "server_random": ServerOwner,
        "server_share": ServerOwner,
        "server_certificate": Certificate,
        "requested": BOOL,
        "client_certificate": Certificate,
    },
    "server": {
        "psk": Psk,
        "client_random": ClientOwner,
        "offer": ClientOwner,
        "exchange": ClientOwner,
        "server_random": ServerOwner,
        "server_share": ServerOwner,
        "requested": BOOL,
        "client_certificate": Certificate,
    },
}
"""The fields that each end keeps of the handshake that made a resumption key."""

_SHARED = {
    # Configuration: has the external key; allows each mode; resumes the previous handshake.
    "has_external": _once(BOOL, False),
    "shares_with_adversary": _once(BOOL, False),  # of a client: in place of the honest ends' key
    "takes_psk_ke": _once(BOOL, False),
    "takes_psk_dhe_ke": _once(BOOL, True),
    "resumes": _once(BOOL, False),
    # The run's own random and, for the next handshake, the run's name in the session.
    "random": _once(ServerOwner),
    # The key in use.
    "psk": _once(Psk),
}


def _initial(domain: Domain) -> object:
    return False if domain is BOOL else "none"


VARIABLES = {
    "client": {
        **_SHARED,
        "random": _once(ClientOwner),
        # Configuration: beside a key for psk_ke alone, a share for a server without that key.
        "shares_beside": _once(BOOL, False),
        "offered_psk": _once(Psk),
        "offered_ticket": _once(ServerOwner),
        "ticket": _once(ServerOwner),
        "unoffered_answer": _once(BOOL, False),
        **{f"session_{n}": _once(d, _initial(d)) for n, d in SESSION["client"].items()},
    },
    "server": {
        **_SHARED,
        "issues": _once(BOOL, True),  # configuration
        "issues_more": _once(BOOL, False),  # configuration: more tickets than one
        "expired": _once(BOOL, False),  # configuration: the ticket of the previous handshake
        "issued": _once(BOOL, False),
        "psk_ke": _once(BOOL, False),
        "key_without_modes": _once(BOOL, False),
        "modes_offered": _once(BOOL, False),  # a ticket may be issued: there is a common mode
        "names_no_mode": Variable(BOOL, (False,), write_once=False),  # of the last hello
        **{f"session_{n}": _once(d, _initial(d)) for n, d in SESSION["server"].items()},
    },
}
HELLO = {"identity": Identity, "psk_ke": BOOL, "psk_dhe_ke": BOOL, "binder": COMPOSITE}
FIELDS = {"ClientHello": HELLO, "ServerHello": {"selected": Selected}}
NewSessionTicket = Message(
    "NewSessionTicket",
    {"ticket": ServerOwner},
    "8446 4.6.1",
    shown={"ticket": "NewSessionTicket"},
)

client, server = (
    Fields(f"the {r}", "own", {n: v.domain for n, v in VARIABLES[r].items()}) for r in VARIABLES
)
before = {
    r: Fields(
        f"the {r} before",
        "prev",
        {
            **{n: v.domain for n, v in VARIABLES[r].items()},
            **{n: base[n].domain for n in ("write_key", "client_certificate")},
        },
    )
    for r, base in (("client", base_client), ("server", base_server))
}
hello = Fields("ClientHello", "msg", HELLO)
answer = Fields("ServerHello", "msg", FIELDS["ServerHello"])


def _prev(name: str, domain: Domain) -> Expr:
    return var(f"prev.{name}", domain)


SHARED = ite(
    _prev("shares", Shares) == "one", before["client"].random, const("none", ClientOwner)
)
"""The client's share in the previous handshake."""
EARLIER = {
    "client": {
        **{n: _prev(n, d) for n, d in SESSION["client"].items()},
        "client_random": before["client"].random,
        "exchange": SHARED,
    },
    "server": {
        "psk": before["server"].psk,
        "client_random": _prev("client_random", ClientOwner),
        "offer": _prev("client_offer", ClientOwner),
        "exchange": _prev("exchange", ClientOwner),
        "server_random": before["server"].random,
        "server_share": ite(
            before["server"].psk_ke, const("none", ServerOwner), before["server"].random
        ),
        "requested": _prev("client_auth", base_server.client_auth.domain) != "none",
        "client_certificate": _prev("client_certificate", Certificate),
    },
}
"""The session's fields, as expressions over the previous handshake."""


SESSION_FIELDS = {
    "psk": Psk,
    "client_random": ClientOwner,
    "offer": ClientOwner,
    "exchange": ClientOwner,
    "server_random": ServerOwner,
    "server_share": ServerOwner,
    "server_certificate": Certificate,
    "requested": BOOL,
    "client_certificate": Certificate,
}
"""The fields that are not fixed in the transcript of a TLS 1.3 handshake, and its key."""


def _whole(role: str, part: Mapping[str, Expr], used: Expr) -> dict[str, Expr]:
    """All fields of a session, from those that `role` keeps; empty values unless `used`."""
    full = dict(part)
    if role == "client":
        full["offer"] = full["client_random"]
    else:
        full["server_certificate"] = ite(
            used & (full["psk"] == "none"),
            const("honest", Certificate),
            const("none", Certificate),
        )
    return {n: full[n] for n in SESSION_FIELDS}


def _none_unless(used: Expr, e: Expr) -> Expr:
    return used & e if e.domain is BOOL else ite(used, e, const("none", e.domain))


def copied(role: str, used: Expr) -> dict[str, Expr]:
    """The effects that copy the session's fields where the session is `used`."""
    return {f"session_{n}": _none_unless(used, e) for n, e in EARLIER[role].items()}


def kept(role: str, own: Fields) -> dict[str, Expr]:
    """The value that `role` holds of each field of the session whose key is in use."""
    used = own.psk == "resumption"
    part = {n: own[f"session_{n}"] for n in SESSION[role]}
    # A client keeps the session of the key it offers, which the server may not select.
    part = {n: _none_unless(used, e) for n, e in part.items()}
    return {f"session_{n}": e for n, e in _whole(role, part, used).items()}


# -- the client ------------------------------------------------------------------------------------
has_ticket = (
    client.resumes
    & (before["client"].ticket != "none")
    & (before["client"].psk != "resumption")
    & (before["client"].write_key == "application")
)
external_key = ite(
    client.has_external & (client.takes_psk_ke | client.takes_psk_dhe_ke),
    ite(client.shares_with_adversary, const("adversary", Psk), const("external", Psk)),
    const("none", Psk),
)
offered = ite(client.resumes, const("resumption", Psk), external_key)


def identity_of(key: Expr) -> Expr:
    """The identity under which the client offers a `key`."""
    ticket = mapping(client.offered_ticket, {v: v for v in ServerOwner.values}, Identity)
    names = {"none": "none", "external": "external", "adversary": "adversary"}
    return ite(
        key == "resumption", ticket, mapping(key, {**names, "resumption": "none"}, Identity)
    )


_offers_now = client.offered_psk != "none"
answered_key = ite(answer.selected == "none", const("none", Psk), client.offered_psk)
"""The key that a ServerHello selects."""
shares = ite(
    (base_client.max_version != "TLS13")
    | conj(offered != "none", client.takes_psk_ke, ~client.takes_psk_dhe_ke,
           ~client.shares_beside),
    const("none", Shares),
    const("one", Shares),
)
"""What the hello has of key_share."""


def client_binder(
    share: Expr = first_share, key: Expr = client.offered_psk
) -> tuple[Expr, ...]:
    """The binder of a `key` in a hello with `share`: the key, the hello (RFC 8446 4.2.11.2)."""
    used = key == "resumption"
    part = {n: _none_unless(used, client[f"session_{n}"]) for n in SESSION["client"]}
    session = _whole("client", part, used)
    me = base_client.me
    hello = (base_client.max_version, me, me, share)
    return (key, identity_of(key), *session.values(), *hello)


# -- the server ------------------------------------------------------------------------------------
_own_ticket = mapping(before["server"].random, {v: v for v in ServerOwner.values}, Identity)
resumption = (
    server.resumes
    & before["server"].issued
    & (before["server"].psk != "resumption")
    & ~server.expired
    & eq(hello.identity, _own_ticket)
)
external = server.has_external & (hello.identity == "external")
adversarys = server.shares_with_adversary & (hello.identity == "adversary")
kind = ite(
    resumption,
    const("resumption", Psk),
    ite(
        external,
        const("external", Psk),
        ite(adversarys, const("adversary", Psk), const("none", Psk)),
    ),
)
dhe = hello.psk_dhe_ke & server.takes_psk_dhe_ke & (ch.key_share != "none")
_ke = hello.psk_ke & server.takes_psk_ke
common_mode = (hello.psk_dhe_ke & server.takes_psk_dhe_ke) | _ke
selects = (resumption | external | adversarys) & (dhe | _ke)


def server_binder() -> tuple[Expr, ...]:
    """The binder that the server expects in the hello."""
    part = {n: _none_unless(resumption, e) for n, e in EARLIER["server"].items()}
    session = _whole("server", part, resumption)
    return (
        kind, hello.identity, *session.values(), ch.version, ch.random, ch.offer, ch.key_share
    )


def binder_observers(message: str, binder: tuple[Expr, ...]) -> tuple[Observer, ...]:
    """The observers of a server for one of a client's hellos, with the binder that is expected."""
    chosen, mode = after("psk", Psk) != "none", after("psk_ke", BOOL)
    named = conj(chosen, eq(after("psk", Psk), kind), after("psk_ke", BOOL) == ~dhe)
    no_mode = ~hello.psk_ke & ~hello.psk_dhe_ke
    unnamed = conj(version == "TLS13", hello.identity != "none", no_mode)
    return (
        latch("key_without_modes", "receive", message, unnamed),
        latch("mode_not_offered", "receive", message,
              chosen & ~ite(mode, hello.psk_ke, hello.psk_dhe_ke)),
        Observer("names_no_mode", "receive", message, no_mode),
        latch("wrong_binder", "receive", message, chosen & ~same(hello.binder, *binder)),
        keeps("receive", message, ~chosen | named),
    )


# Not due without pre_shared_key, and due with it.
modes = check(
    "modes", (hello.identity == "none") | hello.psk_ke | hello.psk_dhe_ke, "missing_extension"
)
# A hello with a key needs no share (RFC 8446 9.2).
share_missing = check("key share", share_there | (hello.identity != "none"), "missing_extension")
_binder = check("binder", same(hello.binder, *server_binder()), "decrypt_error")
ROWS = (
    receive("client", ServerHello, "WAIT_SH", "WAIT_EE", rfc="8446 4.1.3, 4.2.11",
            when=(sh.version == "TLS13") & (answer.selected != "none"),
            checks=[
                *hello_13,
                check("key offered", _offers_now, "unsupported_extension"),
                check("selected identity", answer.selected == "0", "illegal_parameter"),
                check("mode offered", ite(sh.key_share == "none", client.takes_psk_ke,
                                          client.takes_psk_dhe_ke), "illegal_parameter"),
            ],
            do={**take_hello, "server_share": sh.key_share, "group": const("ecdh", Group),
                "keyed": TRUE, "read_key": const("handshake", Key), "psk": client.offered_psk},
            label="client_receive_server_hello_psk"),
    receive("client", EncryptedExtensions, "WAIT_EE", "WAIT_FINISHED", rfc="8446 4.3.1, A.1",
            when=client.psk != "none"),
    receive("client", NewSessionTicket,
            ("SEND_CERT", "SEND_CV", "SEND_FINISHED", "CONNECTED"), SAME, rfc="8446 4.6.1",
            when=(base_client.version == "TLS13") & (client.ticket == "none"),
            do={"ticket": NewSessionTicket.f.ticket}),
    receive("client", NewSessionTicket,
            ("SEND_CERT", "SEND_CV", "SEND_FINISHED", "CONNECTED"), SAME, rfc="8446 4.6.1",
            when=(base_client.version == "TLS13") & (client.ticket != "none"),
            label="client_receive_new_session_ticket_more"),
    receive("client", NewSessionTicket, "CLOSING", SAME, rfc="8446 4.6.1, 6.1",
            when=base_client.version == "TLS13"),
    receive("server", ClientHello, "START", "NEGOTIATED", rfc="8446 4.1.1, 4.2.11",
            when=(version == "TLS13") & selects,
            checks=[*version_common, compression_null, _binder],
            do={**take_client_hello, "suite": const("AEAD", Suite), "exchange": ch.key_share,
                "keyed": TRUE, "random": base_server.me, "psk": kind, "psk_ke": ~dhe,
                "modes_offered": TRUE,
                **copied("server", resumption)},
            label="server_receive_client_hello_psk"),
    send("server", EncryptedExtensions, "SEND_EE", "SEND_FINISHED", rfc="8446 4.3.1, A.2",
         when=server.psk != "none"),
    send("server", NewSessionTicket, "CONNECTED", SAME, rfc="8446 4.6.1",
         when=(base_server.version == "TLS13") & server.issues & ~server.issued
         & server.modes_offered,
         do={"issued": TRUE}),
    send("server", NewSessionTicket, "CONNECTED", SAME, rfc="8446 4.6.1",
         when=server.issued & server.issues_more,
         label="server_send_new_session_ticket_more"),
    # The server's Finished is sent, and without a request the client's messages are known.
    send("server", NewSessionTicket, "WAIT_FINISHED", SAME, rfc="8446 4.6.1",
         when=server.issues & ~server.issued & server.modes_offered
         & (base_server.client_auth == "none"),
         do={"issued": TRUE}),
)

_SH = "client_receive_server_hello_WAIT_SH_to"
_CH = "server_receive_client_hello_START_to"


def _every(role: Role, rule: Rule) -> Amend | None:
    there = takes(role, rule, "ServerHello", "tls12")
    checks = unasked("key", answer.selected != "none", _offers_now)
    return Amend("", checks=checks) if there else None


_no_share = const("none", ServerOwner)
_by_key = {r: own.psk != "none" for r, own in (("client", client), ("server", server))}
first_selected = mapping(
    server.psk, {"none": "none", "external": "0", "adversary": "0", "resumption": "0"}, Selected
)
"""The selected_identity of a server that takes the first key of a hello, or none."""


EXTENSION = Extension(
    "psk",
    "8446 4.2.11",
    "pre-shared keys in TLS 1.3: external, and resumption by tickets",
    variables=VARIABLES,
    messages=(NewSessionTicket,),
    fields=FIELDS,
    optional={"ClientHello": ("identity",), "ServerHello": ("selected",)},
    sends={
        "client": {
            "ClientHello": {
                "identity": identity_of(client.offered_psk),
                "psk_ke": client.takes_psk_ke,
                "psk_dhe_ke": client.takes_psk_dhe_ke,
                "binder": client_binder(),
            },
        },
        "server": {
            "ServerHello": {
                "selected": first_selected,
                "key_share": ite(
                    (base_server.version == "TLS13") & ~server.psk_ke, base_server.me, _no_share
                ),
            },
            "NewSessionTicket": {"ticket": base_server.me},
        },
    },
    views={
        "client": {"psk": client.psk, **kept("client", client)},
        "server": {
            "psk": server.psk,
            **kept("server", server),
            "server_certificate": ite(
                _by_key["server"],
                const("none", Certificate),
                VIEWS["server"]["server_certificate"],
            ),
            "server_share": ite(server.psk_ke, _no_share, VIEWS["server"]["server_share"]),
        },
    },
    covers={"secret": tuple(f"session_{n}" for n in SESSION_FIELDS), "hellos": ("psk",)},
    rows=ROWS,
    every=_every,
    amends=(
        Amend(
            "client_send_client_hello_START_to_WAIT_SH",
            do={
                "random": base_client.me,
                "offered_psk": offered,
                "offered_ticket": _none_unless(client.resumes, before["client"].ticket),
                **copied("client", client.resumes),
            },
            instead={"shares": shares},
        ),
        Amend(f"{_SH}_WAIT_EE", when=answer.selected == "none"),
        Amend("client_receive_encrypted_extensions_WAIT_EE_to_WAIT_CERT_CR",
              when=neg(_by_key["client"])),
        Amend(f"{_CH}_NEGOTIATED", when=neg(selects), without=("key share", "usable share"),
              checks=(modes, share_missing, share_usable),
              do={"random": base_server.me, "modes_offered": common_mode}),
        Amend("server_send_encrypted_extensions_SEND_EE_to_SEND_CR_CERT",
              when=neg(_by_key["server"])),
    ),
    again={"client": {"NewSessionTicket": TRUE}},
    observers={
        "client": (
            Observer(
                "unoffered_answer",
                "receive",
                "ServerHello",
                client.unoffered_answer
                | ((answer.selected != "none") & (~_offers_now | (answer.selected != "0"))),
            ),
            keeps("receive", "ServerHello", eq(after("psk", Psk), answered_key)),
            keeps("receive", "NewSessionTicket",
                  (after("ticket", ServerOwner) == "none") | (client.ticket != "none")
                  | held(client, ticket=NewSessionTicket.f.ticket)),
        ),
        "server": binder_observers("ClientHello", server_binder()),
    },
    schedule={
        "client": KeySchedule(
            unexchanged=_by_key["client"] & (base_client.server_share == "none"),
            secret={RESUMPTION: client.psk == "resumption", EXTERNAL: client.psk == "external"},
        ),
        "server": KeySchedule(
            unexchanged=server.psk_ke,
            secret={RESUMPTION: server.psk == "resumption", EXTERNAL: server.psk == "external"},
            seals={
                "binder": {
                    RESUMPTION: resumption,
                    EXTERNAL: external & ~resumption,
                    PUBLIC: adversarys & ~resumption,
                }
            },
        ),
    },
    begins={
        "client": ~client.resumes | has_ticket,
        "server": ~server.resumes | before["server"].issued,
    },
)
