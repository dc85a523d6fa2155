"""A search whose states are on a disk, against the same search in memory.

python -m tests.benchmarks.memory [SCENARIO] [--megabytes N ...] [--runs N]

Each row is the median of some runs, each in a new process: the states in memory, in files, and in
files of which at most N megabytes stay in memory. For the last, the pages of the files are dropped
whenever more of them are resident. That is harder on a search than the limit of a control group,
where the system drops the pages that were used least recently. Nothing ends a search that is larger
than the memory of the machine: choose one that is not.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

HEAD = """| states | dropped | MB read | CPU s | wall s | times as long |
|---|---|---|---|---|---|
"""
MADV_PAGEOUT = 21
"""Of Linux: write the pages back and drop them, whether they are in use or not."""


def resident() -> int:
    """The bytes of files that are mapped and in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("RssFile"))


def drop(engine: Any, folder: str) -> None:
    """Write the arrays to their files in the folder, and drop their pages."""
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of the list itself, which is closed
            if os.readlink(path).startswith(folder):
                os.fdatasync(int(path.name))
    libc, head = ctypes.CDLL(None), engine.head.contents
    for base, size in zip((head.words, head.parent, head.via), engine.sizes, strict=True):
        length = head.count * size // mmap.PAGESIZE * mmap.PAGESIZE
        libc.madvise(ctypes.c_void_p(base), ctypes.c_size_t(length), MADV_PAGEOUT)


def measure(scenario: str, spill: str, most: int) -> dict[str, Any]:
    """The figures of one search in this process, without the compiling."""
    from checker.engines.interface import Budget, Question
    from checker.engines.native import Native
    from checker.request import Request, properties_of
    from model.scenario import scenario as find

    where = find(scenario)
    system = where.system()
    props = [p for p in properties_of(Request(), where) if p.kind == "invariant"]
    asked = [Question(p.name, p.bad(system)) for p in props]
    compiled = system.compile(*(q.expr for q in asked))
    Native(compiled).search(asked, Budget(states=1))
    engine = Native(compiled, spill=Path(spill) if spill else None)
    over, dropped, before = threading.Event(), 0, resident()

    def watch() -> None:
        nonlocal dropped
        while not over.wait(0.002):
            if engine.head and resident() - before > most:
                drop(engine, spill)
                dropped += 1

    if most:
        threading.Thread(target=watch, daemon=True).start()
    began, cpu = time.perf_counter(), time.process_time()
    states = engine.search([Question(q.name, q.expr) for q in asked]).states
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    over.set()
    size = states * sum(engine.sizes)
    return {
        "states": states,
        "wall": wall,
        "cpu": used,
        "dropped": dropped,
        "bytes": size,
        "read": 512 * resource.getrusage(resource.RUSAGE_SELF).ru_inblock,
    }


def apart(*given: str) -> dict[str, Any]:
    """The result of `measure` in a new process."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.memory", "--one", *given],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print the table."""
    if sys.argv[1:2] == ["--one"]:
        name, spill, most = sys.argv[2:]
        sys.stdout.write(json.dumps(measure(name, spill, int(most))))
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", nargs="?", default="tls12")
    parser.add_argument("--megabytes", type=int, nargs="*", default=[64, 32])
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    sys.stdout.write(HEAD)
    first = 0.0
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        rows = [("in memory", "", 0), ("in files", folder, 0)]
        rows += [(f"in files, {n} MB of them in memory", folder, n << 20) for n in args.megabytes]
        for name, spill, most in rows:
            runs = [apart(args.scenario, spill, str(most)) for _ in range(args.runs)]
            wall, cpu, dropped, read = (
                statistics.median(r[k] for r in runs) for k in ("wall", "cpu", "dropped", "read")
            )
            first = first or wall
            size = f" ({runs[0]['bytes'] >> 20} MB)" if not spill else ""
            sys.stdout.write(
                f"| {name}{size} | {dropped:.0f} | {read / 1e6:,.0f} | {cpu:.1f} | {wall:.1f} | "
                f"{wall / first:.1f} |\n"
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
