"""Deciding by proof: invariants are proved one by one; what resists is searched to a bound."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from checker.by_search import search
from checker.engines.interface import UNWATCHED, Finding, Watch
from checker.request import Request, declared
from checker.verdict import PROVED, UNKNOWN, VIOLATED, Result, judge
from checker.witnesses import WITNESS_STATES, Reached, Violations, witnesses
from model.expr import neg
from model.system import System
from properties import Case, Property

if TYPE_CHECKING:
    from checker.engines.symbolic import Invariant, Proof, Prover
    from checker.kept import Kept

FEW_QUERIES = 1_500
"""Questions to the solver that suffice for most properties."""
DEPTH = 40
"""The bound of the search for a violation where no proof was found."""
SHOW_SECONDS = 60.0
"""The limit of the search for a trace of a violation that a solver found."""


def prove(
    system: System,
    props: Sequence[Property],
    request: Request,
    watch: Watch = UNWATCHED,
    *,
    witness: bool = True,
    kept: Kept | None = None,
) -> Iterator[Result]:
    """The results of invariants, proved one by one; an error is the result of that invariant only.

    Proofs in `kept` are checked again first, and those found are put there. With `witness`, a
    search looks for the cases of each invariant, since a proof does not show that a case is ever
    reached. Without, the search of the scenario does.
    """
    from checker.engines.symbolic import QUERIES, Prover

    asked = [p for p in props if p.kind == "invariant"]
    formulas = [p.holds(system) for p in asked]
    proofs = Proofs(system, asked, request)
    seen: Reached | None = None
    proved = 0
    waiting = asked
    left = {p.name: request.seconds or math.inf for p in asked}
    for queries in (FEW_QUERIES, QUERIES):
        # A property that takes long waits for the lemmas of the others.
        todo, waiting = waiting, []
        for p in todo:
            watch.line(f"{system.name}: proving {p.id}, {proved} of {len(asked)} proved")
            began = time.monotonic()
            try:
                if witness and seen is None:
                    seen = witnesses(system, asked, request, kept)
                if proofs.prover is None:
                    proofs.prover = Prover(system, formulas)
                    proofs.known = _recalled(proofs.prover, kept)
                cases = None if seen is None else seen[p.name]
                used = time.process_time()
                r = proofs.prove(p, queries, left[p.name], cases)
                left[p.name] -= time.process_time() - used
                if r is None:
                    waiting.append(p)
                    continue
            except Exception as e:  # of a solver or a certificate: reported, exit status 4
                proofs.prover = None
                why = f"{type(e).__name__}: {e}"
                r = judge(p, Finding("proof", False, why), system)
                r.error = not isinstance(e, MemoryError)
            r.seconds = time.monotonic() - began
            proved += r.certificate is not None
            yield r
    if kept and proofs.found != proofs.known:
        kept.keep_proofs({**proofs.known, **proofs.found})


def _recalled(prover: Prover, kept: Kept | None) -> dict[str, Invariant]:
    """The invariants kept, by property, those first that are one of the system as it is now."""
    known: dict[str, Invariant] = {}
    for found in kept.proofs() if kept else ():
        if found and prover.recall(found.values()):
            return found
        known = {**found, **known}
    return known


class Proofs:
    """The proofs of one system: what they share, and what was found."""

    def __init__(self, system: System, asked: Sequence[Property], request: Request) -> None:
        self.system, self.asked, self.request = system, asked, request
        self.prover: Prover | None = None
        self.known: dict[str, Invariant] = {}
        """By property: an invariant that may prove the property."""
        self.found: dict[str, Invariant] = {}
        """By property: an invariant that does."""
        self.violations = Violations(system, _short(request))

    def prove(
        self, p: Property, queries: int, seconds: float, cases: Mapping[Case, bool | None] | None
    ) -> Result | None:
        """The result of one property; None if few questions to the solver did not decide it.

        A proof may have so many questions, and seconds of CPU time. `cases` says which cases are
        reached; None if a search looks for that.
        """
        from checker.engines.symbolic import Proof, Symbolic

        assert self.prover is not None
        system, request = self.system, self.request
        holds = p.holds(system)
        known = self.known.get(p.name)
        proof = self.prover.recalled(holds, known) if known else None
        if proof is None and not request.patch and _falls(p, system):
            # What is declared to fall is searched for before it is proved to fall.
            self.violations.of(p, [q for q in self._open if _falls(q, system)])
        if proof is None and p.name in self.violations.paths:
            return self._shown(p, cases)
        found = proof or self.prover.prove(holds, queries, seconds)
        if isinstance(found, Proof):
            self.found[p.name] = found.found
            if request.certificates:
                from checker.certificate import Subject, keep

                about = Subject(system.name, p.name, request.flaw or "", "; ".join(request.drop))
                keep(request.certificates, system, holds, self.prover.reduced(found, holds), about)
            finding = _proved(found, system, cases)
            if cases is not None and True not in cases.values():
                finding = _unseen(finding, self.prover, p, request)
            return judge(p, finding, system)
        if not found.violated:
            if queries == FEW_QUERIES:
                return None
            again = request.seconds or math.inf
            cleared = Symbolic(system.compile(holds)).bounded(holds, DEPTH, seconds=again)
            if cleared != -1:
                finding = Finding("bounded", False, found.reason, cases=cases, cleared=cleared)
                return judge(p, finding, system)
        return self._shown(p, cases)

    @property
    def _open(self) -> list[Property]:
        """The properties without a proof."""
        return [q for q in self.asked if q.name not in self.found]

    def _shown(self, p: Property, cases: Mapping[Case, bool | None] | None) -> Result:
        """The result where a solver found a violation: only a replayed trace confirms it."""
        path = self.violations.of(p, self._open)
        if path is not None:
            r = judge(p, Finding("search", False, "", bad=path), self.system)
        else:
            (r,) = search(self.system, [p], _short(self.request))
            if r.verdict == PROVED:
                r.error, r.verdict = True, UNKNOWN
                r.reason = (
                    "engines disagree: the solver found a violation, the whole search did not"
                )
            elif r.verdict == VIOLATED:
                r.states = None  # part of a state space says nothing
            else:
                r.reason = f"the solver found a violation; no trace yet: {r.reason}"
        r.cases = {c: reached or (cases or {}).get(c) for c, reached in r.cases.items()}
        return r


def _falls(p: Property, system: System) -> bool:
    """Whether a property is declared to fall."""
    return declared(p.name, system.name)[0] == VIOLATED


def _proved(proof: Proof, system: System, cases: Mapping[Case, bool | None] | None) -> Finding:
    n = configurations(system)
    return Finding(
        _method(n),
        True,
        cases=cases,
        certificate=proof.invariant,
        configurations=n,
    )


def _unseen(finding: Finding, prover: Prover, p: Property, request: Request) -> Finding:
    """The finding on a proved property none of whose cases was seen: are they impossible?"""
    from checker.engines.symbolic import Proof

    never = neg(p.witness(prover.system))
    found = prover.prove(never, seconds=request.seconds or math.inf)
    if isinstance(found, Proof):
        method = _method(finding.configurations or 1)
        never_reached = dict.fromkeys(finding.cases or (), False)
        return replace(finding, method=method, certificate=None, cases=never_reached)
    return replace(finding, complete=False, reason="witness not found")


def _method(configurations: int) -> str:
    """The basis of a proof; not which clauses were found, since these may be kept ones."""
    return f"proof ({configurations:,} configurations)" if configurations > 1 else "proof"


def configurations(system: System) -> int:
    """The number of initial states, one for each choice of switches; a proof covers all of them."""
    return math.prod(len(set(v.initial)) for v in system.variables.values())


def _short(request: Request) -> Request:
    """The request with the limits of a search for a trace."""
    return replace(
        request,
        seconds=request.seconds or SHOW_SECONDS,
        states=request.states or WITNESS_STATES,
    )
