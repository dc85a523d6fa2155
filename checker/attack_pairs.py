"""Pairs of flaws, one at each end, that break together what neither breaks alone.

A pair is tried in the scenarios of its two flaws, where the patches of both apply. First each flaw
alone: what falls to it. Then both: what else falls, by search; a search that grows too large says
so, and its pair is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from checker.by_search import search
from checker.decide import PATCHED_STATES
from checker.pool import Job, Link, Pool
from checker.request import Request, declared, properties_of
from checker.verdict import UNKNOWN, VIOLATED, Result
from model.flaws import Flaw, combined, flaws
from model.rule import ModelError
from model.scenario import Scenario, scenario
from model.system import System
from properties import Property


@dataclass(frozen=True)
class Pair:
    """What was decided of two flaws in a scenario."""

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
        """Whether nothing falls to either flaw alone."""
        return not self.alone


def pairs(
    names: Sequence[str],
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> Iterator[Pair]:
    """The pairs of the flaws called `names`, each at the client with each at the server."""
    found = [flaws()[n] for n in names]
    done = 0
    every = sorted({f.where for f in found})
    with Pool(workers, progress) as pool:
        for where in every:
            pool.add(Job(_work, (where, tuple(names)), linked=True))
        for reply in pool.replies():
            if reply.part:
                yield reply.value
                continue
            reply.get()
            done += 1
            if progress is not None:
                progress(f"{done} of {len(every)} scenarios done")


def _work(link: Link, name: str, names: Sequence[str]) -> None:
    where = scenario(name)
    props = [p for p in properties_of(Request(), where) if not p.temporal]
    alone = {
        (f.name, end): fallen
        for f in (flaws()[n] for n in names)
        for end in ("client", "server")
        if end in f.patches and (fallen := _alone(f, end, where, props)) is not None
    }
    for (a, of), at_client in alone.items():
        for (b, other), at_server in alone.items():
            # A pair of two scenarios is tried in both.
            if (of, other) == ("client", "server") and name in (flaws()[a].where, flaws()[b].where):
                link.line(f"{name}: {a} at the client, {b} at the server")
                pair = _both(a, b, where, props, at_client | at_server)
                if pair is not None:
                    link.part(pair)


def _alone(flaw: Flaw, end: str, where: Scenario, props: Sequence[Property]) -> set[str] | None:
    """What falls to a flaw at an end; None if the scenario does not have its rows."""
    if where.name == flaw.where and end in flaw.breaks:
        return set(flaw.breaks[end])
    system = _system(flaw, end, where)
    return None if system is None else {r.property for r in _fallen(system, props)[0]}


def _both(
    a: str, b: str, where: Scenario, props: Sequence[Property], before: set[str]
) -> Pair | None:
    flaw, end = combined(f"{a} and {b}", [(flaws()[a], "client"), (flaws()[b], "server")])
    system = _system(flaw, end, where)
    if system is None:
        return None
    more, is_open = _fallen(system, [p for p in props if p.name not in before])
    ids = sorted(p.id for p in props if p.name in before)
    return Pair(a, b, where.name, ids, more, is_open)


def _system(flaw: Flaw, end: str, where: Scenario) -> System | None:
    try:
        return where.system(*flaw.roles(end, where.extensions))
    except ModelError:
        return None


def _fallen(system: System, props: Sequence[Property]) -> tuple[list[Result], bool]:
    """The properties that fall by search, and whether it ended before the answer."""
    results = search(system, props, Request(states=PATCHED_STATES))
    fallen = [
        r
        for r in results
        if r.verdict == VIOLATED and declared(r.property, system.name)[0] != VIOLATED
    ]
    return fallen, any(r.verdict == UNKNOWN for r in results)
