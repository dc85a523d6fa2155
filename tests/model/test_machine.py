"""The machines, driven by hand: whole handshakes, illegal messages, illegal calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from model.machine import JUNK, CallError, Run, Sent, compiled, fields_of
from model.message import ServerKeyExchange
from model.roles import role
from tests.toys.counters import keeper, ticker
from tests.toys.handshake import answerer, asker


def pair(suite: str, version: str = "TLS12", **config: Any) -> tuple[Run, Run]:
    """A client and a server of one version that both know `suite`."""
    config |= {"max_version": version}
    if version == "TLS13":
        config["min_version"] = version
    if suite != "AEAD":
        config[f"offers_{suite}"] = True
    roles = {name: role(name) for name in ("client", "server")}
    client, server = (
        Run(r, f"{name}0", **{k: v for k, v in config.items() if k in r.configuration})
        for name, r in roles.items()
    )
    return client, server


def accept(run: Run, sent: Sent | str | None, state: str) -> None:
    """`run` accepts what its peer sent and is then in `state`."""
    assert isinstance(sent, Sent)
    assert run.receive(sent) is None, sent
    assert run.state == state


# A handshake as (sender, call, its choices, the receiver's next state), in order.
Move = tuple[str, str, dict[str, str], str]


def moves12(suite: str, auth: str = "none", certificate: str = "honest") -> Iterator[Move]:
    """The messages of a TLS 1.2 handshake."""
    anonymous, ske = suite == "DH_anon", suite != "RSA"
    yield "client", "client_hello", {}, "SEND_SH"
    yield "server", "server_hello", {}, "WAIT_SKE" if anonymous else "WAIT_CERTIFICATE"
    if not anonymous:
        yield "server", "certificate", {}, "WAIT_SKE" if ske else "WAIT_CR_SHD"
    if ske:
        yield "server", "server_key_exchange", {}, "WAIT_CR_SHD"
    if auth != "none":
        yield "server", "certificate_request", {"client_auth": auth}, "WAIT_SHD"
        yield "server", "server_hello_done", {}, "SEND_CERTIFICATE"
        yield "client", "certificate", {"certificate": certificate}, "WAIT_CKE"
    else:
        yield "server", "server_hello_done", {}, "SEND_CKE"
    proves = auth != "none" and certificate == "honest"
    yield "client", "client_key_exchange", {}, "WAIT_CERTIFICATE_VERIFY" if proves else "WAIT_CCS"
    if proves:
        yield "client", "certificate_verify", {}, "WAIT_CCS"
    yield "client", "change_cipher_spec", {}, "WAIT_FIN"
    yield "client", "finished", {}, "SEND_CCS"
    yield "server", "change_cipher_spec", {}, "WAIT_FIN"
    yield "server", "finished", {}, "CONNECTED"


def moves13(auth: str = "none", certificate: str = "honest") -> Iterator[Move]:
    """The messages of a TLS 1.3 handshake."""
    yield "client", "client_hello", {}, "NEGOTIATED"
    yield "server", "server_hello", {}, "WAIT_EE"
    yield "server", "encrypted_extensions", {}, "WAIT_CERT_CR"
    if auth != "none":
        yield "server", "certificate_request", {"client_auth": auth}, "WAIT_CERT"
    yield "server", "certificate", {}, "WAIT_CV"
    yield "server", "certificate_verify", {}, "WAIT_FINISHED"
    yield "server", "finished", {}, "SEND_CERT" if auth != "none" else "SEND_FINISHED"
    if auth != "none":
        proves = certificate == "honest"
        yield (
            "client",
            "certificate",
            {"certificate": certificate},
            ("WAIT_CV" if proves else "WAIT_FINISHED"),
        )
        if proves:
            yield "client", "certificate_verify", {}, "WAIT_FINISHED"
    yield "client", "finished", {}, "CONNECTED"


def drive(client: Run, server: Run, moves: Iterator[Move], until: str = "") -> int:
    """Make the moves, up to the one whose call is `until`; how many were made."""
    made = 0
    for sender, call, choices, state in moves:
        if f"{sender}.{call}" == until:
            return made
        runs = (client, server) if sender == "client" else (server, client)
        accept(runs[1], getattr(runs[0], f"send_{call}")(**choices), state)
        made += 1
    assert not until, f"{until} never came"
    return made


HANDSHAKES: dict[str, tuple[str, str, Callable[[], Iterator[Move]], int, str]] = {
    "RSA": ("RSA", "TLS12", lambda: moves12("RSA"), 9, "none"),
    "ECDHE": ("ECDHE", "TLS12", lambda: moves12("ECDHE"), 10, "none"),
    "DHE": ("DHE", "TLS12", lambda: moves12("DHE"), 10, "none"),
    "anonymous": ("DH_anon", "TLS12", lambda: moves12("DH_anon"), 9, "none"),
    "RSA export in TLS 1.0": ("RSA_EXPORT", "TLS10", lambda: moves12("RSA_EXPORT"), 10, "none"),
    "RSA, client certificate": ("RSA", "TLS12", lambda: moves12("RSA", "mandatory"), 12, "honest"),
    "ECDHE, client certificate": (
        "ECDHE",
        "TLS12",
        lambda: moves12("ECDHE", "mandatory"),
        13,
        "honest",
    ),
    "ECDHE, no client certificate": (
        "ECDHE",
        "TLS12",
        lambda: moves12("ECDHE", "optional", "empty"),
        12,
        "empty",
    ),
    "TLS 1.3": ("AEAD", "TLS13", moves13, 7, "none"),
    "TLS 1.3, client certificate": ("AEAD", "TLS13", lambda: moves13("mandatory"), 10, "honest"),
    "TLS 1.3, no client certificate": (
        "AEAD",
        "TLS13",
        lambda: moves13("optional", "empty"),
        9,
        "empty",
    ),
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_whole_handshake(name: str) -> None:
    suite, version, moves, count, certificate = HANDSHAKES[name]
    client, server = pair(suite, version)
    assert drive(client, server, moves()) == count
    for run in (client, server):
        assert (run.state, run.version, run.suite) == ("CONNECTED", version, suite)
        assert (run.verified, run.keyed, run.alert, run.end) == (True, True, "none", "none")
        assert (run.read_key, run.write_key) == ("application", "application")
        assert run.client_certificate == certificate
    assert (client.server_random, server.client_random) == ("server0", "client0")
    assert server.exchange == "client0"
    # Data both ways, then a closure that the peer answers.
    client.closes = True
    assert server.receive(client.send_application_data()) is None
    assert client.receive(server.send_application_data()) is None
    accept(server, client.send_close_notify(), "ANSWER_CLOSE")
    accept(client, server.send_close_notify(), "CLOSED")
    assert server.state == "CLOSED"
    assert (client.end, server.end) == ("close_notify", "close_notify")
    assert (client.delivered, server.delivered) == (True, True)


def test_the_server_takes_the_best_common_suite_and_version() -> None:
    client = Run(
        role("client"),
        "client0",
        max_version="TLS13",
        offers_RSA=True,
        offers_ECDHE=True,
        offers_DHE=True,
    )
    server = Run(role("server"), "server0", offers_RSA=True, offers_DHE=True)
    accept(server, client.send_client_hello(), "SEND_SH")
    assert (server.version, server.suite) == ("TLS12", "DHE")
    hello = server.send_server_hello()
    assert (hello.fields["version"], hello.fields["sentinel"]) == ("TLS12", "none")


# -- illegal messages: the alert of the RFC, and the run is closed -------------------------------
def refused(run: Run, sent: Sent, alert: str) -> None:
    """`run` refuses `sent` with `alert`, by a reject row, and is closed."""
    assert run.receive(sent) == alert
    assert (run.state, run.alert, run.end) == ("CLOSED", alert, "error")
    assert run.taken is not None
    assert run.taken.rejects


def changed(sent: Any, **fields: Any) -> Sent:
    """`sent` with other field values."""
    return Sent(sent.message, {**sent.fields, **fields})


def before(
    suite: str, until: str, moves: Iterator[Move], version: str = "TLS12", **config: Any
) -> tuple[Run, Run]:
    """Client and server just before the call `until`."""
    client, server = pair(suite, version, **config)
    drive(client, server, moves, until)
    return client, server


@pytest.mark.parametrize(
    ("fields", "alert"),
    [
        ({"suite": "RSA"}, "illegal_parameter"),
        ({"suite": "DH_anon"}, "illegal_parameter"),
        ({"suite": "RSA_EXPORT"}, "illegal_parameter"),
        ({"compression": "deflate"}, "illegal_parameter"),
        ({"version": "TLS13", "suite": "AEAD"}, "unsupported_extension"),
        ({"version": "TLS11", "sentinel": "DOWNGRD00"}, "illegal_parameter"),
        ({"suite": "AEAD"}, "illegal_parameter"),
    ],
)
def test_a_server_hello_that_was_not_offered(fields: dict[str, str], alert: str) -> None:
    client, server = before("ECDHE", "server.server_hello", moves12("ECDHE"))
    refused(client, changed(server.send_server_hello(), **fields), alert)


@pytest.mark.parametrize(
    ("fields", "alert"),
    [
        ({"suite": "ECDHE"}, "illegal_parameter"),
        ({"compression": "deflate"}, "illegal_parameter"),
        ({"session_id": "adversary"}, "illegal_parameter"),
        ({"key_share": "none"}, "missing_extension"),
        ({"version": "TLS12", "suite": "ECDHE"}, "protocol_version"),
    ],
)
def test_a_tls13_server_hello_that_was_not_offered(fields: dict[str, str], alert: str) -> None:
    client, server = before("AEAD", "server.server_hello", moves13(), "TLS13")
    refused(client, changed(server.send_server_hello(), **fields), alert)


def test_a_downgrade_to_tls12_is_seen_by_its_sentinel() -> None:
    client, server = pair("ECDHE", "TLS13")
    client.min_version = server.min_version = "TLS12"
    hello = changed(client.send_client_hello(), version="TLS12")
    accept(server, hello, "SEND_SH")
    sent = server.send_server_hello()
    assert sent.fields["sentinel"] == "DOWNGRD01"
    refused(client, sent, "illegal_parameter")


def test_an_export_suite_is_refused_after_tls10() -> None:
    client, server = pair("RSA_EXPORT", "TLS12")
    refused(server, client.send_client_hello(), "handshake_failure")
    client, server = before(
        "RSA_EXPORT", "server.server_hello", moves12("RSA_EXPORT"), export_after_tls10=True
    )
    client.export_after_tls10 = False
    refused(client, server.send_server_hello(), "illegal_parameter")


def test_no_common_suite_or_version() -> None:
    client, server = pair("RSA")
    server.offers_RSA = False
    refused(server, client.send_client_hello(), "handshake_failure")
    client, server = pair("RSA")
    server.min_version = server.max_version = "TLS13"
    refused(server, client.send_client_hello(), "protocol_version")


@pytest.mark.parametrize(
    ("certificate", "alert"),
    [
        ("empty", "decode_error"),
        ("unknown_ca", "unknown_ca"),
        ("expired", "certificate_expired"),
        ("wrong_name", "bad_certificate"),
    ],
)
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_a_server_certificate_that_is_not_trusted(
    version: str, certificate: str, alert: str
) -> None:
    moves, suite = (moves13(), "AEAD") if version == "TLS13" else (moves12("RSA"), "RSA")
    client, server = before(suite, "server.certificate", moves, version)
    refused(client, changed(server.send_certificate(), certificate=certificate), alert)


@pytest.mark.parametrize(
    ("version", "certificate", "alert"),
    [
        ("TLS12", "empty", "handshake_failure"),
        ("TLS13", "empty", "certificate_required"),
        ("TLS12", "unknown_ca", "unknown_ca"),
        ("TLS13", "unknown_ca", "unknown_ca"),
        ("TLS12", "expired", "certificate_expired"),
        ("TLS13", "expired", "certificate_expired"),
    ],
)
def test_a_client_certificate_that_is_not_taken(version: str, certificate: str, alert: str) -> None:
    is_13 = version == "TLS13"
    moves = moves13("mandatory") if is_13 else moves12("RSA", "mandatory")
    suite = "AEAD" if is_13 else "RSA"
    client, server = before(suite, "client.certificate", moves, version)
    sent = client.send_certificate(certificate="empty")
    refused(server, changed(sent, certificate=certificate), alert)


def test_a_server_key_exchange_that_is_not_signed_or_does_not_fit() -> None:
    for fields, alert in (
        ({"signature": JUNK}, "decrypt_error"),
        ({"share": "adversary"}, "decrypt_error"),
        ({"group": "dh_weak"}, "illegal_parameter"),
        ({"group": "rsa_weak"}, "illegal_parameter"),
    ):
        client, server = before("DHE", "server.server_key_exchange", moves12("DHE"))
        refused(client, changed(server.send_server_key_exchange(), **fields), alert)


@pytest.mark.parametrize(
    ("suite", "version", "until"),
    [
        ("RSA", "TLS12", "client.finished"),
        ("RSA", "TLS12", "server.finished"),
        ("ECDHE", "TLS12", "client.certificate_verify"),
        ("AEAD", "TLS13", "server.certificate_verify"),
        ("AEAD", "TLS13", "server.finished"),
        ("AEAD", "TLS13", "client.certificate_verify"),
        ("AEAD", "TLS13", "client.finished"),
    ],
)
def test_a_proof_that_is_not_right_is_a_decrypt_error(suite: str, version: str, until: str) -> None:
    moves = moves13("mandatory") if version == "TLS13" else moves12(suite, "mandatory")
    client, server = before(suite, until, moves, version)
    sender, call = until.split(".")
    runs = (client, server) if sender == "client" else (server, client)
    sent = getattr(runs[0], f"send_{call}")()
    (field,) = sent.fields
    forged = list(sent.fields[field])
    assert len(forged) > 10
    refused(runs[1], changed(sent, **{field: JUNK}), "decrypt_error")


def test_one_changed_field_of_the_hellos_spoils_the_finished() -> None:
    for name, value in (
        ("client_version", "TLS13"),
        ("client_offer", "adversary"),
        ("client_random", "client1"),
        ("exchange", "adversary"),
        ("client_certificate", "empty"),
    ):
        client, server = before("RSA", "client.finished", moves12("RSA"))
        setattr(server, name, value)
        refused(server, client.send_finished(), "decrypt_error")


def test_a_message_that_is_not_due() -> None:
    for sent in (
        Sent("ServerHelloDone", {}),
        Sent("ApplicationData", {}),
        Sent("ChangeCipherSpec", {"value": "1"}),
        Sent("Finished", {"verify_data": JUNK}),
    ):
        client, server = before("RSA", "server.certificate", moves12("RSA"))
        refused(client, sent, "unexpected_message")
    refused(server, Sent("UndecryptableRecord", {}), "bad_record_mac")


def test_a_premaster_that_does_not_decrypt_fails_without_an_alert() -> None:
    client, server = before("RSA", "client.client_key_exchange", moves12("RSA"))
    sent = changed(client.send_client_key_exchange(), encrypted_to="adversary")
    accept(server, sent, "WAIT_CCS")
    assert server.exchange == "random"
    accept(server, client.send_change_cipher_spec(), "WAIT_FIN")
    refused(server, client.send_finished(), "decrypt_error")


def test_alerts_and_the_end_of_the_transport() -> None:
    def run() -> Run:
        return before("RSA", "server.certificate", moves12("RSA"))[0]

    fatal = {"level": "fatal", "description": "handshake_failure"}
    client = run()
    assert client.receive(Sent("Alert", {**fatal, "level": "warning"})) is None
    assert client.state == "WAIT_CERTIFICATE"
    for sent in (Sent("Alert", fatal), Sent("TransportClose", {})):
        client = run()
        assert client.receive(sent) is None
        # It closes without an alert of its own: the row is an accept row.
        assert (client.state, client.end, client.alert) == ("CLOSED", "error", "none")


# -- illegal calls: refused with a reason, and nothing changes -----------------------------------
def unchanged(run: Run, call: Callable[[], object], *said: str) -> None:
    """`call` raises CallError with all of `said`, and the run is as it was."""
    was = run.valuation()
    with pytest.raises(CallError) as caught:
        call()
    assert run.valuation() == was
    for words in said:
        assert words in str(caught.value)


def test_a_call_that_the_state_has_no_row_for() -> None:
    client, server = pair("RSA")
    unchanged(
        client,
        lambda: client.send_finished(),
        "client client0 in START: send_finished is not enabled",
        "expected one of:",
        "send_client_hello",
    )
    client.send_client_hello()
    unchanged(
        client,
        lambda: client.send_client_hello(),
        "client client0 in WAIT_SH",
        "receive_server_hello",
    )
    server.receive(Sent("UndecryptableRecord", {}))
    hello = client.message("ClientHello")
    unchanged(
        server,
        lambda: server.receive(hello),
        "server0 in CLOSED: receive_client_hello",
        "expected one of: nothing",
    )


def test_a_call_whose_guard_is_false_shows_the_guard() -> None:
    client, _ = before(
        "RSA", "client.certificate", moves12("RSA", "optional"), has_certificate=False
    )
    unchanged(
        client,
        lambda: client.send_certificate(certificate="honest"),
        "client client0 in SEND_CERTIFICATE: send_certificate(certificate=honest)",
        "is not enabled; expected",
        "own.has_certificate",
        "client_send_certificate_SEND_CERTIFICATE_to_SEND_CKE",
    )
    unchanged(client, lambda: client.send_certificate(certificate="expired"), "not enabled")
    client.send_certificate(certificate="empty")
    assert client.state == "SEND_CKE"


def test_a_call_with_malformed_fields() -> None:
    client, server = before("ECDHE", "server.server_hello", moves12("ECDHE"))
    good = server.message("ServerHello").fields
    where = "client client0 in WAIT_SH: receive_server_hello"
    for fields, said in (
        ({}, "missing version, random"),
        ({**good, "colour": "red"}, "not known colour"),
        ({**good, "suite": "ECDH"}, "suite: 'ECDH' is not a Suite: expected one of"),
        ({**good, "suite": "ECDH"}, "did you mean ECDHE"),
        ({**good, "suite": "none"}, "suite must have a value in a ServerHello"),
        ({**good, "version": ["TLS12"]}, "is not a Version"),
    ):
        unchanged(client, lambda f=fields: client.receive_server_hello(**f), where, said)  # type: ignore[misc]
    unchanged(
        client,
        lambda: client.receive(Sent("Goodbye", {})),
        "client knows no message Goodbye: one of ClientHello, ServerHello",
    )
    assert client.receive_server_hello(**good) is None


def test_a_composite_must_be_a_tuple() -> None:
    _, server = before("RSA", "client.finished", moves12("RSA"))
    unchanged(
        server,
        lambda: server.receive_finished(verify_data="right"),
        "verify_data is a composite, expected the tuple",
    )
    unchanged(server, lambda: server.receive_finished(), "missing verify_data")


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(CallError, match="asker has no variable shade"):
        Run(asker, "asker").place({"shade": "red"})
    with pytest.raises(ValueError, match="'pink' is not a Colour"):
        Run(asker, "asker").place({"colour": "pink"})


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"client_auth": "mandatory"},
            "client_auth is no configuration of a server: it is a choice of "
            "send_certificate_request",
        ),
        (
            {"version": "TLS12"},
            r"version is .* \(a handshake sets it\): expected one of .*; did you",
        ),
        ({"offers_RAS": True}, r"\(no such variable\): .*; did you mean offers_RSA"),
    ],
)
def test_a_run_takes_configuration_only(config: dict[str, Any], expected: str) -> None:
    with pytest.raises(CallError, match=expected):
        Run(role("server"), "server0", **config)


# -- the machine itself --------------------------------------------------------------------------
def test_a_toy_by_hand() -> None:
    left, right = Run(asker, "asker"), Run(answerer, "answerer")
    hello = left.send_hello(colour="red")
    assert hello == Sent("Hello", {"colour": "red"})
    assert left.taken is not None
    assert left.taken.name == "asker_send_hello_START_to_WAIT"
    assert right.receive(hello) is None
    reply = right.send_reply()
    assert reply == Sent("Reply", {"colour": "red", "warm": True})
    assert left.receive(reply) is None
    assert left.valuation() == {"state": "DONE", "colour": "red", "warm": True}
    assert left.enabled() == []


def test_no_method_walks_past_the_guards() -> None:
    run = Run(asker, "asker")
    assert not [n for n in dir(run) if n.startswith("to_")]
    assert sorted(run.machine.events) == ["receive_hello", "receive_reply", "send_hello"]


def test_effects_read_the_state_before_the_step() -> None:
    run = Run(ticker, "ticker")
    run.place({"count": 1})
    run.tick()
    assert (run.count, run.idle) == (2, 1)
    run.tick()
    assert (run.count, run.idle) == (3, 2)
    unchanged(run, lambda: run.tick(), "own.count")
    sent = run.send_total()
    assert sent == Sent("Total", {"count": 3, "seal": (3, False)})
    assert Run(keeper, "keeper", flag=True).receive(sent) == "bad_seal"
    assert Run(keeper, "keeper", flag=False).receive(sent) is None
    assert Run(keeper, "keeper").receive(changed(sent, count=2)) == "too_early"


def test_runs_of_one_role_share_the_callables_but_not_the_state() -> None:
    first, second = Run(asker, "asker0"), Run(asker, "asker1")
    first.send_hello(colour="blue")
    assert (first.colour, second.colour, second.state) == ("blue", "none", "START")
    assert compiled(asker) is compiled(asker)
    assert compiled(replace(asker)) is not compiled(asker)


def test_a_message_is_completed_with_junk() -> None:
    fields = fields_of(ServerKeyExchange, {"group": "dh"})
    assert fields == {"share": "none", "group": "dh", "signature": JUNK}


def test_a_refused_call_keeps_the_row_of_the_last_step() -> None:
    run = Run(ticker, "ticker")
    run.tick()
    last = run.taken
    assert last is not None
    unchanged(run, lambda: run.send_total(), "not enabled")
    assert run.taken is last
