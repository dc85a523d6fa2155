"""Client authentication after the handshake (RFC 8446 4.6.2; rows P5 to P10).

1. A client offers post_handshake_auth in the hello. A connected server may then send a request with
   a context that is new on this connection; several requests may be open.             4.2.6, 4.6.2
2. The client answers the requests in any order. An answer is a Certificate, a CertificateVerify
   unless the certificate is empty, and a Finished, with nothing in between; the proofs cover the
   whole main handshake and this request.                                               4.4, 4.6.2
3. The server may silently treat a client with a good certificate as anonymous.          4.4.2.4

A request without the offer is an unexpected message. An end that has sent close_notify discards the
rest of such an exchange.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Domain, Expr, conj, const, disj, ite, neg, same
from model.extensions import Amend, Extension
from model.generations.tls12_server import TRUST_CLIENT
from model.message import CertificateMessage, CertificateRequest, CertificateVerify, Finished
from model.observers import after, held, keeps, latch
from model.principal import Certificate, ClientOwner, Version, client, server
from model.role import Edition, Observer
from model.rule import SAME, Fields, Rule, Variable, check, choice, receive, send, unread
from model.transcript import certificate_verify, verify_data

Context = Domain("Context", ("none", "1", "2"))
"""The context of a request on a connection; `none` is the empty context of the main handshake."""

CONTEXTS = ("1", "2")

_flag = Variable(BOOL, (False,))
VARIABLES = {
    "client": {
        # Configuration: whether the client offers post_handshake_auth.
        "offers_pha": _flag,
        # For each context: asked; the certificate shown; the proof and the Finished sent.
        **{f"asked_{k}": _flag for k in CONTEXTS},
        **{f"answer_{k}": Variable(Certificate, ("none",)) for k in CONTEXTS},
        **{f"proved_{k}": _flag for k in CONTEXTS},
        **{f"answered_{k}": _flag for k in CONTEXTS},
        "first_answer": Variable(Context, ("none",)),
        "answering": Variable(Context, ("none",), write_once=False),
        "broke_answer": _flag,
    },
    "server": {
        # Configuration: whether the server sends requests, and whether it uses a good certificate.
        "asks_later": _flag,
        "accepts_later": Variable(BOOL, (True,)),
        "pha_offered": _flag,
        # For each context: asked; the certificate shown; the Finished verified.
        **{f"request_{k}": _flag for k in CONTEXTS},
        **{f"shown_{k}": Variable(Certificate, ("none",)) for k in CONTEXTS},
        **{f"done_{k}": _flag for k in CONTEXTS},
        "checking": Variable(Context, ("none",), write_once=False),
        "presented": Variable(Certificate, ("none",), write_once=False),
        **{f"proof_seen_{k}": _flag for k in CONTEXTS},
    },
}
own = Fields("the client", "own", {n: v.domain for n, v in VARIABLES["client"].items()})
its = Fields("the server", "own", {n: v.domain for n, v in VARIABLES["server"].items()})
FIELD = {"context": Context}
context = choice("context", Context)
HELLO = {"post_handshake_auth": BOOL}
hello = Fields("ClientHello", "msg", HELLO)
answer = choice("certificate", Certificate)
certificate = CertificateMessage.f.certificate

is_13 = {"client": client.version == "TLS13", "server": server.version == "TLS13"}


def _per_context(name: str, value: Expr, of: Fields, chosen: Expr) -> dict[str, Expr]:
    """The effects that set `name_k` to `value` for the chosen context k alone."""
    return {f"{name}_{k}": ite(chosen == k, value, of[f"{name}_{k}"]) for k in CONTEXTS}


def _at(expr: str, of: Fields, chosen: Expr) -> Expr:
    """The flag `expr_k` of the chosen context k."""
    return disj(*((chosen == k) & of[f"{expr}_{k}"] for k in CONTEXTS))


def _unset(name: str, of: Fields, chosen: Expr) -> Expr:
    """Whether there is no certificate yet for the chosen context."""
    return disj(*((chosen == k) & (of[f"{name}_{k}"] == "none") for k in CONTEXTS))


def _proof(role: str, which: Expr, shown: Expr) -> tuple[Expr, ...]:
    """The CertificateVerify of one answer: the main handshake, then context and certificate."""
    label, _, *transcript = certificate_verify(role, "client")
    return (label, shown, *transcript, which, shown)


def _finished(role: str, which: Expr, shown: Expr) -> tuple[Expr, ...]:
    return (*verify_data(role, "client"), which, shown)


_main_context = check("empty context", context == "none", "illegal_parameter")
_fresh = check(
    "new context",
    disj(*((context == k) & ~own[f"asked_{k}"] for k in CONTEXTS)),
    "illegal_parameter",
)
_open = check(
    "open context",
    conj(_at("request", its, context), _unset("shown", its, context)),
    "illegal_parameter",
)
_right = {
    "CertificateVerify": same(
        CertificateVerify.f.signature, *_proof("server", its.checking, its.presented)
    ),
    "Finished": same(Finished.f.verify_data, *_finished("server", its.checking, its.presented)),
}
_signature = check("signature", _right["CertificateVerify"], "decrypt_error")
_verify_data = check("verify_data", _right["Finished"], "decrypt_error")
_show = {**_per_context("shown", certificate, its, context), "checking": context,
         "presented": certificate}
_idle = own.answering == "none"
_proved = _at("proved", own, own.answering)
_shows = disj(*((own.answering == k) & (own[f"answer_{k}"] == "honest") for k in CONTEXTS))
_may_ask = conj(is_13["server"], its.asks_later, its.pha_offered)
_asked = conj(is_13["server"], its.request_1)
_forgets = {"checking": const("none", Context), "presented": const("none", Certificate)}

ROWS: list[Rule] = [
    # -- client ------------------------------------------------------------------------------------
    receive("client", CertificateRequest, "CONNECTED", SAME, rfc="8446 4.6.2",
            when=is_13["client"] & own.offers_pha, checks=[_fresh],
            do={f"asked_{k}": own[f"asked_{k}"] | (context == k) for k in CONTEXTS},
            label="client_receive_certificate_request_later"),
    unread(receive("client", CertificateRequest, "CLOSING", SAME, rfc="8446 6.1",
                   when=is_13["client"] & own.offers_pha)),
    send("client", CertificateMessage, "CONNECTED", SAME, rfc="8446 4.6.2",
         when=conj(_idle, _at("asked", own, context), _unset("answer", own, context),
                   (answer == "empty") | ((answer == "honest") & client.has_certificate)),
         do={**_per_context("answer", answer, own, context), "answering": context,
             "first_answer": ite(own.first_answer == "none", context, own.first_answer)},
         choices={"certificate": Certificate, **FIELD},
         label="client_send_certificate_later"),
    send("client", CertificateVerify, "CONNECTED", SAME, rfc="8446 4.4.3", when=_shows & ~_proved,
         do={f"proved_{k}": own[f"proved_{k}"] | (own.answering == k) for k in CONTEXTS},
         label="client_send_certificate_verify_later"),
    send("client", Finished, "CONNECTED", SAME, rfc="8446 4.4.4",
         when=conj(~_idle, _proved | ~_shows),
         do={"answering": const("none", Context),
             **{f"answered_{k}": own[f"answered_{k}"] | (own.answering == k) for k in CONTEXTS}},
         label="client_send_finished_later"),
    # -- server ------------------------------------------------------------------------------------
    send("server", CertificateRequest, "CONNECTED", SAME, rfc="8446 4.6.2",
         when=conj(_may_ask, disj((context == "1") & ~its.request_1,
                                  conj(context == "2", its.request_1, ~its.request_2))),
         do={f"request_{k}": its[f"request_{k}"] | (context == k) for k in CONTEXTS},
         choices=FIELD,
         label="server_send_certificate_request_later"),
    receive("server", CertificateMessage, "CONNECTED", "PH_WAIT_FINISHED", rfc="8446 4.4.2",
            when=_asked & (certificate == "empty"), checks=[_open], do=_show),
    receive("server", CertificateMessage, "CONNECTED", "PH_WAIT_CV", rfc="8446 4.4.2",
            when=_asked & (certificate != "empty"), checks=[_open, *TRUST_CLIENT], do=_show),
    receive("server", CertificateVerify, "PH_WAIT_CV", "PH_WAIT_FINISHED", rfc="8446 4.4.3",
            checks=[_signature]),
    receive("server", Finished, "PH_WAIT_FINISHED", "CONNECTED", rfc="8446 4.4.4, 4.6.2",
            checks=[_verify_data],
            do={**_forgets,
                **{f"done_{k}": its[f"done_{k}"] | (its.checking == k) for k in CONTEXTS}}),
    *(unread(receive("server", m, "CLOSING", SAME, rfc="8446 6.1", when=_asked))
      for m in (CertificateMessage, CertificateVerify, Finished)),
]

_to = Fields("the receiver", "to", {
    "verified": BOOL, "checking": Context, **{f"asked_{k}": BOOL for k in CONTEXTS},
    **{f"shown_{k}": Certificate for k in CONTEXTS},
})


def _main_keys(of: Fields) -> dict[str, Expr]:
    """The keys of a message of the main handshake; of an answer, whatever its end writes under."""
    return {"application": of.version <= "TLS12"}


def _request(k: str) -> Edition:
    asked = its[f"request_{k}"]
    return Edition(
        f"for context {k}", asked, {"context": const(k, Context)},
        _to.verified & (_to.asked_1 if k == "2" else ~_to.asked_1), {},
        asked if k == "2" else asked & ~its.request_2,
    )


def _answers(message: str) -> tuple[Edition, ...]:
    """The editions of a client's message: that of the main handshake, then of each answer."""
    name = {"Certificate": "answer", "CertificateVerify": "proved", "Finished": "answered"}[message]
    main = {
        "Certificate": client.client_certificate != "none",
        "CertificateVerify": client.client_certificate == "honest",
        "Finished": TRUE,
    }
    out = [Edition("", main[message], {}, ~_to.verified, _main_keys(client))]
    for k, other in zip(CONTEXTS, reversed(CONTEXTS), strict=True):
        which, shown = const(k, Context), own[f"answer_{k}"]
        sent = shown != "none" if name == "answer" else own[f"{name}_{k}"]
        contents: dict[str, dict[str, Expr | tuple[Expr, ...]]] = {
            "Certificate": {"certificate": shown, "context": which},
            "CertificateVerify": {"signature": _proof("client", which, shown)},
            "Finished": {"verify_data": _finished("client", which, shown)},
        }
        fields = contents[message]
        first = own.first_answer == k
        order = (
            ite(first, _to[f"shown_{other}"] == "none", _to[f"shown_{other}"] != "none")
            if name == "answer"
            else (_to.checking == k) | (_to.checking == "none")
        )
        latest = (own[f"answer_{other}"] == "none") | (own.first_answer == other)
        out.append(Edition(f"for context {k}", sent, fields, _to.verified & order,
                           {}, sent & latest))
    return tuple(out)


def _same(of: Fields, name: str, chosen: Expr, value: Expr) -> Expr:
    """When `name_k` becomes `value` for the chosen context k and stays for the others."""
    return held(of, **_per_context(name, value, of, chosen))


def _flags(of: Fields, name: str, chosen: Expr) -> Expr:
    """When `name_k` becomes true for the chosen context k and stays for the others."""
    return held(of, **{f"{name}_{k}": of[f"{name}_{k}"] | (chosen == k) for k in CONTEXTS})


_answering = after("answering", Context)
# An answer is sent under the application key, the messages of the main handshake are not.
_later = conj(is_13["client"], client.write_key == "application")
_first_asked = conj(~its.request_1, after("request_1", BOOL), ~after("request_2", BOOL))
_next_asked = conj(
    its.request_1, ~its.request_2, after("request_1", BOOL), after("request_2", BOOL)
)
_none_asked = held(its, request_1=its.request_1, request_2=its.request_2)
_none = const("none", Context)
_pha_kept = (after("version", Version) != "TLS13") | (
    after("client_random", ClientOwner) == "none"
) | held(its, pha_offered=hello.post_handshake_auth)
OBSERVERS = {
    "client": (
        *(
            Observer("broke_answer", "send", m, own.broke_answer | ~_idle)
            for m in ("ApplicationData", "KeyUpdate")
        ),
        latch("wrong_context", "receive", "CertificateRequest",
              ite(client.verified, neg(_fresh.expr), context != "none")),
        latch("wrong_context", "receive", "Certificate", context != "none"),
        keeps("receive", "CertificateRequest", ~client.verified | _flags(own, "asked", context)),
        keeps("send", "Certificate", _same(own, "answer", _answering, answer)),
        keeps("send", "CertificateVerify", _flags(own, "proved", own.answering)),
        keeps("send", "Finished", _flags(own, "answered", own.answering), _answering == "none"),
        latch("unasked_answer", "send", "Certificate",
              _later & neg(conj(_at("asked", own, _answering), _unset("answer", own, _answering)))),
        latch("unasked_answer", "send", "Finished", _later & (_idle | (_shows & ~_proved))),
    ),
    "server": (
        *(
            Observer(
                f"proof_seen_{k}", "receive", "CertificateVerify",
                its[f"proof_seen_{k}"] | (its.checking == k),
            )
            for k in CONTEXTS
        ),
        *(
            latch("wrong_answer", "receive", m, server.verified & ~right)
            for m, right in _right.items()
        ),
        *(keeps("receive", m, _pha_kept) for m in ("ClientHello", "SecondClientHello")),
        latch("wrong_context", "receive", "Certificate",
              ite(server.verified, neg(_open.expr), context != "none")),
        latch("broke_answer", "receive", "ApplicationData", its.checking != "none"),
        keeps("send", "CertificateRequest",
              ite(server.verified, _first_asked | _next_asked, _none_asked)),
        keeps("receive", "Certificate",
              ~server.verified | held(its, checking=context, presented=certificate)
              & _same(its, "shown", context, certificate)),
        keeps("receive", "Finished", _flags(its, "done", its.checking),
              held(its, checking=_none, presented=const("none", Certificate))),
    ),
}
"""By role: the observers."""

_OFFER = {"post_handshake_auth": own.offers_pha}
_CH = "server_receive_client_hello"
_SECOND = "server_receive_second_client_hello"
_HELLOS = {
    f"{_CH}_START_to_NEGOTIATED": "",
    f"{_CH}_psk": "psk",
    f"{_SECOND}_WAIT_CH_to_NEGOTIATED": "retry",
    f"{_SECOND}_psk": "retry_psk",
}
"""The rows that decide a handshake of TLS 1.3, each with its extension."""

EXTENSION = Extension(
    "post_handshake_auth",
    "8446 4.6.2",
    "client authentication after the handshake",
    variables=VARIABLES,
    states={"server": {"tls13": ("PH_WAIT_CV", "PH_WAIT_FINISHED")}},
    fields={
        "ClientHello": HELLO,
        "SecondClientHello": HELLO,
        "CertificateRequest": FIELD,
        "Certificate": FIELD,
    },
    optional={"CertificateRequest": ("context",), "Certificate": ("context",)},
    sends={
        "client": {
            "ClientHello": _OFFER,
            "SecondClientHello": _OFFER,
            "Certificate": {"context": const("none", Context)},
        },
        "server": {
            "CertificateRequest": {"context": const("none", Context)},
            "Certificate": {"context": const("none", Context)},
        },
    },
    rows=tuple(ROWS),
    amends=(
        *(
            Amend(row, do={"pha_offered": hello.post_handshake_auth}, of=of)
            for row, of in _HELLOS.items()
        ),
        *(
            Amend(row, checks=(_main_context,))
            for row in (
                "client_receive_certificate_request_WAIT_CERT_CR_to_WAIT_CERT",
                "client_receive_certificate_WAIT_CERT_CR_WAIT_CERT_to_WAIT_CV",
                "server_receive_certificate_WAIT_CERT_to_WAIT_FINISHED",
                "server_receive_certificate_WAIT_CERT_to_WAIT_CV",
            )
        ),
        Amend("client_send_application_data_CONNECTED_to_SAME", when=_idle),
        Amend("client_send_close_notify_CONNECTED_to_CLOSING", when=_idle),
        # An answer that was begun before the peer's close_notify is completed afterwards.
        *(
            Amend(f"client_send_{m}_later", sources=("READ_CLOSED",), of="half_close")
            for m in ("certificate", "certificate_verify", "finished")
        ),
        *(
            Amend(f"client_send_{m}", when=_idle, of="half_close")
            for m in ("application_data_READ_CLOSED_to_SAME", "close_notify_READ_CLOSED_to_CLOSED")
        ),
        Amend("client_send_key_update", when=_idle, of="key_update"),
        Amend("client_send_key_update_answer", when=_idle, of="key_update"),
    ),
    observers=OBSERVERS,
    again={
        "client": {"CertificateRequest": client.verified},
        "server": dict.fromkeys(("Certificate", "CertificateVerify", "Finished"), server.verified),
    },
    editions={
        "client": {m: _answers(m) for m in ("Certificate", "CertificateVerify", "Finished")},
        "server": {
            "CertificateRequest": (
                Edition(
                    "", server.client_auth != "none", {}, ~_to.verified, _main_keys(server)
                ),
                _request("1"),
                _request("2"),
            )
        },
    },
    signer={"server": (its.presented != "none", its.presented)},
)
