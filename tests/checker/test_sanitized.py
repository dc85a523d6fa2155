"""The search in C under the compiler's sanitizers: no checkpoint makes it leave its arrays."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from checker.engines.native_source import available

ROOT = Path(__file__).parents[2]
FLAGS = "-g -fsanitize=address,undefined -fno-sanitize-recover=undefined"

CHILD = """
import sys
import tempfile
from pathlib import Path

from checker.engines import native, native_source
from checker.engines.interface import Watch
from tests.checker.test_engines import COUNTS, compiled
from tests.hostile.kept import KEPT
from tests.hostile.law import case, wrong

native.SLICE, native_source.TOGETHER = 3, 1
for name, full, levels, edges in COUNTS:
    for threads in (1, 2):
        engine = native.Native(compiled(name, full=full), edges=threads == 1)
        assert engine.search(watch=Watch(threads=lambda: threads)).levels == levels
read = 0
for name in ("manifest", "array", "filled"):
    reader = KEPT[name]
    for number in range(int(sys.argv[1])):
        with tempfile.TemporaryDirectory() as folder:
            ended = reader.read(Path(folder), case(reader, f"{name} again", number))
        assert not wrong(reader, ended), (name, number, ended)
        read += ended.status == 0
print("read", read)
"""
OUTSIDE = """
import ctypes
from checker.engines import native
from tests.checker.test_engines import compiled

text = native.source()
beyond = "void beyond(Search *s) { ((volatile u64 *)s->seen)[s->questions + 1] = 0; }"
native.source = lambda: text + beyond
engine = native.Native(compiled("toy"))
engine.search()
engine.lib.beyond(engine.head)
"""


def sanitized(code: str, cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A Python process in which compiled searches have the sanitizers."""
    command = os.environ.get("CC") or "cc"
    library = subprocess.run(
        [*shlex.split(command), "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env={
            **os.environ,
            "CC": f"{command} {FLAGS}",
            "LD_PRELOAD": library,
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
            "XDG_CACHE_HOME": str(cache),
            "PYTHONPATH": str(ROOT),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of sanitized searches; skips where the sanitizers do not work."""
    if available():
        pytest.skip(available())
    folder = tmp_path_factory.mktemp("sanitized")
    # Whether they work is asked of a program of its own: that they see our arrays is the test.
    program = folder / "program"
    flags = [*shlex.split(os.environ.get("CC") or "cc"), *FLAGS.split(), "-x", "c", "-"]
    text = "int main(void) { return 0; }"
    made = subprocess.run([*flags, "-o", program], input=text, capture_output=True, text=True)
    if made.returncode or subprocess.run([program], capture_output=True).returncode:
        pytest.skip("the compiler has no sanitizers: install libasan and libubsan")
    return folder


@pytest.mark.deep
def test_a_write_outside_an_array_of_the_search_is_seen(cache: Path) -> None:
    done = sanitized(OUTSIDE, cache)
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr
    assert done.returncode != 0


@pytest.mark.deep
def test_no_checkpoint_makes_the_search_leave_its_arrays(cache: Path) -> None:
    """Manifests and arrays, most of them with checksums that fit."""
    done = sanitized(CHILD, cache, "300")
    assert done.returncode == 0, done.stderr[-3_000:]
    assert int(done.stdout.split()[1]) > 100  # much of it is read, and searched on from
