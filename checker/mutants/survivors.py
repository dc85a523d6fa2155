"""The mutants that no property notices, with the reason why each may be; the counts on record.

`properties/survivors.toml` has an entry for each group of survivors. `properties/mutants.toml` is
what the last whole run found; the command writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import properties
from checker import tables
from checker.mutants.family import FATES, KILLED, SURVIVES, UNDECIDED
from checker.mutants.run import Fates, Judged

ROOT = Path(properties.__file__).parent
RECORD = "mutants.toml"

REASON = {"scenario?": str, "row": str, "kind": str, "what": str, "reason": str}
"""The form of an entry of `survivors.toml`."""
COUNTS = {"*": dict.fromkeys(FATES, int)}
RECORDED = {
    "kind?": COUNTS,
    "file?": COUNTS,
    "survivor?": [{"scenario": str, "row": str, "kind": str, "what": str}],
}
"""The form of `RECORD`."""


@dataclass(frozen=True)
class Reason:
    """Why a group of mutants may survive; the fields but the last are patterns (`*`, `?`)."""

    scenario: str
    row: str
    kind: str
    what: str
    reason: str

    def fits(self, scenario: str, row: str, kind: str, what: str) -> bool:
        """Whether the mutant is of the group."""
        given = (scenario, row, kind, what)
        patterns = (self.scenario, self.row, self.kind, self.what)
        return all(fnmatchcase(g, p) for g, p in zip(given, patterns, strict=True))


@cache
def reasons() -> tuple[Reason, ...]:
    """The entries of `properties/survivors.toml`."""
    found = tables.read(ROOT / "survivors.toml", {"survivor?": [REASON]})
    return tuple(Reason(**{"scenario": "*", **x}) for x in found.get("survivor", ()))


def reason(j: Judged) -> str:
    """Why a mutant may survive; empty if nobody says."""
    found = (r for r in reasons() if r.fits(j.scenario, j.row, j.kind, j.what))
    return next((r.reason for r in found), "")


def rate(counts: Mapping[str, int]) -> str:
    """The part of the mutants that are not equivalent that is killed."""
    of = sum(counts.get(f, 0) for f in (KILLED, SURVIVES, UNDECIDED))
    return f"{100 * counts.get(KILLED, 0) / of:.1f} %" if of else ""


def counted(fates: Fates) -> dict[str, dict[str, Counter[str]]]:
    """The number of mutants of each fate, by kind and by the file of the row."""
    out: dict[str, dict[str, Counter[str]]] = {"kind": {}, "file": {}}
    for f in fates.values():
        for by, name in (("kind", f.by.kind), ("file", f.by.file)):
            out[by].setdefault(name, Counter())[f.fate] += 1
    return out


def write(fates: Fates) -> None:
    """Write the counts and the survivors of a whole run to `RECORD`."""
    lines = ["# Written by `python -m checker mutants --write`."]
    for by, rows in counted(fates).items():
        for name, n in sorted(rows.items()):
            counts = ", ".join(f"{f} = {n[f]}" for f in FATES)
            lines.append(f'{by}."{name}" = {{ {counts} }}')
    about = ("scenario", "row", "kind", "what")
    # In which order the judgements come depends on the cores.
    for _, f in sorted(fates.items()):
        if f.fate == SURVIVES:
            lines += ["", "[[survivor]]", *(f"{n} = {_quoted(getattr(f.by, n))}" for n in about)]
    (ROOT / RECORD).write_text("\n".join([*lines, ""]), encoding="utf-8")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@cache
def recorded() -> Mapping[str, Any]:
    """What the last whole run found."""
    path = ROOT / RECORD
    return tables.read(path, RECORDED) if path.exists() else {}
