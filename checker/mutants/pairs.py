"""Pairs of changes, one at each end: what they break together, and neither alone.

A change is a flaw at one end, or a mutant that leaves something out. Most changes break a rule that
an end keeps for itself, and some property says so. Here it counts what two ends have together: the
properties that compare ends, or an end with what the adversary knows. A change to which none of
these falls is harmless alone, and is tried with every such change of the other end.

Two changes need no search if neither differs in a state that the other one adds: then every state
of both together is one of the sound system or of one of them, by induction.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from checker.mutants.family import EQUIVALENT, UNDECIDED, Family, Judgement
from checker.mutants.generate import Mutant
from checker.mutants.run import holding, of_protocol, scenarios
from checker.pool import Job, Link, Pool
from checker.request import size
from checker.verdict import VIOLATED, Result
from model.expr import implies, variables
from model.flaws import Flaw, find, flaws
from model.operation import Operation, patched
from model.scenario import Scenario, scenario
from model.system import System
from properties import Implication, Property, World

KINDS = ("check", "condition", "guard", "effect")
"""The mutants that are tried: those that leave something out, as a programmer may."""
LARGEST = 2_000_000
"""The largest number of states of a scenario in which all pairs are tried."""
MOST = 20_000_000
"""The largest number of states of a pair."""
FLAW = "flaw"
"""The kind of a change that is a flaw at one end."""


@dataclass(frozen=True)
class Pair:
    """What was found of two changes in a scenario."""

    client: str
    server: str
    scenario: str
    alone: Sequence[str]
    """The ids of the properties that fall to one of them."""
    more: Sequence[Result]
    """The results of those that fall only to both."""
    open: bool
    """Whether the search ended before the answer."""

    @property
    def harmless_alone(self) -> bool:
        """Whether nothing falls to either change alone."""
        return not self.alone


@dataclass
class Tried:
    """The pairs of some scenarios."""

    scenarios: int = 0
    count: int = 0
    """How many pairs there are."""
    pairs: list[Pair] = field(default_factory=list)
    """Those that break more than each alone, or are open."""
    left_out: int = 0
    """How many changes are in no pair: the search of one alone was too large."""

    def add(self, other: Tried) -> list[Pair]:
        """Take over the pairs of other scenarios; those of changes that are new here."""
        known = {(p.client, p.server) for p in self.pairs}
        new = [p for p in other.pairs if (p.client, p.server) not in known]
        self.scenarios += other.scenarios
        self.count += other.count
        self.left_out += other.left_out
        self.pairs += new
        return new


def pairs(
    specs: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> Iterator[tuple[Tried, Sequence[Pair]]]:
    """What was found so far, and what is new, scenario by scenario.

    Of the flaws `specs` (see `find`) each is tried at the client with each at the server, harmless
    or not, in the scenarios of the flaws; of none, all changes that are harmless alone.
    """
    every = [scenario(n) for n in dict.fromkeys(find(spec)[0].where for spec in specs)]
    out = Tried()
    with Pool(workers, progress, fresh=True) as pool:
        for s in every or _small():
            pool.add(Job(_job, (s.name, tuple(specs)), linked=True))
        for reply in pool.replies():
            yield out, out.add(reply.get())


def _small() -> list[Scenario]:
    """The default scenarios with an adversary that are small enough, small ones first."""
    return [s for s in scenarios(None) if s.network != "reliable" and size(s) <= LARGEST]


def _job(link: Link, name: str, specs: Sequence[str]) -> Tried:
    gc.disable()  # the process ends with this job
    where = scenario(name)
    system = where.system()
    flawed = [*_flawed(find(spec)[0] for spec in specs or flaws())]
    if specs:
        found = [p for p in holding(where) if not p.temporal]
        return tried(system, flawed, found, link.line, every=True)
    left_out = (m for m in of_protocol(where, system) if m.kind in KINDS)
    goals = [goal for p in holding(where) if (goal := across(p, system)) is not None]
    return tried(system, [*flawed, *left_out], goals, link.line)


def _flawed(found: Iterable[Flaw]) -> Iterator[Mutant]:
    """The flaws, each at each of its ends."""
    for f in found:
        for end, patch in f.patches.items():
            made = Operation(patched, "", (patch,), {})
            yield Mutant(FLAW, f.name, end, "", f.source, (), (end,), made)


def across(p: Property, system: System) -> Property | None:
    """The part of an invariant that compares ends, or an end with what the adversary knows."""

    def compares(i: Implication) -> bool:
        names = {n.partition(".")[0] for n in variables(implies(i.given, i.holds))}
        return len({system.by_name[n].role.name for n in names & system.by_name.keys()}) > 1

    def part(w: World) -> list[Implication]:
        return [i for i in p.implications(w.system) if compares(i)]

    return replace(p, function=part) if p.kind == "invariant" and part(World(system)) else None


def tried(
    system: System,
    changes: Iterable[Mutant],
    props: Sequence[Property],
    line: Callable[[str], None] = lambda _: None,
    *,
    every: bool = False,
) -> Tried:
    """The pairs of changes of one system to which one of `props` falls, and to neither alone.

    With `every`, changes to which some fall alone are tried, too.
    """
    line(f"{system.name}: the changes alone")
    family = Family(system, props, changes, MOST)
    alone = {m: _fallen(family, m, every=every) for m in family.changes}
    left = [m for m, found in alone.items() if every or not (found.traces or _open(found))]
    out = Tried(1, sum(a.ends < b.ends for a in left for b in left))
    out.left_out = sum(map(_open, alone.values())) if not every else 0
    near = _searched(family, left)
    for i, (a, b) in enumerate(near):
        line(f"{system.name}: {i} of {len(near)} pairs that need a search, of {out.count}")
        found = family.together(a, b, every=every)
        if found.traces and not every:
            found = family.together(a, b, every=True)
        _add(out, family, (a, b), found, alone)
    for m in [x for x in left if family.changes[x].whole]:
        line(f"{system.name}: pairs with {m}")
        left.remove(m)
        base = Family(family.changes[m].system, props, [x for x in left if x.ends != m.ends], MOST)
        for x in base.changes:
            _add(out, family, (m, x), _fallen(base, x, every=True), alone)
    return out


def _fallen(family: Family, m: Mutant, *, every: bool) -> Judgement:
    """What falls to a change; a case that is never reached is no attack."""
    if m not in family.differs:
        return Judgement(EQUIVALENT)
    return family.judge(m, every=every) or Judgement(UNDECIDED)


def _open(found: Judgement) -> bool:
    return found.fate == UNDECIDED


def _searched(family: Family, left: Sequence[Mutant]) -> list[tuple[Mutant, Mutant]]:
    """The pairs of changes of rows that need a search."""
    rows = [m for m in left if not family.changes[m].whole]
    more = {
        m: {*family.beyond(m, [x for x in rows if x.ends != m.ends])}
        for m in rows
        if m in family.differs
    }
    return [
        (a, b)
        for a in rows
        for b in rows
        if a.ends < b.ends and (b in more.get(a, ()) or a in more.get(b, ()))
    ]


def _add(
    out: Tried,
    family: Family,
    pair: tuple[Mutant, Mutant],
    found: Judgement,
    alone: Mapping[Mutant, Judgement],
) -> None:
    """Add a pair that breaks more than each alone, or whose search was too large."""
    id_of = {p.name: p.id for p in family.props}
    name = family.sound.name
    before = {n for m in pair for n in alone[m].traces}
    more = [
        Result(n, id_of[n], name, VIOLATED, depth=len(t), trace=t)
        for n, t in found.traces.items()
        if n not in before
    ]
    if more or _open(found):
        ids = sorted(id_of[n] for n in before)
        ends = sorted(pair, key=lambda m: m.ends)
        client, server = (m.row if m.kind == FLAW else str(m) for m in ends)
        out.pairs.append(Pair(client, server, name, ids, more, _open(found)))
