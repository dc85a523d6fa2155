"""The product graph of a scenario: the reachable states, merged by the runs' local states.

A node is a pair of local states; an edge names the run that moves and the event. All other
variables are left out, so a path in the picture need not be an execution.
"""

from __future__ import annotations

import graphviz

from checker.local_states import by_local_states
from diagrams.machine import MARK, SENDS, drawing
from model.scenario import Scenario

INK = ("#1f4e9c", "#a04a00", "#1f7a33", "#7a1f6e")
"""The colours of the runs."""


def product(scenario: Scenario, end: str = "CONNECTED") -> graphviz.Digraph:
    """The graph of all pairs in which no run is past `end` or closed.

    The order of states is that of the roles.
    """
    system = scenario.system()
    nodes, moves, _ = by_local_states(system)
    last = [r.role.states.index(end) for r in system.runs]
    kept = [
        p
        for p in nodes
        if all(r.role.states.index(s) <= n for r, s, n in zip(system.runs, p, last, strict=True))
    ]
    names = ", ".join(r.name for r in system.runs)
    graph = drawing(
        f"product-{scenario.name}",
        f"Scenario {scenario.name} ({scenario.summary}), folded by the local states of {names}: "
        f"{len(nodes)} pairs, of which {len(kept)} are drawn.\n"
        "An edge says which run moves by which event. ?Message is received, !Message is sent. A "
        "bold border: the start, green: the end.\n"
        f"Left out: edges to CLOSED and everything after {end} (application data, closing, "
        "alerts). A message under way is not seen here.",
    )
    graph.attr(rankdir="LR", nodesep="0.5")  # top down, edges cross labels of others
    for p in kept:
        text = "\n".join(f"{r.role.name} {s}" for r, s in zip(system.runs, p, strict=True))
        mark = {"fillcolor": SENDS} if set(p) == {end} else {}
        if nodes[p] == 0:
            mark["penwidth"] = "2.5"
        graph.node("/".join(p), text, **mark)
    for (a, b), several in moves.items():
        if a in kept and b in kept:
            ink = INK[several[0][0] % len(INK)]
            said = (f"{system.runs[i].role.name} {MARK[k]}{event}" for i, k, event in several)
            text = "".join(f"&#160;{x}\\l" for x in said)
            graph.edge("/".join(a), "/".join(b), text, color=ink, fontcolor=ink)
    return graph
