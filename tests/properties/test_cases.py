"""Cases of properties: which implications are one case, and what is said of those never reached."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from checker.by_search import search
from checker.cases import odd
from checker.report.text import table
from checker.request import Request, expectations
from checker.verdict import PROVED, VACUOUS, Result, exit_status
from checker.witnesses import Reached, witnesses
from model.expr import FALSE, TRUE
from model.scenario import scenario
from properties import Case, Implication, Property, World, catalogue, declared, find, when


def premises(says: Callable[[Any], Any]) -> list[str]:
    """The names of the cases of an invariant in a scenario with two clients and a server."""
    p = declared("invariant", "p", says)
    return [c.name for c in p.cases(scenario("two-clients").system())]


def test_one_place_is_one_case_for_each_role() -> None:
    assert premises(lambda w: [when(r.verified).then(TRUE) for r in w.runs]) == [
        "r.verified, r a client",
        "r.verified, r a server",
    ]


def test_two_places_on_one_line_are_two_cases() -> None:
    def says(w: World) -> list[Implication]:
        c = w.clients[0]
        return [when(c.verified).then(TRUE), when(c.keyed).then(TRUE)]

    assert premises(says) == ["c.verified, c a client", "c.keyed, c a client"]


def test_each_call_of_a_helper_is_a_case() -> None:
    def helped(w: World, name: str) -> list[Implication]:
        return [when(getattr(c, name)).then(TRUE) for c in w.clients]

    def says(w: World) -> list[Implication]:
        return [*helped(w, "verified"), *helped(w, "keyed")]

    p = declared("invariant", "p", says)
    first, second = p.cases(scenario("two-clients").system())
    assert first.name == second.name == "getattr(c, name), c a client"
    assert first.place != second.place
    assert first.place.startswith("tests/properties/test_cases.py:")


def test_a_premise_over_lines_is_read_whole() -> None:
    def says(w: World) -> list[Implication]:
        return [
            when(
                w.clients[0].verified,
            ).then(TRUE)
        ]

    assert premises(says) == ["w.clients[0].verified"]


@pytest.mark.scenario
def test_a_case_that_is_never_reached_shows_beside_one_that_is() -> None:
    def half(w: World) -> list[Implication]:
        return [
            *(when(c.verified).then(c.keyed) for c in w.clients),
            *(when(s.saw_certificate_verify).then(FALSE) for s in w.servers),
        ]

    p = declared("invariant", "half", half)
    none = declared("invariant", "none", lambda w: half(w)[1:])
    results = search(scenario("tls12-small").system(), [p, none], Request())
    assert [r.verdict for r in results] == [PROVED, VACUOUS]
    assert [*results[0].cases.values()] == [True, False]
    assert "; 1 of 2 cases reached" in table(results)


def test_a_run_fails_if_no_scenario_reaches_a_case() -> None:
    (p,) = find("ORD-1")
    one, other = Case("a:1:1", says="one"), Case("a:2:1", says="other")

    def result(where: str, **cases: bool | None) -> Result:
        by = {one: cases["one"], other: cases["other"]}
        return Result(p.name, p.id, where, PROVED, cases=by)

    first = result("tls12-small", one=True, other=False)
    assert odd([first, result("tls13", one=False, other=True)]) == []
    (found,) = odd([first, result("tls13", one=False, other=None)])
    assert str(found) == f"ORD-1 {p.name}: no scenario reaches this case: a:2:1: other"
    assert exit_status([first], odd_cases=True) == 1
    # An honest scenario is no witness for a property about the adversary.
    assert len(odd([first, result("honest", one=True, other=True)])) == 1


def test_a_declared_case_is_neither_reached_nor_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    (p,) = find("ORD-1")
    says = {"unreached": {p.name: {"other": "why", "gone": "why"}}}
    monkeypatch.setattr("checker.request.expectations", lambda: says)
    other = Case("a:2:1", says="other")
    result = Result(p.name, p.id, "tls13", PROVED, cases={other: False})
    assert [x.why for x in odd([result])] == ["declared not to be reached, and there is none such"]
    result = replace(result, cases={other: True})
    assert "declared not to be reached, and it is" in [x.why for x in odd([result])]


def test_declared_cases_name_properties_and_have_reasons() -> None:
    for name, cases in expectations().get("unreached", {}).items():
        assert name in catalogue()
        assert all(cases.values())


# -- witnesses where nothing is searched -----------------------------------------------------------
def cases_of(where: str, props: list[Property]) -> Reached:
    return witnesses(scenario(where).system(), props, Request())


@pytest.mark.deep
def test_honest_runs_reach_what_no_search_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumption with client certificates, 40 steps deep: the search may see one state only."""
    monkeypatch.setattr("checker.witnesses.WITNESS_STATES", 1)
    (p,) = find("RES-11")
    found = cases_of("tls13-resumption-client-auth", [p])[p.name]
    assert [*found.values()] == [True]


@pytest.mark.deep
def test_a_case_of_misbehaviour_is_left_to_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(w: World) -> list[Implication]:
        return [when(c.server_random == "adversary").then(TRUE) for c in w.clients]

    p = declared("invariant", "p", forged)
    assert [*cases_of("tls13-two-clients", [p])["p"].values()] == [True]
    monkeypatch.setattr("checker.witnesses.WITNESS_STATES", 1)
    assert [*cases_of("tls13-two-clients", [p])["p"].values()] == [None]
