"""The tables of the READMEs that restate data: each is generated, and can be checked.

A region of a document between `<!-- generated: NAME -->` and `<!-- end -->` holds the table that
the function of `TABLES` called NAME makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from checker import output
from checker.arguments import ABOUT
from checker.listing import decided
from checker.mutants.family import FATES
from checker.mutants.generate import WORDS
from checker.mutants.survivors import rate, recorded
from checker.report.choices import sides, told
from checker.report.requirements import listed, requirements
from checker.report.words import count
from checker.request import Request, declared, expectations, properties_of
from checker.verdict import EXIT, VIOLATED
from model.extensions import extensions
from model.flaws import flaws
from model.near import UsageError, unknown
from model.scenario import SCENARIOS
from properties import catalogue

ROOT = Path(__file__).resolve().parents[1]
REGION = re.compile(r"(?<=^<!-- generated: )(.*?)( -->\n)(.*?)(?=^<!-- end -->)", re.M | re.S)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def scenarios() -> str:
    """The table of scenarios, with pinned numbers of states and numbers of proved invariants."""
    states = expectations()["states"]
    rows = []
    for s in SCENARIOS:
        count = f"{states[s.name]:,}" if s.name in states else ""
        searched = "explicit" in s.methods
        proofs = [
            p
            for p in properties_of(Request(), s)
            if p.kind == "invariant" and not (searched and declared(p.name, s.name)[0] == VIOLATED)
        ]
        proved = str(len(proofs)) if "symbolic" in s.methods else ""
        how = decided(s.methods) + ("" if s.default else ", on request")
        rows.append((f"`{s.name}`", s.summary, how, count, proved, ", ".join(s.about)))
    return _table(("scenario", "what", "decided", "states", "proofs", "about"), rows)


def the_flaws() -> str:
    """The table of published flaws, the oldest first."""
    ordered = sorted(flaws().values(), key=lambda f: (f.year, f.name))
    return _table(
        ("flaw", "what", "year", "CVE", "source", "who was hit", "ends", "scenario", "steps"),
        (
            (
                f"`{f.name}`",
                f.title,
                f.year,
                ", ".join(f.cve),
                f.source,
                f.hit,
                ", ".join(f.ends),
                f"`{f.where}`" + (f", `{f.capability}`" if f.capability else ""),
                f.steps,
            )
            for f in ordered
        ),
    )


def the_catches() -> str:
    """The table of flaws by property: which it catches, which it alone, and what falls with it."""
    caught: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for f in sorted(flaws().values(), key=lambda f: f.name):
        for end, names in f.breaks.items():
            for n in names:
                caught.setdefault(n, []).append((f"{f.name}@{end}", frozenset(names)))
    rows = []
    for p in catalogue().values():
        found = caught.get(p.name, [])
        alone = [spec for spec, fallen in found if len(fallen) == 1]
        always = frozenset.intersection(*(fallen for _, fallen in found)) if found else frozenset()
        beside = sorted(catalogue()[n].id for n in always - {p.name})
        if found:
            specs = dict.fromkeys(spec.partition("@")[0] for spec, _ in found)
            named = ", ".join(f"`{n}`" for n in specs)
            alone_ = ", ".join(f"`{n}`" for n in dict.fromkeys(a.partition("@")[0] for a in alone))
            rows.append((p.id, p.sentence, named, alone_, ", ".join(beside)))
    return _table(("id", "property", "falls to", "alone", "never without"), rows)


def the_extensions() -> str:
    """The table of extensions, each with the extensions that it needs."""
    return _table(
        ("extension", "what", "RFC", "needs"),
        (
            (f"`{e.name}`", e.summary, e.rfc, ", ".join(f"`{n}`" for n in e.needs))
            for e in extensions().values()
        ),
    )


def exit_status() -> str:
    """The table of exit statuses of `verify`."""
    rows = [line.split(maxsplit=1) for line in EXIT.splitlines()[1:]]
    return _table(("status", "meaning"), [(status, says) for status, says in rows])


def commands() -> str:
    """What each command is for."""
    rows = [(f"`python -m checker {n}`", about) for n, about in ABOUT.items()]
    return _table(("command", "what it does"), rows)


def the_properties() -> str:
    """The table of properties, by theme."""
    return _table(
        ("id", "property", "kind", "RFC"),
        ((p.id, p.sentence, p.kind.replace("_", " "), p.rfc) for p in catalogue().values()),
    )


def the_mutants() -> str:
    """The mutants of the last whole run, by kind and by file."""
    kinds, files = (recorded().get(by, {}) for by in ("kind", "file"))
    counts = {words: kinds.get(k, {}) for k, words in WORDS.items()}
    counts |= {f"`{name}`": n for name, n in files.items()}
    rows = [(what, *(n.get(f, "") for f in FATES), rate(n)) for what, n in counts.items()]
    return _table(("mutants", *FATES, "killed of those not equivalent"), rows)


def the_choices() -> str:
    """The table of what RFCs leave to an implementer, with what holds either way."""
    rows = []
    for rfc in listed():
        for r in (r for r in requirements(rfc)[1] if r.switch and not r.before):
            yes, no = sides(r.switch)
            where = f"{rfc} {r.section}"
            rows.append((where, r.says, f"`{r.switch}`", told(yes, no), told(no, yes)))
    return _table(("RFC", "choice", "switch", "with it", "without it"), rows)


def the_changes() -> str:
    """The table of what an RFC asks otherwise than the one that it replaces."""
    rows = []
    for rfc in listed():
        for r in (r for r in requirements(rfc)[1] if r.before):
            carried = [*(f"`{x}`" for x in r.rules), *r.properties]
            what = r.left or ", ".join(carried)
            if r.switch:
                yes, no = sides(r.switch)
                what += f"; with `{r.switch}` {told(yes, no)}, without {told(no, yes)}"
            rows.append((f"{rfc} {r.section}", f"{r.level}: {r.says}", r.before, what))
    return _table(("RFC", "what it asks", "before", "what carries it, and what changes"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "scenarios": cache(scenarios),
    "flaws": cache(the_flaws),
    "catches": cache(the_catches),
    "extensions": cache(the_extensions),
    "exit-status": cache(exit_status),
    "commands": cache(commands),
    "properties": cache(the_properties),
    "mutants": cache(the_mutants),
    "changes": cache(the_changes),
    "choices": cache(the_choices),
}


def documents(root: Path = ROOT) -> Iterator[Path]:
    """The Markdown files below `root`, except those in hidden folders."""
    for path in sorted(root.rglob("*.md")):
        if not any(part.startswith(".") for part in path.relative_to(root).parts):
            yield path


def filled(text: str, place: str) -> str:
    """A document with its regions filled; UsageError, which names `place`, for an unknown table."""

    def region(found: re.Match[str]) -> str:
        if found[1] not in TABLES:
            raise UsageError(f"{place}: {unknown('generated table', found[1], TABLES)}")
        return f"{found[1]}{found[2]}{TABLES[found[1]]()}"

    opened = len(re.findall(r"^<!-- generated: ", text, re.M))
    closed = len(REGION.findall(text))
    if opened != closed:
        raise UsageError(
            f"{place}: expected each <!-- generated: NAME --> to end with <!-- end -->, "
            f"got {closed} of {opened}"
        )
    return REGION.sub(region, text)


def refresh(root: Path = ROOT, *, check: bool = False) -> tuple[list[str], int]:
    """Fill every region below `root`, or with `check` only find stale ones.

    The lines to print, and the exit status: 1 if `check` found a stale document, else 0.
    """
    if not (root / "pyproject.toml").is_file():
        raise UsageError(f"docs: expected the source tree, which has READMEs, got {root}")
    stale = []
    for path in documents(root):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(root))
        new = filled(text, name)
        if new != text:
            stale.append(name)
            if not check:
                output.write(str(path), new)
    if not check:
        return [*(f"written: {n}" for n in stale), f"{count(len(stale), 'document')} written"], 0
    if not stale:
        return ["the generated tables are fresh"], 0
    return [*(f"stale: {n}" for n in stale), "type `make docs`"], 1
