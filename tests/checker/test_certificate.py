"""Certificates: three solvers accept them, and every removal or change is refused."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import certificate
from checker.certificate import (
    CLOSING,
    OPENING,
    Frame,
    Inductive,
    RefusedError,
    Subject,
    UnreadableError,
    check,
    encoding,
    frame,
    invariant,
    solvers,
    write,
)
from checker.certificate.check import Certified, certify, clauses_of
from checker.certificate.invariant import FALSE, TRUE, Formula, junction, literal, negated
from checker.engines.symbolic import Proof, Prover
from checker.request import Request, system_of
from model import expr
from model.expr import BOOL, COMPOSITE, Domain, Expr, const, ite, le, mapping, python_function, var
from model.scenario import scenario
from model.system import System
from properties import find
from tests.checker.test_export import LAWS, SYSTEMS
from tests.sizes import deep_but

SOLVERS = ("z3", "cvc5", "bitwuzla")
THREE = ["unsat", "unsat", "unsat"]
needs = {
    n: pytest.mark.skipif(n not in solvers.installed(), reason=f"{n} is not installed")
    for n in SOLVERS
}
each_solver = pytest.mark.parametrize("solver", [pytest.param(n, marks=needs[n]) for n in SOLVERS])

TOYS = {f"{name}-{i}": (name, law) for i, (name, law, holds) in enumerate(LAWS) if holds}
TLS = {
    "tls12-small": ("SEC-1", "ORD-4", "KEY-1", "NEG-7", "ALR-2"),
    "tls13": ("SEC-1", "ORD-15", "NEG-13"),
}
ALL = [*TOYS, *(f"{where} {p}" for where, ids in TLS.items() for p in ids)]


@cache
def subject(name: str) -> tuple[System, Expr, Subject]:
    """A toy's law or a scenario's property, with what its certificate says that it is about."""
    if name in TOYS:
        toy, law = TOYS[name]
        return SYSTEMS[toy], law, Subject(toy, "law")
    where, _, wanted = name.partition(" ")
    system = system_of(Request(scenario=where), scenario(where))
    (p,) = find(wanted)
    return system, p.holds(system), Subject(where, p.name)


@cache
def around(name: str) -> Frame:
    return frame(*subject(name))


@cache
def written(name: str) -> str:
    """The certificate of a proof by the prover."""
    system, law, about = subject(name)
    if name not in TOYS:
        return certified(about.scenario)[about.file_name].decode()
    prover = Prover(system, [law])
    proof = prover.prove(law)
    assert isinstance(proof, Proof)
    return write(system, law, prover.reduced(proof, law), about)


@cache
def certified(where: str) -> dict[str, bytes]:
    """The files of a scenario's properties, by a run of its own process."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("--scenario", where, "--engine", "symbolic")
        return verified(Path(folder), "0", *TLS[where], *words)


def verified(folder: Path, seed: str, *words: str) -> dict[str, bytes]:
    """The files that `verify` writes into `folder`."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "checker",
            "verify",
            "--fresh",
            *words,
            "--certificates",
            str(folder),
        ],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def clauses(name: str) -> tuple[Formula, ...]:
    return clauses_of(written(name), around(name))


def checked(name: str, text: str, *names: str) -> Certified:
    """`certify` by the solvers `names` (Z3 alone, if none are named)."""
    return certify("f", text, lambda _: subject(name)[:2], names or ("z3",))


# -- accepted --------------------------------------------------------------------------------------
@each_solver
@pytest.mark.parametrize("name", deep_but(TOYS, ALL))
def test_a_proof_is_accepted(name: str, solver: str) -> None:
    verdict = checked(name, written(name), solver)
    assert (verdict.verdict, verdict.reasons) == ("accepted", [])
    assert verdict.answers == {solver: THREE}
    assert verdict.subject == subject(name)[2]
    assert verdict.clauses == len(clauses(name))
    # No clause is there only where the values that occur are enough.
    assert (verdict.clauses == 0) is (inductive(name)(()) is None)


def test_the_text_is_plain_and_says_what_it_is() -> None:
    text = written("forger-4")
    assert text.split("\n")[:5] == [
        "; Certificate: an inductive invariant, found by the symbolic engine.",
        "; scenario: forger",
        "; property: law",
        "; flaw: none",
        "; drop: none",
    ]
    lines = text.split("\n")
    assert "; taker.colour: 0 none, 1 red, 2 green, 3 blue" in lines
    assert "(declare-const taker.colour (_ BitVec 2))" in lines
    assert "(declare-const |taker.colour'| (_ BitVec 2))" in lines
    # Of the values none, red, green, blue all occur: a bit is that of the code.
    assert (
        "(define-fun |bit taker.colour/1| ((x (_ BitVec 2))) Bool (or (= x #b10) (= x #b11)))"
        in lines
    )
    assert "(define-fun prop () Bool (or (not (= #b10 taker.colour)) maker.sent_Leak))" in lines
    at = lines.index(OPENING)
    assert lines[at + 3 : at + 5] == [
        "(or (and (not taker.colour/0) (not taker.colour/1))"
        " (and (not taker.colour/1) taker.colour/0)"
        " (and taker.colour/0 taker.colour/1) maker.sent_Leak)",
        ")))",
    ]
    assert lines[lines.index(CLOSING) :].count("(check-sat)") == 3
    assert text.isascii()


def test_the_steps_are_those_before_any_analysis() -> None:
    """Each grounded step is there, those that can never fire, too, with its whole guard."""
    system, law, _ = subject("tls12-small SEC-1")
    steps = [x for x in around("tls12-small SEC-1").model.lines if x.step]
    assert len(steps) == len(system.raw_steps) == 426
    assert len(system.compile(law).steps) == 181
    state = encoding.depended(system, law)
    assert all(d is system.variables[n].domain for n, d in state.items())


# -- what the terms mean ---------------------------------------------------------------------------
Colour = Domain("Colour", ("red", "green", "blue"))
SMALL = {"a": BOOL, "b": BOOL, "x": Colour, "y": Colour}
VALUATIONS = [
    dict(zip(SMALL, v, strict=True)) for v in itertools.product(*(d.values for d in SMALL.values()))
]


def _variables(domain: Domain) -> st.SearchStrategy[Expr]:
    names = [n for n, d in SMALL.items() if d is domain]
    return st.sampled_from(names).map(lambda n: var(n, domain)) | st.sampled_from(
        domain.values
    ).map(lambda v: const(v, domain))


def _colours(bools: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    table = st.tuples(*[st.sampled_from(Colour.values)] * 3)
    base = _variables(Colour)
    turned = st.tuples(base, table).map(
        lambda t: mapping(t[0], dict(zip(Colour.values, t[1], strict=True)), Colour)
    )
    chosen = bools.map(lambda b: mapping(b, {False: "blue", True: "green"}, Colour))
    return base | turned | chosen | st.tuples(bools, base, turned).map(lambda t: ite(*t))


def _extended(bools: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    colours = _colours(bools)
    pair, two = st.tuples(bools, bools), st.tuples(colours, colours)
    subset = st.sets(st.sampled_from(Colour.values))
    return (
        pair.map(lambda t: expr.conj(*t))
        | pair.map(lambda t: expr.disj(*t))
        | bools.map(expr.neg)
        | pair.map(lambda t: expr.eq(*t))
        | pair.map(lambda t: le(*t))
        | two.map(lambda t: expr.eq(*t))
        | two.map(lambda t: le(*t))
        | st.tuples(colours, subset).map(lambda t: t[0].one_of(*sorted(t[1])))
    )


@settings(max_examples=100, deadline=None)
@given(st.recursive(_variables(BOOL), _extended, max_leaves=8))
def test_a_term_means_what_the_expression_means(e: Expr) -> None:
    meaning = python_function({"e": e}, "env", lambda v: f"env[{v.payload!r}]")
    declared = "".join(f"(declare-const v.{n} {encoding.sort(d)})" for n, d in SMALL.items())
    text = encoding.term(e, {n: f"v.{n}" for n in SMALL}, {})
    (term,) = z3.parse_smt2_string(f"{declared}(assert (= true {text}))")
    sorts = {
        n: z3.Bool(f"v.{n}") if d is BOOL else z3.BitVec(f"v.{n}", 2) for n, d in SMALL.items()
    }
    for env in VALUATIONS:
        pairs = [
            (sorts[n], z3.BoolVal(v) if SMALL[n] is BOOL else z3.BitVecVal(SMALL[n].code(v), 2))
            for n, v in env.items()
        ]
        assert z3.is_true(z3.simplify(z3.substitute(term, *pairs))) is meaning(env)[0]


def test_what_cannot_be_written_is_an_error() -> None:
    composite = expr.same(var("msg.seal", COMPOSITE), expr.TRUE)
    with pytest.raises(TypeError, match="not grounded"):
        encoding.term(composite, {"msg.seal": "s"}, {})
    system, law, _ = subject("toy-0")
    for said in ("two\nlines", "a\rreturn", "a\u2028separator"):
        with pytest.raises(UnreadableError, match="cannot stand in a certificate"):
            frame(system, law, Subject("toy", "law", said))


def test_a_system_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _, law, about = subject("toy-0")
    doubled = replace(SYSTEMS["toy"])
    first, *rest = doubled.raw_steps
    monkeypatch.setitem(doubled.__dict__, "raw_steps", (first, first, *rest))
    with pytest.raises(ValueError, match="toy: two steps are called"):
        frame(doubled, law, about)
    (n, _), *_ = first.effects.items()
    odd = replace(first, effects={**first.effects, n: const("red", Colour)})
    monkeypatch.setitem(doubled.__dict__, "raw_steps", (odd, *rest))
    with pytest.raises(TypeError, match=f"{n} is set to a Colour"):
        frame(doubled, law, about)


NAMES = {"a": "a", "b.c/0": "b.c/0", "d": "d"}
LITERALS = st.tuples(st.sampled_from(sorted(NAMES.values())), st.booleans())
FORMULAS = st.recursive(
    LITERALS.map(lambda t: literal(*t)) | st.sampled_from((TRUE, FALSE)),
    lambda f: st.tuples(st.sampled_from(("and", "or")), st.lists(f, max_size=4)).map(
        lambda t: junction(*t)
    ),
    max_leaves=12,
)


def true_in(f: Formula, env: Mapping[str, bool]) -> bool:
    """The meaning of a formula."""
    if f.kind == "literal":
        return env[f.name] is f.sign
    return (all if f.kind == "and" else any)(true_in(p, env) for p in f.parts)


def meaning_of(f: Formula) -> list[bool]:
    every = itertools.product((False, True), repeat=len(NAMES))
    return [true_in(f, dict(zip(NAMES.values(), v, strict=True))) for v in every]


@settings(max_examples=200, deadline=None)
@given(FORMULAS)
def test_a_formula_is_read_back_from_its_text(f: Formula) -> None:
    (e,) = invariant.expressions(f.text)
    assert invariant.formula(e, NAMES) == f
    assert meaning_of(negated(f)) == [not v for v in meaning_of(f)]
    assert negated(negated(f)) == f
    assert meaning_of(junction("and", invariant.clauses(f))) == meaning_of(f)
    assert len(list(invariant.replaced(f, negated))) == f.leaves


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("(=> a d)", lambda a, c, d: not a or d),
        ("(= a d)", lambda a, c, d: a == d),
        ("(distinct a |d|)", lambda a, c, d: a != d),
        ("(xor a d)", lambda a, c, d: a != d),
        ("(ite a |b.c/0| d)", lambda a, c, d: c if a else d),
        ("(let ((x (not a)) (y d)) (let ((a y)) (and x a)))", lambda a, c, d: not a and d),
        ("(and a true (or false d (and d a)))", lambda a, c, d: a and d),
    ],
)
def test_the_operators_of_a_prover_are_read(text: str, meaning: Any) -> None:
    parts = invariant.read(
        f"; as written\n(declare-fun a () Bool)(assert {text})(check-sat)", NAMES
    )
    every = itertools.product((False, True), repeat=3)
    assert meaning_of(junction("and", parts)) == [meaning(*v) for v in every]


@pytest.mark.parametrize(
    "text", ["e", "(bvult a d)", "(not a d)", "(and)", "()", "((a) d)", "(forall ((z Bool)) z)"]
)
def test_what_is_no_invariant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        invariant.read(f"(assert {text})", NAMES)
    for broken in ("(and a", "a)", '"a'):
        with pytest.raises(ValueError, match=r"not closed|not opened|cannot be read"):
            invariant.expressions(broken)


# -- refused: the invariant changed ----------------------------------------------------------------
class Oracle:
    """The three facts of an invariant of a toy, by trying every state: no solver, no encoder."""

    def __init__(self, name: str) -> None:
        system, law, _ = subject(name)
        self.system, self.state = system, list(encoding.depended(system, law))
        held = system.values.domain
        every = [
            dict(zip(self.state, v, strict=True))
            for v in itertools.product(*(held[n].values for n in self.state))
        ]
        read = f"env[{'{!r}'}]".format
        self.bits = [self.bits_of(s) for s in every]
        where = {tuple(s.values()): i for i, s in enumerate(every)}
        holds = python_function({"p": law}, "env", lambda v: read(v.payload))
        self.bad = {i for i, s in enumerate(every) if not holds(s)[0]}
        initial = itertools.product(*(system.variables[n].initial for n in self.state))
        self.initial = {where[v] for v in initial}
        self.moves: set[tuple[int, int]] = set()
        for step in system.raw_steps:
            names = list(step.parameters)
            effects = {n: e for n, e in step.effects.items() if n in self.state}
            guard = python_function({"g": step.full}, "env", lambda v: read(v.payload))
            after = python_function(effects, "env", lambda v: read(v.payload))
            for choice in itertools.product(*(d.values for d in step.parameters.values())):
                given_ = dict(zip(names, choice, strict=True))
                for i, s in enumerate(every):
                    env = {**s, **given_}
                    if guard(env)[0]:
                        new = {**s, **dict(zip(effects, after(env), strict=True))}
                        # A value that does not occur would be outside every invariant.
                        self.moves.add((i, where[tuple(new.values())]))

    def bits_of(self, state: Mapping[str, Any]) -> dict[str, bool]:
        out = {}
        for n, value in state.items():
            d = self.system.values.domain[n]
            if d is BOOL:
                out[n] = value
            else:
                out |= {f"{n}/{i}": bool(d.code(value) >> i & 1) for i in range(d.bits)}
        return out

    def __call__(self, parts: tuple[Formula, ...]) -> int | None:
        f = junction("and", parts)
        inside = {i for i, env in enumerate(self.bits) if true_in(f, env)}
        if self.initial - inside:
            return 0
        if any(a in inside and b not in inside for a, b in self.moves):
            return 1
        return 2 if self.bad & inside else None


oracle = cache(Oracle)


@cache
def inductive(name: str) -> Callable[[Sequence[Formula]], int | None]:
    about = around(name)
    return partial(Inductive(about.model.around), prop=about.model.prop.text)


def weaker(parts: tuple[Formula, ...]) -> Iterator[tuple[Formula, ...]]:
    """The invariants with one clause removed."""
    for i in range(len(parts)):
        yield parts[:i] + parts[i + 1 :]


def stronger(parts: tuple[Formula, ...]) -> Iterator[tuple[Formula, ...]]:
    """The invariants with one literal replaced by `false`."""
    for i, c in enumerate(parts):
        for d in invariant.replaced(c, lambda _: FALSE):
            yield invariant.clauses(junction("and", (*parts[:i], d, *parts[i + 1 :])))


def flipped(parts: tuple[Formula, ...]) -> Iterator[tuple[Formula, ...]]:
    """The invariants with the sign of one literal changed."""
    for i, c in enumerate(parts):
        for d in invariant.replaced(c, negated):
            yield invariant.clauses(junction("and", (*parts[:i], d, *parts[i + 1 :])))


def altered(parts: tuple[Formula, ...]) -> list[tuple[Formula, ...]]:
    """One clause left out, one literal left out, one sign changed: each."""
    return [*weaker(parts), *stronger(parts), *flipped(parts)]


@pytest.mark.deep
@pytest.mark.parametrize("name", TOYS)
def test_what_a_solver_says_of_a_toy_is_so(name: str) -> None:
    """Of the invariant, of all that is one change from it, and of all two changes from it."""
    found = clauses(name)
    tried = [found, *altered(found)]
    tried += [b for a in altered(found) for b in altered(a)]
    said = [inductive(name)(parts) for parts in tried]
    assert said == [oracle(name)(parts) for parts in tried]
    assert said[0] is None
    assert None not in said[1 : 1 + len(altered(found))]


@pytest.mark.parametrize("name", deep_but(TOYS, ALL))
def test_without_a_clause_or_with_a_sign_changed_it_is_refused(name: str) -> None:
    """Each clause, each literal; nothing in a certificate is there without need."""
    parts = clauses(name)
    assert inductive(name)(parts) is None
    changed = altered(parts)
    assert len(changed) == len(parts) + 2 * sum(c.leaves for c in parts)
    assert [inductive(name)(c) for c in changed if inductive(name)(c) is None] == []


@each_solver
@pytest.mark.parametrize(
    ("name", "every"),
    deep_but([("forger-4", 1)], [("toy-0", 1), ("forger-4", 1), ("tls12-small NEG-7", 3)]),
)
def test_each_solver_refuses_the_altered_file(name: str, every: int, solver: str) -> None:
    """By the whole way of a file, with the query that fails and the steps that leave."""
    parts = clauses(name)
    for changed in [*weaker(parts), *flipped(parts)][::every]:
        verdict = checked(name, around(name).text(changed), solver)
        first = inductive(name)(changed)
        assert first is not None
        assert verdict.verdict == "refused"
        answers = verdict.answers[solver]
        assert answers[:first] == THREE[:first]
        assert answers[first] == "sat"
        for i, what in enumerate(certificate.QUERIES):
            line = f"query {i + 1} is sat ({solver}): {what}"
            assert (line in verdict.reasons) is (answers[i] == "sat")
        left = [r for r in verdict.reasons if r.startswith("left by the step ")]
        assert len(left) == (answers[1] == "sat")


def test_the_step_that_leaves_the_invariant_is_named() -> None:
    # In the forger's certificate green needs a leak: as if nothing ever leaked, a leak leaves it.
    leak = literal("maker.sent_Leak", False)
    verdict = checked("forger-4", around("forger-4").text((leak,)))
    assert verdict.reasons == [
        f"query 2 is sat (z3): {certificate.QUERIES[1]}",
        f"query 3 is sat (z3): {certificate.QUERIES[2]}",
        "left by the step maker/maker_send_leak_MADE_to_SAME/local",
    ]


def test_steps_that_are_not_found_in_time_are_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(solver: str, text: str, seconds: float) -> list[str]:
        if text.count("(check-sat)") > 3:
            raise solvers.NoAnswerError("no answer within 60 s")
        return solvers.ask(solver, text, seconds)

    monkeypatch.setattr(check, "ask", slow)
    verdict = checked("forger-4", around("forger-4").text((literal("maker.sent_Leak", False),)))
    assert verdict.verdict == "refused"
    assert verdict.reasons[-1] == "which steps do is not known: z3: no answer within 60 s"


def test_a_bit_that_no_variable_has_is_an_error_of_the_text() -> None:
    with pytest.raises(
        UnreadableError, match=r"Z3 cannot read the certificate: .*unknown constant"
    ):
        inductive("toy-0")((literal("nobody.state/0"),))


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ("(assert false)", 0),
        ("(assert true)", 2),
        ("(assert (not maker.sent_Leak))(assert (not taker.colour/1))", 1),
    ],
)
def test_what_is_no_proof_is_not_written(found: str, wrong: int) -> None:
    system, law, about = subject("forger-4")
    with pytest.raises(RefusedError, match=certificate.QUERIES[wrong]):
        write(system, law, found, about)
    with pytest.raises(ValueError, match="is no bit"):
        write(system, law, "(assert taker.color/1)", about)


@pytest.mark.deep
def test_a_flaw_breaks_the_certificate_of_the_sound_model() -> None:
    """Its invariant is none where a check is skipped, and its text is of another model."""
    about, text = subject("tls12-small KEY-1")[2], written("tls12-small KEY-1")
    flawed = system_of(Request(flaw="early_ccs"), scenario("tls12-small"))
    (p,) = find("KEY-1")
    found = "\n".join(f"(assert {c.text})" for c in clauses("tls12-small KEY-1"))
    with pytest.raises(RefusedError, match=certificate.QUERIES[1]):
        write(flawed, p.holds(flawed), found, about)
    verdict = certify("f", text, lambda _: (flawed, p.holds(flawed)), ["z3"])
    assert (verdict.verdict, verdict.answers) == ("refused", {})
    (reason,) = verdict.reasons
    says = r"written for another version of the model \(\w{12}, this is \w{12}\); it differs in "
    assert re.match(says + "the step client0/client_early_change_cipher_spec/forged", reason)


# -- refused: the rest of the file changed ---------------------------------------------------------
@pytest.mark.parametrize("name", deep_but(TOYS, [*TOYS, "tls12-small SEC-1"]))
def test_without_one_step_it_is_refused(name: str) -> None:
    """Each step: its definition and its place in the relation taken out, or it never fires."""
    text = written(name)
    steps = [x for x in around(name).model.lines if x.step]
    assert len(steps) == len(subject(name)[0].raw_steps)
    for x in steps:
        gone = text.replace(f"{x.text}\n", "").replace(f" {x.step}", "", 1)
        never = text.replace(x.text, f"(define-fun {x.step} () Bool false)")
        for changed in (gone, never):
            assert changed != text
            with pytest.raises(RefusedError, match=re.escape(f"differs in {x.about}")):
                clauses_of(changed, around(name))


@each_solver
def test_solvers_alone_do_not_miss_a_step(solver: str) -> None:
    """With fewer steps the queries are no less `unsat`: only the model tells what is missing."""
    text = written("forger-4")
    for x in around("forger-4").model.lines:
        if x.step:
            never = text.replace(x.text, f"(define-fun {x.step} () Bool false)")
            assert solvers.ask(solver, never) == THREE
            assert checked("forger-4", never, solver).answers == {}


def test_each_line_of_the_model_counts() -> None:
    """Any line but a clause taken out, said twice, or followed by another: refused."""
    text = written("forger-4")
    lines = text.split("\n")
    at = lines.index(OPENING) + 3
    for i in range(len(lines)):
        if i != at:
            for put in ([], [lines[i], lines[i]], [lines[i], "(assert false)"]):
                changed = "\n".join([*lines[:i], *put, *lines[i + 1 :]])
                if i < at - 1 or i > at or put != [lines[i], "(assert false)"]:
                    assert checked("forger-4", changed).verdict in ("refused", "unreadable")
                    assert checked("forger-4", changed).answers == {}


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("(define-fun prop () Bool (or ", "(define-fun prop () Bool (or true ", "the property law"),
        (
            "(define-fun init () Bool (and ",
            "(define-fun init () Bool (and false ",
            "the initial states",
        ),
        ("(check-sat)", "", "the queries"),
        ("(assert (and init ", "(assert (and false init ", "the queries"),
        ("; scenario: forger", "; scenario: toy", "the head"),
        ("(set-logic QF_BV)", "(set-logic ALL)", "the logic"),
        ("(exit)", "", ""),
    ],
)
def test_the_part_that_differs_is_named(old: str, new: str, part: str) -> None:
    text = written("forger-4")
    changed = text.replace(old, new)
    verdict = checked("forger-4", changed)
    if not part:
        assert changed == text
        assert verdict.verdict == "accepted"
    elif part == "the head":
        # It is the text of another subject: with the toy's model everything but the head is.
        assert verdict.subject == Subject("toy", "law")
    else:
        assert verdict.verdict == "refused"
        assert verdict.reasons == [f"not what the model says; it differs in {part}"]


@pytest.mark.parametrize(
    "line",
    [
        "true) (assert false",
        "(and true",
        "",
        "true true",
        "true ; \r) (assert false",
        "(not init)",
        "(let ((taker.colour/0 false)) unknown)",
        "(= taker.colour #b10)",
    ],
)
def test_a_line_that_is_no_clause_is_not_read(line: str) -> None:
    text = written("forger-4")
    changed = text.replace(f"{clauses('forger-4')[0].text}\n", f"{line}\n")
    assert changed != text
    verdict = checked("forger-4", changed)
    assert verdict.verdict == "unreadable"
    number = text.split("\n").index(OPENING) + 4
    assert verdict.reasons[0].startswith(f"line {number} is no clause of an invariant: ")
    assert verdict.answers == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first line does not say that it is one"),
        ("(check-sat)", "the first line does not say that it is one"),
        (
            "; Certificate: an inductive invariant, found by hand.\n; scenario: toy\n",
            "its head does not say property, flaw, drop, model",
        ),
    ],
)
def test_a_text_without_a_head_is_no_certificate(text: str, said: str) -> None:
    verdict = checked("toy-0", text)
    assert (verdict.verdict, verdict.reasons) == ("unreadable", [f"no certificate: {said}"])


def test_no_command_hides_in_the_head() -> None:
    """A solver that ends a comment at a carriage return would read what follows it."""
    text = written("toy-0").replace("the symbolic engine.", "x\r(assert false).")
    verdict = checked("toy-0", text)
    assert verdict.verdict == "unreadable"
    assert "cannot stand in a certificate" in verdict.reasons[0]
