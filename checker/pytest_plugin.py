"""Properties as pytest tests: the fixture `model_check`.

    def test_no_data_before_finished(model_check):
        model_check.holds(
            "tls12-small", lambda w: [when(r.delivered).then(r.verified) for r in w.runs]
        )

A failure prints the message sequence chart of a shortest, replayed counterexample.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypedDict, Unpack

import pytest

from checker import misplaced


class Asked(TypedDict, total=False):
    """The options of a check, as on the command line."""

    flaw: str | None
    drop: str | tuple[str, ...]
    states: int | None


class ModelCheck:
    """The fixture: decides a property of the test's own in a scenario, by search.

    `says` is a function of the world (see `properties.World`) that returns implications or one
    expression. `flaw` and `drop` are as on the command line; `states` bounds the search.
    """

    def holds(self, where: str, says: Callable[[Any], Any], **asked: Unpack[Asked]) -> Any:
        """Assert that a search of the whole scenario proves the invariant; the result."""
        return _decided("invariant", "PROVED", where, says, asked)

    def violated(self, where: str, says: Callable[[Any], Any], **asked: Unpack[Asked]) -> Any:
        """Assert that the invariant is violated; the replayed trace."""
        return _decided("invariant", "VIOLATED", where, says, asked).trace

    def reaches(self, where: str, goal: Callable[[Any], Any], **asked: Unpack[Asked]) -> Any:
        """Assert that some reachable state satisfies the goal; the result."""
        return _decided("reachable", "PROVED", where, goal, asked)


def _decided(kind: str, verdict: str, where: str, says: Callable[[Any], Any], asked: Asked) -> Any:
    """The result of a search; the test fails if it is not the `verdict`."""
    from checker.by_search import search
    from checker.request import Request, system_of
    from model.scenario import scenario
    from properties import declared

    drop = asked.get("drop", ())
    request = Request(
        scenario=where,
        flaw=asked.get("flaw"),
        drop=(drop,) if isinstance(drop, str) else drop,
        states=asked.get("states"),
    )
    system = system_of(request, scenario(where))
    name = getattr(says, "__name__", "property").replace("<lambda>", "property")
    (result,) = search(system, [declared(kind, name, says)], request)
    if result.verdict != verdict:
        expected = "; a violation was expected" if verdict == "VIOLATED" else ""
        pytest.fail(f"{_explain(result)}{expected}", pytrace=False)
    return result


def _explain(result: Any) -> str:
    from checker.report.sequence import chart

    head = f"{result.property} in {result.scenario}: {result.verdict}"
    if result.reason:
        head += f" ({result.reason})"
    return f"{head}\n\n{chart(result.trace)}" if result.trace is not None else head


@pytest.fixture
def model_check() -> ModelCheck:
    """The `ModelCheck` of a test."""
    return ModelCheck()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Explain a failed import of a test file if a file beside it hides one of our packages."""
    report = yield
    if report.failed and (wrong := misplaced()):
        report.longrepr = wrong
    return report
