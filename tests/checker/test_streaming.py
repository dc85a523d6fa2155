"""A run of the command from outside: what it prints when, how it ends, what it leaves behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker import cache

ROOT = Path(__file__).parents[2]
EVERYTHING = ("verify", "--format", "jsonl")


def begun(folder: Path, *words: str, cached: bool = True) -> subprocess.Popen[str]:
    """The command, running, with a temporary folder and a cache of its own, if that can be."""
    where = folder / "cache" if cached else "/dev/null/cache"
    places = {"XDG_CACHE_HOME": str(where), "TMPDIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "checker", *words],
        cwd=ROOT,
        env={**os.environ, **places},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def children(pid: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    out: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = path.read_text().partition(" (")
        except OSError:
            continue
        parent = int(rest.rpartition(") ")[2].split()[1])
        if parent == pid:
            out |= {int(number), *children(int(number))}
    return out


def gone(pids: set[int]) -> bool:
    """Whether the processes end within some seconds."""
    for _ in range(200):
        if not any(Path(f"/proc/{n}").exists() for n in pids):
            return True
        time.sleep(0.05)
    return False


def left(folder: Path) -> list[str]:
    """The unfinished files and folders."""
    begin = ("build-", "tmp", f"{cache.NAME}-")
    return sorted(p.name for p in folder.rglob("*") if p.name.startswith(begin))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = begun(tmp_path, *EVERYTHING)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.scenario
def test_verdicts_come_while_others_are_decided(tmp_path: Path) -> None:
    with begun(tmp_path, "verify", "ORD-1", "--format", "jsonl") as running:
        assert running.stdout is not None
        lines = [json.loads(running.stdout.readline()) for _ in range(3)]
        assert running.poll() is None
        running.kill()
    assert {x["command"] for x in lines} == {"verify"}
    assert [x["result"]["verdict"] for x in lines] == ["PROVED"] * 3
    assert all(x["timing"]["property"] == x["result"]["property"] for x in lines)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
@pytest.mark.deep
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_with_what_there_is(
    how: signal.Signals, running: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert running.stdout is not None
    first = running.stdout.readline()
    pids = children(running.pid)
    assert pids
    running.send_signal(how)
    running.send_signal(signal.SIGINT)  # a second one loses nothing
    out = running.stdout.read()
    assert running.wait(timeout=600) == 130
    *results, last = [json.loads(x) for x in (first + out).splitlines()]
    assert last["interrupted"] is True and results
    assert gone(pids)
    assert left(tmp_path) == []


def listens(process: subprocess.Popen[str]) -> None:
    """Wait until the command catches SIGTERM: before, the interpreter itself may be loading."""
    status = Path(f"/proc/{process.pid}/status")
    caught = 0
    while not caught >> (signal.SIGTERM - 1) & 1:
        assert process.poll() is None
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("SigCgt:"))
        caught = int(line.split()[1], 16)
        time.sleep(0.001)


@needs_proc
@pytest.mark.deep
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment_leaves_nothing_behind(
    how: signal.Signals, cached: bool, tmp_path: Path
) -> None:
    """Neither in the cache nor, where that cannot be made, in the temporary folder."""
    clock = random.Random(int(how))
    for _ in range(10 if cached else 5):
        process = begun(tmp_path, *EVERYTHING, cached=cached)
        listens(process)
        time.sleep(clock.uniform(0, 8))
        pids = children(process.pid)
        process.send_signal(how)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 130, (err, out)
        if out:
            assert json.loads(out.splitlines()[-1])["interrupted"] is True
        assert gone(pids)
        assert left(tmp_path) == []


@needs_proc
@pytest.mark.deep
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_command_begins_is_no_error(how: signal.Signals, tmp_path: Path) -> None:
    """While modules are loaded, the system is built, or the solver in C is asked."""
    clock = random.Random(int(how))
    for _ in range(20):
        process = begun(tmp_path, "verify", "--scenario", "tls12-small", "--fresh")
        maps = Path(f"/proc/{process.pid}/maps")
        while "pysolvers" not in maps.read_text():  # the interpreter itself may still be loading
            time.sleep(0.001)
        time.sleep(clock.uniform(0, 1))
        process.send_signal(how)
        out, err = process.communicate(timeout=600)
        assert process.returncode == 130, (err, out)
        assert err == "interrupted\n" or out.endswith("interrupted: these are the results so far\n")


@pytest.mark.deep
def test_a_pipe_that_is_closed_ends_the_run_quietly(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None and running.stderr is not None
    assert running.stdout.readline()
    running.stdout.close()
    said = running.stderr.read()
    assert running.wait(timeout=600) == 0  # all verdicts so far are as declared
    assert "rror" not in said


@pytest.mark.deep
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_where_the_output_goes_is_tried_first(tmp_path: Path) -> None:
    for words, said in (
        (["-o", str(tmp_path / "no" / "file")], "which is not there"),
        (["-o", str(tmp_path)], "expected a file to write, got a folder"),
    ):
        process = begun(tmp_path, "verify", "--scenario", "tls12-small", *words)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 2
        assert said in err
    process = begun(tmp_path, "verify", "ORD-1", "--scenario", "tls12-small", "-o", "/dev/full")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 2
    kept = Path(err.strip().rpartition("the result is in ")[2])
    assert kept.read_text().endswith("all as declared\n")
