"""Verdicts as a page: the table, what each property says, its proofs and counterexamples."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from checker.local_states import by_local_states
from checker.report.html.figure import figure
from checker.report.html.invariant import Words
from checker.report.html.story import story
from checker.report.text import summary
from checker.request import Request, left_out, system_of
from checker.verdict import HOLDS_TO_DEPTH, Result
from checker.verify import Outcome
from model.scenario import scenario
from model.system import System
from properties import Property, catalogue

COLUMNS = [
    {"name": "property", "choose": False},
    {"name": "says", "choose": False},
    {"name": "scenario", "choose": True},
    {"name": "verdict", "choose": True},
    {"name": "basis", "choose": False},
    {"name": "RFC", "choose": True},
]
GRAPH_STATES = 40_000
"""The most states that are searched for a graph."""


def page(
    request: Request, outcome: Outcome, progress: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """The `Page` of a run of `verify`."""
    results = sorted(outcome.results, key=lambda r: (r.as_declared, r.trace is None))
    out = Parts()
    words: dict[str, Words] = {}
    rows = []
    for r in results:
        where = scenario(r.scenario)
        system = system_of(request, where)
        trace = None
        if r.trace is not None:
            progress(f"the page: the trace of {r.property} in {r.scenario}")
            sound = system_of(Request(), where) if request.patch else None
            trace = out.add_trace(r.trace, system, catalogue().get(r.property), sound)
        notes = [out.property(catalogue()[r.property])] if r.property in catalogue() else []
        if r.certificate:
            progress(f"the page: the invariant of {r.property} in {r.scenario}")
            of = words.setdefault(r.scenario, Words(system))
            notes.append(out.add_note("The invariant that proves it", of.of(r.certificate)))
        if len(r.cases) > 1 or not r.witness:
            notes.append(out.add_note("Its cases", [_case(c, hit) for c, hit in r.cases.items()]))
        rows.append({"cells": _cells(r), "odd": not r.as_declared, "notes": notes, "trace": trace})
    try:
        for name in dict.fromkeys(r.scenario for r in results if r.trace is not None):
            progress(f"the page: the graph of {name}")
            out.add_graph(system_of(request, scenario(name)))
    except KeyboardInterrupt:
        outcome.interrupted = True
    said = [f"{p} is left out: {why}" for p, why in left_out(request).items()]
    said += [str(x) for x in outcome.odd_cases]
    return {
        "command": "verify",
        "title": f"verify: {request.patch}" if request.patch else "verify",
        "said": [summary(outcome.results), *said]
        + (["interrupted: these are the results so far"] if outcome.interrupted else []),
        "tables": [{"name": "verdicts", "columns": COLUMNS, "rows": rows}],
        **out.as_data(),
    }


class Parts:
    """The parts of a page that rows point at by number."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        self.lines: dict[str, int] = {}
        self.stories: list[dict[str, Any]] = []
        self.machines: list[dict[str, Any]] = []
        self.graphs: dict[str, dict[str, Any]] = {}
        self._figures: dict[tuple[str, str], int] = {}
        self._properties: dict[str, int] = {}

    def as_data(self) -> dict[str, Any]:
        """The parts, as the page has them."""
        return {
            "notes": self.notes,
            "lines": list(self.lines),
            "stories": self.stories,
            "machines": self.machines,
            "graphs": list(self.graphs.values()),
        }

    def add_note(self, title: str, lines: Sequence[str], *, code: bool = False) -> int:
        """The number of a note; lines that are there are not repeated."""
        numbers = [self.lines.setdefault(line, len(self.lines)) for line in lines]
        note = {"title": title, "lines": numbers, "code": code}
        if note in self.notes[-8:]:
            return self.notes.index(note)
        self.notes.append(note)
        return len(self.notes) - 1

    def property(self, p: Property) -> int:
        """The number of the note on a property."""
        if p.name not in self._properties:
            doc = " ".join((p.function.__doc__ or "").split())
            said = [f"{p.id}: {doc or p.sentence}", *written(p).splitlines(), f"RFC {p.rfc}"]
            numbers = [self.lines.setdefault(line, len(self.lines)) for line in said]
            self.notes.append({"title": p.sentence, "lines": numbers, "code": True})
            self._properties[p.name] = len(self.notes) - 1
        return self._properties[p.name]

    def add_trace(
        self, trace: Any, system: System, broken: Property | None, sound: System | None
    ) -> int:
        """The number of the story of a trace."""
        told = story(trace, system, broken, sound)
        told["machines"] = [self._figure(system, r.name, sound) for r in system.runs]
        self.stories.append(told)
        return len(self.stories) - 1

    def _figure(self, system: System, run: str, sound: System | None) -> int:
        of = (system.name, run)
        if of not in self._figures:
            self.machines.append(figure(system, system.by_name[run], sound))
            self._figures[of] = len(self.machines) - 1
        return self._figures[of]

    def add_graph(self, system: System) -> None:
        """Add the graph of a system, folded by local states."""
        self.graphs[system.name] = graph(system, GRAPH_STATES)


def graph(system: System, most: int) -> dict[str, Any]:
    """The `Graph` of a system, of at most so many states."""
    nodes, moves, complete = by_local_states(system, most)
    number = {pair: i for i, pair in enumerate(nodes)}
    return {
        "scenario": system.name,
        "runs": [r.name for r in system.runs],
        "states": [list(r.role.states) for r in system.runs],
        "nodes": [
            [*(r.role.states.index(s) for r, s in zip(system.runs, p, strict=True)), depth]
            for p, depth in nodes.items()
        ],
        "edges": [
            [number[a], number[b], [[i, kind, event] for i, kind, event in several]]
            for (a, b), several in moves.items()
        ],
        "complete": complete,
        "most": most,
    }


@cache
def written(p: Property) -> str:
    """The body of a property's function as it is written; empty if there is no text of it."""
    try:
        source = textwrap.dedent(inspect.getsource(p.function))
        (function,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""
    body = getattr(function, "body", [])
    if isinstance(body, list) and body and ast.get_docstring(function) is not None:  # type: ignore[arg-type]
        body = body[1:]
    if not body:
        return ""
    lines = source.splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
    return textwrap.dedent("\n".join(lines))


def sections(rfc: str) -> str:
    """The RFC sections that a property cites, each with the RFC's number."""
    out = []
    for part in rfc.split(";"):
        number, _, rest = part.strip().partition(" ")
        out += [f"{number} {s.strip()}".strip() for s in rest.split(",")]
    return "; ".join(out)


def _cells(r: Result) -> list[str]:
    known = catalogue().get(r.property)
    return [
        r.id,
        r.property.replace("_", " "),
        r.scenario,
        r.verdict if r.verdict != HOLDS_TO_DEPTH else f"{r.verdict} {r.depth}",
        _basis(r),
        sections(known.rfc) if known else "",
    ]


def _basis(r: Result) -> str:
    said = [r.method] if r.method else []
    if r.trace is not None:
        said.append(f"{len(r.trace)} steps")
    if r.states and not r.stopped:
        said.append(f"{r.states:,} states")
    if not r.as_declared:
        said.append(f"declared {r.declared}")
    if r.reason:
        said.append(r.reason)
    return "; ".join(said)


def _case(case: Any, reached: bool | None) -> str:
    how = {True: "reached", False: "never reached", None: "not known to be reached"}[reached]
    return f"{case.name}: {how}"
