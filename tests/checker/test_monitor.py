"""The monitor against real handshakes, against altered copies of them, and against bad files."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checker.conformance import events, live, monitor, recording, wire
from checker.conformance.abstraction import Abstraction, suite_of
from checker.conformance.alerts import ALERTS
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recorded, Recording
from checker.conformance.wire import RecordingError
from checker.report.monitor import main, render
from model.principal import OFFERED, Alert
from tests.sizes import deep_but

unavailable = live.available()
needs_live = pytest.mark.skipif(bool(unavailable), reason=unavailable)

TITLES = [
    f"{h.title}{resumed}"
    for h in live.HANDSHAKES
    for resumed in ("", live.RESUMED)[: 1 + h.resumed]
]
RETRY_GROUP = "prime256v1"


def title(version: str, *, auth: bool = False, group: str = "", later: bool = False) -> str:
    """The title of a handshake of `live.HANDSHAKES`."""
    out = live.Handshake(version, auth, group=group, later=later).title
    assert out in TITLES
    return out


TLS12, TLS12_AUTH = title("TLS12"), title("TLS12", auth=True)
TLS13, TLS13_AUTH = title("TLS13"), title("TLS13", auth=True)
RETRY, RETRY_AUTH = (title("TLS13", auth=a, group=RETRY_GROUP) for a in (False, True))
LATER, LATER_AUTH = (title("TLS13", auth=a, later=True) for a in (False, True))


def resumed(full: str) -> str:
    """The title of the connection that resumes `full`."""
    return full + live.RESUMED


ASKED = (TLS13_AUTH, RETRY_AUTH)
"""Of TLS 1.3, those that ask for the client's certificate in the handshake."""
ALTERED = (
    TLS12,
    resumed(TLS12),
    TLS12_AUTH,
    TLS13,
    TLS13_AUTH,
    resumed(RETRY),
    RETRY_AUTH,
    resumed(LATER),
    LATER_AUTH,
)
"""Those of which every alteration is tried: each message of the others stands in one of them."""
AFTER_HANDSHAKE = ("ApplicationData", "CloseNotify")


@pytest.fixture(scope="module")
def identities() -> dict[str, bytes]:
    return live.make_identities()


@pytest.fixture(scope="module")
def recorded() -> dict[str, Recording]:
    """The real handshakes, by title."""
    return {r.title: r for r in live.record_all()}


def passed(report: monitor.Report, side: str) -> list[str]:
    """The states `side` went through, repeats left out."""
    out = ["START"]
    for m in report.messages:
        before, after = getattr(m, side)
        assert before == out[-1]
        if after != before:
            out.append(after)
    return out


# The states of RFC 8446 appendix A for TLS 1.3; for TLS 1.2 the flights of RFC 5246 figure 1.
AFTER_KEY = "WAIT_EE WAIT_FINISHED SEND_FINISHED CONNECTED CLOSING CLOSED"
CLIENT_13 = "WAIT_EE WAIT_CERT_CR WAIT_CV WAIT_FINISHED SEND_FINISHED CONNECTED CLOSING CLOSED"
CLIENT_13_ASKED = (
    "WAIT_EE WAIT_CERT_CR WAIT_CERT WAIT_CV WAIT_FINISHED SEND_CERT SEND_CV SEND_FINISHED "
    "CONNECTED CLOSING CLOSED"
)
CLIENT_12_RESUMES = "RES_WAIT_CCS RES_WAIT_FIN RES_SEND_CCS RES_SEND_FIN CONNECTED CLOSING CLOSED"
SERVER_12_RESUMES = (
    "RES_SEND_SH RES_SEND_CCS RES_SEND_FIN RES_WAIT_CCS RES_WAIT_FIN CONNECTED ANSWER_CLOSE CLOSED"
)
CLIENT_STATES = {
    TLS12: "START WAIT_SH WAIT_CERTIFICATE WAIT_SKE WAIT_CR_SHD SEND_CKE SEND_CCS SEND_FIN "
    "WAIT_CCS WAIT_FIN CONNECTED CLOSING CLOSED",
    resumed(TLS12): f"START WAIT_SH {CLIENT_12_RESUMES}",
    resumed(TLS12_AUTH): f"START WAIT_SH {CLIENT_12_RESUMES}",
    TLS12_AUTH: "START WAIT_SH WAIT_CERTIFICATE WAIT_SKE WAIT_CR_SHD WAIT_SHD SEND_CERTIFICATE "
    "SEND_CKE SEND_CERTIFICATE_VERIFY SEND_CCS SEND_FIN WAIT_CCS WAIT_FIN CONNECTED CLOSING CLOSED",
    TLS13: f"START WAIT_SH {CLIENT_13}",
    resumed(TLS13): f"START WAIT_SH {AFTER_KEY}",
    TLS13_AUTH: f"START WAIT_SH {CLIENT_13_ASKED}",
    resumed(TLS13_AUTH): f"START WAIT_SH {AFTER_KEY}",
    RETRY: f"START WAIT_SH SEND_CH WAIT_SH {CLIENT_13}",
    resumed(RETRY): f"START WAIT_SH SEND_CH WAIT_SH {AFTER_KEY}",
    RETRY_AUTH: f"START WAIT_SH SEND_CH WAIT_SH {CLIENT_13_ASKED}",
    resumed(RETRY_AUTH): f"START WAIT_SH SEND_CH WAIT_SH {AFTER_KEY}",
    LATER: f"START WAIT_SH {CLIENT_13}",
    resumed(LATER): f"START WAIT_SH {AFTER_KEY}",
    LATER_AUTH: f"START WAIT_SH {CLIENT_13}",
    resumed(LATER_AUTH): f"START WAIT_SH {AFTER_KEY}",
}
END = "READ_CLOSED CLOSED"
SERVER_13 = "NEGOTIATED SEND_EE SEND_CR_CERT SEND_CV SEND_FINISHED WAIT_FINISHED CONNECTED"
SERVER_13_ASKS = (
    "NEGOTIATED SEND_EE SEND_CR_CERT SEND_CERT SEND_CV SEND_FINISHED WAIT_CERT WAIT_CV "
    "WAIT_FINISHED CONNECTED"
)
BY_KEY = "NEGOTIATED SEND_EE SEND_FINISHED WAIT_FINISHED CONNECTED"
PH_EMPTY, PH_FULL = "PH_WAIT_FINISHED CONNECTED", "PH_WAIT_CV PH_WAIT_FINISHED CONNECTED"
SERVER_STATES = {
    TLS12: "START SEND_SH SEND_CERTIFICATE SEND_SKE SEND_CR_SHD WAIT_CKE WAIT_CCS WAIT_FIN "
    "SEND_CCS SEND_FIN CONNECTED ANSWER_CLOSE CLOSED",
    resumed(TLS12): f"START {SERVER_12_RESUMES}",
    resumed(TLS12_AUTH): f"START {SERVER_12_RESUMES}",
    TLS12_AUTH: "START SEND_SH SEND_CERTIFICATE SEND_SKE SEND_CR_SHD SEND_SHD WAIT_CERTIFICATE "
    "WAIT_CKE WAIT_CERTIFICATE_VERIFY WAIT_CCS WAIT_FIN SEND_CCS SEND_FIN CONNECTED ANSWER_CLOSE "
    "CLOSED",
    TLS13: f"START {SERVER_13} {END}",
    resumed(TLS13): f"START {BY_KEY} {END}",
    TLS13_AUTH: f"START {SERVER_13_ASKS} {END}",
    resumed(TLS13_AUTH): f"START {BY_KEY} {END}",
    RETRY: f"START SEND_HRR WAIT_CH {SERVER_13} {END}",
    resumed(RETRY): f"START SEND_HRR WAIT_CH {BY_KEY} {END}",
    RETRY_AUTH: f"START SEND_HRR WAIT_CH {SERVER_13_ASKS} {END}",
    resumed(RETRY_AUTH): f"START SEND_HRR WAIT_CH {BY_KEY} {END}",
    LATER: f"START {SERVER_13} {PH_EMPTY} {END}",
    resumed(LATER): f"START {BY_KEY} {PH_EMPTY} {END}",
    LATER_AUTH: f"START {SERVER_13} {PH_FULL} {END}",
    resumed(LATER_AUTH): f"START {BY_KEY} {PH_FULL} {END}",
}


@pytest.mark.scenario
@needs_live
@pytest.mark.parametrize("title", TITLES)
def test_a_real_handshake_is_accepted(recorded: dict[str, Recording], title: str) -> None:
    report = monitor.watch(recorded[title])
    assert report.ok, report.problem
    assert passed(report, "client") == CLIENT_STATES[title].split()
    assert passed(report, "server") == SERVER_STATES[title].split()
    for end in ("client", "server"):
        assert set(passed(report, end)) <= set(recording.roles()[end].states)


@needs_live
@pytest.mark.parametrize(
    ("handshake", "suite", "sentinel"),
    [
        # The server knows TLS 1.3 and says so in its random (RFC 8446 4.1.3).
        (live.Handshake("TLS12", True, "TLS13"), "ECDHE", "DOWNGRD01"),
        (live.Handshake("TLS13", False, "TLS12"), "ECDHE", "none"),
        (live.Handshake("TLS12", True, ciphers="AES128-GCM-SHA256"), "RSA", "none"),
        # Groups that the model has no name for: another one than the client's first share.
        (live.Handshake("TLS13", False, group="secp384r1"), "AEAD", "none"),
        (live.Handshake("TLS13", True, group="secp521r1", later=True), "AEAD", "none"),
    ],
    ids=lambda v: v.title if isinstance(v, live.Handshake) else v,
)
def test_other_negotiations_are_accepted(
    identities: dict[str, bytes], handshake: live.Handshake, suite: str, sentinel: str
) -> None:
    (real,) = live.record(handshake, identities)
    hello = next(m.fields for m in real.messages if m.message == "ServerHello")
    assert (hello["suite"], hello["sentinel"]) == (suite, sentinel)
    report = monitor.watch(real)
    assert report.ok, report.problem
    assert "CONNECTED" in passed(report, "client")


@needs_live
def test_what_is_not_shown_is_assumed(recorded: dict[str, Recording]) -> None:
    report = monitor.watch(recorded[TLS12_AUTH])
    by_name = {(r.direction, r.message): r for r in report.messages}
    for direction in (TO_SERVER, TO_CLIENT):
        finished = by_name[direction, "Finished"]
        assert (finished.shown, finished.assumed) == ((), ("verify_data", "followed"))
        assert by_name[direction, "Certificate"].assumed[0] == "certificate"
    assert by_name[TO_CLIENT, "ServerKeyExchange"].assumed == ("signature",)
    assert by_name[TO_CLIENT, "CertificateRequest"].assumed[-1] == "client_auth=optional"
    assert "random" in by_name[TO_CLIENT, "ServerHello"].shown
    text = render(report)
    assert "verify_data" in text
    assert "assumed: the server's configuration" in text


# -- altered recordings ----------------------------------------------------------------------------


def place(real: Recording, message: str) -> int:
    """Where the first such message stands, from 0."""
    return [m.message for m in real.messages].index(message)


def with_fields(real: Recording, message: str, **fields: object) -> Recording:
    """`real` with fields of the first such message changed."""
    i, m = place(real, message), list(real.messages)
    m[i] = replace(m[i], fields={**m[i].fields, **fields})
    return replace(real, messages=tuple(m))


def main_finished(real: Recording) -> Recorded:
    """The client's Finished of the handshake."""
    return next(m for m in real.messages if (m.direction, m.message) == (TO_SERVER, "Finished"))


def tolerated(kind: str, real: Recording, pair: Sequence[Recorded]) -> bool:
    """The alterations that leave a legal recording, each with its reason.

    TLS 1.3 has ChangeCipherSpec for middleboxes only: a receiver drops any number of them until the
    peer's Finished (RFC 8446 5), so one more, one less or one elsewhere before it is legal. A
    server sends any number of tickets after the handshake, and after its own Finished if it knows
    what the client's flight will be (4.6.1). A client that showed no certificate may send data
    before the server's Finished (RFC 7918 4).
    """
    names = [m.message for m in pair]
    if real.title == TLS12:
        return kind == "swap" and names == ["Finished", "ApplicationData"]
    if not real.title.startswith("TLS13"):
        return False
    if names[0] == "NewSessionTicket" or (kind != "swap" and names == ["ChangeCipherSpec"]):
        return True
    if names == ["Finished", "NewSessionTicket"]:
        return pair[0] is main_finished(real) and real.title not in ASKED
    return "ChangeCipherSpec" in names and "Finished" not in names


def undecided(kind: str, real: Recording, pair: Sequence[Recorded]) -> bool:
    """Two swaps in TLS 1.3 of which no verdict is asserted.

    The client's ChangeCipherSpec before the server's Finished: RFC 8446 5 lets the server drop it,
    D.4 has the client send it later. A ticket before the last message of an answer to a request
    after the handshake: 4.6.1 allows it, the model's server sends nothing while it takes an answer.
    """
    names = [m.message for m in pair]
    if kind != "swap" or not real.title.startswith("TLS13"):
        return False
    return names == ["Finished", "ChangeCipherSpec"] or (
        names == ["Finished", "NewSessionTicket"] and pair[0] is not main_finished(real)
    )


def alter(kind: str, real: Recording, i: int) -> tuple[Recording, Sequence[Recorded]]:
    """`real` with message `i` (from 0) altered, and the messages that were moved."""
    m = real.messages
    if kind == "drop":
        return replace(real, messages=m[:i] + m[i + 1 :]), m[i : i + 1]
    if kind == "double":
        return replace(real, messages=m[: i + 1] + m[i:]), m[i : i + 1]
    return replace(real, messages=(*m[:i], m[i + 1], m[i], *m[i + 2 :])), m[i : i + 2]


@needs_live
@pytest.mark.parametrize("kind", ["drop", "double", "swap"])
@pytest.mark.parametrize("title", deep_but([TLS12, TLS13_AUTH], ALTERED))
def test_an_altered_handshake_is_refused(
    recorded: dict[str, Recording], title: str, kind: str
) -> None:
    real = recorded[title]
    refused = passes = 0
    for i, m in enumerate(real.messages):
        if m.message in AFTER_HANDSHAKE:
            continue
        altered, moved = alter(kind, real, i)
        report = monitor.watch(altered)
        if undecided(kind, real, moved):
            continue
        if tolerated(kind, real, moved):
            assert report.ok, report.problem
            passes += 1
            continue
        refused += 1
        assert report.refused is not None, f"{kind} {i + 1} {m.message} was accepted"
        assert report.problem is not None
        bad = altered.messages[report.refused - 1]
        # Nothing before the alteration may be blamed; a doubled message is blamed itself.
        assert report.refused >= i + 1 + (kind == "double")
        if kind == "double":
            assert (report.refused, bad.message) == (i + 2, m.message)
        assert f"message {report.refused}, {bad.message} ({bad.direction})" in report.problem
        assert "it expects" in report.problem
        assert "RFC" in report.problem
        assert "REFUSED" in render(report)
    if title.startswith("TLS12"):
        assert passes <= 1
    assert refused >= 5


# What a peer may not do: the message that is put in, after which, by whom; where it is refused.
PUT_IN = {
    "a KeyUpdate before the client's Finished": (
        "TLS13",
        TO_SERVER,
        "KeyUpdate",
        (TO_CLIENT, "Finished"),
        "server_reject_key_update",
    ),
    "a KeyUpdate before the server's Finished": (
        "TLS13",
        TO_CLIENT,
        "KeyUpdate",
        (TO_CLIENT, "EncryptedExtensions"),
        "client_reject_key_update",
    ),
    "a second HelloRetryRequest": (
        RETRY_GROUP,
        TO_CLIENT,
        "HelloRetryRequest",
        (TO_SERVER, "SecondClientHello"),
        "client_reject_hello_retry_request",
    ),
    "a HelloRetryRequest after ServerHello": (
        "TLS13",
        TO_CLIENT,
        "HelloRetryRequest",
        (TO_CLIENT, "ServerHello"),
        "client_reject_hello_retry_request",
    ),
    "a second ClientHello nobody asked for": (
        "TLS13",
        TO_SERVER,
        "SecondClientHello",
        (TO_CLIENT, "ServerHello"),
        "server_reject_second_client_hello",
    ),
    "a ticket before the server's Finished": (
        "TLS13",
        TO_CLIENT,
        "NewSessionTicket",
        (TO_CLIENT, "EncryptedExtensions"),
        "client_reject_new_session_ticket",
    ),
    "a ticket from the client": (
        "TLS13",
        TO_SERVER,
        "NewSessionTicket",
        (TO_SERVER, "Finished"),
        "server_reject_new_session_ticket",
    ),
    "an answer to a request that was not made": (
        "TLS13",
        TO_SERVER,
        "Certificate",
        (TO_SERVER, "Finished"),
        "server_reject_certificate",
    ),
    "a certificate beside a pre-shared key": (
        "resumed",
        TO_CLIENT,
        "Certificate",
        (TO_CLIENT, "EncryptedExtensions"),
        "client_reject_certificate",
    ),
    "a request in a handshake by a pre-shared key": (
        "resumed",
        TO_CLIENT,
        "CertificateRequest",
        (TO_CLIENT, "EncryptedExtensions"),
        "client_reject_certificate_request",
    ),
}


@needs_live
@pytest.mark.parametrize("what", PUT_IN)
def test_a_message_put_in_is_refused(recorded: dict[str, Recording], what: str) -> None:
    part, direction, message, after, row = PUT_IN[what]
    for title in (t for t in ALTERED if part in t and t.startswith("TLS13")):
        real = recorded[title]
        at = next(i for i, m in enumerate(real.messages, 1) if (m.direction, m.message) == after)
        forged = Recorded(direction, message, {})
        altered = (*real.messages[:at], forged, *real.messages[at:])
        report = monitor.watch(replace(real, messages=altered))
        problem = str(report.problem)
        assert report.refused == at + 1, f"{title}: {problem}"
        assert f"message {at + 1}, {message} ({direction})" in problem
        assert "machine does not send it in" in problem
        assert row in problem


@needs_live
@pytest.mark.parametrize("title", [t for t in TITLES if t.startswith((LATER, LATER_AUTH))])
def test_a_request_after_the_handshake_is_for_those_who_offer(
    recorded: dict[str, Recording], title: str
) -> None:
    """Without the offer in the hello the request is refused, and so is its answer without it."""
    real = with_fields(recorded[title], "ClientHello", post_handshake_auth=False)
    report = monitor.watch(real)
    assert report.refused == place(real, "CertificateRequest") + 1
    assert "client_reject_certificate_request_CONNECTED, RFC 8446 4.6.2" in str(report.problem)


@needs_live
@pytest.mark.parametrize("title", [t for t in TITLES if t.startswith("TLS13") and "resumed" in t])
def test_a_resumption_needs_the_ticket(recorded: dict[str, Recording], title: str) -> None:
    """Without the connection before, or without a ticket in it, nobody has that key."""
    real = recorded[title]
    assert real.messages[place(real, "ClientHello")].fields["identity"] == "server0"
    assert real.before is not None
    kept = tuple(m for m in real.before.messages if m.message != "NewSessionTicket")
    for before in (None, replace(real.before, messages=kept)):
        report = monitor.watch(replace(real, before=before))
        assert report.refused == 1
        assert "it shows" in str(report.problem)
    bare = replace(real, messages=tuple(replace(m, fields={}) for m in real.messages))
    report = monitor.watch(with_fields(bare, "ServerHello", selected="1"))
    assert report.refused == place(real, "ServerHello") + 1
    assert "illegal_parameter" in str(report.problem)


@needs_live
@pytest.mark.parametrize("title", [resumed(TLS12), resumed(TLS12_AUTH)])
def test_a_session_needs_a_handshake_that_was_complete(
    recorded: dict[str, Recording], title: str
) -> None:
    """Below TLS 1.3: no session without the connection before, or if its Finished is missing."""
    real = recorded[title]
    for hello in ("ClientHello", "ServerHello"):
        assert real.messages[place(real, hello)].fields["session_id"] == "server0"
    assert real.before is not None
    names = [m.message for m in real.before.messages]
    cut = real.before.messages[: len(names) - 1 - names[::-1].index("Finished")]
    for before in (None, replace(real.before, messages=cut)):
        report = monitor.watch(replace(real, before=before))
        assert report.refused == 1, report.problem
        assert "session_id=server0, expected session_id=none" in str(report.problem)


@needs_live
@pytest.mark.parametrize("title", [t for t in TITLES if RETRY_GROUP in t])
@pytest.mark.parametrize(
    ("message", "field", "value", "expected"),
    [
        ("HelloRetryRequest", "group", "x448", "illegal_parameter"),  # not supported
        ("HelloRetryRequest", "group", "x25519", "illegal_parameter"),  # shown already
        ("HelloRetryRequest", "group", "none", "illegal_parameter"),  # changes nothing
        ("SecondClientHello", "group", "x25519", "illegal_parameter"),
        ("SecondClientHello", "cookie", "server0", "illegal_parameter"),
        ("SecondClientHello", "random", "adversary", "random=adversary"),
        ("ServerHello", "group", "x25519", "illegal_parameter"),
    ],
)
def test_a_changed_retry_is_refused(
    recorded: dict[str, Recording], title: str, message: str, field: str, value: str, expected: str
) -> None:
    real = recorded[title]
    report = monitor.watch(with_fields(real, message, **{field: value}))
    assert report.refused == place(real, message) + 1, report.problem
    assert expected in str(report.problem)


@needs_live
def test_a_missing_key_exchange_is_named(recorded: dict[str, Recording]) -> None:
    real = recorded[TLS12]
    altered, _ = alter("drop", real, place(real, "ServerKeyExchange"))
    report = monitor.watch(altered)
    assert report.refused == 4
    assert report.problem is not None
    for part in (
        "message 4, ServerHelloDone (server->client)",
        "SEND_SKE; it expects send ServerKeyExchange (RFC 5246 7.4.3",
        "client's machine in WAIT_SKE answers it with unexpected_message",
        "it expects receive ServerKeyExchange",
    ):
        assert part in report.problem


@needs_live
def test_only_rows_that_can_fire_are_expected(recorded: dict[str, Recording]) -> None:
    """With ECDHE the server must go on to its Certificate; the anonymous row is not expected."""
    real = recorded[TLS12]
    altered, _ = alter("drop", real, place(real, "ServerHello"))
    problem = str(monitor.watch(altered).problem)
    assert "server_send_server_hello_SEND_SH_to_SEND_CERTIFICATE" in problem
    assert "server_send_server_hello_SEND_SH_to_SEND_SKE" not in problem


@needs_live
@pytest.mark.parametrize(
    ("message", "field", "value", "expected"),
    [
        ("ServerHello", "suite", "RSA_EXPORT", "illegal_parameter"),
        ("ServerHello", "compression", "deflate", "illegal_parameter"),
        ("ServerHello", "random", "adversary", "expected random=server0"),
        ("Certificate", "certificate", "expired", "certificate_expired"),
        ("Certificate", "certificate", "empty", "decode_error"),
        ("ServerKeyExchange", "group", "dh_weak", "illegal_parameter"),
        ("ServerKeyExchange", "share", "adversary", "decrypt_error"),
        ("ClientKeyExchange", "exchange", "adversary", "expected exchange=client0"),
    ],
)
def test_a_changed_field_is_refused(
    recorded: dict[str, Recording], message: str, field: str, value: str, expected: str
) -> None:
    real = recorded[TLS12]
    report = monitor.watch(with_fields(real, message, **{field: value}))
    assert report.refused == place(real, message) + 1
    assert report.problem is not None
    assert expected in report.problem


@needs_live
def test_an_older_version_is_a_servers_choice(recorded: dict[str, Recording]) -> None:
    """A server up to TLS 1.1 explains it, and the report says that one was assumed."""
    older = with_fields(recorded[TLS12], "ServerHello", version="TLS11")
    report = monitor.watch(older)
    assert report.ok, report.problem
    assert any("TLS10 to TLS11" in a for a in report.assumptions)
    # But not with a random that says the server knows TLS 1.2 (RFC 8446 4.1.3).
    report = monitor.watch(with_fields(older, "ServerHello", sentinel="DOWNGRD00"))
    assert report.refused == place(older, "ServerHello") + 1
    assert "downgrade_sentinel" in str(report.problem)


# -- KeyUpdate -------------------------------------------------------------------------------------


def without_openssl() -> str:
    """Why no KeyUpdate can be had from `openssl s_client`; empty if one can."""
    path = shutil.which("openssl")
    if path is None:
        return "no openssl binary: Python's ssl cannot send a KeyUpdate, `openssl s_client` can"
    version = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
    return "" if version.startswith("OpenSSL") else f"{version.strip()} is not OpenSSL"


@pytest.fixture(scope="module")
def updated(identities: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A connection from `openssl s_client`, which updates its keys twice, to Python's `ssl`.

    `K` asks the server to do the same, `k` does not. Seen by the server alone.
    """
    ca = tmp_path_factory.mktemp("openssl") / "server.pem"
    ca.write_bytes(identities["server"])
    seen: list[events.Event] = []
    _, context = live.contexts(live.Handshake("TLS13", False), identities, seen)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        command = ["openssl", "s_client", "-connect", address, "-CAfile", str(ca), "-tls1_3"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None

            def say(line: bytes) -> None:
                assert client.stdin is not None
                client.stdin.write(line)
                client.stdin.flush()

            def wait_for(line: bytes) -> None:
                assert client.stdout is not None
                assert any(got == line for got in client.stdout), f"s_client ended before {line!r}"

            try:
                here = listener.accept()[0]
                here.settimeout(10)
                with context.wrap_socket(here, server_side=True) as server:
                    server.write(b"ready\n")
                    wait_for(b"ready\n")
                    for key in (b"K", b"k"):
                        say(key + b"\n")
                        wait_for(b"KEYUPDATE\n")
                        say(b"ping\n")
                        assert server.read(16) == b"ping\n"
                        server.write(b"pong\n")
                        wait_for(b"pong\n")
                    say(b"Q\n")
                    assert server.read(16) == b""
                    with contextlib.suppress(OSError):  # the client does not wait for this
                        server.unwrap()
            finally:
                client.kill()
    return Recording("s_client", events.messages("s_client", seen, Abstraction()))


@pytest.mark.skipif(bool(unavailable or without_openssl()), reason=unavailable or without_openssl())
class TestKeyUpdate:
    """What `openssl s_client` and Python's `ssl` make of it, and altered copies."""

    def test_a_real_key_update_is_accepted(self, updated: Recording) -> None:
        updates = [
            (m.direction, m.fields["request_update"])
            for m in updated.messages
            if m.message == "KeyUpdate"
        ]
        assert updates == [
            (TO_SERVER, "update_requested"),
            (TO_CLIENT, "update_not_requested"),
            (TO_SERVER, "update_not_requested"),
        ]
        report = monitor.watch(updated)
        assert report.ok, report.problem
        assert monitor.watch(recording.parse(recording.dump([updated]), "x")[0]).ok

    def test_an_answer_left_out_is_missed_at_the_next_data(self, updated: Recording) -> None:
        m = updated.messages
        answer = next(
            i for i, x in enumerate(m) if (x.direction, x.message) == (TO_CLIENT, "KeyUpdate")
        )
        report = monitor.watch(replace(updated, messages=m[:answer] + m[answer + 1 :]))
        assert report.refused == answer + 1
        assert m[answer + 1].message == "ApplicationData"
        assert "send KeyUpdate (RFC 8446 4.6.3, row server_send_key_update" in str(report.problem)

    def test_an_undefined_value_is_refused(self, updated: Recording) -> None:
        changed = with_fields(updated, "KeyUpdate", request_update="other")
        report = monitor.watch(changed)
        assert report.refused == place(updated, "KeyUpdate") + 1
        assert "illegal_parameter" in str(report.problem)

    def test_a_key_update_in_the_handshake_is_refused(self, updated: Recording) -> None:
        m = updated.messages
        update = next(x for x in m if x.message == "KeyUpdate")
        first = m.index(main_finished(updated))
        for i in range(1, first + 1):
            report = monitor.watch(replace(updated, messages=(*m[:i], update, *m[i:])))
            assert report.refused == i + 1
            assert "server_reject_key_update" in str(report.problem)


# -- bytes -----------------------------------------------------------------------------------------


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
    two = extension(wire.PRE_SHARED_KEY, vector(2, 2 * (vector(2, b"x") + bytes(4))))
    with pytest.raises(RecordingError, match="more than one pre-shared key"):
        a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D, two))


def test_what_the_model_has_not_is_said() -> None:
    a = Abstraction()
    with pytest.raises(RecordingError, match=r"no tickets below TLS 1\.3"):
        a.sent(TO_CLIENT, "NewSessionTicket", b"")
    a.sent(TO_CLIENT, "ServerHello", retry_request(0x1D))
    for context, name in ((b"", "none"), (b"a", "1"), (b"b", "2"), (b"a", "1")):
        request = vector(1, context)
        assert a.fields(TO_CLIENT, "CertificateRequest", request) == {"context": name}
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


def args(file: str | None = None, *, live: bool = False, record: str | None = None) -> Any:
    return SimpleNamespace(file=file, live=live, record=record)


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
    return recording.parse(listed(text), text)[0]


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
    again = recording.parse(text, "x")[1]
    assert again.before is not None
    report = monitor.watch(again)
    assert report.ok, report.problem
    assert "the client's part in extensions: resumes True" in report.assumptions
    for bad, error in (
        (
            text.replace('"resumes": "full"', '"resumes": "ful"'),
            f"line {line}: expected resumes to name a recording above it, got 'ful'; did you mean "
            "full",
        ),
        (
            text + '{"recording": "more", "resumes": "again"}',
            "'again' is a resumption itself",
        ),
    ):
        with pytest.raises(RecordingError, match=error):
            recording.parse(bad, "x")


def test_a_mandatory_certificate_may_not_be_empty() -> None:
    refusal = named(
        "c ClientHello, s ServerHello, s Certificate, s CertificateRequest client_auth=mandatory, "
        "s ServerHelloDone, c Certificate certificate=empty, "
        "s Alert level=fatal description=handshake_failure"
    )
    report = monitor.watch(refusal)
    assert report.refused == len(refusal.messages) - 1
    assert report.problem is not None
    assert "handshake_failure" in report.problem
    assert "answered with handshake_failure, as it must" in report.problem


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
    again = recording.read(str(path))
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
    with pytest.raises(RecordingError, match=error):
        recording.parse(f"{GOOD}\n{text}\n", "x")


def test_bad_input_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, bad = tmp_path / "empty.jsonl", tmp_path / "bad.jsonl"
    empty.write_text("\n")
    bad.write_text(GOOD + "\n{\n")
    for given, error in (
        (args(str(tmp_path / "none.jsonl")), "No such file"),
        (args(str(empty)), "at least one message, got an empty recording"),
        (args(str(bad)), "bad.jsonl: line 2: expected one JSON object"),
        (args(), "either --live or one FILE"),
        (args(str(bad), live=True), "got both"),
        (args(str(bad), record="x"), "--live"),
    ):
        assert main(given) == 2
        out, err = capsys.readouterr()
        assert error in err
        assert err.count("\n") == 1
        assert out == ""


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
