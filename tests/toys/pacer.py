"""Walkers that may rest for ever: under weak and strong fairness, in a spin, at a dead end."""

from model.adversary.reliable import Reliable
from model.role import Role
from model.rule import SAME, Message, step
from model.system import Instance, System

Nothing = Message("Nothing", {}, "toy 4")


def _walker(*rows: tuple[str, str, str]) -> System:
    """The system of a run with the given steps (event, from, to) and a run that does nothing."""
    states = ("IDLE", "READY", "DONE", "CLOSED")
    table = tuple(step("walker", e, a, b, rfc="toy 4") for e, a, b in rows)
    walker = Role("walker", states, {}, table, (), {}, final=("CLOSED",))
    keeper = Role("keeper", ("STILL", "CLOSED"), {}, (), (), {}, final=("CLOSED",))
    runs = (Instance("walker", walker), Instance("keeper", keeper))
    return System("pacer", runs, Reliable(1))


spinning = _walker(("spin", "IDLE", SAME), ("go", "IDLE", "DONE"))
"""`go` stays possible, so weak fairness forces that step."""
resting = _walker(("wait", "IDLE", "READY"), ("rest", "READY", "IDLE"), ("go", "READY", "DONE"))
"""`go` is possible again and again but not always, so only strong fairness forces that step."""
stuck = _walker(("wait", "IDLE", "READY"))
"""No step leaves READY."""
