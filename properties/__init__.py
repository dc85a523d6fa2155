"""Properties of the handshake: one decorated function a property, one file a theme.

    @invariant("ORD-1", "5246 7.3; 8446 A")
    def data_is_delivered_only_after_finished(w):
        return [when(r.delivered).then(r.verified) for r in w.runs]

A property is a list of implications over the variables of a scenario's runs. Every implication must
hold in every reachable state. The premises are its cases (see `Case`): one of them must be true in
a reachable state, or the verdict is VACUOUS.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from model.expr import BOOL, FALSE, TRUE, Expr, conj, disj, implies, neg
from model.folder import failure, modules
from model.near import UsageError, meant, shown, unknown
from model.rule import ModelError
from model.scenario import known
from model.schedule import TRAFFIC
from model.system import Instance, System
from model.transcript import same_keys, same_secret

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, order=True)
class Case:
    """A premise of a property, over all runs alike.

    A case is the place that wrote `when`, and the roles of the runs that have a name there: in
    `for r in w.runs` the clients are one case, the servers another. For a `when` in a helper, each
    place in the property that calls the helper is a case of its own.
    """

    place: str
    """The file, line and column of each call from the property's function to `when`."""
    roles: tuple[tuple[str, str], ...] = ()
    """The roles of the runs by the name that they have at the place."""
    says: str = ""
    """The premise as it is written, without line breaks."""

    @property
    def name(self) -> str:
        """The premise with the roles; it stays when the lines of a file move."""
        roles = ", ".join(f"{n} a {role}" for n, role in self.roles)
        return f"{self.says}, {roles}" if roles else self.says

    def __str__(self) -> str:
        return f"{self.place}: {self.name}"


@dataclass(frozen=True, eq=False)
class Implication:
    """The claim "if `given` then `holds`"; a witness is a state in which `given` is true."""

    given: Expr
    holds: Expr
    case: Case = Case("")
    runs: tuple[tuple[str, str], ...] = ()
    """The runs by the name that they have at the place of the case."""
    says: str = ""
    """What `holds` is as it is written, without line breaks."""


class when:  # noqa: N801 - read as a sentence: when(a).then(b)
    """The first half of an implication."""

    def __init__(self, given: Expr) -> None:
        self.given = _condition("when", given)
        self.case, self.runs = _case(sys._getframe(1))

    def then(self, holds: Expr) -> Implication:
        """The implication."""
        frame = sys._getframe(1)
        says = _written(frame.f_code, frame.f_lasti)[1]
        return Implication(self.given, _condition("then", holds), self.case, self.runs, says)


def _condition(what: str, got: object) -> Expr:
    """The expression `got`; TypeError if it is no condition."""
    if isinstance(got, Expr) and got.domain is BOOL:
        return got
    raise TypeError(f"{what}: expected a condition, an expression of bool, got {shown(got)}")


def _case(frame: FrameType) -> tuple[Case, tuple[tuple[str, str], ...]]:
    """The case of a `when` that was called in `frame`, and the runs by their names there."""
    calls = _calls(frame)
    views = {n: v for f in reversed(calls) for n, v in f.f_locals.items() if type(v) is View}
    # A comprehension is a place of its own function: the call of it says nothing more.
    places = [_written(frame.f_code, frame.f_lasti)[0]]
    for inner, f in pairwise(calls):
        if inner.f_code not in f.f_code.co_consts:
            places.append(_written(f.f_code, f.f_lasti)[0])
    says = _written(frame.f_code, frame.f_lasti)[1]
    # Names of an earlier loop still have their runs: if the premise names runs, only these count.
    named = sorted(views.keys() & set(re.findall(r"\w+", says)) or views.keys())
    case = Case(" from ".join(places), tuple((n, views[n].role) for n in named), says)
    return case, tuple((n, views[n].name) for n in named)


def _calls(frame: FrameType) -> list[FrameType]:
    """The calls from `frame` out to the property's function; the frame alone if there is none."""
    at: FrameType | None = frame
    out = []
    while at is not None and at.f_code is not Property.implications.__code__:
        out.append(at)
        at = at.f_back
    return out if at is not None else [frame]


@cache
def _written(code: CodeType, at: int) -> tuple[str, str]:
    """File, line and column of the call at instruction `at`, and its argument as it is written."""
    path = Path(code.co_filename)
    file = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    line, end, column, stop = next(islice(code.co_positions(), at // 2, None))
    if line is None or end is None or column is None or stop is None:
        return f"{file}:{code.co_firstlineno}", ""
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(line, end + 1)]
    lines[-1] = lines[-1][:stop]
    lines[0] = lines[0][column:]
    text = " ".join(b"".join(lines).decode().split())
    return f"{file}:{line}:{column + 1}", _argument(text)


def _argument(call: str) -> str:
    """The argument in the text of a call with one; empty if the text is none."""
    try:
        node = ast.parse(call, mode="eval").body
    except SyntaxError:
        return ""
    if not isinstance(node, ast.Call) or not node.args:
        return ""
    return ast.get_source_segment(call, node.args[0]) or ""


class View:
    """A run with its variables as attributes, for properties to read."""

    def __init__(self, system: System, run: Instance) -> None:
        self.system, self.run, self.name, self.role = system, run, run.name, run.role.name

    def __getattr__(self, name: str) -> Expr:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.system.of(self.run, name)
        except KeyError:
            known = self.run.role.all_variables
            raise AttributeError(unknown(f"variable of {self.name}", name, known)) from None


class World:
    """All runs of a system, and the adversary's knowledge of each."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.runs = [View(system, r) for r in system.runs]
        self.clients = [v for v in self.runs if v.role == "client"]
        self.servers = [v for v in self.runs if v.role == "server"]

    def knows(self, run: View, kind: str = TRAFFIC) -> Expr:
        """When the adversary knows a secret of `run`, by default the session keys."""
        return self.system.network.knows(self.system, run.run, kind)

    def knows_key(self, run: View, key: Expr) -> Expr:
        """When the adversary knows the record key `key` of `run`."""
        return self.system.network.knows_key(self.system, run.run, key)

    def same_secret(self, a: View, b: View) -> Expr:
        """When a client and a server hold the same master secret."""
        return same_secret(self.system, a.run, b.run)

    def same_keys(self, a: View, b: View) -> Expr:
        """When a client and a server hold the same session keys and exporter.

        Both are made of the master secret and the randoms.
        """
        return same_keys(self.system, a.run, b.run)


@dataclass(frozen=True, eq=False)
class Property:
    """A named property."""

    name: str
    id: str
    """The id in the catalogue."""
    rfc: str
    kind: str
    """One of "invariant", "reachable", "ends" and "leads_to"."""
    needs: tuple[str, ...]
    """The features that a scenario must have."""
    function: Callable[[Any], Any]
    """The decorated function."""
    fairness: str = ""
    """The fairness that a leads-to assumes of every step: "weak" or "strong"."""

    @property
    def temporal(self) -> bool:
        """Whether the property is about whole executions, decided on an honest network's graph."""
        return self.kind in ("ends", "leads_to")

    @property
    def place(self) -> str:
        """Module and name of the function."""
        f = self.function
        return f"{f.__module__}.{getattr(f, '__qualname__', self.name)}"

    @property
    def written(self) -> tuple[str, int]:
        """Place and line of the function, which are the same if its file is read again."""
        code = getattr(self.function, "__code__", None)
        return self.place, getattr(code, "co_firstlineno", 0)

    @property
    def sentence(self) -> str:
        """The name as a sentence."""
        return self.name.replace("_", " ")

    def implications(self, system: System) -> list[Implication]:
        """The implications over this system's runs.

        UsageError with the line at which the function fails; ModelError for one of the catalogue.
        """
        try:
            out = self.function(World(system))
            if isinstance(out, Expr):
                # A goal must be reached; any other expression must always hold.
                out = _condition("return", out)
                pair = (out, TRUE) if self.kind == "reachable" else (TRUE, out)
                return [Implication(*pair, Case(_written(self.function.__code__, 0)[0]))]
            found = list(out) if isinstance(out, Iterable) else [out]
            for i in found:
                if not isinstance(i, Implication):
                    raise TypeError(
                        f"{self.name}: expected implications, when(...).then(...), or one "
                        f"expression, got {shown(i)}"
                    )
            return found
        except (ModelError, UsageError):
            raise
        except (AttributeError, LookupError, NameError, TypeError, ValueError) as e:
            code = self.function.__code__
            file = Path(code.co_filename)
            kind = ModelError if file.parent == Path(__file__).parent else UsageError
            raise kind(failure(e, file, code.co_firstlineno)) from e

    def holds(self, system: System) -> Expr:
        """The conjunction of the implications."""
        return conj(*(implies(i.given, i.holds) for i in self.implications(system)))

    def bad(self, system: System) -> Expr:
        """When a state breaks the property; no single state breaks a goal or a leads-to."""
        return neg(self.holds(system)) if self.kind in ("invariant", "ends") else FALSE

    def cases(self, system: System) -> dict[Case, Expr]:
        """When a state is a witness of each case, in order."""
        given: dict[Case, list[Expr]] = {}
        for i in self.implications(system):
            given.setdefault(i.case, []).append(i.given)
        return {case: disj(*exprs) for case, exprs in given.items()}

    def witness(self, system: System) -> Expr:
        """When a state is a witness: some premise is true."""
        return disj(*(i.given for i in self.implications(system)))


registry: dict[str, Property] = {}


def _register(
    kind: str, id: str, rfc: str, needs: Sequence[str], fairness: str = ""
) -> Callable[..., Any]:
    def decorate(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        name = getattr(function, "__name__", "property")
        new = Property(name, id, rfc, kind, tuple(needs), function, fairness)
        for p in registry.values():
            if (p.name == name or p.id == id) and p.written != new.written:
                what = f"name {name}" if p.name == name else f"id {id}"
                raise ModelError(f"{new.place}: {what} is that of {p.place}, too")
        registry[name] = new
        return function

    return decorate


def invariant(id: str, rfc: str, needs: Sequence[str] = ()) -> Callable[..., Any]:
    """Declare an invariant; `needs` are the features that a scenario must have."""
    return _register("invariant", id, rfc, needs)


def reachable(id: str, rfc: str, needs: Sequence[str] = ()) -> Callable[..., Any]:
    """Declare a goal that must be reachable; the function returns one expression."""
    return _register("reachable", id, rfc, needs)


def ends(id: str, rfc: str, needs: Sequence[str] = ()) -> Callable[..., Any]:
    """Declare a property of every state in which the honest network can end."""
    return _register("ends", id, rfc, needs)


def leads_to(
    id: str, rfc: str, needs: Sequence[str] = (), fairness: str = "weak"
) -> Callable[..., Any]:
    """Declare that in every fair execution `given` is followed by `holds`, at once or later.

    Weak fairness: a step that stays possible is taken. Strong fairness: a step that is possible
    again and again is taken.
    """
    if fairness not in ("weak", "strong"):
        raise ValueError(f"fairness is weak or strong, not {fairness!r}")
    return _register("leads_to", id, rfc, needs, fairness)


def declared(kind: str, name: str, expr: Callable[[Any], Any], fairness: str = "weak") -> Property:
    """A property outside the catalogue, for example in a test."""
    return Property(name, "", "", kind, (), expr, fairness if kind == "leads_to" else "")


@cache
def catalogue() -> dict[str, Property]:
    """Every property by name, in the order of the files and of the functions in each file.

    ModelError for a property that needs a feature of no scenario.
    """
    modules(__name__)
    features = frozenset().union(*(s.features for s in known().values()))
    for p in registry.values():
        for need in p.needs:
            if need not in features:
                what = unknown("feature of a scenario", need, sorted(features))
                raise ModelError(f"{p.place}: needs: {what}")
    return dict(registry)


def find(name: str) -> list[Property]:
    """The properties with that name or id; UsageError with the near names."""
    every = catalogue().values()
    name = meant("property", name, [*(p.id for p in every), *(p.name for p in every)])
    return [p for p in every if name in (p.name, p.id)]
