"""A trace as data that one can step through: each step with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from checker.engines.reference import EngineError, State
from checker.report.chart import lay_out, under
from checker.report.html.figure import row
from checker.report.html.why import shown, value, why
from checker.trace import Trace, TraceStep, machines_of, origin
from model.expr import TRUE, Expr, conj, neg
from model.machine import JUNK, CallError, Run, compiled
from model.role import Role
from model.rule import Rule
from model.schedule import CERTIFICATE, MASTER, TRAFFIC
from model.system import Instance, System
from properties import Property

SECRETS = {
    TRAFFIC: "the session keys of {}",
    MASTER: "the master secret of {}",
    CERTIFICATE: "the private key of the certificate that {} was shown",
}
"""How the secrets of a run are called; any other is "the KIND secret of RUN"."""


def story(
    trace: Trace, system: System, broken: Property | None = None, sound: System | None = None
) -> dict[str, Any]:
    """The `Story` of a trace of `system`, which breaks the property `broken` at its end.

    Each step of a patched system is also tried on the machines of the `sound` one.
    """
    laid = lay_out(trace)
    states = states_of(trace, system)
    known = _since(system, states)
    steps = []
    differs = False
    for i, step in enumerate(trace.steps):
        rule = system.by_name[step.run].role.rule(step.rule)
        before, after = states[i], states[i + 1]
        mine = f"{step.run}."
        set_by_rows = _set_by_rows(system.by_name[step.run].role)
        other = None
        if sound is not None and not differs:
            other = on_sound(sound, system, step, rule, before)
            differs = other is not None
        steps.append(
            {
                "run": step.run,
                "event": step.event,
                "right": laid.rows[i].right,
                "source": step.source,
                "forged": origin(trace, i),
                "under": under(step),
                "fields": [
                    [n, shown(_tuple(v)), maker(trace, i, n)] for n, v in step.fields.items()
                ],
                "before": step.before,
                "after": step.after,
                "alert": step.alert,
                "row": {**row(rule), "kind": step.kind},
                "changed": [
                    [n, shown(before[n]), shown(v), n.removeprefix(mine) in set_by_rows]
                    for n, v in after.items()
                    if before[n] != v and (n.startswith(mine) and n != f"{mine}state")
                ],
                "learned": [n for n, since in known.items() if since == i + 1],
                "sound": other,
            }
        )
    return {
        "title": trace.property.replace("_", " ") or "walk",
        "property": broken.id if broken is not None else "",
        "scenario": trace.scenario,
        "columns": list(laid.columns),
        "start": [[n, shown(v)] for n, v in trace.start.items()],
        "begins": {r.name: states[0].get(f"{r.name}.state") for r in system.runs},
        "known": [n for n, since in known.items() if since == 0],
        "steps": steps,
        "loop": trace.loop,
        "broken": _broken(broken, system, states[-1]) if broken is not None else [],
    }


def _set_by_rows(role: Role) -> set[str]:
    """The variables of a role that rows set; observers set others, for properties to read."""
    return {n for do in (role.refuse, *(r.do for r in role.table)) for n in do}


def states_of(trace: Trace, system: System) -> list[dict[str, Any]]:
    """The values of all variables, by name, before each step and at the end of a trace."""
    reference = machines_of(system)
    full = reference.compiled
    now = {n: v.initial[0] for n, v in system.variables.items()} | dict(trace.start)
    state: State = tuple(now[n] for n in full.names)
    out = [dict(now)]
    for i, step in enumerate(trace.steps, 1):
        set_ = {f"{step.run}.{n}": v for n, v in {**step.changed, "state": step.after}.items()}
        wanted = {full.index[n]: v for n, v in set_.items() if n in full.index}
        label = (step.run, step.rule, step.source)
        found = reference.toward(state, label, wanted)
        if found is None:
            raise EngineError(f"step {i} of the trace does not replay: {label}")
        state = found[2]
        now = now | dict(zip(full.names, state, strict=True))
        out.append(now)
    return out


# -- who made what, and who knows what -------------------------------------------------------------
ADVERSARY = "adversary"


def maker(trace: Trace, i: int, field: str) -> str:
    """Who made the value of a field of the message of step `i`: a run, or the adversary."""
    step = trace.steps[i]
    v = step.fields[field]
    if isinstance(v, str) and (v in trace.runs or v == ADVERSARY):
        return v
    if step.kind != "receive":
        return step.run
    sender = step.source.partition(" ")[0]
    if sender in trace.runs and (step.source == sender or isinstance(v, list | tuple)):
        return sender
    if not origin(trace, i):
        # In the clear, and the same as an honest message.
        same = (s.run for s in trace.steps[:i][::-1] if s.kind == "send" and s.event == step.event)
        return next(same, ADVERSARY)
    return ADVERSARY


def knowledge(system: System) -> dict[str, Expr]:
    """When the adversary knows a secret, by the secret's name; of secrets that are made at all."""
    network = system.network
    out = {}
    for r in system.runs:
        schedule = r.role.schedule
        kinds = {TRAFFIC: TRUE, MASTER: _made(system, r), CERTIFICATE: _shown(system, r)}
        for kind, made in (*schedule.secret.items(), *schedule.early.items()):
            kinds.setdefault(kind, system.at(r, made))
        for kind, made in kinds.items():
            name = SECRETS.get(kind, f"the {kind} secret of {{}}").format(r.name)
            out[name] = conj(network.knows(system, r, kind), made)
    return out


def _made(system: System, run: Instance) -> Expr:
    return system.of(run, "keyed") if "keyed" in run.role.variables else TRUE


def _shown(system: System, run: Instance) -> Expr:
    """When a certificate was shown to the run: before that there is no key to know."""
    signer = run.role.signer
    return TRUE if signer is None else neg(system.at(run, signer).one_of("none", "empty"))


def _since(system: System, states: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of the state since which the adversary knows each secret that it ever knows."""
    out: dict[str, int] = {}
    for name, expr in knowledge(system).items():
        for i, state in enumerate(states):
            if value(expr, state.__getitem__):
                out[name] = i
                break
    return out


# -- the sound machine beside the flawed one -------------------------------------------------------
def on_sound(
    sound: System, system: System, step: TraceStep, rule: Rule, before: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What the sound machine does otherwise in a step from the same values; None if nothing."""
    run = sound.by_name[step.run]
    if run.role is system.by_name[step.run].role:
        return None
    machine = placed(sound, run, before)
    flawed = placed(system, system.by_name[step.run], before)
    fields = arguments(run.role, rule, step)
    key = None if rule.under is None else step.key
    try:
        getattr(flawed, rule.trigger)(key, **arguments(flawed.role, rule, step))
    except (CallError, AttributeError) as e:
        raise EngineError(f"the flawed machine does not take {rule.name}: {e}") from e
    try:
        getattr(machine, rule.trigger)(key, **fields)
    except (CallError, AttributeError):
        return {"refuses": True, "says": "has no row for this here", "row": None, "why": None}
    taken = machine.taken
    assert taken is not None
    now, then = machine.valuation(), flawed.valuation()
    if taken.rejects and not rule.rejects:
        says, due, reason = f"refuses with the alert {taken.alert}", taken, None
        if taken.refuses is not None:
            name, check = taken.refuses
            due = run.role.rule(name)
            failing = next(c.expr for c in due.checks if c.name == check)
            says += f": {check} does not hold"
            reason = why(failing, reader(before, step.run, fields))
        return {"refuses": True, "says": says, "row": row(due), "why": reason}
    other = {n: v for n, v in now.items() if n in then and then[n] != v}
    if not other and (
        step.kind != "send" or machine.message(step.event) == flawed.message(step.event)
    ):
        return None
    says = ", ".join(f"{n} = {shown(v)} instead of {shown(then[n])}" for n, v in other.items())
    says = f"does otherwise: {says}" if says else "sends other contents"
    return {"refuses": False, "says": says, "row": row(taken), "why": None}


def placed(system: System, run: Instance, state: Mapping[str, Any]) -> Run:
    """A machine of `run`, and of the handshakes before it, with the values of `state`."""
    before = placed(system, system.by_name[run.prev], state) if run.prev else None
    machine = Run(run.role, run.name, before)
    names = run.role.all_variables
    machine.place({n: state[f"{run.name}.{n}"] for n in names if f"{run.name}.{n}" in state})
    return machine


def arguments(role: Role, rule: Rule, step: TraceStep) -> dict[str, Any]:
    """The fields or choices of a step, as the role's machine takes them."""
    wanted = compiled(role).triggers.get(rule.trigger, {})
    return {n: _tuple(v) for n, v in step.fields.items() if n in wanted}


def _tuple(v: Any) -> Any:
    return JUNK if v == "junk" else tuple(v) if isinstance(v, list) else v


def reader(state: Mapping[str, Any], run: str, fields: Mapping[str, Any]) -> Any:
    """The value of a name in a row of `run` that takes a message with these fields."""

    def read(name: str) -> Any:
        kind, _, rest = name.partition(".")
        if kind == "own":
            return run if rest == "me" else state[f"{run}.{rest}"]
        return fields[rest] if kind == "msg" else f"({name})"

    return read


# -- what broke ------------------------------------------------------------------------------------
def _broken(p: Property, system: System, last: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The implications of a property that are false in the last state of its trace."""
    read = last.__getitem__
    return [
        {
            "case": i.case.name,
            "place": i.case.place,
            "given": why(i.given, read),
            "holds": why(i.holds, read),
        }
        for i in p.implications(system)
        if value(i.given, read) and not value(i.holds, read)
    ]
