"""Traces as files: written by `verify --traces`, read, and replayed on the machines step by step.

A file has the trace in its one JSON form, with the flaw and the checks dropped. Its messages are
fired field for field, on the machines as the tables make them when it is replayed: a step that no
longer goes through says why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from checker import output
from checker.broken import Broken, broken
from checker.engines.interface import Label
from checker.engines.reference import EngineError, Reference, State, parameters
from checker.report.document import document
from checker.request import Request, system_of
from checker.trace import StepError, Trace, TraceStep, machines_of, replay
from checker.verdict import Result
from model.expr import COMPOSITE, FALSE, Expr, bind, conjuncts, const, substitute
from model.machine import JUNK, CallError, Run
from model.near import UsageError, hint, shown
from model.rule import Rule
from model.scenario import scenario
from model.system import Step, System
from properties import catalogue

LARGEST = 1 << 25
"""The most bytes of a file."""
LONG = 240
"""The most letters of a condition that are shown."""


@dataclass(frozen=True)
class Recorded:
    """A trace of a file, and the patch of the system that it is of."""

    trace: Trace
    flaw: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def request(self) -> Request:
        """The request for the system that the trace is of."""
        return Request(scenario=self.trace.scenario, flaw=self.flaw, drop=self.drop)

    @property
    def file_name(self) -> str:
        """The name of the trace's file, always the same."""
        parts = [self.trace.scenario, self.trace.property, self.flaw or "", *self.drop]
        words = ".".join(p.replace("/", "_") for p in parts if p)
        return "".join(c if c.isalnum() or c in "-_.@" else "_" for c in words) + ".json"


@dataclass(frozen=True)
class Replayed:
    """What a replay gave: the steps that went through, and what ended it."""

    recorded: Recorded
    system: System
    trace: Trace  # up to the step that fails
    why: str = ""  # it does not go through; empty if it does
    judged: str = ""  # what is said of the end


def keep(results: Sequence[Result], request: Request, folder: str) -> None:
    """Write a file for each trace of the results."""
    for r in results:
        if r.trace is not None:
            recorded = Recorded(r.trace, request.flaw, request.drop)
            output.write(str(Path(folder) / recorded.file_name), as_json(recorded) + "\n")


def as_json(recorded: Recorded) -> str:
    """The JSON document of a trace's file."""
    trace = recorded.trace.as_json()
    return document("trace", flaw=recorded.flaw, drop=list(recorded.drop), trace=trace)


# -- reading ---------------------------------------------------------------------------------------
def read(path: str) -> Recorded:
    """The trace of a file; UsageError if it has another form."""
    try:
        data = json.loads(output.read(path, LARGEST))
    except (ValueError, RecursionError) as e:
        raise _odd(path, f"got no JSON: {shown(str(e))}") from None
    if not isinstance(data, dict) or data.get("command") != "trace":
        kind = data.get("command") if isinstance(data, dict) else data
        raise _odd(path, f"got one of the command {shown(kind)}")
    try:
        trace = trace_of(data["trace"])
        flaw, drop = data["flaw"], tuple(_is(d, str) for d in data["drop"])
        return Recorded(trace, None if flaw is None else _is(flaw, str), drop)
    except KeyError as e:
        raise _odd(path, f"it lacks {e}") from None
    except (TypeError, ValueError) as e:
        raise _odd(path, f"got: {shown(str(e))}") from None


def trace_of(data: Any) -> Trace:
    """The trace of its JSON form; ValueError, TypeError or KeyError if it has another form."""
    raw = _made(Trace, data)
    steps = tuple(TraceStep(**_made(TraceStep, s)) for s in raw["steps"])
    case = raw.get("case")
    case = None if case is None else Broken(**_made(Broken, case))
    trace = Trace(**{**raw, "steps": steps, "case": case})
    if trace.property and not trace.property.isidentifier():
        raise ValueError(f"{trace.property!r} is the name of no property")
    if trace.loop is not None and not 0 <= trace.loop <= len(trace):
        raise ValueError(f"from step {trace.loop} nothing can repeat")
    return trace


def _odd(path: str, got: str) -> UsageError:
    return UsageError(f"{path}: expected a trace that `verify --traces` wrote, {got}")


_FORMS: Mapping[str, type | tuple[type, ...]] = {
    "str": str,
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
    "tuple[str, ...]": list,
    "tuple[TraceStep, ...]": list,
    "Mapping[str, Any]": dict,
    "Mapping[str, str]": dict,
    "Broken | None": (dict, type(None)),
}
"""By the type of a field: what it is in JSON."""


def _made(of: type[Trace | TraceStep | Broken], data: Any) -> dict[str, Any]:
    """The fields of a trace, step or case, each of its type; ValueError, TypeError or KeyError."""
    known = {f.name: f for f in fields(of)}
    unknown = [n for n in _is(data, dict) if n not in known]
    if unknown:
        raise ValueError(f"there is no field {unknown[0]}{hint(unknown[0], known)}")
    needed = [n for n, f in known.items() if f.default is f.default_factory is MISSING]
    for n in needed:
        data[n]
    out = {n: _is(v, _FORMS[str(known[n].type)]) for n, v in data.items()}
    return {
        n: tuple(_is(x, str) for x in v) if known[n].type == "tuple[str, ...]" else v
        for n, v in out.items()
    }


def _is(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {getattr(kind, '__name__', kind)}")
    return value


# -- replaying -------------------------------------------------------------------------------------
def replayed(recorded: Recorded) -> Replayed:
    """The replay of a trace; UsageError if there is no such scenario, flaw or check."""
    trace = recorded.trace
    system = system_of(recorded.request, scenario(trace.scenario))
    first = {n: _value(v) for n, v in trace.start.items()}
    try:
        for n, v in first.items():
            if n not in system.variables:
                raise ValueError(f"there is no variable {shown(n)}{hint(n, system.variables)}")
            system.variables[n].domain.code(v)
            if v not in (known := system.variables[n].initial):
                raise ValueError(f"{n} is {v}, and begins as {' or '.join(map(str, known))}")
    except ValueError as e:
        return _ended(recorded, system, f"the start: {e}")
    path: list[tuple[Label | None, Mapping[str, Any]]] = [(None, first)]
    messages = []
    now: dict[str, Any] = {}
    for s in trace.steps:
        changed = {f"{s.run}.{n}": _value(v) for n, v in s.changed.items()}
        now |= {**changed, f"{s.run}.state": s.after}
        path.append(((s.run, s.rule, s.source), dict(now)))
        messages.append({n: _field(system, s, n, v) for n, v in s.fields.items()})
    states: list[State] = []
    p = catalogue().get(trace.property)
    goal = p.bad(system) if p is not None and trace.loop is None and p.kind != "reachable" else None
    case = partial(broken, p, system) if p is not None and goal is not None else lambda last: None
    again = partial(replay, system, path, name=trace.property, messages=messages)
    why = ""
    try:
        got = again(goal, reached=states.append, why=case)
    except StepError as e:
        why = _why(system, trace.steps[e.number - 1], messages[e.number - 1], path[e.number][1], e)
        got = replay(system, path[: e.number], None, trace.property, messages=messages)
        return Replayed(recorded, system, got, output.line(f"step {e.number}: {why}"))
    except EngineError:
        got, why = again(None), f"the last state does not break {trace.property}"
    got = replace(got, loop=trace.loop)
    why = _differs(trace, got) or why
    if trace.loop is not None and trace.loop < len(trace) and states[trace.loop] != states[-1]:
        why = why or f"the steps from {trace.loop + 1} do not lead back to where they began"
    judged = "" if why or goal is not None else _open(trace, known=p is not None)
    return Replayed(recorded, system, got, output.line(why), judged)


def _open(trace: Trace, *, known: bool) -> str:
    if not trace.property:
        return "it is the trace of no property"
    if not known:
        return f"{trace.property} is no property of the catalogue: the end is not judged"
    return f"whether {trace.property} is broken is not judged: it is a property of whole runs"


def _ended(recorded: Recorded, system: System, why: str) -> Replayed:
    nothing = replace(recorded.trace, steps=(), start={}, broken={}, loop=None)
    return Replayed(recorded, system, nothing, output.line(why))


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _field(system: System, s: TraceStep, name: str, value: Any) -> Any:
    """The value of a field of a step's message, as the machines take it."""
    run = system.by_name.get(s.run)
    rows = () if run is None else run.role.rules
    sealed = any(r.name == s.rule and r.choices.get(name) is COMPOSITE for r in rows)
    return JUNK if sealed and value == JUNK[0] else _value(value)


def _why(
    system: System,
    s: TraceStep,
    fields: Mapping[str, Any],
    wanted: Mapping[str, Any],
    failed: StepError,
) -> str:
    """Why a step does not go through."""
    reference, state = machines_of(system), failed.state
    if s.run not in system.by_name:
        return f"there is no run {shown(s.run)}{hint(s.run, system.by_name)}"
    run = failed.machines[s.run]
    rules = {r.name: r for r in run.role.rules}
    if s.rule not in rules:
        return f"the {run.role.name} has no row {shown(s.rule)}{hint(s.rule, rules)}"
    rule = rules[s.rule]
    if run.state not in rule.sources:
        states = " or ".join(rule.sources)
        return f"{s.run} is in {run.state}, and {s.rule} is a row of {states}"
    step = next((x for x in system.raw_steps if x.label == (s.run, s.rule, s.source)), None)
    if step is None:
        known = dict.fromkeys(
            x.source.name for x in system.raw_steps if (x.run, x.rule) == (s.run, rule)
        )
        return f"no message for {s.rule} comes from {shown(s.source)}{hint(s.source, known)}"
    try:
        chosen = parameters(step, fields)
        if step.label not in reference.steps:
            return f"{s.rule} can never fire with what comes from {s.source}"
        if never := _false(reference, state, step, chosen, step.room):
            return f"it is not the turn of {s.run}: {never}"
        if never := _false(reference, state, step, chosen, step.deliverable):
            return f"the network cannot deliver this {s.event} from {s.source}: {never}"
        taken = reference.toward(state, step.label, {}, fields)
    except ValueError as e:
        return f"{s.event}: {e}"
    if taken is not None:
        after = dict(zip(reference.compiled.names, taken[2], strict=True))
        odd = [
            f"{n} is {after[n]}, not {shown(v)}" for n, v in wanted.items() if after.get(n, v) != v
        ]
        return f"it leads elsewhere: {', '.join(odd)}"
    return _refused(run, rule, s, fields)


def _false(
    reference: Reference, state: State, step: Step, chosen: Mapping[str, Any], of: Expr
) -> str:
    """The first part of a condition that is false in a state; empty if none is."""

    def leaf(v: Expr) -> Expr:
        i = reference.position.get(v.payload)
        return v if i is None else const(state[i], v.domain)

    for part in conjuncts(of):
        if bind(substitute(part, leaf), chosen) is FALSE:
            return _short(str(part))
    return ""


def _refused(run: Run, rule: Rule, s: TraceStep, fields: Mapping[str, Any]) -> str:
    """What the machine does with a message that the row does not take."""
    given = {n: v for n, v in fields.items() if n in rule.choices}
    key = run.record_key(rule) if rule.kind == "receive" and rule.under is not None else None
    before = run.state
    try:
        alert = getattr(run, rule.trigger)(key, **given)
    except CallError as e:
        return str(e)
    taken = run.taken
    assert taken is not None
    if not taken.rejects:
        return f"{run.me} takes {s.event} by {taken.name} in {before}, not by {rule.name}"
    row, name = taken.refuses or ("", "")
    checks = [c for r in run.role.rules if r.name == row for c in r.checks if c.name == name]
    said = "".join(f"; check {c.name} of {row} is false: {_short(str(c.expr))}" for c in checks)
    return f"{run.me} refuses {s.event} in {before} with {alert}{said}"


def _short(text: str) -> str:
    return text if len(text) <= LONG else f"{text[: LONG - 3]}..."


def _differs(old: Trace, new: Trace) -> str:
    """The first thing that the replay did otherwise; empty if there is none."""
    for i, (a, b) in enumerate(zip(old.steps, new.steps, strict=True), 1):
        for what in ("event", "before", "key", "alert"):
            x, y = getattr(a, what), getattr(b, what)
            if x != y:
                return f"step {i}: the {what} is {y}, not {shown(x)}"
        for n in {**a.fields, **b.fields}:
            x, y = a.fields.get(n), b.fields.get(n)
            if _value(x) != _value(y):
                return f"step {i}: {shown(n)} of {b.event} is {y}, not {shown(x)}"
        if a.known != b.known:
            runs, before = (", ".join(t.known) or "no run" for t in (b, a))
            return f"step {i}: the adversary knows the keys of {runs}, not of {shown(before)}"
    return ""
