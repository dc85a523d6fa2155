"""The command `monitor`, and its report as text."""

from __future__ import annotations

import gc
import os
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from checker import output
from checker.conformance import live
from checker.conformance.monitor import KEPT, Outcome, Report, watch
from checker.conformance.reading import openable, read, typed
from checker.conformance.recording import Recording, alphabet, dump
from checker.conformance.step import READINGS
from checker.conformance.wire import RecordingError
from checker.pool import DiedError, Job, Pool
from checker.report.columns import columns
from checker.report.words import count
from checker.signals import whole
from model.message import ALPHABET

if TYPE_CHECKING:
    from checker.conformance.proxy import Proxy


def _move(states: tuple[str, str]) -> str:
    return states[0] if states[0] == states[1] else f"{states[0]} > {states[1]}"


def render(report: Report) -> str:
    """The report as a plain text table; below, the assumptions and the verdict."""
    lines = [*_table(report.outcome), *verdict(report)]
    return "\n".join([report.title, *(f"  {line}" for line in lines)])


@lru_cache(KEPT)
def _table(outcome: Outcome) -> list[str]:
    """The lines of the table, and of the assumptions; none without messages."""
    if not outcome.messages:
        return []
    head = ("#", "direction", "message", "client", "server", "RFC", "assumed", "shown")
    lines = [
        (
            str(r.number),
            r.direction,
            r.message,
            _move(r.client),
            _move(r.server),
            r.rfc,
            _fields(r.message, r.assumed) + (f" [{r.note}]" if r.note else ""),
            _fields(r.message, r.shown),
        )
        for r in outcome.messages
    ]
    return [*columns([head, *lines]), *(f"assumed: {a}" for a in outcome.assumptions)]


def verdict(report: Report) -> list[str]:
    """The lines of the verdict."""
    out = []
    left = len(report.recording.messages) - len(report.messages)
    if report.verdict == "refused":
        out.append(f"REFUSED: {report.problem}")
        if READINGS not in str(report.problem):
            out.append(f"so the message was {READINGS}")
        if left:
            out.append(f"not fed: the {left} messages after it")
    elif report.verdict == "not read":
        legal = f"; the {len(report.messages)} messages before are legal" if report.messages else ""
        out.append(f"NOT READ: {report.unread}{legal}")
    else:
        last = report.messages[-1]
        out.append(
            f"accepted: {len(report.messages)} messages; client in {last.client[1]}, server in "
            f"{last.server[1]}"
        )
    if report.ended is not None:
        e = report.ended
        why = f" (message {e.refused} refused)" if e.refused else ""
        out.append(f"the {e.end} gave up with {e.description}, message {e.number}{why}")
    if report.recording.expected:
        as_ = "as expected" if report.as_expected else "NOT AS EXPECTED"
        out.append(f"{as_}: {report.recording.expected}")
    return out


_BASE = {m.name: m.fields for m in ALPHABET}


@lru_cache(KEPT)
def _fields(message: str, names: tuple[str, ...]) -> str:
    """Field names as text; the offers of suites are one name, fields of extensions another."""
    own = _BASE.get(message, alphabet()[message].fields)
    out = [n for n in names if "=" in n or (n in own and not n.startswith("offers_"))]
    if any(n.startswith("offers_") for n in names):
        out.append("offers")
    if any("=" not in n and n not in own for n in names):
        out.append("extensions")
    return ", ".join(out) or "-"


def main(
    args: Namespace,
    progress: Callable[[str], object] = str,
    page: Callable[[Sequence[Report]], str] = str,
) -> int:
    """The exit status of `monitor`; `page` makes the page of the reports, if one is asked for.

    1 if a message is illegal (or a verdict is not the one that the file expects), else 2 if a
    recording is malformed, else 3 if one is not read, else 0. Each recording is reported as soon as
    it is held against the machines.
    """
    try:
        given = [bool(args.file), bool(args.words), args.live, bool(args.proxy)]
        if sum(given) != 1:
            raise RecordingError(
                "expected one of --live, --words, --proxy and FILE of recorded messages, got "
                + ("several" if any(given) else "none")
            )
        if args.keys and not (args.file or args.proxy):
            raise RecordingError(
                "--keys FILE has the secrets of a capture or of --proxy: give one of them too"
            )
        if args.connections and not args.proxy:
            raise RecordingError("--connections N ends --proxy: give --proxy with it")
        if args.record and not args.live:
            raise RecordingError("--record FILE writes what --live records: give --live with it")
        if args.record:
            output.check_file("--record", args.record)
        if args.live:
            recordings: Iterable[Recording] = live.record_all()
        elif args.proxy:
            recordings = _followed(args)
        else:
            recordings = typed(args.words) if args.words else read(str(args.file), args.keys)
        if args.record:
            recordings = list(recordings)
            output.write(args.record, dump(recordings))
        if args.output:
            output.check_file("-o", args.output)
        stream = output.Stream(args.output)
        paged = args.format == "html"
        if args.file:
            told = _all_told(iter(recordings), paged)
        else:
            told = (_told(r, paged) for r in recordings)
        if paged:
            reports: list[Report] = []
            status = _watch_all(told, progress, lambda text: None, reports)
            stream.say(page(reports))
        else:
            status = _watch_all(told, progress, stream.say)
        stream.close()
        return status
    except (RecordingError, live.LiveError) as e:
        progress("")
        output.complain(f"monitor: {e}")
        return 2


def _followed(args: Namespace) -> Iterator[Recording]:
    """The connections that a proxy forwards, until interrupted or --connections have ended."""
    openable("--proxy")
    from checker.conformance.proxy import Proxy, ProxyError, address

    listen, target = (
        address(text, what) for text, what in zip(args.proxy, ("LISTEN", "TARGET"), strict=True)
    )
    try:
        with Proxy(listen, target, args.keys or os.environ.get("SSLKEYLOGFILE")) as proxy:
            yield from _until_interrupted(proxy, args.connections)
    except ProxyError as e:
        raise RecordingError(f"--proxy: {e}") from None


def _until_interrupted(proxy: Proxy, connections: int | None) -> Iterator[Recording]:
    """The connections of a proxy as they end; an interrupt ends the list, not the command."""
    seen = 0
    at, to = (f"{host} port {port}" for host, port in (proxy.address, proxy.target))
    try:
        output.complain(f"forwarding {at} to {to}; Ctrl-C ends it")
        while connections is None or seen < connections:
            proxy.wait(1.0)
            with whole():  # a connection that has ended is reported before an interrupt is heard
                for recording in proxy.recordings():
                    seen += 1
                    yield recording
    except KeyboardInterrupt:
        proxy.stop()
        for recording in proxy.recordings():
            seen += 1
            yield recording
    if not seen:
        raise RecordingError("--proxy: expected a connection, got none before the end")


@dataclass(frozen=True)
class _Told:
    """What is told of a recording."""

    verdict: str
    wrong: bool  # whether a message is illegal, or the file expects another verdict
    malformed: bool
    text: str  # empty for a page, which is made of the report
    report: Report | None


def _told(recording: Recording, paged: bool) -> _Told:
    report = watch(recording)
    return _Told(
        report.verdict,
        not (report.as_expected if recording.expected else report.verdict != "refused"),
        recording.malformed and report.verdict == "not read",
        "" if paged else f"{render(report)}\n\n",
        report if paged else None,
    )


def _batch(recordings: Sequence[Recording], paged: bool) -> list[_Told]:
    return [_told(r, paged) for r in recordings]


BATCH = 250
"""The number of recordings that a process takes at a time; a file with fewer needs no process."""


def _all_told(recordings: Iterator[Recording], paged: bool) -> Iterator[_Told]:
    """What is told of the recordings of a file, in order, by as many processes as there are cores.

    A recording that resumes another one is watched in this process.
    """
    gc.set_threshold(200_000, 50, 50)  # what is kept of recordings lives long
    for r in islice(recordings, BATCH):
        yield _told(r, paged)
    batches = _batches(recordings)
    queue, done = deque[Job](), dict[Job, list[_Told]]()
    failed: RecordingError | None = None
    with Pool() as pool:
        while True:
            for batch, error in islice(batches, 3 * pool.size - len(queue)):
                failed = error
                queue.append(job := Job(_batch, (batch, paged)))
                if any(r.before for r in batch):
                    done[job] = _batch(batch, paged)
                else:
                    pool.add(job)
            if not queue:
                break
            while queue[0] not in done:
                reply = next(pool.replies())
                try:
                    done[reply.job] = reply.get()
                except DiedError:
                    done[reply.job] = _batch(*reply.job.args)
            yield from done.pop(queue.popleft())
    if failed is not None:
        raise failed


def _batches(found: Iterator[Recording]) -> Iterator[tuple[list[Recording], RecordingError | None]]:
    """The recordings in batches, and with the last one the error that ends them, if one does."""
    failed = None
    while failed is None:
        batch: list[Recording] = []
        try:
            for r in islice(found, BATCH):
                batch.append(r)
        except RecordingError as e:
            failed = e
        if not batch and failed is None:
            return
        yield batch, failed


def _watch_all(
    told: Iterable[_Told],
    progress: Callable[[str], object],
    say: Callable[[str], object],
    kept: list[Report] | None = None,
) -> int:
    """Say what is told of each recording, and put the reports into `kept`; the exit status."""
    verdicts, wrong, malformed = Counter[str](), 0, False
    for one in told:
        verdicts[one.verdict] += 1
        wrong += one.wrong
        malformed |= one.malformed
        progress("")
        say(one.text)
        if kept is not None and one.report is not None:
            kept.append(one.report)
        progress(f"{verdicts.total():,} recordings")
    progress("")
    parts = [f"{verdicts['accepted']} accepted", f"{verdicts['refused']} refused"]
    parts += [f"{verdicts['not read']} not read"] * ("not read" in verdicts)
    say(f"{count(verdicts.total(), 'recording')}: {', '.join(parts)}\n")
    return 1 if wrong else 2 if malformed else 3 if verdicts["not read"] else 0
