"""The native engine against the numpy engine: the same states, edges, depths and budgets; its cache
is safe; a search that is killed goes on."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checker.engines import collapse, native, native_source
from checker.engines.explicit import Explicit
from checker.engines.interface import Budget, Question, Watch, described
from checker.engines.native import Native
from checker.engines.native_calls import BUDGET, NEVER
from checker.engines.native_source import NativeError, available
from checker.request import Request, properties_of, system_of
from checker.trace import replay
from model.expr import (
    TRUE,
)
from model.scenario import scenario
from model.system import Compiled, System
from tests.checker.test_engines import COUNTS, compiled, many, replace_initial
from tests.sizes import deep_but

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(bool(available()), reason=available() or "-")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, those of other processes too, and not the user's."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache" / "objects"


@pytest.fixture(autouse=True)
def _no_default_cache(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent / "default"))


def compiled_small() -> Compiled:
    """A system of 339,975 states."""
    return asked("tls12-small")[2]


# -- agreement -----------------------------------------------------------------------------------
def chain(judge: Explicit, engine: Native, row: int) -> None:
    """Each step of a path is one of the numpy engine's edges, from an initial state."""
    path = engine.path(row)
    assert path[0][0] is None
    assert path[0][1] in judge.compiled.initial_states()
    for (_, a), (step, b) in itertools.pairwise(path):
        assert step is not None
        action = next(x for x in judge.actions if x.step is step)
        part = judge.pack([a])
        columns = judge.unpack(part)
        _, words = judge._apply(action, part, columns, np.arange(1))
        assert b in {judge.decode(words[:, i]) for i in range(words.shape[1])}


@pytest.mark.parametrize(("name", "full", "levels", "edges"), COUNTS)
def test_toys(name: str, full: bool, levels: list[int], edges: int, cache: Path) -> None:
    c = compiled(name, full=full)
    engine, judge = Native(c, cache=cache, edges=True), Explicit(c, edges=True)
    found, wanted = engine.search(), judge.search()
    assert (found.complete, found.reason, found.levels) == (True, "", levels)
    assert found.edges == wanted.edges
    total = sum(levels)
    starts = list(itertools.accumulate(levels, initial=0))
    for a, b in itertools.pairwise(starts):
        assert {engine.state(i) for i in range(a, b)} == {judge.state(i) for i in range(a, b)}
    for row in range(total):
        assert len(engine.path(row)) - 1 == np.searchsorted(starts, row, side="right") - 1
        chain(judge, engine, row)
    plain = Native(c, cache=cache).search()
    assert (plain.levels, plain.edges) == (levels, {})
    with pytest.raises(IndexError, match=f"row {total} of {total}"):
        engine.state(total)


def asked(name: str, flaw: str | None = None) -> tuple[System, list[Question], Compiled]:
    """A scenario with the questions that its properties ask."""
    where = scenario(name)
    system = system_of(Request(flaw=flaw), where)
    questions = []
    for p in properties_of(Request(), where):
        if not p.temporal:
            questions += [
                Question(p.name, p.bad(system)),
                Question(f"{p.name} (witness)", p.witness(system)),
            ]
    return system, questions, system.compile(*(q.expr for q in questions))


def copies(questions: Sequence[Question]) -> list[Question]:
    """The same questions, not yet answered."""
    return [Question(q.name, q.expr) for q in questions]


ASKED = [
    ("retry-early-data-honest", None),
    ("tls12-small", None),
    ("tls13", None),
    ("honest", None),
    ("tls12-small", "early_ccs"),
]


@pytest.mark.deep
@pytest.mark.parametrize(("name", "flaw"), ASKED)
def test_scenarios(name: str, flaw: str | None, cache: Path) -> None:
    system, questions, c = asked(name, flaw)
    mine, theirs = copies(questions), copies(questions)
    engine, judge = Native(c, cache=cache, edges=True), Explicit(c)
    found, wanted = engine.search(mine), judge.search(theirs)
    assert (found.complete, found.levels) == (True, wanted.levels)
    assert found.states == wanted.states
    broken = 0
    for a, b in zip(mine, theirs, strict=True):
        assert (a.state is None) == (b.state is None), a.name
        if a.state is not None and b.state is not None:
            path = engine.path(a.state)
            assert len(path) == len(judge.path(b.state)), a.name
            if not a.name.endswith("(witness)"):
                broken += 1
                assert len(replay(system, described(c, path), a.expr, a.name)) == len(path) - 1
    assert broken or not flaw
    counted, wanted = engine.search(), Explicit(c, edges=True).search()
    assert (counted.levels, counted.edges) == (wanted.levels, wanted.edges)
    rows = random.Random(1).sample(range(found.states), 40)
    for row in rows:
        chain(judge, engine, row)


def test_states_of_several_words(cache: Path) -> None:
    found = Native(many(5), cache=cache).search()
    assert found.levels == [32, 160, 320, 320, 160, 32]
    for runs, words in ((33, 2), (100, 4)):
        engine = Native(replace_initial(many(runs), runs), cache=cache)
        assert engine.layout.words == words
        found = engine.search(budget=Budget(states=600))
        assert found.levels == [1, runs, *([528, 38] if runs == 33 else [499])]
        assert len({engine.state(i) for i in range(600)}) == 600


def test_states_whose_hashes_are_equal_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(native_source, "MIX", "(h & 3) << 62")
    engine = Native(replace_initial(many(33), 33), cache=cache)
    assert engine.search(budget=Budget(states=600)).levels == [1, 33, 528, 38]
    assert len({engine.state(i) for i in range(600)}) == 600
    assert Native(compiled("counters"), cache=cache).search().levels == [16, 8, 16, 16, 6]


@pytest.mark.scenario
def test_components_that_have_no_room_are_joined(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    """A search with too few bits for its locals goes on with fewer components where it was."""
    _, questions, c = asked("two-clients-rsa")
    few, budget = Budget(states=4_000), Budget(states=80_000)
    whole, again = copies(questions), copies(questions)
    roomy = Native(c, cache=cache)
    wanted = roomy.search(whole, budget)
    monkeypatch.setattr(collapse, "room", lambda count: 8 if count == 3 else 32)
    made: list[int] = []
    real = native.Collapsed
    monkeypatch.setattr(native, "Collapsed", lambda *a: made.append(a[-1]) or real(*a))
    kept = tmp_path / "kept"
    Native(c, cache=cache, checkpoint=kept).search(copies(questions), few)
    assert made == [4, 1]
    engine = Native(c, cache=cache, checkpoint=kept, resume=True)
    assert engine.search(again, budget).levels == wanted.levels
    assert made == [4, 1, 4, 1, 3, 1, 2, 1]
    assert again == whole
    assert arrays(engine) == arrays(roomy)
    # It is kept with two components, and read with two.
    last = Native(c, cache=cache, checkpoint=kept, resume=True)
    assert last.search(copies(questions), budget).levels == wanted.levels
    assert arrays(last) == arrays(roomy)


def test_components_are_what_no_step_writes_two_of() -> None:
    c = asked("tls12-small")[2]
    parts = collapse.components(c)
    assert [sorted({n.partition(".")[0] for n in p}) for p in parts] == [["client0"], ["server0"]]
    for step in c.steps:
        assert sum(not step.effects.keys().isdisjoint(p) for p in parts) <= 1
    assert sorted(n for p in parts for n in p) == sorted(c.names)
    assert [len(collapse.components(many(5), most)) for most in (1, 2, 3, 9)] == [1, 2, 3, 5]


# -- several threads -----------------------------------------------------------------------------
def arrays(engine: Native) -> tuple[bytes, ...]:
    """The states, their parents and their steps."""
    count = engine.head.contents.count
    return tuple(b"".join(engine.saved(k, 0, count)) for k in range(3))


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads for every level, however small."""
    monkeypatch.setattr(native_source, "TOGETHER", 1)


@pytest.mark.deep
@pytest.mark.usefixtures("together")
@pytest.mark.parametrize(
    ("name", "flaw"), [("tls12-small", None), ("tls13", None), ("tls12-small", "early_ccs")]
)
def test_threads_change_nothing(name: str, flaw: str | None, cache: Path) -> None:
    """Not a row, not a parent, not a step; whatever their number."""
    _, questions, c = asked(name, flaw)
    whole = copies(questions)
    alone = Native(c, cache=cache)
    wanted = alone.search(whole)
    for n in (2, 3, 16, 99):
        again = copies(questions)
        engine = Native(c, cache=cache)
        found = engine.search(again, watch=Watch(threads=lambda n=n: n))  # type: ignore[misc]
        assert (found.complete, found.levels) == (True, wanted.levels)
        assert again == whole
        assert arrays(engine) == arrays(alone)
        assert engine.head.contents.batches > len(found.levels) // 2


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("mix", ["h", "(h & 3) << 62", "~0ull", "h & 0xFFFF000000000000ull"])
def test_threads_meet_where_hashes_are_equal(
    mix: str, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """States whose place is full go on in the slots of another thread, and round the end."""
    monkeypatch.setattr(native_source, "MIX", mix)
    c = replace_initial(many(33), 33)
    alone = Native(c, cache=cache)
    alone.search(budget=Budget(states=3_000))
    for n in (2, 3, 7):
        engine = Native(c, cache=cache)
        assert (
            engine.search(budget=Budget(states=3_000), watch=Watch(threads=lambda n=n: n)).states
            == 3_000
        )  # type: ignore[misc]
        assert arrays(engine) == arrays(alone)
        assert engine.head.contents.batches


@pytest.mark.scenario
@pytest.mark.usefixtures("together")
def test_the_number_of_threads_may_change(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(native, "SLICE", 256)
    _, questions, c = asked("tls12-small")
    whole, again = copies(questions), copies(questions)
    alone, engine = Native(c, cache=cache), Native(c, cache=cache)
    alone.search(whole)
    clock = random.Random(3)
    assert engine.search(again, watch=Watch(threads=lambda: clock.randrange(1, 6))).complete
    assert again == whole
    assert arrays(engine) == arrays(alone)


@pytest.mark.scenario
@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("states", [0, 1, 2, 100, 5_000, 40_001, 339_974, 339_975])
def test_a_limit_ends_threads_at_the_same_row(states: int, cache: Path) -> None:
    _, questions, c = asked("tls12-small")
    whole, again = copies(questions), copies(questions)
    alone, engine = Native(c, cache=cache), Native(c, cache=cache)
    wanted = alone.search(whole, Budget(states=states))
    found = engine.search(again, Budget(states=states), watch=Watch(threads=lambda: 2))
    assert (found.states, found.reason, found.levels) == (states, wanted.reason, wanted.levels)
    assert again == whole
    assert arrays(engine) == arrays(alone)
    assert engine.head.contents.next == alone.head.contents.next


@pytest.mark.scenario
@pytest.mark.usefixtures("together")
def test_a_checkpoint_does_not_know_the_threads(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    """Kept by one, two or three threads, in memory or on the disk: the same files."""
    monkeypatch.setattr(native, "SLICE", 512)
    _, questions, c = asked("tls12-small")
    whole, rest = copies(questions), copies(questions)
    alone = Native(c, cache=cache, checkpoint=tmp_path / "alone")
    alone.search(whole)
    for n, budget in ((2, 9_000), (1, 30_000), (3, 70_000)):
        part = Native(
            c,
            cache=cache,
            checkpoint=tmp_path / "kept",
            resume=True,
            every=0.0,
            spill=tmp_path if n == 3 else None,
        )
        part.search(copies(questions), Budget(states=budget), watch=Watch(threads=lambda n=n: n))
    engine = Native(c, cache=cache, checkpoint=tmp_path / "kept", resume=True)
    assert engine.search(rest, watch=Watch(threads=lambda: 2)).complete
    assert rest == whole
    for name in ("words.bin", "parent.bin", "via.bin"):
        kept, wanted = (tmp_path / f / name for f in ("kept", "alone"))
        assert kept.read_bytes() == wanted.read_bytes()


@pytest.mark.scenario
@pytest.mark.usefixtures("together")
def test_an_index_that_cannot_grow_ends_threads_as_it_ends_one(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """What threads added to the index in a batch that failed is taken out again."""
    monkeypatch.setattr(native, "SLICE", 4_096)
    _, _, c = asked("tls12-small")
    alone = Native(c, cache=cache)
    wanted = alone.search()
    rows = [alone.state(i) for i in range(0, wanted.states, 997)]
    engine = Native(c, cache=cache)
    real, failed = Native._expand, 0

    def expand(self: Native, run: Any) -> bool:
        """A batch with hardly any memory first, then with enough."""
        nonlocal failed
        head = self.head.contents
        head.memory = self.held + 3_000
        before = (head.next, head.batches)
        code = self.lib.search_expand(self.head, self.bounds[-1], 2 * native.SLICE, 2)
        failed += code == BUDGET and before[1] == head.batches
        head.memory = NEVER
        return real(self, run) if head.next < self.bounds[-1] else head.next < head.count

    monkeypatch.setattr(Native, "_expand", expand)
    assert engine.search(watch=Watch(threads=lambda: 2)).levels == wanted.levels
    assert failed > 3
    assert rows == [engine.state(i) for i in range(0, wanted.states, 997)]
    assert arrays(engine) == arrays(alone)


@pytest.mark.deep
@pytest.mark.usefixtures("together")
def test_threads_find_the_first_row_of_each_question(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """All rows are asked about at once, so that each thread has many."""
    _, questions, c = asked("tls12-small", "early_ccs")
    whole, again = copies(questions), copies(questions)
    Native(c, cache=cache).search(whole)
    engine = Native(c, cache=cache)
    with monkeypatch.context() as m:
        m.setattr(Native, "_ask", lambda *_: None)
        engine.search(again, watch=Watch(threads=lambda: 3))
    assert all(q.state is None for q in again)
    engine._ask(again)
    assert again == whole


SHARES = [(0.0, False), (1.29, False), (1.31, True), (2.0, True)]


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize(("used", "kept"), deep_but(SHARES[1:3], SHARES))
def test_threads_that_are_not_run_are_given_up(
    used: float, kept: bool, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """Where others have the cores, one thread goes on for a while; then several are tried again."""
    monkeypatch.setattr(native, "SLICE", 64)
    monkeypatch.setattr(native, "WINDOW", 0.5)
    monkeypatch.setattr(native, "ALONE", 60.0)
    engine = Native(compiled_small(), cache=cache)
    real = engine._weigh
    monkeypatch.setattr(engine, "_weigh", lambda *_: real(1.0, used))
    assert engine.search(watch=Watch(threads=lambda: 2)).states == 339_975
    # Only full batches are watched: what comes before the first of them is not.
    assert (engine.head.contents.batches > 100) == kept
    assert engine.crew() == (2 if kept else 1)
    later = time.monotonic() + 61.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert engine.crew() == 2


def test_few_rows_are_for_one_thread(cache: Path) -> None:
    engine = Native(compiled("counters"), cache=cache)
    assert engine.search(watch=Watch(threads=lambda: 2)).states == 62
    assert engine.head.contents.batches == 0


# -- budgets -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "budget",
    [
        {"states": 0},
        {"states": 6},
        {"states": 10},
        {"states": 11},
        {"seconds": -1.0},
        {"memory": 0},
        {"states": 11, "seconds": 60, "memory": 1 << 20},
    ],
    ids=lambda b: "-".join(b),
)
@pytest.mark.parametrize("name", ["toy", "counters"])
def test_a_budget_ends_the_search_as_in_the_other_engine(
    name: str, budget: dict[str, Any], cache: Path
) -> None:
    c = compiled(name)
    engine = Native(c, cache=cache)
    questions, theirs = [Question("any", TRUE)], [Question("any", TRUE)]
    limits = Budget(**budget)
    found, wanted = engine.search(questions, limits), Explicit(c).search(theirs, limits)
    assert (found.complete, found.reason) == (wanted.complete, wanted.reason)
    assert (found.states, found.levels) == (wanted.states, wanted.levels)
    assert questions == theirs
    for row in range(found.states):
        assert engine.path(row)


@pytest.mark.deep
def test_time_and_memory_end_a_search_within_a_level(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(native, "SLICE", 64)
    _, questions, c = asked("tls12-small")
    engine = Native(c, cache=cache)
    found = engine.search(questions, Budget(memory=300_000))
    assert not found.complete
    assert found.reason == "the memory budget of 300000 bytes ended"
    assert engine.held <= 400_000
    assert sum(found.levels) == found.states > 1000
    last = found.states - 1
    assert len(engine.path(last)) == len(found.levels)
    # Every state found was asked about, those of the unfinished level too.
    again = copies(questions)
    Native(c, cache=cache).search(again, Budget(states=found.states))
    assert questions == again
    assert any(q.state is not None for q in questions)
    began = time.monotonic()
    assert engine.search(budget=Budget(seconds=0.0)).reason == "the time budget of 0 s ended"
    assert time.monotonic() - began < 60


def test_an_interrupted_search_keeps_what_it_found(cache: Path) -> None:
    def interrupt(result: Any, n: int) -> None:
        if result.states >= 4:
            raise KeyboardInterrupt

    engine = Native(compiled("toy"), cache=cache)
    found = engine.search(watch=Watch(progress=interrupt))
    assert (found.complete, found.reason, found.states) == (False, "interrupted", 4)
    assert len(engine.path(3)) == 2


@pytest.mark.scenario
@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_ends_a_search(threads: int, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    _, questions, c = asked("tls12-small")
    engine = Native(c, cache=cache)
    engine.search(questions)
    begun: list[int] = []

    def progress(result: Any, n: int) -> None:
        if not begun:
            signal.setitimer(signal.ITIMER_REAL, 0.003)
        begun.append(n)

    def alarm(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(native, "SLICE", 1)
    before = signal.signal(signal.SIGALRM, alarm)
    try:
        found = engine.search(watch=Watch(progress=progress, threads=lambda: threads))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (found.complete, found.reason) == (False, "interrupted")
    assert 0 < found.states < 339_975
    assert engine.path(found.states - 1)


def test_more_states_than_can_be_numbered(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(native, "MOST", 8)
    engine = Native(compiled("toy"), cache=cache)
    with pytest.raises(NativeError, match="more than 8 states: the native engine cannot number"):
        engine.search()
    with pytest.raises(NativeError, match="more than 8 states"):
        engine.search(budget=Budget(states=100))
    assert engine.search(budget=Budget(states=8)).states == 8


def test_too_many_free_values(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(native_source, "MOST_ACTIONS", 3)
    with pytest.raises(NativeError, match="toy has more than 3 steps with their free values"):
        Native(compiled("toy"), cache=cache).search()


# -- compiler and cache --------------------------------------------------------------------------
def test_no_compiler_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert available() == ""
    monkeypatch.setenv("CC", "no-such-compiler -O")
    assert available() == "no C compiler: $CC is no-such-compiler -O"
    with pytest.raises(NativeError, match="no C compiler"):
        Native(compiled("toy"), cache=tmp_path).search()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert available() == "no C compiler: neither cc nor gcc"


def test_a_compiler_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native_source, "MIX", "nothing_of_this_name")
    with pytest.raises(NativeError, match=r"failed: search\.c:\d+.*nothing_of_this_name"):
        Native(compiled("toy"), cache=tmp_path).search()
    assert [p for p in tmp_path.iterdir() if p.name.startswith("build-")] == []


def test_objects_are_kept_and_used_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "objects"
    Native(compiled("toy"), cache=folder).search()
    (kept,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert kept.stat().st_mode & 0o022 == 0
    before = kept.stat()
    monkeypatch.setattr(native_source, "_build", None)
    assert Native(compiled("toy"), cache=folder).search().states == 11
    assert kept.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:99] + b"x" + b[100:]]
)
def test_a_damaged_object_is_made_anew(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    Native(compiled("toy"), cache=tmp_path).search()
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.unlink()  # the object that this process has open stays as it is
    kept.write_bytes(damage(whole))
    kept.chmod(0o700)
    assert Native(compiled("toy"), cache=tmp_path).search().states == 11
    assert kept.read_bytes() == whole


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    engine = Native(compiled("toy"), cache=tmp_path / "objects")
    engine.search()
    for mode in (0o777, 0o770, 0o1777):
        engine.cache.chmod(mode)  # type: ignore[union-attr]
        with pytest.raises(NativeError, match="can be written by others"):
            engine.search()
    engine.cache.chmod(0o755)  # type: ignore[union-attr]
    assert engine.search().states == 11
    (kept,) = (tmp_path / "objects").iterdir()
    kept.chmod(0o722)
    with pytest.raises(NativeError, match=r"\.so can be written by others"):
        engine.search()
    kept.chmod(0o700)
    elsewhere = tmp_path / "elsewhere.so"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    with pytest.raises(NativeError, match="is not a file"):
        engine.search()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "objects")
    with pytest.raises(NativeError, match="is not a folder"):
        Native(compiled("toy"), cache=link).search()


def test_what_belongs_to_someone_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NativeError, match=r"belongs to user \d+: code there is not run"):
        Native(compiled("toy"), cache=tmp_path).search()


def test_the_default_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native_source.cache.folder() == tmp_path / "tls-handshake-model-checker"
    assert Native(compiled("toy")).search().states == 11
    assert len(list(native_source.cache.folder().iterdir())) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert native_source.cache.folder() == tmp_path / ".cache" / "tls-handshake-model-checker"
    # Where no folder can be made, the object is compiled into a temporary one.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Native(compiled("toy")).search().states == 11
    with pytest.raises(NativeError, match="cannot be used"):
        Native(compiled("toy"), cache=tmp_path / "file" / "x").search()
