"""The traces that tell a story: a published flaw's attack, an honest handshake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checker.decide import search
from checker.request import Request
from checker.trace import Trace
from checker.verdict import Result
from model.expr import conj, neg
from model.flaws import Flaw
from model.rule import ModelError
from model.scenario import scenario
from model.system import System
from properties import Property, catalogue, declared


def telling(results: Sequence[Result], shows: str) -> Result | None:
    """The result whose trace tells an attack: that of the property `shows`, or else the shortest.

    Several properties may fall to one attack. None if no result has a trace.
    """
    traced = [r for r in results if r.trace is not None]
    return min(traced, key=lambda r: (r.property != shows, len(r.trace)), default=None)


def attack(flaw: Flaw, end: str) -> Result:
    """The flaw at `end`: the property it `shows`, with the trace that `verify --flaw` prints."""
    where = scenario(flaw.scenario)
    system = where.system(*flaw.roles(end, where.extensions))
    return _violated(system, catalogue()[flaw.shows], f"flaw {flaw.name} at {end}")


def handshake(where: str, values: Mapping[str, str], what: str) -> Trace:
    """A shortest trace of a scenario to a state where each run's variables have these `values`.

    ModelError, saying `what` it should be, if there is none.
    """
    system = scenario(where).system()
    goal = conj(*(system.of(r, n) == v for r in system.runs for n, v in values.items()))
    never = declared("invariant", "", lambda _: neg(goal))
    trace: Trace = _violated(system, never, what).trace
    return trace


def _violated(system: System, p: Property, what: str) -> Result:
    (result,) = search(system, [p], Request(backend="c"), shown=True)
    if result.trace is None:
        raise ModelError(f"{what}: no trace in scenario {system.name}: {p.name} {result.verdict}")
    return result
