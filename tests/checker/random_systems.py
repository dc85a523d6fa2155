"""Small random systems of two or three runs, and random questions about them.

What can be delivered depends at random on what was sent or not sent and on variables of the sender.
So, unlike in TLS, knowledge need not grow: no engine may rely on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

from model.expr import BOOL, FALSE, TRUE, Expr, conj, const, disj, neg, var
from model.role import Role
from model.rule import SAME, Message, Rule, Variable, receive, send, step
from model.system import Instance, Network, Source, System

STATES = ("A", "B", "C", "CLOSED")
NAMES = ("x", "y")
FLAG = Variable(BOOL, (False,), write_once=False)
VARIABLES = dict.fromkeys(NAMES, FLAG)
SLOT = var("slot", BOOL)
BIT = var("msg.bit", BOOL)
MESSAGES = tuple(Message(n, {"bit": BOOL}, "random 1") for n in ("M", "N"))


def own(name: str) -> Expr:
    """A variable of the run."""
    return var(f"own.{name}", BOOL)


@dataclass(frozen=True)
class Open(Network):
    """Each message of a run can be forged when `when[run, message]` is true; sending is seen.

    The messages `slow` share one slot: sending one waits for it to be empty, and fills it; taking
    any message empties it.
    """

    when: Mapping[tuple[str, str], Expr]
    slow: tuple[str, ...]

    def variables(self, system: System) -> Mapping[str, Variable]:
        """The variables for the messages seen, and for the slot."""
        seen = {f"{r.name}.sent_{m}": FLAG for r in system.runs for m in r.role.sends}
        return {**seen, "slot": FLAG} if self.slow else seen

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> Iterable[Source]:
        """The only source, with a free bit."""
        empties = {"slot": FALSE} if self.slow else {}
        yield Source("forged", self.when[run.name, message.name], effects=empties)

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """The condition of sending, that the slot is free, and the effect, that it is seen."""
        seen = {f"{run.name}.sent_{message.name}": TRUE}
        if message.name in self.slow:
            return neg(SLOT), {**seen, "slot": TRUE}
        return TRUE, seen


def _guard(random: Random) -> Expr:
    x, y = map(own, NAMES)
    return random.choice((TRUE, TRUE, TRUE, x, ~x, y, ~y, x | y))


def _effects(random: Random, *more: Expr) -> dict[str, Expr]:
    x, y = map(own, NAMES)
    values = (TRUE, TRUE, FALSE, ~x, x | y, y, *more)
    return {n: random.choice(values) for n in NAMES if random.random() < 0.4}


def _role(random: Random, name: str) -> Role:
    rows: list[Rule] = []
    for i in range(random.randint(2, 5)):
        here = random.choice(STATES[:2])
        there = random.choice((*STATES[1:], SAME))
        when, do = _guard(random), _effects(random)
        taken = {(r.kind, r.event, s) for r in rows for s in r.sources}
        message = random.choice(MESSAGES)
        if random.random() < 0.3:
            rows.append(step(name, f"move{i}", here, there, rfc="random 1", when=when, do=do))
        elif ("send", message.name, here) not in taken:
            rows.append(send(name, message, here, there, rfc="random 1", when=when, do=do))
    for message in MESSAGES:
        if random.random() < 0.4:
            rows.append(
                receive(
                    name,
                    message,
                    STATES[:3],
                    SAME,
                    rfc="random 1",
                    when=_guard(random),
                    do=_effects(random, BIT),
                )
            )
            continue
        for here in STATES[:3]:
            if random.random() < 0.35:
                rows.append(
                    receive(
                        name,
                        message,
                        here,
                        random.choice((*STATES[1:], SAME)),
                        rfc="random 1",
                        when=_guard(random),
                        do=_effects(random, BIT),
                    )
                )
    alphabet = MESSAGES if random.random() < 0.6 else ()
    rows = [r for r in rows if r.kind != "receive" or alphabet]
    return Role(
        name,
        STATES,
        VARIABLES,
        tuple(rows),
        alphabet,
        {m.name: {"bit": own("x")} for m in MESSAGES},
        refuse=_effects(random),
    )


def random_system(random: Random, runs: int = 2) -> System:
    """A system of `runs` runs, called `a`, `b` and so on."""
    names = "abc"[:runs]
    when = {}
    for run in names:
        others = [n for n in names if n != run]
        for m in MESSAGES:
            other = others[0] if runs == 2 else random.choice(others)
            sent = var(f"{other}.sent_{random.choice(MESSAGES).name}", BOOL)
            theirs = var(f"{other}.{random.choice(NAMES)}", BOOL)
            mine = var(f"{run}.{random.choice(NAMES)}", BOOL)
            when[run, m.name] = random.choice(
                (TRUE, TRUE, sent, sent, neg(sent), theirs, neg(theirs), sent & ~theirs, mine)
            )
    made = tuple(Instance(n, _role(random, n)) for n in names)
    slow = tuple(m.name for m in MESSAGES if random.random() < 0.2)
    return System("random", made, Open(when, slow))


def random_questions(random: Random, system: System) -> list[Expr]:
    """Some questions, of one to three facts each, of one run or of both."""

    def fact() -> Expr:
        name = random.choice(list(system.variables))
        v = system.variables[name]
        me = var(name, v.domain)
        return me == const(random.choice(v.domain.values), v.domain)

    out = []
    for _ in range(random.randint(1, 4)):
        q = conj(*(fact() for _ in range(random.randint(1, 3))))
        out.append(disj(q, fact()) if random.random() < 0.2 else q)
    return out
