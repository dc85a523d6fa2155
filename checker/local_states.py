"""The state graph of a system, merged by the runs' local states.

States that differ only in other variables of the runs or in the network are one.
"""

from __future__ import annotations

from checker.engines.reference import Reference
from model.system import System

Pair = tuple[str, ...]
Move = tuple[int, str, str]


def by_local_states(system: System) -> tuple[dict[Pair, int], dict[tuple[Pair, Pair], list[Move]]]:
    """The pairs of local states with their least depth, and the moves between pairs, both sorted.

    A move is the run's number, the kind of its rule and its event. Moves from a pair to itself are
    left out.
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
            rule = data["rule"]
            moves.setdefault((src, dst), set()).add((number[data["run"]], rule.kind, rule.event))

    def rank(pair: Pair) -> tuple[int, ...]:
        codes = (r.role.state_domain.code(s) for r, s in zip(system.runs, pair, strict=True))
        return (depth[pair], *codes)

    nodes = {p: depth[p] for p in sorted(depth, key=rank)}
    return nodes, {
        k: sorted(moves[k]) for k in sorted(moves, key=lambda k: (rank(k[0]), rank(k[1])))
    }
