"""The files that users copy for GitHub and pre-commit: their commands run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from checker.arguments import parser

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "checker/ci"


def read(name: str) -> Any:
    """A file as YAML; `on`, which YAML reads as a truth value, is left to GitHub."""
    return yaml.safe_load((CI / name).read_text())


def commands(text: str) -> list[list[str]]:
    """The words of each call of the command in a shell script, its variables filled in."""
    filled = re.sub(r'"?\$\{?BASE\}?"?', "HEAD", text)
    filled = filled.replace("$SCENARIO", "--scenario tls12-small").replace("$form", "sarif")
    calls = re.findall(r"tls-checker ([^|\n]*)", filled)
    return [shlex.split(call) for call in calls]


def test_every_command_is_one_that_there_is() -> None:
    (job,) = read("github.yml")["jobs"].values()
    scripts = [s["run"] for s in job["steps"] if "run" in s]
    (hook,) = read("pre-commit.yaml")["repos"][0]["hooks"]
    found = [c for text in (*scripts, hook["entry"]) for c in commands(text)]
    assert len(found) == 3
    for words in found:
        parser().parse_args(words)
    assert job["env"]["SCENARIO"] == "--scenario tls12-small"


def test_the_hook_is_for_tables_and_properties() -> None:
    (hook,) = read("pre-commit.yaml")["repos"][0]["hooks"]
    assert set(hook) <= {"id", "name", "entry", "language", "files", "pass_filenames"}
    for path in ("model/generations/tls12_client.py", "properties/expected.toml"):
        assert re.search(hook["files"], path)
    for path in ("README.md", "checker/cli.py", "model/README.md"):
        assert not re.search(hook["files"], path)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the console script."""
    script = tmp_path / "bin/tls-checker"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m checker "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.deep
def test_the_scripts_of_the_workflow_run(path: str, tmp_path: Path) -> None:
    (job,) = read("github.yml")["jobs"].values()
    summary = tmp_path / "summary.md"
    known = {"PATH": path, "PYTHONPATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(summary)}
    env = {**os.environ, **known, "BASE": str(ROOT), "SCENARIO": job["env"]["SCENARIO"]}
    for step in job["steps"]:
        if "run" in step and step["name"] != "install":
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    assert "The tables say the same." in summary.read_text()
    assert "all as declared" in summary.read_text()
    assert (tmp_path / "verdicts.sarif").exists()
    assert (tmp_path / "verdicts.junit").exists()


@pytest.mark.deep
def test_the_hook_passes(path: str) -> None:
    (hook,) = read("pre-commit.yaml")["repos"][0]["hooks"]
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(shlex.split(hook["entry"]), cwd=ROOT, env=env, check=False)
    assert done.returncode == 0
