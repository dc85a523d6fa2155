"""The smallest adversary: it forges any colour, and a seal once it has seen the maker's key.

The adversary is a network like any other: sources with free fields, a seal, and knowledge gained
from what is sent. The first receiver is fooled only after the leak.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from model.expr import BOOL, COMPOSITE, TRUE, Domain, Expr, same, var
from model.role import Role
from model.rule import SAME, Fields, Message, Variable, check, receive, send
from model.system import Instance, Network, Source, System

Colour = Domain("Colour", ("none", "red", "green", "blue"))
Order = Message("Order", {"colour": Colour, "seal": COMPOSITE}, "toy 1")
Leak = Message("Leak", {}, "toy 2")

VARIABLES = {"colour": Variable(Colour, ("none",))}
own = Fields("run", "own", {n: v.domain for n, v in VARIABLES.items()})
o = Order.f

maker = Role(
    "maker",
    ("START", "MADE", "CLOSED"),
    VARIABLES,
    (
        send("maker", Order, "START", "MADE", rfc="toy 1"),
        send("maker", Leak, "MADE", SAME, rfc="toy 2"),
    ),
    (Leak,),
    {"Order": {"colour": own.colour, "seal": (own.colour,)}, "Leak": {}},
)

taker = Role(
    "taker",
    ("START", "TAKEN", "CLOSED"),
    VARIABLES,
    (
        receive("taker", Order, "START", "TAKEN", rfc="toy 1",
                checks=[check("a colour", o.colour != "none", "illegal_parameter"),
                        check("seal", same(o.seal, o.colour), "decrypt_error")],
                do={"colour": o.colour}),
    ),
    (Order,),
    {},
    final=("TAKEN", "CLOSED"),
)


@dataclass(frozen=True)
class Forger(Network):
    """A network that replays the maker's order or forges one; it knows what `sent_M` says."""

    def variables(self, system: System) -> Mapping[str, Variable]:
        """The variables for the maker's messages that were seen."""
        return {f"maker.sent_{m}": Variable(BOOL, (False,)) for m in ("Order", "Leak")}

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> Iterable[Source]:
        """The maker's own order, or one with free fields."""
        if message is not Order:
            return
        colour = system.of("maker", "colour")
        yield Source("maker", var("maker.sent_Order", BOOL), {"colour": colour, "seal": (colour,)})
        yield Source("forged", TRUE, {}, {"seal": var("maker.sent_Leak", BOOL)})

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """The condition and the effect of sending: always possible, and seen."""
        return TRUE, {f"{run.name}.sent_{message.name}": TRUE}


system = System(
    "forger",
    (Instance("maker", maker, {"colour": ("red", "blue")}), Instance("taker", taker)),
    Forger(),
)
