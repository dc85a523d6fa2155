"""A replay as text: each step with what it changed, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from checker.replay import Replayed
from checker.report.chart import lay_out
from checker.report.sequence import note
from checker.report.words import count


def as_text(found: Replayed) -> str:
    """The steps that went through, with the values before and after, and the end."""
    trace = found.trace
    laid = lay_out(trace)
    lines = [f"{trace.property} in {trace.scenario}", ""]
    if laid.start:
        lines += [f"start: {laid.start}", ""]
    for row, changed in zip(laid.rows, changes(found), strict=True):
        lines += note(row)
        wide = max(map(len, changed), default=0)
        lines += [f"     {n.ljust(wide)}  {a} -> {b}" for n, (a, b) in changed.items()]
    lines += ["", *laid.end] if laid.end and not found.why else []
    return "\n".join([*lines, "", end(found)])


def end(found: Replayed) -> str:
    """The last line: whether the trace goes through."""
    if found.why:
        return f"does not go through: {found.why}"
    steps = count(len(found.trace), "step")
    return f"goes through: {steps}, each on the machines; {found.judged or broken(found)}"


def broken(found: Replayed) -> str:
    """What the end of a trace that goes through says of its property."""
    return f"the last state breaks {found.trace.property}"


def changes(found: Replayed) -> Iterator[Mapping[str, tuple[Any, Any]]]:
    """By step: the values before and after of each variable that it changes."""
    now = {n: v.initial[0] for n, v in found.system.variables.items()} | {**found.trace.start}
    for s in found.trace.steps:
        after = {f"{s.run}.{n}": v for n, v in s.changed.items()}
        yield {n: (now[n], v) for n, v in after.items()}
        now |= after
