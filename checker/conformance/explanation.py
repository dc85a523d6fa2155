"""The weakened row that best explains a machine which accepts a message that the model refuses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Protocol

from checker.conformance.alerts import DECRYPTION
from checker.conformance.completion import Completion
from checker.conformance.honest import (
    ALWAYS,
    Answer,
    Configuration,
    HonestMachine,
    Key,
    holds,
    whole,
)
from checker.conformance.learned import Output, output
from checker.conformance.weakening import Weakening
from model.flaws import flaws
from model.patch import patched
from model.roles import role
from model.rule import SAME, Rule
from model.scenario import scenario


def explain(
    pair: Completion, answer: Answer, to: int, state: str, got: Output, *, accepted: bool
) -> tuple[Weakening, Key]:
    """The weakened row for a message that the model refuses with `answer`, and the next state.

    `to` is the learned machine's state after the message, `got` its answer; with `accepted`, a
    handshake can complete from there.
    """
    best: tuple[float, Weakening, Key] | None = None
    possible = list(candidates(pair, answer, state))
    early = [c for c in possible if c[0].how == "takes effect early"]
    if early and not accepted:
        possible = early  # the keys changed, and no more is known
    for weakening, target, base in possible:
        after = pair.model.forced(answer, target, base)
        if pair.model.over(after.key):
            continue  # the learned machine goes on, so this row does not explain it
        fit = _agreement(pair, to, after.key) + 0.01 * (accepted and pair.hopeful(after.key))
        fit += bool(got.messages) and after.messages == got.messages
        if best is None or fit > best[0]:
            best = (fit, weakening, after.key)
    assert best is not None
    return best[1], best[2]


class Placed(Protocol):
    """The model's machine of a configuration."""

    @property
    def config(self) -> Configuration: ...
    @property
    def model(self) -> HonestMachine: ...


def candidates(
    pair: Placed, answer: Answer, state: str
) -> Iterator[tuple[Weakening, str, Rule | None]]:
    """Each possible weakening, with its target and the row whose effects it has, simplest first.

    The order matters: of equally good ones the first is taken.
    """
    assert answer.sent is not None
    event, model, config, states = answer.sent.message, pair.model, pair.config, (state,)
    if answer.rule.refuses is not None:
        row, check = answer.rule.refuses
        base = next(r for r in model.role.table if r.name == row)
        yield Weakening(config, states, event, "is not checked", row, check), base.target, base
    yield Weakening(config, states, event, "ignored"), SAME, None
    for r in model.role.table:
        if r.kind != "receive" or r.event != event or state in r.sources or r.target == SAME:
            continue
        if not model.of_generation(r):
            continue
        if event == "ChangeCipherSpec":
            yield Weakening(config, states, event, "takes effect early", r.name), SAME, r
        if selects(pair, r, answer):
            # Without keys no message can be checked.
            keyed = bool(model.value(answer.key, "keyed"))
            passes = keyed and holds(r, model.subject, answer.sent)
            how = Weakening(config, states, event, "ends the wait", r.name, checked=passes)
            yield how, r.target, r


def selects(pair: Placed, r: Rule, answer: Answer) -> bool:
    """Whether a row would take the message, apart from checks and source states."""
    assert answer.sent is not None
    pair.model.place(answer.key)
    when, _ = pair.model.functions(r)
    return bool(when(pair.model.subject, answer.sent.fields)[0])


def _agreement(pair: Completion, q: int, key: Key) -> float:
    """How much both machines agree from here on, 0 to 1: the share of answers of the same kind.

    Answers to each further message count half, so that early ones weigh most.
    """
    total, weight = 0.0, 0.5
    seen, level = {(q, key)}, [(q, key)]
    while level and weight > 0.01:
        same, below = 0.0, []
        for p, k in level:
            for a in pair.alphabet:
                to, text = pair.machine.move[p][a]
                got = output(text)
                answer = pair.model.step(k, pair.symbols[a])
                if answer.alert:
                    if pair.mute(got, to):
                        same += 1
                    elif got.refuses:
                        same += 1 if (got.fatal in DECRYPTION) == answer.garbled else 0.5
                elif not got.refuses and not pair.mute(got, to):
                    same += 1
                    after = (to, answer.key)
                    if not pair.model.over(answer.key) and after not in seen:
                        seen.add(after)
                        below.append(after)
        total += weight * same / (len(level) * len(pair.alphabet))
        level, weight = below, weight / 2
    return total + 2 * weight  # the end was reached in agreement: count the rest as agreed


def published(pair: Placed, answer: Answer, state: str, key: Key) -> str:
    """The published flaw with a row that takes the same step to `key`; empty if there is none."""
    if answer.sent is None:
        return ""
    for name, row in _flawed_rows(pair.config.role):
        if row.event != answer.sent.message or state not in row.sources:
            continue
        pair.model.place(answer.key)
        passes = holds(row, pair.model.subject, answer.sent)
        if passes and pair.model.forced(answer, row.target, row).key == key:
            return name
    return ""


@cache
def published_extra(end: str, message: str, names: tuple[str, ...], state: str) -> str:
    """The published flaw whose role takes a message of extensions in a state; empty if none."""
    for flaw in flaws().values():
        patch, there = flaw.patches.get(end), scenario(flaw.where).extensions
        if patch is None or not {*names} <= {*there}:
            continue
        sound = role(end, there)
        known = {r.name for r in sound.table}
        for r in patched(sound, patch).table:
            takes = (r.kind, r.event) == ("receive", message) and state in r.sources
            if takes and r.name not in known:
                return flaw.name
    return ""


@cache
def _flawed_rows(end: str) -> tuple[tuple[str, Rule], ...]:
    """The receive rows that a published flaw adds or changes, each after the flaw's name."""
    out = []
    for flaw in flaws().values():
        patch, there = flaw.patches.get(end), scenario(flaw.where).extensions
        if patch is None or not {*there} <= {*ALWAYS}:
            continue
        # A row that a flaw adds is extended, too, unless the flaw is one of an extension.
        sound = role(end, ALWAYS if there else ())
        guards = {r.name: r.guard for r in whole(sound).table}
        out += [
            (flaw.name, r)
            for r in whole(patched(sound, patch)).table
            if r.kind == "receive" and guards.get(r.name) is not r.guard
        ]
    return tuple(out)
