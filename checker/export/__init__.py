"""Exports: a compiled system as the input of another model checker, for a second opinion.

Each format is a module with a `SUMMARY` and `write(compiled, properties)`, which gives the text. A
format can have `beside(compiled, properties)`, which gives further files by suffix. A format for
liveness has `TEMPORAL = True`, and its `write` takes the temporal properties as a third argument. A
format translates the system's own expressions by one `fold`: nothing about a transition is said
twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from checker.asked import Asked, Temporal
from model.expr import neg
from model.folder import modules
from model.near import UsageError, meant
from model.system import Compiled, System
from properties import Property

if TYPE_CHECKING:
    from checker.request import Request
    from model.scenario import Scenario

__all__ = [
    "Asked",
    "Temporal",
    "asked",
    "asked_temporal",
    "export",
    "files",
    "find",
    "formats",
    "temporal",
]


@cache
def formats() -> dict[str, ModuleType]:
    """The formats by name, sorted."""
    return modules(__name__, "SUMMARY", "write")


def find(name: str) -> ModuleType:
    """The format called `name`; UsageError with the near names."""
    return formats()[meant("export format", name, formats())]


def asked(
    scenario: str, flaw: str | None = None, properties: Sequence[str] = ()
) -> tuple[Compiled, list[Asked]]:
    """The system and properties that `verify` searches with the same words, compiled as there.

    So the numbers of states are the same. Only invariants and goals are among the properties; for
    the others see `asked_temporal`. UsageError if a name is not known.
    """
    from checker.patched import changed_rows

    request, where, system, props = _named(scenario, flaw, properties)
    props = [p for p in props if p.kind in ("invariant", "reachable")]
    found = []
    for p in props:
        goal = p.kind == "reachable"
        bad = p.witness(system) if goal else neg(p.holds(system))
        found.append(Asked(p.name, bad, goal, f"{p.id}, RFC {p.rfc}"))
    # `verify` also asks for witnesses and patched rows: the variables in these are in its states.
    reads = [e for a, p in zip(found, props, strict=True) for e in (a.bad, p.witness(system))]
    if request.patch:
        reads += changed_rows(where.system(), system).values()
    return system.compile(*reads), found


def asked_temporal(
    scenario: str, flaw: str | None = None, properties: Sequence[str] = ()
) -> list[Temporal]:
    """The properties of whole runs that `verify` decides with the same words."""
    _, _, system, props = _named(scenario, flaw, properties)
    return [temporal(system, p) for p in props if p.temporal]


def temporal(system: System, p: Property) -> Temporal:
    """The export's form of a property of kind "ends" or "leads_to", with its system compiled."""
    pairs = tuple((i.given, i.holds) for i in p.implications(system))
    compiled = system.compile(*(e for pair in pairs for e in pair))
    about = f"{p.id}, RFC {p.rfc}"
    return Temporal(p.name, compiled, pairs, p.fairness, p.kind == "ends", about)


def _named(
    scenario: str, flaw: str | None, properties: Sequence[str]
) -> tuple[Request, Scenario, System, list[Property]]:
    from checker.request import Request, properties_of, scenarios_of, system_of

    request = Request(properties=tuple(properties), scenario=scenario, flaw=flaw)
    (where,) = scenarios_of(request)
    return request, where, system_of(request, where), properties_of(request, where)


def export(
    format: str, scenario: str, flaw: str | None = None, properties: Sequence[str] = ()
) -> str:
    """The text of a scenario, flawed if asked for, with some properties (default: all)."""
    return files(format, scenario, flaw, properties)[""]


def files(
    format: str, scenario: str, flaw: str | None = None, properties: Sequence[str] = ()
) -> dict[str, str]:
    """The texts of an export by suffix: that of `export` under "", and those of `beside`.

    UsageError if the format can express none of the properties.
    """
    module = find(format)
    arguments: tuple[Any, ...] = asked(scenario, flaw, properties)
    if getattr(module, "TEMPORAL", False):
        arguments += (asked_temporal(scenario, flaw, properties),)
    if not any(arguments[1:]):
        raise UsageError("no property asked for can be exported from the scenario asked for")
    beside = module.beside(*arguments) if hasattr(module, "beside") else {}
    return {"": module.write(*arguments), **beside}
