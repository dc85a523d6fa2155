"""One word on one connection: sent message by message, the answers as the model expects them.

What the model predicts says how long to wait: for a legal message until the last message of its
answer is in, for one without an answer not at all, and for an illegal one until the stack refuses,
or `Target.wait` seconds.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from checker.conformance.connection import Connection, Event
from checker.conformance.credentials import Credentials
from checker.conformance.honest import Configuration, Key
from checker.conformance.learned import IGNORED, Symbol
from checker.conformance.mapper import ADDED, Mapper, Ticket
from checker.conformance.words import Words, words

GARBAGE = "UndecryptableRecord"
ASKED = ("CertificateRequest", "Certificate")
"""Messages that change what is to be sent, if the model does not expect them."""
PATIENCE = 5.0
"""Seconds that a legal message's answer may take."""


class TargetError(RuntimeError):
    """The stack cannot be reached; the message says where and what to do."""


@dataclass(frozen=True)
class Target:
    """A server on a port or a client, and how long its silence is listened to."""

    host: str
    port: int
    wait: float = 0.3
    pinned: bool = False  # whether it was told to take one version alone
    opener: Callable[[], Connection] | None = None  # of a client: its next connection

    def connect(self) -> Connection:
        """A new connection; TargetError if there is none."""
        if self.opener is not None:
            return self.opener()
        try:
            return Connection(socket.create_connection((self.host, self.port), timeout=PATIENCE))
        except ConnectionResetError:
            here, there = socket.socketpair()  # taken, and ended at once
            there.close()
            return Connection(here)
        except OSError as e:
            raise TargetError(
                f"{self.host}:{self.port}: expected a server that takes connections: {e}"
            ) from None


@dataclass
class Step:
    """A message sent, and what came after it and before the next."""

    symbol: Symbol
    events: list[Event] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The answer in words."""
        shown = (str(e) for e in self.events if e.name not in IGNORED)
        return " ".join(dict.fromkeys(shown))

    @property
    def refused(self) -> bool:
        """Whether the answer ends the connection."""
        return any(e.ends for e in self.events)

    @property
    def alert(self) -> str:
        """The description of a fatal alert."""
        return next((e.description for e in self.events if e.fatal), "")

    def has(self, name: str) -> bool:
        """Whether there is an event of this name."""
        return any(e.name == name for e in self.events)


class Trial:
    """A connection to the target, and what was sent on it."""

    def __init__(self, target: Target, config: Configuration, credentials: Credentials) -> None:
        self.target, self.config = target, config
        resumes = "psk" in config.extensions
        ticket = obtained(target, replace(config, extensions=()), credentials) if resumes else None
        self.connection = target.connect()
        self.mapper = Mapper(self.connection, config, credentials, ticket)
        self.words: Words = words(config)
        self.key: Key = self.words.model.initial
        self.steps: list[Step] = []
        self._began = False
        self.slowest = 0.0  # the longest time that a legal message's answer took
        self.answered = False  # whether data, or a Finished, was answered after all

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def send(self, symbol: Symbol, *, counts: bool = True, transcript: str = ADDED) -> Step:
        """Send a message; its answer is not read yet."""
        step = Step(symbol)
        self.steps.append(step)
        self.mapper.send(symbol, counts=counts, transcript=transcript)
        return step

    def read(self, step: Step, wanted: Sequence[str], seconds: float) -> bool:
        """Read until all `wanted` messages are in, or the end; whether they alone came."""
        left = [m for m in wanted if m not in IGNORED]
        began = time.monotonic()
        until = began + seconds
        while left:
            event = self.mapper.receive(until)
            if event is None:
                return False
            step.events.append(event)
            if event.ends or (event.name in ASKED and event.name not in left):
                return False
            if event.name in left:
                left.remove(event.name)
                if event.name == wanted[-1] and left:
                    return False  # the flight is over
        self.slowest = max(self.slowest, time.monotonic() - began)
        return True

    def listen(self, step: Step, seconds: float, until: Sequence[str] = ()) -> None:
        """Read until the stack refuses, sends one of the messages `until`, or says no more."""
        end = time.monotonic() + seconds
        while True:
            event = self.mapper.receive(end)
            if event is None:
                return
            step.events.append(event)
            if event.ends or event.name in until:
                return

    def began(self) -> bool:
        """Whether a client began with its ClientHello; a server waits for ours."""
        if self.config.role == "server" or self._began:
            return True
        first = Step(Symbol("connection", None))
        self._began = self.read(first, ["ClientHello"], PATIENCE)
        if not self._began:
            self.steps.append(first)
        return self._began

    def read_until(
        self, step: Step, known: str, label: Callable[[Step], str], seconds: float
    ) -> None:
        """Read until the answer's `label` is `known`, or the stack refuses or says no more."""
        end = time.monotonic() + seconds
        while label(step) != known:
            event = self.mapper.receive(end)
            if event is None:
                return
            step.events.append(event)
            if event.ends:
                return

    def legal(self, word: Sequence[Symbol]) -> bool:
        """Send legal messages; whether each was answered as the model says."""
        if not self.began():
            return False
        for symbol in word:
            answer = self.words.model.step(self.key, symbol)
            step = self.send(symbol)
            if not self.read(step, answer.messages, PATIENCE):
                return False
            self.key = answer.key
        return True

    def alive(self) -> bool:
        """Whether data is taken: it is answered, or not refused although garbage after it is."""
        step = self.send(Symbol("ApplicationData", "ApplicationData"))
        self.listen(step, self.target.wait, ("ApplicationData",))
        if step.has("ApplicationData"):
            self.answered = True
            return True
        if step.refused:
            return False
        junk = self.send(Symbol(GARBAGE, GARBAGE))
        self.listen(junk, 2 * self.target.wait + 0.5)
        return junk.refused


def obtained(target: Target, config: Configuration, credentials: Credentials) -> Ticket | None:
    """A ticket of a full handshake with the target; None if it gives none."""
    with Trial(target, config, credentials) as first:
        if first.legal(first.words.legal[0]):
            if not first.mapper.tickets:
                first.listen(first.steps[-1], PATIENCE, ("NewSessionTicket",))
            return first.mapper.resumable
    return None


SLOW = 2.0
"""Seconds that silence is listened to when a finding is tried again."""


def paced(target: Target, slowest: float) -> Target:
    """The target, its silence listened to for three times its slowest answer at least."""
    return replace(target, wait=max(target.wait, min(SLOW, 3 * slowest)))


def slower(target: Target) -> Target:
    """The target, listened to longer: for a finding's second trial."""
    return replace(target, wait=max(SLOW, target.wait))
