"""The user's cache folder: what is kept there, whole or not at all, and never without limit.

A file ends with a checksum of all before it. One that does not fit is as good as none. Nothing is
read that another user can write.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

NAME = "tls-handshake-model-checker"
CACHED = 1 << 27
"""The most bytes of files that are not in use."""
SUM = hashlib.sha256().digest_size


class UnsafeError(Exception):
    """A file or folder that another user can write, or that is not what it should be."""


def folder() -> Path:
    """The default folder."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        # The XDG specification says that a relative path is to be ignored.
        root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:  # a user without a home, as in a container
        return Path(tempfile.gettempdir()) / f"{NAME}-of-{os.geteuid()}"
    return root / NAME


def made(where: Path) -> Path:
    """The folder `where`, made if it is not there; OSError, or UnsafeError if others can write."""
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_shared(where, is_folder=True)
    return where


def refuse_shared(path: Path, *, is_folder: bool = False) -> None:
    """UnsafeError if another user can write `path`, or its type is not the expected one."""
    info = path.lstat()
    kind = stat.S_ISDIR(info.st_mode) if is_folder else stat.S_ISREG(info.st_mode)
    if not kind:
        raise UnsafeError(f"{path} is not a {'folder' if is_folder else 'file'}")
    if info.st_uid != os.geteuid():
        raise UnsafeError(f"{path} belongs to user {info.st_uid}: code there is not run")
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafeError(f"{path} can be written by others: code there is not run; chmod go-w it")


def write(target: Path, data: bytes) -> None:
    """Replace the file `target` by `data` and its checksum; on disk before it has its name."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=_prefix(), delete=False) as file:
        try:
            file.write(data + hashlib.sha256(data).digest())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o700)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    prune(target.parent, target)


def read(path: Path) -> bytes | None:
    """The data of a file; None if there is no such file, or its checksum does not fit.

    UnsafeError if another user can write the file.
    """
    try:
        refuse_shared(path)
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(data[:-SUM]).digest() != data[-SUM:]:
        return None
    with suppress(OSError):  # a folder that is only read
        os.utime(path)
    return data[:-SUM]


def building(where: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder within `where` for unfinished work; `prune` deletes it if this process is killed."""
    return tempfile.TemporaryDirectory(dir=where, prefix=_prefix())


def elsewhere() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder where the cache cannot be; `tidy` deletes it if this process is killed."""
    return tempfile.TemporaryDirectory(prefix=f"{NAME}-{os.getpid()}-")


def tidy() -> None:
    """Delete what killed processes of this user have not finished, in the cache or elsewhere."""
    with suppress(OSError):  # no temporary folder
        for path in (*_left(folder(), "build"), *_left(Path(tempfile.gettempdir()), NAME)):
            with suppress(OSError):  # another process has deleted it
                if path.lstat().st_uid == os.geteuid():
                    _delete(path)


def _prefix() -> str:
    return f"build-{os.getpid()}-"


def files(where: Path) -> dict[Path, os.stat_result]:
    """The files kept in a folder, each with what the system says of it."""
    out = {}
    for path in where.iterdir() if where.is_dir() else ():
        with suppress(FileNotFoundError):
            info = path.lstat()
            if stat.S_ISREG(info.st_mode) and not path.name.startswith("build-"):
                out[path] = info
    return out


def prune(where: Path, new: Path | None = None) -> None:
    """Delete the files used least recently, until those but `new` take at most `CACHED` bytes.

    What processes left unfinished that run no more goes, too. Another process may have deleted a
    file meanwhile, or may still have one open: an open object stays mapped.
    """
    for path in _left(where, "build"):
        _delete(path)
    held = 0
    infos = files(where)
    for path in sorted(infos, key=lambda p: (p == new, infos[p].st_mtime), reverse=True):
        held += infos[path].st_size
        if held > CACHED and path != new:
            path.unlink(missing_ok=True)


def _delete(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _left(where: Path, name: str) -> Iterator[Path]:
    """What is unfinished, under this name and its number, of processes that run no more."""
    for path in where.glob(f"{name}-*"):
        number = path.name.removeprefix(f"{name}-").partition("-")[0]
        if number.isdigit():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                yield path
            except OSError:
                pass


def clear(where: Path) -> None:
    """Delete all that is kept."""
    for path in files(where):
        path.unlink(missing_ok=True)
    prune(where)
