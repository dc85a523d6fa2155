"""Made-up changes of a role that break a property: one file for each extension.

A file defines `MUTANTS`: by the name of the property that falls, the scenario and the patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from model.flaws import Patch, together
from model.folder import modules
from model.rule import Role, Rule


@dataclass(frozen=True)
class Mutant:
    """Patches by role, and the scenario in which the property falls to them."""

    scenario: str
    patches: Mapping[str, Patch]


def changed(name: str, **fields: object) -> Patch:
    """A row with other fields."""

    def patch(r: Role) -> Role:
        assert any(x.name == name for x in r.table), name
        return replace(
            r,
            table=tuple(
                replace(x, label=x.name, **fields) if x.name == name else x  # type: ignore[arg-type]
                for x in r.table
            ),
        )

    return patch


def without_rows(*names: str) -> Patch:
    """Rows left out."""

    def patch(r: Role) -> Role:
        assert set(names) <= {x.name for x in r.table}
        return replace(r, table=tuple(x for x in r.table if x.name not in names))

    return patch


def other_alert(name: str, check: str, alert: str) -> Patch:
    """A check that is answered with another alert."""

    def patch(r: Role) -> Role:
        rows: list[Rule] = []
        for x in r.table:
            if x.name == name:
                assert check in [c.name for c in x.checks]
                checks = tuple(replace(c, alert=alert) if c.name == check else c for c in x.checks)
                x = replace(x, checks=checks)
            rows.append(x)
        return replace(r, table=tuple(rows))

    return patch


def c(scenario: str, *patches: Patch) -> Mutant:
    """A mutant client."""
    return Mutant(scenario, {"client": together(*patches)})


def s(scenario: str, *patches: Patch) -> Mutant:
    """A mutant server."""
    return Mutant(scenario, {"server": together(*patches)})


def mutants() -> dict[str, Mutant]:
    """Every mutant, by the property it breaks."""
    out: dict[str, Mutant] = {}
    for module in modules(__name__, "MUTANTS").values():
        assert not set(module.MUTANTS) & set(out)
        out |= module.MUTANTS
    return out
