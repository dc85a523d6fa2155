"""Where an RFC lets an implementer choose: which properties hold with each choice and without.

A choice has a switch: a configuration variable of an end (`server.renews`), perhaps with its value
(`client.first_group=none`), or an extension. The scenarios say with which values of the
variable, or with or without the extension, they are decided. A scenario may have both at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from checker.report.words import count
from checker.request import Request, declared, properties_of
from checker.verdict import PROVED, VIOLATED
from model.extensions import extensions
from model.near import unknown
from model.rule import ModelError
from model.scenario import SCENARIOS, Scenario, scenario
from model.system import System


@dataclass(frozen=True)
class Side:
    """The scenarios with a choice, or without it."""

    scenarios: tuple[str, ...]
    holds: frozenset[str]
    """The ids of the properties that are PROVED in all of these scenarios that ask about them."""
    somewhere: frozenset[str]
    """The ids of the properties that are PROVED in some of them."""
    falls: frozenset[str]
    """The ids of those that are VIOLATED in all of them, as declared."""


@cache
def sides(switch: str) -> tuple[Side, Side]:
    """The scenarios with a choice, and those without it; ModelError for an unknown switch."""
    found: tuple[list[Scenario], list[Scenario]] = ([], [])
    for where in SCENARIOS:
        for taken in _taken(switch, where):
            found[0 if taken else 1].append(where)
    if not any(found):
        raise ModelError(f"no scenario has the switch {switch}")
    return _side(found[0]), _side(found[1])


def _taken(switch: str, where: Scenario) -> Iterator[bool]:
    """Whether the choice is taken in a scenario; twice where it may be and may be not."""
    name, _, wanted = switch.partition("=")
    end, _, variable = name.partition(".")
    if not variable:
        if name not in extensions():
            raise ModelError(unknown("extension", name, extensions()))
        yield name in where.extensions
        return
    system = _system(where.name)
    runs = [r for r in system.runs if r.role.name == end and variable in r.role.configuration]
    values = {v for r in runs for v in system.variables[f"{r.name}.{variable}"].initial}
    yield from {(str(v) == wanted) if wanted else bool(v) for v in values}


@cache
def _system(name: str) -> System:
    return scenario(name).system()


@cache
def _declared(name: str) -> list[tuple[str, str]]:
    """The ids of the properties asked about in a scenario, with the declared verdicts."""
    found = properties_of(Request(), scenario(name))
    return [(p.id, declared(p.name, name)[0]) for p in found]


def _side(scenarios: list[Scenario]) -> Side:
    verdicts: dict[str, set[str]] = {}
    for where in scenarios:
        for i, verdict in _declared(where.name):
            verdicts.setdefault(i, set()).add(verdict)
    return Side(
        tuple(s.name for s in scenarios),
        frozenset(i for i, v in verdicts.items() if PROVED in v and VIOLATED not in v),
        frozenset(i for i, v in verdicts.items() if PROVED in v),
        frozenset(i for i, v in verdicts.items() if v == {VIOLATED}),
    )


def told(side: Side, other: Side) -> str:
    """What holds on one side; the properties that fall there, and hold somewhere on the other."""
    if not side.scenarios:
        return "in no scenario"
    falls = sorted(side.falls & other.somewhere)
    holds = count(len(side.holds), "property", "properties")
    out = f"{holds} in {count(len(side.scenarios), 'scenario')}"
    return out + (f"; not {', '.join(falls)}" if falls else "")


def choice(switch: str) -> str:
    """A line on the choice."""
    yes, no = sides(switch)
    return f"choice {switch}: with it {told(yes, no)}; without it {told(no, yes)}"
