"""A trace as a sequence chart: clients, the network, servers as columns, one row a step.

The runs' lifelines carry the local state that each step enters. A delivery that the adversary made
or changed is red; one that is, field for field, what an honest run sent is black, although the
adversary could have made it too. What the adversary comes to know stands beside the step.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import graphviz

from checker.engines.explicit import Explicit
from checker.engines.interface import Question, Watch
from checker.trace import Trace, TraceStep, origin, replay
from diagrams.machine import FONT, caption
from model.expr import Expr, conj, disj, neg
from model.flaws import Flaw
from model.rule import ModelError
from model.scenario import scenario
from model.system import System
from properties import catalogue

NETWORK = "network"
WIDTH = "3.6"
"""Between two lifelines, in inches."""

FORGED, PLAIN, FAINT = "#c01818", "#222222", "#9a9a9a"
KEYS = {"plaintext": "", "empty": "keys of no secret"}
"""Record keys as the chart tells them; others are `the X keys`."""


def sequence(trace: Trace, title: str) -> graphviz.Digraph:
    """The chart of `trace`.

    A step is two rows: the text, then the arrow. Dot leaves room for nodes in every row, but not
    for the label of an edge within a row.
    """
    clients = [r for r in trace.runs if r.startswith("client")] or list(trace.runs[:1])
    columns = [*clients, NETWORK, *(r for r in trace.runs if r not in clients)]
    start = ", ".join(f"{k}={v}" for k, v in sorted(trace.start.items()))
    head = f"{title}\n{len(trace)} steps in scenario {trace.scenario}."
    if start:
        head += f"\nConfiguration: {start}."
    origins = [origin(trace, i) for i in range(len(trace))]
    if any(origins):
        head += "\nRed: made or changed by the adversary, which is the network."
    graph = graphviz.Digraph(
        "sequence",
        graph_attr={
            "label": caption(head, 110),
            "labelloc": "t",
            "labeljust": "l",
            "fontname": FONT,
            "fontsize": "13",
            "rankdir": "TB",
            "nodesep": "0.1",
            "ranksep": "0.06",
            "splines": "line",
        },
        node_attr={
            "shape": "box",
            "fontname": FONT,
            "fontsize": "10",
            "height": "0.2",
            "margin": "0.06,0.03",
            "color": FAINT,
        },
        edge_attr={"fontname": FONT, "arrowsize": "0.7"},
    )
    starts = {r: next((s.before for s in trace.steps if s.run == r), "") for r in trace.runs}
    _row(
        graph,
        "0",
        columns,
        {
            c: {
                "label": f"{c}\n{starts[c]}" if starts.get(c) else c,
                "style": "filled",
                "fillcolor": "#dbe9ff" if c != NETWORK else "#f4f4f4",
                "fontsize": "12",
            }
            for c in columns
        },
        {_gap(a, b): {"label": "", "width": WIDTH} for a, b in _pairs(columns)},
    )
    last = "0"
    known: tuple[str, ...] = ()
    for i, s in enumerate(trace.steps, 1):
        by = origins[i - 1]
        ink = FORGED if by else PLAIN
        text, arrow = f"{i}.text", f"{i}.arrow"
        me, net = columns.index(s.run), columns.index(NETWORK)
        beside = me if me < net else me - 1
        gap = _gap(columns[beside], columns[beside + 1])
        _row(graph, text, columns, {}, {gap: {"label": _text(i, s, by), "fontcolor": ink}})
        note = _knowledge(s) if s.known != known else ""
        known = s.known
        line: dict[tuple[str, str], dict[str, str]] = {}
        if s.kind != "step":
            pen = {"color": ink, "penwidth": "1.8" if by else "1"}
            # Written from left to right, whichever way it points.
            out = (me < net) == (s.kind == "send")
            pen["dir"] = "forward" if out else "back"
            if abs(me - net) == 1:
                line[columns[beside], columns[beside + 1]] = {**pen, "style": "solid"}
            else:
                ends = sorted((me, net))
                graph.edge(*(f"{columns[k]}.{arrow}" for k in ends), constraint="false", **pen)
        _row(graph, arrow, columns, {s.run: _mark(s)}, {}, note, line)
        for row in (text, arrow):
            for c in columns:
                graph.edge(
                    f"{c}.{last}",
                    f"{c}.{row}",
                    color=FAINT,
                    style="dashed",
                    arrowhead="none",
                    weight="100",
                )
            last = row
    return graph


def _row(
    graph: graphviz.Digraph,
    row: str,
    columns: list[str],
    marks: Mapping[str, Mapping[str, str]],
    texts: Mapping[str, Mapping[str, str]],
    note: str = "",
    arrow: Mapping[tuple[str, str], Mapping[str, str]] = MappingProxyType({}),
) -> None:
    """One row: a node on each lifeline, the texts between them, a note at the right, an arrow.

    The arrow is one of the edges that keep the nodes in order: a second one beside it would bend.
    """
    point = {"shape": "point", "width": "0.01", "height": "0.01"}
    order = [columns[0]]
    with graph.subgraph(graph_attr={"rank": "same"}) as same:
        same.node(f"{columns[0]}.{row}", _attributes=_in(columns[0], marks, point))
        for a, b in _pairs(columns):
            gap = _gap(a, b)
            if gap in texts:
                same.node(
                    f"{gap}.{row}", _attributes={"shape": "plaintext", "group": gap, **texts[gap]}
                )
                order.append(gap)
            same.node(f"{b}.{row}", _attributes=_in(b, marks, point))
            order.append(b)
        if note:
            same.node(
                f"note.{row}",
                note,
                shape="note",
                style="filled",
                fillcolor="#ffecec",
                color=FORGED,
                fontcolor=FORGED,
                fontsize="9",
            )
            order.append("note")
        for a, b in _pairs(order):
            same.edge(
                f"{a}.{row}", f"{b}.{row}", _attributes={"style": "invis", **arrow.get((a, b), {})}
            )


def _in(
    column: str, marks: Mapping[str, Mapping[str, str]], otherwise: Mapping[str, str]
) -> dict[str, str]:
    return {"group": column, **marks.get(column, otherwise)}


def _gap(left: str, right: str) -> str:
    return f"{left}-{right}"


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    return list(pairwise(names))


def _knowledge(s: TraceStep) -> str:
    if not s.known:
        return "the adversary knows\nno session keys"
    return "the adversary knows the\nsession keys of " + ", ".join(s.known)


def _mark(s: TraceStep) -> dict[str, str]:
    """How a step shows on the lifeline: a refusal, the state entered."""
    parts = []
    if s.alert:
        parts.append(f"refused: {s.alert}")
    parts.append(s.after)
    return {
        "label": "\n".join(parts),
        "style": "filled",
        "fillcolor": "#ffecec" if s.alert else "white",
    }


def _text(number: int, s: TraceStep, by: str) -> str:
    """The message, its fields that say something, its key, what the adversary did."""
    lines = [f"{number}  {s.event}"]
    fields = [
        f"{k}={_value(v)}"
        for k, v in s.fields.items()
        if not k.startswith("offers_") and v not in ("none", "null", False)
    ]
    lines += textwrap.wrap(", ".join(fields), 44, break_long_words=False)
    key = KEYS.get(s.key, f"the {s.key} keys")
    if key:
        lines.append(f"under {key}")
    if by:
        lines.append(by)
    return "\n".join(lines)


def _value(v: Any) -> str:
    if isinstance(v, list | tuple):
        return f"({v[0]},...)" if v else "()"
    return str(v)


# -- what is drawn --------------------------------------------------------------------------------
HONEST = {
    "run-tls12": ("A full handshake of TLS 1.2 with ECDHE.", "TLS12", "ECDHE", "none"),
    "run-tls12-client-certificate": (
        "A full handshake of TLS 1.2 with RSA and a client certificate.",
        "TLS12",
        "RSA",
        "honest",
    ),
    "run-tls13": ("A full handshake of TLS 1.3.", "TLS13", "AEAD", "none"),
    "run-tls13-client-certificate": (
        "A full handshake of TLS 1.3 with a client certificate.",
        "TLS13",
        "AEAD",
        "honest",
    ),
}
"""Honest runs by name: what it is, version, suite, the client's certificate."""


def honest(name: str) -> tuple[str, Trace]:
    """A shortest honest handshake of HONEST until both ends are connected: its title and trace."""
    title, version, suite, certificate = HONEST[name]
    system = scenario("honest").system()
    goal = conj(
        *(
            conj(
                system.of(r, "state") == "CONNECTED",
                system.of(r, "max_version") == version,
                system.of(r, "version") == version,
                system.of(r, "suite") == suite,
                system.of(r, "client_certificate") == certificate,
            )
            for r in system.runs
        )
    )
    trace = shortest(system, goal)
    if trace is None:
        raise ModelError(f"{name}: no run of scenario honest is {title!r}")
    return title, trace


def flawed(flaw: Flaw) -> tuple[str, Trace] | None:
    """A shortest attack that one of the flaw's declared properties falls to: its title and trace.

    None if it is declared to break no invariant, so that there is no trace to draw.
    """
    for end in flaw.ends:
        broken = [flaw.shows] if flaw.shows in flaw.breaks[end] else flaw.breaks[end]
        props = [p for p in catalogue().values() if p.name in broken and p.kind == "invariant"]
        if props:
            break
    else:
        return None
    where = scenario(flaw.scenario)
    system = where.system(*flaw.roles(end, where.extensions))
    bad = [neg(p.holds(system)) for p in props]
    trace = shortest(system, disj(*bad), bad)
    if trace is None:
        raise ModelError(
            f"flaw {flaw.name} at {end}: none of the properties it is declared to break falls in "
            f"scenario {flaw.scenario}: {', '.join(p.name for p in props)}"
        )
    fallen = props[int(trace.property)]
    at = "both ends" if end == "both" else f"the {end}"
    return (
        f"{flaw.title[:1].upper()}{flaw.title[1:]}, at {at}.\nSource: {flaw.source}.\n"
        f"Broken at the end: {fallen.id} {fallen.sentence}.",
        trace,
    )


def shortest(system: System, goal: Expr, which: list[Expr] | None = None) -> Trace | None:
    """A shortest replayed trace to `goal`, named by the index of the first of `which` that is true.

    The search stops at the first hit, so the rest of the state space is not looked at.
    """
    question = Question("goal", goal)
    each = [Question(str(i), e) for i, e in enumerate(which or [])]
    compiled = system.compile(goal, *(q.expr for q in each))
    engine = Explicit(compiled)
    engine.search([question, *each], watch=Watch(stop=lambda: question.state is not None))
    if question.state is None:
        return None
    hit = next((q for q in each if q.state == question.state), question)
    path = [(s.label if s else None, compiled.describe(v)) for s, v in engine.path(question.state)]
    return replay(system, path, hit.expr, hit.name)
