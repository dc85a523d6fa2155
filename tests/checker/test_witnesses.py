"""Witnesses of properties in scenarios that are only proved."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from checker import by_proof, witnesses
from checker.by_proof import prove
from checker.engines.symbolic import Proof, Prover
from checker.request import Request
from checker.verdict import PROVED, UNKNOWN, VACUOUS, VIOLATED, exit_status
from model.expr import (
    FALSE,
    Domain,
    Expr,
    conj,
    const,
    eq,
    mapping,
    neg,
    var,
)
from model.role import Role
from model.rule import SAME, Variable, step
from model.scenario import scenario
from model.system import Instance, System
from properties import Property, declared, when
from tests.checker.test_engines import Lost


def cases(*given: Callable[[Any], Expr]) -> list[Property]:
    """Properties that hold whatever is so, each with an interesting case of its own."""

    def says(case: Callable[[Any], Expr]) -> Callable[[Any], Any]:
        return lambda w: [when(case(w)).then(neg(w.clients[0].verified & ~w.clients[0].keyed))]

    return [declared("invariant", f"case_{i}", says(g)) for i, g in enumerate(given)]


@pytest.mark.deep
def test_what_is_never_reached_is_vacuous_not_proved() -> None:
    """In a scenario too big to search: a case of one client, one of both, and one of none."""
    props = cases(
        lambda w: w.clients[0].verified,
        lambda w: w.clients[0].keyed & w.clients[1].keyed,
        lambda w: w.clients[0].verified & (w.clients[0].version == "TLS13"),
    )
    results = list(prove(scenario("two-clients").system(), props, Request()))
    assert [r.verdict for r in results] == [PROVED, PROVED, VACUOUS]
    assert [r.witness for r in results] == [True, True, False]
    assert results[0].configurations == 1
    assert results[0].method == "proof"
    assert (results[2].certificate, results[2].method) == (None, "proof")
    assert results[2].reason == "no case of it is ever reached"


@pytest.mark.deep
def test_a_witness_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses, "WITNESS_STATES", 10)
    monkeypatch.setattr(witnesses, "HONEST_STATES", 10)
    props = cases(lambda w: w.clients[0].verified)
    results = list(prove(scenario("two-clients").system(), props, Request()))
    assert [(r.verdict, r.reason) for r in results] == [(UNKNOWN, "witness not found")]
    assert results[0].certificate is not None
    assert exit_status(results) == 3


@pytest.mark.deep
def test_a_proof_is_of_every_configuration() -> None:
    """Of a free switch at either end: four, and the proof covers a violation in any of them."""
    where = scenario("fallback")
    system = where.system()
    assert by_proof.configurations(system) == 4
    free = {n: v for n, v in system.variables.items() if len(v.initial) > 1}
    for values in itertools.product(*(v.initial for v in free.values())):
        here = zip(free.items(), values, strict=True)
        law = neg(conj(*(eq(var(n, v.domain), const(x, v.domain)) for (n, v), x in here)))
        p = declared("invariant", "no_such_configuration", lambda w, law=law: law)
        (r,) = prove(system, [p], Request())
        assert r.verdict == VIOLATED


def test_a_variable_too_large_to_walk_is_proved_without_the_walk() -> None:
    big = Domain("Big", tuple(range(300)))
    n = var("own.n", big)
    rows = (
        step(
            "ticker",
            "tick",
            "ON",
            SAME,
            rfc="toy",
            do={"n": mapping(n, {i: min(i + 2, 298) for i in range(300)}, big)},
        ),
    )
    role = Role(
        "ticker",
        ("ON", "OFF"),
        {"n": Variable(big, (0,), write_once=False)},
        rows,
        (),
        {},
        closed="OFF",
        final=("OFF",),
    )
    system = System("big", (Instance("t", role),), Lost())
    assert isinstance(
        Prover(system, [system.of("t", "n") != 3]).prove(system.of("t", "n") != 3), Proof
    )


@pytest.mark.scenario
def test_all_searches_for_cases_share_the_time_of_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count(step=4)
    monkeypatch.setattr(witnesses, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    given: list[float | None] = []

    class Empty:
        def search(self, asked: Any, budget: Any, watch: Any) -> None:
            given.append(budget.seconds)

    monkeypatch.setattr(witnesses, "searcher", lambda *_: Empty())
    props = cases(lambda w: w.clients[0].verified)
    system = scenario("two-clients").system()
    seen = witnesses.witnesses(system, props, Request(seconds=10.0))
    assert given == [6.0, 2.0]  # the clock goes on by four seconds: none is left for the third
    assert [*seen["case_0"].values()] == [None]
    given.clear()
    witnesses.witnesses(system, props, Request())
    assert given == [None, None, None]


@pytest.mark.scenario
def test_what_may_be_violated_is_searched_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    where = scenario("two-clients")  # where only one client is needed
    bad = [
        declared(
            "invariant", f"false_{i}", lambda w, s=s: [when(w.clients[0].state == s).then(FALSE)]
        )
        for i, s in enumerate(("WAIT_SH", "WAIT_CERTIFICATE"))
    ]
    both = declared("invariant", "both", lambda w: [
        when(w.clients[0].state != "START").then(w.clients[1].state == "START")
    ])  # fmt: skip
    true = cases(lambda w: w.clients[0].verified)
    searches: list[int] = []
    among = witnesses._among

    def counted(system: System, runs: Any, request: Any, asked: Any, *more: Any) -> Any:
        searches.append(len(asked))
        return among(system, runs, request, asked, *more)

    monkeypatch.setattr(witnesses, "_among", counted)
    found = witnesses.Violations(where.system(), Request(states=100_000))
    assert found.of(both, [*bad, both, *true]) is not None
    assert searches == [4, 2]  # of one client and one server, then of all, what is left
    assert {n: len(path) - 1 for n, path in found.paths.items()} == {
        "false_0": 1, "false_1": 2, "both": 2
    }  # fmt: skip
    assert found.of(bad[1], bad) is found.paths["false_1"]
    assert searches == [4, 2]
    for _ in range(2):
        assert found.of(true[0], true) is None
        assert searches == [4, 2, 1, 1]


@pytest.mark.scenario
def test_once_a_violation_is_found_others_far_from_it_are_left() -> None:
    near, far = (
        declared(
            "invariant", f"false_{s}", lambda w, s=s: [when(w.clients[0].state == s).then(FALSE)]
        )
        for s in ("WAIT_SH", "CONNECTED")
    )
    found = witnesses.Violations(scenario("two-clients").system(), Request())
    assert found.of(near, [far]) is not None
    assert [*found.paths] == [near.name]
    assert found.of(far, []) is not None
