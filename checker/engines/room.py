"""Room for a search: the memory that is left, and a disk for the states.

Both are read from files of Linux. Elsewhere the memory is unknown and never counts as short.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

IN_MEMORY = ("tmpfs", "ramfs")
"""File systems whose files are in memory themselves."""


class RoomError(Exception):
    """No disk for the states; the message says why each folder was refused."""


def _numbers(path: Path) -> dict[str, int]:
    """The numbers of a file of lines `name number` or `name: number kB`, the latter in bytes.

    Empty if the file cannot be read as such.
    """
    out = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            name, number, *unit = line.split()
            out[name.rstrip(":")] = int(number) * (1024 if unit == ["kB"] else 1)
    except (OSError, ValueError):
        return {}
    return out


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # "max": no limit
        return None


def _groups(root: Path) -> Iterator[tuple[Path, str, str, str]]:
    """The control groups (v1 and v2) of this process, inner ones first.

    Each is its folder, the file names of its limit and its use, and the prefix in memory.stat. In a
    container the path that the kernel names may not exist; the root of the groups does.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, names, path = line.split(":", 2)
        if number == "0":
            base, what = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in names.split(","):
            base = root / "sys/fs/cgroup/memory"
            what = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        inner = Path(path.lstrip("/"))
        for part in dict.fromkeys((inner, *inner.parents)):
            yield (base / part, *what)


def memory(root: Path = Path("/")) -> tuple[int, int] | None:
    """The bytes that this process may have at most, and how many are left; None if unknown.

    Both are the least over the machine and the control groups. Memory that caches files counts as
    left, since the system takes it back. `root` is the folder of /proc and /sys.
    """
    machine = _numbers(root / "proc/meminfo")
    if "MemAvailable" not in machine or "MemTotal" not in machine:
        return None
    total, left = machine["MemTotal"], machine["MemAvailable"]
    for folder, limit, used, prefix in _groups(root):
        most, now = _number(folder / limit), _number(folder / used)
        if most is None or now is None or most > machine["MemTotal"]:
            continue
        stat = _numbers(folder / "memory.stat")
        files = sum(stat.get(f"{prefix}{n}_file", 0) for n in ("inactive", "active"))
        total, left = min(total, most), min(left, most - now + files)
    return total, max(0, left)


ADDRESSES, DATA = 1 << 28, 160 << 20
"""Bytes of address space, and of memory, without which the numeric libraries and the solvers cannot
be loaded: they would end the process, with a status of their own."""


def lacking(root: Path = Path("/")) -> str:
    """The limit that leaves too little memory to load the engines; empty if there is none."""
    import resource

    found = memory(root)
    limits = [
        ("address space (ulimit -v)", resource.getrlimit(resource.RLIMIT_AS)[0], ADDRESSES),
        ("data (ulimit -d)", resource.getrlimit(resource.RLIMIT_DATA)[0], DATA),
        ("memory (machine or control group)", found[0] if found else DATA, DATA),
    ]
    return next(
        (
            f"expected at least {least:,} bytes of {what}, got a limit of {most:,}"
            for what, most, least in limits
            if most != resource.RLIM_INFINITY and most < least
        ),
        "",
    )


def _kind(folder: Path, mounts: Path) -> str:
    """The type of the file system of a folder; empty if unknown."""
    best, kind = -1, ""
    real = folder.resolve()
    try:
        lines = mounts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        # Of two mounts on one point, the later hides the earlier.
        if (real == point or point in real.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def disk(size: int, mounts: Path = Path("/proc/self/mountinfo")) -> Path:
    """A folder with room for `size` bytes: the temporary folder or, without $TMPDIR, /var/tmp.

    RoomError if neither has room on a disk: a folder that is in memory itself does not count.
    """
    try:
        chosen = Path(tempfile.gettempdir())
    except FileNotFoundError as e:
        raise RoomError(e.strerror or str(e)) from e
    refused = []
    for folder in (chosen,) if os.environ.get("TMPDIR") else (chosen, Path("/var/tmp")):
        try:
            info = os.statvfs(folder)
        except OSError as e:
            refused.append(f"{folder}: {e.strerror}")
            continue
        room = info.f_bavail * info.f_frsize
        kind = _kind(folder, mounts)
        if kind in IN_MEMORY:
            refused.append(f"{folder} is in memory itself ({kind})")
        elif room < size:
            refused.append(f"{folder} has room for {room:,} bytes, {size:,} are needed")
        else:
            return folder
    raise RoomError("; ".join(dict.fromkeys(refused)))
