"""Deciding by search: each property becomes questions to an engine, and its answers a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from checker.engines.choice import REFERENCE, searcher
from checker.engines.interface import (
    STOPPED,
    UNWATCHED,
    Described,
    Engine,
    Final,
    Finding,
    Follows,
    Question,
    Search,
    Watch,
    described,
)
from checker.kept import KEEP, Kept, identity_of
from checker.patched import changed_rows
from checker.request import Request, declared, system_of
from checker.verdict import VIOLATED, Result, judge
from model.expr import FALSE, Expr, conj, neg
from model.scenario import Scenario
from model.system import Compiled, System
from properties import Case, Property


def search(
    system: System,
    props: Sequence[Property],
    request: Request,
    watch: Watch = UNWATCHED,
    patched: Mapping[str, Expr] | None = None,
    *,
    whole: bool = False,
    until: str = "",
    kept: Kept | None = None,
) -> list[Result]:
    """The results of invariants and goals, by breadth-first search; violations are replayed.

    `patched` has, for each patched row, the condition that it fires (see `checker.patched`): the
    results say of each whether that ever holds. Without `whole`, the search stops once every
    property, or the one named `until`, has its answer. A whole search is taken from `kept`, if it
    is there, and put there, if it is large.
    """
    bad = {p.name: Question(p.name, p.bad(system)) for p in props}
    seen = _witnesses(props, system)
    fired = [Question(n, e) for n, e in (patched or {}).items()]
    questions = [*bad.values(), *_every(seen), *fired]
    compiled = system.compile(*(q.expr for q in questions))
    engine = _engine(compiled, request)
    answers = [
        q
        for p in props
        if until in ("", p.name)
        for q in (seen[p.name].values() if p.kind == "reachable" else [bad[p.name]])
    ]
    awaited = [q for n, q in bad.items() if declared(n, system.name)[0] != VIOLATED]

    def first() -> bool:
        return request.first and any(q.state is not None for q in awaited)

    def answered() -> bool:
        fires = not fired or any(q.state is not None for q in fired)
        return not whole and fires and all(q.state is not None for q in answers)

    path = _path(engine)
    method = "reference" if request.engine == REFERENCE else "search"
    identity = identity_of(compiled, questions) if kept and whole else ""
    known = kept.search(system, identity, questions) if kept and whole else None
    if known is not None:
        found, paths = known
        method, path = f"{method} kept", lambda q: paths[q.state or 0]
    else:
        found = engine.search(
            questions, request.budget, _told(system, watch, lambda _: first() or answered())
        )
        if kept is not None and whole and found.complete and found.states >= KEEP:
            kept.keep_search(identity, found, questions, path)
    stopped = found.reason == STOPPED
    if not found.complete and first():
        found.reason = "the search stopped at the first violation"
    out = []
    for p in props:
        finding = _finding(method, found, path, [bad[p.name]], seen[p.name])
        out.append(judge(p, replace(finding, stopped=stopped), system))
    rows: dict[str, bool | None] = {}
    for q in fired:
        never = found.complete or compiled.narrow(q.expr) is FALSE
        rows[q.name] = True if q.state is not None else False if never else None
    for r in out:
        r.rows = rows
    return out


def temporal(
    system: System, props: Sequence[Property], *, fired: bool = False, kept: Kept | None = None
) -> list[Result]:
    """The results of properties of whole runs ("ends", "leads_to"), on one graph for all.

    The explicit engine explores it; with `fired`, the reference engine. Where all of them hold,
    the decision on a large graph is taken from `kept`, if it is there, and put there.
    """
    from checker.engines.liveness import Liveness

    asked = [p for p in props if p.temporal]
    if not asked:
        return []
    bad = {p.name: _broken(p, system) for p in asked}
    seen = _witnesses(asked, system)
    broken, cases = [q for qs in bad.values() for q in qs], _every(seen)
    questions = [*broken, *cases]
    compiled = system.compile(*(e for q in questions for e in q.exprs))
    engine = Liveness(compiled, fired=fired)
    path = _path(engine)
    method = "reference" if fired else "search"
    identity = identity_of(compiled, questions) if kept else ""
    known = kept.search(system, identity, cases, RUNS) if kept else None
    if known is not None:
        found, paths = known
        method, path = f"{method} kept", lambda q: paths[q.state or 0]
    else:
        found = engine.search(questions)
        holds = found.complete and all(q.state is None for q in broken)
        if kept is not None and holds and found.states >= KEEP:
            kept.keep_search(identity, found, cases, path, RUNS)
    out = []
    for p in asked:
        said = f"{method}, {p.fairness} fairness" if p.fairness else method
        out.append(judge(p, _finding(said, found, path, bad[p.name], seen[p.name]), system))
    return out


RUNS = "runs"
"""The kind of what is kept of whole runs."""


def _broken(p: Property, system: System) -> Sequence[Question]:
    """The questions about a property of whole runs; an answer to any of them is a violation."""
    if p.kind == "ends":
        return [Final(p.name, p.bad(system))]
    return [
        Follows(p.name, conj(i.given, neg(i.holds)), holds=i.holds, fairness=p.fairness)
        for i in p.implications(system)
    ]


def _witnesses(props: Sequence[Property], system: System) -> dict[str, dict[Case, Question]]:
    """The question for a witness of each case of each property, by name."""
    return {p.name: {c: Question(str(c), e) for c, e in p.cases(system).items()} for p in props}


def _every(seen: Mapping[str, Mapping[Case, Question]]) -> list[Question]:
    return [q for cases in seen.values() for q in cases.values()]


def _finding(
    method: str,
    found: Search,
    path: Callable[[Question], Described],
    bad: Sequence[Question],
    seen: Mapping[Case, Question],
) -> Finding:
    """The finding on one property: the path to the first of the states `bad` that was reached."""
    never = False if found.complete else None
    reached = {case: True if q.state is not None else never for case, q in seen.items()}
    out = Finding(
        method,
        found.complete,
        found.reason,
        cases=reached,
        states=found.states,
        depth=found.depth,
    )
    for q in bad:
        if q.state is not None:
            out.bad = path(q)
            out.loop = q.loop if isinstance(q, Follows) else None
            break
    return out


def _path(engine: Engine) -> Callable[[Question], Described]:
    """The path of an engine to the answer of a question."""

    def path(q: Question) -> Described:
        assert q.state is not None
        return described(engine.compiled, engine.path(q.state))

    return path


def _told(system: System, watch: Watch, stop: Callable[[Search], bool]) -> Watch:
    """The watch with `stop`; progress and notes become lines that name the system."""
    began = time.monotonic()

    def tell(found: Search, frontier: int) -> None:
        rate = found.states / max(time.monotonic() - began, 1e-3)
        watch.line(
            f"{system.name}: {found.states:,} distinct states, frontier {frontier:,}, "
            f"depth {found.depth}, {rate:,.0f} states/s"
        )

    return replace(
        watch, progress=tell, note=lambda text: watch.note(f"{system.name}: {text}"), stop=stop
    )


def _engine(compiled: Compiled, request: Request) -> Engine:
    """The engine that the request asks for."""
    if request.engine == REFERENCE:
        from checker.engines.reference import Reference

        return Reference(compiled)
    return searcher(compiled, request)


def patched_rows(request: Request, where: Scenario, system: System) -> dict[str, Expr]:
    """The condition that a patched row fires, by row name."""
    return changed_rows(system_of(Request(), where), system) if request.patch else {}
