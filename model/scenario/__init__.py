"""Scenarios by name: one file for each kind, each a tuple `SCENARIOS`."""

from __future__ import annotations

from model.near import meant
from model.rule import ModelError
from model.scenario import (
    below_tls13,
    ciphers,
    generations,
    keys,
    names,
    records,
    secrets,
    sessions,
    signatures,
    tls13,
)
from model.scenario.definition import EITHER, Config, Scenario

__all__ = ["EITHER", "SCENARIOS", "Config", "Scenario", "known", "own", "scenario"]

SCENARIOS: tuple[Scenario, ...] = (
    *generations.SCENARIOS,
    *below_tls13.SCENARIOS,
    *tls13.SCENARIOS,
    *ciphers.SCENARIOS,
    *sessions.SCENARIOS,
    *secrets.SCENARIOS,
    *names.SCENARIOS,
    *records.SCENARIOS,
    *keys.SCENARIOS,
    *signatures.SCENARIOS,
)


_own: dict[str, Scenario] = {}


def own(added: Scenario) -> None:
    """Make a scenario outside the catalogue known by its name; ModelError if that is taken."""
    if any(s.name == added.name for s in SCENARIOS):
        raise ModelError(f"there is a scenario {added.name}: give yours another name")
    _own[added.name] = added


def known() -> dict[str, Scenario]:
    """The scenarios by name: those of the catalogue, and others that were made known."""
    return {s.name: s for s in SCENARIOS} | _own


def scenario(name: str) -> Scenario:
    """The scenario called `name`; UsageError with the near names."""
    named = known()
    return named[meant("scenario", name, named)]
