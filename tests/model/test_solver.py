"""The decision of what rows can do at all: exact on small formulas, quick on large ones."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import solver
from model.expr import (
    BOOL,
    COMPOSITE,
    FALSE,
    TRUE,
    Domain,
    Expr,
    conj,
    const,
    disj,
    ite,
    mapping,
    neg,
    python_function,
    same,
    var,
)
from model.message import ClientHello
from model.patch import patched, with_rows
from model.principal import OFFERED
from model.role import overlaps
from model.roles import role
from model.rule import SAME, ModelError, receive
from model.scenario import scenario
from model.solver import Decider, UndecidedError, satisfiable, within

Colour = Domain("Colour", ("red", "green", "blue"))
NAMES = {"x": Colour, "y": Colour, "p": BOOL, "q": BOOL}


def terms() -> st.SearchStrategy[Expr]:
    leaves: st.SearchStrategy[Expr] = st.sampled_from(
        [var("x", Colour), var("y", Colour), const("red", Colour), const("blue", Colour)]
    )
    turned = {"red": "green", "green": "green", "blue": "red"}
    return leaves | leaves.map(lambda e: mapping(e, turned, Colour))


def formulas() -> st.SearchStrategy[Expr]:
    atoms: st.SearchStrategy[Expr] = st.sampled_from([var("p", BOOL), var("q", BOOL), TRUE, FALSE])
    atoms |= st.tuples(terms(), terms()).map(lambda t: t[0] == t[1])
    atoms |= st.tuples(terms(), terms()).map(lambda t: t[0] <= t[1])

    def larger(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        several = st.lists(inner, min_size=1, max_size=4)
        chosen = st.tuples(inner, terms(), terms(), terms())
        return (
            inner.map(neg)
            | several.map(lambda es: conj(*es))
            | several.map(lambda es: disj(*es))
            | chosen.map(lambda t: ite(*t[:3]) == t[3])
        )

    return st.recursive(atoms, larger, max_leaves=12)


@settings(max_examples=400, deadline=None)
@given(formulas(), formulas())
def test_it_says_what_trying_every_value_says(a: Expr, b: Expr) -> None:
    f = python_function({"a": a, "b": b}, "env", lambda v: f"env[{v.payload!r}]")
    every = [
        f(dict(zip(NAMES, values, strict=True)))
        for values in itertools.product(*(d.values for d in NAMES.values()))
    ]
    assert satisfiable(a) is any(x for x, _ in every)
    decider = Decider()  # one that knows more than what is asked
    assert decider.possible(a, b) is any(x and y for x, y in every)
    assert decider.possible(b) is any(y for _, y in every)
    assert decider.possible(a) is any(x for x, _ in every)


def test_a_comparison_of_composites_is_a_free_boolean() -> None:
    seal, x = var("c", COMPOSITE), var("x", Colour)
    assert satisfiable(same(seal, x) & (x == "red"))
    assert not satisfiable(same(seal, x) & ~same(seal, x))


# -- large rows ------------------------------------------------------------------------------------
def crossed() -> Expr:
    """A negated disjunction over every pair of suites offered and the versions."""
    f = ClientHello.f
    pairs = itertools.combinations(OFFERED, 2)
    return neg(
        disj(
            *(
                conj(f[f"offers_{a}"], neg(f[f"offers_{b}"]), f.version == v)
                for i, (a, b) in enumerate(pairs)
                for v in f.version.domain.values[i % 3 :]
            )
        )
    )


def test_the_rows_beside_a_very_large_one_are_told_in_a_second() -> None:
    for extensions in ((), ("psk", "early_data", "resumption", "retry")):
        for when, fine in ((crossed(), False), (crossed() & FALSE, True)):
            row = receive("server", ClientHello, "START", SAME, rfc="x", when=when, label="large")
            large = replace(
                role("server", extensions),
                table=(
                    *role("server", extensions).table,
                    row,
                ),
            )
            began = time.monotonic()
            assert (not list(overlaps(large.table))) is fine
            assert time.monotonic() - began < 1


@pytest.mark.deep
def test_the_steps_of_a_very_large_row_are_made_in_seconds() -> None:
    where = scenario("tls12-small")
    row = receive("server", ClientHello, "START", SAME, rfc="x", when=crossed(), label="large")
    server = patched(role("server", where.extensions), with_rows(row, first=True))
    began = time.monotonic()
    assert len(where.system(None, server).compile().steps) > 100
    assert time.monotonic() - began < 10


def pigeons(n: int) -> Expr:
    """That `n` + 1 things are in `n` places, each in its own: false, and hard to see."""
    at = [[var(f"msg.p{i}_{k}", BOOL) for k in range(n)] for i in range(n + 1)]
    apart = (neg(a[k] & b[k]) for a, b in itertools.combinations(at, 2) for k in range(n))
    return conj(*(disj(*row) for row in at), *apart)


def test_what_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = pigeons(12)
    with within(0.2), pytest.raises(UndecidedError, match="the time ended, after"):
        satisfiable(hard)
    monkeypatch.setattr(solver, "CONFLICTS", 4_000)
    with pytest.raises(UndecidedError, match="the solver gave up after 4,000 conflicts"):
        satisfiable(hard)


def test_rows_that_overlap_say_the_way_out() -> None:
    row = receive("server", ClientHello, "START", SAME, rfc="x", label="mine")
    with pytest.raises(ModelError, match=r"can both fire: .* with_rows\(row, first=True\)"):
        _ = patched(role("server"), with_rows(row)).rules
