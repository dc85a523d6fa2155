"""Exports: other checkers, given the exported text, find the states and verdicts found here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import z3

from checker.asked import Names, about, plain
from checker.cli import main
from checker.decide import run_task
from checker.engines.explicit import Explicit
from checker.engines.interface import Question
from checker.export import Asked, asked, export, find, formats, promela, smtlib, tlaplus
from checker.request import Request, Task, expectations
from model.adversary.reliable import Reliable
from model.expr import (
    BOOL,
    COMPOSITE,
    FALSE,
    TRUE,
    Domain,
    Expr,
    implies,
    ite,
    le,
    mapping,
    neg,
    same,
    var,
)
from model.flaws import find as find_flaw
from model.role import Role
from model.rule import SAME, Variable, step
from model.system import Compiled, Instance, System
from tests.benchmarks.spin import SpinError, missing, run_spin
from tests.sizes import deep_but
from tests.toys import counters, forger, handshake

needs_spin = pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}")

# -- a toy with every operator, parallel effects in a cycle, and a domain of mixed values ----------
Rank = Domain("Rank", ("low", "middle", "high"))
Mixed = Domain("Mixed", ("none", 1, 2))
_own = {
    "a": Variable(Rank, ("low", "high"), write_once=False),
    "b": Variable(Rank, ("middle",), write_once=False),
    "c": Variable(Rank, ("low",), write_once=False),
    "odd": Variable(BOOL, (False, True), write_once=False),
    "last": Variable(Mixed, ("none",), write_once=False),
}
a, b, c = (var(f"own.{n}", Rank) for n in "abc")
odd, last = var("own.odd", BOOL), var("own.last", Mixed)
_next = {"low": "middle", "middle": "high", "high": "low"}
mixer = Role(
    "mixer",
    ("MIXING", "DONE"),
    _own,
    (
        step("mixer", "rotate", "MIXING", SAME, rfc="toy", do={"a": b, "b": c, "c": a}),
        step(
            "mixer",
            "swap",
            "MIXING",
            SAME,
            rfc="toy",
            when=le(a, b) & ~(b == c),
            do={"a": b, "b": a, "odd": ~odd},
        ),
        step(
            "mixer",
            "raise",
            "MIXING",
            SAME,
            rfc="toy",
            when=odd | (a == c),
            do={
                "c": ite(odd, mapping(a, _next, Rank), b),
                "last": mapping(a, {"low": "none", "middle": 1, "high": 2}, Mixed),
            },
        ),
        step("mixer", "stop", "MIXING", "DONE", rfc="toy", when=(last == 2) & (odd == le(c, a))),
    ),
    (),
    {},
    "DONE",
    ("DONE",),
)
mixing = System("mixer", (Instance("mixer", mixer),), Reliable(1))
SYSTEMS = {s.name: s for s in (handshake.system, counters.system, forger.system, mixing)}


def compiled(name: str) -> Compiled:
    """A toy over all its variables."""
    system = SYSTEMS[name]
    return system.compile(*(var(n, v.domain) for n, v in system.variables.items()))


def of(name: str, run: str, variable: str) -> Expr:
    return SYSTEMS[name].of(run, variable)


LAWS: list[tuple[str, Expr, bool]] = [
    (
        "toy",
        implies(of("toy", "asker", "state") == "DONE", of("toy", "answerer", "state") == "DONE"),
        True,
    ),
    ("toy", of("toy", "asker", "state") != "DONE", False),
    ("counters", of("counters", "keeper", "state") != "KEPT", False),
    (
        "counters",
        implies(
            of("counters", "keeper", "state") == "KEPT", of("counters", "keeper", "count") == 3
        ),
        True,
    ),
    (
        "forger",
        implies(of("forger", "taker", "colour") == "green", var("maker.sent_Leak", BOOL)),
        True,
    ),
    ("forger", of("forger", "taker", "colour") != "green", False),
    ("mixer", of("mixer", "mixer", "state") != "DONE", False),
    (
        "mixer",
        implies(of("mixer", "mixer", "state") == "DONE", of("mixer", "mixer", "last") == 2),
        True,
    ),
    ("mixer", TRUE, True),
    ("mixer", FALSE, False),
]


def explored(c: Compiled, bad: Expr | None = None) -> tuple[int, bool]:
    """The explicit engine's number of states, and whether it found a bad one."""
    question = Question("bad", FALSE if bad is None else bad)
    found = Explicit(c).search([question])
    assert found.complete
    return found.states, question.state is not None


# -- formats and names -----------------------------------------------------------------------------
def test_the_formats_are_found_in_their_folder() -> None:
    assert list(formats()) == ["promela", "smtlib", "tlaplus"]
    for module in formats().values():
        assert isinstance(module.SUMMARY, str)
    with pytest.raises(LookupError, match="did you mean promela"):
        find("promella")


def test_names_are_legal_stable_and_never_collide() -> None:
    texts = ["a.b", "a_b", "a b", "own", "1st", "", "_x", "WF_fair", "a_b_2"]
    names = Names({"own"})
    found = [names(t) for t in texts]
    assert found == [
        "a_b",
        "a_b_2",
        "a_b_3",
        "own_2",
        "v1st",
        "v",
        "v_x",
        "vWF_fair",
        "a_b_2_2",
    ]
    assert [names(t) for t in texts] == found
    assert names("a.b", "another kind") == "a_b_4"


def test_a_comment_cannot_end_early() -> None:
    assert not re.search(r"\*/|\*\)|\(\*|/\*|\n", plain("a */ b *) c (* d /* e \n f */"))


def test_the_same_text_is_written_twice() -> None:
    for name, module in formats().items():
        assert export(name, "tls12-small") == module.write(*asked("tls12-small"))


def test_every_step_is_commented_with_run_rule_source_and_rfc() -> None:
    c, _ = asked("tls12-small")
    assert about(c.steps[0]) == (
        "client0: client_send_client_hello_START_to_WAIT_SH, from local, "
        "RFC 5246 7.4.1.2; 8446 4.1.2"
    )
    for name in formats():
        text = export(name, "tls12-small")
        assert all(about(s) in text for s in c.steps)


def test_what_cannot_be_exported_is_refused() -> None:
    with pytest.raises(LookupError, match="no scenario is called"):
        export("promela", "tls12-smal")
    with pytest.raises(LookupError, match="no property asked for can be exported"):
        export("promela", "tls12-small", None, ["LIV-1"])
    composite = same(var("msg.seal", COMPOSITE), TRUE)
    for write in (
        lambda: promela.expression(composite, Names(), {}),
        lambda: tlaplus.expression(composite, Names(), {}, {}),
        lambda: smtlib.terms(composite, {"msg.seal": []}, {}),
    ):
        with pytest.raises(TypeError, match="not grounded"):
            write()


def test_the_command_writes_to_stdout_or_to_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--scenario", "tls12-small"]
    assert main(["export", "smtlib", "ORD-1", *small]) == 0
    assert capsys.readouterr().out == export("smtlib", "tls12-small", None, ["ORD-1"])
    for name, file in (("tlaplus", "tls12_small.tla"), ("promela", "small.pml")):
        assert main(["export", name, "ORD-1", *small, "-o", str(tmp_path / file)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "small.pml",
        "tls12_small.cfg",
        "tls12_small.tla",
    ]
    assert (tmp_path / "tls12_small.cfg").read_text() == (
        "SPECIFICATION Spec\nCHECK_DEADLOCK FALSE\n"
        "INVARIANT data_is_delivered_only_after_finished_is_verified\n"
    )


# -- Promela ---------------------------------------------------------------------------------------
# What takes the least time for small models: no optimisation, a small hash table.
QUICK: dict[str, Any] = {"optimise": "-O0", "table": 18}


@needs_spin
@pytest.mark.parametrize("bfs", [False, True], ids=["dfs", "bfs"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_spin_counts_the_states_of_a_toy(name: str, bfs: bool) -> None:
    c = compiled(name)
    found = run_spin(promela.write(c, []), bfs, **QUICK)
    assert found["states"] == explored(c)[0] + promela.EXTRA
    assert found["errors"] == 0


@pytest.mark.deep
@needs_spin
@pytest.mark.parametrize(("name", "law", "holds"), LAWS, ids=lambda v: str(v)[:40])
def test_spin_decides_a_law_of_a_toy(name: str, law: Expr, holds: bool) -> None:
    c = SYSTEMS[name].compile(law)
    assert explored(c, neg(law))[1] is not holds
    text = promela.write(c, [Asked("other", FALSE), Asked("law", neg(law))])
    for bfs in (False, True):
        found = run_spin(text, bfs, check="law", **QUICK)
        assert found["violated"] is not holds
    assert not run_spin(text, check="other", **QUICK)["violated"]


@needs_spin
def test_a_search_that_is_not_complete_is_an_error() -> None:
    text = promela.write(compiled("counters"), [])
    with pytest.raises(SpinError, match="max search depth too small"):
        run_spin(text, depth=3, **QUICK)
    with pytest.raises(SpinError, match="exit status"):
        run_spin("init { no Promela }")


@cache
def searched_here(scenario: str, flaw: str | None) -> Mapping[str, Any]:
    """The results of the search for every property, by name."""
    results = run_task(Task(Request(scenario=scenario, flaw=flaw), scenario, "explicit"))
    return {r.property: r for r in results}


DATA = "data_is_sent_only_after_both_finished_are_verified"
TWICE = "no_handshake_message_is_accepted_twice"
CONNECT = "can_connect_both_ends"
SEARCHED = [
    ("honest", None, (CONNECT, TWICE)),
    ("tls12-small", None, (CONNECT,)),
    ("tls13", None, (DATA, CONNECT, TWICE)),
    ("closure", None, (DATA, "the_end_is_clean_only_after_close_notify")),
    ("integrity-only", None, (DATA, "the_suite_is_the_best_both_know")),
    ("weak-dhe", None, (CONNECT, "the_version_is_the_best_both_know")),
    ("tls12-small", "early_ccs@client", (TWICE,)),
    ("tls13", "finished_before_certificate@client", (TWICE,)),
    ("tls12-small", "early_finished@client", ("the_read_key_changes_only_where_it_should", TWICE)),
]


@pytest.mark.deep
@needs_spin
@pytest.mark.parametrize(("scenario", "flaw", "some"), SEARCHED, ids=lambda v: str(v)[:40])
def test_spin_agrees_on_a_scenario(scenario: str, flaw: str | None, some: Sequence[str]) -> None:
    here = searched_here(scenario, flaw)
    text = export("promela", scenario, flaw)
    (states,) = {r.states for r in here.values()}
    if flaw is None:
        assert states == expectations()["states"][scenario]
    assert run_spin(text, True, **QUICK)["states"] == states + promela.EXTRA
    chosen = [n for n in some if n in here]
    if flaw is not None:
        fault, end = find_flaw(flaw)
        broken = [n for n, r in here.items() if r.verdict == "VIOLATED"]
        assert broken, "the flaw shows in no property"
        if fault.scenario == scenario:
            assert set(fault.breaks[end]) <= set(broken)
        chosen += broken[:2]
    assert chosen
    reached = {n: here[n].verdict == ("PROVED" if n == CONNECT else "VIOLATED") for n in chosen}
    _agrees(text, reached)


def _agrees(text: str, reached: Mapping[str, bool]) -> None:
    """Assert that SPIN reaches the states that the properties ask for, or that break them."""
    for name in (n for n, there in reached.items() if there):
        assert run_spin(text, True, check=name, **QUICK)["violated"], name
    # Where no state is bad, one search says so of several: SPIN takes no longer command than that.
    never = [n for n, there in reached.items() if not there]
    for some in (never[i : i + 10] for i in range(0, len(never), 10)):
        assert not run_spin(text, True, check=some, **QUICK)["violated"], some
    for name in [n for n, there in reached.items() if there and never][:1]:
        assert run_spin(text, True, check=[*never[:9], name], **QUICK)["violated"]


@needs_spin
@pytest.mark.deep
def test_spin_agrees_on_every_property_of_a_scenario() -> None:
    here = searched_here("tls12-small", None)
    verdicts = {p.name: "PROVED" if p.goal else "VIOLATED" for p in asked("tls12-small")[1]}
    reached = {n: here[n].verdict == v for n, v in verdicts.items()}
    assert {*reached.values()} == {True, False}
    _agrees(export("promela", "tls12-small"), reached)


# -- SMT-LIB ---------------------------------------------------------------------------------------
def horn(text: str, seconds: float = 900) -> str:
    """Z3's answer to a set of Horn clauses."""
    solver = z3.SolverFor("HORN")
    solver.set("timeout", int(seconds * 1000))
    solver.from_string(text)
    return str(solver.check())


@pytest.mark.parametrize(("name", "law", "holds"), LAWS, ids=lambda v: str(v)[:40])
def test_horn_clauses_of_a_toy_are_sat_if_the_law_holds(name: str, law: Expr, holds: bool) -> None:
    c = SYSTEMS[name].compile(law)
    text = smtlib.write(c, [Asked("law", neg(law)), Asked("other", TRUE)])
    assert horn(text) == ("sat" if holds else "unsat")


@pytest.mark.parametrize("name", SYSTEMS)
def test_horn_clauses_reach_exactly_the_states_of_a_toy(name: str) -> None:
    """One question for every value of every variable: those that occur can be reached."""
    c = compiled(name)
    engine = Explicit(c)
    states = [engine.state(i) for i in range(engine.search().states)]
    for i, (n, d) in enumerate(zip(c.names, c.domains, strict=True)):
        seen = {s[i] for s in states}
        for v in d.values:
            text = smtlib.write(c, [Asked("value", var(n, c.system.variables[n].domain) == v)])
            assert horn(text) == ("unsat" if v in seen else "sat"), (n, v)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("flaw", "name", "answer"),
    [
        (None, "data_is_delivered_only_after_finished_is_verified", "sat"),
        (None, "no_key_is_derived_from_a_secret_that_was_never_set", "sat"),
        ("early_ccs@client", "no_key_is_derived_from_a_secret_that_was_never_set", "unsat"),
        ("early_ccs@client", "change_cipher_spec_waits_for_a_key_exchange", "unsat"),
    ],
)
def test_horn_clauses_of_a_scenario(flaw: str | None, name: str, answer: str) -> None:
    assert horn(export("smtlib", "tls12-small", flaw, [name])) == answer
    verdict = searched_here("tls12-small", flaw)[name].verdict
    assert verdict == ("PROVED" if answer == "sat" else "VIOLATED")


def test_only_the_first_property_is_asked() -> None:
    text = export("smtlib", "tls12-small", None, ["ORD-1", "ORD-4"])
    queries = [line for line in text.splitlines() if line.endswith("false)))")]
    assert [q.startswith("; ") for q in queries] == [False, True]
    for query in queries:
        z3.parse_smt2_string(_balanced(text.replace("(check-sat)", query.removeprefix("; "))))


def _balanced(text: str) -> str:
    code = "\n".join(line.partition(";")[0] for line in text.splitlines())
    assert code.count("(") == code.count(")")
    return text


# -- TLA+ ------------------------------------------------------------------------------------------
# TLC is not at hand. The fragment that is written is small: it is read here and searched.
TOKEN = re.compile(r'\s*(/\\|\\/|\\in\b|\\E\b|"(?:[^"\\]|\\.)*"|[A-Za-z]\w*|\d+|[(){},~=])')
WORD = {
    "/\\": " and ",
    "\\/": " or ",
    "\\in": " in ",
    "~": " not ",
    "=": " == ",
    "TRUE": "True",
    "FALSE": "False",
}


class Module:
    """A written TLA+ module: variables, initial states, actions and invariants to run."""

    def __init__(self, text: str) -> None:
        assert text.startswith("---- MODULE ")
        assert text.endswith("\n====\n")
        code = "\n".join(line.partition("\\*")[0].rstrip() for line in text.splitlines()[1:-1])
        code, _, self.cfg = code.partition("(*")
        self.name = text.split()[2]
        head, *definitions = re.split(r"^(\w+) ==", code, flags=re.M)
        assert head.split()[:3] == ["EXTENDS", "Naturals", "VARIABLES"]
        self.variables = [v.strip() for v in head.partition("VARIABLES")[2].split(",")]
        self.defined = dict(zip(definitions[::2], definitions[1::2], strict=True))
        assert len(self.defined) * 2 == len(definitions), "a name is defined twice"
        self.actions = [a.removeprefix("\\/ ") for a in _lines(self.defined["Next"])]

    def python(self, text: str, bound: Sequence[str] = ()) -> str:
        """A TLA+ expression as a Python one; every name must be known."""
        out, depth, at = [], [], 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            assert match, f"no token: {text[at : at + 40]}"
            token, at = match[1], match.end()
            if token == "(":
                depth.append("(")
                out.append("(")
            elif token == "IF":  # (IF c THEN x ELSE y), always in parentheses
                assert depth[-1] == "("
                depth[-1] = "IF"
                out.append("(")
            elif token == ")":
                out.append("])[0]" if depth.pop() == "IF" else ")")
            elif token in ("THEN", "ELSE"):
                out.append(") and [" if token == "THEN" else "] or [")
            elif token[0].isalpha() and token not in WORD:
                assert token in bound or token in self.variables, token
                out.append(token if token in bound else f"s[{self.variables.index(token)}]")
            else:
                out.append(WORD.get(token, token))
        assert not depth
        return "".join(out)

    def function(self, text: str, bound: Sequence[str] = ()) -> Callable[..., Any]:
        return eval(f"lambda s{''.join(f', {b}' for b in bound)}: {self.python(text, bound)}")  # type: ignore[no-any-return]

    def initial(self) -> Iterator[tuple[Any, ...]]:
        choices = []
        for name, line in zip(self.variables, _lines(self.defined["Init"]), strict=True):
            match = re.fullmatch(rf"/\\ {name} (=|\\in) (.*)", line)
            assert match, line
            value = eval(self.python(match[2]))
            choices.append(sorted(value, key=str) if match[1] == "\\in" else [value])
        return itertools.product(*choices)

    def action(self, name: str) -> Callable[[tuple[Any, ...]], Iterator[tuple[Any, ...]]]:
        """The successors of a state by one action."""
        lines = _lines(self.defined[name])
        bound: dict[str, list[Any]] = {}
        while match := re.fullmatch(r"\\E (\w+) \\in (.*) :", lines[0]):
            bound[match[1]] = sorted(eval(self.python(match[2])), key=str)
            lines.pop(0)
        guard = self.function(lines.pop(0).removeprefix("/\\"), list(bound))
        same: set[str] = set()
        if lines and (match := re.fullmatch(r"/\\ UNCHANGED <<(.*)>>", lines[-1])):
            same = set(match[1].split(", "))
            lines.pop()
        changed = {}
        for line in lines:
            match = re.fullmatch(r"/\\ (\w+)' = (.*)", line)
            assert match, line
            changed[match[1]] = self.function(match[2], list(bound))
        # TLC demands that an action says what becomes of every variable, once.
        assert sorted([*same, *changed]) == sorted(self.variables)
        values = list(itertools.product(*bound.values()))

        def successors(s: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
            for chosen in values:
                if guard(s, *chosen):
                    after = {n: e(s, *chosen) for n, e in changed.items()}
                    yield tuple(after.get(n, v) for n, v in zip(self.variables, s, strict=True))

        return successors

    def reachable(self) -> set[tuple[Any, ...]]:
        actions = [self.action(a) for a in self.actions if a != "FALSE"]
        waiting = list(self.initial())
        seen = set(waiting)
        while waiting:
            s = waiting.pop()
            for action in actions:
                for t in action(s):
                    if t not in seen:
                        seen.add(t)
                        waiting.append(t)
        return seen


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_module_of_a_toy_has_its_states(name: str) -> None:
    c = compiled(name)
    module = Module(tlaplus.write(c, []))
    engine = Explicit(c)
    here = {engine.state(i) for i in range(engine.search().states)}
    mixed = [{type(v) for v in d.values} not in ({str}, {bool}, {int}) for d in c.domains]
    assert module.reachable() == {
        tuple(d.code(v) if m else v for v, d, m in zip(s, c.domains, mixed, strict=True))
        for s in here
    }


@pytest.mark.parametrize(("name", "law", "holds"), LAWS, ids=lambda v: str(v)[:40])
def test_the_invariants_of_a_toy_have_their_verdicts(name: str, law: Expr, holds: bool) -> None:
    c = SYSTEMS[name].compile(law)
    module = Module(tlaplus.write(c, [Asked("law", neg(law)), Asked("goal", law, goal=True)]))
    states = module.reachable()
    assert len(states) == explored(c)[0]
    assert all(map(module.function(module.defined["law"]), states)) is holds
    assert [line.split()[-1] for line in _lines(module.cfg) if "INVARIANT" in line] == [
        "law",
        "Never_goal",
    ]


@pytest.mark.parametrize(
    "scenario", deep_but(["tls12-small"], ["honest", "tls12-small", "tls13", "weak-dhe"])
)
def test_the_module_of_a_scenario_is_whole(scenario: str) -> None:
    c, props = asked(scenario)
    text = tlaplus.write(c, props)
    module = Module(text)
    assert re.fullmatch(r"[A-Za-z]\w*", module.name)
    assert len(module.actions) == len(set(module.actions)) == len(c.steps)
    assert set(module.actions) <= set(module.defined)
    for name in (*module.actions, *module.variables):
        assert re.fullmatch(r"[A-Za-z]\w*", name)
        assert name not in tlaplus.RESERVED
    for name in module.actions:
        module.action(name)
    invariants = re.findall(r"INVARIANT (\w+)", module.cfg)
    assert len(invariants) == len(props)
    for name in invariants:
        module.function(module.defined[name])
    assert tlaplus.beside(c, props)[".cfg"] in text


@pytest.mark.deep
def test_the_module_of_the_honest_scenario_has_its_states() -> None:
    states = Module(export("tlaplus", "honest")).reachable()
    assert len(states) == expectations()["states"]["honest"]
