"""Deciding one task: by search, by proof, or on the reference engine's graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from checker.by_proof import prove
from checker.by_search import patched_rows, search, temporal
from checker.engines.choice import LIVENESS, REFERENCE, SYMBOLIC
from checker.engines.interface import UNWATCHED, Watch
from checker.request import Request, Task, asked, declared, searched, system_of
from checker.verdict import VACUOUS, VIOLATED, Result
from model.flaws import find as find_flaw
from model.scenario import Scenario, scenario


def run_task(
    task: Task,
    watch: Watch = UNWATCHED,
    report: Callable[[Result], None] | None = None,
) -> list[Result]:
    """The results of one task, decided in this process; each proof goes to `report` at once."""
    request, where = task.request, scenario(task.scenario)
    system = system_of(request, where)
    props = asked(task, where)
    began = time.monotonic()
    if task.method == SYMBOLIC:
        results = []
        alone = request.engine == SYMBOLIC or where.name not in searched()
        for r in prove(system, props, request, watch, witness=alone):
            r.declared, r.reason = _declared(request, r, where)
            results.append(r)
            if report is not None:
                report(r)
        return results
    results = []
    if task.method != LIVENESS:
        # A scenario's number of states is pinned: without a narrower question, search all of it.
        whole = not (request.properties or request.flaw or request.drop)
        patched = patched_rows(request, where, system) if task.method != REFERENCE else {}
        single = [p for p in props if not p.temporal]
        by = replace(request, engine=task.method)
        results += search(system, single, by, watch, patched, whole=whole)
    if task.method in (LIVENESS, REFERENCE):
        results += temporal(system, props)
    for r in results:
        r.declared, r.reason = _declared(request, r, where)
        r.seconds = r.seconds or time.monotonic() - began
    return results


def _declared(request: Request, r: Result, where: Scenario) -> tuple[str, str]:
    verdict, reason = declared(r.property, where.name)
    if request.flaw and not request.drop:
        flaw, end = find_flaw(request.flaw)
        if where.name == flaw.scenario and r.property in flaw.breaks.get(end, ()):
            return VIOLATED, r.reason or f"{flaw.name} at {end}"
        if where.name == flaw.scenario and r.property in flaw.idle.get(end, ()):
            return VACUOUS, "no handshake of a sound end with a flawed one completes"
    return verdict, r.reason or reason
