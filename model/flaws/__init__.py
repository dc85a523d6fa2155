"""Published flaws: one file a bug, as a patch of the fewest rows, guards or fields.

A file defines `FLAW`. A patch (see `model.patch`) makes the flawed role of the sound one.
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
from model.role import Role
from model.roles import role

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
    """A published bug. Ends are "client", "server" or "both"."""

    name: str
    number: int
    """The place in the catalogue of attacks."""
    title: str
    source: str
    """The publication or CVE."""
    scenario: str
    """The name of the scenario that has the attack."""
    patches: Mapping[str, Patch]
    """By role: the patch of the sound role."""
    breaks: Mapping[str, Sequence[str]]
    """By flawed ends: exactly the properties that fail in `scenario`."""
    shows: str = ""
    """The broken property whose trace tells the attack."""
    steps: int = 0
    """The length of the shortest such trace."""
    capability: str | None = None
    """The capability that the adversary needs."""
    local: Sequence[str] = ()
    """The broken properties that speak of the patched row alone and fail without `capability`."""
    idle: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By flawed ends: the properties without a witness, because no handshake completes."""

    def roles(self, end: str, extensions: tuple[str, ...] = ()) -> tuple[Role, Role]:
        """Client and server with `end` ("client", "server" or "both") flawed."""
        return self._role("client", end, extensions), self._role("server", end, extensions)

    def _role(self, name: str, end: str, extensions: tuple[str, ...]) -> Role:
        sound = role(name, extensions)
        return patched(sound, self.patches.get(name, ())) if end in (name, "both") else sound

    @property
    def ends(self) -> tuple[str, ...]:
        """The ends that can be flawed, those that show the attack first."""
        return tuple(self.breaks)


@on_role
def together(role: Role, *patches: Patch) -> Role:
    """Several patches as one operation."""
    return patched(role, patches)


@cache
def flaws() -> dict[str, Flaw]:
    """Every flaw by name, in the order of the files."""
    return {m.FLAW.name: m.FLAW for m in modules(__name__, "FLAW").values()}


def find(spec: str) -> tuple[Flaw, str]:
    """The flaw and the flawed ends of `NAME`, `NAME@END` or `FILE.py`, a file that defines `FLAW`.

    UsageError with the near names, or with the line at which the file fails.
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
    """A flaw without the checks of ROW, or the one check or field of `ROW:CHECK` or `ROW:FIELD`.

    A field is one that the row's message signs or MACs, and is left out at both ends.
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
