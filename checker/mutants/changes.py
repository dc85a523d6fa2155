"""What a mutant changes: its steps beside those of the sound system.

Most mutants change rows of one event. Then only that event's steps are made anew, from the sources
of the sound system: what a network can deliver depends on no row of the receiver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from checker.engines.interface import Label
from checker.mutants.generate import COVERED, Mutant
from model.expr import Expr, variables
from model.role import Role
from model.rule import ModelError, Rule
from model.system import Instance, Source, Step, System


@dataclass(frozen=True)
class Change:
    """A mutant's steps beside those of the sound system."""

    system: System
    new: tuple[Step, ...]
    """The steps that the sound system does not have."""
    gone: tuple[Step, ...]
    """The steps of the sound system that the mutant does not have."""
    labels: Mapping[Label, Label]
    """The label of each other step, by its label in the sound system, where it differs."""
    whole: bool = False
    """Whether more may differ than the steps of some events: variables, or what is known."""
    open: bool = False
    """Whether the steps are not made yet: what properties say of the mutant may be enough."""


class Changes:
    """The changes that mutants make to one system."""

    def __init__(self, sound: System) -> None:
        self.sound = sound
        self.roles = {r.role.name: r.role for r in sound.runs}
        self._shown: dict[str, set[str]] = {}
        """By role: the variables that the fields of its messages show."""
        self._sources: dict[tuple[str, str, int], list[tuple[Source, dict[int, Expr]]]] = {}

    def of(self, mutant: Mutant, *, steps: bool = True) -> Change | None:
        """The change of a mutant; None if it is no mutant of this system.

        Without `steps` those of a mutant that changes what a proof covers are left open.
        """
        try:
            roles = self.roles | mutant.roles(self.roles)
            runs = tuple(replace(r, role=roles[r.role.name]) for r in self.sound.runs)
            system = replace(self.sound, runs=runs)
            triggers = self._alone(mutant, roles)
            network = self.sound.network
            if network.variables(system).keys() != network.variables(self.sound).keys():
                triggers = None
            if mutant.kind in COVERED and not steps:
                return Change(system, (), (), {}, whole=True, open=True)
            made = system.raw_steps if triggers is None else tuple(self._few(system, triggers))
        except ModelError:
            return None
        kept: dict[Any, list[Step]] = {}
        for s in self.sound.raw_steps:
            if triggers is None or s.run in triggers.get(s.rule.trigger, ()):
                kept.setdefault(_content(s), []).append(s)
        new, labels = [], {}
        for s in made:
            same = kept.get(_content(s))
            if not same:
                new.append(s)
                continue
            old = same.pop()
            if old.label != s.label:
                labels[old.label] = s.label
        gone = tuple(s for x in kept.values() for s in x)
        return Change(system, tuple(new), gone, labels, triggers is None)

    def _alone(self, mutant: Mutant, roles: Mapping[str, Role]) -> dict[str, set[str]] | None:
        """The events whose rows differ, each with the runs; None if more may differ than rows."""
        if mutant.kind in COVERED:
            return None
        out: dict[str, set[str]] = {}
        for name in mutant.ends:
            old, new = self.roles[name], roles[name]
            rows = {id(r): r for r in (*old.table, *new.table)}
            both = {id(r) for r in old.table} & {id(r) for r in new.table}
            differ = [r for i, r in rows.items() if i not in both]
            if self._sends_less(old, new, differ):
                return None
            for r in differ:
                out.setdefault(r.trigger, set()).update(
                    x.name for x in self.sound.runs if x.role is old
                )
        return out

    def _sends_less(self, old: Role, new: Role, differ: Iterable[Rule]) -> bool:
        """Whether other messages may lack a field, so that steps of their receiver differ."""
        if old.name not in self._shown:
            times = (e for m in old.sends for e in old.times(m))
            parts = [x for e in times for x in e.fields.values() if isinstance(x, Expr)]
            self._shown[old.name] = {n.removeprefix("own.") for n in variables(*parts)}
        shown = self._shown[old.name]
        may = any(r.kind == "send" or not shown.isdisjoint(r.do) for r in differ)
        return may and old.lacking != new.lacking

    def on(self, system: System, events: Iterable[tuple[str, str]]) -> list[Step]:
        """The steps of a changed system on some events of its runs, with its own sources."""
        triggers: dict[str, set[str]] = {}
        for run, trigger in events:
            triggers.setdefault(trigger, set()).add(run)
        return list(Changes(system)._few(system, triggers))

    def _few(self, system: System, triggers: Mapping[str, set[str]]) -> Iterator[Step]:
        """The steps of the runs on these events, with the sources of `sound`."""
        rules: dict[int, tuple[Rule, ...]] = {}
        for run in system.runs:
            here = [t for t, names in triggers.items() if run.name in names]
            if not here:
                continue
            if id(run.role) not in rules:
                table = tuple(r for r in run.role.table if r.trigger in here)
                heard = {id(r.message) for r in table if r.kind == "receive"}
                alphabet = tuple(m for m in run.role.alphabet if id(m) in heard)
                rules[id(run.role)] = replace(run.role, table=table, alphabet=alphabet).rules
            for rule in rules[id(run.role)]:
                for source, memo in self._from(run, rule):
                    yield system._step(run, rule, source, memo)

    def _from(self, run: Instance, rule: Rule) -> list[tuple[Source, dict[int, Expr]]]:
        """The sources of the row's message: what a network can deliver depends on no row."""
        taken = rule.key(run.role.read_key) if rule.kind == "receive" else None
        key = (run.name, rule.event if rule.kind == "receive" else "", id(taken))
        if key not in self._sources:
            found: Iterable[Source] = [Source("local")]
            if rule.kind == "receive":
                assert rule.message is not None
                of, under = self.sound.by_name[run.name], None
                if taken is not None:
                    under = self.sound.at(of, taken)
                found = self.sound.network.sources(self.sound, of, rule.message, under)
            self._sources[key] = [(s, {}) for s in found]
        return self._sources[key]


def narrowed(system: System, taken: Iterable[Rule]) -> System:
    """The system whose machines know only the events of some rows: all rows on these events.

    A machine decides among the rows on one event, so on these events it does what the whole one
    does; and it is made much faster.
    """
    triggers, messages = {r.trigger for r in taken}, {r.event for r in taken}
    roles = {
        id(x): replace(
            x,
            table=tuple(r for r in x.table if r.trigger in triggers),
            alphabet=tuple(m for m in x.alphabet if m.name in messages),
        )
        for x in (r.role for r in system.runs)
    }
    out = replace(system, runs=tuple(replace(r, role=roles[id(r.role)]) for r in system.runs))
    # What a network keeps of what was sent is read from the tables.
    out.__dict__["variables"] = system.variables
    return out


def _content(s: Step) -> Any:
    effects = tuple(sorted((n, id(e)) for n, e in s.effects.items()))
    return s.run, s.rule.trigger, s.source.name, id(s.full), effects
