"""What a patch can do: the rows that differ from the sound ones, and whether they ever fire.

A patched row fires if it takes a message that the sound row refuses, or does something else with
one. A row that only takes less fires where the sound row would have taken a message.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from checker.request import declared
from checker.verdict import DEFINITE, VACUOUS, VIOLATED, Result
from model.expr import FALSE, Expr, conj, conjuncts, disj, eq, neg, projected, var
from model.operation import content
from model.solver import UndecidedError, satisfiable
from model.system import Step, System

WHOLE = "the patch"
"""Instead of the name of a row, if a patch changes what is sent or known, and no row."""
IDLE = "no patched row ever fires"
"""The reason of results of a flaw that changes nothing that can happen."""


def changed_rows(sound: System, system: System) -> dict[str, Expr]:
    """The condition that a patched row fires in a state, by row name.

    Of rows that only take less there is a condition only if the patch has no others.
    """
    before = {s.label: s for s in sound.raw_steps}
    after = {s.label for s in system.raw_steps}
    rows = _rows(sound, system)
    changed = [
        (s, before.get(s.label))
        for s in system.changed(sound)
        if not s.rule.rejects and (not rows or s.rule.name in rows)
    ]
    more = [(s, old, _more(s, old)) for s, old in changed]
    more = [(s, old, e) for s, old, e in more if old is None or _possible(e)]
    if not more:
        more = [(s, old, _beyond(old.full, s.full)) for s, old in changed if old is not None]
        gone = (s for n, s in before.items() if n not in after and not s.rule.rejects)
        more += [(s, None, s.full) for s in gone]
    found: dict[str, list[Expr]] = {}
    for s, old, e in more:
        found.setdefault(s.rule.name if rows else WHOLE, []).append(_in_state(e, s, old))
    return {name: disj(*exprs) for name, exprs in found.items()}


def _rows(sound: System, system: System) -> set[str]:
    """The names of the rows that are in one of the systems only, or differ there."""
    tables = [
        {r.name: content(r) for run in of.runs for r in run.role.table} for of in (sound, system)
    ]
    return {n for a, b in (tables, tables[::-1]) for n, row in a.items() if b.get(n) != row}


def _more(new: Step, old: Step | None) -> Expr:
    """When a step does what the sound one does not.

    Where a proof covers less at both ends, the sound system has no such message: taking one is
    enough.
    """
    if old is None or old.covered != new.covered:
        return new.full
    same = [
        eq(new.effects.get(n, var(n, e.domain)), old.effects.get(n, var(n, e.domain)))
        for n, e in {**old.effects, **new.effects}.items()
    ]
    return _beyond(new.full, conj(old.full, *same))


def _possible(expr: Expr) -> bool:
    try:
        return expr is not FALSE and satisfiable(expr)
    except UndecidedError:
        return True


def _in_state(expr: Expr, *steps: Step | None) -> Expr:
    """When some values of the steps' parameters make `expr` true."""
    return projected(expr, {n: d for s in steps if s for n, d in s.parameters.items()})


def _beyond(a: Expr, b: Expr) -> Expr:
    """`a` and not `b`, without the operands of `b` that `a` has, too."""
    there = {id(x) for x in conjuncts(a)}
    return conj(a, neg(conj(*(x for x in conjuncts(b) if id(x) not in there))))


# -- what is known of them -------------------------------------------------------------------------
Fires = Mapping[str, bool | None]
"""By patched row: whether it ever fires; None if that is not known."""


def by_solver(system: System, rows: Mapping[str, Expr], seconds: float | None = None) -> Fires:
    """Whether the rows ever fire, by proof, in about so many seconds for all if given."""
    from checker.engines.symbolic import Proof, Prover

    never = {name: neg(e) for name, e in rows.items()}
    prover = Prover(system, list(never.values()))
    out: dict[str, bool | None] = {}
    for name, holds in never.items():
        found = prover.prove(holds, seconds=seconds / len(never) if seconds else math.inf)
        out[name] = False if isinstance(found, Proof) else True if found.violated else None
    return out


def known(results: Iterable[Result]) -> dict[str, dict[str, bool | None]]:
    """What the results know together: by scenario, whether each patched row fires."""
    out: dict[str, dict[str, bool | None]] = {}
    for r in results:
        rows = out.setdefault(r.scenario, {})
        for name, fires in r.rows.items():
            rows[name] = fires if rows.get(name) is None else rows[name]
    return {where: rows for where, rows in out.items() if rows}


def fallen(r: Result) -> bool:
    """Whether a property falls that holds without the patch."""
    return r.verdict in (VIOLATED, VACUOUS) and r.verdict != declared(r.property, r.scenario)[0]


def told(rows: Fires, results: Sequence[Result]) -> list[str]:
    """What to say of a patch in one scenario, whose results these are."""

    def named(fires: bool | None) -> str:
        return ", ".join(n for n, f in rows.items() if f is fires)

    out = []
    noticed = any(map(fallen, results))
    undecided = sum(r.verdict not in DEFINITE for r in results)
    if not noticed and set(rows.values()) == {False}:
        return ["nothing falls: no message that it would treat otherwise can arrive (proved)"]
    if not noticed and named(True):
        but = f" among those decided ({undecided} are not)" if undecided else ""
        out.append(f"nothing falls: {named(True)} can fire, and no property notices{but}")
    elif not noticed:
        out.append(f"nothing falls, and whether {named(None)} can fire is not known")
    if named(False) and set(rows.values()) != {False}:
        out.append(f"of the patched rows, these can never fire (proved): {named(False)}")
    if named(None) and (noticed or named(True)):
        out.append(f"whether these patched rows can fire is not known: {named(None)}")
    return out
