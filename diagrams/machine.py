"""A role's machine as a picture, drawn from the role's rows.

Each row and source state is one edge, in the order of the tables. A row with most states as sources
(an alert, the end of the transport) is one edge from a box "any state"; all rows that do not change
a state are one loop. Reject rows are not drawn: they are the complement of the others, and all
enter CLOSED.
"""

from __future__ import annotations

import html
import itertools
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence

import graphviz

from model.expr import FALSE, TRUE, Expr, Value, const, rebuild, substitute, var, variables
from model.extensions import Extension
from model.role import Role
from model.rule import SAME, Rule

GENERATIONS = {"tls12": "TLS 1.0 to 1.2", "tls13": "TLS 1.3"}
"""The generations that a state can belong to; a state of both is shared."""
OF_TLS13 = {"version": "TLS13", "suite": "AEAD"}
"""By variable: the value that means TLS 1.3; every other value means an older version."""

ANY = "any state"
WIDTH = 36
LINES = 4
FONT = "Helvetica"

WAITS, SENDS, EITHER, END = "#dbe9ff", "#dff3df", "#f4f4f4", "#ffffff"
MARK = {"receive": "?", "send": "!", "step": ""}
INK = {"receive": "#1f4e9c", "send": "#1f7a33", "step": "#555555"}
LEGEND = (
    "?Message is received, !Message is sent. A bold border: the start, a double one: the end. Blue "
    "states wait for the peer, green states send or decide, grey ones may do either.\n"
    "msg.x is a field of the message, any other name a variable of the run. A check that fails is "
    "answered with an alert.\n"
    "Rows that refuse a message are not drawn: they are the complement of these, and all enter "
    "CLOSED."
)

Edge = tuple[Rule, str | tuple[str, ...], str]
"""A row, a source (a tuple for an edge from several states), a target."""


def machine(role: Role, generation: str | None = None) -> graphviz.Digraph:
    """The machine of `role`, or the part of one generation (a key of GENERATIONS)."""
    home = generations(role)
    drawn = [s for s in role.states if generation in (None, *home[s]) or len(home[s]) != 1]
    what = GENERATIONS[generation] if generation else "TLS 1.0 to 1.3"
    name = f"{role.name}-{generation}" if generation else role.name
    graph = drawing(name, f"The {role.name} of {what}.\n{LEGEND}")
    _states(graph, role, drawn, clusters=generation is None)
    _edges(graph, role, edges(role, drawn, generation), generation)
    return graph


def overlay(role: Role, extension: Extension) -> graphviz.Digraph | None:
    """The rows that `extension` adds to `role`, and (dashed) those that it amends; None if none.

    A row with several sources is one edge from a box that lists the states.
    """
    new = {r.name for r in extension.rows if r.role == role.name}
    amended = {a.row for a in extension.amends}
    shown = [e for e in edges(role, role.states) if e[0].name in new | amended]
    together: list[Edge] = []
    for row, several in itertools.groupby(shown, key=lambda e: e[0]):
        ends = list(several)
        if len(ends) > (1 if row.target == SAME else 2):
            ends = [(row, tuple(str(source) for _, source, _ in ends), row.target)]
        together += ends
    if not together:
        return None
    at = {s for _, source, target in together for s in (source, target) if isinstance(s, str)}
    text = (
        f"The {role.name} of {extension.summary} (RFC {extension.rfc}).\nDrawn are the rows of "
        f"this extension and, dashed, those that it amends.\n{LEGEND}"
    )
    graph = drawing(f"{role.name}-{extension.name}", text)
    _states(graph, role, [s for s in role.states if s in at], clusters=True)
    _edges(graph, role, together, amended=amended)
    return graph


def edges(role: Role, drawn: Sequence[str], generation: str | None = None) -> list[Edge]:
    """The edges between `drawn` states, of all rows or of those possible in `generation`."""
    out: list[Edge] = []
    for row in role.table:
        if row.target not in (SAME, *drawn) or guard(row, generation) is FALSE:
            continue
        sources = tuple(s for s in row.sources if s in drawn)
        out += [(row, s, row.target) for s in ([sources] if folded(role, row) else sources)]
    return out


def folded(role: Role, row: Rule) -> bool:
    """Whether the row has so many sources that it is drawn as one edge."""
    return len(row.sources) > len(role.states) // 2


def generations(role: Role) -> dict[str, tuple[str, ...]]:
    """By state: the generations whose RFCs the state's rows cite; two for a shared state."""
    found: dict[str, set[str]] = {s: set() for s in role.states}
    for row in role.table:
        if folded(role, row):
            continue
        cited = {_generation(part) for part in row.rfc.split(";")}
        for s in (*row.sources, row.target):
            if s != SAME:
                found[s] |= cited
    return {s: tuple(g for g in GENERATIONS if g in found[s]) for s in role.states}


def _generation(section: str) -> str:
    return "tls13" if section.split()[0] == "8446" else "tls12"


# -- what an edge says ----------------------------------------------------------------------------
def label(row: Rule, generation: str | None = None) -> list[str]:
    """The lines of an edge: event, short guard, RFC sections, all for `generation` if named."""
    lines = [f"{MARK[row.kind]}{row.event}"]
    when = guard(row, generation)
    if when is not TRUE:
        lines += short(f"if {when}".replace("own.", ""))
    if row.checks:
        lines += short(f"checks {', '.join(c.name for c in row.checks)}")
    sections = [x.strip() for x in row.rfc.split(";")]
    here = [x for x in sections if generation in (None, _generation(x))]
    return lines + short(f"RFC {'; '.join(here or sections)}")


def guard(row: Rule, generation: str | None = None) -> Expr:
    """The row's `when`, without conditions that hold in every handshake of `generation`."""
    if generation is None:
        return row.when
    allowed: dict[str, list[Value]] = {}
    for name, domain in variables(row.when).items():
        end, _, field = name.partition(".")
        of_tls13 = OF_TLS13.get(field)
        # A ClientHello has the highest version offered, not the version chosen.
        if of_tls13 and (end == "own" or row.event == "ServerHello"):
            other = [v for v in domain.values if v not in ("none", of_tls13)]
            allowed[name] = [of_tls13] if generation == "tls13" else other
    return _within(row.when, allowed)


def _within(e: Expr, allowed: Mapping[str, Sequence[Value]]) -> Expr:
    """A shorter condition that is equal to `e` if variables have only `allowed` values."""
    names = variables(e)
    if len(names) == 1 and allowed.keys() >= names.keys():
        ((name, domain),) = names.items()
        true = [
            v
            for v in allowed[name]
            if substitute(e, lambda _, v=v: const(v, domain)) is TRUE  # type: ignore[misc]
        ]
        if len(true) == len(allowed[name]):
            return TRUE
        return var(name, domain).one_of(*true)
    if e.op in ("and", "or", "not"):
        return rebuild(e, tuple(_within(a, allowed) for a in e.args))
    return e


def short(text: str, width: int = WIDTH, lines: int = LINES) -> list[str]:
    """`text` in at most `lines` lines, with an ellipsis for the rest."""
    out = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return out if len(out) <= lines else [*out[: lines - 1], f"{out[lines - 1]} ..."]


# -- the parts of a picture -----------------------------------------------------------------------
def drawing(name: str, text: str) -> graphviz.Digraph:
    """An empty graph with `text` above it."""
    lines = [y for x in text.split("\n") for y in textwrap.wrap(x, 130)]
    return graphviz.Digraph(
        name,
        graph_attr={
            "label": "".join(f"{graphviz.escape(x)}\\l" for x in [*lines, " "]),
            "labelloc": "t",
            "labeljust": "l",
            "fontname": FONT,
            "fontsize": "13",
            "rankdir": "TB",
            "nodesep": "0.35",
            "ranksep": "0.35",
        },
        # pygraphviz forgets the default label in the first graph that a process draws.
        node_attr={
            "label": r"\N",
            "shape": "box",
            "style": "rounded,filled",
            "fillcolor": EITHER,
            "fontname": FONT,
            "fontsize": "12",
        },
        edge_attr={"fontname": FONT, "fontsize": "9", "arrowsize": "0.7"},
    )


def node_labels(dot: str) -> list[str]:
    """The lines of text in the nodes of a DOT text that this package made."""
    quoted = r'"(?:[^"\\]|\\.)*"'
    out: list[str] = []
    for name, attributes in re.findall(
        rf"(?m)^\t+({quoted}|\w+) \[((?:{quoted}|[^\"\]])*)\]$", dot
    ):
        if name not in ("graph", "node", "edge"):
            said = re.search(rf"\blabel=({quoted}|[^\s\"]+)", attributes)
            out += (said[1] if said else name).strip('"').splitlines()
    return out


def _states(graph: graphviz.Digraph, role: Role, drawn: Sequence[str], *, clusters: bool) -> None:
    """Add a box for each state; with `clusters`, the states of a generation are in one frame."""
    home = generations(role)
    for key, title in GENERATIONS.items():
        inside = [s for s in drawn if home[s] == (key,)]
        if inside and clusters:
            frame = {"label": title, "style": "rounded", "color": "#999999"}
            with graph.subgraph(name=f"cluster_{key}", graph_attr=frame) as cluster:
                for s in inside:
                    _state(cluster, role, s)
        else:
            for s in inside:
                _state(graph, role, s)
    for s in drawn:
        if len(home[s]) != 1:
            _state(graph, role, s)


def _state(graph: graphviz.Digraph, role: Role, state: str) -> None:
    kinds = {r.kind for r in role.table if state in r.sources and not folded(role, r)}
    fill = EITHER if "receive" in kinds else SENDS
    if state in role.final:
        fill = END
    elif kinds == {"receive"}:
        fill = WAITS
    bold = {"penwidth": "2.5"} if state == role.states[0] else {}
    double = {"peripheries": "2"} if state in role.final else {}
    graph.node(state, fillcolor=fill, **bold, **double)


def _edges(
    graph: graphviz.Digraph,
    role: Role,
    shown: Sequence[Edge],
    generation: str | None = None,
    amended: Collection[str] = (),
) -> None:
    """Add the edges, a box for each source of several states, and a loop for each state."""
    boxes: dict[tuple[str, ...], str] = {}
    loops: dict[str, list[Rule]] = {}
    for row, source, target in shown:
        if isinstance(source, tuple):
            if source not in boxes:
                boxes[source] = f"{ANY} {len(boxes) + 1}" if boxes else ANY
                graph.node(boxes[source], _several(role, row, source), style="dashed")
            source = boxes[source]
        if target == SAME:
            loops.setdefault(source, []).append(row)
            continue
        style = {"style": "dashed"} if row.name in amended else {}
        # The blank keeps the text off its line.
        text = "".join(f"&#160;{graphviz.escape(x)}\\l" for x in label(row, generation))
        graph.edge(source, target, text, color=INK[row.kind], fontcolor=INK[row.kind], **style)
    for source, rows in loops.items():
        style = {"style": "dashed"} if all(r.name in amended for r in rows) else {}
        kinds = {r.kind for r in rows}
        ink = INK[rows[0].kind] if len(kinds) == 1 else INK["step"]
        text = "".join(
            f'<font color="{INK[r.kind]}">&#160;{html.escape(x)}</font><br align="left"/>'
            for r in rows
            for x in label(r, generation)
        )
        graph.edge(source, source, f"<{text}>", color=ink, **style)


def _several(role: Role, row: Rule, sources: Sequence[str]) -> str:
    """The name of a box that stands for several states."""
    if not folded(role, row):
        return "\n".join(textwrap.wrap(", ".join(sources), 40))
    left_out = [s for s in role.states if s not in row.sources]
    return f"{ANY} but\n{', '.join(left_out)}" if left_out else ANY
