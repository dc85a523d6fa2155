"""Files of many recordings: told in order and as one by one, whichever process watches them."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

import pytest

from checker.conformance import monitor, notation
from checker.conformance.recording import Recording
from checker.conformance.wire import RecordingError
from checker.report import monitor as report

RSA = ">CH{version=TLS12,offers_RSA=true} <SH{suite=RSA} <C <SHD >CKE >CCS >F <CCS <F"
AGAIN = ">CH{version=TLS12,offers_RSA=true,session_id=server0} "
AGAIN += "<SH{suite=RSA,session_id=server0} <CCS <F >CCS >F"


def lines(n: int, *, resumed: bool) -> list[str]:
    """Lines of `n` recordings: accepted, refused, unreadable and resumed ones."""
    out = []
    for i in range(n):
        kind = i % 5
        data = " ".join(">AD" if i >> b & 1 else "<AD" for b in range(8))
        words = {1: RSA.replace(">CKE ", ""), 2: f"{RSA} <XYZ", 3: AGAIN}.get(kind, f"{RSA} {data}")
        head = f"{i} @resumes={i - i % 5}" if resumed and kind == 3 else str(i)
        out.append(f"{head} | | {words}")
    return out


def told(found: Sequence[Recording], paged: bool = False) -> list[Any]:
    return list(report._all_told(iter(found), paged))


@pytest.mark.parametrize("resumed", [False, True])
def test_many_recordings_are_told_as_one_by_one(resumed: bool) -> None:
    found = list(notation.parse(lines(3 * report.BATCH + 7, resumed=resumed), "x"))
    monitor.forget()
    apart = told(found)
    monitor.forget()
    assert apart == [report._told(r, False) for r in found]
    assert {t.verdict for t in apart} == {"accepted", "refused", "not read"}
    titles = [t.text.splitlines()[0] for t in apart]
    assert titles == [r.title for r in found]


def test_a_page_gets_every_report_in_order() -> None:
    found = list(notation.parse(lines(2 * report.BATCH, resumed=False), "x"))
    assert [t.report.title for t in told(found, paged=True)] == [r.title for r in found]


def test_a_process_that_dies_loses_no_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(notation.parse(lines(2 * report.BATCH, resumed=False), "x"))
    parent, watch = os.getpid(), monitor.watch

    def dies(recording: Recording) -> monitor.Report:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return watch(recording)

    monkeypatch.setattr(report, "watch", dies)
    assert [t.text.splitlines()[0] for t in told(found)] == [r.title for r in found]


def test_what_was_read_before_an_error_is_told() -> None:
    found = list(notation.parse(lines(report.BATCH + 3, resumed=False), "x"))

    def ends_badly() -> Any:
        yield from found
        raise RecordingError("cut")

    seen = []
    with pytest.raises(RecordingError, match="cut"):
        for t in report._all_told(ends_badly(), False):
            seen.append(t.text.splitlines()[0])
    assert seen == [r.title for r in found]


def test_a_long_chain_of_resumptions_needs_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether each connection of a chain is watched in its turn, or the last one alone."""
    chain = [f"0 | | {RSA}", *(f"{i} @resumes={i - 1} | | {AGAIN}" for i in range(1, 600))]
    monkeypatch.setattr(monitor, "KEPT", 2)
    monitor.forget()
    found = list(notation.parse(chain, "x"))
    in_turn = [monitor.watch(r) for r in found][-1]
    assert (in_turn.verdict, in_turn.problem) == ("accepted", None)
    monitor.forget()
    alone = monitor.watch(found[-1])
    assert (alone.verdict, alone.messages) == (in_turn.verdict, in_turn.messages)
    assert alone.title == "599"
