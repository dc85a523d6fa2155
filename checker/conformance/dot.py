"""Graphs in the DOT language of Graphviz: edges and nodes with their attributes.

The whole grammar is read, but ports mean nothing, and a subgraph is the nodes in it. Reading stops
at the first error, with its line. A file of a learner takes milliseconds.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

DEEPEST = 50
"""The most subgraphs inside each other."""

_TOKEN = re.compile(
    r"""
    (?P<skip>   \s+ | //[^\n]* | /\*.*?\*/ | ^\#[^\n]* )
  | (?P<edge>   -> | -- )
  | (?P<mark>   [{}\[\];,=:+] )
  | (?P<name>   [A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]* | -?(?:\.\d+|\d+(?:\.\d*)?) )
  | (?P<quoted> "(?:[^"\\]|\\.)*" )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_TAG = re.compile(r"<[^<>]*>")
_BREAK = re.compile(r"<br\s*/?\s*>", re.IGNORECASE)


class DotError(ValueError):
    """A text is no DOT; the message has the line, what was expected and got."""


@dataclass(frozen=True)
class Edge:
    """An edge with its attributes."""

    source: str
    target: str
    attributes: dict[str, str]


@dataclass
class Graph:
    """A graph: its kind (graph or digraph), its name, its edges in order, its nodes."""

    kind: str
    name: str = ""
    edges: list[Edge] = field(default_factory=list)
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Token:
    kind: str  # edge, mark, name, quoted, html; end for the end of the text
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        if text[at] == "<":
            end = _html(text, at)
            if end is None:
                raise DotError(f"line {line}: expected > to close an HTML label")
            yield _Token("html", text[at + 1 : end - 1], line)
        else:
            m = _TOKEN.match(text, at)
            if m is None:
                what = "a closing quote" if text[at] == '"' else "DOT"
                raise DotError(f"line {line}: expected {what}, got {text[at : at + 20]!r}")
            end = m.end()
            assert m.lastgroup is not None
            if m.lastgroup != "skip":
                yield _Token(m.lastgroup, m[0], line)
        line += text.count("\n", at, end)
        at = end
    yield _Token("end", "the end of the file", line)


def _html(text: str, at: int) -> int | None:
    """The end of the HTML text that begins at `at`."""
    depth = 0
    for m in re.compile("[<>]").finditer(text, at):
        depth += 1 if m[0] == "<" else -1
        if depth == 0:
            return m.end()
    return None


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.now = next(self.tokens)

    def next(self) -> _Token:
        """Take the present token."""
        taken = self.now
        if taken.kind != "end":
            self.now = next(self.tokens)
        return taken

    def error(self, expected: str) -> DotError:
        """The error that something else is there."""
        return DotError(f"line {self.now.line}: expected {expected}, got {self.now.text[:40]}")

    def skip(self, *marks: str) -> bool:
        """Whether one of these marks was there; it is taken."""
        found = self.now.kind in ("mark", "edge") and self.now.text in marks
        if found:
            self.next()
        return found

    def word(self, *words: str) -> str:
        """One of these keywords, if it is there; it is taken."""
        if self.now.kind == "name" and self.now.text.lower() in words:
            return self.next().text.lower()
        return ""

    def identifier(self, expected: str) -> str:
        """An identifier, in any of its four forms."""
        token = self.now
        if token.kind == "html":
            plain = _TAG.sub("", _BREAK.sub("\n", self.next().text))
            return html.unescape(plain)
        if token.kind == "quoted":
            parts = [_unquoted(self.next().text)]
            while self.now.kind == "mark" and self.now.text == "+":
                self.next()
                if self.now.kind != "quoted":
                    raise self.error("a quoted text after +")
                parts.append(_unquoted(self.next().text))
            return "".join(parts)
        if token.kind != "name":
            raise self.error(expected)
        return self.next().text

    def graphs(self) -> Iterator[Graph]:
        """All graphs of the text."""
        while self.now.kind != "end":
            self.word("strict")
            kind = self.word("graph", "digraph")
            if not kind:
                raise self.error("graph or digraph")
            named = self.now.kind != "mark"
            graph = Graph(kind, self.identifier("the graph's name or {") if named else "")
            self.body(graph, {}, {}, 0)
            yield graph

    def body(
        self, graph: Graph, edge: dict[str, str], node: dict[str, str], depth: int
    ) -> list[str]:
        """The statements in braces; the nodes in them."""
        if depth > DEEPEST:
            raise self.error(f"at most {DEEPEST} subgraphs inside each other")
        if not self.skip("{"):
            raise self.error("{")
        edge, node = dict(edge), dict(node)
        inside: dict[str, None] = {}
        while not self.skip("}"):
            if self.now.kind == "end":
                raise self.error("}")
            if not self.skip(";", ","):
                inside |= dict.fromkeys(self.statement(graph, edge, node, depth))
        return list(inside)

    def statement(
        self, graph: Graph, edge: dict[str, str], node: dict[str, str], depth: int
    ) -> list[str]:
        """One statement; the nodes in it."""
        default = self.word("graph", "node", "edge")
        if default:
            into = {"graph": graph.attributes, "node": node, "edge": edge}[default]
            into |= self.attributes()
            return []
        ends = [self.endpoint(graph, edge, node, depth)]
        if isinstance(ends[0], str) and self.skip("="):
            graph.attributes[ends[0]] = self.identifier("a value")
            return []
        while self.skip("->", "--"):
            ends.append(self.endpoint(graph, edge, node, depth))
        groups = [[e] if isinstance(e, str) else e for e in ends]
        names = [n for group in groups for n in group]
        for n in names:
            graph.nodes.setdefault(n, dict(node))
        given = self.attributes()
        if len(groups) == 1:
            if isinstance(ends[0], str):
                graph.nodes[ends[0]] |= given
            return names
        for sources, targets in pairwise(groups):
            for source in sources:
                graph.edges += [Edge(source, target, {**edge, **given}) for target in targets]
        return names

    def endpoint(
        self, graph: Graph, edge: dict[str, str], node: dict[str, str], depth: int
    ) -> str | list[str]:
        """A node's name, or the nodes of a subgraph."""
        if self.word("subgraph"):
            if self.now.kind != "mark":
                self.identifier("the subgraph's name or {")
            return self.body(graph, edge, node, depth + 1)
        if self.now.kind == "mark" and self.now.text == "{":
            return self.body(graph, edge, node, depth + 1)
        name = self.identifier("a node, an edge or an attribute")
        while self.skip(":"):
            self.identifier("a port")
        return name

    def attributes(self) -> dict[str, str]:
        """The attributes in brackets, as many lists as there are."""
        out: dict[str, str] = {}
        while self.skip("["):
            while not self.skip("]"):
                name = self.identifier("an attribute or ]")
                out[name.strip().lower()] = self.identifier("a value") if self.skip("=") else "true"
                self.skip(";", ",")
        return out


def _unquoted(text: str) -> str:
    """The text of a quoted identifier; the escapes of labels are left alone."""
    return text[1:-1].replace("\\\n", "").replace('\\"', '"')


def graphs(text: str) -> list[Graph]:
    """The graphs in a text; DotError if it is no DOT."""
    return list(_Parser(text).graphs())
