"""No message of a handshake is altered, left out or repeated unseen: whole handshakes by hand.

Each message of an honest handshake is changed on its way, one field at a time, to each other value
of the field's domain, and not both ends finish; or the field is on the list of `model.uncovered`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from model.expr import COMPOSITE, Expr, python_function
from model.extensions import ENDS, with_needed
from model.extensions.early_data import EndOfEarlyData
from model.extensions.early_data import server as early_server
from model.machine import JUNK, CallError, Run, Sent
from model.patch import patched, with_rows
from model.roles import role
from model.rule import SAME, Message, receive
from model.uncovered import UNCOVERED
from tests.contracts.test_transcripts import NO_TRANSCRIPT, OTHER
from tests.sizes import deep_but

TLS12 = {"min_version": "TLS12", "max_version": "TLS12"}
TLS13 = {"min_version": "TLS13", "max_version": "TLS13"}
BOTH = {"min_version": "TLS12", "max_version": "TLS13"}
KEY = {"has_external": True}
KE = {**KEY, "takes_psk_ke": True, "takes_psk_dhe_ke": False}


def suites(*names: str, **more: Any) -> dict[str, Any]:
    return {**{f"offers_{n}": True for n in names}, **more}


class Case(NamedTuple):
    """An honest handshake: extensions, configurations, and those of a handshake that resumes it."""

    extensions: tuple[str, ...]
    client: dict[str, Any]
    server: dict[str, Any]
    again: dict[str, Any] | None = None


NO_AUTH = {"asks_client": False}
NAMES = {"wanted": "a", "lists_http": True}
HELLOS = (
    "alpn",
    "cipher_suites",
    "early_data",
    "extended_master_secret",
    "psk",
    "renegotiation_info",
    "retry",
    "server_name",
    "session_ticket",
    "signature_schemes",
    "status_request",
)
"""The extensions of a hello of TLS 1.2 and 1.3."""

CASES = {
    "RSA": Case((), suites("RSA", **TLS12), suites("RSA", **TLS12)),
    "ECDHE": Case((), suites("ECDHE", **BOTH), suites("ECDHE", **TLS12)),
    "anonymous": Case((), suites("DH_anon", **TLS12), suites("DH_anon", **TLS12)),
    "RSA_EXPORT": Case(
        (),
        suites("RSA_EXPORT", min_version="TLS10", max_version="TLS10"),
        suites("RSA_EXPORT", min_version="TLS10", max_version="TLS10"),
    ),
    "hello extensions of TLS 1.2": Case(
        (
            "extended_master_secret",
            "fallback",
            "renegotiation_info",
            "session_ticket",
            "status_request",
        ),
        suites("DHE", asks_status=True, **TLS12),
        suites("DHE", staples=True, **TLS12, **NO_AUTH),
    ),
    "hello extensions of both, TLS 1.2": Case(
        HELLOS,
        suites("ECDHE", **BOTH, **KEY, **NAMES),
        suites("ECDHE", **TLS12, **NO_AUTH),
    ),
    "hello extensions of both, TLS 1.3": Case(
        HELLOS,
        suites("ECDHE", **BOTH, **KEY, **NAMES),
        {**BOTH, **NO_AUTH},
    ),
    "session id": Case(
        ("resumption", "status_request"), suites("RSA", **TLS12), suites("RSA", **TLS12), {}
    ),
    "ticket": Case(
        ("session_ticket", "extended_master_secret"),
        suites("RSA", **BOTH),
        suites("RSA", **TLS12, **NO_AUTH),
        {},
    ),
    "PSK": Case(("psk_suites",), suites("PSK", **TLS12), suites("PSK", hints=True, **TLS12)),
    "RSA_PSK": Case(("psk_suites",), suites("RSA_PSK", **TLS12), suites("RSA_PSK", **TLS12)),
    "DHE_PSK": Case(("psk_suites",), suites("DHE_PSK", **TLS12), suites("DHE_PSK", **TLS12)),
    "static keys": Case(
        ("fixed_dh",), suites("DH_RSA", dh_certificate=True, **TLS12), suites("DH_RSA", **TLS12)
    ),
    "TLS 1.3": Case(("post_handshake_auth", "record_boundaries"), TLS13, TLS13),
    "schemes of TLS 1.3": Case(("post_handshake_auth", "signature_schemes"), TLS13, TLS13),
    "schemes of TLS 1.2": Case(
        ("signature_schemes",), suites("DHE", **TLS12), suites("DHE", **TLS12)
    ),
    "suites of TLS 1.3": Case(
        ("cipher_suites", "psk", "retry"),
        {**TLS13, "has_CHACHA20_SHA256": True, "has_AES256_SHA384": True},
        {**TLS13, "has_AES256_SHA384": True, "supports_x25519": False},
    ),
    "SHA-1": Case(
        ("signature_schemes",),
        suites("ECDHE", schemes="none", signs="sha1", **TLS12),
        suites("ECDHE", schemes="sha1", signs="both", **TLS12),
    ),
    "several certificates": Case(
        ("several_certificates", "signature_schemes"),
        suites("ECDHE", keys="both", schemes="ecdsa", **TLS12),
        suites("ECDHE", keys="both", **TLS12),
    ),
    "several certificates in TLS 1.3": Case(
        ("several_certificates", "signature_schemes"),
        {**TLS13, "keys": "both", "schemes": "ecdsa"},
        {**TLS13, "keys": "both"},
    ),
    "no schemes in TLS 1.1": Case(
        ("signature_schemes",),
        suites("DHE", min_version="TLS11", max_version="TLS11"),
        suites("DHE", min_version="TLS11", max_version="TLS11"),
    ),
    "another group": Case(("retry",), TLS13, {**TLS13, "supports_x25519": False}),
    "cookie": Case(("retry",), BOTH, {**BOTH, "asks_cookie": True}),
    "no share at first": Case(("retry",), {**TLS13, "first_group": "none"}, TLS13),
    "key with shares": Case(("psk",), {**TLS13, **KEY}, {**TLS13, **KEY}),
    "key alone": Case(("psk", "retry"), {**TLS13, **KE}, {**TLS13, **KE}),
    "unknown key": Case(("psk",), {**TLS13, **KEY}, TLS13),
    "two keys": Case(
        ("psk_list",),
        {**TLS13, **KEY, "second_key": "adversary"},
        {**TLS13, **KEY, "shares_with_adversary": True},
    ),
    "two keys after a retry": Case(
        ("psk_list", "retry"),
        {**TLS13, **KEY, "second_key": "adversary"},
        {
            **TLS13,
            **KEY,
            "shares_with_adversary": True,
            "prefers_second": True,
            "asks_cookie": True,
        },
    ),
    "early data": Case(
        ("early_data",),
        {**TLS13, **KEY, "sends_early": True},
        {**TLS13, **KEY, "takes_early": True},
    ),
    "retry after early data": Case(
        ("early_data", "retry"),
        {**TLS13, **KEY, "sends_early": True},
        {**TLS13, **KEY, "takes_early": True, "asks_cookie": True},
    ),
    "ticket of TLS 1.3": Case(("psk",), TLS13, {**TLS13, **NO_AUTH}, {"resumes": True}),
}
QUIET = ("Alert", "ApplicationData", "CloseNotify", "HelloRequest", "KeyUpdate", "NoCertificate")
"""What no end sends here."""

Deliver = Callable[[int, Sent, Any], Iterable[Sent]]
"""What is delivered for the message of that number to that receiver."""


def send(run: Run) -> Sent | None:
    """The next message that the run sends; None if it waits."""
    for r in run.enabled():
        if r.kind == "send" and r.event not in QUIET:
            domains = [tuple(reversed(d.values)) for d in r.choices.values()]
            for values in itertools.product(*domains):
                try:
                    call: Callable[..., Sent] = getattr(run, r.trigger)
                    return call(**dict(zip(r.choices, values, strict=True)))
                except CallError:
                    pass
    return None


def unchanged(_: int, sent: Sent, __: Any) -> Iterable[Sent]:
    return [sent]


def shake(case: Case, deliver: Deliver = unchanged) -> tuple[Any, Any, list[tuple[Sent, str]]]:
    """The handshake, or the one that resumes it, as `deliver` has it. Both ends, and what was sent
    to whom."""
    runs: dict[str, Any] = {}
    log: list[tuple[Sent, str]] = []
    rounds = [{}] if case.again is None else [{}, case.again]
    for i, more in enumerate(rounds):
        last = i + 1 == len(rounds)
        log = []
        for end, given in (("client", case.client), ("server", case.server)):
            of = role(end, with_needed(*case.extensions))
            config = {k: v for k, v in {**given, **more}.items() if k in of.configuration}
            runs[end] = Run(of, f"{end}{i}", runs.get(end), **config)
        while any(exchange(runs, end, log, deliver if last else unchanged) for end in ENDS):
            pass
    return runs["client"], runs["server"], log


def exchange(
    runs: Mapping[str, Any], end: str, log: list[tuple[Sent, str]], deliver: Deliver
) -> bool:
    """Deliver all that the end has to send now; whether there was anything."""
    other, before = OTHER[end], len(log)
    while "CLOSED" not in (runs[end].state, runs[other].state):
        sent = send(runs[end])
        if sent is None:
            break
        log.append((sent, other))
        for x in deliver(len(log) - 1, sent, runs[other]):
            if runs[other].state != "CLOSED":
                runs[other].receive(x)
    return len(log) > before


class Tampered:
    """The delivery with other messages in place of the one with the number `at`."""

    def __init__(self, at: int, *instead: Sent, field: str = "") -> None:
        self.at, self.instead, self.field = at, instead, field
        self.listed = False

    def __call__(self, i: int, sent: Sent, receiver: Any) -> Iterable[Sent]:
        if i != self.at:
            return [sent]
        entry = UNCOVERED.get((sent.message, self.field))
        if entry is not None:
            self.listed = holds(entry.when, self.instead[0], receiver)
        return self.instead


def holds(when: Expr, sent: Sent, receiver: Any) -> bool:
    """The condition, for this receiver and message.

    What a role without the extension lacks has its first value.
    """

    def read(v: Expr) -> str:
        kind, _, name = v.payload.partition(".")
        nothing = v.domain.values[0]
        return repr(sent.fields[name] if kind == "msg" else getattr(receiver, name, nothing))

    return bool(python_function({"when": when}, "", read)()[0])


def done(*runs: Any) -> bool:
    return all(r.state == "CONNECTED" and r.verified for r in runs)


def alterations(sent: Sent, m: Message) -> Iterator[tuple[str, Sent]]:
    """The message with another value in one field. Another list of a hello is another offer, and
    another part of a field makes another value of that field."""
    for f, d in m.fields.items():
        if f in m.record:
            continue
        lists = "offer" in m.fields and f not in ("version", *m.shown)
        with_it = (
            {"offer": "adversary"} if lists else {m.parts[f]: "adversary"} if f in m.parts else {}
        )
        values = [JUNK] if d is COMPOSITE else d.values
        for v in values:
            if v != sent.fields[f] and not (v == "none" and m.demands(f)):
                yield f, Sent(sent.message, {**sent.fields, **with_it, f: v}, sent.under)


def message_of(receiver: Run, sent: Sent) -> Message:
    return next(m for m in receiver.role.alphabet if m.name == sent.message)


QUICK = ["RSA", "anonymous", "DHE_PSK", "TLS 1.3", "cookie", "early data"]


@pytest.mark.parametrize("name", deep_but(QUICK, CASES))
def test_no_field_is_altered_unseen(name: str) -> None:
    case = CASES[name]
    client, server, log = shake(case)
    assert done(client, server), [(r.state, r.alert) for r in (client, server)]
    runs = {"client": client, "server": server}
    tried = 0
    for i, (sent, to) in enumerate(log):
        if sent.message not in NO_TRANSCRIPT:
            for f, altered in alterations(sent, message_of(runs[to], sent)):
                tampered = Tampered(i, altered, field=f)
                client, server, _ = shake(case, tampered)
                wrong = done(client, server) and not tampered.listed
                assert not wrong, (sent.message, f, altered.fields[f])
                tried += 1
    assert tried > 20


@pytest.mark.parametrize("name", deep_but(QUICK, CASES))
def test_no_message_is_left_out_or_repeated_unseen(name: str) -> None:
    case = CASES[name]
    _, _, log = shake(case)
    for i, (sent, to) in enumerate(log):
        after = sent.message == "NewSessionTicket" and case.client["max_version"] == "TLS13"
        if sent.message not in NO_TRANSCRIPT and not after:
            for instead in ((), (sent, sent)):
                client, server, _ = shake(case, Tampered(i, *instead))
                assert not done(client, server), (to, sent.message, len(instead))


def test_an_end_of_early_data_that_the_client_did_not_send_is_seen() -> None:
    """RFC 8446 4.4.1: also by a server that takes it where none is due."""
    anywhere = receive(
        "server",
        EndOfEarlyData,
        "WAIT_FINISHED",
        SAME,
        rfc="8446 4.5",
        when=~early_server.early_accepted,
        label="anywhere",
    )
    names = with_needed("early_data")
    flawed = patched(role("server", names), with_rows(anywhere))
    for swallows in (False, True):
        client: Any = Run(role("client", names), "client0", **TLS13, **KEY)
        server: Any = Run(flawed, "server0", **TLS13, **KEY)
        server.receive(client.send_client_hello())
        for call in ("server_hello", "encrypted_extensions", "finished"):
            assert client.receive(getattr(server, f"send_{call}")()) is None
        if swallows:
            assert server.receive(Sent("EndOfEarlyData", {"records": 0})) is None
        assert server.receive(client.send_finished()) == ("decrypt_error" if swallows else None)
