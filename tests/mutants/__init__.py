"""Made-up changes of a role that break a property: one file for each extension.

A file defines `MUTANTS`: the mutants by the name of the property that falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from model.folder import modules
from model.patch import Patch, patched
from model.roles import role
from model.scenario import scenario
from model.system import System


@dataclass(frozen=True)
class Mutant:
    """Patches by role, and a scenario in which a property falls to them."""

    scenario: str
    patches: Mapping[str, Patch]

    @property
    def system(self) -> System:
        """The scenario's system with the patched roles."""
        where = scenario(self.scenario)
        client, server = (
            patched(role(end, where.extensions), self.patches.get(end, ()))
            for end in ("client", "server")
        )
        return where.system(client, server)


def c(scenario: str, *patch: Patch) -> Mutant:
    """The mutant with a patched client."""
    return Mutant(scenario, {"client": patch})


def s(scenario: str, *patch: Patch) -> Mutant:
    """The mutant with a patched server."""
    return Mutant(scenario, {"server": patch})


def both(scenario: str, *patch: Patch) -> Mutant:
    """The mutant with the same patch at both ends."""
    return Mutant(scenario, {"client": patch, "server": patch})


def mutants() -> dict[str, Mutant]:
    """The mutants of all files, by the property that falls."""
    out: dict[str, Mutant] = {}
    for module in modules(__name__, "MUTANTS").values():
        assert not set(module.MUTANTS) & set(out)
        out |= module.MUTANTS
    return out
