"""PDR and its SAT solver: against brute force, the search, z3, and themselves."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checker import by_proof, verify
from checker.by_proof import prove
from checker.decide import run_task
from checker.engines import pdr as pdr_module
from checker.engines.explicit import Explicit
from checker.engines.interface import Question
from checker.engines.pdr import OutOfTimeError, Pdr, ViolationError
from checker.engines.symbolic import CertificateError, NoProof, Proof, Prover, Symbolic
from checker.request import Request, Task, properties_of, system_of
from checker.verdict import PROVED, UNKNOWN, VIOLATED, exit_status
from model.expr import (
    BOOL,
    FALSE,
    TRUE,
    Domain,
    Expr,
    conj,
    const,
    implies,
    mapping,
    neg,
    var,
)
from model.expr import ite as choose
from model.flaws import flaws
from model.role import Role
from model.rule import SAME, Variable, choice, step
from model.scenario import scenario
from model.system import Compiled, Instance, System
from properties import catalogue
from tests.checker.test_engines import LAWS, SYSTEMS, Lost
from tests.sizes import deep_but


# -- toys ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize(("name", "law", "holds"), LAWS, ids=lambda v: str(v)[:40])
def test_pdr_and_the_search_agree_on_a_law(guided: bool, name: str, law: Expr, holds: bool) -> None:
    compiled = SYSTEMS[name].compile(law)
    engine = Pdr(compiled, guided=guided)
    if not holds:
        with pytest.raises(ViolationError):
            engine.prove(law, math.inf)
        return
    clauses = engine.prove(law, math.inf)
    symbolic = Symbolic(compiled)
    text = symbolic.text(map(engine.named, clauses), engine.names_for(law))
    symbolic.check(z3.And(list(z3.parse_smt2_string(text))), law)


def walked(compiled: Compiled) -> set[tuple[Any, ...]]:
    """The states of the random walk."""
    columns = pdr_module.walk(compiled)
    return {
        tuple(d.values[k] for d, k in zip(compiled.domains, row, strict=True))
        for row in zip(*(c.tolist() for c in columns), strict=True)
    }


def test_the_walk_tries_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """The combinations of a state and parameters that a step is tried with are bounded."""
    system = SYSTEMS["counters"]
    compiled = system.compile(*(var(n, v.domain) for n, v in system.variables.items()))
    tried: list[int] = []
    expand = Explicit.expand

    def counted(self: Explicit, part: Any, **named: Any) -> Any:
        some = named["some"]

        def chosen(rows: Any, each: int) -> Any:
            few = some(rows, each)
            tried.append(few.size * each)
            return few

        return expand(self, part, some=chosen)

    monkeypatch.setattr(Explicit, "expand", counted)
    assert walked(compiled)
    assert max(tried) > 1
    tried.clear()
    monkeypatch.setattr("checker.engines.walk.TRIED", 1)
    assert walked(compiled)
    assert max(tried) == 1


def test_every_state_of_the_walk_is_reached() -> None:
    """The walk takes steps of the system only: its states are among those of the search."""
    sizes = {}
    for name, system in SYSTEMS.items():
        compiled = system.compile(*(var(n, v.domain) for n, v in system.variables.items()))
        engine = Explicit(compiled)
        found = engine.search()
        every = {engine.state(i) for i in range(found.states)}
        met = walked(compiled)
        assert met <= every, name
        sizes[name] = len(met), len(every)
    # Of the steps that reject, two successors go on at each level: a few states are not met.
    assert sizes == {"toy": (11, 11), "counters": (57, 62), "forger": (20, 20)}


# -- random systems ------------------------------------------------------------------------------
COUNT = Domain("Count", (0, 1, 2))
WHERE = ("A", "B", "C")


@st.composite
def systems(draw: st.DrawFn) -> tuple[System, Expr]:
    """One or two runs of a random role of three states and two variables, and a law about them."""
    n, flag = var("own.n", COUNT), var("own.flag", BOOL)
    guards: list[Expr] = [TRUE, flag, neg(flag), *(n == k for k in COUNT.values), n >= 1]
    pick = choice("pick", COUNT)
    values: list[Expr] = [
        *(const(k, COUNT) for k in COUNT.values),
        pick,
        mapping(n, {0: 1, 1: 2, 2: 0}, COUNT),
        choose(flag, n, pick),
    ]
    rows = []
    for i in range(draw(st.integers(1, 4))):
        when = conj(draw(st.sampled_from(guards)), draw(st.sampled_from(guards)))
        do: dict[str, Expr] = {}
        if draw(st.booleans()):
            do["n"] = draw(st.sampled_from(values))
        if draw(st.booleans()):
            do["flag"] = draw(st.sampled_from([TRUE, FALSE, neg(flag), n == 2]))
        target = draw(st.sampled_from((*WHERE, SAME)))
        rows.append(
            step(
                "roamer",
                f"move{i}",
                draw(st.sampled_from(WHERE)),
                target,
                rfc="toy",
                when=when,
                do=do,
                choices={"pick": COUNT},
            )
        )
    variables = {
        "n": Variable(COUNT, draw(st.sampled_from([(0,), (0, 1)])), write_once=False),
        "flag": Variable(BOOL, (False,), write_once=False),
    }
    role = Role("roamer", WHERE, variables, tuple(rows), (), {}, closed="C", final=())
    runs = tuple(Instance(f"r{i}", role) for i in range(draw(st.integers(1, 2))))
    system = System("random", runs, Lost())
    atoms = [
        e
        for r in runs
        for e in (
            *(system.of(r, "state") == w for w in WHERE),
            *(system.of(r, "n") == k for k in COUNT.values),
            system.of(r, "flag"),
        )
    ]
    a, b, c = (draw(st.sampled_from(atoms)) for _ in range(3))
    return system, draw(st.sampled_from([neg(conj(a, b, c)), implies(conj(a, b), c), neg(a)]))


@pytest.mark.scenario
@given(systems())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pdr_proves_exactly_what_the_search_finds_no_violation_of(
    drawn: tuple[System, Expr],
) -> None:
    system, law = drawn
    q = Question("broken", neg(law))
    assert Explicit(system.compile(law)).search([q]).complete
    for guided in (True, False):
        prover = Prover(system, [law])
        prover.pdr = Pdr(prover.compiled, guided=guided)
        answer = prover.prove(law)
        if q.state is None:
            assert isinstance(answer, Proof)
        else:
            assert isinstance(answer, NoProof)
            assert answer.violated


@given(systems(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_was_proved_before_changes_no_answer(drawn: tuple[System, Expr], data: Any) -> None:
    """Laws asked one after another of one prover have the answers that a new prover gives."""
    system, law = drawn
    state = system.of(system.runs[0], "state")
    laws = data.draw(st.permutations([law, state != "C", system.of(system.runs[-1], "n") != 2]))
    prover = Prover(system, laws)
    for asked in laws:
        q = Question("broken", neg(asked))
        Explicit(system.compile(asked)).search([q])
        answer = prover.prove(asked)
        assert isinstance(answer, Proof) is (q.state is None)


# -- TLS -------------------------------------------------------------------------------------------
def invariants(where: str, request: Request | None = None) -> list[Any]:
    """The invariants of a scenario."""
    asked = properties_of(request or Request(), scenario(where))
    return [p for p in asked if p.kind == "invariant"]


@pytest.mark.parametrize(
    "where", deep_but(["tls12-small"], ["tls12-small", "tls13", "two-clients"])
)
def test_every_invariant_is_proved_or_violated_as_declared(where: str) -> None:
    results = run_task(Task(Request(engine="symbolic"), where, "symbolic"))
    assert sorted(r.id for r in results) == sorted(p.id for p in invariants(where))
    assert [r.id for r in results if not r.as_declared] == []
    for r in results:
        violated = r.declared == VIOLATED
        assert (r.certificate is None) is violated
        assert r.method.startswith("search" if violated else "proof")
        assert r.witness or violated


@pytest.mark.deep
@pytest.mark.parametrize(
    "where",
    [
        "two-servers",
        "two-two",
        "tls12",
        "export-offered",
        "weak-dhe",
        "honest",
        "tls13-resumption",
        "early-data-two-servers",
        "retry-psk",
    ],
)
def test_larger_scenarios_are_proved_as_declared(where: str) -> None:
    # What is proved, not how soon: a busy machine may take longer than the limit of a default run.
    results = run_task(Task(Request(engine="symbolic", seconds=1200), where, "symbolic"))
    assert [r.id for r in results if not r.as_declared] == []


@pytest.mark.deep
def test_two_runs_give_the_same_invariants() -> None:
    texts = []
    for _ in range(2):
        system = scenario("tls12-small").system()
        results = prove(system, invariants("tls12-small")[::3], Request())
        texts.append([r.certificate for r in results])
    assert texts[0] == texts[1]
    assert all(t and t.endswith("(check-sat)\n") for t in texts[0])


@pytest.mark.deep
def test_a_certificate_is_sorted_and_speaks_of_what_the_property_depends_on() -> None:
    system = scenario("tls12-small").system()
    props = invariants("tls12-small")[::5]
    by_name = {p.name: p for p in props}
    results = list(prove(system, props, Request()))  # in the order in which they are decided
    assert sorted(r.property for r in results) == sorted(by_name)
    for r in results:
        p = by_name[r.property]
        assert r.certificate is not None
        lines = [x for x in r.certificate.splitlines() if x.startswith("(assert")]
        assert lines == sorted(lines)
        heads = [x.split()[1] for x in r.certificate.splitlines() if x.startswith("(declare")]
        names = {n.rsplit("/", 1)[0] for n in heads}
        # The slice of this property alone has every variable: another encoder can read it.
        assert names <= set(system.compile(p.holds(system)).names)
        symbolic = Symbolic(system.compile(p.holds(system)))
        symbolic.check(z3.And(list(z3.parse_smt2_string(r.certificate))), p.holds(system))


@pytest.mark.deep
def test_clauses_are_shared() -> None:
    """A property asked second takes what the first found: fewer questions than if asked alone."""
    system = scenario("tls12-small").system()
    one, two = (p.holds(system) for p in invariants("tls12-small") if p.id in ("AUT-6", "AUT-7"))
    both, alone = Prover(system, [one, two]), Prover(system, [one, two])
    assert isinstance(both.prove(one), Proof)
    before = both.pdr.queries
    assert isinstance(both.prove(two), Proof)
    assert isinstance(alone.prove(two), Proof)
    assert 0 < both.pdr.queries - before < alone.pdr.queries / 2


@pytest.mark.deep
def test_only_clauses_within_what_a_property_depends_on_are_shared() -> None:
    system = scenario("tls12-small").system()
    one, two = (p.holds(system) for p in invariants("tls12-small") if p.id in ("ORD-13", "SEC-1"))
    prover = Prover(system, [one, two])
    assert isinstance(prover.prove(one), Proof)
    assert isinstance(prover.prove(two), Proof)
    pdr = prover.pdr
    core, within = pdr.core, set(pdr.names_for(two))
    assert {needs <= within for needs in pdr.groups} == {True, False}
    assert sorted(pdr.shared) == sorted(a for needs, a in pdr.groups.items() if needs <= within)
    for lemma in pdr.lemmas:
        assert {n for n, _ in pdr.named(lemma.mask)} <= core | lemma.needs


BROKEN = [
    (f.name, end)
    for f in flaws().values()
    for end, broken in f.breaks.items()
    if any(catalogue()[n].kind == "invariant" for n in broken)
]
QUICK = [("selfie", "server")]


@pytest.mark.parametrize(("flaw", "end"), deep_but(QUICK, BROKEN))
def test_what_a_flaw_breaks_is_never_proved(flaw: str, end: str) -> None:
    """With the flaw in, the prover says of each broken property that it is violated."""
    found = flaws()[flaw]
    request = Request(flaw=f"{flaw}@{end}")
    system = system_of(request, scenario(found.where))
    props = [p for p in invariants(found.where, request) if p.name in found.breaks[end]]
    laws = [p.holds(system) for p in props]
    assert laws
    prover = Prover(system, laws)
    for law in laws:
        answer = prover.prove(law)
        assert isinstance(answer, NoProof)
        assert answer.violated


# -- budgets and errors ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("queries", "seconds", "said"),
    [(0, math.inf, "after 0 questions to the solver"), (math.inf, -1.0, "when its time ended")],
)
def test_without_time_nothing_is_proved(queries: float, seconds: float, said: str) -> None:
    law = LAWS[0][1]
    with pytest.raises(OutOfTimeError, match=said):
        Pdr(SYSTEMS["toy"].compile(law)).prove(law, queries, seconds)
    answer = Prover(SYSTEMS["toy"], [law]).prove(law, queries, seconds)
    assert isinstance(answer, NoProof) and answer.reason == f"PDR gave up {said}"


@pytest.mark.deep
def test_time_that_ends_is_unknown_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(self: Pdr, prop: Expr, *more: float) -> list[int]:
        raise OutOfTimeError("late")

    monkeypatch.setattr(Pdr, "prove", late)
    props = [p for p in invariants("tls12-small") if p.id == "ORD-13"]
    (r,) = prove(scenario("tls12-small").system(), props, Request(seconds=0.3))
    assert r.verdict in (UNKNOWN, "HOLDS_TO_DEPTH")
    assert "PDR gave up late" in r.reason
    assert exit_status([r]) == 3


@pytest.mark.scenario
def test_all_that_follows_a_proof_that_gave_up_has_the_time_of_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proof itself has what is left after its first try, and the bounded search begins anew."""
    given: list[float] = []

    def late(self: Pdr, prop: Expr, queries: float, seconds: float) -> list[int]:
        given.append(seconds)
        busy = time.process_time() + 0.05
        while time.process_time() < busy:
            pass
        raise OutOfTimeError("late")

    def bounded(self: Symbolic, *asked: Any, seconds: float) -> int:
        given.append(seconds)
        return 3

    monkeypatch.setattr(Pdr, "prove", late)
    monkeypatch.setattr(Symbolic, "bounded", bounded)
    props = [p for p in invariants("tls12-small") if p.id == "ORD-13"]
    (r,) = prove(scenario("tls12-small").system(), props, Request(seconds=9.0), witness=False)
    assert (r.verdict, r.depth) == ("HOLDS_TO_DEPTH", 3)
    first, second, search = given
    assert first == search == 9.0
    assert 0 < second <= 8.95


def test_clauses_that_are_no_invariant_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PDR says is not trusted: without its clauses the check fails, and that is told."""
    monkeypatch.setattr(Pdr, "prove", lambda self, prop, *more: [])
    law = LAWS[0][1]
    with pytest.raises(CertificateError, match="the property is not implied"):
        Prover(SYSTEMS["toy"], [law]).prove(law)


@pytest.mark.deep
def test_a_refused_proof_is_unknown_and_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pdr, "prove", lambda self, prop, *more: [])
    props = [p for p in invariants("tls12-small") if p.id in ("SEC-1", "AUT-15")]
    results = list(prove(scenario("tls12-small").system(), props, Request()))
    by_id = {r.id: r for r in results}
    assert (by_id["SEC-1"].verdict, by_id["SEC-1"].error) == (UNKNOWN, True)
    assert "CertificateError: the certificate fails" in by_id["SEC-1"].reason
    assert by_id["AUT-15"].verdict == PROVED
    assert exit_status(results) == 4


@pytest.mark.deep
def test_an_error_in_one_proof_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Pdr.prove
    calls = []

    def once(self: Pdr, prop: Expr, *more: float) -> list[int]:
        calls.append(prop)
        if len(calls) == 2:
            raise z3.Z3Exception("out of luck")
        return original(self, prop, *more)

    monkeypatch.setattr(Pdr, "prove", once)
    props = [p for p in invariants("tls12-small") if p.id in ("SEC-1", "KEY-1", "KEY-2")]
    results = list(prove(scenario("tls12-small").system(), props, Request()))
    assert [(r.verdict, r.error) for r in results] == [
        (PROVED, False),
        (UNKNOWN, True),
        (PROVED, False),
    ]
    assert results[1].reason == "Z3Exception: out of luck"


@pytest.mark.deep
def test_a_proof_that_does_not_stop_is_stopped_and_the_next_ones_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = by_proof.Proofs.prove

    def stuck(self: by_proof.Proofs, p: Any, *more: Any) -> Any:
        if p.id == "KEY-2":
            time.sleep(600)
        return original(self, p, *more)

    monkeypatch.setattr(by_proof.Proofs, "prove", stuck)
    monkeypatch.setattr(verify, "limit", lambda task: 15.0)
    request = Request(
        properties=("KEY-1", "KEY-2", "SEC-1"), scenario="tls12-small", engine="symbolic"
    )
    results = {r.id: r for r in verify.verify(request).results}
    assert {n: r.verdict for n, r in results.items()} == {
        "SEC-1": PROVED,
        "KEY-1": PROVED,
        "KEY-2": UNKNOWN,
    }
    assert results["KEY-2"].reason == "no answer within 15 s"


@pytest.mark.deep
def test_a_violation_that_only_the_prover_looks_for_is_shown_by_search() -> None:
    (p,) = (p for p in invariants("two-clients") if p.id == "GLOBAL")
    (r,) = prove(scenario("two-clients").system(), [p], Request())
    assert (r.verdict, r.method, r.certificate) == (VIOLATED, "search", None)
    assert r.trace is not None
    assert r.depth == 10
