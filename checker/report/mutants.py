"""Mutants and tightness as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from checker.mutants.family import EQUIVALENT, FATES, KILLED, SURVIVES, UNDECIDED
from checker.mutants.run import Fate, Fates, Judged
from checker.mutants.survivors import rate, reason
from checker.report.columns import columns
from checker.report.document import document
from checker.report.sequence import chart
from checker.report.words import count
from checker.tightness import Tightness
from properties import catalogue

ORDER = (SURVIVES, UNDECIDED, KILLED, EQUIVALENT)


def _name(of: Judged) -> str:
    return f"{of.kind} {of.row}: {of.what}"


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def _says(f: Fate) -> str:
    """What became of a mutant, and how."""
    j = f.by
    if f.fate == KILLED:
        p, steps = next(iter(j.falls.items()))
        how = "its case is never reached" if steps is None else count(steps, "step")
        return f"{catalogue()[p].id} in {j.scenario}: {how}"
    if f.fate == EQUIVALENT:
        return f"no reachable step differs, in {count(len(f.judged), 'scenario')}"
    if f.fate == UNDECIDED:
        return j.reason or f"not tried in {count(f.untried, 'larger scenario')}"
    return f"in {j.scenario}: {reason(j) or 'no reason given'}"


def as_text(fates: Fates, *, every: bool) -> str:
    """The mutants that are not killed, with `every` all but the equivalent; then the numbers."""
    shown = [f for f in fates.values() if every or f.fate in (SURVIVES, UNDECIDED)]
    shown.sort(key=lambda f: ORDER.index(f.fate))
    lines = columns([(f.fate, _short(_name(f.by)), _says(f)) for f in shown]) if shown else []
    return "\n".join([*lines, *([""] if lines else []), *summary(fates)])


def summary(fates: Fates) -> list[str]:
    """The lines with the numbers, by kind and in all."""
    by: dict[str, Counter[str]] = {}
    for f in fates.values():
        by.setdefault(f.by.kind, Counter())[f.fate] += 1
    rows: list[tuple[str, ...]] = [("kind", *FATES, "killed of those not equivalent")]
    rows += [(k, *(str(n[x]) for x in FATES), rate(n)) for k, n in by.items()]
    every = sum(by.values(), Counter[str]())
    rows.append(("all", *(str(every[x]) for x in FATES), rate(every)))
    return columns(rows)


def as_json(fates: Fates) -> str:
    """The JSON document: `mutants`, each with its `fate` and the judgement in each scenario."""
    mutants = [
        {
            **{n: getattr(f.by, n) for n in ("kind", "row", "what", "file", "rfc")},
            "fate": f.fate,
            "untried": f.untried,
            "why": reason(f.by) if f.fate == SURVIVES else f.by.reason,
            "judged": [
                {"scenario": j.scenario, "fate": j.fate, "falls": j.falls} for j in f.judged
            ],
        }
        for f in fates.values()
    ]
    return document("mutants", mutants=mutants)


def status(fates: Fates) -> int:
    """The exit status: 1 if a survivor has no reason, 3 if a mutant is undecided, else 0."""
    if any(f.fate == SURVIVES and not reason(f.by) for f in fates.values()):
        return 1
    return 3 if any(f.fate == UNDECIDED for f in fates.values()) else 0


# -- tightness -------------------------------------------------------------------------------------
def tightness_as_text(found: Tightness) -> str:
    """The mutants that break a property, those that it alone notices first, with a trace each."""
    p, alone = found.property, found.alone
    lines = [f"{p.id} {p.name} in {found.scenario}  [RFC {p.rfc}]", ""]
    rows = []
    for j in sorted(found.broken, key=lambda j: (j not in alone, len(j.falls))):
        others = [catalogue()[n].id for n in j.falls if n != p.name]
        steps = j.falls[p.name]
        how = "nothing left to hold" if steps is None else f"breaks it in {count(steps, 'step')}"
        rows.append(
            (_short(_name(j)), how, f"also {_short(', '.join(others))}" if others else "it alone")
        )
    lines += columns(rows) if rows else []
    lines += ["", _sum(found)]
    for j in alone or found.broken[:1]:
        if p.name in j.traces:
            lines += ["", _name(j), "", chart(j.traces[p.name])]
    return "\n".join(lines)


def _sum(found: Tightness) -> str:
    return (
        f"{count(len(found.judged), 'mutant')}: {len(found.broken)} break it, "
        f"{len(found.alone)} of them it alone"
    )


def overview(found: Sequence[Tightness]) -> str:
    """The numbers for each property."""
    return "\n".join(
        columns([(t.property.id, t.property.name, t.scenario, _sum(t)) for t in found])
    )


def tightness_as_json(found: Sequence[Tightness]) -> str:
    """The JSON document: `tables` of `property`, `id`, `scenario`, `mutants` and `rows`."""
    tables = [
        {
            "property": t.property.name,
            "id": t.property.id,
            "scenario": t.scenario,
            "mutants": len(t.judged),
            "rows": [
                {
                    **{n: getattr(j, n) for n in ("kind", "row", "what", "rfc")},
                    "steps": j.falls[t.property.name],
                    "alone": j in t.alone,
                    "falls": j.falls,
                    "trace": j.traces[t.property.name].as_json()
                    if t.property.name in j.traces
                    else None,
                }
                for j in t.broken
            ],
        }
        for t in found
    ]
    return document("tightness", 3, tables=tables)
