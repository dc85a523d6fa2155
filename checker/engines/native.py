"""The explicit engine's second back end: the search as C, made from the same expressions.

`Native` has the interface of `explicit.Explicit` and finds the same states, levels and edges.
`collapse.py` writes a system as data for C that is the same for all systems and compiled once:
`native.c` keeps the states, `views.c` computes successors, `chunks.c` is the index.

Memory for a state: 8 bytes, 4 for the parent and 2 for the step, which can be in files, from the
start or once memory is short. The index takes one or two more, and what the steps do in each view a
few megabytes for each thread.

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from checker.engines import room
from checker.engines.checkpoint import Checkpoint
from checker.engines.collapse import COMPONENTS, Collapsed, source
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
from checker.engines.native_calls import (
    BUDGET,
    DONE,
    LIMIT,
    NARROW,
    NEVER,
    NO_DISK,
    NO_MEMORY,
    declare,
)
from checker.engines.native_source import NativeError, load
from checker.engines.words import Layout
from model.system import Compiled, Step

MOST = (1 << 32) - 2
"""The largest number of states: a state's number has 32 bits."""
SLICE = 1 << 14
"""States that a thread expands in one call to C; signals and budgets are checked between calls."""
PIECE = 1 << 24
"""Bytes read or written at once."""
ROWS = 1 << 16
"""States whose words are read or written at once."""
HELD = (8, 4, 2)
"""The bytes of a state in each array."""
INDEX = 4
"""The bytes of a state in the index and in the tables of steps, usually less."""
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


def _free(lib: Any, head: Any, system: Collapsed) -> None:
    """Free a search, which reads its system until then."""
    lib.search_free(head)


class _EndError(Exception):
    """The search ends for the reason given."""


class _NarrowError(Exception):
    """A component has more locals than a state's word has room for."""


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
        """The bytes of a state in each array of a checkpoint."""
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
        cell = (ctypes.c_uint64 * self.layout.words)()
        self.lib.collapse_read(self.head, row, row + 1, cell)
        try:
            return tuple(
                d.values[(cell[w] >> shift) & mask]
                for d, (w, shift, mask) in zip(
                    self.compiled.domains, self.layout.slots, strict=True
                )
            )
        except IndexError:
            raise NativeError(f"row {row} of the search is no state: see its checkpoint") from None

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
        head, size = self.head.contents, HELD[k]
        base = (head.words, head.parent, head.via)[k]
        return [
            memoryview(
                (ctypes.c_char * (min(PIECE, end * size - at))).from_address(base + at)
            ).cast("B")
            for at in range(begin * size, end * size, PIECE)
        ]

    def saved(self, k: int, begin: int, end: int) -> Iterator[memoryview]:
        """The bytes that a checkpoint keeps of array `k` from row `begin` up to `end`, in pieces.

        Of the states these are the words: the numbers of locals depend on the threads.
        """
        if k:
            yield from self.views(k, begin, end)
            return
        for first in range(begin, end, ROWS):
            last = min(end, first + ROWS)
            piece = (ctypes.c_char * ((last - first) * self.sizes[0]))()
            self.lib.collapse_read(self.head, first, last, piece)
            yield memoryview(piece).cast("B")

    def spaces(self, k: int, rows: int) -> Iterator[memoryview]:
        """Room for what `saved` gave of all rows: each piece is taken over before the next."""
        if k:
            yield from self.views(k, 0, rows)
            return
        for first in range(0, rows, ROWS):
            last = min(rows, first + ROWS)
            piece = (ctypes.c_char * ((last - first) * self.sizes[0]))()
            yield memoryview(piece).cast("B")
            code = self.lib.collapse_write(self.head, first, last, piece)
            if code == NARROW:
                raise _NarrowError
            if code != DONE:
                raise NativeError("no memory for the states")

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
            # Half a word for each of two components is room for the locals of all states.
            for most in range(COMPONENTS, 1, -1):
                try:
                    self._run(result, run, most)
                except _NarrowError:
                    self._free()
                else:
                    break
        except KeyboardInterrupt:  # before the search began, or after it
            result.complete = False
            result.reason = "interrupted"
        finally:
            result.seconds = time.monotonic() - run.began
        return result

    def _run(self, result: Search, run: _Run, most: int) -> None:
        """Compile the search, load a saved one if there is one, and run it into `result`.

        _NarrowError if states have no room for the locals of `most` components.
        """
        asked = [q.expr for q in run.questions]
        system = Collapsed(self.compiled, self.layout, asked, self.edges, most)
        self.lib = declare(load(source(), self.cache, "-O2"))
        with ExitStack() as stack:
            files = [-1, -1, -1]
            if self.spill is not None:
                self.spill.mkdir(parents=True, exist_ok=True)
                files = _files(stack, self.spill)
            elif self.overflow:
                run.files = stack
            self.head = self.lib.collapse_new(system.address, MOST, (ctypes.c_int * 3)(*files))
            if not self.head:
                raise NativeError("no memory for the arrays of the search")
            self._finalizer = weakref.finalize(self, _free, self.lib, self.head, system)
            try:
                if self.checkpoint is not None:
                    whole = Collapsed(self.compiled, self.layout, asked, self.edges, 1)
                    run.kept = Checkpoint(
                        self, run.questions, whole.identity(), partial(self.expect, run)
                    )
                    stack.callback(run.kept.close)
                self._search(result, run)
                result.complete = True
            except _EndError as e:
                result.reason = str(e)
            except _NarrowError:
                run.save()
                self.resume = self.resume or run.kept is not None
                raise
            except KeyboardInterrupt:
                result.reason = "interrupted"
            self._tell(result)
            for i, s in enumerate(self.compiled.steps):
                n = self.head.contents.edges[i]
                if n:
                    result.edges[s.label] = result.edges.get(s.label, 0) + n
            self._ask(run.questions)
            run.save()

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
            end = min(head.count, self.asked + SLICE * 64)
            if self.lib.search_ask(self.head, self.asked, end, self.crew()) != DONE:
                raise NativeError("no memory to ask the questions")
            self.asked = end
        for i, q in enumerate(questions):
            if q.state is None and head.seen[i] != NEVER:
                q.state = int(head.seen[i])

    def _search(self, result: Search, run: _Run) -> None:
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
                if run.watch.stop(result):
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
                if now - run.saved >= self.every:
                    run.save()
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
        most = SLICE if n == 1 else 8 * n * SLICE
        began, used, rows = time.monotonic(), time.process_time(), head.next
        code = self.lib.search_expand(self.head, self.bounds[-1], most, n)
        if n > 1 and head.next - rows >= 2 * n * SLICE:
            self._weigh(time.monotonic() - began, time.process_time() - used)
        if code in (BUDGET, NO_MEMORY):
            self._overflow(run, self._reason(code, run.budget))
            return True
        self._failed(code, run.budget)
        return bool(head.next < head.count)

    def crew(self) -> int:
        """How many threads to use now."""
        return 1 if self.edges or time.monotonic() < self._alone else self._threads()

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
            self._failed(self.lib.collapse_begin(self.head, words), budget)

    def _failed(self, code: int, budget: Budget) -> None:
        """Raise the error or the end of the search that a return value of C means, unless DONE."""
        if code == NARROW:
            raise _NarrowError
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
        if run.files is not None and left < total // RESERVE and head.count * sum(HELD) > SMALL:
            self._overflow(run, f"memory is short: {left:,} bytes are left of {total:,}")

    def expect(self, run: _Run, rows: int) -> None:
        """Move to a disk if `rows` states about to be read need more memory than is left."""
        found, most = room.memory(), run.budget.memory
        left = most if found is None or most is not None else found[1]
        if run.files is not None and left is not None and rows * (sum(HELD) + INDEX) > left:
            self._overflow(run, f"{rows:,} states need more than {left:,} bytes", rows)

    def _overflow(self, run: _Run, reason: str, rows: int = 0) -> None:
        """Move the states and parents to a disk; end the search if they are there or cannot be."""
        stack, run.files = run.files, None
        if stack is None:
            there = "; the states are on a disk, their index is not" if self.overflow else ""
            raise _EndError(f"{reason}{there}")
        head = self.head.contents
        size = max(rows, head.count) * sum(HELD)
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
        self.kept: Checkpoint | None = None
        self.looked = 0.0
        self.began = self.told = self.saved = time.monotonic()

    def save(self) -> None:
        """Save the search; where that cannot be, as on a full disk, go on without."""
        try:
            if self.kept is not None:
                self.kept.save()
        except NativeError as e:
            self.watch.note(f"{e}; the search goes on, and is saved no more")
            self.kept = None
        self.saved = time.monotonic()

    def look(self) -> None:
        """End the search if the time is used up."""
        ended = self.budget.ended(time.monotonic() - self.began, 0)
        if ended:
            raise _EndError(ended)
