"""A walk through a scenario: a trace that grows by the steps that one chooses.

Each state is reached on the `transitions` machines (`checker.trace.replay`).
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from checker.by_search import search
from checker.engines.reference import EngineError
from checker.explore.condition import condition
from checker.report.html.story import knowledge, states_of
from checker.report.html.why import shown, value
from checker.request import Request, system_of
from checker.trace import Trace, TraceStep, machines_of, replay
from model.expr import (
    FALSE,
    TRUE,
    Expr,
    conjuncts,
    const,
    neg,
    projected,
    substitute,
    text,
    variables,
)
from model.near import UsageError, meant
from model.scenario import Scenario
from model.system import System
from properties import declared

SEARCH = Request(states=20_000_000, seconds=60.0)
"""What the search for a condition may use."""
NAME = "walk"


class Walk:
    """A trace of a scenario's system, and what can follow each of its states."""

    def __init__(self, request: Request, where: Scenario) -> None:
        self.request, self.where = request, where
        self.system: System = system_of(request, where)
        self.sound = system_of(Request(), where) if request.patch else None
        self.reference = machines_of(self.system)
        first = {n: v.initial[0] for n, v in self.system.variables.items()}
        self.path: list[tuple[Any, dict[str, Any]]] = [(None, first)]

    # -- the walk ----------------------------------------------------------------------------------
    def trace(self) -> Trace:
        """The walk as a trace, replayed."""
        return replay(self.system, self.path, None, NAME)

    def _state(self, at: int) -> tuple[Any, ...]:
        values = self.path[at][1]
        return tuple(values[n] for n in self.reference.compiled.names)

    def moves(self, at: int) -> list[dict[str, Any]]:
        """The steps that are possible in state number `at`, each with one message that leads on."""
        out = []
        for i, (step, fields, after) in enumerate(self.reference.successors(self._state(at))):
            names = self.reference.compiled.names
            now = dict(zip(names, after, strict=True))
            said = {n: v for n, v in fields.items() if not n.startswith("under")}
            out.append(
                {
                    "number": i,
                    "run": step.run,
                    "kind": step.rule.kind,
                    "event": step.rule.event,
                    "source": step.source.name,
                    "row": step.rule.name,
                    "alert": step.rule.alert,
                    "after": str(now.get(f"{step.run}.state", step.rule.target)),
                    "fields": [[n, shown(v)] for n, v in said.items()],
                }
            )
        return out

    def take(self, at: int, number: int) -> None:
        """Go on from state number `at` with a move; what came after that state is left."""
        found = list(self.reference.successors(self._state(at)))
        if not 0 <= number < len(found):
            expected = (
                f"expected 0 to {len(found) - 1}" if found else "nothing can happen here; undo"
            )
            raise UsageError(f"there is no move {number}: {expected}")
        step, _, after = found[number]
        now = {**self.path[at][1], **dict(zip(self.reference.compiled.names, after, strict=True))}
        self.path[at + 1 :] = [(step.label, now)]

    def choose(self, name: str, wanted: str) -> None:
        """Begin anew with another initial value of a variable that has several."""
        free = self.free()
        options = {str(v): v for v in free[meant("free variable", name, list(free))]}
        first = self.path[0][1] | {name: options[meant(f"value of {name}", wanted, list(options))]}
        self.path = [(None, first)]

    def free(self) -> dict[str, Sequence[Any]]:
        """The variables that may begin with several values, with these."""
        return {n: v.initial for n, v in self.system.variables.items() if len(v.initial) > 1}

    # -- questions ---------------------------------------------------------------------------------
    def reach(self, says: str) -> str:
        """Go the shortest way from a start to a state where the condition holds; what was found."""
        goal = condition(self.system, says)
        never = declared("invariant", NAME, lambda _: neg(goal))
        (found,) = search(self.system, [never], SEARCH)
        if found.trace is None:
            return (
                "no reachable state" if found.verdict == "PROVED" else f"not found: {found.reason}"
            )
        self.load(found.trace)
        return f"reached in {len(found.trace)} steps"

    def why_not(self, at: int, run: str, row: str) -> dict[str, Any]:
        """Why `run` cannot take `row` in state number `at`: the parts of the guard that fail."""
        state = self.path[at][1]
        role = self.system.by_name[meant("run", run, list(self.system.by_name))].role
        rule = role.rule(meant("row", row, [r.name for r in role.rules]))
        local = state.get(f"{run}.state", role.states[0])
        fails: list[dict[str, Any]] = []
        needs: list[str] = []
        if local not in rule.sources:
            says = f"{run}.state in {{{', '.join(rule.sources)}}}"
            fails.append(_part("state", says, {f"{run}.state": local}))
        parts = [("when", e) for e in conjuncts(rule.when)]
        parts += [(c.name, c.expr) for c in rule.checks]
        for name, e in parts:
            left = substitute(e, lambda v: self._own(v, run, state))
            own = {n: self._value(n, run, state) for n in variables(e) if not n.startswith("msg.")}
            if left is FALSE:
                fails.append(_part(name, text(e), own))
            elif left is not TRUE:
                needs.append(text(left))
        steps = [s for s in self.system.raw_steps if (s.run, s.rule.name) == (run, rule.name)]
        can = False
        for s in steps:
            if fails:
                break
            left = substitute(s.full, lambda v: self._global(v, state))
            can |= projected(left, s.parameters) is not FALSE
            for e in conjuncts(s.deliverable) + conjuncts(s.room):
                closed = substitute(e, lambda v: self._global(v, state))
                if projected(closed, s.parameters) is FALSE:
                    read = {n: state[n] for n in variables(e) if n in state}
                    fails.append(_part(f"network, {s.source.name}", text(e), read))
        if can:
            fails = []
        return {"row": rule.name, "run": run, "enabled": can, "fails": fails, "needs": needs}

    def _value(self, name: str, run: str, state: Mapping[str, Any]) -> Any:
        kind, _, rest = name.partition(".")
        if kind == "own":
            return run if rest == "me" else state[f"{run}.{rest}"]
        before = self.system.by_name[run].prev
        return state[f"{before}.{rest}"] if before and f"{before}.{rest}" in state else "none"

    def _own(self, v: Expr, run: str, state: Mapping[str, Any]) -> Expr:
        if v.payload.startswith("msg."):
            return v
        at = self.system.at(run, v)
        return at if at.op == "const" else self._global(at, state)

    def _global(self, v: Expr, state: Mapping[str, Any]) -> Expr:
        return const(state[v.payload], v.domain) if v.payload in state else v

    def known(self, at: int) -> list[str]:
        """What the adversary knows in state number `at`."""
        state = self.path[at][1]
        return [n for n, e in self._knowledge.items() if value(e, state.__getitem__)]

    @cached_property
    def _knowledge(self) -> dict[str, Expr]:
        return knowledge(self.system)

    # -- keeping it --------------------------------------------------------------------------------
    def load(self, trace: Trace) -> None:
        """Take over a trace of the same system; UsageError if it does not replay."""
        try:
            states = states_of(trace, self.system)
        except (EngineError, KeyError, ValueError) as e:
            raise UsageError(f"the walk does not fit {self.where.name}: {e}") from e
        labels = [None, *((s.run, s.rule, s.source) for s in trace.steps)]
        self.path = list(zip(labels, states, strict=True))

    def word(self) -> str:
        """The walk as one word, which `read` takes."""
        packed = zlib.compress(json.dumps(self.trace().as_json(), default=str).encode(), 9)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def read(self, word: str) -> None:
        """Take over a walk as `word` wrote it, or a trace in JSON; UsageError if it is neither."""
        try:
            if word.lstrip().startswith("{"):
                data = json.loads(word)
            else:
                raw = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
                unpack = zlib.decompressobj()
                data = json.loads(unpack.decompress(raw, 10_000_000))
            steps = tuple(TraceStep(**s) for s in data["steps"])
            trace = Trace(data["scenario"], data["property"], (), data["start"], steps)
        except (ValueError, TypeError, KeyError, binascii.Error, zlib.error) as e:
            raise UsageError(f"expected a walk or a trace in JSON, got: {e}") from None
        if trace.scenario != self.where.name:
            raise UsageError(f"the walk is one of {trace.scenario}, not of {self.where.name}")
        self.load(trace)

    def test(self) -> str:
        """The walk as a test for pytest, which drives the machines."""
        trace = self.trace()
        start = {r.name: self._first(r.name) for r in self.system.runs}
        lines = [
            f'"""A walk in the scenario {self.where.name}."""',
            "",
            "from checker.request import Request, system_of",
            "from model.machine import JUNK, Run",
            "from model.scenario import scenario",
            "",
            f"START = {start!r}",
            "",
            "",
            "def test_the_walk() -> None:",
            f"    request = Request(flaw={self.request.flaw!r}, drop={self.request.drop!r})",
            f"    system = system_of(request, scenario({self.where.name!r}))",
            "    runs: dict[str, Run] = {}",
            "    for r in system.runs:",
            "        before = runs[r.prev] if r.prev else None",
            "        runs[r.name] = Run(r.role, r.name, before)",
            "        runs[r.name].place(START[r.name])",
        ]
        for step in trace.steps:
            role = self.system.by_name[step.run].role
            rule = role.rule(step.rule)
            given = {n: v for n, v in step.fields.items() if n in rule.choices}
            said = [repr(None if rule.under is None else step.key)]
            said += [f"{n}={_literal(v)}" for n, v in given.items()]
            call = f"    runs[{step.run!r}].{rule.trigger}({', '.join(said)})"
            lines += [call, f"    assert runs[{step.run!r}].state == {step.after!r}"]
        return "\n".join(lines) + "\n"

    def _first(self, run: str) -> dict[str, Any]:
        values = self.path[0][1]
        names = self.system.by_name[run].role.variables
        return {n: values[f"{run}.{n}"] for n in names if f"{run}.{n}" in values}


def _part(name: str, says: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "says": says, "values": [[n, shown(v)] for n, v in values.items()]}


def _literal(v: Any) -> str:
    return "JUNK" if v == "junk" else repr(tuple(v) if isinstance(v, list) else v)
