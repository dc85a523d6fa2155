"""Machines as data, for a page to draw."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from model.expr import TRUE, conjuncts, text
from model.operation import content
from model.role import Role
from model.rule import Rule
from model.system import Instance, System


def figure(system: System, run: Instance, sound: System | None = None) -> dict[str, Any]:
    """The `Machine` of `run`, without the states and rows that can never be in the system.

    With a `sound` system, rows that differ from its rows are marked.
    """
    can = {s.rule.name for s, _ in system.values.fireable if s.run == run.name}
    rows = [r for r in run.role.accepts if r.name in can]
    table = {r.name: content(r) for r in sound.by_name[run.name].role.accepts} if sound else {}
    patched = {r.name for r in rows if table and table.get(r.name) != content(r)}
    there = system.values.domain[f"{run.name}.state"].codes
    return machine(run.name, run.role, rows, [s for s in run.role.states if s in there], patched)


def machine(
    name: str,
    role: Role,
    rows: Sequence[Rule],
    states: Sequence[str],
    patched: Collection[str] = (),
) -> dict[str, Any]:
    """The `Machine` of a role with these rows and states; rows that refuse are left out."""
    kinds: dict[str, set[str]] = {}
    for r in rows:
        if len(r.sources) <= len(role.states) // 2:
            for s in r.sources:
                kinds.setdefault(s, set()).add(r.kind)
    return {
        "name": name,
        "role": role.name,
        "states": [
            {"name": s, "kind": _kind(s in role.final, kinds.get(s, set()))} for s in states
        ],
        "rows": [
            {
                **row(r),
                "sources": [s for s in r.sources if s in states],
                "target": r.target,
                "patched": r.name in patched,
            }
            for r in rows
        ],
        "closed": role.closed,
    }


def _kind(final: bool, kinds: set[str]) -> str:
    if final:
        return "end"
    return "waits" if kinds == {"receive"} else "either" if "receive" in kinds else "sends"


def row(r: Rule) -> dict[str, Any]:
    """A row's words: event, conditions, demands, effects and place in the RFCs."""
    return {
        "name": r.name,
        "kind": r.kind,
        "event": r.event,
        "when": [text(e) for e in conjuncts(r.when) if e is not TRUE],
        "checks": [{"name": c.name, "says": text(c.expr), "alert": c.alert} for c in r.checks],
        "do": effects(r),
        "rfc": r.rfc,
        "alert": r.alert,
        "refuses": list(r.refuses or ()),
    }


def effects(r: Rule) -> list[list[str]]:
    """The variables that a row sets, with the values as written."""
    do: Mapping[str, Any] = r.do
    return [[n, text(e)] for n, e in do.items()]
