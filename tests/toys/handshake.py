"""A two-message handshake with a choice: two roles over a FIFO network."""

from model.adversary.reliable import Reliable
from model.expr import BOOL, Domain, const
from model.role import Role
from model.rule import Fields, Message, Variable, check, choice, receive, send
from model.system import Instance, System

Colour = Domain("Colour", ("none", "red", "green", "blue"))
Hello = Message("Hello", {"colour": Colour}, "toy 1")
Reply = Message("Reply", {"colour": Colour, "warm": BOOL}, "toy 2")

VARIABLES = {"colour": Variable(Colour, ("none",)), "warm": Variable(BOOL, (False,))}
own = Fields("run", "own", {n: v.domain for n, v in VARIABLES.items()})

asker = Role(
    "asker",
    ("START", "WAIT", "DONE", "CLOSED"),
    VARIABLES,
    (
        send("asker", Hello, "START", "WAIT", rfc="toy 1",
             when=choice("colour", Colour) != "none",
             do={"colour": choice("colour", Colour)}, choices={"colour": Colour}),
        receive("asker", Reply, "WAIT", "DONE", rfc="toy 2",
                checks=[check("same colour", Reply.f.colour == own.colour, "illegal_parameter")],
                do={"warm": Reply.f.warm}),
    ),
    (Hello, Reply),
    {"Hello": {"colour": own.colour}},
    final=("DONE", "CLOSED"),
)

answerer = Role(
    "answerer",
    ("START", "ANSWER", "DONE", "CLOSED"),
    VARIABLES,
    (
        receive("answerer", Hello, "START", "ANSWER", rfc="toy 1",
                checks=[check("not green", Hello.f.colour != "green", "illegal_parameter")],
                do={"colour": Hello.f.colour}),
        send("answerer", Reply, "ANSWER", "DONE", rfc="toy 2",
             do={"warm": (own.colour == "red") | const(False)}),
    ),
    (Hello, Reply),
    {"Reply": {"colour": own.colour, "warm": own.warm}},
    final=("DONE", "CLOSED"),
)

system = System("toy", (Instance("asker", asker), Instance("answerer", answerer)), Reliable(2))
