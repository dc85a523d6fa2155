"""The engines on toys: counts, agreement, budgets, proofs and their certificates."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from checker.engines import explicit, symbolic, words
from checker.engines.explicit import Explicit
from checker.engines.interface import Budget, Question, Watch
from checker.engines.reference import EngineError, Reference
from checker.engines.symbolic import CertificateError, NoProof, Proof, Prover, Symbolic
from checker.engines.words import Layout, Visited, in_order, unique
from model.adversary.reliable import Reliable
from model.expr import FALSE, TRUE, Domain, Expr, implies, mapping, neg, var
from model.role import Role
from model.rule import SAME, Message, Variable, send, step
from model.system import Compiled, Instance, Network, Source, System
from tests.toys import counters, forger, handshake

SYSTEMS = {s.name: s for s in (handshake.system, counters.system, forger.system)}


def compiled(name: str, *, full: bool = True) -> Compiled:
    """A toy, over all its variables or those its guards read."""
    system = SYSTEMS[name]
    reads = [var(n, v.domain) for n, v in system.variables.items()] if full else []
    return system.compile(*reads)


def of(name: str, run: str, variable: str) -> Expr:
    """A variable of a toy."""
    return SYSTEMS[name].of(run, variable)


# -- reference and explicit ----------------------------------------------------------------------
COUNTS = [
    ("toy", True, [1, 3, 3, 2, 2], 10),
    ("toy", False, [1, 3, 3, 2, 2], 10),
    ("counters", True, [16, 8, 16, 16, 6], 56),
    ("counters", False, [8, 4, 8, 8, 4], 28),
    ("forger", True, [2, 4, 6, 8], 42),
    ("forger", False, [1, 2, 3, 2], 17),
]


@pytest.mark.parametrize(("name", "full", "levels", "edges"), COUNTS)
def test_counts_and_agreement(name: str, full: bool, levels: list[int], edges: int) -> None:
    c = compiled(name, full=full)
    graph = Reference(c).explore()
    assert graph.graph["complete"]
    engine = Explicit(c, edges=True)
    found = engine.search()
    assert found.complete
    assert found.reason == ""
    assert found.levels == levels
    assert (found.states, found.depth) == (sum(levels), len(levels) - 1)
    assert graph.number_of_edges() == edges
    assert Counter(k for *_, k in graph.edges(keys=True)) == found.edges
    assert {engine.state(i) for i in range(found.states)} == set(graph)
    by_depth = Counter(depth for _, depth in graph.nodes(data="depth"))
    assert [by_depth[i] for i in range(len(levels))] == levels
    # Grouping steps with the same effects loses no state.
    assert Explicit(c).search().levels == levels


def test_the_edges_of_the_reference_say_what_was_done() -> None:
    graph = Reference(compiled("forger")).explore()
    edges = [d for *_, d in graph.edges(data=True) if d["rule"].name.endswith("to_TAKEN")]
    assert {d["source"].name for d in edges} == {"maker", "forged"}
    assert {d["run"] for d in edges} == {"taker"}
    for d in edges:
        assert d["fields"]["seal"] == (d["fields"]["colour"],)
    assert {d["fields"]["colour"] for d in edges} == {"red", "green", "blue"}


def test_the_reference_stops_at_its_limit() -> None:
    graph = Reference(compiled("toy")).explore(limit=4)
    assert len(graph) == 4
    assert not graph.graph["complete"]
    assert Reference(compiled("toy")).explore(limit=11).graph["complete"]


def test_the_reference_tells_of_a_step_the_system_does_not_have() -> None:
    c = compiled("toy")
    engine = Reference(c)
    engine.steps.clear()
    with pytest.raises(EngineError, match=r"took row .* which the system does not have as a step"):
        engine.explore()


def test_a_predicate_reads_a_state() -> None:
    c = compiled("toy")
    red = Reference(c).predicate(of("toy", "asker", "colour") == "red")
    states = list(Reference(c).explore())
    assert sum(map(red, states)) == 4
    assert all(type(red(s)) is bool for s in states)


# -- questions, paths and budgets ----------------------------------------------------------------
def test_a_question_is_answered_by_a_shortest_path() -> None:
    c = compiled("forger")
    green = of("forger", "taker", "colour") == "green"
    q, never = Question("green", green), Question("never", FALSE)
    engine = Explicit(c)
    assert engine.search([q, never]).complete
    assert never.state is None
    assert q.state is not None
    path = engine.path(q.state)
    assert [s.rule.event if s else None for s, _ in path] == [None, "Order", "Leak", "Order"]
    last = path[-1][0]
    assert last is not None
    assert last.source.name == "forged"
    assert c.describe(path[-1][1])["taker.colour"] == "green"
    graph = Reference(c).explore()
    for (_, a), (taken, b) in itertools.pairwise(path):
        assert taken is not None
        assert graph.has_edge(a, b, key=taken.label)


def test_a_question_true_at_once_is_row_0() -> None:
    q = Question("any", TRUE)
    engine = Explicit(compiled("counters"))
    engine.search([q])
    assert q.state == 0
    assert len(engine.path(0)) == 1


@pytest.mark.parametrize(
    ("budget", "states", "reason"),
    [
        ({"states": 6}, 6, "the budget of 6 states ended before the search"),
        ({"states": 10}, 10, "the budget of 10 states ended before the search"),
        ({"seconds": -1.0}, 1, "the time budget of -1 s ended"),
        ({"memory": 0}, 1, "the memory budget of 0 bytes ended"),
    ],
)
def test_a_budget_ends_the_search_with_its_reason(
    budget: dict[str, Any], states: int, reason: str
) -> None:
    found = Explicit(compiled("toy")).search(budget=Budget(**budget))
    assert not found.complete
    assert (found.states, found.reason) == (states, reason)


def test_a_search_stops_when_it_is_told_to() -> None:
    for engine in (Explicit, Reference):
        found = engine(compiled("toy")).search(watch=Watch(stop=lambda _: True))
        assert (found.complete, found.states) == (False, 1)
        assert found.reason == "every question was answered"


def test_a_budget_that_suffices_is_no_reason() -> None:
    found = Explicit(compiled("toy")).search(budget=Budget(states=11, seconds=60, memory=1 << 20))
    assert found.complete
    assert found.reason == ""


def test_an_interrupted_search_keeps_what_it_found() -> None:
    def interrupt(result: Any, n: int) -> None:
        if result.states >= 4:
            raise KeyboardInterrupt

    found = Explicit(compiled("toy")).search(watch=Watch(progress=interrupt))
    assert (found.complete, found.reason, found.states) == (False, "interrupted", 4)


def test_states_pack_into_words_and_back() -> None:
    c = compiled("counters")
    engine = Explicit(c)
    states = list(Reference(c).explore())
    words = engine.pack(states)
    assert words.dtype == np.uint64
    assert words.shape == (1, 62)
    assert [engine.decode(words[:, i]) for i in range(len(states))] == states


class Lost(Network):
    """A network that loses what is sent."""

    def variables(self, system: System) -> dict[str, Variable]:
        """None."""
        return {}

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> list[Source]:
        """None."""
        return []

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """Sending is always possible."""
        return TRUE, {}


def many(roles: int) -> Compiled:
    """Independent askers whose one choice is a colour, so that a state takes several words."""
    runs = tuple(
        Instance(f"maker{i}", forger.maker, {"colour": ("red", "blue")}) for i in range(roles)
    )

    system = System("many", runs, Lost())
    return system.compile(*(system.of(r, "colour") for r in runs))


def test_wide_states() -> None:
    """Independent runs multiply: (2 colours x 2 local states) to the power of the runs."""
    c = many(5)
    found = Explicit(c).search()
    assert found.levels == [32, 160, 320, 320, 160, 32]
    assert found.states == 4**5
    layout = Layout(many(40))
    assert layout.words == 2
    assert all(shift + mask.bit_length() <= 64 for _, shift, mask in layout.slots)


def test_states_of_several_words_are_told_apart() -> None:
    c = many(33)
    engine = Explicit(replace_initial(c, 33))
    found = engine.search(budget=Budget(states=600))
    assert engine.layout.words == 2
    # One run more has moved at each level: 1, 33, 33 * 32 / 2 = 528, ...
    assert found.levels == [1, 33, 528, 38]


def replace_initial(c: Compiled, runs: int) -> Compiled:
    """The same with one initial state."""
    c.initial = [
        ("red",) if n.endswith("colour") else v for n, v in zip(c.names, c.initial, strict=True)
    ]
    assert len(c.initial_states()) == 1
    assert len(c.names) == 2 * runs
    return c


@pytest.mark.parametrize("collide", [False, True])
def test_states_whose_keys_are_equal_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, collide: bool
) -> None:
    """Full words are compared: a search whose every key is the same finds the same states."""
    c = replace_initial(many(33), 33)
    if collide:
        monkeypatch.setattr(words, "key_of", lambda w: np.zeros(w.shape[1], dtype=np.uint64))
    assert Explicit(c).search(budget=Budget(states=600)).levels == [1, 33, 528, 38]
    five = np.array([[1, 1, 2, 1, 2], [5, 6, 5, 5, 6]], dtype=np.uint64)
    distinct, first = unique(five)
    assert sorted(map(tuple, distinct.T.tolist())) == [(1, 5), (1, 6), (2, 5), (2, 6)]
    assert distinct.T.tolist() == five[:, first].T.tolist()
    # Neighbours that share a word are not the same state.
    assert unique(np.array([[1, 1, 1], [5, 6, 7]], dtype=np.uint64))[0].shape == (2, 3)
    visited = Visited()
    visited.add(five[:, :2])
    visited.add(five[:, 2:3])
    assert visited.contains(five).tolist() == [True, True, True, True, False]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 7) | st.integers(2**64 - 8, 2**64 - 1)))
def test_keys_are_sorted_as_a_stable_sort_does(values: list[int]) -> None:
    """Also where keys differ only in the bits that give way to positions."""
    key = np.array(values, dtype=np.uint64)
    out, order = in_order(key)
    assert order.tolist() == np.argsort(key, kind="stable").tolist()
    assert out.tolist() == sorted(values)


def test_batches_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same states in the same order, with the same parents."""
    monkeypatch.setattr(explicit, "CHUNK", 64)
    c = replace_initial(many(33), 33)
    whole = Explicit(c)
    assert whole.search(budget=Budget(states=600)).levels == [1, 33, 528, 38]
    monkeypatch.setattr(explicit, "BATCH", 1)
    parts = Explicit(c)
    assert parts.search(budget=Budget(states=600)).levels == [1, 33, 528, 38]
    assert [parts.path(i) for i in range(600)] == [whole.path(i) for i in range(600)]


# -- symbolic ------------------------------------------------------------------------------------
LAWS: list[tuple[str, Expr, bool]] = [
    (
        "toy",
        implies(of("toy", "asker", "state") == "DONE", of("toy", "asker", "colour") != "green"),
        True,
    ),
    ("toy", implies(of("toy", "asker", "warm"), of("toy", "asker", "colour") == "red"), True),
    ("toy", of("toy", "asker", "state") != "DONE", False),
    ("toy", of("toy", "answerer", "state") != "CLOSED", False),
    (
        "counters",
        implies(
            of("counters", "keeper", "state") == "KEPT",
            of("counters", "ticker", "flag") == of("counters", "keeper", "flag"),
        ),
        True,
    ),
    ("counters", of("counters", "keeper", "count") <= 2, False),
    ("counters", of("counters", "ticker", "idle") < 3, True),
    (
        "forger",
        implies(of("forger", "taker", "colour") == "green", var("maker.sent_Leak", TRUE.domain)),
        True,
    ),
    ("forger", of("forger", "taker", "colour") != "green", False),
    ("forger", TRUE, True),
    ("forger", FALSE, False),
]


@pytest.mark.parametrize(("name", "law", "holds"), LAWS, ids=lambda v: str(v)[:40])
def test_symbolic_and_explicit_agree_on_a_law(name: str, law: Expr, holds: bool) -> None:
    c = SYSTEMS[name].compile(law)
    q = Question("broken", neg(law))
    engine = Explicit(c)
    assert engine.search([q]).complete
    assert (q.state is None) is holds
    symbolic = Symbolic(c)
    answer = Prover(SYSTEMS[name], [law]).prove(law)
    if holds:
        assert isinstance(answer, Proof)
        assert "(check-sat)" in answer.invariant
        assert symbolic.bounded(law, 6) == 6
    else:
        assert q.state is not None
        assert isinstance(answer, NoProof)
        assert answer.violated
        depth = len(engine.path(q.state)) - 1
        assert symbolic.bounded(law, 6) == -1
        if depth:
            # The shortest counterexample has as many steps as the first bound that finds one.
            assert symbolic.bounded(law, depth - 1) == depth - 1
            assert symbolic.bounded(law, depth) == -1


def proof_of(name: str, law: Expr) -> tuple[Symbolic, Any]:
    """An engine and the invariant of a proved law, read back from its text."""
    symbolic = Symbolic(SYSTEMS[name].compile(law))
    proof = Prover(SYSTEMS[name], [law]).prove(law)
    assert isinstance(proof, Proof)
    return symbolic, z3.And(list(z3.parse_smt2_string(proof.invariant)))


def test_a_certificate_can_be_read_back_and_checked_again() -> None:
    for name, law, holds in LAWS:
        if holds and law is not TRUE:
            symbolic, invariant = proof_of(name, law)
            symbolic.check(invariant, law)


def test_an_altered_invariant_is_refused() -> None:
    name, law, _ = LAWS[0]
    symbolic, invariant = proof_of(name, law)
    start = symbolic.formula(of(name, "asker", "state") == "START")
    red = symbolic.formula(of(name, "asker", "colour") == "red")
    for altered, said in (
        (z3.BoolVal(True), "the certificate fails: the property is not implied"),
        (z3.BoolVal(False), "the certificate fails: an initial state is outside"),
        (z3.And(invariant, z3.Not(start)), "the certificate fails: an initial state is outside"),
        (z3.And(invariant, start), "the invariant is not closed under"),
        (z3.And(invariant, z3.Not(red)), "the invariant is not closed under"),
        (symbolic.formula(law), "the invariant is not closed under"),
    ):
        with pytest.raises(CertificateError, match=said):
            symbolic.check(altered, law)
    with pytest.raises(CertificateError, match="the property is not implied"):
        symbolic.check(invariant, of(name, "asker", "state") == "START")


@pytest.mark.parametrize("law", [LAWS[0][1], LAWS[4][1], TRUE], ids=str)
def test_nothing_is_proved_without_its_check(monkeypatch: pytest.MonkeyPatch, law: Expr) -> None:
    name = "counters" if law is LAWS[4][1] else "toy"

    def refuse(self: Symbolic, text: str, prop: Expr) -> None:
        raise CertificateError("refused")

    monkeypatch.setattr(Symbolic, "accept", refuse)
    with pytest.raises(CertificateError, match="refused"):
        Prover(SYSTEMS[name], [law]).prove(law)


def test_a_bounded_search_without_time_clears_nothing() -> None:
    # FALSE is broken in every initial state, so depth 0 must not be called clear.
    assert Symbolic(compiled("toy")).bounded(FALSE, 5, 1) != 0


def test_a_bounded_search_ends_with_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(symbolic, "time", SimpleNamespace(process_time=lambda: float(next(clock))))
    assert Symbolic(compiled("toy")).bounded(TRUE, 9, seconds=0.0) is None
    assert Symbolic(compiled("toy")).bounded(TRUE, 9, seconds=5.0) == 3  # the clock is read first
    assert Symbolic(compiled("toy")).bounded(TRUE, 9) == 9


def counting(size: int, *, stops: bool) -> Compiled:
    """A run that counts to `size` in one local state, and may then stop."""
    big = Domain("Big", tuple(range(size)))
    count = var("own.count", big)
    up = mapping(count, {i: min(i + 1, size - 1) for i in range(size)}, big)
    rows = [step("ticker", "tick", "TICKING", SAME, rfc="toy", do={"count": up})]
    if stops:
        rows.append(step("ticker", "stop", "TICKING", "STOPPED", rfc="toy", when=count == size - 1))
    variables = {"count": Variable(big, (0,), write_once=False)}
    states = ("TICKING", "STOPPED") if stops else ("TICKING",)
    ticker = Role("ticker", states, variables, tuple(rows), (), {}, states[-1], ())
    system = System("big", (Instance("ticker", ticker),), Lost())
    return system.compile(system.of("ticker", "count"))


@pytest.mark.parametrize(
    "size",
    [
        256,
        300,
    ],
)
def test_a_domain_is_counted_whole_or_refused(size: int) -> None:
    c = counting(size, stops=True)
    assert len(Reference(c).explore()) == size + 1
    try:
        found = Explicit(c).search(budget=Budget(states=2 * size))
    except ValueError:
        assert size > 256
    else:
        assert found.states == size + 1


def test_a_run_with_one_local_state() -> None:
    c = counting(4, stops=False)
    assert c.constants == {"ticker.state": "TICKING"}
    assert Explicit(c).search().states == 4
    assert len(Reference(c).explore()) == 4


def test_a_sender_waits_while_its_channel_is_full() -> None:
    again = send("asker", handshake.Hello, "WAIT", SAME, rfc="a second hello")
    impatient = replace(handshake.asker, table=(*handshake.asker.table, again))
    runs = (Instance("asker", impatient), handshake.system.runs[1])
    for capacity, states in ((1, 19), (2, 31)):
        c = System("impatient", runs, Reliable(capacity)).compile()
        graph, found = Reference(c).explore(), Explicit(c, edges=True).search()
        assert Counter(k for *_, k in graph.edges(keys=True)) == found.edges
        assert (len(graph), found.states) == (states, states)
        last = f"to_answerer.{capacity - 1}"
        waiting = [
            s
            for s in graph
            if c.describe(s)[last] != "empty" and c.describe(s)["answerer.state"] != "CLOSED"
        ]
        assert waiting
        for s in waiting:
            assert not [k for *_, k in graph.out_edges(s, keys=True) if "send_hello" in k[1]]


def test_a_reject_row_that_disappears_is_a_disagreement() -> None:
    """The complement is needed: without a reject row the machines refuse the call."""
    c = compiled("toy")
    engine = Reference(c)
    graph = engine.explore()
    closing = [k for *_, k in graph.edges(keys=True) if "reject" in k[1]]
    assert closing == [("answerer", "answerer_reject_hello_START_0_not_green", "asker")]
    lax = replace(
        handshake.answerer,
        table=(
            replace(handshake.answerer.table[0], checks=()),
            handshake.answerer.table[1],
        ),
    )
    runs = (handshake.system.runs[0], Instance("answerer", lax))
    system = System("lax", runs, handshake.system.network)
    law = of("toy", "asker", "colour") != "green"
    done = of("toy", "asker", "state") == "DONE"
    broken = Question("green", neg(implies(done, law)))
    lax_engine = Explicit(system.compile(implies(done, law)))
    assert lax_engine.search([broken]).states == 13
    assert broken.state is not None
