"""Retry, pre-shared keys and early data: the engines agree, and the honest ways are taken."""

from __future__ import annotations

import pytest

from checker.by_search import search
from checker.request import Request, properties_of
from model.expr import Expr, conj, neg
from model.scenario import Config, scenario
from properties import World, declared
from tests.contracts.agreement import narrowed, same_to_depth
from tests.sizes import deep_but

SMALL: dict[str, tuple[Config, Config]] = {
    "tls13-retry": (
        {"min_version": ("TLS13",)},
        {"min_version": ("TLS13",), "supports_x25519": (False,), "asks_cookie": (True,)},
    ),
    "tls13-psk": (
        {"has_external": (True,), "takes_psk_ke": (True,)},
        {"has_external": (True,), "takes_psk_dhe_ke": (True,), "asks_client": (False,)},
    ),
    "tls13-early-data": ({"sends_early": (True,)}, {"has_external": (True,)}),
    "retry-early-data": ({}, {"supports_x25519": (False,)}),
    "retry-psk": ({"takes_psk_ke": (True,)}, {"supports_x25519": (False,)}),
    "reflection-imported": ({}, {}),
    "leaks-tls13": ({}, {}),
    "leaks-traffic": ({}, {}),
}
"""Configurations with few values, by scenario: of the client, of the server."""
DEPTHS = {"retry-early-data": 2, "retry-psk": 2}
"""How far the reference goes where 50,000 different hellos fit a state."""


@pytest.mark.deep
@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_reference_agrees_as_far_as_it_comes(name: str) -> None:
    """The same states at each distance, down to a depth that the reference reaches quickly."""
    where = narrowed(name, *SMALL[name])
    system = where.system()
    compiled = system.compile(*(p.holds(system) for p in properties_of(Request(), where)))
    same_to_depth(compiled, DEPTHS.get(name))


def _both(w: World, last: int) -> Expr:
    c, s = w.clients[last], w.servers[last]
    return conj(
        c.state == "CONNECTED",
        s.state == "CONNECTED",
        c.server_random == s.name,
        s.client_random == c.name,
        neg(w.knows(c)),
        neg(w.knows(s)),
    )


HONEST = {
    "tls13-retry": lambda w: conj(
        _both(w, 0), w.clients[0].retry_group == "secp256r1", w.clients[0].cookie == "server0"
    ),
    "tls13-psk": lambda w: conj(_both(w, 0), w.servers[0].psk == "external", w.servers[0].psk_ke),
    "tls13-resumption": lambda w: conj(_both(w, 1), w.servers[1].psk == "resumption"),
    "tls13-early-data": lambda w: conj(_both(w, 0), w.servers[0].early_delivered),
    "leaks-tickets": lambda w: conj(
        _both(w, 1),
        w.clients[1].psk == "resumption",
        w.servers[1].sent_ResumptionKey,
        neg(w.servers[0].sent_ResumptionKey),
    ),
    "retry-psk": lambda w: conj(_both(w, 0), w.servers[0].psk == "external", w.clients[0].retried),
    "retry-early-data": lambda w: conj(
        _both(w, 0), w.clients[0].retried, w.clients[0].sent_early, w.servers[0].psk == "external"
    ),
}
STEPS = {
    "tls13-retry": 18,
    "tls13-psk": 10,
    "tls13-resumption": 27,
    "tls13-early-data": 14,
    "leaks-tickets": 29,
    "retry-psk": 14,
    "retry-early-data": 15,
}
"""The shortest way to what each scenario is about, in steps; it was replayed on the machines."""


@pytest.mark.parametrize("name", deep_but(["tls13-psk"], sorted(HONEST)))
def test_what_a_scenario_is_about_is_reached(name: str) -> None:
    goal = HONEST[name]
    never = declared("invariant", "never", lambda w: neg(goal(w)))
    (result,) = search(scenario(name).system(), [never], Request(first=True))
    assert result.verdict == "VIOLATED"
    assert len(result.trace) == STEPS[name]
