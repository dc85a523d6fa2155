"""Observers: variables that record the past, updated by event, for properties to read.

`saw_X`: the run accepted message X in the present handshake. Each other observer latches a fact
about the moment of an event. Only observers that a property reads are compiled into a system.
"""

from __future__ import annotations

from dataclasses import replace

from model.expr import BOOL, FALSE, TRUE, Expr, conj, disj, eq, neg, var
from model.generations.records import fatal
from model.principal import Alert, Key, client, server
from model.role import Observer, Role
from model.rule import SAME, Fields, Form, Variable, snake

UNDER = var("msg.under", Key)
"""The key of the record in which a message came, for the value of an observer."""

UNOBSERVED = ("Alert", "UndecryptableRecord", "TransportClose", "ApplicationData")
"""The messages that are no step of a handshake."""


def saw(message: str) -> Expr:
    """The observer "this run accepted `message`", over `own`."""
    return var(f"own.saw_{snake(message)}", BOOL)


def _latch(
    name: str, kind: str, event: str, condition: Expr, *, transient: bool = False
) -> Observer:
    return Observer(name, kind, event, var(f"own.{name}", BOOL) | condition, transient)


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
            out.append(_latch("repeated_ccs", "receive", m, saw(m) & counts))
        elif m != "CloseNotify":
            again = of.again.get(m, FALSE)
            out.append(_latch("repeated", "receive", m, conj(saw(m), neg(again))))
        if m not in ("ClientHello", "CloseNotify", "ChangeCipherSpec"):
            first = "ClientHello" if role == "server" else "ServerHello"
            if m != first and m not in early:
                out.append(_latch("before_hello", "receive", m, neg(saw(first))))
    # Messages that only a run of the same role may send (RFC 5246 7.3, RFC 8446 4).
    for m in (m for m in of.sends if m not in peer.sends):
        out.append(_latch("foreign", "receive", m, TRUE))
    return out


def observers(of: Role, peer: Role) -> tuple[Observer, ...]:
    """The observers of a role with the given peer."""
    own: Fields = client if of.name == "client" else server
    legacy = own.version <= "TLS12"
    out = _of_messages(of, peer)
    for m in of.alphabet:
        if m.form is Form.RECORD:
            # RFC 8446 5: an unprotected ChangeCipherSpec is dropped.
            dropped = conj(UNDER == "plaintext", own.version == "TLS13")
            other = neg(eq(UNDER, own.read_key))
            spec = m.name == "ChangeCipherSpec"
            out.append(
                _latch("other_key", "receive", m.name, conj(other, neg(dropped)) if spec else other)
            )
    out.append(_latch("finished_in_clear", "receive", "Finished", UNDER == "plaintext"))
    out.append(
        _latch(
            "finished_not_after_ccs", "receive", "Finished",
            legacy & neg(saw("ChangeCipherSpec")),
        )
    )
    out.append(
        _latch("late_ccs", "receive", "ChangeCipherSpec", (own.version == "TLS13") & own.verified)
    )
    out.append(
        _latch(
            "misplaced_extensions", "receive", "EncryptedExtensions",
            (UNDER != "handshake")
            | disj(*map(saw, ("CertificateRequest", "Certificate", "CertificateVerify"))),
        )
    )
    out.append(
        _latch(
            "verify_out_of_place", "receive", "CertificateVerify",
            disj(saw("ChangeCipherSpec"), conj(legacy, neg(saw("ClientKeyExchange")))),
        )
    )
    out.append(_latch("data_in_clear", "receive", "ApplicationData", UNDER == "plaintext"))
    out.append(
        _latch(
            "survived_fatal_alert", "receive", "Alert",
            fatal(own),
            transient=True,
        )
    )
    out.append(_latch("closed_in_keys", "receive", "CloseNotify", UNDER != "plaintext"))
    state = var("own.state", of.state_domain)
    out.append(
        _latch("closed_connected", "receive", "CloseNotify", state.one_of("CONNECTED", "CLOSING"))
    )
    out.append(_latch("closed_first", "send", "CloseNotify", own.end == "none"))
    # The states in which a Finished is due.
    due = {
        s
        for r in of.table
        if r.kind == "receive" and r.event == "Finished" and r.target != SAME
        for s in r.sources
    }
    wrong = var("msg.alert", Alert) != "decrypt_error"
    out.append(
        _latch(
            "wrong_finished_alert", "reject", "Finished",
            wrong & state.one_of(*due),
        )
    )
    return tuple(out)


def observed(of: Role, peer: Role) -> Role:
    """`of` with the observers and their variables."""
    found = observers(of, peer)
    more = {o.variable: Variable(BOOL, (False,), write_once=not o.transient) for o in found}
    return replace(of, variables={**of.variables, **more}, observers=(*found, *of.observers))
