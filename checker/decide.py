"""Deciding one task: by search, by proof, or on the reference engine's graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from checker.by_proof import prove
from checker.by_search import patched_rows, search, temporal
from checker.engines.choice import LIVENESS, REFERENCE, ROWS, SYMBOLIC
from checker.engines.interface import UNWATCHED, Watch
from checker.grounded import ready
from checker.kept import Kept
from checker.patched import by_solver
from checker.request import Task, asked, declared, patch_of, searched, system_of
from checker.verdict import UNKNOWN, VACUOUS, VIOLATED, Result
from model.flaws import Flaw
from model.scenario import Scenario, scenario

PATCHED_STATES = 40_000_000
"""The limit of the search of a patched system."""


def run_task(
    task: Task,
    watch: Watch = UNWATCHED,
    report: Callable[[Result], None] | None = None,
) -> list[Result]:
    """The results of one task, decided in this process; each proof goes to `report` at once."""
    request = task.request
    found = patch_of(request)  # which may bring its scenario
    where = scenario(task.scenario)
    system = system_of(request, where)
    if task.method == ROWS:
        rows = patched_rows(request, where, system)
        fires = by_solver(system, rows, request.seconds)
        return [Result("", "", where.name, UNKNOWN, rows=fires)]
    props = asked(task, where)
    # Of a changed or bounded question nothing is kept.
    known = (
        Kept(where.name, watch.note)
        if request.kept and not request.patch and not request.bounded
        else None
    )
    began = time.monotonic()
    ready(system, known)
    if task.method == SYMBOLIC:
        results = []
        alone = request.engine == SYMBOLIC or where.name not in searched()
        for r in prove(system, props, request, watch, witness=alone, kept=known):
            r.declared, r.reason = _declared(found, r, where)
            results.append(r)
            if report is not None:
                report(r)
        return results
    results = []
    if task.method == REFERENCE:
        known = None  # what another engine found is no answer of the reference
    if task.method != LIVENESS:
        # A scenario's number of states is pinned: without a narrower question, search all of it.
        whole = not (request.properties or request.patch)
        patched = patched_rows(request, where, system)
        single = [p for p in props if not p.temporal]
        by = replace(request, engine=task.method)
        if request.patch and request.bounded is None:
            by = replace(by, states=PATCHED_STATES)  # what is larger is proved
        results += search(system, single, by, watch, patched, whole=whole, kept=known)
    if task.method in (LIVENESS, REFERENCE):
        results += temporal(system, props, fired=task.method == REFERENCE, kept=known)
    for r in results:
        r.declared, r.reason = _declared(found, r, where)
        r.seconds = r.seconds or time.monotonic() - began
    return results


def _declared(found: tuple[Flaw, str] | None, r: Result, where: Scenario) -> tuple[str, str]:
    verdict, reason = declared(r.property, where.name)
    if found is not None and where.name == found[0].where:
        flaw, end = found
        if r.property in flaw.breaks.get(end, ()):
            return VIOLATED, r.reason or f"{flaw.name} at {end}"
        if r.property in flaw.idle.get(end, ()):
            return VACUOUS, "no handshake of a sound end with a flawed one completes"
    return verdict, r.reason or reason
