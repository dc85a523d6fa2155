"""Messages out of their place: whatever two neighbours are swapped, a property of places falls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checker.by_search import search
from checker.request import Request
from model.expr import TRUE
from model.flights import FLOWS, START, places
from model.patch import patched, with_rows
from model.role import Role
from model.roles import role
from model.rule import SAME, Rule
from model.scenario import scenario
from properties import find
from tests.sizes import deep_but

WHERE = {"tls12": ("client-auth", "PLC-1"), "tls13": ("tls13", "PLC-2")}
UNSEEN = ("Alert", "ApplicationData", "CloseNotify", "TransportClose", "UndecryptableRecord")


def neighbours(of: Role, generation: str) -> list[tuple[Rule, Rule]]:
    """The rows that take two messages, one right after the other, in states of the generation."""
    rows = [r for r in of.table if r.kind == "receive" and r.event not in UNSEEN]
    own = of.generations[generation]
    return [
        (a, b)
        for a in rows
        for b in rows
        if a.target != SAME != b.target and a.target in b.sources and a.target in own
    ]


def swaps() -> list[tuple[str, str, str, str]]:
    """Generation, role, message and the state before the one in which the message is due."""
    out = []
    for g in WHERE:
        for end in ("client", "server"):
            table = role(end).table
            for a, b in neighbours(role(end), g):
                for s in a.sources:
                    due = any(r.event == b.event and s in r.sources for r in table)
                    if not due:
                        out.append((g, end, b.event, s))
    return sorted(set(out))


SWAPS = swaps()
QUICK = [
    ("tls12", "client", "ServerHelloDone", "WAIT_CERTIFICATE"),
    ("tls13", "client", "CertificateVerify", "WAIT_CERT"),
]


@pytest.mark.parametrize("swap", deep_but(QUICK, SWAPS), ids="-".join)
def test_a_message_one_state_early_is_seen(swap: tuple[str, str, str, str]) -> None:
    generation, end, message, state = swap
    where, name = WHERE[generation]
    of = role(end)
    due = next(r for r in of.table if r.kind == "receive" and r.event == message)
    early = replace(due, sources=(state,), target=SAME, when=TRUE, checks=(), do={}, label="early")
    ends = {e: role(e) for e in ("client", "server")}
    ends[end] = patched(of, with_rows(early))
    system = scenario(where).system(ends["client"], ends["server"])
    (result,) = search(system, find(name), Request(first=True))
    assert result.verdict == "VIOLATED"


def test_the_flows_are_those_of_the_figures() -> None:
    """One walk through each figure, message by message."""
    for generation, walk in (
        (
            "tls12",
            ">ClientHello <ServerHello <Certificate <ServerKeyExchange <CertificateRequest "
            "<ServerHelloDone >Certificate >ClientKeyExchange >CertificateVerify >ChangeCipherSpec "
            ">Finished <ChangeCipherSpec <Finished",
        ),
        (
            "tls12",
            ">ClientHello <ServerHello <ChangeCipherSpec <Finished >ChangeCipherSpec >Finished",
        ),
        (
            "tls13",
            ">ClientHello <ServerHello <EncryptedExtensions <CertificateRequest <Certificate "
            "<CertificateVerify <Finished >Certificate >CertificateVerify >Finished",
        ),
        (
            "tls13",
            ">ClientHello <ServerHello <EncryptedExtensions <Finished >EndOfEarlyData >Finished",
        ),
        ("tls13", ">ClientHello <HelloRetryRequest >SecondClientHello <ServerHello"),
    ):
        place = START
        for message in walk.split():
            place = places(generation).next[place][message]


def test_a_swap_of_two_neighbours_is_in_no_flow() -> None:
    """But where both orders are flows: in no figure."""
    for g in FLOWS:
        nexts = places(g).next
        for p, after in nexts.items():
            for m, q in after.items():
                for n in nexts[q]:
                    if m != n and n in after:
                        assert m not in nexts[after[n]], (g, p, m, n)
