"""Verdicts as JSON. Timings stand apart, so two runs are byte-equal without them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from checker.verdict import Result

SCHEMA_VERSION = 1


def as_json(results: Sequence[Result], *, interrupted: bool = False) -> str:
    """`schema_version`, `results`, `interrupted`, `timings`."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "interrupted": interrupted,
        "results": [_row(r) for r in results],
        "timings": [
            {"property": r.property, "scenario": r.scenario, "seconds": round(r.seconds, 3)}
            for r in results
        ],
    }
    return json.dumps(document, indent=1)


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
