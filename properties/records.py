"""The buffers of the record layer when keys change."""

from __future__ import annotations

from model.expr import conj, neg
from properties import Implication, World, invariant, when
from properties.authentication import is_open


@invariant("KEY-5", "8446 5.1", ("record_boundaries", "tls13"))
def no_handshake_bytes_are_left_over_when_keys_change(w: World) -> list[Implication]:
    """A message that changes the keys is the last in its record."""
    return [
        when(conj(r.version == "TLS13", r.read_key != "plaintext")).then(neg(r.left_over))
        for r in w.runs
    ]


@invariant("ALR-5", "5246 6.2.1", ("record_boundaries", "tls12"))
def half_an_alert_never_waits_across_a_change_of_keys(w: World) -> list[Implication]:
    """Half an alert in the clear is never completed by a record under keys."""
    return [
        when(conj(is_open(r), r.read_key != "plaintext")).then(r.fragment != "plaintext")
        for r in w.runs
    ]


@invariant("ALR-6", "5246 6.2.1; 8446 5.1", ("record_boundaries",))
def an_alert_comes_whole_or_in_two_records_in_a_row(w: World) -> list[Implication]:
    """In TLS 1.3 no alert comes in pieces. Below, no other alert comes between two pieces."""
    return [
        *(when(r.version == "TLS13").then(neg(r.fragment_of_13)) for r in w.runs),
        *(when(r.fragment != "none").then(neg(r.pieces_mixed)) for r in w.runs),
    ]
