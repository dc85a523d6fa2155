"""A walker on a small graph, given as a table of edges: for liveness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.adversary.reliable import Reliable
from model.expr import BOOL, Domain, ite, mapping, var
from model.role import Role
from model.rule import SAME, Message, Variable, choice, step
from model.system import Instance, System

Nothing = Message("Nothing", {}, "toy 5")
Place = Domain("Place", (0, 1, 2, 3))
at = var("own.at", Place)
other = choice("other", BOOL)


def graph(edges: Mapping[str, Mapping[int, Sequence[int]]], begin: Sequence[int] = (0,)) -> System:
    """The system of a graph on the places 0 to 3; `edges` has sources and targets of each step.

    A step leads from a place to one place, or to one of two. The run `walker` moves, the other run
    does nothing.
    """
    rows = []
    for event, ways in edges.items():
        one = {p: ways.get(p, (p,))[0] for p in Place.values}
        two = {p: ways.get(p, (p,))[-1] for p in Place.values}
        after = ite(other, mapping(at, one, Place), mapping(at, two, Place))
        rows.append(step("walker", event, "ON", SAME, rfc="toy 5", when=at.one_of(*ways),
                         do={"at": after}, choices={"other": BOOL}))
    place = {"at": Variable(Place, tuple(begin), write_once=False)}
    walker = Role("walker", ("ON", "CLOSED"), place, tuple(rows), (), {}, final=("CLOSED",))
    keeper = Role("keeper", ("STILL", "CLOSED"), {}, (), (), {}, final=("CLOSED",))
    runs = (Instance("walker", walker), Instance("keeper", keeper))
    return System("wanderer", runs, Reliable(1))
