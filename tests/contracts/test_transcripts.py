"""The law of transcripts: what a proof covers, for every role with any extension.

Each field of a handshake message is under a proof that comes after it: two messages that differ in
that field alone, both accepted in one state, leave different views in the Finished that the run
makes or checks. What is not covered is named in `model.uncovered.UNCOVERED`, with the reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import z3

from model.expr import (
    BOOL,
    COMPOSITE,
    Domain,
    Expr,
    fold,
    neg,
    python_function,
    substitute,
    var,
    variables,
)
from model.extensions import ENDS, extensions, with_needed
from model.machine import JUNK, CallError, Run, Sent
from model.principal import ClientOwner, ServerOwner
from model.role import Role
from model.roles import role
from model.rule import Message, Rule
from model.uncovered import UNCOVERED
from tests.sizes import deep_but

_ALL = tuple(sorted(extensions()))
SETS = [
    (),
    *((n,) for n in _ALL),
    tuple(n for n in _ALL if n != "reflection"),
    tuple(n for n in _ALL if not n.startswith("retry")),
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


QUICK = ["", "early_data", "psk_suites", "renegotiation_info", "retry_psk", "session_ticket"]


@pytest.mark.parametrize("names", deep_but(QUICK, map("+".join, SETS)))
def test_every_field_is_under_a_proof_or_on_the_list(names: str) -> None:
    for end in ENDS:
        of = role(end, with_needed(*filter(None, names.split("+"))))
        for m in of.alphabet:
            for f in looked_at(of, m):
                assert not unseen(of, m, f), (end, m.name, f)


# -- end to end ----------------------------------------------------------------------------------
TLS12 = {"min_version": "TLS12", "max_version": "TLS12"}
TLS13 = {"min_version": "TLS13", "max_version": "TLS13"}
BOTH = {"min_version": "TLS12", "max_version": "TLS13"}
KEY = {"has_external": True}
KE = {**KEY, "takes_psk_ke": True, "takes_psk_dhe_ke": False}


def suites(*names: str, **more: Any) -> dict[str, Any]:
    return {**{f"offers_{n}": True for n in names}, **more}


class Case(NamedTuple):
    """An honest handshake: extensions, configurations, and those of a handshake that resumes it."""

    extensions: tuple[str, ...]
    client: dict[str, Any]
    server: dict[str, Any]
    again: dict[str, Any] | None = None


NO_AUTH = {"asks_client": False}
CASES = {
    "RSA": Case((), suites("RSA", **TLS12), suites("RSA", **TLS12)),
    "ECDHE": Case((), suites("ECDHE", **BOTH), suites("ECDHE", **TLS12)),
    "anonymous": Case((), suites("DH_anon", **TLS12), suites("DH_anon", **TLS12)),
    "RSA_EXPORT": Case(
        (),
        suites("RSA_EXPORT", min_version="TLS10", max_version="TLS10"),
        suites("RSA_EXPORT", min_version="TLS10", max_version="TLS10"),
    ),
    "hello extensions of TLS 1.2": Case(
        (
            "extended_master_secret",
            "fallback",
            "renegotiation_info",
            "session_ticket",
            "status_request",
        ),
        suites("DHE", asks_status=True, **TLS12),
        suites("DHE", staples=True, **TLS12, **NO_AUTH),
    ),
    "hello extensions of both, TLS 1.2": Case(
        (
            "early_data",
            "extended_master_secret",
            "psk",
            "renegotiation_info",
            "retry",
            "session_ticket",
            "status_request",
        ),
        suites("ECDHE", **BOTH, **KEY),
        suites("ECDHE", **TLS12, **NO_AUTH),
    ),
    "hello extensions of both, TLS 1.3": Case(
        (
            "early_data",
            "extended_master_secret",
            "psk",
            "renegotiation_info",
            "retry",
            "session_ticket",
            "status_request",
        ),
        suites("ECDHE", **BOTH, **KEY),
        {**BOTH, **NO_AUTH},
    ),
    "session id": Case(
        ("resumption", "status_request"), suites("RSA", **TLS12), suites("RSA", **TLS12), {}
    ),
    "ticket": Case(
        ("session_ticket", "extended_master_secret"),
        suites("RSA", **BOTH),
        suites("RSA", **TLS12, **NO_AUTH),
        {},
    ),
    "PSK": Case(("psk_suites",), suites("PSK", **TLS12), suites("PSK", hints=True, **TLS12)),
    "RSA_PSK": Case(("psk_suites",), suites("RSA_PSK", **TLS12), suites("RSA_PSK", **TLS12)),
    "DHE_PSK": Case(("psk_suites",), suites("DHE_PSK", **TLS12), suites("DHE_PSK", **TLS12)),
    "static keys": Case(
        ("fixed_dh",), suites("DH_RSA", dh_certificate=True, **TLS12), suites("DH_RSA", **TLS12)
    ),
    "TLS 1.3": Case(("post_handshake_auth", "record_boundaries"), TLS13, TLS13),
    "another group": Case(("retry",), TLS13, {**TLS13, "supports_x25519": False}),
    "cookie": Case(("retry",), BOTH, {**BOTH, "asks_cookie": True}),
    "no share at first": Case(("retry",), {**TLS13, "first_group": "none"}, TLS13),
    "key with shares": Case(("psk",), {**TLS13, **KEY}, {**TLS13, **KEY}),
    "key alone": Case(("psk", "retry"), {**TLS13, **KE}, {**TLS13, **KE}),
    "unknown key": Case(("psk",), {**TLS13, **KEY}, TLS13),
    "early data": Case(
        ("early_data",),
        {**TLS13, **KEY, "sends_early": True},
        {**TLS13, **KEY, "takes_early": True},
    ),
    "retry after early data": Case(
        ("early_data", "retry"),
        {**TLS13, **KEY, "sends_early": True},
        {**TLS13, **KEY, "takes_early": True, "asks_cookie": True},
    ),
    "ticket of TLS 1.3": Case(("psk",), TLS13, {**TLS13, **NO_AUTH}, {"resumes": True}),
}
QUIET = ("Alert", "ApplicationData", "CloseNotify", "HelloRequest", "KeyUpdate", "NoCertificate")
"""What no end sends here."""

Change = Callable[[Sent, Run], Sent]


def send(run: Run) -> Sent | None:
    """The next message that the run sends; None if it waits."""
    for r in run.enabled():
        if r.kind == "send" and r.event not in QUIET:
            domains = [tuple(reversed(d.values)) for d in r.choices.values()]
            for values in itertools.product(*domains):
                try:
                    call: Callable[..., Sent] = getattr(run, r.trigger)
                    return call(**dict(zip(r.choices, values, strict=True)))
                except CallError:
                    pass
    return None


def shake(case: Case, change: Change | None = None) -> tuple[Run, Run, list[tuple[Sent, str]]]:
    """The handshake, or the one that resumes it; `change` alters its messages. Both ends, and what
    was sent to whom."""
    roles = {end: role(end, with_needed(*case.extensions)) for end in ENDS}
    runs: dict[str, Run] = {}
    log: list[tuple[Sent, str]] = []
    for i, more in enumerate([{}] if case.again is None else [{}, case.again]):
        last = case.again is None or i == 1
        configs = {"client": case.client, "server": case.server}
        log = []
        for end, of in roles.items():
            config = {k: v for k, v in {**configs[end], **more}.items() if k in of.configuration}
            runs[end] = Run(of, f"{end}{i}", runs.get(end), **config)
        moved = True
        while moved:
            moved = False
            for end, other in OTHER.items():
                while "CLOSED" not in (runs[end].state, runs[other].state):
                    sent = send(runs[end])
                    if sent is None:
                        break
                    moved = True
                    log.append((sent, other))
                    if change is not None and last:
                        sent = change(sent, runs[other])
                    runs[other].receive(sent)
    return runs["client"], runs["server"], log


def done(*runs: Run) -> bool:
    return all(r.state == "CONNECTED" and r.verified for r in runs)  # type: ignore[attr-defined]


def alterations(sent: Sent, m: Message) -> Iterator[tuple[str, Sent]]:
    """The message with another value in one field. Another list of a hello is another offer, and
    another part of a field makes another value of that field."""
    for f, d in m.fields.items():
        if f in m.record:
            continue
        lists = "offer" in m.fields and f not in ("version", *m.shown)
        with_it = (
            {"offer": "adversary"} if lists else {m.parts[f]: "adversary"} if f in m.parts else {}
        )
        values = [JUNK] if d is COMPOSITE else d.values
        for v in values:
            if v != sent.fields[f] and not (v == "none" and m.demands(f)):
                yield f, Sent(sent.message, {**sent.fields, **with_it, f: v}, sent.under)


def listed(m: Message, f: str, altered: Sent, receiver: Run) -> bool:
    """Whether the list says that the field is under no proof, for this receiver and message."""
    entry = UNCOVERED.get((m.name, f))
    if entry is None:
        return False

    def read(v: Expr) -> str:
        kind, _, name = v.payload.partition(".")
        return repr(altered.fields[name] if kind == "msg" else getattr(receiver, name))

    return bool(python_function({"when": entry.when}, "", read)()[0])


@pytest.mark.parametrize("name", CASES)
def test_no_field_is_altered_unseen(name: str) -> None:
    case = CASES[name]
    *ends, log = shake(case)
    assert done(*ends), [(r.state, r.alert) for r in ends]  # type: ignore[attr-defined]
    tried = 0
    for i, (sent, to) in enumerate(log):
        m = next(m for m in ends[to == "server"].role.alphabet if m.name == sent.message)
        if m.name in NO_TRANSCRIPT:
            continue
        for f, altered in alterations(sent, m):
            count, excused = itertools.count(), False

            def change(
                now: Sent,
                receiver: Run,
                m: Message = m,
                f: str = f,
                altered: Sent = altered,
                i: int = i,
                count: Iterator[int] = count,
            ) -> Sent:
                nonlocal excused
                if next(count) != i:
                    return now
                excused = listed(m, f, altered, receiver)
                return altered

            tried += 1
            client, server, _ = shake(case, change)
            assert excused or not done(client, server), (m.name, f, altered.fields[f])
    assert tried > 20


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
