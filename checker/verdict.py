"""Verdicts, results and the exit status they add up to."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

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
    re-checked inductive invariant as SMT-LIB text.
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
    error: bool = field(default=False)

    @builtins.property
    def as_declared(self) -> bool:
        """The verdict is the one declared, and no error stands beside it."""
        return self.verdict == self.declared and not self.error


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
