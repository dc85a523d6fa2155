"""A role's machine over a learned alphabet: one honest peer, its messages in any order.

`HonestMachine` drives the `transitions` machine of the audited role. Each input is the message that
an honest peer would send, with the fields of a handshake in order; Finished and CertificateVerify
cover the messages as the audited machine has seen them. The machine then sends all that it can send
without further input. So it is deterministic, and its states are the values of the run and of the
peer. The peer only takes the effects of its own rows, without their checks, because the word of
inputs decides the order of messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from checker.conformance.learned import LearnedError, Mealy, Symbol, output, symbol
from model.expr import Expr, Value, comparisons, python_function
from model.extensions import chosen, extended
from model.machine import CallError, Run, Sent, fields_of
from model.message import ALPHABET
from model.observers import declared
from model.principal import OFFERED
from model.role import Role
from model.roles import role
from model.rule import SAME, Message, Rule, snake
from model.transcript import RSA_SUITES, view

MESSAGES = {m.name: m for m in ALPHABET}
VERSIONS = {"1.0": "TLS10", "1.1": "TLS11", "1.2": "TLS12", "1.3": "TLS13"}
OTHER = {"client": "server", "server": "client"}
HELLO = {"client": "ServerHello", "server": "ClientHello"}
"""The hello that each role receives."""

WITH_DATA = ("ApplicationData", "KeyUpdate")
"""What an end sends when it has data; a KeyUpdate is answered before that (RFC 8446 4.6.3)."""

ALWAYS = ("degenerate_shares", "signature_schemes")
"""The extensions that every handshake here has."""

Key = tuple[tuple[Value, ...], tuple[Value, ...]]
"""A state: the values of the audited run (`state`, then the role's variables) and of the peer."""


def whole(of: Role) -> Role:
    """A role, sound or flawed, with the extensions that every handshake here has."""
    missing = [n for n in ALWAYS if n not in of.extensions]
    return declared(extended(of, chosen(missing))) if missing else of


@dataclass(frozen=True)
class Configuration:
    """The setting in which a machine was learned."""

    role: str
    version: str  # the model's name: TLS12
    suites: tuple[str, ...]  # the key exchanges offered; empty in TLS 1.3
    asks: str = "none"  # client authentication: none, optional or mandatory
    certificate: str = "empty"  # what an audited client answers with
    extensions: tuple[str, ...] = ()

    def variables(self, end: str) -> dict[str, Value]:
        """The values of the configuration's variables, for a run of the role `end`."""
        which = (end,) if end == self.role else (end, f"{end} as the peer")
        further = {
            k: v for e in self.extensions for w in which for k, v in SETTINGS[e].get(w, {}).items()
        }
        return {
            "min_version": self.version,
            "max_version": self.version,
            "signs": "both",
            **{f"offers_{s}": s in self.suites for s in OFFERED},
            **further,
        }

    @property
    def overlays(self) -> tuple[str, ...]:
        """All extensions of the machines."""
        return (*self.extensions, *ALWAYS)


SETTINGS: Mapping[str, Mapping[str, Mapping[str, Value]]] = {
    "retry": {
        # A hello without a share; a server without the group of the first share.
        "client as the peer": {"first_group": "none"},
        "server as the peer": {"supports_x25519": False},
    },
    "key_update": {
        "client as the peer": {"updates": True},
        "server as the peer": {"updates": True},
    },
    # A key that both have: how they came by it makes no difference to the machines.
    "psk": {"client": {"has_external": True}, "server": {"has_external": True, "issues": False}},
}
"""By extension and role: the configuration in which the honest machines use the extension."""


SHOWS = {
    "server": ("ServerHello", "EncryptedExtensions", "ServerKeyExchange", "ServerHelloDone"),
    "client": ("ClientHello", "ClientKeyExchange"),
}
"""The answers that only one role gives, by role."""

LEGACY = ("ServerKeyExchange", "ServerHelloDone", "ClientKeyExchange")
MODERN = ("EncryptedExtensions",)
"""LEGACY has answers given only below TLS 1.3, MODERN answers given only in TLS 1.3."""


def configurations(
    machine: Mealy, asked: str | None, version: str | None, client_auth: str | None = None
) -> list[Configuration]:
    """The possible configurations of a learned machine, likeliest first; LearnedError if none."""
    outputs = [output(o) for row in machine.move for _, o in row.values()]
    sent = {m for o in outputs for m in o.messages}
    symbols = [symbol(a) for a in machine.inputs]
    given = {s.message for s in symbols}
    end = _role(machine, asked, sent, given)
    hello = HELLO[end]
    if hello not in given:
        raise LearnedError(
            f"{machine.file}: expected the input {hello} for a {end}, got "
            f"{', '.join(machine.inputs)[:200]}"
        )
    modern = "EncryptedExtensions" in sent | given
    if version:
        own, others = (MODERN, LEGACY) if version == "1.3" else (LEGACY, MODERN)
        shown = [m for m in others if m in sent]
        if shown and not sent & set(own):
            raise LearnedError(
                f"{machine.file}: expected a machine of TLS {version} (--version {version}), got "
                f"the answers {', '.join(shown)}, which TLS {version} does not have: say --version "
                + ("1.3" if version != "1.3" else "1.2, 1.1 or 1.0")
            )
    told = {o.version for o in outputs if "ServerHello" in o.messages} - {""}
    shown_version = VERSIONS[next(iter(told))] if len(told) == 1 else "TLS12"
    taken = VERSIONS[version] if version else "TLS13" if modern else shown_version
    options = _suites(symbols, sent, hello) if taken != "TLS13" else [tuple[str, ...]()]
    certificate = "honest" if "CertificateVerify" in sent else "empty"
    asks = ["none"]
    if "CertificateRequest" in sent and end == "server":
        asks = ["optional", "mandatory"]
    if client_auth is not None:
        if end == "server" and (client_auth == "none") == ("CertificateRequest" in sent):
            raise LearnedError(
                f"{machine.file}: expected a server with client authentication {client_auth} "
                f"(--client-auth), got one that sends "
                + ("a" if "CertificateRequest" in sent else "no")
                + " CertificateRequest"
            )
        asks = [client_auth] if end == "server" else asks
    return [Configuration(end, taken, suites, a, certificate) for suites in options for a in asks]


def _role(machine: Mealy, asked: str | None, sent: set[str], given: set[str | None]) -> str:
    """The role of the machine, from its answers, or as asked; LearnedError if these disagree."""
    shown = {end: [m for m in messages if m in sent] for end, messages in SHOWS.items()}
    if asked:
        other = OTHER[asked]
        if shown[other] and not shown[asked]:
            raise LearnedError(
                f"{machine.file}: expected the input {HELLO[asked]} and the answers of a "
                f"{asked} (--role {asked}), got the answers {', '.join(shown[other])}, which only "
                f"a {other} gives: say --role {other}"
            )
        return asked
    server = "ServerHello" in sent
    client = bool(shown["client"]) or ("ServerHello" in given and not server)
    if server == client:
        raise LearnedError(
            f"{machine.file}: expected a client or a server: no answer holds ServerHello or "
            "ClientKeyExchange; say --role server or --role client"
        )
    return "server" if server else "client"


def _suites(symbols: Sequence[Symbol], sent: set[str], hello: str) -> list[tuple[str, ...]]:
    """The possible lists of key exchanges, from the hellos' names, else from the messages."""
    named = [s.suite for s in symbols if s.message == hello and s.suite]
    if named:
        return [tuple(s for s in OFFERED if s in named)]
    exchanges = [s.suite for s in symbols if s.message == "ClientKeyExchange" and s.suite]
    shares = [s.suite for s in symbols if s.message == "ServerKeyExchange"]
    if "ServerKeyExchange" in sent:
        return [(s,) for s in ("ECDHE", "DHE") if s in exchanges] or [("ECDHE",)]
    if hello == "ServerHello" and shares:
        return [(s,) for s in dict.fromkeys((*(x or "ECDHE" for x in shares), "RSA"))]
    return [("RSA",)]


@dataclass(frozen=True)
class Probe(Symbol):
    """An input that is the message of an honest peer, changed."""

    altered: tuple[tuple[str, Value], ...] = ()  # fields with another value
    # "clear": not encrypted; "sealed": encrypted, though its sender would not; "wrong": under keys
    # that nobody has.
    under: str = ""


@dataclass(frozen=True)
class Answer:
    """One step of the honest machine."""

    key: Key  # the state after; for a refusal, the state before
    messages: tuple[str, ...]  # sent, in order
    rule: Rule  # the row taken
    alert: str = ""  # of a reject row
    garbled: bool = False  # the record did not decrypt
    hidden: bool = False  # the peer cannot decrypt what was sent
    sent: Sent | None = None  # the input as delivered


def _function(parts: Iterable[Expr]) -> Callable[..., Any]:
    """The values of expressions, as a function of a run and a message's fields."""
    return python_function({str(i): e for i, e in enumerate(parts)}, "own, msg", _read)


def _read(v: Any) -> str:
    kind, _, name = v.payload.partition(".")
    return {"own": f"own.{name}", "prev": f"own.{v.payload}"}.get(kind, f"msg[{name!r}]")


class HonestMachine:
    """The machine of one configuration; `audited` replaces the sound role."""

    def __init__(self, config: Configuration, audited: Role | None = None) -> None:
        self.config = config
        sound, other = role(config.role, config.overlays), OTHER[config.role]
        self.role: Role = sound if audited is None else whole(audited)
        self.subject = Run(self.role, f"{config.role}0", **config.variables(config.role))
        of_peer = role(other, config.overlays)
        self.peer = Run(of_peer, f"{other}0", **config.variables(other))
        self.messages = {m.name: m for m in sound.alphabet}
        self._steps: dict[tuple[Key, Symbol], Answer] = {}
        self._functions: dict[int, tuple[Rule, Callable[..., Any], Callable[..., Any]]] = {}
        self._secret = {
            end.name: _function([view(end, f"secret.{f}") for f in end.covered["secret"]])
            for end in (sound, of_peer)
        }
        # By message: the composite field that a row of the sound role checks, and its value.
        self._proofs = {
            r.event: (c.args[0].payload.partition(".")[2], _function(c.args[1:]))
            for r in sound.table
            if r.kind == "receive"
            for c in comparisons(*(x.expr for x in r.checks))
            if r.event != "ServerKeyExchange"
        }
        self._spontaneous()
        self.initial = self._key()
        self._names = ["state", *self.role.variables]

    # -- states ----------------------------------------------------------------------------------
    def _key(self) -> Key:
        return tuple(self.subject.valuation().values()), tuple(self.peer.valuation().values())

    def place(self, key: Key) -> None:
        """Set both runs to the state `key`."""
        for run, values in ((self.subject, key[0]), (self.peer, key[1])):
            for name, value in zip(("state", *run.role.variables), values, strict=True):
                setattr(run, name, value)

    def over(self, key: Key) -> bool:
        """Whether the audited run has ended."""
        return key[0][0] in self.role.final

    def value(self, key: Key, name: str) -> Value:
        """The value of a variable of the audited run."""
        return key[0][self._names.index(name)]

    # -- the peer --------------------------------------------------------------------------------
    def functions(self, r: Rule) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """A row's `when` and effects, as functions of (run, fields)."""
        hit = self._functions.get(id(r))
        if hit is None:
            hit = self._functions[id(r)] = (
                r,
                python_function({"when": r.when}, "own, msg", _read),
                python_function(dict(r.do), "own, msg", _read),
            )
        return hit[1], hit[2]

    def _take(self, kind: str, message: str, values: Mapping[str, Any]) -> None:
        """Apply to the peer the effects of its row for an event, whatever its local state."""
        peer = self.peer
        rows = [
            r
            for r in peer.role.table
            if r.kind == kind and r.event == message and self.of_generation(r)
        ]
        rows.sort(key=lambda r: peer.state not in r.sources)
        for r in rows:
            given = {**dict.fromkeys(r.choices, "none"), **values}
            when, do = self.functions(r)
            if when(peer, given)[0]:
                for name, value in zip(r.do, do(peer, given), strict=True):
                    setattr(peer, name, value)
                if peer.state in r.sources and r.target != SAME:
                    peer.state = r.target
                return

    def of_generation(self, r: Rule) -> bool:
        """Whether a row belongs to the version's generation, or to every one."""
        mine = "tls13" if self.config.version == "TLS13" else "tls12"
        return r.generation in ("", mine)

    def message(self, symbol: Symbol) -> tuple[Sent, bool]:
        """The peer's message for an input, its effects applied; whether it cannot be decrypted."""
        assert symbol.message is not None
        name, peer, subject = symbol.message, self.peer, self.subject
        values: dict[str, Any] = {}
        own: Any = peer
        key, readable = own.write_key, self._readable(peer, subject)
        if symbol.suite and name in ("ClientHello", "ServerHello"):
            if name == "ClientHello":
                for s in OFFERED:
                    setattr(own, f"offers_{s}", s == symbol.suite)
            else:
                own.suite = symbol.suite
        if name == "Certificate":
            values["certificate"] = "empty" if symbol.empty else "honest"
        if name == "CertificateRequest":
            values["client_auth"] = "optional"
        if name == "KeyUpdate":
            values["request_update"] = "update_not_requested"
        self._take("send", name, values)
        if name in peer.role.sends:
            values = {**peer.message(name).fields, **values}
        altered = dict(symbol.altered) if isinstance(symbol, Probe) else {}
        if name in self._proofs:
            # A signature of another scheme is right under that scheme.
            proof, expected = self._proofs[name]
            values[proof] = tuple(expected(subject, {**values, **altered}))
        if name == "ClientKeyExchange" and symbol.suite not in ("", own.suite):
            wrong = "encrypted_to" if own.suite in RSA_SUITES else "exchange"
            values[wrong] = "none" if wrong == "encrypted_to" else "random"
        if name == "Alert":
            values = {"level": symbol.level, "description": symbol.description}
        if altered.get("degenerate"):
            own.degenerate = True  # so the peer has the same constant for a secret
        under = symbol.under if isinstance(symbol, Probe) else ""
        values |= altered
        if under == "wrong":
            return Sent("UndecryptableRecord", {}), True
        if under == "clear":
            sealed = subject.valuation()["read_key"] != "plaintext"
            return Sent(name, completed(self.messages[name], values), "plaintext"), sealed
        spec = name == "ChangeCipherSpec"
        if spec and self.config.version == "TLS13" and under != "sealed":
            key = "plaintext"  # for middleboxes: RFC 8446 D.4
        garbled = not readable and not (spec and key == "plaintext")
        if garbled:
            return Sent("UndecryptableRecord", {}), True
        clear = key if key == "plaintext" else None
        return Sent(name, completed(self.messages[name], values), clear), False

    def _readable(self, sender: Run, reader: Run) -> bool:
        """Whether the reader has the keys that the sender writes with."""
        a: Any = sender
        b: Any = reader
        if a.write_key != b.read_key:
            return False
        if a.write_key not in ("application", "handshake"):
            return True
        return bool(self._secret[a.role.name](a, {}) == self._secret[b.role.name](b, {}))

    # -- steps -----------------------------------------------------------------------------------
    def step(self, key: Key, symbol: Symbol) -> Answer:
        """The machine's answer to an input."""
        hit = self._steps.get((key, symbol))
        if hit is None:
            hit = self._steps[key, symbol] = self._step(key, symbol)
        return hit

    def _step(self, key: Key, symbol: Symbol) -> Answer:
        self.place(key)
        sent, garbled = self.message(symbol)
        before = self._key()
        alert = self.subject.receive(sent)
        rule = self.subject.taken
        assert rule is not None
        if rule.event != sent.message == "ChangeCipherSpec":
            # In the clear where none is due: of an unexpected type (RFC 8446 5).
            self.place(before)
            alert = self.subject.receive(Sent(sent.message, sent.fields))
            rule = self.subject.taken
            assert rule is not None
        if alert:
            # A weakened row starts from the values before the message.
            return Answer(before, (), rule, alert, garbled, False, sent)
        messages, hidden = self._spontaneous()
        if "key_update" in self.config.extensions:
            renew(self.subject, self.peer)
            renew(self.peer, self.subject)
        return Answer(self._key(), messages, rule, "", garbled, hidden, sent)

    def forced(self, answer: Answer, target: str, base: Rule | None) -> Answer:
        """The answer if a refused message were accepted.

        The run goes to the local state `target`, with the effects of the row `base`.
        """
        self.place(answer.key)
        assert answer.sent is not None
        if base is not None:
            _, do = self.functions(base)
            values = do(self.subject, answer.sent.fields)
            for name, value in zip(base.do, values, strict=True):
                setattr(self.subject, name, value)
        if target != SAME:
            self.subject.state = target
        messages, hidden = self._spontaneous()
        return Answer(self._key(), messages, answer.rule, "", False, hidden, answer.sent)

    def without(self, key: Key, row: Rule) -> Key:
        """The state after a receive row that no message takes, with its effects."""
        self.place(key)
        assert row.message is not None
        _, do = self.functions(row)
        values = do(self.subject, completed(row.message, {}))
        for name, value in zip(row.do, values, strict=True):
            setattr(self.subject, name, value)
        self.subject.state = row.target
        self._spontaneous()
        return self._key()

    def _spontaneous(self) -> tuple[tuple[str, ...], bool]:
        """The messages that the audited run sends by itself; whether the peer cannot read any."""
        out: list[str] = []
        hidden = False
        run: Any = self.subject
        while True:
            for r in run.enabled():
                if r.kind != "send" or r.event in WITH_DATA:
                    continue
                if r.event == "CertificateRequest" and self.config.asks == "none":
                    continue
                if r.event == "ServerHelloDone" and run.state == "SEND_CR_SHD" and self._may_ask():
                    continue
                if r.event == "Certificate" and run.state == "SEND_CR_CERT" and self._may_ask():
                    continue
                choices = {"client_auth": self.config.asks, "certificate": self.config.certificate}
                readable = self._readable(run, self.peer)
                try:
                    sent = getattr(run, f"send_{snake(r.event)}")(
                        **{c: choices[c] for c in _choices(run.role, r.event)}
                    )
                except CallError:
                    continue
                break
            else:
                return tuple(out), hidden
            out.append(sent.message)
            if readable:
                self._take("receive", sent.message, sent.fields)
            else:
                hidden = True

    def _may_ask(self) -> bool:
        run: Any = self.subject
        return self.config.asks != "none" and run.suite != "DH_anon"


def renew(writer: Any, reader: Any) -> None:
    """Restart the count of key generations of one direction once both ends agree.

    A run of the model has three generations and starts one update; a connection can have any number
    of updates.
    """
    if writer.write_generation == reader.read_generation != "0":
        writer.write_generation = reader.read_generation = "0"
        writer.update_0 = writer.update_1 = "none"
        writer.updated = False


@cache
def honest_machine(config: Configuration) -> HonestMachine:
    """The honest machine of a configuration, shared by all its files."""
    return HonestMachine(config)


def _choices(r: Role, event: str) -> set[str]:
    return {c for x in r.table if x.kind == "send" and x.event == event for c in x.choices}


def completed(message: Message, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message with these `values`; a required field without one gets any value."""
    out = fields_of(message, values)
    for f, v in out.items():
        if v == "none" and message.demands(f):
            out[f] = next(w for w in message.fields[f].values if w != "none")
    return out


def holds(r: Rule, run: Run, sent: Sent) -> bool:
    """Whether a row's whole guard lets the message pass."""
    return bool(python_function({"guard": r.guard}, "own, msg", _read)(run, sent.fields)[0])
