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
from checker.conformance.learned import LearnedError, read, symbol
from checker.conformance.weakening import Weakening, consequences
from checker.pool import Job, Pool

CONFORMS, IS_LAXER, DIFFERS, ERROR = "CONFORMS", "LAXER", "DIFFERS", "ERROR"


@dataclass
class Audit:
    """The result for one file."""

    file: str
    config: Configuration | None = None
    states: int = 0
    divergences: list[Divergence] = field(default_factory=list)
    unknown: tuple[str, ...] = ()  # inputs that the model does not have
    notes: tuple[str, ...] = ()
    error: str = ""  # why the file could not be audited

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
    start = (pair.machine.initial, pair.model.initial, False)
    seen = {start}
    queue: deque[tuple[int, Key, bool, tuple[str, ...]]] = deque([(*start, ())])
    while queue:
        q, k, behind, word = queue.popleft()
        for a in pair.machine.inputs:
            found, after = comparison.compare(q, k, a)
            for d in found:
                # After a laxer answer, the model's keys and alerts are a guess.
                if behind and (d.kind != LAXER or d.expected == "bad_record_mac"):
                    continue
                d.word, d.behind = (*word, a), behind
                _keep(causes, d, a)
            if after is not None:
                lax = behind or any(d.kind == LAXER for d in found)
                if (*after, lax) not in seen:
                    seen.add((*after, lax))
                    queue.append((*after, lax, (*word, a)))
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


def audit(path: str, asked: str | None = None, version: str | None = None) -> Audit:
    """The audit of one file, its weakened rows not searched yet."""
    try:
        machine = read(path)
        found: list[tuple[bool, int, Audit]] = []
        for config in configurations(machine, asked, version):
            comparison = Comparison(Completion(machine, config))
            divergences = walk(comparison)
            notes = tuple(comparison.notes)
            if not comparison.completes:
                notes = (*notes, "no handshake completes with an honest peer")
            if version is None and config.version != "TLS13":
                notes = (
                    *notes,
                    "the version is not in the file: taken as 1.2; --version changes that",
                )
            unknown = tuple(a for a in machine.inputs if symbol(a).message is None)
            here = Audit(path, config, machine.states, divergences, unknown, notes)
            found.append((not comparison.completes, len(divergences), here))
        # Whether client authentication was mandatory is not known: take what fits better.
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
    """The audits of files, in order, with the attacks on weakened rows; whether interrupted.

    Each weakened model is searched once, even if several files need it.
    """
    done: dict[int, Audit] = {}
    walks: dict[Job, int] = {}
    searches: dict[Weakening, Job] = {}
    results: dict[Job, list[dict[str, Any]]] = {}
    interrupted = False
    with Pool() as pool:
        for i, name in enumerate(files):
            walks[pool.add(Job(audit, (name, asked, version)))] = i
        try:
            for reply in pool.replies():
                if reply.job not in walks:
                    results[reply.job] = reply.get()
                else:
                    i, e = walks[reply.job], reply.problem
                    # An error in one file must not end the others.
                    failed = e and Audit(files[i], error=f"{files[i]}: {type(e).__name__}: {e}")
                    done[i] = failed or reply.value
                    for d in done[i].divergences:
                        if d.weakening is not None and d.weakening not in searches:
                            searches[d.weakening] = pool.add(Job(consequences, (d.weakening,)))
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
