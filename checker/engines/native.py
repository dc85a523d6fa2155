"""The explicit engine's second back end: the search as C, made from the same expressions.

`Native` has the interface of `explicit.Explicit` and finds the same states, levels and edges.
`native_source.py` writes the C and compiles it; `native.c` keeps the states.

Memory for a state: 8 bytes a word, 4 for the parent, 2 for the step, and 5 to 8 in the index. All
but the index can be in files, from the start or once memory is short. Each thread has some
megabytes for the batch in work.

Checkpoints: states are only ever added, so a checkpoint appends the new states to its files, then
replaces a manifest that says how much of the files is valid.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from checker.engines import room
from checker.engines.checkpoint import Checkpoint
from checker.engines.interface import (
    STOPPED,
    UNLIMITED,
    UNWATCHED,
    Budget,
    Question,
    Route,
    Search,
    Watch,
)
from checker.engines.native_calls import BUDGET, DONE, LIMIT, NEVER, NO_DISK, NO_MEMORY, declare
from checker.engines.native_source import NativeError, Program, load
from checker.engines.words import Layout
from model.system import Compiled, Step

MOST = (1 << 32) - 2
"""The largest number of states: a state's number has 32 bits."""
SLICE = 1 << 14
"""States that a thread expands in one call to C; signals and budgets are checked between calls."""
PIECE = 1 << 24
"""Bytes read or written at once."""
WINDOW, CORES, ALONE = 0.3, 1.3, 3.0
"""If several threads got less than CORES cores for WINDOW seconds, one works for ALONE seconds."""
LOOK = 0.1
"""Seconds between two looks at the memory of the system."""
RESERVE = 16
"""Memory is short when less than one part in RESERVE is left."""
SMALL = 1 << 26
"""Bytes of states below which moving them to a disk would not help the system."""


def _files(stack: ExitStack, folder: Path) -> list[int]:
    """A file for each array; the files have no name, so they vanish with this process."""
    return [stack.enter_context(tempfile.TemporaryFile(dir=folder)).fileno() for _ in range(3)]


class _EndError(Exception):
    """The search ends for the reason given."""


class Native:
    """Breadth-first search of a compiled system, in C.

    `cache` is the folder of compiled searches. With `edges`, the edges are counted by label.
    `checkpoint` is a folder in which the search is saved every `every` seconds and at its end; with
    `resume`, a search saved there goes on, if there is one. `spill` is a folder whose disk holds
    the states and parents, which then do not count in `held`. With `overflow`, states and parents
    move to a disk once the budget of memory is used up or, without such a budget, once the system
    has little left (see `room`).
    """

    def __init__(
        self,
        compiled: Compiled,
        *,
        cache: Path | None = None,
        edges: bool = False,
        checkpoint: Path | None = None,
        every: float = 60.0,
        resume: bool = False,
        spill: Path | None = None,
        overflow: bool = False,
    ) -> None:
        self.compiled = compiled
        self.layout = Layout(compiled)
        self.cache, self.edges = cache, edges
        self.checkpoint, self.every, self.resume = checkpoint, every, resume
        self.spill, self.overflow = spill, overflow and spill is None
        self.sizes = (8 * self.layout.words, 4, 2)
        self.bounds: list[int] = [0]
        self.asked = 0
        self._threads: Callable[[], int] = lambda: 1
        self._alone, self._watched = 0.0, [0.0, 0.0]
        self.head: Any = None
        self.lib: Any = None

    # -- states --------------------------------------------------------------------------------
    def state(self, row: int) -> tuple[Any, ...]:
        """The state numbered `row` in order of discovery."""
        self._check(row)
        width = self.layout.words
        cell = (ctypes.c_uint64 * width).from_address(self.head.contents.words + 8 * width * row)
        return tuple(
            d.values[(cell[w] >> shift) & mask]
            for d, (w, shift, mask) in zip(self.compiled.domains, self.layout.slots, strict=True)
        )

    def path(self, row: int) -> Route:
        """A shortest path from an initial state to the state numbered `row`."""
        out: list[tuple[Step | None, tuple[Any, ...]]] = []
        self._check(row)
        head = self.head.contents
        while row >= (self.bounds[1] if len(self.bounds) > 1 else head.count):
            via = ctypes.c_uint16.from_address(head.via + 2 * row).value
            before = ctypes.c_uint32.from_address(head.parent + 4 * row).value
            if before >= row or via >= len(self.compiled.steps):
                raise NativeError(f"row {row} of the search has no step before it")
            out.append((self.compiled.steps[via], self.state(row)))
            row = before
        out.append((None, self.state(row)))
        return out[::-1]

    def _check(self, row: int) -> None:
        count = self.head.contents.count if self.head else 0
        if not 0 <= row < count:
            raise IndexError(f"row {row} of {count}")

    def views(self, k: int, begin: int, end: int) -> list[memoryview]:
        """The bytes of array `k` from row `begin` up to `end`, in pieces."""
        head, size = self.head.contents, self.sizes[k]
        base = (head.words, head.parent, head.via)[k]
        return [
            memoryview(
                (ctypes.c_char * (min(PIECE, end * size - at))).from_address(base + at)
            ).cast("B")
            for at in range(begin * size, end * size, PIECE)
        ]

    @property
    def held(self) -> int:
        """Bytes of the engine's arrays in memory."""
        return int(self.lib.search_bytes(self.head)) if self.head else 0

    # -- search --------------------------------------------------------------------------------
    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore as `Engine.search` says; time and memory can also end it within a level.

        The budget's seconds include the time to compile; its bytes are compared with `held`. Rows,
        parents and answers do not depend on the number of threads. NativeError if the compiler or
        the cache cannot be used, if the checkpoint is of another search or `resume` is not set, or
        if there are more than `MOST` states.
        """
        result, run = Search(), _Run(questions, budget, watch)
        self._threads = watch.threads
        self._free()
        try:
            self._run(result, run)
        except KeyboardInterrupt:  # before the search began, or after it
            result.complete = False
            result.reason = "interrupted"
        finally:
            result.seconds = time.monotonic() - run.began
        return result

    def _run(self, result: Search, run: _Run) -> None:
        """Compile the search, load a saved one if there is one, and run it into `result`."""
        source = Program(self.compiled, self.layout, [q.expr for q in run.questions], self.edges)
        self.lib = declare(load(source.text(), self.cache))
        with ExitStack() as stack:
            files = [-1, -1, -1]
            if self.spill is not None:
                self.spill.mkdir(parents=True, exist_ok=True)
                files = _files(stack, self.spill)
            elif self.overflow:
                run.files = stack
            self.head = self.lib.search_new(MOST, (ctypes.c_int * 3)(*files))
            if not self.head:
                raise NativeError("no memory for the arrays of the search")
            self._finalizer = weakref.finalize(self, self.lib.search_free, self.head)
            kept: Checkpoint | None = None
            try:
                if self.checkpoint is not None:
                    kept = Checkpoint(
                        self, run.questions, source.identity(), partial(self.expect, run)
                    )
                    stack.callback(kept.close)
                self._search(result, run, kept)
                result.complete = True
            except _EndError as e:
                result.reason = str(e)
            except KeyboardInterrupt:
                result.reason = "interrupted"
            self._tell(result)
            for i, s in enumerate(self.compiled.steps):
                n = self.head.contents.edges[i]
                if n:
                    result.edges[s.label] = result.edges.get(s.label, 0) + n
            self._ask(run.questions)
            if kept is not None:
                kept.save()

    def _free(self) -> None:
        if self.head:
            self._finalizer()
        self.head = None
        self.bounds, self.asked = [0], 0

    def _tell(self, result: Search) -> None:
        """Set the levels of the result: complete ones, then the part of the next found so far."""
        ends = [*self.bounds]
        if self.head.contents.count > ends[-1] or len(ends) == 1:
            ends.append(self.head.contents.count)
        result.levels = [b - a for a, b in itertools.pairwise(ends)]

    def _ask(self, questions: Sequence[Question]) -> None:
        """Ask the questions of every row not asked about yet."""
        head = self.head.contents
        while self.asked < head.count:
            end = min(head.count, self.asked + SLICE * 16)
            self.lib.search_ask(self.head, self.asked, end, self.crew())
            self.asked = end
        for i, q in enumerate(questions):
            if q.state is None and head.seen[i] != NEVER:
                q.state = int(head.seen[i])

    def _search(self, result: Search, run: _Run, kept: Checkpoint | None) -> None:
        """Expand level after level; _EndError if anything but completion ends the search."""
        head, budget = self.head.contents, run.budget
        head.limit = MOST if budget.states is None else max(0, min(budget.states, MOST))
        if budget.states is not None and head.count > budget.states:
            raise _EndError(budget.short)
        if len(self.bounds) == 1:
            self._begin(budget)
            self.bounds.append(head.count)
        # Set only after the initial states: no budget of memory refuses them, as in `Explicit`.
        head.memory = NEVER if budget.memory is None else max(0, budget.memory)
        while True:
            if head.next == self.bounds[-2]:
                self._ask(run.questions)
                self._tell(result)
                if run.watch.stop():
                    raise _EndError(STOPPED)
                run.look()
                self._memory(run)
                run.watch.progress(result, self.bounds[-1] - self.bounds[-2])
            while head.next < self.bounds[-1]:
                if not self._expand(run):
                    return  # no budget ends what is done
                run.look()
                self._memory(run)
                now = time.monotonic()
                if kept is not None and now - run.saved >= self.every:
                    kept.save()
                    run.saved = time.monotonic()
                if now - run.told >= 1:
                    run.told = now
                    self._tell(result)
                    run.watch.progress(result, self.bounds[-1] - self.bounds[-2])
            if head.count == self.bounds[-1]:
                return
            self.bounds.append(head.count)

    def _expand(self, run: _Run) -> bool:
        """Expand some rows, and say whether any row is left to expand."""
        head, n = self.head.contents, self.crew()
        most = SLICE if n == 1 else 2 * n * SLICE
        began, used, rows = time.monotonic(), time.process_time(), head.next
        code = self.lib.search_expand(self.head, self.bounds[-1], most, n)
        if n > 1 and head.next - rows == most:
            self._weigh(time.monotonic() - began, time.process_time() - used)
        if code in (BUDGET, NO_MEMORY):
            self._overflow(run, self._reason(code, run.budget))
            return True
        self._failed(code, run.budget)
        return bool(head.next < head.count)

    def crew(self) -> int:
        """How many threads to use now."""
        return 1 if time.monotonic() < self._alone else self._threads()

    def _weigh(self, wall: float, used: float) -> None:
        """Go on with one thread for a while if other processes use the cores.

        Threads wait for each other: several that do not run at the same time are slower than one.
        """
        self._watched = [self._watched[0] + wall, self._watched[1] + used]
        if self._watched[0] > WINDOW:
            if self._watched[1] < CORES * self._watched[0]:
                self._alone = time.monotonic() + ALONE
            self._watched = [0.0, 0.0]

    def _begin(self, budget: Budget) -> None:
        for values in self.compiled.initial_states():
            words = (ctypes.c_uint64 * self.layout.words)()
            for v, d, (w, shift, _) in zip(
                values, self.compiled.domains, self.layout.slots, strict=True
            ):
                words[w] |= d.code(v) << shift
            self._failed(self.lib.search_begin(self.head, words), budget)

    def _failed(self, code: int, budget: Budget) -> None:
        """Raise the error or the end of the search that a return value of C means, unless DONE."""
        if code == LIMIT and (budget.states is None or budget.states > MOST):
            raise NativeError(f"more than {MOST} states: the native engine cannot number them")
        if code != DONE:
            raise _EndError(self._reason(code, budget))

    def _reason(self, code: int, budget: Budget) -> str:
        """The reason for the end of the search that a return value of C other than DONE means."""
        if code == LIMIT:
            return budget.short
        if code == BUDGET and budget.memory is not None:
            return f"the memory budget of {budget.memory} bytes ended"
        if code == NO_DISK:
            return "the disk for the states is full"
        return "memory is short" if code == BUDGET else "the system gave no more memory"

    # -- memory --------------------------------------------------------------------------------
    def _memory(self, run: _Run) -> None:
        """Move the states to a disk, or end the search, if memory is short."""
        head, held = self.head.contents, self.held
        if run.budget.memory is not None:
            ended = run.budget.ended(0.0, held)
            if ended:
                self._overflow(run, ended)
            return
        if not self.overflow or time.monotonic() - run.looked < LOOK:
            return
        run.looked = time.monotonic()
        found = room.memory()
        if found is None:
            return
        total, left = found
        # The next index must fit into what is left.
        head.memory = held + left
        if (
            run.files is not None
            and left < total // RESERVE
            and head.count * sum(self.sizes) > SMALL
        ):
            self._overflow(run, f"memory is short: {left:,} bytes are left of {total:,}")

    def expect(self, run: _Run, rows: int) -> None:
        """Move to a disk if `rows` states about to be read need more memory than is left."""
        found, most = room.memory(), run.budget.memory
        left = most if found is None or most is not None else found[1]
        if run.files is not None and left is not None and rows * (sum(self.sizes) + 8) > left:
            self._overflow(run, f"{rows:,} states need more than {left:,} bytes", rows)

    def _overflow(self, run: _Run, reason: str, rows: int = 0) -> None:
        """Move the states and parents to a disk; end the search if they are there or cannot be."""
        stack, run.files = run.files, None
        if stack is None:
            there = "; the states are on a disk, their index is not" if self.overflow else ""
            raise _EndError(f"{reason}{there}")
        head = self.head.contents
        size = max(rows, head.count) * sum(self.sizes)
        try:
            folder = room.disk(2 * size)  # it will grow
        except room.RoomError as e:
            raise _EndError(f"{reason}; no disk for the states: {e}") from e
        run.watch.note(f"{reason}: {size:,} bytes of states go to files in {folder}")
        try:
            for k, file in enumerate(_files(stack, folder)):
                self._failed(self.lib.search_allocate(self.head, k, file), run.budget)
                at = 0
                for view in self.views(k, 0, head.count):
                    end = at + len(view)
                    while at < end:
                        at += os.pwrite(file, view[at - end :], at)
                self._failed(self.lib.search_move(self.head, k, file), run.budget)
        except OSError as e:
            raise _EndError(f"{reason}; no file for the states: {e.strerror}") from e
        if run.budget.memory is None:
            head.memory = NEVER
            run.looked = 0.0


class _Run:
    """One search as it runs: its questions, limits and watch, and the times of the last looks."""

    def __init__(self, questions: Sequence[Question], budget: Budget, watch: Watch) -> None:
        self.questions, self.budget, self.watch = questions, budget, watch
        self.files: ExitStack | None = None
        """Holds files open once states move into them; None if they did, or may not."""
        self.looked = 0.0
        self.began = self.told = self.saved = time.monotonic()

    def look(self) -> None:
        """End the search if the time is used up."""
        ended = self.budget.ended(time.monotonic() - self.began, 0)
        if ended:
            raise _EndError(ended)
