"""Two counters with one message between them: a choice, a composite, a local step, a reject.

A ticker counts up to 3, then sends the total once; the keeper accepts a total of 3 only with the
ticker's own seal. Nothing reads the ticker's third variable.
"""

from model.adversary.reliable import Reliable
from model.expr import BOOL, COMPOSITE, Domain, const, mapping, same
from model.role import Role
from model.rule import SAME, Fields, Message, Variable, check, receive, send, step
from model.system import Instance, System

Count = Domain("Count", (0, 1, 2, 3))
Total = Message("Total", {"count": Count, "seal": COMPOSITE}, "toy 1")

VARIABLES = {
    "count": Variable(Count, (0, 1), write_once=False),
    "flag": Variable(BOOL, (False, True)),
    "idle": Variable(Count, (0,), write_once=False),
}
own = Fields("run", "own", {n: v.domain for n, v in VARIABLES.items()})
UP = mapping(own.count, {0: 1, 1: 2, 2: 3, 3: 3}, Count)

ticker = Role(
    "ticker",
    ("TICKING", "SENT"),
    VARIABLES,
    (
        step("ticker", "tick", "TICKING", SAME, rfc="toy 1", when=own.count < 3,
             do={"count": UP, "idle": own.count}),
        send("ticker", Total, "TICKING", "SENT", rfc="toy 1", when=own.count >= 2),
    ),
    (Total,),
    {"Total": {"count": own.count, "seal": (own.count, own.flag)}},
    closed="SENT",
    final=("SENT",),
)

keeper = Role(
    "keeper",
    ("WAITING", "KEPT", "CLOSED"),
    VARIABLES,
    (
        receive("keeper", Total, "WAITING", "KEPT", rfc="toy 1",
                checks=[check("full", Total.f.count == 3, "too_early"),
                        check("seal", same(Total.f.seal, const(3, Count), own.flag), "bad_seal")],
                do={"count": Total.f.count}),
    ),
    (Total,),
    {},
    final=("KEPT", "CLOSED"),
)

system = System("counters", (Instance("ticker", ticker), Instance("keeper", keeper)), Reliable(1))
