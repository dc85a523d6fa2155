"""Each property falls to some change of a row: a flaw of model/flaws, or a mutant of tests/mutants.

A property that nothing breaks says nothing. A mutant is a patch of a role, like a flaw, but made
up.
"""

from __future__ import annotations

import pytest

from checker.decide import search, temporal
from checker.request import Request
from model.flaws import flaws
from model.scenario import scenario
from properties import catalogue
from tests.mutants import mutants

MUTANTS = mutants()


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_mutant_breaks_the_property(name: str) -> None:
    mutant, prop = MUTANTS[name], catalogue()[name]
    where = scenario(mutant.scenario)
    assert set(prop.needs) <= where.features
    system = mutant.system
    decide = (
        temporal(system, [prop]) if prop.temporal else search(system, [prop], Request(first=True))
    )
    result = decide[0]
    assert result.verdict == "VIOLATED", (result.verdict, result.reason)
    assert prop.kind == "reachable" or len(result.trace) > 0


def test_every_property_is_broken_by_something() -> None:
    fallen = {p for f in flaws().values() for names in f.breaks.values() for p in names}
    assert set(catalogue()) - fallen - set(MUTANTS) == set()


def test_there_are_at_least_forty_properties_and_each_says_what_it_means() -> None:
    counted = [p for p in catalogue().values() if p.id != "GLOBAL"]
    assert len({p.id for p in counted}) == len(counted) >= 40
    for p in catalogue().values():
        assert p.rfc
        assert (p.function.__doc__ or "").strip()
