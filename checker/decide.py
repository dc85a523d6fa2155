"""Deciding one task: by search, by proof, or on the graph of fired machines."""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checker.request import (
    Request,
    Task,
    asked,
    declared,
    patch_of,
    searched,
    system_of,
)
from checker.verdict import HOLDS_TO_DEPTH, PROVED, UNKNOWN, VACUOUS, VIOLATED, Result
from model.expr import FALSE, Expr, conj, disj, exists, neg
from model.flaws import find as find_flaw
from model.near import UsageError
from model.scenario import Scenario, scenario
from model.system import Compiled, System
from properties import Property, catalogue

if TYPE_CHECKING:
    from checker.engines.symbolic import Proof, Prover
    from checker.trace import Trace

PROOF_SECONDS = 30.0
CHECKPOINT_SECONDS = 10.0
FEW_QUERIES = 1_500
"""Questions to the solver in which most properties are proved."""
WITNESS_STATES = 30_000_000
"""For the search of the interesting cases where nothing else is searched."""
SHOW_SECONDS = 60.0
"""For the search that shows what a solver found."""


def run_task(
    task: Task,
    progress: Callable[[str], None] | None = None,
    note: Callable[[str], None] | None = None,
    threads: Callable[[], int] = lambda: 1,
    report: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Decide one task here and now. `threads` says how many cores a search may use now; `note` is
    told what is worth a line that stays; a proof is given to `report`, too, when it is done."""
    where = scenario(task.scenario)
    system = system_of(task.request, where)
    props = asked(task, where)
    began = time.monotonic()
    if task.method == "symbolic":
        results = []
        alone = task.request.engine == "symbolic" or where.name not in searched()
        for r in prove(system, props, task.request, progress, witness=alone):
            r.declared, r.reason = _declared(task.request, r, where)
            results.append(r)
            if report is not None:
                report(r)
        return results
    if task.method == "liveness":
        results = temporal(system, props)
    elif task.method == "reference":
        results = by_reference(system, [p for p in props if not p.temporal], task.request)
        results += temporal(system, props)
    else:
        results = search(
            system,
            [p for p in props if not p.temporal],
            task.request,
            progress,
            _patched(task.request, where, system),
            note,
            threads,
        )
    for r in results:
        r.declared, r.reason = _declared(task.request, r, where)
        r.seconds = r.seconds or time.monotonic() - began
    return results


def temporal(system: System, props: Sequence[Property]) -> list[Result]:
    """Decide those that speak of whole runs, on the graph of fired machines."""
    from checker.engines.liveness import decide_ends, decide_leads_to

    out: list[Result] = []
    for kind, decide in (("ends", decide_ends), ("leads_to", decide_leads_to)):
        asked = [p for p in props if p.kind == kind]
        out += decide(system, asked) if asked else []
    return out


def _declared(request: Request, r: Result, where: Scenario) -> tuple[str, str]:
    verdict, reason = declared(r.property, where.name)
    if request.flaw and not request.drop:
        flaw, end = find_flaw(request.flaw)
        if where.name == flaw.scenario and r.property in flaw.breaks.get(end, ()):
            return VIOLATED, r.reason or f"{flaw.name} at {end}"
        if where.name == flaw.scenario and r.property in flaw.idle.get(end, ()):
            return VACUOUS, "no handshake of a sound end with a flawed one completes"
    return verdict, r.reason or reason


def _patched(request: Request, where: Scenario, system: System) -> dict[str, Expr]:
    """For each patched row, when it takes a message that the sound role would not."""
    return changed_rows(where.system(), system) if patch_of(request) else {}


def changed_rows(sound: System, system: System) -> dict[str, Expr]:
    """For each row that differs from the sound system's, when it takes what that would not."""
    sound_steps = {s.label: s for s in sound.raw_steps}
    changed: dict[str, list[Expr]] = {}
    for s in system.changed(sound):
        if s.rule.rejects:
            continue
        new, parameters = s.full, dict(s.parameters)
        before = sound_steps.get(s.label)
        # A row that checks less must take what the sound one refuses. Where a message covers
        # less at both ends, no message of one system exists in the other: taking one is enough.
        if before is not None and before.covered == s.covered:
            if before.full is s.full:
                continue
            new = conj(s.full, neg(before.full))
            parameters.update(before.parameters)
        for n, d in parameters.items():
            new = exists(n, d.values, d, new)
        changed.setdefault(s.rule.name, []).append(new)
    return {name: disj(*exprs) for name, exprs in changed.items()}


def search(
    system: System,
    props: Sequence[Property],
    request: Request,
    progress: Callable[[str], None] | None = None,
    patched: Mapping[str, Expr] | None = None,
    note: Callable[[str], None] | None = None,
    threads: Callable[[], int] = lambda: 1,
    shown: bool = False,
) -> list[Result]:
    """Decide by breadth-first search; violations are replayed. `shown`: one is looked for."""
    from checker.engines.explicit import Question

    bad = {p.name: Question(p.name, _bad(p, system)) for p in props}
    seen = {p.name: Question(p.name, p.witness(system)) for p in props}
    fired = {n: Question(n, e) for n, e in (patched or {}).items()}
    questions = [*bad.values(), *seen.values(), *fired.values()]
    began = time.monotonic()
    compiled = system.compile(*(q.expr for q in questions))
    engine, more = _engine(compiled, request, props, bool(patched), note, threads)

    def tell(found: Any, frontier: int) -> None:
        if progress is not None:
            rate = found.states / max(time.monotonic() - began, 1e-3)
            progress(
                f"{system.name}: {found.states:,} distinct states, frontier {frontier:,}, "
                f"depth {found.depth}, {rate:,.0f} states/s"
            )

    awaited = [q for n, q in bad.items() if shown or declared(n, system.name)[0] != VIOLATED]
    found = engine.search(
        questions,
        states=request.states,
        seconds=request.seconds,
        memory=request.memory,
        stop=(lambda: any(q.state is not None for q in awaited))
        if request.first or shown
        else None,
        progress=tell,
        **more,
    )
    if request.first and not found.complete and any(q.state is not None for q in awaited):
        found.reason = "the search stopped at the first violation"
    out = []
    for p in props:
        r = Result(
            p.name,
            p.id,
            system.name,
            UNKNOWN,
            method="search",
            states=found.states,
            depth=found.depth,
        )
        row = bad[p.name].state
        r.witness = seen[p.name].state is not None
        if p.kind == "reachable":
            row = None
            if r.witness:
                r.verdict = PROVED
            elif found.complete:
                r.verdict = VIOLATED
                r.reason = "no reachable state is the goal"
            else:
                r.reason = found.reason
        elif row is not None:
            r.verdict = VIOLATED
        elif not r.witness:
            r.verdict = VACUOUS if found.complete else UNKNOWN
            r.reason = "its interesting case is never reached" if found.complete else found.reason
        else:
            r.verdict = PROVED if found.complete else UNKNOWN
            r.reason = found.reason
        if row is not None:
            r.trace = _replayed(system, engine, row, bad[p.name].expr, p.name)
            r.depth = len(r.trace)
        out.append(r)
    idle = [n for n, q in fired.items() if q.state is None]
    if fired and len(idle) == len(fired) and found.complete:
        for r in out:
            r.error = True
            r.reason = f"no patched row ever fires: {', '.join(idle)}"
    return out


def _replayed(system: System, engine: Any, row: int, goal: Expr, name: str = "") -> Trace:
    """The way to the state numbered `row`, where `goal` holds, on the machines."""
    from checker.trace import replay

    describe = engine.compiled.describe
    path = [(s.label if s else None, describe(v)) for s, v in engine.path(row)]
    return replay(system, path, goal, name)


def _folder(request: Request) -> str:
    """Where the states lie from the start; empty if not on a disk."""
    return "" if request.spill == "none" else request.spill


def in_c(request: Request) -> bool:
    """Whether a search runs in C; UsageError if what is asked for cannot be had."""
    from checker.engines.native_source import available

    why = available()
    if request.cluster:
        from checker.engines import cluster

        if request.backend or request.checkpoint or _folder(request):
            raise UsageError("--cluster goes with none of --backend, --checkpoint, --spill")
        if cluster.available():
            raise UsageError(f"--cluster: {cluster.available()}")
        return False
    if request.backend == "c" and why:
        raise UsageError(f"--backend c: {why}")
    if request.backend != "numpy" and not why:
        return True
    if request.checkpoint or _folder(request):
        raise UsageError(
            f"--checkpoint, --resume and --spill need the search in C: "
            f"{why or 'leave out --backend numpy'}"
        )
    return False


def rebuilt(
    where: str,
    flaw: str | None,
    drop: str | None,
    names: tuple[str, ...],
    patched: bool,
) -> tuple[Compiled, list[Expr]]:
    """The system of a search and its questions in order, on a machine that has the names only."""
    request = Request(scenario=where, flaw=flaw, drop=drop)
    system = system_of(request, scenario(where))
    props = [catalogue()[n] for n in names]
    exprs = [*(_bad(p, system) for p in props), *(p.witness(system) for p in props)]
    if patched:
        exprs += _patched(request, scenario(where), system).values()
    return system.compile(*exprs), exprs


def _engine(
    compiled: Compiled,
    request: Request,
    props: Sequence[Property],
    patched: bool,
    note: Callable[[str], None] | None,
    threads: Callable[[], int],
) -> tuple[Any, dict[str, Any]]:
    """The back end of a search, and what only the one in C takes."""
    if request.cluster:
        from checker.engines.cluster import Cluster, Recipe

        names = tuple(p.name for p in props)
        arguments = (compiled.system.name, request.flaw, request.drop, names, patched)
        recipe = Recipe("checker.decide", "rebuilt", arguments)
        # What the cluster holds for it goes with the process that runs the task.
        return Cluster(compiled, recipe, request.cluster), {}
    if not in_c(request):
        from checker.engines.explicit import Explicit

        return Explicit(compiled), {}
    from checker.engines.native import Native

    more: dict[str, Any] = {"threads": threads, "overflow": not request.spill}
    if note is not None:
        more["note"] = lambda line: note(f"{compiled.system.name}: {line}")
    for name, folder in (("checkpoint", request.checkpoint), ("spill", _folder(request))):
        if folder:
            more[name] = Path(folder) / compiled.system.name
            more[name].mkdir(parents=True, exist_ok=True)
    if request.checkpoint:
        more.update(resume=request.resume, every=CHECKPOINT_SECONDS)
    return Native(compiled), more


def _bad(p: Property, system: System) -> Expr:
    """When the property is broken; a goal is broken by no single state."""
    return neg(p.holds(system)) if p.kind == "invariant" else FALSE


def by_reference(system: System, props: Sequence[Property], request: Request) -> list[Result]:
    """Decide on the graph of fired `transitions`, by networkx: nodes, shortest paths."""
    import networkx as nx

    from checker.engines.reference import Reference
    from checker.trace import replay

    exprs = {p.name: (_bad(p, system), p.witness(system)) for p in props}
    asked = [e for pair in exprs.values() for e in pair]
    compiled = system.compile(*asked)
    reference = Reference(compiled)
    graph = reference.explore(request.states)
    complete = graph.graph["complete"]
    starts = [s for s, d in graph.nodes(data=True) if d["initial"]]
    out = []
    for p in props:
        bad, witness = (reference.predicate(e) for e in exprs[p.name])
        r = Result(
            p.name,
            p.id,
            system.name,
            UNKNOWN,
            method="reference",
            states=len(graph),
            depth=max(d for _, d in graph.nodes(data="depth")),
        )
        r.witness = any(map(witness, graph))
        wrong = [s for s in graph if bad(s)] if p.kind == "invariant" else []
        if wrong:
            target = min(wrong, key=lambda s: graph.nodes[s]["depth"])
            # The shortest of the shortest paths from an initial state.
            lengths = nx.single_source_shortest_path_length(graph.reverse(copy=False), target)
            start = min((s for s in starts if s in lengths), key=lengths.__getitem__)
            nodes = nx.shortest_path(graph, start, target)
            path: list[Any] = [(None, compiled.describe(start))]
            for a, b in itertools.pairwise(nodes):
                path.append((min(graph[a][b]), compiled.describe(b)))
            r.verdict = VIOLATED
            r.trace = replay(system, path, exprs[p.name][0], p.name)
            r.depth = len(r.trace)
        elif not r.witness:
            if p.kind == "reachable":
                r.verdict = VIOLATED if complete else UNKNOWN
            else:
                r.verdict = VACUOUS if complete else UNKNOWN
        else:
            r.verdict = PROVED if complete or p.kind == "reachable" else UNKNOWN
        if not complete and r.verdict == UNKNOWN:
            r.reason = f"the budget of {request.states} states ended before the search"
        out.append(r)
    return out


def prove(
    system: System,
    props: Sequence[Property],
    request: Request,
    progress: Callable[[str], None] | None = None,
    *,
    witness: bool = True,
) -> Iterator[Result]:
    """Prove invariants one after another; bounded search for what cannot be proved.

    With `witness`, the interesting case of each is looked for, too: a proof alone would not notice
    that it is never reached. Else that is left to the search of the scenario. An error in one of
    them is its result, and the next ones are proved all the same.
    """
    from checker.engines.symbolic import Prover

    asked = [p for p in props if p.kind == "invariant"]
    formulas = {p.name: p.holds(system) for p in asked}
    prover: Prover | None = None
    seen: set[str] | None = None if witness else set()
    proved = 0
    waiting = asked
    for queries in (FEW_QUERIES, 0):
        # What takes long waits for the lemmas of the others.
        todo, waiting = waiting, []
        for p in todo:
            if progress is not None:
                progress(f"{system.name}: proving {p.id}, {proved} of {len(asked)} proved")
            began = time.monotonic()
            try:
                if seen is None:
                    seen = witnesses(system, asked, request)
                prover = prover or Prover(system, list(formulas.values()))
                r = _prove(system, p, formulas[p.name], request, prover, queries)
                if r is None:
                    waiting.append(p)
                    continue
                r.witness = p.name in seen
                if r.verdict == PROVED and witness and not r.witness:
                    _unseen(r, prover, neg(p.witness(system)), request)
            except Exception as e:  # of a solver or a certificate: it is told, exit status 4
                prover = None
                r = Result(
                    p.name,
                    p.id,
                    system.name,
                    UNKNOWN,
                    method="proof",
                    error=True,
                    reason=f"{type(e).__name__}: {e}",
                )
            r.seconds = time.monotonic() - began
            proved += r.certificate is not None
            yield r


def witnesses(system: System, props: Sequence[Property], request: Request) -> set[str]:
    """The properties whose interesting case is on a path that was replayed.

    Searched within `WITNESS_STATES`: first where one client and one server run alone, which is a
    part of every larger system, then all runs. One path may be for many.
    """
    from checker.engines.explicit import Question
    from checker.engines.reference import Reference

    out: set[str] = set()
    first = {r.role.name: r.name for r in reversed(system.runs)}.values()
    for runs in [list(first), [r.name for r in system.runs]][len(first) == len(system.runs) :]:
        asked = [Question(p.name, p.witness(system)) for p in props if p.name not in out]
        if not asked:
            break
        compiled = copy.copy(system.compile(*(q.expr for q in asked)))
        compiled.steps = tuple(s for s in compiled.steps if s.run in runs)
        plain = Request(backend=request.backend)
        engine, more = _engine(compiled, plain, props, False, None, lambda: 1)
        engine.search(
            asked,
            states=WITNESS_STATES,
            memory=request.memory,
            stop=lambda asked=asked: all(q.state is not None for q in asked),
            **more,
        )
        predicate = Reference(compiled).predicate
        cases = {q.name: predicate(q.expr) for q in asked}
        for q in sorted(asked, key=lambda q: -1 if q.state is None else q.state, reverse=True):
            if q.state is not None and q.name not in out:
                _replayed(system, engine, q.state, q.expr)
                states = [s for _, s in engine.path(q.state)]
                out.update(n for n, case in cases.items() if any(map(case, states)))
    return out


def _unseen(r: Result, prover: Prover, never: Expr, request: Request) -> None:
    """A property is proved, but no state of its interesting case was seen."""
    from checker.engines.symbolic import Proof

    r.verdict, r.reason = UNKNOWN, "witness not found"
    found = prover.prove(never, request.seconds or PROOF_SECONDS)
    if isinstance(found, Proof):
        r.verdict, r.certificate = VACUOUS, None
        r.reason = "its interesting case is never reached"
        r.method = _method(found, r.configurations or 1)


def _prove(
    system: System, p: Property, holds: Expr, request: Request, prover: Prover, queries: int
) -> Result | None:
    """The result of one proof; with `queries`, None if so many did not decide."""
    from checker.engines.symbolic import Proof, Symbolic

    seconds = request.seconds or PROOF_SECONDS
    found = prover.tried(holds, seconds, queries) if queries else prover.prove(holds, seconds)
    if found is None:
        return None
    r = Result(p.name, p.id, system.name, UNKNOWN, method="proof")
    if isinstance(found, Proof):
        if request.certificates:
            from checker.certificate import Subject, keep

            about = Subject(system.name, p.name, request.flaw or "", request.drop or "")
            keep(request.certificates, system, holds, found.invariant, about)
        r.verdict, r.certificate = PROVED, found.invariant
        r.configurations = configurations(system)
        r.method = _method(found, r.configurations)
        return r
    violated = found.violated
    if not violated:
        depth = Symbolic(system.compile(holds)).bounded(holds, 40, seconds / 3)
        r.reason, r.method = found.reason, "bounded"
        violated = depth == -1
        if depth is not None and not violated:
            r.verdict, r.depth = HOLDS_TO_DEPTH, depth
    return _shown(system, p, request) if violated else r


def _method(proof: Proof, configurations: int) -> str:
    def counted(n: int, what: str) -> str:
        return f"{n:,} {what}{'' if n == 1 else 's'}"

    size = counted(proof.clauses, "clause")
    return f"proof ({proof.method}, {size}, {counted(configurations, 'configuration')})"


def configurations(system: System) -> int:
    """How many combinations of its switches a system starts with. A proof is of all at once."""
    return math.prod(len(set(v.initial)) for v in system.variables.values())


def _shown(system: System, p: Property, request: Request) -> Result:
    """The solver found a violation: it counts only with a trace that replays, by search."""
    short = replace(request, seconds=request.seconds or SHOW_SECONDS)
    (r,) = search(system, [p], short, shown=True)
    if r.verdict == PROVED:
        r.error, r.verdict = True, UNKNOWN
        r.reason = "engines disagree: the solver found a violation, the whole search did not"
    elif r.verdict == VIOLATED:
        r.states = None  # part of a state space says nothing
    else:
        r.reason = f"the solver found a violation; no trace yet: {r.reason}"
    return r
