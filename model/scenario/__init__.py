"""Scenarios by name: one file for each kind, each a tuple `SCENARIOS`."""

from __future__ import annotations

import difflib

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
    """The scenario called `name`; LookupError with the near names."""
    for s in SCENARIOS:
        if s.name == name:
            return s
    names = [s.name for s in SCENARIOS]
    near = difflib.get_close_matches(name, names, 3, 0.4) or names
    raise LookupError(f"no scenario is called {name!r}; did you mean {', '.join(near)}?")
