"""Live conformance: which messages a running stack accepts though the model refuses them.

Each check (`words.Check`) is one connection: a shortest legal word to a state, then a message that
the model refuses there. A stack that sends a fatal alert, or closes, has refused. Silence proves
nothing, so a message that is not refused in time is judged by completion: under each hypothesis of
what a lax stack made of it (`explanation.candidates`) the handshake is brought to its end on a
connection of its own. The first that completes explains the deviation.

Before that, every legal word of a mode must complete. A finding is tried again, more slowly, before
it is reported; one that does not come again is no deviation, but named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from checker.conformance import connection as conn
from checker.conformance.alerts import DECRYPTION, MALFORMED, allowed
from checker.conformance.comparison import ALERT, LATE, LAXER, SILENT, STRICTER, Divergence
from checker.conformance.credentials import Credentials
from checker.conformance.explanation import candidates, published, published_extra
from checker.conformance.honest import Configuration, HonestMachine, Key
from checker.conformance.learned import IGNORED
from checker.conformance.mapper import ADDED, LEFT_OUT, RESTARTED
from checker.conformance.trial import GARBAGE, PATIENCE, Step, Target, Trial, paced, slower
from checker.conformance.weakening import Weakening
from checker.conformance.words import Check, Word, Words, added, words
from model.rule import SAME


@dataclass(frozen=True)
class Unsteady:
    """A word that was not answered in the same way each time, and what was made of each answer."""

    word: tuple[str, ...]
    outcomes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' '.join(self.word)} ({', '.join(self.outcomes)})"


@dataclass
class Conformance:
    """The result for one target in one configuration."""

    target: str
    config: Configuration | None = None
    offered: bool = True  # whether the legal words complete
    checks: int = 0  # judged
    divergences: list[Divergence] = field(default_factory=list)
    unreached: tuple[str, ...] = ()  # states that no legal word reaches on this target
    unsteady: tuple[Unsteady, ...] = ()
    seconds: float = 0.0
    why: str = ""  # not offered: what happened instead
    skipped: str = ""  # why the target was not tried at all
    error: str = ""  # why it could not be tried to the end
    release: str = ""  # what the stack says of its version

    @property
    def lax(self) -> bool:
        """Whether there is a laxer divergence that no allowance names."""
        return any(d.kind == LAXER and not d.allowed for d in self.divergences)


@dataclass(frozen=True)
class Hypothesis:
    """What a stack may have made of a message: how to go on after it, and what that would mean."""

    weakening: Weakening
    key: Key  # the model's values after the message
    rest: Word  # the way to the end of the handshake
    counts: bool  # whether the message takes effect on our keys
    transcript: str  # what it does to the transcript: as in `mapper`


@dataclass(frozen=True)
class Judged:
    """What one check found."""

    divergence: Divergence | None = None
    reached: bool = True  # whether the legal word led to the state
    proved: bool = False  # whether a message of the stack, not its silence, shows the divergence

    @property
    def kind(self) -> str:
        """The class of the divergence."""
        return self.divergence.kind if self.divergence else ""

    @property
    def outcome(self) -> tuple[object, ...]:
        """What must be the same when the check is tried again."""
        return (self.reached, self.kind, self.divergence and self.divergence.weakening)

    @property
    def text(self) -> str:
        """The outcome in a word."""
        return (self.kind or "as the model") if self.reached else "not reached"

    @property
    def timed(self) -> bool:
        """Whether it rests on silence, which a slow target can break later."""
        return self.kind in (LATE, LAXER) and not self.proved

    @property
    def refused(self) -> bool:
        """Whether the message was refused at once, in whatever way."""
        return self.reached and self.kind in ("", ALERT, SILENT)


class Prober:
    """The checks of one configuration on one target."""

    def __init__(self, target: Target, config: Configuration, credentials: Credentials) -> None:
        self.target, self.config, self.credentials = target, config, credentials
        self.words: Words = words(config)

    @cached_property
    def model(self) -> HonestMachine:
        """The model's machine."""
        return self.words.model

    def trial(self, target: Target | None = None) -> Trial:
        """A new connection."""
        return Trial(target or self.target, self.config, self.credentials)

    # -- legal words -----------------------------------------------------------------------------
    def baseline(self) -> tuple[list[Word], list[tuple[Word, Trial]]]:
        """The legal words that complete, and those that do not, with what happened."""
        done, failed = [], []
        for word in self.words.legal:
            with self.trial() as trial:
                if trial.legal(word) and self._ended(trial):
                    done.append(word)
                else:
                    failed.append((word, trial))
            self.target = paced(self.target, trial.slowest)
        return done, failed

    def _ended(self, trial: Trial) -> bool:
        """Whether the handshake of a trial is complete, as data shows where nothing else does."""
        return self._shows_finished or trial.alive()

    @property
    def _shows_finished(self) -> bool:
        """Whether the stack's Finished comes last, and so shows that ours was taken."""
        return (self.config.role, self.config.version != "TLS13") == ("server", True)

    # -- one check -------------------------------------------------------------------------------
    def judge(self, check: Check, target: Target | None = None) -> Judged:
        """The judgement of a check."""
        with self.trial(target) as trial:
            if not trial.legal(check.before):
                return Judged(reached=False)
            step = trial.send(check.symbol)
            trial.listen(step, trial.target.wait)
        if step.refused:
            return Judged(self._refused(check, step))
        retried = step.has("HelloRetryRequest") and "retry" not in self.config.extensions
        if retried and check.state == "START":
            return Judged()  # RFC 8446 4.1.4: the server may ask for another hello
        return self._not_refused(check, step, target)

    def tried(self, check: Check) -> list[Judged]:
        """The judgements of a check that count: a finding is tried again, more slowly."""
        found = self.judge(check)
        if found.kind in ("", ALERT) and found.reached:
            return [found]
        again = self.judge(check, None if found.proved else slower(self.target))
        return [again] if found.timed and again.refused else [found, again]

    def differs(self, check: Check, step: Step, kind: str, note: str = "") -> Divergence:
        """The divergence of a check."""
        answer = check.answer
        return Divergence(
            kind,
            check.word,
            check.state,
            answer.alert,
            step.text,
            answer.rule.name,
            answer.rule.rfc,
            note,
        )

    def _refused(self, check: Check, step: Step) -> Divergence | None:
        if step.has(conn.NOT_TLS):
            return self.differs(check, step, SILENT, "the answer is no TLS")
        if step.has(conn.FLOOD):
            return self.differs(check, step, SILENT, "it sends without end")
        if step.has(conn.UNDECRYPTABLE):
            return None  # most likely an alert, under keys of its own
        if not step.alert:
            if check.symbol.message == "CloseNotify":
                return None  # the end that it asks for
            if step.has(conn.RESET):
                return None  # a reset can lose the alert before it
            return self.differs(check, step, SILENT)
        clear = check.answer.garbled and self.model.value(check.key, "read_key") == "plaintext"
        may = allowed(check.answer.alert, self.config.version, garbled_in_clear=clear)
        if check.bare:
            may = (*may, "bad_record_mac")
            if self.config.version == "TLS13":
                may = (*may, "unexpected_message")  # RFC 8446 5: an unexpected record type
        if step.alert not in (*may, *(MALFORMED if clear else ())):
            return self.differs(check, step, ALERT, f"allowed: {', '.join(may)}")
        return None

    def _not_refused(self, check: Check, step: Step, target: Target | None) -> Judged:
        later: Step | None = None
        changed = False
        answered = any(e.raw and e.name not in IGNORED for e in step.events)
        for h in self.hypotheses(check):
            if answered and h.weakening.how == "ignored":
                continue  # what is ignored is not answered
            with self.trial(target) as trial:
                done = self._completes(check, h, trial)
            if done:
                note = "the handshake goes on"
                if check.state == "CONNECTED":
                    note = "the connection goes on"
                d = self.differs(check, step, LAXER, f"{note}, as shown by {self._shown(trial)}")
                # A weakened row that is searched is one of the bare machines.
                if not check.extra and not self.config.extensions:
                    d.weakening = h.weakening
                    d.flaw = published(self, check.answer, check.state, h.key)
                else:
                    message = str(check.symbol.message)
                    names = added().get(message, self.config.extensions)
                    d.flaw = published_extra(self.config.role, message, names, check.state)
                return Judged(d, proved=trial.answered)
            last = trial.steps[-1]
            changed |= h.weakening.how == "ignored" and self._changed(check, trial)
            later = later if later is not None and later.refused else last
        if changed:
            d = self.differs(check, step, LAXER, "the keys change")
            for h in self.hypotheses(check, "takes effect early"):
                d.weakening = h.weakening
                d.flaw = published(self, check.answer, check.state, h.key)
                break
            return Judged(d)
        if later is None or not later.refused:
            return Judged(self.differs(check, step, LATE, "it answers nothing from then on"))
        note = f"refused only later, with `{later.text}`; no handshake completes after it"
        return Judged(self.differs(check, step, LATE, note))

    def _changed(self, check: Check, trial: Trial) -> bool:
        """Whether a ChangeCipherSpec changed the keys: a record in the clear does not decrypt."""
        if check.symbol.message != "ChangeCipherSpec" or self.config.version == "TLS13":
            return False
        after = trial.steps[len(check.before) + 1 :]
        return any(s.alert in DECRYPTION for s in after if s.symbol.message != GARBAGE)

    def _shown(self, trial: Trial) -> str:
        return " ".join(s.symbol.name for s in trial.steps)

    def hypotheses(self, check: Check, how: str = "") -> Iterator[Hypothesis]:
        """The hypotheses about an accepted message, the simplest first."""
        possible = list(candidates(self, check.answer, check.state)) if not check.extra else []
        if check.extra:
            states, message = (check.state,), str(check.symbol.message)
            possible = [(Weakening(self.config, states, message, "ignored"), SAME, None)]
        for weakening, target, base in possible:
            if how and weakening.how != how:
                continue
            if weakening.how == "ignored":
                rest = self.words.completion(check.key)
                if rest is not None:
                    yield Hypothesis(weakening, check.key, rest, False, LEFT_OUT)
                    yield Hypothesis(weakening, check.key, rest, False, ADDED)
                continue
            after = self.model.forced(check.answer, target, base)
            if self.model.over(after.key):
                continue
            rest = self.words.completion(after.key)
            if rest is None:
                continue
            hello = check.symbol.message == "ClientHello"
            for transcript in (ADDED, RESTARTED if hello else LEFT_OUT):
                yield Hypothesis(weakening, after.key, rest, True, transcript)
                # The message may stand for the one of its kind that is due later.
                sooner = _without(rest, check.symbol.name)
                if sooner is not None:
                    yield Hypothesis(weakening, after.key, sooner, True, transcript)

    def _completes(self, check: Check, h: Hypothesis, trial: Trial) -> bool:
        """Whether the handshake completes under a hypothesis."""
        if not trial.legal(check.before):
            return False
        trial.send(check.symbol, counts=h.counts, transcript=h.transcript)
        key: Key | None = h.key
        wanted = self._answer(check, h)
        if wanted and not trial.read(trial.steps[-1], wanted, trial.target.wait):
            return False
        for symbol in h.rest:
            step = trial.send(symbol)
            answer = None if key is None else self.model.step(key, symbol)
            messages = answer.messages if answer and not answer.alert else ()
            if messages and not trial.read(step, messages, trial.target.wait):
                trial.listen(step, 0.0)
                return False
            key = answer.key if answer and not answer.alert else None
        if check.state != "CONNECTED" and self._shows_finished:
            return self._finished(trial)
        return trial.alive()

    def _answer(self, check: Check, h: Hypothesis) -> tuple[str, ...]:
        """The messages that the stack would send at once under a hypothesis."""
        if not h.counts:
            return ()
        for weakening, target, base in candidates(self, check.answer, check.state):
            if weakening == h.weakening:
                return self.model.forced(check.answer, target, base).messages
        return ()

    def _finished(self, trial: Trial) -> bool:
        """Whether the server's Finished came, below TLS 1.3."""
        last = trial.steps[-1]
        if not last.has("Finished"):
            trial.listen(last, trial.target.wait, ("Finished",))
        trial.answered = last.has("Finished")
        return trial.answered


def _without(word: Word, name: str) -> Word | None:
    """The word without its first message of that name; None if there is none."""
    for i, s in enumerate(word):
        if s.name == name:
            return (*word[:i], *word[i + 1 :])
    return None


def conform(
    name: str,
    target: Target,
    config: Configuration,
    credentials: Credentials,
    progress: Callable[[str], None] | None = None,
    runs: int = 1,
) -> Conformance:
    """All checks of a configuration on a target; TargetError if it cannot be reached.

    With several `runs`, a word on which they differ is named and not judged.
    """
    began = time.monotonic()
    out = Conformance(name, config)
    prober = Prober(target, config, credentials)
    done, failed = prober.baseline()
    if not done:  # a finding, too, is tried again
        done, failed = prober.baseline()
    if not done:
        out.offered = False
        out.why = _what_happened(failed[0][1])
        out.seconds = time.monotonic() - began
        return out
    out.divergences += [_stricter(prober, word) for word, _ in failed]
    checks = [c for c in prober.words.checks if target.pinned or not c.of_version]
    tries: list[list[Judged]] = [[] for _ in checks]
    for run in range(runs):
        for n, check in enumerate(checks):
            if progress is not None:
                of = f", run {run + 1} of {runs}" if runs > 1 else ""
                progress(f"{name}: {n} of {len(checks)} checks{of}")
            tries[n] += prober.tried(check)
    unreached: dict[str, None] = {}
    unsteady = []
    for check, found in zip(checks, tries, strict=True):
        last = found[-1]
        if len({j.outcome for j in found}) > 1:
            unsteady.append(Unsteady(check.word, tuple(j.text for j in found)))
        elif not last.reached:
            unreached[check.state] = None
        else:
            out.checks += 1
            out.divergences += [last.divergence] if last.divergence is not None else []
    out.unreached, out.unsteady = tuple(unreached), tuple(unsteady)
    out.divergences = gathered(out.divergences)
    out.seconds = time.monotonic() - began
    return out


def _stricter(prober: Prober, word: Word) -> Divergence:
    """The divergence of a legal word that does not complete though others do.

    It is sent once more, and each message listened to, so that the one refused is named.
    """
    with prober.trial() as trial:
        trial.began()
        key = prober.model.initial
        for symbol in word:
            state = prober.words.state(key)
            answer = prober.model.step(key, symbol)
            step = trial.send(symbol)
            trial.read(step, answer.messages, PATIENCE)
            if not step.refused:
                trial.listen(step, 0.0 if answer.messages else trial.target.wait)
            if step.refused:
                break
            key = answer.key
    names = tuple(s.symbol.name for s in trial.steps)
    wanted = " ".join(m for m in answer.messages if m not in IGNORED) or "accepted"
    rule = answer.rule
    return Divergence(STRICTER, names, state, wanted, step.text, rule.name, rule.rfc)


def _what_happened(trial: Trial) -> str:
    last = trial.steps[-1]
    return f"{last.symbol.name} is answered with {last.text or 'nothing'}"


def gathered(found: list[Divergence]) -> list[Divergence]:
    """The divergences, one for each cause; further words of a cause are its `also`."""
    out: dict[object, Divergence] = {}
    for d in found:
        key: object
        if d.kind == LAXER:
            w = d.weakening
            key = (d.kind, d.word[-1], d.note.partition(",")[0], w and (w.how, w.base), d.flaw)
        elif d.kind in (SILENT, ALERT):
            key = (d.kind, d.expected, d.got)
        else:
            key = (d.kind, d.word[-1], d.expected, d.got)
        first = out.setdefault(key, d)
        if first is not d:
            if first.weakening is not None and d.weakening is not None:
                states = tuple(sorted({*first.weakening.states, *d.weakening.states}))
                first.weakening = replace(first.weakening, states=states)
            first.also = (*first.also, f"{d.word[-1]} in {d.state}")
    order = (LAXER, STRICTER, LATE, SILENT, ALERT)
    return sorted(out.values(), key=lambda d: (order.index(d.kind), len(d.word)))
