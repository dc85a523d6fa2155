"""The searches side by side, on the same states: `make bench` prints the table.

python -m tests.benchmarks.search [SCENARIO ...]

Each figure is of one run in a new process: user and system seconds, and bytes a state, which is the
growth of the largest resident size during the search (for SPIN, the memory that pan reports).

python -m tests.benchmarks.search --threads [SCENARIO ...]

The search in C with every invariant by 1, 2, 4 ... threads, up to the cores that this process may
use: the run with the least wall time of three. `make bench` prints this, too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any

SCENARIOS = ("tls12", "tls12-wide")
LARGE = ("tls12-wide", "retry-psk")
"""The scenarios searched by several threads."""
REFERENCE = "tls12-small"
"""The scenario of the reference engine, which finds only some thousand states a second."""


def measure(engine: str, scenario: str, questions: str, threads: str = "1") -> dict[str, Any]:
    """The figures of one search in this process; times are without the compiling."""
    from checker.engines.explicit import Explicit
    from checker.engines.interface import Budget, Question, Watch
    from checker.engines.native import Native
    from checker.engines.reference import Reference
    from checker.request import Request, properties_of
    from model.scenario import scenario as find

    where = find(scenario)
    system = where.system()
    props = [p for p in properties_of(Request(), where) if not p.temporal]
    exprs = {p.name: p.bad(system) for p in props if p.kind == "invariant"}
    # The same system whether the properties are asked or not.
    compiled = system.compile(*exprs.values(), *(p.witness(system) for p in props))
    asked = [Question(n, e) for n, e in exprs.items()] if questions == "all" else []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run: Any
    if engine == "reference":
        reference = Reference(compiled)

        def run() -> int:
            return len(reference.explore())
    else:
        search = {"c": Native, "numpy": Explicit}[engine](compiled)
        search.search(asked, Budget(states=1))  # compiles, or finds what was compiled

        watch = Watch(threads=lambda: int(threads))

        def run() -> int:
            return search.search([Question(q.name, q.expr) for q in asked], watch=watch).states

        if engine == "c":
            search = Native(compiled)
    began, cpu = time.perf_counter(), time.process_time()
    states = run()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "states": states,
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - began,
        "bytes": used * 1024 / states,
    }


def apart(engine: str, scenario: str, questions: str, threads: int = 1) -> dict[str, Any]:
    """The result of `measure` in a new process."""
    command = [sys.executable, "-m", "tests.benchmarks.search", "--one"]
    done = subprocess.run(
        [*command, engine, scenario, questions, str(threads)],
        check=True,
        capture_output=True,
        text=True,
    )
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def row(name: str, states: int, cpu: float, size: float, wall: float | None) -> str:
    """A line of the table."""
    rate = f"{states / cpu / 1e6:.2f} M" if states / cpu > 1e5 else f"{states / cpu:,.0f}"
    seconds = "" if wall is None else f"{wall:.1f}"
    return f"| {name} | {states:,} | {cpu:.2f} | {seconds} | {rate} | {size:.0f} |"


def by_threads(scenarios: list[str]) -> int:
    """Print the table of threads as Markdown; 1 if the numbers of states differ, else 0."""
    from checker.pool import cores

    wrong = 0
    numbers = [1 << k for k in range(cores().bit_length())]
    head = "| scenario | states | threads | CPU s | wall s | states / wall s | speed-up |"
    sys.stdout.write(f"\n{head}\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    for scenario in scenarios or LARGE:
        counts, alone = set(), 0.0
        for n in numbers:
            runs = [apart("c", scenario, "all", n) for _ in range(3)]
            best = min(runs, key=lambda r: r["wall"])
            counts |= {r["states"] for r in runs}
            alone = alone or best["wall"]
            sys.stdout.write(
                f"| `{scenario}` | {best['states']:,} | {n} | {best['cpu']:.2f} | "
                f"{best['wall']:.2f} | {best['states'] / best['wall'] / 1e6:.2f} M | "
                f"{alone / best['wall']:.2f} |\n"
            )
            sys.stdout.flush()
        if len(counts) != 1:
            wrong = 1
            sys.stdout.write(f"\nDIFFERENT COUNTS: {sorted(counts)}\n")
    return wrong


def main(scenarios: list[str]) -> int:
    """Print the table as Markdown; 1 if the numbers of states differ, else 0."""
    from checker.export import export
    from checker.export.promela import EXTRA
    from tests.benchmarks.spin import missing, run_spin

    wrong = 0
    head = "| search | states | CPU s | wall s | states / CPU s | bytes / state |"
    for scenario in scenarios or SCENARIOS:
        lines = [f"\n`{scenario}`\n", head, "|---|---|---|---|---|---|"]
        counts = set()
        for engine in ("c", "numpy"):
            for questions, title in (("none", "no property"), ("all", "every invariant")):
                r = apart(engine, scenario, questions)
                counts.add(r["states"])
                lines.append(
                    row(f"{engine}, {title}", r["states"], r["cpu"], r["bytes"], r["wall"])
                )
        if missing():
            lines.append(f"| SPIN: {missing()} is not installed | | | | | |")
        else:
            text = export("promela", scenario)
            for bfs in (True, False):
                r = run_spin(text, bfs)
                counts.add(r["states"] - EXTRA)
                title = f"SPIN {'-DBFS' if bfs else 'depth first'}, no property"
                lines.append(
                    row(title, r["states"] - EXTRA, r["cpu_seconds"], r["bytes_per_state"], None)
                )
        if len(counts) != 1:
            wrong = 1
            lines.append(f"\nDIFFERENT COUNTS: {sorted(counts)}")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    r = apart("reference", REFERENCE, "none")
    sys.stdout.write(f"\n`{REFERENCE}`\n\n{head}\n|---|---|---|---|---|---|\n")
    sys.stdout.write(row("reference", r["states"], r["cpu"], r["bytes"], r["wall"]) + "\n")
    return wrong


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.stdout.write(json.dumps(measure(*sys.argv[2:6])) + "\n")
        raise SystemExit(0)
    if sys.argv[1:2] == ["--threads"]:
        raise SystemExit(by_threads(sys.argv[2:]))
    raise SystemExit(main(sys.argv[1:]) or by_threads([]))
