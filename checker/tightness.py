"""Tightness: which demands a property rests on, by dropping each of them alone.

The table of Mitchell, Shmatikov and Stern (1998), "drop one field, see the attack", for a whole
scenario: every check of every row that takes a message there, every field that a signature or MAC
covers (left out at both ends), every condition under which a run sends, and every assumption of
the property itself. Each is dropped alone: the drop breaks the property (a shortest trace shows
how), or the property holds without it.

The proof says which drops are worth a search. An inductive invariant proves the property of the
system without a demand, too, if it is closed under the steps that the drop changes: the other
steps are those it was proved of. Then the proof does not use the demand, and nothing is searched.
A demand that it uses may still be one that the property does not rest on; the whole space without
it is searched. Without a proof every drop is searched.

The conditions that only select among the rows of one message are not dropped: without one, two
rows take the same message, which is no protocol. That is found, not guessed: such a drop is
told as one that only chooses a row.
"""

from __future__ import annotations

import builtins
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from multiprocessing.pool import Pool
from typing import Any

from checker.certificate import encoding, invariant
from checker.decide import search
from checker.engines.pdr import Gates
from checker.engines.reference import EngineError
from checker.engines.sat import Sat
from checker.engines.symbolic import Refuter
from checker.report.document import document
from checker.report.text import chart
from checker.request import Request, declared, expectations, system_of
from checker.trace import Label
from checker.verdict import PROVED, UNKNOWN, VACUOUS, VIOLATED
from checker.verify import cores, verify
from model.expr import (
    BOOL,
    TRUE,
    Domain,
    Expr,
    conj,
    conjuncts,
    disj,
    neg,
    substitute,
    var,
    variables,
)
from model.near import UsageError
from model.patch import patched, without_check, without_condition, without_fields
from model.rule import ModelError, Role
from model.scenario import SCENARIOS, Scenario, scenario
from model.system import Step, System
from properties import Implication, Property, World, catalogue
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

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.what}"


@dataclass(frozen=True)
class Support:
    """An invariant that implies a property, as `Result.certificate`, what found it, the places of
    the parts of it that are enough, and the steps of a run that reaches the interesting case."""

    invariant: str
    method: str
    enough: tuple[int, ...]
    witness: frozenset[Label]


@dataclass
class Row:
    """What a drop does: the verdict of the property without it, the reason, the trace.

    `used` is whether the proof uses the demand, None where that was not asked; `states` are those
    of the search, None where there was none.
    """

    drop: Drop
    verdict: str
    used: bool | None = None
    reason: str = ""
    states: int | None = None
    trace: Any = None


@dataclass
class Tightness:
    """All drops of a property in a scenario.

    `proof` says what found its proof, and is empty if there is none.
    """

    property: Property
    scenario: str
    proof: str = ""
    rows: list[Row] = field(default_factory=list)

    @builtins.property
    def broken(self) -> list[Row]:
        """The drops that break the property."""
        return [r for r in self.rows if r.verdict == VIOLATED]

    @builtins.property
    def reason(self) -> str:
        """Empty if every drop was decided."""
        open_ = [r for r in self.rows if r.verdict == UNKNOWN]
        return f"{len(open_)} drops undecided: {open_[0].reason}" if open_ else ""


# -- what is dropped -------------------------------------------------------------------------------
def place(name: str, where: str | None) -> tuple[Property, Scenario]:
    """The property and the scenario: the smallest searched one in which it is declared to hold.

    UsageError if there is none, or the one asked for will not do.
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
        if "explicit" not in chosen.methods:
            raise UsageError(f"{where} is not searched; a drop may need a whole search")
        return p, chosen
    fit = [
        s
        for s in SCENARIOS
        if "explicit" in s.methods
        and s.network == "adversary"
        and set(p.needs) <= s.features
        and (not s.about or p.id in s.about)
        and declared(p.name, s.name)[0] == PROVED
    ]
    if not fit:
        raise UsageError(f"{p.name} is declared to hold in no searched scenario")
    return p, min(fit, key=_size)


def places(names: Sequence[str], where: str | None) -> list[tuple[Property, Scenario]]:
    """`place` of each name; without names of every invariant that has one and is declared to hold
    there. The small scenarios come first."""
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
    """The pinned number of its states."""
    size: int = expectations().get("states", {}).get(of.name, 1 << 60)
    return size


def drops(p: Property, where: Scenario) -> list[Drop]:
    """Everything that can be dropped, in the order of the tables."""
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
    """What `e` demands, one by one."""
    return () if e is TRUE else conjuncts(e)


def weaker(drop: Drop, p: Property) -> Property:
    """The property without one of its assumptions."""

    def says(w: World) -> list[Implication]:
        return [Implication(_less(i.given, drop), i.holds) for i in p.implications(w.system)]

    return replace(p, function=says)


def without(drop: Drop, where: Scenario) -> System:
    """The system without one demand; ModelError if it cannot be dropped."""
    by_name = {r.role.name: r.role for r in _sound(where.name).runs}
    system = where.system(*(_patched(by_name[end], drop) for end in ("client", "server")))
    _ = system.raw_steps  # where the tables are checked
    return system


def _patched(role: Role, drop: Drop) -> Role:
    """The role without a demand of its rows or of what it signs or MACs."""
    if drop.kind == "field":
        return patched(role, without_fields(drop.where, drop.what))
    if not any(r.name == drop.where for r in role.table):
        return role
    without = without_check if drop.kind == "check" else without_condition
    return patched(role, without(drop.where, drop.what))


def _less(e: Expr, drop: Drop) -> Expr:
    """`e` without the demand at the place of the drop."""
    return conj(*(x for k, x in enumerate(_demands(e)) if k != drop.index))


def _sound(where: str) -> System:
    """The scenario's system, built once."""
    return system_of(Request(), scenario(where))


# -- what the proof says ---------------------------------------------------------------------------
class Invariant:
    """The invariant of a proof, over the values of the model: its clauses, and for each variable
    that only the values occur that were found to when it was proved.

    Of these `parts` those at the places `enough`, or all.
    """

    def __init__(
        self, proved: str, system: System, holds: Expr, enough: Sequence[int] | None = None
    ) -> None:
        self.system, self.holds = system, holds
        state = encoding.depended(system, holds)
        small = system.values.domain
        bits: dict[str, Expr] = {n: var(n, BOOL) for n, d in state.items() if d is BOOL}
        for n, d in state.items():
            for i in range(small[n].bits if d is not BOOL else 0):
                having = (v for k, v in enumerate(small[n].values) if k >> i & 1)
                bits[f"{n}/{i}"] = var(n, d).one_of(*having)
        self.parts = [_over(c, bits) for c in invariant.read(proved, {n: n for n in bits})]
        self.parts += [
            var(n, d).one_of(*small[n].values)
            for n, d in state.items()
            if len(small[n].values) < len(d.values)
        ]
        if enough is not None:
            self.parts = [self.parts[i] for i in enough]
        self.refuter = Refuter()

    def enough(self) -> tuple[int, ...]:
        """The places of parts that are enough: those from which the property follows, and those
        from which it follows that these stay true, by unsat cores.

        The solver is not trusted: whether they are is for `sound` to say.
        """
        gates, solver = Gates(), Sat()
        state = {n: gates.value(v.domain) for n, v in self.system.variables.items()}
        inputs: dict[tuple[str, Domain], list[int]] = {}
        for s in self.system.raw_steps:
            for p in s.parameters.items():
                inputs[p] = inputs.get(p) or gates.value(p[1])
        memo: dict[int, Any] = {}
        places = {gates.encode(c, state, memo): i for i, c in enumerate(self.parts)}
        told = 0

        def core(*assumed: int) -> list[int]:
            nonlocal told
            solver.add(gates.clauses[told:])
            told = len(gates.clauses)
            while (answer := solver.solve([*assumed, *places])) is None:
                pass
            return (
                list(places.values())
                if answer
                else [places[x] for x in solver.core() if x in places]
            )

        # For each step what its guard and effects read, and what was encoded of them.
        readings: list[tuple[Step, dict[str, list[int]], dict[int, Any]]] = []
        for s in self.system.raw_steps:
            given = {n: inputs[n, d] for n, d in s.parameters.items()}
            readings.append((s, {**state, **given}, {} if given else memo))
        literal = {i: x for x, i in places.items()}
        out: set[int] = set()
        waiting = core(-gates.encode(self.holds, state, memo))
        while waiting:
            i = waiting.pop()
            if i in out:
                continue
            out.add(i)
            reads = variables(self.parts[i])
            for s, env, known in readings:
                if not s.effects.keys().isdisjoint(reads):
                    guard = gates.encode(s.full, env, known)
                    after = gates.encode(_after(self.parts[i], s), env, known)
                    # The part itself first: most need little else.
                    waiting += core(guard, -after, literal[i])
        return tuple(sorted(out))

    def proves(self, holds: Expr, steps: Iterable[Step]) -> bool:
        """Whether it proves `holds` of a system with its own initial states in which `steps` are
        the only ones that are not its own."""
        implied = holds is self.holds or self._impossible(neg(holds))
        return implied and all(map(self.closed, steps))

    def closed(self, s: Step) -> bool:
        """No step `s` leaves it: False, too, if the solver gave up."""
        after = [_after(c, s) for c in self.parts if not s.effects.keys().isdisjoint(variables(c))]
        return self._impossible(s.full, neg(conj(*after)))

    def sound(self) -> bool:
        """Whether it is what it should be: it has the initial states, the property follows, no
        step of its own system leaves it."""
        first = (var(n, v.domain).one_of(*v.initial) for n, v in self.system.variables.items())
        return (
            self.refuter.impossible(conj(*first, neg(conj(*self.parts))))
            and self._impossible(neg(self.holds))
            and all(map(self.closed, self.system.raw_steps))
        )

    def _impossible(self, *exprs: Expr) -> bool:
        return self.refuter.impossible(conj(*self.parts, *exprs))


def _after(e: Expr, s: Step) -> Expr:
    """`e` after the step, over the state before."""
    return substitute(e, lambda v: s.effects.get(v.payload, v))


def _over(f: invariant.Formula, bits: Mapping[str, Expr]) -> Expr:
    """A formula of an invariant as an expression."""
    if f.kind == "literal":
        return bits[f.name] if f.sign else neg(bits[f.name])
    return (conj if f.kind == "and" else disj)(*(_over(x, bits) for x in f.parts))


def changed(sound: System, system: System) -> list[Step]:
    """The steps of `system` that are not steps of `sound`."""
    before = {s.label: s for s in sound.raw_steps}
    return [s for s in system.raw_steps if not _equal(s, before.get(s.label))]


def _equal(a: Step, b: Step | None) -> bool:
    return (
        b is not None
        and a.full is b.full
        and a.effects.keys() == b.effects.keys()
        and all(e is b.effects[n] for n, e in a.effects.items())
    )


def carried(
    witness: Iterable[Label], sound: System, steps: Sequence[Step], refuter: Refuter
) -> bool:
    """Whether a run with these steps in `sound` is one of the system in which `steps` are the
    changed ones: each is possible there whenever it was, and does the same."""
    before = {s.label: s for s in sound.raw_steps}
    return all(
        _equal(replace(before[s.label], full=s.full), s)
        and refuter.impossible(conj(before[s.label].full, neg(s.full)))
        for s in steps
        if s.label in witness
    )


@cache
def _invariant(
    proved: str, name: str, where: str, enough: tuple[int, ...] | None = None
) -> Invariant:
    system = _sound(where)
    return Invariant(proved, system, catalogue()[name].holds(system), enough)


def proof(name: str, where: str, request: Request, proved: str, method: str) -> Support | None:
    """What drops are held against; None if no run reaches the interesting case within the budget,
    or a solver gives up."""
    p, system = catalogue()[name], _sound(where)
    enough = _invariant(proved, name, where).enough()
    if not _invariant(proved, name, where, enough).sound():
        return None
    never = replace(p, function=lambda w: neg(p.witness(w.system)))
    (r,) = search(system, [never], request, shown=True)
    if r.verdict != VIOLATED or r.trace is None:
        return None
    steps = frozenset((s.run, s.rule, s.source) for s in r.trace.steps)
    return Support(proved, method, enough, steps)


def uses(found: Support, asked: Property, where: str, system: System) -> bool:
    """Whether the proof of a property does not hold of `system` as it stands.

    So it counts, too, if the run that reaches the interesting case may not be one there.
    """
    inv = _invariant(found.invariant, asked.name, where, found.enough)
    steps = changed(inv.system, system)
    return not (
        inv.proves(asked.holds(system), steps)
        and carried(found.witness, inv.system, steps, inv.refuter)
    )


# -- deciding --------------------------------------------------------------------------------------
def decide(
    drop: Drop, proofs: Mapping[str, Support | None], where: str, request: Request
) -> dict[str, Row]:
    """Each named property without one demand: by its proof, if that does not use the demand, else
    by a search of the whole space."""
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
        # Of one property nothing is asked after it is broken.
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
    """The tables of the named properties, or of all, as they grow; at the end they are whole.

    Properties of one scenario are searched together. UsageError as `place`.
    """
    groups: dict[str, list[Property]] = {}
    for p, at in places(names, where):
        groups.setdefault(at.name, []).append(p)
    tables: dict[str, Tightness] = {}
    context: Any = multiprocessing.get_context(
        "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    )
    for of, props in groups.items():
        proved = _proved(of, props, request, progress, workers)
        jobs: dict[Drop, list[str]] = {}
        for p in props:
            for d in drops(p, scenario(of)):
                jobs.setdefault(d, []).append(p.name)
        pool: Pool
        with context.Pool(workers or cores(), _ignore_interrupt) as pool:
            proofs: dict[str, Support | None] = dict.fromkeys(p.name for p in props)
            found = pool.imap(_prepare, [(n, of, request, *x) for n, x in proved.items()])
            proofs.update(zip(proved, found, strict=True))
            for p in props:
                known = proofs[p.name]
                tables[p.name] = Tightness(p, of, known.method if known else "")
            work = [(d, {n: proofs[n] for n in asked}, of, request) for d, asked in jobs.items()]
            for i, rows in enumerate(pool.imap(_job, work), 1):
                for n, row in rows.items():
                    tables[n].rows.append(row)
                if progress is not None:
                    broken = sum(len(t.broken) for t in tables.values() if t.scenario == of)
                    progress(f"{of}: {i} of {len(work)} drops, a property falls {broken} times")
                yield list(tables.values())


def _proved(
    where: str,
    props: Sequence[Property],
    request: Request,
    progress: Callable[[str], None] | None,
    workers: int | None,
) -> dict[str, tuple[str, str]]:
    """The invariants that prove those that are declared to hold, and what found them."""
    names = tuple(p.name for p in props if declared(p.name, where)[0] == PROVED)
    if not names or scenario(where).network != "adversary":
        return {}
    asked = Request(names, where, "symbolic", seconds=request.seconds)
    outcome = verify(asked, progress, workers)
    if outcome.interrupted:
        raise KeyboardInterrupt
    for r in outcome.results:
        if r.error:
            raise EngineError(f"{r.property} in {where}: {r.reason}")
    return {r.property: (r.certificate, r.method) for r in outcome.results if r.certificate}


def _prepare(job: tuple[str, str, Request, str, str]) -> Support | None:
    return proof(*job)


def _job(job: tuple[Drop, Mapping[str, Support | None], str, Request]) -> dict[str, Row]:
    return decide(*job)


def _ignore_interrupt() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


# -- the tables ------------------------------------------------------------------------------------
SELECTS = "SELECTS"
"""The condition cannot be dropped: it only chooses between two rows."""

EFFECT = {
    SELECTS: "chooses a row",
    VIOLATED: "breaks it",
    PROVED: "holds without",
    VACUOUS: "nothing left to hold",
    UNKNOWN: "undecided",
}
USED = {None: "", False: "not used", True: "used"}


def as_text(found: Tightness) -> str:
    """The table, those that break the property first; then a shortest trace of each."""
    p = found.property
    order = (VIOLATED, VACUOUS, UNKNOWN, PROVED, SELECTS)
    rows = sorted(found.rows, key=lambda r: (order.index(r.verdict), r.used is False))
    how = (
        f"used: by the {found.proof}. What it does not use is not searched: it holds without."
        if found.proof
        else "No proof: every drop is searched."
    )
    lines = [f"{p.id} {p.name} in {found.scenario}  [RFC {p.rfc}]", how, ""]
    short = {r.drop: t if len(t := str(r.drop)) <= 100 else t[:97] + "..." for r in rows}
    width = max([len(t) for t in short.values()], default=0)
    for r in rows:
        tail = f"{len(r.trace)} steps" if r.trace is not None else ""
        if r.verdict in (UNKNOWN, VACUOUS):
            tail = r.reason
        line = f"{short[r.drop]:{width}}  {USED[r.used]:8}  {EFFECT[r.verdict]:20} {tail}"
        lines.append(line.rstrip())
    lines += ["", _sum(found)]
    for r in found.broken:
        lines += ["", f"without {r.drop}", "", chart(r.trace)]
    return "\n".join(lines)


def _sum(found: Tightness) -> str:
    uses = f", {sum(r.used is True for r in found.rows)} used" if found.proof else ""
    more = f"; {found.reason}" if found.reason else ""
    return f"{len(found.rows)} drops{uses}: {len(found.broken)} break it{more}"


def overview(found: Sequence[Tightness]) -> str:
    """Each property with its numbers; then each demand that a property rests on, with those that
    fall without it and the length of a shortest trace."""
    wide = [max(len(x) for x in c) for c in zip(*map(_title, found), strict=True)]
    lines = [
        f"{'  '.join(f'{x:{n}}' for x, n in zip(_title(t), wide, strict=True))}  {_sum(t)}"
        for t in found
    ]
    fall: dict[str, dict[str, list[str]]] = {}
    for t in found:
        for r in t.rows:
            where = fall.setdefault(str(r.drop), {})
            if r.verdict == VIOLATED:
                where.setdefault(t.scenario, []).append(f"{t.property.id} ({len(r.trace)})")
    broken = {d: where for d, where in fall.items() if where}
    lines += ["", "Without one demand these fall (steps of a shortest trace):"]
    for d, where in broken.items():
        lines += ["", d, *(f"    {s}: {', '.join(ids)}" for s, ids in where.items())]
    lines += ["", f"{len(fall)} demands: a property falls without {len(broken)} of them"]
    return "\n".join(lines)


def _title(found: Tightness) -> tuple[str, str, str]:
    return found.property.id, found.property.name, found.scenario


def as_json(found: Sequence[Tightness]) -> str:
    """`tables` of `property`, `id`, `scenario`, `proof`, `rows`, `reason`."""
    tables = [
        {
            "property": t.property.name,
            "id": t.property.id,
            "scenario": t.scenario,
            "proof": t.proof,
            "reason": t.reason,
            "rows": [
                {
                    **asdict(r.drop),
                    "used": r.used,
                    "verdict": r.verdict,
                    "reason": r.reason,
                    "states": r.states,
                    "trace": r.trace.as_json() if r.trace is not None else None,
                }
                for r in t.rows
            ],
        }
        for t in found
    ]
    return document("tightness", 2, tables=tables)


def status(found: Sequence[Tightness]) -> int:
    """0 if every drop was decided, 3 if a budget ended before."""
    return 3 if any(t.reason for t in found) else 0
