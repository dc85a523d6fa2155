"""Published flaws: one file a bug, as a patch of the fewest rows, guards or fields.

A file defines `FLAW`. Its patches take the sound role and give the flawed one; see `model.patch`.
`breaks` says, for each set of flawed ends, exactly the properties that fall in the flaw's scenario.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from model.extensions import extensions, with_needed
from model.folder import failure, modules
from model.near import UsageError, meant, unknown
from model.patch import (
    Operation,
    Patch,
    loosened,
    on_role,
    patched,
    with_effects,
    with_rows,
    without_check,
    without_fields,
)
from model.roles import role
from model.rule import Role

__all__ = [
    "Flaw",
    "Patch",
    "dropped",
    "find",
    "flaws",
    "loosened",
    "together",
    "with_effects",
    "with_rows",
    "without_check",
    "without_fields",
]


@dataclass(frozen=True)
class Flaw:
    """A published bug.

    `number` is its place in the catalogue of attacks, `source` the publication or CVE. `patches`
    are by role. `breaks` maps "client", "server" or "both" to the names of the properties that
    fall in `scenario` with those ends flawed, and only those; `shows` is the one whose trace tells
    the attack, a shortest one of `steps` steps. `local` are those among them that speak of the
    patched row alone: they fall without `capability`, too. `idle` are, by ends, the properties
    whose interesting case is gone, because no handshake completes.
    """

    name: str
    number: int
    title: str
    source: str
    scenario: str
    patches: Mapping[str, Patch]
    breaks: Mapping[str, Sequence[str]]
    shows: str = ""
    steps: int = 0
    capability: str | None = None
    local: Sequence[str] = ()
    idle: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def roles(self, end: str, extensions: tuple[str, ...] = ()) -> tuple[Role, Role]:
        """Client and server with `end` ("client", "server" or "both") flawed."""
        return self._role("client", end, extensions), self._role("server", end, extensions)

    def _role(self, name: str, end: str, extensions: tuple[str, ...]) -> Role:
        sound = role(name, extensions)
        return patched(sound, self.patches.get(name, ())) if end in (name, "both") else sound

    @property
    def ends(self) -> tuple[str, ...]:
        """The sets of ends it can be checked with; the one that shows the attack first."""
        return tuple(self.breaks)


@on_role
def together(role: Role, *patches: Patch) -> Role:
    """Several patches as one, which a tuple of them is, too."""
    return patched(role, patches)


@cache
def flaws() -> dict[str, Flaw]:
    """Every flaw by name, sorted by file."""
    return {m.FLAW.name: m.FLAW for m in modules(__name__, "FLAW").values()}


def find(spec: str) -> tuple[Flaw, str]:
    """`NAME`, `NAME@client`, `NAME@server` or a path to a file with `FLAW`: flaw and ends.

    UsageError with the near names, or with the line of a file that cannot be read.
    """
    name, _, end = spec.partition("@")
    flaw = _from_file(Path(name)) if name.endswith(".py") else flaws()[meant("flaw", name, flaws())]
    end = end or flaw.ends[0]
    if end not in ("client", "server", "both"):
        raise UsageError(f"a flaw is at client, server or both ends, not {end!r}")
    return flaw, end


def _from_file(path: Path) -> Flaw:
    if not path.is_file():
        raise UsageError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(f"flaw_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as e:
        raise UsageError(failure(e, path)) from e
    flaw = getattr(module, "FLAW", None)
    if not isinstance(flaw, Flaw):
        raise UsageError(f"{path} defines no FLAW = Flaw(...); see model/flaws for examples")
    return flaw


def dropped(spec: str) -> Flaw:
    """`--drop ROW`, `ROW:CHECK` or `ROW:FIELD`: a generated flaw with one check or field dropped.

    A field is one that the row's message signs or MACs, and is then left out at both ends.
    UsageError with the near names.
    """
    name, _, what = spec.partition(":")
    places = [
        (of, r)
        for names in ((), *((n,) for n in extensions()))
        for of in (role(end, with_needed(*names)) for end in ("client", "server"))
        for r in of.table
    ]
    drops: dict[str, tuple[Operation, tuple[str, ...]]] = {}
    for of, r in places:
        if r.name == name:
            if r.checks:
                drops.setdefault("", (without_check(name), (of.name,)))
            for c in r.checks:
                drops.setdefault(c.name, (without_check(name, c.name), (of.name,)))
            for f in of.covered.get(r.event, ()):
                drops.setdefault(f, (without_fields(r.event, f), ("client", "server")))
    if not drops and any(r.name == name for _, r in places):
        raise UsageError(f"{name} has no check to drop")
    if not drops:
        names = (r.name for _, r in places if r.checks)
        raise UsageError(unknown("rule with checks", name, names))
    change, ends = drops[meant(f"check or field of {name}", what, drops)]
    end = ends[0] if len(ends) == 1 else "both"
    return Flaw(spec, 0, str(change), "generated", "", dict.fromkeys(ends, change), {end: ()})
