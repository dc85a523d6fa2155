"""Learned Mealy machines: read from DOT, their symbols mapped to the model's messages.

The forms are those of AALpy, LearnLib and StateLearner: an edge `s0 -> s1` labelled `Input /
Output`, and an edge without a label into the initial state. A label may have several lines of that
form. A symbol is split into the words of `WORDS`, or at its punctuation into these and the short
names that people write (CH, CKE, CCS). A symbol that does not split is kept as one that the model
does not know. A machine of another protocol is recognized by its symbols, and not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from checker.conformance import dot
from checker.conformance.alerts import ALERTS, NAMES
from checker.conformance.notation import SHORT
from model.message import ALPHABET
from model.near import shown
from model.principal import Alert

LONGEST = 2_000
"""The most characters of a state's name or a label, which may hold many transitions."""
LIMIT = 10_000
"""The most edges in a file; a learned machine has some hundreds."""

KEY_EXCHANGES = {"rsa": "RSA", "dhe": "DHE", "dh": "DHE", "ecdhe": "ECDHE", "ecdh": "ECDHE"}

CLOSED = "closed"
UNDECRYPTABLE = "undecryptable"
IGNORED = ("NewSessionTicket", "CertificateStatus")
"""Messages of extensions that an endpoint may send in its flights (RFC 5077 3.3, 8446 4.6.1,
6066 8): known by name only, and never held against a machine."""


def _words() -> dict[str, tuple[str, str]]:
    """The words of symbols: the (kind, meaning) by spelling without case and punctuation."""
    out = {m.name.lower(): ("message", m.name) for m in ALPHABET if m.name != "Alert"}
    out |= {n.lower(): ("message", n) for n in IGNORED}
    out |= {a.replace("_", ""): ("alert", a) for a in ALERTS}
    out |= {f"{a.replace('_', '')}reserved": ("alert", a) for a in ALERTS}
    out |= {k: ("suite", v) for k, v in KEY_EXCHANGES.items()}
    out |= {w: ("level", w) for w in ("warning", "fatal")}
    out |= {w: ("filler", w) for w in ("handshake", "alert", "client", "server", "message")}
    out |= {w: ("empty", w) for w in ("empty",)}
    out |= dict.fromkeys(("application", "appdata"), ("message", "ApplicationData"))
    out |= {w: (CLOSED, w) for w in ("connectionclosed", "closed", "eof", "connectionclosedeof")}
    out |= {w: (UNDECRYPTABLE, w) for w in ("decryptionfailed", "undecryptable")}
    out |= {w: ("nothing", w) for w in ("noresponse", "timeout", "none", "null")}
    out["ccs"] = ("message", "ChangeCipherSpec")
    for number, minor in (("10", "1"), ("11", "2"), ("12", "3"), ("13", "4")):
        version = f"1.{number[1]}"
        spelled = (
            f"tlsv{number}",
            f"tls{number}",
            f"v{number}",
            f"030{minor}",
            f"3{minor}",
            number,
        )
        out |= dict.fromkeys(spelled, ("version", version))
    return out


WORDS = _words()
_LONGEST = max(map(len, WORDS))
_SHORT = {
    **{k.lower(): ("message", v) for k, v in SHORT.items() if v in {m.name for m in ALPHABET}},
    **{k.lower(): ("message", v) for k, v in SHORT.items() if v in IGNORED},
    "fin": ("message", "Finished"),
    "cert": ("message", "Certificate"),
    "app": ("message", "ApplicationData"),
    "cn": ("alert", "close_notify"),
    "tc": (CLOSED, "closed"),
    "ur": (UNDECRYPTABLE, "undecryptable"),
}
"""The short names that stand alone between punctuation: `CH`, `CKE_RSA`."""

_ALERT = re.compile(r"alert[\W_]*(?:([12])[\W_]+)?(\d{1,3})(?!\d)", re.IGNORECASE)
"""An alert by number, after its level or not: `Alert2.71`, `Alert(2, 40)`."""

OTHERS = {
    "DTLS": ("helloverifyrequest",),
    "SSH": ("kexinit", "newkeys", "kexdhinit", "kex30", "kex31", "userauthrequest"),
    "QUIC": ("handshakedone", "versionnegotiation", "initialcrypto", "connectioncloseframe"),
    "MQTT": ("connack", "suback", "pingresp"),
    "TCP": ("synack", "ackrst", "finack"),
}
"""Words of the machines of other protocols."""


class LearnedError(Exception):
    """A file is no machine; the message has the file, what was expected and got, what to do."""


@cache
def split(text: str) -> tuple[tuple[str, str], ...] | None:
    """The words of `WORDS` that make up `text`, longest match first; None if others are left."""
    plain = "".join(c for c in text.lower() if c.isalnum())
    ends: dict[int, tuple[tuple[str, str], ...] | None] = {len(plain): ()}
    for i in range(len(plain) - 1, -1, -1):
        ends[i] = None
        for n in range(min(_LONGEST, len(plain) - i), 0, -1):
            word, rest = WORDS.get(plain[i : i + n]), ends[i + n]
            if word is not None and rest is not None:
                ends[i] = (word, *rest)
                break
    return ends[0] if ends[0] is not None else _short(text)


def _short(text: str) -> tuple[tuple[str, str], ...] | None:
    """The words between the punctuation of `text`, short ones too; None if others are left."""
    words = [w.lower() for w in re.split(r"[\W_]+", text) if w]
    found = [_SHORT.get(w) or WORDS.get(w) for w in words]
    known = [w for w in found if w is not None]
    return tuple(known) if known and len(known) == len(found) else None


def _named(text: str) -> str:
    """The text with alerts by name: `Alert2.71` as `Alert fatal insufficient_security`."""

    def name(m: re.Match[str]) -> str:
        description = NAMES.get(int(m[2]))
        level = {"1": "warning", "2": "fatal", None: ""}[m[1]]
        return m[0] if description is None else f" alert {level} {description} "

    return _ALERT.sub(name, text)


@dataclass(frozen=True)
class Symbol:
    """An input symbol."""

    name: str
    message: str | None  # the model's message; None if there is none
    suite: str = ""  # the key exchange in the name
    empty: bool = False  # an empty Certificate, or a record without data
    level: str = ""  # of an alert
    description: str = ""  # of an alert

    @property
    def harmless(self) -> bool:
        """Whether the input may be refused or ignored.

        That is an input outside the model, or a record without data (RFC 5246 6.2.1).
        """
        return self.message is None or (self.message == "ApplicationData" and self.empty)


@dataclass(frozen=True)
class Output:
    """A machine's answer to an input."""

    text: str
    messages: tuple[str, ...] = ()  # in order
    alerts: tuple[tuple[str, str], ...] = ()  # (level, description)
    closed: bool = False  # the connection ended
    hidden: bool = False  # the learner could not decrypt a part
    version: str = ""  # of TLS, as in "1.2"; empty if the text has none
    other: tuple[str, ...] = ()  # text not understood

    @property
    def fatal(self) -> str:
        """The description of the fatal alert; empty if there is none."""
        return next((d for level, d in self.alerts if level != "warning"), "")

    @property
    def refuses(self) -> bool:
        """Whether the answer ends the connection."""
        return self.closed or bool(self.fatal)


@cache
def symbol(name: str) -> Symbol:
    """The input symbol called `name`."""
    words = split(_named(name)) or ()
    kinds = dict(words)
    messages = [v for k, v in words if k == "message"]
    if "alert" in kinds:
        description = kinds["alert"]
        if messages:
            return Symbol(name, None)
        if description == "close_notify":
            return Symbol(name, "CloseNotify")
        if description not in Alert.codes:
            description = "internal_error"  # alerts of one level do the same
        return Symbol(name, "Alert", "", False, kinds.get("level", "fatal"), description)
    if len(messages) != 1 or messages[0] in IGNORED or {CLOSED, UNDECRYPTABLE} & set(kinds):
        return Symbol(name, None)
    return Symbol(name, messages[0], kinds.get("suite", ""), "empty" in kinds)


@cache
def output(text: str) -> Output:
    """The answer that an output label stands for."""
    messages: list[str] = []
    alerts: list[tuple[str, str]] = []
    other: list[str] = []
    closed = hidden = False
    version = ""
    if text.strip().lower() in ("", "-", "empty", "e", "epsilon"):
        return Output(text)
    for part in re.split(r"[&|,+\n]", _named(text)):
        words = split(part)
        if words == () and not part.strip():
            continue
        if words is None:
            other.append(part.strip())
            continue
        level, naming = "", False
        for kind, meaning in words:
            if kind == UNDECRYPTABLE and naming:  # the alert decryption_failed has the same words
                kind, meaning = "alert", "decryption_failed"
            elif meaning == "decrypt_error" and not naming and "decrypterror" in part.lower():
                kind = UNDECRYPTABLE  # no alert: the learner says what it could not do
            if kind == "message":
                messages.append(meaning)
            elif kind == "level":
                level = meaning
            elif kind == "alert":
                usual = "warning" if meaning == "close_notify" else "fatal"
                alerts.append((level or usual, meaning))
            elif kind == "version":
                version = meaning
            closed |= kind == CLOSED or meaning == "close_notify"
            hidden |= kind == UNDECRYPTABLE
            naming = kind == "level" or meaning == "alert"
    return Output(text, tuple(messages), tuple(alerts), closed, hidden, version, tuple(other))


@dataclass(frozen=True)
class Mealy:
    """A complete, deterministic and minimal machine; its states are numbered from 0."""

    file: str
    states: int  # in the file, before states that behave alike were made one
    initial: int
    inputs: tuple[str, ...]
    # By state and input: the next state and the output text.
    move: tuple[Mapping[str, tuple[int, str]], ...] = field(default=())
    # By state: its class, where the text of refusals makes no difference.
    alike: tuple[int, ...] = ()

    @property
    def content(self) -> object:
        """What tells this machine from others: the file's name does not."""
        rows = tuple(tuple(sorted(row.items())) for row in self.move)
        return self.states, self.initial, self.inputs, rows

    def reach(self, start: int) -> set[int]:
        """The states reachable from `start`, which is among them."""
        seen, stack = {start}, [start]
        while stack:
            for q, _ in self.move[stack.pop()].values():
                if q not in seen:
                    seen.add(q)
                    stack.append(q)
        return seen


def read(path: str) -> Mealy:
    """The machine in a DOT file; LearnedError if the file has none."""
    try:
        with Path(path).open("rb") as f:
            raw = f.read(LIMIT * 200 + 1)
    except OSError as e:
        raise LearnedError(f"{path}: cannot be read: {e.strerror or e}") from None
    if len(raw) > LIMIT * 200 or raw.count(b"->") > LIMIT:
        raise LearnedError(
            f"{path}: too big: expected at most {LIMIT} edges in {LIMIT * 200} bytes, the size of "
            "a learned machine"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise LearnedError(f"{path}: expected DOT as UTF-8 text: {e}") from None
    return _machine(path, *_edges(path, text))


def _edges(path: str, text: str) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The labelled edges as (source, target, label), and the initial states as far as shown."""
    try:
        if not text.strip():
            raise dot.DotError("the file is empty")
        found = dot.graphs(text)
    except dot.DotError as e:
        raise LearnedError(f"{path}: expected one DOT digraph: {e}") from None
    if len(found) != 1 or found[0].kind != "digraph":
        raise LearnedError(
            f"{path}: expected one digraph, got {len(found)} graphs, the first a {found[0].kind}"
        )
    graph = found[0]
    if "dtls" in graph.name.lower():
        raise LearnedError(_other(path, "DTLS", graph.name))
    edges: list[tuple[str, str, str]] = []
    starts: list[str] = []
    for edge in graph.edges:
        label = edge.attributes.get("label") or edge.attributes.get("xlabel") or ""
        longest = max(edge.source, edge.target, label, key=len)
        if len(longest) > LONGEST:
            raise LearnedError(
                f"{path}: expected names and labels of at most {LONGEST:,} characters, got "
                f"{shown(longest)}"
            )
        lines = [" ".join(line.split()) for line in _transitions(label)]
        edges += [(edge.source, edge.target, line) for line in lines]
        if not lines:
            starts.append(edge.target)
    marked = ("initial", "root", "start")
    starts = starts or [
        n for n, a in graph.nodes.items() if any(a.get(m) == "true" for m in marked)
    ]
    return edges, starts


def _transitions(label: str) -> list[str]:
    """The transitions in a label: one, or one in each line that has a slash."""
    label = label.replace("\\\\", "\\")
    lines = [line.strip() for line in re.split(r"\\[nlr]|\n", label) if line.strip()]
    if all("/" in line for line in lines):
        return lines
    return [" ".join(lines)]


def _other(path: str, protocol: str, sign: str) -> str:
    """The error text for a machine of another protocol."""
    return (
        f"{path}: a {protocol} machine ({sign[:60]}): the model is of TLS over a stream, so there "
        "is no verdict"
    )


def _inputs(given: str) -> list[str]:
    """The inputs of a transition: one, or several with a bar or a comma between them."""
    if symbol(given).message is None:
        parts = [p.strip() for p in re.split(r"[|,]", given)]
        if len(parts) > 1 and all(symbol(p).message for p in parts):
            return parts
    return [given]


def _machine(path: str, edges: list[tuple[str, str, str]], starts: list[str]) -> Mealy:
    """The machine of these edges; LearnedError if it is not complete and deterministic."""
    if not edges:
        raise LearnedError(f"{path}: expected edges labelled `Input / Output`, got none")
    if len(set(starts)) != 1:
        raise LearnedError(
            f"{path}: no initial state: expected one edge without a label into it, as in "
            f"`__start0 -> s0`, got {len(set(starts))}"
        )
    moves: dict[str, dict[str, tuple[str, str]]] = {}
    inputs: list[str] = []
    for source, target, label in edges:
        given, slash, answer = label.partition(" / " if " / " in label else "/")
        given, answer = given.strip(), answer.strip()
        if not slash or not given:
            raise LearnedError(
                f"{path}: {source} -> {target}: expected a label `Input / Output`, got {label!r}"
            )
        row = moves.setdefault(source, {})
        for one in _inputs(given):
            if row.setdefault(one, (target, answer)) != (target, answer):
                raise LearnedError(
                    f"{path}: not deterministic: in {source}, {one} leads to {row[one][0]} "
                    f"({row[one][1]}) and to {target} ({answer})"
                )
            if one not in inputs:
                inputs.append(one)
    texts = {*inputs, *(o for row in moves.values() for _, o in row.values())}
    for protocol, signs in OTHERS.items():
        for text in sorted(texts):
            plain = "".join(c for c in text.lower() if c.isalnum())
            if any(w in plain for w in signs):
                raise LearnedError(_other(path, protocol, text))
    start, order = starts[0], [starts[0]]
    known = {start}
    for q in order:
        for a in sorted(inputs):  # so that equal machines have equal numbers
            if a not in moves.get(q, {}):
                raise LearnedError(
                    f"{path}: not complete: expected an edge for every input in every state, "
                    f"got none for {a} in {q}"
                )
            to = moves[q][a][0]
            if to not in known:
                known.add(to)
                order.append(to)
    return _minimal(path, len({*moves, *(t for _, t, _ in edges)}), moves, order, start, inputs)


def _minimal(
    path: str,
    states: int,
    moves: Mapping[str, Mapping[str, tuple[str, str]]],
    order: list[str],
    start: str,
    inputs: Iterable[str],
) -> Mealy:
    """The machine with equivalent states made one, by Moore's partition refinement."""
    inputs = tuple(sorted(inputs))
    finer = _classes(order, inputs, moves, {})
    ends = {o: output(o).refuses for row in moves.values() for _, o in row.values()}
    coarse = _classes(
        order, inputs, moves, {o: "refused" for o, refuses in ends.items() if refuses}
    )
    blocks = len({*finer.values()})
    rows: list[Mapping[str, tuple[int, str]]] = [{} for _ in range(blocks)]
    alike = [0] * blocks
    for q in order:
        rows[finer[q]] = {a: (finer[moves[q][a][0]], moves[q][a][1]) for a in inputs}
        alike[finer[q]] = coarse[q]
    return Mealy(path, states, finer[start], inputs, tuple(rows), tuple(alike))


def _classes(
    order: Sequence[str],
    inputs: Sequence[str],
    moves: Mapping[str, Mapping[str, tuple[str, str]]],
    instead: Mapping[str, str],
) -> dict[str, int]:
    """The class of each state: those of one class behave alike, with some answers replaced."""
    block = dict.fromkeys(order, 0)
    while True:
        seen: dict[object, int] = {}
        finer = {}
        for q in order:
            row = (
                (instead.get(moves[q][a][1], moves[q][a][1]), block[moves[q][a][0]]) for a in inputs
            )
            finer[q] = seen.setdefault((block[q], *row), len(seen))
        if len(seen) == len(set(block.values())):
            return finer
        block = finer
