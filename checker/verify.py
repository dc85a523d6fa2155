"""Verification: the tasks of a request, run in processes, and their results merged.

The tasks of a scenario (its search, its proofs) run one after another in a process, and share what
is built for its system; as many scenarios at a time as there are cores. Where there are more cores
than scenarios, each task has a process. The process of a solver that hangs is killed, and another
one goes on. Results are given small scenarios first, as soon as those before are there, so that
their order is always the same; what is worked on first is another matter (`checker.turn`), and what
is not as declared is noted at once.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from checker.by_proof import SHOW_SECONDS
from checker.cases import Odd, everything, odd
from checker.decide import run_task
from checker.engines.choice import EXPLICIT, ROWS, SYMBOLIC
from checker.engines.interface import Watch
from checker.grounded import ready
from checker.kept import Kept
from checker.patched import IDLE, Fires, known
from checker.pool import DiedError, Job, LateError, Link, Pool, Reply
from checker.request import (
    Request,
    Task,
    asked,
    declared,
    properties_of,
    scenarios_of,
    size,
    system_of,
    tasks_of,
)
from checker.signals import whole
from checker.turn import keep, ordered
from checker.verdict import HOLDS_TO_DEPTH, PROVED, UNKNOWN, VIOLATED, Result
from model.near import UsageError
from model.scenario import Scenario, scenario
from model.shown import page
from model.solver import UndecidedError, within
from properties import catalogue


@dataclass
class Outcome:
    """All results, merged, and whether the run was interrupted."""

    results: list[Result] = field(default_factory=list)
    interrupted: bool = False
    rows: dict[str, Fires] = field(default_factory=dict)
    """By scenario: whether the rows of a patch ever fire."""
    odd_cases: Sequence[Odd] = ()
    """The cases that no scenario reaches, and those that are declared so and reached."""

    def _repr_html_(self) -> str:
        return page(self)


def verify(
    request: Request,
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
    note: Callable[[str], None] | None = None,
    report: Callable[[Sequence[Result]], None] | None = None,
) -> Outcome:
    """The outcome of every task of the request, results merged by property and scenario.

    At most `workers` processes run at a time (default: the cores that this process may use).
    `progress` gets passing lines, `note` permanent ones, `report` the results of each scenario in
    its turn.
    """
    outcome = Outcome()
    try:
        with within(request.seconds):
            for where in scenarios_of(request) if request.patch else ():
                system_of(request, where)
    except UndecidedError as e:
        outcome.results = _unknown(request, str(e))
        return outcome
    every = sorted(scenarios_of(request), key=size)
    last = Kept("all", note or (lambda _: None)) if request.kept else None
    courses: list[_Course] = []
    told = 0
    began = time.monotonic()

    def line(text: str) -> None:
        if progress is not None:
            left = _left(courses, time.monotonic() - began) if len(courses) > 1 else ""
            progress(f"{left}{text}")

    try:
        with Pool(workers, line, note, fresh=True) as pool:
            apart = len(every) < pool.size
            if not apart:
                _loaded()
            work = ordered(every, last)
            made = {s.name: _Course(pool, request, s, last, apart=apart) for s in work}
            courses += [made[s.name] for s in every]
            for reply in pool.replies():
                with whole():
                    course = next(c for c in courses if reply.job in c.jobs)
                    course.take(reply)
                    if note and course is not courses[told] and not course.jobs:
                        _ahead(course, note)
                    while told < len(courses) and not courses[told].jobs:
                        _tell(outcome, courses[told], report)
                        told += 1
    except KeyboardInterrupt:
        outcome.interrupted = True
    for course in courses[told:]:
        _tell(outcome, course, report)
    if everything(request) and not outcome.interrupted:
        outcome.odd_cases = odd(outcome.results)
        if last:
            keep(every, outcome.results, last)
    return outcome


def _ahead(course: _Course, note: Callable[[str], None]) -> None:
    """Say what is not as declared in a scenario whose turn to be told has not come."""
    for r in merge(course.request, course.where, course.found) if not course.request.patch else ():
        if not r.as_declared:
            note(f"! {r.scenario}: {r.id} {r.property}: {r.verdict}, declared {r.declared}")


def _loaded() -> None:
    """Import what every process needs, before they are forked."""
    import checker.engines.liveness
    import checker.engines.native
    import checker.engines.symbolic  # noqa: F401


def _left(courses: Sequence[_Course], seconds: float) -> str:
    """How many scenarios are done, and about how long the others take if they took `seconds`."""
    done = [c for c in courses if not c.jobs]
    work = sum(c.work for c in done)
    left = seconds / work * sum(c.work for c in courses if c.jobs) if done else 0.0
    about = f", about {left:.0f} s left" if done else ""
    return f"{len(done)} of {len(courses)} scenarios{about}; "


def _tell(
    outcome: Outcome, course: _Course, report: Callable[[Sequence[Result]], None] | None
) -> None:
    """Add the results of a scenario to the outcome, and report them."""
    results = merge(course.request, course.where, course.found)
    outcome.rows |= known(course.found)
    rows = outcome.rows.get(course.where.name, {})
    for r in results:
        if course.request.flaw and rows and set(rows.values()) == {False}:
            r.error, r.reason = True, f"{IDLE}: {', '.join(rows)}"
    outcome.results += results
    if report is not None and results:
        report(results)


SCENARIO = 4_000_000
"""A scenario takes as long as the search of so many states, besides its own search."""


class _Course:
    """The tasks of one scenario: those left by job, and the results found."""

    def __init__(
        self, pool: Pool, request: Request, where: Scenario, kept: Kept | None, *, apart: bool
    ) -> None:
        self.pool, self.request, self.where = pool, request, where
        self.kept = Kept(where.name, kept.note) if kept else None
        self.found: list[Result] = []
        self.jobs: dict[Job, list[Task]] = {}
        self.work = size(where) + SCENARIO
        if apart:
            for task in tasks_of(request, where):
                self._begin([task])
        elif properties_of(request, where):
            self._begin(None)

    def _begin(self, tasks: list[Task] | None, *, first: bool = False) -> None:
        """Give a process the tasks; None for all of the scenario, listed when it starts."""
        job = Job(_run, linked=True)
        self.jobs[job] = tasks or []

        def prepare() -> None:
            if tasks is None:
                self.jobs[job] = tasks_of(self.request, self.where)
            elif len(self.jobs) > 1 and not self.request.patch:
                # Processes for one system share what is built before the fork.
                system = system_of(self.request, self.where)
                ready(system, self.kept)
                _ = system.values
            job.args = (tuple(self.jobs[job]),)
            self._now(job)

        job.prepare = prepare
        self.pool.add(job, first=first)

    def _now(self, job: Job) -> None:
        """Set what the pool knows of a job by the task that is under way."""
        task = next(iter(self.jobs[job]), None)
        job.limit = limit(task) if task else None
        job.threaded = task is not None and task.method == EXPLICIT

    def take(self, reply: Reply) -> None:
        """Take a reply; the failure of one task, or of one proof, does not stop the others."""
        left = self.jobs[reply.job]
        if reply.part:
            results, done = reply.value
            self.found += results
            if done:
                task = left.pop(0)
                left += self._undecided(task, results)
            else:
                names = {r.property for r in results}
                rest = tuple(n for n in left[0].properties if n not in names)
                left[0] = replace(left[0], properties=rest)
            self._now(reply.job)
            return
        del self.jobs[reply.job]
        if isinstance(reply.problem, UsageError):
            raise reply.problem  # a mistake in the question, such as a folder of another search
        if reply.problem is not None:
            task = left.pop(0)
            if task.method == SYMBOLIC:
                # Only the proof under way is lost: a new process takes the remaining ones.
                if task.properties[1:]:
                    left.insert(0, replace(task, properties=task.properties[1:]))
                task = replace(task, properties=task.properties[:1])
            e = reply.problem
            told = isinstance(e, LateError | DiedError)
            why = str(e) if told else f"{type(e).__name__}: {e}"
            self.found += _failed(task, why, error=not told)
        if left:
            self._begin(left, first=True)

    def _undecided(self, task: Task, results: Sequence[Result]) -> list[Task]:
        """The proofs of what a search of a patched system, too large for it, left undecided."""
        request = task.request
        if not request.patch or request.engine or request.bounded or request.first:
            return []
        if task.method != EXPLICIT:
            return []
        open_ = (r.property for r in results if r.verdict == UNKNOWN and not r.error)
        names = tuple(n for n in open_ if catalogue()[n].kind == "invariant")
        return [replace(task, method=SYMBOLIC, properties=names)] if names else []


def _unknown(request: Request, why: str) -> list[Result]:
    """The results of a request whose systems cannot be built in time."""
    return [
        Result(p.name, p.id, where.name, UNKNOWN, declared(p.name, where.name)[0], why)
        for where in scenarios_of(request)
        for p in properties_of(request, where)
    ]


def merge(request: Request, where: Scenario, found: Sequence[Result]) -> list[Result]:
    """One result for each property of a scenario; engines that disagree are an error."""
    out = []
    for p in properties_of(request, where):
        results = [r for r in found if r.property == p.name]
        if results:
            out.append(combined(sorted(results, key=lambda r: not r.method.startswith("search"))))
    return out


def combined(results: list[Result]) -> Result:
    """One result made of those of several engines for one property, the search's first."""
    first, *rest = results
    for r in rest:
        both = {first.verdict, r.verdict}
        told = {c: {x.cases.get(c) for x in (first, r)} for c in {**first.cases, **r.cases}}
        cases = {c: True in x or (False if False in x else None) for c, x in told.items()}
        first = replace(first, cases=cases)
        if both == {PROVED, VIOLATED} or {True, False} in told.values():
            # Show the trace of one and the invariant of the other.
            first = replace(
                first,
                error=True,
                reason=f"engines disagree: {first.method} says {first.verdict}, "
                f"{r.method} says {r.verdict}",
                trace=first.trace or r.trace,
                certificate=first.certificate or r.certificate,
            )
        elif r.error:
            first = replace(first, error=True, reason=f"{r.method}: {r.reason}")
        elif first.verdict == r.verdict == PROVED:
            first = replace(
                first,
                method=f"{first.method}+{r.method}",
                certificate=r.certificate,
                configurations=r.configurations,
                seconds=first.seconds + r.seconds,
            )
        elif first.verdict in (UNKNOWN, HOLDS_TO_DEPTH) and r.verdict != UNKNOWN:
            # An unfinished search does not spoil a proof, and may have seen its witness.
            first = replace(
                r,
                cases=cases,
                reason=r.reason if first.witness else r.reason or first.reason,
                states=first.states,
                seconds=first.seconds + r.seconds,
            )
    if first.verdict == PROVED and first.certificate and not first.witness:
        why = first.reason or "the search did not end"
        first = replace(first, verdict=UNKNOWN, reason=f"witness not found: {why}")
    return first


def _run(link: Link, tasks: Sequence[Task]) -> None:
    """Decide tasks; the results are given as parts of the answer, each proof at once.

    A part is a list of results, and whether the task is done.
    """
    gc.set_threshold(200_000, 50, 50)  # expressions are many, and live as long as the process
    watch = Watch(line=link.line, note=link.note, threads=link.threads)
    fallen: set[str] = set()
    for task in tasks:
        each = task.method == SYMBOLIC
        if each and fallen and not task.request.engine:
            # A trace that was replayed leaves nothing to prove.
            task = replace(task, properties=tuple(n for n in task.properties if n not in fallen))
            if not task.properties:
                link.part(([], True))
                continue
        results = run_task(task, watch, (lambda r: link.part(([r], False))) if each else None)
        fallen |= {r.property for r in results if r.verdict == VIOLATED and not r.error}
        link.part(([] if each else results, True))


def _failed(task: Task, why: str, *, error: bool) -> list[Result]:
    """The results of a task that gave none: UNKNOWN, or an error, because of `why`."""
    if task.method == ROWS:
        return []
    where = scenario(task.scenario)
    # For a task of proofs, only the properties not decided yet.
    props = asked(task, where) if task.properties or task.method != SYMBOLIC else []
    method = "proof" if task.method == SYMBOLIC else task.method
    out = []
    for p in props:
        verdict, reason = declared(p.name, where.name)
        out.append(
            Result(p.name, p.id, where.name, UNKNOWN, verdict, why or reason, method, error=error)
        )
    return out


HUNG = 800.0
"""Seconds after which a proof without a limit is taken for one whose solver hangs."""


def limit(task: Task) -> float | None:
    """The seconds after which a task is stopped from outside.

    A solver may not stop itself, nor what is done before a search.
    """
    seconds = task.request.seconds
    if task.method in (SYMBOLIC, ROWS):
        # The cases, a proof, a bounded search, and two for a trace have these seconds each.
        return 5 * (seconds or HUNG) + SHOW_SECONDS
    return 2 * seconds + SHOW_SECONDS if seconds else None
