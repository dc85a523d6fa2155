"""The command `attacks`: each published attack is found, replayed, and refused by sound ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checker import cli
from checker.attacks import (
    OTHERWISE,
    REFUSES,
    UNDONE,
    UNMADE,
    UNSENT,
    Attack,
    Refusal,
    attacked,
    attacks,
)
from checker.by_search import search
from checker.decide import PATCHED_STATES
from checker.report.attacks import as_json, line, status, summary
from checker.request import Request
from checker.verdict import PROVED, UNKNOWN, VIOLATED, Result
from model.adversary.capabilities import capabilities
from model.flaws import Flaw, combined, flaws
from model.rule import ModelError
from model.scenario import Scenario, scenario
from properties import catalogue
from tests.sizes import deep_but

NAMES = sorted(flaws())


# -- one attack ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", deep_but(["selfie"], NAMES))
def test_an_attack_is_found_replayed_refused_and_gone(name: str) -> None:
    a = attacked(name)
    assert a.as_declared, line(a)
    assert a.trace is not None
    assert a.result.property == a.flaw.shows
    assert a.refusal is not None
    assert 1 <= a.refusal.step <= len(a.trace)
    step = a.trace.steps[a.refusal.step - 1]
    assert (step.run, step.event) == (a.refusal.run, a.refusal.event)
    assert a.refusal.why in (OTHERWISE, REFUSES, UNDONE, UNMADE, UNSENT)
    assert (a.refusal.why == REFUSES) == (a.refusal.alert is not None)
    # Who refuses is an end that had the flaw.
    assert step.run.rstrip("0123456789") in a.flaw.at(a.ends) or a.refusal.why != REFUSES


@pytest.mark.scenario
def test_a_server_that_looks_who_the_client_is_refuses_its_own_hello() -> None:
    a = attacked("selfie")
    assert a.refusal == Refusal(2, "server0", "ClientHello", REFUSES, "unknown_psk_identity")
    assert a.sound == {"without the flaw": PROVED}


@pytest.mark.deep
def test_what_two_ends_or_a_capability_are_needed_for_is_gone_without_one() -> None:
    assert set(attacked("early_ccs").sound) == {
        "without the flaw",
        "with the flaw of the client alone",
        "with the flaw of the server alone",
    }
    assert set(attacked("logjam").sound) == {"without the flaw", "without break_export"}


@pytest.mark.deep
@pytest.mark.parametrize(
    ("name", "why"), [("truncation", OTHERWISE), ("public_ticket_key", UNMADE)]
)
def test_a_sound_end_may_do_otherwise_or_the_adversary_lack_a_key(name: str, why: str) -> None:
    refusal = attacked(name).refusal
    assert refusal is not None
    assert (refusal.why, refusal.alert) == (why, None)


# -- all of them -----------------------------------------------------------------------------------
@pytest.mark.deep
def test_the_attacks_of_one_scenario_come_in_the_order_asked_for() -> None:
    asked = ["truncation", "selfie", "unknown_raw_public_key", "no_expected_name"]
    assert [a.flaw.name for a in attacks(asked, workers=2)] == asked


def test_an_unknown_flaw_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["attacks", "selfy"]) == 2
    assert "no flaw is called 'selfy'; did you mean selfie" in capsys.readouterr().err


def test_a_flaw_that_shows_nothing_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from model.flaws import *\n"
        'ROW = "client_receive_certificate_verify_WAIT_CV_to_WAIT_FINISHED"\n'
        'FLAW = Flaw("mine", scenario="tls13", patches={"client": without_check(ROW)})\n'
    )
    assert cli.main(["attacks", str(file)]) == 2
    assert "does not say which property shows it" in capsys.readouterr().err


# -- what is said ----------------------------------------------------------------------------------
def _made_up(verdict: str, refusal: Refusal | None, sound: str) -> Attack:
    """An attack in as many steps as declared, if it is found."""
    flaw = flaws()["selfie"]
    trace = range(flaw.steps) if verdict == VIOLATED else None
    result = Result(flaw.shows, "AUT-9", flaw.where, verdict, trace=trace)
    return Attack(flaw, "server", result, refusal, {"without the flaw": sound})


FINE = Refusal(2, "server0", "ClientHello", REFUSES, "unknown_psk_identity")


@pytest.mark.parametrize(
    ("attack", "mark", "exit_status"),
    [
        (_made_up(VIOLATED, FINE, PROVED), " ", 0),
        (_made_up(UNKNOWN, None, PROVED), "!", 1),
        (_made_up(VIOLATED, None, PROVED), "!", 1),
        (_made_up(VIOLATED, FINE, VIOLATED), "!", 1),
        (_made_up(VIOLATED, FINE, UNKNOWN), "!", 1),
    ],
)
def test_what_is_not_as_it_should_be_is_marked(attack: Attack, mark: str, exit_status: int) -> None:
    assert line(attack)[0] == mark
    assert status([attack], interrupted=False) == exit_status
    assert status([attack], interrupted=True) == 130


def test_an_attack_of_another_length_is_not_as_declared() -> None:
    attack = _made_up(VIOLATED, FINE, PROVED)
    assert not replace(attack, flaw=replace(attack.flaw, steps=7)).as_declared


def test_attacks_as_json_and_in_one_line() -> None:
    attack = _made_up(VIOLATED, FINE, PROVED)
    (found,) = json.loads(as_json([attack], interrupted=False))["results"]
    wanted = {"flaw", "cve", "found", "property", "length", "seconds", "replayed", "refused_at"}
    assert wanted | {"sound_without"} <= set(found)
    assert found["refused_at"]["step"] == 2
    assert found["sound_without"] is True
    assert line(attack).endswith(
        "AUT-9    8 steps; step 2, ClientHello: server0 refuses it with unknown_psk_identity; "
        "without the flaw: PROVED; 0.0 s"
    )
    assert summary([attack]).startswith("1 attack: 1 found and replayed, 1 refused by sound ends")


# -- the catalogue ---------------------------------------------------------------------------------
def test_the_catalogue_is_as_large_as_it_says_and_each_flaw_tells_its_history() -> None:
    every = flaws().values()
    assert len(every) >= 60
    assert sum(f.year >= 2020 for f in every) >= 25
    for f in every:
        assert f.cve or f.source, f.name
        assert f.year >= 1995, f.name
        assert f.hit, f.name
        assert f.title, f.name
        assert f.shows in next(iter(f.breaks.values())), f.name
        assert f.steps > 0, f.name
        assert set(f.local) <= {n for names in f.breaks.values() for n in names}, f.name


def test_no_two_flaws_have_one_identifier() -> None:
    listed = [c for f in flaws().values() for c in f.cve]
    assert len(listed) == len(set(listed))


# -- laws ------------------------------------------------------------------------------------------
def _stronger(flaw: Flaw) -> Iterator[tuple[str, Scenario]]:
    """The scenario of a flaw with each capability more that its ends can lose."""
    where = scenario(flaw.where)
    for name in capabilities():
        more = replace(where, capabilities=tuple(dict.fromkeys((*where.capabilities, name))))
        if more != where:
            yield name, more


@pytest.mark.deep
@pytest.mark.parametrize("name", ["goto_fail", "early_ccs", "unchecked_name"])
def test_more_power_never_saves_a_property(name: str) -> None:
    """What falls with a capability falls in as few steps with another beside it."""
    flaw = flaws()[name]
    end, prop = flaw.ends[0], catalogue()[flaw.shows]
    if prop.temporal:
        return  # on the reliable network nobody has a capability
    decided = 0
    for added, where in _stronger(flaw):
        try:
            system = where.system(*flaw.roles(end, where.extensions))
            system.compile(prop.bad(system))
        except (ModelError, KeyError):
            continue  # the ends have no such secret
        (result,) = search(system, [prop], Request(states=PATCHED_STATES))
        if result.verdict != UNKNOWN:  # with a further loss at any moment a search may be too big
            decided += 1
            assert result.verdict == VIOLATED, added
            assert len(result.trace) <= flaw.steps, added
    assert decided


def _together() -> list[tuple[str, str]]:
    """The pairs of flaws of one scenario, the first at the client, the second at the server."""
    return [
        (a.name, b.name)
        for a in flaws().values()
        for b in flaws().values()
        if a.name != b.name
        and a.where == b.where
        and "client" in a.patches
        and "server" in b.patches
    ]


MASKED: dict[tuple[str, str], str] = {}
"""The pairs of which one hides what the other breaks, with the reason."""


@pytest.mark.deep
@pytest.mark.parametrize(("a", "b"), _together()[:4])
def test_two_flaws_break_what_each_breaks(a: str, b: str) -> None:
    one, other = flaws()[a], flaws()[b]
    each = set(one.breaks.get("client", ())) | set(other.breaks.get("server", ()))
    both, end = combined(f"{a}+{b}", [(one, "client"), (other, "server")])
    where = scenario(one.where)
    system = where.system(*both.roles(end, where.extensions))
    props = [p for n in each if not (p := catalogue()[n]).temporal]
    fallen = {r.property for r in search(system, props, Request()) if r.verdict == VIOLATED}
    assert (each - fallen == set()) == ((a, b) not in MASKED)
