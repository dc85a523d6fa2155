"""Choosing an engine: the kinds, the options of each, and the engine for a search."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.near import UsageError

if TYPE_CHECKING:
    from checker.engines.interface import Engine
    from model.system import Compiled

EXPLICIT, REFERENCE, SYMBOLIC, LIVENESS = "explicit", "reference", "symbolic", "liveness"
ROWS = "rows"
"""Whether the rows of a patch ever fire, asked of a solver where nothing is searched."""
CHECKPOINT_SECONDS = 10.0


@dataclass(frozen=True)
class Kind:
    """A kind of engine."""

    summary: str
    done: str  # to a scenario: "searched", "proved"
    takes: tuple[str, ...]  # names of options


SEARCH = ("time", "states", "memory", "backend", "spill")
ENGINES = {
    REFERENCE: Kind(
        "fires the transitions machines into a networkx graph; judges the others",
        "fired",
        ("time", "states"),
    ),
    EXPLICIT: Kind(
        "breadth-first search compiled to C or, without a compiler, to numpy",
        "searched",
        (*SEARCH, "checkpoint", "resume", "stop-at-first"),
    ),
    SYMBOLIC: Kind(
        "unbounded proof by PDR, each invariant re-checked by Z3",
        "proved",
        # Searches confirm a violation that a solver found, and look for interesting cases.
        (*SEARCH, "certificates"),
    ),
}
"""The engines that can be asked for by name."""
ORDER = (REFERENCE, EXPLICIT, LIVENESS, ROWS, SYMBOLIC)
"""All kinds, in the order they run. Liveness is decided on the reference engine's whole graph."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to search."""

    backend: str = ""  # "c", "numpy", or empty: C if there is a compiler
    checkpoint: str = ""  # the folder where a search is saved
    resume: bool = False  # go on with the saved search
    # The folder for files of states; empty: the temporary folder once memory is short; "none": no
    # files at all.
    spill: str = ""

    @property
    def folder(self) -> str:
        """The folder that holds the states from the start; empty if they start in memory."""
        return "" if self.spill == "none" else self.spill


PLAIN = Options()


def refuse(flags: Iterable[str], engines: Collection[str]) -> None:
    """Raise UsageError for an option that none of the engines takes."""
    for flag in flags:
        if not any(flag in ENGINES[n].takes for n in engines):
            takers = " and ".join(n for n, e in ENGINES.items() if flag in e.takes)
            raise UsageError(
                f"--engine {' and '.join(engines)} cannot be combined with --{flag}, "
                f"which is for {takers}"
            )


def in_c(options: Options) -> bool:
    """Whether a search runs in C; UsageError if the options cannot be met here."""
    from checker.engines.native_source import available

    why = available()
    if options.folder and not Path(options.folder).is_dir():
        raise UsageError(f"--spill: there is no folder {options.folder}; make it first, or none")
    if options.backend == "c" and why:
        raise UsageError(f"--backend c: {why}")
    if options.backend != "numpy" and not why:
        return True
    if options.checkpoint or options.folder:
        raise UsageError(
            f"--checkpoint, --resume and --spill need the search in C: "
            f"{why or 'leave out --backend numpy'}"
        )
    return False


def fallback(options: Options) -> str:
    """The reason why a search runs in numpy unasked, and the remedy; empty if none does."""
    from checker.engines.native_source import available

    why = "" if options.backend else available()
    return f"{why}: searches run in numpy, which takes longer; install gcc or clang" if why else ""


def searcher(
    compiled: Compiled,
    options: Options = PLAIN,
    *,
    edges: bool = False,
) -> Engine:
    """The engine of a breadth-first search."""
    if not in_c(options):
        from checker.engines.explicit import Explicit

        return Explicit(compiled, edges=edges)
    from checker.engines.native import Native

    def place(folder: str) -> Path | None:
        return Path(folder) / compiled.system.name if folder else None

    return Native(
        compiled,
        edges=edges,
        checkpoint=place(options.checkpoint),
        every=CHECKPOINT_SECONDS,
        resume=options.resume,
        spill=place(options.folder),
        overflow=not options.spill,
    )
