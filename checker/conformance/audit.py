"""The audit: a learned machine against the model's, by a walk of their product.

Both machines read the same words, breadth-first, from their initial states. A pair is followed
while both go on, so each divergence is met by a shortest word. It is kept once for each cause: the
model's state, its row and both answers.

Whether the learned machine *accepted* a message is judged by what can still be completed: it did if
it can still reach the end of a handshake, or if records fail to decrypt from then on, as they do
under keys that a ChangeCipherSpec changed. One step's silence may be buffering.

A message that was accepted though the model refuses it (`laxer`) is explained by the weakened row
that fits best what the machine does next: the message is ignored, takes effect too early, ends a
wait for others, or is not checked. The model weakened by that row is searched for attacks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from checker.conformance.honest import (
    Answer,
    Configuration,
    HonestMachine,
    Key,
    configurations,
    holds,
)
from checker.conformance.learned import (
    IGNORED,
    LearnedError,
    Mealy,
    Output,
    Symbol,
    output,
    read,
    symbol,
)
from checker.conformance.weakening import Weakening, consequences
from checker.pool import Job, Link, Pool
from model.flaws import flaws
from model.rule import SAME, Rule
from model.scenario import scenario

LAXER, STRICTER, LATE, SILENT, ALERT, EXTRA = (
    "laxer",
    "stricter",
    "late-reject",
    "silent-close",
    "alert-differs",
    "extra-output",
)
CONFORMS, IS_LAXER, DIFFERS, ERROR = "CONFORMS", "LAXER", "DIFFERS", "ERROR"
RENEGOTIATION = (
    "ClientHello when connected asks for a renegotiation, which RFC 5246 7.4.1.1 and 7.2.2 leave "
    "to the server: not in the model, not followed"
)

DECRYPTION = ("bad_record_mac", "decryption_failed")
_MALFORMED = (
    "illegal_parameter",
    "decode_error",
    "handshake_failure",
    "decrypt_error",
    "unexpected_message",
)
ALLOWED = {
    # A message out of order: RFC 5246 7.2.2 names one alert.
    "unexpected_message": ("unexpected_message",),
    # RFC 5246 7.2.2: the same alert whatever failed in the record.
    "bad_record_mac": ("bad_record_mac",),
    # RFC 5246 7.4.6: "a fatal handshake_failure"; RFC 8446 6.2: certificate_required.
    "handshake_failure": ("handshake_failure", "certificate_required", "bad_certificate"),
    "certificate_required": ("certificate_required", "handshake_failure", "bad_certificate"),
    # RFC 5246 7.4.2 names none for an empty chain; RFC 8446 4.4.2.4: decode_error.
    "decode_error": (*_MALFORMED, "bad_certificate", "unsupported_certificate"),
    "illegal_parameter": _MALFORMED,
    "decrypt_error": ("decrypt_error", "bad_record_mac", "handshake_failure"),
    "missing_extension": ("missing_extension", "handshake_failure", "illegal_parameter"),
}
"""What the RFCs allow where the model sends an alert; the model's own if not listed."""


def allowed(alert: str, config: Configuration, *, garbled_in_clear: bool) -> tuple[str, ...]:
    """The alerts that may answer where the model answers with `alert`."""
    if garbled_in_clear:  # ciphertext read as a plaintext message: whatever it looks like
        return (*_MALFORMED, *DECRYPTION, "record_overflow", "protocol_version")
    out = ALLOWED.get(alert, (alert,))
    if alert == "bad_record_mac" and config.version == "TLS10":
        return (*out, "decryption_failed")  # RFC 2246 7.2.2; MUST NOT from RFC 4346 on
    return out


@dataclass
class Divergence:
    """One cause. `expected` is the model's answer, `got` the file's own output text.

    `also` are further inputs with the same cause. For `laxer`: `weakening` with what follows from
    it, `properties` (name, id, length of the attack), `flaw` the published one whose row it is.
    """

    kind: str
    word: tuple[str, ...]
    state: str
    expected: str
    got: str
    rule: str = ""
    rfc: str = ""
    note: str = ""
    also: tuple[str, ...] = ()
    weakening: Weakening | None = None
    properties: list[dict[str, Any]] = field(default_factory=list)
    flaw: str = ""
    behind: bool = False


@dataclass
class Audit:
    """The result for one file; `error` instead of a result if it is none."""

    file: str
    config: Configuration | None = None
    states: int = 0
    divergences: list[Divergence] = field(default_factory=list)
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""

    @property
    def verdict(self) -> str:
        """CONFORMS, LAXER, DIFFERS or ERROR."""
        if self.error:
            return ERROR
        if any(d.kind == LAXER for d in self.divergences):
            return IS_LAXER
        return DIFFERS if self.divergences else CONFORMS


# -- the walk --------------------------------------------------------------------------------------
@cache
def honest_machine(config: Configuration) -> HonestMachine:
    """The honest machine, shared by all files of a configuration."""
    return HonestMachine(config)


class Walk:
    """The product of a learned machine and the honest one."""

    def __init__(self, machine: Mealy, config: Configuration) -> None:
        self.machine, self.config = machine, config
        self.model = honest_machine(config)
        self.symbols = {a: symbol(a) for a in machine.inputs}
        self.alphabet = [a for a in machine.inputs if not self.symbols[a].harmless]
        self._hopeful: dict[Key, bool] = {}
        self.ends = self._ends()
        self.live = self._live()
        self.completes = bool(self.ends)

    # what can still be completed
    def _ends(self) -> set[int]:
        """The learned states after a whole handshake as the model has it."""
        out: set[int] = set()
        seen = {(self.machine.initial, self.model.initial)}
        queue = deque(seen)
        while queue:
            q, k = queue.popleft()
            for a in self.alphabet:
                to, text = self.machine.move[q][a]
                answer = self.model.step(k, self.symbols[a])
                got = output(text)
                if answer.alert:
                    continue
                if (
                    self._connected(answer.key)
                    and not self._connected(k)
                    and (not got.fatal and (not got.closed or "ApplicationData" in got.messages))
                ):
                    out.add(to if not got.closed else -1)
                if got.refuses or self.model.over(answer.key):
                    continue
                if (to, answer.key) not in seen:
                    seen.add((to, answer.key))
                    queue.append((to, answer.key))
        return out

    def _connected(self, key: Key) -> bool:
        return self.model.value(key, "state") == "CONNECTED"

    def _live(self) -> set[int]:
        """The learned states from which a handshake, or data after it, can be completed."""
        live = {q for q in self.ends if q >= 0}
        shown = {"ApplicationData"} | (
            {"Finished", "ChangeCipherSpec"}
            if self.config.role == "server" and self.config.version != "TLS13"
            else set()
        )
        changed = True
        while changed:
            changed = False
            for q, row in enumerate(self.machine.move):
                if q not in live and any(
                    (to in live and not output(o).refuses) or shown & set(output(o).messages)
                    for to, o in row.values()
                ):
                    live.add(q)
                    changed = True
        return live

    def hopeful(self, key: Key) -> bool:
        """Whether the model can still complete."""
        hit = self._hopeful.get(key)
        if hit is None:
            hit = self._connected(key)
            seen, stack = {key}, [] if self.model.over(key) else [key]
            while stack and not hit:
                k = stack.pop()
                for a in self.alphabet:
                    answer = self.model.step(k, self.symbols[a])
                    gone = answer.alert or self.model.over(answer.key)
                    if not gone and answer.key not in seen:
                        hit |= self._connected(answer.key)
                        seen.add(answer.key)
                        stack.append(answer.key)
            self._hopeful[key] = hit
        return hit

    def rekeyed(self, q: int) -> bool:
        """Whether records no longer decrypt from `q` on: some answer says so within four steps."""
        level = {q}
        for _ in range(4):
            below: set[int] = set()
            for p in level:
                for to, text in self.machine.move[p].values():
                    o = output(text)
                    if o.hidden or o.fatal in DECRYPTION:
                        return True
                    if not o.refuses:
                        below.add(to)
            level = below
        return False

    # the walk itself
    def run(self) -> tuple[list[Divergence], tuple[str, ...]]:
        """Every divergence, and remarks on what was not followed."""
        causes: dict[tuple[Any, ...], Divergence] = {}
        notes: dict[str, None] = {}
        start = (self.machine.initial, self.model.initial, False)
        seen = {start}
        queue: deque[tuple[int, Key, bool, tuple[str, ...]]] = deque([(*start, ())])
        while queue:
            q, k, behind, word = queue.popleft()
            for a in self.machine.inputs:
                for d, after in self._compare(q, k, a, behind, notes):
                    # Behind what is laxer, the model's keys and its wording are a guess.
                    guess = (
                        behind
                        and d is not None
                        and (d.kind != LAXER or d.expected == "bad_record_mac")
                    )
                    if d is not None and not guess:
                        d.word, d.behind = (*word, a), behind
                        self._keep(causes, d, a)
                    if after is not None and (after not in seen):
                        seen.add(after)
                        queue.append((*after, (*word, a)))
        found = _merged(list(causes.values()))
        order = (LAXER, STRICTER, LATE, EXTRA, ALERT, SILENT)
        found.sort(key=lambda d: (order.index(d.kind), len(d.word)))
        return found, tuple(notes)

    def _keep(self, causes: dict[tuple[Any, ...], Divergence], d: Divergence, a: str) -> None:
        key: tuple[Any, ...] = (d.kind, d.state, d.expected, d.got)
        if d.kind == LAXER:
            key = (d.kind, d.state, d.rule, a if not d.rule else "")
        elif not d.rule:  # a symbol outside the model: one cause, wherever it is sent
            key = (d.kind, a)
        elif d.kind in (SILENT, ALERT):  # how it refuses: one cause for all it refuses so
            key = (d.kind, d.expected, d.got)
        first = causes.setdefault(key, d)
        more = f"{a} in {d.state}"
        if first is not d and more not in first.also:
            first.also = (*first.also, more)

    def _compare(
        self, q: int, k: Key, a: str, behind: bool, notes: dict[str, None]
    ) -> Iterator[tuple[Divergence | None, tuple[int, Key, bool] | None]]:
        s = self.symbols[a]
        to, text = self.machine.move[q][a]
        got = output(text)
        state = str(self.model.value(k, "state"))
        if s.harmless:
            yield from self._harmless(q, to, s, got, state)
            return
        answer = self.model.step(k, s)
        if self._mute(got, to):
            return
        if self._free(s, state, answer, got, notes):
            return
        if answer.alert:
            yield from self._refused(q, k, a, answer, got, to, state)
            return
        expected = " ".join(answer.messages) or "accepted"
        rule = answer.rule
        d = Divergence("", (), state, expected, got.text, rule.name, rule.rfc)
        if got.refuses:
            done = self._connected(answer.key) and "ApplicationData" in got.messages
            ended = self.model.value(answer.key, "state") in ("CLOSED", "ANSWER_CLOSE")
            alive = q in self.live or not self.completes
            if self.hopeful(answer.key) and not done and not ended and alive:
                yield replace(d, kind=STRICTER, note=f"{a} is refused"), None
            elif ended and rule.event == "CloseNotify":
                yield from self._closing(d, got)
            return
        if self.hopeful(answer.key) and q in self.live and to not in self.live:
            yield replace(d, kind=STRICTER, note=f"nothing completes after {a}"), None
            return
        yield from ((x, None) for x in self._outputs(d, answer, got))
        if not self.model.over(answer.key):
            yield None, (to, answer.key, behind)

    def _mute(self, got: Output, to: int) -> bool:
        """An answer that only could not be decrypted, and the end: most likely an alert."""
        return got.hidden and not got.messages and to not in self.live

    def _harmless(
        self, q: int, to: int, s: Symbol, got: Output, state: str
    ) -> Iterator[tuple[Divergence, None]]:
        """A symbol that should be refused or ignored."""
        d = Divergence("", (), state, "refused or ignored", got.text, "", "5246 6.2.1")
        if got.refuses:
            return
        if to != q and q in self.live:
            if to in self.live:
                note = f"{s.name} is neither refused nor ignored: it changes what follows"
                yield replace(d, kind=LAXER, note=note), None
            else:
                path = [
                    p
                    for p in self.machine.reach(to)
                    if any(not output(o).refuses for _, o in self.machine.move[p].values())
                ]
                note = f"{s.name} is neither refused nor ignored: " + (
                    f"it opens a second path of {len(path)} states, on which no handshake completes"
                    if len(path) > 1
                    else "no handshake completes after it"
                )
                yield replace(d, kind=LATE, note=note), None
        elif got.messages or got.other or got.alerts:
            yield replace(d, kind=EXTRA, note=f"{s.name} is answered"), None

    def _free(
        self, s: Symbol, state: str, answer: Answer, got: Output, notes: dict[str, None]
    ) -> bool:
        """What the RFCs leave to an endpoint, where the model decides one way."""
        legacy = self.config.version != "TLS13"
        if (s.message, state, self.config.role) == ("ClientHello", "CONNECTED", "server"):
            if legacy and not got.refuses:
                notes[RENEGOTIATION] = None
            return legacy
        if s.message == "CloseNotify" and state not in ("CONNECTED", "CLOSING"):
            return got.refuses  # RFC 5246 7.2.1: either side may close; no alert need answer it
        if s.message == "ApplicationData" and state == "CONNECTED":
            return got.closed and not got.fatal  # the application answers and may end
        return s.message == "Alert" and got.refuses

    def _closing(self, d: Divergence, got: Output) -> Iterator[tuple[Divergence, None]]:
        """close_notify is answered with close_notify (RFC 5246 7.2.1), with nothing else."""
        if ("warning", "close_notify") not in got.alerts and not got.fatal:
            if self.config.version != "TLS13":
                yield (
                    replace(
                        d, kind=SILENT, expected="close_notify", note="close_notify is not answered"
                    ),
                    None,
                )
        elif got.messages:
            yield replace(d, kind=EXTRA, note="data after close_notify"), None

    def _outputs(self, d: Divergence, answer: Answer, got: Output) -> Iterator[Divergence]:
        """What is said beyond what the model says, or not said."""
        want = [m for m in answer.messages if m != "CloseNotify"]
        have = [m for m in got.messages if m not in IGNORED and m != "CloseNotify"]
        if self.config.version == "TLS13" and "ChangeCipherSpec" not in want:
            have = [m for m in have if m != "ChangeCipherSpec"]  # RFC 8446 D.4
        if self._connected(answer.key):
            have = [m for m in have if m != "ApplicationData"]  # the application's own
        if got.hidden:
            have += want[len(have) :]  # the end of the answer was not decrypted
        if have == want and not got.other:
            return
        extra = [m for m in have if have.count(m) > want.count(m)] + list(got.other)
        if extra:
            yield replace(d, kind=EXTRA, note=f"sends {' '.join(dict.fromkeys(extra))} too")
        missing = [m for m in want if want.count(m) > have.count(m)]
        if missing:
            yield replace(d, kind=STRICTER, note=f"does not send {' '.join(missing)}")

    def _refused(
        self, q: int, k: Key, a: str, answer: Answer, got: Output, to: int, state: str
    ) -> Iterator[tuple[Divergence | None, tuple[int, Key, bool] | None]]:
        expected, rule = answer.alert, answer.rule
        d = Divergence("", (), state, expected, got.text, rule.name, rule.rfc)
        if got.refuses:
            clear = answer.garbled and self.model.value(k, "read_key") == "plaintext"
            may = allowed(expected, self.config, garbled_in_clear=clear)
            if not self.hopeful(k):
                may = (*may, *_MALFORMED)  # the handshake had failed before, silently
            if got.fatal and got.fatal not in may:
                yield replace(d, kind=ALERT, note=f"allowed: {', '.join(may)}"), None
            if not got.fatal:
                yield replace(d, kind=SILENT), None
            extra = [m for m in got.messages if m != "ApplicationData" or state != "CONNECTED"]
            if extra:
                yield (
                    replace(d, kind=EXTRA, note=f"sends {' '.join(extra)} before it refuses"),
                    None,
                )
            return
        accepted = to in self.live
        rekeyed = self.symbols[a].message == "ChangeCipherSpec" and self.rekeyed(to)
        if q in self.live and (accepted or rekeyed):
            weakening, key = self._explain(answer, to, state, accepted)
            note = "the handshake goes on" if accepted else "the keys change"
            if state in ("CONNECTED", "CLOSING") and accepted:
                note = "the connection goes on"
            yield (
                replace(
                    d,
                    kind=LAXER,
                    note=note,
                    weakening=weakening,
                    flaw=_published(self.model, answer, weakening, key),
                ),
                (to, key, True),
            )
        elif q in self.live:
            silent = all(
                not output(o).text.strip("- ") or output(o).text == "Empty"
                for p in self.machine.reach(to)
                for _, o in self.machine.move[p].values()
            )
            yield (
                replace(
                    d,
                    kind=LATE,
                    note="it answers nothing from then on"
                    if silent
                    else "refused only later; no handshake completes after it",
                ),
                None,
            )

    # the weakened row that fits best
    def _explain(
        self, answer: Answer, to: int, state: str, accepted: bool
    ) -> tuple[Weakening, Key]:
        best: tuple[float, Weakening, Key] | None = None
        candidates = list(self._candidates(answer, state))
        early = [c for c in candidates if c[0].how == "takes effect early"]
        if early and not accepted:
            candidates = early  # the keys changed, and no more is known
        for weakening, target, base in candidates:
            after = self.model.forced(answer, target, base)
            if self.model.over(after.key):
                continue  # it goes on, so this is not what it does
            fit = self._agreement(to, after.key) + 0.01 * (accepted and self.hopeful(after.key))
            if best is None or fit > best[0]:
                best = (fit, weakening, after.key)
        assert best is not None
        return best[1], best[2]

    def _candidates(
        self, answer: Answer, state: str
    ) -> Iterator[tuple[Weakening, str, Rule | None]]:
        """The simplest first: on equal fit the first one stands."""
        event = answer.sent.message if answer.sent is not None else answer.rule.event
        sound = self.model.role
        if answer.rule.refuses is not None:
            row, check = answer.rule.refuses
            base = next(r for r in sound.table if r.name == row)
            how = Weakening(self.config, (state,), event, "is not checked", row, check)
            yield how, base.target, base
        yield Weakening(self.config, (state,), event, "ignored"), SAME, None
        for r in sound.table:
            if r.kind != "receive" or r.event != event or state in r.sources or r.target == SAME:
                continue
            if not self.model.of_generation(r):
                continue
            if event == "ChangeCipherSpec":
                yield (
                    Weakening(self.config, (state,), event, "takes effect early", r.name),
                    SAME,
                    r,
                )
            assert answer.sent is not None
            if self._selects(r, answer):
                # Without keys there is nothing by which the message could have been checked.
                keyed = bool(self.model.value(answer.key, "keyed"))
                passes = keyed and holds(r, self.model.subject, answer.sent)
                yield (
                    Weakening(
                        self.config, (state,), event, "ends the wait", r.name, checked=passes
                    ),
                    r.target,
                    r,
                )

    def _selects(self, r: Rule, answer: Answer) -> bool:
        """Whether a row is the one for the message, its checks and its state apart."""
        assert answer.sent is not None
        self.model.place(answer.key)
        when, _ = self.model.functions(r)
        return bool(when(self.model.subject, answer.sent.fields)[0])

    def _agreement(self, q: int, key: Key) -> float:
        """How much of what follows is the same, 0 to 1: the share of answers of one kind.

        Each further message counts half, so that what is decided first weighs most.
        """
        total, weight = 0.0, 0.5
        seen, level = {(q, key)}, [(q, key)]
        while level and weight > 0.01:
            same, below = 0.0, []
            for p, k in level:
                for a in self.alphabet:
                    to, text = self.machine.move[p][a]
                    got = output(text)
                    answer = self.model.step(k, self.symbols[a])
                    if answer.alert:
                        if self._mute(got, to):
                            same += 1
                        elif got.refuses:
                            same += 1 if (got.fatal in DECRYPTION) == answer.garbled else 0.5
                    elif not got.refuses and not self._mute(got, to):
                        same += 1
                        after = (to, answer.key)
                        if not self.model.over(answer.key) and after not in seen:
                            seen.add(after)
                            below.append(after)
            total += weight * same / (len(level) * len(self.alphabet))
            level, weight = below, weight / 2
        return total + 2 * weight  # what ends in agreement agrees


def _merged(found: list[Divergence]) -> list[Divergence]:
    """What one weakened row over several states explains, as one cause."""
    out: dict[object, Divergence] = {}
    for i, d in enumerate(found):
        w = d.weakening
        key: object = i if w is None else (replace(w, states=()), d.rule, d.flaw, d.behind, d.note)
        first = out.setdefault(key, d)
        if first is not d and w is not None and first.weakening is not None:
            states = tuple(sorted({*first.weakening.states, *w.states}))
            first.weakening = replace(first.weakening, states=states)
            more = (*first.also, f"{d.word[-1]} in {d.state}", *d.also)
            first.also = tuple(dict.fromkeys(more))
    return list(out.values())


def _published(model: HonestMachine, answer: Answer, w: Weakening, key: Key) -> str:
    """The published flaw whose patch takes the same step there, if any."""
    if answer.sent is None:
        return ""
    for flaw in flaws().values():
        patch = flaw.patches.get(w.config.role)
        if patch is None or not set(scenario(flaw.scenario).extensions) <= set(
            model.role.extensions
        ):
            continue
        sound = {r.name: r for r in model.role.table}
        for r in patch(model.role).table:
            before = sound.get(r.name)
            if (
                r.event != answer.sent.message
                or w.states[0] not in r.sources
                or r.kind != "receive"
            ):
                continue
            if before is not None and before.guard is r.guard:
                continue
            model.place(answer.key)
            if holds(r, model.subject, answer.sent):
                after = model.forced(answer, r.target, r)
                if after.key == key:
                    return flaw.name
    return ""


def audit(path: str, asked: str | None = None, version: str | None = None) -> Audit:
    """One file, its weakened rows not searched yet."""
    try:
        machine = read(path)
        found: list[tuple[bool, int, Audit]] = []
        for config in configurations(machine, asked, version):
            walk = Walk(machine, config)
            divergences, notes = walk.run()
            if not walk.completes:
                notes = (*notes, "no handshake completes with an honest peer")
            if version is None and config.version != "TLS13":
                notes = (
                    *notes,
                    "the version is not in the file: taken as 1.2; --version changes that",
                )
            unknown = tuple(a for a in machine.inputs if symbol(a).message is None)
            here = Audit(path, config, machine.states, divergences, unknown, notes)
            found.append((not walk.completes, len(divergences), here))
        # Whether client authentication was mandatory: what fits better.
        return min(found, key=lambda f: f[:2])[2]
    except LearnedError as e:
        return Audit(path, error=str(e))


# -- many files ------------------------------------------------------------------------------------
def audit_all(
    files: Sequence[str],
    asked: str | None = None,
    version: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[Audit], bool]:
    """Every file, in order, with the consequences of what is laxer; whether it was interrupted.

    Each weakened model is searched once, however many files it stands for.
    """
    done: dict[int, Audit] = {}
    walks: dict[Job, int] = {}
    searches: dict[Weakening, Job] = {}
    results: dict[Job, list[dict[str, Any]]] = {}
    interrupted = False
    with Pool() as pool:
        for i, name in enumerate(files):
            walks[pool.add(Job(_walk, (name, asked, version)))] = i
        try:
            for answer in pool.answers():
                if answer.job not in walks:
                    results[answer.job] = answer.get()
                else:
                    i, e = walks[answer.job], answer.problem
                    # One file must not end the others.
                    failed = e and Audit(files[i], error=f"{files[i]}: {type(e).__name__}: {e}")
                    done[i] = failed or answer.value
                    for d in done[i].divergences:
                        if d.weakening is not None and d.weakening not in searches:
                            searches[d.weakening] = pool.add(Job(_search, (d.weakening,)))
                if progress is not None:
                    searched = f"{len(results)} of {len(searches)} weakened models searched"
                    progress(f"{len(done)} of {len(files)} files, {searched}")
        except KeyboardInterrupt:
            interrupted = True
    unknown = [{"name": "", "id": "", "steps": 0, "problem": "interrupted"}]
    for audited in done.values():
        for d in audited.divergences:
            if d.weakening is not None:
                d.properties = results.get(searches[d.weakening], unknown)
    return [done[i] for i in sorted(done)], interrupted


def _walk(_: Link, file: str, asked: str | None, version: str | None) -> Audit:
    return audit(file, asked, version)


def _search(_: Link, weakening: Weakening) -> list[dict[str, Any]]:
    return consequences(weakening)
