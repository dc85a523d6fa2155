"""The message flow: every complete flow of the figures follows it, and no swap of two messages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from checker.by_search import search
from checker.request import Request
from model.expr import Expr, const
from model.flights import ANY_TIME, FLOWS, LATER, START, Flow, places
from model.message import CertificateMessage, CertificateRequest, CertificateVerify
from model.patch import with_rows
from model.principal import Certificate, client, server
from model.rule import SAME, Message, receive
from properties import catalogue
from tests.mutants import c, s
from tests.sizes import deep_but

IN_PLACE = {
    "tls12": "each_message_is_accepted_in_its_place",
    "tls13": "each_message_of_tls13_is_accepted_in_its_place",
}


def words(flow: Flow) -> Iterator[tuple[str, ...]]:
    """The complete sequences of a flow; what may come again comes once or not at all."""
    if not flow:
        yield ()
        return
    head, *tail = flow
    heads = [(head,)] if isinstance(head, str) else [(), *(w for p in head.parts for w in words(p))]
    for rest in words(tuple(tail)):
        for first in dict.fromkeys(heads):
            yield (*first, *rest)


def follows(word: tuple[str, ...], generation: str) -> bool:
    of, at = places(generation), START
    for m in word:
        after = ANY_TIME[generation].get(m)
        if m in of.next[at]:
            at = of.next[at][m]
        elif after is None or at not in of.from_on(after):
            return False
    return True


@pytest.mark.parametrize("generation", FLOWS)
def test_every_sequence_of_the_figures_follows_the_flow(generation: str) -> None:
    every = {w for f in FLOWS[generation] for w in words(f)}
    assert len(every) > 20
    assert all(follows(w, generation) for w in every)


@pytest.mark.parametrize("generation", FLOWS)
def test_no_swap_of_two_neighbors_follows_the_flow(generation: str) -> None:
    for w in {w for f in FLOWS[generation] for w in words(f)}:
        for i, (a, b) in enumerate(pairwise(w)):
            assert not follows((*w[:i], b, a, *w[i + 2 :]), generation), (w, a, b)


@pytest.mark.parametrize("generation", sorted({*FLOWS} - {LATER}))
def test_no_message_comes_at_another_place(generation: str) -> None:
    for w in {w for f in FLOWS[generation] for w in words(f)}:
        for i, m in enumerate(w):
            left = (*w[:i], *w[i + 1 :])
            for j in range(len(w)):
                moved = (*left[:j], m, *left[j:])
                assert moved == w or not follows(moved, generation), (w, moved)


# A message taken once in a state of another message, and left without any effect but that.
ASKED: tuple[Expr, dict[str, Expr]] = (~client.requested, {"requested": const(True)})
SHOWN: tuple[Expr, dict[str, Expr]] = (
    server.client_certificate == "none",
    {"client_certificate": const("empty", Certificate)},
)
TAKEN: dict[str, tuple[str, str, Message, str, tuple[Expr, dict[str, Expr]]]] = {
    "a request early": ("tls12-small", "client", CertificateRequest, "WAIT_CERTIFICATE", ASKED),
    "a request late": ("tls13", "client", CertificateRequest, "WAIT_CV", ASKED),
    "a request nobody offered for": ("tls13", "client", CertificateRequest, "CONNECTED", ASKED),
    "a certificate afterwards": ("tls13", "server", CertificateMessage, "CONNECTED", SHOWN),
    "a certificate nobody asked for": (
        "tls12-small",
        "server",
        CertificateMessage,
        "WAIT_CKE",
        SHOWN,
    ),
    "a proof without a certificate": (
        "tls12-small",
        "server",
        CertificateVerify,
        "WAIT_CCS",
        SHOWN,
    ),
}


@pytest.mark.parametrize("name", deep_but(["a request early", "a request late"], TAKEN))
def test_a_message_taken_out_of_its_place_is_seen(name: str) -> None:
    where, end, message, state, (when, do) = TAKEN[name]

    row = receive(
        end, message, state, SAME, rfc="5246 7.3; 8446 A", when=when, do=do, label="out_of_place"
    )
    system = (c if end == "client" else s)(where, with_rows(row)).system
    prop = catalogue()[IN_PLACE["tls13" if where == "tls13" else "tls12"]]
    (result,) = search(system, [prop], Request(first=True))
    assert result.verdict == "VIOLATED"
