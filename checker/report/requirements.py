"""Verdicts by the sections of an RFC: the rows and properties that carry each requirement.

`properties/rfc/NUMBER.toml` lists the requirements of an RFC in our words, each with the rows and
the properties that carry it. After the requirements of a section follow the other rows and
properties that cite the section.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from checker import tables
from checker.report.choices import choice
from checker.report.document import document
from checker.report.words import count
from checker.verdict import PROVED, Result
from model.near import UsageError
from model.rule import ModelError, Rule
from properties import catalogue

REQUIREMENTS = {
    "titles": {"*": str},
    "requirement": [
        {
            "section": str,
            "level": str,
            "says": str,
            "rules?": [str],
            "properties?": [str],
            "left?": str,
            "switch?": str,
            "before?": str,
        }
    ],
}
"""The form of a list of requirements."""
CHOICES = ("MAY", "SHOULD")
"""The levels of what an implementer may do otherwise."""
FOLDER = Path(__file__).parents[2] / "properties" / "rfc"


@dataclass(frozen=True)
class Requirement:
    """One requirement of an RFC."""

    section: str
    level: str
    says: str
    rules: tuple[str, ...] = ()  # patterns, `row` or `row:check`, with `*` for any text
    properties: tuple[str, ...] = ()  # ids
    left: str = ""  # why nothing carries it
    switch: str = ""  # of a choice: `end.variable`, `end.variable=value`, or an extension
    before: str = ""  # what the RFC that this one replaces has


@dataclass(frozen=True)
class Section:
    """A section of an RFC."""

    number: str
    title: str
    # Each requirement with the rows and the verdicts that carry it.
    requirements: tuple[tuple[Requirement, tuple[str, ...], tuple[str, ...]], ...]
    rules: tuple[str, ...]  # other rows that cite the section
    properties: tuple[str, ...]  # verdicts of other properties that cite the section


def listed() -> list[str]:
    """The numbers of the RFCs whose requirements are listed."""
    return sorted(p.stem for p in FOLDER.glob("*.toml"))


@cache
def requirements(rfc: str) -> tuple[dict[str, str], tuple[Requirement, ...]]:
    """The section titles and the requirements of an RFC.

    UsageError if there is no list of them; ModelError if a requirement is malformed.
    """
    path = FOLDER / f"{rfc}.toml"
    if not path.is_file():
        known = ", ".join(listed())
        raise UsageError(
            f"the requirements of RFC {rfc} are not listed; there are those of {known}"
        )
    data = tables.read(path, REQUIREMENTS)
    out = []
    for row in data["requirement"]:
        lists = {k: tuple(row.get(k, ())) for k in ("rules", "properties")}
        r = Requirement(
            row["section"],
            row["level"],
            row["says"],
            **lists,
            left=row.get("left", ""),
            switch=row.get("switch", ""),
            before=row.get("before", ""),
        )
        if r.section not in data["titles"]:
            raise ModelError(f"{path.name}: section {r.section} has no title")
        if r.left and (r.rules or r.properties):
            raise ModelError(f"{path.name}: {r.says!r} is carried, and says why it is not")
        # What was left to the implementer before is still a switch.
        if r.switch and r.level not in CHOICES and not r.before:
            raise ModelError(f"{path.name}: {r.says!r} is no choice ({r.level}), but has a switch")
        out.append(r)
    return data["titles"], tuple(out)


def cited(citation: str, rfc: str) -> list[str]:
    """The sections of `rfc` in a citation such as `5246 7.3; 8446 2, 4.4.4`."""
    out: list[str] = []
    for part in citation.split(";"):
        number, _, rest = part.strip().partition(" ")
        if number == rfc:
            out += [s.strip() for s in rest.split(",") if s.strip()]
    return out


def matching(pattern: str, rules: Iterable[Rule]) -> list[str]:
    """The rows that match a pattern, each with the check if the pattern has one."""
    name, _, check = pattern.partition(":")
    return [
        f"{r.name}:{check}" if check else r.name
        for r in rules
        if fnmatchcase(r.name, name) and (not check or check in [c.name for c in r.checks])
    ]


def sections(rfc: str, results: Sequence[Result], rules: Sequence[Rule]) -> list[Section]:
    """The sections of an RFC in order, with the verdicts of `results`."""
    titles, wanted = requirements(rfc)
    verdicts: dict[str, list[Result]] = {}
    for v in results:
        verdicts.setdefault(v.id, []).append(v)
    cites: dict[str, set[str]] = {}
    for p in catalogue().values():
        for s in cited(p.rfc, rfc):
            cites.setdefault(s, set()).add(p.id)
    rows: dict[str, list[str]] = {}
    for rule in rules:
        if not rule.rejects:
            for s in cited(rule.rfc, rfc):
                rows.setdefault(s, []).append(rule.name)
    out = []
    for number in sorted({*titles, *cites, *rows}, key=_order):
        here = [r for r in wanted if r.section == number]
        carried = []
        named_rows: set[str] = set()
        named: set[str] = set()
        for r in here:
            found = [x for pattern in r.rules for x in matching(pattern, rules)]
            named_rows |= {x.partition(":")[0] for x in found}
            named |= set(r.properties)
            said = [told(i, verdicts[i]) for i in r.properties if i in verdicts]
            carried.append((r, tuple(found), tuple(said)))
        out.append(
            Section(
                number,
                titles.get(number, ""),
                tuple(carried),
                tuple(n for n in dict.fromkeys(rows.get(number, ())) if n not in named_rows),
                tuple(
                    told(i, verdicts[i])
                    for i in sorted(cites.get(number, set()) - named)
                    if i in verdicts
                ),
            )
        )
    return out


def _order(section: str) -> tuple[tuple[int, int, str], ...]:
    """The sort key of a section: numbers before letters, each part by its value."""
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in section.split("."))


def told(id: str, results: Sequence[Result]) -> str:
    """The verdicts on a property over the scenarios, in a few words."""
    counts = Counter(r.verdict for r in results)
    if set(counts) == {PROVED}:
        return f"{id} PROVED in {count(len(results), 'scenario')}"
    parts = ", ".join(f"{v} in {n}" for v, n in counts.items())
    odd = [r for r in results if not r.as_declared]
    return f"{id} {parts}" + (f" ({len(odd)} not as declared)" if odd else "")


def as_text(rfc: str, found: Sequence[Section]) -> str:
    """The report section by section, then the requirements that nothing carries."""
    lines = [f"RFC {rfc}"]
    counts = {"rows and properties": 0, "rows only": 0, "properties only": 0, "nothing": 0}
    for s in found:
        lines += ["", f"{s.number} {s.title}".rstrip()]
        for r, rules, said in s.requirements:
            lines.append(f"  {r.level}: {r.says}")
            lines += [f"      {v}" for v in said]
            if r.switch:
                lines.append(f"      {choice(r.switch)}")
            if len(rules) > 6:
                rules = (*rules[:5], f"and {len(rules) - 5} more rows")
            lines += [f"      {x}" for x in rules]
            kind = _carried(r, rules, said)
            counts[kind] += 1
            if kind == "nothing":
                lines.append(
                    f"      nothing carries it: {r.left or 'not in the scenarios asked for'}"
                )
        if s.rules or s.properties:
            lines.append("  further:")
            lines += [f"      {x}" for x in (*s.properties, *s.rules)]
    total = sum(counts.values())
    lines += [
        "",
        f"{total} requirements, carried by: " + ", ".join(f"{k} {n}" for k, n in counts.items()),
    ]
    return "\n".join(lines)


def _carried(r: Requirement, rules: Sequence[str], said: Sequence[str]) -> str:
    if rules:
        return "rows and properties" if said else "rows only"
    return "properties only" if said else "nothing"


def as_json(rfc: str, found: Sequence[Section]) -> str:
    """The JSON document: `rfc`, `sections`."""
    rows: list[dict[str, Any]] = [
        {
            "section": s.number,
            "title": s.title,
            "requirements": [
                {
                    "level": r.level,
                    "says": r.says,
                    "rules": list(rules),
                    "properties": list(said),
                    "carried_by": _carried(r, rules, said),
                    "left": r.left,
                    "switch": r.switch,
                }
                for r, rules, said in s.requirements
            ],
            "rules": list(s.rules),
            "properties": list(s.properties),
        }
        for s in found
    ]
    return document("verify", rfc=rfc, sections=rows)
