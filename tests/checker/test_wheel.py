"""The wheel, in an empty environment of each Python that is here, used from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from checker.arguments import SCRIPT, parser

ROOT = Path(__file__).resolve().parents[2]
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def interpreter(version: str) -> str | None:
    """The path of a Python of that version; None if there is none."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    known = sorted(PYENV.glob(f"{version}.*/bin/python"))
    return str(known[-1]) if known else shutil.which(f"python{version}")


def test_the_console_script_is_named_in_its_help(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(project["scripts"]) == [SCRIPT]
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{SCRIPT}"])
    assert parser().format_usage().startswith(f"usage: {SCRIPT} ")
    monkeypatch.setattr(sys, "argv", ["/somewhere/checker/__main__.py"])
    assert parser().format_usage().startswith("usage: python -m checker ")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run([*pip, str(ROOT)], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.deep
@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_works_alone(version: str, wheel: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version}")
    env = {n: v for n, v in os.environ.items() if n != "PYTHONPATH"}

    def run(*words: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(python, "-m", "venv", "env")
    run("env/bin/python", "-m", "pip", "install", "--quiet", str(wheel))
    assert "usage: tls-checker" in run("env/bin/tls-checker", "--help")
    out = run("env/bin/tls-checker", "verify", "ORD-1", "--scenario", "tls12-small")
    assert "1 verdict: 1 PROVED" in out
    here = "from pathlib import Path; import checker.report as r; print(Path(r.__file__).parent)"
    report = Path(run("env/bin/python", "-c", here).strip())
    assert report.is_relative_to(tmp_path)
    assert (report / "schemas/verify.schema.json").exists()
