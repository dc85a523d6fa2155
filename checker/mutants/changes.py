"""What a mutant changes: its steps beside those of the sound system.

Most mutants change rows of one event. Then only the steps of the rows that differ are made anew,
from the sources of the sound system: what a network can deliver depends on no row of the receiver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from checker.engines.interface import Label
from checker.mutants.generate import COVERED, Mutant
from model.expr import Expr
from model.operation import content
from model.role import Role
from model.rule import ModelError, Rule, snake
from model.system import Instance, Step, System


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


class Differ:
    """The rows of a role on some events: those of a mutant only, and those of the sound role only.

    Rows are compared by what they do: the name of one may depend on the others.
    """

    def __init__(self, old: Mapping[Rule, Any], new: Mapping[Rule, Any]) -> None:
        left: dict[Any, list[Rule]] = {}
        for r, does in old.items():
            left.setdefault(does, []).append(r)
        self.new: list[Rule] = []
        self.renamed: list[tuple[Rule, Rule]] = []
        for r, does in new.items():
            if same := left.get(does):
                before = same.pop()
                if before.name != r.name:
                    self.renamed.append((before, r))
            else:
                self.new.append(r)
        self.gone = [r for x in left.values() for r in x]


class Changes:
    """The changes that mutants make to one system."""

    def __init__(self, sound: System) -> None:
        self.sound = sound
        self.roles = {r.role.name: r.role for r in sound.runs}
        self._memos: dict[tuple[str, int], dict[int, Expr]] = {}
        self._rules: dict[tuple[str, frozenset[str]], dict[Rule, Any]] = {}

    def of(self, mutant: Mutant, *, steps: bool = True) -> Change | None:
        """The change of a mutant; None if it is no mutant of this system.

        Without `steps` those of a mutant that changes what a proof covers are left open.
        """
        try:
            roles = self.roles | mutant.roles(self.roles)
            runs = tuple(replace(r, role=roles[r.role.name]) for r in self.sound.runs)
            system = replace(self.sound, runs=runs)
            differ = self._alone(mutant, roles)
            if self.sound.network.variables(system).keys() != self._carried:
                differ = None
            if mutant.kind in COVERED and not steps:
                return Change(system, (), (), {}, whole=True, open=True)
            if differ is None:
                made, before = [*system.raw_steps], [*self.sound.raw_steps]
                labels: dict[Label, Label] = {}
            else:
                made, before, labels = self._few(system, differ)
        except ModelError:
            return None
        kept: dict[Any, list[Step]] = {}
        for s in before:
            kept.setdefault(_content(s), []).append(s)
        new = []
        for s in made:
            same = kept.get(_content(s))
            if not same:
                new.append(s)
                continue
            old = same.pop()
            if old.label != s.label:
                labels[old.label] = s.label
        gone = tuple(s for x in kept.values() for s in x)
        return Change(system, tuple(new), gone, labels, differ is None)

    @cached_property
    def _carried(self) -> Set[str]:
        """The network's variables."""
        return self.sound.network.variables(self.sound).keys()

    def _alone(self, mutant: Mutant, roles: Mapping[str, Role]) -> dict[str, Differ] | None:
        """By role: what differs; None if more may differ than rows."""
        if mutant.kind in COVERED:
            return None
        out = {}
        for name in mutant.ends:
            old, new = self.roles[name], roles[name]
            if not _same_but_rows(old, new):
                return None
            before, after = {id(r) for r in old.table}, {id(r) for r in new.table}
            events = {
                r.trigger for r in (*old.table, *new.table) if (id(r) in before) != (id(r) in after)
            }
            key = name, frozenset(events)
            if key not in self._rules:
                self._rules[key] = _rules(old, events)
            out[name] = differ = Differ(self._rules[key], _rules(new, events))
            if self._sends_less(old, differ):
                return None
            new.__dict__["lacking"] = old.lacking  # not worked out again
        return out

    def _sends_less(self, old: Role, differ: Differ) -> bool:
        """Whether other messages may lack a field, so that steps of their receiver differ."""
        before = self._lacks[old.name]
        after = Counter(before)
        after.subtract(x for r in differ.gone for x in _lacks(old, r))
        after.update(x for r in differ.new for x in _lacks(old, r))
        return {*+before} != {*+after}

    @cached_property
    def _lacks(self) -> dict[str, Counter[tuple[str, str]]]:
        """By role: how many rows send each message, and how many leave out a field of one."""
        return {n: Counter(x for r in y.rules for x in _lacks(y, r)) for n, y in self.roles.items()}

    @cached_property
    def _steps(self) -> dict[tuple[str, str], list[Step]]:
        """The steps of the sound system by run and row."""
        out: dict[tuple[str, str], list[Step]] = {}
        for s in self.sound.raw_steps:
            out.setdefault((s.run, s.rule.name), []).append(s)
        return out

    def on(self, system: System, events: Iterable[tuple[str, str]]) -> list[Step]:
        """The steps of a changed system on some events of its runs, with its own sources."""
        triggers: dict[str, set[str]] = {}
        for run, trigger in events:
            triggers.setdefault(run, set()).add(trigger)
        found = Changes(system)
        return [
            s
            for run in system.runs
            if run.name in triggers
            for s in found._made(system, run, _rules(run.role, triggers[run.name]))
        ]

    def _few(
        self, system: System, differ: Mapping[str, Differ]
    ) -> tuple[list[Step], list[Step], dict[Label, Label]]:
        """The steps of the rows that are new, of those that are gone, and the labels of others."""
        made, before, labels = list[Step](), list[Step](), dict[Label, Label]()
        for run in (r for r in system.runs if r.role.name in differ):
            rows = differ[run.role.name]
            made += self._made(system, run, rows.new)
            before += [s for r in rows.gone for s in self._steps.get((run.name, r.name), ())]
            for old, new in rows.renamed:
                for s in self._steps.get((run.name, old.name), ()):
                    labels[s.label] = (s.run, new.name, s.source.name)
        return made, before, labels

    def _made(self, system: System, run: Instance, rules: Iterable[Rule]) -> Iterator[Step]:
        """The steps of a run by some rows, with the sources of `sound`."""
        of = self.sound.by_name[run.name]
        for rule in rules:
            for source in self.sound.sources(of, rule):
                memo = self._memos.setdefault((run.name, id(source)), {})
                yield system._step(run, rule, source, memo)


def _same_but_rows(old: Role, new: Role) -> bool:
    """Whether roles differ in rows alone, and not in their variables, or in what is sent."""
    pairs = (
        (getattr(old, f.name), getattr(new, f.name)) for f in fields(Role) if f.name != "table"
    )
    return all(a is b or content(a) == content(b) for a, b in pairs)


def _rules(role: Role, events: Collection[str]) -> dict[Rule, Any]:
    """All rows of a role on some events, each with what decides on its steps."""
    few = _knowing(role, events)
    # A connection that goes on takes the messages that begin a handshake for the next run.
    begin = {r.trigger for r in few.table if r.kind == "receive" and role.states[0] in r.sources}
    return {
        r: (
            *(r.trigger, r.sources, r.target, r.rejects, r.trigger in begin),
            *(id(r.guard), id(r.under), id(r.message)),
            *((n, id(e)) for n, e in r.do.items()),
        )
        for r in few.rules
    }


def _knowing(role: Role, events: Collection[str]) -> Role:
    """The role that knows only some events: all rows on these."""
    table = tuple(r for r in role.table if r.trigger in events)
    alphabet = tuple(m for m in role.alphabet if f"receive_{snake(m.name)}" in events)
    return replace(role, table=table, alphabet=alphabet)


def _lacks(role: Role, row: Rule) -> Iterator[tuple[str, str]]:
    """The message that a row sends, with no field, and the fields that messages lack after it."""
    if (message := role.sent(row)) is not None:
        yield message.name, ""
    yield from role.lacks(row)


def narrowed(system: System, taken: Iterable[Rule]) -> System:
    """The system whose machines know only the events of some rows: all rows on these events.

    A machine decides among the rows on one event, so on these events it does what the whole one
    does; and it is made much faster.
    """
    events = {r.trigger for r in taken}
    roles = {id(r.role): _knowing(r.role, events) for r in system.runs}
    out = replace(system, runs=tuple(replace(r, role=roles[id(r.role)]) for r in system.runs))
    # What a network keeps of what was sent is read from the tables.
    out.__dict__["variables"] = system.variables
    return out


def _content(s: Step) -> Any:
    effects = tuple(sorted((n, id(e)) for n, e in s.effects.items()))
    return s.run, s.rule.trigger, s.source.name, id(s.full), effects
