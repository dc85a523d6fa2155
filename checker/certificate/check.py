"""Checking certificates: against the text that this model gives, and by several solvers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from checker import output
from checker.certificate import (
    CLOSING,
    HEAD,
    OPENING,
    QUERIES,
    Frame,
    RefusedError,
    Subject,
    UnreadableError,
    digest,
    encoding,
    frame,
    invariant,
)
from checker.certificate.invariant import Formula
from checker.certificate.solvers import NoAnswerError, ask, installed
from checker.request import Request, properties_of, system_of
from model.expr import Expr
from model.flaws import of_file
from model.near import UsageError
from model.rule import ModelError
from model.scenario import scenario
from model.system import System

ACCEPTED = "accepted"
REFUSED = "refused"
UNREADABLE = "unreadable"
GAVE_UP = "a solver gave up"
DISAGREE = "solvers disagree"

LARGEST = 1 << 26
"""The most bytes of a file; the largest certificate here has less than a tenth of that."""
SECONDS = 60.0
"""The default limit for each solver and file."""
SHOWN = 3
"""The most differing parts that a message names."""

_CLAUSE = re.compile(r"[\w./|() ]+", re.ASCII)
"""A line of the invariant: no solver can find a comment or a further line in such text."""


@dataclass
class Certified:
    """The verdict on one file."""

    file: str
    verdict: str = ACCEPTED
    reasons: list[str] = field(default_factory=list)  # why the file is not accepted
    subject: Subject | None = None
    clauses: int = 0
    # The answers of each solver to the queries, or why there is none. No solver is asked about a
    # text that is not that of the model.
    answers: dict[str, list[str] | str] = field(default_factory=dict)


def subject_of(text: str) -> Subject:
    """The subject that a certificate names; UnreadableError if there is none."""
    first, *lines = text.split("\n")[:6]
    said = dict(x[2:].split(": ", 1) for x in lines if x.startswith("; ") and ": " in x)
    form = HEAD.partition("{method}")[0]
    if not first.startswith(form) or not first.endswith("."):
        raise UnreadableError("no certificate: the first line does not say that it is one")
    missing = [n for n in ("scenario", "property", "flaw", "drop", "model") if not said.get(n)]
    if missing:
        raise UnreadableError(f"no certificate: its head does not say {', '.join(missing)}")
    flaw, drop = ("" if said[n] == "none" else said[n] for n in ("flaw", "drop"))
    return Subject(said["scenario"], said["property"], flaw, drop, first[len(form) : -1])


def clauses_of(text: str, around: Frame) -> tuple[Formula, ...]:
    """The clauses of a certificate whose other text equals that of `around`.

    RefusedError, with the parts that differ, if the text does not; UnreadableError if a line of the
    invariant is no clause over the bits.
    """
    first = [encoding.Line(t, "the head") for t in around.head.split("\n")[:-1]]
    first += [*around.model.lines, *around.before]
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
            raise UnreadableError(f"line {number} is no clause of an invariant: {e}") from None
    return tuple(out)


def _difference(lines: Sequence[str], expected: Sequence[encoding.Line], around: Frame) -> str:
    """A sentence that names the parts in which a text differs from the expected lines."""
    there = Counter(lines)
    parts = list(dict.fromkeys(x.about for x in expected if there[x.text] == 0))
    stated = next((x for x in lines if x.startswith("; model: ")), "").removeprefix("; model: ")
    current = digest(x.text for x in around.model.lines)
    start = lines.index(around.model.lines[0].text) if around.model.lines[0].text in lines else 0
    end = lines.index(OPENING) if OPENING in lines else len(lines)
    if stated not in ("", current) and digest(lines[start:end]) == stated:
        parts = [p for p in parts if p != "the head"]
        how = f"written for another version of the model ({stated[:12]}, this is {current[:12]})"
    else:
        how = "not what the model says"
    if not parts:
        parts = ["lines that are added, repeated or not in their place"]
    # Name steps first, sections last: a difference in a step is often the cause of the others.
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
    """The verdict on a certificate: whether its text is the model's, and each solver's answers.

    `resolve` gives the system and the property of a subject, or raises UsageError.
    """
    out = Certified(file)
    try:
        out.subject = subject_of(text)
        around = frame(*resolve(out.subject), out.subject)
        out.clauses = len(clauses_of(text, around))
    except (UnreadableError, UsageError, ModelError) as e:
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
    """The verdict that follows from the solvers' answers, with the reasons."""
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
    """The end of a reason, "left by ...", which names the steps that leave the invariant."""
    steps = [x for x in around.model.lines if x.step]
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


def of_model(subject: Subject) -> tuple[System, Expr]:
    """The system and the property that `subject` names; UsageError if a name is unknown."""
    if of_file(subject.flaw):
        raise UsageError(f"its flaw is a file, which is not run: {subject.flaw}")
    request = Request(
        (subject.property,),
        subject.scenario,
        flaw=subject.flaw or None,
        drop=tuple(filter(None, subject.drop.split("; "))),
    )
    where = scenario(subject.scenario)
    for p in properties_of(request, where):
        if p.kind == "invariant" and p.name == subject.property:
            system = system_of(request, where)
            return system, p.holds(system)
    raise UsageError(f"{subject.property} is no invariant that is asked of {subject.scenario}")


def certify_all(
    files: Sequence[str],
    solvers: Sequence[str] | None = None,
    seconds: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[list[Certified], bool]:
    """The verdicts on files, by the named solvers or all; and whether the check was interrupted.

    UsageError if a named solver is not installed.
    """
    there = installed()
    for name in solvers or ():
        if name not in there:
            raise UsageError(f"--solver {name}: it is not installed (pip install '.[solvers]')")
    names = list(dict.fromkeys(solvers or there))
    out: list[Certified] = []
    try:
        for file in files:
            try:
                text = output.read(file, LARGEST).decode()
            except (OSError, UnicodeDecodeError) as e:
                reason = e.strerror if isinstance(e, OSError) else "it is no UTF-8 text"
                out.append(Certified(file, UNREADABLE, [reason or str(e)]))
                continue
            out.append(certify(file, text, of_model, names, seconds or SECONDS, progress))
    except KeyboardInterrupt:
        return out, True
    return out, False
