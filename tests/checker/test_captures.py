"""Captures of real handshakes, with their keys and without, and hostile files."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from checker.conformance import capture, live, monitor, reading, wire
from checker.conformance.recording import Recording
from checker.conformance.wire import RecordingError
from checker.report.monitor import main
from tests.checker import captures
from tests.checker.captures import Flow
from tests.checker.test_monitor import needs_live
from tests.checker.test_recordings import args
from tests.sizes import deep_but

Real = tuple[list[Recording], list[Flow], str]
EXAMPLE = Path(__file__).parent / "example_capture.pcapng"


def said(r: Recording) -> list[tuple[object, ...]]:
    """What a recording says of each message, but for where it stands."""
    # The hook of `ssl` does not show the value of a ChangeCipherSpec.
    shown = [{f: v for f, v in m.fields.items() if f != "value"} for m in r.messages]
    return [(m.direction, m.message, s) for m, s in zip(r.messages, shown, strict=True)]


def read(path: Path, data: bytes, keys: str | None = None) -> list[Recording]:
    path.write_bytes(data)
    return list(reading.read(str(path), keys))


@needs_live
@pytest.mark.parametrize(
    "handshake",
    deep_but([live.HANDSHAKES[0], live.HANDSHAKES[4], live.HANDSHAKES[6]], live.HANDSHAKES),
    ids=lambda h: h.title,
)
def test_a_capture_says_what_the_ends_say(tmp_path: Path, handshake: live.Handshake) -> None:
    """Message for message, field for field; and both connections are accepted."""
    recordings, flows, log = captures.real(handshake, tmp_path)
    found = read(tmp_path / "x.pcapng", captures.pcapng(captures.interleaved(flows), log))
    assert [said(r) for r in found] == [said(r) for r in recordings]
    assert [r.before is not None for r in found] == [False, True]
    for r in found:
        assert monitor.watch(r).ok, monitor.watch(r).problem
        for m in r.messages:
            assert m.protected is (m.message in ("ApplicationData", "CloseNotify", "Finished")) or (
                m.protected is not None and m.message not in ("ClientHello", "ServerHello")
            )


@pytest.fixture(scope="module")
def real12(tmp_path_factory: pytest.TempPathFactory) -> Real:
    return captures.real(live.Handshake("TLS12", False), tmp_path_factory.mktemp("real12"))


@pytest.fixture(scope="module")
def real13(tmp_path_factory: pytest.TempPathFactory) -> Real:
    return captures.real(live.Handshake("TLS13", False), tmp_path_factory.mktemp("real13"))


@needs_live
def test_each_form_of_file_and_frame_is_read(real13: Real, tmp_path: Path) -> None:
    recordings, (flow,), log = real13
    keys = tmp_path / "k.txt"
    keys.write_text(f"# a comment\nUNKNOWN_LABEL 00 00\n{log}")
    frames = flow.frames(500)
    ip = [f[14:] for f in frames]
    tagged = [f[:12] + b"\x81\0\0\x05" + f[12:] for f in frames]
    cooked = [bytes(14) + b"\x08\0" + p for p in ip]
    six = [
        bytes(12) + b"\x86\xdd" + b"\x60\0\0\0" + struct.pack(">HBB", len(p) - 20, 6, 64)
        + bytes(12) + p[12:16] + bytes(12) + p[16:20] + p[20:] for p in ip
    ]  # fmt: skip
    for data in (
        captures.pcap(frames),
        captures.pcap(frames, order=">"),
        captures.pcap(frames, nano=True),
        captures.pcap(ip, link=101),
        captures.pcap([b"\2\0\0\0" + p for p in ip], link=0),
        captures.pcap(cooked, link=113),
        captures.pcap([b"\x08\0" + bytes(18) + p for p in ip], link=276),
        captures.pcap(tagged),
        captures.pcap(six),
        captures.pcapng(frames),
        captures.pcapng(frames, order=">"),
        captures.pcap([frames[0], *frames]),  # noise: a repeated packet
        captures.pcap([b"", b"\0" * 60, *frames, b"\xff" * 14]),
    ):
        (got,) = read(tmp_path / "x.cap", data, str(keys))
        assert said(got) == said(recordings[0])


@needs_live
def test_segments_may_be_repeated_and_out_of_order(real12: Real, tmp_path: Path) -> None:
    recordings, (flow,), log = real12
    frames = flow.frames(300)
    choose = random.Random(1)
    for _ in range(20):
        mixed = frames[:2] + [x for f in frames[2:] for x in [f] * choose.choice((1, 1, 2))]
        for i in range(2, len(mixed) - 2):
            if choose.random() < 0.3:
                mixed[i], mixed[i + 1] = mixed[i + 1], mixed[i]
        (got,) = read(tmp_path / "x.pcapng", captures.pcapng(mixed, log))
        assert said(got) == said(recordings[0])


@needs_live
def test_what_is_lost_ends_the_recording(real12: Real, tmp_path: Path) -> None:
    _, (flow,), log = real12
    frames = flow.frames()
    lost = frames[:4] + frames[5:]
    (got,) = read(tmp_path / "x.pcapng", captures.pcapng(lost, log))
    assert "a segment before it is not in the file" in got.unread
    report = monitor.watch(got)
    assert report.verdict == "not read" and report.messages
    whole = captures.pcapng(frames, log)
    (got,) = read(tmp_path / "x.pcapng", whole[:-150])
    assert monitor.watch(got).verdict == "not read" and "expected a block of" in got.unread
    short = captures.pcap(frames)
    size = len(frames[3])
    at = short.index(frames[3])
    short = short[: at - 4] + struct.pack("<I", size + 10) + short[at:]
    (got,) = read(tmp_path / "x.pcap", short)
    assert "only a part of it was captured" in got.unread


@needs_live
def test_without_keys_it_is_read_as_far_as_it_goes(
    real12: Real, real13: Real, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for (recordings, (flow,), _), last, why in (
        (real12, 12, "an alert, protected"),
        (real13, 3, "protected, and the keys of client random"),
    ):
        path = tmp_path / "x.pcap"
        (got,) = read(path, captures.pcap(flow.frames()))
        report = monitor.watch(got)
        assert report.verdict == "not read" and why in report.unread, report.problem
        assert [m.message for m in got.messages] == [m[1] for m in said(recordings[0])][:last]
        assert main(args(str(path))) == 3
        assert f"the {last} messages before are legal" in capsys.readouterr().out
    (got,) = read(tmp_path / "x.pcap", captures.pcap(real12[1][0].frames()))
    assert any("it was not decrypted" in a for a in monitor.watch(got).assumptions)


@needs_live
def test_other_keys_are_no_keys(real12: Real, real13: Real, tmp_path: Path) -> None:
    for _, (flow,), log in (real12, real13):
        label, client, secret = log.splitlines()[-1].split()
        wrong = "\n".join(f"{x.rpartition(' ')[0]} {'00' * (len(secret) // 2)}" for x in
                          log.splitlines() if not x.startswith("#"))  # fmt: skip
        assert label and client
        (got,) = read(tmp_path / "x.pcapng", captures.pcapng(flow.frames(), wrong))
        assert "opens under none of the keys known" in got.unread


@needs_live
def test_tls_after_another_protocol_and_a_flow_without_it(real13: Real, tmp_path: Path) -> None:
    recordings, (flow,), log = real13
    asked = Flow(40001, [("server", b"220 ready\r\n"), ("client", b"STARTTLS\r\n"), *flow.chunks])
    plain = Flow(40002, [("client", b"GET / HTTP/1.0\r\n\r\n"), ("server", b"HTTP/1.0 200 OK\r\n")])
    frames = captures.interleaved([plain, asked])
    (got,) = read(tmp_path / "x.pcapng", captures.pcapng(frames, log))
    assert said(got) == said(recordings[0])
    with pytest.raises(RecordingError, match="1 TCP connections, none of which has a ClientHello"):
        read(tmp_path / "x.pcapng", captures.pcapng(plain.frames()))


@needs_live
def test_an_altered_capture_is_refused(real12: Real, tmp_path: Path) -> None:
    """A flight without its ServerKeyExchange, in the clear: the packet is named."""
    _, (flow,), _ = real12
    chunks = list(flow.chunks)
    (n, flight) = next((i, c) for i, (s, c) in enumerate(chunks) if s == "server")
    records, at = [], 0
    while at < len(flight):
        size = 5 + int.from_bytes(flight[at + 3 : at + 5], "big")
        records.append(flight[at : at + size])
        at += size
    kept = b"".join(r for r in records if r[5] != 12)
    assert len(kept) < len(flight)
    chunks[n] = ("server", kept)
    (got,) = read(tmp_path / "x.pcap", captures.pcap(replace(flow, chunks=chunks).frames(9000)))
    report = monitor.watch(got)
    assert report.refused == 4
    assert "message 4, ServerHelloDone (server->client), packet 4:" in str(report.problem)


@needs_live
def test_a_truncated_connection_is_refused(real13: Real, tmp_path: Path) -> None:
    _, (flow,), log = real13
    cut = replace(flow, chunks=flow.chunks[:-2])  # without both close_notify
    (got,) = read(tmp_path / "x.pcapng", captures.pcapng(cut.frames(), log))
    report = monitor.watch(got)
    assert report.verdict == "refused" and "without close_notify" in str(report.problem)
    (got,) = read(tmp_path / "x.pcapng", captures.pcapng(cut.frames(end=False), log))
    assert monitor.watch(got).ok


@needs_live
@pytest.mark.parametrize(("value", "verdict"), [(b"\1", "accepted"), (b"\2", "refused")])
def test_the_value_of_a_change_cipher_spec_is_read(
    real12: Real, real13: Real, tmp_path: Path, value: bytes, verdict: str
) -> None:
    """In TLS 1.3 too, where it means nothing (RFC 8446 5)."""
    for _, (flow,), log in (real12, real13):
        head = b"\x14\3\3\0\1"
        chunks = [(s, c.replace(head + b"\1", head + value)) for s, c in flow.chunks]
        frames = replace(flow, chunks=chunks).frames()
        (got,) = read(tmp_path / "x.pcapng", captures.pcapng(frames, log))
        report = monitor.watch(got)
        assert report.verdict == verdict, report.problem or report.unread
        if verdict == "refused":
            assert report.messages[-1].message == "ChangeCipherSpec"


@needs_live
def test_tshark_sees_the_same_messages(real12: Real, real13: Real, tmp_path: Path) -> None:
    path = shutil.which("tshark")
    if path is None:
        pytest.skip("tshark is not installed (Debian: apt-get install tshark)")
    numbers = {name: str(n) for n, name in wire.HANDSHAKE.items()} | {"SecondClientHello": "1"}
    for i, (_, flows, log) in enumerate((real12, real13)):
        file = tmp_path / f"{i}.pcapng"
        (got,) = read(file, captures.pcapng(flows[0].frames(), log))
        fields = ("tls.handshake.type", "tls.alert_message.desc", "tls.change_cipher_spec")
        command = [path, "-r", str(file), "-d", "tcp.port==443,tls", "-Y", "tls", "-T", "fields"]
        done = subprocess.run(
            [*command, *(x for f in fields for x in ("-e", f))],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        columns = [line.split("\t") for line in done.stdout.splitlines()]
        seen = [n for line in columns for n in filter(None, line[0].split(","))]
        assert seen == [numbers[m.message] for m in got.messages if m.message in numbers]
        alerts = [n for line in columns for n in filter(None, line[1].split(","))]
        assert alerts == ["0" for m in got.messages if m.message == "CloseNotify"]


# -- hostile files ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (capture.MAGIC[0], "expected a pcap header of 24 bytes, got 4"),
        (captures.pcap([]), "expected a TLS connection, got 0 packets"),
        (captures.pcap([])[:20] + b"\1\0\0\0" + b"\xff" * 16, "expected a packet of 4,294,967,295"),
        (captures.pcapng([]) + b"\6\0\0\0\xff\xff\xff\x7f" + bytes(8), "expected a block of"),
        (captures.pcapng([]) + b"\6\0\0\0\x10\0\0\0" + bytes(8), "block of type 6, got another"),
        (captures.pcapng([], "CLIENT_RANDOM xx yy"), "line 1: expected a label, a client random"),
    ],
)
def test_a_bad_capture_is_one_clear_error(
    tmp_path: Path, data: bytes, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(data)
    assert main(args(str(path))) == 2
    out, err = capsys.readouterr()
    assert error in err and err.count("\n") == 1 and len(err) < 500 and out == ""


@needs_live
def test_mutated_captures_give_verdicts_or_one_error(
    real12: Real, real13: Real, tmp_path: Path
) -> None:
    choose = random.Random(7)
    outcomes = set()
    for _, (flow,), log in (real12, real13):
        whole = captures.pcapng(flow.frames(400), log)
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(choose.choice((1, 3, 30))):
                at = choose.randrange(len(data))
                kind = choose.randrange(3)
                if kind == 0:
                    data[at] = choose.randrange(256)
                elif kind == 1:
                    del data[at : at + choose.randrange(1, 60)]
                else:
                    data[at:at] = choose.randbytes(choose.randrange(1, 60))
            try:
                for r in read(tmp_path / "x.pcapng", bytes(data)):
                    outcomes.add(monitor.watch(r).verdict)
            except RecordingError as e:
                assert str(e).startswith(str(tmp_path)) and "\n" not in str(e)
                outcomes.add("error")
    assert outcomes >= {"accepted", "not read"}


def test_the_example_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Three connections in a pcapng file that holds their secrets."""
    assert main(args(str(EXAMPLE))) == 0
    assert "3 recordings: 3 accepted, 0 refused" in capsys.readouterr().out
