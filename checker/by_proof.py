"""Deciding by proof: invariants are proved one by one; what resists is searched to a bound."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from checker.by_search import search
from checker.engines.choice import Options, searcher
from checker.engines.interface import (
    UNWATCHED,
    Budget,
    Finding,
    Question,
    Watch,
    described,
)
from checker.request import Request
from checker.verdict import PROVED, UNKNOWN, VIOLATED, Result, judge
from model.expr import neg
from model.system import System
from properties import Property

if TYPE_CHECKING:
    from checker.engines.symbolic import Proof, Prover

PROOF_SECONDS = 30.0
FEW_QUERIES = 1_500
"""Questions to the solver that suffice for most properties."""
WITNESS_STATES = 30_000_000
"""The limit of the search for interesting cases in a scenario that is not searched otherwise."""
SHOW_SECONDS = 60.0
"""The limit of the search for a trace of a violation that a solver found."""


def prove(
    system: System,
    props: Sequence[Property],
    request: Request,
    watch: Watch = UNWATCHED,
    *,
    witness: bool = True,
) -> Iterator[Result]:
    """The results of invariants, proved one by one; an error is the result of that invariant only.

    With `witness`, a search looks for the interesting case of each invariant, since a proof does
    not show that the case is ever reached. Without, the search of the scenario does.
    """
    from checker.engines.symbolic import Prover

    asked = [p for p in props if p.kind == "invariant"]
    formulas = {p.name: p.holds(system) for p in asked}
    prover: Prover | None = None
    seen: set[str] | None = None
    proved = 0
    waiting = asked
    for queries in (FEW_QUERIES, 0):
        # A property that takes long waits for the lemmas of the others.
        todo, waiting = waiting, []
        for p in todo:
            watch.line(f"{system.name}: proving {p.id}, {proved} of {len(asked)} proved")
            began = time.monotonic()
            try:
                if witness and seen is None:
                    seen = witnesses(system, asked, request)
                prover = prover or Prover(system, list(formulas.values()))
                case = None if seen is None else p.name in seen
                r = prove_one(system, p, request, prover, queries, case)
                if r is None:
                    waiting.append(p)
                    continue
            except Exception as e:  # of a solver or a certificate: reported, exit status 4
                prover = None
                why = f"{type(e).__name__}: {e}"
                r = judge(p, Finding("proof", False, why), system)
                r.error = True
            r.seconds = time.monotonic() - began
            proved += r.certificate is not None
            yield r


def witnesses(system: System, props: Sequence[Property], request: Request) -> set[str]:
    """The names of the properties whose interesting case lies on a replayed path.

    The first search, of at most `WITNESS_STATES` states, lets one client and one server run alone,
    which is a part of every larger system; the second lets all runs. One path may serve several
    properties.
    """
    from checker.engines.reference import Reference
    from checker.trace import replay

    out: set[str] = set()
    first = {r.role.name: r.name for r in reversed(system.runs)}.values()
    for runs in [list(first), [r.name for r in system.runs]][len(first) == len(system.runs) :]:
        asked = [Question(p.name, p.witness(system)) for p in props if p.name not in out]
        if not asked:
            break
        compiled = copy.copy(system.compile(*(q.expr for q in asked)))
        compiled.steps = tuple(s for s in compiled.steps if s.run in runs)
        engine = searcher(compiled, Options(backend=request.backend))
        engine.search(
            asked,
            Budget(states=WITNESS_STATES, memory=request.memory),
            Watch(stop=partial(_answered, asked)),
        )
        predicate = Reference(compiled).predicate
        cases = {q.name: predicate(q.expr) for q in asked}
        for q in sorted(asked, key=lambda q: -1 if q.state is None else q.state, reverse=True):
            if q.state is not None and q.name not in out:
                path = engine.path(q.state)
                replay(system, described(compiled, path), q.expr)
                out.update(n for n, case in cases.items() if any(case(s) for _, s in path))
    return out


def _answered(questions: Sequence[Question]) -> bool:
    return all(q.state is not None for q in questions)


def prove_one(
    system: System,
    p: Property,
    request: Request,
    prover: Prover,
    queries: int,
    seen: bool | None,
) -> Result | None:
    """The result of one property; None if `queries` (0: no limit) questions did not decide it.

    `seen` is whether the interesting case was reached; None if a search looks for that.
    """
    from checker.engines.symbolic import Proof, Symbolic

    seconds = request.seconds or PROOF_SECONDS
    holds = p.holds(system)
    found = prover.tried(holds, seconds, queries) if queries else prover.prove(holds, seconds)
    if found is None:
        return None
    if isinstance(found, Proof):
        if request.certificates:
            from checker.certificate import Subject, keep

            about = Subject(system.name, p.name, request.flaw or "", "; ".join(request.drop))
            keep(request.certificates, system, holds, found.invariant, about)
        finding = _proved(found, system, seen)
        if seen is False:
            finding = _unseen(finding, prover, p, request)
        return judge(p, finding, system)
    if not found.violated:
        cleared = Symbolic(system.compile(holds)).bounded(holds, 40, seconds / 3)
        if cleared != -1:
            finding = Finding("bounded", False, found.reason, seen=seen, cleared=cleared)
            return judge(p, finding, system)
    r = _shown(system, p, request)
    r.witness = bool(seen)
    return r


def _proved(proof: Proof, system: System, seen: bool | None) -> Finding:
    n = configurations(system)
    return Finding(
        _method(proof, n),
        True,
        seen=seen,
        certificate=proof.invariant,
        configurations=n,
    )


def _unseen(finding: Finding, prover: Prover, p: Property, request: Request) -> Finding:
    """The finding on a proved property whose interesting case was not seen: is it impossible?"""
    from checker.engines.symbolic import Proof

    never = neg(p.witness(prover.system))
    found = prover.prove(never, request.seconds or PROOF_SECONDS)
    if isinstance(found, Proof):
        method = _method(found, finding.configurations or 1)
        return replace(finding, method=method, certificate=None)
    return replace(finding, complete=False, reason="witness not found")


def _method(proof: Proof, configurations: int) -> str:
    def counted(n: int, what: str) -> str:
        return f"{n:,} {what}{'' if n == 1 else 's'}"

    size = counted(proof.clauses, "clause")
    return f"proof ({proof.method}, {size}, {counted(configurations, 'configuration')})"


def configurations(system: System) -> int:
    """The number of initial states, one for each choice of switches; a proof covers all of them."""
    return math.prod(len(set(v.initial)) for v in system.variables.values())


def _shown(system: System, p: Property, request: Request) -> Result:
    """The result where a solver found a violation: only a search's replayed trace confirms it."""
    short = replace(
        request,
        seconds=request.seconds or SHOW_SECONDS,
        states=request.states or WITNESS_STATES,
    )
    (r,) = search(system, [p], short)
    if r.verdict == PROVED:
        r.error, r.verdict = True, UNKNOWN
        r.reason = "engines disagree: the solver found a violation, the whole search did not"
    elif r.verdict == VIOLATED:
        r.states = None  # part of a state space says nothing
    else:
        r.reason = f"the solver found a violation; no trace yet: {r.reason}"
    return r
