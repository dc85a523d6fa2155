"""A pool of processes for long work, each of which can be killed.

No process is left computing: it dies with its parent, however that dies, and is killed when its job
gives no answer in time or when the pool is left, also by Ctrl-C.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Self

from checker import cache
from checker.signals import left_to_parent, lives_with


class LateError(Exception):
    """A job gave no answer in time."""


class DiedError(Exception):
    """The process of a job ended by itself, without an answer."""


class Link:
    """A job's connection to the process that waits for its answer."""

    def __init__(self, pipe: Any, threads: Any) -> None:
        self._pipe = pipe
        self._threads = threads

    def line(self, text: str) -> None:
        """Report progress."""
        self._pipe.send(("line", text))

    def note(self, text: str) -> None:
        """Log a permanent line."""
        self._pipe.send(("note", text))

    def part(self, value: Any) -> None:
        """Give a part of the answer, which restarts the clock of `Job.limit`."""
        self._pipe.send(("part", value))

    def threads(self) -> int:
        """The number of threads that the job may use at present."""
        return int(self._threads.value)


@dataclass(eq=False)
class Job:
    """Work for a process: `call(*args)`; `call` and `args` can be pickled."""

    call: Callable[..., Any]
    args: tuple[Any, ...] = ()
    linked: bool = False  # whether the call takes the link first: `call(link, *args)`
    limit: float | None = None  # seconds to wait for the answer or the next part of it
    threaded: bool = False  # whether the job can use several threads
    # Called in the parent before the fork of a new process, which inherits what is built by it.
    prepare: Callable[[], object] | None = None


@dataclass
class Reply:
    """What a job gave: its value or a part of that, or the problem why there is none."""

    job: Job
    value: Any = None
    part: bool = False
    problem: Exception | None = None

    def get(self) -> Any:
        """The value; a problem is raised."""
        if self.problem is not None:
            raise self.problem
        return self.value


@dataclass(eq=False)
class _Worker:
    """A process, the parent's end of its pipe, its job, and the time since when it is awaited."""

    process: Any
    pipe: Any
    job: Job | None = None
    began: float = 0.0

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # a compiler, too
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Pool:
    """Processes for jobs, `workers` at a time (default: the cores that this process may use).

    With `fresh` each job gets a new process, a fork of the parent at that moment; without, a
    process takes job after job and keeps what it has built. `line` and `note` receive the progress
    and the notes of jobs.
    """

    def __init__(
        self,
        workers: int | None = None,
        line: Callable[[str], None] | None = None,
        note: Callable[[str], None] | None = None,
        *,
        fresh: bool = False,
    ) -> None:
        fork = "fork" in multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("fork" if fork else "spawn")
        self._threads = self._context.RawValue("i", 1)
        self._tell = {"line": line, "note": note}
        self.size = workers or cores()
        self._fresh = fresh
        self._workers: dict[Any, _Worker] = {}
        self._waiting: deque[Job] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        at_work = bool(self._busy())
        for worker in self._workers.values():
            worker.kill()
        self._workers.clear()
        if at_work:
            cache.tidy()

    def add(self, job: Job, *, first: bool = False) -> Job:
        """Put a job at the end of the queue; with `first`, at its front."""
        (self._waiting.appendleft if first else self._waiting.append)(job)
        return job

    def replies(self) -> Iterator[Reply]:
        """The replies of all jobs, as they come; more jobs may be added meanwhile."""
        while self._waiting or self._busy():
            self._begin()
            busy = self._busy()
            self._threads.value = share(
                [w.job.threaded for w in busy if w.job], len(self._waiting), self.size
            )
            ready: list[Any] = wait([w.pipe for w in busy], timeout=0.2)
            for pipe in ready:
                reply = self._received(self._workers[pipe])
                if reply is not None:
                    yield reply
            for w in self._busy():
                limit = w.job.limit if w.job else None
                if w.job and limit is not None and time.monotonic() - w.began > limit:
                    self._drop(w)
                    yield Reply(w.job, problem=LateError(f"no answer within {limit:.0f} s"))

    def _busy(self) -> list[_Worker]:
        return [w for w in self._workers.values() if w.job is not None]

    def _begin(self) -> None:
        """Give waiting jobs to idle or new processes."""
        while self._waiting and len(self._busy()) < self.size:
            job = self._waiting.popleft()
            if job.prepare is not None:
                job.prepare()
            idle = (w for w in self._workers.values() if w.job is None)
            worker = next(idle, None) or self._forked()
            worker.job, worker.began = job, time.monotonic()
            with suppress(BrokenPipeError):  # a process that died is noticed when its pipe is read
                worker.pipe.send((job.call, job.args, job.linked))

    def _forked(self) -> _Worker:
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(there, self._threads, os.getpid()), daemon=True
        )
        process.start()
        there.close()
        self._workers[here] = worker = _Worker(process, here)
        return worker

    def _drop(self, worker: _Worker) -> None:
        del self._workers[worker.pipe]
        worker.kill()

    def _received(self, worker: _Worker) -> Reply | None:
        """The reply in a message from a process; None if the message is progress."""
        job = worker.job
        assert job is not None
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._drop(worker)
            return Reply(job, problem=DiedError("the process died (memory?)"))
        if kind in self._tell:
            tell = self._tell[kind]
            if tell is not None:
                tell(value)
            return None
        if kind == "part":
            worker.began = time.monotonic()
            return Reply(job, value, part=True)
        worker.job = None
        if self._fresh:
            self._drop(worker)
        return Reply(job, problem=value) if kind == "problem" else Reply(job, value)


def _work(pipe: Any, threads: Any, parent: int) -> None:
    """The body of a process: take job after job from `pipe`."""
    left_to_parent()
    if not lives_with(parent):
        return
    link = Link(pipe, threads)
    while True:
        call, args, linked = pipe.recv()
        try:
            done = "done", call(*([link] if linked else []), *args)
        except BaseException as e:
            done = "problem", _sendable(e)
        pipe.send(done)


def _sendable(e: BaseException) -> Exception:
    """The exception, or if it cannot be pickled one of the same text; its traceback is a note."""
    text = "".join(traceback.format_exception(e))
    try:
        sent = pickle.loads(pickle.dumps(e))
    except Exception:
        sent = None
    out = sent if isinstance(sent, Exception) else RuntimeError(f"{type(e).__name__}: {e}")
    out.add_note(text)
    return out


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(threaded: Sequence[bool], waiting: int, workers: int) -> int:
    """The number of threads for each job that can use several: cores left idle once none waits.

    `threaded` says of each running job whether it can use several threads.
    """
    several = sum(threaded)
    if waiting or not several:
        return 1
    return max(1, (workers - len(threaded) + several) // several)
