"""Durations: run the tests and record the slowest in tests/README.md.

`python -m tests.durations` runs all tests; further arguments go to pytest. The README is written if
every test was run. Tests that took longer than their size allows are printed: give them a larger
mark or less work.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.sizes import SIZES

README = Path(__file__).with_name("README.md")
BLOCK = re.compile(r"(<!-- durations -->\n).*?(<!-- end -->)", re.DOTALL)
SLOWEST = 10


class Durations:
    """A pytest plugin that adds up the seconds of each test."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.size: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the seconds of a test's set-up, call or tear-down."""
        self.seconds[report.nodeid] += report.duration
        self.size[report.nodeid] = next(s for s in reversed(SIZES) if s in report.keywords)

    def table(self) -> str:
        """The tests and seconds of each size, and the slowest tests, in Markdown."""
        rows = ["| size | tests | seconds |", "|---|---|---|"]
        for size in SIZES:
            tests = [n for n, s in self.size.items() if s == size]
            rows.append(f"| `{size}` | {len(tests)} | {sum(self.seconds[n] for n in tests):.0f} |")
        rows += ["", "| slowest | seconds |", "|---|---|"]
        rows += [f"| `{n}` | {s:.0f} |" for n, s in self.seconds.most_common(SLOWEST)]
        return "\n".join((*rows, ""))

    def too_long(self) -> list[str]:
        """The tests that took longer than their size allows, with size and seconds."""
        return [
            f"{n}: {s:.1f} s, a {self.size[n]} takes {SIZES[self.size[n]]:.0f} s at most"
            for n, s in self.seconds.most_common()
            if s > SIZES[self.size[n]]
        ]


def main(*args: str) -> int:
    """The exit status of pytest, run with `args`."""
    found = Durations()
    status = pytest.main(["-q", "-n", "auto", "--dist", "worksteal", *args], plugins=[found])
    sys.stdout.writelines(f"{line}\n" for line in (found.table(), *found.too_long()))
    if not args:
        text = README.read_text()
        README.write_text(BLOCK.sub(lambda m: f"{m[1]}{found.table()}{m[2]}", text))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
