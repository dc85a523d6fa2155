"""What is printed, and where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checker import cache, output
from checker.cli import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain é 名\n\tx", "plain é 名\n\tx"),
        ("\x1b[31m\x07\x9b", r"\x1b[31m\x07\x9b"),
        ("\u202eleft\u2066\u200b\ufeff", r"\u202eleft\u2066\u200b\ufeff"),
        ("\r\x0b\x85\u2028", r"\r\x0b\x85\u2028"),
        ("\udcff\U000e0041", r"\udcff\U000e0041"),
    ],
)
def test_what_is_no_visible_character_is_escaped(text: str, said: str) -> None:
    assert output.printable(text) == said


def test_a_foreign_text_is_a_part_of_one_line_and_short() -> None:
    assert output.line("a\nb\x1b") == r"a\nb\x1b"
    assert output.line("a" * output.LINE) == "a" * output.LINE
    long = output.line("\n" + "a" * 100_000 + "end")
    assert long.startswith(r"\naaa") and long.endswith("aend (100,005 characters)")
    assert len(long) < output.LINE


@pytest.mark.scenario
def test_text_that_the_terminal_cannot_show_is_escaped() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "checker", "certify", "é"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=ROOT,
        capture_output=True,
    )
    assert done.returncode == 2
    assert rb"UNREADABLE \xe9" in done.stdout


def test_a_user_without_a_home_has_a_cache(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", none)
    assert cache.folder().name == f"{cache.NAME}-of-{os.geteuid()}"
    assert main(["cache"]) == 0
    assert "compiled" in capsys.readouterr().out


def test_what_killed_processes_left_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the cache and where it cannot be; not what a process still works on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    where = cache.made(cache.folder())
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [where / f"build-{dead.pid}-x", tmp_path / f"{cache.NAME}-{dead.pid}-x"]
    for path in left:
        path.mkdir()
        (path / "search.c").touch()
    with cache.building(where) as one, cache.elsewhere() as two:
        cache.tidy()
        assert not any(p.exists() for p in left)
        assert Path(one).is_dir() and Path(two).is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]
