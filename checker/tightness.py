"""Tightness: the mutants that break a property, and those that it alone notices.

A view of the mutants of one scenario (`checker/mutants`), each searched until every property that
falls is found.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from checker.engines.choice import EXPLICIT
from checker.mutants.run import Asked, Judged, judged
from checker.request import declared, size
from checker.verdict import PROVED
from model.near import UsageError
from model.scenario import SCENARIOS, Scenario, scenario
from properties import Property, catalogue
from properties import find as find_property


@dataclass
class Tightness:
    """The mutants of a scenario, as a property sees them."""

    property: Property
    scenario: str
    judged: list[Judged] = field(default_factory=list)

    @builtins.property
    def broken(self) -> list[Judged]:
        """The mutants that break the property."""
        return [j for j in self.judged if self.property.name in j.falls]

    @builtins.property
    def alone(self) -> list[Judged]:
        """The mutants that break this property and no other."""
        return [j for j in self.broken if len(j.falls) == 1]


def place(name: str, where: str | None) -> tuple[Property, Scenario]:
    """The property, and the smallest searched scenario in which it is declared to hold, or `where`.

    UsageError if there is none, or `where` does not fit.
    """
    (p, *others) = find_property(name)
    if others:
        names = ", ".join(x.name for x in (p, *others))
        raise UsageError(f"{name} is the id of several properties: say which of {names}")
    if p.kind != "invariant":
        raise UsageError(f"{p.name} is no invariant: tightness is about what an invariant rests on")
    if where is not None:
        chosen = scenario(where)
        if not set(p.needs) <= chosen.features:
            raise UsageError(f"{p.name} does not apply in {where}: it needs {', '.join(p.needs)}")
        if EXPLICIT not in chosen.methods:
            raise UsageError(f"{where} is not searched; a mutant may need a whole search")
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
    return p, min(fit, key=size)


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
    return sorted(found, key=lambda x: size(x[1]))


def tightness(
    names: Sequence[str],
    where: str | None,
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> Iterator[list[Tightness]]:
    """The tables of the named properties, or of all, again and again as they grow.

    UsageError as from `place`.
    """
    groups: dict[str, list[Tightness]] = {}
    for p, at in places(names, where):
        groups.setdefault(at.name, []).append(Tightness(p, at.name))
    tables = [t for group in groups.values() for t in group]
    for of, group in groups.items():
        for fates in judged([scenario(of)], Asked(every=True), progress=progress, workers=workers):
            for t in group:
                t.judged = [j for f in fates.values() for j in f.judged]
            yield tables
