"""Published flaws: one file a bug, as a patch of the fewest rows, guards or fields.

A file defines `FLAW`. Its patches take the sound role and give the flawed one, by the operations
here: `with_rows`, `without_check`, `without_fields`. `breaks` says, for each set of flawed ends,
exactly the properties that fall in the flaw's scenario.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from model.expr import Expr, same, substitute
from model.extensions import extensions, with_messages, with_needed
from model.folder import modules
from model.near import UsageError, meant, unknown
from model.roles import role
from model.rule import ModelError, Role, Rule

Patch = Callable[[Role], Role]


@dataclass(frozen=True)
class Flaw:
    """A published bug.

    `number` is its place in the catalogue of attacks, `source` the publication or CVE. `patches`
    are by role. `breaks` maps "client", "server" or "both" to the names of the properties that
    fall in `scenario` with those ends flawed, and only those; `shows` is the one whose trace tells
    the attack. `local` are those among them that speak of the patched row alone: they fall without
    `capability`, too. `idle` are, by ends, the properties whose interesting case is gone, because
    no handshake completes.
    """

    name: str
    number: int
    title: str
    source: str
    scenario: str
    patches: Mapping[str, Patch]
    breaks: Mapping[str, Sequence[str]]
    shows: str = ""
    capability: str | None = None
    local: Sequence[str] = ()
    idle: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def roles(self, end: str, extensions: tuple[str, ...] = ()) -> tuple[Role, Role]:
        """Client and server with `end` ("client", "server" or "both") flawed."""
        out = []
        for name in ("client", "server"):
            sound = role(name, extensions)
            patch = self.patches.get(name) if end in (name, "both") else None
            out.append(patch(sound) if patch else sound)
        return out[0], out[1]

    @property
    def ends(self) -> tuple[str, ...]:
        """The sets of ends it can be checked with; the one that shows the attack first."""
        return tuple(self.breaks)


def with_rows(*rows: Rule) -> Patch:
    """Add rows; they take the messages as the role has them."""

    def patch(r: Role) -> Role:
        messages = {m.name: m for m in r.alphabet}
        return replace(r, table=(*r.table, *(with_messages(x, messages) for x in rows)))

    return patch


def without_check(row: str, *checks: str) -> Patch:
    """Drop checks of a row by name; all of them if none is named. ModelError if not there."""

    def patch(r: Role) -> Role:
        hit = [x for x in r.table if x.name == row]
        if not hit:
            raise ModelError(unknown(f"row of the {r.name}", row, [x.name for x in r.table]))
        names = [c.name for c in hit[0].checks]
        for c in checks:
            if c not in names:
                raise ModelError(f"{row} has no check {c!r}: it has {', '.join(names) or 'none'}")
        kept = tuple(c for c in hit[0].checks if checks and c.name not in checks)
        return replace(
            r, table=tuple(replace(x, checks=kept) if x.name == row else x for x in r.table)
        )

    return patch


def loosened(row: str, check: str, also: Expr) -> Patch:
    """Let a check of a row pass where `also` holds, too."""

    def patch(r: Role) -> Role:
        without_check(row, check)(r)  # the names are there, or an error says so
        rows = []
        for x in r.table:
            if x.name == row:
                checks = tuple(
                    replace(c, expr=c.expr | also) if c.name == check else c for c in x.checks
                )
                x = replace(x, checks=checks)
            rows.append(x)
        return replace(r, table=tuple(rows))

    return patch


def with_effects(row: str, **effects: Expr) -> Patch:
    """Let a row do more, or something else."""

    def patch(r: Role) -> Role:
        hit = [x for x in r.table if x.name == row]
        if not hit:
            raise ModelError(unknown(f"row of the {r.name}", row, [x.name for x in r.table]))
        return replace(
            r,
            table=tuple(
                replace(x, do={**x.do, **effects}) if x.name == row else x for x in r.table
            ),
        )

    return patch


def without_fields(message: str, *fields: str) -> Patch:
    """Leave fields out of what a message's signature or MAC covers, when made and when checked."""

    def patch(r: Role) -> Role:
        # What a role receives is laid out as its peer sends it; the groups are the same but for
        # fields of an extension that one end's proof alone covers, which come last.
        layout = r.covered[message]
        for f in fields:
            if f not in layout:
                raise ModelError(f"{message} does not cover {f!r}: it covers {', '.join(layout)}")
        left = {i for i, f in enumerate(layout) if f in fields}

        def shorter(node: Expr, parts: tuple[Expr, ...]) -> Expr:
            if len(parts) != len(layout):
                return same(node.args[0], *parts)  # of another exchange
            return same(node.args[0], *(p for i, p in enumerate(parts) if i not in left))

        rows = []
        for x in r.table:
            if x.event == message and x.kind == "receive":
                checks = tuple(
                    replace(c, expr=substitute(c.expr, lambda v: v, shorter)) for c in x.checks
                )
                rows.append(replace(x, checks=checks))
            else:
                rows.append(x)
        sends = dict(r.sends)
        if message in sends:
            sends[message] = {
                f: tuple(p for i, p in enumerate(e) if i not in left) if isinstance(e, tuple) else e
                for f, e in sends[message].items()
            }
        return replace(r, table=tuple(rows), sends=sends)

    return patch


def together(*patches: Patch) -> Patch:
    """Several patches, one after the other."""

    def patch(r: Role) -> Role:
        for p in patches:
            r = p(r)
        return r

    return patch


@cache
def flaws() -> dict[str, Flaw]:
    """Every flaw by name, sorted by file."""
    return {m.FLAW.name: m.FLAW for m in modules(__name__, "FLAW").values()}


def find(spec: str) -> tuple[Flaw, str]:
    """`NAME`, `NAME@client`, `NAME@server` or a path to a file with `FLAW`: flaw and ends.

    UsageError with the near names; ModelError if a file does not define a flaw.
    """
    name, _, end = spec.partition("@")
    file = name.endswith(".py")
    flaw = _from_file(Path(name)) if file else flaws()[meant("flaw", name, flaws())]
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
        raise ModelError(f"{path}: {type(e).__name__}: {e}") from e
    flaw = getattr(module, "FLAW", None)
    if not isinstance(flaw, Flaw):
        raise ModelError(f"{path} defines no FLAW = Flaw(...); see model/flaws for examples")
    return flaw


def dropped(spec: str) -> Flaw:
    """`--drop ROW`, `ROW:CHECK` or `ROW:FIELD`: a generated flaw with one check or field dropped.

    A check is named as in the row, with `_` for a space; a field is one that the row's message
    signs or MACs, and is then left out at both ends. UsageError with the near names.
    """
    row, _, what = spec.partition(":")
    places = [
        role(end, with_needed(*names))
        for names in ((), *((n,) for n in extensions()))
        for end in ("client", "server")
    ]
    known: list[str] = []
    for of in places:
        for r in of.table:
            if r.name != row:
                continue
            checks = {c.name.replace(" ", "_"): c.name for c in r.checks}
            covered = of.covered.get(r.event, ())
            known += [n for n in (*checks, *covered) if n not in known]
            if checks and (not what or what in checks):
                patch = without_check(row, *([checks[what]] if what else []))
                return Flaw(spec, 0, f"{row} without {what or 'its checks'}", "generated", "",
                            {of.name: patch}, {of.name: ()})
            if what in covered:
                patch = without_fields(r.event, what)
                return Flaw(spec, 0, f"{r.event} does not cover {what}", "generated", "",
                            {"client": patch, "server": patch}, {"both": ()})
    if known:
        raise UsageError(unknown(f"check of {row}", what, known))
    rows = {r.name: bool(r.checks) for of in places for r in of.table}
    if row in rows:
        raise UsageError(f"{row} has no check to drop")
    raise UsageError(unknown("rule with checks", row, [n for n, some in rows.items() if some]))
