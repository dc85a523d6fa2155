"""The command `monitor`, and its report as text."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence

from checker import output
from checker.conformance import live
from checker.conformance.monitor import Report, watch
from checker.conformance.recording import alphabet, dump, read
from checker.conformance.wire import RecordingError
from checker.report.columns import columns
from checker.report.words import count
from model.message import ALPHABET


def _move(states: tuple[str, str]) -> str:
    return states[0] if states[0] == states[1] else f"{states[0]} > {states[1]}"


def render(report: Report) -> str:
    """The report as a plain text table; below, the assumptions and the verdict."""
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
        for r in report.messages
    ]
    out = [output.line(report.title), *(f"  {line}" for line in columns([head, *lines]))]
    out += [f"  assumed: {a}" for a in report.assumptions]
    if report.problem is None:
        last = report.messages[-1]
        out.append(
            f"  accepted: {report.length} messages; client in {last.client[1]}, server in "
            f"{last.server[1]}"
        )
    else:
        out.append(f"  REFUSED: {report.problem}")
        left = report.length - len(report.messages)
        if left:
            out.append(f"  not fed: the {left} messages after it")
    return "\n".join(out)


_BASE = {m.name: m.fields for m in ALPHABET}


def _fields(message: str, names: Sequence[str]) -> str:
    """Field names as text; the offers of suites are one name, fields of extensions another."""
    own = _BASE.get(message, alphabet()[message].fields)
    out = [n for n in names if "=" in n or (n in own and not n.startswith("offers_"))]
    if any(n.startswith("offers_") for n in names):
        out.append("offers")
    if any("=" not in n and n not in own for n in names):
        out.append("extensions")
    return ", ".join(out) or "-"


def main(args: Namespace, progress: Callable[[str], object] = str) -> int:
    """The exit status of `monitor`: 0 all legal, 1 an illegal message, 2 unusable input.

    Each recording is reported as soon as it is held against the machines.
    """
    try:
        if bool(args.file) == args.live:
            raise RecordingError(
                "expected either --live or one FILE of recorded messages, got "
                + ("both" if args.live else "neither")
            )
        if args.record and not args.live:
            raise RecordingError("--record FILE writes what --live records: give --live with it")
        if args.record:
            output.check_file("--record", args.record)
        recordings = live.record_all() if args.live else read(str(args.file))
    except (RecordingError, live.LiveError) as e:
        output.complain(f"monitor: {e}")
        return 2
    if args.record:
        output.write(args.record, dump(recordings))
    refused = 0
    for i, recording in enumerate(recordings, 1):
        report = watch(recording)
        refused += not report.ok
        progress("")
        output.say(f"{render(report)}\n\n")
        progress(f"{i:,} of {len(recordings):,} recordings")
    progress("")
    total = count(len(recordings), "recording")
    output.say(f"{total}: {len(recordings) - refused} accepted, {refused} refused\n")
    return 1 if refused else 0
