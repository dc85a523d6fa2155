"""Grounding, value analysis and the cone of influence: smaller, with the same behaviour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from checker.engines.reference import Reference
from model.expr import BOOL, Domain, Expr, bind, const, ite, var
from model.rule import Message, Variable
from model.system import OK, Compiled, Instance, Network, System, possible
from tests.toys import counters, forger, handshake

SYSTEMS = {s.name: s for s in (handshake.system, counters.system, forger.system)}


def everything(system: System) -> Compiled:
    """The system with every variable kept, save those that never change."""
    return system.compile(*(var(n, v.domain) for n, v in system.variables.items()))


def reachable(compiled: Compiled, names: Iterable[str]) -> set[tuple[Any, ...]]:
    """The reachable states, seen through `names`."""
    places = [compiled.index[n] for n in names]
    return {tuple(s[i] for i in places) for s in Reference(compiled).explore()}


# -- cone of influence ---------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_the_cone_of_influence_keeps_the_reachable_projection(name: str) -> None:
    system = SYSTEMS[name]
    small, full = system.compile(), everything(system)
    assert set(small.names) < set(full.names)
    assert reachable(small, small.names) == reachable(full, small.names)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_what_is_asked_about_is_kept(name: str) -> None:
    system = SYSTEMS[name]
    full = everything(system)
    for n in set(full.names) - set(system.compile().names):
        asked = system.compile(var(n, system.variables[n].domain) == system.variables[n].initial[0])
        assert n in asked.names
        assert reachable(asked, asked.names) == reachable(full, asked.names)


def test_the_variables_that_are_kept() -> None:
    assert handshake.system.compile().names == (
        "asker.state",
        "asker.colour",
        "answerer.state",
        "answerer.colour",
        "to_asker.0",
        "to_asker.1",
        "to_answerer.0",
        "to_answerer.1",
    )
    warm = handshake.system.compile(handshake.system.of("asker", "warm"))
    assert set(warm.names) - set(handshake.system.compile().names) == {
        "asker.warm",
        "answerer.warm",
    }
    assert set(everything(counters.system).names) - set(counters.system.compile().names) == {
        "ticker.idle",
        "keeper.count",
    }


# -- value analysis ------------------------------------------------------------------------------
def test_a_domain_holds_only_values_that_occur() -> None:
    c = everything(handshake.system)
    domains = {n: d.values for n, d in zip(c.names, c.domains, strict=True)}
    assert domains["to_asker.0"] == ("empty", "Reply")
    assert domains["to_answerer.1"] == ("empty", "Hello")
    # A green hello is refused, and the values are told by the guard.
    assert domains["answerer.colour"] == ("none", "red", "green", "blue")
    k = everything(counters.system)
    assert k.constants == {"keeper.idle": 0, "to_ticker.0": "empty"}
    assert "keeper.idle" not in k.names


def test_every_value_that_is_reached_is_in_its_domain() -> None:
    for system in SYSTEMS.values():
        c = everything(system)
        for state in Reference(c).explore():
            for value, d, n in zip(state, c.domains, c.names, strict=True):
                assert value in d.codes, n


def test_steps_that_can_never_fire_are_gone() -> None:
    for name, raw, kept in (("toy", 8, 8), ("counters", 5, 5), ("forger", 8, 6)):
        system = SYSTEMS[name]
        assert (len(system.raw_steps), len(system.compile().steps)) == (raw, kept), name
    labels = {s.label for s in SYSTEMS["forger"].raw_steps}
    left = {s.label for s in SYSTEMS["forger"].compile().steps}
    # The maker's own seal is always right, and it always has a colour.
    assert {(rule, source) for _, rule, source in labels - left} == {
        ("taker_reject_order_START_0_a_colour", "maker"),
        ("taker_reject_order_START_0_seal", "maker"),
    }


def test_a_value_beyond_the_domain_is_not_assumed_possible() -> None:
    colour = Domain("Colour", ("none", "red", "green", "blue"))
    x, f = var("x", colour), var("msg.f", colour)
    assert possible(const("red", colour), None) == {"red"}
    assert possible(x, None) == set(colour.values)
    assert possible(ite(x == "red", const("red", colour), const("blue", colour)), None) == {
        "red",
        "blue",
    }
    assert possible(f, f.one_of("red", "green")) == {"red", "green"}
    assert bind(f == "red", {"msg.f": "red"}) is const(True)
    assert bind(f == "red", {"msg.g": "red"}) is (f == "red")


# -- grounding -----------------------------------------------------------------------------------
def test_a_row_is_grounded_once_for_each_source() -> None:
    labels = [s.label for s in forger.system.raw_steps if s.rule.name.endswith("to_TAKEN")]
    assert labels == [
        ("taker", "taker_receive_order_START_to_TAKEN", "maker"),
        ("taker", "taker_receive_order_START_to_TAKEN", "forged"),
    ]
    own, forged = (s for s in forger.system.raw_steps if s.rule.name.endswith("to_TAKEN"))
    assert "maker.sent_Order" in str(own.full)
    assert set(own.parameters) == set()
    assert set(forged.parameters) == {"msg.colour", f"msg.seal{OK}"}
    (kept,) = [
        s
        for s in forger.system.compile(forger.system.of("taker", "colour")).steps
        if s.label == forged.label
    ]
    # The seal is read by the guard alone, so it is eliminated; the colour is written, so it is not.
    assert dict(kept.free) == {"msg.colour": ("red", "green", "blue")}
    assert "maker.sent_Leak" in str(kept.guard)


def test_initial_states_are_the_product_of_the_initial_values() -> None:
    assert len(handshake.system.compile().initial_states()) == 1
    assert len(counters.system.compile().initial_states()) == 8
    assert len(everything(counters.system).initial_states()) == 16
    assert len(everything(forger.system).initial_states()) == 2


def test_a_state_is_described_by_names() -> None:
    c = everything(forger.system)
    assert c.describe(c.initial_states()[0]) == {
        "maker.state": "START",
        "maker.colour": "red",
        "taker.state": "START",
        "taker.colour": "none",
        "maker.sent_Order": False,
        "maker.sent_Leak": False,
    }
    assert c.write_once() == ("maker.colour", "taker.colour", "maker.sent_Order", "maker.sent_Leak")


def test_local_expressions_are_read_at_a_run() -> None:
    system = handshake.system
    expr = (handshake.own.colour == "red") & handshake.own.warm
    assert system.at("asker", expr) is (
        (system.of("asker", "colour") == "red") & var("asker.warm", BOOL)
    )
    assert system.by_name["asker"].role is handshake.asker


def test_an_unknown_configuration_is_refused() -> None:
    bad = System("bad", (Instance("maker", forger.maker, {"shade": ("red",)}),), forger.Forger())
    with pytest.raises(ValueError, match="bad: maker has no variable shade"):
        _ = bad.variables


def test_a_network_may_add_variables_and_refuse_to_send() -> None:
    class Closed(Network):
        """A network that carries nothing."""

        def variables(self, system: System) -> dict[str, Variable]:
            return {}

        def sources(
            self, system: System, run: Instance, message: Message, under: Expr | None
        ) -> list[Any]:
            return []

        def emit(
            self, system: System, run: Instance, message: Message
        ) -> tuple[Expr, dict[str, Expr]]:
            return const(False), {}

    c = System("closed", handshake.system.runs, Closed()).compile()
    assert c.steps == ()
    assert c.initial_states() == [()]
