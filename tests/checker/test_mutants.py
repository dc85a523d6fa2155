"""Mutants: their fates by brute force on toys, on TLS, and what is recorded of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any

import pytest

from checker.cli import main
from checker.engines.reference import Reference
from checker.mutants import family as family_
from checker.mutants.changes import Changes
from checker.mutants.code import Ask, asks
from checker.mutants.family import EQUIVALENT, KILLED, SURVIVES, UNDECIDED, Family
from checker.mutants.generate import KINDS, WORDS, changed, first, mutants_of
from checker.mutants.run import Asked, Fate, Judged, holding, identity, judged, scenarios
from checker.mutants.survivors import Reason, counted, reasons, recorded
from checker.report.mutants import as_json, as_text, status
from checker.request import Request, declared, properties_of
from checker.tightness import place
from checker.trace import every_variable
from checker.verdict import VACUOUS, VIOLATED
from model.expr import BOOL, FALSE, Domain, Expr, conj, const, mapping, neg, var
from model.role import Role
from model.rule import SAME, Variable, step
from model.scenario import scenario
from model.system import Instance, System
from properties import Property
from properties import declared as made_up
from tests.checker.random_systems import Open, random_questions, random_system
from tests.checker.test_formats import fits
from tests.toys import forger, handshake

FINISHED = "client_receive_finished_WAIT_FIN_to_CONNECTED"
TRUST = "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD"


def never(name: str, bad: Expr) -> Property:
    """The property that `bad` never holds."""
    return made_up("invariant", name, lambda _: neg(bad))


def explored(system: System) -> Any:
    """The graph of the machines, over all variables."""
    return Reference(every_variable(system)).explore()


def valuation(system: System, graph: Any, state: Any) -> dict[str, Any]:
    """The values of all variables in a state of the graph."""
    first = {n: v.initial[0] for n, v in system.variables.items()}
    return first | dict(zip(graph.graph["variables"], state, strict=True))


def moves(system: System, graph: Any, names: tuple[str, ...]) -> set[Any]:
    """What can happen and change something, as far as the variables `names` show."""

    def seen(state: Any) -> tuple[Any, ...]:
        values = valuation(system, graph, state)
        return tuple(values[n] for n in names)

    return {
        (e["run"], e["rule"].trigger, e["source"].name, seen(a), seen(b))
        for a, b, e in graph.edges(data=True)
        if seen(a) != seen(b)
    }


def depths(system: System, graph: Any, bad: Expr) -> list[int]:
    """The depths of the states in which `bad` holds."""
    holds = Reference(every_variable(system)).predicate(bad)
    return [d for s, d in graph.nodes(data="depth") if holds(s)]


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_each_fate_is_that_of_brute_force(
    monkeypatch: pytest.MonkeyPatch, seed: int, few: bool
) -> None:
    """With `few`, every question is asked of the states that differ for it alone."""
    if few:
        monkeypatch.setattr(family_, "MANY", -1)
        monkeypatch.setattr(family_, "FEWER", 1)
    random = Random(seed)
    sound = random_system(random)
    before = explored(sound)
    bads = [q for q in random_questions(random, sound) if not depths(sound, before, q)]
    props = [never(f"p{i}", q) for i, q in enumerate(bads)]
    family = Family(sound, props, mutants_of(sound))
    names = family.joint.names
    for mutant in family.changes:
        system = changed(sound, mutant)
        assert system is not None
        after, found = explored(system), family.judge(mutant)
        short = {
            p.name: min(depths(system, after, q), default=None)
            for p, q in zip(props, bads, strict=True)
        }
        if found.fate == KILLED:
            for name, steps in found.falls.items():
                if steps is not None:
                    assert short[name] is not None
                    assert steps >= short[name]
                    assert len(found.traces[name]) == steps
        else:
            assert set(short.values()) <= {None}
            same = moves(sound, before, names) == moves(system, after, names)
            assert (found.fate == EQUIVALENT) == same


def test_the_first_row_is_found_in_any_block_and_lane() -> None:
    digit = Domain("Digit", tuple(range(13)))
    n = var("own.n", digit)
    up = mapping(n, {v: min(v + 1, 12) for v in digit.values}, digit)
    row = step("r", "tick", "A", SAME, rfc="toy 1", do={"n": up})
    role = Role("r", ("A",), {"n": Variable(digit, (0,), write_once=False)}, (row,), (), {})
    system = System("digits", tuple(Instance(x, role) for x in "abc"), Open({}, ()))
    digits = {f"{x}.n": var(f"{x}.n", digit) for x in "abc"}
    all_read = never("p", conj(*(d == 12 for d in digits.values())))
    family = Family(system, [all_read], mutants_of(system))
    rows, gated = family.base, family.gated
    assert rows.count == 13**3
    names = family.joint.names
    values = [dict(zip(names, rows.path(i)[-1][1], strict=True)) for i in range(rows.count)]
    random = Random(1)
    wanted = [
        {x: random.choice(digit.values) for x in digits if random.random() < 0.8} for _ in range(40)
    ]
    planes = {
        i: gated.truth(conj(*(digits[x] == v for x, v in w.items()))) for i, w in enumerate(wanted)
    }
    for begin, end in [(0, 2197), (0, 1), (63, 65), (500, 1100), (1000, 1000), (700, 2197)]:
        found = {
            k: v for a in asks(gated.circuit, planes) for k, v in rows.first(a, begin, end).items()
        }
        for i, w in enumerate(wanted):
            fits = (k for k in range(begin, end) if w.items() <= values[k].items())
            assert found.get(i) == next(fits, None)
    for read in (("a.n",), ("a.n", "c.n")):
        seen = {tuple(v[x] for x in read): k for k, v in reversed([*enumerate(values)])}
        planes = {i: gated.truth(conj(*(digits[x] == 5 for x in read))) for i in (0, 1)}
        ask = Ask(gated.circuit, planes)
        some = rows.distinct(ask.mask)
        assert some is not None and [*some] == sorted(seen.values())
        where = seen[(5,) * len(read)]
        assert rows.first(ask, 0, 2197, some) == {0: where, 1: where}
        assert rows.first(ask, where + 1, 2197, some) == {}


def swapped(value: bool) -> System:
    """A run that sets one of two variables and ends."""
    flags = {n: Variable(BOOL, (False,)) for n in ("x", "y")}
    rows = (
        step("r", "choose", "A", "B", rfc="toy 1", do={"x": const(True)}),
        step("r", "end", "B", "C", rfc="toy 2", do={"y": const(value)}),
    )
    role = Role("r", ("A", "B", "C"), flags, rows, (), {}, final=("C",))
    return System("swapped", (Instance("r", role),), Open({}, ()))


def test_as_many_states_and_edges_are_not_the_same_system() -> None:
    sound = swapped(True)
    y = var("r.y", BOOL)
    asked = never("p", y & neg(var("r.x", BOOL)))
    family = Family(sound, [asked], mutants_of(sound))
    fates = {str(m): family.judge(m).fate for m in family.changes}
    less = next(m for m in family.changes if str(m) == "effect r_end_B_to_C: y")
    system = changed(sound, less)
    assert system is not None
    before, after = explored(sound), explored(system)
    assert (len(before), before.size()) == (len(after), after.size()) == (3, 2)
    assert fates[str(less)] == SURVIVES
    assert fates["effect r_choose_A_to_B: x"] == KILLED


def test_what_lies_beyond_a_bound_is_undecided() -> None:
    sound = swapped(True)
    asked = never("p", var("r.y", BOOL) & neg(var("r.x", BOOL)))
    family = Family(sound, [asked], mutants_of(sound), states=1)
    assert not family.complete
    late = [m for m in family.changes if m.row == "r_end_B_to_C"]
    assert late and {family.judge(m).fate for m in late} == {UNDECIDED}


def test_the_fates_of_a_toy() -> None:
    sound = forger.system
    taken, made = sound.of("taker", "colour"), sound.of("maker", "colour")
    wrong = (taken != "none") & (taken != made) & neg(var("maker.sent_Leak", BOOL))
    family = Family(sound, [never("p", wrong)], mutants_of(sound))
    fates = {(m.kind, m.what): family.judge(m).fate for m in family.changes}
    assert fates["check", "seal"] == KILLED
    assert fates["check", "a colour"] == SURVIVES
    assert fates["value", "colour = green"] == KILLED


def test_the_changed_row_takes_precedence() -> None:
    row = "answerer_receive_hello_START_to_ANSWER"
    role = handshake.answerer
    old = next(r for r in role.table if r.name == row)
    wide = replace(old, label="wide", target=SAME)
    won = first(replace(role, table=(*role.table, wide)), wide)
    assert [r.name for r in won.table if r.trigger == old.trigger and r.when is not FALSE] == [
        "wide"
    ]
    narrow = replace(wide, when=handshake.Hello.f.colour == "red")
    kept = first(replace(role, table=(*role.table, narrow)), narrow)
    (other,) = [r for r in kept.table if r.name == row]
    assert other.when is neg(narrow.when)
    assert kept.rules


@pytest.fixture(scope="module")
def small() -> Family:
    """The mutants of two rows and some fields in a small scenario."""
    where = scenario("tls12-small")
    system = where.system()
    kept = [
        m
        for m in mutants_of(system)
        if (m.row in (FINISHED, TRUST) and m.kind in ("check", "effect", "twice"))
        or (m.kind, m.what) == ("field", "session_id")
    ]
    return Family(system, holding(where), kept)


@pytest.mark.deep
def test_a_killed_mutant_of_tls_has_a_trace_that_replays_to_the_violation(small: Family) -> None:
    fates = {}
    for m in small.changes:
        found = small.judge(m)
        fates[m.kind, m.row, m.what] = found.fate
        for name, steps in found.falls.items():
            if steps is not None:
                assert len(found.traces[name]) == steps
                assert found.traces[name].broken
    assert fates["check", TRUST, "known CA"] == KILLED
    assert fates["field", "Finished", "session_id"] == KILLED
    assert fates["effect", FINISHED, "verified"] == KILLED
    assert Counter(fates.values())[KILLED] > len(fates) / 2


@pytest.mark.deep
def test_a_refusal_that_does_what_another_did_replays_by_its_own_name() -> None:
    where = scenario("cipher-suites-honest")
    system, row = where.system(), "server_receive_client_hello_psk"
    found = [m for m in mutants_of(system) if (m.row, m.kind) == (row, "condition")]
    family = Family(system, holding(where), [m for m in found if "has_AES256_SHA384" in m.what])
    assert UNDECIDED not in {family.judge(m).fate for m in family.changes}


@pytest.mark.deep
def test_every_property_that_falls_is_found(small: Family) -> None:
    m = next(m for m in small.changes if (m.row, m.what) == (TRUST, "known CA"))
    one, every = small.judge(m), small.judge(m, every=True)
    assert len(one.falls) == 1
    assert one.falls.items() <= every.falls.items()
    assert len(every.falls) > 1
    assert every.falls.keys() == every.traces.keys()


def test_a_mutant_may_break_what_is_vacuous_and_not_what_is_violated() -> None:
    where = scenario("renegotiation-info")
    assert "REN-2" in {p.id for p in holding(where)}
    assert declared("before_and_after_a_renegotiation_there_is_one_peer", where.name)[0] == VACUOUS
    where = scenario("tls12")
    left = {p.name for p in properties_of(Request(), where)} - {p.name for p in holding(where)}
    assert {declared(name, where.name)[0] for name in left} == {VIOLATED}


def test_a_judgement_stands_only_for_its_tables_properties_and_question() -> None:
    where = scenario("tls12-small")
    props, system = holding(where), where.system()
    before = identity(system, props, Asked())
    assert identity(where.system(), props, Asked()) == before
    assert identity(system, props[1:], Asked()) != before
    assert identity(system, props, Asked(every=True)) != before
    made, kinds = Changes(system), set()
    for m in mutants_of(system):
        change = None if m.kind in kinds else made.of(m)
        if change is not None:
            kinds.add(m.kind)
            assert identity(change.system, props, Asked()) != before, m
    assert kinds == {*KINDS, "field", "secret"}


@pytest.mark.scenario
def test_the_steps_of_a_mutant_are_those_of_its_whole_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where a connection goes on, and another message may begin a handshake."""

    def steps(change: Any) -> list[list[tuple[Any, ...]]]:
        sides = (change.new, change.gone)
        return [
            sorted((s.label[0], s.rule.trigger, s.label[2], s.full.serial) for s in x)
            for x in sides
        ]

    made = Changes(scenario("renegotiation-honest").system())
    start = [
        m
        for m in mutants_of(made.sound)
        if (m.kind == "state" and m.what == "START") or ("START_to" in m.row and m.kind != "state")
    ]
    few = {m: made.of(m) for m in start[::15]}
    monkeypatch.setattr(Changes, "_alone", lambda *_: None)
    assert len(few) > 5
    for m, change in few.items():
        whole = made.of(m)
        assert (change is None) == (whole is None)
        if change is not None:
            assert steps(change) == steps(whole), m


def spent() -> float:
    """The processor time of this process and of those that it waited for, in seconds."""
    return sum(os.times()[:4])


@pytest.mark.deep
def test_the_mutants_of_a_row_take_less_than_ten_seconds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record, began = tmp_path / "judged", spent()
    asked = ["mutants", "--row", TRUST, "--scenario", "tls12-small", "--record", str(record)]
    main([*asked, "--format", "json"])
    assert spent() - began < 10
    found = json.loads(capsys.readouterr().out)["mutants"]
    lines = record.read_text().splitlines()
    assert len(lines) == len(found) > 20
    # A second run reads what the first has judged, and a line cut off is judged again.
    record.write_text("\n".join([*lines[1:], lines[0][:40]]))
    main([*asked, "--format", "json"])
    again = json.loads(capsys.readouterr().out)["mutants"]
    assert {json.dumps(m) for m in again} == {json.dumps(m) for m in found}
    assert len(record.read_text().splitlines()) == len(lines) + 1


@pytest.mark.scenario
def test_what_was_not_tried_in_time_is_undecided() -> None:
    row = "client_send_client_hello_START_to_WAIT_SH"
    *_, fates = judged(scenarios("honest-half-close"), Asked(row), seconds=0, workers=1)
    (found,) = fates.values()
    assert found.untried == 1
    assert replace(fate("check", KILLED), untried=1).fate == KILLED
    for f in (SURVIVES, EQUIVALENT):
        left = {("check", "a_row", "x"): replace(fate("check", f), untried=1)}
        assert left["check", "a_row", "x"].fate == UNDECIDED
        assert status(left) == 3
        assert "not tried in 1 larger scenario" in as_text(left, every=False)


# -- reports and records ---------------------------------------------------------------------------
def fate(kind: str, *fates: str) -> Fate:
    """A made-up fate of a mutant of that kind."""
    about = (kind, "a_row", "what", "a/file.py", "5246 7")
    falls: dict[str, int | None] = {"data_sent_to_an_honest_peer_is_secret": 3}
    return Fate(
        [Judged(f"s{i}", *about, f, falls if f == KILLED else {}) for i, f in enumerate(fates)]
    )


def test_one_scenario_that_kills_is_enough_and_equivalent_means_in_all() -> None:
    assert fate("check", EQUIVALENT, SURVIVES, KILLED).fate == KILLED
    assert fate("check", EQUIVALENT, SURVIVES).fate == SURVIVES
    assert fate("check", EQUIVALENT, EQUIVALENT).fate == EQUIVALENT


def test_the_texts() -> None:
    fates = {
        ("check", "a_row", "x"): fate("check", KILLED),
        ("value", "a_row", "y"): fate("value", EQUIVALENT, SURVIVES),
    }
    text = as_text(fates, every=True)
    assert "killed    check a_row: what  SEC-4 in s0: 3 steps" in text
    assert "survives  value a_row: what  in s1: no reason given" in text
    assert "SEC-4" not in as_text(fates, every=False)
    assert status(fates) == 1
    assert text.splitlines()[-1].split() == ["all", "1", "0", "1", "0", "50.0", "%"]
    assert counted(fates)["file"] == {"a/file.py": {KILLED: 1, SURVIVES: 1}}
    (one, two) = json.loads(as_json(fates))["mutants"]
    assert (one["fate"], two["fate"], two["untried"]) == (KILLED, SURVIVES, 0)


def test_every_kind_has_its_words() -> None:
    assert WORDS.keys() == {*KINDS, "field", "secret"}


@pytest.mark.deep
def test_every_survivor_on_record_has_a_reason_and_every_reason_a_survivor() -> None:
    found = [
        (x["scenario"], x["row"], x["kind"], x["what"]) for x in recorded().get("survivor", ())
    ]
    assert all(r.reason for r in reasons())
    assert not Reason("*", "a_row", "check", "*", "why").fits("s", "another_row", "check", "x")
    assert [x for x in found if not any(r.fits(*x) for r in reasons())] == []
    if not recorded():  # then every reason is at least of a mutant that there is
        left = [*reasons()]
        for where in scenarios(None):
            if any(fnmatchcase(where.name, r.scenario) for r in left):
                made = [(where.name, m.row, m.kind, m.what) for m in mutants_of(where.system())]
                left = [r for r in left if not any(r.fits(*x) for x in made)]
        assert left == []
        return
    assert [r for r in reasons() if not any(r.fits(*x) for x in found)] == []


# -- tightness -------------------------------------------------------------------------------------
def test_the_smallest_scenario_in_which_it_holds_is_taken() -> None:
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
def test_what_tightness_cannot_do_is_told(name: str, where: str | None, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        place(name, where)


@pytest.mark.deep
def test_tightness_tells_what_a_property_alone_notices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tightness", "AUT-15", "--scenario", "tls12-small", "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    fits(said, "tightness")
    (table,) = said["tables"]
    rows = {(r["kind"], r["what"]): r for r in table["rows"] if r["row"] == TRUST}
    for name in ("not empty", "known CA", "not expired", "right name"):
        row = rows["check", name]
        assert row["steps"] == len(row["trace"]["steps"])
        assert row["alone"] == (row["falls"].keys() == {table["property"]})
    assert table["mutants"] > len(table["rows"]) > len(rows)
