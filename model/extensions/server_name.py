"""Several names at one server, and what each demands of its clients (RFC 6066).

1. The client names the server that it wants in its hello.                       3
2. A server with several names serves the client by the host of that name. An    3
   unknown name it refuses, or it goes on with the host of its default name,
   as without a name.
3. A server that used the name says so: in ServerHello, in TLS 1.3 in            3; 8446 4.2
   EncryptedExtensions.
4. A host may demand a client certificate: of any CA that the server trusts, or  5246 7.4.4, 7.4.6;
   of a CA of its own.                                                           8446 4.3.2, 4.4.2.4
5. Below TLS 1.3 a session is resumed only under its own name; in every version  3; 8446 4.6.1
   a session or key is taken only if its client meets what the host demands.
6. After a HelloRetryRequest the host is that of the second hello.               8446 4.1.2

All names of the server stand in its one certificate, so the client does not see from the
certificate which host answers. A host's own CA has certified the honest client alone. What a host
demands may differ from one handshake to the next.
"""

from __future__ import annotations

from model.expr import BOOL, FALSE, Domain, Expr, conj, const, disj, eq, ite
from model.extensions import (
    Amend,
    Extension,
    psk,
    psk_list,
    resumption,
    session_ticket,
    takes,
    unasked,
)
from model.message import CertificateMessage
from model.observers import after, held, keeps
from model.principal import Certificate, ClientAuth, ClientOwner
from model.principal import client as base_client
from model.principal import server as base_server
from model.role import Observer, Role
from model.rule import Fields, Rule, Variable, check, choice
from model.transcript import CERTIFICATE_SUITES

Name = Domain("Name", ("none", "a", "b"))
NAMES = ("a", "b")
"""The names that a server may have."""
Demand = Domain("Demand", ("nothing", "certificate", "member"))
"""What a host demands of a client: nothing, a certificate of any CA, or one of its own CA."""


def _once(domain: Domain, initial: object) -> Variable:
    return Variable(domain, (initial,))


VARIABLES = {
    "client": {
        # Configuration: the name of the server that the client wants, if it says one; whether it
        # offers a session or ticket of another name, too.
        "wanted": _once(Name, "none"),
        "crosses_names": _once(BOOL, False),
        "name_used": _once(BOOL, False),
    },
    "server": {
        # Configuration: the names that the server has, what each demands, the name for a hello
        # without one; whether unknown names are refused, and known ones acknowledged.
        **{f"serves_{n}": _once(BOOL, True) for n in NAMES},
        **{f"{n}_demands": _once(Demand, "nothing") for n in NAMES},
        "default_name": _once(Name, "a"),
        "refuses_unknown": _once(BOOL, True),
        "acknowledges": _once(BOOL, True),
        # The name in the client's last hello, and the host that serves the client.
        "server_name": _once(Name, "none"),
        "host": _once(Name, "none"),
        "name_used": _once(BOOL, False),
    },
}
HELLO, ANSWER = {"server_name": Name}, {"server_name": BOOL}

client, server = (
    Fields(f"the {r}", "own", {n: v.domain for n, v in VARIABLES[r].items()}) for r in VARIABLES
)
before = Fields(
    "the handshake before",
    "prev",
    {
        "wanted": Name,
        "server_name": Name,
        "host": Name,
        "client_certificate": Certificate,
    },
)
name = Fields("ClientHello", "msg", HELLO).server_name
used = Fields("ServerHello", "msg", ANSWER).server_name

known = disj(*((name == n) & server[f"serves_{n}"] for n in NAMES))
"""Whether a hello names a host of the server."""
host = ite(known, name, server.default_name)
"""The host for a hello."""


def demand(of: Expr) -> Expr:
    """What the host `of` demands of its clients."""
    out: Expr = const("nothing", Demand)
    for n in NAMES:
        out = ite(of == n, server[f"{n}_demands"], out)
    return out


def meets(certificate: Expr, demanded: Expr) -> Expr:
    """When a client that showed the certificate meets a demand."""
    return disj(
        demanded == "nothing",
        certificate == "honest",
        (certificate == "adversary") & (demanded == "certificate"),
    )


_demands_none = demand(server.host) == "nothing"
session_meets = meets(before.client_certificate, demand(host))
"""Whether the client of the session that is resumed meets what the host demands."""
same_host = eq(name, before.server_name) & eq(host, before.host)
"""Whether a hello is for the name and the host of the session that is resumed."""
_own_session = client.crosses_names | eq(client.wanted, before.wanted)

_auth = choice("client_auth", ClientAuth)
_stands_in = ~server.refuses_unknown & (server.default_name != "none")
_name_known = check(
    "name known", (name == "none") | known | _stands_in, "unrecognized_name"
)
_asked = check("server name asked for", ~used | (client.wanted != "none"), "unsupported_extension")
_members = check(
    "certificate of the host's CA",
    (demand(server.host) != "member") | (CertificateMessage.f.certificate != "adversary"),
    "unknown_ca",
)


def _every(role: Role, rule: Rule) -> Amend | None:
    return _of_client(role, rule) if role.name == "client" else _of_server(role, rule)


def _of_client(role: Role, rule: Rule) -> Amend | None:
    if takes(role, rule, "ServerHello", "tls13"):
        return Amend("", checks=unasked("server name", used, client.wanted != "none"))
    answers = takes(role, rule, "ServerHello") or takes(role, rule, "EncryptedExtensions")
    return Amend("", checks=(_asked,), do={"name_used": used}) if answers else None


def _of_server(role: Role, rule: Rule) -> Amend | None:
    if takes(role, rule, "Certificate"):
        return Amend("", checks=(_members,))
    if not any(takes(role, rule, m) for m in ("ClientHello", "SecondClientHello")):
        return None
    # RFC 8446 9.2: a server may require the extension.
    missing = "missing_extension" if takes(role, rule, rule.event, "tls13") else "handshake_failure"
    checks = (_name_known, check("name there", host != "none", missing))
    if rule.target == "SEND_HRR":
        return Amend("", checks=checks)
    # A session that is resumed has met the demand; a suite without certificates cannot.
    suite = rule.do.get("suite", const("AEAD", base_server.suite.domain))
    can_ask = (demand(host) == "nothing") | suite.one_of(*CERTIFICATE_SUITES)
    asks = check("host can ask for a certificate", can_ask, "handshake_failure")
    resumes = rule.target.startswith("RES_")
    says = FALSE if resumes else known & server.acknowledges
    return Amend(
        "",
        checks=checks if resumes else (*checks, asks),
        do={"server_name": name, "host": host, "name_used": says},
    )


def _kept(message: str) -> Observer:
    """The observer of a hello that is answered with ServerHello."""
    answered = after("client_random", ClientOwner) != "none"
    said = ~after("name_used", BOOL) | (known & server.acknowledges)
    kept = conj(held(server, server_name=name, host=host), said)
    return keeps("receive", message, ~answered | kept)


_legacy = {
    "client": base_client.version <= "TLS12",
    "server": base_server.version <= "TLS12",
}

EXTENSION = Extension(
    "server_name",
    "6066 3",
    "several names at one server, and what each demands of its clients",
    variables=VARIABLES,
    fields={
        "ClientHello": HELLO,
        "SecondClientHello": HELLO,
        "ServerHello": ANSWER,
        "EncryptedExtensions": ANSWER,
    },
    optional={"ClientHello": ("server_name",), "SecondClientHello": ("server_name",)},
    sends={
        "client": {
            m: {"server_name": client.wanted} for m in ("ClientHello", "SecondClientHello")
        },
        "server": {
            "ServerHello": {"server_name": server.name_used & _legacy["server"]},
            "EncryptedExtensions": {"server_name": server.name_used},
        },
    },
    views={
        end: {"name_used": says & _legacy[end], "name_used_13": says & ~_legacy[end]}
        for end, says in (("client", client.name_used), ("server", server.name_used))
    },
    covers={"hellos": ("name_used",), "flight": ("name_used_13",)},
    every=_every,
    amends=(
        Amend(
            "server_send_certificate_request_SEND_CR_SHD_to_SEND_SHD",
            when=_demands_none,
            also=conj(~_demands_none, base_server.suite.one_of(*CERTIFICATE_SUITES),
                      _auth == "mandatory"),
        ),
        Amend("server_send_server_hello_done_SEND_CR_SHD_to_WAIT_CKE", when=_demands_none),
        Amend(
            "server_send_certificate_request_SEND_CR_CERT_to_SEND_CERT",
            when=_demands_none,
            also=conj(~_demands_none, _auth == "mandatory"),
        ),
        Amend(
            "server_send_certificate_SEND_CR_CERT_SEND_CERT_to_SEND_CV",
            when=_demands_none | (base_server.client_auth != "none"),
        ),
    ),
    terms=(
        *(
            (e, e & session_meets)
            for e in (psk_list.selected(psk.resumption), psk.resumption)
        ),
        # Who shares a key with the server is known by it, as by a certificate.
        *(
            (e, e & (demand(host) != "member"))
            for e in (psk_list.selected(psk.adversarys), psk.adversarys)
        ),
        (psk.has_ticket, psk.has_ticket & _own_session),
        (resumption.resumes, resumption.resumes & same_host & session_meets),
        (resumption.offers, resumption.offers & _own_session),
        (session_ticket.taken, session_ticket.taken & same_host & session_meets),
    ),
    observers={
        "client": (
            keeps("receive", "EncryptedExtensions", held(client, name_used=used)),
            keeps("receive", "ServerHello",
                  ite(after("version", base_client.version.domain) == "TLS13", ~used,
                      held(client, name_used=used))),
        ),
        "server": (_kept("ClientHello"), _kept("SecondClientHello")),
    },
)
