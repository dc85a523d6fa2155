"""A search in C saved in a folder, from which it can be resumed."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from checker import cache
from checker.engines.interface import Question
from checker.engines.native_calls import DONE, NEVER
from checker.engines.native_source import NativeError
from model.near import UsageError
from model.system import Compiled

FORMAT = 2
MANIFEST = "manifest.json"
LARGEST = 1 << 26
"""The most bytes of a manifest: some millions of levels."""


class CheckpointError(NativeError, UsageError):
    """A folder that keeps no search that can go on, or not this one."""


class Kept(Protocol):
    """What a checkpoint reads and restores of a search in C (`native.Native`)."""

    compiled: Compiled
    checkpoint: Path | None
    resume: bool
    head: Any
    lib: Any
    sizes: tuple[int, int, int]
    bounds: list[int]
    asked: int

    def saved(self, k: int, begin: int, end: int) -> Iterator[memoryview]: ...
    def spaces(self, k: int, rows: int) -> Iterator[memoryview]: ...
    def crew(self) -> int: ...


class Checkpoint:
    """A search saved in a folder: three data files that only grow, and `manifest.json`.

    Data that the manifest does not count is ignored, so a process that dies while writing loses
    only the states after the last manifest.
    """

    NAMES = ("words.bin", "parent.bin", "via.bin")

    def __init__(
        self,
        engine: Kept,
        questions: Sequence[Question],
        identity: str,
        expect: Callable[[int], None],
    ) -> None:
        assert engine.checkpoint is not None
        folder = self.folder = engine.checkpoint
        self.engine, self.questions, self.identity = engine, questions, identity
        self.rows = 0
        self.sums = [0, 0, 0]
        manifest = folder / MANIFEST
        self.lock: IO[bytes] | None = None
        self.files: list[IO[bytes]] = []
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock()
            found = manifest.exists()
            if found and not engine.resume:
                raise CheckpointError(f"{folder} keeps a search: resume it, or remove the folder")
            data = self._read(manifest) if found else None
            self._open(data)
            if data is not None:
                expect(int(data["count"]))
                self._restore(data)
        except cache.UnsafeError as e:
            self.close()
            raise CheckpointError(str(e)) from e
        except OSError as e:
            self.close()
            raise CheckpointError(f"the checkpoint in {folder} cannot be used: {e}") from e
        except BaseException:
            self.close()
            raise

    def _open(self, data: Mapping[str, Any] | None) -> None:
        """Open the data files; those kept must be as long as the manifest `data` says."""
        for name, size in zip(self.NAMES, self.engine.sizes, strict=True):
            path = self.folder / name
            if data is None:
                path.unlink(missing_ok=True)  # perhaps a link to a file elsewhere
            else:
                cache.refuse_shared(path)
                if path.stat().st_size < data["count"] * size:
                    raise CheckpointError(f"{name} in {self.folder} is too short")
            self.files.append(path.open("x+b" if data is None else "r+b", buffering=0))

    def _lock(self) -> None:
        """Lock the folder for this process until its end; the error if another has the lock."""
        import fcntl

        self.lock = (self.folder / "lock").open("ab")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise CheckpointError(f"{self.folder} is in use by another search: {e}") from e

    def close(self) -> None:
        """Close the files."""
        for f in (self.lock, *self.files):
            if f is not None:
                f.close()

    def _read(self, manifest: Path) -> dict[str, Any]:
        """The manifest; CheckpointError if it is damaged, of another search or of another user."""
        try:
            cache.refuse_shared(self.folder, is_folder=True)
            cache.refuse_shared(manifest)
            if manifest.stat().st_size > LARGEST:
                raise ValueError(f"it has more than {LARGEST:,} bytes")
            data = json.loads(manifest.read_text(encoding="utf-8"))
            version, identity = data["format"], data["system"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as e:
            raise CheckpointError(f"{manifest} is not a manifest: {e}") from e
        if version != FORMAT:
            raise CheckpointError(f"{manifest} has format {version}, not {FORMAT}")
        if identity != self.identity:
            raise CheckpointError(
                f"{self.folder} keeps the search of another system or of other questions "
                f"({data.get('name')}); name another folder"
            )
        if data.pop("sum", None) != checksum(data):
            raise CheckpointError(f"{manifest} is damaged: its checksum does not fit")
        wrong = self._wrong(data)
        if wrong:
            raise CheckpointError(f"{manifest} is damaged: {wrong}")
        return dict(data)

    def _wrong(self, data: Mapping[str, Any]) -> str:
        """The first value of a manifest that is out of range; empty if none is.

        A checksum can be made for any values, and these say where C reads and writes.
        """
        count, bounds = data.get("count"), data.get("bounds")
        if not _within(count, 0, 1 << 32):
            return "count"
        most, steps = int(count or 0) + 1, len(self.engine.compiled.steps)
        if not isinstance(bounds, list) or not _list(bounds, lambda n: _within(n, 0, most)):
            return "bounds"
        if bounds != sorted({0, *bounds}):
            return "bounds"
        fits = {
            "next": _within(data.get("next"), 0, bounds[-1] + 1),
            "asked": _within(data.get("asked"), 0, most),
            "seen": _list(data.get("seen"), lambda n: n is None or _within(n, 0, count))
            and len(data["seen"]) == len(self.questions),
            "edges": _list(
                data.get("edges"),
                lambda e: (
                    _list(e, lambda n: _within(n, 0, 1 << 63)) and len(e) == 2 and e[0] < steps
                ),
            ),
            "sums": _list(data.get("sums"), lambda n: _within(n, 0, 1 << 32))
            and len(data["sums"]) == len(self.NAMES),
        }
        return next((name for name, fit in fits.items() if not fit), "")

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Read the arrays into the engine, and build the index again."""
        engine = self.engine
        head, lib = engine.head.contents, engine.lib
        rows = int(data["count"])
        if lib.search_room(engine.head, rows) != DONE:
            raise NativeError(f"no room for the {rows} states kept in {self.folder}")
        for k, f in enumerate(self.files):
            total = 0
            for view in self.engine.spaces(k, rows):
                got = 0
                while got < len(view):
                    n = f.readinto(view[got:])  # type: ignore[attr-defined]
                    if not n:
                        raise CheckpointError(f"{self.NAMES[k]} in {self.folder} is too short")
                    got += n
                total = zlib.crc32(view, total)
            if total != data["sums"][k]:
                raise CheckpointError(f"{self.NAMES[k]} in {self.folder} is damaged")
            self.sums[k] = total
        if lib.search_restore(engine.head, rows) != DONE:
            raise NativeError(f"no memory for the index of the {rows} states in {self.folder}")
        self.rows = rows
        head.next = data["next"]
        engine.bounds = list(data["bounds"])
        engine.asked = data["asked"]
        # Arrays of a known length: an index outside is an error, and never a place in memory.
        seen = (ctypes.c_uint64 * len(self.questions)).from_address(_address(head.seen))
        for i, row in enumerate(data["seen"]):
            seen[i] = NEVER if row is None else row
        edges = (ctypes.c_uint64 * len(engine.compiled.steps)).from_address(_address(head.edges))
        for i, n in data["edges"]:
            edges[i] = n

    def save(self) -> None:
        """Append the new states, then replace the manifest; at return both are on disk.

        NativeError if that fails, as on a full disk; the last manifest is still valid.
        """
        try:
            self._save()
        except OSError as e:
            raise NativeError(f"the checkpoint in {self.folder} cannot be written: {e}") from e

    def _save(self) -> None:
        engine = self.engine
        head = engine.head.contents
        rows, sums = int(head.count), list(self.sums)
        for k, f in enumerate(self.files):
            f.seek(self.rows * engine.sizes[k])
            for view in self.engine.saved(k, self.rows, rows):
                done = 0
                while done < len(view):
                    done += f.write(view[done:])
                sums[k] = zlib.crc32(view, sums[k])
            os.fsync(f.fileno())
        self.sums, self.rows = sums, rows
        seen = [int(head.seen[i]) for i in range(len(self.questions))]
        edges = [(i, int(head.edges[i])) for i in range(len(engine.compiled.steps))]
        data = {
            "format": FORMAT,
            "name": engine.compiled.system.name,
            "system": self.identity,
            "count": rows,
            "next": int(head.next),
            "bounds": engine.bounds,
            "asked": engine.asked,
            "seen": [None if x == NEVER else x for x in seen],
            "sums": sums,
            "edges": [e for e in edges if e[1]],
        }
        temporary = self.folder / f"{MANIFEST}.new"
        with temporary.open("w", encoding="utf-8") as out:
            json.dump(data | {"sum": checksum(data)}, out)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(self.folder / MANIFEST)
        # The rename itself is on disk when the folder is.
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def checksum(data: Mapping[str, Any]) -> str:
    """The checksum of a manifest's other values."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _address(pointer: Any) -> int:
    return ctypes.addressof(pointer.contents)


def _list(value: Any, fits: Callable[[Any], bool]) -> bool:
    """Whether a value is a list of values that fit."""
    return isinstance(value, list) and all(map(fits, value))


def _within(value: Any, low: int, high: Any) -> bool:
    """Whether a value is a whole number from `low` up to `high`, without `high` itself."""
    return type(value) is int and low <= value < high
