"""Expressions: what they refuse, how they print, and that their readings all agree."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engines.explicit import numpy_function
from checker.engines.symbolic import bits_of, encode
from model.expr import (
    BOOL,
    COMPOSITE,
    FALSE,
    TRUE,
    Domain,
    Expr,
    conj,
    conjuncts,
    const,
    disj,
    eq,
    implies,
    ite,
    le,
    mapping,
    neg,
    projected,
    python_function,
    same,
    substitute,
    text,
    var,
    variables,
)

Colour = Domain("Colour", ("red", "green", "blue"))
Count = Domain("Count", (0, 1, 2, 3, 4))
a, b = var("a", BOOL), var("b", BOOL)
x, y = var("x", Colour), var("y", Colour)
n, m = var("n", Count), var("m", Count)
SMALL = {"a": BOOL, "b": BOOL, "x": Colour, "y": Colour}
NAMES = tuple(SMALL)
ALL = [
    dict(zip(NAMES, v, strict=True)) for v in itertools.product(*(d.values for d in SMALL.values()))
]


def value(expr: Expr, env: Mapping[str, Any]) -> Any:
    """The expression's value by the Python callable."""
    return python_function({"e": expr}, "env", lambda v: f"env[{v.payload!r}]")(env)[0]


def table(expr: Expr) -> list[Any]:
    """The expression's value for every valuation of the small variables."""
    f = python_function({"e": expr}, "env", lambda v: f"env[{v.payload!r}]")
    return [f(env)[0] for env in ALL]


# -- random expressions, with their meaning by plain Python beside them --------------------------
Meaning = Any  # a function of a valuation


def _leaves(domain: Domain) -> st.SearchStrategy[tuple[Expr, Meaning]]:
    names = [k for k, d in SMALL.items() if d is domain]
    return st.one_of(
        st.sampled_from(names).map(lambda k: (var(k, domain), lambda e: e[k])),
        st.sampled_from(domain.values).map(lambda v: (const(v, domain), lambda e: v)),
    )


def _colours(bools: Any, depth: int) -> st.SearchStrategy[tuple[Expr, Meaning]]:
    if depth == 0:
        return _leaves(Colour)
    below = _colours(bools, depth - 1)
    return st.one_of(
        _leaves(Colour),
        st.tuples(_bools(depth - 1), below, below).map(
            lambda t: (
                ite(t[0][0], t[1][0], t[2][0]),
                lambda e: t[1][1](e) if t[0][1](e) else t[2][1](e),
            )
        ),
        st.tuples(below, st.tuples(*[st.sampled_from(Colour.values)] * 3)).map(
            lambda t: (
                mapping(t[0][0], dict(zip(Colour.values, t[1], strict=True)), Colour),
                lambda e: t[1][Colour.codes[t[0][1](e)]],
            )
        ),
    )


def _bools(depth: int) -> st.SearchStrategy[tuple[Expr, Meaning]]:
    if depth == 0:
        return _leaves(BOOL)
    below = st.deferred(lambda: _bools(depth - 1))
    colours = st.deferred(lambda: _colours(None, depth - 1))
    many = st.lists(below, min_size=1, max_size=3)
    code = Colour.codes
    return st.one_of(
        _leaves(BOOL),
        many.map(lambda t: (conj(*(p for p, _ in t)), lambda e: all(f(e) for _, f in t))),
        many.map(lambda t: (disj(*(p for p, _ in t)), lambda e: any(f(e) for _, f in t))),
        below.map(lambda t: (neg(t[0]), lambda e: not t[1](e))),
        st.tuples(below, below).map(
            lambda t: (eq(t[0][0], t[1][0]), lambda e: t[0][1](e) == t[1][1](e))
        ),
        st.tuples(colours, colours).map(
            lambda t: (eq(t[0][0], t[1][0]), lambda e: t[0][1](e) == t[1][1](e))
        ),
        st.tuples(colours, colours).map(
            lambda t: (le(t[0][0], t[1][0]), lambda e: code[t[0][1](e)] <= code[t[1][1](e)])
        ),
        st.tuples(colours, st.tuples(*[st.booleans()] * 3)).map(
            lambda t: (
                mapping(t[0][0], dict(zip(Colour.values, t[1], strict=True)), BOOL),
                lambda e: t[1][code[t[0][1](e)]],
            )
        ),
        st.tuples(below, below, below).map(
            lambda t: (
                ite(t[0][0], t[1][0], t[2][0]),
                lambda e: t[1][1](e) if t[0][1](e) else t[2][1](e),
            )
        ),
    )


BOOLS = _bools(3)


@settings(max_examples=150, deadline=None)
@given(BOOLS)
def test_simplifying_keeps_the_meaning(pair: tuple[Expr, Meaning]) -> None:
    expr, meaning = pair
    assert table(expr) == [meaning(env) for env in ALL]


@settings(max_examples=80, deadline=None)
@given(BOOLS)
def test_the_numpy_code_agrees_with_the_callable(pair: tuple[Expr, Meaning]) -> None:
    expr, _ = pair
    columns = [np.array([d.code(e[k]) for e in ALL], dtype=np.uint8) for k, d in SMALL.items()]
    got = numpy_function(expr, {k: i for i, k in enumerate(NAMES)})(columns, {}, np)
    assert np.broadcast_to(got, len(ALL)).tolist() == table(expr)


@settings(max_examples=60, deadline=None)
@given(BOOLS)
def test_the_z3_term_agrees_with_the_callable(pair: tuple[Expr, Meaning]) -> None:
    expr, _ = pair
    env: dict[str, Any] = {
        k: z3.Bool(k) if d is BOOL else [z3.Bool(f"{k}/{i}") for i in range(d.bits)]
        for k, d in SMALL.items()
    }
    term = encode(expr, env)
    got = []
    for valuation in ALL:
        pairs = []
        for k, d in SMALL.items():
            bits = bits_of(d.code(valuation[k]), d)
            pairs.extend(zip(env[k] if isinstance(env[k], list) else [env[k]], bits, strict=True))
        got.append(z3.is_true(z3.simplify(z3.substitute(term, *pairs))))
    assert got == table(expr)


@settings(max_examples=60, deadline=None)
@given(BOOLS, BOOLS)
def test_substituting_is_evaluating_with_the_value(
    pair: tuple[Expr, Meaning], other: tuple[Expr, Meaning]
) -> None:
    expr, meaning = pair
    swapped = substitute(expr, lambda v: other[0] if v.payload == "a" else v)
    assert table(swapped) == [meaning({**env, "a": other[1](env)}) for env in ALL]


@settings(max_examples=150, deadline=None)
@given(BOOLS, st.sets(st.sampled_from(NAMES)))
def test_a_projection_is_the_disjunction_over_the_values(
    pair: tuple[Expr, Meaning], names: set[str]
) -> None:
    expr, meaning = pair
    some = projected(expr, {n: SMALL[n] for n in NAMES if n in names})
    assert not names & set(variables(some))

    def alike(env: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return [e for e in ALL if all(e[k] == env[k] for k in NAMES if k not in names)]

    assert table(some) == [any(meaning(e) for e in alike(env)) for env in ALL]


@settings(max_examples=60, deadline=None)
@given(BOOLS)
def test_equal_expressions_are_one_node(pair: tuple[Expr, Meaning]) -> None:
    expr, _ = pair
    assert substitute(expr, lambda v: var(v.payload, v.domain)) is expr
    assert table(neg(neg(expr))) == table(expr)
    assert not any(table(conj(expr, neg(expr))))
    assert all(table(disj(expr, neg(expr))))


# -- single facts --------------------------------------------------------------------------------
def test_the_callable_returns_real_booleans() -> None:
    env = {"a": True, "b": False, "x": "red", "y": "red"}
    for expr in (a & b, a | b, ~a, x == y, x <= y, x.one_of("red"), ite(a, b, a), a, TRUE):
        assert type(value(expr, env)) is bool, text(expr)


def test_it_has_no_truth_value() -> None:
    for use in (
        lambda: bool(a),
        lambda: a and b,
        lambda: a or b,
        lambda: not a,
        lambda: n <= m <= n,
    ):
        with pytest.raises(TypeError, match=r"has no truth value: write & \| ~"):
            use()


def test_equality_makes_an_expression_and_the_node_hashes() -> None:
    assert (x == "red") is eq(x, const("red", Colour))
    assert {x: 1, y: 2}[x] == 1
    assert hash(x) == hash(var("x", Colour))
    assert len({x, y, var("x", Colour)}) == 2


def test_equality_does_not_depend_on_the_order() -> None:
    assert (x == y) is (y == x)
    assert eq(const("red", Colour), x) is eq(x, const("red", Colour))
    assert (x == x) is TRUE


def test_orders() -> None:
    for left, right in itertools.product(Count.values, repeat=2):
        env = {"n": left, "m": right}
        got = [value(e, env) for e in (n <= m, n >= m, n < m, n > m, n == m, n != m)]
        assert got == [
            left <= right,
            left >= right,
            left < right,
            left > right,
            left == right,
            left != right,
        ]
        assert value(n <= right, env) == (left <= right)
        assert value(const(left, Count) <= m, env) == (left <= right)
    assert (n <= 4) is TRUE
    assert (n < 0) is FALSE


def test_a_domain_knows_its_values() -> None:
    assert [Colour.code(v) for v in Colour.values] == [0, 1, 2]
    assert (BOOL.bits, Colour.bits, Count.bits, Domain("One", ("only",)).bits) == (1, 2, 3, 1)
    with pytest.raises(ValueError, match=r"'gren' is not a Colour: .* did you mean green"):
        Colour.code("gren")
    with pytest.raises(ValueError, match="is not a Colour"):
        Colour.code([])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="domain Twice lists a value twice"):
        Domain("Twice", ("p", "p"))


def test_what_does_not_type_is_refused() -> None:
    other = var("other", Count)
    for build in (
        lambda: eq(x, other),
        lambda: le(x, other),
        lambda: ite(a, x, other),
        lambda: conj(a, x),
        lambda: disj(x, a),
        lambda: neg(x),
        lambda: same(x, y),
    ):
        with pytest.raises(TypeError):
            build()
    with pytest.raises(ValueError, match="is not a Colour"):
        x == "pink"  # noqa: B015
    with pytest.raises(ValueError, match="has no value for"):
        mapping(x, {"red": True}, BOOL)


def test_simplified_forms() -> None:
    assert conj() is TRUE
    assert disj() is FALSE
    assert conj(a, TRUE, a) is a
    assert conj(a, FALSE) is FALSE
    assert disj(a, TRUE) is TRUE
    assert conj(a, conj(b, a)) is conj(a, b)
    assert conj(a, ~a) is FALSE
    assert disj(b, a, ~b) is TRUE
    assert implies(FALSE, a) is TRUE
    assert ite(TRUE, x, y) is x
    assert ite(a, x, x) is x
    assert (a == True) is a  # noqa: E712
    assert (a == False) is ~a  # noqa: E712
    assert mapping(x, {v: v for v in Colour.values}, Colour) is x
    assert x.one_of("red", "green", "blue") is TRUE
    assert x.one_of() is FALSE
    assert [text(e) for e in conjuncts(a & b & (x == "red"))] == ["a", "b", "x == red"]
    assert conjuncts(a | b) == (a | b,)


def test_text_reads_as_one_would_write_it() -> None:
    c = var("own.seal", COMPOSITE)
    for expr, written in (
        (x == "red", "x == red"),
        (x != "red", "x != red"),
        (~eq(n, m), ("n != m", "m != n")),
        (a & ~b, "a & ~b"),
        (a & (b | (x == "red")), "a & (b | (x == red))"),
        (n <= m, "n <= m"),
        (x.one_of("red", "blue"), "x in {red, blue}"),
        (ite(a, x, y), "if a then x else y"),
        (same(c, x, const("red", Colour)), "own.seal == (x, red)"),
        (TRUE, "True"),
        (mapping(x, {"red": "blue", "green": "red", "blue": "red"}, Colour), "Colour(x)"),
    ):
        assert text(expr) in (written if isinstance(written, tuple) else (written,))
        assert repr(expr) == text(expr)


def test_variables_are_in_order_of_appearance() -> None:
    assert list(variables((b & (x == y)) | a)) == ["b", *variables(x == y), "a"]
    assert variables(TRUE) == {}


def test_a_composite_is_compared_as_a_whole() -> None:
    f = python_function({"e": same(var("c", COMPOSITE), x)}, "env", lambda v: f"env[{v.payload!r}]")
    assert f({"c": ("red",), "x": "red"}) == (True,)
    assert f({"c": ("junk",), "x": "red"}) == (False,)
    assert f({"c": ("red", "red"), "x": "red"}) == (False,)


def test_a_function_of_no_expressions_is_empty() -> None:
    assert python_function({}, "env", lambda v: "env")({}) == ()


def test_a_table_over_a_boolean_in_numpy() -> None:
    expr = mapping(a, {False: "red", True: "blue"}, Colour)
    got = numpy_function(expr, {"a": 0})([np.array([0, 1, 1], dtype=np.uint8)], {}, np)
    assert got.tolist() == [0, 2, 2]


def test_the_order_of_booleans_in_z3() -> None:
    term = encode(le(a, b), {"a": z3.Bool("a"), "b": z3.Bool("b")})
    solver = z3.Solver()
    solver.add(term != z3.Or(z3.Not(z3.Bool("a")), z3.Bool("b")))
    assert solver.check() == z3.unsat


def test_only_a_boolean_is_negated() -> None:
    for colour in (
        const("red", Colour),
        mapping(x, dict.fromkeys(("red", "blue"), "red") | {"green": "blue"}, Colour),
    ):
        with pytest.raises(TypeError):
            neg(colour)
