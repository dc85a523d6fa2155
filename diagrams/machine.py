"""A role's machine as a picture, drawn from the rows that the machine itself is built from.

One edge a row and source state, in the order of the tables. A row that leaves most states (an
alert, the end of the transport) is one edge from a box "any state". The rows that refuse a message
are not drawn: they are the complement of the others, and all enter CLOSED.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import replace

import graphviz

from model.extensions import Extension
from model.rule import SAME, Role, Rule

GENERATIONS = {"tls12": "TLS 1.0 to 1.2", "tls13": "TLS 1.3"}
"""What a state can belong to; a state of both is shared."""

ANY = "any state"
WIDTH = 36
LINES = 4
FONT = "Helvetica"

WAITS, SENDS, EITHER = "#dbe9ff", "#dff3df", "#f4f4f4"
MARK = {"receive": "?", "send": "!", "step": ""}
INK = {"receive": "#1f4e9c", "send": "#1f7a33", "step": "#555555"}


def overlay(role: Role, extension: Extension) -> graphviz.Digraph | None:
    """What an extension adds to `role`, which has it, and amends in it; None if nothing."""
    new = {r.name for r in extension.rows if r.role == role.name}
    amended = {a.row for a in extension.amends}
    rows = tuple(r for r in role.table if r.name in new | amended)
    if not rows:
        return None
    at = {s for r in rows if not folded(role, r) for s in (*r.sources, r.target)}
    some = replace(role, table=rows, states=tuple(s for s in role.states if s in at))
    return machine(some, extension=extension, amended=frozenset(amended))


def machine(
    role: Role,
    generation: str | None = None,
    *,
    extension: Extension | None = None,
    amended: frozenset[str] = frozenset(),
) -> graphviz.Digraph:
    """The machine of `role`; of one generation only, if named (a key of GENERATIONS).

    With an extension, `role` has just its rows; those `amended` are dashed.
    """
    home = generations(role)
    drawn = [s for s in role.states if generation in (None, *home[s]) or len(home[s]) != 1]
    what = GENERATIONS[generation] if generation else "TLS 1.0 to 1.3"
    name = f"{role.name}-{generation}" if generation else role.name
    more = ""
    if extension is not None:
        name = f"{role.name}-{extension.name}"
        what = f"{extension.summary} (RFC {extension.rfc})"
        more = "Drawn are the rows of this extension and, dashed, those that it amends.\n"
    graph = graphviz.Digraph(
        name,
        graph_attr={
            "label": caption(
                f"The {role.name} of {what}.\n"
                f"{more}"
                "?Message is received, !Message is sent. Blue states wait for the peer, green "
                "states send, grey ones may do either.\n"
                "msg.x is a field of the message, any other name a variable of the run. A check "
                "that fails is answered with an alert.\n"
                "Rows that refuse a message are not drawn: they are the complement of these rows, "
                "and all enter CLOSED."
            ),
            "labelloc": "t",
            "labeljust": "l",
            "fontname": FONT,
            "fontsize": "13",
            "rankdir": "TB",
            "nodesep": "0.35",
            "ranksep": "0.35",
        },
        node_attr={"shape": "box", "style": "rounded,filled", "fontname": FONT, "fontsize": "12"},
        edge_attr={"fontname": FONT, "fontsize": "9", "arrowsize": "0.7"},
    )
    for key, title in GENERATIONS.items():
        inside = [s for s in drawn if home[s] == (key,)]
        if not inside:
            continue
        if generation is None:
            with graph.subgraph(
                name=f"cluster_{key}",
                graph_attr={"label": title, "style": "rounded", "color": "#999999"},
            ) as cluster:
                for s in inside:
                    _node(cluster, role, s)
        else:
            for s in inside:
                _node(graph, role, s)
    for s in drawn:
        if len(home[s]) != 1:
            _node(graph, role, s)
    boxes: dict[tuple[str, ...], str] = {}
    loops: dict[str, int] = {}
    for row, source, target in edges(role, drawn):
        if isinstance(source, tuple):
            if source not in boxes:
                boxes[source] = ANY if not boxes else f"{ANY} {len(boxes) + 1}"
                left_out = [s for s in drawn if s not in source]
                graph.node(
                    boxes[source],
                    f"{ANY} but\n{', '.join(left_out)}" if left_out else ANY,
                    style="dashed",
                    shape="box",
                )
            source = boxes[source]
        side = {}
        if target == SAME:
            # Loops on alternate sides, or their labels lie on one another.
            target = source
            loops[source] = loops.get(source, 1 if source in boxes.values() else 0) + 1
            port = "e" if loops[source] % 2 else "w"
            side = {"tailport": port, "headport": port}
        if row.name in amended:
            side["style"] = "dashed"
        graph.edge(source, target, label(row), color=INK[row.kind], fontcolor=INK[row.kind], **side)
    return graph


def edges(
    role: Role, drawn: Iterable[str] | None = None
) -> list[tuple[Rule, str | tuple[str, ...], str]]:
    """Each edge between `drawn` states: its row, its source (a tuple if folded), its target."""
    states = role.states if drawn is None else tuple(drawn)
    out: list[tuple[Rule, str | tuple[str, ...], str]] = []
    for row in role.table:
        if row.target != SAME and row.target not in states:
            continue
        sources = tuple(s for s in row.sources if s in states)
        if folded(role, row):
            out.append((row, sources, row.target))
        else:
            out += [(row, s, row.target) for s in sources]
    return out


def folded(role: Role, row: Rule) -> bool:
    """Whether the row leaves so many states that it is drawn as one edge."""
    return len(row.sources) > len(role.states) // 2


def generations(role: Role) -> dict[str, tuple[str, ...]]:
    """For each state the generations whose RFCs the rows at it cite: two for a shared state."""
    found: dict[str, set[str]] = {s: set() for s in role.states}
    for row in role.table:
        if folded(role, row):
            continue
        cited = {_generation(part.split()[0]) for part in row.rfc.split(";")}
        for s in (*row.sources, row.target):
            if s != SAME:
                found[s] |= cited
    return {s: tuple(g for g in GENERATIONS if g in found[s]) for s in role.states}


def _generation(rfc: str) -> str:
    return "tls13" if rfc == "8446" else "tls12"


def label(row: Rule) -> str:
    """The event, the guard in short, the RFC section."""
    lines = [f"{MARK[row.kind]}{row.event}"]
    guard = str(row.when).replace("own.", "")
    if guard not in ("True", "TRUE", "true"):
        lines += short(f"if {guard}")
    if row.checks:
        lines += short(f"checks {', '.join(c.name for c in row.checks)}")
    lines += short(f"RFC {row.rfc}")
    # The blank keeps the text off the line it belongs to.
    return "".join(f" {graphviz.escape(x)}\\l" for x in lines)


def short(text: str, width: int = WIDTH, lines: int = LINES) -> list[str]:
    """`text` in at most `lines` lines; an ellipsis stands for the rest."""
    out = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return out if len(out) <= lines else [*out[: lines - 1], f"{out[lines - 1]} ..."]


def caption(text: str, width: int = 130) -> str:
    """A left-justified title."""
    lines = [y for x in text.split("\n") for y in textwrap.wrap(x, width)]
    return "".join(f"{graphviz.escape(x)}\\l" for x in [*lines, " "])


def _node(graph: graphviz.Digraph, role: Role, state: str) -> None:
    kinds = {r.kind for r in role.table if state in r.sources and not folded(role, r)}
    fill = WAITS if kinds == {"receive"} else SENDS if kinds == {"send"} else EITHER
    attributes = {"fillcolor": fill}
    if state == role.states[0]:
        attributes["penwidth"] = "2.5"
    if state in role.final:
        attributes["peripheries"] = "2"
    graph.node(state, **attributes)
