"""Requirements of an RFC: each names what exists, and the report tells what nothing carries."""

from __future__ import annotations

import json

import pytest

from checker.cli import main
from checker.report.choices import Side, sides, told
from checker.report.requirements import FOLDER, cited, matching, requirements, sections
from checker.verdict import PROVED, Result
from model.extensions import extensions, with_needed
from model.roles import role
from model.rule import ModelError
from properties import catalogue

NUMBERS = sorted(p.stem for p in FOLDER.glob("*.toml"))
TOGETHER = tuple(n for n, e in extensions().items() if not e.excludes)
ROLES = [
    role(end, with_needed(*names))
    for names in ((), *((n,) for n in extensions()), TOGETHER)
    for end in ("client", "server")
]
RULES = [*{r.name: r for of in ROLES for r in of.rules}.values()]
# A row has other checks with another extension.
EVERY = [*{(r.name, r.checks): r for of in ROLES for r in of.rules}.values()]


@pytest.mark.parametrize("rfc", NUMBERS)
def test_every_row_and_property_named_is_there(rfc: str) -> None:
    ids = {p.id for p in catalogue().values()}
    for r in requirements(rfc)[1]:
        assert r.rules or r.properties or r.left, r.says
        for pattern in r.rules:
            assert matching(pattern, EVERY), (r.says, pattern)
        assert set(r.properties) <= ids, (r.says, set(r.properties) - ids)


def test_a_citation_names_its_sections() -> None:
    assert cited("5246 7.3; 8446 2, 4.4.4", "8446") == ["2", "4.4.4"]
    assert cited("5246 7.3; 8446 2, 4.4.4", "5246") == ["7.3"]
    assert cited("5246 7.3", "8446") == []


def test_a_section_tells_what_carries_it_and_what_nothing_does() -> None:
    results = [
        Result("a", "AUT-15", "tls13", PROVED),
        Result("a", "AUT-15", "tls12", PROVED),
    ]
    found = {s.number: s for s in sections("8446", results, RULES)}
    (empty, *_) = [x for x in found["4.4.2.4"].requirements if "AUT-15" in x[0].properties]
    assert empty[1] == ("client_receive_certificate_WAIT_CERT_CR_WAIT_CERT_to_WAIT_CV:not empty",)
    assert empty[2] == ("AUT-15 PROVED in 2 scenarios",)
    (ages,) = [x for x in found["4.2.11.1"].requirements if x[0].left]
    assert ages[1:] == ((), ())
    assert [*found][:2] == ["2", "2.2"] and [*found][-1].startswith("E")


@pytest.mark.scenario
def test_the_command_groups_the_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", "AUT-15", "--scenario", "tls13", "--rfc", "8446"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "4.4.2.4 Receiving a Certificate Message" in text
    assert "AUT-15 PROVED in 1 scenario" in text
    assert "1 verdict: 1 PROVED" in text
    assert main([*arguments, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rfc"] == "8446"


def test_an_rfc_that_is_not_listed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "AUT-15", "--scenario", "tls13", "--rfc", "1149"]) == 2
    those = "5077, 5246, 5746, 6066, 7301, 7507, 7627, 7918, 8446, 9155, 9258"
    assert f"there are those of {those}" in capsys.readouterr().err


# -- choices ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("rfc", NUMBERS)
def test_every_switch_is_one_of_the_scenarios(rfc: str) -> None:
    for r in (r for r in requirements(rfc)[1] if r.switch):
        yes, no = sides(r.switch)
        assert yes.scenarios or no.scenarios
        # What falls for one reason or another holds nowhere in all scenarios.
        assert not yes.holds & yes.falls and not no.holds & no.falls


def test_a_choice_that_a_scenario_leaves_free_is_on_both_sides() -> None:
    yes, no = sides("client.offers_pha")
    assert "post-handshake-auth" in yes.scenarios
    assert {*yes.scenarios} & {*no.scenarios}


def test_what_falls_without_a_choice_is_on_that_side() -> None:
    """Without a demand for EMS, or with an insecure renegotiation, as published."""
    for switch, ids in (
        ("client.requires_ems", {"AUT-8", "AUT-21"}),
        ("server.allows_insecure=False", {"REN-2"}),
    ):
        yes, no = sides(switch)
        assert ids <= no.falls & yes.somewhere
        assert not ids & yes.falls


def test_a_choice_is_told_with_what_falls_only_so() -> None:
    x, y, z = frozenset("X"), frozenset("XY"), frozenset("XYZ")
    yes = Side(("a", "b"), holds=y, somewhere=y, falls=frozenset("ZVW"))
    no = Side(("c",), holds=x, somewhere=z, falls=frozenset("W"))
    assert told(yes, no) == "2 properties in 2 scenarios; not Z"
    assert told(no, yes) == "1 property in 1 scenario"
    assert told(Side((), x, x, x), yes) == "in no scenario"


def test_an_unknown_switch_is_refused() -> None:
    for switch in ("client.nothing", "no_extension"):
        with pytest.raises(ModelError):
            sides(switch)
