"""A proof as a file: an inductive invariant beside the model, for any SMT-LIB 2 solver.

The text has three queries, each to be `unsat`: an initial state outside the invariant, a step that
leaves it, a state inside where the property fails. All but the clauses of the invariant is given by
the model and the property, so a file is checked in two ways: it must say what this version of the
model says, and the solvers must refute its queries.
"""

from __future__ import annotations

import argparse
import builtins
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from checker.certificate import encoding, invariant
from checker.certificate.invariant import Formula
from checker.certificate.solvers import NoAnswerError, Session, ask, installed
from model.expr import BOOL, Domain, Expr
from model.near import UsageError
from model.rule import ModelError
from model.system import System

QUERIES = (
    "an initial state is outside the invariant",
    "a step leaves the invariant",
    "the property does not follow from the invariant",
)
"""What `sat` says of each query."""

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


class CertificateError(Exception):
    """A text that is no certificate: what is wrong with it."""


class RefusedError(Exception):
    """An invariant that is none: the query that is not `unsat`."""


@dataclass(frozen=True)
class Subject:
    """What a certificate is about, in the words of the command line; "" for no flaw, no drop."""

    scenario: str
    property: str
    flaw: str = ""
    drop: str = ""
    method: str = "the symbolic engine"

    @builtins.property
    def file_name(self) -> str:
        """The name of its file: the same for the same subject."""
        parts = [self.scenario, self.property, *filter(None, (self.flaw, self.drop))]
        return "".join(c if c.isalnum() or c in "-_.@" else "_" for c in ".".join(parts)) + ".smt2"


@dataclass(frozen=True)
class Frame:
    """All that the model and the property give of a certificate: what is around the clauses.

    `state` are its variables, `bits` what a clause may read, each with its symbol, and `read` binds
    those that are no variable, as the list of a `let`.
    """

    subject: Subject
    state: dict[str, Domain]
    bits: dict[str, str]
    read: str
    head: str
    model: tuple[encoding.Line, ...]
    before: tuple[encoding.Line, ...]
    after: tuple[encoding.Line, ...]

    def text(self, clauses: Iterable[Formula]) -> str:
        """The certificate with these clauses."""
        lines = [x.text for x in (*self.model, *self.before)]
        lines += [c.text for c in clauses]
        lines += [x.text for x in self.after]
        return self.head + "\n".join(lines) + "\n"


def frame(system: System, prop: Expr, subject: Subject) -> Frame:
    """The certificate of `prop` in `system`, without the clauses.

    CertificateError if the subject cannot stand in a comment.
    """
    for value in (subject.scenario, subject.property, subject.flaw, subject.drop, subject.method):
        # Some solvers end a comment where others read on.
        if not value.isprintable():
            raise CertificateError(f"{value!r} cannot stand in a certificate")
    logic = encoding.Line("(set-logic QF_BV)", "the logic")
    model = (logic, *encoding.model(system, prop, subject.property))
    state = encoding.depended(system, prop)
    named = encoding.bits(system, state)
    symbols = {n: encoding.symbol(n) for n in named}
    symbols |= {n: encoding.symbol(n) for n, d in state.items() if d is BOOL}
    read = " ".join(
        f"({symbols[n]} ({encoding.symbol(f'bit {n}')} {encoding.symbol(n.rpartition('/')[0])}))"
        for n in named
    )
    parameters = encoding.parameters(state)
    # Two constants: `and` needs operands where the invariant has no clause.
    read = read or "(none true)"
    let = f"(let ({read}) (and true true"
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
        digest=digest(x.text for x in model),
    )
    return Frame(
        subject,
        state,
        symbols,
        read,
        head,
        model,
        tuple(encoding.Line(t, "the head of the invariant") for t in before),
        tuple(encoding.Line(t, "the queries") for t in after),
    )


def digest(lines: Iterable[str]) -> str:
    """SHA-256 of the model's part of a certificate."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# -- writing ---------------------------------------------------------------------------------------
def write(system: System, prop: Expr, found: str, subject: Subject) -> str:
    """The certificate of a proof, its invariant `found` (SMT-LIB over `variable/bit`) made smaller.

    RefusedError if `found` is no inductive invariant that implies `prop` here; ValueError if it
    cannot be read.
    """
    around = frame(system, prop, subject)
    clauses = invariant.read(found, around.bits)
    check = Check(around)
    wrong = check(clauses)
    if wrong is not None:
        raise RefusedError(f"the certificate fails: {QUERIES[wrong]}")
    return around.text(invariant.reduced(clauses, lambda c: check(c) is None))


class Check:
    """Whether clauses are an inductive invariant, asked of Z3 again and again.

    Each clause is defined once, and each query is made by assumptions, so that what the solver
    learned from one query serves the next.
    """

    def __init__(self, around: Frame) -> None:
        self._session = Session()
        self._around = around
        self._numbers: dict[str, int] = {}
        self._asked = 0
        self._say(*(x.text for x in around.model))
        for name, meaning in (
            ("starts", "init"),
            ("moves", "step"),
            ("fails", "(not prop)"),
            ("here", encoding.call("occurring", around.state)),
            ("there", encoding.call("occurring", around.state, prime=True)),
        ):
            self._say(*_defined(name, meaning))

    def __call__(self, clauses: Sequence[Formula]) -> int | None:
        """The position of the first query that is not `unsat`; None if all are."""
        numbers = [self._number(c) for c in clauses]
        inside = " ".join(["here", *(f"here{i}" for i in numbers)])
        after = " ".join(["there", *(f"there{i}" for i in numbers)])
        self._asked += 1
        outside, left = f"outside{self._asked}", f"left{self._asked}"
        # Two constants: `and` needs operands where the invariant has no clause.
        self._say(*_defined(outside, f"(not (and true true {inside}))"))
        self._say(*_defined(left, f"(not (and true true {after}))"))
        queries = (f"starts {outside}", f"{inside} moves {left}", f"{inside} fails")
        for i, query in enumerate(queries):
            if self._session.ask(f"(check-sat-assuming ({query}))") != ["unsat"]:
                return i
        return None

    def _number(self, clause: Formula) -> int:
        number = self._numbers.get(clause.text)
        if number is None:
            number = self._numbers[clause.text] = len(self._numbers)
            around, name = self._around, f"clause{number}"
            self._say(
                f"(define-fun {name} ({encoding.parameters(around.state)}) Bool",
                f"(let ({around.read}) (and true {clause.text})))",
                *_defined(f"here{number}", encoding.call(name, around.state)),
                *_defined(f"there{number}", encoding.call(name, around.state, prime=True)),
            )
        return number

    def _say(self, *commands: str) -> None:
        answer = self._session.ask("\n".join(commands))
        if answer:
            raise CertificateError(f"Z3 cannot read the certificate: {' '.join(answer)}")


def _defined(name: str, meaning: str) -> tuple[str, str]:
    """A constant that can be assumed."""
    return f"(declare-const {name} Bool)", f"(assert (= {name} {meaning}))"


# -- checking --------------------------------------------------------------------------------------
ACCEPTED = "accepted"
REFUSED = "refused"
UNREADABLE = "unreadable"
GAVE_UP = "a solver gave up"
DISAGREE = "solvers disagree"

SECONDS = 60.0
"""For each solver and file, where nothing else is asked for."""
SHOWN = 3
"""How many of the parts that differ are named."""

_CLAUSE = re.compile(r"[\w./|() ]+", re.ASCII)
"""What a line of the invariant may hold: no comment, no other line, whoever reads it."""


@dataclass
class Certified:
    """What is said of one file.

    `answers` has, for each solver asked, its answers to the queries or why there is none; it is
    empty where the text is not that of the model. `reasons` say why a file is not accepted.
    """

    file: str
    verdict: str = ACCEPTED
    reasons: list[str] = field(default_factory=list)
    subject: Subject | None = None
    clauses: int = 0
    answers: dict[str, list[str] | str] = field(default_factory=dict)


def subject_of(text: str) -> Subject:
    """What a certificate says that it is about; CertificateError if it does not."""
    first, *lines = text.split("\n")[:6]
    said = dict(x[2:].split(": ", 1) for x in lines if x.startswith("; ") and ": " in x)
    form = HEAD.partition("{method}")[0]
    if not first.startswith(form) or not first.endswith("."):
        raise CertificateError("no certificate: the first line does not say that it is one")
    missing = [n for n in ("scenario", "property", "flaw", "drop", "model") if not said.get(n)]
    if missing:
        raise CertificateError(f"no certificate: its head does not say {', '.join(missing)}")
    flaw, drop = ("" if said[n] == "none" else said[n] for n in ("flaw", "drop"))
    return Subject(said["scenario"], said["property"], flaw, drop, first[len(form) : -1])


def clauses_of(text: str, around: Frame) -> tuple[Formula, ...]:
    """The clauses of a certificate that is otherwise as `around` says.

    RefusedError if it is not, with the parts that differ; CertificateError if a line of the
    invariant is no clause over the bits.
    """
    first = [encoding.Line(t, "the head") for t in around.head.split("\n")[:-1]]
    first += [*around.model, *around.before]
    last = [*around.after, encoding.Line("", "the end")]
    lines = text.split("\n")
    end = len(lines) - len(last)
    same = lines[: len(first)] == [x.text for x in first]
    if end < len(first) or not same or lines[end:] != [x.text for x in last]:
        raise RefusedError(_difference(lines, [*first, *last], around))
    out = []
    for number, line in enumerate(lines[len(first) : end], len(first) + 1):
        try:
            if not _CLAUSE.fullmatch(line):
                raise ValueError("a character that no clause has")
            (e,) = invariant.expressions(line) or [None]
            out.append(invariant.formula(e, around.bits))
        except (ValueError, TypeError, RecursionError) as e:
            raise CertificateError(f"line {number} is no clause of an invariant: {e}") from None
    return tuple(out)


def _difference(lines: Sequence[str], expected: Sequence[encoding.Line], around: Frame) -> str:
    """How a text differs from what the model says."""
    there = Counter(lines)
    parts = list(dict.fromkeys(x.about for x in expected if there[x.text] == 0))
    stated = next((x for x in lines if x.startswith("; model: ")), "").removeprefix("; model: ")
    current = digest(x.text for x in around.model)
    start = lines.index(around.model[0].text) if around.model[0].text in lines else 0
    end = lines.index(OPENING) if OPENING in lines else len(lines)
    if stated not in ("", current) and digest(lines[start:end]) == stated:
        parts = [p for p in parts if p != "the head"]
        how = f"written for another version of the model ({stated[:12]}, this is {current[:12]})"
    else:
        how = "not what the model says"
    if not parts:
        parts = ["lines that are added, repeated or not in their place"]
    # A step tells more than what follows from it.
    parts.sort(key=lambda p: (not p.startswith("the step "), p.startswith("the section ")))
    more = f", and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return f"{how}; it differs in {', '.join(parts[:SHOWN])}{more}"


def certify(
    file: str,
    text: str,
    resolve: Callable[[Subject], tuple[System, Expr]],
    solvers: Sequence[str],
    seconds: float = SECONDS,
    progress: Callable[[str], None] | None = None,
) -> Certified:
    """Whether a certificate is what the model says, and what each solver says of it.

    `resolve` gives the system and the property; what it cannot find is a UsageError.
    """
    out = Certified(file)
    try:
        out.subject = subject_of(text)
        around = frame(*resolve(out.subject), out.subject)
        out.clauses = len(clauses_of(text, around))
    except (CertificateError, UsageError, ModelError) as e:
        out.verdict, out.reasons = UNREADABLE, [str(e.args[0] if e.args else e)]
        return out
    except RefusedError as e:
        out.verdict, out.reasons = REFUSED, [str(e)]
        return out
    for solver in solvers:
        if progress is not None:
            progress(f"{file}: {solver} is asked")
        try:
            answers = ask(solver, text, seconds)
            if len(answers) != len(QUERIES):
                raise NoAnswerError(f"{len(answers)} answers to {len(QUERIES)} queries")
            out.answers[solver] = answers
        except NoAnswerError as e:
            out.answers[solver] = str(e)
    out.verdict, out.reasons = judged(out.answers)
    if out.verdict == REFUSED:
        for solver, found in out.answers.items():
            if isinstance(found, list) and found[1] == "sat":
                out.reasons.append(_steps(text, around, solver, seconds))
                break
    return out


def judged(answers: Mapping[str, list[str] | str]) -> tuple[str, list[str]]:
    """The verdict that the solvers' answers make, with the reasons."""
    listed = {n: a for n, a in answers.items() if isinstance(a, list)}
    wrong = []
    for i, what in enumerate(QUERIES):
        by_answer = {
            word: [n for n, a in listed.items() if a[i] == word] for word in ("sat", "unsat")
        }
        if all(by_answer.values()):
            sat, unsat = (", ".join(by_answer[w]) for w in ("sat", "unsat"))
            return DISAGREE, [f"query {i + 1} is sat for {sat} and unsat for {unsat}"]
        if by_answer["sat"]:
            wrong.append(f"query {i + 1} is sat ({', '.join(by_answer['sat'])}): {what}")
    if wrong:
        return REFUSED, wrong
    silent = [f"{n}: {a}" for n, a in answers.items() if isinstance(a, str)]
    silent += [f"{n}: unknown" for n, a in listed.items() if any(x != "unsat" for x in a)]
    return (GAVE_UP, silent) if silent or not answers else (ACCEPTED, [])


def _steps(text: str, around: Frame, solver: str, seconds: float) -> str:
    """The steps that leave the invariant."""
    steps = [x for x in around.model if x.step]
    start = text[: text.index(CLOSING)]
    query = next(x.text for x in around.after if " step " in x.text)
    each = [
        f"(push 1)\n{query.replace(' step ', f' {x.step} ')}\n(check-sat)\n(pop 1)" for x in steps
    ]
    try:
        answers = ask(solver, "\n".join([start, *each]) + "\n", seconds)
    except NoAnswerError as e:
        return f"which steps do is not known: {solver}: {e}"
    leave = [x.about for x, a in zip(steps, answers, strict=True) if a == "sat"]
    more = f", and {len(leave) - SHOWN} more" if len(leave) > SHOWN else ""
    return f"left by {', '.join(leave[:SHOWN])}{more}"


# -- the command line ------------------------------------------------------------------------------
def of_model(subject: Subject) -> tuple[System, Expr]:
    """The system and the property that `subject` names; UsageError if there are none such."""
    from checker.request import Request, properties_of, system_of
    from model.scenario import scenario

    if subject.flaw.partition("@")[0].endswith(".py"):
        raise UsageError(f"its flaw is a file, which is not run: {subject.flaw}")
    request = Request(
        (subject.property,), subject.scenario, flaw=subject.flaw or None, drop=subject.drop or None
    )
    where = scenario(subject.scenario)
    for p in properties_of(request, where):
        if p.kind == "invariant" and p.name == subject.property:
            system = system_of(request, where)
            return system, p.holds(system)
    raise UsageError(f"{subject.property} is no invariant that is asked of {subject.scenario}")


def keep(folder: str, system: System, prop: Expr, found: str, subject: Subject) -> None:
    """Write the certificate of a proof into `folder`; the errors of `write`."""
    text = write(system, prop, found, subject)
    (Path(folder) / subject.file_name).write_bytes(text.encode())


def main(args: argparse.Namespace, progress: Callable[[str], None]) -> int:
    """The command `certify`; the exit status is that of the report.

    `args` has `files`, `solver`, `time` and `format`.
    """
    from checker.report import certificates as report

    there = installed()
    for name in args.solver or ():
        if name not in there:
            raise UsageError(f"--solver {name}: it is not installed (pip install '.[solvers]')")
    solvers = list(dict.fromkeys(args.solver or there))
    out = []
    interrupted = False
    try:
        for file in args.files:
            try:
                text = Path(file).read_bytes().decode()
            except (OSError, UnicodeDecodeError) as e:
                reason = e.strerror if isinstance(e, OSError) else "it is no UTF-8 text"
                out.append(Certified(file, UNREADABLE, [reason or str(e)]))
                continue
            out.append(certify(file, text, of_model, solvers, args.time or SECONDS, progress))
    except KeyboardInterrupt:
        interrupted = True
    progress("")
    form = report.as_json if args.format == "json" else report.as_text
    sys.stdout.write(form(out, interrupted=interrupted) + "\n")
    return 130 if interrupted else report.exit_status(out)
