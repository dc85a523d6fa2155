"""Verdicts as SARIF 2.1.0, which editors and code hosts show beside the rows.

A rule is a property. A result is a verdict other than PROVED, at the row that completes the
violation; its trace is a code flow, each step at the row that the step takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from checker.arguments import SCRIPT, version
from checker.report.chart import lay_out
from checker.report.locations import Location, of_property, of_row
from checker.report.sequence import note
from checker.request import Request, system_of
from checker.trace import Trace
from checker.verdict import DEFINITE, PROVED, Result
from model.role import Role
from model.scenario import scenario
from properties import catalogue

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(results: Sequence[Result], request: Request, *, interrupted: bool = False) -> str:
    """The SARIF log of one run."""
    told = [r for r in results if r.verdict != PROVED or r.error]
    rules = {r.property: i for i, r in enumerate({r.property: r for r in told}.values())}
    driver = {
        "name": SCRIPT,
        "version": version(),
        "rules": [_rule(name) for name in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not interrupted}],
        "results": [_result(r, rules[r.property], request) for r in told],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _rule(name: str) -> dict[str, Any]:
    p = catalogue().get(name)
    if p is None:
        return {"id": name, "shortDescription": {"text": name}}
    says = " ".join((p.function.__doc__ or p.sentence).split())
    return {
        "id": p.id,
        "name": name,
        "shortDescription": {"text": f"{p.sentence[:1].upper()}{p.sentence[1:]}."},
        "fullDescription": {"text": f"{says} RFC {p.rfc}."},
        "properties": {"tags": [f"RFC {part.strip()}" for part in p.rfc.split(";")]},
    }


def _result(r: Result, index: int, request: Request) -> dict[str, Any]:
    """A verdict; a declared one is a note, and suppressed if nothing is patched."""
    definite = r.verdict in DEFINITE or r.error
    level = "none" if not definite else "note" if r.as_declared else "error"
    why = f"; {r.reason}" if r.reason else ""
    declared = "" if r.as_declared else f", declared {r.declared}"
    said = f"{r.property} in {r.scenario}: {r.verdict}{declared}{why}"
    out: dict[str, Any] = {
        "ruleId": r.id or r.property,
        "ruleIndex": index,
        "kind": "fail" if definite else "open",
        "level": level,
        "message": {"text": said},
        "partialFingerprints": {"verdict/v1": f"{r.property}/{r.scenario}/{request.patch}"},
    }
    p = catalogue().get(r.property)
    at = of_property(p) if p is not None else None
    if r.trace is not None:
        steps = _flow(r.trace, _roles(r, request))
        out["codeFlows"] = [
            {
                "message": {"text": f"{len(r.trace)} steps, replayed on the machines"},
                "threadFlows": [{"locations": steps}],
            }
        ]
        last = steps[-1]["location"] if steps else {}
        if "physicalLocation" in last:
            out["locations"] = [{k: v for k, v in last.items() if k != "message"}]
            if at is not None:
                place = {**_physical(at), "message": {"text": r.property}, "id": 0}
                out["relatedLocations"] = [place]
    if "locations" not in out and at is not None:
        out["locations"] = [_physical(at)]
    if r.as_declared and not request.patch:
        reason = r.reason or "declared"
        out["suppressions"] = [{"kind": "external", "justification": reason}]
    return out


def _roles(r: Result, request: Request) -> Mapping[str, Role]:
    """The role of each run of a result's scenario, as patched."""
    return {x.name: x.role for x in system_of(request, scenario(r.scenario)).runs}


def _flow(trace: Trace, roles: Mapping[str, Role]) -> list[dict[str, Any]]:
    """A location for each step of a trace."""
    out = []
    laid = lay_out(trace)
    for row in laid.rows:
        s, role = row.step, roles[row.step.run]
        says = "\n".join(line.strip() for line in note(row))
        at = of_row(role, role.rule(s.rule))
        place = {"logicalLocations": [{"fullyQualifiedName": s.rule, "kind": "member"}]}
        location = {**(_physical(at) if at else {}), **place, "message": {"text": says}}
        values = {f"{s.run}.{n}": {"text": str(v)} for n, v in s.changed.items()}
        important = row.forged or row.learned or row.number == len(laid.rows)
        out.append(
            {
                "executionOrder": row.number,
                "importance": "essential" if important else "important",
                "kinds": ["message" if s.kind != "step" else "step"],
                "location": location,
                "state": values,
            }
        )
    return out


def _physical(at: Location) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": at.file},
            "region": {"startLine": at.line},
        }
    }
