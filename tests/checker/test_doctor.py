"""The way in: what is installed, examples of every command, completion in the shell."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from checker import cli, doctor
from checker.arguments import ABOUT, EXAMPLES, parser
from checker.doctor import Found, Part

ROOT = Path(__file__).resolve().parents[2]


def test_every_package_of_the_project_is_told_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = project["dependencies"]
    others = [x for name, packages in extras.items() if name != "dev" for x in packages]

    def names(requirements: list[str]) -> set[str]:
        return {re.split("[<>=[]", x)[0] for x in requirements}

    assert {p.name for p in doctor.PACKAGES if p.needed} == names(needed)
    assert {p.name for p in doctor.PACKAGES if not p.needed} == names(others)
    for p in doctor.PACKAGES:
        if not p.needed:
            (extra,) = re.findall(r"\[(\w+)\]", p.get)
            assert p.name in names(extras[extra])


def test_what_is_missing_is_told_with_the_command_that_gets_it() -> None:
    there = Found(Part("numpy", "searches", "pip install .", needed=True), "2.0")
    gone = Found(Part("cvc5", "a second opinion", "pip install cvc5"), "")
    text = doctor.as_text([there, gone], {"cores": "2"})
    assert "- cvc5        a second opinion; missing: pip install cvc5" in text.splitlines()
    assert text.endswith("all that is necessary is there; 1 of the optional parts are not")
    assert doctor.status([there, gone]) == 0
    lost = Found(there.part, "")
    text = doctor.as_text([lost, gone], {})
    assert text.startswith("! numpy") and "\nmissing: numpy; 1 of the optional" in text
    assert doctor.status([lost, gone]) == 1


def test_the_command_tells_of_this_machine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiler = tmp_path / "cc"
    compiler.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert cli.main(["doctor", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = {p["name"]: p["found"] for p in told["parts"]}
    assert found["cc"] == str(compiler) and found["dot"] is None and found["z3-solver"]
    assert told["machine"]["python"].startswith(sys.version.split()[0])


def test_every_example_of_the_help_is_a_command_line() -> None:
    assert EXAMPLES.keys() - {""} == ABOUT.keys() == cli.COMMANDS.keys()
    for command, lines in EXAMPLES.items():
        for line in lines:
            found = parser().parse_args(shlex.split(line)).command
            assert found in (command, *ABOUT) and (not command or found == command)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("checker doc", {"docs", "doctor"}),
        ("checker verify --scenario tls12-rs", {"tls12-rsa-tls13"}),
        ("checker verify --sc", {"--scenario"}),
        ("checker verify GLOB", {"GLOBAL"}),
    ],
)
def test_the_shell_completes_commands_options_and_names(
    line: str, offered: set[str], tmp_path: Path
) -> None:
    answer = tmp_path / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-m", "checker"], cwd=ROOT, env={**os.environ, **asked}, timeout=60
    )
    assert {x.strip() for x in answer.read_text().split("\v")} == offered
