"""Recordings of real bytes, and files of recordings."""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import x448, x25519

from checker.conformance import events, live, monitor, reading, recording, wire
from checker.conformance.abstraction import Abstraction, suite_of
from checker.conformance.alerts import ALERTS
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recording
from checker.conformance.step import Ended
from checker.conformance.wire import RecordingError
from checker.report.monitor import main
from model.principal import OFFERED, Alert
from tests.checker import test_monitor
from tests.checker.test_monitor import TITLES, needs_live

recorded = test_monitor.recorded


def test_suites_are_named_as_the_library_names_them() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    kinds = {
        ("kx-rsa", False): "RSA",
        ("kx-dhe", False): "DHE",
        ("kx-ecdhe", False): "ECDHE",
        ("kx-dhe", True): "DH_anon",
        ("kx-any", False): "AEAD",
    }
    compared = 0
    for cipher in context.get_ciphers():
        psk = "psk" in cipher["kea"] or "psk" in cipher["auth"]
        srp = "srp" in cipher["kea"] or "srp" in cipher["auth"]
        expected = None
        if not psk and not srp:
            expected = kinds.get((cipher["kea"], cipher["auth"] == "auth-null"))
        code = cipher["id"] & 0xFFFF
        assert suite_of(code) == expected, cipher["name"]
        compared += expected is not None
    assert compared > 20


def test_a_suites_name_is_that_of_the_registry() -> None:
    # One of each key exchange (RFC 2246 A.5, 5246 A.5, 5289, 8446 B.4).
    for number, name in (
        (0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5"),
        (0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
        (0x0018, "TLS_DH_anon_WITH_RC4_128_MD5"),
        (0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA"),
        (0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
        (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (0x1301, "TLS_AES_128_GCM_SHA256"),
    ):
        assert wire.SUITES[number][1] == name
    assert len({name for _, name in wire.SUITES.values()}) == len(wire.SUITES)


def test_the_model_has_no_alert_that_is_not_registered() -> None:
    assert {*Alert.values} - {"none"} <= {*ALERTS}


def hello(version: int, extensions: bytes = b"", random: bytes = bytes(32)) -> bytes:
    """A ClientHello body with one suite (ECDHE) and null compression."""
    body = version.to_bytes(2, "big") + random + b"\0" + b"\0\2\xc0\x2f" + b"\1\0"
    return body + (len(extensions).to_bytes(2, "big") + extensions if extensions else b"")


def test_a_random_that_was_changed_on_the_way_is_the_adversarys() -> None:
    a = Abstraction()
    a.sent(TO_SERVER, "ClientHello", hello(0x0303))
    assert a.fields(TO_SERVER, "ClientHello", hello(0x0303))["random"] == "client0"
    changed = a.fields(TO_SERVER, "ClientHello", hello(0x0303, random=b"\1" * 32))
    assert (changed["random"], changed["offer"]) == ("adversary", "client0")


def test_versions_come_from_the_extension_and_unknown_ones_are_ignored() -> None:
    a = Abstraction()
    # supported_versions: an unassigned value, TLS 1.3, TLS 1.2.
    extension = bytes.fromhex("002b000706") + bytes.fromhex("7a7a03040303")
    fields = a.fields(TO_SERVER, "ClientHello", hello(0x0303, extension))
    assert fields["version"] == "TLS13"
    assert [s for s in OFFERED if fields[f"offers_{s}"]] == ["ECDHE"]


def test_bytes_that_are_cut_off_say_where() -> None:
    a = Abstraction()
    with pytest.raises(RecordingError, match=r"ClientHello: expected 32 bytes at byte 2, got 8"):
        a.fields(TO_SERVER, "ClientHello", hello(0x0303)[:10])


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, data)


VERSION_13 = extension(wire.SUPPORTED_VERSIONS, bytes.fromhex("020304"))


def retry_hello(share: int, *more: bytes) -> bytes:
    """A ClientHello that supports x25519, secp384r1 and x448, with a share of the group `share`."""
    groups = extension(wire.SUPPORTED_GROUPS, vector(2, bytes.fromhex("001d0018001e")))
    shares = vector(2, share.to_bytes(2, "big") + vector(2, b"share"))
    return hello(0x0303, VERSION_13 + groups + extension(wire.KEY_SHARE, shares) + b"".join(more))


def retry_request(group: int) -> bytes:
    chosen = extension(wire.SUPPORTED_VERSIONS, b"\3\4")
    asked = extension(wire.KEY_SHARE, group.to_bytes(2, "big"))
    return b"\3\3" + wire.RETRY_RANDOM + b"\0\x13\1\0" + vector(2, chosen + asked)


def test_a_retry_is_told_by_its_random_and_what_follows_it_by_that() -> None:
    name = wire.name_of(2, retry_request(0x18), retried=False)
    assert name == "HelloRetryRequest"
    assert wire.name_of(1, b"", retried=True) == "SecondClientHello"
    assert wire.name_of(1, b"", retried=False) == "ClientHello"
    assert wire.name_of(99, b"", retried=False) is None


@pytest.mark.parametrize(
    ("asked", "place"), [(0x18, "secp256r1"), (0x1D, "x25519"), (0x17, "x448")]
)
def test_groups_are_named_by_their_place(asked: int, place: str) -> None:
    """Another group that the client supports, the one it showed, one that it does not support."""
    a = Abstraction()
    a.sent(TO_SERVER, "ClientHello", retry_hello(0x1D))
    fields = a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D))
    assert (fields["group"], fields["supports_secp256r1"]) == ("x25519", True)
    a.sent(TO_CLIENT, "HelloRetryRequest", retry_request(asked))
    assert a.fields(TO_CLIENT, "HelloRetryRequest", retry_request(asked))["group"] == place
    a.sent(TO_SERVER, "SecondClientHello", retry_hello(asked))
    assert a.fields(TO_SERVER, "SecondClientHello", retry_hello(asked))["group"] == place
    # A third one, that nobody asked for.
    assert a.fields(TO_SERVER, "SecondClientHello", retry_hello(0x1E))["group"] == "x448"


def test_a_ticket_has_the_name_of_the_server_that_issued_it() -> None:
    ticket = bytes(8) + vector(1, b"n") + vector(2, b"ticket") + vector(2, b"")
    first = Abstraction()
    first.sent(TO_CLIENT, "ServerHello", retry_request(0x1D))
    first.sent(TO_CLIENT, "NewSessionTicket", ticket)
    assert first.fields(TO_CLIENT, "NewSessionTicket", ticket) == {"ticket": "server0"}

    def offer(identity: bytes) -> bytes:
        return extension(wire.PRE_SHARED_KEY, vector(2, vector(2, identity) + bytes(4)))

    for before, identity, name in (
        (first, b"ticket", "server0"),
        (first, b"other", "external"),
        (None, b"ticket", "external"),
    ):
        a = Abstraction(before)
        a.sent(TO_SERVER, "ClientHello", retry_hello(0x1D, offer(identity)))
        sent = a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D, offer(identity)))
        assert sent["identity"] == name
        changed = a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D, offer(b"changed")))
        assert changed["identity"] == "adversary"
        assert a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D))["identity"] == "none"


def server_hello(more: bytes = b"", version: bytes = b"\3\4", session: bytes = b"") -> bytes:
    """A ServerHello body, of TLS 1.3 or with `version` empty of TLS 1.2 (ECDHE)."""
    suite = b"\x13\1" if version else b"\xc0\x2f"
    chosen = extension(wire.SUPPORTED_VERSIONS, version) if version else b""
    return b"\3\3" + bytes(32) + vector(1, session) + suite + b"\0" + vector(2, chosen + more)


def test_names_of_servers_and_protocols_are_told_apart() -> None:
    """The first server name, also of the connections that resume; the protocol that was picked."""

    def named(name: bytes) -> bytes:
        return extension(wire.SERVER_NAME, vector(2, b"\0" + vector(2, name)))

    def lists(*names: bytes) -> bytes:
        return extension(wire.ALPN, vector(2, b"".join(vector(1, n) for n in names)))

    def fields(before: Abstraction | None, name: bytes, picked: bytes) -> Abstraction:
        a = Abstraction(before)
        body = hello(0x0303, named(name) + lists(b"h2", b"http/1.1"))
        a.sent(TO_SERVER, "ClientHello", body)
        answer = server_hello(extension(wire.SERVER_NAME, b"") + lists(picked), b"")
        a.sent(TO_CLIENT, "ServerHello", answer)
        said.append(a.fields(TO_SERVER, "ClientHello", body))
        answered.append(a.fields(TO_CLIENT, "ServerHello", answer))
        return a

    said: list[dict[str, object]] = []
    answered: list[dict[str, object]] = []
    first = fields(None, b"one.example", b"http/1.1")
    fields(first, b"ONE.example", b"http/1.1")
    fields(first, b"other.example", b"h2")
    assert [f["server_name"] for f in said] == ["a", "a", "b"]
    assert [f["protocol"] for f in answered] == ["http", "http", "ftp"]
    assert all(f["lists_http"] and f["lists_ftp"] for f in said)
    assert all(f["server_name"] for f in answered)
    bare = Abstraction().fields(TO_SERVER, "ClientHello", hello(0x0303))
    assert (bare["server_name"], bare["lists_http"]) == ("none", False)


def test_a_session_and_its_ticket_have_the_name_of_the_server_that_made_them() -> None:
    """Below TLS 1.3; the server's echo of the client's session id tells that it resumes."""
    asks = extension(wire.SESSION_TICKET, b"")
    first = Abstraction()
    first.sent(TO_SERVER, "ClientHello", hello(0x0303, asks))
    first.sent(TO_CLIENT, "ServerHello", server_hello(asks, b"", b"id"))
    ticket = bytes(4) + vector(2, b"ticket")
    first.sent(TO_CLIENT, "NewSessionTicket", ticket)
    assert first.fields(TO_SERVER, "ClientHello", hello(0x0303, asks))["session_tickets"]
    assert first.fields(TO_CLIENT, "NewSessionTicket", ticket) == {"ticket": "server0"}

    def fields(before: Abstraction | None, shown: bytes, id_: bytes, echo: bytes) -> list[object]:
        a = Abstraction(before)
        offer = bytearray(hello(0x0303, extension(wire.SESSION_TICKET, shown)))
        offer[34:35] = vector(1, id_)
        answer = server_hello(b"", b"", echo)
        a.sent(TO_SERVER, "ClientHello", bytes(offer))
        a.sent(TO_CLIENT, "ServerHello", answer)
        client = a.fields(TO_SERVER, "ClientHello", bytes(offer))
        server = a.fields(TO_CLIENT, "ServerHello", answer)
        return [client["session_id"], client.get("session_ticket"), server["session_id"]]

    assert fields(first, b"ticket", b"made", b"made") == ["server0", "server0", "server0"]
    assert fields(first, b"ticket", b"made", b"new") == ["none", "server0", "server1"]
    assert fields(first, b"", b"id", b"id") == ["server0", "none", "server0"]
    assert fields(first, b"", b"id", b"") == ["server0", "none", "none"]
    # Of a connection that was not recorded: the server's echo tells.
    assert fields(None, b"ticket", b"made", b"made") == ["server0", None, "server0"]
    assert fields(None, b"ticket", b"made", b"new") == ["none", None, "server0"]


def test_contexts_have_numbers() -> None:
    a = Abstraction()
    a.sent(TO_CLIENT, "ServerHello", retry_request(0x1D))
    for context, name in ((b"", "none"), (b"a", "1"), (b"b", "2"), (b"a", "1")):
        request = vector(1, context)
        assert a.fields(TO_CLIENT, "CertificateRequest", request)["context"] == name
    with pytest.raises(RecordingError, match="two of them after the handshake"):
        a.fields(TO_CLIENT, "CertificateRequest", vector(1, b"c"))


def test_messages_that_crossed_are_no_list() -> None:
    """Both write, then both read: neither end's own order is the order of sending."""
    data = (events.HEADER, events.APPLICATION_DATA, b"")
    order = [("client", True), ("server", True), ("client", False), ("server", False)]
    crossed = [events.Event(side, written, *data) for side, written in order]
    with pytest.raises(RecordingError, match="crossed"):
        events.messages("x", crossed, Abstraction())
    in_turn = [crossed[i] for i in (0, 3, 1, 2)]
    assert [m.direction for m in events.messages("x", in_turn, Abstraction())] == [
        TO_SERVER,
        TO_CLIENT,
    ]


# -- files -----------------------------------------------------------------------------------------


def args(
    file: str | None = None,
    *,
    live: bool = False,
    record: str | None = None,
    words: str | None = None,
    keys: str | None = None,
) -> Any:
    return SimpleNamespace(
        file=file,
        live=live,
        record=record,
        words=words,
        keys=keys,
        proxy=None,
        connections=None,
        output=None,
        format="text",
    )


def listed(text: str) -> str:
    """`c ClientHello, s ServerHello suite=RSA, ...` as lines of names and a few fields."""
    out = []
    for item in filter(None, map(str.strip, text.split(","))):
        end, message, *fields = item.split()
        shown = dict(f.split("=") for f in fields)
        values = {f: {"true": True, "false": False}.get(v, v) for f, v in shown.items()}
        direction = {"c": TO_SERVER, "s": TO_CLIENT}[end]
        out.append(json.dumps({"direction": direction, "message": message, "fields": values}))
    return "\n".join(out)


def named(text: str) -> Recording:
    """The same as a recording."""
    return next(recording.parse(listed(text).splitlines(), text))


RSA = "c ClientHello, s ServerHello, s Certificate, s CertificateRequest, s ServerHelloDone, "
RSA += "c Certificate certificate=empty, c ClientKeyExchange, c ChangeCipherSpec, c Finished, "
RSA += "s ChangeCipherSpec, s Finished"


def test_a_list_of_names_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rsa.jsonl"
    path.write_text(listed(RSA))
    assert main(args(str(path))) == 0
    out = capsys.readouterr().out
    assert "client in CONNECTED, server in CONNECTED" in out
    assert "assumed: the ClientHello's version, offers_*, deflate, not recorded" in out


FULL = "c ClientHello, s ServerHello, s EncryptedExtensions, s Certificate, s CertificateVerify, "
FULL += "s Finished, c Finished, "
BY_A_KEY = "c ClientHello, s ServerHello, s EncryptedExtensions, s Finished, c Finished, "
PSK_12 = "c ClientHello, s ServerHello suite=PSK, {}s ServerHelloDone, c ClientKeyExchange, "
PSK_12 += "c ChangeCipherSpec, c Finished, s ChangeCipherSpec, s Finished"
ECDHE = "c ClientHello, s ServerHello suite=ECDHE, s Certificate, {}s ServerKeyExchange, "
ECDHE += "s ServerHelloDone, c ClientKeyExchange, c ChangeCipherSpec, c Finished, {}"
ECDHE += "s ChangeCipherSpec, s Finished"
FIXED = "c ClientHello, s ServerHello suite=DH_RSA, s Certificate, s CertificateRequest, "
FIXED += "s ServerHelloDone, c Certificate dh_key=true, c ClientKeyExchange exchange=none, "
FIXED += "c ChangeCipherSpec, c Finished, s ChangeCipherSpec, s Finished"
NAMES = {
    "a key": BY_A_KEY + "s NewSessionTicket, s NewSessionTicket",
    "a key alone": BY_A_KEY.replace("ServerHello", "ServerHello key_share=none"),
    "a cookie": FULL.replace(
        "s ServerHello", "s HelloRetryRequest cookie=server0, c SecondClientHello, s ServerHello"
    ),
    "early data": BY_A_KEY.replace("c Finished", "c EndOfEarlyData, c Finished").replace(
        "s ServerHello", "c EarlyData, s ServerHello"
    ),
    "early data skipped": BY_A_KEY.replace("s ServerHello", "c EarlyData, s ServerHello"),
    "early data, then certificates": FULL.replace("s ServerHello", "c EarlyData, s ServerHello"),
    "early data, then another hello": BY_A_KEY.replace(
        "s ServerHello", "c EarlyData, s HelloRetryRequest, c SecondClientHello, s ServerHello"
    ),
    "requests answered in the other order": FULL + "s CertificateRequest, s CertificateRequest, "
    "c Certificate context=2, c CertificateVerify, c Finished, c Certificate certificate=empty, "
    "c Finished, c ApplicationData",
    "any number of key updates": FULL + 5 * "c KeyUpdate, c ApplicationData, s KeyUpdate, ",
    "a handshake given up": "c ClientHello, s ServerHello, s EncryptedExtensions, "
    "c Alert level=warning description=user_canceled, c CloseNotify",
    "one direction closed": FULL + "c CloseNotify, s ApplicationData, s CloseNotify",
    "a key below TLS 1.3": PSK_12.format(""),
    "a key with a hint": PSK_12.format("s ServerKeyExchange, "),
    "a stapled status": ECDHE.format("s CertificateStatus, ", ""),
    "a false start": ECDHE.format("", "c ApplicationData, "),
    "a fixed key": FIXED,
}


@pytest.mark.parametrize("what", NAMES)
def test_names_are_enough_with_extensions(what: str) -> None:
    report = monitor.watch(named(NAMES[what]))
    assert report.ok, report.problem


@pytest.mark.parametrize(
    ("text", "refused", "problem"),
    [
        (
            FULL + "c KeyUpdate request_update=update_requested, s ApplicationData",
            9,
            "server's machine does not send it in CONNECTED",
        ),
        (
            FULL + "s CertificateRequest, c Certificate, c ApplicationData",
            10,
            "client's machine does not send it in CONNECTED",
        ),
        (
            FULL + "s CertificateRequest, c Certificate, c Finished",
            10,
            "server's machine in PH_WAIT_CV answers it with unexpected_message",
        ),
        (FULL + "s CertificateRequest, c Certificate context=2", 9, "illegal_parameter"),
        (
            BY_A_KEY.replace("c Finished", "c EndOfEarlyData, c Finished").replace(
                "s EncryptedExtensions", "s EncryptedExtensions early_data=false"
            ),
            5,
            "client's machine does not send it in SEND_FINISHED",
        ),
        (FULL + "c CloseNotify, c ApplicationData", 9, "does not send it in CLOSING"),
        (
            "c ClientHello, s ServerHello, s EncryptedExtensions, "
            "c Alert level=warning description=user_canceled, s Certificate",
            5,
            "nothing may follow",
        ),
    ],
)
def test_names_show_what_is_illegal(text: str, refused: int, problem: str) -> None:
    report = monitor.watch(named(text))
    assert report.refused == refused, report.problem
    assert problem in str(report.problem)


def test_a_server_may_have_forgotten_a_session() -> None:
    """Then it shows a session id of its own, and the handshake is a full one (5246 7.4.1.3)."""
    full = "c ClientHello, s ServerHello suite=RSA, s Certificate, s ServerHelloDone, "
    full += "c ClientKeyExchange, c ChangeCipherSpec, c Finished, s ChangeCipherSpec, s Finished"
    offer = full.replace("c ClientHello", "c ClientHello session_id=server0")
    for own_id, ok in (("server1", True), ("server0", False)):
        again = named(offer.replace("suite=RSA", f"suite=RSA session_id={own_id}"))
        report = monitor.watch(replace(again, before=named(full)))
        assert report.ok == ok, report.problem
    assert report.refused == 3


def test_a_file_says_what_a_connection_resumes(tmp_path: Path) -> None:
    full, by_key = named(FULL + "s NewSessionTicket"), named(BY_A_KEY)
    both = [replace(full, title="full"), replace(by_key, title="again", before=full)]
    text = recording.dump(both).replace(json.dumps(full.title), '"full"')
    line = text.splitlines().index('{"recording": "again", "resumes": "full"}') + 1
    _, again = recording.parse(text.splitlines(), "x")
    assert again.before is not None
    report = monitor.watch(again)
    assert report.ok, report.problem
    assert any("the client's part" in a and "resumes True" in a for a in report.assumptions)
    bad = text.replace('"resumes": "full"', '"resumes": "ful"')
    first, again = recording.parse(bad.splitlines(), "x")
    assert monitor.watch(first).ok
    assert again.unread == (
        f"line {line}: expected resumes to name a recording above it, got 'ful'; did you mean full?"
    )
    assert monitor.watch(again).verdict == "not read"


def test_a_mandatory_certificate_may_not_be_empty() -> None:
    refusal = named(
        "c ClientHello, s ServerHello, s Certificate, s CertificateRequest client_auth=mandatory, "
        "s ServerHelloDone, c Certificate certificate=empty, "
        "s Alert level=fatal description=handshake_failure"
    )
    report = monitor.watch(refusal)
    n = len(refusal.messages)
    assert report.ok, report.problem
    assert report.ended == Ended("server", n, "handshake_failure", n - 1, "handshake_failure")
    assert "refused with handshake_failure" in report.messages[-2].note
    goes_on = replace(refusal, messages=(*refusal.messages[:-1], *named("c Finished").messages))
    report = monitor.watch(goes_on)
    assert report.refused == n - 1
    assert "server_reject_certificate_WAIT_CERTIFICATE_0_client_certificate" in str(report.problem)


def test_an_alert_without_a_cause_is_refused() -> None:
    alert = "c Alert level=fatal description=decrypt_error"
    given_up = named(f"c ClientHello, s ServerHello, s Certificate, {alert}")
    report = monitor.watch(given_up)
    assert report.refused == len(given_up.messages)
    assert report.problem is not None
    assert "the client gives up with decrypt_error in WAIT_CR_SHD" in report.problem


def test_a_truncated_connection_is_refused() -> None:
    truncated = named(f"{RSA}, c TransportClose")
    report = monitor.watch(truncated)
    assert report.refused == len(truncated.messages)
    assert "without close_notify" in str(report.problem)


def test_an_illegal_file_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(listed(RSA.replace("c ChangeCipherSpec, ", "")))
    assert main(args(str(path))) == 1
    out = capsys.readouterr().out
    assert "message 8, Finished (client->server), line 8" in out
    assert "not fed: the 2 messages after it" in out


@pytest.mark.scenario
@needs_live
def test_what_live_records_is_read_back(
    recorded: dict[str, Recording],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(live, "record_all", lambda: list(recorded.values()))
    path = tmp_path / "live.jsonl"
    assert main(args(live=True, record=str(path))) == 0
    n = len(TITLES)
    assert f"{n} recordings: {n} accepted, 0 refused" in capsys.readouterr().out
    again = list(reading.read(str(path)))
    assert [r.title for r in again] == TITLES
    assert recording.dump(again) == path.read_text()
    assert main(args(str(path))) == 0


GOOD = json.dumps({"direction": TO_SERVER, "message": "ClientHello", "fields": {}})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", r"line 2: expected one JSON object a line, got '\{'"),
        ("[]", "line 2: expected a JSON object, got list"),
        ('{"direction": "up", "message": "Finished"}', "line 2: expected direction .* got 'up'"),
        (
            '{"direction": "client->server", "message": "Finnished"}',
            "line 2: expected a message of .* got 'Finnished'; did you mean Finished",
        ),
        (
            '{"direction": "client->server", "massage": "Finished"}',
            "line 2: expected the keys .* got 'massage'; did you mean message",
        ),
        (
            '{"direction": "client->server", "message": "ClientHello", "fields": {"sweet": 1}}',
            "line 2, ClientHello: expected the fields version, .* got 'sweet'",
        ),
        (
            '{"direction": "server->client", "message": "ServerHello", "fields": {"suite": "RSS"}}',
            "line 2, ServerHello, suite: 'RSS' is not a Suite: expected one of .*RSA",
        ),
        (
            '{"direction":"server->client", "message": "ServerHello", "fields": {"suite": "none"}}',
            "line 2, ServerHello, suite: expected a value other than none",
        ),
        (
            '{"direction": "client->server", "message": "ClientHello", "fields": {"deflate": 1}}',
            "line 2, ClientHello, deflate: expected true or false, got 1",
        ),
        (
            '{"direction": "client->server", "message": "Finished", "fields": {"verify_data": 7}}',
            "line 2, Finished, verify_data: expected a list of values, got 7",
        ),
        (
            '{"direction": "client->server", "message": "Finished", "fields": 7}',
            "line 2, Finished: expected fields to be an object, got int",
        ),
        (
            '{"direction": "client->server", "message": "Alert", "fields": {"level": "fatal"}}',
            "line 2, Alert: .* description is missing",
        ),
    ],
)
def test_a_bad_line_is_one_clear_error(text: str, error: str) -> None:
    """And the recordings beside it are judged."""
    lines = [GOOD, text, '{"recording": "second"}', GOOD]
    first, second = (monitor.watch(r) for r in recording.parse(lines, "first"))
    assert (first.verdict, first.recording.malformed, len(first.messages)) == ("not read", True, 1)
    assert re.search(error, first.unread)
    assert (second.verdict, second.title) == ("accepted", "second")


def test_bad_input_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, bad = tmp_path / "empty.jsonl", tmp_path / "bad.jsonl"
    empty.write_text("\n")
    bad.write_text(GOOD + "\n{\n")
    for given, error in (
        (args(str(tmp_path / "none.jsonl")), "No such file"),
        (args(str(empty)), "at least one message, got an empty recording"),
        (
            args(),
            "expected one of --live, --words, --proxy and FILE of recorded messages, got none",
        ),
        (args(str(bad), live=True), "got several"),
        (args(str(bad), record="x"), "--live"),
    ):
        assert main(given) == 2
        out, err = capsys.readouterr()
        assert error in err
        assert err.count("\n") == 1
        assert out == ""


def test_a_malformed_recording_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(GOOD + "\n{\n")
    assert main(args(str(bad))) == 2
    out, err = capsys.readouterr()
    assert err == ""
    assert "NOT READ: line 2: expected one JSON object" in out
    assert "1 recording: 0 accepted, 0 refused, 1 not read" in out


def test_a_missing_hook_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssl, "SSLContext", type("SSLContext", (), {}))
    assert main(args(live=True)) == 2
    err = capsys.readouterr().err
    assert "_msg_callback" in err
    assert "monitor FILE" in err


def test_a_missing_package_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssl.SSLContext, "_msg_callback", None, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(args(live=True)) == 2
    assert "pip install '.[live]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "(200,002 characters)"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "expected one JSON object a line"),
        (json.dumps({"direction": "client->server", "message": "M" * 10**6}), "characters)"),
        (json.dumps({"recording": "t" * 10**6}), "a title of at most 200 characters"),
        (json.dumps({"direction": "\x1b]0;title\x07", "message": "Finished"}), r"\x1b]0;title\x07"),
    ],
)
def test_hostile_text_is_one_short_error(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hostile.jsonl"
    path.write_text(text + "\n")
    assert main(args(str(path))) == 2
    out = capsys.readouterr().out
    assert said in out and len(out) < 1_000 and "\x1b" not in out


def test_a_title_cannot_speak_to_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "title.jsonl"
    hello = {"direction": "client->server", "message": "ClientHello"}
    path.write_text(f"{json.dumps({'recording': chr(27) + '[31mred'})}\n{json.dumps(hello)}\n")
    main(args(str(path)))
    out = capsys.readouterr().out
    assert r"\x1b[31mred" in out and "\x1b" not in out


@pytest.mark.parametrize(
    ("scheme", "modern", "key"),
    [
        (0x0401, False, "RSA"),
        (0x0401, True, "RSA PKCS #1"),
        (0x0804, True, "RSA"),
        (0x0809, True, "RSA"),
        (0x0403, True, "EC"),
        (0x0203, False, "EC"),
        (0x0402, False, "DSA"),
        (0x0807, True, "Ed25519"),
        (0x081A, True, ""),
    ],
)
def test_a_signature_scheme_is_for_a_kind_of_key(scheme: int, modern: bool, key: str) -> None:
    """RFC 5246 7.4.1.4.1, RFC 8446 4.2.3."""
    assert wire.key_of(scheme, modern=modern) == key
    assert wire.with_sha1(scheme) == (scheme == 0x0203)


@pytest.mark.parametrize(
    ("group", "public", "private", "size"),
    [
        (29, x25519.X25519PublicKey, x25519.X25519PrivateKey, 32),
        (30, x448.X448PublicKey, x448.X448PrivateKey, 56),
    ],
)
def test_a_share_is_degenerate_if_it_gives_zeros(
    group: int, public: Any, private: Any, size: int
) -> None:
    """RFC 7748 6, RFC 8446 7.4.2."""
    prime, points = wire._SMALL_ORDER[group]
    own = private.generate()
    for share in (*(u + k * prime for u in points for k in (0, 1)), 2, 9, prime - 2):
        if share < 1 << (8 * size):
            whole = share.to_bytes(size, "little")
            try:
                zeros = not own.exchange(public.from_public_bytes(whole))
            except ValueError:
                zeros = True
            assert wire.degenerate(whole, group) == zeros, share


def test_a_share_of_another_group_is_degenerate_by_its_value() -> None:
    """RFC 8446 4.2.8.1, 4.2.8.2; the share of a hybrid group ends with that of X25519."""
    for value, found in ((0, True), (1, True), (22, True), (2, False), (24, True)):
        assert wire.degenerate(bytes([0, value]), prime=23) == found
    assert wire.degenerate(b"\0", 23) and wire.degenerate(bytes(65), 23)
    assert not wire.degenerate(b"\4" + bytes(63) + b"\1", 23)
    assert wire.degenerate(b"\1" * 1088 + bytes(32), 4588)
    assert not wire.degenerate(b"\0", 0x0A0A)  # a group that is none (RFC 8701)
