"""The monitor timed on many recordings of one file.

python -m tests.benchmarks.recordings [--recordings N]

`alike` has two handshakes with other titles again and again, as a corpus of captures has; in
`different` hardly two recordings have the same fields and messages. Both are words; times are of
the whole command, in a new process.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

TLS12 = ">CH{version=TLS12,offers_ECDHE=true%s} <SH{suite=ECDHE} <C <SKE <SHD >CKE >CCS >F <CCS <F"
TLS13 = ">CH{version=TLS13%s} <SH{version=TLS13} <EE <CR <C <CV <F >C >CV >F <NST"
OFFERS = ("RSA", "DHE", "DH_anon", "DHE_EXPORT", "PSK", "ECDHE_PSK")


def lines(n: int, *, different: bool) -> Iterator[str]:
    """The lines of a file of `n` recordings."""
    choose = random.Random(1)
    for i in range(n):
        offers, data = "", ">AD <AD"
        if different:
            offers = "".join(f",offers_{s}=true" for s in OFFERS if choose.random() < 0.5)
            data = " ".join(choose.choice((">AD", "<AD")) for _ in range(8))
        yield f"{i} | acc | {(TLS12, TLS13)[i % 2] % offers} {data}\n"


def main() -> None:
    """Print a table of both kinds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=100_000)
    n = parser.parse_args().recordings
    sys.stdout.write("| recordings | n | CPU s | wall s | ms each |\n|---|---|---|---|---|\n")
    for kind in ("alike", "different"):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.writelines(lines(n, different=kind == "different"))
            file.flush()
            before, start = os.times(), time.perf_counter()
            command = [sys.executable, "-m", "checker", "monitor", file.name]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(command, check=True, **quiet)
            wall, after = time.perf_counter() - start, os.times()
        cpu = after.children_user - before.children_user
        cpu += after.children_system - before.children_system
        sys.stdout.write(f"| {kind} | {n:,} | {cpu:.1f} | {wall:.1f} | {cpu / n * 1000:.2f} |\n")


if __name__ == "__main__":
    main()
