"""Learning: the Mealy machine of a running stack, by AALpy, written as DOT for the audit.

A query is one connection. What an earlier query showed of a prefix says what to wait for, so only
its last message is listened to in silence. Answers are kept in a file beside the machine, so that
learning that was interrupted goes on. An answer that differs from an earlier one is asked for
again, more slowly; if it differs still, the stack is not deterministic, and both runs are shown.

The words of the model are tried first as counterexamples, then random ones: a learner alone misses
what only a whole handshake reaches.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checker.conformance import connection as conn
from checker.conformance.comparison import LAXER, Divergence
from checker.conformance.conform import Prober
from checker.conformance.credentials import Credentials
from checker.conformance.honest import Configuration
from checker.conformance.learned import IGNORED
from checker.conformance.trial import Step, Target, Trial, paced, slower
from checker.conformance.words import Words, probe, words

RANDOM = 100
"""The random words that are tried as counterexamples, after the model's."""
LONGEST = 12
ENDED = "ConnectionClosed"

Query = tuple[str, ...]


class LearningError(RuntimeError):
    """A stack cannot be learned; the message says why."""


@dataclass
class Learned:
    """A machine: for each state, by input, the output and the next state; 0 is the first."""

    inputs: Query
    rows: list[dict[str, tuple[str, int]]]
    queries: int

    @property
    def dot(self) -> str:
        """The machine as DOT, in the form that the audit reads."""
        lines = ["digraph learned {", '__start0 [label="" shape="none"];']
        lines += [f's{n} [shape="circle" label="s{n}"];' for n in range(len(self.rows))]
        lines += [
            f's{n} -> s{to} [label="{given} / {answer}"];'
            for n, row in enumerate(self.rows)
            for given, (answer, to) in row.items()
        ]
        return "\n".join([*lines, "__start0 -> s0;", "}"]) + "\n"


def output(step: Step) -> str:
    """The answer to a message as a label: repeated messages and tickets folded, `-` for nothing."""
    out: dict[str, None] = {}
    for e in step.events:
        if e.name in IGNORED:
            continue
        if e.name == "Alert":
            name = "".join(w.capitalize() for w in e.description.split("_"))
            out[f"Alert{e.level.capitalize()}{name}"] = None
        else:
            out[ENDED if e.name in (conn.CLOSED, conn.RESET) else e.name] = None
    return "|".join(out) or "-"


class Asker:
    """The queries of one configuration of a target, each answered once."""

    def __init__(
        self,
        target: Target,
        config: Configuration,
        credentials: Credentials,
        kept: str | Path | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self.target, self.config, self.credentials = target, config, credentials
        self.words: Words = words(config)
        self.inputs: Query = tuple(s.name for s in self.words.sends)
        self.symbols = {name: probe(name) for name in self.inputs}
        self.known: dict[Query, str] = {}
        self.asked = 0
        self._progress = progress
        self._kept = Path(kept) if kept is not None else None
        if self._kept is not None and self._kept.exists():
            self._read(self._kept)

    def _read(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        if lines[:1] != [self._setting]:
            path.unlink()  # of another setting
            return
        for line in lines[1:]:
            try:
                word, answers = json.loads(line)
            except ValueError:
                continue  # the last line of a run that was killed
            for n in range(len(word)):
                self.known[tuple(word[: n + 1])] = answers[n]

    @property
    def _setting(self) -> str:
        c = self.config
        return json.dumps([c.role, c.version, *c.suites, c.asks, c.certificate])

    def _keep(self, word: Query, answers: Sequence[str]) -> None:
        for n in range(len(word)):
            self.known[word[: n + 1]] = answers[n]
        if self._kept is None:
            return
        new = not self._kept.exists()
        with self._kept.open("a", encoding="utf-8") as f:
            if new:
                f.write(f"{self._setting}\n")
            f.write(json.dumps([word, answers]) + "\n")

    def query(self, word: Query) -> list[str]:
        """The answers to a word; LearningError if they are not those of an earlier query."""
        if word in self.known:
            return [self.known[word[: n + 1]] for n in range(len(word))]
        answers = self._run(word, self.target, trusting=True)
        if self._differs(word, answers):
            answers = self._run(word, slower(self.target), trusting=False)
            at = self._differs(word, answers)
            if at:
                raise LearningError(
                    f"{' '.join(word[:at])}: answered with `{self.known[word[:at]]}` once and with "
                    f"`{answers[at - 1]}` now, the same messages before it: the stack is not "
                    "deterministic, or slower than the silence that is listened to"
                )
        self._keep(word, answers)
        if self._progress is not None:
            self._progress(f"{self.asked} queries, {len(self.known)} answers known")
        return answers

    def _differs(self, word: Query, answers: Sequence[str]) -> int:
        """The length of the first known prefix with another answer; 0 if there is none."""
        for n in range(1, len(word) + 1):
            if self.known.get(word[:n], answers[n - 1]) != answers[n - 1]:
                return n
        return 0

    def _run(self, word: Query, target: Target, *, trusting: bool) -> list[str]:
        """The answers on a connection; `trusting` waits for no more than a known answer."""
        self.asked += 1
        out: list[str] = []
        with Trial(target, self.config, self.credentials) as trial:
            trial.began()
            for n, name in enumerate(word):
                step = trial.send(self.symbols[name])
                known = self.known.get(word[: n + 1]) if trusting else None
                if known is None:
                    trial.listen(step, target.wait)
                elif known != "-":
                    trial.read_until(step, known, output, target.wait)
                out.append(output(step))
                if step.refused:
                    return [*out, *[ENDED] * (len(word) - n - 1)]
        return out


def counterexamples(asker: Asker, seed: int = 1) -> Iterator[Query]:
    """Words that may tell a hypothesis from the stack: the model's, then random ones."""
    w = asker.words
    given: dict[Query, None] = {}
    for legal in w.legal:
        given[tuple(s.name for s in legal)] = None
    for check in w.checks:
        rest = w.completion(check.key) or ()
        names = tuple(s.name for s in (*check.before, check.symbol, *rest))
        for word in (names, (*check.word, *names[len(check.before) + 2 :])):
            given[tuple(n for n in word if n in asker.symbols)] = None
    yield from given
    dice = random.Random(seed)
    for _ in range(RANDOM):
        yield tuple(dice.choices(asker.inputs, k=dice.randint(2, LONGEST)))


def learn(asker: Asker) -> Learned:
    """The machine of a stack; LearningError if it is not deterministic."""
    from aalpy.base import SUL, Oracle
    from aalpy.learning_algs import run_KV

    class Stack(SUL):  # type: ignore[misc]
        """The stack as AALpy asks it; a whole word is one question."""

        def pre(self) -> None:
            self.word: Query = ()

        def post(self) -> None: ...

        def step(self, letter: str) -> str:
            self.word += (letter,)
            return asker.query(self.word)[-1]

        def query(self, word: Query) -> list[str]:
            self.num_queries += 1
            return asker.query(tuple(word))

    class Tries(Oracle):  # type: ignore[misc]
        """The counterexamples of `counterexamples`, each tried until none is one."""

        def find_cex(self, hypothesis: Any) -> Query | None:
            for word in counterexamples(asker):
                answers = asker.query(word)
                hypothesis.reset_to_initial()
                for n, given in enumerate(word):
                    if hypothesis.step(given) != answers[n]:
                        return word[: n + 1]
            return None

    asker.target = paced(asker.target, _slowest(asker))
    stack = Stack()
    oracle = Tries(list(asker.inputs), stack)
    found = run_KV(
        list(asker.inputs), stack, oracle, "mealy", cache_and_non_det_check=False, print_level=0
    )
    order = {found.initial_state.state_id: 0}
    queue = [found.initial_state]
    rows: list[dict[str, tuple[str, int]]] = []
    for state in queue:
        row = {}
        for given in asker.inputs:
            to = state.transitions[given]
            if to.state_id not in order:
                order[to.state_id] = len(order)
                queue.append(to)
            row[given] = (state.output_fun[given], order[to.state_id])
        rows.append(row)
    return Learned(asker.inputs, rows, asker.asked)


def _slowest(asker: Asker) -> float:
    """The longest time of an answer in a legal handshake; LearningError if none completes."""
    for word in asker.words.legal:
        with Trial(asker.target, asker.config, asker.credentials) as trial:
            if trial.legal(word):
                return trial.slowest
    raise LearningError("no legal handshake completes: there is nothing to learn")


def confirmed(prober: Prober, d: Divergence) -> bool:
    """Whether a laxer word of the audit is laxer on the running stack."""
    check = prober.words.first_refused(tuple(probe(name) for name in d.word))
    return check is not None and prober.judge(check).kind == LAXER
