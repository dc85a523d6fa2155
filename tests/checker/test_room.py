"""Memory left and disks for states, read from made-up system files."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from checker.engines import room
from checker.engines.room import RoomError, disk, lacking, memory

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


def files(root: Path, **texts: str) -> Path:
    """A tree with the files named; `__` stands for a slash, `_D_` for a dot."""
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_D_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def machine(root: Path, total: int = 1000, left: int = 800) -> Path:
    """A machine by its /proc/meminfo, in MiB."""
    return files(
        root,
        proc__meminfo=f"MemTotal: {total * 1024} kB\nMemFree: 3 kB\n"
        f"MemAvailable: {left * 1024} kB\nHugePages_Total: 0\n",
    )


def test_the_machine_alone(tmp_path: Path) -> None:
    assert memory(machine(tmp_path)) == (1000 * MIB, 800 * MIB)


def test_unknown_where_the_system_does_not_tell(tmp_path: Path) -> None:
    assert memory(tmp_path) is None
    assert memory(files(tmp_path, proc__meminfo="MemTotal: 1024 kB\n")) is None
    assert memory(files(tmp_path, proc__meminfo="what is this\n")) is None


def group(root: Path, most: str, used: int, inactive: int = 0, active: int = 0) -> None:
    """A control group of version 2, in MiB."""
    files(
        root,
        memory_D_max=most,
        memory_D_current=str(used * MIB),
        memory_D_stat=f"anon 1\ninactive_file {inactive * MIB}\nactive_file {active * MIB}\n",
    )


def test_the_least_of_all_groups_counts(tmp_path: Path) -> None:
    """An inner group and those around it, and cached files are not in use."""
    root = machine(tmp_path)
    files(root, proc__self__cgroup="0::/a/b\n")
    base = root / "sys/fs/cgroup"
    group(base / "a/b", "max", 5)
    assert memory(root) == (1000 * MIB, 800 * MIB)
    group(base / "a", str(300 * MIB), 250, inactive=20, active=10)
    assert memory(root) == (300 * MIB, 80 * MIB)
    group(base / "a/b", str(200 * MIB), 150)
    assert memory(root) == (200 * MIB, 50 * MIB)
    group(base / "a/b", str(200 * MIB), 250)
    assert memory(root) == (200 * MIB, 0)


def test_a_container_sees_its_group_as_the_root(tmp_path: Path) -> None:
    root = files(machine(tmp_path), proc__self__cgroup="0::/somewhere/outside\n")
    group(root / "sys/fs/cgroup", str(64 * MIB), 60)
    assert memory(root) == (64 * MIB, 4 * MIB)


def test_groups_of_version_1(tmp_path: Path) -> None:
    root = files(machine(tmp_path), proc__self__cgroup="5:cpu:/x\n4:memory,hugetlb:/job\n")
    files(
        root / "sys/fs/cgroup/memory/job",
        memory_D_limit_in_bytes=str(100 * MIB),
        memory_D_usage_in_bytes=str(90 * MIB),
        memory_D_stat=f"total_inactive_file {30 * MIB}\nactive_file {7 * MIB}\n",
    )
    # No limit is a very large number there.
    files(
        root / "sys/fs/cgroup/memory",
        memory_D_limit_in_bytes="9223372036854771712",
        memory_D_usage_in_bytes=str(2000 * MIB),
    )
    assert memory(root) == (100 * MIB, 40 * MIB)


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="no /proc")
def test_this_machine() -> None:
    found = memory()
    assert found is not None
    total, left = found
    assert 0 < left < total


# -- disks -----------------------------------------------------------------------------------------
MOUNTS = "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The temporary folder, by $TMPDIR."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def mounts(folder: Path, *more: str) -> Path:
    """A table of mounts: a disk, and what else is named."""
    path = folder / "mountinfo"
    path.write_text(MOUNTS + "".join(more))
    return path


def test_the_temporary_folder_is_taken_if_it_has_room(folder: Path) -> None:
    info = os.statvfs(folder)
    assert disk(1, mounts(folder)) == folder
    much = info.f_blocks * info.f_frsize * 2
    with pytest.raises(RoomError, match=rf"has room for [\d,]+ bytes, {much:,} are needed$"):
        disk(much, mounts(folder))


def test_a_folder_in_memory_is_refused(folder: Path) -> None:
    here = f"30 21 0:25 / {folder} rw shared:9 - tmpfs tmpfs rw\n"
    with pytest.raises(RoomError, match=r"is in memory itself \(tmpfs\)$"):
        disk(1, mounts(folder, here))
    # Another folder whose name only begins the same is no mount of it; a later mount hides it.
    assert disk(1, mounts(folder, here.replace(str(folder), str(folder)[:-1]))) == folder
    hidden = f"31 30 254:1 / {folder} rw - xfs /dev/vdb rw\n"
    assert disk(1, mounts(folder, here, hidden)) == folder


def test_without_tmpdir_there_is_var_tmp(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    monkeypatch.setattr(
        os, "statvfs", lambda f: SimpleNamespace(f_bavail=1, f_frsize=1 if f == Path("/tmp") else 9)
    )
    assert disk(1, mounts(folder)) == Path("/tmp")
    assert disk(5, mounts(folder)) == Path("/var/tmp")
    with pytest.raises(RoomError, match=r"^/tmp has room for 1 .*; /var/tmp has room for 9 bytes"):
        disk(50, mounts(folder))
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    with pytest.raises(RoomError, match=r"^/var/tmp has room for 9 bytes, 50 are needed$"):
        disk(50, mounts(folder))


def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(room.tempfile, "gettempdir", none)
    with pytest.raises(RoomError, match="No usable temporary directory"):
        disk(1)
    monkeypatch.setattr(room.tempfile, "gettempdir", lambda: str(tmp_path / "gone"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    with pytest.raises(RoomError, match="gone: No such file or directory"):
        disk(1, tmp_path / "no mounts")


# -- too little for the interpreter ----------------------------------------------------------------
def test_a_machine_or_group_may_be_too_small_to_begin(tmp_path: Path) -> None:
    assert lacking(machine(tmp_path, total=1000)) == ""
    assert lacking(machine(tmp_path, total=100)) == (
        "expected at least 167,772,160 bytes of memory (machine or control group), "
        "got a limit of 104,857,600"
    )
    root = files(machine(tmp_path), proc__self__cgroup="0::/a\n")
    group(root / "sys/fs/cgroup/a", str(64 * MIB), 60)
    assert lacking(root).endswith("got a limit of 67,108,864")


@pytest.mark.scenario
@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_that_is_too_small_to_begin_is_inconclusive(limit: str) -> None:
    """Not an abort of some library, with the status of a verdict that differs."""
    for size in (30, 60, 100, 150):

        def narrow(most: int = size * MIB) -> None:
            resource.setrlimit(getattr(resource, limit), (most, most))

        done = subprocess.run(
            [sys.executable, "-m", "checker", "verify", "ORD-1", "--scenario", "tls12-small"],
            capture_output=True,
            text=True,
            preexec_fn=narrow,
            cwd=ROOT,
        )
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert done.stderr.startswith("not decided: expected at least ")
        assert done.stderr.count("\n") == 1
