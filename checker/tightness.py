"""Tightness: which demands a property rests on, by dropping each of them alone.

The table of Mitchell, Shmatikov and Stern (1998), "drop one field, see the attack", for a whole
scenario: every check of every row that takes a message there, every field that a signature or MAC
covers (left out at both ends), every condition under which a run sends, and every assumption of
the property itself. Each is dropped alone and the whole space searched again: the drop breaks the
property (a shortest trace shows how), or the property holds without it.

The conditions that only select among the rows of one message are not dropped: without one, two
rows take the same message, which is no protocol. That is found, not guessed: such a drop is
told as one that only chooses a row.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.pool import Pool
from typing import Any

from checker.report.text import chart
from checker.verdict import PROVED, UNKNOWN, VACUOUS, VIOLATED
from checker.verify import Request, declared, expectations, search
from model.expr import TRUE, Expr, conj
from model.flaws import Patch, dropped
from model.rule import ModelError, Role, Rule
from model.scenario import SCENARIOS, Scenario, scenario
from model.system import System
from properties import Implication, Property, World
from properties import find as find_property


@dataclass(frozen=True)
class Drop:
    """One demand: `kind` is "check", "field", "condition" or "assumption"; `where` is its row,
    message or, for an assumption, the property; `what` names it. `index` is its place."""

    kind: str
    where: str
    what: str
    rfc: str
    index: int = 0


@dataclass
class Row:
    """What a drop does: the verdict of the property without it, the reason, the trace."""

    drop: Drop
    verdict: str
    reason: str = ""
    states: int = 0
    trace: Any = None


@dataclass
class Tightness:
    """All drops of a property in a scenario; `reason` is empty if every one was decided."""

    property: Property
    scenario: str
    rows: list[Row] = field(default_factory=list)
    reason: str = ""


def place(name: str, where: str | None) -> tuple[Property, Scenario]:
    """The property and the scenario: the smallest searched one in which it is declared to hold.

    LookupError if there is none, or the one asked for will not do.
    """
    (p, *others) = find_property(name)
    if others:
        names = ", ".join(x.name for x in (p, *others))
        raise LookupError(f"{name} is the id of several properties: say which of {names}")
    if p.kind != "invariant":
        raise LookupError(f"{p.name} is no invariant: tightness drops what an invariant rests on")
    if where is not None:
        chosen = scenario(where)
        if not set(p.needs) <= chosen.features:
            raise LookupError(f"{p.name} does not apply in {where}: it needs {', '.join(p.needs)}")
        if "explicit" not in chosen.methods:
            raise LookupError(f"{where} is not searched; each drop needs a whole search")
        return p, chosen
    sizes = expectations().get("states", {})
    fit = [
        s for s in SCENARIOS
        if "explicit" in s.methods and s.network == "adversary" and set(p.needs) <= s.features
        and declared(p.name, s.name)[0] == PROVED
    ]  # fmt: skip
    if not fit:
        raise LookupError(f"{p.name} is declared to hold in no searched scenario")
    return p, min(fit, key=lambda s: sizes.get(s.name, 1 << 60))


def drops(p: Property, where: Scenario) -> list[Drop]:
    """Everything that can be dropped, in the order of the tables."""
    system = where.system()
    live = {s.rule.name for s, _ in system.values.live}
    out: list[Drop] = []
    covered: dict[str, dict[str, str]] = {}
    for role in {r.role.name: r.role for r in system.runs}.values():
        for r in role.accepts:
            if r.name not in live:
                continue
            if r.kind == "receive":
                out += [Drop("check", r.name, c.name, r.rfc, i) for i, c in enumerate(r.checks)]
                for name in role.covered.get(r.event, ()):
                    covered.setdefault(r.event, {}).setdefault(name, r.rfc)
            else:
                out += [
                    Drop("condition", r.name, str(e), r.rfc, i)
                    for i, e in enumerate(conjuncts(r.when))
                ]
    for message, names in covered.items():
        out += [Drop("field", message, name, rfc) for name, rfc in names.items()]
    assumed: dict[int, str] = {}
    for i in p.implications(system):
        for k, e in enumerate(conjuncts(i.given)):
            assumed.setdefault(k, str(e))
    out += [Drop("assumption", p.name, e, p.rfc, k) for k, e in assumed.items()]
    return out


def conjuncts(e: Expr) -> tuple[Expr, ...]:
    """What `e` demands, one by one."""
    return () if e is TRUE else e.args if e.op == "and" else (e,)


def without(drop: Drop, p: Property, where: Scenario) -> tuple[Property, System]:
    """The property and the system without one demand; ModelError if it cannot be dropped."""
    if drop.kind == "assumption":

        def weaker(w: World) -> list[Implication]:
            out = []
            for i in p.implications(w.system):
                given = conjuncts(i.given)
                kept = conj(*(e for k, e in enumerate(given) if k != drop.index))
                out.append(Implication(kept, i.holds))
            return out

        return replace(p, function=weaker), where.system()
    if drop.kind == "condition":
        patch = _without_condition(drop)
        roles = [patch(r.role) for r in _ends(where.system())]
        return p, where.system(*roles)
    if drop.kind == "field":
        row = next(
            r.name for end in _ends(where.system()) for r in end.role.accepts
            if r.kind == "receive" and r.event == drop.where
        )  # fmt: skip
        flaw = dropped(f"{row}:{drop.what}")
    else:
        flaw = dropped(f"{drop.where}:{drop.what.replace(' ', '_')}")
    return p, where.system(*flaw.roles("both", where.extensions))


def _ends(system: System) -> list[Any]:
    by_role = {r.role.name: r for r in system.runs}
    return [by_role["client"], by_role["server"]]


def _without_condition(drop: Drop) -> Patch:
    def patch(role: Role) -> Role:
        def row(r: Rule) -> Rule:
            if r.name != drop.where:
                return r
            kept = conj(*(e for k, e in enumerate(conjuncts(r.when)) if k != drop.index))
            return replace(r, when=kept, label=r.name)

        return replace(role, table=tuple(row(r) for r in role.table))

    return patch


def decide(drop: Drop, name: str, where: str, request: Request) -> Row:
    """The property without one demand, by whole search."""
    of = scenario(where)
    (p,) = find_property(name)
    try:
        asked, system = without(drop, p, of)
        (r,) = search(system, [asked], request)
    except ModelError as e:
        if drop.kind != "condition":
            raise
        return Row(drop, SELECTS, str(e))
    return Row(drop, r.verdict, r.reason, r.states or 0, r.trace)


def tightness(
    name: str,
    where: str | None,
    request: Request,
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> Iterator[Tightness]:
    """The table as it grows, one more row each time; the last one is whole.

    LookupError as `place`.
    """
    p, of = place(name, where)
    found = Tightness(p, of.name)
    wanted = drops(p, of)
    context: Any = multiprocessing.get_context(
        "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    )
    jobs = [(d, p.name, of.name, request) for d in wanted]
    pool: Pool
    with context.Pool(workers or os.cpu_count() or 1, _ignore_interrupt) as pool:
        for row in pool.imap(_job, jobs):
            found.rows.append(row)
            if progress is not None:
                n = sum(r.verdict == VIOLATED for r in found.rows)
                progress(f"{p.name}: {len(found.rows)} of {len(wanted)} drops, {n} break it")
            yield found
    open_ = [r for r in found.rows if r.verdict == UNKNOWN]
    found.reason = f"{len(open_)} drops undecided: {open_[0].reason}" if open_ else ""
    yield found


def _job(job: tuple[Drop, str, str, Request]) -> Row:
    return decide(*job)


def _ignore_interrupt() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


SELECTS = "SELECTS"
"""The condition cannot be dropped: it only chooses between two rows."""

EFFECT = {
    SELECTS: "chooses a row",
    VIOLATED: "breaks it",
    PROVED: "holds without",
    VACUOUS: "nothing left to hold",
    UNKNOWN: "undecided",
}


def as_text(found: Tightness) -> str:
    """The table, those that break the property first; then a shortest trace of each."""
    p = found.property
    order = (VIOLATED, VACUOUS, UNKNOWN, PROVED, SELECTS)
    rows = sorted(found.rows, key=lambda r: order.index(r.verdict))
    lines = [f"{p.id} {p.name} in {found.scenario}  [RFC {p.rfc}]", ""]
    label = {r.drop: f"{r.drop.kind} {r.drop.where}: {r.drop.what}" for r in rows}
    short = {d: t if len(t) <= 100 else t[:97] + "..." for d, t in label.items()}
    width = max([len(t) for t in short.values()], default=0)
    for r in rows:
        tail = f"{len(r.trace)} steps" if r.trace is not None else ""
        if r.verdict in (UNKNOWN, VACUOUS):
            tail = r.reason
        lines.append(f"{short[r.drop]:{width}}  {EFFECT[r.verdict]:20} {tail}".rstrip())
    n = sum(r.verdict == VIOLATED for r in rows)
    more = f"; {found.reason}" if found.reason else ""
    lines += ["", f"{len(rows)} drops: {n} break it{more}"]
    for r in rows:
        if r.trace is not None:
            lines += ["", f"without {label[r.drop]}", "", chart(r.trace)]
    return "\n".join(lines)


def as_json(found: Tightness) -> str:
    """`schema_version`, `property`, `id`, `scenario`, `rows`, `reason`."""
    rows: Sequence[dict[str, Any]] = [
        {**asdict(r.drop), "verdict": r.verdict, "reason": r.reason, "states": r.states,
         "trace": r.trace.as_json() if r.trace is not None else None}
        for r in found.rows
    ]  # fmt: skip
    return json.dumps(
        {"schema_version": 1, "property": found.property.name, "id": found.property.id,
         "scenario": found.scenario, "rows": rows, "reason": found.reason},
        indent=1,
    )  # fmt: skip


def status(found: Tightness) -> int:
    """0 if every drop was decided, 3 if a budget ended before."""
    return 3 if found.reason else 0
