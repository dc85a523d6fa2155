"""The mutants of many scenarios, in processes: small scenarios first, until one kills.

Each judgement is written to a file at once, if one is given; a later run reads there what it need
not do again. The line of a judgement has a digest of the mutant and all that the judgement depends
on: the tables and steps of the scenario, its properties, the texts of the programs. An edit of a
table thus asks anew only about the scenarios that have it.
"""

from __future__ import annotations

import gc
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import checker.engines
import checker.mutants
import checker.trace
import model.adversary
import properties
from checker.engines.choice import EXPLICIT
from checker.kept import stated
from checker.mutants.family import EQUIVALENT, FATES, KILLED, SURVIVES, UNDECIDED, Family
from checker.mutants.generate import Mutant, mutants_of
from checker.pool import Job, Link, Pool
from checker.request import Request, declared, properties_of, size
from checker.trace import Trace
from checker.verdict import PROVED, VACUOUS
from model.near import UsageError
from model.roles import role
from model.scenario import SCENARIOS, Scenario, scenario
from model.system import System
from properties import Property

MORE = 1 << 26
"""The largest number of states of a mutant."""
LATE = 10_000_000
"""A scenario without an adversary, or with few properties, comes after smaller ones than this."""
LARGE = 20_000_000
"""Scenarios of so many states come last, and take minutes each."""
PARTS = ((2_000_000, 2),)
"""Pairs (states, n): the mutants of a scenario of at most so many states are done in n jobs."""


@dataclass
class Judged:
    """One mutant in one scenario."""

    scenario: str
    kind: str
    row: str
    what: str
    file: str
    rfc: str
    fate: str
    falls: dict[str, int | None] = field(default_factory=dict)
    reason: str = ""
    digest: str = ""
    traces: dict[str, Trace] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the mutant."""
        return self.kind, self.row, self.what

    def line(self) -> str:
        """The judgement as a line of JSON."""
        return json.dumps({n: v for n, v in asdict(self).items() if n != "traces"})


@dataclass
class Fate:
    """What became of a mutant in all scenarios tried."""

    judged: list[Judged] = field(default_factory=list)
    untried: int = 0
    """The number of scenarios in which the mutant was not tried; only counted if none killed it."""

    @property
    def by(self) -> Judged:
        """The judgement that decides, or the first one of many."""
        order = (KILLED, UNDECIDED, SURVIVES, EQUIVALENT)
        return min(self.judged, key=lambda j: order.index(j.fate))

    @property
    def fate(self) -> str:
        """The fate over all scenarios."""
        return UNDECIDED if self.untried and self.by.fate != KILLED else self.by.fate


Fates = dict[tuple[str, str, str], Fate]


@dataclass(frozen=True)
class Asked:
    """Which mutants to judge, and how."""

    row: str | None = None
    every: bool = False  # each property that falls, not the first alone

    def wants(self, m: Mutant) -> bool:
        """Whether the mutant is of the row asked for."""
        return self.row is None or m.row == self.row or (m.kind == "field" and self.row in m.rows)


@cache
def _texts() -> str:
    """A digest of the programs that make steps and mutants and search, and of all properties.

    Of a mutant a property may say what it does not say of the sound system.
    """
    out = hashlib.sha256()
    every = (checker.engines, checker.mutants, model.adversary, properties)
    folders = [Path(m.__path__[0]).rglob("*.*") for m in every]
    top = Path(model.__path__[0]).glob("*.py")
    paths = (*chain(*folders), *top, Path(checker.trace.__file__))
    for path in sorted(x for x in paths if x.suffix in (".py", ".c")):
        out.update(path.read_bytes())
    return out.hexdigest()


def identity(system: System, props: Sequence[Property], asked: Asked) -> str:
    """A digest of all that the judgements on a system depend on; `props` are those that hold."""
    memo: dict[int, bytes] = {}
    held = [(n, v.domain.values, v.initial) for n, v in system.variables.items()]
    about = (_texts(), system.name, asked.every, held)
    out = hashlib.sha256(repr(about).encode())
    for r in {id(run.role): run.role for run in system.runs}.values():
        # What a step of the sound system leaves out, as it is never so, may be so in a mutant's.
        out.update(repr((r.name, sorted(r.covered.items()))).encode())
        exprs = [*r.views.values()]
        for x in r.table:
            parts = [*x.do, *(c.name for c in x.checks)]
            out.update(repr((x.name, x.sources, x.target, parts, x.under is None)).encode())
            exprs += [x.when, *(c.expr for c in x.checks), *x.do.values()]
            exprs += [] if x.under is None else [x.under]
        out.update(b"".join(stated(e, memo) for e in exprs))
    for s in system.raw_steps:
        out.update(repr((s.label, s.run, s.rule.name, sorted(s.free.items()))).encode())
        for n, e in (("", s.full), *sorted(s.effects.items())):
            out.update(n.encode() + stated(e, memo))
    for p in props:
        out.update(f"{p.name} {p.kind}".encode() + stated(p.bad(system), memo))
        for e in p.cases(system).values():
            out.update(stated(e, memo))
    return out.hexdigest()


def digest(identity: str, key: tuple[str, str, str]) -> str:
    """The name of a judgement in a record."""
    return hashlib.sha256("\0".join((identity, *key)).encode()).hexdigest()[:20]


def holding(where: Scenario) -> list[Property]:
    """The properties that a mutant may break: those that no state of the sound system breaks."""
    found = properties_of(Request(), where)
    return [p for p in found if declared(p.name, where.name)[0] in (PROVED, VACUOUS)]


def of_protocol(where: Scenario, system: System) -> list[Mutant]:
    """The mutants of the protocol's rows; those by which a capability loses a secret are not."""
    rows = {r.name for end in ("client", "server") for r in role(end, where.extensions).table}
    return [m for m in mutants_of(system) if {*m.rows} <= rows]


def scenarios(where: str | None) -> list[Scenario]:
    """The scenario asked for, or all default ones that are searched: small ones first."""
    if where is not None:
        chosen = scenario(where)
        if EXPLICIT not in chosen.methods:
            raise UsageError(f"{where} is not searched; a mutant is judged by a search")
        return [chosen]
    every = (s for s in SCENARIOS if s.default and EXPLICIT in s.methods)
    # Most mutants fall to the adversary, where every property is asked; some take a network that
    # delivers everything.
    late = {s.name for s in SCENARIOS if s.network == "reliable" or s.about}
    out = sorted(every, key=lambda s: max(size(s), LATE if s.name in late else 0))
    # Of the largest the last is the smallest: no core waits long for another.
    return [s for s in out if size(s) < LARGE] + [s for s in reversed(out) if size(s) >= LARGE]


def _judge(
    link: Link,
    name: str,
    part: tuple[int, int],
    asked: Asked,
    known: Mapping[str, Judged],
    killed: frozenset[tuple[str, str, str]],
) -> int:
    """Judge a part of the mutants of a scenario; each judgement is given at once."""
    gc.disable()  # the process ends with this job
    where = scenario(name)
    system = where.system()
    found = [m for m in of_protocol(where, system) if asked.wants(m)]
    found = found[part[0] :: part[1]]
    props = holding(where)
    about = identity(system, props, asked)
    left = []
    for m in found:
        if (before := known.get(digest(about, m.key))) is not None:
            link.part(before)
        elif m.key not in killed:
            left.append(m)
    if not left:
        return 0
    count = len(left)
    link.line(f"{name}: {count} mutants, the sound system first")
    i = 0
    # Compiling the steps of a small system with care takes longer than the search.
    large = _parts(where) == 1
    for steps in (asked.every, True):
        # Most mutants whose every step differs fall without their steps.
        family = Family(system, props, left, MORE, steps=steps, optimised=large)
        left = []
        for m in family.changes:
            j = family.judge(m, every=asked.every)
            if j is None:
                left.append(m)
                continue
            i += 1
            known_by = digest(about, m.key)
            traces = j.traces if asked.every else {}
            mine = (m.kind, m.row, m.what, m.file, m.rfc)
            link.part(Judged(name, *mine, j.fate, j.falls, j.reason, known_by, traces))
            link.line(f"{name}: {i} of {count} mutants")
        if not left:
            break
    return count


def judged(
    where: Sequence[Scenario],
    asked: Asked,
    record: str | None = None,
    seconds: float | None = None,
    progress: Callable[[str], None] | None = None,
    workers: int | None = None,
) -> Iterator[Fates]:
    """The fates so far, again and again; `record` is a file of judgements to read and to extend.

    After `seconds` the scenarios not tried yet are counted at the mutants that none has killed.
    """
    fates: Fates = {}
    known = {j.digest: j for j in recorded(record)}
    began = time.monotonic()
    with Pool(workers, progress, fresh=True) as pool, _opened(record) as file:
        left = [
            _job(pool, s.name, (k, n), asked, known, fates)
            for s in where
            for n in [1 if asked.row else _parts(s)]
            for k in range(n)
        ]
        for reply in pool.replies():
            value = reply.get()
            if reply.part:
                if file is not None and value.digest not in known:
                    file.write(f"{value.line()}\n")
                    file.flush()
                fates.setdefault(value.key, Fate()).judged.append(value)
            else:
                left.remove(reply.job)
            if seconds is not None and time.monotonic() - began > seconds:
                break
            yield fates
    for fate in fates.values():
        fate.untried = len({job.args[0] for job in left})
    yield fates


def _parts(s: Scenario) -> int:
    return next((n for states, n in PARTS if size(s) <= states), 1)


def _job(
    pool: Pool,
    name: str,
    part: tuple[int, int],
    asked: Asked,
    known: Mapping[str, Judged],
    fates: Fates,
) -> Job:
    mine = {d: j for d, j in known.items() if j.scenario == name}

    def prepare() -> None:
        # What was killed meanwhile need not be judged again.
        killed = () if asked.every else (k for k, f in fates.items() if f.by.fate == KILLED)
        job.args = (name, part, asked, mine, frozenset(killed))

    job = Job(_judge, (name,), linked=True, prepare=prepare)
    return pool.add(job)


def recorded(record: str | None) -> Iterator[Judged]:
    """The judgements in a file; UsageError if it has lines, and none of them is one."""
    if record is None or not Path(record).exists():
        return
    if not Path(record).is_file():
        raise UsageError(f"--record {record}: expected a file, got a folder or a device")
    lines = Path(record).read_text(encoding="utf-8", errors="replace").splitlines()
    found = [j for j in map(_judgement, lines) if j is not None]  # a line may be cut off
    if lines and not found:
        raise UsageError(f"--record {record}: expected a file of judgements, got another one")
    yield from found


def _judgement(line: str) -> Judged | None:
    """The judgement in a line of a record; None if it has none."""
    try:
        j = Judged(**json.loads(line), traces={})
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (getattr(j, f.name) for f in fields(j) if f.name not in ("falls", "traces"))
    falls = j.falls.values() if isinstance(j.falls, dict) else [""]
    fits = all(isinstance(t, str) for t in texts) and j.fate in FATES
    return j if fits and all(n is None or type(n) is int for n in falls) else None


def _opened(record: str | None) -> Any:
    """The file of judgements, for more of them; a line cut off stays a line of its own."""
    if record is None:
        return nullcontext(None)
    path = Path(record)
    if path.exists() and not path.read_text(encoding="utf-8").endswith("\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
    return path.open("a", encoding="utf-8")
