"""Verdicts, results and the exit status they add up to."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checker.engines.interface import Finding
    from model.system import System
    from properties import Property

PROVED = "PROVED"
HOLDS_TO_DEPTH = "HOLDS_TO_DEPTH"
VIOLATED = "VIOLATED"
VACUOUS = "VACUOUS"
UNKNOWN = "UNKNOWN"

DEFINITE = (PROVED, VIOLATED, VACUOUS)

EXIT = """exit status:
  0    every verdict is as declared
  1    a definite verdict differs from what is declared, either way
  2    usage
  3    inconclusive: a budget or a solver ended before the answer
  4    model or internal error: engines disagree, a trace does not replay, a certificate fails
  130  interrupted; what was found is printed
"""


@dataclass
class Result:
    """One property in one scenario.

    `method` says what decided it: "search", "proof (PDR, 3 clauses, 4 configurations)" with what
    found the invariant, its size and of how many `configurations` (combinations of the scenario's
    switches) it is at once, "search+proof (...)", "reference" or "bounded";
    `states` is the number of states searched (None if by proof only), `depth` the search's depth
    or the bound; `witness` that a state of its interesting case was reached; `certificate` the
    re-checked inductive invariant as SMT-LIB text. With `stopped`, the search ended when its
    questions were answered: its number of states says nothing.
    """

    property: str
    id: str
    scenario: str
    verdict: str
    declared: str = PROVED
    reason: str = ""
    method: str = ""
    states: int | None = None
    depth: int | None = None
    trace: Any = None
    certificate: str | None = None
    configurations: int | None = None
    witness: bool = False
    seconds: float = 0.0
    stopped: bool = False
    error: bool = field(default=False)

    @builtins.property
    def as_declared(self) -> bool:
        """The verdict is the one declared, and no error stands beside it."""
        return self.verdict == self.declared and not self.error


def judge(p: Property, found: Finding, system: System) -> Result:
    """The result of what was found of a property; a violation is replayed on the machines."""
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
        witness=bool(found.seen),
        stopped=found.stopped,
    )
    if found.bad is not None:
        from checker.trace import replay

        goal = p.bad(system) if found.loop is None else None
        r.trace = replace(replay(system, found.bad, goal, p.name), loop=found.loop)
        r.verdict, r.depth, r.reason = VIOLATED, len(r.trace), ""
    elif found.cleared is not None:
        r.verdict, r.depth = HOLDS_TO_DEPTH, found.cleared
    elif p.kind == "reachable":
        if found.seen:
            r.verdict, r.reason = PROVED, ""
        elif found.complete:
            r.verdict, r.reason = VIOLATED, "no reachable state is the goal"
    elif found.complete and found.seen is False:
        r.verdict, r.reason = VACUOUS, "its interesting case is never reached"
    elif found.complete:
        r.verdict = PROVED
    return r


def exit_status(results: Iterable[Result], *, interrupted: bool = False) -> int:
    """130, 4, 1, 3, 0, in this precedence."""
    results = list(results)
    if interrupted:
        return 130
    if any(r.error for r in results):
        return 4
    if any(r.verdict in DEFINITE and not r.as_declared for r in results):
        return 1
    if any(r.verdict not in DEFINITE and not r.as_declared for r in results):
        return 3
    return 0
