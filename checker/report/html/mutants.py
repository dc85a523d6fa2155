"""Mutants as a page: what became of each, those that nobody noticed first."""

from __future__ import annotations

from collections import Counter
from typing import Any

from checker.mutants.family import SURVIVES, UNDECIDED
from checker.mutants.run import Fate, Fates, Judged
from checker.mutants.survivors import reason
from checker.report.html.verdicts import Parts, sections
from checker.report.words import count
from properties import catalogue

COLUMNS = [
    {"name": "row", "choose": False},
    {"name": "change", "choose": False},
    {"name": "kind", "choose": True},
    {"name": "fate", "choose": True},
    {"name": "scenario", "choose": True},
    {"name": "noticed by", "choose": True},
    {"name": "RFC", "choose": True},
]


def page(fates: Fates, interrupted: bool = False) -> dict[str, Any]:
    """The `Page` of a run of `mutants`."""
    out = Parts()
    every = sorted(fates.values(), key=lambda f: (not _odd(f), f.fate not in (SURVIVES, UNDECIDED)))
    rows = [
        {
            "cells": [
                f.by.row,
                f.by.what,
                f.by.kind,
                f.fate,
                f.by.scenario,
                "; ".join(catalogue()[p].id for p in f.by.falls),
                sections(f.by.rfc),
            ],
            "odd": _odd(f),
            "notes": [out.add_note("In each scenario", [_told(j) for j in f.judged])],
            "trace": None,
        }
        for f in every
    ]
    numbers = Counter(f.fate for f in every)
    said = [f"{count(len(every), 'mutant')}: " + ", ".join(f"{n} {x}" for x, n in numbers.items())]
    said += ["interrupted: these are the mutants so far"] if interrupted else []
    return {
        "command": "mutants",
        "title": "mutants",
        "said": said,
        "tables": [{"name": "mutants", "columns": COLUMNS, "rows": rows}],
        **out.as_data(),
    }


def _odd(f: Fate) -> bool:
    """Whether a mutant is undecided, or survives without a reason."""
    return f.fate == UNDECIDED or (f.fate == SURVIVES and not reason(f.by))


def _told(j: Judged) -> str:
    falls = ", ".join(
        f"{catalogue()[p].id} {p.replace('_', ' ')}"
        + (f" in {steps} steps" if steps is not None else ": its case is never reached")
        for p, steps in j.falls.items()
    )
    said = [f"{j.scenario}: {j.fate}", falls, (reason(j) if j.fate == SURVIVES else "") or j.reason]
    return "; ".join(filter(None, said))
