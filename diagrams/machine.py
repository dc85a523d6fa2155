"""A role's machine as a picture, drawn from the role's rows.

Each row and source state is one edge, in the order of the tables; a row that does not change the
state is written in the state's box. A row with most states as sources (an alert, the end of the
transport) starts at a box "any state". Reject rows are not drawn: they are the complement of the
others, and all enter CLOSED.
"""

from __future__ import annotations

import html
import itertools
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence

import graphviz

from model.expr import FALSE, TRUE, Expr, Value, const, rebuild, substitute, var, variables
from model.extensions import Extension, extensions
from model.role import Role
from model.rule import SAME, Rule
from model.system import possible

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
KEYS = {"write_key": "K_send", "read_key": "K_recv"}
"""By variable: the name of the record key in RFC 8446 A."""
INK = {"receive": "#1f4e9c", "send": "#1f7a33", "step": "#555555"}
LEGEND = (
    "?Message is received, !Message is sent. A bold border: the start, a double one: the end. "
    "Blue states wait for the peer, green states send or decide, grey ones may do either; a row "
    "in a state's box does not leave it.\n"
    "K_send and K_recv are the keys that the run writes and reads under from then on; empty: "
    "made of no secret. msg.x is a field of the message, any other name a variable of the run. "
    "A check that fails is answered with an alert.\n"
    "Rows that refuse a message are not drawn: they are the complement of these, and all enter "
    "CLOSED."
)

Edge = tuple[Rule, str | tuple[str, ...], str]
"""A row, a source (a tuple for an edge from several states), a target."""


def machine(role: Role, generation: str | None = None) -> graphviz.Digraph:
    """The machine of `role`, or the part of one generation (a key of GENERATIONS)."""
    home = generations(role)
    drawn = [s for s in role.states if generation in (None, *home[s]) or len(home[s]) != 1]
    name = "-".join(filter(None, (role.name, generation, *_named(role))))
    graph = drawing(name, f"{title(role, generation)}\n{LEGEND}")
    _draw(graph, role, drawn, edges(role, drawn, generation), generation)
    return graph


def title(role: Role, generation: str | None = None) -> str:
    """What the machine of `role` is, as a sentence."""
    what = GENERATIONS[generation] if generation else "TLS 1.0 to 1.3"
    more = ", ".join(_named(role))
    return f"The {role.name} of {what}{' with ' if more else ''}{more}."


def _named(role: Role) -> list[str]:
    """The extensions of `role` that a scenario names."""
    return [n for n in role.extensions if not extensions()[n].implied]


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
        f"this extension and, dashed or in italics, those that it amends.\n{LEGEND}"
    )
    graph = drawing(f"{role.name}-{extension.name}", text)
    _draw(graph, role, [s for s in role.states if s in at], together, amended=amended)
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
    """The lines of a row: event, short guard, keys, RFC sections, for `generation` if named."""
    lines = [f"{MARK[row.kind]}{row.event}"]
    when = guard(row, generation)
    if when is not TRUE:
        lines += short(f"if {when}".replace("own.", ""))
    if row.checks:
        lines += short(f"checks {', '.join(c.name for c in row.checks)}")
    for variable, name in KEYS.items():
        if variable in row.do:
            values = sorted(possible(row.do[variable]), key=row.do[variable].domain.code)
            lines.append(f"{name} = {' or '.join(map(str, values))}")
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
    quoted, marked = r'"(?:[^"\\]|\\.)*"', r"<(?:[^<>]|<[^<>]*>)*>"
    out: list[str] = []
    for name, attributes in re.findall(
        rf"(?m)^\t+({quoted}|\w+) \[((?:{quoted}|{marked}|[^\"<\]])*)\]$", dot
    ):
        if name not in ("graph", "node", "edge"):
            said = re.search(rf"\blabel=({quoted}|{marked}|[^\s\"]+)", attributes)
            text = said[1] if said else name
            if text.startswith("<"):
                lines = re.sub(r"<br/>|</tr>", "\n", text[1:-1])
                out += html.unescape(re.sub(r"<[^>]*>", "", lines)).split("\n")
            else:
                out += text.strip('"').splitlines()
    return list(filter(None, out))


def _draw(
    graph: graphviz.Digraph,
    role: Role,
    drawn: Sequence[str],
    shown: Sequence[Edge],
    generation: str | None = None,
    amended: Collection[str] = (),
) -> None:
    """Add a box for each state and for each source of several states, and the edges.

    Rows called `amended` are dashed, or in italics in a box.
    """
    staying: dict[str | tuple[str, ...], list[Rule]] = {}
    boxes: dict[tuple[str, ...], str] = {}
    for row, source, target in shown:
        if target == SAME:
            staying.setdefault(source, []).append(row)
        if isinstance(source, tuple):
            boxes.setdefault(source, _several(role, row, source))
    home = generations(role)
    for s in drawn:
        of = GENERATIONS[home[s][0]] if generation is None and len(home[s]) == 1 else ""
        _state(graph, role, s, _label(s, of, staying.get(s, ()), generation, amended))
    names = {s: f"{ANY} {i}" for i, s in enumerate(boxes, 1)}
    for several, name in names.items():
        text = _label(boxes[several], "", staying.get(several, ()), generation, amended)
        graph.node(name, text, style="dashed")
    for row, source, target in shown:
        if target != SAME:
            style = {"style": "dashed"} if row.name in amended else {}
            # The blank keeps the text off its line.
            text = "".join(f"&#160;{graphviz.escape(x)}\\l" for x in label(row, generation))
            start = names[source] if isinstance(source, tuple) else source
            graph.edge(start, target, text, color=INK[row.kind], fontcolor=INK[row.kind], **style)


def _label(
    name: str, of: str, rows: Sequence[Rule], generation: str | None, amended: Collection[str]
) -> str:
    """The label of a box: its name, the generation `of` which it is, and the rows that stay there.

    Rows that differ in the message only are told together.
    """
    together: dict[tuple[str, bool, tuple[str, ...]], list[str]] = {}
    for row in rows:
        event, *rest = label(row, generation)
        together.setdefault((row.kind, row.name in amended, tuple(rest)), []).append(event)
    small = '<font point-size="9" color="{}">{}</font>'
    cells = [("", "<br/>".join(map(html.escape, name.splitlines())))]
    if of:
        cells.append(("", small.format(INK["step"], of)))
    for (kind, slanted, below), events in together.items():
        lines = map(html.escape, (*textwrap.wrap(", ".join(events), WIDTH), *below))
        text = small.format(INK[kind], "<br/>".join(lines))
        cells.append((' align="left" balign="left"', f"<i>{text}</i>" if slanted else text))
    table = "".join(f"<tr><td{how}>{text}</td></tr>" for how, text in cells)
    return f'<<table border="0" cellspacing="0" cellpadding="1">{table}</table>>'


def _state(graph: graphviz.Digraph, role: Role, state: str, label: str) -> None:
    kinds = {r.kind for r in role.table if state in r.sources and not folded(role, r)}
    fill = EITHER if "receive" in kinds else SENDS
    if state in role.final:
        fill = END
    elif kinds == {"receive"}:
        fill = WAITS
    bold = {"penwidth": "2.5"} if state == role.states[0] else {}
    double = {"peripheries": "2"} if state in role.final else {}
    graph.node(state, label, fillcolor=fill, **bold, **double)


def _several(role: Role, row: Rule, sources: Sequence[str]) -> str:
    """The name of a box that stands for several states."""
    if not folded(role, row):
        return "\n".join(textwrap.wrap(", ".join(sources), 40))
    left_out = [s for s in role.states if s not in row.sources]
    return f"{ANY} but\n{', '.join(left_out)}" if left_out else ANY
