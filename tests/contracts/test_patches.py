"""Laws of patched systems: what the system says can happen, the machines do, under any patch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from checker.request import Request, system_of
from model.expr import Expr, const, python_function
from model.machine import JUNK, Run
from model.operation import Operation, patched
from model.patch import (
    with_effects,
    with_sources,
    with_target,
    without_check,
    without_condition,
    without_effects,
)
from model.role import Role
from model.roles import role
from model.rule import SAME, ModelError, Rule
from model.scenario import scenario
from model.solver import Decider
from model.system import OK, Step, System

SCENARIOS = ("tls12-small", "tls13", "tls13-psk")


def operations(of: Role, row: Rule) -> list[Operation]:
    """Every operation of some kinds on a row."""
    name = row.name
    out = [without_check(name, c.name) for c in row.checks]
    out += [without_condition(name), with_target(name, of.states[-1])]
    out += [with_sources(name, s) for s in of.states if s not in (*row.sources, *of.final)]
    for n, e in row.do.items():
        out += [without_effects(name, n)]
        out += [with_effects(name, **{n: const(v, e.domain)}) for v in e.domain.values[:3]]
    return out


def patch_at(rng: random.Random) -> tuple[System, System] | None:
    """The sound system of a scenario, and one with an operation on a row; None if that is none."""
    where = scenario(rng.choice(SCENARIOS))
    end = rng.choice(("client", "server"))
    sound = role(end, where.extensions)
    operation = rng.choice(operations(sound, rng.choice(sound.table)))
    note(f"{where.name}: {operation}")
    try:
        system = where.system(**{end: patched(sound, operation)})
        _ = system.raw_steps
    except ModelError:
        return None
    return system_of(Request(), where), system


def value_of(expr: Expr, values: Mapping[str, Any]) -> Any:
    return python_function({"e": expr}, "env", lambda v: f"env[{v.payload!r}]")(values)[0]


def default(rule: Rule, field: str) -> Any:
    """The first value that a field of a message, or a choice, may have."""
    m = rule.message if rule.kind == "receive" else None
    values = rule.choices[field].values
    return next(v for v in values if v != "none" or m is None or not m.demands(field))


def message(step: Step, values: Mapping[str, Any], run: Run) -> dict[str, Any]:
    """The fields of a message that the network delivers in the step, where it can."""
    fields: dict[str, Any] = {}
    expected: dict[str, Expr] = {}
    made: dict[str, Any] = {}
    stack = [step.rule.guard]
    while stack:
        e = stack.pop()
        if e.op == "same":
            expected[e.args[0].payload] = e
        stack.extend(e.args)
    for f, d in step.rule.choices.items():
        bound = step.source.fields.get(f)
        name = f"msg.{f}"
        if isinstance(bound, tuple):
            fields[f] = tuple(value_of(e, values) for e in bound)
        elif bound is not None:
            fields[f] = value_of(bound, values)
        elif d.values:
            fields[f] = values.get(name, default(step.rule, f))
        elif values.get(name + OK) and name in expected:
            parts = {str(i): p for i, p in enumerate(expected[name].args[1:])}
            made[f] = python_function(parts, "own, msg", _read)
        else:
            fields[f] = JUNK
    return fields | {f: make(run, fields) for f, make in made.items()}


def _read(v: Expr) -> str:
    kind, _, name = v.payload.partition(".")
    return f"msg[{name!r}]" if kind == "msg" else f"own.{name if kind == 'own' else v.payload}"


def examples(system: System, steps: list[Step]) -> Iterator[tuple[Step, dict[str, Any]]]:
    """For each step a state in which it is possible, and its parameters."""
    for s in steps:
        sender = system.by_name.get(s.source.name.partition(" ")[0])
        fields = s.source.fields
        # What no row takes away is there.
        there = [
            e != "none"
            for f, e in fields.items()
            if sender
            and s.rule.message
            and s.rule.message.demands(f)
            and isinstance(e, Expr)
            and f not in sender.role.lacking.get(s.rule.event, ())
        ]
        found = Decider().example(s.full, *there)
        if found is not None:
            plain = [n.removeprefix("msg.") for n in s.parameters if not n.endswith(OK)]
            yield (
                s,
                {
                    **{n: v.initial[0] for n, v in system.variables.items()},
                    **{f"msg.{f}": default(s.rule, f) for f in plain},
                    **{n: False for n in s.parameters if n.endswith(OK)},
                    **found,
                },
            )


@cache
def fresh(of: Role, name: str) -> Run:
    return Run(of, name)


@pytest.mark.deep
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**9))
def test_what_a_patched_system_can_do_its_machines_do(seed: int) -> None:
    rng = random.Random(seed)
    systems = patch_at(rng)
    assume(systems is not None)
    assert systems is not None
    sound, system = systems
    others = rng.sample(system.raw_steps, 20)
    done = 0
    for s, values in examples(system, [*system.changed(sound), *others]):
        of = system.by_name[s.run]
        run = fresh(of.role, s.run)
        run.place({n: values[f"{s.run}.{n}"] for n in of.role.all_variables})
        fields = message(s, values, run)
        key = s.rule.key(of.role.read_key) if s.rule.kind == "receive" else None
        under = {} if key is None else {"under": value_of(system.at(of, key), values)}
        note(f"{s.label} {fields} {under}")
        getattr(run, s.rule.trigger)(**fields, **under)
        assert run.taken is s.rule
        after = run.valuation()
        target = s.rule.target if s.rule.target != SAME else values[f"{s.run}.state"]
        assert after["state"] == target
        for n in of.role.variables:
            effect = s.effects.get(f"{s.run}.{n}")
            wanted = values[f"{s.run}.{n}"] if effect is None else value_of(effect, values)
            assert after[n] == wanted, n
        done += 1
    assert done
