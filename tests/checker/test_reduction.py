"""Eager moves lose no answer: compared with the whole search, on toys, random systems and TLS."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import checker.reduction as reduction
from checker import cli
from checker.decide import _bad, rebuilt, run_task
from checker.engines import native_source
from checker.engines.explicit import Explicit, Question
from checker.engines.native import Native
from checker.engines.reference import Reference
from checker.reduction import reduce
from checker.request import Request, Task, expectations, properties_of
from checker.verdict import Result
from model.expr import BOOL, TRUE, Expr, conj, const, var
from model.flaws import find, flaws
from model.rule import Role, receive, send
from model.scenario import SCENARIOS, scenario
from model.system import Compiled, Instance, System
from tests.checker.random_systems import (
    MESSAGES,
    VARIABLES,
    Open,
    own,
    random_questions,
    random_system,
)
from tests.toys import counters, forger, handshake, pacer

TOYS = (
    handshake.system, counters.system, forger.system, pacer.spinning, pacer.resting, pacer.stuck
)  # fmt: skip


def answers(compiled: Compiled, questions: list[Expr]) -> tuple[list[bool], int]:
    """For each question whether a reachable state makes it true; the number of states."""
    asked = [Question(str(i), q) for i, q in enumerate(questions)]
    found = Explicit(compiled).search(asked)
    assert found.complete
    return [q.row is not None for q in asked], found.states


def compare(system: System, questions: list[Expr]) -> tuple[int, int]:
    """Both searches answer alike; the states of each."""
    compiled = system.compile(*questions)
    whole, states = answers(compiled, questions)
    reduced, fewer = answers(reduce(compiled, questions).compiled, questions)
    assert reduced == whole
    assert fewer <= states
    return states, fewer


# -- toys and random systems -----------------------------------------------------------------------
@pytest.mark.parametrize("system", TOYS, ids=lambda s: s.name)
def test_every_question_about_a_toy_is_answered_alike(system: System) -> None:
    """Each value of each variable, and each pair of two, a question of its own and all at once."""
    facts = [
        var(n, v.domain) == const(value, v.domain)
        for n, v in system.variables.items()
        for value in v.domain.values
        if len(v.domain.values) > 1
    ]
    pairs = [conj(a, b) for a, b in itertools.combinations(facts, 2)]
    compare(system, facts + pairs)
    for q in facts + pairs[:: max(1, len(pairs) // 60)]:
        compare(system, [q])


def test_the_makers_moves_are_eager() -> None:
    """The maker of the forger toy sends what can only help; asked of the taker, it goes first."""
    taken = var("taker.state", forger.taker.state_domain) == "TAKEN"
    compiled = forger.system.compile(taken)
    found = reduce(compiled, [taken])
    assert [(r, s) for r, s, _ in found.eager] == [("maker", "START"), ("maker", "MADE")]
    early = conj(taken, var("maker.state", forger.maker.state_domain) == "START")
    both = [taken, early]
    found = reduce(forger.system.compile(*both), both)
    # A maker that has not moved when the order is taken: it must be free to wait.
    assert [(r, s) for r, s, _ in found.eager] == [("maker", "MADE")]


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from((2, 3)))
def test_random_systems_are_answered_alike(random: Random, runs: int) -> None:
    system = random_system(random, runs)
    compare(system, random_questions(random, system))


@cache
def sample(seed: int) -> tuple[Compiled, tuple[Expr, ...], tuple[bool, ...], int]:
    """A random system, its questions, the whole search's answers and states."""
    random = Random(seed)
    system = random_system(random)
    questions = random_questions(random, system)
    compiled = system.compile(*questions)
    found, states = answers(compiled, questions)
    return compiled, tuple(questions), tuple(found), states


SEEDS = 400


def differing(seeds: range) -> int | None:
    """The first seed for which the reduced search answers otherwise."""
    for seed in seeds:
        compiled, questions, whole, _ = sample(seed)
        if tuple(answers(reduce(compiled, questions).compiled, list(questions))[0]) != whole:
            return seed
    return None


def test_random_systems_have_eager_moves() -> None:
    """What is compared is reduced, often enough."""
    fewer = 0
    for seed in range(SEEDS):
        compiled, questions, whole, states = sample(seed)
        found, left = answers(reduce(compiled, questions).compiled, list(questions))
        assert tuple(found) == whole, seed
        fewer += left < states
    assert fewer == 163


def _always(*_: object, **__: object) -> bool:
    return True


def _any_boolean(self: Any, name: str) -> bool:
    return self.compiled.domains[self.compiled.index[name]].values == (False, True)


def _as_at_the_start(self: Any, run: str, facts: Any = reduction._Analysis._facts) -> Any:
    start = dict(zip(self.compiled.names, self.compiled.initial, strict=True))
    return {a: {n: set(start[n]) for n in held} for a, held in facts(self, run).items()}


@pytest.mark.parametrize(
    ("condition", "broken", "near"),
    [
        ("_keeps_questions", _always, 50),
        ("_seen", _always, 130),
        ("_spares_others", _always, 480),
        ("_matched", _always, 0),
        ("_never_told", _always, 10),
        ("_enables_none", _always, 750),
        ("_grows", _any_boolean, 320),
        ("_facts", _as_at_the_start, 380),
    ],
)
def test_without_any_condition_an_answer_is_lost(
    condition: str, broken: Callable[..., Any], near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The random systems tell: with every condition they are answered alike, without it not."""
    seeds = range(near, near + 30)
    assert differing(seeds) is None
    monkeypatch.setattr(reduction._Analysis, condition, broken)
    assert differing(seeds) is not None


def test_eager_moves_in_a_circle_would_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds = range(30)
    assert differing(seeds) is None
    monkeypatch.setattr(reduction, "_break_circles", lambda _: None)
    assert differing(seeds) is not None


def test_what_others_can_undo_is_not_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """`a` fills a slot that `b` empties: only when `a` waits for `b` is it full in the end."""
    filler = Role(
        "a", ("A", "CLOSED"), VARIABLES,
        (send("a", MESSAGES[0], "A", "CLOSED", rfc="random 1"),), (), {"M": {"bit": own("x")}},
    )  # fmt: skip
    emptier = Role(
        "b", ("A", "CLOSED"), VARIABLES,
        (receive("b", MESSAGES[1], "A", "CLOSED", rfc="random 1"),), MESSAGES[1:], {},
    )  # fmt: skip
    network = Open({("b", "N"): TRUE}, ("M",))
    system = System("slot", (Instance("a", filler), Instance("b", emptier)), network)
    full = conj(var("slot", BOOL), system.of("b", "state") == "CLOSED")
    assert compare(system, [full]) == (5, 5)
    monkeypatch.setattr(reduction._Analysis, "_is_own", _always)
    compiled = system.compile(full)
    assert answers(reduce(compiled, [full]).compiled, [full]) == ([False], 3)


@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_the_engines_agree_on_a_reduced_system(seed: int) -> None:
    """The reference engine takes the conjunct as what a send demands of the network."""
    compiled, questions, _, _ = sample(seed)
    reduced = reduce(compiled, questions).compiled
    engine = Explicit(reduced)
    found = engine.search(edges=True)
    graph = Reference(reduced).explore()
    assert {engine.state(i) for i in range(found.states)} == set(graph)
    assert sum(found.edges.values()) == graph.number_of_edges()
    if not native_source.available():
        assert Native(reduced).search().levels == found.levels


# -- TLS -------------------------------------------------------------------------------------------
REDUCED = {
    "tls12-small": 47_645,
    "tls12": 832_239,
    "tls13": 57_765,
    "tls10-tls13": 1_297_941,
    "client-auth": 793_473,
    "anonymous": 131_613,
    "export-grade": 409_201,
    "export-offered": 305_953,
    "weak-dhe": 82_885,
    "integrity-only": 49_717,
    "closure": 52_901,
}
"""States with eager moves, every property asked. `honest` has none: its channels are shared."""
SEARCHED = [
    s.name for s in SCENARIOS
    if s.default and "explicit" in s.methods and s.network == "adversary"
]  # fmt: skip
CASES = [f"{f.name}@{end}" for f in flaws().values() for end in f.ends]


def verdicts(results: list[Result]) -> dict[str, tuple[str, bool, int | None]]:
    """The verdict of each property, whether it is an error, and how long its trace is."""
    return {
        r.property: (r.verdict, r.error, None if r.trace is None else len(r.trace)) for r in results
    }


def same_verdicts(name: str, **of: Any) -> list[Result]:
    """Every property is decided alike with and without, and no trace got shorter."""
    whole = verdicts(run_task(Task(Request(**of), name, "explicit")))
    results = run_task(Task(Request(**of, reduce=True), name, "explicit"))
    reduced = verdicts(results)
    assert {p: v[:2] for p, v in reduced.items()} == {p: v[:2] for p, v in whole.items()}
    for p, (_, _, steps) in whole.items():
        longer = reduced[p][2]
        assert steps is None or (longer is not None and longer >= steps)
    return results


def test_the_reduced_counts_are_of_the_searched_scenarios() -> None:
    assert set(REDUCED) <= set(SEARCHED)
    assert all(n < expectations()["states"][name] for name, n in REDUCED.items())


@pytest.mark.parametrize("name", ["tls12-small", "tls13"])
def test_a_small_scenario_is_decided_alike(name: str) -> None:
    assert {r.states for r in same_verdicts(name)} == {REDUCED[name]}


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHED)
def test_a_scenario_is_as_declared_with_eager_moves(name: str) -> None:
    results = same_verdicts(name)
    assert [(r.property, r.verdict, r.reason) for r in results if not r.as_declared] == []
    (states,) = {r.states for r in results}
    assert states is not None and states < expectations()["states"][name]
    assert name not in REDUCED or states == REDUCED[name]
    assert all(r.reduced for r in results)


@pytest.mark.slow
@pytest.mark.parametrize("spec", CASES)
def test_a_flaw_breaks_the_same_with_eager_moves(spec: str) -> None:
    same_verdicts(find(spec)[0].scenario, flaw=spec)


def test_a_flaw_is_reduced_from_its_own_rows() -> None:
    """Early ChangeCipherSpec: its rows change what can wait, and its trace replays."""
    same_verdicts("tls12-small", drop="client_receive_finished_WAIT_FIN_to_CONNECTED:session_id")


def test_where_the_channels_are_shared_nothing_is_reduced() -> None:
    results = run_task(Task(Request(reduce=True), "honest", "explicit"))
    assert {(r.states, r.reduced) for r in results} == {(expectations()["states"]["honest"], False)}


def test_the_eager_moves_of_a_small_scenario() -> None:
    """ClientKeyExchange waits: a property asks whether a server that finished had it sent."""
    where = scenario("tls12-small")
    system = where.system()
    props = [p for p in properties_of(Request(), where) if not p.live]
    asked = [*(_bad(p, system) for p in props), *(p.witness(system) for p in props)]
    found = reduce(system.compile(*asked), asked)
    assert [(run, state) for run, state, _ in found.eager] == [
        ("client0", "START"), ("client0", "SEND_CCS"), ("client0", "SEND_FIN"),
        ("client0", "ANSWER_CLOSE"), ("client0", "SEND_CERTIFICATE"),
        ("server0", "SEND_SH"), ("server0", "SEND_CERTIFICATE"), ("server0", "SEND_CR_SHD"),
        ("server0", "SEND_CCS"), ("server0", "SEND_FIN"), ("server0", "ANSWER_CLOSE"),
    ]  # fmt: skip


def test_another_process_builds_the_same_reduced_system() -> None:
    """What a cluster's workers are told is enough."""
    props = tuple(p.name for p in properties_of(Request(), scenario("tls12-small")))
    guards = [
        [
            (s.label, s.guard)
            for s in rebuilt("tls12-small", None, None, props, False, True)[0].steps
        ]
        for _ in range(2)
    ]
    plain = rebuilt("tls12-small", None, None, props, False, False)[0].steps
    assert [(n, id(g)) for n, g in guards[0]] == [(n, id(g)) for n, g in guards[1]]
    assert [s.label for s in plain] == [n for n, _ in guards[0]]
    assert any(s.guard is not g for s, (_, g) in zip(plain, guards[0], strict=True))


# -- the command line ------------------------------------------------------------------------------
def test_the_verdict_says_that_the_search_was_reduced(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "--scenario", "integrity-only", "--reduce"]) == 0
    out = capsys.readouterr().out
    assert "integrity-only  49,717 states, reduced" in out
    assert "steps, perhaps not the fewest" in out
    assert "no trace is said to\nbe a shortest one" in out
    arguments = ["verify", "--scenario", "integrity-only", "--reduce", "--format", "json"]
    assert cli.main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert {r["reduced"] for r in rows} == {True}


def test_what_speaks_of_whole_runs_is_not_reduced(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", "LIV-1", "--scenario", "honest", "--reduce", "--format", "json"]
    assert cli.main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert [(r["verdict"], r["reduced"]) for r in rows] == [("PROVED", False)]


def test_a_proof_cannot_be_asked_for_reduced(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "ORD-1", "--engine", "symbolic", "--reduce"]) == 2
    assert "--reduce is for searches" in capsys.readouterr().err
