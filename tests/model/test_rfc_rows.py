"""Rows against the RFCs, driven by hand: a message in a state, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from model.extensions import with_needed
from model.extensions.record_boundaries import changes_keys
from model.machine import JUNK, CallError, Run, Sent, fields_of
from model.principal import Version
from model.roles import role
from model.rule import Rule

TLS12 = {"min_version": "TLS12", "max_version": "TLS12", "offers_ECDHE": True}
TLS13 = {"min_version": "TLS13", "max_version": "TLS13"}
BOTH = {**TLS12, "max_version": "TLS13"}


def run(end: str, extensions: tuple[str, ...], config: dict[str, Any], **place: Any) -> Any:
    """A run with its extensions and a configuration, in the state and with the values `place`.

    Its calls are made from the table.
    """
    out = Run(role(end, with_needed(*extensions)), f"{end}0", **config)
    out.place(place)
    return out


def message(of: Any, name: str, **fields: Any) -> Sent:
    """A message that `of` can receive, with these fields and a first value for the others."""
    there = {m.name: m for m in of.role.alphabet}[name]
    values = fields_of(there, fields)
    for f, value in values.items():
        if value == "none" and there.demands(f):
            domain = there.fields[f]
            values[f] = "TLS12" if domain is Version else domain.values[1]
    return Sent(name, values)


def hello(extensions: tuple[str, ...], given: dict[str, Any]) -> Sent:
    """The ClientHello of a client of TLS 1.2 and 1.3 with the configuration `given`, and with
    other contents in each field named with a plus."""
    config = {k: v for k, v in given.items() if k[0] != "+"}
    sent = run("client", extensions, {**BOTH, **config}).send_client_hello()
    fields = {k[1:]: v for k, v in given.items() if k[0] == "+"}
    return Sent(sent.message, {**sent.fields, **fields})


# -- closure and alerts --------------------------------------------------------------------------
CONNECTED = {"TLS12": {"version": "TLS12"}, "TLS13": {"version": "TLS13"}}
KEYS = {"read_key": "application", "write_key": "application", "verified": True}
AFTER_CLOSE = [
    ("ApplicationData", ()),
    ("CloseNotify", ()),
    ("UndecryptableRecord", ()),
    ("Finished", ()),
    ("EmptyRecord", ("ignored_records",)),
    ("KeyUpdate", ("key_update",)),
    ("NewSessionTicket", ("psk",)),
    ("CertificateRequest", ("post_handshake_auth",)),
    ("HelloRequest", ("renegotiation",)),
    ("AlertFragment", ("record_boundaries",)),
]


@pytest.mark.parametrize(("name", "extensions"), AFTER_CLOSE)
@pytest.mark.parametrize("end", ["client", "server"])
@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("TLS12", "ANSWER_CLOSE"),
        ("TLS13", "ANSWER_CLOSE"),
        ("TLS13", "READ_CLOSED"),
        ("TLS12", "ANSWER_EARLY_CLOSE"),
    ],
)
def test_whatever_comes_after_close_notify_is_ignored(
    version: str, state: str, end: str, name: str, extensions: tuple[str, ...]
) -> None:
    """RFC 5246 7.2.1, RFC 8446 6.1."""
    more = (*extensions, "half_close") if state == "READ_CLOSED" else extensions
    closed = run(end, more, {}, state="CONNECTED", **CONNECTED[version], **KEYS)
    assert closed.receive(message(closed, "CloseNotify")) is None
    assert closed.state == (
        "READ_CLOSED" if version == "TLS13" and "half_close" in more else "ANSWER_CLOSE"
    )
    closed.place({"state": state})
    before = closed.valuation()
    for _ in range(4):
        assert closed.receive(message(closed, name)) is None
    assert closed.valuation() == before
    closed.send_close_notify()
    assert (closed.state, closed.end) == ("CLOSED", "close_notify")


@pytest.mark.parametrize("extensions", [(), ("half_close",), ("key_update",)])
@pytest.mark.parametrize(
    ("end", "state", "version", "key"),
    [
        ("client", "WAIT_SH", "none", "plaintext"),
        ("client", "WAIT_CERTIFICATE", "TLS12", "plaintext"),
        ("client", "WAIT_FIN", "TLS12", "application"),
        ("client", "WAIT_EE", "TLS13", "handshake"),
        ("client", "SEND_FINISHED", "TLS13", "application"),
        ("server", "WAIT_CKE", "TLS12", "plaintext"),
        ("server", "WAIT_FINISHED", "TLS13", "handshake"),
    ],
)
def test_close_notify_in_a_handshake_is_answered(
    end: str, state: str, version: str, key: str, extensions: tuple[str, ...]
) -> None:
    """RFC 5246 7.2.1, RFC 8446 6.1: with a close_notify, and the handshake has failed."""
    of = run(end, extensions, {}, state=state, version=version, read_key=key)
    assert of.receive(message(of, "CloseNotify")) is None
    assert of.state == "ANSWER_EARLY_CLOSE"
    of.send_close_notify()
    assert (of.state, of.end, of.alert) == ("CLOSED", "error", "none")


@pytest.mark.parametrize("end", ["client", "server"])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Alert", {"level": "fatal", "description": "handshake_failure"}),
        ("CloseNotify", {}),
        ("TransportClose", {}),
    ],
)
def test_before_a_hello_there_is_nothing_to_answer(
    end: str, name: str, fields: dict[str, str]
) -> None:
    of = run(end, (), TLS12)
    assert of.receive(message(of, name, **fields)) is None
    assert (of.state, of.alert) == ("CLOSED", "none")


@pytest.mark.parametrize(
    ("config", "level", "description", "state"),
    [
        # RFC 8446 6: in TLS 1.3 the level says nothing.
        (TLS13, "warning", "handshake_failure", "CLOSED"),
        (TLS13, "fatal", "user_canceled", "WAIT_SH"),
        # A choice: with TLS 1.2 possible, a warning is ignored.
        (BOTH, "warning", "handshake_failure", "WAIT_SH"),
        (BOTH, "fatal", "handshake_failure", "CLOSED"),
        (TLS12, "warning", "handshake_failure", "WAIT_SH"),
    ],
)
def test_an_alert_to_a_client_that_waits_for_a_version(
    config: dict[str, Any], level: str, description: str, state: str
) -> None:
    of = run("client", (), config)
    of.send_client_hello()
    assert of.receive(Sent("Alert", {"level": level, "description": description})) is None
    assert of.state == state
    lost = level == "fatal" or config is TLS13
    assert of.survived_fatal_alert is (
        state != "CLOSED" and lost and description != "user_canceled"
    )


@pytest.mark.parametrize(("end", "name"), [("client", "HelloRequest"), ("server", "ClientHello")])
@pytest.mark.parametrize("state", ["CONNECTED", "CLOSING"])
def test_a_flood_that_asks_for_renegotiation_is_bounded(end: str, name: str, state: str) -> None:
    of = run(end, ("ignored_records", "renegotiation"), {}, state=state, version="TLS12", **KEYS)
    for expected in (None, None, "unexpected_message"):
        assert of.receive(message(of, name)) == expected


# -- the ClientHello -----------------------------------------------------------------------------
KE = {"has_external": True, "takes_psk_ke": True, "takes_psk_dhe_ke": False}
CIPHERS = ("cipher_suites",)
SCHEMES = ("signature_schemes",)
NAME, ONLY_A = ("server_name",), {"serves_b": False}
SERVER_HELLOS = [
    # extensions, the client's configuration and changed fields, the server's, alert or state
    # RFC 8446 4.1.2: TLS 1.3 has no compression, whatever path the hello takes.
    ((), {"deflate": True}, TLS13, "NEGOTIATED"),
    ((), {"+deflate": True}, TLS13, "illegal_parameter"),
    ((), {"+deflate": True}, TLS12, "SEND_SH"),
    (
        ("psk",),
        {"+deflate": True, "has_external": True},
        {**TLS13, "has_external": True},
        "illegal_parameter",
    ),
    (("retry",), {"+deflate": True}, {**TLS13, "asks_cookie": True}, "illegal_parameter"),
    # RFC 8446 9.2, 4.1.1: no extensions for a share and no key; no share that can be used.
    ((), {"+shares": "none", "+key_share": "none"}, TLS13, "missing_extension"),
    ((), {"+shares": "empty", "+key_share": "none"}, TLS13, "handshake_failure"),
    (("psk",), KE, {**TLS13, "has_external": True, "takes_psk_ke": True}, "NEGOTIATED"),
    (("psk",), KE, TLS13, "handshake_failure"),
    (("psk",), {"+shares": "none", "+key_share": "none"}, TLS13, "missing_extension"),
    (("psk", "retry"), KE, {**TLS13, "asks_cookie": True}, "handshake_failure"),
    (("psk", "retry"), {**KE, "+supports_x25519": True}, TLS13, "missing_extension"),
    (
        ("psk", "retry"),
        {**KE, "+supports_x25519": True},
        {**TLS13, "has_external": True, "takes_psk_ke": True},
        "missing_extension",
    ),
    (("retry",), {"+shares": "none", "+key_share": "none"}, TLS13, "missing_extension"),
    # RFC 8446 4.2.8: an empty list of shares asks for a retry.
    (("retry",), {"first_group": "none"}, TLS13, "SEND_HRR"),
    (
        ("retry",),
        {"first_group": "none"},
        {**TLS13, "supports_x25519": False, "supports_secp256r1": False},
        "handshake_failure",
    ),
    (
        ("psk", "retry"),
        {"first_group": "none", "has_external": True},
        {**TLS13, "has_external": True},
        "SEND_HRR",
    ),
    (
        ("psk", "retry"),
        {"first_group": "none", "has_external": True, "takes_psk_ke": True},
        {**TLS13, "has_external": True, "takes_psk_ke": True},
        "NEGOTIATED",
    ),
    # RFC 7507 3: whatever else is wrong.
    (("fallback",), {"max_version": "TLS12", "fallback": True}, BOTH, "inappropriate_fallback"),
    (
        ("fallback",),
        {"max_version": "TLS12", "fallback": True, "offers_ECDHE": False},
        BOTH,
        "inappropriate_fallback",
    ),
    (("fallback",), {"max_version": "TLS12", "fallback": True}, TLS12, "SEND_SH"),
    # RFC 6066 3: an unknown name is refused or served by default; RFC 8446 9.2: none at all.
    (NAME, {"wanted": "b"}, BOTH, "NEGOTIATED"),
    (NAME, {"wanted": "b"}, {**BOTH, **ONLY_A}, "unrecognized_name"),
    (NAME, {"wanted": "b"}, {**TLS12, **ONLY_A}, "unrecognized_name"),
    (NAME, {"wanted": "b"}, {**BOTH, **ONLY_A, "refuses_unknown": False}, "NEGOTIATED"),
    (
        NAME,
        {"wanted": "b"},
        {**BOTH, **ONLY_A, "refuses_unknown": False, "default_name": "none"},
        "unrecognized_name",
    ),
    (NAME, {}, {**BOTH, "default_name": "none"}, "missing_extension"),
    (NAME, {}, {**TLS12, "default_name": "none"}, "handshake_failure"),
    (
        (*NAME, "retry"),
        {"wanted": "b"},
        {**TLS13, **ONLY_A, "asks_cookie": True},
        "unrecognized_name",
    ),
    # A host that demands a certificate needs a suite that has some.
    (
        NAME,
        {"offers_DH_anon": True, "offers_ECDHE": False},
        {**TLS12, "offers_DH_anon": True, "offers_ECDHE": False, "a_demands": "certificate"},
        "handshake_failure",
    ),
    # RFC 7301 3.2.
    (("alpn",), {"lists_ftp": True}, BOTH, "NEGOTIATED"),
    (("alpn",), {"lists_ftp": True}, {**BOTH, "knows_ftp": False}, "no_application_protocol"),
    (("alpn",), {"lists_ftp": True}, {**TLS12, "knows_ftp": False}, "no_application_protocol"),
    (("alpn",), {"lists_ftp": True}, {**BOTH, "uses_alpn": False}, "NEGOTIATED"),
    (("alpn",), {}, {**BOTH, "knows_ftp": False}, "NEGOTIATED"),
    # RFC 8446 4.1.1, 4.2.11: the suites of TLS 1.3, and the hash of a key.
    (CIPHERS, {"has_AES128_SHA256": False, "has_AES256_SHA384": True}, BOTH, "handshake_failure"),
    (CIPHERS, {"has_AES256_SHA384": True}, {**BOTH, "has_AES256_SHA384": True}, "NEGOTIATED"),
    (
        (*CIPHERS, "psk"),
        {**KE, "key_cipher": "AES256_SHA384"},
        {**TLS13, **KE, "key_cipher": "AES256_SHA384"},
        "handshake_failure",
    ),
    # RFC 8446 4.2.3, 9.2; RFC 5246 7.4.1.4.1.
    (SCHEMES, {"schemes": "none"}, BOTH, "missing_extension"),
    (SCHEMES, {"schemes": "empty"}, BOTH, "decode_error"),
    (SCHEMES, {"schemes": "sha1"}, {**BOTH, "signs": "both"}, "handshake_failure"),
    (SCHEMES, {"schemes": "both"}, BOTH, "NEGOTIATED"),
    (SCHEMES, {"schemes": "none"}, {**TLS12, "signs": "both"}, "SEND_SH"),
    (SCHEMES, {"schemes": "none"}, TLS12, "handshake_failure"),
    (SCHEMES, {"schemes": "empty"}, {**TLS12, "signs": "both"}, "decode_error"),
    (
        SCHEMES,
        {"schemes": "empty"},
        {**TLS12, "min_version": "TLS11", "max_version": "TLS11"},
        "SEND_SH",
    ),
    (SCHEMES, {"schemes": "sha256"}, {**TLS12, "signs": "sha1"}, "handshake_failure"),
    (
        SCHEMES,
        {"schemes": "none"},
        {**TLS12, "min_version": "TLS11", "max_version": "TLS11"},
        "SEND_SH",
    ),
    ((*SCHEMES, "psk"), {**KE, "schemes": "none"}, {**TLS13, **KE}, "NEGOTIATED"),
    (
        (*SCHEMES, "psk"),
        {"has_external": True, "schemes": "none"},
        TLS13,
        "missing_extension",
    ),
]


@pytest.mark.parametrize(("extensions", "client", "server", "expected"), SERVER_HELLOS)
def test_a_client_hello(
    extensions: tuple[str, ...], client: dict[str, Any], server: dict[str, Any], expected: str
) -> None:
    of = run("server", extensions, server)
    alert = of.receive(hello(extensions, client))
    assert (alert or of.state) == expected


def test_an_honest_client_of_psk_ke_alone_sends_no_share() -> None:
    fields = hello(("psk", "retry"), KE).fields
    assert (fields["shares"], fields["key_share"], fields["group"]) == ("none", "none", "none")
    assert not fields["supports_x25519"]
    assert hello(("psk",), {**KE, "has_external": False}).fields["shares"] == "one"
    assert hello((), {"deflate": True}).fields["deflate"] is False


def test_a_fallback_to_a_session_is_inappropriate_too() -> None:
    """RFC 7507 3: a hello of TLS 1.0 that asks for a session of TLS 1.0, at a server of 1.2."""
    server = role("server", with_needed("fallback", "resumption"))
    old = {"min_version": "TLS10", "max_version": "TLS12", "offers_RSA": True}
    before = Run(server, "server0", **old)
    before.place({"state": "CLOSED", "stored": True, "version": "TLS10", "suite": "RSA"})
    for fallback, expected in ((False, "RES_SEND_SH"), (True, "inappropriate_fallback")):
        of = Run(server, "server1", before, **old)
        sent = message(
            of,
            "ClientHello",
            version="TLS10",
            legacy_version="TLS10",
            offers_RSA=True,
            session_id="server0",
            fallback_scsv=fallback,
        )
        assert (of.receive(sent) or of.state) == expected


def test_every_row_that_takes_a_hello_below_tls13_looks_at_the_fallback_value() -> None:
    for more in ((), ("resumption",), ("renegotiation",), ("session_ticket",)):
        of = role("server", with_needed("fallback", *more))
        for r in of.table:
            if (r.kind, r.event) == ("receive", "ClientHello") and r.target != "=":
                there = "fallback" in {c.name for c in r.checks}
                assert there == (r.target in of.generations["tls12"]), r.name


# -- the ServerHello and EncryptedExtensions -----------------------------------------------------
ANSWER_12 = {"version": "TLS12", "suite": "ECDHE", "sentinel": "none"}
ANSWER_13 = {"version": "TLS13", "suite": "AEAD", "key_share": "server0"}
HTTP, LISTS = ("alpn",), {"lists_http": True}
ANSWERS = [
    # extensions, the client, the ServerHello, the alert or the state
    # RFC 5246 7.4.1.4: supported_versions was not asked for.
    ((), TLS12, ANSWER_13, "unsupported_extension"),
    (("psk",), TLS12, {**ANSWER_13, "selected": "0"}, "unsupported_extension"),
    ((), TLS13, ANSWER_13, "WAIT_EE"),
    # RFC 8446 4.2: not asked for, or not for this message.
    ((), TLS12, {**ANSWER_12, "key_share": "server0"}, "unsupported_extension"),
    ((), BOTH, {**ANSWER_12, "key_share": "server0"}, "illegal_parameter"),
    (("psk",), BOTH, {**ANSWER_12, "selected": "0"}, "unsupported_extension"),
    (("psk",), {**BOTH, "has_external": True}, {**ANSWER_12, "selected": "0"}, "illegal_parameter"),
    (("psk",), {**TLS13, **KE}, ANSWER_13, "unsupported_extension"),
    (
        ("retry",),
        {**TLS13, "first_group": "none"},
        {**ANSWER_13, "group": "x25519"},
        "illegal_parameter",
    ),
    (
        ("retry",),
        {**TLS13, "first_group": "none"},
        {**ANSWER_13, "group": "none"},
        "illegal_parameter",
    ),
    (("retry",), BOTH, {**ANSWER_12, "group": "x25519"}, "illegal_parameter"),
    (
        ("extended_master_secret",),
        {**TLS13, "offers_ems": False},
        {**ANSWER_13, "extended_master_secret": True},
        "unsupported_extension",
    ),
    (
        ("extended_master_secret",),
        TLS13,
        {**ANSWER_13, "extended_master_secret": True},
        "illegal_parameter",
    ),
    (("status_request",), TLS13, {**ANSWER_13, "status_request": True}, "unsupported_extension"),
    (
        ("status_request",),
        {**TLS13, "asks_status": True},
        {**ANSWER_13, "status_request": True},
        "illegal_parameter",
    ),
    (
        ("status_request", "psk"),
        {**TLS13, "asks_status": True, "has_external": True},
        {**ANSWER_13, "status_request": True, "selected": "0"},
        "illegal_parameter",
    ),
    (
        ("session_ticket",),
        {**TLS13, "uses_tickets": False},
        {**ANSWER_13, "session_tickets": True},
        "unsupported_extension",
    ),
    (("session_ticket",), TLS13, {**ANSWER_13, "session_tickets": True}, "illegal_parameter"),
    (
        ("renegotiation_info",),
        {**TLS13, "knows_ri": False},
        {**ANSWER_13, "renegotiation_info": "empty"},
        "unsupported_extension",
    ),
    (
        ("renegotiation_info",),
        TLS13,
        {**ANSWER_13, "renegotiation_info": "empty"},
        "illegal_parameter",
    ),
    (NAME, TLS12, {**ANSWER_12, "server_name": True}, "unsupported_extension"),
    (NAME, {**TLS12, "wanted": "a"}, {**ANSWER_12, "server_name": True}, "WAIT_CERTIFICATE"),
    (NAME, TLS13, {**ANSWER_13, "server_name": True}, "unsupported_extension"),
    (NAME, {**TLS13, "wanted": "a"}, {**ANSWER_13, "server_name": True}, "illegal_parameter"),
    (("alpn",), TLS12, {**ANSWER_12, "protocol": "ftp"}, "unsupported_extension"),
    (HTTP, {**TLS12, **LISTS}, {**ANSWER_12, "protocol": "ftp"}, "illegal_parameter"),
    (HTTP, {**TLS12, **LISTS}, {**ANSWER_12, "protocol": "http"}, "WAIT_CERTIFICATE"),
    (HTTP, {**TLS13, **LISTS}, {**ANSWER_13, "protocol": "http"}, "illegal_parameter"),
]


@pytest.mark.parametrize(("extensions", "config", "fields", "expected"), ANSWERS)
def test_a_server_hello(
    extensions: tuple[str, ...], config: dict[str, Any], fields: dict[str, Any], expected: str
) -> None:
    of = run("client", extensions, config)
    of.send_client_hello()
    alert = of.receive(message(of, "ServerHello", **{"session_id": "none", **fields}))
    assert (alert or of.state) == expected


@pytest.mark.parametrize(
    ("extensions", "place", "alert"),
    [
        (("early_data",), {"early_offered": True}, "protocol_version"),
        (("retry",), {"retried": True}, "illegal_parameter"),
        (("status_request",), {"asks_status": True}, "illegal_parameter"),
    ],
)
def test_an_answer_below_tls13_that_resumes_a_session(
    extensions: tuple[str, ...], place: dict[str, Any], alert: str
) -> None:
    """It is refused for what a full answer would be refused; no status: RFC 6066 1.1."""
    of = role("client", with_needed("resumption", *extensions))
    before = Run(of, "client0")
    before.place(
        {
            "state": "CLOSED",
            "stored": True,
            "version": "TLS12",
            "suite": "ECDHE",
            "session_id": "server0",
        }
    )
    for values, expected in (({}, None), (place, alert)):
        client: Any = Run(of, "client1", before, **TLS12)
        client.send_client_hello()
        client.place(values)
        extra = {"status_request": True} if values and "status_request" in extensions else {}
        sent = message(client, "ServerHello", **{**ANSWER_12, "session_id": "server0", **extra})
        assert client.receive(sent) == expected


@pytest.mark.parametrize(
    ("extensions", "place", "alert"),
    [
        ((), {}, "unsupported_extension"),
        ((), {"early_offered": True}, "illegal_parameter"),  # RFC 8446 4.2.10: without a key
        (("retry",), {"early_offered": True, "retried": True}, "unsupported_extension"),
        ((), {"psk": "external"}, "unsupported_extension"),
        (
            ("retry",),
            {"psk": "external", "early_offered": True, "retried": True},
            "unsupported_extension",
        ),
        ((), {"psk": "external", "early_offered": True}, None),
    ],
)
def test_early_data_in_encrypted_extensions(
    extensions: tuple[str, ...], place: dict[str, Any], alert: str | None
) -> None:
    of = run(
        "client",
        ("early_data", *extensions),
        TLS13,
        state="WAIT_EE",
        version="TLS13",
        read_key="handshake",
        **place,
    )
    assert of.receive(message(of, "EncryptedExtensions", early_data=True)) == alert


@pytest.mark.parametrize(
    ("mode", "demanded", "shown", "alert"),
    [
        ("TLS12", "certificate", "adversary", None),
        ("TLS12", "member", "adversary", "unknown_ca"),
        ("TLS12", "member", "honest", None),
        ("TLS12", "certificate", "empty", "handshake_failure"),
        ("TLS13", "member", "adversary", "unknown_ca"),
        ("TLS13", "member", "empty", "certificate_required"),
    ],
)
def test_what_a_host_demands_of_its_clients(
    mode: str, demanded: str, shown: str, alert: str | None
) -> None:
    """Also where the server asks no other client (RFC 5246 7.4.6, 8446 4.4.2.4)."""
    place = {"state": "SEND_CR_SHD", "suite": "ECDHE"}
    if mode == "TLS13":
        place = {"state": "SEND_CR_CERT", "suite": "AEAD"}
    config = {"asks_client": False, "a_demands": demanded}
    of = run("server", NAME, config, version=mode, host="a", **place)
    goes_on = of.send_certificate if mode == "TLS13" else of.send_server_hello_done
    with pytest.raises(CallError):
        goes_on()
    of.send_certificate_request(client_auth="mandatory")
    of.place({"state": "WAIT_CERT" if mode == "TLS13" else "WAIT_CERTIFICATE"})
    assert of.receive(message(of, "Certificate", certificate=shown)) == alert


@pytest.mark.parametrize("crosses", [False, True])
@pytest.mark.parametrize("wanted", ["a", "b"])
def test_a_client_offers_a_session_of_another_name_only_if_it_may(
    wanted: str, crosses: bool
) -> None:
    """RFC 6066 3."""
    of = role("client", with_needed("server_name", "resumption"))
    before = Run(of, "client0", **TLS12, wanted="a")
    before.place({"state": "CLOSED", "stored": True, "version": "TLS12", "suite": "ECDHE",
                  "session_id": "server0"})  # fmt: skip
    client: Any = Run(of, "client1", before, **TLS12, wanted=wanted, crosses_names=crosses)
    offered = "server0" if wanted == "a" or crosses else "none"
    assert client.send_client_hello().fields["session_id"] == offered


@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.parametrize("shown", ["none", "adversary", "honest"])
def test_a_session_is_resumed_under_its_name_by_whom_the_host_serves(name: str, shown: str) -> None:
    """RFC 6066 3: otherwise there is a full handshake."""
    of = role("server", with_needed("server_name", "resumption"))
    both = {**TLS12, "a_demands": "member", "b_demands": "member"}
    before = Run(of, "server0", **both)
    before.place({"state": "CLOSED", "stored": True, "version": "TLS12", "suite": "ECDHE",
                  "server_name": "a", "host": "a", "client_certificate": shown})  # fmt: skip
    server = Run(of, "server1", before, **both)
    asked = {"version": "TLS12", "legacy_version": "TLS12", "offers_ECDHE": True}
    sent = message(server, "ClientHello", **asked, session_id="server0", server_name=name)
    assert server.receive(sent) is None
    resumes = name == "a" and shown == "honest"
    assert server.state == ("RES_SEND_SH" if resumes else "SEND_SH")


@pytest.mark.parametrize(
    ("chosen", "of_key", "taken"), [("http", "http", True), ("http", "ftp", False)]
)
def test_early_data_is_for_the_protocol_of_its_key(chosen: str, of_key: str, taken: bool) -> None:
    """RFC 8446 4.2.10."""
    names = ("alpn", "early_data")
    key = {**TLS13, "has_external": True, "key_protocol": of_key}
    client = run("client", names, {**key, "sends_early": True, f"lists_{chosen}": True})
    server = run("server", names, {**key, "takes_early": True})
    assert server.receive(client.send_client_hello()) is None
    assert (server.psk, server.protocol, server.early_accepted) == ("external", chosen, taken)


def test_a_retry_request_to_a_client_of_tls12_is_an_answer_it_did_not_ask_for() -> None:
    of = run("client", ("retry",), TLS12)
    of.send_client_hello()
    assert of.receive(message(of, "HelloRetryRequest")) == "unsupported_extension"


def test_a_hello_with_an_empty_list_is_followed_by_one_with_a_share() -> None:
    """RFC 8446 4.2.8: both ends finish, with the group that the server asked for."""
    client = run("client", ("retry",), {**TLS13, "first_group": "none"})
    server = run("server", ("retry",), TLS13)
    assert server.receive(client.send_client_hello()) is None
    assert client.receive(server.send_hello_retry_request()) is None
    second = client.send_second_client_hello()
    assert (second.fields["shares"], second.fields["key_share"]) == ("one", "client0")
    assert server.receive(second) is None
    for name in (
        "server_hello",
        "encrypted_extensions",
        "certificate",
        "certificate_verify",
        "finished",
    ):
        assert client.receive(getattr(server, f"send_{name}")()) is None, name
    assert server.receive(client.send_finished()) is None
    assert (server.state, server.named_group, client.named_group) == (
        "CONNECTED",
        "secp256r1",
        "secp256r1",
    )


# -- record boundaries ---------------------------------------------------------------------------
EVERYTHING = with_needed(
    "early_data",
    "key_update",
    "post_handshake_auth",
    "psk",
    "record_boundaries",
    "resumption",
    "retry",
    "half_close",
)


def boundary_rows(end: str) -> list[Rule]:
    """The rows whose message comes right before a change of keys."""
    of = role(end, EVERYTHING)
    return [r for r in of.table if changes_keys(of, r)]


def test_the_messages_before_a_change_of_keys_are_those_of_the_rfc() -> None:
    """RFC 8446 5.1, and ChangeCipherSpec below TLS 1.3."""
    found = {r.event for end in ("client", "server") for r in boundary_rows(end)}
    assert found == {
        "ClientHello",
        "SecondClientHello",
        "ServerHello",
        "EndOfEarlyData",
        "Finished",
        "KeyUpdate",
        "ChangeCipherSpec",
    }


@pytest.mark.parametrize("end", ["client", "server"])
def test_each_of_them_ends_its_record(end: str) -> None:
    for r in boundary_rows(end):
        checks = {c.name: c.alert for c in r.checks}
        if r.event == "ChangeCipherSpec":
            assert checks["no half alert"] == "unexpected_message", r.name
        else:
            assert checks["end of record"] == "unexpected_message", r.name
            assert "left_over" in r.do, r.name


BOUNDARIES = [
    # the path of the hello: extensions, client, server, and the messages up to the one `followed`
    (("psk",), {"has_external": True}, {"has_external": True}, "ClientHello"),
    (("psk",), {"has_external": True}, {"has_external": True}, "ServerHello"),
    (("retry",), {}, {"asks_cookie": True}, "ClientHello"),
    (("retry",), {}, {"asks_cookie": True}, "SecondClientHello"),
    (
        ("retry", "psk"),
        {"has_external": True},
        {"has_external": True, "asks_cookie": True},
        "SecondClientHello",
    ),
    (
        ("early_data",),
        {"has_external": True, "sends_early": True},
        {"has_external": True, "takes_early": True},
        "EndOfEarlyData",
    ),
]


@pytest.mark.parametrize(("extensions", "client", "server", "name"), BOUNDARIES)
def test_a_message_followed_in_its_record_is_refused(
    extensions: tuple[str, ...], client: dict[str, Any], server: dict[str, Any], name: str
) -> None:
    names = (*extensions, "record_boundaries")
    runs = {
        "client": run("client", names, {**TLS13, **client}),
        "server": run("server", names, {**TLS13, **server}),
    }
    path = ["client ClientHello"]
    if "retry" in extensions:
        path += ["server HelloRetryRequest", "client SecondClientHello"]
    path += [
        "server ServerHello",
        "server EncryptedExtensions",
        "server Finished",
        "client EndOfEarlyData",
    ]
    for step in path:
        end, sent_name = step.split()
        sender, receiver = runs[end], runs["server" if end == "client" else "client"]
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in sent_name)
        sent = getattr(sender, f"send{snake}")()
        if sent_name == name:
            followed = Sent(name, {**sent.fields, "followed": True})
            assert receiver.receive(followed) == "unexpected_message"
            return
        assert receiver.receive(sent) is None, step
    raise AssertionError(f"{name} never came")


def test_half_an_alert_may_wait_in_any_state_but_not_while_keys_change() -> None:
    of = run(
        "client", ("record_boundaries", "resumption"), {}, state="RES_WAIT_CCS", version="TLS12"
    )
    assert of.receive(Sent("AlertFragment", {})) is None
    assert of.receive(message(of, "ChangeCipherSpec")) == "unexpected_message"
    of = run("client", ("record_boundaries",), BOTH)
    of.send_client_hello()
    assert of.receive(Sent("AlertFragment", {})) is None
    assert of.receive(message(of, "ServerHello", **ANSWER_13)) == "unexpected_message"


# -- choices that the RFCs leave -----------------------------------------------------------------
@pytest.mark.parametrize("version", ["TLS12", "TLS13"])
def test_an_untrusted_client_certificate_is_refused_even_if_none_is_demanded(version: str) -> None:
    """RFC 5246 7.4.6 and RFC 8446 4.4.2.4 also allow to go on without authentication."""
    state = "WAIT_CERT" if version == "TLS13" else "WAIT_CERTIFICATE"
    of = run("server", (), {}, state=state, version=version, client_auth="optional")
    assert of.receive(message(of, "Certificate", certificate="unknown_ca")) == "unknown_ca"


@pytest.mark.parametrize("version", ["TLS10", "TLS11", "TLS12"])
def test_a_truncated_connection_leaves_no_session(version: str) -> None:
    """RFC 2246 7.2.1 demands it; from TLS 1.1 on the session may be kept."""
    of = role("client", with_needed("resumption"))
    before = Run(of, "client0")
    session = {"version": version, "suite": "ECDHE", "session_id": "server0"}
    before.place({"state": "CONNECTED", "stored": True, **session})

    def offered() -> object:
        later: Any = Run(of, "client1", before, **{**TLS12, "min_version": "TLS10"})
        return later.send_client_hello().fields["session_id"]

    assert offered() == "server0"
    assert before.receive(Sent("TransportClose", {})) is None
    assert offered() == "none"


def test_junk_is_no_proof() -> None:
    """The messages of this file carry made-up composites, which no check takes."""
    of = run("client", (), {}, state="WAIT_FIN", version="TLS12", read_key="application")
    assert of.receive(Sent("Finished", {"verify_data": JUNK})) == "decrypt_error"


@pytest.mark.parametrize(
    ("version", "schemes", "scheme", "alert"),
    [
        ("TLS11", "sha256", "none", None),
        ("TLS11", "sha256", "rsa_sha256", "decode_error"),
        ("TLS12", "sha256", "none", "decode_error"),
        ("TLS12", "sha256", "rsa_sha1", "illegal_parameter"),
        ("TLS12", "sha256", "other", "illegal_parameter"),
        ("TLS12", "sha256", "ecdsa_sha256", "illegal_parameter"),
        ("TLS12", "sha256", "rsa_sha256", None),
        ("TLS12", "both", "rsa_sha1", None),
        ("TLS12", "none", "rsa_sha1", None),
        ("TLS12", "none", "rsa_sha256", "illegal_parameter"),
        ("TLS13", "both", "rsa_sha1", "illegal_parameter"),
        ("TLS13", "sha1", "rsa_sha256", "illegal_parameter"),
        ("TLS13", "both", "none", "decode_error"),
        ("TLS13", "both", "rsa_sha256", None),
    ],
)
def test_the_scheme_of_a_signature(
    version: str, schemes: str, scheme: str, alert: str | None
) -> None:
    """RFC 5246 7.4.3, RFC 8446 4.2.3, 4.4.3; a signature that is right is taken but for its
    scheme."""
    modern = version == "TLS13"
    name = "CertificateVerify" if modern else "ServerKeyExchange"
    place = {"state": "WAIT_CV" if modern else "WAIT_SKE", "version": version}
    place |= {
        "suite": "AEAD" if modern else "ECDHE",
        "read_key": "handshake" if modern else "plaintext",
    }
    of = run("client", SCHEMES, {"schemes": schemes}, **place)
    row = next(
        r for r in of.role.table if r.event == name and any(c.name == "signature" for c in r.checks)
    )
    sent = message(of, name, scheme=scheme, **({} if modern else {"group": "ecdh"}))
    refused = of.receive(sent)
    # The signature is checked last; a made-up one is a decrypt_error.
    assert refused == (alert or "decrypt_error")
    assert [c.name for c in row.checks][-1] == "signature"


@pytest.mark.parametrize(
    ("version", "listed", "alert"),
    [
        ("TLS11", "none", None),
        ("TLS11", "sha256", "decode_error"),
        ("TLS12", "none", "decode_error"),
        ("TLS12", "empty", "decode_error"),
        ("TLS12", "sha1", None),
        ("TLS13", "none", "missing_extension"),
        ("TLS13", "empty", "decode_error"),
        ("TLS13", "sha1", None),
    ],
)
def test_the_list_in_a_certificate_request(version: str, listed: str, alert: str | None) -> None:
    """RFC 5246 7.4.4, RFC 8446 4.3.2, 9.2."""
    modern = version == "TLS13"
    place = {"state": "WAIT_CERT_CR" if modern else "WAIT_CR_SHD", "version": version}
    place |= {
        "suite": "AEAD" if modern else "ECDHE",
        "read_key": "handshake" if modern else "plaintext",
    }
    of = run("client", SCHEMES, {}, **place)
    assert of.receive(message(of, "CertificateRequest", signature_algorithms=listed)) == alert
    assert of.state == ("CLOSED" if alert else "WAIT_CERT" if modern else "WAIT_SHD")
