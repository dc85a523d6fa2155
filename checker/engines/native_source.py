"""Expressions as circuits, the steps of a system as C for mutants, and C compiled and cached.

Guards and questions are evaluated for 64 states at a time. Each bit of the packed states is a
plane, a 64-bit word with a bit for each of the 64 states; an expression is a circuit over planes.
A search reads circuits as data (see `collapse.py`). For the mutants of a system, whose sound steps
are tried in every one, `Program` writes them as C: for each combination of a step's free parameters
code of its own, so that most effects are constants.

A compiled object is cached under the hash of its source, in a folder that only its owner can write.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from checker import cache
from checker.engines.words import Layout
from model.expr import Expr, fold
from model.system import Compiled

FLAGS = ("-std=gnu11", "-fPIC", "-shared", "-pthread", "-w")
PLAIN = "-O1"
"""-O2 takes twice as long to compile plain operations on words, which then run no faster."""
MIX = "h"
"""The last function applied to a hash `h`, as C text. Any function is right; a bad one is slow."""
TOGETHER = 1 << 13
"""Fewer rows than these are expanded by one thread: starting others would take as long."""
MOST_ACTIONS = 1 << 15
"""The largest number of pairs of a step and a combination of its free parameters' values."""
ZERO, ONE = "0ull", "~0ull"


class NativeError(Exception):
    """No usable compiler, cache or checkpoint, or a system too large for this engine."""


def tuned() -> str:
    """The definitions that the C text reads before all else."""
    return f"#define MIX(h) ({MIX})\n#define TOGETHER {TOGETHER}ull\n"


def kept(*names: str) -> str:
    """The C texts that are the same for all systems."""
    folder = Path(__file__).parent
    return "\n".join((folder / n).read_text(encoding="utf-8") for n in names)


# -- the C source ----------------------------------------------------------------------------------
class Circuit:
    """Expressions as C text over bit planes; equal gates are written once.

    The value of an expression is a list of planes, one for each bit of its code, lowest first. A
    plane is the name of a 64-bit variable, its complement, ZERO or ONE.
    """

    def __init__(self, planes: Mapping[str, list[str]]) -> None:
        self.planes = planes
        self.lines: list[str] = []
        self._gates: dict[str, str] = {}
        self._memo: dict[int, list[str]] = {}
        # The memo is keyed by identity, so its expressions must stay alive.
        self._kept: list[Expr] = []

    def value(self, expr: Expr) -> list[str]:
        """The planes of `expr`."""
        self._kept.append(expr)
        out: list[str] = fold(expr, self._algebra, self._memo)
        return out

    def truth(self, expr: Expr) -> str:
        """The plane of a boolean expression."""
        return self.value(expr)[0]

    def _gate(self, text: str) -> str:
        name = self._gates.get(text)
        if name is None:
            name = self._gates[text] = f"t{len(self._gates)}"
            self.lines.append(f"    const u64 {name} = {text};")
        return name

    @staticmethod
    def invert(a: str) -> str:
        """The plane of `not a`."""
        if a in (ZERO, ONE):
            return ONE if a == ZERO else ZERO
        return a[1:] if a.startswith("~") else f"~{a}"

    def both(self, a: str, b: str) -> str:
        """The plane of `a and b`."""
        if ZERO in (a, b) or a == self.invert(b):
            return ZERO
        if ONE in (a, b):
            return b if a == ONE else a
        if a == b:
            return a
        a, b = sorted((a, b))
        return self._gate(f"{a} & {b}")

    def either(self, a: str, b: str) -> str:
        """The plane of `a or b`."""
        return self.invert(self.both(self.invert(a), self.invert(b)))

    def choose(self, c: str, a: str, b: str) -> str:
        """The plane of `a if c else b`."""
        if a == b:
            return a
        return self.either(self.both(c, a), self.both(self.invert(c), b))

    def table(self, bits: Sequence[str], rows: tuple[bool | None, ...]) -> str:
        """The plane of a boolean function of a code; None in `rows`: the code never occurs."""
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
                # `made` writes a table in the order of its argument's domain.
                filler = [None] * ((1 << len(a[0])) - len(codes))
                return [
                    self.table(a[0], (*(bool(c >> k & 1) for c in codes), *filler))
                    for k in range(e.domain.bits)
                ]
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")


class Program:
    """The C source of the search of a compiled system for some questions."""

    def __init__(self, compiled: Compiled, layout: Layout, asked: Sequence[Expr], edges: bool):
        self.compiled, self.layout, self.edges = compiled, layout, edges
        self.planes: dict[str, list[str]] = {}
        for n, d, (w, shift, _) in zip(compiled.names, compiled.domains, layout.slots, strict=True):
            self.planes[n] = [f"p[{64 * w + shift + k}]" for k in range(d.bits)]
        if len(compiled.steps) > 1 << 16:
            raise NativeError(f"{len(compiled.steps)} steps; the native engine takes {1 << 16}")
        ask, expand = self._ask(asked), self._expand()
        self.defines = "".join(
            f"#define {n} {v}\n"
            for n, v in (
                ("WORDS", layout.words),
                ("WIDEST", 64 * self.widest),
                ("STEPS", len(compiled.steps)),
                ("QUESTIONS", len(asked)),
            )
        )
        self.made = f"{ask}\n{expand}"

    def text(self) -> str:
        """The whole source."""
        return f"{self.defines}{tuned()}{kept('native.c', 'compiled.c')}\n{self.made}"

    def _ask(self, asked: Sequence[Expr]) -> str:
        """The C function that evaluates the questions."""
        circuit = Circuit(self.planes)
        hits = [circuit.truth(self.compiled.narrow(e)) for e in asked]
        return "\n".join(
            [
                "static void ask_block(Worker *k, u64 row, const u64 *p, u64 valid)",
                "{",
                *circuit.lines,
                *(f"    note(k, {i}, row, {h} & valid);" for i, h in enumerate(hits) if h != ZERO),
                "}",
                "",
            ]
        )

    def _expand(self) -> str:
        """The C function that expands 64 states by all steps."""
        circuit = Circuit(self.planes)
        body: list[str] = []
        fired: dict[object, str] = {}
        count = self.widest = 0
        for number, step in enumerate(self.compiled.steps):
            for _, guard, effects in step.cases():
                count += 1
                if count > MOST_ACTIONS:
                    raise NativeError(
                        f"{self.compiled.system.name} has more than {MOST_ACTIONS} steps with "
                        f"their free values; {'.'.join(step.label)} is the one too many"
                    )
                mask = circuit.truth(guard)
                # Where several steps have the same effects, one successor is enough.
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
        return "\n".join(
            [
                "static void expand_block(Worker *k, u64 row, const u64 *p, u64 valid)",
                "{",
                "    const u64 *rows = k->s->words + row * WORDS;",
                *body,
                "}",
                "",
            ]
        )

    def _apply(
        self, circuit: Circuit, number: int, mask: str, effects: Mapping[str, Expr]
    ) -> list[str]:
        """The C lines that make a successor of each state whose bit in `mask` is set."""
        words = range(self.layout.words)
        clear, put = [0 for _ in words], [0 for _ in words]
        more: list[list[str]] = [[] for _ in words]
        for n, e in effects.items():
            w, shift, ones = self.layout.slots[self.compiled.index[n]]
            clear[w] |= ones << shift
            copied = self.compiled.index.get(e.payload) if e.op == "var" else None
            if copied is not None:
                v, from_shift, from_ones = self.layout.slots[copied]
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
        lines.append("        u64 *x = k->buffer[k->filled].w;")
        for w in words:
            value = f"f[{w}]" if not clear[w] else f"(f[{w}] & ~{clear[w]:#x}ull)"
            parts = [value, *([f"{put[w]:#x}ull"] if put[w] else []), *more[w]]
            lines.append(f"        x[{w}] = {' | '.join(parts)};")
        lines += [f"        take(k, f, row + i, {number});", "    }"]
        return lines


# -- compiler and cache ----------------------------------------------------------------------------


def _compiler() -> list[str]:
    """The command of a C compiler: $CC, else cc, else gcc; empty if there is none."""
    chosen = shlex.split(os.environ.get("CC", ""))
    for command in [chosen] if chosen else [["cc"], ["gcc"]]:
        path = shutil.which(command[0])
        if path:
            return [path, *command[1:]]
    return []


def available() -> str:
    """The reason why this engine cannot run here; empty if it can."""
    if ctypes.sizeof(ctypes.c_void_p) != 8 or os.name != "posix":
        return "the native engine needs a 64-bit POSIX system"
    if not _compiler():
        named = os.environ.get("CC")
        return f"no C compiler: $CC is {named}" if named else "no C compiler: neither cc nor gcc"
    return ""


def load(source: str, folder: Path | None = None, optimise: str = PLAIN) -> ctypes.CDLL:
    """The shared object of a C source, compiled unless it is in `folder` (default: the cache).

    If the default folder cannot be made, the object is compiled in a temporary folder. NativeError
    if there is no compiler, compiling fails, or others can write the folder or the object.
    """
    command = _compiler()
    if not command:
        raise NativeError(available() or "no C compiler")
    command.append(optimise)
    where = cache.folder() if folder is None else folder
    key = "\0".join((*command, _version(*command), *FLAGS, platform.machine(), source))
    target = where / f"{hashlib.sha256(key.encode()).hexdigest()}.so"
    try:
        cache.made(where)
        if cache.read(target) is None:
            _build(command, source, where, target)
        else:
            # A home shared by several systems may have the object of another one.
            with suppress(NativeError):
                return _open(target)
            target.unlink(missing_ok=True)
            _build(command, source, where, target)
    except cache.UnsafeError as e:
        raise NativeError(str(e)) from e
    except OSError as e:
        if folder is not None:
            raise NativeError(f"the cache folder {where} cannot be used: {e.strerror}") from e
        # The object stays mapped when its file is gone.
        cache.tidy()
        with cache.elsewhere() as name:
            target = Path(name) / "search.so"
            _build(command, source, Path(name), target)
            return _open(target)
    return _open(target)


@functools.cache
def _version(*command: str) -> str:
    return _run([*command, "--version"]).stdout


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
    """Compile into `folder` under another name, then write `target`: no reader sees half of it."""
    with cache.building(folder) as name:
        text, made = Path(name) / "search.c", Path(name) / "search.so"
        text.write_text(source, encoding="utf-8")
        done = _run([*command, *FLAGS, "-o", str(made), str(text)])
        if done.returncode or not made.exists():
            lines = [x for x in done.stderr.splitlines() if x.strip()]
            first = next((x for x in lines if "error" in x.lower()), lines[0] if lines else "")
            said = first.replace(f"{name}/", "") or f"exit status {done.returncode}"
            raise NativeError(f"{shlex.join(command)} failed: {said}")
        cache.write(target, made.read_bytes())
