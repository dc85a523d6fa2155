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

from checker.conformance import live, monitor, recording
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recorded, Recording, RecordingError
from model.principal import OFFERED

unavailable = live.available()
needs_live = pytest.mark.skipif(bool(unavailable), reason=unavailable)

TITLES = [
    f"{h.title}{resumed}" for h in live.HANDSHAKES for resumed in ("", ", resumed")[: 1 + h.resumed]
]
ASKED = (TITLES[6], TITLES[10])
"""Of TLS 1.3, those that ask for the client's certificate in the handshake."""
ALTERED = tuple(TITLES[i] for i in (0, 1, 2, 4, 6, 9, 10, 13, 14))
"""Those of which every alteration is tried: each message of the others stands in one of them."""
AFTER_HANDSHAKE = ("ApplicationData", "CloseNotify")


@pytest.fixture(scope="module")
def identities() -> dict[str, bytes]:
    return live.make_identities()


@pytest.fixture(scope="module")
def recorded(identities: dict[str, bytes]) -> dict[str, Recording]:
    """The real handshakes, by title."""
    return {r.title: r for h in live.HANDSHAKES for r in live.record(h, identities)}


def passed(report: monitor.Report, side: str) -> list[str]:
    """The states `side` went through, repeats left out."""
    out = ["START"]
    for row in report.rows:
        before, after = getattr(row, side)
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
    TITLES[0]: "START WAIT_SH WAIT_CERTIFICATE WAIT_SKE WAIT_CR_SHD SEND_CKE SEND_CCS SEND_FIN "
    "WAIT_CCS WAIT_FIN CONNECTED CLOSING CLOSED",
    TITLES[1]: f"START WAIT_SH {CLIENT_12_RESUMES}",
    TITLES[3]: f"START WAIT_SH {CLIENT_12_RESUMES}",
    TITLES[2]: "START WAIT_SH WAIT_CERTIFICATE WAIT_SKE WAIT_CR_SHD WAIT_SHD SEND_CERTIFICATE "
    "SEND_CKE SEND_CERTIFICATE_VERIFY SEND_CCS SEND_FIN WAIT_CCS WAIT_FIN CONNECTED CLOSING CLOSED",
    TITLES[4]: f"START WAIT_SH {CLIENT_13}",
    TITLES[5]: f"START WAIT_SH {AFTER_KEY}",
    TITLES[6]: f"START WAIT_SH {CLIENT_13_ASKED}",
    TITLES[7]: f"START WAIT_SH {AFTER_KEY}",
    TITLES[8]: f"START WAIT_SH SEND_CH WAIT_SH {CLIENT_13}",
    TITLES[9]: f"START WAIT_SH SEND_CH WAIT_SH {AFTER_KEY}",
    TITLES[10]: f"START WAIT_SH SEND_CH WAIT_SH {CLIENT_13_ASKED}",
    TITLES[11]: f"START WAIT_SH SEND_CH WAIT_SH {AFTER_KEY}",
    TITLES[12]: f"START WAIT_SH {CLIENT_13}",
    TITLES[13]: f"START WAIT_SH {AFTER_KEY}",
    TITLES[14]: f"START WAIT_SH {CLIENT_13}",
    TITLES[15]: f"START WAIT_SH {AFTER_KEY}",
}
END = "READ_CLOSED CLOSED"
SERVER_13 = "NEGOTIATED SEND_EE SEND_CR_CERT SEND_CV SEND_FINISHED WAIT_FINISHED CONNECTED"
SERVER_13_ASKS = (
    "NEGOTIATED SEND_EE SEND_CR_CERT SEND_CERT SEND_CV SEND_FINISHED WAIT_CERT WAIT_CV "
    "WAIT_FINISHED CONNECTED"
)
BY_KEY = "NEGOTIATED SEND_EE SEND_FINISHED WAIT_FINISHED CONNECTED"
EMPTY_LATER, LATER = "PH_WAIT_FINISHED CONNECTED", "PH_WAIT_CV PH_WAIT_FINISHED CONNECTED"
SERVER_STATES = {
    TITLES[0]: "START SEND_SH SEND_CERTIFICATE SEND_SKE SEND_CR_SHD WAIT_CKE WAIT_CCS WAIT_FIN "
    "SEND_CCS SEND_FIN CONNECTED ANSWER_CLOSE CLOSED",
    TITLES[1]: f"START {SERVER_12_RESUMES}",
    TITLES[3]: f"START {SERVER_12_RESUMES}",
    TITLES[2]: "START SEND_SH SEND_CERTIFICATE SEND_SKE SEND_CR_SHD SEND_SHD WAIT_CERTIFICATE "
    "WAIT_CKE WAIT_CERTIFICATE_VERIFY WAIT_CCS WAIT_FIN SEND_CCS SEND_FIN CONNECTED ANSWER_CLOSE "
    "CLOSED",
    TITLES[4]: f"START {SERVER_13} {END}",
    TITLES[5]: f"START {BY_KEY} {END}",
    TITLES[6]: f"START {SERVER_13_ASKS} {END}",
    TITLES[7]: f"START {BY_KEY} {END}",
    TITLES[8]: f"START SEND_HRR WAIT_CH {SERVER_13} {END}",
    TITLES[9]: f"START SEND_HRR WAIT_CH {BY_KEY} {END}",
    TITLES[10]: f"START SEND_HRR WAIT_CH {SERVER_13_ASKS} {END}",
    TITLES[11]: f"START SEND_HRR WAIT_CH {BY_KEY} {END}",
    TITLES[12]: f"START {SERVER_13} {EMPTY_LATER} {END}",
    TITLES[13]: f"START {BY_KEY} {EMPTY_LATER} {END}",
    TITLES[14]: f"START {SERVER_13} {LATER} {END}",
    TITLES[15]: f"START {BY_KEY} {LATER} {END}",
}


@needs_live
@pytest.mark.parametrize("title", TITLES)
def test_a_real_handshake_is_accepted(recorded: dict[str, Recording], title: str) -> None:
    report = monitor.watch(recorded[title])
    assert report.ok, report.problem
    assert passed(report, "client") == CLIENT_STATES[title].split()
    assert passed(report, "server") == SERVER_STATES[title].split()
    for end in ("client", "server"):
        assert set(passed(report, end)) <= set(recording.ROLES[end].states)


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
    report = monitor.watch(recorded[TITLES[2]])
    by_name = {(r.direction, r.message): r for r in report.rows}
    for direction in (TO_SERVER, TO_CLIENT):
        finished = by_name[direction, "Finished"]
        assert (finished.shown, finished.assumed) == ((), ("verify_data", "followed"))
        assert by_name[direction, "Certificate"].assumed[0] == "certificate"
    assert by_name[TO_CLIENT, "ServerKeyExchange"].assumed == ("signature",)
    assert by_name[TO_CLIENT, "CertificateRequest"].assumed[-1] == "client_auth=optional"
    assert "random" in by_name[TO_CLIENT, "ServerHello"].shown
    text = monitor.render(report)
    assert "verify_data" in text
    assert "assumed: the server's configuration" in text


# -- altered recordings ----------------------------------------------------------------------------


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
    if real.title == TITLES[0]:
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
@pytest.mark.parametrize("title", ALTERED)
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
        assert "REFUSED" in monitor.render(report)
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
        "prime256v1",
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
        place = next(i for i, m in enumerate(real.messages, 1) if (m.direction, m.message) == after)
        forged = Recorded(direction, message, {})
        altered = (*real.messages[:place], forged, *real.messages[place:])
        report = monitor.watch(replace(real, messages=altered))
        problem = str(report.problem)
        assert report.refused == place + 1, f"{title}: {problem}"
        assert f"message {place + 1}, {message} ({direction})" in problem
        assert "machine does not send it in" in problem
        assert row in problem


LATER = [t for t in TITLES if "later" in t]


@needs_live
@pytest.mark.parametrize("title", LATER)
def test_a_request_after_the_handshake_is_for_those_who_offer(
    recorded: dict[str, Recording], title: str
) -> None:
    """Without the offer in the hello the request is refused, and so is its answer without it."""
    real = recorded[title]
    m = list(real.messages)
    m[0] = replace(m[0], fields={**m[0].fields, "post_handshake_auth": False})
    report = monitor.watch(replace(real, messages=tuple(m)))
    request = [x.message for x in m].index("CertificateRequest") + 1
    assert report.refused == request
    assert "client_reject_certificate_request_CONNECTED, RFC 8446 4.6.2" in str(report.problem)


RESUMED = [t for t in TITLES if t.startswith("TLS13") and "resumed" in t]


@needs_live
@pytest.mark.parametrize("title", RESUMED)
def test_a_resumption_needs_the_ticket(recorded: dict[str, Recording], title: str) -> None:
    """Without the connection before, or without a ticket in it, nobody has that key."""
    real = recorded[title]
    assert real.messages[0].fields["identity"] == "server0"
    assert real.before is not None
    kept = tuple(m for m in real.before.messages if m.message != "NewSessionTicket")
    for before in (None, replace(real.before, messages=kept)):
        report = monitor.watch(replace(real, before=before))
        assert report.refused == 1
        assert "it shows" in str(report.problem)
    altered = [replace(m, fields={}) for m in real.messages]
    i = [m.message for m in altered].index("ServerHello")
    altered[i] = replace(altered[i], fields={"selected": "1"})
    report = monitor.watch(replace(real, messages=tuple(altered)))
    assert report.refused == i + 1
    assert "illegal_parameter" in str(report.problem)


@needs_live
@pytest.mark.parametrize("title", [TITLES[1], TITLES[3]])
def test_a_session_needs_a_handshake_that_was_complete(
    recorded: dict[str, Recording], title: str
) -> None:
    """Below TLS 1.3: no session without the connection before, or if its Finished is missing."""
    real = recorded[title]
    assert real.messages[0].fields["session_id"] == "server0"
    assert real.messages[1].fields["session_id"] == "server0"
    assert real.before is not None
    names = [m.message for m in real.before.messages]
    cut = real.before.messages[: len(names) - 1 - names[::-1].index("Finished")]
    for before in (None, replace(real.before, messages=cut)):
        report = monitor.watch(replace(real, before=before))
        assert report.refused == 1, report.problem
        assert "session_id=server0, expected session_id=none" in str(report.problem)


@needs_live
@pytest.mark.parametrize("title", [t for t in TITLES if "prime256v1" in t])
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
    changed = list(real.messages)
    i = [m.message for m in changed].index(message)
    changed[i] = replace(changed[i], fields={**changed[i].fields, field: value})
    report = monitor.watch(replace(real, messages=tuple(changed)))
    assert report.refused == i + 1, report.problem
    assert expected in str(report.problem)


@needs_live
def test_a_missing_key_exchange_is_named(recorded: dict[str, Recording]) -> None:
    altered, _ = alter("drop", recorded[TITLES[0]], 3)
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
    altered, _ = alter("drop", recorded[TITLES[0]], 1)
    problem = str(monitor.watch(altered).problem)
    assert "server_send_server_hello_SEND_SH_to_SEND_CERTIFICATE" in problem
    assert "server_send_server_hello_SEND_SH_to_SEND_SKE" not in problem


@needs_live
@pytest.mark.parametrize(
    ("number", "field", "value", "expected"),
    [
        (2, "suite", "RSA_EXPORT", "illegal_parameter"),
        (2, "compression", "deflate", "illegal_parameter"),
        (2, "random", "adversary", "expected random=server0"),
        (3, "certificate", "expired", "certificate_expired"),
        (3, "certificate", "empty", "decode_error"),
        (4, "group", "dh_weak", "illegal_parameter"),
        (4, "share", "adversary", "decrypt_error"),
        (6, "exchange", "adversary", "expected exchange=client0"),
    ],
)
def test_a_changed_field_is_refused(
    recorded: dict[str, Recording], number: int, field: str, value: str, expected: str
) -> None:
    real = recorded[TITLES[0]]
    changed = list(real.messages)
    old = changed[number - 1]
    changed[number - 1] = replace(old, fields={**old.fields, field: value})
    report = monitor.watch(replace(real, messages=tuple(changed)))
    assert report.refused == number
    assert report.problem is not None
    assert expected in report.problem


@needs_live
def test_an_older_version_is_a_servers_choice(recorded: dict[str, Recording]) -> None:
    """A server up to TLS 1.1 explains it, and the report says that one was assumed."""
    real = recorded[TITLES[0]]
    m = list(real.messages)
    m[1] = replace(m[1], fields={**m[1].fields, "version": "TLS11"})
    report = monitor.watch(replace(real, messages=tuple(m)))
    assert report.ok, report.problem
    assert any("TLS10 to TLS11" in a for a in report.assumptions)
    # But not with a random that says the server knows TLS 1.2 (RFC 8446 4.1.3).
    m[1] = replace(m[1], fields={**m[1].fields, "sentinel": "DOWNGRD00"})
    report = monitor.watch(replace(real, messages=tuple(m)))
    assert report.refused == 2
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
    events: list[live._Event] = []
    _, context = live._contexts(live.Handshake("TLS13", False), identities, events)
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
    return Recording("s_client", live.messages("s_client", events, recording.Abstraction()))


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
        m = list(updated.messages)
        i = [x.message for x in m].index("KeyUpdate")
        m[i] = replace(m[i], fields={"request_update": "other"})
        report = monitor.watch(replace(updated, messages=tuple(m)))
        assert report.refused == i + 1
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
        assert recording.suite_of(code) == expected, cipher["name"]
        compared += expected is not None
    assert compared > 20


def test_no_suite_has_two_names() -> None:
    codes = [c for s in recording.SUITES.values() for c in s]
    assert len(codes) == len(set(codes))


def hello(version: int, extensions: bytes = b"", random: bytes = bytes(32)) -> bytes:
    """A ClientHello body with one suite (ECDHE) and null compression."""
    body = version.to_bytes(2, "big") + random + b"\0" + b"\0\2\xc0\x2f" + b"\1\0"
    return body + (len(extensions).to_bytes(2, "big") + extensions if extensions else b"")


def test_a_random_that_was_changed_on_the_way_is_the_adversarys() -> None:
    a = recording.Abstraction()
    a.sent(TO_SERVER, "ClientHello", hello(0x0303))
    assert a.fields(TO_SERVER, "ClientHello", hello(0x0303))["random"] == "client0"
    changed = a.fields(TO_SERVER, "ClientHello", hello(0x0303, random=b"\1" * 32))
    assert (changed["random"], changed["offer"]) == ("adversary", "client0")


def test_versions_come_from_the_extension_and_unknown_ones_are_ignored() -> None:
    a = recording.Abstraction()
    # supported_versions: an unassigned value, TLS 1.3, TLS 1.2.
    extension = bytes.fromhex("002b000706") + bytes.fromhex("7a7a03040303")
    fields = a.fields(TO_SERVER, "ClientHello", hello(0x0303, extension))
    assert fields["version"] == "TLS13"
    assert [s for s in OFFERED if fields[f"offers_{s}"]] == ["ECDHE"]


def test_bytes_that_are_cut_off_say_where() -> None:
    a = recording.Abstraction()
    with pytest.raises(RecordingError, match=r"ClientHello: expected 32 bytes at byte 2, got 8"):
        a.fields(TO_SERVER, "ClientHello", hello(0x0303)[:10])


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, data)


VERSION_13 = extension(recording.SUPPORTED_VERSIONS, bytes.fromhex("020304"))


def retry_hello(share: int, *more: bytes) -> bytes:
    """A ClientHello that supports x25519, secp384r1 and x448, with a share of the group `share`."""
    groups = extension(recording.SUPPORTED_GROUPS, vector(2, bytes.fromhex("001d0018001e")))
    shares = vector(2, share.to_bytes(2, "big") + vector(2, b"share"))
    return hello(
        0x0303, VERSION_13 + groups + extension(recording.KEY_SHARE, shares) + b"".join(more)
    )


def retry_request(group: int) -> bytes:
    chosen = extension(recording.SUPPORTED_VERSIONS, b"\3\4")
    asked = extension(recording.KEY_SHARE, group.to_bytes(2, "big"))
    return b"\3\3" + recording.RETRY_RANDOM + b"\0\x13\1\0" + vector(2, chosen + asked)


def test_a_retry_is_told_by_its_random_and_what_follows_it_by_that() -> None:
    name = recording.name_of(2, retry_request(0x18), retried=False)
    assert name == "HelloRetryRequest"
    assert recording.name_of(1, b"", retried=True) == "SecondClientHello"
    assert recording.name_of(1, b"", retried=False) == "ClientHello"
    assert recording.name_of(99, b"", retried=False) is None


@pytest.mark.parametrize(
    ("asked", "place"), [(0x18, "secp256r1"), (0x1D, "x25519"), (0x17, "x448")]
)
def test_groups_are_named_by_their_place(asked: int, place: str) -> None:
    """Another group that the client supports, the one it showed, one that it does not support."""
    a = recording.Abstraction()
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
    first = recording.Abstraction()
    first.answer = recording._server_hello(retry_request(0x1D))
    first.sent(TO_CLIENT, "NewSessionTicket", ticket)
    assert first.fields(TO_CLIENT, "NewSessionTicket", ticket) == {"ticket": "server0"}

    def offer(identity: bytes) -> bytes:
        return extension(recording.PRE_SHARED_KEY, vector(2, vector(2, identity) + bytes(4)))

    for before, identity, name in (
        (first, b"ticket", "server0"),
        (first, b"other", "external"),
        (None, b"ticket", "external"),
    ):
        a = recording.Abstraction(before)
        a.sent(TO_SERVER, "ClientHello", retry_hello(0x1D, offer(identity)))
        sent = a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D, offer(identity)))
        assert sent["identity"] == name
        changed = a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D, offer(b"changed")))
        assert changed["identity"] == "adversary"
        assert a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D))["identity"] == "none"
    two = extension(recording.PRE_SHARED_KEY, vector(2, 2 * (vector(2, b"x") + bytes(4))))
    with pytest.raises(RecordingError, match="more than one pre-shared key"):
        a.fields(TO_SERVER, "ClientHello", retry_hello(0x1D, two))


def test_what_the_model_has_not_is_said() -> None:
    a = recording.Abstraction()
    with pytest.raises(RecordingError, match=r"no tickets below TLS 1\.3"):
        a.sent(TO_CLIENT, "NewSessionTicket", b"")
    a.answer = recording._server_hello(retry_request(0x1D))
    for context, name in ((b"", "none"), (b"a", "1"), (b"b", "2"), (b"a", "1")):
        request = vector(1, context)
        assert a.fields(TO_CLIENT, "CertificateRequest", request) == {"context": name}
    with pytest.raises(RecordingError, match="two of them after the handshake"):
        a.fields(TO_CLIENT, "CertificateRequest", vector(1, b"c"))


def test_messages_that_crossed_are_no_list() -> None:
    """Both write, then both read: neither end's own order is the order of sending."""
    data = (live.HEADER, live.APPLICATION_DATA, b"")
    order = [("client", True), ("server", True), ("client", False), ("server", False)]
    events = [live._Event(side, written, *data) for side, written in order]
    with pytest.raises(RecordingError, match="crossed"):
        live.messages("x", events, recording.Abstraction())
    in_turn = [events[i] for i in (0, 3, 1, 2)]
    assert [m.direction for m in live.messages("x", in_turn, recording.Abstraction())] == [
        TO_SERVER,
        TO_CLIENT,
    ]


# -- files -----------------------------------------------------------------------------------------


def args(file: str | None = None, *, live: bool = False, record: str | None = None) -> Any:
    return SimpleNamespace(file=file, live=live, record=record)


def lines(*messages: tuple[str, str, dict[str, Any]]) -> str:
    return "\n".join(
        json.dumps({"direction": d, "message": m, "fields": f}) for d, m, f in messages
    )


RSA_HANDSHAKE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (TO_SERVER, "ClientHello", {}),
    (TO_CLIENT, "ServerHello", {}),
    (TO_CLIENT, "Certificate", {}),
    (TO_CLIENT, "CertificateRequest", {}),
    (TO_CLIENT, "ServerHelloDone", {}),
    (TO_SERVER, "Certificate", {"certificate": "empty"}),
    (TO_SERVER, "ClientKeyExchange", {}),
    (TO_SERVER, "ChangeCipherSpec", {}),
    (TO_SERVER, "Finished", {}),
    (TO_CLIENT, "ChangeCipherSpec", {}),
    (TO_CLIENT, "Finished", {}),
)


def test_a_list_of_names_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rsa.jsonl"
    path.write_text(lines(*RSA_HANDSHAKE))
    assert monitor.main(args(str(path))) == 0
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


def named(text: str) -> Recording:
    """`c ClientHello, s ServerHello suite=RSA, ...` as a file of names and a few fields."""
    out = []
    for item in filter(None, map(str.strip, text.split(","))):
        end, message, *fields = item.split()
        shown = dict(f.split("=") for f in fields)
        values = {f: {"true": True, "false": False}.get(v, v) for f, v in shown.items()}
        out.append(({"c": TO_SERVER, "s": TO_CLIENT}[end], message, values))
    return recording.parse(lines(*out), text)[0]


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
    assert '{"recording": "again", "resumes": "full"}' in text
    again = recording.parse(text, "x")[1]
    assert again.before is not None
    report = monitor.watch(again)
    assert report.ok, report.problem
    assert "the client's part in extensions: resumes True" in report.assumptions
    for bad, error in (
        (
            text.replace('"resumes": "full"', '"resumes": "ful"'),
            "line 10: expected resumes to name a recording above it, got 'ful'; did you mean full",
        ),
        (
            text + text.splitlines()[9].replace("again", "more").replace("full", "again"),
            "'again' is a resumption itself",
        ),
    ):
        with pytest.raises(RecordingError, match=error):
            recording.parse(bad, "x")


def test_a_mandatory_certificate_may_not_be_empty() -> None:
    messages = list(RSA_HANDSHAKE)
    messages[3] = (TO_CLIENT, "CertificateRequest", {"client_auth": "mandatory"})
    alert = {"level": "fatal", "description": "handshake_failure"}
    messages[6:] = [(TO_CLIENT, "Alert", alert)]
    (one,) = recording.parse(lines(*messages), "x")
    report = monitor.watch(one)
    assert report.refused == 6
    assert report.problem is not None
    assert "handshake_failure" in report.problem
    assert "answered with handshake_failure, as it must" in report.problem


def test_an_alert_without_a_cause_is_refused() -> None:
    alert = {"level": "fatal", "description": "decrypt_error"}
    (one,) = recording.parse(lines(*RSA_HANDSHAKE[:3], (TO_SERVER, "Alert", alert)), "x")
    report = monitor.watch(one)
    assert report.refused == 4
    assert report.problem is not None
    assert "the client gives up with decrypt_error in WAIT_CR_SHD" in report.problem


def test_a_truncated_connection_is_refused() -> None:
    (one,) = recording.parse(lines(*RSA_HANDSHAKE, (TO_SERVER, "TransportClose", {})), "x")
    report = monitor.watch(one)
    assert report.refused == len(RSA_HANDSHAKE) + 1
    assert "without close_notify" in str(report.problem)


def test_an_illegal_file_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(lines(*RSA_HANDSHAKE[:7], *RSA_HANDSHAKE[8:]))  # no ChangeCipherSpec
    assert monitor.main(args(str(path))) == 1
    out = capsys.readouterr().out
    assert "message 8, Finished (client->server), line 8" in out
    assert "not fed: the 2 messages after it" in out


@needs_live
def test_what_live_records_is_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "live.jsonl"
    assert monitor.main(args(live=True, record=str(path))) == 0
    assert "16 recordings: 16 accepted, 0 refused" in capsys.readouterr().out
    again = recording.read(str(path))
    assert [r.title for r in again] == TITLES
    assert recording.dump(again) == path.read_text()
    assert monitor.main(args(str(path))) == 0


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
        assert monitor.main(given) == 2
        out, err = capsys.readouterr()
        assert error in err
        assert err.count("\n") == 1
        assert out == ""


def test_a_missing_hook_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssl, "SSLContext", type("SSLContext", (), {}))
    assert monitor.main(args(live=True)) == 2
    err = capsys.readouterr().err
    assert "_msg_callback" in err
    assert "monitor FILE" in err


def test_a_missing_package_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssl.SSLContext, "_msg_callback", None, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert monitor.main(args(live=True)) == 2
    assert "pip install '.[live]'" in capsys.readouterr().err
