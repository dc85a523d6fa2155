"""A row of the model weakened to match a learned machine, and the attacks that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from checker.conformance.honest import ALWAYS, Configuration
from model.expr import TRUE, conj, disj, neg
from model.flaws import Flaw
from model.patch import Patch, with_rows, without_check, without_refusals
from model.principal import OFFERED, client, server
from model.roles import role
from model.rule import SAME, Rule, receive, snake
from model.scenario import Scenario
from model.system import System
from properties import Property


@dataclass(frozen=True)
class Weakening:
    """One weakened row, which takes a message that the model refuses."""

    config: Configuration
    states: tuple[str, ...]
    message: str
    how: str  # "ignored", "takes effect early", "ends the wait" or "is not checked"
    base: str = ""  # the row whose effects, target and checks the weakened row has
    check: str = ""  # the check dropped; empty: all checks
    checked: bool = True  # a row that ends the wait keeps the checks of `base`

    def rule(self) -> Rule:
        """The row to add, whose guard excludes the messages that other rows take."""
        sound = role(self.config.role, ALWAYS)
        own = client if self.config.role == "client" else server
        base = next((r for r in sound.table if r.name == self.base), None)
        message = next(m for m in sound.alphabet if m.name == self.message)
        taken = [r.guard for r in sound.table if self._takes(r)]
        modern = own.version == "TLS13"
        when = [neg(disj(*taken)) if taken else TRUE]
        if not {"START", "WAIT_SH"} & set(self.states):
            when.append(modern if self.config.version == "TLS13" else neg(modern))
            if self.config.role == "server" and self.config.asks != "none":
                when.append(own.client_auth == self.config.asks)
        ends = self.how == "ends the wait" and base is not None
        return receive(
            self.config.role,
            message,
            self.states,
            base.target if ends and base is not None else SAME,
            rfc=base.rfc if base else message.rfc,
            when=conj(*when, base.when if ends and base is not None else TRUE),
            checks=base.checks if base and ends and self.checked else (),
            do=base.do if base else {},
            label=f"{self.config.role}_weakened_{snake(self.message)}_{'_'.join(self.states)}",
        )

    def patch(self) -> Patch:
        """The patch that weakens the role."""
        if self.how == "is not checked":
            return without_check(self.base, *([self.check] if self.check else []))
        # The new row takes messages that fail a check of these rows, so drop their reject rows.
        there = [
            x.name for x in role(self.config.role, ALWAYS).table if x.checks and self._takes(x)
        ]
        return [*map(without_refusals, there), with_rows(self.rule())]

    def _takes(self, r: Rule) -> bool:
        """Whether a row takes the message in one of the states."""
        return (
            r.kind == "receive" and r.event == self.message and bool({*self.states} & {*r.sources})
        )


def scenario_of(config: Configuration) -> Scenario:
    """The configuration as a scenario: one run of each role against the adversary."""
    both: dict[str, tuple[Any, ...]] = {
        "min_version": (config.version,),
        "max_version": (config.version,),
        **{f"offers_{s}": (True,) for s in config.suites},
    }
    asks = config.asks != "none" or (config.role == "client" and config.certificate == "honest")
    return Scenario(
        "audit",
        "what a learned machine was learned in",
        {
            **both,
            "has_certificate": (False, True) if asks else (False,),
            "sends_data": (config.role == "client",),
        },
        {**both, "asks_client": (asks,), "sends_data": (config.role == "server",)},
        ("explicit",),
        extensions=ALWAYS,
    )


@cache
def _system(config: Configuration) -> tuple[System, dict[str, bool]]:
    """The sound system of a configuration, and by property whether it holds there, where known."""
    return scenario_of(config).system(), {}


def _holds(config: Configuration, props: Sequence[Property]) -> dict[str, bool]:
    """Whether each of some properties holds in the sound system, by name."""
    from checker.by_search import search
    from checker.request import Request
    from checker.verdict import PROVED

    system, known = _system(config)
    new = [p for p in props if p.name not in known]
    if new:
        known |= {r.property: r.verdict == PROVED for r in search(system, new, Request())}
    return known


def consequences(w: Weakening) -> list[dict[str, Any]]:
    """The properties that fall with the weakened row: name, id, steps of a shortest attack."""
    from checker.by_search import search
    from checker.patched import IDLE
    from checker.request import Request, properties_of
    from checker.verdict import UNKNOWN, VIOLATED

    config = replace(w.config, suites=tuple(s for s in w.config.suites if s in OFFERED))
    where = scenario_of(config)
    flaw = Flaw(
        "audit",
        0,
        f"{w.message} in {w.states[0]} {w.how}",
        "learned machine",
        "",
        {config.role: w.patch()},
        {config.role: ()},
    )
    system = where.system(*flaw.roles(config.role, where.extensions))
    props = [p for p in properties_of(Request(), where) if p.kind == "invariant"]
    out = []
    results = search(system, props, Request())
    bad = {r.property for r in results if r.verdict == VIOLATED}
    holds = _holds(config, [p for p in props if p.name in bad])
    for r in results:
        if r.error or r.verdict == UNKNOWN:
            return [{"name": "", "id": "", "steps": 0, "problem": r.reason}]
        if r.verdict == VIOLATED and holds[r.property]:
            out.append({"name": r.property, "id": r.id, "steps": len(r.trace)})
    # Where a property falls the row fires; when it does takes long to work out.
    if not out and not _fires(config, system, props):
        return [{"name": "", "id": "", "steps": 0, "problem": IDLE}]
    return out


def _fires(config: Configuration, system: System, props: Sequence[Property]) -> bool:
    """Whether a patched row of a weakened system ever fires."""
    from checker.by_search import search
    from checker.patched import changed_rows, known
    from checker.request import Request

    results = search(system, props, Request(), patched=changed_rows(_system(config)[0], system))
    return any(known(results)[system.name].values())
