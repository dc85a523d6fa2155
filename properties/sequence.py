"""The order of data (RFC 5246 6.2.3, RFC 8446 5.3)."""

from __future__ import annotations

from model.expr import Expr, conj, disj, implies, neg
from model.extensions.sequence_numbers import OF_DATA
from properties import Implication, View, World, invariant, when

NEEDS = ("sequence_numbers", "data")


def _with(w: World, r: View) -> list[tuple[View, Expr]]:
    """Each run of the other role, with the condition that it has the same keys as `r`."""
    if r.role == "client":
        return [(s, w.same_keys(r, s)) for s in w.servers]
    return [(c, w.same_keys(c, r)) for c in w.clients]


@invariant("AUT-19", "5246 6.2.3, F.2; 8446 5.3, E.2", ("adversary", *NEEDS))
def data_delivered_was_written_in_the_same_place(w: World) -> list[Implication]:
    """Under keys that the adversary does not know, a record of data is delivered only if the peer
    wrote one with the same number, and only after all with smaller numbers."""
    out = []
    for r in w.runs:
        for n in OF_DATA:
            got = conj(getattr(r, f"got_{n}"), neg(w.knows(r)))
            wrote = disj(*(conj(same, getattr(p, f"data_{n}")) for p, same in _with(w, r)))
            before = conj(*(getattr(r, f"got_{m}") for m in OF_DATA if m < n))
            out.append(when(got).then(conj(wrote, before)))
    return out


@invariant("AUT-20", "5246 F.2; 8446 5.3, E.2", NEEDS)
def no_record_of_data_is_delivered_twice(w: World) -> list[Implication]:
    """A record of data is delivered once; data, alerts and close_notify come in their place."""
    return [
        *(when(r.delivered).then(neg(r.got_again)) for r in w.runs),
        *(when(r.read_key == "application").then(neg(r.out_of_order)) for r in w.runs),
    ]


@invariant("KEY-8", "5246 6.1; 8446 5.3", NEEDS)
def no_number_is_used_twice_under_a_key(w: World) -> list[Implication]:
    """A run writes each record of data under a number of its own, which its end does not have."""
    return [when(r.sent_data).then(neg(r.number_reused)) for r in w.runs]


@invariant("CLO-8", "5246 7.2.1; 8446 6.1", ("adversary", *NEEDS))
def a_clean_end_comes_after_all_data(w: World) -> list[Implication]:
    """Under keys that the adversary does not know, a run that did not close first ends cleanly only
    with all data of its peer."""
    out = []
    for r in w.runs:
        clean = conj(r.end == "close_notify", neg(r.closed_first))
        for p, same in _with(w, r):
            all_of = conj(
                *(implies(getattr(p, f"data_{n}"), getattr(r, f"got_{n}")) for n in OF_DATA)
            )
            out.append(when(conj(clean, same, neg(w.knows(r)))).then(all_of))
    return out
