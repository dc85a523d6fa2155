"""Verdicts, the results that carry them, and the exit status of a run."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from model.shown import page, picture

if TYPE_CHECKING:
    from checker.engines.interface import Finding
    from model.system import System
    from properties import Case, Property

PROVED = "PROVED"
HOLDS_TO_DEPTH = "HOLDS_TO_DEPTH"
VIOLATED = "VIOLATED"
VACUOUS = "VACUOUS"
UNKNOWN = "UNKNOWN"

VERDICTS = (PROVED, HOLDS_TO_DEPTH, VIOLATED, VACUOUS, UNKNOWN)
DEFINITE = (PROVED, VIOLATED, VACUOUS)

EXIT = """exit status:
  0    every verdict is as declared
  1    a definite verdict differs from what is declared, either way; or no scenario of a whole run
       reaches some case of a property
  2    usage
  3    inconclusive: a budget, the memory or a solver ended before the answer
  4    model or internal error: engines disagree, a trace does not replay, a certificate fails
  130  interrupted; what was found is printed
"""


@dataclass
class Result:
    """The verdict on one property in one scenario, and what it rests on."""

    property: str
    id: str
    scenario: str
    verdict: str
    declared: str = PROVED
    reason: str = ""
    # "search", "reference", "bounded", "proof (4 configurations)" or "search+proof (...)"; "search
    # kept" where the number of states is that of an earlier search of the same system.
    method: str = ""
    states: int | None = None  # searched; None for a proof alone
    depth: int | None = None  # of the search or of a violation, or the bound
    trace: Any = None
    certificate: str | None = None  # the re-checked inductive invariant as SMT-LIB text
    # Combinations of the scenario's switches that the proof is of at once.
    configurations: int | None = None
    # Whether each case of the property is reached; None if that is not known.
    cases: Mapping[Case, bool | None] = field(default_factory=dict)
    seconds: float = 0.0
    stopped: bool = False  # once every question was answered: `states` is not the whole space
    error: bool = False
    # By row that a patch changes: whether it ever fires; None if that is not known.
    rows: Mapping[str, bool | None] = field(default_factory=dict)

    def _repr_svg_(self) -> str | None:
        return picture(self)

    def _repr_html_(self) -> str:
        return page(self)

    @builtins.property
    def witness(self) -> bool:
        """Whether a state of some case was reached."""
        return True in self.cases.values()

    @builtins.property
    def as_declared(self) -> bool:
        """Whether the verdict is the declared one, and there is no error."""
        return self.verdict == self.declared and not self.error


def judge(p: Property, found: Finding, system: System) -> Result:
    """The result that a finding makes; a violation is replayed on the machines first."""
    r = Result(
        p.name,
        p.id,
        system.name,
        UNKNOWN,
        reason=found.reason,
        method=found.method,
        states=found.states,
        depth=found.depth,
        certificate=found.certificate,
        configurations=found.configurations,
        cases=found.cases or dict.fromkeys(p.cases(system)),
        stopped=found.stopped,
    )
    if found.bad is not None:
        from checker.broken import broken
        from checker.trace import replay

        goal = p.bad(system) if found.loop is None else None
        trace = replay(system, found.bad, goal, p.name, why=partial(broken, p, system))
        r.trace = replace(trace, loop=found.loop)
        r.verdict, r.depth, r.reason = VIOLATED, len(r.trace), ""
    elif found.cleared is not None:
        r.verdict, r.depth = HOLDS_TO_DEPTH, found.cleared
    elif p.kind == "reachable":
        if r.witness:
            r.verdict, r.reason = PROVED, ""
        elif found.complete:
            r.verdict, r.reason = VIOLATED, "no reachable state is the goal"
    elif found.complete and all(reached is False for reached in r.cases.values()):
        r.verdict, r.reason = VACUOUS, "no case of it is ever reached"
    elif found.complete:
        r.verdict = PROVED
    return r


def exit_status(
    results: Iterable[Result], *, odd_cases: bool = False, interrupted: bool = False
) -> int:
    """The exit status of a run (see `EXIT`): the first of 130, 4, 1, 3 that applies, or else 0."""
    results = list(results)
    if interrupted:
        return 130
    if any(r.error for r in results):
        return 4
    if odd_cases or any(r.verdict in DEFINITE and not r.as_declared for r in results):
        return 1
    if any(r.verdict not in DEFINITE and not r.as_declared for r in results):
        return 3
    return 0
