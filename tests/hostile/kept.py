"""The readers of what was kept on a disk: checkpoints, answers, compiled objects."""

from __future__ import annotations

import contextlib
import json
import random
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import checker.cache
from checker.engines.checkpoint import Checkpoint, checksum
from checker.engines.interface import Budget, Question, described
from checker.engines.native import Native
from checker.engines.native_source import NativeError, available
from checker.engines.symbolic import Proof, Prover
from checker.kept import Kept, identity_of
from tests.checker.test_engines import LAWS
from tests.hostile import mutations
from tests.hostile.law import Ended, Reader, called
from tests.toys import counters, handshake

# -- checkpoints, kept answers, objects ------------------------------------------------------------
TOY = handshake.system
LEVELS = [1, 3, 3, 2, 2]


def _toy(cache: Path | None = None, **options: Any) -> Native:
    reads = [q.expr for q in _questions()]
    return Native(TOY.compile(*reads), cache=cache or checker.cache.folder(), **options)


def _questions() -> list[Question]:
    return [
        Question("green", TOY.of("asker", "colour") == "green"),
        Question("warm", TOY.of("asker", "warm")),
        Question("never", TOY.of("answerer", "colour") == "green"),
    ]


@cache
def _checkpoint() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        _toy(checkpoint=Path(name)).search(_questions(), Budget(states=6))
        return {p.name: p.read_bytes() for p in Path(name).iterdir() if p.name != "lock"}


def _resumed(folder: Path, files: dict[str, bytes]) -> Ended:
    for name, data in files.items():
        (folder / name).write_bytes(data)

    def read() -> str:
        questions = _questions()
        found = _toy(checkpoint=folder, resume=True).search(questions)
        assert (found.complete, sum(found.levels)) == (True, sum(LEVELS)), found
        return ""

    return called(read)


def _manifest(folder: Path, data: bytes) -> Ended:
    return _resumed(folder, {**_checkpoint(), "manifest.json": data})


def _array(folder: Path, data: bytes) -> Ended:
    name, _, rest = data.partition(b"\n")
    return _resumed(folder, {**_checkpoint(), name.decode(): rest})


def _filled(folder: Path, data: bytes) -> Ended:
    """A search whose arrays hold anything, with checksums that fit: it ends, whatever it finds."""
    files = dict(_checkpoint())
    arrays = dict(zip(Checkpoint.NAMES, data.split(SEPARATOR), strict=True))
    manifest = json.loads(files["manifest.json"])
    sizes = [len(x) // n for x, n in zip(arrays.values(), _toy().sizes, strict=True)]
    manifest["count"] = count = min(sizes)
    for name in ("bounds", "next", "asked"):
        old = manifest[name]
        manifest[name] = [0, count] if name == "bounds" else min(old, count)
    manifest["seen"] = [None if n is None else min(n, count - 1) for n in manifest["seen"]]
    parts = zip(arrays.values(), _toy().sizes, strict=True)
    manifest["sums"] = [zlib.crc32(x[: count * n]) for x, n in parts]
    for name, content in {
        **arrays,
        "manifest.json": json.dumps(resummed(manifest)).encode(),
    }.items():
        (folder / name).write_bytes(content)

    def read() -> str:
        questions = _questions()
        engine = _toy(checkpoint=folder, resume=True)
        engine.search(questions, Budget(states=10_000))
        for q in questions:
            if q.state is not None:
                with contextlib.suppress(NativeError):  # no path, which is said
                    engine.path(q.state)
        return ""

    return called(read)


SEPARATOR = b"\n--\n"


def _of_arrays(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """One array made of anything, or cut or longer; never empty."""
    parts = data.split(SEPARATOR)
    i = chance.randrange(3)
    change = chance.choice((lambda x: chance.randbytes(len(x)), lambda x: x * 40, None))
    new = change(parts[i]) if change else mutations.of_bytes(parts[i], chance)
    parts[i] = new.replace(SEPARATOR, b"") + bytes(16)
    return SEPARATOR.join(parts)


def _of_array(data: bytes, chance: random.Random, other: bytes) -> bytes:
    name, _, rest = data.partition(b"\n")
    return name + b"\n" + mutations.of_bytes(rest, chance, other)


def _of_manifest(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A manifest with other values; half of those with a checksum that fits."""
    if chance.random() < 0.3:
        return mutations.of_bytes(data, chance, other)
    changed = mutations.of_json(json.loads(data), chance)
    if chance.random() < 0.9 and isinstance(changed, dict):
        changed = resummed(changed)
    return json.dumps(changed).encode()


def resummed(data: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the checksum of its other values."""
    rest = {k: v for k, v in data.items() if k != "sum"}
    return {**rest, "sum": checksum(rest)}


def _compiled() -> Any:
    return TOY.compile(*(q.expr for q in _questions()))


@cache
def _kept_search() -> Sequence[bytes]:
    engine, questions = _toy(), _questions()
    found = engine.search(questions)
    said: list[Any] = []
    kept = Kept("toy", said.append)
    kept.write = lambda kind, data: said.append(dict(data))  # type: ignore[method-assign]
    kept.keep_search(
        identity_of(_compiled(), questions),
        found,
        questions,
        lambda q: described(engine.compiled, engine.path(q.state or 0)),
    )
    return (json.dumps(said[0]).encode(),)


def _packed(folder: Path, name: str, data: bytes) -> tuple[Kept, list[str]]:
    """What is kept, with these data under a checksum that fits; and its notes."""
    notes: list[str] = []
    folder.chmod(0o700)
    checker.cache.write(folder / f"toy.{name}", zlib.compress(data))
    return Kept("toy", notes.append, folder), notes


def _search_again(folder: Path, data: bytes) -> Ended:
    kept, notes = _packed(folder, "search", data)

    def read() -> str:
        questions = _questions()
        found = kept.search(TOY, identity_of(_compiled(), questions), questions)
        if found is not None:
            assert found[0].levels == LEVELS, found
            assert [q.state is not None for q in questions] == [True, True, False], questions
        return "".join(f"{n}\n" for n in notes)

    return called(read)


@cache
def _kept_proofs() -> Sequence[bytes]:
    system = counters.system
    holds = [_law()]
    proof = Prover(system, holds).prove(holds[0])
    assert isinstance(proof, Proof)
    return (json.dumps({"law": vars(proof.found)}).encode(),)


def _law() -> Any:
    return next(law for name, law, holds in LAWS if name == "counters" and holds)


def _proofs_again(folder: Path, data: bytes) -> Ended:
    kept, notes = _packed(folder, "proofs", data)

    def read() -> str:
        proofs, law = next((p for p in kept.proofs() if p), {}), _law()
        prover = Prover(counters.system, [law])
        prover.recall(proofs.values())
        known = proofs.get("law")
        found = (prover.recalled(law, known) if known else None) or prover.prove(law)
        assert isinstance(found, Proof), found
        return "".join(f"{n}\n" for n in notes)

    return called(read)


@cache
def _kept_paths() -> Sequence[bytes]:
    engine, questions = _toy(), _questions()
    engine.search(questions)
    said: list[Any] = []
    kept = Kept("toy", said.append)
    kept.write = lambda kind, data: said.append(dict(data))  # type: ignore[method-assign]
    paths = [
        described(engine.compiled, engine.path(q.state)) for q in questions if q.state is not None
    ]
    kept.keep_witnesses(paths, ["0" * 20])
    return (json.dumps(said[0]).encode(),)


def _paths_again(folder: Path, data: bytes) -> Ended:
    """Whatever is kept, a path that is given is one of the system."""
    kept, notes = _packed(folder, "witnesses", data)

    def read() -> str:
        for path, states in kept.witnesses(TOY):
            assert len(path) == len(states)
        assert all(isinstance(d, str) for d in kept.unreached())
        return "".join(f"{n}\n" for n in notes)

    return called(read)


def _of_json(data: bytes, chance: random.Random, other: bytes) -> bytes:
    if chance.random() < 0.2:
        return mutations.of_bytes(data, chance, other)
    return json.dumps(mutations.of_json(json.loads(data), chance)).encode()


@cache
def _object_file() -> tuple[str, bytes]:
    """The name of the toy's object in a cache, and its bytes."""
    with tempfile.TemporaryDirectory() as name:
        _toy(Path(name)).search(_questions())
        (found,) = Path(name).glob("*.so")
        return found.name, checker.cache.read(found) or b""


def _object(folder: Path, data: bytes) -> Ended:
    """A cache with an object that is damaged, or that no system can load though its sum fits."""
    folder.chmod(0o700)
    path = folder / _object_file()[0]
    if data[:1] == b"+":
        checker.cache.write(path, data[1:])
    else:
        path.write_bytes(data[1:])
        path.chmod(0o700)

    def read() -> str:
        found = _toy(folder).search(_questions())
        assert found.levels == LEVELS
        return ""

    return called(read)


def _of_object(data: bytes, chance: random.Random, other: bytes) -> bytes:
    """A part of an object; with a checksum that fits ("+") only what no system would load."""
    if chance.random() < 0.3:
        return b"+" + data[: chance.randrange(64)]
    return b"-" + mutations.of_bytes(data, chance, b"")


KEPT = {"kept-proofs": Reader(_kept_proofs, _proofs_again, (0,), 50, _of_json)}
"""By name; without a C compiler there is no search to keep."""
if not available():
    KEPT |= {
        "kept-paths": Reader(_kept_paths, _paths_again, (0,), 50, _of_json),
        "kept-search": Reader(_kept_search, _search_again, (0,), 50, _of_json),
        "manifest": Reader(
            lambda: [_checkpoint()["manifest.json"]], _manifest, (0, 2), 80, _of_manifest
        ),
        "array": Reader(
            lambda: [b"%s\n%s" % (n.encode(), x) for n, x in _checkpoint().items() if "bin" in n],
            _array,
            (0, 2),
            40,
            _of_array,
        ),
        "filled": Reader(
            lambda: [SEPARATOR.join(_checkpoint()[n] for n in Checkpoint.NAMES)],
            _filled,
            (0, 2),
            40,
            _of_arrays,
        ),
        "object": Reader(lambda: [_object_file()[1]], _object, (0,), 15, _of_object),
    }
