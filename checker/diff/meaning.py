"""The meaning of a change: rows, what is accepted now and was not, verdicts and proofs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import checker
from checker.diff.side import Written, domains_of, expressions
from checker.replay import trace_of
from checker.trace import Trace
from model.expr import Domain, Expr, conj, disj, eq, neg, projected, var
from model.near import UsageError, shown
from model.scenario import scenario as find
from model.solver import satisfiable

HERE = Path(str(checker.__file__)).resolve().parents[1]
"""The tree of this checker."""
SECONDS = 60.0
"""The seconds of a search for what a row accepts, if none are asked for."""


@dataclass
class Way:
    """What one tree accepts, makes or does by a row, and the other does not."""

    possible: bool = False  # for some values, by the solver
    # A shortest trace to a state in which it happens, and then the message; None if none is known.
    trace: Trace | None = None
    label: tuple[str, ...] = ()
    message: Mapping[str, Any] = field(default_factory=dict)
    states: int = 0  # searched, if there is no trace
    complete: bool = False  # whether the search was of all states


@dataclass
class Row:
    """A row that is in one tree only, or not the same in both."""

    role: str
    name: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    scenario: str = ""  # in which it is compared; empty if in none
    more: Way = field(default_factory=Way)  # the new tree, and not the old one
    less: Way = field(default_factory=Way)  # the old tree, and not the new one
    otherwise: bool = False  # whether some step that both accept has other effects

    @property
    def told(self) -> str:
        """One word for the change."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "gone"
        if not self.scenario:
            return "changed"
        if self.more.possible and self.less.possible:
            return "moved"
        if self.more.possible or self.less.possible:
            return "weakened" if self.more.possible else "strengthened"
        return "other effects" if self.otherwise else "reworded"


@dataclass
class Verdicts:
    """The results of a scenario in both trees, by property."""

    scenario: str
    old: Mapping[str, Mapping[str, Any]]
    new: Mapping[str, Mapping[str, Any]]

    def changed(self) -> Iterator[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]]:
        """Each property whose verdict, declared verdict or proof is not the same."""
        for name in {**self.old, **self.new}:
            a, b = self.old.get(name), self.new.get(name)
            if a is None or b is None or _kind(a) != _kind(b):
                yield name, a, b


def _kind(r: Mapping[str, Any]) -> tuple[Any, ...]:
    return r["verdict"], r["declared"], r["certificate"] is not None


@dataclass
class Change:
    """All that differs between two trees."""

    old: str
    new: str
    rows: list[Row] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # other tables, a line each
    affected: list[str] = field(default_factory=list)  # scenarios with a changed role
    verdicts: list[Verdicts] = field(default_factory=list)
    interrupted: bool = False

    @property
    def differs(self) -> bool:
        """Whether anything means something else."""
        rows = any(r.told != "reworded" for r in self.rows)
        return rows or bool(self.others) or any([*v.changed()] for v in self.verdicts)


# -- trees -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Tree:
    """A folder with the packages, and its name for people."""

    folder: Path
    name: str

    def ask(self, ask: str, **question: Any) -> Any:
        """The answer of the tree's own code to a question (see `side`)."""
        script = str(Path(__file__).with_name("side.py"))
        asked = json.dumps({"ask": ask, **question})
        return json.loads(self.run(["-P", script], asked))

    def verify(self, scenario: str, seconds: float | None) -> dict[str, Any]:
        """The results of a scenario, by property."""
        words = ["-m", "checker", "verify", "--scenario", scenario, "--format", "json", "--fresh"]
        out = self.run([*words, *(("--time", str(seconds)) if seconds else ())])
        return {r["property"]: r for r in json.loads(out)["results"]}

    def run(self, words: Sequence[str], given: str = "") -> str:
        """What the interpreter prints with the tree's packages; UsageError if it fails."""
        env = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *words],
            input=given, cwd=self.folder, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not done.stdout:
            last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise UsageError(f"{self.name}: expected a tree that can be read, got: {last}")
        return done.stdout


@contextmanager
def tree(which: str) -> Iterator[Tree]:
    """The tree of a folder, or of a revision of this one; UsageError if there is none."""
    folder = Path(which)
    if folder.is_dir():
        if not (folder / "model").is_dir():
            raise UsageError(f"{which}: expected a folder with the package model")
        yield Tree(folder.resolve(), which)
        return
    with tempfile.TemporaryDirectory(prefix="checker-") as place:
        try:
            done = subprocess.run(
                ["git", "archive", "--format=tar", "--end-of-options", which],
                cwd=HERE, capture_output=True, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            raise UsageError(f"{shown(which)} is no folder, and there is no git") from None
        if done.returncode:
            last = (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
            raise UsageError(f"{shown(which)} is no folder, and git says: {last}")
        with tarfile.open(fileobj=BytesIO(done.stdout)) as packed:
            packed.extractall(place, filter="data")
        yield Tree(Path(place), which)


# -- comparing -------------------------------------------------------------------------------------
def compare(
    old: Tree, scenario: str | None, seconds: float | None, progress: Callable[[str], None]
) -> Iterator[Change]:
    """The change from a tree to this one, again and again as more of it is known."""
    if scenario is not None:
        find(scenario)
    new = Tree(HERE, "the working tree")
    progress("reading the tables of both trees")
    a, b = old.ask("tables"), new.ask("tables")
    change = Change(old.name, new.name)
    change.others = [*_others(a, b)]
    change.affected = [
        n
        for n, s in b["scenarios"].items()
        if n in a["scenarios"] and (_roles(a, n) != _roles(b, n) or _about(a, n) != _about(b, n))
    ]
    change.rows = _rows(a, b)
    asked: dict[str, list[Row]] = {}
    for t, rows in (
        (new, [r for r in change.rows if r.new]),
        (old, [r for r in change.rows if not r.new]),
    ):
        places = {r.name: _where(r, a, b, scenario) for r in rows}
        fires = t.ask("firing", asked=places) if rows else {}
        for r in rows:
            if r.name in fires:
                asked.setdefault(fires[r.name], []).append(r)
    yield change
    for where, rows in asked.items():
        progress(f"{where}: comparing {len(rows)} rows")
        _meaning(old, new, where, rows, seconds or SECONDS)
        yield change
    wanted = [scenario] if scenario is not None and scenario in b["scenarios"] else [*asked]
    if not wanted and change.others:
        wanted = sorted(change.affected, key=lambda n: b["scenarios"][n]["rank"])[:1]
    for where in wanted:
        progress(f"{where}: deciding its properties in both trees")
        found = [
            t.verify(where, seconds) if where in s["scenarios"] else {}
            for t, s in ((old, a), (new, b))
        ]
        change.verdicts.append(Verdicts(where, found[0], found[1]))
        yield change


def _roles(of: Mapping[str, Any], scenario: str) -> Any:
    """What the ends of a scenario are, without where that is written."""
    out = []
    for name in of["scenarios"][scenario]["roles"].values():
        role = of["roles"][name]
        out.append({**role, "rows": {n: _plain(r) for n, r in role["rows"].items()}})
    return out


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in row.items() if n not in ("file", "line", "rfc")}


def _about(of: Mapping[str, Any], scenario: str) -> Any:
    return of["scenarios"][scenario]["about"]


def _rows(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    """The rows that differ for some extensions; of several, as with the fewest."""
    out: dict[tuple[str, str], Row] = {}
    for key in sorted({**a["roles"], **b["roles"]}, key=lambda k: (k.count(","), k)):
        old, new = (s["roles"].get(key, {}).get("rows") for s in (a, b))
        if old is None or new is None:
            continue
        role = key.partition(",")[0]
        for name in {**old, **new}:
            x, y = old.get(name), new.get(name)
            if (role, name) not in out and (x is None or y is None or _plain(x) != _plain(y)):
                out[role, name] = Row(role, name, x, y)
    return [*out.values()]


def _where(row: Row, a: Mapping[str, Any], b: Mapping[str, Any], scenario: str | None) -> list[str]:
    """The scenarios of both trees in which a row differs, those first where that shows best."""
    found = []
    for n, s in b["scenarios"].items():
        if n not in a["scenarios"] or (scenario is not None and n != scenario):
            continue
        x, y = (
            of["roles"][of["scenarios"][n]["roles"][row.role]]["rows"].get(row.name)
            for of in (a, b)
        )
        if (x and _plain(x)) != (y and _plain(y)):
            found.append((s["rank"], n))
    return [n for _, n in sorted(found)]


def _others(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """What differs besides rows."""
    for kind in ("scenarios", "properties"):
        for n in {**a[kind], **b[kind]}:
            if n not in b[kind] or n not in a[kind]:
                yield f"{kind[:-1].replace('ie', 'y')} {n}: {'gone' if n in a[kind] else 'added'}"
            elif kind == "scenarios" and _about(a, n) != _about(b, n):
                yield f"scenario {n}: defined otherwise"
            elif kind == "properties" and a[kind][n] != b[kind][n]:
                yield f"property {n}: written otherwise"
    told = set()
    for key in sorted(set(a["roles"]) & set(b["roles"]), key=lambda k: (k.count(","), k)):
        role = key.partition(",")[0]
        for what in ("sends", "variables"):
            old, new = a["roles"][key][what], b["roles"][key][what]
            for n in {**old, **new}:
                if old.get(n) != new.get(n) and (role, what, n) not in told:
                    told.add((role, what, n))
                    yield f"{role}, {_OF[what]} {n}: {_difference(old.get(n), new.get(n))}"


_OF = {"sends": "contents of", "variables": "variable"}


def _difference(old: Any, new: Any) -> str:
    if old is None or new is None:
        return "added" if old is None else "gone"
    if isinstance(old, list):
        gone, added = ([v for v in x if v not in y] for x, y in ((old, new), (new, old)))
    else:
        gone, added = ([n for n in x if x[n] != y.get(n)] for x, y in ((old, new), (new, old)))
    parts = [f"{' '.join(map(str, v))} {how}" for v, how in ((gone, "gone"), (added, "added")) if v]
    return ", ".join(parts) or "in another order"


# -- what a row means ------------------------------------------------------------------------------
def _meaning(old: Tree, new: Tree, where: str, rows: Sequence[Row], seconds: float) -> None:
    """Compare rows in a scenario: by the solver, and by searches for what one tree alone does."""
    events = sorted({(r.new or r.old or {})["event"] for r in rows})
    sides = [t.ask("steps", scenario=where, events=events) for t in (old, new)]
    domains, merged = _domains(*sides)
    a, b = (_Steps(s, domains) for s in sides)
    for ways, mine, other, tree in (("less", a, b, old), ("more", b, a, new)):
        asked: dict[str, Any] = {}
        written = Written()
        for row in rows:
            row.scenario = where
            way: Way = getattr(row, ways)
            found = [(s, e) for s, e in mine.beyond(row.name, other) if satisfiable(e)]
            way.possible = bool(found)
            if found:
                asked[row.name] = [
                    [s["label"], written.number(e), written.number(mine.in_state(s, e))]
                    for s, e in found
                ]
        if asked and not merged:
            told = tree.ask("reach", scenario=where, asked=asked, seconds=seconds, **written.data())
            for row in rows:
                if row.name in told:
                    _take(getattr(row, ways), told[row.name])
    for row in rows:
        row.otherwise = a.otherwise(row.name, b)


def _take(way: Way, told: Mapping[str, Any]) -> None:
    if "trace" in told:
        way.trace = trace_of(told["trace"])
        way.label, way.message = tuple(told["label"]), told["message"]
    way.states, way.complete = told.get("states", 0), told.get("complete", False)


def _domains(*sides: Mapping[str, Any]) -> tuple[dict[str, Domain], bool]:
    """The domains of both trees by key, and whether some had to be merged.

    Where a variable has another domain in each tree, both are the one with the values of both.
    """
    of_variables: dict[str, dict[str, None]] = {}
    out: dict[str, Domain] = {}
    for side in sides:
        out |= domains_of(side)
        for op, _, key, name in side["nodes"]:
            if op == "var":
                of_variables.setdefault(name, {})[key] = None
    several = {tuple(keys) for keys in of_variables.values() if len(keys) > 1}
    for keys in several:
        values = dict.fromkeys(v for k in reversed(keys) for v in out[k].values)
        out |= dict.fromkeys(keys, Domain(out[keys[0]].name, tuple(values)))
    return out, bool(several)


class _Steps:
    """The steps of one tree, as expressions that can be compared with those of the other."""

    def __init__(self, data: Mapping[str, Any], domains: Mapping[str, Domain]) -> None:
        self.domains, self.steps = domains, data["steps"]
        self.every = expressions(data, domains)
        self.accepts: dict[tuple[str, str, str], list[Expr]] = {}
        for s in self.steps:
            self.accepts.setdefault(self._event(s), []).append(self.every[s["full"]])

    def _event(self, s: Mapping[str, Any]) -> tuple[str, str, str]:
        run, _, source = s["label"]
        return run, s["event"], source

    def beyond(self, row: str, other: _Steps) -> Iterator[tuple[Mapping[str, Any], Expr]]:
        """Each step of a row, and when no step of the other tree takes the same."""
        for s in self.steps:
            if s["label"][1] == row:
                theirs = disj(*other.accepts.get(self._event(s), ()))
                yield s, conj(self.every[s["full"]], neg(theirs))

    def in_state(self, s: Mapping[str, Any], expr: Expr) -> Expr:
        """When some message makes `expr` true."""
        return projected(expr, {n: self.domains[d] for n, d in s["parameters"].items()})

    def otherwise(self, row: str, other: _Steps) -> bool:
        """Whether some step of a row that both trees take has other effects."""
        theirs = {tuple(s["label"]): s for s in other.steps}
        for s in self.steps:
            t = theirs.get(tuple(s["label"]))
            if s["label"][1] != row or t is None:
                continue
            same = []
            for n in {**s["effects"], **t["effects"]}:
                x, y = (
                    of.every[e["effects"][n]] if n in e["effects"] else None
                    for of, e in ((self, s), (other, t))
                )
                kept = var(n, (x if x is not None else y).domain)  # type: ignore[union-attr]
                same.append(eq(kept if x is None else x, kept if y is None else y))
            both = conj(self.every[s["full"]], other.every[t["full"]], neg(conj(*same)))
            if satisfiable(both):
                return True
        return False
