"""Tables: overlap is an error, reject rows are the exact complement, bad rows are named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from model.expr import BOOL, COMPOSITE, Domain, Expr, conj, const, python_function, var
from model.role import Observer, Role, overlaps
from model.roles import role
from model.rule import (
    SAME,
    Check,
    Fields,
    Message,
    ModelError,
    Rule,
    Variable,
    check,
    choice,
    composites,
    receive,
    send,
    snake,
    step,
    written,
)
from tests.toys.counters import keeper, ticker
from tests.toys.forger import maker, taker
from tests.toys.handshake import Colour, Hello, Reply, answerer, asker, own

TOYS = (asker, answerer, ticker, keeper, maker, taker)
ROLES = {r.name: r for r in (*TOYS, role("client"), role("server"))}


def with_rows(base: Role, *rows: Rule) -> Role:
    """`base` with further rows."""
    return replace(base, table=(*base.table, *rows))


# -- exactly one row -----------------------------------------------------------------------------
def _guards(rules: Iterable[Rule]) -> Callable[[Mapping[str, Any]], tuple[bool, ...]]:
    return python_function({r.name: r.guard for r in rules}, "env", lambda v: f"env[{v.payload!r}]")


def _composite_values(guards: Iterable[Expr], env: Mapping[str, Any]) -> dict[str, list[Any]]:
    """For each composite: junk, and each tuple that a row compares it with."""
    out: dict[str, list[Any]] = {}
    stack = list(guards)
    while stack:
        e = stack.pop()
        if e.op == "same":
            parts = {str(i): p for i, p in enumerate(e.args[1:])}
            f = python_function(parts, "env", lambda v: f"env[{v.payload!r}]")
            out.setdefault(e.args[0].payload, [("junk",)]).append(f(env))
        stack.extend(e.args)
    return out


@pytest.mark.parametrize("name", sorted(ROLES))
def test_every_message_has_exactly_one_row_in_every_state_but_the_final(name: str) -> None:
    r = ROLES[name]
    rng = random.Random(f"rows of {name}")
    accepted = rejected = 0
    for message in r.alphabet:
        every = [x for x in r.rules if x.kind == "receive" and x.message is message]
        # In a record under the read key.
        rows = [replace(x, when=conj(x.when, r.taken(x))) for x in every]
        for state in r.states:
            here = [x for x in rows if state in x.sources]
            if state in r.final:
                assert not any(x.rejects for x in here), state
                continue
            assert here, f"{message.name} in {state}"
            guards = _guards(here)
            for _ in range(60):
                env = {f"own.{n}": rng.choice(v.domain.values) for n, v in r.variables.items()}
                env["own.state"] = state
                env["own.me"] = f"{name}0"
                for f, d in message.fields.items():
                    if d is not COMPOSITE:
                        env[f"msg.{f}"] = rng.choice(d.values)
                for f, values in _composite_values((x.guard for x in here), env).items():
                    env[f] = rng.choice(values)
                for f in composites(message):
                    env.setdefault(f"msg.{f}", ("junk",))
                fired = [x for x, ok in zip(here, guards(env), strict=True) if ok]
                assert len(fired) == 1, (state, message.name, [x.name for x in fired], env)
                accepted += not fired[0].rejects
                rejected += fired[0].rejects
    assert rejected
    assert accepted or not any(x.kind == "receive" for x in r.table)


@pytest.mark.parametrize(
    ("name", "written", "generated"),
    [
        ("asker", 2, 3),
        ("answerer", 2, 3),
        ("ticker", 2, 1),
        ("keeper", 1, 2),
        ("maker", 2, 1),
        ("taker", 1, 2),
    ],
)
def test_the_number_of_rows(name: str, written: int, generated: int) -> None:
    r = ROLES[name]
    assert len(r.accepts) == written
    assert len(r.rules) - len(r.accepts) == generated
    assert sum(x.rejects for x in r.rules) == generated


def test_a_reject_row_carries_the_alert_of_the_check_that_fails_first() -> None:
    alerts = {x.name: x.alert for x in keeper.rules if x.rejects}
    assert alerts == {
        "keeper_reject_total_WAITING_0_full": "too_early",
        "keeper_reject_total_WAITING_0_seal": "bad_seal",
    }
    seal = keeper.rule("keeper_reject_total_WAITING_0_seal")
    f = _guards([seal])
    env = {"msg.count": 3, "own.flag": True, "msg.seal": ("junk",)}
    assert f(env) == (True,)
    assert f({**env, "msg.count": 2}) == (False,)
    assert f({**env, "msg.seal": (3, True)}) == (False,)


def test_a_message_that_is_not_due_is_refused_with_its_own_alert() -> None:
    odd = replace(Hello, refused="no_renegotiation")
    r = replace(asker, alphabet=(odd, Reply))
    assert r.rule("asker_reject_hello_elsewhere").alert == "no_renegotiation"
    assert asker.rule("asker_reject_hello_elsewhere").alert == "unexpected_message"
    assert asker.rule("asker_reject_hello_elsewhere").target == "CLOSED"


# -- overlap -------------------------------------------------------------------------------------
def test_two_rows_that_can_both_fire_are_a_build_error() -> None:
    second = receive("asker", Reply, "WAIT", "CLOSED", rfc="toy", when=Reply.f.warm)
    with pytest.raises(ModelError, match=r"asker, row .* and toys/mine.py: asker, .*can both"):
        _ = with_rows(asker, *written([second], "toys/mine.py")).rules
    with pytest.raises(ModelError, match="can both fire"):
        _ = with_rows(asker, send("asker", Hello, "START", "DONE", rfc="toy")).rules


def test_rows_that_exclude_each_other_are_no_overlap() -> None:
    warm, cold = (
        receive("asker", Reply, "WAIT", target, rfc="toy", when=when)
        for target, when in (("DONE", Reply.f.warm), ("CLOSED", ~Reply.f.warm))
    )
    r = replace(asker, table=(asker.table[0], warm, cold))
    assert not [*overlaps(r.accepts)]
    # Both rows together take every Reply in WAIT, so nothing is left to refuse there.
    assert not [x for x in r.rules if x.rejects and "WAIT" in x.sources and x.event == "Reply"]
    start = receive("asker", Reply, "START", "DONE", rfc="toy")
    assert not [*overlaps((asker.table[1], start))]


def test_a_check_does_not_tell_rows_apart() -> None:
    # What the first row demands, the second would take: the reject of one and the other overlap.
    first = receive(
        "asker",
        Reply,
        "WAIT",
        "DONE",
        rfc="toy",
        checks=[check("warm", Reply.f.warm, "illegal_parameter")],
    )
    second = receive("asker", Reply, "WAIT", "CLOSED", rfc="toy", when=~Reply.f.warm)
    with pytest.raises(ModelError, match="can both fire"):
        _ = replace(asker, table=(asker.table[0], first, second)).rules


# -- malformed rows ------------------------------------------------------------------------------
other = Domain("Other", ("none", "left"))
BAD = {
    "an unknown source": (
        receive("asker", Reply, "WAITING", "DONE", rfc="t", label="bad"),
        r"asker, row bad, field source/target: 'WAITING' is not a state; expected one of START, ",
    ),
    "an unknown target": (
        receive("asker", Hello, "WAIT", "FINISHED", rfc="t", label="bad"),
        r"asker, row bad, field source/target: 'FINISHED' is not a state",
    ),
    "the source that is the same state": (
        receive("asker", Hello, SAME + "", "DONE", rfc="t", label="bad"),
        r"row bad, field source/target",
    ),
    "an unknown variable": (
        receive("asker", Hello, "WAIT", "DONE", rfc="t", label="bad", do={"shade": const(True)}),
        r"asker, row bad, field do: no variable 'shade'",
    ),
    "another domain": (
        receive(
            "asker",
            Hello,
            "WAIT",
            "DONE",
            rfc="t",
            label="bad",
            do={"colour": const("left", other)},
        ),
        r"asker, row bad, field do: colour is a Colour, got left \(Other\)",
    ),
    "a field of another message": (
        receive("asker", Hello, "WAIT", "DONE", rfc="t", label="bad", when=Reply.f.warm),
        r"asker, row bad: msg.warm is not a field it may read",
    ),
    "a global variable": (
        receive(
            "asker", Hello, "WAIT", "DONE", rfc="t", label="bad", when=var("answerer.warm", BOOL)
        ),
        r"asker, row bad: answerer.warm is not a field it may read",
    ),
    "a choice that is not declared": (
        step("asker", "paint", "WAIT", SAME, rfc="t", do={"colour": choice("colour", Colour)}),
        r"asker, row asker_paint_WAIT_to_SAME: msg.colour is not a field it may read",
    ),
    "a message without fields to send": (
        send("asker", Reply, "WAIT", "DONE", rfc="t", label="bad"),
        r"asker, row bad: sends has no fields for Reply",
    ),
    "a name used twice": (
        receive("asker", Hello, "WAIT", "DONE", rfc="t", label="asker_send_hello_START_to_WAIT"),
        r"^asker, row asker_send_hello_START_to_WAIT: two rows have this name",
    ),
}


@pytest.mark.parametrize("what", sorted(BAD))
def test_a_malformed_row_is_named_with_its_field(what: str) -> None:
    row, message = BAD[what]
    with pytest.raises(ModelError, match=message):
        _ = with_rows(asker, row).rules


# -- names, fields, observers --------------------------------------------------------------------
def test_names_are_spelled_from_the_message() -> None:
    assert snake("ServerHelloDone") == "server_hello_done"
    first, second = asker.table
    assert first.name == "asker_send_hello_START_to_WAIT"
    assert second.trigger == "receive_reply"
    assert asker.rule(second.name).rfc == "toy 2"
    with pytest.raises(KeyError):
        asker.rule("nobody")


def test_an_unknown_field_is_told_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="run has no field 'color': it has colour, warm"):
        _ = own.color
    assert Fields("run", "own", {"colour": Colour})["colour"] is own.colour


def test_a_field_with_none_is_demanded_unless_it_is_optional() -> None:
    kind = Message("Kind", {"must": Colour, "may": Colour, "flag": BOOL}, "t", optional=("may",))
    assert [kind.demands(f) for f in kind.fields] == [True, False, False]


def _watched(*observers: Observer) -> Role:
    more = {o.variable: Variable(BOOL, (False,)) for o in observers}
    return replace(asker, variables={**asker.variables, **more}, observers=observers)


def test_an_observer_is_told_of_the_event_not_the_row() -> None:
    r = _watched(
        Observer("replied", "receive", "Reply", const(True)),
        Observer("refused", "reject", "Reply", const(True)),
    )
    told = {v: sorted(x.name for x in r.rules if v in x.do) for v in ("replied", "refused")}
    assert told["replied"] == ["asker_receive_reply_WAIT_to_DONE"]
    assert told["refused"] == [
        "asker_reject_reply_WAIT_0_same_colour",
        "asker_reject_reply_elsewhere",
    ]
    late = receive("asker", Reply, "START", "DONE", rfc="a flaw's row", label="late")
    assert "replied" in with_rows(r, late).rule("late").do


def test_a_live_observer_is_cleared_when_the_run_is_closed() -> None:
    r = _watched(Observer("replied", "receive", "Reply", const(True), transient=True))
    assert all(x.do["replied"] is const(False) for x in r.rules if x.target == "CLOSED")
    assert r.rule("asker_receive_reply_WAIT_to_DONE").do["replied"] is const(True)


def test_a_row_and_an_observer_do_not_set_one_variable() -> None:
    with pytest.raises(ModelError, match="observer and row both set warm"):
        _ = replace(asker, observers=(Observer("warm", "receive", "Reply", const(True)),)).rules


def test_the_guard_is_when_and_every_check() -> None:
    c, d = var("own.colour", Colour) == "red", Reply.f.warm
    row = receive("asker", Reply, "WAIT", "DONE", rfc="t", when=c, checks=[Check("d", d, "x")])
    assert row.guard is (c & d)
    assert not row.rejects
