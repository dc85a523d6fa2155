"""The words of a live check, from the model's machine: what it takes, and what it refuses.

A state is reached by a shortest legal word. In each, every message that the machine refuses is one
check: each message of either role, empty ones, in the clear where the reader has keys, under wrong
keys, and for each check of a row one message that fails it alone.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from checker.conformance.honest import (
    MESSAGES,
    Answer,
    Configuration,
    HonestMachine,
    Key,
    Probe,
    completed,
    honest_machine,
)
from checker.conformance.learned import Symbol, symbol
from model.extensions import extensions, with_needed
from model.machine import JUNK, CallError, Run, Sent
from model.message import ALPHABET
from model.roles import role
from model.rule import Form

Word = tuple[Symbol, ...]

NOT_SENT = ("Alert", "NoCertificate")
"""Messages whose answer the RFCs leave open."""

CANNOT = ("SecondClientHello", "EarlyData", "EmptyRecord", "AlertFragment")
"""Messages of extensions that are no handshake message of their own on the wire."""


@cache
def added() -> Mapping[str, tuple[str, ...]]:
    """The messages of extensions, each with the fewest extensions that have it."""
    base = {m.name for m in ALPHABET}
    out: dict[str, tuple[str, ...]] = {}
    for name in sorted(extensions(), key=lambda n: len(with_needed(n))):
        for m in extensions()[name].messages:
            if m.name not in base and m.name not in CANNOT:
                out.setdefault(m.name, with_needed(name))
    return out


MAKEABLE: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "ClientHello": {
        "version": ("TLS10", "TLS11"),
        "deflate": (True,),
        "offers": (False,),
        "binder": (JUNK,),
        "psk_dhe_ke": (False,),
        "signature_algorithms": ("none", "empty", "sha1"),
        "degenerate": (True,),
    },
    "Certificate": {"certificate": ("unknown_ca", "expired", "wrong_name")},
    "ClientKeyExchange": {"degenerate": (True,)},
    "CertificateRequest": {"signature_algorithms": ("none", "empty")},
    "CertificateVerify": {"signature": (JUNK,), "scheme": ("other", "ecdsa_sha256")},
    "ServerKeyExchange": {
        "signature": (JUNK,),
        "scheme": ("other", "ecdsa_sha256"),
        "degenerate": (True,),
    },
    "ServerHello": {
        "version": ("TLS10", "TLS11"),
        "suite": ("RSA_EXPORT",),
        "compression": ("deflate",),
        "degenerate": (True,),
    },
    "ChangeCipherSpec": {"value": ("other",)},
    "SecondClientHello": {"deflate": (True,), "shares": ("empty", "none"), "degenerate": (True,)},
    "HelloRetryRequest": {"group": ("x448", "x25519")},
    "KeyUpdate": {"request_update": ("other", "update_requested")},
    "Finished": {"verify_data": (JUNK,)},
}
"""The values of fields, mostly wrong ones, that can be made as bytes, by message and field."""


TWINS = {"ClientHello": "SecondClientHello", "ServerHello": "HelloRetryRequest"}
"""Messages that are another one on the wire (RFC 8446 4.1.2, 4.1.3), which may be due."""


class WordError(ValueError):
    """A word cannot be read; the message says what was expected and got."""


@dataclass(frozen=True)
class Check:
    """A message that the model refuses, in a state, with the word before it."""

    before: Word
    symbol: Symbol
    state: str
    key: Key  # the state before the message
    answer: Answer  # the model's
    extra: bool = False  # whether an extension that the model is without adds the message

    @property
    def of_version(self) -> bool:
        """Whether it is refused for its version alone, which another setting would take."""
        return (
            isinstance(self.symbol, Probe) and dict(self.symbol.altered).get("version") is not None
        )

    @property
    def bare(self) -> bool:
        """Whether the message is in the clear though the reader has keys."""
        return isinstance(self.symbol, Probe) and self.symbol.under == "clear"

    @property
    def word(self) -> tuple[str, ...]:
        """The names of the messages."""
        return tuple(s.name for s in (*self.before, self.symbol))


def probe(name: str) -> Symbol:
    """The message of a name: `Finished`, `Finished(clear)`, `Finished(verify_data=junk)`.

    Other names are those of learned machines: `EmptyCertificate`. WordError if there is none.
    """
    found = re.fullmatch(r"(\w+)(?:\((\w+)(?:=(\w+))?\))?", name)
    inner = _message(found[1]) if found else None
    if found is None or inner is None or inner.message is None:
        names = ", ".join((*(m.name for m in ALPHABET), *added()))
        raise WordError(
            f"{name}: expected a message ({names}), in the clear as Finished(clear), or with a "
            "wrong field as Finished(verify_data=junk)"
        )
    fields = (inner.message, inner.suite, inner.empty, inner.level, inner.description)
    if found[2] is None:
        return inner
    if found[3] is None:
        if found[2] not in ("clear", "sealed", "wrong"):
            raise WordError(f"{name}: expected (clear), (sealed), (wrong) or (field=value)")
        return Probe(name, *fields, under=found[2])
    return Probe(name, *fields, altered=_altered(name, inner.message, found[2], found[3]))


def _message(name: str) -> Symbol:
    return Symbol(name, name) if name in (*added(), "SecondClientHello") else symbol(name)


def _altered(name: str, message: str, field: str, value: str) -> tuple[tuple[str, Any], ...]:
    """The wrong fields of a message, by the spelling of one."""
    can = {f: {_spelled(v): v for v in values} for f, values in MAKEABLE.get(message, {}).items()}
    if value not in can.get(field, {}):
        known = [f"{message}({f}={v})" for f, values in can.items() for v in values]
        raise WordError(f"{name}: expected {' or '.join(known) or 'no field: none can be wrong'}")
    if field == "offers":
        offers = (f for f in MESSAGES[message].fields if f.startswith("offers_"))
        return tuple((f, False) for f in offers)
    if field == "shares":
        return (("shares", value), ("key_share", "none"), ("group", "none"))
    return ((field, can[field][value]),)


def _spelled(value: Any) -> str:
    return "junk" if value == JUNK else str(value)


def word(text: str) -> Word:
    """The messages of a word as typed, separated by blanks or commas."""
    return tuple(probe(name) for name in text.replace(", ", " ").split())


class Words:
    """The words of one configuration."""

    def __init__(self, config: Configuration) -> None:
        self.config = config
        self.model: HonestMachine = honest_machine(config)
        self.extended = {
            m: role(config.role, with_needed(*config.overlays, *names))
            for m, names in added().items()
            if m not in self.model.messages
        }
        self.reached = self._reach()

    def answer(self, key: Key, s: Symbol) -> Answer:
        """The model's answer to a message; to one that an extension adds, that of its machine."""
        if s.message not in self.extended:
            return self.model.step(key, s)
        end = self.extended[s.message]
        run = Run(end, f"{end.name}0", **self.config.variables(self.config.role))
        run.place(dict(zip(("state", *self.model.role.variables), key[0], strict=True)))
        message = next(m for m in end.alphabet if m.name == s.message)
        altered = dict(s.altered) if isinstance(s, Probe) else {}
        clear = isinstance(s, Probe) and s.under == "clear"
        sent = Sent(s.message, completed(message, altered), "plaintext" if clear else None)
        alert = run.receive(sent) or ""
        assert run.taken is not None
        return Answer(key, (), run.taken, alert, clear, False, sent)

    def knows(self, s: Symbol) -> bool:
        """Whether the message is one of the model's, or of an extension's that is refused."""
        return s.message in self.model.messages or s.message in self.extended

    @property
    def sends(self) -> tuple[Symbol, ...]:
        """The messages that an honest peer may send, each as it should be."""
        names = [
            *self.model.peer.role.sends,
            *(["EmptyCertificate"] if self.config.role == "server" else []),
        ]
        if "KeyUpdate" in names:
            names.append("KeyUpdate(request_update=update_requested)")
        return tuple(probe(n) for n in names if n not in (*NOT_SENT, "CloseNotify"))

    def state(self, key: Key) -> str:
        """The state of the model's run."""
        return str(self.model.value(key, "state"))

    def connected(self, key: Key) -> bool:
        """Whether the model's handshake is done."""
        return self.state(key) == "CONNECTED"

    def _steps(self, key: Key) -> Iterator[tuple[Symbol, Answer]]:
        for s in self.sends:
            answer = self.model.step(key, s)
            if not answer.alert and not self.model.over(answer.key):
                yield s, answer

    def _reach(self) -> dict[tuple[str, ...], tuple[Word, Key]]:
        """A shortest legal word to each place, with the values there.

        A place is a local state with the messages that are taken there.
        """
        out: dict[tuple[str, ...], tuple[Word, Key]] = {}
        seen = {self.model.initial}
        queue: deque[tuple[Word, Key]] = deque([((), self.model.initial)])
        while queue:
            before, key = queue.popleft()
            taken = list(self._steps(key))
            out.setdefault((self.state(key), *(s.name for s, _ in taken)), (before, key))
            for s, answer in taken:
                if answer.key not in seen:
                    seen.add(answer.key)
                    queue.append(((*before, s), answer.key))
        return out

    def completion(self, key: Key) -> Word | None:
        """A shortest legal word from `key` to the end of the handshake; None if there is none."""
        seen, queue = {key}, deque[tuple[Word, Key]]([((), key)])
        while queue:
            so_far, k = queue.popleft()
            if self.connected(k):
                return so_far
            for s, answer in self._steps(k):
                if answer.key not in seen:
                    seen.add(answer.key)
                    queue.append(((*so_far, s), answer.key))
        return None

    @property
    def legal(self) -> list[Word]:
        """Words that together take each legal step, each with the end of a handshake."""
        out: dict[Word, None] = {}
        for before, key in self.reached.values():
            for s, answer in self._steps(key):
                rest = self.completion(answer.key)
                if rest is not None:
                    out[*before, s, *rest] = None
        return sorted(out, key=len)

    @property
    def checks(self) -> list[Check]:
        """Every message that is refused in a state, shortest words first."""
        out = []
        for (state, *_), (before, key) in self.reached.items():
            for s in self._probes(state, key):
                answer = self.answer(key, s)
                extra = s.message in self.extended
                if extra and answer.rule.refuses and not isinstance(s, Probe):
                    continue  # it has its place here, and is refused for fields made up
                if answer.alert:
                    out.append(Check(before, s, state, key, answer, extra))
        return out

    def first_refused(self, word: Word) -> Check | None:
        """The check of the first message of a word that the model refuses, if there is one."""
        key = self.model.initial
        for n, s in enumerate(word):
            answer = self.answer(key, s)
            if answer.alert:
                extra = s.message in self.extended
                return Check(word[:n], s, self.state(key), key, answer, extra)
            key = answer.key
        return None

    def _probes(self, state: str, key: Key) -> Iterator[Symbol]:
        own = [
            m for m in self.model.role.alphabet if m.name in (*MESSAGES, *added(), *TWINS.values())
        ]
        further = [m for e in self.extended.values() for m in e.alphabet if m.name in self.extended]
        for m in (*own, *dict.fromkeys(further)):
            other = _message(TWINS.get(m.name, ""))
            if other.message in self.model.messages and not self.answer(key, other).alert:
                continue
            if m.name == "SecondClientHello" and self.answer(key, _message(m.name)).alert:
                continue
            if m.name in NOT_SENT or m.form is Form.END or self._renegotiates(state, m.name):
                continue
            if m.name == "UndecryptableRecord" and self.model.value(key, "read_key") == "plaintext":
                continue  # there are no keys under which it would not open
            yield _message(m.name)
            if m.name == "Certificate":
                yield symbol("EmptyCertificate")
            sealed = self.model.value(key, "read_key") != "plaintext"
            if sealed and m.form is Form.RECORD:
                # In TLS 1.3 a ChangeCipherSpec is never encrypted (RFC 8446 5).
                spec = m.name == "ChangeCipherSpec" and self.config.version == "TLS13"
                yield probe(f"{m.name}({'sealed' if spec else 'clear'})")
            if not self.answer(key, _message(m.name)).alert:
                yield from self._failing(m.name, key)

    def _renegotiates(self, state: str, message: str) -> bool:
        """Whether the message asks for a renegotiation, which is left to the peer."""
        legacy, hello = self.config.version != "TLS13", "ClientHello"
        asks = (hello, "HelloRequest") if self.config.role == "server" else ("HelloRequest",)
        return legacy and state == "CONNECTED" and message in asks

    def _failing(self, message: str, key: Key) -> Iterator[Symbol]:
        """For each check of the row that takes a message, one message that it refuses."""
        seen = set()
        end = self.extended.get(message, self.model.role)
        known = next(m.fields for m in end.alphabet if m.name == message)
        for field, values in MAKEABLE.get(message, {}).items():
            if field not in (*known, "offers"):
                continue  # an extension's, that the model is without
            for value in values:
                if value == "wrong_name" and self.config.role == "server":
                    continue  # a client has no name that a server would expect
                s = probe(f"{message}({field}={_spelled(value)})")
                try:
                    answer = self.answer(key, s)
                except CallError:  # in the clear, where no row says what answers it
                    continue
                if answer.alert and answer.rule.refuses not in seen:
                    seen.add(answer.rule.refuses)
                    yield s


@cache
def words(config: Configuration) -> Words:
    """The words of a configuration."""
    return Words(config)
