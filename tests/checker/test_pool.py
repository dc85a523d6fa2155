"""The pool of processes: replies, problems, limits, and that no process outlives the pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from checker.pool import DiedError, Job, LateError, Link, Pool
from model.rule import ModelError

ROOT = Path(__file__).resolve().parents[2]


def double(n: int) -> int:
    return 2 * n


def talk(link: Link, n: int) -> int:
    link.line("line")
    link.note("note")
    for i in range(n):
        link.part(i)
    return link.threads()


def fail() -> None:
    raise ModelError("no such row")


def fail_in_its_own_way() -> None:
    class LocalError(Exception):
        pass

    raise LocalError("what cannot be sent")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(link: Link) -> None:
    link.part(os.getpid())
    time.sleep(600)


def pid() -> int:
    return os.getpid()


def there(process: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_each_job_has_its_reply() -> None:
    with Pool(3) as pool:
        jobs = {pool.add(Job(double, (n,))): n for n in range(20)}
        assert all(a.get() == 2 * jobs.pop(a.job) for a in pool.replies())
        assert not jobs


def test_a_job_added_meanwhile_is_done_and_the_first_before_the_rest() -> None:
    seen = []
    with Pool(1) as pool:
        for n in (1, 2):
            pool.add(Job(double, (n,)))
        for a in pool.replies():
            seen.append(a.get())
            if a.value == 2:
                pool.add(Job(double, (50,)))
                pool.add(Job(double, (40,)), first=True)
    assert seen == [2, 80, 4, 100]


def test_lines_notes_and_parts_come_as_they_are_said() -> None:
    lines: list[str] = []
    notes: list[str] = []
    with Pool(4, lines.append, notes.append) as pool:
        pool.add(Job(talk, (2,), linked=True, threaded=True))
        replies = [(a.value, a.part) for a in pool.replies()]
    assert replies == [(0, True), (1, True), (4, False)]
    assert (lines, notes) == (["line"], ["note"])


def test_an_error_is_a_reply_and_the_others_go_on() -> None:
    with Pool(1) as pool:
        for call in (fail, fail_in_its_own_way, die):
            pool.add(Job(call))
        pool.add(Job(double, (1,)))
        first, own, died, last = pool.replies()
    with pytest.raises(ModelError, match="no such row") as e:
        first.get()
    assert "in fail" in e.value.__notes__[0]
    assert (type(own.problem), str(own.problem)) == (
        RuntimeError,
        "LocalError: what cannot be sent",
    )
    assert isinstance(died.problem, DiedError)
    assert last.get() == 2


def test_a_late_job_is_killed() -> None:
    with Pool(1) as pool:
        pool.add(Job(sleep, linked=True, limit=0.3))
        pool.add(Job(double, (1,)))
        begun, late, last = pool.replies()
    assert isinstance(late.problem, LateError) and not there(begun.value)
    assert last.get() == 2


@pytest.mark.parametrize(("fresh", "processes"), [(False, 1), (True, 3)])
def test_a_process_takes_job_after_job_or_one(fresh: bool, processes: int) -> None:
    with Pool(1, fresh=fresh) as pool:
        for _ in range(3):
            pool.add(Job(pid))
        assert len({a.get() for a in pool.replies()}) == processes


def test_what_the_parent_prepares_a_new_process_has() -> None:
    built: list[int] = []
    with Pool(1, fresh=True) as pool:
        for n in range(2):
            pool.add(Job(double, (n,), prepare=partial(built.append, n)))
        for a in pool.replies():
            assert built == list(range(a.job.args[0] + 1))


def test_no_process_outlives_the_pool() -> None:
    with Pool(2) as pool:
        for _ in range(2):
            pool.add(Job(sleep, linked=True))
        replies = pool.replies()
        running = [next(replies).value, next(replies).value]
        assert all(map(there, running))
    assert not any(map(there, running))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only what ends by itself ends all")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_its_parent(how: signal.Signals) -> None:
    code = (
        "from checker.pool import Job, Pool\n"
        "from tests.checker.test_pool import sleep\n"
        "with Pool(1) as pool:\n"
        "    pool.add(Job(sleep, linked=True))\n"
        "    for a in pool.replies(): print(a.value, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    assert there(worker)
    process.send_signal(how)
    assert process.wait(timeout=120) != 0
    process.stdout.close()
    for _ in range(100):
        if not there(worker):
            return
        time.sleep(0.05)
    pytest.fail("the process of the pool still runs")
