"""Verdicts as JSON. Timings are one separate key: all else is byte-equal from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from checker.cases import Odd
from checker.report.document import document
from checker.verdict import Result


def as_json(
    results: Sequence[Result],
    left_out: Mapping[str, str] | None = None,
    rows: Mapping[str, Mapping[str, bool | None]] | None = None,
    *,
    interrupted: bool = False,
    odd_cases: Sequence[Odd] = (),
) -> str:
    """The JSON document: `results`, `left_out`, `patched`, `odd_cases`, `interrupted`, `timings`.

    `left_out` has the reason for each property that was asked for and not decided, by name.
    `patched` has, by scenario, whether each patched row ever fires; null if that is not known.
    `odd_cases` has, for a whole run, the cases that are not as declared (see `checker.cases`).
    """
    timings = [
        {"property": r.property, "scenario": r.scenario, "seconds": round(r.seconds, 3)}
        for r in results
    ]
    return document(
        "verify",
        interrupted=interrupted,
        results=[_row(r) for r in results],
        left_out=dict(left_out or {}),
        patched=dict(rows or {}),
        odd_cases=[asdict(x) for x in odd_cases],
        timings=timings,
    )


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
