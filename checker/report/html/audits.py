"""Audits as a page: where each machine differs from the model, what is laxer first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checker.conformance.audit import IS_LAXER, Audit
from checker.conformance.comparison import LAXER, Divergence
from checker.report.audit import SAYS, sentence
from checker.report.html.verdicts import Parts, sections
from checker.report.words import count

FILES = [
    {"name": "file", "choose": False},
    {"name": "role", "choose": True},
    {"name": "verdict", "choose": True},
    {"name": "states", "choose": False},
    {"name": "says", "choose": False},
]
DIVERGENCES = [
    {"name": "class", "choose": True},
    {"name": "file", "choose": True},
    {"name": "after", "choose": False},
    {"name": "message", "choose": True},
    {"name": "state", "choose": True},
    {"name": "the model", "choose": False},
    {"name": "the file", "choose": False},
    {"name": "RFC", "choose": True},
]


def page(results: Sequence[Audit], why: str = "") -> dict[str, Any]:
    """The `Page` of a run of `audit`."""
    out = Parts()
    verdicts = [r.verdict for r in results]
    total = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    found = [(r, d) for r in results for d in r.divergences]
    found.sort(key=lambda x: [*SAYS].index(x[1].kind))
    return {
        "command": "audit",
        "title": "audit",
        "said": [f"{count(len(results), 'file')}: {total}", *([why] if why else [])],
        "tables": [
            {"name": "files", "columns": FILES, "rows": [_file(r, out) for r in results]},
            {
                "name": "divergences",
                "columns": DIVERGENCES,
                "rows": [_divergence(r, d, out) for r, d in found],
            },
        ],
        **out.as_data(),
    }


def _file(r: Audit, out: Parts) -> dict[str, Any]:
    said = [*([r.error] if r.error else []), *r.notes]
    if r.unknown:
        said.append(f"not in the model: {', '.join(r.unknown)}")
    if r.unread:
        said.append(f"answers that were not understood: {', '.join(r.unread)}")
    kinds = [d.kind for d in r.divergences]
    return {
        "cells": [
            r.file,
            r.config.role if r.config else "",
            r.verdict,
            str(r.states or ""),
            ", ".join(f"{kinds.count(k)} {k}" for k in SAYS if k in kinds) or "no divergence",
        ],
        "odd": r.verdict == IS_LAXER or bool(r.error),
        "notes": [out.add_note("Notes", said)] if said else [],
        "trace": None,
    }


def _divergence(r: Audit, d: Divergence, out: Parts) -> dict[str, Any]:
    *before, last = d.word
    lines = [SAYS[d.kind], sentence(d)] + ([f"row {d.rule}"] if d.rule else [])
    return {
        "cells": [
            d.kind,
            r.file.rsplit("/", 1)[-1],
            ", ".join(before),
            last,
            d.state,
            d.expected,
            d.got if d.got.strip() else "nothing",
            sections(d.rfc),
        ],
        "odd": d.kind == LAXER,
        "notes": [out.add_note("In words", lines)],
        "trace": None,
    }
