"""The monitor against real handshakes, against altered copies of them, and against bad files."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import replace

import pytest

from checker.conformance import events, live, monitor, recording
from checker.conformance.abstraction import Abstraction
from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recorded, Recording
from checker.report.monitor import render
from tests.sizes import deep_but

unavailable = live.available()
needs_live = pytest.mark.skipif(bool(unavailable), reason=unavailable)

TITLES = [
    f"{h.title}{resumed}"
    for h in live.HANDSHAKES
    for resumed in ("", live.RESUMED)[: 1 + h.resumed]
]
RETRY_GROUP = "prime256v1"


def title(
    version: str,
    *,
    auth: bool = False,
    group: str = "",
    later: bool = False,
    tickets: bool = False,
) -> str:
    """The title of a handshake of `live.HANDSHAKES`."""
    out = live.Handshake(version, auth, group=group, later=later, tickets=tickets).title
    assert out in TITLES
    return out


TLS12, TLS12_AUTH = title("TLS12"), title("TLS12", auth=True)
TICKETS = title("TLS12", tickets=True)
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
    TICKETS: "START WAIT_SH WAIT_CERTIFICATE WAIT_SKE WAIT_CR_SHD SEND_CKE SEND_CCS SEND_FIN "
    "WAIT_CCS WAIT_FIN CONNECTED CLOSING CLOSED",
    resumed(TICKETS): f"START WAIT_SH {CLIENT_12_RESUMES}",
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
    TICKETS: "START SEND_SH SEND_CERTIFICATE SEND_SKE SEND_CR_SHD WAIT_CKE WAIT_CCS WAIT_FIN "
    "SEND_CCS SEND_FIN CONNECTED ANSWER_CLOSE CLOSED",
    resumed(TICKETS): f"START {SERVER_12_RESUMES}",
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
    """Without a ticket in the connection before, nobody has that key."""
    real = recorded[title]
    assert real.messages[place(real, "ClientHello")].fields["identity"] == "server0"
    assert real.before is not None
    kept = tuple(m for m in real.before.messages if m.message != "NewSessionTicket")
    report = monitor.watch(replace(real, before=replace(real.before, messages=kept)))
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
    """Below TLS 1.3: no session of a connection whose Finished is missing."""
    real = recorded[title]
    for hello in ("ClientHello", "ServerHello"):
        assert real.messages[place(real, hello)].fields["session_id"] == "server0"
    assert real.before is not None
    names = [m.message for m in real.before.messages]
    cut = real.before.messages[: len(names) - 1 - names[::-1].index("Finished")]
    report = monitor.watch(replace(real, before=replace(real.before, messages=cut)))
    assert report.refused == 1, report.problem
    assert "session_id=server0, expected session_id=none" in str(report.problem)


@needs_live
@pytest.mark.parametrize("title", [t for t in TITLES if "resumed" in t])
def test_the_connection_that_is_resumed_need_not_be_recorded(
    recorded: dict[str, Recording], title: str
) -> None:
    """A capture begins anywhere: then a full handshake is assumed, and the report says so."""
    report = monitor.watch(replace(recorded[title], before=None))
    assert report.ok, report.problem
    assert any("that was not recorded" in a for a in report.assumptions)


RETRIES = [
    (title, *row)
    for title in TITLES
    if RETRY_GROUP in title
    for row in (
        ("HelloRetryRequest", "group", "x448", "illegal_parameter"),  # not supported
        ("HelloRetryRequest", "group", "x25519", "illegal_parameter"),  # shown already
        ("HelloRetryRequest", "group", "none", "illegal_parameter"),  # changes nothing
        ("SecondClientHello", "group", "x25519", "illegal_parameter"),
        ("SecondClientHello", "cookie", "server0", "illegal_parameter"),
        ("SecondClientHello", "random", "adversary", "random=adversary"),
        ("ServerHello", "group", "x25519", "illegal_parameter"),
    )
]


@needs_live
@pytest.mark.parametrize(
    ("title", "message", "field", "value", "expected"),
    [
        *RETRIES,
        (TLS13, "ServerHello", "cipher", "none", "cipher_offered"),
        (TLS13, "CertificateVerify", "scheme", "other", "scheme_listed"),
        (TLS13, "CertificateVerify", "scheme", "rsa_sha1", "scheme_listed"),
        (TLS13_AUTH, "CertificateRequest", "signature_algorithms", "empty", "schemes_not_empty"),
        (RETRY, "ServerHello", "cipher", "AES128_SHA256", "cipher_of_the_retry"),
        (TLS13, "ClientHello", "degenerate", True, "share_contributes"),
        (TLS13, "ServerHello", "degenerate", True, "share_contributes"),
        (TLS12, "ClientKeyExchange", "degenerate", True, "share_contributes"),
    ],
)
def test_a_changed_choice_is_refused(
    recorded: dict[str, Recording],
    title: str,
    message: str,
    field: str,
    value: str | bool,
    expected: str,
) -> None:
    """A group, suite or scheme that was not listed, a share that does not contribute, and a hello
    that changes over a retry (RFC 8446 4.1.2 to 4.1.4, 4.2.3, 4.2.8.2, 4.3.2)."""
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
        ("ServerKeyExchange", "scheme", "other", "scheme_listed"),
        ("ServerKeyExchange", "scheme", "ecdsa_sha256", "scheme_of_the_key"),
        ("ServerKeyExchange", "scheme", "none", "scheme_there"),
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
    older = with_fields(older, "ServerKeyExchange", scheme="none")
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
        assert monitor.watch(next(recording.parse(recording.dump([updated]).splitlines(), "x"))).ok

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
