"""Circuits: the C text of an expression says what the expression says."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.engines import native_source
from checker.engines.explicit import numpy_function
from checker.engines.native_source import Circuit
from model.expr import (
    BOOL,
    FALSE,
    TRUE,
    Domain,
    Expr,
    conj,
    disj,
    eq,
    ite,
    le,
    mapping,
    neg,
    var,
)

D3, D5 = Domain("D3", ("a", "b", "c")), Domain("D5", (0, 1, 2, 3, 4))
READS = {
    "x": D3,
    "y": D3,
    "n": D5,
    "m": D5,
    "p": BOOL,
    "q": BOOL,
}


def expressions() -> st.SearchStrategy[Expr]:
    """Booleans over a few variables, by all operators."""

    def values(domain: Domain) -> st.SearchStrategy[Expr]:
        names = [n for n, d in READS.items() if d is domain]
        leaf = st.sampled_from([var(n, domain) for n in names])
        tables = st.lists(st.sampled_from(domain.values), min_size=5, max_size=5).map(
            lambda t: dict(zip(D5.values, t, strict=True))
        )
        moved = st.tuples(st.sampled_from(["n", "m"]), tables).map(
            lambda a: mapping(var(a[0], D5), a[1], domain)
        )
        return (
            leaf
            | moved
            | st.tuples(st.sampled_from(["p", "q"]), leaf, moved).map(
                lambda a: ite(var(a[0], BOOL), a[1], a[2])
            )
        )

    def pairs(domain: Domain) -> st.SearchStrategy[Expr]:
        two = st.tuples(values(domain), values(domain))
        return two.map(lambda a: eq(*a)) | two.map(lambda a: le(*a))

    def subset(a: tuple[Expr, frozenset[Any]]) -> Expr:
        return a[0].one_of(*a[1])

    base = pairs(D3) | pairs(D5) | st.sampled_from([var("p", BOOL), var("q", BOOL), TRUE, FALSE])
    base |= st.tuples(values(D5), st.frozensets(st.sampled_from(D5.values))).map(subset)
    return st.recursive(
        base,
        lambda e: (
            e.map(neg)
            | st.lists(e, min_size=1, max_size=3).map(lambda a: conj(*a))
            | st.lists(e, min_size=1, max_size=3).map(lambda a: disj(*a))
            | st.tuples(e, e, e).map(lambda a: ite(*a))
            | st.tuples(e, e).map(lambda a: eq(*a))
        ),
        max_leaves=8,
    )


@settings(max_examples=300, deadline=None)
@given(expressions())
def test_a_circuit_is_its_expression(expr: Expr) -> None:
    """On every valuation, as numpy evaluates it."""
    codes = np.array(
        list(itertools.product(*(range(len(d.values)) for d in READS.values()))), dtype=np.uint8
    )
    wanted = numpy_function(expr, {n: i for i, n in enumerate(READS)})(list(codes.T), {}, np)
    planes: dict[str, list[str]] = {}
    held: dict[str, Any] = {"ZERO": np.zeros(len(codes), bool)}
    held["ONE"] = ~held["ZERO"]
    for i, (n, d) in enumerate(READS.items()):
        planes[n] = [f"{n}{k}" for k in range(d.bits)]
        held |= {f"{n}{k}": (codes[:, i] >> k & 1).astype(bool) for k in range(d.bits)}
    circuit = Circuit(planes)
    out = circuit.truth(expr)
    for line in (*circuit.lines, f"const u64 out = {out};"):
        name, _, text = line.strip().removeprefix("const u64 ").removesuffix(";").partition(" = ")
        text = text.replace(native_source.ONE, "ONE").replace(native_source.ZERO, "ZERO")
        held[name] = eval(text, {}, held)
    assert np.array_equal(held["out"], np.broadcast_to(wanted, len(codes)))
