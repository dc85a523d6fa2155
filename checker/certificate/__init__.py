"""A proof as a file: an inductive invariant beside the model, for any SMT-LIB 2 solver.

The text has three queries, each to be `unsat`: an initial state outside the invariant, a step that
leaves the invariant, a state inside where the property fails. All but the clauses of the invariant
follows from the model and the property. `checker/certificate/check.py` checks such files.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from checker.certificate import encoding, invariant
from checker.certificate.invariant import Formula
from checker.certificate.solvers import Session
from model.expr import BOOL, Domain, Expr
from model.system import System

QUERIES = (
    "an initial state is outside the invariant",
    "a step leaves the invariant",
    "the property does not follow from the invariant",
)
"""The meaning of the answer `sat` to each query."""

HEAD = """\
; Certificate: an inductive invariant, found by {method}.
; scenario: {scenario}
; property: {property}
; flaw: {flaw}
; drop: {drop}
; model: {digest}
;
; A solver that reads this file prints `unsat` three times; then the property holds in every state
; that can be reached:
;   1. init and not inv          every initial state is in the invariant
;   2. inv and step and not inv' every step from a state in it ends in one that is in it
;   3. inv and not prop          in each state in it the property holds
;
; A variable is a bit-vector that holds the code of its value, or a Bool; primed it is the variable
; after a step. No range is assumed of them: that only the values of `occurring` occur is part of
; the invariant. A choice is assumed to be one of its values. Variables that no step and not the
; property depends on are left out.
"""
OPENING = "; == invariant: its clauses, one a line =="
CLOSING = "; == queries =="


class UnreadableError(Exception):
    """A text that is no certificate; the message says why."""


class RefusedError(Exception):
    """An alleged invariant that is none; the message names the query that is not `unsat`."""


@dataclass(frozen=True)
class Subject:
    """The subject of a certificate, in the words of the command line; "" for no flaw or drop."""

    scenario: str
    property: str
    flaw: str = ""
    drop: str = ""
    method: str = "the symbolic engine"

    @builtins.property
    def file_name(self) -> str:
        """The name of the subject's file, always the same."""
        parts = [self.scenario, self.property, *filter(None, (self.flaw, self.drop))]
        return "".join(c if c.isalnum() or c in "-_.@" else "_" for c in ".".join(parts)) + ".smt2"


@dataclass(frozen=True)
class Frame:
    """A certificate without the clauses: all that follows from the model and the property."""

    subject: Subject
    state: dict[str, Domain]  # the variables
    bits: dict[str, str]  # the names that a clause may read, each with its symbol
    head: str
    model: encoding.Model
    before: tuple[encoding.Line, ...]  # between the model and the clauses
    after: tuple[encoding.Line, ...]  # after the clauses

    def text(self, clauses: Iterable[Formula]) -> str:
        """The certificate with these clauses."""
        lines = [x.text for x in (*self.model.lines, *self.before)]
        lines += [c.text for c in clauses]
        lines += [x.text for x in self.after]
        return self.head + "\n".join(lines) + "\n"


def frame(system: System, prop: Expr, subject: Subject) -> Frame:
    """The certificate of `prop` in `system`, without the clauses.

    UnreadableError if the subject cannot stand in a comment.
    """
    for value in (subject.scenario, subject.property, subject.flaw, subject.drop, subject.method):
        # Solvers differ in which characters end a comment.
        if not value.isprintable():
            raise UnreadableError(f"{value!r} cannot stand in a certificate")
    model = encoding.model(system, prop, subject.property)
    state = model.around.state
    named = encoding.bits(system, state)
    symbols = {n: encoding.symbol(n) for n in named}
    symbols |= {n: encoding.symbol(n) for n, d in state.items() if d is BOOL}
    parameters = encoding.parameters(state)
    # Two constants: `and` needs operands where the invariant has no clause.
    let = f"(let ({model.around.read}) (and true true"
    before = (OPENING, f"(define-fun clauses ({parameters}) Bool", let)
    here, there = encoding.call("inv", state), encoding.call("inv", state, prime=True)
    conjunction = f"(and {encoding.call('occurring', state)} {encoding.call('clauses', state)})"
    after = [")))", f"(define-fun inv ({parameters}) Bool {conjunction})"]
    after.append(CLOSING)
    for query in (f"init (not {here})", f"{here} step (not {there})", f"{here} (not prop)"):
        after += ["(push 1)", f"(assert (and {query}))", "(check-sat)", "(pop 1)"]
    head = HEAD.format(
        scenario=subject.scenario,
        property=subject.property,
        flaw=subject.flaw or "none",
        drop=subject.drop or "none",
        method=subject.method,
        digest=digest(x.text for x in model.lines),
    )
    return Frame(
        subject,
        state,
        symbols,
        head,
        model,
        tuple(encoding.Line(t, "the head of the invariant") for t in before),
        tuple(encoding.Line(t, "the queries") for t in after),
    )


def digest(lines: Iterable[str]) -> str:
    """The SHA-256 of the model's part of a certificate."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write(system: System, prop: Expr, found: str, subject: Subject) -> str:
    """The certificate of a proof by the invariant `found` (SMT-LIB over `variable/bit`).

    RefusedError if `found` is no inductive invariant that implies `prop` in `system`; ValueError if
    `found` cannot be read.
    """
    around = frame(system, prop, subject)
    clauses = invariant.read(found, around.bits)
    wrong = _inductive(system)(clauses, around.model.prop.text)
    if wrong is not None:
        raise RefusedError(f"the certificate fails: {QUERIES[wrong]}")
    return around.text(clauses)


@lru_cache(maxsize=2)
def _inductive(system: System) -> Inductive:
    """The test of all certificates of a system, over all its variables.

    What is inductive there is so without the variables that a certificate leaves out: a step gives
    each of these a value, and the values that occur are some.
    """
    return Inductive(encoding.around(system, tuple(system.variables)))


class Inductive:
    """The test, in one session of Z3, whether clauses are an inductive invariant for a property.

    Each clause and each property is defined once and each query is made by assumptions, so that
    the solver learns from query to query.
    """

    def __init__(self, around: encoding.Around) -> None:
        self._session = Session()
        self._around = around
        self._numbers: dict[str, int] = {}
        self._fails: dict[str, str] = {}
        self._asked = 0
        self._say(*(x.text for x in (*around.before, *around.after)))
        for name, meaning in (
            ("starts", "init"),
            ("moves", "step"),
            ("here", encoding.call("occurring", around.state)),
            ("there", encoding.call("occurring", around.state, prime=True)),
        ):
            self._say(*_defined(name, meaning))

    def __call__(self, clauses: Sequence[Formula], prop: str) -> int | None:
        """The position of the first query that is not `unsat`; None if all are.

        `prop` is the line of a property that depends on the variables of the session alone.
        """
        numbers = [self._number(c) for c in clauses]
        inside = " ".join(["here", *(f"here{i}" for i in numbers)])
        after = " ".join(["there", *(f"there{i}" for i in numbers)])
        self._asked += 1
        outside, left = f"outside{self._asked}", f"left{self._asked}"
        # Two constants: `and` needs operands where the invariant has no clause.
        self._say(*_defined(outside, f"(not (and true true {inside}))"))
        self._say(*_defined(left, f"(not (and true true {after}))"))
        fails = self._failing(prop)
        queries = (f"starts {outside}", f"{inside} moves {left}", f"{inside} {fails}")
        for i, query in enumerate(queries):
            if self._session.ask(f"(check-sat-assuming ({query}))") != ["unsat"]:
                return i
        return None

    def _failing(self, defined: str) -> str:
        """The name of "the property fails"; `defined` is its line, which calls it `prop`."""
        if defined not in self._fails:
            name = self._fails[defined] = f"fails{len(self._fails)}"
            prop = f"prop{len(self._fails)}"
            self._say(defined.replace("(define-fun prop ", f"(define-fun {prop} ", 1))
            self._say(*_defined(name, f"(not {prop})"))
        return self._fails[defined]

    def _number(self, clause: Formula) -> int:
        number = self._numbers.get(clause.text)
        if number is None:
            number = self._numbers[clause.text] = len(self._numbers)
            around, name = self._around, f"clause{number}"
            self._say(
                f"(define-fun {name} ({encoding.parameters(around.state)}) Bool",
                f"(let ({self._around.read}) (and true {clause.text})))",
                *_defined(f"here{number}", encoding.call(name, around.state)),
                *_defined(f"there{number}", encoding.call(name, around.state, prime=True)),
            )
        return number

    def _say(self, *commands: str) -> None:
        answer = self._session.ask("\n".join(commands))
        if answer:
            raise UnreadableError(f"Z3 cannot read the certificate: {' '.join(answer)}")


def _defined(name: str, meaning: str) -> tuple[str, str]:
    """The commands that declare a Bool `name` and make it equal to `meaning`."""
    return f"(declare-const {name} Bool)", f"(assert (= {name} {meaning}))"


def keep(folder: str, system: System, prop: Expr, found: str, subject: Subject) -> None:
    """Write the certificate of a proof into `folder`; errors as from `write`."""
    text = write(system, prop, found, subject)
    (Path(folder) / subject.file_name).write_bytes(text.encode())
