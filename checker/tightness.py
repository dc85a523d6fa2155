"""Tightness: which demands a property rests on, by dropping each of them alone.

The table of Mitchell, Shmatikov and Stern (1998), "drop one field, see the attack", for a whole
scenario. The demands are every check of every row that receives a message there, every field that a
signature or MAC covers (dropped at both ends), every condition under which a run sends, and every
assumption of the property itself. Dropping a demand breaks the property, as a shortest trace shows,
or the property holds without the demand.

A proof saves searches (`checker/support.py`): if the proof holds without the demand, too, so does
the property. Otherwise the proof uses the demand, but the property may still hold, so the whole
space without the demand is searched. Without a proof every drop is searched.

A condition that only selects among the rows of one message cannot be dropped: two rows would take
the same message. The check of the tables finds such a drop, and its verdict is `SELECTS`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from checker.by_search import search
from checker.engines.choice import EXPLICIT, SYMBOLIC
from checker.engines.reference import EngineError
from checker.pool import Job, Pool
from checker.request import Request, declared, expectations, system_of
from checker.support import Support, proof, uses
from checker.verdict import PROVED, UNKNOWN, VIOLATED
from checker.verify import verify
from model.expr import TRUE, Expr, conj, conjuncts
from model.near import UsageError
from model.patch import patched, without_check, without_condition, without_fields
from model.role import Role
from model.rule import ModelError
from model.scenario import SCENARIOS, Scenario, scenario
from model.system import System
from properties import Implication, Property, World, catalogue
from properties import find as find_property

SELECTS = "SELECTS"
"""The verdict on a condition that cannot be dropped, since it only chooses between two rows."""


@dataclass(frozen=True)
class Drop:
    """One demand to drop."""

    kind: str  # "check", "field", "condition" or "assumption"
    where: str  # the row, the message of a field, or the property of an assumption
    what: str  # the demand's name
    rfc: str
    index: int = 0  # the demand's position among those of `where`

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.what}"


@dataclass
class Row:
    """The effect of a drop on a property."""

    drop: Drop
    verdict: str  # on the property without the demand
    used: bool | None = None  # whether the proof uses the demand; None without a proof
    reason: str = ""
    states: int | None = None  # of the search; None if there was none
    trace: Any = None


@dataclass
class Tightness:
    """All drops of a property in a scenario."""

    property: Property
    scenario: str
    proof: str = ""  # what found the property's proof; empty if there is none
    rows: list[Row] = field(default_factory=list)

    @builtins.property
    def broken(self) -> list[Row]:
        """The drops that break the property."""
        return [r for r in self.rows if r.verdict == VIOLATED]

    @builtins.property
    def reason(self) -> str:
        """The reason why some drop was not decided; empty if every drop was."""
        open_ = [r for r in self.rows if r.verdict == UNKNOWN]
        return f"{len(open_)} drops undecided: {open_[0].reason}" if open_ else ""


# -- what is dropped -------------------------------------------------------------------------------
def place(name: str, where: str | None) -> tuple[Property, Scenario]:
    """The property, and the smallest searched scenario in which it is declared to hold, or `where`.

    UsageError if there is none, or `where` does not fit.
    """
    (p, *others) = find_property(name)
    if others:
        names = ", ".join(x.name for x in (p, *others))
        raise UsageError(f"{name} is the id of several properties: say which of {names}")
    if p.kind != "invariant":
        raise UsageError(f"{p.name} is no invariant: tightness drops what an invariant rests on")
    if where is not None:
        chosen = scenario(where)
        if not set(p.needs) <= chosen.features:
            raise UsageError(f"{p.name} does not apply in {where}: it needs {', '.join(p.needs)}")
        if EXPLICIT not in chosen.methods:
            raise UsageError(f"{where} is not searched; a drop may need a whole search")
        return p, chosen
    fit = [
        s
        for s in SCENARIOS
        if EXPLICIT in s.methods
        and s.network == "adversary"
        and set(p.needs) <= s.features
        and (not s.about or p.id in s.about)
        and declared(p.name, s.name)[0] == PROVED
    ]
    if not fit:
        raise UsageError(f"{p.name} is declared to hold in no searched scenario")
    return p, min(fit, key=_size)


def places(names: Sequence[str], where: str | None) -> list[tuple[Property, Scenario]]:
    """The properties with their scenarios (see `place`), small scenarios first.

    Without names, every invariant that is declared to hold in a fitting scenario.
    """
    if names:
        found = [place(n, where) for n in names]
    else:
        found = []
        for p in catalogue().values():
            try:
                at = place(p.name, where)
            except UsageError:
                continue
            if declared(p.name, at[1].name)[0] == PROVED:
                found.append(at)
        if not found:
            raise UsageError(f"no invariant can be asked about in {where}")
    return sorted(found, key=lambda x: _size(x[1]))


def _size(of: Scenario) -> int:
    """The pinned number of states of a scenario; larger than any other if there is none."""
    size: int = expectations().get("states", {}).get(of.name, 1 << 60)
    return size


def drops(p: Property, where: Scenario) -> list[Drop]:
    """Every demand that a property may rest on in a scenario, in the order of the tables."""
    system = _sound(where.name)
    fireable = {s.rule.name for s, _ in system.values.fireable}
    out: list[Drop] = []
    covered: dict[str, dict[str, str]] = {}
    for role in {r.role.name: r.role for r in system.runs}.values():
        for r in role.accepts:
            if r.name not in fireable:
                continue
            if r.kind == "receive":
                out += [Drop("check", r.name, c.name, r.rfc, i) for i, c in enumerate(r.checks)]
                for name in role.covered.get(r.event, ()):
                    covered.setdefault(r.event, {}).setdefault(name, r.rfc)
            else:
                out += [
                    Drop("condition", r.name, str(e), r.rfc, i)
                    for i, e in enumerate(_demands(r.when))
                ]
    for message, names in covered.items():
        out += [Drop("field", message, name, rfc) for name, rfc in names.items()]
    assumed: dict[int, str] = {}
    for i in p.implications(system):
        for k, e in enumerate(_demands(i.given)):
            assumed.setdefault(k, str(e))
    out += [Drop("assumption", p.name, e, p.rfc, k) for k, e in assumed.items()]
    return out


def _demands(e: Expr) -> tuple[Expr, ...]:
    """The demands of `e`, one by one."""
    return () if e is TRUE else conjuncts(e)


def weaker(drop: Drop, p: Property) -> Property:
    """The property without the assumption `drop`."""

    def says(w: World) -> list[Implication]:
        return [Implication(_less(i.given, drop), i.holds) for i in p.implications(w.system)]

    return replace(p, function=says)


def without(drop: Drop, where: Scenario) -> System:
    """The scenario's system without a demand; ModelError if the demand cannot be dropped."""
    by_name = {r.role.name: r.role for r in _sound(where.name).runs}
    system = where.system(*(_patched(by_name[end], drop) for end in ("client", "server")))
    _ = system.raw_steps  # checks the tables
    return system


def _patched(role: Role, drop: Drop) -> Role:
    """The role without a demand of its rows, or without a field that it signs or MACs."""
    if drop.kind == "field":
        return patched(role, without_fields(drop.where, drop.what))
    if not any(r.name == drop.where for r in role.table):
        return role
    without = without_check if drop.kind == "check" else without_condition
    return patched(role, without(drop.where, drop.what))


def _less(e: Expr, drop: Drop) -> Expr:
    """`e` without the demand at the position of the drop."""
    return conj(*(x for k, x in enumerate(_demands(e)) if k != drop.index))


def _sound(where: str) -> System:
    """The scenario's system, built once."""
    return system_of(Request(), scenario(where))


# -- deciding --------------------------------------------------------------------------------------
def decide(
    drop: Drop, proofs: Mapping[str, Support | None], where: str, request: Request
) -> dict[str, Row]:
    """The rows of one drop, by property.

    A property whose proof does not use the demand holds; for the others the whole space without
    the demand is searched.
    """
    asked = [catalogue()[n] for n in proofs]
    if drop.kind == "assumption":
        asked, system = [weaker(drop, p) for p in asked], _sound(where)
    else:
        try:
            system = without(drop, scenario(where))
        except ModelError as e:
            if drop.kind != "condition":
                raise
            return {n: Row(drop, SELECTS, reason=str(e)) for n in proofs}
    rows = {}
    for p in asked:
        found = proofs[p.name]
        used = None if found is None else uses(found, p, where, system)
        rows[p.name] = Row(drop, PROVED if used is False else UNKNOWN, used)
    wanted = [p for p in asked if rows[p.name].used is not False]
    if wanted:
        # A search for one property can stop once that is broken.
        for r in search(system, wanted, replace(request, first=len(wanted) == 1)):
            row = rows[r.property]
            row.verdict, row.reason, row.states, row.trace = r.verdict, r.reason, r.states, r.trace
    return rows


def tightness(
    names: Sequence[str],
    where: str | None,
    request: Request,
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> Iterator[list[Tightness]]:
    """The tables of the named properties, or of all, again and again as they grow to be complete.

    Properties of one scenario are searched together. UsageError as from `place`.
    """
    groups: dict[str, list[Property]] = {}
    for p, at in places(names, where):
        groups.setdefault(at.name, []).append(p)
    tables: dict[str, Tightness] = {}
    for of, props in groups.items():
        proved = _proved(of, props, request, progress, workers)
        jobs: dict[Drop, list[str]] = {}
        for p in props:
            for d in drops(p, scenario(of)):
                jobs.setdefault(d, []).append(p.name)
        proofs: dict[str, Support | None] = dict.fromkeys(p.name for p in props)
        with Pool(workers) as pool:
            for n, certificate in proved.items():
                pool.add(Job(proof, (n, of, request, *certificate)))
            for reply in pool.replies():
                proofs[reply.job.args[0]] = reply.get()
            for p in props:
                known = proofs[p.name]
                tables[p.name] = Tightness(p, of, known.method if known else "")
            for d, asked in jobs.items():
                pool.add(Job(decide, (d, {n: proofs[n] for n in asked}, of, request)))
            found: dict[Drop, dict[str, Row]] = {}
            for reply in pool.replies():
                found[reply.job.args[0]] = reply.get()
                for p in props:
                    rows = (found[d] for d in jobs if d in found)
                    tables[p.name].rows = [r[p.name] for r in rows if p.name in r]
                if progress is not None:
                    broken = sum(len(tables[p.name].broken) for p in props)
                    progress(
                        f"{of}: {len(found)} of {len(jobs)} drops, a property falls {broken} times"
                    )
                yield list(tables.values())


def _proved(
    where: str,
    props: Sequence[Property],
    request: Request,
    progress: Callable[[str], None] | None,
    workers: int | None,
) -> dict[str, tuple[str, str]]:
    """The certificate and the method of each property that is proved, by name."""
    names = tuple(p.name for p in props if declared(p.name, where)[0] == PROVED)
    if not names or scenario(where).network != "adversary":
        return {}
    asked = Request(names, where, SYMBOLIC, seconds=request.seconds)
    outcome = verify(asked, progress, workers)
    if outcome.interrupted:
        raise KeyboardInterrupt
    for r in outcome.results:
        if r.error:
            raise EngineError(f"{r.property} in {where}: {r.reason}")
    return {r.property: (r.certificate, r.method) for r in outcome.results if r.certificate}
