"""What is asked and what is declared: scenarios, properties, and the tasks that decide them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from checker.verdict import PROVED, VIOLATED
from model.expr import variables
from model.flaws import Flaw, dropped
from model.flaws import find as find_flaw
from model.scenario import SCENARIOS, Scenario, scenario
from model.system import System
from properties import Property, catalogue
from properties import find as find_property


@dataclass(frozen=True)
class Request:
    """What to verify. Names only, so that it can be sent to another process.

    `seconds` bounds each search and each proof, `memory` (bytes) and `states` each search. With
    `first`, a search stops at its first violation that is not declared for the sound model.
    `backend` is "c", "numpy" or "": C where a compiler is. `checkpoint` and `spill` are folders:
    each search keeps itself in the first, and goes on from there with `resume`; its states lie in
    files of the second. Without `spill` they go to the temporary folder when memory is short; never
    if it is "none". `cluster` is the address of a Dask scheduler that searches instead.
    `certificates` is a folder: each proof is written there as a file. With `every`, the scenarios
    that are not default ones take part.
    """

    properties: tuple[str, ...] = ()
    scenario: str | None = None
    engine: str | None = None
    flaw: str | None = None
    drop: str | None = None
    seconds: float | None = None
    memory: int | None = None
    states: int | None = None
    first: bool = False
    backend: str = ""
    checkpoint: str = ""
    resume: bool = False
    spill: str = ""
    cluster: str = ""
    certificates: str = ""
    every: bool = False


@dataclass(frozen=True)
class Task:
    """One search, or the proofs in a scenario: of the named properties, or of all."""

    request: Request
    scenario: str
    method: str
    properties: tuple[str, ...] = ()


@cache
def expectations() -> Mapping[str, Any]:
    """`properties/expected.toml`."""
    import properties

    path = Path(properties.__file__).with_name("expected.toml")
    with path.open("rb") as f:
        return tomllib.load(f)


def declared(prop: str, where: str) -> tuple[str, str]:
    """The declared verdict of a property in a scenario, and its reason; PROVED if undeclared."""
    rows = expectations().get("verdicts", {}).get(prop, {})
    row = rows.get(where) or rows.get("*") or {}
    return row.get("verdict", PROVED), row.get("reason", "")


@cache
def searched() -> frozenset[str]:
    """The scenarios that are searched."""
    return frozenset(s.name for s in SCENARIOS if "explicit" in s.methods)


def patch_of(request: Request) -> tuple[Flaw, str] | None:
    """The flaw and the flawed ends of a request; UsageError or ModelError if it has none such."""
    if request.drop:
        flaw = dropped(request.drop)
        return flaw, flaw.ends[0]
    return find_flaw(request.flaw) if request.flaw else None


def scenarios_of(request: Request) -> list[Scenario]:
    """The scenarios asked for: the named one, the flaw's own, all default ones, or all."""
    if request.scenario:
        return [scenario(request.scenario)]
    if request.flaw:
        return [scenario(find_flaw(request.flaw)[0].scenario)]
    default = [s for s in SCENARIOS if s.default or request.every]
    if request.drop:
        # Where the row can fire at all, and the search decides.
        row = request.drop.partition(":")[0]
        return [
            s
            for s in default
            if "explicit" in s.methods
            and any(step.rule.name == row for step, _ in system_of(request, s).values.fireable)
        ]
    return default


def properties_of(request: Request, where: Scenario) -> list[Property]:
    """The properties asked for that apply in the scenario."""
    if request.properties:
        wanted = [p for n in request.properties for p in find_property(n)]
    else:
        wanted = [p for p in catalogue().values() if not where.about or p.id in where.about]
    return [p for p in wanted if set(p.needs) <= where.features]


@cache
def _system(where: str, flaw: str | None, drop: str | None) -> System:
    found = patch_of(Request(flaw=flaw, drop=drop))
    sound = scenario(where)
    return sound.system(*found[0].roles(found[1], sound.extensions)) if found else sound.system()


def system_of(request: Request, where: Scenario) -> System:
    """The scenario's system, flawed if asked for; built once, and inherited by forked tasks."""
    return _system(where.name, request.flaw, request.drop)


def tasks_of(request: Request) -> list[Task]:
    """Every search and proof, the long ones first."""
    out: list[Task] = []
    flawed = bool(request.flaw or request.drop)
    for where in scenarios_of(request):
        props = properties_of(request, where)
        if not props:
            continue
        methods = (
            [request.engine]
            if request.engine
            else [m for m in where.methods if m in ("explicit", "symbolic")]
        )
        if request.engine == "all":
            methods = ["explicit", "symbolic"]
        if flawed and not request.engine:
            methods = ["explicit"]
        for m in methods:
            if m == "symbolic":
                # The small ones first: what they need, the others need, too.
                system = system_of(request, where)
                names = tuple(
                    sorted(
                        (
                            p.name
                            for p in props
                            if p.kind == "invariant" and _to_prove(p, where, request)
                        ),
                        key=lambda n: len(variables(catalogue()[n].holds(system))),
                    )
                )
                out += [Task(request, where.name, m, names)] if names else []
            else:
                out.append(Task(request, where.name, m))
        if any(p.temporal for p in props) and "reference" not in methods:
            out.append(Task(request, where.name, "liveness"))
    order = {"explicit": 0, "reference": 0, "liveness": 1, "symbolic": 2}

    def rank(t: Task) -> tuple[int, int]:
        # Of proofs those of many runs take long, and should not be what is left at the end.
        where = scenario(t.scenario)
        return order.get(t.method, 3), -(where.clients + where.servers) if t.properties else 0

    return sorted(out, key=rank)


def _to_prove(p: Property, where: Scenario, request: Request) -> bool:
    """Where a search shows what is declared violated, a proof is tried only on request."""
    if request.engine in ("symbolic", "all") or request.properties:
        return True
    return declared(p.name, where.name)[0] != VIOLATED or where.name not in searched()


def asked(task: Task, where: Scenario) -> list[Property]:
    """The properties of a task, in its order."""
    props = properties_of(task.request, where)
    if not task.properties:
        return props
    by_name = {p.name: p for p in props}
    return [by_name[n] for n in task.properties]
