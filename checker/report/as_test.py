"""A trace as a test of pytest, which drives the machines: to be pasted into a project."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from checker.replay import Recorded
from checker.trace import TraceStep
from model.expr import COMPOSITE
from model.machine import JUNK
from model.near import UsageError
from model.rule import Rule
from model.system import Instance, System

WIDE = 100
"""The most letters in a line, if they can be fewer."""


def as_test(recorded: Recorded, system: System) -> str:
    """The text of the test: each step called on its run, the row that it takes, and the end."""
    trace = recorded.trace
    name = "".join(c if c.isalnum() else "_" for c in trace.property) or "trace"
    where = _literal(trace.scenario)
    asked = [f"scenario={where}"]
    asked += [f"flaw={_literal(recorded.flaw)}"] if recorded.flaw else []
    asked += [f"drop={_literal(recorded.drop)}"] if recorded.drop else []
    body = [*_call("request = Request", asked), f"system = system_of(request, scenario({where}))"]
    used = _used(system, [s.run for s in trace.steps])
    for r in used:
        before = f", {r.prev}" if r.prev else ""
        body.append(f'{r.name} = Run(system.by_name["{r.name}"].role, "{r.name}"{before})')
        start = {n: _initial(system, r, n, trace.start) for n in r.role.variables}
        own = {n: v.initial[0] for n, v in r.role.variables.items()}
        other = {n: v for n, v in start.items() if own[n] != v}
        places = ", ".join(f"{_literal(n)}: {_literal(v)}" for n, v in other.items())
        body += _call(f"{r.name}.place", [f"{{{places}}}"]) if other else []
    for i, s in enumerate(trace.steps):
        body += ["", f"# {i + 1}. {s.run}: {s.event}, RFC {s.rfc}"]
        body += _step(trace.steps, i, _row(system, s))
    ends = {n: v for n, v in trace.broken.items() if n.partition(".")[0] in {r.name for r in used}}
    body += ["", f"# {trace.property} is broken:"] if ends else []
    body += [
        f"assert {n} {'is' if v in (True, False, None) else '=='} {_literal(v)}"
        for n, v in ends.items()
    ]
    junk = "JUNK, " if any("JUNK" in line for line in body) else ""
    head = [
        "from checker.request import Request, system_of",
        f"from model.machine import {junk}Run",
        "from model.scenario import scenario",
        "",
        "",
        f"def test_{name}() -> None:",
    ]
    return "\n".join(
        [*head, textwrap.indent("\n".join(body), "    ", lambda line: bool(line.strip()))]
    )


def _used(system: System, runs: Sequence[str]) -> list[Instance]:
    """The runs that take steps, and the handshakes before theirs, in order."""
    wanted = set(runs)
    for r in reversed(system.runs):
        if r.name in wanted and r.prev:
            wanted.add(r.prev)
    return [r for r in system.runs if r.name in wanted]


def _initial(system: System, run: Instance, name: str, start: Mapping[str, Any]) -> Any:
    full = f"{run.name}.{name}"
    return start.get(full, system.variables[full].initial[0])


def _row(system: System, s: TraceStep) -> Rule:
    for r in system.by_name[s.run].role.rules:
        if r.name == s.rule:
            return r
    raise UsageError(f"the {system.by_name[s.run].role.name} has no row {s.rule}")


def _step(steps: Sequence[TraceStep], i: int, row: Rule) -> list[str]:
    """The lines of one step: the call, the answer, the row and the state."""
    s = steps[i]
    given = {n: v for n, v in s.fields.items() if n in row.choices}
    words = [f"{n}={_field(row, n, v)}" for n, v in given.items()]
    if row.under is not None:
        words.insert(0, f"under={s.key!r}")
    call = _call(f"{s.run}.{row.trigger}", words)
    if s.kind == "receive":
        sender = next((b for b in steps[:i] if _same(s, b)), None)
        if sender is not None:
            call = [f"{s.run}.receive({_message(steps, sender)})"]
        call[0] = f"assert {call[0]}"
        call[-1] += " is None" if s.alert is None else f" == {_literal(s.alert)}"
    elif any(_same(got, s) for got in steps[i:]):
        call[0] = f"{_message(steps, s)} = {call[0]}"
    row_and_state = [("taken.name", s.rule), ("state", s.after)]
    return [*call, *(f"assert {s.run}.{n} == {_literal(v)}" for n, v in row_and_state)]


def _message(steps: Sequence[TraceStep], sent: TraceStep) -> str:
    return f"message_{steps.index(sent) + 1}"


def _same(got: TraceStep, sent: TraceStep) -> bool:
    """Whether the message received is that of the step `sent`, field for field."""
    fields = {n: sent.fields.get(n) for n in got.fields}
    passed = sent.kind == "send" and got.kind == "receive" and sent.run == got.source
    return passed and (got.event, got.key, dict(got.fields)) == (sent.event, sent.key, fields)


def _field(row: Rule, name: str, value: Any) -> str:
    if row.choices[name] is COMPOSITE and value == JUNK[0]:
        return "JUNK"
    return _literal(value)


def _literal(value: Any) -> str:
    """The value as Python, with the quotes that formatters like."""
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _call(name: str, words: Sequence[str]) -> list[str]:
    """A call, in one line if it is short."""
    line = f"{name}({', '.join(words)})"
    if len(line) <= WIDE - 20:
        return [line]
    inside = textwrap.wrap(
        ", ".join(words), WIDE - 8, break_long_words=False, break_on_hyphens=False
    )
    return [f"{name}(", *(f"    {x}" for x in inside), ")"]
