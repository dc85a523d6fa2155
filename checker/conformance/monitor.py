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


@dataclass(frozen=True)
class Report:
    """The result of `watch`."""

    title: str
    messages: tuple[Watched, ...]  # up to the first illegal one
    assumptions: tuple[str, ...]
    length: int  # number of messages in the recording
    refused: int | None = None  # number of the first illegal message
    problem: str | None = None  # why that message is illegal
    unread: str = ""  # why the rest was not read; empty if there is no rest
    malformed: bool = False  # whether `unread` is the fault of the file
    ended: Ended | None = None  # how the handshake was given up
    expected: str = ""  # what the file expects: acc, ref or ref:alert,...

    @property
    def verdict(self) -> str:
        """One of accepted, refused and not read."""
        if self.problem is not None:
            return "refused"
        return "not read" if self.unread else "accepted"

    @property
    def ok(self) -> bool:
        """Whether every message was read and accepted."""
        return self.verdict == "accepted"

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is what the file expects, if it does expect something.

        A handshake that an end gave up as it may is legal, and was refused: both words fit.
        """
        kind = self.expected.partition(":")[0]
        given_up = self.ended is not None and kind == "ref" and self.verdict == "accepted"
        return not kind or given_up or self.verdict == {"acc": "accepted", "ref": "refused"}[kind]


def watch(recording: Recording) -> Report:
    """The report on a recording, fed to both machines up to the first illegal message."""
    guess = configure(recording)
    report = _watch(recording, guess)[0]
    if _explained(report) < EXACTLY:
        for other in evidence(recording, guess):
            again = _watch(recording, other)[0]
            if _explained(again) > _explained(report):
                report = again
            if _explained(report) == EXACTLY:
                break
    return report


EXACTLY = 3
"""What `_explained` says of a recording that leaves no question."""


def _explained(report: Report) -> int:
    """How well a configuration explains the recording: 0 not at all.

    1: an end gave up, and its machine refused nothing; 2: its machine refused with another alert
    that means the same.
    """
    if report.verdict == "refused":
        return 0
    if report.ended is None or report.ended.due == report.ended.description:
        return EXACTLY
    return 2 if report.ended.due else 1


def _watch(recording: Recording, guess: Guess) -> tuple[Report, dict[str, Any]]:
    """The report under a configuration, and both ends as a handshake before another one."""
    notes, before, unread = list(guess.assumptions), dict[str, Any](), recording.unread
    if recording.before is not None:
        if recording.before.unread:
            unread = f"it resumes {recording.before.title!r}, which was not read"
            return _report(recording, [], notes, unread), {}
        before = _watch(recording.before, configure(recording.before))[1]
    elif unseen_session(recording):
        kept = ({**got, **_FIRST} for got in (guess.client, guess.server))
        before = _full(*(tuple(got.items()) for got in kept))
        notes.append("the session resumed, made by a full handshake that was not recorded")
    number = 1 if before else 0
    if before:
        number = int(before["client"].me[-1]) + 1
    if guess.forgotten:
        before.pop("server", None)
    ends = Ends(recording, guess, configure, before, number)
    problem = ""
    for at, item in enumerate(recording.messages, 1):
        try:
            problem = ends.feed(at, item)
        except LimitError as e:
            unread = unread or f"message {at}, {item.message}: {e}"
            break
        if problem:
            break
    report = _report(recording, ends.watched, notes, unread)
    if problem:
        report = replace(report, refused=len(ends.watched), problem=problem, unread="")
    elif ends.ended is not None:
        report = replace(report, ended=ends.ended)
    return report, ends.after()


def _report(recording: Recording, watched: list[Watched], notes: list[str], unread: str) -> Report:
    return Report(
        recording.title,
        tuple(watched),
        tuple(notes),
        len(recording.messages),
        unread=unread,
        malformed=recording.malformed,
        expected=recording.expected,
    )


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
                runs[other].receive(sent)
                moved = True
                break
    return {end: frozen(run) for end, run in runs.items()}
