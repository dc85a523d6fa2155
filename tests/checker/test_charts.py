"""What a violation looks like as text: the chart, the case that broke, colour, the last line."""

from __future__ import annotations

import pty
import re
from dataclasses import replace
from typing import Any

import pytest

from checker import cli
from checker.attack import telling
from checker.broken import broken
from checker.report import terminal, text
from checker.report.columns import wrapped
from checker.report.sequence import chart
from checker.trace import Trace, TraceStep
from checker.verdict import Result
from model.expr import conj
from model.scenario import scenario
from properties import Implication, World, declared, when

SENT = TraceStep(
    "client0", "send", "ClientKeyExchange", "", {"version": "TLS12", "suite": "none"}, "a_row",
    "5246 7.3", "True", "WAIT_SH", "WAIT_CERTIFICATE", "plaintext", None, (), {},
)  # fmt: skip
FORGED = replace(SENT, kind="receive", source="forged", guard="msg.version == TLS12")
RUNS = ("client0", "client1", "server0", "server1")


def toy(*steps: TraceStep, runs: tuple[str, ...] = ("client0", "server0"), **more: Any) -> Trace:
    return Trace("toy", "p", runs, {}, steps, **more)


def columns_of(lines: list[str]) -> list[list[int]]:
    return [[i for i, c in enumerate(x) if c == "|"] for x in lines]


# -- the chart -------------------------------------------------------------------------------------
@pytest.mark.parametrize("runs", [("client0", "server0"), RUNS[1:], RUNS])
@pytest.mark.parametrize("width", [60, 80, 132])
def test_a_chart_fits_its_width_and_its_lifelines_are_straight(
    runs: tuple[str, ...], width: int
) -> None:
    steps = [replace(s, run=r) for r in runs for s in (SENT, FORGED)]
    local = replace(SENT, kind="step", event="give_up")
    steps += [replace(local, run=r) for r in runs]
    refused = replace(FORGED, run=runs[0], alert="unsupported_certificate")
    lines = chart(toy(*steps, refused, runs=runs), width).splitlines()
    assert max(map(len, lines)) <= width
    drawn = lines[3 : lines.index("* made or changed by the adversary") - 1]
    heads = [lines[2].index(name) + len(name) // 2 for name in lines[2].split()]
    arrows = [x for x in drawn if ">" in x or "<" in x]
    network = heads[lines[2].split().index("network")]
    for drawn_at in columns_of(arrows):
        # An arrow may cross the lifeline of another run.
        assert network in drawn_at and len(drawn_at) >= 2 and set(drawn_at) <= set(heads)
    assert len(arrows) == len(steps) - len(runs) + 1
    for name in ("ClientKeyExchange", "give_up", "unsupported_certificate"):
        assert any(name in x for x in drawn)


def test_a_name_that_does_not_fit_stands_above_its_arrow() -> None:
    wide, narrow = (chart(toy(FORGED), width).splitlines() for width in (80, 50))
    assert wide[3] == "  1    |<===== ClientKeyExchange * ======|" + " " * 33 + "|"
    assert narrow[3].split() == ["1", "|", "ClientKeyExchange", "*", "|"]
    assert narrow[4].strip().startswith("|<====")


def test_only_what_the_adversary_made_is_marked() -> None:
    got = replace(SENT, run="server0", kind="receive", source="client0")
    honest = chart(toy(SENT, got))
    assert "*" not in honest and "=" not in honest.split("steps:")[0]
    marked = [x for x in chart(toy(SENT, got, FORGED)).splitlines() if " * " in x]
    assert len(marked) == 1 and marked[0].startswith("  3 ")


def test_the_notes_say_what_lets_a_message_through_and_which_row_is_patched() -> None:
    said = chart(toy(SENT, replace(FORGED, known=("client0",))), patched={"a_row": None})
    assert "receives ClientKeyExchange(version=TLS12) in the clear, forged" in said
    assert "     let through by: msg.version == TLS12" in said
    assert "     by a_row, which is patched" in said
    assert "     the adversary knows the session keys of client0" in said
    bare = chart(toy(replace(FORGED, guard="True")))
    assert "let through by: no condition" in bare
    assert "patched" not in bare


# -- the case that broke ---------------------------------------------------------------------------
def kept(w: World) -> list[Implication]:
    c, s = w.clients[0], w.servers[0]
    return [
        when(c.verified).then(s.verified),
        when(conj(c.verified, c.version == s.version)).then(s.keyed | (c.suite == s.suite)),
    ]


def test_the_case_that_broke_is_told_with_the_values_on_both_sides() -> None:
    system = scenario("tls12-small").system()
    state = {n: v.initial[0] for n, v in system.variables.items()}
    p = declared("invariant", "kept", kept)
    assert broken(p, system, state) is None
    state |= {"client0.verified": True, "server0.verified": True}
    state |= {"client0.suite": "RSA", "server0.suite": "ECDHE"}
    found = broken(p, system, state)
    assert found is not None
    assert found.given == "conj(c.verified, c.version == s.version)"
    assert found.holds == "s.keyed | (c.suite == s.suite)"
    assert found.runs == {"c": "client0", "s": "server0"}
    assert found.denied_by == {
        "server0.keyed": False,
        "client0.suite": "RSA",
        "server0.suite": "ECDHE",
    }
    assert set(found.given_by) == {"client0.verified", "client0.version", "server0.version"}
    said = chart(toy(SENT, case=found)).splitlines()
    at = next(
        i for i, x in enumerate(said) if x.startswith("wrong at the end: tests/checker/test_ch")
    )
    assert said[at].endswith(", c is client0, s is server0")
    told = " ".join("\n".join(said[at:]).split())
    assert f"when {found.given}: client0.verified=True, " in told
    assert f"then {found.holds} is false: server0.keyed=False, " in told


def test_what_has_no_premise_and_what_no_state_breaks() -> None:
    system = scenario("tls12-small").system()
    state = {n: v.initial[0] for n, v in system.variables.items()}
    bare = declared("invariant", "bare", lambda w: w.clients[0].verified)
    found = broken(bare, system, state)
    assert found is not None and (found.given, found.given_by) == ("", {})
    assert "then what must hold is false: client0.verified=False" in chart(toy(case=found))
    assert broken(declared("reachable", "goal", bare.function), system, state) is None
    assert broken(declared("leads_to", "later", bare.function), system, state) is None


# -- around the chart ------------------------------------------------------------------------------
def test_the_last_line_names_what_fell_and_where() -> None:
    fallen = Result("ends_are_one", "P-1", "s", "VIOLATED")
    rows = [fallen, replace(fallen, id="P-2"), replace(fallen, id="P-3", verdict="PROVED")]
    assert text.fell(rows) == "fell: P-1, P-2 in s"
    assert text.fell(rows[2:]) == ""
    assert text.fell([replace(fallen, error=True)]) == ""
    rows = [replace(fallen, scenario=f"s{n}") for n in range(5)]
    assert text.fell(rows) == "fell: P-1 in 5 scenarios"
    assert text.fell(rows[:2]) == "fell: P-1 in s0, s1"


def test_a_line_of_the_table_is_folded_on_a_narrow_terminal() -> None:
    row = Result("a_name_of_some_length", "P-1", "s", "VIOLATED", reason="because " * 6)
    lines = text.table([row], 50).splitlines()
    assert lines[1] == "! P-1     a_name_of_some_length"
    assert lines[2].startswith("          VIOLATED  ")
    assert max(map(len, lines)) <= 50
    assert len(text.table([row]).splitlines()) == 2


def test_a_long_word_is_not_cut() -> None:
    assert wrapped("a " + "x" * 60, 50, 2) == ["a", "  " + "x" * 60]


def test_colour_is_of_words_and_leaves_the_text() -> None:
    lines = chart(toy(SENT, FORGED)) + "\n! P-1  p  VIOLATED  search\n  P-2  q  PROVED  proof"
    painted = terminal.painted(lines)
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == lines
    coloured = re.findall(r"\x1b\[([\d;]+)m(.*?)\x1b\[m", painted)
    assert ("31", "VIOLATED") in coloured and ("32", "PROVED") in coloured
    assert [x for n, x in coloured if n == "31" and "ClientKeyExchange *" in x]
    assert not [x for n, x in coloured if "ClientKeyExchange -" in x]


def test_only_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "97")
    assert not terminal.coloured() and terminal.width() is None
    _, inner = pty.openpty()
    with open(inner, "w") as screen:
        monkeypatch.setattr("sys.stdout", screen)
        assert terminal.coloured() and terminal.width() == 97
        monkeypatch.setenv("NO_COLOR", "1")
        assert not terminal.coloured()
        monkeypatch.delenv("NO_COLOR")
        monkeypatch.setenv("TERM", "dumb")
        assert not terminal.coloured()


@pytest.mark.scenario
def test_one_trace_is_shown_the_shortest(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["AUT-18S", "GLOBAL", "--scenario", "tls13", "--engine", "explicit"]
    assert cli.main(["verify", *asked]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"search, (\d+) steps", out) == ["17", "8"]
    assert re.findall(r": (\d+) steps in", out) == ["8"]
    assert "fell" not in out and "\x1b" not in out


def test_the_trace_of_what_is_not_as_declared_comes_first() -> None:
    declared_so = Result("p", "P-1", "s", "VIOLATED", "VIOLATED", trace=toy(SENT))
    odd = Result("q", "P-2", "s", "VIOLATED", trace=toy(SENT, FORGED))
    assert telling([declared_so, odd], "") is odd
    assert telling([declared_so, odd], "p") is declared_so
    assert telling([replace(odd, trace=None)], "") is None
