"""A request to verify: its scenarios, properties and tasks, and the declared verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import properties
from checker import tables
from checker.engines.choice import (
    EXPLICIT,
    LIVENESS,
    ORDER,
    REFERENCE,
    ROWS,
    SYMBOLIC,
    Options,
    fallback,
    in_c,
    refuse,
)
from checker.engines.interface import Budget
from checker.own import Own, read
from checker.verdict import PROVED, VERDICTS, VIOLATED
from model.expr import variables
from model.flaws import Flaw, combined, dropped, flaws, of_file
from model.flaws import find as find_flaw
from model.near import UsageError, unknown
from model.rule import ModelError
from model.scenario import SCENARIOS, Scenario, known, scenario
from model.system import System
from properties import Property, catalogue
from properties import find as find_property


@dataclass(frozen=True)
class Request(Options):
    """What to verify, by names only: a request can be sent to another process."""

    properties: tuple[str, ...] = ()  # empty: all that apply
    scenario: str | None = None
    engine: str | None = None
    flaw: str | None = None
    drop: tuple[str, ...] = ()  # rows without their checks, or without the named ones
    seconds: float | None = None  # for each search and each proof
    memory: int | None = None  # bytes for each search
    states: int | None = None  # for each search
    first: bool = False  # a search stops at the first violation that is not declared
    certificates: str = ""  # a folder for the proofs, a file each
    every: bool = False  # scenarios that are not default ones, too
    kept: bool = False  # use what is kept of earlier runs, and keep what is found
    file: str = ""  # of properties, scenarios and an extension of one's own

    @property
    def budget(self) -> Budget:
        """What each search may use."""
        return Budget(self.states, self.seconds, self.memory)

    @property
    def patch(self) -> str:
        """The patch asked for, in words; empty if there is none."""
        return " without ".join(filter(None, (self.flaw or "", ", ".join(self.drop)))) or ""

    @property
    def bounded(self) -> str | None:
        """The first option that bounds a search or says how to make it; None if there is none."""
        asked = ("states", "memory", "checkpoint", "resume", "spill")
        return next((n for n in asked if self.flags.get(n)), None)

    @property
    def flags(self) -> dict[str, Any]:
        """The engines' options under their names on the command line, with the values asked for."""
        return {
            "time": self.seconds,
            "states": self.states,
            "memory": self.memory,
            "backend": self.backend,
            "spill": self.spill,
            "resume" if self.resume else "checkpoint": self.checkpoint,
            "stop-at-first": self.first,
            "certificates": self.certificates,
        }


@dataclass(frozen=True)
class Task:
    """One search of a scenario, or its proofs; without `properties`, all that apply are meant."""

    request: Request
    scenario: str
    method: str
    properties: tuple[str, ...] = ()


ROOT = Path(properties.__file__).parent
"""The folder of the declared verdicts."""
EXPECTED = {
    "verdicts?": {"*": {"*": {"verdict": VERDICTS, "reason": str}}},
    "unreached?": {"*": {"*": str}},
    "states": {"*": int},
}
"""The form of `expected.toml`: verdicts by property and scenario, cases that are reached nowhere,
numbers of states."""


@cache
def expectations() -> Mapping[str, Any]:
    """`properties/expected.toml`; ModelError if something in it is wrong."""
    return tables.read(ROOT / "expected.toml", EXPECTED)


def declared(prop: str, where: str) -> tuple[str, str]:
    """The declared verdict of a property in a scenario, and its reason; PROVED if undeclared."""
    rows = expectations().get("verdicts", {}).get(prop, {})
    row = rows.get(where) or rows.get("*") or {}
    return row.get("verdict", PROVED), row.get("reason", "")


def unreached(prop: str) -> Mapping[str, str]:
    """The cases of a property that are declared to be reached nowhere, each with the reason."""
    rows: Mapping[str, str] = expectations().get("unreached", {}).get(prop, {})
    return rows


def searched() -> frozenset[str]:
    """The scenarios that are searched."""
    return frozenset(s.name for s in known().values() if EXPLICIT in s.methods)


def own_of(request: Request) -> Own:
    """What the request's own file declares; UsageError if something in it is wrong."""
    return read(request.file) if request.file else Own((), ())


def patch_of(request: Request) -> tuple[Flaw, str] | None:
    """The flaw that a request names, without the checks that it drops, and the flawed end.

    UsageError or ModelError if something is unknown.
    """
    own_of(request)  # which may bring what the patch names
    parts = [find_flaw(request.flaw)] if request.flaw else []
    for spec in request.drop:
        # A flaw's own rows have checks, too; they are there with its scenario's extensions.
        known = [
            r
            for flaw, end in parts
            if flaw.where
            for r in flaw.roles(end, scenario(request.scenario or flaw.where).extensions)
        ]
        parts.append(dropped(spec, known))
    return combined(request.patch, parts) if parts else None


def scenarios_of(request: Request) -> list[Scenario]:
    """The scenarios asked for: the named one, the flaw's, the file's, all default ones, or all."""
    own = own_of(request)
    found = find_flaw(request.flaw)[0] if request.flaw else None  # it may bring a scenario
    if request.scenario:
        return [scenario(request.scenario)]
    if found:
        if not found.scenario:
            raise UsageError(f"flaw {found.name} names no scenario: add --scenario NAME")
        return [scenario(found.where)]
    if own.scenarios:
        return [scenario(n) for n in own.scenarios]
    default = [s for s in SCENARIOS if s.default or request.every]
    if request.drop:
        # Only searched scenarios in which all the rows can fire.
        rows = {d.partition(":")[0] for d in request.drop}
        return [s for s in default if EXPLICIT in s.methods and rows <= _fire(request, s)]
    return default


def _fire(request: Request, where: Scenario) -> set[str]:
    """The rows that can fire in a scenario."""
    from checker.grounded import ready
    from checker.kept import Kept

    system = system_of(Request(), where)
    ready(system, Kept(where.name, lambda _: None) if request.kept else None)
    return {step.rule.name for step, _ in system.values.fireable}


def _wanted(request: Request, where: Scenario) -> list[Property]:
    names = request.properties or own_of(request).properties
    if names:
        return [p for n in names for p in find_property(n)]
    return [p for p in catalogue().values() if not where.about or p.id in where.about]


def properties_of(request: Request, where: Scenario) -> list[Property]:
    """The properties asked for that apply in the scenario."""
    return [p for p in _wanted(request, where) if set(p.needs) <= where.features]


def left_out(request: Request) -> dict[str, str]:
    """Why a property asked for is not decided in a scenario asked for, by the property's name."""
    out = {}
    every = scenarios_of(request)
    for p in (p for n in request.properties for p in find_property(n)):
        reasons: dict[str, list[str]] = {}
        for where in every:
            lacking = ", ".join(sorted(set(p.needs) - where.features))
            if lacking:
                reasons.setdefault(f"it needs {lacking}, which {{}} lacks", []).append(where.name)
            elif p.kind == "reachable" and methods_of(request, where) == [SYMBOLIC]:
                proved = "it is a goal, and {} is proved, not searched"
                reasons.setdefault(proved, []).append(where.name)
        if reasons:
            said = (why.format(_which(names, every)) for why, names in reasons.items())
            out[p.name] = "; ".join(said)
    return out


def omissions(request: Request) -> list[str]:
    """What is left out and why, a line for each property."""
    return [f"{catalogue()[n].id} {n} is left out: {why}" for n, why in left_out(request).items()]


FEW = 4
"""How many scenarios are named one by one."""


def _which(names: Sequence[str], every: Sequence[Scenario]) -> str:
    if len(names) == len(every) > 1:
        return "each scenario asked for"
    many = f"each of {len(names)} of the {len(every)} scenarios"
    return many if len(names) > FEW else " or ".join(names)


def checked(request: Request) -> list[str]:
    """The notes to print before a run; UsageError if the request cannot be carried out."""
    found = patch_of(request)
    for name in found[0].breaks.get(found[1], ()) if found else ():
        if name not in catalogue():
            raise UsageError(f"{request.patch}, breaks: {unknown('property', name, catalogue())}")
    every = scenarios_of(request)
    if not any(properties_of(request, where) for where in every):
        said = "no property asked for applies in the scenario asked for"
        raise UsageError("; ".join([said, *omissions(request)]))
    for name in own_of(request).properties:
        p = catalogue()[name]
        where = next((w for w in every if p in properties_of(request, w)), None)
        if where is not None:
            p.implications(system_of(request, where))  # a mistake in it is told at once
    engines = dict.fromkeys(m for where in every for m in methods_of(request, where))
    refuse((name for name, value in request.flags.items() if value), list(engines))
    in_c(request)
    if request.resume:
        folder, names = Path(request.checkpoint), {where.name for where in every}
        kept = sorted(f.name for f in folder.iterdir()) if folder.is_dir() else []
        if not names & set(kept):
            what = f"it keeps {', '.join(kept)}" if kept else "--checkpoint begins one"
            raise UsageError(f"--resume: {folder} keeps no search that is asked for; {what}")
    slow = "" if list(engines) == [REFERENCE] else fallback(request)
    return [slow] if slow else []


@cache
def _system(name: str, flaw: str | None, drop: tuple[str, ...]) -> System:
    request = Request(scenario=name, flaw=flaw, drop=drop)
    found, where = patch_of(request), scenario(name)
    if not found:
        return where.system()
    sound = system_of(Request(), where)
    try:
        system = where.system(*found[0].roles(found[1], where.extensions))
        ends = {r.role.name for r in system.runs}
        if not ends & {*found[0].at(found[1])}:
            raise ModelError(f"it is of the {found[1]}, and {where.name} has no such run")
        before = {s.label for s in sound.raw_steps}
        if not system.changed(sound) and before == {s.label for s in system.raw_steps}:
            raise ModelError(f"it changes nothing that can be in {where.name}")
    except ModelError as e:
        kind = ModelError if flaw in flaws() and not drop else UsageError
        raise kind(f"{request.patch}: {e}") from e
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as e:
        if not of_file(flaw or "") or isinstance(e, UsageError):
            raise
        # A patch of a file of one's own may hold anything.
        raise UsageError(f"{request.patch} cannot be applied: {type(e).__name__}: {e}") from e
    return system


def system_of(request: Request, where: Scenario) -> System:
    """The scenario's system, flawed if asked for; cached, so forked tasks inherit it.

    UsageError for a mistake in a patch, ModelError in one of the catalogue.
    """
    return _system(where.name, request.flaw, request.drop)


def methods_of(request: Request, where: Scenario) -> list[str]:
    """The engines that decide a scenario."""
    if request.engine == "all":
        return [EXPLICIT, SYMBOLIC]
    if request.engine:
        return [request.engine]
    if request.patch and EXPLICIT in where.methods:
        return [EXPLICIT]
    return list(where.methods)


def tasks_of(request: Request, where: Scenario) -> list[Task]:
    """The searches and proofs of a scenario, in the order in which they run."""
    out: list[Task] = []
    props = properties_of(request, where)
    if not props:
        return out
    methods = methods_of(request, where)
    for m in methods:
        names = _proofs(request, where, props) if m == SYMBOLIC else ()
        if names or m != SYMBOLIC:
            out.append(Task(request, where.name, m, names))
    if request.patch and methods == [SYMBOLIC]:
        out.append(Task(request, where.name, ROWS))
    if any(p.temporal for p in props) and REFERENCE not in methods:
        out.append(Task(request, where.name, LIVENESS))
    return sorted(out, key=lambda t: ORDER.index(t.method))


def size(where: Scenario) -> int:
    """The pinned number of states of a scenario; of one that is only proved, `PROVED_ALONE`."""
    pinned: int = expectations().get("states", {}).get(where.name, PROVED_ALONE)
    return pinned


PROVED_ALONE = 5_000_000
"""A search of about so many states takes as long as the proofs of a scenario that is too large."""


def _proofs(request: Request, where: Scenario, props: Sequence[Property]) -> tuple[str, ...]:
    """The names of the properties to prove, small ones first: later proofs reuse their lemmas."""
    names = [p.name for p in props if p.kind == "invariant" and _to_prove(p, where, request)]
    if not names:
        return ()
    system = system_of(request, where)
    return tuple(sorted(names, key=lambda n: len(variables(catalogue()[n].holds(system)))))


def _to_prove(p: Property, where: Scenario, request: Request) -> bool:
    """Whether to try a proof: not of a declared violation that a search shows, unless asked for."""
    if request.engine in (SYMBOLIC, "all") or request.properties:
        return True
    return declared(p.name, where.name)[0] != VIOLATED or where.name not in searched()


def asked(task: Task, where: Scenario) -> list[Property]:
    """The properties of a task, in the task's order."""
    props = properties_of(task.request, where)
    if not task.properties:
        return props
    by_name = {p.name: p for p in props}
    return [by_name[n] for n in task.properties]
