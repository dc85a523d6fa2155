"""Verification: the tasks of a request, run in processes, and their results merged.

Tasks (the search or the proofs of a scenario) are independent. Each runs in a process of its own,
as many at a time as there are cores, so that a solver that hangs can be killed. The proofs of one
scenario run one after another, since the lemmas of one help the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from checker.by_proof import PROOF_SECONDS, SHOW_SECONDS
from checker.cases import Odd, everything, odd
from checker.decide import run_task
from checker.engines.choice import EXPLICIT, ROWS, SYMBOLIC
from checker.engines.interface import Watch
from checker.patched import IDLE, Fires, known
from checker.pool import DiedError, Job, LateError, Link, Pool
from checker.request import (
    Request,
    Task,
    asked,
    declared,
    properties_of,
    scenarios_of,
    system_of,
    tasks_of,
)
from checker.verdict import HOLDS_TO_DEPTH, PROVED, UNKNOWN, VIOLATED, Result
from model.scenario import scenario
from model.solver import UndecidedError, within
from properties import catalogue


@dataclass
class Outcome:
    """All results, merged, and whether the run was interrupted."""

    results: list[Result] = field(default_factory=list)
    interrupted: bool = False
    rows: Mapping[str, Fires] = field(default_factory=dict)
    """By scenario: whether the rows of a patch ever fire."""
    odd_cases: Sequence[Odd] = ()
    """The cases that no scenario reaches, and those that are declared so and reached."""


def verify(
    request: Request,
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
    note: Callable[[str], None] | None = None,
) -> Outcome:
    """The outcome of every task of the request, results merged by property and scenario.

    At most `workers` tasks run at a time (default: the cores that this process may use). `progress`
    gets passing lines, `note` permanent ones.
    """
    outcome = Outcome()
    try:
        with within(request.seconds):
            for where in scenarios_of(request) if request.patch else ():
                system_of(request, where)
    except UndecidedError as e:
        outcome.results = _unknown(request, str(e))
        return outcome
    found: list[tuple[Task, list[Result]]] = []
    try:
        with Pool(workers, progress, note, fresh=True) as pool:
            found += _in_processes(tasks_of(request), pool)
            found += _in_processes(_left(request, found), pool)
    except KeyboardInterrupt:
        outcome.interrupted = True
    outcome.results = merge(request, found)
    outcome.rows = known(r for _, part in found for r in part)
    if everything(request) and not outcome.interrupted:
        outcome.odd_cases = odd(outcome.results)
    for r in outcome.results:
        rows = outcome.rows.get(r.scenario, {})
        if request.flaw and rows and set(rows.values()) == {False}:
            r.error, r.reason = True, f"{IDLE}: {', '.join(rows)}"
    return outcome


def _unknown(request: Request, why: str) -> list[Result]:
    """The results of a request whose systems cannot be built in time."""
    return [
        Result(p.name, p.id, where.name, UNKNOWN, declared(p.name, where.name)[0], why)
        for where in scenarios_of(request)
        for p in properties_of(request, where)
    ]


def _left(request: Request, found: Sequence[tuple[Task, list[Result]]]) -> list[Task]:
    """The proofs of what a search of a patched system, too large for it, left undecided."""
    if not request.patch or request.engine or request.bounded or request.first:
        return []
    out = []
    for task, results in found:
        if task.method != EXPLICIT:
            continue
        open_ = (r.property for r in results if r.verdict == UNKNOWN and not r.error)
        names = tuple(n for n in open_ if catalogue()[n].kind == "invariant")
        if names:
            out.append(replace(task, method=SYMBOLIC, properties=names))
    return out


def merge(request: Request, found: Sequence[tuple[Task, list[Result]]]) -> list[Result]:
    """One result for each property and scenario; engines that disagree are an error."""
    by_key: dict[tuple[str, str], list[Result]] = {}
    for _, part in found:
        for r in part:
            by_key.setdefault((r.scenario, r.property), []).append(r)
    out = []
    for where in scenarios_of(request):
        for p in properties_of(request, where):
            results = by_key.get((where.name, p.name))
            if results:
                out.append(combined(sorted(results, key=lambda r: r.method != "search")))
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


def _run(link: Link, task: Task) -> list[Result]:
    """The results of a task; each proof is given early, as a part of the answer."""
    report = link.part if task.method == SYMBOLIC else None
    done = run_task(task, Watch(line=link.line, note=link.note, threads=link.threads), report)
    return [] if report else done


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


def _in_processes(tasks: Sequence[Task], pool: Pool) -> Iterator[tuple[Task, list[Result]]]:
    """The results of tasks as they come; the failure of one proof does not stop the others."""
    several = Counter(t.scenario for t in tasks)
    left: dict[Job, Task] = {}

    def begin(task: Task, *, first: bool = False) -> None:
        def build() -> None:
            # Tasks on one system share what is built before the fork.
            if several[task.scenario] > 1 and not task.request.patch:
                _ = system_of(task.request, scenario(task.scenario)).values

        job = Job(_run, (task,), True, limit(task), task.method == EXPLICIT, build)
        left[pool.add(job, first=first)] = task

    for t in tasks:
        begin(t)
    for reply in pool.replies():
        task = left[reply.job]
        if reply.part:
            names = tuple(n for n in task.properties if n != reply.value.property)
            left[reply.job] = replace(task, properties=names)
            yield task, [reply.value]
            continue
        if reply.problem is None:
            yield task, reply.value
            continue
        if task.method == SYMBOLIC:
            # Only the proof under way is lost: a new task takes the remaining ones.
            if task.properties[1:]:
                begin(replace(task, properties=task.properties[1:]), first=True)
            task = replace(task, properties=task.properties[:1])
        e = reply.problem
        told = isinstance(e, LateError | DiedError)
        yield task, _failed(task, str(e) if told else f"{type(e).__name__}: {e}", error=not told)


def limit(task: Task) -> float | None:
    """The seconds after which a task is stopped from outside.

    A solver may not stop itself, nor what is done before a search.
    """
    seconds = task.request.seconds
    if task.method in (SYMBOLIC, ROWS):
        return 2 * (seconds or PROOF_SECONDS) + (seconds or SHOW_SECONDS)
    return 2 * seconds + SHOW_SECONDS if seconds else None
