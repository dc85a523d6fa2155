"""Scenarios by name: one file for each kind, each a tuple `SCENARIOS`."""

from __future__ import annotations

from model.near import meant
from model.scenario import below_tls13, generations, secrets, sessions, tls13
from model.scenario.definition import EITHER, Config, Scenario

__all__ = ["EITHER", "SCENARIOS", "Config", "Scenario", "scenario"]

SCENARIOS: tuple[Scenario, ...] = (
    *generations.SCENARIOS,
    *below_tls13.SCENARIOS,
    *tls13.SCENARIOS,
    *sessions.SCENARIOS,
    *secrets.SCENARIOS,
)


def scenario(name: str) -> Scenario:
    """The scenario called `name`; UsageError with the near names."""
    named = {s.name: s for s in SCENARIOS}
    return named[meant("scenario", name, named)]
