"""The monitor: recorded messages, fed to the client's and the server's machine.

`watch` ends at the first illegal message. Fields that the recording does not show come from the
sender's machine; they and the configuration of both ends are reported as assumed. So an accepted
recording is one that two sound ends can have had; no signature or MAC was verified.

There are three verdicts. A recording is accepted, or refused at a message, or not read: then the
file, or the model, does not say enough of it from some message on, and all before that is legal.

An alert is evidence: if the recording is illegal under the first configuration guessed, those in
which an end gives up as recorded are tried (`guess.evidence`).

The machines have every extension of the model but one (see `recording.WITHOUT`). A connection that
resumes another one is fed to runs that come after the other connection's; if the other one was not
recorded, a full handshake is assumed.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from checker.conformance.ends import Ends, LimitError, Watched
from checker.conformance.guess import Guess, configure, evidence, unseen_session
from checker.conformance.recording import Recording, roles
from checker.conformance.runs import frozen
from checker.conformance.step import Ended
from model.machine import CallError, Run
from model.rule import snake


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the machines made of the messages of a recording."""

    messages: tuple[Watched, ...]  # up to the first illegal one
    assumptions: tuple[str, ...]
    problem: str = ""  # why the last of `messages` is illegal; empty if it is legal
    limit: str = ""  # why the model cannot judge what follows `messages`
    ended: Ended | None = None  # how the handshake was given up


@dataclass(frozen=True)
class Report:
    """The result of `watch`."""

    recording: Recording
    outcome: Outcome

    @property
    def title(self) -> str:
        """The title of the recording."""
        return self.recording.title

    @property
    def messages(self) -> tuple[Watched, ...]:
        """The messages fed, up to the first illegal one."""
        return self.outcome.messages

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed, in sentences."""
        return self.outcome.assumptions

    @property
    def ended(self) -> Ended | None:
        """How an end gave up the handshake, if one did."""
        return None if self.outcome.problem else self.outcome.ended

    @property
    def refused(self) -> int | None:
        """The number of the first illegal message; None if there is none."""
        return len(self.messages) if self.outcome.problem else None

    @property
    def problem(self) -> str | None:
        """Where and why that message is illegal."""
        if self.refused is None:
            return None
        m = self.recording.messages[self.refused - 1]
        line = f", {self.recording.unit} {m.line}" if m.line else ""
        return f"message {self.refused}, {m.message} ({m.direction}){line}: {self.outcome.problem}"

    @property
    def unread(self) -> str:
        """Why the rest of a legal recording was not read; empty if there is no rest."""
        return "" if self.outcome.problem else self.outcome.limit or self.recording.unread

    @property
    def verdict(self) -> str:
        """One of accepted, refused and not read."""
        return "refused" if self.outcome.problem else "not read" if self.unread else "accepted"

    @property
    def ok(self) -> bool:
        """Whether every message was read and accepted."""
        return self.verdict == "accepted"

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is what the file expects, if it does expect something.

        A handshake that an end gave up as it may is legal, and was refused: both words fit.
        """
        kind = self.recording.expected.partition(":")[0]
        given_up = self.ended is not None and kind == "ref" and self.ok
        return not kind or given_up or self.verdict == {"acc": "accepted", "ref": "refused"}[kind]


KEPT = 1024
"""The most outcomes that are kept: recordings of one kind differ in title and line alone."""

_outcomes: OrderedDict[object, tuple[Outcome, Ends | None]] = OrderedDict()


def watch(recording: Recording) -> Report:
    """The report on a recording, fed to both machines up to the first illegal message."""
    waiting: list[Recording] = []
    at: Recording | None = recording
    while at is not None and at.content not in _outcomes:
        waiting.append(at)
        at = at.before
    for one in reversed(waiting):  # each finds the one that it resumes kept
        _known(one)
    return Report(recording, _known(recording)[0])


def forget() -> None:
    """Keep no outcome."""
    _outcomes.clear()


def _known(recording: Recording) -> tuple[Outcome, Ends | None]:
    """The outcome, and both ends after it, as kept or as watched now."""
    hit = _outcomes.get(recording.content)
    if hit is None:
        hit = _explained(recording)
        _outcomes[recording.content] = hit
        if len(_outcomes) > KEPT:
            _outcomes.popitem(last=False)
    else:
        _outcomes.move_to_end(recording.content)
    return hit


def _explained(recording: Recording) -> tuple[Outcome, Ends | None]:
    """The outcome under the configuration that explains the recording best."""
    before = recording.before
    if before is not None and before.unread and not before.malformed and before.before is None:
        # Not all of the handshake was seen: as if the recording had begun after it.
        recording, before = replace(recording, before=None), None
    if before is not None and before.unread:
        return _unread(f"it resumes {before.title!r}, which was not read"), None
    guess = configure(recording)
    best = _watch(recording, guess)
    if _how_well(best[0]) < EXACTLY:
        for other in evidence(recording, guess):
            again = _watch(recording, other)
            if _how_well(again[0]) > _how_well(best[0]):
                best = again
            if _how_well(best[0]) == EXACTLY:
                break
    return best


EXACTLY = 3
"""What `_how_well` says of a configuration that leaves no question."""


def _how_well(outcome: Outcome) -> int:
    """How well a configuration explains the recording: 0 not at all.

    1: an end gave up, and its machine refused nothing; 2: its machine refused with another alert
    that means the same.
    """
    if outcome.problem:
        return 0
    if outcome.ended is None or outcome.ended.due == outcome.ended.description:
        return EXACTLY
    return 2 if outcome.ended.due else 1


def _unread(why: str) -> Outcome:
    return Outcome((), (), limit=why)


def _watch(recording: Recording, guess: Guess) -> tuple[Outcome, Ends]:
    """The outcome under a configuration, and both ends after it."""
    notes, before = [*guess.assumptions, *recording.notes], dict[str, Any]()
    if recording.before is not None:
        ends = _known(recording.before)[1]
        before = {} if ends is None else ends.after()
    elif unseen_session(recording):
        tickets = {"uses_tickets": guess.client.get("uses_tickets", True)}
        kept = ({**got, **_FIRST, **tickets} for got in (guess.client, guess.server))
        before = dict(_full(*(tuple(got.items()) for got in kept)))
        notes.append("the session resumed, made by a full handshake that was not recorded")
    number = int(before["client"].me[-1]) + 1 if before else 0
    if guess.forgotten:
        before.pop("server", None)
    ends = Ends(recording, guess, configure, before, number)
    problem = limit = ""
    for at, item in enumerate(recording.messages, 1):
        try:
            problem = ends.feed(at, item)
        except LimitError as e:
            limit = f"message {at}, {item.message}: {e}"
        if problem or limit:
            break
    ends.freeze()
    return Outcome(tuple(ends.watched), tuple(notes), problem, limit, ends.ended), ends


_FIRST = {"resumes": False}
"""What is different in the configuration of a full handshake."""


@cache
def _full(client: tuple[tuple[str, Any], ...], server: tuple[tuple[str, Any], ...]) -> Any:
    """Both ends after an honest full handshake with these configurations."""
    configs = {"client": dict(client), "server": dict(server)}
    configs["client"]["sends_early"] = False
    runs: dict[str, Any] = {end: Run(r, f"{end}0", **configs[end]) for end, r in roles().items()}
    moved = True
    while moved:
        moved = False
        for end, other in (("client", "server"), ("server", "client")):
            run = runs[end]
            for r in run.enabled():
                ticket = r.event == "NewSessionTicket" and not getattr(run, "issued", False)
                if r.kind != "send" or (run.state == "CONNECTED" and not ticket):
                    continue
                if r.event in ("ApplicationData", "CertificateRequest", "Alert", "EarlyData"):
                    continue
                choices = {c: "empty" if c == "certificate" else "none" for c in r.choices}
                try:
                    sent = getattr(run, f"send_{snake(r.event)}")(**choices)
                except CallError:
                    continue
                moved = runs[other].receive(sent) is None
                break
        if any(run.state in run.role.final for run in runs.values()):
            break  # with these configurations there is no handshake
    return {end: frozen(run) for end, run in runs.items()}
