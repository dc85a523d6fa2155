"""Proofs timed: each invariant of a scenario by each method.

python -m tests.benchmarks.proofs [--all] [--runs N] [SCENARIO ...]

Times are CPU seconds for each property, medians of several runs, each run in a new process.
`shared` is what `verify` does: one prover for all properties, which reuses its clauses. `alone` is
a new prover for each property, `unguided` the same without the walk. Times
include the re-check of the invariant, but not the compiling of the system. A method that ended
without a proof counts as over the limit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

METHODS = ("shared", "alone", "unguided")
COMPARED = {
    "tls12-small": METHODS,
    "tls13": METHODS,
    "two-clients": METHODS,
}
RUNS = 3
SECONDS = 30.0
"""The limit of one proof, in seconds of wall time."""


def measure(method: str, scenario: str) -> dict[str, float | None]:
    """The CPU seconds of each property's proof in this process, in order; None if it failed.

    For `alone` and `unguided` these include the set-up of a prover for each property.
    """
    from checker.engines.pdr import Pdr
    from checker.engines.symbolic import Proof, Prover
    from checker.request import Request, declared, properties_of
    from model.scenario import scenario as find

    where = find(scenario)
    system = where.system()
    props = [
        p
        for p in properties_of(Request(), where)
        if p.kind == "invariant" and declared(p.name, scenario)[0] == "PROVED"
    ]
    laws = {p.id: p.holds(system) for p in props}
    shared = Prover(system, list(laws.values())) if method == "shared" else None
    out: dict[str, float | None] = {}
    for name, law in laws.items():
        began = time.process_time()
        prover = shared or Prover(system, [law])
        if method == "unguided":
            prover.pdr = Pdr(prover.compiled, guided=False)
        found = prover.prove(law, seconds=SECONDS)
        done = isinstance(found, Proof)
        out[name] = round(time.process_time() - began, 3) if done else None
    return out


def run(method: str, scenario: str) -> dict[str, float | None]:
    """The result of `measure` in a new process."""
    command = [sys.executable, "-m", "tests.benchmarks.proofs", "--one", method, scenario]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def row(method: str, runs: list[dict[str, float | None]]) -> str:
    """A line of the table: the number of proofs, and the sum and the largest of the medians."""
    medians: dict[str, float] = {}
    for name in runs[0]:
        times = [t for t in (r[name] for r in runs) if t is not None]
        if len(times) == len(runs):
            medians[name] = statistics.median(times)
    slowest = max(medians, key=medians.__getitem__)
    quick = sum(t <= 1 for t in medians.values())
    return (
        f"| {method} | {len(medians)} of {len(runs[0])} | {quick} | {sum(medians.values()):.1f} "
        f"| {statistics.median(medians.values()):.2f} | {medians[slowest]:.1f} ({slowest}) |"
    )


def cell(times: Sequence[float | None]) -> str:
    """The median as text, if every run ended with a proof."""
    good = [t for t in times if t is not None]
    return f"{statistics.median(good):.2f}" if len(good) == len(times) else "no proof"


def main(arguments: list[str]) -> None:
    """Print a table of the scenarios; with `--all`, also one of every property and method."""
    from model.scenario import SCENARIOS

    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.proofs")
    options.add_argument("--all", action="store_true", help="every method, and every property")
    options.add_argument("--runs", type=int, default=RUNS, help=f"of each method (default {RUNS})")
    options.add_argument("scenario", nargs="*", help="default: all that are proved")
    asked = options.parse_args(arguments)
    proved = [s.name for s in SCENARIOS if "symbolic" in s.methods]
    head = "| scenario | method | proved | within 1 s | sum s | median s | largest s |"
    sys.stdout.write(f"{head}\n|{'---|' * 7}\n")
    details = []
    for scenario in asked.scenario or proved:
        methods = METHODS if asked.all else COMPARED.get(scenario, METHODS[:1])
        found: dict[str, list[dict[str, float | None]]] = {}
        for method in methods:
            found[method] = [run(method, scenario) for _ in range(asked.runs)]
            sys.stdout.write(f"| `{scenario}` {row(method, found[method])}\n")
            sys.stdout.flush()
        details += [f"\n`{scenario}`\n", f"| property | {' | '.join(methods)} |"]
        details += [f"|{'---|' * (1 + len(methods))}"]
        for name in found[methods[0]][0]:
            cells = [cell([r[name] for r in found[m]]) for m in methods]
            details.append(f"| {name} | {' | '.join(cells)} |")
    if asked.all:
        sys.stdout.write("\n".join(details) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        sys.stdout.write(json.dumps(measure(*sys.argv[2:4])) + "\n")
    else:
        main(sys.argv[1:])
