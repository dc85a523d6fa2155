"""The explicit engine's second back end: the search as C, made from the same expressions.

`Native` has the interface of `explicit.Explicit` and finds the same states, levels and edges.
`native_source.py` writes the C and compiles it; `native.c` keeps the states.

Memory for a state: 8 bytes a word, 4 for its parent, 2 for its step, and 5 to 8 of the index. All
but the index can be in files, from the start or when memory gets short. Each thread has some
megabytes for the batch that it works on.

Checkpoints: states are only ever added, so a checkpoint appends the new ones to its files, then
replaces a manifest that says how much of the files is valid.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import tempfile
import time
import weakref
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from checker.engines import room
from checker.engines.explicit import Layout, Question, Search
from checker.engines.native_source import NativeError, Program, load
from model.system import Compiled, Step

MOST = (1 << 32) - 2
"""States that can be numbered."""
SLICE = 1 << 14
"""States expanded by one call to C, between which signals and budgets are looked at."""
PIECE = 1 << 24
"""Bytes read or written at once."""
WINDOW, CORES, ALONE = 0.3, 1.3, 3.0
"""Threads that in so many seconds got less than so many cores: one goes on for so many seconds."""
LOOK = 0.1
"""Seconds between two looks at the memory of the system."""
RESERVE = 16
"""Memory is short when less than this part of it is left."""
SMALL = 1 << 26
"""Bytes of states below which moving them to a disk would not help the system."""
FORMAT = 1
NEVER = (1 << 64) - 1
DONE, LIMIT, BUDGET, NO_MEMORY, NO_DISK = range(5)


# -- the engine ------------------------------------------------------------------------------------
class _Head(ctypes.Structure):
    """The first fields of `Search` in native.c."""

    _fields_ = (
        ("words", ctypes.c_void_p),
        ("parent", ctypes.c_void_p),
        ("via", ctypes.c_void_p),
        ("count", ctypes.c_uint64),
        ("next", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("memory", ctypes.c_uint64),
        ("seen", ctypes.POINTER(ctypes.c_uint64)),
        ("edges", ctypes.POINTER(ctypes.c_uint64)),
        ("batches", ctypes.c_uint64),
    )

    words: int | None
    parent: int | None
    via: int | None
    count: int
    next: int
    limit: int
    memory: int
    seen: Any
    edges: Any
    batches: int


def _declare(lib: ctypes.CDLL) -> ctypes.CDLL:
    head, u64 = ctypes.POINTER(_Head), ctypes.c_uint64
    for name, result, arguments in (
        ("search_new", head, [u64, ctypes.POINTER(ctypes.c_int)]),
        ("search_free", None, [head]),
        ("search_bytes", u64, [head]),
        ("search_begin", ctypes.c_int, [head, ctypes.POINTER(u64)]),
        ("search_ask", None, [head, u64, u64, ctypes.c_int]),
        ("search_expand", ctypes.c_int, [head, u64, u64, ctypes.c_int]),
        ("search_room", ctypes.c_int, [head, u64]),
        ("search_allocate", ctypes.c_int, [head, ctypes.c_int, ctypes.c_int]),
        ("search_move", ctypes.c_int, [head, ctypes.c_int, ctypes.c_int]),
        ("search_restore", ctypes.c_int, [head, u64, ctypes.c_int]),
    ):
        f = getattr(lib, name)
        f.restype, f.argtypes = result, arguments
    return lib


def _files(stack: ExitStack, folder: Path) -> list[int]:
    """One for each array. Without a name: only this process has them, and they go with it."""
    return [stack.enter_context(tempfile.TemporaryFile(dir=folder)).fileno() for _ in range(3)]


class _EndError(Exception):
    """The search ends for the reason given."""


class Native:
    """Breadth-first search of a compiled system, in C."""

    def __init__(self, compiled: Compiled, *, cache: Path | None = None) -> None:
        self.compiled = compiled
        self.layout = Layout(compiled)
        self.cache = cache
        self._sizes = (8 * self.layout.words, 4, 2)
        self._bounds: list[int] = [0]
        self._asked = 0
        self._threads: Callable[[], int] = lambda: 1
        self._alone, self._watched = 0.0, [0.0, 0.0]
        self._head: Any = None
        self._lib: Any = None

    # -- states --------------------------------------------------------------------------------
    def state(self, row: int) -> tuple[Any, ...]:
        """The state numbered `row` in order of discovery."""
        self._check(row)
        width = self.layout.words
        cell = (ctypes.c_uint64 * width).from_address(self._head.contents.words + 8 * width * row)
        return tuple(
            d.values[(cell[w] >> shift) & mask]
            for d, (w, shift, mask) in zip(self.compiled.domains, self.layout.slots, strict=True)
        )

    def path(self, row: int) -> list[tuple[Step | None, tuple[Any, ...]]]:
        """From an initial state to `row`: (step taken, state reached); the first step is None."""
        out: list[tuple[Step | None, tuple[Any, ...]]] = []
        self._check(row)
        head = self._head.contents
        while row >= (self._bounds[1] if len(self._bounds) > 1 else head.count):
            via = ctypes.c_uint16.from_address(head.via + 2 * row).value
            out.append((self.compiled.steps[via], self.state(row)))
            row = ctypes.c_uint32.from_address(head.parent + 4 * row).value
        out.append((None, self.state(row)))
        return out[::-1]

    def _check(self, row: int) -> None:
        count = self._head.contents.count if self._head else 0
        if not 0 <= row < count:
            raise IndexError(f"row {row} of {count}")

    def _views(self, k: int, begin: int, end: int) -> list[memoryview]:
        """The bytes of array `k` from row `begin` to before row `end`, in pieces."""
        head, size = self._head.contents, self._sizes[k]
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
        return int(self._lib.search_bytes(self._head)) if self._head else 0

    # -- search --------------------------------------------------------------------------------
    def search(
        self,
        questions: Sequence[Question] = (),
        *,
        states: int | None = None,
        seconds: float | None = None,
        memory: int | None = None,
        edges: bool = False,
        stop: Callable[[], bool] | None = None,
        progress: Callable[[Search, int], None] | None = None,
        checkpoint: Path | None = None,
        every: float = 60.0,
        resume: bool = False,
        spill: Path | None = None,
        overflow: bool = False,
        note: Callable[[str], None] | None = None,
        threads: Callable[[], int] = lambda: 1,
    ) -> Search:
        """Explore as `Explicit.search` does; time and memory also end it within a level.

        `seconds` includes the time to compile. `memory` is compared with `held`.
        `checkpoint` is a folder in which the search is kept every `every` seconds and when it
        ends. With `resume` a search kept there goes on, or a new one begins if there is none.
        `spill` is a folder whose disk holds the states and parents: they are not in `held`.
        With `overflow` they move to a disk when memory is short: when `memory` is used up, or,
        without it, when little is left of what the system can give (see `room`). `note` is told.
        `threads` says how many to use now; rows, parents and answers do not depend on it.
        NativeError if the compiler or the cache is no good, if the folder keeps another search, if
        it keeps one and `resume` is not set, or if the states cannot be numbered with 32 bits.
        """
        began = time.monotonic()
        result = Search()
        budget = _Budget(states, seconds, memory, stop, progress, every, began, note)
        self._threads = threads
        self._free()
        try:
            self._run(result, questions, budget, edges, checkpoint, resume, spill, overflow)
        except KeyboardInterrupt:  # before the search began, or after it
            result.complete = False
            result.reason = "interrupted"
        finally:
            result.seconds = time.monotonic() - began
        return result

    def _run(
        self,
        result: Search,
        questions: Sequence[Question],
        budget: _Budget,
        edges: bool,
        checkpoint: Path | None,
        resume: bool,
        spill: Path | None,
        overflow: bool,
    ) -> None:
        source = Program(self.compiled, self.layout, [q.expr for q in questions], edges)
        self._lib = _declare(load(source.text(), self.cache))
        with ExitStack() as stack:
            files = [-1, -1, -1]
            if spill is not None:
                spill.mkdir(parents=True, exist_ok=True)
                files = _files(stack, spill)
            elif overflow:
                budget.overflow, budget.files = True, stack
            self._head = self._lib.search_new(MOST, (ctypes.c_int * 3)(*files))
            if not self._head:
                raise NativeError("no memory for the arrays of the search")
            self._finalizer = weakref.finalize(self, self._lib.search_free, self._head)
            try:
                if checkpoint is not None:
                    kept = Checkpoint(
                        checkpoint, source.identity(), self, questions, resume, budget
                    )
                    stack.callback(kept.close)
                    budget.kept = kept
                self._search(result, questions, budget)
                result.complete = True
            except _EndError as e:
                result.reason = str(e)
            except KeyboardInterrupt:
                result.reason = "interrupted"
            self._tell(result)
            for i, s in enumerate(self.compiled.steps):
                n = self._head.contents.edges[i]
                if n:
                    result.edges[s.label] = result.edges.get(s.label, 0) + n
            self._ask(questions)
            if budget.kept is not None:
                budget.kept.save()

    def _free(self) -> None:
        if self._head:
            self._finalizer()
        self._head = None
        self._bounds, self._asked = [0], 0

    def _tell(self, result: Search) -> None:
        """The levels: complete ones, then what there is of the next."""
        ends = [*self._bounds]
        if self._head.contents.count > ends[-1] or len(ends) == 1:
            ends.append(self._head.contents.count)
        result.levels = [b - a for a, b in itertools.pairwise(ends)]

    def _ask(self, questions: Sequence[Question]) -> None:
        """Ask about every row not asked about."""
        head = self._head.contents
        while self._asked < head.count:
            end = min(head.count, self._asked + SLICE * 16)
            self._lib.search_ask(self._head, self._asked, end, self._crew())
            self._asked = end
        for i, q in enumerate(questions):
            if q.state is None and head.seen[i] != NEVER:
                q.state = int(head.seen[i])

    def _search(self, result: Search, questions: Sequence[Question], budget: _Budget) -> None:
        head = self._head.contents
        head.limit = MOST if budget.states is None else max(0, min(budget.states, MOST))
        if budget.states is not None and head.count > budget.states:
            raise _EndError(f"the budget of {budget.states} states ended before the search")
        if len(self._bounds) == 1:
            self._begin(budget)
            self._bounds.append(head.count)
        # Set here: the first level is never too much, as in the other engine.
        head.memory = NEVER if budget.memory is None else max(0, budget.memory)
        while True:
            if head.next == self._bounds[-2]:
                self._ask(questions)
                self._tell(result)
                if budget.stop is not None and budget.stop():
                    raise _EndError("every question was answered")
                budget.look()
                self._memory(budget)
                if budget.progress is not None:
                    budget.progress(result, self._bounds[-1] - self._bounds[-2])
            while head.next < self._bounds[-1]:
                n = self._crew()
                most = SLICE if n == 1 else 2 * n * SLICE
                began, used, rows = time.monotonic(), time.process_time(), head.next
                code = self._lib.search_expand(self._head, self._bounds[-1], most, n)
                if n > 1 and head.next - rows == most:
                    self._watch(time.monotonic() - began, time.process_time() - used)
                if code in (BUDGET, NO_MEMORY):
                    self._overflow(budget, self._reason(code, budget))
                    continue
                self._failed(code, budget)
                if head.next == head.count:
                    return  # no budget ends what is done
                budget.look()
                self._memory(budget)
                if budget.due():
                    self._tell(result)
                    if budget.progress is not None:
                        budget.progress(result, self._bounds[-1] - self._bounds[-2])
            if head.count == self._bounds[-1]:
                return
            self._bounds.append(head.count)

    def _crew(self) -> int:
        """How many threads to use now."""
        return 1 if time.monotonic() < self._alone else self._threads()

    def _watch(self, wall: float, used: float) -> None:
        """Go on with one thread for a while, if several were hardly run at the same time.

        Threads wait for each other: where other processes have the cores, several are slower.
        """
        self._watched = [self._watched[0] + wall, self._watched[1] + used]
        if self._watched[0] > WINDOW:
            if self._watched[1] < CORES * self._watched[0]:
                self._alone = time.monotonic() + ALONE
            self._watched = [0.0, 0.0]

    def _begin(self, budget: _Budget) -> None:
        for values in self.compiled.initial_states():
            words = (ctypes.c_uint64 * self.layout.words)()
            for v, d, (w, shift, _) in zip(
                values, self.compiled.domains, self.layout.slots, strict=True
            ):
                words[w] |= d.code(v) << shift
            self._failed(self._lib.search_begin(self._head, words), budget)

    def _failed(self, code: int, budget: _Budget) -> None:
        """Raise what a return value other than DONE means."""
        if code == LIMIT and (budget.states is None or budget.states > MOST):
            raise NativeError(f"more than {MOST} states: the native engine cannot number them")
        if code != DONE:
            raise _EndError(self._reason(code, budget))

    def _reason(self, code: int, budget: _Budget) -> str:
        """What a return value other than DONE says of the end."""
        if code == LIMIT:
            return f"the budget of {budget.states} states ended before the search"
        if code == BUDGET and budget.memory is not None:
            return f"the memory budget of {budget.memory} bytes ended"
        if code == NO_DISK:
            return "the disk for the states is full"
        return "memory is short" if code == BUDGET else "the system gave no more memory"

    # -- memory --------------------------------------------------------------------------------
    def _memory(self, budget: _Budget) -> None:
        """Move the states to a disk, or end the search, if memory is short."""
        head, held = self._head.contents, self.held
        if budget.memory is not None:
            if held > budget.memory:
                self._overflow(budget, f"the memory budget of {budget.memory} bytes ended")
            return
        if not budget.overflow or time.monotonic() - budget.looked < LOOK:
            return
        budget.looked = time.monotonic()
        found = room.memory()
        if found is None:
            return
        total, left = found
        # The next index must fit into what is left.
        head.memory = held + left
        if (
            budget.files is not None
            and left < total // RESERVE
            and head.count * sum(self._sizes) > SMALL
        ):
            self._overflow(budget, f"memory is short: {left:,} bytes are left of {total:,}")

    def _expect(self, rows: int, budget: _Budget) -> None:
        """Before so many rows are read: to a disk with them if they need more than there is."""
        found = room.memory()
        left = budget.memory if found is None or budget.memory is not None else found[1]
        if budget.files is not None and left is not None and rows * (sum(self._sizes) + 8) > left:
            self._overflow(budget, f"{rows:,} states need more than {left:,} bytes", rows)

    def _overflow(self, budget: _Budget, reason: str, rows: int = 0) -> None:
        """Move the states and parents to a disk; if they cannot, or are there, end the search."""
        stack, budget.files = budget.files, None
        if stack is None:
            there = "; the states are on a disk, their index is not" if budget.overflow else ""
            raise _EndError(f"{reason}{there}")
        head = self._head.contents
        size = max(rows, head.count) * sum(self._sizes)
        try:
            folder = room.disk(2 * size)  # it will grow
        except room.RoomError as e:
            raise _EndError(f"{reason}; no disk for the states: {e}") from e
        budget.note(f"{reason}: {size:,} bytes of states go to files in {folder}")
        try:
            for k, file in enumerate(_files(stack, folder)):
                self._failed(self._lib.search_allocate(self._head, k, file), budget)
                at = 0
                for view in self._views(k, 0, head.count):
                    end = at + len(view)
                    while at < end:
                        at += os.pwrite(file, view[at - end :], at)
                self._failed(self._lib.search_move(self._head, k, file), budget)
        except OSError as e:
            raise _EndError(f"{reason}; no file for the states: {e.strerror}") from e
        if budget.memory is None:
            head.memory = NEVER
            budget.looked = 0.0


class _Budget:
    """What may end a search, and what is done from time to time."""

    def __init__(
        self,
        states: int | None,
        seconds: float | None,
        memory: int | None,
        stop: Callable[[], bool] | None,
        progress: Callable[[Search, int], None] | None,
        every: float,
        began: float,
        note: Callable[[str], None] | None,
    ) -> None:
        self.states, self.seconds, self.memory = states, seconds, memory
        self.stop, self.progress = stop, progress
        self.every, self.began = every, began
        self.note = note or (lambda line: None)
        self.kept: Checkpoint | None = None
        self.files: ExitStack | None = None
        """Keeps the files open to which the states can go; None if they cannot, or are there."""
        self.overflow = False
        self.looked = 0.0
        self.told = self.saved = time.monotonic()

    def look(self) -> None:
        """End the search if the time is used up."""
        if self.seconds is not None and time.monotonic() - self.began > self.seconds:
            raise _EndError(f"the time budget of {self.seconds:g} s ended")

    def due(self) -> bool:
        """Whether progress is to be told now; a checkpoint that is due is written."""
        now = time.monotonic()
        if self.kept is not None and now - self.saved >= self.every:
            self.kept.save()
            self.saved = time.monotonic()
        if now - self.told < 1:
            return False
        self.told = now
        return True


# -- checkpoints -----------------------------------------------------------------------------------
class Checkpoint:
    """A search kept in a folder: three data files that only grow, and `manifest.json`.

    What the manifest does not count is ignored, so a process that dies while it writes loses only
    what came after the last manifest.
    """

    NAMES = ("words.bin", "parent.bin", "via.bin")

    def __init__(
        self,
        folder: Path,
        identity: str,
        engine: Native,
        questions: Sequence[Question],
        resume: bool,
        budget: _Budget,
    ) -> None:
        self.folder, self.identity, self.engine = folder, identity, engine
        self.questions = questions
        self.rows = 0
        self.sums = [0, 0, 0]
        folder.mkdir(parents=True, exist_ok=True)
        manifest = folder / "manifest.json"
        self.files: list[IO[bytes]] = []
        self._lock()
        found = manifest.exists()
        if found and not resume:
            self.close()
            raise NativeError(f"{folder} keeps a search: resume it, or remove the folder")
        try:
            data = self._read(manifest) if found else None
            for name in self.NAMES:
                self.files.append((folder / name).open("r+b" if found else "w+b", buffering=0))
            if data is not None:
                engine._expect(int(data["count"]), budget)
                self._restore(data)
        except OSError as e:
            self.close()
            raise NativeError(f"the checkpoint in {folder} cannot be used: {e}") from e
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        """One process at a time; the lock ends with the process."""
        import fcntl

        self.lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            self.lock.close()
            raise NativeError(f"{self.folder} is in use by another search: {e.strerror}") from e

    def close(self) -> None:
        """Close the files."""
        self.lock.close()
        for f in self.files:
            f.close()

    def _read(self, manifest: Path) -> dict[str, Any]:
        try:
            data: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
            version, identity = data["format"], data["system"]
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise NativeError(f"{manifest} is not a manifest: {e}") from e
        if version != FORMAT:
            raise NativeError(f"{manifest} has format {version}, not {FORMAT}")
        if identity != self.identity:
            raise NativeError(
                f"{self.folder} keeps the search of another system or of other questions "
                f"({data.get('name')}); name another folder"
            )
        return data

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Read the arrays and build the index again."""
        engine = self.engine
        head, lib = engine._head.contents, engine._lib
        rows = int(data["count"])
        if lib.search_room(engine._head, rows) != DONE:
            raise NativeError(f"no room for the {rows} states kept in {self.folder}")
        for k, f in enumerate(self.files):
            total = 0
            for view in self.engine._views(k, 0, rows):
                got = 0
                while got < len(view):
                    n = f.readinto(view[got:])  # type: ignore[attr-defined]
                    if not n:
                        raise NativeError(f"{self.NAMES[k]} in {self.folder} is too short")
                    got += n
                total = zlib.crc32(view, total)
            if total != data["sums"][k]:
                raise NativeError(f"{self.NAMES[k]} in {self.folder} is damaged")
            self.sums[k] = total
        if lib.search_restore(engine._head, rows, engine._crew()) != DONE:
            raise NativeError(f"no memory for the index of the {rows} states in {self.folder}")
        self.rows = rows
        head.next = data["next"]
        engine._bounds = list(data["bounds"])
        engine._asked = data["asked"]
        for i, row in enumerate(data["seen"]):
            head.seen[i] = NEVER if row is None else row
        for i, n in data["edges"]:
            head.edges[i] = n

    def save(self) -> None:
        """Append the new states, then replace the manifest. Both are on disk when it returns.

        NativeError if that fails, as on a full disk; the last manifest is valid still.
        """
        try:
            self._save()
        except OSError as e:
            raise NativeError(f"the checkpoint in {self.folder} cannot be written: {e}") from e

    def _save(self) -> None:
        engine = self.engine
        head = engine._head.contents
        rows, sums = int(head.count), list(self.sums)
        for k, f in enumerate(self.files):
            f.seek(self.rows * engine._sizes[k])
            for view in self.engine._views(k, self.rows, rows):
                done = 0
                while done < len(view):
                    done += f.write(view[done:])
                sums[k] = zlib.crc32(view, sums[k])
            os.fsync(f.fileno())
        self.sums, self.rows = sums, rows
        seen = [int(head.seen[i]) for i in range(len(self.questions))]
        edges = [(i, int(head.edges[i])) for i in range(len(engine.compiled.steps))]
        data = {
            "format": FORMAT,
            "name": engine.compiled.system.name,
            "system": self.identity,
            "count": rows,
            "next": int(head.next),
            "bounds": engine._bounds,
            "asked": engine._asked,
            "seen": [None if x == NEVER else x for x in seen],
            "sums": sums,
            "edges": [e for e in edges if e[1]],
        }
        temporary = self.folder / "manifest.json.new"
        with temporary.open("w", encoding="utf-8") as out:
            json.dump(data, out)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(self.folder / "manifest.json")
        # The rename itself is on disk when the folder is.
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
