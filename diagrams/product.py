"""The product graph of a scenario, folded by the runs' local states.

The reference engine's graph has a node for each state of the whole system. Folded, a node is a pair
of local states and an edge says which run moves by which event; what the runs remember and what is
under way in the network are folded away, so a path in the picture need not be a run.
"""

from __future__ import annotations

import graphviz

from checker.engines.reference import Reference
from diagrams.machine import FONT, MARK, caption
from model.scenario import Scenario
from model.system import System

INK = ("#1f4e9c", "#a04a00", "#1f7a33", "#7a1f6e")
"""One colour a run."""

Pair = tuple[str, ...]
Move = tuple[int, str]


def by_local_states(system: System) -> tuple[dict[Pair, int], dict[tuple[Pair, Pair], list[Move]]]:
    """Pairs of local states with their least depth, and the moves between them, both sorted.

    A move is the run's number and its event. Moves that leave the pair as it is are left out.
    """
    states = [system.of(r, "state") for r in system.runs]
    compiled = system.compile(*states)
    places = [compiled.index[f"{r.name}.state"] for r in system.runs]
    number = {r.name: i for i, r in enumerate(system.runs)}
    graph = Reference(compiled).explore()
    depth: dict[Pair, int] = {}
    for node, d in graph.nodes(data="depth"):
        pair = tuple(node[i] for i in places)
        depth[pair] = min(d, depth.get(pair, d))
    moves: dict[tuple[Pair, Pair], set[Move]] = {}
    for a, b, data in graph.edges(data=True):
        src, dst = tuple(a[i] for i in places), tuple(b[i] for i in places)
        if src != dst:
            event = f"{MARK[data['rule'].kind]}{data['rule'].event}"
            moves.setdefault((src, dst), set()).add((number[data["run"]], event))

    def rank(pair: Pair) -> tuple[int, ...]:
        codes = (r.role.state_domain.code(s) for r, s in zip(system.runs, pair, strict=True))
        return (depth[pair], *codes)

    nodes = {p: depth[p] for p in sorted(depth, key=rank)}
    return nodes, {
        k: sorted(moves[k]) for k in sorted(moves, key=lambda k: (rank(k[0]), rank(k[1])))
    }


def product(scenario: Scenario, end: str = "CONNECTED") -> graphviz.Digraph:
    """The folded graph until every run is in `end`; pairs with a later or closed run are left out.

    A pair is kept if both its states come before or at `end` in the order of the roles' states.
    """
    system = scenario.system()
    nodes, moves = by_local_states(system)
    last = [r.role.states.index(end) for r in system.runs]
    kept = [
        p
        for p in nodes
        if all(r.role.states.index(s) <= n for r, s, n in zip(system.runs, p, last, strict=True))
    ]
    names = ", ".join(r.name for r in system.runs)
    graph = graphviz.Digraph(
        f"product-{scenario.name}",
        graph_attr={
            "label": caption(
                f"Scenario {scenario.name} ({scenario.summary}), folded by the local states of "
                f"{names}: {len(nodes)} pairs, of which {len(kept)} are drawn.\n"
                "An edge says which run moves by which event. ?Message is received, !Message is "
                "sent.\n"
                f"Left out: edges to CLOSED and everything after {end} (application data, closing, "
                "alerts). A message under way is not seen here."
            ),
            "labelloc": "t",
            "labeljust": "l",
            "fontname": FONT,
            "fontsize": "14",
            "rankdir": "TB",
            "nodesep": "0.3",
            "ranksep": "0.4",
        },
        node_attr={
            "shape": "box",
            "style": "rounded,filled",
            "fillcolor": "#f4f4f4",
            "fontname": FONT,
            "fontsize": "11",
        },
        edge_attr={"fontname": FONT, "fontsize": "9", "arrowsize": "0.7"},
    )
    for p in kept:
        text = "\n".join(f"{r.role.name} {s}" for r, s in zip(system.runs, p, strict=True))
        mark = {"fillcolor": "#dff3df"} if set(p) == {end} else {}
        if nodes[p] == 0:
            mark["penwidth"] = "2.5"
        graph.node("/".join(p), text, **mark)
    for (a, b), several in moves.items():
        if a in kept and b in kept:
            ink = INK[several[0][0] % len(INK)]
            text = "".join(f" {system.runs[i].role.name} {e}\\l" for i, e in several)
            graph.edge("/".join(a), "/".join(b), text, color=ink, fontcolor=ink)
    return graph
