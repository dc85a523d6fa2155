"""SPIN on an exported model: states, CPU time and memory.

python -m tests.benchmarks.spin [SCENARIO ...]
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEPTH = 1_000_000


class SpinError(Exception):
    """SPIN, the C compiler or pan failed, or the search was not complete."""


def missing() -> str:
    """The tools for a run that are not installed; empty if all are."""
    return " and ".join(
        what
        for what, there in (
            ("spin", shutil.which("spin")),
            ("a C compiler (gcc)", shutil.which("gcc")),
        )
        if not there
    )


def run_spin(
    text: str,
    bfs: bool = False,
    *,
    check: str | Sequence[str] = (),
    live: bool = False,
    optimise: str = "-O2",
    depth: int = DEPTH,
    table: int = 24,
    megabytes: int = 16_000,
    seconds: float = 600.0,
) -> dict[str, Any]:
    """The figures of a search of a whole Promela text, or up to a violation of `check`.

    Several properties of states may be checked at once; `violated` is then of any. With `live`,
    `check` is a property of whole runs under weak fairness: SPIN finds cycles, with the compiling
    options that the text names. `table` is the binary logarithm of the number of entries of the
    hash table, of 8 bytes each. SpinError if a tool fails or the search is not complete.

    In the result `states` and `errors` are counts as pan prints them; `violated` says whether an
    assertion failed or a cycle was found. `cpu_seconds` is pan's user and system time,
    `compile_seconds` that of spin and gcc. `bytes_per_state` is pan's whole memory for each stored
    state (with the hash table and the DFS stack of `depth` steps), `store_bytes` the part for the
    states alone, `vector_bytes` the size of an unpacked state.
    """
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        (where / "model.pml").write_text(text, encoding="utf-8")
        began = cpu_of_children()
        checks = [check] if isinstance(check, str) else check
        macro = [f"-DCHECK_{c}" for c in checks]
        _call(["spin", *macro, "-a", "model.pml"], where, seconds)
        options = ["-DNOREDUCE", f"-DMEMLIM={megabytes}"]
        if live:
            options += re.findall(r"-DVECTORSZ=\d+|-DNFAIR=\d+", text)
        else:
            options += ["-DSAFETY", *(["-DBFS"] * bfs)]
        _call(["gcc", "-w", optimise, *options, "-o", "pan", "pan.c"], where, seconds)
        compiled = cpu_of_children()
        cycles = ["-a", "-f"] if live else []
        limit = [] if bfs else [f"-m{depth}"]
        out = _call(["./pan", f"-w{table}", *cycles, *limit], where, seconds)
        cpu = cpu_of_children() - compiled
    violated = ("acceptance cycle" if live else "assertion violated") in out
    for sign in ("max search depth too small", "out of memory", "aborting", "VECTORSZ"):
        if sign in out:
            raise SpinError(f"the search was not complete: {sign}\n{out}")
    if "Search not completed" in out and not violated:
        raise SpinError(f"the search was not completed\n{out}")
    states = int(_number(r"([\d.e+]+) states, stored", out))
    errors = int(_number(r"errors: (\d+)", out))
    if bool(errors) != violated:
        raise SpinError(f"{errors} errors of another kind\n{out}")
    total = _number(r"([\d.]+)\s+total actual memory usage", out) * 2**20
    store = re.search(r"([\d.]+)\s+actual memory usage for states", out)
    return {
        "states": states,
        "errors": errors,
        "violated": violated,
        "cpu_seconds": cpu,
        "compile_seconds": compiled - began,
        "bytes_per_state": total / states,
        "store_bytes": float(store[1]) * 2**20 / states if store else None,
        "vector_bytes": int(_number(r"State-vector (\d+) byte", out)),
        "depth": int(_number(r"depth reached (\d+)", out)),
        "transitions": int(_number(r"([\d.e+]+) transitions", out)),
        "output": out,
    }


def cpu_of_children() -> float:
    """The user and system seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _call(command: list[str], where: Path, seconds: float) -> str:
    done = subprocess.run(
        command,
        cwd=where,
        timeout=seconds,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise SpinError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def _number(pattern: str, out: str) -> float:
    hit = re.search(pattern, out)
    if hit is None:
        raise SpinError(f"pan printed nothing like {pattern!r}\n{out}")
    return float(hit[1])


def main(scenarios: list[str]) -> int:
    """Print a line for each scenario and order of search, and for each property of whole runs."""
    from checker.export import asked_temporal, export

    for name in scenarios or ["tls12"]:
        text = export("promela", name)
        for bfs in (False, True):
            r = run_spin(text, bfs)
            sys.stdout.write(
                f"{name} {'BFS' if bfs else 'DFS'}: {r['states']:,} states stored, "
                f"{r['cpu_seconds']:.2f} s CPU, {r['bytes_per_state']:.1f} bytes a state in all, "
                f"{r['store_bytes'] or float('nan'):.1f} for the state itself, state vector "
                f"{r['vector_bytes']} bytes, depth {r['depth']:,}, {r['transitions']:,} "
                f"transitions; spin and gcc {r['compile_seconds']:.1f} s CPU\n"
            )
            sys.stdout.flush()
        for p in asked_temporal(name):
            if p.fairness == "strong":
                continue
            r = run_spin(text, check=p.name, live=not p.ends, table=20)
            sys.stdout.write(
                f"{name} {p.name}: {'violated' if r['violated'] else 'holds'}, {r['states']:,} "
                f"states stored, {r['cpu_seconds']:.2f} s CPU; spin and gcc "
                f"{r['compile_seconds']:.1f} s CPU\n"
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
