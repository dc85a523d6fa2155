"""One word, replayed on targets: each message with its answer and the model's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checker.conformance.comparison import LAXER, Divergence
from checker.conformance.conform import Prober
from checker.conformance.honest import Configuration
from checker.conformance.known import missing
from checker.conformance.sweep import (
    Asked,
    at_port,
    made,
    ready,
    settings,
    shown,
    split,
    started,
)
from checker.conformance.trial import Target, TargetError, Trial, slower
from checker.conformance.weakening import consequences
from checker.conformance.words import Word, WordError, word
from model.near import UsageError


@dataclass
class Replay:
    """What a target answered to a word."""

    title: str
    rows: list[tuple[str, str, str]]  # message sent, answer, the model's answer
    judged: Divergence | None = None
    said: str = ""

    @property
    def lax(self) -> bool:
        """Whether the last message is accepted though the model refuses it."""
        return self.judged is not None and self.judged.kind == LAXER


def replay(text: str, targets: Sequence[str], asked: Asked) -> Iterator[Replay]:
    """The replays of a word; UsageError if it is none."""
    try:
        symbols = word(text)
    except WordError as e:
        raise UsageError(f"--word: {e}") from None
    if not symbols:
        raise UsageError('--word: expected messages, as in "ClientHello ChangeCipherSpec"')
    for name in targets:
        try:
            if split(name) is not None:
                yield from _on_port(name, symbols, asked)
            elif missing(name, asked.role):
                yield Replay(name, [], said=missing(name, asked.role))
            else:
                yield from _on_stack(name, symbols, asked)
        except TargetError as e:
            yield Replay(name, [], said=str(e))


def _on_port(name: str, symbols: Word, asked: Asked) -> Iterator[Replay]:
    with at_port(name, asked) as target:
        for config in shown(target, asked):
            yield from _one(name, target, config, symbols, asked)


def _on_stack(name: str, symbols: Word, asked: Asked) -> Iterator[Replay]:
    with tempfile.TemporaryDirectory(prefix="checker-") as folder:
        stack = ready(name, asked, folder)
        for version, auth in settings(name, asked):
            with started(stack, asked, version, auth) as target:
                for config in asked.configurations(version, auth, stack.stack.suite):
                    yield from _one(name, target, config, symbols, asked)


def _one(
    name: str, target: Target, config: Configuration, symbols: Word, asked: Asked
) -> Iterator[Replay]:
    """The replay in one configuration; the first message that the model refuses is judged.

    With extensions asked for, a word is replayed with them alone.
    """
    if asked.extensions and not config.extensions:
        return
    prober = Prober(target, config, made(asked))
    for s in symbols:
        if not prober.words.knows(s):
            raise UsageError(
                f"--word: {s.name}: expected a message of the machine that is asked for: "
                "--extensions names what adds others"
            )
    rows = []
    check = prober.words.first_refused(symbols)
    legal = len(symbols if check is None else check.before)
    with Trial(target, config, made(asked)) as trial:
        key = prober.model.initial
        trial.began()
        for n, symbol in enumerate(symbols):
            answer = prober.words.answer(key, symbol) if n <= legal else None
            said = ""
            if answer is not None:
                said = answer.alert or " ".join(answer.messages) or "accepted"
            step = trial.send(symbol)
            if answer is not None and not answer.alert:
                trial.read(step, answer.messages, 5.0)
                key = answer.key
            else:
                trial.listen(step, target.wait)
            rows.append((symbol.name, step.text or "nothing", said))
            if step.refused:
                break
    title = f"{name}, {config.version}, client authentication {config.asks}"
    title += "".join(f", with {e}" for e in config.extensions)
    if check is None:
        yield Replay(title, rows, said="the model takes each message")
        return
    judged = prober.judge(check, slower(target))
    if not judged.reached:
        yield Replay(title, rows, said=f"the target does not reach {check.state} by this word")
        return
    said = "" if judged.divergence else "refused, as the model does"
    if judged.divergence is not None and judged.divergence.weakening is not None:
        judged.divergence.properties = consequences(judged.divergence.weakening)
    yield Replay(title, rows, judged.divergence, said)
