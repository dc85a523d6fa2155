"""Verdicts as a table, a trace as a message sequence chart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from checker.patched import Fires, fallen, told
from checker.report.columns import columns, wrapped
from checker.report.words import count
from checker.request import FEW
from checker.verdict import HOLDS_TO_DEPTH, VACUOUS, VIOLATED, Result


def table(results: Sequence[Result], width: int | None = None) -> str:
    """The table of verdicts: a line for each property and scenario, grouped by scenario.

    A line that is wider than `width` is wrapped.
    """
    lines: list[str] = []
    at = None
    for r, line in zip(results, columns([*map(_row, results)]), strict=True):
        if r.scenario != at:
            at = r.scenario
            stopped = any(x.stopped for x in results if x.scenario == at)
            here = [x for x in results if x.scenario == at and x.states and not x.stopped]
            sizes = [x.states or 0 for x in here if x.method.startswith("search")]
            sizes = sizes or [x.states or 0 for x in here]
            size = f"  {max(sizes):,} states" if sizes else ""
            size += "  the search stopped at the answer" if stopped else ""
            lines += ["", f"{at}{size}"]
        lines += _folded(line, width)
    return "\n".join(lines).strip("\n")


def _folded(line: str, width: int | None) -> list[str]:
    """The line of a table, whole if it fits; else the name, and below it the other cells."""
    if width is None or len(line) <= width:
        return [line]
    name, *cells = re.split("  +", line[NAME:])
    return [line[:NAME] + name, *wrapped("  ".join(cells), width, 0, NAME)]


NAME = 10
"""Where the name of a property starts in a line of a table."""


def _row(r: Result) -> tuple[str, str, str]:
    """The name, verdict and basis of a result."""
    verdict = r.verdict if r.verdict != HOLDS_TO_DEPTH else f"{r.verdict} {r.depth}"
    tail = r.method
    if r.trace is not None:
        tail += f", {len(r.trace)} steps"
    if _cases(r):
        tail += f"; {_cases(r)}"
    if not r.as_declared:
        tail += f"; declared {r.declared}"
    if r.reason:
        tail += f"; {r.reason}"
    return f"{_mark(r.as_declared)} {_name(r)}", f"{verdict:13}", tail


def _mark(as_declared: bool) -> str:
    return " " if as_declared else "!"


def _cases(r: Result) -> str:
    """How many cases are reached; empty where one says it all, or the search went no further."""
    known = [*r.cases.values()]
    unknown = known.count(None)
    if r.verdict == VACUOUS or known in ([], [True]) or (r.verdict == VIOLATED and unknown):
        return ""
    open_ = f", {unknown} not known" if unknown else ""
    return f"{known.count(True)} of {count(len(known), 'case')} reached{open_}"


def by_property(results: Sequence[Result], width: int | None = None) -> str:
    """The table of verdicts by property: where each falls, and where by the shortest trace."""
    lines = []
    for name in dict.fromkeys(_name(r) for r in results):
        rows = [r for r in results if _name(r) == name]
        of = f"of {count(len(rows), 'scenario')}"
        odd = [r for r in rows if not r.as_declared]
        fallen = [r for r in odd if r.verdict == VIOLATED and r.trace is not None and not r.error]
        says = []
        if fallen:
            first = min(fallen, key=lambda r: len(r.trace))
            shortest = f"shortest in {first.scenario}: {len(first.trace)} steps"
            says.append(f"falls in {len(fallen)} {of}, {shortest}")
        others = Counter((r.verdict, r.reason) for r in odd if r not in fallen)
        for (verdict, reason), n in others.items():
            says.append(f"{verdict} in {n} {of}" + (f": {reason}" if reason else ""))
        says = says or [f"as declared in {len(rows)} {of}"]
        lines.append((f"{_mark(not odd)} {name}", "; ".join(says)))
    return "\n".join(x for line in columns(lines) for x in _folded(line, width))


def summary(results: Sequence[Result]) -> str:
    """The numbers of verdicts: of each kind, by proof, not as declared."""
    if not results:
        return "no verdict"
    counts = Counter(r.verdict for r in results)
    proofs = [r for r in results if r.certificate]
    names = {r.property for r in proofs}
    odd = sum(not r.as_declared for r in results)
    parts = [f"{n} {v}" for v, n in counts.items()]
    proved = (
        f"{count(len(proofs), 'proof')} by induction, each re-checked and of every configuration "
        f"of its scenario at once, of {count(len(names), 'property', 'properties')}; "
        if proofs
        else ""
    )
    return f"{count(len(results), 'verdict')}: {', '.join(parts)}; {proved}" + (
        f"{odd} not as declared" if odd else "all as declared"
    )


def fell(results: Sequence[Result]) -> str:
    """The line that names what falls, and where; empty if nothing does."""
    where: dict[str, list[str]] = {}
    for r in results:
        if fallen(r) and not r.error:
            where.setdefault(r.id or r.property, []).append(r.scenario)
    places: dict[tuple[str, ...], list[str]] = {}
    for name, scenarios in where.items():
        places.setdefault(tuple(scenarios), []).append(name)
    said = (f"{', '.join(names)} in {_places(at)}" for at, names in places.items())
    return f"fell: {'; '.join(said)}" if places else ""


def _places(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= FEW else count(len(names), "scenario")


def of_patch(rows: Mapping[str, Fires], results: Sequence[Result]) -> str:
    """What is to be said of a patch: why nothing falls, and which of its rows never fire."""
    said: dict[str, list[str]] = {}
    for where, fires in rows.items():
        for line in told(fires, [r for r in results if r.scenario == where]):
            said.setdefault(line, []).append(where)
    return "\n".join(f"{', '.join(where)}: {line}" for line, where in said.items())


def _name(r: Result) -> str:
    return f"{r.id:7} {r.property}"
