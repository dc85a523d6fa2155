"""The attacks of the catalogue: each found, replayed, and refused where its flaw is not.

Of each flaw, at the ends that show it best: a search finds the attack, a shortest trace to a state
that breaks the property that the flaw `shows`, and the trace is replayed on the flawed machines.
Then the same steps are taken with sound ends, up to the step that these refuse. Last, the property
is decided again, by a whole search or a proof: without the flaw; where two ends need it, with one
of them sound; and without the capability.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from checker.by_search import search, temporal
from checker.decide import run_task
from checker.engines.choice import EXPLICIT, SYMBOLIC
from checker.pool import Job, Link, Pool
from checker.request import Request, Task, properties_of, size, system_of
from checker.trace import Trace, TraceStep, machines_at, machines_of
from checker.verdict import PROVED, VACUOUS, VIOLATED, Result
from model.flaws import Flaw, find, flaws
from model.machine import JUNK, Sent
from model.near import UsageError
from model.scenario import Scenario, scenario
from model.system import System
from properties import Property, catalogue

OTHERWISE = "takes it otherwise"
REFUSES = "refuses it"
UNSENT = "does not send it"
UNDONE = "has no such step"
UNMADE = "nobody sends it, and the adversary cannot make it"


@dataclass(frozen=True)
class Refusal:
    """The step of an attack that does not happen with sound ends."""

    step: int  # from 1
    run: str
    event: str
    why: str
    alert: str | None  # what the run answers, if it refuses the message


@dataclass(frozen=True)
class Attack:
    """What was decided of one flaw."""

    flaw: Flaw
    ends: str
    result: Result
    """That of the property which the flaw shows, under the flaw."""
    refusal: Refusal | None
    sound: Mapping[str, str] = field(default_factory=dict)
    """By what is sound, or not there: the verdict on the same property."""
    seconds: float = 0.0
    """Of processor time."""

    @property
    def trace(self) -> Trace | None:
        """The replayed trace; None if no attack was found."""
        trace: Trace | None = self.result.trace
        return trace

    @property
    def found(self) -> bool:
        """Whether the property falls."""
        return self.result.verdict == VIOLATED and not self.result.error

    @property
    def sound_without(self) -> bool:
        """Whether the property holds wherever something that the attack needs is not there.

        It may be VACUOUS: then only the whole attack leads to a case of the property at all.
        """
        return bool(self.sound) and set(self.sound.values()) <= {PROVED, VACUOUS}

    @property
    def as_declared(self) -> bool:
        """Whether the attack is found with its length, is refused, and needs all that it uses."""
        return (
            self.found
            and len(self.result.trace) == self.flaw.steps
            and self.refusal is not None
            and self.sound_without
        )


def chosen(specs: Sequence[str]) -> list[str]:
    """The flaws asked for, each once; all of the catalogue, by year, if none is named.

    UsageError for an unknown flaw, or one of a file that does not say what it shows.
    """
    if not specs:
        return [f.name for f in sorted(flaws().values(), key=lambda f: (f.year, f.name))]
    for spec in specs:
        flaw, _ = find(spec)
        if flaw.shows not in catalogue() or not flaw.where:
            raise UsageError(
                f"flaw {flaw.name} does not say which property shows it in which scenario "
                f"(shows, scenario): use `verify --flaw {spec}`"
            )
    return list(dict.fromkeys(specs))


def attacks(
    specs: Sequence[str],
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> Iterator[Attack]:
    """The attacks on flaws, each `NAME` or `NAME@END`, in their order; those of one scenario in
    one process."""
    groups: dict[str, list[str]] = {}
    for spec in specs:
        groups.setdefault(find(spec)[0].where, []).append(spec)
    waiting: dict[str, Attack] = {}
    left = list(specs)
    with Pool(workers, progress) as pool:
        for name in sorted(groups, key=lambda n: -size(scenario(n))):
            pool.add(Job(_work, (tuple(groups[name]),), linked=True))
        for reply in pool.replies():
            if not reply.part:
                reply.get()
                continue
            spec, decided = reply.value
            waiting[spec] = Attack(find(spec)[0], *decided)
            if progress is not None:
                progress(f"{len(specs) - len(left) + len(waiting)} of {len(specs)} attacks decided")
            while left and left[0] in waiting:
                yield waiting.pop(left.pop(0))


def _work(link: Link, specs: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for spec in specs:
        a = attacked(spec, known)
        # A flaw's patches stay here: operations cannot be sent.
        link.part((spec, (a.ends, a.result, a.refusal, dict(a.sound), a.seconds)))


def attacked(spec: str, known: dict[str, str] | None = None) -> Attack:
    """The attack on a flaw; `known` has verdicts on sound systems, by scenario and property."""
    began = time.process_time()
    flaw, ends = find(spec)
    where, prop = scenario(flaw.where), catalogue()[flaw.shows]
    request = Request((prop.name,), flaw=f"{spec.partition('@')[0]}@{ends}")
    result = _found(system_of(request, where), where, prop, request)
    refusal = None
    if result.trace is not None:
        refusal = refused(system_of(Request(), where), result.trace)
    sound = dict(_sound(flaw, ends, where, prop, request, {} if known is None else known))
    return Attack(flaw, ends, result, refusal, sound, time.process_time() - began)


def _found(system: System, where: Scenario, prop: Property, request: Request) -> Result:
    """The result of one property, by search."""
    if prop.temporal:
        # What else is asked decides which states are told apart, and so the length of a way.
        props = [p for p in properties_of(Request(), where) if p.temporal]
        return next(r for r in temporal(system, props) if r.property == prop.name)
    return search(system, [prop], replace(request, properties=()))[0]


def _sound(
    flaw: Flaw,
    ends: str,
    where: Scenario,
    prop: Property,
    request: Request,
    known: dict[str, str],
) -> Iterator[tuple[str, str]]:
    """The verdicts on the property without what the attack needs."""
    alone = f"{where.name}, {prop.name}"
    if alone not in known:
        known[alone] = _verdict(Request((prop.name,), kept=True), where, prop)
    yield "without the flaw", known[alone]
    if ends == "both":
        for end in flaw.patches:
            if prop.name not in flaw.breaks.get(end, ()):
                one = replace(request, flaw=request.flaw.replace("@both", f"@{end}"))  # type: ignore[union-attr]
                yield f"with the flaw of the {end} alone", _verdict(one, where, prop)
    if flaw.capability and prop.name not in flaw.local:
        less = replace(
            where, capabilities=tuple(c for c in where.capabilities if c != flaw.capability)
        )
        system = less.system(*flaw.roles(ends, less.extensions))
        yield f"without {flaw.capability}", _found(system, less, prop, request).verdict


def _verdict(request: Request, where: Scenario, prop: Property) -> str:
    """The verdict on a property, by a search to the end, or a proof of what is only proved."""
    if EXPLICIT in where.methods:
        return _found(system_of(request, where), where, prop, request).verdict
    (result,) = run_task(Task(request, where.name, SYMBOLIC))
    return result.verdict


# -- the sound ends --------------------------------------------------------------------------------
def refused(sound: System, trace: Trace) -> Refusal | None:
    """The first step of a trace that does not happen in a sound system; None if all do."""
    reference = machines_of(sound)
    of = reference.compiled
    start = {n: trace.start.get(n, v.initial[0]) for n, v in sound.variables.items()}
    state = tuple(start[n] for n in of.names)
    flawed = dict(start)  # the values in the trace
    for i, s in enumerate(trace.steps, 1):
        flawed |= {f"{s.run}.{n}": v for n, v in {**s.changed, "state": s.after}.items()}
        mine = [f"{s.run}.{n}" for n in sound.by_name[s.run].role.all_variables]
        # A value that a sound run never has is none that the compiled system knows.
        values = {n: of.domains[of.index[n]].values for n in mine if n in of.index}
        values |= {n: (of.constants[n],) for n in mine if n in of.constants}
        found = None
        if all(flawed[n] in v for n, v in values.items()):
            wanted = {of.index[n]: flawed[n] for n in values if n in of.index}
            found = reference.toward(state, (s.run, s.rule, s.source), wanted)
        if found is None:
            here = {**start, **dict(zip(of.names, state, strict=True))}
            return Refusal(i, s.run, s.event, *_answer(sound, here, s))
        state = found[2]
    return None


def _answer(sound: System, state: Mapping[str, Any], s: TraceStep) -> tuple[str, str | None]:
    """What the sound run does at the step in this state, and its alert."""
    if s.kind != "receive":
        return (UNSENT if s.kind == "send" else UNDONE), None
    run = machines_at(sound, state)[s.run]
    before = run.valuation()
    run.receive(Sent(s.event, {n: _whole(v) for n, v in s.fields.items()}, s.key))
    row, after = run.taken, run.valuation()
    assert row is not None
    if row.rejects:
        return REFUSES, row.alert
    there = {n: v for n, v in {**s.changed, "state": s.after}.items() if n in after}
    return (UNMADE if after == {**before, **there} else OTHERWISE), None


def _whole(value: Any) -> Any:
    """A field's value as the machines have it."""
    return JUNK if value == "junk" else tuple(value) if isinstance(value, list) else value
