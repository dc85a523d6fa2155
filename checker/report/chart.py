"""A trace laid out as a sequence chart: columns, and a row for each step.

The text chart and the SVG show this content and differ in form only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checker.trace import Trace, TraceStep, origin

NETWORK = "network"
SHOWN = 12
"""The most variables shown of those that make the last state a violation."""


@dataclass(frozen=True)
class Row:
    """The row of one step."""

    number: int
    step: TraceStep
    right: bool | None  # whether the arrow points right; None if the step is no message
    forged: str  # what the adversary did to the message; empty if nothing
    learned: str  # what the adversary knows, if that changed

    @property
    def said(self) -> str:
        """The fields that say something, as text."""
        said = {k: v for k, v in self.step.fields.items() if v not in ("none", "null", False)}
        return ", ".join(f"{k}={v}" for k, v in fields(said).items())

    @property
    def details(self) -> list[str]:
        """The fields that say something, the record keys, and what the adversary did, as text."""
        return [x for x in (self.said, under(self.step), self.forged) if x]


@dataclass(frozen=True)
class Chart:
    """The chart of a trace."""

    trace: Trace
    columns: tuple[str, ...]  # clients, the network, servers
    rows: tuple[Row, ...]
    start: str  # the line above all rows
    end: tuple[str, ...]  # the lines below all rows
    wrong: tuple[str, ...]  # what is wrong at the end, below these

    @property
    def network(self) -> int:
        """The column of the network."""
        return self.columns.index(NETWORK)


def lay_out(trace: Trace) -> Chart:
    """The chart of `trace`."""
    clients = [r for r in trace.runs if r.startswith("client")] or list(trace.runs[:1])
    columns = (*clients, NETWORK, *(r for r in trace.runs if r not in clients))
    rows: list[Row] = []
    known: tuple[str, ...] = ()
    for i, s in enumerate(trace.steps):
        learned = ""
        if s.known != known:
            learned = f"the session keys of {', '.join(s.known)}" if s.known else "no session keys"
        known = s.known
        left = columns.index(s.run) < columns.index(NETWORK)
        right = None if s.kind == "step" else left == (s.kind == "send")
        rows.append(Row(i + 1, s, right, origin(trace, i), learned))
    end = []
    if trace.loop is not None:
        again = f"steps {trace.loop + 1} to {len(trace)} repeat for ever"
        end.append(again if trace.loop < len(trace) else "nothing follows, for ever")
    shown = _listed(trace.start)
    return Chart(trace, columns, tuple(rows), shown, tuple(end), tuple(_wrong(trace)))


def _wrong(trace: Trace) -> list[str]:
    """The case of the property that the last state breaks, with the values on both sides."""
    case = trace.case
    if not trace.property:
        return []
    if case is None:
        said = _few(trace.broken)
        return [f"wrong at the end: {said}"] if said else []
    names = "".join(f", {n} is {run}" for n, run in case.runs.items() if n != run)
    lines = [f"wrong at the end: {case.place}{names}"]
    if case.given:
        lines.append(f"when {case.given}: {_few(case.given_by)}")
    return [*lines, f"then {case.holds or 'what must hold'} is false: {_few(case.denied_by)}"]


def _few(values: Mapping[str, Any]) -> str:
    """Variables with their values, but for suites that are not offered, which are many."""
    said = [k for k, v in values.items() if v is not False or ".offers_" not in k]
    return _listed({k: values[k] for k in said[:SHOWN]}) + (", ..." if len(said) > SHOWN else "")


def fields(of: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a message as charts show them: lists by the first part, no offered suites."""
    return {k: _value(v) for k, v in of.items() if not k.startswith("offers_")}


def under(s: TraceStep) -> str:
    """The record keys that a message is under; empty in the clear."""
    if s.key in ("plaintext", ""):
        return ""
    return "under keys of no secret" if s.key == "empty" else f"under the {s.key} keys"


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in values.items())


def _value(v: Any) -> str:
    if isinstance(v, list | tuple):
        return f"({v[0]} ...)" if v else "()"
    return str(v)
