"""A client loses the traffic secrets that it holds at some moment (RFC 8446 E.1, 7.2).

Lost are the traffic secrets with which the client reads and writes: neither the secret from which
these are derived nor others derived from the same (7.1); of the application traffic secrets, the
present generation. A closed run has erased all traffic secrets. The adversary can then forge
records of any generation, which is more than in TLS, where only later ones can be derived (7.2).
"""

from collections.abc import Mapping

from model.adversary.capabilities import Leak
from model.expr import BOOL, TRUE, Expr, disj, neg, var
from model.rule import Message
from model.system import Instance

SUMMARY = "get the traffic secrets that a client holds, at some moment"


def _notes(run: Instance) -> Mapping[str, Expr]:
    of = run.role.all_variables

    def own(name: str) -> Expr:
        return var(f"{run.name}.{name}", of[name].domain)

    closed = own("state") == run.role.closed
    held = neg(closed) if run.role.schedule.erases else TRUE
    out = {
        f"lost_{key}": held & disj(*(own(n) == key for n in ("read_key", "write_key")))
        for key in ("handshake", "application")
    }
    out["lost_before_closed"] = neg(closed)
    if "write_generation" in of:
        first = own("write_generation") == "0"
        out["lost_first_generation"] = held & (own("write_key") == "application") & first
        out["lost_before_update"] = neg(var(f"{run.name}.sent_KeyUpdate", BOOL))
    return {f"{run.name}.{n}": e for n, e in out.items()}


def traffic_secret(end: str) -> Leak:
    """The leak of traffic secrets by runs of the role `end`."""
    return Leak(Message(f"{end.capitalize()}TrafficSecret", {}, "8446 E.1"), (end,), notes=_notes)


LEAK = traffic_secret("client")
