"""The examples of properties/README.md run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PYTEST = ["-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "properties/README.md").read_text(), re.DOTALL)


COMMAND = """
if __name__ == "__main__":
    from checker.cli import main

    raise SystemExit(main(["verify", "MY-1", "--scenario", "client-auth", "--engine", "explicit"]))
"""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.deep
def test_the_decorated_function_is_a_property_and_holds(tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(BLOCKS[0] + COMMAND)
    done = run(str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"MY-1 .* PROVED", done.stdout)


@pytest.mark.scenario
def test_the_pytest_example_passes(tmp_path: Path) -> None:
    file = tmp_path / "test_example.py"
    file.write_text(BLOCKS[1])
    done = run(*PYTEST, str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.deep
def test_a_file_of_ones_own_brings_property_scenario_and_extension(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(BLOCKS[2])
    done = run("-m", "checker", "verify", "--from", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("greeting  ")
    assert re.search(r"\n  MY-2 +who_greets_has_verified_a_finished +PROVED", done.stdout)
    assert "1 verdict: 1 PROVED" in done.stdout
    # The converse is wrong.
    file.write_text(BLOCKS[2].replace("c.greeted).then(c.verified", "c.verified).then(c.greeted"))
    done = run("-m", "checker", "verify", "--from", str(file), "--engine", "explicit")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"wrong at the end: mine\.py:\d+:13, c is client0\n", done.stdout)
    assert done.stdout.endswith("fell: MY-2 in greeting\n")


@pytest.mark.deep
def test_a_failing_property_prints_its_chart(tmp_path: Path) -> None:
    file = tmp_path / "test_wrong.py"
    file.write_text(
        "from properties import when\n"
        "def test_wrong(model_check):\n"
        "    model_check.holds('tls12-small', lambda w: [when(r.keyed).then(r.verified)"
        " for r in w.clients])\n"
    )
    done = run(*PYTEST, str(file))
    assert done.returncode == 1
    assert "ClientKeyExchange" in done.stdout
    assert "network" in done.stdout
