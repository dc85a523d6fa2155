"""Coverage: which rules a scenario's search took, and which checks decided anything.

A check decides when it alone refuses a message, all other demands of the row being met. Each check
has a generated reject row for just this case, so the check decided if that row was taken.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from checker.engines.choice import searcher
from checker.report.document import document
from checker.request import Request, system_of
from model.scenario import scenario


@dataclass
class Coverage:
    """The coverage of a scenario by its search."""

    scenario: str
    states: int  # over the variables that guards depend on
    reason: str  # why the search is not complete; empty if it is
    taken: Counter[str] = field(default_factory=Counter)  # edges by rule
    never: list[str] = field(default_factory=list)  # rules not taken
    impossible: list[str] = field(default_factory=list)  # of these, no values satisfy the guard
    idle: list[tuple[str, str]] = field(default_factory=list)  # (rule, check) of taken rules
    decided: int = 0  # number of checks that decided
    accepted: int = 0  # number of rules taken, without reject rows


def coverage(request: Request) -> Coverage:
    """The coverage of the request's scenario, by a search that counts the edges of each rule."""
    assert request.scenario is not None
    where = scenario(request.scenario)
    system = system_of(request, where)
    found = searcher(system.compile(), request, edges=True).search(budget=request.budget)
    out = Coverage(where.name, found.states, "" if found.complete else found.reason)
    for (_, rule, _), n in found.edges.items():
        out.taken[rule] += n
    possible = {s.rule.name for s, _ in system.values.fireable}
    for role in {r.role.name: r.role for r in system.runs}.values():
        for r in role.rules:
            if r.rejects:
                continue
            if r.name in out.taken:
                out.accepted += 1
                continue
            out.never.append(r.name)
            if r.name not in possible:
                out.impossible.append(r.name)
        # Each check, by the reject rows that are its failure.
        deciding = {r.refuses for r in role.rules if r.name in out.taken}
        for name, check in ((r.name, c.name) for r in role.rules for c in r.checks):
            if (name, check) in deciding:
                out.decided += 1
            elif name in out.taken:
                out.idle.append((name, check))
    return out


def as_text(c: Coverage) -> str:
    """The rules never taken and the checks that never decided, as text."""
    dead = set(c.impossible)
    left = [n for n in c.never if n not in dead]
    lines = [f"{c.scenario}  {c.states:,} states{'; ' + c.reason if c.reason else ''}", ""]
    lines.append(f"rules never taken: {len(c.never)} of {len(c.never) + c.accepted}")
    for title, names in (("", left), ("no values of this scenario satisfy the guard:", dead)):
        lines += [f"  {title}"] if title and names else []
        lines += [f"  {'  ' if title else ''}{n}" for n in c.never if n in names]
    lines += [
        "",
        f"checks of the rules taken that never decided anything: {len(c.idle)} of "
        f"{len(c.idle) + c.decided}",
    ]
    lines += [f"  {rule}:{check.replace(' ', '_')}" for rule, check in c.idle]
    if c.reason:
        lines += ["", "the search was not complete: what is listed may still be taken"]
    return "\n".join(lines)


def as_json(c: Coverage) -> str:
    """The coverage as a JSON document."""
    return document(
        "coverage",
        scenario=c.scenario,
        states=c.states,
        complete=not c.reason,
        reason=c.reason,
        taken=dict(sorted(c.taken.items())),
        never_taken=c.never,
        impossible=c.impossible,
        never_decided=[{"rule": r, "check": k} for r, k in c.idle],
    )
