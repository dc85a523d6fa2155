"""Cases of properties over a whole run: each must be reached in some scenario.

A case that no scenario reaches says nothing, however often its property is PROVED. A property about
what an adversary may not do needs a witness beside one; a property of honest ends does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checker.request import Request, unreached
from checker.verdict import Result
from model.scenario import scenario
from properties import Case, catalogue


@dataclass(frozen=True)
class Odd:
    """A case, by its property, that is not as declared."""

    id: str
    property: str
    case: str
    why: str

    def __str__(self) -> str:
        return f"{self.id} {self.property}: {self.why}: {self.case}"


def everything(request: Request) -> bool:
    """Whether a run is of every property in every default scenario, without a bound or a patch."""
    narrow = (
        request.properties,
        request.file,
        request.scenario,
        request.patch,
        request.bounded,
        request.first,
    )
    return not any(narrow) and request.engine in (None, "all")


def odd(results: Sequence[Result]) -> list[Odd]:
    """The cases that no scenario reaches without a declared reason, or that one does with it."""
    seen: dict[str, dict[Case, bool]] = {}
    for r in results:
        counts = _counts(r)
        cases = seen.setdefault(r.property, {})
        for case, reached in r.cases.items():
            cases[case] = cases.get(case, False) or (counts and reached is True)
    out = []
    for name, cases in seen.items():
        why = unreached(name)
        for case, reached in cases.items():
            if not reached and case.name not in why:
                out.append(_odd(name, str(case), "no scenario reaches this case"))
        for says in why:
            if any(reached for case, reached in cases.items() if case.name == says):
                out.append(_odd(name, says, "declared not to be reached, and it is"))
            elif all(case.name != says for case in cases):
                out.append(_odd(name, says, "declared not to be reached, and there is none such"))
    return out


def _counts(r: Result) -> bool:
    """Whether a witness there counts: beside the adversary, unless the property is of none."""
    about_honest = "reliable" in catalogue()[r.property].needs
    return about_honest or scenario(r.scenario).network == "adversary"


def _odd(name: str, case: str, why: str) -> Odd:
    return Odd(catalogue()[name].id, name, case, why)
