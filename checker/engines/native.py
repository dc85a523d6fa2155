"""The explicit engine's second back end: the search as C, made from the same expressions.

`Native` has the interface of `explicit.Explicit` and finds the same states, levels and edges.
Guards and questions are evaluated for 64 states at a time: each bit of a packed state is a plane,
one 64-bit word with a bit for each of the 64 states, and an expression is a circuit over planes.
A step's free parameters are bound one combination at a time while the C is written, so that most
effects are constants. `native.c` keeps the states.

Memory for a state: 8 bytes a word, 4 for its parent, 2 for its step, and 5 to 8 of the index. The
C object is cached under the hash of its source in a folder that only its owner can write.

Checkpoints: states are only ever added, so a checkpoint appends the new ones to its files, then
replaces a manifest that says how much of the files is valid.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import json
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import weakref
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from checker.engines.explicit import Layout, Question, Search
from model.expr import FALSE, Expr, fold
from model.system import Compiled, Step, bind

FLAGS = ("-std=gnu11", "-O1", "-fPIC", "-shared", "-w")
"""Plain operations on words: -O2 takes twice as long to compile them, and they run no faster."""
MIX = "h"
"""C text over the hash `h`, applied last. Any function is right, a bad one is slow."""
MOST = (1 << 32) - 2
"""States that can be numbered."""
MOST_ACTIONS = 1 << 15
"""Pairs of a step and a combination of its free values."""
SLICE = 1 << 14
"""States expanded by one call to C, between which signals and budgets are looked at."""
PIECE = 1 << 24
"""Bytes read or written at once."""
FORMAT = 1
ZERO, ONE = "0ull", "~0ull"
NEVER = (1 << 64) - 1
DONE, LIMIT, BUDGET, NO_MEMORY, NO_DISK = range(5)


class NativeError(Exception):
    """No usable compiler, cache or checkpoint, or a system that is too large for this engine."""


# -- compiler and cache ----------------------------------------------------------------------------
def _compiler() -> list[str]:
    """$CC, else cc, else gcc, as a command; empty if there is none."""
    chosen = shlex.split(os.environ.get("CC", ""))
    for command in [chosen] if chosen else [["cc"], ["gcc"]]:
        path = shutil.which(command[0])
        if path:
            return [path, *command[1:]]
    return []


def available() -> str:
    """Empty if this engine can run here, else the reason why not."""
    if ctypes.sizeof(ctypes.c_void_p) != 8 or os.name != "posix":
        return "the native engine needs a 64-bit POSIX system"
    if not _compiler():
        named = os.environ.get("CC")
        return f"no C compiler: $CC is {named}" if named else "no C compiler: neither cc nor gcc"
    return ""


def cache_folder() -> Path:
    """Where compiled searches are kept by default."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be ignored.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "tls-handshake-model-checker"


def _refuse_shared(path: Path, folder: bool) -> None:
    """NativeError if someone else can write `path`, or it is not what it should be."""
    info = path.lstat()
    kind = stat.S_ISDIR(info.st_mode) if folder else stat.S_ISREG(info.st_mode)
    if not kind:
        raise NativeError(f"{path} is not a {'folder' if folder else 'file'}")
    if info.st_uid != os.geteuid():
        raise NativeError(f"{path} belongs to user {info.st_uid}: code there is not run")
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NativeError(f"{path} can be written by others: code there is not run; chmod go-w it")


def load(source: str, folder: Path | None = None) -> ctypes.CDLL:
    """The shared object of a C source, compiled unless `folder` (default: the cache) has it.

    If the default folder cannot be made, the object lives in a temporary folder and is not kept.
    NativeError if there is no compiler, it fails, or others can write the folder or the object.
    """
    command = _compiler()
    if not command:
        raise NativeError(available() or "no C compiler")
    where = cache_folder() if folder is None else folder
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        if folder is not None:
            raise NativeError(f"the cache folder {where} cannot be made: {e.strerror}") from e
        return _load_temporary(command, source)
    _refuse_shared(where, True)
    version = _run([*command, "--version"]).stdout
    key = "\0".join((*command, version, *FLAGS, platform.machine(), source))
    target = where / f"{hashlib.sha256(key.encode()).hexdigest()}.so"
    if not target.exists():
        try:
            _build(command, source, where, target)
        except OSError as e:
            if folder is not None:
                raise NativeError(f"{where} cannot be written: {e.strerror}") from e
            return _load_temporary(command, source)
    _refuse_shared(target, False)
    return _open(target)


def _load_temporary(command: list[str], source: str) -> ctypes.CDLL:
    # The object stays mapped when its file is gone.
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "search.so"
        _build(command, source, Path(name), target)
        return _open(target)


def _open(target: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(target))
    except OSError as e:
        raise NativeError(f"{target} cannot be loaded: {e}") from e


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as e:
        raise NativeError(f"{command[0]} cannot be run: {e.strerror}") from e


def _build(command: list[str], source: str, folder: Path, target: Path) -> None:
    """Compile into `folder` under another name, then rename: a reader never sees half of it."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as name:
        text, made = Path(name) / "search.c", Path(name) / "search.so"
        text.write_text(source, encoding="utf-8")
        done = _run([*command, *FLAGS, "-o", str(made), str(text)])
        if done.returncode or not made.exists():
            lines = [x for x in done.stderr.splitlines() if x.strip()]
            first = next((x for x in lines if "error" in x.lower()), lines[0] if lines else "")
            said = first.replace(f"{name}/", "") or f"exit status {done.returncode}"
            raise NativeError(f"{shlex.join(command)} failed: {said}")
        made.chmod(0o700)
        made.replace(target)


# -- the C source ----------------------------------------------------------------------------------
class Circuit:
    """Expressions as C text over bit planes; equal gates are written once.

    An expression's value is the list of its code's planes, lowest bit first; a plane is the name
    of a 64-bit variable, its complement, ZERO or ONE.
    """

    def __init__(self, planes: Mapping[str, list[str]]) -> None:
        self.planes = planes
        self.lines: list[str] = []
        self._gates: dict[str, str] = {}
        self._memo: dict[int, list[str]] = {}
        # The memo is by identity, so what is in it must live.
        self._kept: list[Expr] = []

    def value(self, expr: Expr) -> list[str]:
        """The planes of `expr`."""
        self._kept.append(expr)
        out: list[str] = fold(expr, self._algebra, self._memo)
        return out

    def truth(self, expr: Expr) -> str:
        """The plane of a boolean."""
        return self.value(expr)[0]

    def _gate(self, text: str) -> str:
        name = self._gates.get(text)
        if name is None:
            name = self._gates[text] = f"t{len(self._gates)}"
            self.lines.append(f"    const u64 {name} = {text};")
        return name

    @staticmethod
    def invert(a: str) -> str:
        """Not `a`."""
        if a in (ZERO, ONE):
            return ONE if a == ZERO else ZERO
        return a[1:] if a.startswith("~") else f"~{a}"

    def both(self, a: str, b: str) -> str:
        """`a` and `b`."""
        if ZERO in (a, b) or a == self.invert(b):
            return ZERO
        if ONE in (a, b):
            return b if a == ONE else a
        if a == b:
            return a
        a, b = sorted((a, b))
        return self._gate(f"{a} & {b}")

    def either(self, a: str, b: str) -> str:
        """`a` or `b`."""
        return self.invert(self.both(self.invert(a), self.invert(b)))

    def choose(self, c: str, a: str, b: str) -> str:
        """`a` where `c`, else `b`."""
        if a == b:
            return a
        return self.either(self.both(c, a), self.both(self.invert(c), b))

    def table(self, bits: Sequence[str], rows: tuple[bool | None, ...]) -> str:
        """A boolean function of a code, by value; None is any value, for what does not occur."""
        known = set(rows) - {None}
        if len(known) < 2:
            return ONE if True in known else ZERO
        half = len(rows) // 2
        low, high = rows[:half], rows[half:]
        if all(a is None or b is None or a == b for a, b in zip(low, high, strict=True)):
            merged = tuple(b if a is None else a for a, b in zip(low, high, strict=True))
            return self.table(bits[:-1], merged)
        return self.choose(bits[-1], self.table(bits[:-1], high), self.table(bits[:-1], low))

    def _same(self, a: Sequence[str], b: Sequence[str]) -> str:
        out = ONE
        for x, y in zip(a, b, strict=True):
            out = self.both(out, self.choose(x, y, self.invert(y)))
        return out

    def _algebra(self, e: Expr, a: list[list[str]]) -> list[str]:
        match e.op:
            case "const":
                code = e.domain.code(e.payload)
                return [ONE if code >> k & 1 else ZERO for k in range(e.domain.bits)]
            case "var":
                if e.payload not in self.planes and len(e.domain.values) == 1:
                    return [ZERO]
                return self.planes[e.payload]
            case "eq":
                return [self._same(*a)]
            case "and" | "or":
                join = self.both if e.op == "and" else self.either
                out = a[0][0]
                for x in a[1:]:
                    out = join(out, x[0])
                return [out]
            case "not":
                return [self.invert(a[0][0])]
            case "ite":
                return [self.choose(a[0][0], x, y) for x, y in zip(a[1], a[2], strict=True)]
            case "le":
                out = ONE
                for x, y in zip(*a, strict=True):
                    # The higher bit decides where the two differ.
                    equal = self.choose(x, y, self.invert(y))
                    out = self.choose(equal, out, y)
                return [out]
            case "map":
                codes = [e.domain.code(v) for _, v in e.payload]
                # `_make` writes a table in the order of its argument's domain.
                filler = [None] * ((1 << len(a[0])) - len(codes))
                return [
                    self.table(a[0], (*(bool(c >> k & 1) for c in codes), *filler))
                    for k in range(e.domain.bits)
                ]
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")


class _Source:
    """The C source of the search of a compiled system with some questions."""

    def __init__(self, compiled: Compiled, layout: Layout, asked: Sequence[Expr], edges: bool):
        self.compiled, self.layout, self.edges = compiled, layout, edges
        self.planes: dict[str, list[str]] = {}
        for n, d, (w, shift, _) in zip(compiled.names, compiled.domains, layout.place, strict=True):
            self.planes[n] = [f"p[{64 * w + shift + k}]" for k in range(d.bits)]
        if len(compiled.steps) > 1 << 16:
            raise NativeError(f"{len(compiled.steps)} steps; the native engine takes {1 << 16}")
        ask, expand = self._ask(asked), self._expand()
        self.defines = "".join(
            f"#define {n} {v}\n"
            for n, v in (
                ("WORDS", layout.words), ("WIDEST", 64 * self.widest), ("EDGES", int(edges)),
                ("STEPS", len(compiled.steps)), ("QUESTIONS", len(asked)),
            )
        )  # fmt: skip
        self.made = f"{ask}\n{expand}"

    def text(self) -> str:
        """The whole source."""
        kept = Path(__file__).with_name("native.c").read_text(encoding="utf-8")
        return f"{self.defines}#define MIX(h) ({MIX})\n{kept}\n{self.made}"

    def identity(self) -> str:
        """A hash of the system and its questions, the same in every process."""
        parts = [
            sys.byteorder,
            self.defines,
            self.made,
            repr(self.compiled.names),
            repr(self.compiled.initial),
        ]
        parts += [repr(d.values) for d in self.compiled.domains]
        parts += [repr(s.label) for s in self.compiled.steps]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _ask(self, asked: Sequence[Expr]) -> str:
        circuit = Circuit(self.planes)
        hits = [circuit.truth(self.compiled.fold(e)) for e in asked]
        return "\n".join([
            "static void ask_block(Search *s, u64 row, const u64 *p, u64 valid)", "{",
            *circuit.lines,
            *(f"    note(s, {i}, row, {h} & valid);" for i, h in enumerate(hits) if h != ZERO),
            "}", "",
        ])  # fmt: skip

    def _expand(self) -> str:
        circuit = Circuit(self.planes)
        body: list[str] = []
        fired: dict[object, str] = {}
        count = self.widest = 0
        for number, step in enumerate(self.compiled.steps):
            for values in itertools.product(*step.free.values()):
                bound = dict(zip(step.free, values, strict=True))
                guard = bind(step.guard, bound) if bound else step.guard
                if guard is FALSE:
                    continue
                count += 1
                if count > MOST_ACTIONS:
                    raise NativeError(
                        f"{self.compiled.system.name} has more than {MOST_ACTIONS} steps with "
                        f"their free values; {'.'.join(step.label)} is the one too many"
                    )
                effects = {n: bind(e, bound) if bound else e for n, e in step.effects.items()}
                effects = {n: e for n, e in effects.items()
                           if not (e.op == "var" and e.payload == n)}  # fmt: skip
                mask = circuit.truth(guard)
                # One successor is enough where several steps do the same.
                what = tuple(sorted((n, e.serial) for n, e in effects.items()))
                before = fired.get(what, ZERO)
                if self.edges:
                    self.widest += 1
                else:
                    self.widest += before == ZERO
                    fired[what] = circuit.either(before, mask)
                    mask = circuit.both(mask, circuit.invert(before))
                if mask != ZERO:
                    body += circuit.lines
                    circuit.lines.clear()
                    body += self._apply(circuit, number, mask, effects)
        return "\n".join([
            "static void expand_block(Search *s, u64 row, const u64 *p, u64 valid)", "{",
            "    const u64 *rows = s->words + row * WORDS;", *body, "}", "",
        ])  # fmt: skip

    def _apply(
        self, circuit: Circuit, number: int, mask: str, effects: Mapping[str, Expr]
    ) -> list[str]:
        words = range(self.layout.words)
        clear, put = [0 for _ in words], [0 for _ in words]
        more: list[list[str]] = [[] for _ in words]
        for n, e in effects.items():
            w, shift, ones = self.layout.place[self.compiled.index[n]]
            clear[w] |= ones << shift
            copied = self.compiled.index.get(e.payload) if e.op == "var" else None
            if copied is not None:
                v, from_shift, from_ones = self.layout.place[copied]
                more[w].append(f"((f[{v}] >> {from_shift} & {from_ones}ull) << {shift})")
                continue
            for k, plane in enumerate(circuit.value(e)):
                if plane == ONE:
                    put[w] |= 1 << (shift + k)
                elif plane != ZERO:
                    more[w].append(f"(((({plane}) >> i) & 1) << {shift + k})")
        lines = [*circuit.lines, f"    for (u64 m = {mask} & valid; m; m &= m - 1) {{"]
        circuit.lines.clear()
        lines.append("        const u64 i = (u64)__builtin_ctzll(m), *f = rows + i * WORDS;")
        lines.append("        u64 *x = s->buffer[s->filled].w;")
        for w in words:
            value = f"f[{w}]" if not clear[w] else f"(f[{w}] & ~{clear[w]:#x}ull)"
            parts = [value, *([f"{put[w]:#x}ull"] if put[w] else []), *more[w]]
            lines.append(f"        x[{w}] = {' | '.join(parts)};")
        lines += [f"        take(s, f, row + i, {number});", "    }"]
        return lines


# -- the engine ------------------------------------------------------------------------------------
class _Head(ctypes.Structure):
    """The first fields of `Search` in native.c."""

    _fields_ = (
        ("words", ctypes.c_void_p), ("parent", ctypes.c_void_p), ("via", ctypes.c_void_p),
        ("count", ctypes.c_uint64), ("next", ctypes.c_uint64), ("limit", ctypes.c_uint64),
        ("memory", ctypes.c_uint64), ("seen", ctypes.POINTER(ctypes.c_uint64)),
        ("edges", ctypes.POINTER(ctypes.c_uint64)),
    )  # fmt: skip

    words: int | None
    parent: int | None
    via: int | None
    count: int
    next: int
    limit: int
    memory: int
    seen: Any
    edges: Any


def _declare(lib: ctypes.CDLL) -> ctypes.CDLL:
    head, u64 = ctypes.POINTER(_Head), ctypes.c_uint64
    for name, result, arguments in (
        ("search_new", head, [u64, ctypes.POINTER(ctypes.c_int)]),
        ("search_free", None, [head]),
        ("search_bytes", u64, [head]),
        ("search_begin", ctypes.c_int, [head, ctypes.POINTER(u64)]),
        ("search_ask", None, [head, u64, u64]),
        ("search_expand", ctypes.c_int, [head, u64, u64]),
        ("search_room", ctypes.c_int, [head, u64]),
        ("search_restore", ctypes.c_int, [head, u64]),
    ):
        f = getattr(lib, name)
        f.restype, f.argtypes = result, arguments
    return lib


class _EndError(Exception):
    """The search ends for the reason given."""


class Native:
    """Breadth-first search of a compiled system, in C."""

    def __init__(self, compiled: Compiled, *, cache: Path | None = None) -> None:
        self.compiled = compiled
        self.layout = Layout(compiled)
        self.cache = cache
        self._bounds: list[int] = [0]
        self._asked = 0
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
            for d, (w, shift, mask) in zip(self.compiled.domains, self.layout.place, strict=True)
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
    ) -> Search:
        """Explore as `Explicit.search` does; time and memory also end it within a level.

        `seconds` includes the time to compile. `memory` is compared with `held`.
        `checkpoint` is a folder in which the search is kept every `every` seconds and when it
        ends. With `resume` a search kept there goes on, or a new one begins if there is none.
        `spill` is a folder whose disk holds the states and parents: they are not in `held`.
        NativeError if the compiler or the cache is no good, if the folder keeps another search, if
        it keeps one and `resume` is not set, or if the states cannot be numbered with 32 bits.
        """
        began = time.monotonic()
        result = Search()
        budget = _Budget(states, seconds, memory, stop, progress, every, began)
        self._free()
        try:
            self._run(result, questions, budget, edges, checkpoint, resume, spill)
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
    ) -> None:
        source = _Source(self.compiled, self.layout, [q.expr for q in questions], edges)
        self._lib = _declare(load(source.text(), self.cache))
        with ExitStack() as stack:
            files = [-1, -1, -1]
            if spill is not None:
                spill.mkdir(parents=True, exist_ok=True)
                # Files without a name: they are gone when the process is.
                files = [stack.enter_context(tempfile.TemporaryFile(dir=spill)).fileno()
                         for _ in files]  # fmt: skip
            self._head = self._lib.search_new(MOST, (ctypes.c_int * 3)(*files))
            if not self._head:
                raise NativeError("no memory for the arrays of the search")
            self._finalizer = weakref.finalize(self, self._lib.search_free, self._head)
            if checkpoint is not None:
                budget.kept = Checkpoint(checkpoint, source.identity(), self, questions, resume)
                stack.callback(budget.kept.close)
            try:
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
            self._lib.search_ask(self._head, self._asked, end)
            self._asked = end
        for i, q in enumerate(questions):
            if q.row is None and head.seen[i] != NEVER:
                q.row = int(head.seen[i])

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
                budget.look(self.held)
                if budget.progress is not None:
                    budget.progress(result, self._bounds[-1] - self._bounds[-2])
            while head.next < self._bounds[-1]:
                self._failed(self._lib.search_expand(self._head, self._bounds[-1], SLICE), budget)
                if head.next == head.count:
                    return  # no budget ends what is done
                budget.look(self.held)
                if budget.due():
                    self._tell(result)
                    if budget.progress is not None:
                        budget.progress(result, self._bounds[-1] - self._bounds[-2])
            if head.count == self._bounds[-1]:
                return
            self._bounds.append(head.count)

    def _begin(self, budget: _Budget) -> None:
        for values in self.compiled.initial_states():
            words = (ctypes.c_uint64 * self.layout.words)()
            for v, d, (w, shift, _) in zip(
                values, self.compiled.domains, self.layout.place, strict=True
            ):
                words[w] |= d.code(v) << shift
            self._failed(self._lib.search_begin(self._head, words), budget)

    def _failed(self, code: int, budget: _Budget) -> None:
        """Raise what a return value other than DONE means."""
        if code == LIMIT and budget.states is not None and budget.states <= MOST:
            raise _EndError(f"the budget of {budget.states} states ended before the search")
        if code == LIMIT:
            raise NativeError(f"more than {MOST} states: the native engine cannot number them")
        if code == BUDGET:
            raise _EndError(f"the memory budget of {budget.memory} bytes ended")
        if code == NO_MEMORY:
            raise _EndError("the system gave no more memory")
        if code == NO_DISK:
            raise _EndError("the disk for the states is full")


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
    ) -> None:
        self.states, self.seconds, self.memory = states, seconds, memory
        self.stop, self.progress = stop, progress
        self.every, self.began = every, began
        self.kept: Checkpoint | None = None
        self.told = self.saved = time.monotonic()

    def look(self, held: int) -> None:
        """End the search if the time or the memory is used up."""
        if self.seconds is not None and time.monotonic() - self.began > self.seconds:
            raise _EndError(f"the time budget of {self.seconds:g} s ended")
        if self.memory is not None and held > self.memory:
            raise _EndError(f"the memory budget of {self.memory} bytes ended")

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
        self, folder: Path, identity: str, engine: Native, questions: Sequence[Question],
        resume: bool,
    ) -> None:  # fmt: skip
        self.folder, self.identity, self.engine = folder, identity, engine
        self.questions = questions
        self.sizes = (8 * engine.layout.words, 4, 2)
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
            for view in self._views(k, 0, rows):
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
        if lib.search_restore(engine._head, rows) != DONE:
            raise NativeError(f"no memory for the index of the {rows} states in {self.folder}")
        self.rows = rows
        head.next = data["next"]
        engine._bounds = list(data["bounds"])
        engine._asked = data["asked"]
        for i, row in enumerate(data["seen"]):
            head.seen[i] = NEVER if row is None else row
        for i, n in data["edges"]:
            head.edges[i] = n

    def _views(self, k: int, begin: int, end: int) -> list[memoryview]:
        """The bytes of array `k` from row `begin` to before row `end`, in pieces."""
        head, size = self.engine._head.contents, self.sizes[k]
        base = (head.words, head.parent, head.via)[k]
        return [
            memoryview(
                (ctypes.c_char * (min(PIECE, end * size - at))).from_address(base + at)
            ).cast("B")
            for at in range(begin * size, end * size, PIECE)
        ]

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
            f.seek(self.rows * self.sizes[k])
            for view in self._views(k, self.rows, rows):
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
