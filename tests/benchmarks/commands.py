"""What a person waits for: some commands without any answers kept, and again.

python -m tests.benchmarks.commands [--runs N]

Printed are the seconds of wall time up to the first line and up to the end, and the processor
seconds, the least of some runs each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.spin import cpu_of_children

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "verify --scenario tls13",
    "verify --flaw goto_fail",
    "verify --scenario tls12-small",
    "verify --scenario tls12-small --certificates FOLDER",
    "verify --scenario retry-psk",
    "attacks goto_fail",
    "mutants --row server_receive_finished_WAIT_FINISHED_to_CONNECTED",
    "--help",
)


def run(words: list[str], cache: Path) -> tuple[float, float, float]:
    """Seconds of wall time to the first line and to the end, and processor seconds."""
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    before, began = cpu_of_children(), time.monotonic()
    command = [sys.executable, "-m", "checker", *words]
    with subprocess.Popen(
        command, cwd=cache, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first = time.monotonic() - began
        process.stdout.read()
    used = cpu_of_children() - before
    return first, time.monotonic() - began, used


def main() -> None:
    """Print a table of the commands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    sys.stdout.write("| command | | first line (s) | end (s) | CPU s |\n|---|---|---|---|---|\n")
    for text in COMMANDS:
        found: dict[str, list[tuple[float, float, float]]] = {"cold": [], "again": []}
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as name:
                words = text.replace("FOLDER", f"{name}/certificates").split()
                for when in found.values():
                    when.append(run(words, Path(name)))
        for when, each in found.items():
            shown = " | ".join(f"{min(x):.1f}" for x in zip(*each, strict=True))
            sys.stdout.write(f"| `{text}` | {when} | {shown} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
