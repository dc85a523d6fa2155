"""What is installed here, what each part gives, and how to get the others."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from checker.report.columns import columns
from checker.report.document import document


@dataclass(frozen=True)
class Part:
    """A package or program."""

    name: str
    gives: str
    get: str
    """The command that installs it, or the words that say how."""
    needed: bool = False


def extra(name: str) -> str:
    """The command that installs an extra of this project."""
    return f"pip install '.[{name}]'"


CORE = "pip install ."
PACKAGES = (
    Part("transitions", "the state machines", CORE, True),
    Part("networkx", "the graph of the reference engine", CORE, True),
    Part("z3-solver", "proofs, checked again", CORE, True),
    Part("python-sat", "proofs, found", CORE, True),
    Part("graphviz", "the text of diagrams", CORE, True),
    Part("numpy", "searches without a C compiler, and all proofs", CORE, True),
    Part("cvc5", "a second opinion on certificates", extra("solvers")),
    Part("bitwuzla", "a third opinion on certificates", extra("solvers")),
    Part("cryptography", "live handshakes and captures: monitor, conform", extra("live")),
    Part("aalpy", "machines learned from running stacks: learn", extra("learn")),
    Part("pygraphviz", "pictures where there is no `dot`", extra("dot")),
    Part("argcomplete", "completion in the shell", extra("completion")),
    Part("pytest", "the fixture model_check, and the tests", extra("test")),
    Part("hypothesis", "the tests", extra("test")),
    Part("pytest-xdist", "the tests on all cores", extra("test")),
    Part("jsonschema", "the tests", extra("test")),
    Part("pyyaml", "the tests", extra("test")),
    Part("nbclient", "the tests of the notebook", extra("test")),
    Part("ipykernel", "the tests of the notebook", extra("test")),
)
"""The packages of Python, as pyproject.toml names them."""
PROGRAMS = (
    Part(
        "cc", "searches in C, which are faster than those in numpy", "apt-get install gcc libc6-dev"
    ),
    Part("dot", "pictures", "apt-get install graphviz"),
    Part("spin", "a second model checker: export promela", "apt-get install spin"),
    Part("openssl", "a stack to check: conform openssl", "apt-get install openssl"),
)
"""Programs, and how Debian's are installed; `$CC` and gcc count as `cc`."""


@dataclass(frozen=True)
class Found:
    """What there is of a part: its version or place; empty if nothing."""

    part: Part
    there: str


def packages() -> list[Found]:
    """The packages with their versions."""
    return [Found(p, _version(p.name)) for p in PACKAGES]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def programs() -> list[Found]:
    """The programs with their places."""
    compilers = (os.environ.get("CC", ""), "cc", "gcc")
    found = []
    for p in PROGRAMS:
        names = filter(None, compilers) if p.name == "cc" else (p.name,)
        found.append(Found(p, next(filter(None, map(shutil.which, names)), "")))
    return found


def machine() -> dict[str, str]:
    """What of the machine matters to a search."""
    from checker import cache
    from checker.engines.room import memory

    room, kept = memory(), cache.folder()
    return {
        "python": f"{sys.version.split()[0]} ({sys.executable})",
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": "not known" if room is None else f"{room[1] / 2**30:.1f} GiB left",
        "cache": f"{kept}{'' if _writable(kept) else ' (nothing can be written there)'}",
    }


def _writable(folder: Path) -> bool:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return os.access(there, os.W_OK)


def status(found: Sequence[Found]) -> int:
    """The exit status: 1 if something necessary is missing."""
    return int(any(f.part.needed and not f.there for f in found))


def as_text(found: Sequence[Found], about: dict[str, str]) -> str:
    """A table of the parts, and one of the machine."""
    rows = []
    for f in found:
        mark = " " if f.there else "!" if f.part.needed else "-"
        tail = f.part.gives if f.there else f"{f.part.gives}; missing: {f.part.get}"
        rows.append((f"{mark} {f.part.name}", f.there, tail))
    lines = [*columns(rows), "", *columns([(f"  {n}", v) for n, v in about.items()])]
    missing = [f.part.name for f in found if f.part.needed and not f.there]
    optional = sum(not f.there and not f.part.needed for f in found)
    last = f"missing: {', '.join(missing)}" if missing else "all that is necessary is there"
    return "\n".join([*lines, "", f"{last}; {optional} of the optional parts are not"])


def as_json(found: Sequence[Found], about: dict[str, str]) -> str:
    """The same as a JSON document."""
    parts: list[dict[str, Any]] = [
        {
            "name": f.part.name,
            "found": f.there or None,
            "gives": f.part.gives,
            "get": f.part.get,
            "needed": f.part.needed,
        }
        for f in found
    ]
    return document("doctor", parts=parts, machine=about)
