"""The examples of properties/README.md run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import properties
from checker.by_search import search
from checker.request import Request, system_of
from model.scenario import scenario

pytestmark = pytest.mark.scenario

PYTEST = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "properties/README.md").read_text(), re.DOTALL)


def test_the_decorated_function_is_a_property_and_holds() -> None:
    before = dict(properties.catalogue())
    try:
        exec(BLOCKS[0], {"__name__": "example"})
        new = [p for n, p in properties.registry.items() if n not in before]
        assert [p.id for p in new] == ["MY-1"]
        where = scenario("client-auth")
        assert set(new[0].needs) <= where.features
        request = Request(scenario="client-auth")
        assert search(system_of(request, where), new, request)[0].verdict == "PROVED"
    finally:
        for name in set(properties.registry) - set(before):
            del properties.registry[name]


def test_the_pytest_example_passes(tmp_path: Path) -> None:
    file = tmp_path / "test_example.py"
    file.write_text(BLOCKS[1])
    done = subprocess.run(
        [*PYTEST, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_a_failing_property_prints_its_chart(tmp_path: Path) -> None:
    file = tmp_path / "test_wrong.py"
    file.write_text(
        "from properties import when\n"
        "def test_wrong(model_check):\n"
        "    model_check.holds('tls12-small', lambda w: [when(r.keyed).then(r.verified)"
        " for r in w.clients])\n"
    )
    done = subprocess.run(
        [*PYTEST, str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "ClientKeyExchange" in done.stdout
    assert "network" in done.stdout
