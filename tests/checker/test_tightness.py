"""Tightness: each demand dropped alone, by whole search."""

from __future__ import annotations

import json

import pytest

from checker.cli import main
from checker.tightness import SELECTS, Drop, decide, drops, place, tightness
from checker.verdict import PROVED, VIOLATED
from checker.verify import Request
from model.scenario import scenario
from properties import find

AUT1 = "a_client_that_finished_talked_to_the_server"
TRUST = "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD"


def verdict(kind: str, where: str, what: str, prop: str = AUT1, at: str = "tls12-small") -> str:
    """The verdict without one demand, which must be among those listed."""
    listed = drops(find(prop)[0], scenario(at))
    (drop,) = [d for d in listed if (d.kind, d.where, d.what) == (kind, where, what)]
    row = decide(drop, prop, at, Request())
    assert (row.trace is not None) == (row.verdict == VIOLATED)
    return row.verdict


def test_a_check_that_the_property_rests_on() -> None:
    assert verdict("check", TRUST, "known CA") == VIOLATED
    assert verdict("check", TRUST, "not empty") == PROVED


def test_a_field_that_the_property_rests_on() -> None:
    agreement = "finished_covers_every_handshake_message"
    assert verdict("field", "Finished", "offer", agreement) == VIOLATED
    assert verdict("field", "Finished", "suite") == PROVED


def test_an_assumption_of_the_property() -> None:
    assert verdict("assumption", AUT1, "client0.server_certificate != adversary") == VIOLATED
    named = next(d.what for d in drops(find(AUT1)[0], scenario("tls12-small"))
                 if d.kind == "assumption" and "suite" in d.what)  # fmt: skip
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


@pytest.mark.slow
def test_the_command_prints_every_drop(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tightness", "AUT-15", "--scenario", "tls12-small", "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert len(table["rows"]) == 43
    broken = {(r["kind"], r["what"]): len(r["trace"]["steps"])
              for r in table["rows"] if r["verdict"] == VIOLATED}  # fmt: skip
    checks = ("not empty", "known CA", "not expired", "right name")
    assumed = ("assumption", "client0.server_certificate != none")
    assert broken == {**{("check", c): 3 for c in checks}, assumed: 0}


def test_an_undecided_drop_is_told() -> None:
    *_, last = tightness("KEY-4", "tls12-small", Request(states=100), workers=1)
    assert "undecided" in last.reason
    assert all(isinstance(r.drop, Drop) for r in last.rows)
