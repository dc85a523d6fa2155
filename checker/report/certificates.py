"""Certified files as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from checker import output
from checker.certificate.check import ACCEPTED, DISAGREE, GAVE_UP, REFUSED, UNREADABLE, Certified
from checker.report.document import document
from checker.report.words import count

STATUS = {DISAGREE: 4, REFUSED: 1, UNREADABLE: 2, GAVE_UP: 3, ACCEPTED: 0}
"""The exit status of each verdict, the worst first."""


def exit_status(verdicts: Sequence[Certified]) -> int:
    """The exit status of the worst verdict."""
    there = {v.verdict for v in verdicts}
    return next((status for verdict, status in STATUS.items() if verdict in there), 0)


def as_text(verdicts: Sequence[Certified], *, interrupted: bool = False) -> str:
    """A line for each file, with the reasons below, and a summary."""
    lines = []
    for v in verdicts:
        tail = ""
        if v.verdict == ACCEPTED:
            tail = f"  {count(v.clauses, 'clause')}, by {', '.join(v.answers)}"
        lines.append(f"{v.verdict.upper():10} {output.line(v.file)}{tail}")
        lines += [f"           {output.line(r)}" for r in v.reasons]
    counts = {s: sum(v.verdict == s for v in verdicts) for s in STATUS}
    some = ", ".join(f"{n} {s}" for s, n in reversed(counts.items()) if n)
    lines += ["", f"{count(len(verdicts), 'certificate')}: {some or 0}"]
    if interrupted:
        lines.append("interrupted: these are the results so far")
    return "\n".join(lines)


def as_json(verdicts: Sequence[Certified], *, interrupted: bool = False) -> str:
    """The JSON document: `interrupted`, and `results`, one for each file.

    `answers` has each solver's answers to the three queries, or why there are none.
    """
    results = [
        {
            "file": v.file,
            "verdict": v.verdict,
            "reasons": v.reasons,
            "scenario": v.subject.scenario if v.subject else None,
            "property": v.subject.property if v.subject else None,
            "flaw": (v.subject.flaw or None) if v.subject else None,
            "drop": (v.subject.drop or None) if v.subject else None,
            "clauses": v.clauses,
            "answers": v.answers,
        }
        for v in verdicts
    ]
    return document("certify", interrupted=interrupted, results=results)
