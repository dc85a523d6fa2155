"""The attacks of the catalogue, and pairs of its flaws, as text and as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from checker import output
from checker.attacks import Attack, Refusal, attacks, chosen
from checker.mutants.pairs import Pair, Tried, pairs
from checker.report.document import document
from checker.report.sequence import chart
from checker.report.words import count


def main(args: argparse.Namespace, progress: Callable[[str], None]) -> int:
    """Decide the attacks or pairs asked for, print them, and give the exit status."""
    specs = chosen(args.flaws)
    if args.output:
        output.check_file("-o", args.output)
    stream = output.Stream(args.output)
    if args.pairs:
        return _pairs(args.flaws and specs, args.format, stream, progress)
    found: list[Attack] = []
    interrupted = False
    width = max(map(len, specs))
    try:
        for a in attacks(specs, progress):
            found.append(a)
            progress("")
            if args.format == "text":
                stream.say(f"{line(a, width)}\n")
    except KeyboardInterrupt:
        interrupted = True
    progress("")
    if args.format == "json":
        stream.say(f"{as_json(found, interrupted=interrupted)}\n")
    else:
        stream.say(f"\n{summary(found)}\n")
        stream.say("interrupted: these are the attacks so far\n" if interrupted else "")
    stream.close()
    return status(found, interrupted=interrupted)


def _pairs(
    specs: Sequence[str], form: str, stream: output.Stream, progress: Callable[[str], None]
) -> int:
    found = Tried()
    interrupted = False
    try:
        for so_far, new in pairs(specs, progress):
            found = so_far
            progress("")
            for p in new if form == "text" else ():
                stream.say(f"{pair(p)}\n")
    except KeyboardInterrupt:
        interrupted = True
    progress("")
    if form == "json":
        about = {n: getattr(found, n) for n in ("scenarios", "count", "left_out")}
        results = [*map(_pair, found.pairs)]
        stream.say(f"{document('attacks', **about, pairs=results, interrupted=interrupted)}\n")
    else:
        n = sum(bool(p.more) for p in found.pairs)
        where = count(found.scenarios, "scenario")
        tried = f"{count(found.count, 'pair')} tried in {where}: {n} break more than each alone"
        stream.say(f"\n{tried}, {sum(p.open for p in found.pairs)} not decided\n")
        if found.left_out:
            stream.say(f"not tried: {count(found.left_out, 'change')} too large to search alone\n")
        stream.say("interrupted: these are the pairs so far\n" if interrupted else "")
    stream.close()
    return 130 if interrupted else 0


def pair(p: Pair) -> str:
    """What two flaws break together, with the chart of a shortest attack."""
    alone = "harmless alone" if p.harmless_alone else f"alone {', '.join(p.alone)}"
    head = f"{p.client} at the client, {p.server} at the server, in {p.scenario}: {alone}"
    if not p.more:
        return f"{head}; not decided: the search is too large"
    shown = min(p.more, key=lambda r: len(r.trace))
    fallen = ", ".join(f"{r.id} in {count(len(r.trace), 'step')}" for r in p.more)
    return f"{head}; together {fallen}\n\n{chart(shown.trace)}\n"


def _pair(p: Pair) -> dict[str, Any]:
    return {
        "client": p.client,
        "server": p.server,
        "scenario": p.scenario,
        "alone": list(p.alone),
        "together": [
            {"property": r.id, "length": len(r.trace), "trace": r.trace.as_json()} for r in p.more
        ],
        "open": p.open,
    }


def line(a: Attack, width: int = 0) -> str:
    """One attack as a line; it begins with `!` if something is not as it should be."""
    mark = " " if a.as_declared else "!"
    head = f"{mark} {a.flaw.name:{width}}  {a.ends:6}  {a.result.id:7}"
    if a.trace is None:
        return f"{head}  not found: {a.result.verdict} {a.result.reason}".rstrip()
    rest = [count(len(a.trace), "step"), refusal(a.refusal)]
    rest += [f"{what}: {verdict}" for what, verdict in a.sound.items()]
    return f"{head}  {'; '.join(rest)}; {a.seconds:.1f} s"


def refusal(r: Refusal | None) -> str:
    """The step of an attack that does not happen with sound ends, in words."""
    if r is None:
        return "no step is refused"
    alert = f" with {r.alert}" if r.alert else ""
    return f"step {r.step}, {r.event}: {r.run} {r.why}{alert}"


def summary(found: Sequence[Attack]) -> str:
    """The last line: how many are found, refused and gone."""
    n = len(found)
    parts = [
        f"{sum(a.found for a in found)} found and replayed",
        f"{sum(a.refusal is not None for a in found)} refused by sound ends",
        f"{sum(a.sound_without for a in found)} gone without what they need",
        f"{sum(a.seconds for a in found):.0f} s of processor time",
    ]
    return f"{count(n, 'attack')}: {', '.join(parts)}"


def as_json(found: Sequence[Attack], *, interrupted: bool) -> str:
    """The attacks as a JSON document."""
    return document("attacks", results=[_plain(a) for a in found], interrupted=interrupted)


def _plain(a: Attack) -> dict[str, Any]:
    return {
        "flaw": a.flaw.name,
        "title": a.flaw.title,
        "cve": list(a.flaw.cve),
        "year": a.flaw.year,
        "ends": a.ends,
        "scenario": a.flaw.where,
        "capability": a.flaw.capability,
        "found": a.found,
        "by": a.result.method,
        "property": a.result.id,
        "length": len(a.trace) if a.trace else None,
        "declared_length": a.flaw.steps,
        "seconds": round(a.seconds, 2),
        "replayed": a.trace is not None,
        "refused_at": asdict(a.refusal) if a.refusal else None,
        "sound_without": a.sound_without,
        "sound": dict(a.sound),
    }


def status(found: Sequence[Attack], *, interrupted: bool) -> int:
    """The exit status of the command."""
    if interrupted:
        return 130
    if any(a.result.error for a in found):
        return 4
    return 0 if all(a.as_declared for a in found) else 1
