"""What a notebook shows of machines, traces and verdicts; `tour.ipynb` is one."""

from __future__ import annotations

from functools import singledispatch
from html import escape

from checker.report.text import summary
from checker.trace import Trace
from checker.verdict import Result
from checker.verify import Outcome
from diagrams.machine import machine
from diagrams.render import svg
from diagrams.sequence import sequence
from model.machine import Run
from model.role import Role

HERE = "#ffd966"
"""The colour of the state that a run is in."""


@singledispatch
def picture(value: object) -> str | None:
    """The value as SVG; None if there is nothing to draw, or no Graphviz to draw it with."""
    raise TypeError(f"expected a role, a run, a trace or a result, got {type(value).__name__}")


@picture.register
def _role(role: Role) -> str | None:
    try:
        return svg(machine(role).source)
    except FileNotFoundError:
        return None


@picture.register
def _run(run: Run) -> str | None:
    graph = machine(run.role)
    graph.node(run.state, fillcolor=HERE, style="filled,rounded", penwidth="3")
    try:
        return svg(graph.source)
    except FileNotFoundError:
        return None


@picture.register
def _trace(trace: Trace) -> str | None:
    return sequence(trace, trace.property.replace("_", " ") or "a trace")


@picture.register
def _result(result: Result) -> str | None:
    return None if result.trace is None else picture(result.trace)


@singledispatch
def page(value: object) -> str:
    """The value as HTML."""
    raise TypeError(f"expected a result or an outcome, got {type(value).__name__}")


@page.register
def _verdict(result: Result) -> str:
    return _table([result]) + (picture(result) or "")


@page.register
def _verdicts(outcome: Outcome) -> str:
    return f"{_table(outcome.results)}<p>{escape(summary(outcome.results))}</p>"


def _table(results: list[Result]) -> str:
    """Verdicts as a table, those not as declared in bold."""
    heads = ("id", "property", "scenario", "verdict", "by", "why")
    lines = []
    for r in results:
        cells = (r.id, r.property, r.scenario, r.verdict, r.method, r.reason)
        tag = "td" if r.as_declared else "th"
        lines.append("".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells))
    rows = ["".join(f"<th>{h}</th>" for h in heads), *lines]
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"
