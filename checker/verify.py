"""Deciding: a scenario's properties by search and by proof, under a flaw or not.

Tasks (a scenario's search, a scenario's proofs) are independent; they run in processes of their
own, as many at a time as there are cores, so that a solver that does not stop can be stopped. The
proofs of one scenario are made one after another, since what one finds helps the next.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Any

from checker.decide import PROOF_SECONDS, SHOW_SECONDS, run_task
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
from checker.verdict import HOLDS_TO_DEPTH, PROVED, UNKNOWN, VACUOUS, VIOLATED, Result
from model.rule import ModelError
from model.scenario import scenario


@dataclass
class Outcome:
    """All results, merged, and whether the run was interrupted."""

    results: list[Result] = field(default_factory=list)
    interrupted: bool = False


def verify(
    request: Request,
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
    note: Callable[[str], None] | None = None,
) -> Outcome:
    """Run every task of the request and merge the results of each property and scenario.

    At most `workers` tasks run at a time (default: the cores that this process may use). `note` is
    told what is worth a line that stays.
    """
    tasks = tasks_of(request)
    if request.flaw or request.drop:
        for where in scenarios_of(request):
            try:
                _ = system_of(request, where).raw_steps
            except ModelError as e:
                raise ModelError(f"{request.flaw or request.drop}: {e}") from e
    outcome = Outcome()
    found: list[tuple[Task, list[Result]]] = []
    try:
        for task, results in _in_processes(tasks, progress, note, workers or cores()):
            found.append((task, results))
    except KeyboardInterrupt:
        outcome.interrupted = True
    outcome.results = merge(request, found)
    return outcome


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
                out.append(_merge(sorted(results, key=lambda r: r.method != "search")))
    return out


def _merge(results: list[Result]) -> Result:
    first, *rest = results
    for r in rest:
        both = {first.verdict, r.verdict}
        if both == {PROVED, VIOLATED} or (both == {PROVED, VACUOUS} and r.witness):
            # Both artefacts are shown: the trace of one, the invariant of the other.
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
            seen = first.witness or r.witness
            first = replace(
                r,
                witness=seen,
                reason=r.reason if seen else r.reason or first.reason,
                states=first.states,
                seconds=first.seconds + r.seconds,
            )
    if first.verdict == PROVED and first.certificate and not first.witness:
        why = first.reason or "the search did not end"
        first = replace(first, verdict=UNKNOWN, reason=f"witness not found: {why}")
    return first


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(methods: Sequence[str], waiting: int, workers: int) -> int:
    """How many threads each running search gets: what would be idle, once nothing waits."""
    searches = methods.count("explicit")
    if waiting or not searches:
        return 1
    return max(1, (workers - len(methods) + searches) // searches)


def _child(task: Task, pipe: Any, threads: Any) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":  # die with the parent, however it dies
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    try:
        report = (lambda r: pipe.send(("part", r))) if task.method == "symbolic" else None
        done = run_task(
            task,
            lambda line: pipe.send(("line", line)),
            lambda line: pipe.send(("note", line)),
            lambda: int(threads.value),
            report,
        )
        pipe.send(("done", [] if report else done))
    except BaseException as e:
        pipe.send(("error", f"{type(e).__name__}: {e}"))
    finally:
        pipe.close()


def _failed(task: Task, why: str, *, error: bool) -> list[Result]:
    where = scenario(task.scenario)
    # Of a task of proofs, those that are not done.
    props = asked(task, where) if task.properties or task.method != "symbolic" else []
    method = "proof" if task.method == "symbolic" else task.method
    out = []
    for p in props:
        verdict, reason = declared(p.name, where.name)
        out.append(
            Result(p.name, p.id, where.name, UNKNOWN, verdict, why or reason, method, error=error)
        )
    return out


def _in_processes(
    tasks: Sequence[Task],
    progress: Callable[[str], None] | None,
    note: Callable[[str], None] | None,
    workers: int,
) -> Iterator[tuple[Task, list[Result]]]:
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(method)
    threads = context.RawValue("i", 1)
    waiting = list(tasks)
    several = Counter(t.scenario for t in tasks)
    running: dict[Any, tuple[Task, Any, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                if several[task.scenario] > 1:
                    # What all questions about a system share is found before the processes part.
                    _ = system_of(task.request, scenario(task.scenario)).values
                here, there = context.Pipe(duplex=False)
                process = context.Process(target=_child, args=(task, there, threads), daemon=True)
                process.start()
                there.close()
                running[here] = (task, process, time.monotonic())
            methods = [task.method for task, _, _ in running.values()]
            threads.value = share(methods, len(waiting), workers)
            ready: list[Any] = wait(list(running), timeout=0.2)
            for pipe in ready:
                task, process, began = running[pipe]
                try:
                    kind, value = pipe.recv()
                except EOFError:
                    kind, value = "error", "the process died (memory?)"
                if kind in ("line", "note"):
                    tell = progress if kind == "line" else note
                    if tell is not None:
                        tell(value)
                    continue
                if kind == "part":
                    # The clock of a proof begins when the one before is done.
                    left = tuple(n for n in task.properties if n != value.property)
                    running[pipe] = (replace(task, properties=left), process, time.monotonic())
                    yield task, [value]
                    continue
                del running[pipe]
                process.join()
                if kind == "error" and task.method == "symbolic":
                    # The proof under way is lost, not those that wait.
                    waiting[:0] = _without_first(task)
                    task = replace(task, properties=task.properties[:1])
                if kind == "error":
                    value = _failed(task, value, error="Error: " in value or "died" not in value)
                yield task, value
            for pipe, (task, process, began) in list(running.items()):
                limit = _limit(task)
                if limit is not None and time.monotonic() - began > limit:
                    process.kill()
                    process.join()
                    del running[pipe]
                    waiting[:0] = _without_first(task)
                    task = replace(task, properties=task.properties[:1])
                    yield task, _failed(task, f"no answer within {limit:.0f} s", error=False)
    finally:
        for _, process, _ in running.values():
            process.kill()


def _without_first(task: Task) -> list[Task]:
    left = task.properties[1:]
    return [replace(task, properties=left)] if left else []


def _limit(task: Task) -> float | None:
    """The seconds after which a proof is stopped from outside: a solver may not stop itself."""
    if task.method == "symbolic":
        seconds = task.request.seconds
        return 2 * (seconds or PROOF_SECONDS) + (seconds or SHOW_SECONDS)
    return None
