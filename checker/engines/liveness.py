"""Liveness on the reliable network: every bottom strongly connected component is a right end.

On a finite graph a fair run ends in a bottom component (one that no edge leaves), so a property of
all of them holds of every fair run in the end. A state with no way out is such a component too: a
deadlock shows as an end that is not a declared one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx

from checker.engines.reference import Reference
from checker.verdict import PROVED, VACUOUS, VIOLATED, Result
from model.expr import Expr, neg
from model.system import System
from properties import Property


def bottoms(graph: nx.MultiDiGraph[Any]) -> list[set[Any]]:
    """The components that no edge leaves, in order of their smallest depth."""
    condensed = nx.condensation(nx.DiGraph(graph))
    out = [condensed.nodes[c]["members"] for c in condensed if condensed.out_degree(c) == 0]
    return sorted(out, key=lambda members: min(graph.nodes[s]["depth"] for s in members))


def decide_ends(system: System, props: Sequence[Property]) -> list[Result]:
    """Decide properties of kind "ends": in every bottom component each state satisfies them."""
    from checker.trace import replay

    exprs: dict[str, tuple[Expr, Expr]] = {
        p.name: (p.holds(system), p.witness(system)) for p in props
    }
    compiled = system.compile(*(e for pair in exprs.values() for e in pair))
    reference = Reference(compiled)
    graph = reference.explore()
    final = bottoms(graph)
    out = []
    for p in props:
        holds, witness = (reference.predicate(e) for e in exprs[p.name])
        r = Result(p.name, p.id, system.name, PROVED, method="reference", states=len(graph),
                   depth=max(d for _, d in graph.nodes(data="depth")))  # fmt: skip
        wrong = [s for members in final for s in members if not holds(s)]
        if wrong:
            r.verdict = VIOLATED
            target = min(wrong, key=lambda s: graph.nodes[s]["depth"])
            path: list[Any] = []
            node = target
            while not graph.nodes[node]["initial"]:
                before = min(graph.predecessors(node), key=lambda s: graph.nodes[s]["depth"])
                path.append((min(graph[before][node]), compiled.describe(node)))
                node = before
            path.append((None, compiled.describe(node)))
            r.trace = replay(system, path[::-1], neg(exprs[p.name][0]), p.name)
            r.depth = len(r.trace)
        elif not any(witness(s) for members in final for s in members):
            r.verdict = VACUOUS
        out.append(r)
    return out
