"""Lists of properties, scenarios, flaws, rules and so on; the scenarios where a rule can fire."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from checker import output
from checker.engines.choice import ENGINES
from checker.report.columns import columns
from checker.report.document import document
from checker.request import expectations
from model.adversary.capabilities import capabilities
from model.extensions import extensions, with_needed
from model.flaws import flaws
from model.near import meant
from model.roles import role
from model.scenario import SCENARIOS, Scenario
from properties import catalogue


def spelled(check: str) -> str:
    """The name of a check as `--drop` takes it."""
    return check.replace(" ", "_")


def decided(methods: Sequence[str]) -> str:
    """How a scenario is decided: "searched", "proved", or "searched and proved"."""
    return " and ".join(ENGINES[m].done for m in methods)


def _properties() -> list[dict[str, Any]]:
    return [
        {
            "name": p.name,
            "id": p.id,
            "rfc": p.rfc,
            "kind": p.kind,
            "needs": list(p.needs),
            "says": " ".join((p.function.__doc__ or "").split()),
        }
        for p in catalogue().values()
    ]


def _scenarios() -> list[dict[str, Any]]:
    return [
        {
            "name": s.name,
            "summary": s.summary,
            "methods": list(s.methods),
            "default": s.default,
            "features": sorted(s.features),
        }
        for s in SCENARIOS
    ]


def _capabilities() -> list[dict[str, Any]]:
    return [{"name": n, "summary": str(m.SUMMARY)} for n, m in capabilities().items()]


def _flaws() -> list[dict[str, Any]]:
    return [
        {
            "name": f.name,
            "number": f.number,
            "title": f.title,
            "source": f.source,
            "cve": list(f.cve),
            "year": f.year,
            "hit": f.hit,
            "scenario": f.where,
            "ends": list(f.ends),
            "capability": f.capability,
        }
        for f in flaws().values()
    ]


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "name": r.name,
            "role": r.role,
            "rfc": r.rfc,
            "from": list(r.sources),
            "to": r.target,
            "checks": [c.name for c in r.checks],
        }
        for name in ("client", "server")
        for r in role(name).table
    ]


def _engines() -> list[dict[str, Any]]:
    return [{"name": n, "summary": e.summary} for n, e in ENGINES.items()]


KINDS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "properties": _properties,
    "scenarios": _scenarios,
    "capabilities": _capabilities,
    "flaws": _flaws,
    "rules": _rules,
    "engines": _engines,
}
"""The rows of each kind, as data."""


def as_json(kinds: Sequence[str]) -> str:
    """The rows of the given kinds as a JSON document."""
    rows: dict[str, Any] = {k: KINDS[k]() for k in kinds}
    return document("list", **rows)


def as_text(kinds: Sequence[str]) -> str:
    """The rows as text: a paragraph for each kind, a line for each row."""
    return "\n\n".join(
        "\n".join([f"{kind}:", *(f"  {x}" for x in columns([*_lines(kind)]))]) for kind in kinds
    )


def _lines(kind: str) -> Iterator[tuple[str, ...]]:
    for row in KINDS[kind]():
        about = row.get("says") or row.get("summary") or row.get("title") or row.get("rfc") or ""
        more = f" [{', '.join(map(spelled, row['checks']))}]" if row.get("checks") else ""
        if kind == "scenarios":
            more = f" [{decided(row['methods'])}{'' if row['default'] else ', not by default'}]"
        # Rows with long names are one cell, so that their names do not widen a column.
        long = kind in ("rules", "scenarios")
        name = (f"{row['name']}{more}  {about}",) if long else (row["name"], about)
        yield (row["id"], *name) if "id" in row else name


def rule_name(name: str) -> str:
    """The full name of the rule, of any extension, that `name` means; UsageError if unknown."""
    places = ((), *((n,) for n in extensions()))
    rows = {
        r.name: None
        for names in places
        for end in ("client", "server")
        for r in role(end, with_needed(*names)).table
    }
    return meant("rule", name, rows)


def touched(rule: str, progress: Callable[[str], None]) -> Iterator[Scenario]:
    """The scenarios in which `rule` can fire, small ones first."""
    from checker.grounded import ready
    from checker.kept import Kept

    states = expectations()["states"]
    order = sorted(SCENARIOS, key=lambda s: (s.clients + s.servers, states.get(s.name, 1 << 60)))
    for i, s in enumerate(order, 1):
        progress(f"{i} of {len(order)} scenarios: {s.name}")
        system = s.system()
        there = any(r.name == rule for run in system.runs for r in run.role.table)
        if there:
            ready(system, Kept(s.name, lambda _: None))
        if there and any(step.rule.name == rule for step, _ in system.values.fireable):
            progress("")
            yield s


def touching(name: str, form: str, progress: Callable[[str], None]) -> int:
    """Print the scenarios in which a rule can fire, with size and command; the exit status."""
    rule = rule_name(name)
    states = expectations()["states"]
    found = touched(rule, progress)
    if form == "json":
        rows = [{"scenario": s.name, "states": states.get(s.name)} for s in found]
        output.say(document("list", rule=rule, scenarios=rows) + "\n")
        return 0
    width = max(len(s.name) for s in SCENARIOS)
    count = 0
    for s in found:
        size = f"{states[s.name]:,} states" if s.name in states else "proved only"
        command = f"python -m checker verify --scenario {s.name}"
        output.say(f"{command:{width + 35}}  {size}\n")
        count += 1
    progress("")
    output.say(f"{rule} can fire in {count} of {len(SCENARIOS)} scenarios\n")
    return 0
