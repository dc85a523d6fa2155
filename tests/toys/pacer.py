"""A walker that may rest for ever: weak and strong fairness, a spin, a dead end."""

from model.adversary.reliable import Reliable
from model.rule import SAME, Message, Role, step
from model.system import Instance, System

Nothing = Message("Nothing", {}, "toy 4")


def _walker(*rows: tuple[str, str, str]) -> System:
    """Two runs of a role with the given steps (event, from, to); `keeper` does nothing."""
    states = ("IDLE", "READY", "DONE", "CLOSED")
    table = tuple(step("walker", e, a, b, rfc="toy 4") for e, a, b in rows)
    walker = Role("walker", states, {}, table, (), {}, final=("CLOSED",))
    keeper = Role("keeper", ("STILL", "CLOSED"), {}, (), (), {}, final=("CLOSED",))
    runs = (Instance("walker", walker), Instance("keeper", keeper))
    return System("pacer", runs, Reliable(1))


spinning = _walker(("spin", "IDLE", SAME), ("go", "IDLE", "DONE"))
"""`go` stays possible: weak fairness takes it."""
resting = _walker(("wait", "IDLE", "READY"), ("rest", "READY", "IDLE"), ("go", "READY", "DONE"))
"""`go` is possible again and again, not always: it needs strong fairness."""
stuck = _walker(("wait", "IDLE", "READY"))
"""Nothing leaves READY."""
