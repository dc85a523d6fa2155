"""Pairs of changes, one at each end: by brute force on toys, and the published ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest

from checker import cli
from checker.mutants.generate import Mutant, changed, mutants_of
from checker.mutants.pairs import Pair, Tried, across, pairs, tried
from checker.report.attacks import pair
from model.expr import BOOL, FALSE, TRUE, Expr, var
from model.flaws import flaws
from model.operation import Operation
from model.patch import with_effects, without_condition
from model.role import Role
from model.rule import SAME, Rule, receive, send, step
from model.scenario import scenario
from model.system import Instance, System
from properties import catalogue
from tests.checker.random_systems import (
    MESSAGES,
    VARIABLES,
    Open,
    own,
    random_questions,
    random_system,
)
from tests.checker.test_formats import fits
from tests.checker.test_mutants import depths, explored, never


def _both(system: System, a: Mutant, b: Mutant) -> System:
    first = changed(system, a)
    assert first is not None
    out = changed(first, b)
    assert out is not None
    return out


@pytest.mark.parametrize("seed", range(12))
def test_what_two_changes_break_is_what_brute_force_finds(seed: int) -> None:
    random = Random(seed)
    sound = random_system(random)
    before = explored(sound)
    bads = [q for q in random_questions(random, sound) if not depths(sound, before, q)]
    props = [never(f"p{i}", q) for i, q in enumerate(bads)]

    def fallen(system: System) -> dict[str, int]:
        graph = explored(system)
        found = zip(props, (depths(system, graph, q) for q in bads), strict=True)
        return {p.name: min(d) for p, d in found if d}

    every = [m for m in mutants_of(sound) if len(m.ends) == 1]
    some = random.sample(every, min(24, len(every)))
    alone = {str(m): fallen(system) for m in some if (system := changed(sound, m)) is not None}
    left = [m for m in some if not alone[str(m)]]
    expected = {
        (str(a), str(b)): together
        for a in left
        for b in left
        if a.ends < b.ends and (together := fallen(_both(sound, a, b)))
    }
    found = tried(sound, some, props)
    assert {(p.client, p.server): {r.property: r.depth for r in p.more} for p in found.pairs} == (
        expected
    )
    assert found.count == sum(a.ends < b.ends for a in left for b in left)


def _toy(names: str, rows: Mapping[str, Sequence[Rule]], when: Mapping[Any, Expr]) -> System:
    """Runs that stay in one state, whose messages can be delivered as `when` says."""
    message = {m.name: {"bit": own("x")} for m in MESSAGES}
    made = (
        Instance(n, Role(n, ("A", "CLOSED"), VARIABLES, tuple(rows[n]), MESSAGES, message))
        for n in names
    )
    never_ = {(n, m.name): FALSE for n in names for m in MESSAGES}
    return System("toy", tuple(made), Open({**never_, **when}, ()))


def _change(patch: Operation, end: str) -> Mutant:
    row = patch.row
    return Mutant(
        "guard",
        row,
        str(patch).rpartition("'")[0].rpartition("'")[2],
        "",
        "toy 1",
        (row,),
        (end,),
        patch,
    )


def test_what_both_let_through_is_found() -> None:
    """Each end alone may set its flag, and no message passes between the ends."""
    go = {n: [step(n, "go", "A", SAME, rfc="toy 1", when=own("x"), do={"y": TRUE})] for n in "ab"}
    system = _toy("ab", go, {})
    both = never("p", var("a.y", BOOL) & var("b.y", BOOL))
    changes = [_change(without_condition(f"{n}_go_A_to_SAME", "own.x"), n) for n in "ab"]
    (found,) = tried(system, changes, [both]).pairs
    assert (found.client, found.server) == (
        "guard a_go_A_to_SAME: own.x",
        "guard b_go_A_to_SAME: own.x",
    )
    assert [(r.property, r.depth) for r in found.more] == [("p", 2)]
    assert found.harmless_alone and not found.open


def test_a_change_that_matters_only_after_the_others_is_found() -> None:
    """One end sends what it should not; the other should look at it, and cannot alone."""
    rows = {
        "a": [send("a", MESSAGES[0], "A", SAME, rfc="toy 1", when=own("x"))],
        "b": [receive("b", MESSAGES[0], "A", SAME, rfc="toy 1", do={"y": own("x")})],
    }
    system = _toy("ab", rows, {("b", "M"): var("a.sent_M", BOOL)})
    p = never("p", var("b.y", BOOL))
    sends = _change(without_condition("a_send_m_A_to_SAME", "own.x"), "a")
    takes = _change(with_effects("b_receive_m_A_to_SAME", y=TRUE), "b")
    (found,) = tried(system, [sends, takes], [p]).pairs
    assert [r.depth for r in found.more] == [2]
    assert tried(system, [sends], [p]).pairs == tried(system, [takes], [p]).pairs == []


def test_what_is_too_large_to_search_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a change alone nor a pair is taken for harmless."""
    go = {n: [step(n, "go", "A", SAME, rfc="toy 1", when=own("x"), do={"y": TRUE})] for n in "ab"}
    system = _toy("ab", go, {})
    both = never("p", var("a.y", BOOL) & var("b.y", BOOL))
    changes = [_change(without_condition(f"{n}_go_A_to_SAME", "own.x"), n) for n in "ab"]
    monkeypatch.setattr("checker.mutants.pairs.MOST", 2)
    found = tried(system, changes, [both])
    assert (found.count, found.left_out, [p.open for p in found.pairs]) == (1, 0, [True])
    monkeypatch.setattr("checker.mutants.pairs.MOST", 1)
    found = tried(system, changes, [both])
    assert (found.count, found.left_out, found.pairs) == (0, 2, [])


@pytest.mark.parametrize(
    ("name", "compares"),
    [
        ("data_is_delivered_only_after_finished_is_verified", False),
        ("session_keys_with_an_honest_peer_are_secret", True),
        ("a_verified_finished_means_one_transcript", True),
    ],
)
def test_a_goal_is_what_compares_ends(name: str, compares: bool) -> None:
    system = scenario("tls12-small").system()
    assert (across(catalogue()[name], system) is not None) == compares


def test_of_a_property_the_part_that_compares_ends_is_asked() -> None:
    system = scenario("tls12-ems").system()
    whole = catalogue()["the_session_hash_is_used_if_both_hellos_ask_for_it"]
    part = across(whole, system)
    assert part is not None
    assert 0 < len(part.implications(system)) < len(whole.implications(system))


def _pair(name: str) -> Pair:
    ((found, new),) = pairs([name])
    assert (found.scenarios, found.count) == (1, 1)
    (only,) = new
    return only


@pytest.mark.scenario
def test_a_flaw_at_both_ends_breaks_more_than_at_each() -> None:
    found = _pair("early_ccs")
    both = {catalogue()[n].id for n in flaws()["early_ccs"].breaks["both"]}
    assert {r.id for r in found.more} == both - set(found.alone)
    assert "SEC-1" in {r.id for r in found.more}
    assert not found.open
    assert not found.harmless_alone
    says = pair(found)
    assert says.startswith(
        "early_ccs at the client, early_ccs at the server, in tls12-small: alone"
    )
    assert "SEC-1 in 20 steps" in says


@pytest.mark.scenario
def test_pairs_as_json_fit_their_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["attacks", "--pairs", "early_ccs", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    fits(said, "attacks")
    assert (said["scenarios"], said["count"], len(said["pairs"])) == (1, 1, 1)


@pytest.mark.deep
def test_two_ends_that_each_hide_the_master_secrets_origin_break_more_than_alone() -> None:
    assert {r.id for r in _pair("triple_handshake").more} == {"AUT-8", "AUT-21"}


def test_a_pair_is_told_where_it_is_found_first() -> None:
    def found(where: str, *clients: str) -> Tried:
        return Tried(1, 2, [Pair(c, "s", where, (), (), open=True) for c in clients])

    so_far = Tried()
    assert [p.client for p in so_far.add(found("one", "a"))] == ["a"]
    assert [p.client for p in so_far.add(found("two", "a", "b"))] == ["b"]
    assert (so_far.scenarios, so_far.count) == (2, 4)
    assert [(p.client, p.scenario) for p in so_far.pairs] == [("a", "one"), ("b", "two")]


def test_pairs_of_an_unknown_flaw_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["attacks", "--pairs", "early_css"]) == 2
    assert "early_ccs" in capsys.readouterr().err
