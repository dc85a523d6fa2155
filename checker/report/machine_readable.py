"""Verdicts as JSON. Timings stand apart, so two runs are byte-equal without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checker.report.document import document
from checker.verdict import Result


def as_json(results: Sequence[Result], *, interrupted: bool = False) -> str:
    """`results`, `interrupted`, `timings`."""
    timings = [
        {"property": r.property, "scenario": r.scenario, "seconds": round(r.seconds, 3)}
        for r in results
    ]
    rows = [_row(r) for r in results]
    return document("verify", interrupted=interrupted, results=rows, timings=timings)


def _row(r: Result) -> dict[str, Any]:
    return {
        "property": r.property,
        "id": r.id,
        "scenario": r.scenario,
        "verdict": r.verdict,
        "declared": r.declared,
        "reason": r.reason,
        "method": r.method,
        "states": r.states,
        "depth": r.depth,
        "trace": r.trace.as_json() if r.trace is not None else None,
        "certificate": r.certificate,
        "configurations": r.configurations,
        "witness": r.witness,
    }
