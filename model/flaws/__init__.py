"""Published flaws: one file a bug, as a patch of the fewest rows, guards or fields.

A file defines `FLAW`. A patch (see `model.patch`) makes the flawed role of the sound one. What a
file of your own needs comes from here: `from model.flaws import *`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from model import patch
from model.adversary.capabilities import capabilities
from model.expr import (
    BOOL,
    FALSE,
    TRUE,
    Domain,
    conj,
    const,
    disj,
    implies,
    ite,
    mapping,
    neg,
    same,
    var,
)
from model.extensions import extensions, with_needed
from model.folder import execute, failure, modules
from model.near import SHOWN, UsageError, meant, shown, unknown
from model.operation import Operation, Patch, content, patched
from model.patch import *  # noqa: F403 - all of them, for a file of one's own
from model.patch import without_check, without_fields
from model.principal import (
    Certificate,
    ClientOwner,
    Group,
    Key,
    ServerOwner,
    Suite,
    Version,
    client,
    server,
)
from model.role import Role
from model.roles import role
from model.rule import SAME, ModelError, check, receive, send, step
from model.scenario import EITHER, Scenario, own, scenario

__all__ = [
    "BOOL",
    "EITHER",
    "FALSE",
    "SAME",
    "TRUE",
    "Certificate",
    "ClientOwner",
    "Domain",
    "Flaw",
    "Group",
    "Key",
    "Scenario",
    "ServerOwner",
    "Suite",
    "Version",
    "check",
    "client",
    "combined",
    "conj",
    "const",
    "disj",
    "dropped",
    "find",
    "flaws",
    "implies",
    "ite",
    "mapping",
    "neg",
    "receive",
    "replace",
    "role",
    "same",
    "scenario",
    "send",
    "server",
    "step",
    "var",
]
__all__ += patch.__all__

ENDS = {"client": ("client",), "server": ("server",), "both": ("client", "server")}
"""By what a flaw is at: the roles that have it."""


@dataclass(frozen=True)
class Flaw:
    """A published bug, or one of your own, of which only `name` and `patches` must be said."""

    name: str
    number: int = 0
    """The place in the catalogue of attacks."""
    title: str = ""
    source: str = ""
    """The publication or CVE."""
    scenario: str | Scenario = ""
    """The scenario that has the attack: its name, or one of the flaw's own."""
    patches: Mapping[str, Patch] = field(default_factory=dict)
    """By role: the patch of the sound role."""
    breaks: Mapping[str, Sequence[str]] = field(default_factory=dict)
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
    cve: Sequence[str] = ()
    """The identifiers of the bug in CVE or another list, one for each stack that had it."""
    year: int = 0
    """The year of publication."""
    hit: str = ""
    """The implementations and versions that had the bug."""

    def __post_init__(self) -> None:
        """ModelError for a name that is nothing's, or an end without a patch."""
        for what in ("breaks", "idle"):
            for end, names in self._mapping(what).items():
                if isinstance(names, str) or not all(isinstance(n, str) for n in names):
                    raise ModelError(
                        f"flaw {self.name}, {what}: expected a list of names of properties for "
                        f"{shown(end)}, got {shown(names)}"
                    )
        self._mapping("patches")
        if not isinstance(self.scenario, str | Scenario):
            raise ModelError(
                f"flaw {self.name}: expected a scenario or its name, got {shown(self.scenario)}"
            )
        for end in self.patches:
            if end not in ENDS["both"]:
                raise ModelError(f"flaw {self.name}, patches: {unknown('end', end, ENDS['both'])}")
        if not self.patches:
            raise ModelError(f"flaw {self.name} changes nothing: its patches name no end")
        for end in (*self.breaks, *self.idle):
            self.at(end)
        if isinstance(self.scenario, str) and self.scenario:
            try:
                scenario(self.scenario)
            except UsageError as e:
                raise ModelError(f"flaw {self.name}: {e}") from e
        if self.capability is not None and self.capability not in capabilities():
            what = unknown("capability", self.capability, capabilities())
            raise ModelError(f"flaw {self.name}: {what}")

    def _mapping(self, what: str) -> Mapping[str, Any]:
        """The field `what`; ModelError if it is no mapping."""
        found = getattr(self, what)
        if not isinstance(found, Mapping):
            raise ModelError(
                f"flaw {self.name}, {what}: expected a mapping by end, got {shown(found)}"
            )
        return found

    def at(self, end: str) -> tuple[str, ...]:
        """The roles that are patched at `end`; ModelError if one has no patch."""
        if end not in ENDS:
            raise ModelError(f"flaw {self.name}: {unknown('end', end, ENDS)}")
        for name in ENDS[end]:
            if name not in self.patches:
                raise ModelError(
                    f"flaw {self.name} at {end} changes nothing in the {name}: "
                    f"it has a patch of the {', '.join(self.patches)} only"
                )
        return ENDS[end]

    def roles(self, end: str, extensions: tuple[str, ...] = ()) -> tuple[Role, Role]:
        """Client and server with `end` ("client", "server" or "both") flawed.

        ModelError for a patch that changes nothing or writes what is given to an end.
        """
        at = self.at(end)
        return self._role("client", at, extensions), self._role("server", at, extensions)

    def _role(self, name: str, at: Sequence[str], extensions: tuple[str, ...]) -> Role:
        sound = role(name, extensions)
        if name not in at:
            return sound
        flawed = patched(sound, self.patches[name])
        if content(flawed) == content(sound):
            raise ModelError(f"flaw {self.name} changes nothing in the {name}")
        given = [n for n in sound.configuration if n not in flawed.configuration]
        if given:
            raise ModelError(
                f"flaw {self.name} sets {', '.join(given)}, which is given to a {name}: "
                "properties read there what an end wants, so they would be blind"
            )
        return flawed

    @property
    def ends(self) -> tuple[str, ...]:
        """The ends that can be flawed, those that show the attack first."""
        if self.breaks:
            return tuple(self.breaks)
        return ("both", *self.patches) if len(self.patches) == 2 else tuple(self.patches)

    @property
    def reference(self) -> str:
        """The identifiers and the publication."""
        return "; ".join(filter(None, (", ".join(self.cve), self.source)))

    @property
    def where(self) -> str:
        """The name of the scenario that has the attack."""
        return self.scenario if isinstance(self.scenario, str) else self.scenario.name


@cache
def flaws() -> dict[str, Flaw]:
    """Every flaw by name, in the order of the files; ModelError if two have a name or number."""
    out: dict[str, Flaw] = {}
    for file, m in modules(__name__, "FLAW").items():
        flaw: Flaw = m.FLAW
        for other in out.values():
            if flaw.name == other.name or flaw.number == other.number != 0:
                raise ModelError(f"model/flaws/{file}.py: flaw {other.name} has its name or number")
        if isinstance(flaw.scenario, Scenario):
            own(flaw.scenario)
        out[flaw.name] = flaw
    return out


def of_file(spec: str) -> bool:
    """Whether a flaw is one of a file, and not of the catalogue."""
    return spec.partition("@")[0].endswith(".py")


def find(spec: str) -> tuple[Flaw, str]:
    """The flaw and the flawed ends of `NAME`, `NAME@END` or `FILE.py`, a file that defines `FLAW`.

    UsageError with the near names, or with the line at which the file fails.
    """
    name, _, end = spec.partition("@")
    flaw = _from_file(Path(name)) if of_file(spec) else flaws()[meant("flaw", name, flaws())]
    end = end or flaw.ends[0]
    try:
        flaw.at(end)
    except ModelError as e:
        raise UsageError(str(e)) from e
    return flaw, end


def _from_file(path: Path) -> Flaw:
    flaw = getattr(execute(path), "FLAW", None)
    if not isinstance(flaw, Flaw):
        raise UsageError(f"{path} defines no FLAW = Flaw(...); see model/flaws for examples")
    for what, most in (("name", SHOWN), ("title", 200), ("source", 200)):
        text = getattr(flaw, what)
        if not isinstance(text, str) or not text.isprintable() or len(text) > most:
            raise UsageError(
                f"{path}: expected a {what} of at most {most} visible characters, got {shown(text)}"
            )
    if isinstance(flaw.scenario, Scenario):
        try:
            own(flaw.scenario)
        except ModelError as e:
            raise UsageError(failure(e, path)) from e
    return flaw


def combined(name: str, parts: Iterable[tuple[Flaw, str]]) -> tuple[Flaw, str]:
    """Several flaws, each at its ends, as one, and the ends of that: patches are applied in order.

    The first says where it is checked, what it breaks and what shows it.
    """
    (first, end), *others = parts
    if not others:
        return first, end
    patches: dict[str, list[Patch]] = {}
    for flaw, ends in ((first, end), *others):
        for of in flaw.at(ends):
            patches.setdefault(of, []).append(flaw.patches[of])
    at = "both" if len(patches) == 2 else next(iter(patches))
    return replace(
        first,
        name=name,
        patches=patches,
        breaks={at: first.breaks.get(end, ())},
        idle={at: first.idle.get(end, ())},
    ), at


def dropped(spec: str, also: Iterable[Role] = ()) -> tuple[Flaw, str]:
    """A flaw without the checks of ROW, or the one check or field of `ROW:CHECK` or `ROW:FIELD`.

    A field is one that the row's message signs or MACs, and is left out at both ends. The row is
    one of the sound roles or of the roles `also`. UsageError with the near names.
    """
    name, _, what = spec.partition(":")
    every = [role(e, with_needed(*n)) for n in _alone() for e in ENDS["both"]]
    places = [(of, r) for of in (*every, *also) for r in of.table]
    drops: dict[str, tuple[Operation, tuple[str, ...]]] = {}
    for of, r in places:
        if r.name == name:
            if r.checks:
                drops.setdefault("", (without_check(name), (of.name,)))
            for c in r.checks:
                drops.setdefault(c.name, (without_check(name, c.name), (of.name,)))
            for f in of.covered.get(r.event, ()):
                drops.setdefault(f, (without_fields(r.event, f), ENDS["both"]))
    if not drops and any(r.name == name for _, r in places):
        raise UsageError(f"{name} has no check to drop")
    if not drops:
        names = (r.name for _, r in places if r.checks)
        raise UsageError(unknown("rule with checks", name, names))
    change, ends = drops[meant(f"check or field of {name}", what, drops)]
    end = ends[0] if len(ends) == 1 else "both"
    return Flaw(spec, 0, str(change), "generated", "", dict.fromkeys(ends, change), {end: ()}), end


def _alone() -> list[tuple[str, ...]]:
    """No extension, and each alone."""
    return [(), *((n,) for n in extensions())]
