"""Verdicts as JSON: one document, or a line each and one for the run.

Timings are one separate key: all else is byte-equal from run to run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from checker.report.document import document
from checker.verdict import Result
from checker.verify import Outcome


def as_json(outcome: Outcome, left_out: Mapping[str, str]) -> str:
    """The JSON document: `results`, `left_out`, `patched`, `odd_cases`, `interrupted`, `timings`.

    `left_out` has the reason for each property that was asked for and not decided, by name.
    `patched` has, by scenario, whether each patched row ever fires; null if that is not known.
    `odd_cases` has, for a whole run, the cases that are not as declared (see `checker.cases`).
    """
    return document(
        "verify",
        results=[_row(r) for r in outcome.results],
        **_run(outcome, left_out),
        timings=[_timing(r) for r in outcome.results],
    )


def as_lines(results: Sequence[Result]) -> str:
    """A line of JSON for each result: `result`, and its `timing`."""
    each = (document("verify", indent=None, result=_row(r), timing=_timing(r)) for r in results)
    return "".join(f"{line}\n" for line in each)


def last_line(outcome: Outcome, left_out: Mapping[str, str]) -> str:
    """The line of JSON after those of the results: all else that the document has."""
    return document("verify", indent=None, **_run(outcome, left_out))


def _run(outcome: Outcome, left_out: Mapping[str, str]) -> dict[str, Any]:
    return {
        "interrupted": outcome.interrupted,
        "left_out": dict(left_out),
        "patched": outcome.rows,
        "odd_cases": [asdict(x) for x in outcome.odd_cases],
    }


def _timing(r: Result) -> dict[str, Any]:
    return {"property": r.property, "scenario": r.scenario, "seconds": round(r.seconds, 3)}


def _row(r: Result) -> dict[str, Any]:
    return {
        "property": r.property,
        "id": r.id,
        "scenario": r.scenario,
        "verdict": r.verdict,
        "declared": r.declared,
        "reason": r.reason,
        "method": r.method,
        "states": None if r.stopped else r.states,
        "stopped": r.stopped,
        "depth": r.depth,
        "trace": r.trace.as_json() if r.trace is not None else None,
        "certificate": r.certificate,
        "configurations": r.configurations,
        "witness": r.witness,
        "cases": [
            {"place": c.place, "case": c.name, "reached": reached} for c, reached in r.cases.items()
        ],
    }
