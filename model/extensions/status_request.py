"""Certificate status, an OCSP answer stapled to the server's Certificate (RFC 6066 8).

1. The client asks in the ClientHello; a server that has an answer agrees in   8
   the ServerHello.
2. Then the server may send CertificateStatus, right after Certificate, before 8
   ServerKeyExchange and CertificateRequest.
3. The answer must be good and about the certificate that was shown.           8

A resumed session keeps its status, and its ServerHello has no answer (6066 1.1).
TLS 1.0 to 1.2 only: TLS 1.3 carries the answer inside Certificate and acknowledges nothing in
ServerHello (RFC 8446 4.4.2.1). An answer is signed by the CA and public: anybody may send one.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, Expr, conj, const, disj, eq, mapping
from model.extensions import Amend, Extension, takes, unasked
from model.observers import saw
from model.principal import Certificate, client, server
from model.role import Observer, Role
from model.rule import SAME, Fields, Message, Rule, Variable, check, receive, send
from model.transcript import CERTIFICATE_SUITES, SKE_SUITES

Status = Domain("Status", ("none", "honest", "adversary", "revoked"))
"""An OCSP answer: the named certificate (of the honest server or the adversary) is good; `revoked`
is any other answer."""

_CERTIFIES = {c: c if c in Status.codes else "none" for c in Certificate.values}

VARIABLES = {
    "client": {
        # Configuration: whether the client asks.
        "asks_status": Variable(BOOL, (False,)),
        "status_acked": Variable(BOOL, (False,)),
        "status": Variable(Status, ("none",)),
        "status_out_of_place": Variable(BOOL, (False,)),
    },
    "server": {
        # Configuration: whether the server has an answer to staple.
        "staples": Variable(BOOL, (False,)),
        "status_asked": Variable(BOOL, (False,)),
        "status": Variable(Status, ("none",)),
    },
}
FIELD = {"status_request": BOOL}
CertificateStatus = Message("CertificateStatus", {"response": Status}, "6066 8")

own = Fields("the client", "own", {n: v.domain for n, v in VARIABLES["client"].items()})
its = Fields("the server", "own", {n: v.domain for n, v in VARIABLES["server"].items()})
hello = Fields("a hello", "msg", FIELD)
response = CertificateStatus.f.response

acked = its.status_asked & its.staples
_about_it = check(
    "status of this certificate",
    eq(response, mapping(client.server_certificate, _CERTIFIES, Status)),
    "bad_certificate_status_response",
)


def _after_certificate(role: str) -> tuple[tuple[str, Expr], ...]:
    """The local states right after Certificate, each with a condition."""
    of = client if role == "client" else server
    wait = "WAIT" if role == "client" else "SEND"
    return (
        (f"{wait}_SKE", of.suite.one_of(*CERTIFICATE_SUITES)),
        ("WAIT_CR_SHD" if role == "client" else "SEND_CR_SHD", ~of.suite.one_of(*SKE_SUITES)),
    )


_taken = [
    receive("client", CertificateStatus, state, SAME, rfc="6066 8",
            when=conj(here, own.status_acked, own.status == "none"), checks=[_about_it],
            do={"status": response})
    for state, here in _after_certificate("client")
]
_sent = [
    send("server", CertificateStatus, state, SAME, rfc="6066 8",
         when=conj(here, acked, its.status == "none"), do={"status": const("honest", Status)})
    for state, here in _after_certificate("server")
]

_asked = check("status asked for", ~hello.status_request | own.asks_status, "unsupported_extension")
_HELLO = "client_receive_server_hello_WAIT_SH_to_"


def _every(role: Role, rule: Rule) -> Amend | None:
    """No answer in a ServerHello of TLS 1.3, nor in one that resumes a session."""
    resumes = takes(role, rule, "ServerHello", "tls12") and rule.target.startswith("RES_")
    if resumes or takes(role, rule, "ServerHello", "tls13"):
        return Amend("", checks=unasked("status", hello.status_request, own.asks_status))
    return None


EXTENSION = Extension(
    "status_request",
    "6066 8",
    "certificate status stapled to the server's Certificate",
    variables=VARIABLES,
    messages=(CertificateStatus,),
    fields={"ClientHello": FIELD, "ServerHello": FIELD},
    sends={
        "client": {"ClientHello": {"status_request": own.asks_status}},
        "server": {
            "ServerHello": {"status_request": acked & (server.version <= "TLS12")},
            "CertificateStatus": {"response": its.status},
        },
    },
    views={
        "client": {"status_acked": own.status_acked, "status": own.status},
        "server": {"status_acked": acked & (server.version <= "TLS12"), "status": its.status},
    },
    covers={"hellos": ("status_acked",), "flight": ("status",)},
    rows=(*_taken, *_sent),
    every=_every,
    amends=(
        *(
            Amend(_HELLO + state, checks=(_asked,), do={"status_acked": hello.status_request})
            for state in ("WAIT_CERTIFICATE", "WAIT_SKE")
        ),
        Amend(
            "server_receive_client_hello_START_to_SEND_SH",
            do={"status_asked": hello.status_request},
        ),
    ),
    observers={
        "client": (
            Observer(
                "status_out_of_place", "receive", "CertificateStatus",
                own.status_out_of_place
                | ~saw("Certificate")
                | disj(*map(saw, ("ServerKeyExchange", "CertificateRequest", "ServerHelloDone"))),
            ),
        )
    },
)
