"""Observers: variables that record the past, updated by event, for properties to read.

`saw_X`: the run accepted message X in the present handshake. Each other observer latches a fact
about the moment of an event. Only observers that a property reads are compiled into a system.
"""

from __future__ import annotations

from dataclasses import replace

from model.expr import BOOL, FALSE, TRUE, Domain, Expr, conj, const, disj, eq, ite, neg, same, var
from model.flights import observers as of_places
from model.generations.records import READ_CLOSED, fatal
from model.generations.tls12_server import decrypts, version_inside
from model.message import CertificateVerify, ChangeCipherSpec, Finished, ServerKeyExchange
from model.principal import Alert, ClientOwner, End, Key, client, server
from model.role import Observer, Role
from model.rule import SAME, Fields, Form, Variable, snake
from model.transcript import RSA_SUITES, certificate_verify, params_signature, verify_data

UNDER = var("msg.under", Key)
"""The key of the record in which a message came, for the value of an observer."""

SIGNED_SUITES = ("RSA_EXPORT", "DHE_EXPORT", "DHE", "ECDHE")
"""The suites whose ServerKeyExchange is signed (RFC 5246 7.4.3, 2246 7.4.3)."""

UNOBSERVED = ("Alert", "UndecryptableRecord", "TransportClose", "ApplicationData")
"""The messages that are no step of a handshake."""


def after(name: str, domain: Domain) -> Expr:
    """What the observed row makes of a variable, for the value of an observer."""
    return var(f"new.{name}", domain)


def saw(message: str) -> Expr:
    """The observer "this run accepted `message`", over `own`."""
    return var(f"own.saw_{snake(message)}", BOOL)


def latch(
    name: str, kind: str, event: str, condition: Expr, *, transient: bool = False
) -> Observer:
    return Observer(name, kind, event, var(f"own.{name}", BOOL) | condition, transient)


def held(of: Fields, **values: Expr) -> Expr:
    """When the observed row leaves a run with these values of its variables."""
    return conj(*(eq(after(n, of[n].domain), e) for n, e in values.items()))


def keeps(kind: str, event: str, *said: Expr) -> Observer:
    """The observer of an event after which a run holds something else than was said."""
    return latch("kept_other", kind, event, neg(conj(*said)))


def composites(role: str) -> tuple[Observer, ...]:
    """The observers of composites that a run accepted and that were not the expected ones.

    They say themselves what is expected, so that a row that does not compare is seen. An answer
    after the handshake has observers of its own.
    """
    own: Fields = client if role == "client" else server
    peer = "server" if role == "client" else "client"
    main = neg(own.verified)

    def other(composite: Expr, parts: tuple[Expr, ...], due: Expr) -> Expr:
        return conj(due, neg(same(composite, *parts)))

    finished = other(Finished.f.verify_data, verify_data(role, peer), main)
    proof = other(CertificateVerify.f.signature, certificate_verify(role, peer), main)
    out = [
        latch("wrong_finished", "receive", "Finished", finished),
        latch("wrong_proof", "receive", "CertificateVerify", proof),
    ]
    if role == "client":
        f = ServerKeyExchange.f
        signed = params_signature("client", f.share, f.group)
        wrong = other(f.signature, signed, own.suite.one_of(*SIGNED_SUITES))
        out.append(latch("wrong_parameters", "receive", "ServerKeyExchange", wrong))
    else:
        used = conj(own.suite.one_of(*RSA_SUITES), after("exchange", ClientOwner) != "random")
        wrong = conj(used, neg(decrypts & version_inside))
        out.append(latch("wrong_premaster", "receive", "ClientKeyExchange", wrong))
    return tuple(out)


def _of_messages(of: Role, peer: Role) -> list[Observer]:
    """The observers of messages accepted: at all, twice, too early or of the wrong role."""
    role = of.name
    own: Fields = client if role == "client" else server
    legacy = own.version <= "TLS12"
    out: list[Observer] = []
    early = {m.name for m in of.alphabet if m.before_hello}
    for m in (m.name for m in of.alphabet if m.handshake and m.name not in UNOBSERVED):
        # A dropped ChangeCipherSpec of TLS 1.3 is not part of the handshake (RFC 8446 5).
        counts = legacy & (own.version != "none") if m == "ChangeCipherSpec" else TRUE
        out.append(Observer(f"saw_{snake(m)}", "receive", m, saw(m) | counts, transient=True))
        if m == "ChangeCipherSpec":
            out.append(latch("repeated_ccs", "receive", m, saw(m) & counts))
        elif m != "CloseNotify":
            again = of.again.get(m, FALSE)
            out.append(latch("repeated", "receive", m, conj(saw(m), neg(again))))
        if m not in ("ClientHello", "CloseNotify", "ChangeCipherSpec"):
            first = "ClientHello" if role == "server" else "ServerHello"
            if m != first and m not in early:
                out.append(latch("before_hello", "receive", m, neg(saw(first))))
    # Messages that only a run of the same role may send (RFC 5246 7.3, RFC 8446 4).
    for m in (m for m in of.sends if m not in peer.sends):
        out.append(latch("foreign", "receive", m, TRUE))
    return out


def _of_compatibility(own: Fields, of: Role) -> list[Observer]:
    """The observers of a ChangeCipherSpec that no end may take, and of one of TLS 1.3 that changes
    something (RFC 8446 5, D.4)."""
    is_13 = (own.version == "TLS13") | (own.version == "none") & (own.max_version == "TLS13")
    now = {"state": var("own.state", of.state_domain), "read_key": own.read_key,
           "write_key": own.write_key}
    moved = disj(*(neg(eq(after(n, e.domain), e)) for n, e in now.items()))
    is_protected = conj(own.version == "TLS13", UNDER != "plaintext")
    bad = disj(ChangeCipherSpec.f.value != "1", now["state"] == of.states[0], is_protected)
    return [
        latch("changed_by_ccs", "receive", "ChangeCipherSpec", is_13 & moved),
        latch("bad_ccs", "receive", "ChangeCipherSpec", bad),
    ]


KEPT = {
    "client": {
        "ServerHello": {
            "version": "version", "server_random": "random", "session_id": "session_id",
            "suite": "suite", "compression": "compression",
        },
        "Certificate": {"server_certificate": "certificate"},
        "ServerKeyExchange": {"server_share": "share", "group": "group"},
    },
    "server": {
        "ClientHello": {"client_random": "random"},
        "SecondClientHello": {"client_random": "random"},
        "Certificate": {"client_certificate": "certificate"},
    },
}
"""By role and message received: the variables that keep what a field says."""


def _of_keeping(of: Role, own: Fields) -> list[Observer]:
    """The observers of what a run keeps of a message, where that is not what the message says.

    They are about the handshake: a later answer is kept elsewhere.
    """
    state = var("own.state", of.state_domain)
    later = {"CONNECTED", "READ_CLOSED", "CLOSING"} & {*of.states}
    out = []

    def main(kind: str, message: str, *same: Expr) -> None:
        out.append(keeps(kind, message, disj(state.one_of(*sorted(later)), conj(*same))))

    fields = {m.name: m.f for m in of.alphabet}
    for message, kept in KEPT[of.name].items():
        if message not in fields:
            continue
        f = fields[message]
        same = [eq(after(v, own[v].domain), f[x]) for v, x in kept.items()]
        kept_now: Expr = TRUE
        if message == "ServerHello":
            # A sentinel is a part of the random: see `take_hello`.
            same.append(disj(f.random == "adversary",
                             held(own, sentinel=f.sentinel)))
            group = const("ecdh", own.group.domain)
            same.append(ite(f.version == "TLS13", held(own, server_share=f.key_share, group=group),
                            f.key_share == "none"))
        if message.endswith("ClientHello"):
            # Of a hello that is answered with HelloRetryRequest the extension keeps its own.
            kept_now = neg(after("state", of.state_domain).one_of(*({"SEND_HRR"} & {*of.states})))
            offer = after("client_offer", ClientOwner)
            share = after("exchange", ClientOwner)
            is_13 = after("version", own.version.domain) == "TLS13"
            # With another share than its own the hello is nobody's: see `offer` of the server.
            mine = eq(f.key_share, ite(f.shares == "one", f.offer, const("none", ClientOwner)))
            same += [eq(offer, ite(mine, f.offer, const("adversary", ClientOwner))),
                     disj(neg(is_13), eq(share, f.key_share)),
                     disj(neg(is_13), f.version == "TLS13"),
                     held(own, legacy_version=f.legacy_version)]
            if message == "ClientHello":
                highest = after("client_version", own.version.domain)
                same.append(disj(eq(highest, f.version), eq(highest, f.legacy_version)))
        main("receive", message, disj(neg(kept_now), conj(*same)))
    if of.name == "client":
        shown = var("msg.certificate", own.client_certificate.domain)
        main("send", "Certificate", eq(after("client_certificate", shown.domain), shown))
        its_own = disj(shown == "empty", conj(shown == "honest", own.has_certificate))
        out.append(latch("showed_others", "send", "Certificate", neg(its_own)))
        unsigned = conj(neg(state.one_of(*sorted(later))), own.client_certificate != "honest")
        out.append(latch("showed_others", "send", "CertificateVerify", unsigned))
    return out


SENT_UNDER = {
    **dict.fromkeys(
        ("ClientHello", "SecondClientHello", "HelloRetryRequest", "ServerHello"), "plaintext"
    ),
    **dict.fromkeys(("EarlyData", "EndOfEarlyData"), "early"),
    **dict.fromkeys(
        ("EncryptedExtensions", "CertificateRequest", "Certificate", "CertificateVerify",
         "Finished"),
        "handshake",
    ),
    **dict.fromkeys(("ApplicationData", "KeyUpdate", "NewSessionTicket"), "application"),
}
"""By message of TLS 1.3: the key under which it is sent, up to the end of the handshake; after that
all are under the application key (RFC 8446 5.1, 7.3, A)."""


def _of_write_keys(of: Role, own: Fields) -> list[Observer]:
    """The observers of messages that are sent under another key than theirs."""
    later = {"CONNECTED", "READ_CLOSED"} & {*of.states}
    done = var("own.state", of.state_domain).one_of(*sorted(later))
    out = []
    for m in of.sends:
        if m in (*UNOBSERVED, "CloseNotify", "ChangeCipherSpec") and m != "ApplicationData":
            continue
        # Below TLS 1.3 keys change by the sender's own ChangeCipherSpec (RFC 5246 7.1).
        last = m in ("Finished", "ApplicationData")
        below = own.write_key.one_of(*(["application"] if last else ["plaintext", "previous"]))
        due = own.write_key == SENT_UNDER.get(m, "plaintext")
        if m != "EarlyData":  # sent before there is a version
            due = ite(own.version == "TLS13", due, below)
        right = ite(done, own.write_key == "application", due)
        out.append(latch("wrote_other_key", "send", m, neg(right)))
    return out


def _of_sending(of: Role) -> list[Observer]:
    """The observers of what was sent at all, and of what the run's own close_notify forbids."""
    out = [Observer(f"said_{snake(m)}", "send", m, TRUE, transient=True) for m in of.sends]
    closed = var("own.said_close_notify", BOOL)
    ended = conj(after("state", of.state_domain) == of.closed, after("end", End) == "close_notify")
    silent = conj(ended, neg(closed))
    out.append(latch("closed_silently", "receive", "CloseNotify", silent))
    return [*out, *(latch("sent_after_close", "send", m, closed) for m in of.sends)]


def observers(of: Role, peer: Role) -> tuple[Observer, ...]:
    """The observers of a role with the given peer."""
    own: Fields = client if of.name == "client" else server
    legacy = own.version <= "TLS12"
    out = [*_of_messages(of, peer), *of_places(of, own), *_of_compatibility(own, of)]
    out += [*_of_keeping(of, own), *_of_sending(of), *_of_write_keys(of, own)]
    for m in of.alphabet:
        if m.form is Form.RECORD:
            # RFC 8446 5: an unprotected ChangeCipherSpec is dropped.
            dropped = conj(UNDER == "plaintext", own.version == "TLS13")
            other = neg(eq(UNDER, own.read_key))
            spec = m.name == "ChangeCipherSpec"
            out.append(
                latch("other_key", "receive", m.name, conj(other, neg(dropped)) if spec else other)
            )
    out.append(latch("finished_in_clear", "receive", "Finished", UNDER == "plaintext"))
    out.append(
        latch(
            "finished_not_after_ccs", "receive", "Finished",
            legacy & neg(saw("ChangeCipherSpec")),
        )
    )
    out.append(
        latch("late_ccs", "receive", "ChangeCipherSpec", (own.version == "TLS13") & own.verified)
    )
    out.append(
        latch(
            "misplaced_extensions", "receive", "EncryptedExtensions",
            (UNDER != "handshake")
            | disj(*map(saw, ("CertificateRequest", "Certificate", "CertificateVerify"))),
        )
    )
    out.append(
        latch(
            "verify_out_of_place", "receive", "CertificateVerify",
            disj(saw("ChangeCipherSpec"), conj(legacy, neg(saw("ClientKeyExchange")))),
        )
    )
    out.append(latch("data_in_clear", "receive", "ApplicationData", UNDER == "plaintext"))
    out.append(
        latch(
            "survived_fatal_alert", "receive", "Alert",
            fatal(own),
            transient=True,
        )
    )
    out.append(latch("closed_in_keys", "receive", "CloseNotify", UNDER != "plaintext"))
    state = var("own.state", of.state_domain)
    # Who has closed may close the read side too, at any time (RFC 5246 7.2.1).
    closing = state.one_of(*sorted({"CLOSING", *READ_CLOSED} & {*of.states}))
    if "half_close" in of.extensions:  # With it an end of TLS 1.3 reads on (RFC 8446 6.1).
        closing = conj(closing, neg(conj(state == "CLOSING", own.version == "TLS13")))
    is_open = neg(disj(own.end == "close_notify", closing))
    out += [latch("dropped_open", "drop", m.name, is_open) for m in of.alphabet]
    out.append(
        latch("closed_connected", "receive", "CloseNotify", state.one_of("CONNECTED", "CLOSING"))
    )
    out.append(latch("closed_first", "send", "CloseNotify", own.end == "none"))
    # The states in which a Finished is due.
    due = {
        s
        for r in of.table
        if r.kind == "receive" and r.event == "Finished" and r.target != SAME
        for s in r.sources
    }
    wrong = var("msg.alert", Alert) != "decrypt_error"
    out.append(
        latch(
            "wrong_finished_alert", "reject", "Finished",
            wrong & state.one_of(*due),
        )
    )
    return tuple(out)


def observed(of: Role, peer: Role) -> Role:
    """`of` with the observers and their variables."""
    return declared(replace(of, observers=(*observers(of, peer), *of.observers)))


def declared(of: Role) -> Role:
    """`of` with the variables of its observers."""
    more = {
        o.variable: Variable(o.value.domain, (o.value.domain.values[0],), not o.transient)
        for o in of.observers
        if o.variable not in of.variables
    }
    return replace(of, variables={**of.variables, **more})
