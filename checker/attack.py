"""The traces to show: the attack on a published flaw, an honest handshake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checker.by_search import search, temporal
from checker.patched import changed_rows
from checker.request import Request, properties_of
from checker.trace import Trace
from checker.verdict import Result
from model.expr import conj, neg
from model.flaws import Flaw
from model.rule import ModelError
from model.scenario import scenario
from properties import declared

IN_C = Request(backend="c")
"""Searches are in C, since numpy may find another one of several shortest traces."""


def telling(results: Sequence[Result], shows: str) -> Result | None:
    """The result whose trace tells most; None if no result has a trace.

    That of the property `shows`, else what is not as declared, and of these the shortest.
    """
    traced = [r for r in results if r.trace is not None]

    def rank(r: Result) -> tuple[bool, bool, int]:
        return r.property != shows, r.as_declared, len(r.trace)

    return min(traced, key=rank, default=None)


def attack(flaw: Flaw, end: str) -> Result:
    """The result of the property that the flaw `shows` at `end`, with `verify --flaw`'s trace."""
    where = scenario(flaw.where)
    system = where.system(*flaw.roles(end, where.extensions))
    # The questions decide which of several shortest traces is found: ask those of the command.
    every = properties_of(Request(), where)
    props = [p for p in every if not p.temporal]
    if flaw.shows not in {p.name for p in props}:
        return _violated(temporal(system, every), flaw.shows, f"flaw {flaw.name} at {end}")
    results = search(
        system, props, IN_C, patched=changed_rows(where.system(), system), until=flaw.shows
    )
    return _violated(results, flaw.shows, f"flaw {flaw.name} at {end}")


def handshake(where: str, values: Mapping[str, str], what: str) -> Trace:
    """A shortest trace of a scenario to a state where each run's variables have these `values`.

    ModelError, which names `what` the trace should show, if there is none.
    """
    system = scenario(where).system()
    goal = conj(*(system.of(r, n) == v for r in system.runs for n, v in values.items()))
    never = declared("invariant", "", lambda _: neg(goal))
    trace: Trace = _violated(search(system, [never], IN_C), never.name, what).trace
    return trace


def _violated(results: Sequence[Result], name: str, what: str) -> Result:
    result = next(r for r in results if r.property == name)
    if result.trace is None:
        raise ModelError(f"{what}: no trace in scenario {result.scenario}: {name} {result.verdict}")
    return result
