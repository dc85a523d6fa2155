"""Tightness as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from checker.report.columns import columns
from checker.report.document import document
from checker.report.text import chart
from checker.tightness import SELECTS, Tightness
from checker.verdict import PROVED, UNKNOWN, VACUOUS, VIOLATED

EFFECT = {
    SELECTS: "chooses a row",
    VIOLATED: "breaks it",
    PROVED: "holds without",
    VACUOUS: "nothing left to hold",
    UNKNOWN: "undecided",
}
USED = {None: "", False: "not used", True: "used"}


def as_text(found: Tightness) -> str:
    """The table of drops, those that break the property first; then a shortest trace of each."""
    p = found.property
    order = (VIOLATED, VACUOUS, UNKNOWN, PROVED, SELECTS)
    rows = sorted(found.rows, key=lambda r: (order.index(r.verdict), r.used is False))
    how = (
        f"used: by the {found.proof}. What it does not use is not searched: it holds without."
        if found.proof
        else "No proof: every drop is searched."
    )
    lines = [f"{p.id} {p.name} in {found.scenario}  [RFC {p.rfc}]", how, ""]
    short = {r.drop: t if len(t := str(r.drop)) <= 100 else t[:97] + "..." for r in rows}
    width = max([len(t) for t in short.values()], default=0)
    for r in rows:
        tail = f"{len(r.trace)} steps" if r.trace is not None else ""
        if r.verdict in (UNKNOWN, VACUOUS):
            tail = r.reason
        line = f"{short[r.drop]:{width}}  {USED[r.used]:8}  {EFFECT[r.verdict]:20} {tail}"
        lines.append(line.rstrip())
    lines += ["", _sum(found)]
    for r in found.broken:
        lines += ["", f"without {r.drop}", "", chart(r.trace)]
    return "\n".join(lines)


def _sum(found: Tightness) -> str:
    uses = f", {sum(r.used is True for r in found.rows)} used" if found.proof else ""
    more = f"; {found.reason}" if found.reason else ""
    return f"{len(found.rows)} drops{uses}: {len(found.broken)} break it{more}"


def overview(found: Sequence[Tightness]) -> str:
    """The numbers for each property; then each demand without which some property falls.

    Beside a demand are the properties that fall, and the length of a shortest trace.
    """
    lines = columns([(t.property.id, t.property.name, t.scenario, _sum(t)) for t in found])
    fall: dict[str, dict[str, list[str]]] = {}
    for t in found:
        for r in t.rows:
            where = fall.setdefault(str(r.drop), {})
            if r.verdict == VIOLATED:
                where.setdefault(t.scenario, []).append(f"{t.property.id} ({len(r.trace)})")
    broken = {d: where for d, where in fall.items() if where}
    lines += ["", "Without one demand these fall (steps of a shortest trace):"]
    for d, where in broken.items():
        lines += ["", d, *(f"    {s}: {', '.join(ids)}" for s, ids in where.items())]
    lines += ["", f"{len(fall)} demands: a property falls without {len(broken)} of them"]
    return "\n".join(lines)


def as_json(found: Sequence[Tightness]) -> str:
    """The JSON document: `tables` of `property`, `id`, `scenario`, `proof`, `rows`, `reason`."""
    tables = [
        {
            "property": t.property.name,
            "id": t.property.id,
            "scenario": t.scenario,
            "proof": t.proof,
            "reason": t.reason,
            "rows": [
                {
                    **asdict(r.drop),
                    "used": r.used,
                    "verdict": r.verdict,
                    "reason": r.reason,
                    "states": r.states,
                    "trace": r.trace.as_json() if r.trace is not None else None,
                }
                for r in t.rows
            ],
        }
        for t in found
    ]
    return document("tightness", 2, tables=tables)


def status(found: Sequence[Tightness]) -> int:
    """The exit status: 0 if every drop was decided, 3 if a budget ended before."""
    return 3 if any(t.reason for t in found) else 0
