"""Tightness: each demand dropped alone, by proof or by whole search."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest

from checker.by_proof import prove
from checker.cli import main
from checker.engines.interface import Label
from checker.engines.symbolic import Refuter
from checker.report.tightness import as_json, as_text, overview, status
from checker.request import Request, system_of
from checker.support import Invariant, Support, carried, proof, uses
from checker.tightness import (
    SELECTS,
    Drop,
    Row,
    Tightness,
    decide,
    drops,
    place,
    places,
    tightness,
    weaker,
    without,
)
from checker.verdict import PROVED, UNKNOWN, VIOLATED
from model.expr import FALSE, TRUE
from model.scenario import scenario
from properties import find

AUT1 = "a_client_that_finished_talked_to_the_server"
TRUST = "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD"


def verdict(kind: str, where: str, what: str, prop: str = AUT1, at: str = "tls12-small") -> str:
    """The verdict without one demand, which must be among those listed, by search."""
    listed = drops(find(prop)[0], scenario(at))
    (drop,) = [d for d in listed if (d.kind, d.where, d.what) == (kind, where, what)]
    row = decide(drop, {prop: None}, at, Request())[prop]
    assert (row.trace is not None) == (row.verdict == VIOLATED)
    assert row.used is None
    return row.verdict


@pytest.mark.scenario
def test_a_check_that_the_property_rests_on() -> None:
    assert verdict("check", TRUST, "known CA") == VIOLATED
    assert verdict("check", TRUST, "not empty") == PROVED


@pytest.mark.scenario
def test_a_field_that_the_property_rests_on() -> None:
    agreement = "finished_covers_every_handshake_message"
    assert verdict("field", "Finished", "offer", agreement) == VIOLATED
    assert verdict("field", "Finished", "suite") == PROVED


@pytest.mark.scenario
def test_an_assumption_of_the_property() -> None:
    assert verdict("assumption", AUT1, "client0.server_certificate != adversary") == VIOLATED
    named = next(
        d.what
        for d in drops(find(AUT1)[0], scenario("tls12-small"))
        if d.kind == "assumption" and "suite" in d.what
    )
    assert verdict("assumption", AUT1, named) == PROVED


def test_a_condition_that_only_chooses_a_row() -> None:
    row = "client_send_client_key_exchange_SEND_CKE_to_SEND_CCS"
    assert verdict("condition", row, "own.client_certificate != honest") == SELECTS


def test_every_check_and_field_that_matters_there_is_listed_once() -> None:
    listed = drops(find(AUT1)[0], scenario("tls12-small"))
    assert len(listed) == len(set(listed)) == 45
    rows = {r.name for s in scenario("tls12-small").system().runs for r in s.role.table}
    assert {d.where for d in listed if d.kind in ("check", "condition")} <= rows
    kinds = [d.kind for d in listed]
    assert [kinds.count(k) for k in ("check", "field", "condition", "assumption")] == [14, 23, 5, 3]


def test_the_smallest_scenario_in_which_it_holds_is_taken() -> None:
    assert place("AUT-1", None)[1].name == "half-close"
    assert place("NEG-3", None)[1].name == "fallback"


@pytest.mark.parametrize(
    ("name", "where", "message"),
    [
        ("LIV-5", None, "no invariant"),
        ("AUT-1", "honest", "does not apply"),
        ("AUT-1", "two-clients", "is not searched"),
        ("AUT-99", None, "did you mean"),
    ],
)
def test_what_it_cannot_do_is_told(name: str, where: str | None, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        place(name, where)


@cache
def proved(name: str, at: str) -> Support:
    """The proof of a property, as the drops are held against it."""
    (r,) = prove(scenario(at).system(), find(name), Request())
    assert r.certificate is not None
    found = proof(r.property, at, Request(), r.certificate, r.method)
    assert found is not None
    return found


@pytest.mark.deep
@pytest.mark.parametrize(("at", "every"), [("tls12-small", 4), ("half-close", 6)])
def test_a_demand_that_a_proof_does_not_use_breaks_nothing_by_search(at: str, every: int) -> None:
    """Of all properties that hold there, by each fourth demand of the rows or each sixth."""
    proofs = {p.name: proved(p.name, at) for p, _ in places([], at)}
    (first, *_) = proofs
    listed = [d for d in drops(find(first)[0], scenario(at)) if d.kind != "assumption"]
    told = Counter[tuple[bool, str]]()
    for d in listed[::every]:
        searched = decide(d, dict.fromkeys(proofs), at, Request())
        if any(r.verdict == SELECTS for r in searched.values()):
            continue
        system = without(d, scenario(at))
        for name, row in searched.items():
            used = uses(proofs[name], find(name)[0], at, system)
            assert used or row.verdict == PROVED, (d, name)
            told[used, row.verdict] += 1
    assert min(told[False, PROVED], told[True, PROVED], told[True, VIOLATED]) > 0


@pytest.mark.deep
def test_an_assumption_that_the_proof_does_not_use_is_not_needed_by_search() -> None:
    (p,) = find(AUT1)
    found = proved(p.name, "tls12-small")
    used = {}
    for d in drops(p, scenario("tls12-small")):
        if d.kind == "assumption":
            row = decide(d, {p.name: found}, "tls12-small", Request())[p.name]
            used[d.what] = row.used
            if not row.used:
                searched = decide(d, {p.name: None}, "tls12-small", Request())[p.name]
                assert searched.verdict == row.verdict == PROVED
                assert row.states is None
    assert sorted(map(str, used.values())) == ["False", "True", "True"]


@pytest.mark.scenario
def test_a_demand_that_the_property_rests_on_is_one_that_the_proof_uses() -> None:
    (p,) = find("KEY-1")
    found = proved("KEY-1", "tls12-small")
    listed = {(d.kind, d.where, d.what): d for d in drops(p, scenario("tls12-small"))}
    known = listed["check", TRUST, "known CA"]
    assert decide(known, {p.name: found}, "tls12-small", Request())[p.name].used is False
    broken = [
        d
        for d in listed.values()
        if d.kind == "assumption"
        and decide(d, {p.name: found}, "tls12-small", Request())[p.name].verdict == VIOLATED
    ]
    assert broken
    for d in broken:
        assert uses(
            found, weaker(d, p), "tls12-small", system_of(Request(), scenario("tls12-small"))
        )


@pytest.mark.deep
def test_what_is_enough_of_an_invariant_is_one_and_less_is_none() -> None:
    system = system_of(Request(), scenario("tls12-small"))
    (p,) = find("SEC-1")
    found = proved("SEC-1", "tls12-small")
    whole = Invariant(found.invariant, system, p.holds(system))
    assert whole.sound()
    assert len(found.enough) < len(whole.parts)
    assert Invariant(found.invariant, system, p.holds(system), found.enough).sound()
    assert not Invariant(found.invariant, system, p.holds(system), found.enough[1:]).sound()


def test_a_run_is_carried_over_only_where_each_step_is_as_possible_and_does_the_same() -> None:
    system = system_of(Request(), scenario("tls12-small"))
    s = next(x for x in system.raw_steps if x.label[1] == TRUST and x.source.name == "forged")
    narrow = replace(s, full=FALSE)
    other = replace(s, effects={})
    for run in (frozenset({s.label}), frozenset[Label]()):
        for step, still in ((replace(s, full=TRUE), True), (narrow, False), (other, False)):
            assert carried(run, system, [step], Refuter()) is (still or not run)


@pytest.mark.deep
def test_the_command_prints_every_drop(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tightness", "AUT-15", "--scenario", "tls12-small", "--format", "json"]) == 0
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    assert len(table["rows"]) == 43
    assert table["proof"].startswith("proof (PDR")
    broken = {
        (r["kind"], r["what"]): len(r["trace"]["steps"])
        for r in table["rows"]
        if r["verdict"] == VIOLATED
    }
    checks = ("not empty", "known CA", "not expired", "right name")
    assumed = ("assumption", "client0.server_certificate != none")
    assert broken == {**{("check", c): 3 for c in checks}, assumed: 0}
    assert all(r["used"] for r in table["rows"] if r["verdict"] == VIOLATED)
    assert all(r["states"] is None for r in table["rows"] if r["used"] is False)


@pytest.mark.deep
def test_the_command_tells_of_an_extension_what_falls_without_each_demand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["tightness", "CLO-2", "AUT-15", "--scenario", "half-close"]) == 0
    out = capsys.readouterr().out
    first, *_ = out.split("\n\n")
    assert [x.split()[0] for x in first.splitlines()] == ["CLO-2", "AUT-15"]
    assert "WAIT_CERT_to_WAIT_CV: not empty\n    half-close: AUT-15 (4)\n" in out


@pytest.mark.deep
def test_an_undecided_drop_is_told() -> None:
    rows = islice(tightness(["KEY-4"], "tls12-small", Request(states=100), workers=1), 2)
    *_, [last] = rows
    assert last.reason.startswith("2 drops undecided")
    assert "No proof" in as_text(last)
    assert status([last]) == 3


def test_the_texts_of_a_table() -> None:
    (p,) = find(AUT1)
    demand = Drop("check", "a_row", "a demand", "5246 7.4")
    rows = [
        Row(demand, PROVED, used=False),
        Row(replace(demand, what="late"), UNKNOWN, True, "time"),
    ]
    found = Tightness(p, "tls12-small", "proof (PDR, 1 clause)", rows)
    lines = as_text(found).splitlines()
    assert lines[0].startswith("AUT-1 ")
    assert lines[3:5] == [
        "check a_row: late      used      undecided            time",
        "check a_row: a demand  not used  holds without",
    ]
    assert lines[-1] == "2 drops, 1 used: 0 break it; 1 drops undecided: time"
    assert "AUT-1" in overview([found])
    assert overview([found]).endswith("2 demands: a property falls without 0 of them")
    (table,) = json.loads(as_json([found]))["tables"]
    assert [r["verdict"] for r in table["rows"]] == [PROVED, UNKNOWN]
    assert status([found]) == 3
