"""The law of transcripts: what a proof covers, for every role with any extension.

Each field of a handshake message is under a proof that comes after it: two messages that differ in
that field alone, both accepted in one state, leave different views in the Finished that the run
makes or checks. What is not covered is named in `model.uncovered.UNCOVERED`, with the reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import z3

from model.expr import (
    BOOL,
    COMPOSITE,
    Domain,
    Expr,
    fold,
    neg,
    substitute,
    var,
    variables,
)
from model.extensions import ENDS, extensions, with_needed
from model.principal import ClientOwner, ServerOwner
from model.role import Role
from model.roles import role
from model.rule import Message, Rule
from model.uncovered import UNCOVERED
from tests.sizes import deep_but

_ALL = tuple(sorted(extensions()))
APART = ("psk_list", "retry", "sequence_numbers", "several_certificates")
"""What goes together with few others."""
SETS = [
    (),
    *((n,) for n in _ALL),
    tuple(n for n in _ALL if not extensions()[n].excludes),
    tuple(n for n in _ALL if not n.startswith(APART)),
]
NO_TRANSCRIPT = (
    "Alert",
    "AlertFragment",
    "ApplicationData",
    "ChangeCipherSpec",
    "CloseNotify",
    "EarlyData",
    "EmptyRecord",
    "HelloRequest",
    "KeyUpdate",
    "NoCertificate",
    "TransportClose",
    "UndecryptableRecord",
)
"""What is in no transcript: other records than handshake messages, and those that RFC 5246 7.4.1.1
and RFC 8446 4.4.1 leave out."""

OTHER = {"client": "server", "server": "client"}
OWNER = {"client": ClientOwner, "server": ServerOwner}
Leaf = Callable[[Expr], Any]


def bits(domain: Domain) -> int:
    return max(1, (len(domain.values) - 1).bit_length())


def symbol(name: str, domain: Domain, solver: z3.Solver) -> Any:
    """A variable of the solver with the values of `domain`."""
    if domain is BOOL:
        return z3.Bool(name)
    out = z3.BitVec(name, bits(domain))
    solver.add(z3.ULE(out, len(domain.values) - 1))
    return out


def value(domain: Domain, v: Any) -> Any:
    return z3.BoolVal(v) if domain is BOOL else z3.BitVecVal(domain.code(v), bits(domain))


def term(e: Expr, leaf: Leaf, of_same: Callable[[Expr, list[Any]], Any]) -> Any:
    """The expression in the solver's terms."""

    def algebra(e: Expr, a: list[Any]) -> Any:
        match e.op:
            case "const":
                return value(e.domain, e.payload)
            case "var":
                return leaf(e)
            case "eq":
                return a[0] == a[1]
            case "le":
                return z3.ULE(a[0], a[1])
            case "and":
                return z3.And(a)
            case "or":
                return z3.Or(a)
            case "not":
                return z3.Not(a[0])
            case "ite":
                return z3.If(a[0], a[1], a[2])
            case "same":
                return of_same(e, a)
            case _:
                of, table = e.args[0].domain, dict(e.payload)
                out = value(e.domain, table[of.values[-1]])
                for v in of.values[:-1]:
                    out = z3.If(a[0] == value(of, v), value(e.domain, table[v]), out)
                return out

    return fold(e, algebra, {})


def proved(of: Role) -> list[Expr]:
    """The elements of every Finished that a run of the role sends or checks in the handshake."""
    out: dict[int, Expr] = {}
    sent = of.sends["Finished"]["verify_data"]
    assert isinstance(sent, tuple)
    lists = [list(sent)]
    for r in of.table:
        if (r.kind, r.event) == ("receive", "Finished") and "PH_WAIT_FINISHED" not in r.sources:
            stack = [c.expr for c in r.checks]
            while stack:
                e = stack.pop()
                lists += [list(e.args[1:])] if e.op == "same" else []
                stack.extend(e.args)
    for e in itertools.chain.from_iterable(lists):
        out[id(e)] = e
    return list(out.values())


def looked_at(of: Role, m: Message) -> Iterator[str]:
    """The fields that may be altered alone: not a part of another field, nor a list of a hello,
    which with another list is another offer."""
    peer = role(OTHER[of.name], of.extensions)
    if m.name in NO_TRANSCRIPT or m.name not in peer.sends:
        return
    for f, d in m.fields.items():
        lists = "offer" in m.fields and f not in ("version", *m.shown)
        if d is not COMPOSITE and f not in (*m.record, *m.parts) and not lists:
            yield f


def unseen(of: Role, m: Message, field: str) -> list[str]:
    """The pairs of rows that take the peer's message and one with another value in `field`, after
    which each proof is the same."""
    rows = [r for r in of.accepts if r.kind == "receive" and r.event == m.name and not r.unread]
    found = []
    for a, b in itertools.product(rows, rows):
        states = [s for s in a.sources if s in b.sources and in_handshake(of, s)]
        if states and Alteration(of, m, field, states).goes_unseen(a, b):
            found.append(f"{a.name} {b.name}")
    return found


def in_handshake(of: Role, state: str) -> bool:
    if state.startswith("PH_WAIT"):
        return False
    return state in ("START", "WAIT_SH") or any(state in g for g in of.generations.values())


class Alteration:
    """A message of the honest peer, and the same with one field changed, at one receiver."""

    def __init__(self, of: Role, m: Message, field: str, states: list[str]) -> None:
        self.of, self.m, self.field = of, m, field
        self.peer = role(OTHER[of.name], of.extensions)
        self.solver = z3.Solver()
        self.names: dict[str, Any] = {}
        self.states = states

    def leaf(self, altered: bool, own: str = "own") -> Leaf:
        def at(v: Expr) -> Any:
            kind, _, name = v.payload.partition(".")
            if v.domain is COMPOSITE:
                return None  # see `compared`
            if kind != "msg":
                return self.symbol(f"{own}/{v.payload}", v.domain)
            if altered and name == self.field:
                return self.symbol("altered", v.domain)
            return self.term(self.peer.sends[self.m.name][name], own="peer")

        return at

    def symbol(self, name: str, domain: Domain) -> Any:
        if name not in self.names:
            self.names[name] = symbol(name, domain, self.solver)
        return self.names[name]

    def term(self, e: Any, altered: bool = False, own: str = "own") -> Any:
        return term(e, self.leaf(altered, own), self.compared)

    def compared(self, e: Expr, a: list[Any]) -> Any:
        """Both messages have one composite, whatever it is made of."""
        name = f"{e.args[0].payload}/{len(e.args)}"
        pairs = zip(e.args[1:], a[1:], strict=True)
        return z3.And([self.symbol(f"{name}/{i}", x.domain) == t for i, (x, t) in enumerate(pairs)])

    def goes_unseen(self, a: Rule, b: Rule) -> bool:
        """Whether row `a` takes the message, row `b` the altered one, and no proof differs."""
        add = self.solver.add
        add(z3.Or([z3.And([self.term(p) for p in self.so(s)]) for s in self.states]))
        for n in {*a.do, *b.do}:
            v = self.of.all_variables[n]
            if v.write_once and len(v.initial) == 1 and n not in self.of.configuration:
                add(self.term(var(f"own.{n}", v.domain) == v.initial[0]))
        add(self.term(a.guard), self.term(b.guard, altered=True))
        for same in self.unaltered(a):
            add(same)
        for r in (self.of, self.peer):
            me = var("own.me", OWNER[r.name])
            own = "own" if r is self.of else "peer"
            add(self.term(me.one_of(*(f"{r.name}{i}" for i in range(3))), own=own))
        domain = self.m.fields[self.field]
        sent = self.term(self.peer.sends[self.m.name][self.field], own="peer")
        changed = self.symbol("altered", domain)
        add(sent != changed)
        if (listed := UNCOVERED.get((self.m.name, self.field))) is not None:
            add(z3.Not(self.term(listed.when)))
        if self.m.demands(self.field):
            add(changed != value(domain, "none"))
        for e in proved(self.of):
            add(self.term(after(a, e)) == self.term(after(b, e), altered=True))
        answer = self.solver.check()
        assert answer != z3.unknown
        return bool(answer == z3.sat)

    def so(self, state: str) -> Iterator[Expr]:
        """What is so in every reachable local state of that name."""
        of = self.of

        def own(name: str) -> Expr:
            return var(f"own.{name}", of.all_variables[name].domain)

        yield own("state") == state
        if state in of.generations["tls13"]:
            yield own("version") == "TLS13"
        elif state in of.generations["tls12"]:
            yield (own("version") <= "TLS12") & (own("version") != "none")
        if state != "START" and not state.startswith("RES_"):
            yield neg(of.schedule.abbreviated)

    def unaltered(self, a: Rule) -> Iterator[Any]:
        """What nobody has altered before is the same at both ends; so is what row `a` sets."""
        hellos = ("ClientHello", "ServerHello", "HelloRetryRequest", "SecondClientHello")
        earlier = () if self.m.name in hellos else self.of.covered["hellos"]
        for n in self.of.covered["flight"]:
            if n in self.peer.views:
                mine = self.of.views[n]
                sets = any(v.removeprefix("own.") in a.do for v in variables(mine))
                if sets or n in earlier:
                    yield self.term(after(a, mine)) == self.term(self.peer.views[n], own="peer")


def after(r: Rule, e: Expr) -> Expr:
    """The expression after the row, over the variables before it."""

    def then(v: Expr) -> Expr:
        kind, _, name = v.payload.partition(".")
        return r.do.get(name, v) if kind == "own" else v

    return substitute(e, then)


QUICK = [""]


@pytest.mark.parametrize("names", deep_but(QUICK, map("+".join, SETS)))
def test_every_field_is_under_a_proof_or_on_the_list(names: str) -> None:
    for end in ENDS:
        of = role(end, with_needed(*filter(None, names.split("+"))))
        for m in of.alphabet:
            for f in looked_at(of, m):
                assert not unseen(of, m, f), (end, m.name, f)


def test_the_list_has_no_line_too_many() -> None:
    """Each line names a field of a message, and gives its reason."""
    fields = {
        (m.name, f)
        for names in SETS
        for m in role("client", with_needed(*names)).alphabet
        for f in m.fields
    }
    assert set(UNCOVERED) <= fields
    assert all(line.reason for line in UNCOVERED.values())
