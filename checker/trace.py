"""Counterexamples: replayed on the `transitions` machines before anyone sees them.

An engine's path names rows and sources only. `replay` derives each step again from the concrete
state, over all variables: it finds a message that the network can deliver and fires the message on
a real `transitions` machine, which must take the named row and reach the named state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from checker.broken import Broken, reasons
from checker.engines.interface import Described
from checker.engines.reference import EngineError, Reference, State
from model.expr import Expr, var
from model.machine import JUNK, Run
from model.schedule import TRAFFIC
from model.shown import picture
from model.system import Compiled, System


@dataclass(frozen=True)
class TraceStep:
    """One step of a run."""

    run: str
    kind: str  # "send", "receive" or "step"
    event: str  # the message, or the name of a local step
    source: str  # of the message received
    fields: Mapping[str, Any]  # of the message
    rule: str
    rfc: str
    guard: str
    before: str  # local state
    after: str  # local state
    key: str  # the record key that the message was read or written with
    alert: str | None  # the alert sent, if the row refuses
    known: tuple[str, ...]  # runs whose session keys the adversary knows after the step
    changed: Mapping[str, Any]  # the run's variables with new values


@dataclass(frozen=True)
class Trace:
    """A replayed path."""

    scenario: str
    property: str
    runs: tuple[str, ...]
    start: Mapping[str, Any]  # the configuration: initial values of variables that have several
    steps: tuple[TraceStep, ...]
    # The number of steps before those that repeat for ever: the length of the trace if it ends in
    # a state that no step leaves, None if it is no lasso.
    loop: int | None = None
    # The variables that make the last state a violation, with their values there.
    broken: Mapping[str, Any] = field(default_factory=dict)
    # The case of the property that the last state breaks.
    case: Broken | None = None

    def __len__(self) -> int:
        return len(self.steps)

    def _repr_svg_(self) -> str | None:
        return picture(self)

    def as_json(self) -> dict[str, Any]:
        """The trace as plain data."""
        return asdict(self)


class StepError(EngineError):
    """A step does not replay: its number, and the state and the machines before it."""

    def __init__(self, says: str, number: int, state: State, machines: Mapping[str, Run]) -> None:
        super().__init__(says)
        self.number, self.state, self.machines = number, state, machines


def every_variable(system: System) -> Compiled:
    """The system compiled with all variables."""
    return system.compile(*(var(n, v.domain) for n, v in system.variables.items()))


@lru_cache(maxsize=8)
def machines_of(system: System) -> Reference:
    """The reference engine for paths of the system, over all variables."""
    return Reference(every_variable(system))


def replay(
    system: System,
    path: Described,
    goal: Expr | None,
    name: str = "",
    reached: Callable[[State], object] = lambda state: None,
    why: Callable[[Mapping[str, Any]], Broken | None] = lambda last: None,
    messages: Sequence[Mapping[str, Any]] = (),
) -> Trace:
    """The trace of `path`, replayed on the machines.

    `reached` is called with each state, over all variables; `why` finds the case that the last one
    breaks. `messages` has the fields of each step's message, if they are to be these. StepError if
    a step does not replay, EngineError if the last state does not satisfy `goal`, if given.
    """
    reference = machines_of(system)
    full = reference.compiled
    first = {n: path[0][1].get(n, v.initial[0]) for n, v in system.variables.items()}
    machines = machines_at(system, first)
    state = tuple(first[n] for n in full.names)
    known = {
        r.name: reference.predicate(system.network.knows(system, r, TRAFFIC)) for r in system.runs
    }
    steps: list[TraceStep] = []
    reached(state)
    for i, (label, described) in enumerate(path[1:], 1):
        assert label is not None
        wanted = {full.index[n]: v for n, v in described.items() if n in full.index}
        given = messages[i - 1] if messages else {}
        says = f"step {i} of the trace does not replay: {label}"
        try:
            found = reference.toward(state, label, wanted, given)
        except ValueError as e:
            raise StepError(f"{says}: {e}", i, state, machines) from e
        if found is None:
            raise StepError(says, i, state, machines)
        step, fields, after = found
        run = machines[step.run]
        before = run.valuation()
        key = (
            run.record_key(step.rule)
            if step.rule.kind == "receive"
            else before.get("write_key", "")
        )
        alert = getattr(run, step.rule.trigger)(None if step.rule.under is None else key, **fields)
        if run.taken is not step.rule:
            raise EngineError(f"step {i}: the machine took {run.taken}, not {step.rule.name}")
        now = run.valuation()
        for n, v in now.items():
            k = full.index.get(f"{step.run}.{n}")
            if k is not None and after[k] != v:
                raise EngineError(f"step {i}: {step.run}.{n} is {v} in the machine, not {after[k]}")
        if step.rule.kind == "send":
            fields = {**fields, **run.message(step.rule.event).fields}
        state = after
        reached(state)
        steps.append(
            TraceStep(
                step.run,
                step.rule.kind,
                step.rule.event,
                step.source.name,
                {n: _plain(v) for n, v in fields.items()},
                step.rule.name,
                step.rule.rfc,
                str(step.rule.guard),
                str(before["state"]),
                str(now["state"]),
                str(key or ""),
                alert if step.rule.rejects else None,
                tuple(n for n, f in known.items() if f(state)),
                {n: v for n, v in now.items() if before[n] != v and n != "state"},
            )
        )
    if goal is not None and not reference.predicate(goal)(state):
        raise EngineError("the replayed trace does not reach the violation")
    config = {n: v for n, v in first.items() if len(system.variables[n].initial) > 1}
    last = {**first, **dict(zip(full.names, state, strict=True))}
    broken = {} if goal is None else {n: last[n] for n in reasons(goal, last)}
    runs = tuple(machines)
    return Trace(system.name, name, runs, config, tuple(steps), broken=broken, case=why(last))


def machines_at(system: System, state: Mapping[str, Any]) -> dict[str, Run]:
    """The runs' machines, by name, in a state over all variables."""
    out: dict[str, Run] = {}
    for r in system.runs:
        out[r.name] = Run(r.role, r.name, out[r.prev] if r.prev else None)
        out[r.name].place({n: state[f"{r.name}.{n}"] for n in r.role.all_variables})
    return out


def _plain(value: Any) -> Any:
    if value == JUNK:
        return "junk"
    return list(value) if isinstance(value, tuple) else value


def origin(trace: Trace, i: int) -> str:
    """What the adversary did to the message that step `i` receives; empty if nothing.

    Whether a plaintext message was touched is not in the trace: it was not if an equal message was
    sent before.
    """
    s = trace.steps[i]
    sender, _, edition = s.source.partition(" ")
    if s.kind != "receive" or (sender in trace.runs and not edition.endswith("via adversary")):
        return ""
    if s.key == "plaintext" and any(_same(s, before) for before in trace.steps[:i]):
        return ""
    if s.source == "forged":
        return "forged"
    return f"{sender}'s, {'changed' if s.key == 'plaintext' else 'resealed'} by the adversary"


def _same(got: TraceStep, sent: TraceStep) -> bool:
    """Whether the step `sent` sends the message that the step `got` receives, field for field."""
    if sent.kind != "send" or sent.run == got.run:
        return False
    known = (sent.event, sent.key, {k: sent.fields.get(k) for k in got.fields})
    return known == (got.event, got.key, dict(got.fields))
