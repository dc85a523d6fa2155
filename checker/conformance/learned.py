"""Learned Mealy machines: read from DOT, their symbols mapped to the model's messages.

The forms are those of AALpy, LearnLib and StateLearner: an edge `s0 -> s1` labelled `Input /
Output`, and an edge without a label into the initial state. A symbol is split into the words of
`WORDS`. A symbol that does not split is kept as one that the model does not know.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from checker.conformance.alerts import ALERTS
from model.message import ALPHABET
from model.near import shown
from model.principal import Alert

LONGEST = 500
"""The most characters of a state's name or a label."""
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
    return out


WORDS = _words()
_LONGEST = max(map(len, WORDS))


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
    return ends[0]


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
    words = split(name) or ()
    kinds = dict(words)
    messages = [v for k, v in words if k == "message"]
    if "alert" in kinds:
        description = kinds["alert"]
        if messages:
            return Symbol(name, None)
        if description == "close_notify":
            return Symbol(name, "CloseNotify")
        if description not in Alert.codes:
            return Symbol(name, None)
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
    if text.strip().lower() in ("", "-", "empty", "e", "epsilon"):
        return Output(text)
    for part in text.replace("|", "&").replace(",", "&").replace("+", "&").split("&"):
        words = split(part)
        if words is None:
            other.append(part.strip())
            continue
        level, naming = "", False
        for kind, meaning in words:
            if kind == UNDECRYPTABLE and naming:  # the alert decryption_failed has the same words
                kind, meaning = "alert", "decryption_failed"
            if kind == "message":
                messages.append(meaning)
            elif kind == "level":
                level = meaning
            elif kind == "alert":
                usual = "warning" if meaning == "close_notify" else "fatal"
                alerts.append((level or usual, meaning))
            closed |= kind == CLOSED
            hidden |= kind == UNDECRYPTABLE
            naming = kind == "level" or meaning == "alert"
    return Output(text, tuple(messages), tuple(alerts), closed, hidden, tuple(other))


@dataclass(frozen=True)
class Mealy:
    """A complete, deterministic and minimal machine; its states are numbered from 0."""

    file: str
    states: int  # in the file, before states that behave alike were made one
    initial: int
    inputs: tuple[str, ...]
    # By state and input: the next state and the output text.
    move: tuple[Mapping[str, tuple[int, str]], ...] = field(default=())

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
    """The labelled edges as (source, target, label), and the targets of edges without a label."""
    import pydot

    said = io.StringIO()
    graphs = None
    why = ""
    if text.strip():
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                graphs = pydot.graph_from_dot_data(text)
        except RecursionError:
            why = "nested too deeply"
        except Exception as e:  # the parser's own, of several kinds
            why = f"{type(e).__name__}: {e}"
    else:
        why = "the file is empty"
    if not graphs:
        lines = [line for line in said.getvalue().splitlines() if line.strip()]
        why = why or (lines[-1].strip() if lines else "no graph in it")
        raise LearnedError(f"{path}: expected one DOT digraph: {why[:200]}")
    if len(graphs) != 1 or graphs[0].get_type() != "digraph":
        raise LearnedError(
            f"{path}: expected one digraph, got {len(graphs)} graphs, "
            f"the first a {graphs[0].get_type()}"
        )
    edges: list[tuple[str, str, str]] = []
    starts: list[str] = []
    for edge in graphs[0].get_edges():
        source, target = _plain(str(edge.get_source())), _plain(str(edge.get_destination()))
        label = _plain(str(edge.get("label") or ""))
        if max(map(len, (source, target, label))) > LONGEST:
            raise LearnedError(
                f"{path}: expected names and labels of at most {LONGEST} characters, got "
                f"{shown(max(source, target, label, key=len))}"
            )
        if label:
            edges.append((source, target, label))
        else:
            starts.append(target)
    return edges, starts


def _plain(text: str) -> str:
    """A DOT identifier without its quotes."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('\\"', '"')
    return " ".join(text.split())


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
        if row.setdefault(given, (target, answer)) != (target, answer):
            raise LearnedError(
                f"{path}: not deterministic: in {source}, {given} leads to {row[given][0]} "
                f"({row[given][1]}) and to {target} ({answer})"
            )
        if given not in inputs:
            inputs.append(given)
    start, order = starts[0], [starts[0]]
    known = {start}
    for q in order:
        for a in inputs:
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
    block = dict.fromkeys(order, 0)
    while True:
        seen: dict[object, int] = {}
        finer = {}
        for q in order:
            row = (block[q], *((moves[q][a][1], block[moves[q][a][0]]) for a in inputs))
            finer[q] = seen.setdefault(row, len(seen))
        if len(seen) == len(set(block.values())):
            break
        block = finer
    rows: list[Mapping[str, tuple[int, str]]] = [{} for _ in seen]
    for q in order:
        rows[finer[q]] = {a: (finer[moves[q][a][0]], moves[q][a][1]) for a in inputs}
    return Mealy(path, states, finer[start], inputs, tuple(rows))
