"""What other tools write: messages of `openssl -msg`, workflow traces of TLS-Attacker."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker.conformance import live, monitor, openssl_msg, reading, tls_attacker
from checker.conformance.recording import TO_SERVER, Recording
from checker.conformance.wire import RecordingError
from checker.report.monitor import main
from tests.checker.test_monitor import needs_live, without_openssl
from tests.checker.test_recordings import args

HERE = Path(__file__).parent
MESSAGES, WORKFLOW = HERE / "example_msg.txt", HERE / "example_workflow.xml"


def names(r: Recording) -> list[str]:
    return [f"{'>' if m.direction == TO_SERVER else '<'}{m.message}" for m in r.messages]


# -- openssl -msg ----------------------------------------------------------------------------------
def test_messages_of_openssl_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Two connections of `openssl s_client`, of TLS 1.3 and 1.2, with all else that it prints."""
    first, second = reading.read(str(MESSAGES))
    assert names(first) == [
        ">ClientHello", "<ServerHello", "<ChangeCipherSpec", "<EncryptedExtensions",
        "<Certificate", "<CertificateVerify", "<Finished", ">ChangeCipherSpec", ">Finished",
        ">CloseNotify",
    ]  # fmt: skip
    assert "<NewSessionTicket" in names(second)
    assert dict(second.messages[1].fields)["suite"] == "ECDHE"
    assert main(args(str(MESSAGES))) == 0
    assert "2 recordings: 2 accepted, 0 refused" in capsys.readouterr().out


def test_the_arrows_are_the_programs_and_old_headers_are_read() -> None:
    """A server writes `<<<` for the ClientHello; OpenSSL 1.1 calls a header `???`."""
    turned = {">>>": "<<<", "<<<": ">>>"}
    text = re.sub("^(>>>|<<<)", lambda m: turned[m[1]], MESSAGES.read_text(), flags=re.MULTILINE)
    text = re.sub(r"TLS [\d.]+, RecordHeader", "???", text)
    text = re.sub(
        r"^(... TLS [\d.]+), (Handshake|Alert|Change)", r"\1 \2", text, flags=re.MULTILINE
    )
    found = list(openssl_msg.parse(text.splitlines(), "x"))
    assert [names(r) for r in found] == [names(r) for r in reading.read(str(MESSAGES))]


def test_a_message_that_is_cut_off_ends_the_recording() -> None:
    lines = MESSAGES.read_text().splitlines()
    at = next(i for i, x in enumerate(lines) if "CertificateVerify" in x)
    first, second = openssl_msg.parse([*lines[: at + 1], *lines[at + 3 :]], "x")
    assert re.search(r"line \d+: expected 264 bytes, got 2\d\d", first.unread)
    report = monitor.watch(first)
    assert (report.verdict, len(report.messages)) == ("not read", 5)
    assert monitor.watch(second).ok


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of `openssl s_server`, for two connections."""
    if without_openssl() or live.available():
        pytest.skip(without_openssl() or live.available())
    pem = tmp_path / "server.pem"
    pem.write_bytes(live.make_identities()["server"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [shutil.which("openssl") or "", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet",
               "-cert", str(pem), "-key", str(pem), "-naccept", "2"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.mark.scenario
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_writes_what_is_read(server: str, tmp_path: Path, version: str) -> None:
    command = ["openssl", "s_client", "-connect", server, "-msg", version]
    for _ in range(100):
        done = subprocess.run(command, input=b"Q\n", capture_output=True, timeout=20, check=False)
        if done.returncode == 0:
            break
    file = tmp_path / "msg.txt"
    file.write_bytes(done.stdout)
    (got,) = reading.read(str(file))
    report = monitor.watch(got)
    assert report.ok, report.problem or report.unread
    assert any("CONNECTED" in m.client[1] for m in report.messages)


# -- TLS-Attacker ----------------------------------------------------------------------------------
def test_a_planned_workflow_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """ChangeCipherSpec before the key exchange; the expected answers count as received."""
    assert main(args(str(WORKFLOW))) == 1
    out = capsys.readouterr().out
    assert f"assumed: {tls_attacker.PLANNED}" in out
    assert "REFUSED: message 5, ChangeCipherSpec (client->server)" in out


def xml(*actions: str) -> str:
    return f"<workflowTrace>{''.join(actions)}</workflowTrace>"


def send(*messages: str) -> str:
    return f"<Send><messages>{''.join(f'<{m}/>' for m in messages)}</messages></Send>"


def receive(*messages: str, kind: str = "messages") -> str:
    return f"<Receive><{kind}>{''.join(f'<{m}/>' for m in messages)}</{kind}></Receive>"


def test_the_actual_messages_of_an_executed_trace_count() -> None:
    alert = "<Alert><level><originalValue>2</originalValue></level>"
    alert += "<description><originalValue>40</originalValue></description></Alert>"
    text = xml(
        "<SendAction><executed>true</executed><configuredMessages><ClientHello/><Finished/>"
        "</configuredMessages><actualMessages><ClientHello/></actualMessages></SendAction>",
        "<ReceiveAction><executed>true</executed><expectedMessages><ServerHello/>"
        f"</expectedMessages><messages>{alert}</messages></ReceiveAction>",
    )
    (got,) = tls_attacker.parse(text, "x")
    assert names(got) == [">ClientHello", "<Alert"] and got.notes == ()
    assert got.messages[1].fields == {"level": "fatal", "description": "handshake_failure"}
    assert monitor.watch(got).ok


def test_a_trace_of_a_server_and_names_of_key_exchanges() -> None:
    text = xml(
        receive("ClientHello"),
        send("ServerHello", "Certificate", "DHEServerKeyExchange", "ServerHelloDone"),
        receive("DHClientKeyExchange", "ChangeCipherSpec", "Finished"),
        send("ChangeCipherSpec", "Finished"),
        receive("Application"),
        "<ResetConnection/>",
        receive("ClientHello"),
        send("HelloVerifyRequest"),
    )
    first, second = tls_attacker.parse(text, "x")
    assert names(first)[:4] == [
        ">ClientHello",
        "<ServerHello",
        "<Certificate",
        "<ServerKeyExchange",
    ]
    assert first.messages[3].fields == {"group": "dh"}
    assert monitor.watch(first).ok
    assert "message 2, HelloVerifyRequest: it has no counterpart" in second.unread


def test_bytes_in_a_trace_are_decoded() -> None:
    first = next(iter(reading.read(str(MESSAGES))))
    raw = re.findall(r"ClientHello\n((?: {4}[0-9a-f ]+\n)+)", MESSAGES.read_text())[0]
    whole = f"<completeResultingMessage><originalValue>{raw.upper()}</originalValue>"
    hello = f"<ClientHello>{whole}</completeResultingMessage></ClientHello>"
    text = xml(f"<SendAction><actualMessages>{hello}</actualMessages></SendAction>")
    (got,) = tls_attacker.parse(text, "x")
    assert got.messages[0].fields == first.messages[0].fields


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<workflowTrace><a>", "expected a workflow trace in XML, got: "),
        ('<workflowTrace><!DOCTYPE x [<!ENTITY a "b">]></workflowTrace>', "document type"),
        ("<workflowTrace/>", "at least one message"),
    ],
)
def test_a_bad_trace_is_one_clear_error(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(RecordingError, match=error):
        list(reading.read(str(path)))


def test_an_alert_without_values_is_not_read() -> None:
    (got,) = tls_attacker.parse(xml(send("ClientHello"), receive("Alert")), "x")
    assert "message 2, Alert: the trace does not have its level" in got.unread
    assert monitor.watch(got).verdict == "not read"


@needs_live
def test_only_a_capture_has_keys(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="expected a capture, pcap or pcapng, for --keys"):
        list(reading.read(str(WORKFLOW), str(tmp_path / "keys")))
