"""Checkpoints of the search in C, and its states on a disk."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from checker.engines import native, native_source
from checker.engines.checkpoint import Checkpoint, CheckpointError
from checker.engines.interface import Budget, Question, Search, Watch
from checker.engines.native import Native
from checker.engines.native_source import NativeError
from tests.checker import test_native
from tests.checker.test_engines import compiled, of
from tests.checker.test_native import ROOT, arrays, asked, compiled_small, copies
from tests.hostile.kept import resummed
from tests.sizes import deep_but

pytestmark = test_native.pytestmark
cache = test_native.cache
_no_default_cache = test_native._no_default_cache


@pytest.mark.deep
def test_a_stopped_search_goes_on(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(native, "SLICE", 100)
    _, questions, c = asked("tls12-small", "early_ccs")
    whole = copies(questions)
    wanted = Native(c, cache=cache, edges=True).search(whole)
    folder = tmp_path / "kept"
    for budget in (0, 1, 5, 1_000, 20_000, 50_001):
        part = copies(questions)
        engine = Native(c, cache=cache, edges=True, checkpoint=folder, every=0.0, resume=True)
        found = engine.search(part, Budget(states=budget))
        assert found.states == budget
        assert found.reason == f"the budget of {budget} states ended before the search"
    smaller = Native(c, cache=cache, edges=True, checkpoint=folder, resume=True).search(
        copies(questions), Budget(states=7)
    )
    assert (smaller.complete, smaller.states) == (False, 50_001)
    for _ in range(2):  # the second time there is nothing left to do
        rest = copies(questions)
        engine = Native(c, cache=cache, edges=True, checkpoint=folder, resume=True)
        found = engine.search(rest)
        assert (found.complete, found.levels, found.edges) == (True, wanted.levels, wanted.edges)
        assert rest == whole
    for q in rest:
        if q.state is not None:
            assert engine.path(q.state)


def summed(data: dict[str, Any]) -> str:
    """A manifest whose checksum fits."""
    return json.dumps(resummed(data))


OUTSIDE: dict[str, list[Any]] = {
    "count": [-1, 1 << 32, 1.5, None, "1", True],
    "bounds": [[], [1], [0, 3, 2], [0, 1 << 40], [0, 0], [0, None], {"0": 1}, 3],
    "next": [-1, 1 << 20, None, "0"],
    "asked": [-1, 1 << 20, 0.5],
    "seen": [[3], {}, None],
    "edges": [[[1 << 20, 1]], [[-1, 1]], [[0, -1]], [[0]], [0], 3],
    "sums": [[0, 0], [0, 0, -1], [0, 0, 0, 0], None],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in OUTSIDE.items() for v in vs])
def test_a_manifest_that_says_what_cannot_be_is_refused(
    name: str, value: Any, cache: Path, tmp_path: Path
) -> None:
    """With a checksum that fits: what it says decides where C reads and writes."""
    Native(compiled("toy"), cache=cache, checkpoint=tmp_path).search(budget=Budget(states=5))
    manifest = tmp_path / "manifest.json"
    manifest.write_text(summed({**json.loads(manifest.read_text()), name: value}))
    with pytest.raises(CheckpointError, match=f"is damaged: {name}$"):
        Native(compiled("toy"), cache=cache, checkpoint=tmp_path, resume=True).search()


@pytest.mark.parametrize("name", list(OUTSIDE))
def test_a_manifest_without_a_value_is_refused(name: str, cache: Path, tmp_path: Path) -> None:
    Native(compiled("toy"), cache=cache, checkpoint=tmp_path).search(budget=Budget(states=5))
    manifest = tmp_path / "manifest.json"
    data = json.loads(manifest.read_text())
    del data[name]
    manifest.write_text(summed(data))
    with pytest.raises(CheckpointError, match="is damaged"):
        Native(compiled("toy"), cache=cache, checkpoint=tmp_path, resume=True).search()


def test_a_checkpoint_of_another_search_is_refused(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    Native(compiled("toy"), cache=cache, checkpoint=folder).search(budget=Budget(states=5))
    with pytest.raises(NativeError, match="keeps a search: resume it, or remove the folder"):
        Native(compiled("toy"), cache=cache, checkpoint=folder).search()
    with pytest.raises(NativeError, match=r"another system or of other questions \(toy\)"):
        Native(compiled("counters"), cache=cache, checkpoint=folder, resume=True).search()
    green = of("toy", "asker", "colour") == "green"
    with pytest.raises(NativeError, match="another system or of other questions"):
        Native(compiled("toy"), cache=cache, checkpoint=folder, resume=True).search(
            [Question("green", green)]
        )
    manifest = folder / "manifest.json"
    good = manifest.read_text()
    data = json.loads(good)
    for bad, said in (
        ("{", "is not a manifest"),
        ("[]", "is not a manifest"),
        (json.dumps({**data, "format": 99}), "has format 99"),
        (json.dumps({**data, "next": 0}), "its checksum does not fit"),
        (summed({**data, "sums": [0, 0, 0]}), r"words\.bin in .* is damaged"),
        (summed({**data, "count": 1 << 20}), r"words\.bin in .* is too short"),
    ):
        manifest.write_text(bad)
        with pytest.raises(NativeError, match=said):
            Native(compiled("toy"), cache=cache, checkpoint=folder, resume=True).search()
    manifest.write_text(good)
    # What lies behind the part that the manifest counts is never read.
    with (folder / "words.bin").open("ab") as f:
        f.write(b"torn")
    kept = Native(compiled("toy"), cache=cache, checkpoint=folder, resume=True)
    assert kept.search().levels == [1, 3, 3, 2, 2]
    (folder / "via.bin").unlink()
    with pytest.raises(NativeError, match="cannot be used"):
        Native(compiled("toy"), cache=cache, checkpoint=folder, resume=True).search()


@pytest.mark.parametrize("every", [0.0, 60.0])
def test_a_search_that_cannot_be_saved_goes_on(
    every: float, monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    """As on a full disk, during the search or at its end."""

    def full(self: Checkpoint) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoint, "_save", full)
    notes: list[str] = []
    engine = Native(compiled("toy"), cache=cache, checkpoint=tmp_path, every=every)
    found = engine.search(watch=Watch(note=notes.append))
    assert (found.complete, found.levels) == (True, [1, 3, 3, 2, 2])
    (note,) = notes
    assert "cannot be written: [Errno 28] No space left on device; the search goes on" in note


def test_a_link_in_the_place_of_a_file_is_not_followed(cache: Path, tmp_path: Path) -> None:
    other, folder = tmp_path / "other", tmp_path / "kept"
    other.write_bytes(b"mine")
    folder.mkdir()
    (folder / "words.bin").symlink_to(other)
    Native(compiled("toy"), cache=cache, checkpoint=folder).search(budget=Budget(states=5))
    assert other.read_bytes() == b"mine"
    assert not (folder / "words.bin").is_symlink()
    (folder / "words.bin").replace(other)
    (folder / "words.bin").symlink_to(other)
    with pytest.raises(CheckpointError, match=r"words\.bin is not a file"):
        Native(compiled("toy"), cache=cache, checkpoint=folder, resume=True).search()


@pytest.mark.parametrize("resume", [False, True])
def test_a_place_where_no_folder_can_be_is_refused(
    resume: bool, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be used"):
        Native(
            compiled("toy"), cache=cache, checkpoint=tmp_path / "file" / "kept", resume=resume
        ).search()


CHILD = """
import sys
from pathlib import Path
from checker.engines import native, native_source
from tests.checker.test_native import asked
native.SLICE = 50
_, questions, c = asked("tls12-small")
kept = Path(sys.argv[2])
engine = native.Native(c, cache=Path(sys.argv[1]), checkpoint=kept, every=0.0, resume=True)
print("begun", flush=True)
found = engine.search(questions)
print("ended", found.states, found.complete, flush=True)
"""


@pytest.mark.deep
def test_a_killed_search_goes_on(cache: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments, until a process ends by itself."""
    _, questions, c = asked("tls12-small")
    whole = copies(questions)
    wanted = Native(c, cache=cache).search(whole)
    folder, clock = tmp_path / "kept", random.Random(7)
    manifest = folder / "manifest.json"
    killed, counts = 0, [0]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    # On a busy machine the first ones are killed before they keep anything.
    while killed < 5 or (not counts[-1] and killed < 100):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(cache), str(folder)],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(clock.uniform(0.05, 0.5) * (1 + killed / 5))
        child.kill()
        said = child.stdout.read()
        child.stdout.close()
        child.wait()
        if said:
            break
        killed += 1
        if manifest.exists():
            counts.append(json.loads(manifest.read_text())["count"])
    assert killed
    assert counts == sorted(counts)
    assert counts[-1] > 0
    rest = copies(questions)
    engine = Native(c, cache=cache, checkpoint=folder, resume=True)
    found = engine.search(rest)
    assert (found.complete, found.levels) == (True, wanted.levels)
    assert rest == whole
    assert len({engine.state(i) for i in range(found.states)}) == found.states


def test_a_checkpoint_has_one_writer(cache: Path, tmp_path: Path) -> None:
    other: list[str] = []

    def progress(result: Any, n: int) -> None:
        with pytest.raises(NativeError, match="in use by another search") as e:
            Native(compiled("toy"), cache=cache, checkpoint=tmp_path, resume=True).search()
        other.append(str(e.value))

    found = Native(compiled("toy"), cache=cache, checkpoint=tmp_path).search(
        watch=Watch(progress=progress)
    )
    assert found.complete
    assert len(other) >= 5


@pytest.mark.deep
def test_states_can_lie_on_a_disk(cache: Path, tmp_path: Path) -> None:
    _, questions, c = asked("tls12-small")
    whole, spilled = copies(questions), copies(questions)
    inside, outside = Native(c, cache=cache), Native(c, cache=cache, spill=tmp_path / "spill")
    wanted = inside.search(whole)
    found = outside.search(spilled)
    assert (found.complete, found.levels) == (True, wanted.levels)
    assert spilled == whole
    assert inside.held - outside.held == found.states * sum(native.HELD)
    assert [outside.state(i) for i in range(0, found.states, 999)] == [
        inside.state(i) for i in range(0, found.states, 999)
    ]
    assert list((tmp_path / "spill").iterdir()) == []
    kept = tmp_path / "kept"
    Native(c, cache=cache, spill=tmp_path, checkpoint=kept).search(
        copies(questions), Budget(states=70_000)
    )
    again = Native(c, cache=cache, spill=tmp_path, checkpoint=kept, resume=True).search(
        copies(questions)
    )
    assert (again.complete, again.levels) == (True, wanted.levels)


@pytest.mark.parametrize("threads", deep_but([2], [1, 2]))
def test_states_go_to_a_disk_when_the_budget_ends(
    threads: int, monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    """In the middle of a search; nothing else changes, and nothing is left behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(native, "SLICE", 1_000)
    monkeypatch.setattr(native, "PIECE", 10_000)
    monkeypatch.setattr(native_source, "TOGETHER", 1)
    _, questions, c = asked("tls12-small")
    whole, again = copies(questions), copies(questions)
    inside, outside = Native(c, cache=cache), Native(c, cache=cache, overflow=True)
    wanted = inside.search(whole)
    notes: list[str] = []
    found = outside.search(
        again, Budget(memory=4_000_000), watch=Watch(note=notes.append, threads=lambda: threads)
    )
    assert (found.complete, found.levels) == (True, wanted.levels)
    assert again == whole
    assert arrays(outside) == arrays(inside)
    assert outside.held < 4_000_000 < inside.held
    (note,) = notes
    assert re.fullmatch(
        r"the memory budget of 4000000 bytes ended: ([\d,]+) bytes of states go to files in "
        + re.escape(str(tmp_path)),
        note,
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.deep
def test_the_index_stays_in_memory(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(native, "SLICE", 64)
    c = compiled_small()
    engine = Native(c, cache=cache, overflow=True)
    found = engine.search(budget=Budget(memory=100_000))
    assert not found.complete
    assert found.reason == (
        "the memory budget of 100000 bytes ended; the states are on a disk, their index is not"
    )
    alone = Native(c, cache=cache).search(budget=Budget(memory=100_000))
    assert alone.reason == "the memory budget of 100000 bytes ended"
    assert found.states > 2 * alone.states


@pytest.mark.deep
def test_states_go_to_a_disk_when_the_system_has_little_left(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    left = [1 << 30]
    monkeypatch.setattr(native.room, "memory", lambda: (1 << 30, left[0]))
    for name, value in (("LOOK", 0.0), ("SMALL", 100_000), ("SLICE", 1_000)):
        monkeypatch.setattr(native, name, value)

    def progress(result: Search, n: int) -> None:
        if result.states > 20_000:
            left[0] = (1 << 26) - 1

    c = compiled_small()
    notes: list[str] = []
    engine = Native(c, cache=cache, overflow=True)
    found = engine.search(watch=Watch(note=notes.append, progress=progress))
    assert (found.complete, found.states) == (True, 339_975)
    (note,) = notes
    assert note.startswith("memory is short: 67,108,863 bytes are left of 1,073,741,824: ")
    assert engine.held < 339_975 * 14
    # A search that holds little has nothing to give.
    monkeypatch.setattr(native, "SMALL", 1 << 26)
    again = Native(c, cache=cache, overflow=True)
    assert again.search(watch=Watch(note=notes.append)).complete
    assert len(notes) == 1
    assert again.held > 339_975 * 14
    # Without leave, or with a budget of its own, it does not look.
    monkeypatch.setattr(native, "SMALL", 0)
    assert Native(c, cache=cache).search(watch=Watch(note=notes.append)).complete
    assert again.search(budget=Budget(memory=1 << 30), watch=Watch(note=notes.append)).complete
    assert len(notes) == 1


@pytest.mark.scenario
def test_an_index_that_does_not_fit_ends_the_search(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(native.room, "memory", lambda: (1 << 30, 1_000))
    monkeypatch.setattr(native, "LOOK", 0.0)
    monkeypatch.setattr(native, "SLICE", 64)
    notes: list[str] = []
    found = Native(compiled_small(), cache=cache, overflow=True).search(
        watch=Watch(note=notes.append)
    )
    assert not found.complete
    assert found.reason == "memory is short; the states are on a disk, their index is not"
    assert len(notes) == 1
    monkeypatch.setattr(native.room, "memory", lambda: None)
    assert Native(compiled_small(), cache=cache, overflow=True).search().complete


@pytest.mark.scenario
def test_no_disk_for_the_states(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def none(size: int) -> Path:
        raise native.room.RoomError(f"{size} bytes: none")

    monkeypatch.setattr(native, "SLICE", 64)
    monkeypatch.setattr(native.room, "disk", none)
    found = Native(compiled_small(), cache=cache, overflow=True).search(
        budget=Budget(memory=100_000)
    )
    assert re.fullmatch(
        r"the memory budget of 100000 bytes ended; no disk for the states: \d+ bytes: none",
        found.reason,
    )
    gone = Path("/no/such/folder")
    monkeypatch.setattr(native.room, "disk", lambda size: gone)
    found = Native(compiled_small(), cache=cache, overflow=True).search(
        budget=Budget(memory=100_000)
    )
    assert found.reason.endswith("no file for the states: No such file or directory")
    assert 0 < found.states < 339_975


@pytest.mark.deep
def test_a_search_goes_on_though_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    """Kept states are read to the disk at once where they would not fit into memory."""
    _, questions, c = asked("tls12-small")
    whole, rest = copies(questions), copies(questions)
    inside = Native(c, cache=cache)
    inside.search(whole)
    Native(c, cache=cache, checkpoint=tmp_path).search(copies(questions), Budget(states=250_000))
    notes: list[str] = []
    engine = Native(c, cache=cache, overflow=True, checkpoint=tmp_path, resume=True)
    found = engine.search(rest, Budget(memory=4_000_000), watch=Watch(note=notes.append))
    assert found.complete
    assert rest == whole
    assert arrays(engine) == arrays(inside)
    assert [n.partition(":")[0] for n in notes] == ["250,000 states need more than 4,000,000 bytes"]


def test_the_objects_used_least_recently_are_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def objects() -> set[Path]:
        return set(tmp_path.glob("*.so"))

    def another() -> None:
        monkeypatch.setattr(native_source, "TOGETHER", native_source.TOGETHER + 1)
        Native(compiled("counters"), cache=tmp_path).search()

    another()
    (first,) = objects()
    another()
    (second,) = objects() - {first}
    for age, path in ((20, second), (10, first)):
        os.utime(path, (time.time() - age,) * 2)
    size = sum(p.stat().st_size for p in (first, second))
    monkeypatch.setattr(native_source.cache, "CACHED", size + 100)
    another()
    assert len(objects()) == 2
    assert first in objects() and second not in objects()
    # The one just made is there whatever its size.
    monkeypatch.setattr(native_source.cache, "CACHED", 0)
    another()
    assert len(objects()) == 1
