"""The audit: a learned machine against the model's, by a walk of their product.

Both machines read the same words (sequences of inputs), breadth-first, from their initial states. A
pair of states is followed while both machines go on, so each divergence is found with a shortest
word. Divergences with the same cause (the model's state, row and answer, and the learned machine's
answer) are kept once.

The learned machine *accepted* a message if it can still reach the end of a handshake, or if records
fail to decrypt from then on, as after a change of keys by a ChangeCipherSpec. Silence after one
message proves nothing: it may be buffering.

A message that is accepted though the model refuses it (`laxer`) is explained by a weakened row of
the model: the message is ignored, takes effect too early, ends a wait for others, or is not
checked. The row that best fits the machine's later answers is taken, and the model weakened by
that row is searched for attacks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from checker.conformance.comparison import (
    ALERT,
    EXTRA,
    LATE,
    LAXER,
    SILENT,
    STRICTER,
    Comparison,
    Divergence,
)
from checker.conformance.completion import Completion
from checker.conformance.honest import Configuration, Key, configurations
from checker.conformance.learned import LearnedError, Mealy, output, read, symbol
from checker.conformance.weakening import Weakening, consequences
from checker.pool import Job, LateError, Pool

CONFORMS, IS_LAXER, DIFFERS, ERROR = "CONFORMS", "LAXER", "DIFFERS", "ERROR"


@dataclass
class Audit:
    """The result for one file."""

    file: str
    config: Configuration | None = None
    states: int = 0
    divergences: list[Divergence] = field(default_factory=list)
    unknown: tuple[str, ...] = ()  # inputs that the model does not have
    unread: tuple[str, ...] = ()  # parts of answers that were not understood
    notes: tuple[str, ...] = ()
    error: str = ""  # why the file could not be audited

    def of(self, file: str) -> Audit:
        """The same for another file with the same machine."""
        return replace(self, file=file, error=self.error.replace(self.file, file, 1))

    @property
    def verdict(self) -> str:
        """CONFORMS, LAXER, DIFFERS or ERROR."""
        if self.error:
            return ERROR
        if any(d.kind == LAXER for d in self.divergences):
            return IS_LAXER
        return DIFFERS if self.divergences else CONFORMS


def walk(comparison: Comparison) -> list[Divergence]:
    """Every divergence of the product, breadth-first, once for each cause."""
    pair = comparison.pair
    causes: dict[tuple[Any, ...], Divergence] = {}
    none: frozenset[str] = frozenset()
    start = (pair.machine.initial, pair.model.initial, none)
    seen = {start}
    queue: deque[tuple[int, Key, frozenset[str], tuple[str, ...]]] = deque([(*start, ())])
    while queue:
        q, k, early, word = queue.popleft()
        for a in pair.machine.inputs:
            found, after = comparison.compare(q, k, a, early)
            for d in found:
                # After a laxer answer, the model's keys and alerts are a guess.
                if early and (d.kind != LAXER or d.expected == "bad_record_mac"):
                    continue
                d.word, d.behind = (*word, a), bool(early)
                if early:  # it may be the same bug seen again
                    d.weakening, d.flaw = None, ""
                _keep(causes, d, a)
            if after is not None:
                lax = {str(pair.symbols[a].message) for d in found if d.kind == LAXER}
                if (*after, early | lax) not in seen:
                    seen.add((*after, early | lax))
                    queue.append((*after, early | lax, (*word, a)))
    out = _merged(list(causes.values()))
    order = (LAXER, STRICTER, LATE, EXTRA, ALERT, SILENT)
    return sorted(out, key=lambda d: (order.index(d.kind), len(d.word)))


def _keep(causes: dict[tuple[Any, ...], Divergence], d: Divergence, a: str) -> None:
    """Keep a divergence; if its cause is known, add only the input to the first one."""
    key: tuple[Any, ...] = (d.kind, d.state, d.expected, d.got)
    if d.kind == LAXER:
        key = (d.kind, d.state, d.rule, a if not d.rule else "")
    elif not d.rule:  # a symbol outside the model: one cause, wherever it is sent
        key = (d.kind, a)
    elif d.kind in (SILENT, ALERT):  # one way to refuse is one cause, whatever is refused
        key = (d.kind, d.expected, d.got)
    first = causes.setdefault(key, d)
    more = f"{a} in {d.state}"
    if first is not d and more not in first.also:
        first.also = (*first.also, more)


def _merged(found: list[Divergence]) -> list[Divergence]:
    """The divergences, those explained by one weakened row over several states made one."""
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


@dataclass(frozen=True)
class Asked:
    """What the command line says of all files."""

    role: str | None = None
    version: str | None = None
    client_auth: str | None = None
    seconds: float | None = None  # for all files


def audit(path: str, asked: Asked | None = None) -> Audit:
    """The audit of one file, its weakened rows not searched yet."""
    try:
        return audit_machine(read(path), asked or Asked())
    except LearnedError as e:
        return Audit(path, error=str(e))


def audit_machine(machine: Mealy, asked: Asked) -> Audit:
    """The audit of one machine, its weakened rows not searched yet."""
    path, version = machine.file, asked.version
    try:
        found: list[tuple[tuple[int, ...], Audit]] = []
        for config in configurations(machine, asked.role, version, asked.client_auth):
            comparison = Comparison(Completion(machine, config))
            divergences = walk(comparison)
            notes = tuple(comparison.notes)
            if not comparison.completes:
                notes = (*notes, "no handshake completes with an honest peer")
            told = any(output(o).version for row in machine.move for _, o in row.values())
            if version is None and config.version != "TLS13" and not told:
                notes = (
                    *notes,
                    "the version is not in the file: taken as 1.2; --version changes that",
                )
            symbols = (symbol(a) for a in machine.inputs)
            unknown = tuple(s.name for s in symbols if s.message is None)
            answers = (output(o).other for row in machine.move for _, o in row.values())
            unread = tuple(sorted({text for other in answers for text in other}))
            here = Audit(path, config, machine.states, divergences, unknown, unread, notes)
            kinds = [d.kind for d in divergences]
            # Whether client authentication was mandatory is not known: take what fits better, and
            # of what fits alike the milder.
            severity = (kinds.count(LAXER), len(kinds), kinds.count(STRICTER))
            found.append(((not comparison.completes, *severity), here))
        return min(found, key=lambda f: f[0])[1]
    except LearnedError as e:
        return Audit(path, error=str(e))


# -- many files ------------------------------------------------------------------------------------
def audit_all(
    files: Sequence[str],
    asked: Asked | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[Audit], str]:
    """The audits of files, in order, with the attacks on weakened rows; why they are not all.

    Files with equal machines are audited once, and each weakened model is searched once, even if
    several files need it.
    """
    asked = asked or Asked()
    began = time.monotonic()

    def left() -> float | None:
        """The seconds that are left, if they are bounded."""
        if asked.seconds is None:
            return None
        return max(0.0, asked.seconds - (time.monotonic() - began))

    tell = progress or (lambda _: None)
    alike: dict[object, list[int]] = {}
    done: dict[int, Audit] = {}
    walks: dict[Job, list[int]] = {}
    searches: dict[Weakening, Job] = {}
    results: dict[Job, list[dict[str, Any]]] = {}
    why = ""
    with Pool() as pool:
        try:
            for i, name in enumerate(files):
                try:
                    machine = read(name)
                except LearnedError as e:
                    done[i] = Audit(name, error=str(e))
                    continue
                same = alike.setdefault(machine.content, [])
                same.append(i)
                if len(same) == 1:
                    walks[pool.add(Job(audit_machine, (machine, asked), limit=left()))] = same
                tell(f"{i + 1} of {len(files)} files read")
            for reply in pool.replies():
                if isinstance(reply.problem, LateError) or left() == 0:
                    why = f"{asked.seconds:g} seconds are over"
                    break
                if reply.job not in walks:
                    results[reply.job] = reply.get()
                else:
                    same = walks[reply.job]
                    first = reply.value
                    if reply.problem is not None:  # which must not end the others
                        kind = type(reply.problem).__name__
                        file = files[same[0]]
                        first = Audit(file, error=f"{file}: {kind}: {reply.problem}")
                    done |= {i: first.of(files[i]) for i in same}
                    for d in first.divergences:
                        if d.weakening is not None and d.weakening not in searches:
                            job = Job(consequences, (d.weakening,), limit=left())
                            searches[d.weakening] = pool.add(job)
                searched = f"{len(results)} of {len(searches)} weakened models searched"
                tell(f"{len(done)} of {len(files)} files, {searched}")
        except KeyboardInterrupt:
            why = "interrupted"
    missing = len(files) - len(done)
    if why and missing:
        why += f", {missing} of {len(files)} files not audited"
    unknown = [{"name": "", "id": "", "steps": 0, "problem": why}]
    for audited in done.values():
        for d in audited.divergences:
            if d.weakening is not None:
                d.properties = results.get(searches[d.weakening], unknown)
    return [done[i] for i in sorted(done)], why
