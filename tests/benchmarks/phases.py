"""Where the processor time of a default run goes: with no answer kept, and again.

python -m tests.benchmarks.phases [--scenario NAME]...

The scenarios are decided one after another, each in a process of its own, as `verify` does. Some
hundred times a second, the innermost function on the stack that is listed in `PHASES` gets the time
since the last look. Printed are the seconds of each phase.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from types import FrameType

from checker.decide import run_task
from checker.request import Request, scenarios_of, tasks_of

EACH = 0.002
"""Seconds of processor time between two looks, or until a call of a library ends."""
PHASES = {
    "systems: steps and values": {"ready", "values", "raw_steps"},
    "systems: what a question depends on": {"compile"},
    "searches in C": {"native.py:search"},
    "whole runs (liveness)": {"temporal"},
    "machines, to replay paths": {"machines_of"},
    "replay of paths": {"replay", "toward"},
    "Z3: the steps as terms": {"relation"},
    "Z3: the clauses of all proofs, kept by each step": {"_closed"},
    "Z3: the property of each proof, implied": {"_implied"},
    "PDR": {"pdr.py:prove", "pdr"},
    "properties and their cases as questions": {"implications", "cases"},
}


def sampled(request: Request, names: list[str]) -> dict[str, float]:
    """The seconds by phase of all default scenarios, or of the named ones."""
    phase = {f: p for p, functions in PHASES.items() for f in functions}
    total: dict[str, float] = defaultdict(float)
    for where in scenarios_of(request):
        if names and where.name not in names:
            continue
        tasks = tasks_of(request, where)
        reader, writer = os.pipe()
        if os.fork():
            os.close(writer)
            with os.fdopen(reader) as file:
                for p, seconds in json.load(file).items():
                    total[p] += seconds
            os.wait()
            continue
        seen: dict[str, float] = defaultdict(float)
        last = time.process_time()

        def sample(_: int, frame: FrameType | None, seen: dict[str, float] = seen) -> None:
            nonlocal last
            # A call of a library is looked at when it ends, and has taken all the time till then.
            used, last = time.process_time() - last, time.process_time()
            while frame is not None:
                code = frame.f_code
                name = code.co_name
                found = phase.get(f"{os.path.basename(code.co_filename)}:{name}") or phase.get(name)
                if found:
                    seen[found] += used
                    return
                frame = frame.f_back
            seen["the rest"] += used

        signal.signal(signal.SIGPROF, sample)
        signal.setitimer(signal.ITIMER_PROF, EACH, EACH)
        for task in tasks:
            run_task(task)
        signal.setitimer(signal.ITIMER_PROF, 0)
        with os.fdopen(writer, "w") as file:
            json.dump(seen, file)
        os._exit(0)
    return total


def main() -> None:
    """Print a table of the phases."""
    import checker.engines.liveness
    import checker.engines.native
    import checker.engines.symbolic  # noqa: F401

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", action="append", default=[])
    names = parser.parse_args().scenario
    gc.set_threshold(200_000, 50, 50)  # as in a process of `verify`
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        cold, again = (sampled(Request(kept=True), names) for _ in range(2))
    sys.stdout.write("| phase | cold, CPU s | again |\n|---|---|---|\n")
    for p in (*PHASES, "the rest"):
        sys.stdout.write(f"| {p} | {cold[p]:.1f} | {again[p]:.1f} |\n")
    sums = (f"{sum(c.values()):.0f}" for c in (cold, again))
    sys.stdout.write(f"| all | {' | '.join(sums)} |\n")


if __name__ == "__main__":
    main()
