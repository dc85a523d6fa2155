"""The order of the work of a run: first what a person waits for.

That is the smallest scenario, so that something is seen at once; then the scenarios that have a
generation, an extension or a capability whose file was edited since the last whole run; then those
in which not all was as declared there; then the others, small before big.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import model
from checker.kept import Kept
from checker.request import size
from checker.verdict import Result
from model.extensions import chosen
from model.scenario import Scenario

ROOT = Path(model.__path__[0])
KEPT = "turn"


def files(where: Scenario) -> list[str]:
    """The files that a scenario has and not every other one, from the folder of the model.

    An extension outside the catalogue has no file there.
    """
    named = (
        *_generations(where),
        *(f"extensions/{e.name}.py" for e in chosen(where.extensions)),
        *(f"adversary/capabilities/{c}.py" for c in where.capabilities),
    )
    return [f for f in named if (ROOT / f).is_file()]


def _generations(where: Scenario) -> Iterator[str]:
    for end, config in (("client", where.client), ("server", where.server)):
        if "TLS13" in config.get("max_version", ("TLS13",)):
            yield f"generations/tls13_{end}.py"
        if config.get("min_version") != ("TLS13",):
            yield f"generations/tls12_{end}.py"


@cache
def _digest(file: str) -> str:
    return hashlib.sha256((ROOT / file).read_bytes()).hexdigest()


def ordered(every: Iterable[Scenario], kept: Kept | None) -> list[Scenario]:
    """The scenarios in the order of the work; without what is `kept` of a run, small ones first."""
    small = sorted(every, key=size)
    last = kept.read(KEPT) if kept else {}
    texts, odd = last.get("files"), last.get("odd")
    if not isinstance(texts, dict) or not isinstance(odd, list):
        return small

    def later(s: Scenario) -> int:
        edited = any(texts.get(f) != _digest(f) for f in files(s))
        return 0 if s is small[0] else 1 if edited else 2 if s.name in odd else 3

    return sorted(small, key=later)


def keep(every: Iterable[Scenario], results: Sequence[Result], kept: Kept) -> None:
    """Keep what the next run needs to know of a whole run."""
    texts = {f: _digest(f) for s in every for f in files(s)}
    odd = sorted({r.scenario for r in results if not r.as_declared})
    kept.write(KEPT, {"files": texts, "odd": odd})
