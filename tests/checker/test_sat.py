"""The SAT solver, and expressions as its clauses, against brute force."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checker.engines import sat
from checker.engines.sat import Sat
from model.expr import (
    BOOL,
    TRUE,
    Domain,
    Expr,
    conj,
    const,
    disj,
    eq,
    le,
    mapping,
    neg,
    var,
)
from model.expr import ite as choose


def models(clauses: Sequence[Sequence[int]], n: int) -> bool:
    """Whether some assignment of n variables satisfies the clauses."""
    return any(
        all(any(bits[abs(x) - 1] == (x > 0) for x in c) for c in clauses)
        for bits in itertools.product((False, True), repeat=n)
    )


def clauses_over(n: int, most: int) -> st.SearchStrategy[list[list[int]]]:
    """Clauses of up to three literals, repeated and opposite ones among them."""
    literal = st.integers(1, n).flatmap(lambda v: st.sampled_from((v, -v)))
    return st.lists(st.lists(literal, min_size=1, max_size=3), max_size=most)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_the_solver_answers_as_brute_force_does(data: Any) -> None:
    """Clauses are added between questions; a model satisfies all, a core is enough."""
    n = data.draw(st.integers(1, 7))
    solver = Sat()
    known: list[list[int]] = []
    for _ in range(3):
        new = data.draw(clauses_over(n, 8))
        solver.add(new)
        known += new
        assumed = [x for c in data.draw(clauses_over(n, 3)) for x in c]
        if solver.solve(assumed):
            named = {abs(x) for c in [*known, assumed] for x in c}
            true = dict(zip(named, solver.true([*named]), strict=True))
            assert all(any(true[abs(x)] == (x > 0) for x in c) for c in known)
            assert all(true[abs(x)] == (x > 0) for x in assumed)
        else:
            core = solver.core()
            assert set(core) <= set(assumed)
            assert not models([*known, *([x] for x in core)], n)


def test_the_solver_answers_as_z3_does_where_it_has_to_learn() -> None:
    """Random clauses of three at the hard ratio: restarts, learnt clauses dropped, cores."""
    draw = random.Random(7)
    n = 120
    names = [z3.Bool(f"x{v}") for v in range(n + 1)]
    answers = set()
    for _ in range(12):
        clauses = [
            [draw.choice((1, -1)) * v for v in draw.sample(range(1, n + 1), 3)]
            for _ in range(int(4.2 * n))
        ]
        assumed = [draw.choice((1, -1)) * v for v in draw.sample(range(1, n + 1), 3)]
        ours, theirs = Sat(), z3.Solver()
        ours.add(clauses)
        for c in clauses:
            theirs.add(z3.Or([names[x] if x > 0 else z3.Not(names[-x]) for x in c]))

        def asked(literals: list[int], theirs: z3.Solver = theirs) -> bool:
            """What z3 says."""
            parts = [names[x] if x > 0 else z3.Not(names[-x]) for x in literals]
            return bool(theirs.check(*parts) == z3.sat)

        for question in (assumed, [], assumed[:1]):
            answer = ours.solve(question)
            assert answer is asked(question)
            if answer:
                true = ours.true(range(1, n + 1))
                assert all(any(true[abs(x) - 1] == (x > 0) for x in c) for c in clauses)
            else:
                assert not asked(ours.core())
            answers.add(answer)
    assert answers == {True, False}


def test_many_clauses_switched_on_and_off_again() -> None:
    """Thousands of facts later, when what they make true was dropped, the rest still counts."""
    n = 40
    solver = Sat()
    # One after another: v implies v + 1.
    solver.add([-v, v + 1] for v in range(1, n))
    for k in range(1500):
        switch, v = n + 1 + k, 1 + k % (n - 1)
        solver.add([[-switch, -v, -n], [-switch, v, n]])
        assert solver.solve([switch, v]) is False
        assert set(solver.core()) == {switch, v}
        assert solver.solve([switch, -v]) is True
        assert solver.true([v, n]) == [False, True]
        solver.add([[-switch]])
    assert solver.solve([1, -n]) is False
    assert solver.solve([1]) is True
    assert all(solver.true(range(1, n + 1)))


def test_a_question_that_takes_long_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pigeons: n + 1 into n holes is hard for such a solver; it says None, and can be asked on."""
    monkeypatch.setattr(sat, "BUDGET", 50)
    holes = 7
    solver = Sat()
    at = {(p, h): p * holes + h + 1 for p in range(holes + 1) for h in range(holes)}
    solver.add([[at[p, h] for h in range(holes)] for p in range(holes + 1)])
    for h in range(holes):
        solver.add([-at[p, h], -at[q, h]] for p in range(holes + 1) for q in range(p))
    answers = [solver.solve([])]
    assert answers == [None]
    while answers[-1] is None:
        answers.append(solver.solve([]))
    assert answers[-1] is False
    assert solver.core() == []


# -- expressions as clauses ------------------------------------------------------------------------
D = Domain("D", ("a", "b", "c"))
OTHER = Domain("Other", ("x", "y"))


def exprs(domain: Domain) -> st.SearchStrategy[Expr]:
    """Expressions over p, q (bool), v, w (D), every operator among them."""
    bools: st.SearchStrategy[Expr] = st.sampled_from([var("p", BOOL), var("q", BOOL), TRUE])
    values: st.SearchStrategy[Expr] = st.sampled_from(
        [var("v", D), var("w", D), *(const(x, D) for x in D.values)]
    )
    for _ in range(2):
        b, d = bools, values
        tables = st.tuples(*[st.sampled_from(D.values)] * 3)
        bools = st.one_of(
            b,
            st.builds(neg, b),
            st.builds(conj, b, b),
            st.builds(disj, b, b),
            st.builds(eq, b, b),
            st.builds(le, b, b),
            st.builds(eq, d, d),
            st.builds(le, d, d),
            st.builds(lambda e, s: e.one_of(*s), d, st.sets(st.sampled_from(D.values), min_size=1)),
        )
        values = st.one_of(
            d,
            st.builds(choose, b, d, d),
            st.builds(lambda e, t: mapping(e, dict(zip(D.values, t, strict=True)), D), d, tables),
            st.builds(
                lambda e, x, y: mapping(e, {False: x, True: y}, D),
                b,
                st.sampled_from(D.values),
                st.sampled_from(D.values),
            ),
        )
    return bools if domain is BOOL else values


@given(b=exprs(BOOL), d=exprs(D))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_gates_say_what_the_expression_says(b: Expr, d: Expr) -> None:
    """For every value of the variables the literals have the values that Python computes."""
    from model.expr import python_function
    from model.solver import Gates

    gates = Gates()
    domains = {"p": BOOL, "q": BOOL, "v": D, "w": D}
    env = {n: gates.value(x) for n, x in domains.items()}
    literal = gates.encode(b, env, {})
    codes = gates.encode(d, env, {})
    solver = Sat()
    solver.add(gates.clauses)
    truth = python_function({"b": b, "d": d}, "s", lambda v: f"s[{v.payload!r}]")
    for values in itertools.product(*(x.values for x in domains.values())):
        state = dict(zip(domains, values, strict=True))
        given_ = [env[n][domains[n].code(x)] for n, x in state.items()]
        want, value = truth(state)
        assert solver.solve([*given_, literal if want else -literal])
        assert not solver.solve([*given_, -literal if want else literal])
        for i, x in enumerate(codes):
            assert solver.solve([*given_, x]) is (i == D.code(value))
