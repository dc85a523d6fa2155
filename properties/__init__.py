"""What must hold: one decorated function a property, one file a theme.

    @invariant("ORD-1", "5246 7.3; 8446 A")
    def data_is_delivered_only_after_finished(w):
        return [when(r.delivered).then(r.verified) for r in w.runs]

A property is a list of implications over the variables of a scenario's runs. What it implies must
hold in every reachable state; what it assumes must be reached in some (else it is VACUOUS).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from model.expr import FALSE, TRUE, Expr, conj, disj, implies, neg
from model.folder import modules
from model.near import meant, unknown
from model.rule import ModelError
from model.scenario import SCENARIOS
from model.schedule import TRAFFIC
from model.system import Instance, System
from model.transcript import same_keys, same_secret


@dataclass(frozen=True, eq=False)
class Implication:
    """If `given` then `holds`; `given` is the interesting case that a witness must reach."""

    given: Expr
    holds: Expr


@dataclass(frozen=True, eq=False)
class when:  # noqa: N801 - read as a sentence: when(a).then(b)
    """The first half of an implication."""

    given: Expr

    def then(self, holds: Expr) -> Implication:
        """The whole."""
        return Implication(self.given, holds)


class View:
    """A run as a property sees it: its variables as attributes, its role and instance."""

    def __init__(self, system: System, run: Instance) -> None:
        self.system, self.run, self.name, self.role = system, run, run.name, run.role.name

    def __getattr__(self, name: str) -> Expr:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.system.of(self.run, name)
        except KeyError:
            raise AttributeError(
                f"{self.role} {self.name} has no variable {name!r}: it has "
                f"{', '.join(self.run.role.all_variables)}"
            ) from None


class World:
    """All runs of a system, and what the adversary knows of each."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.runs = [View(system, r) for r in system.runs]
        self.clients = [v for v in self.runs if v.role == "client"]
        self.servers = [v for v in self.runs if v.role == "server"]

    def knows(self, run: View, kind: str = TRAFFIC) -> Expr:
        """The adversary has a secret of `run`: a session key if no other kind is named."""
        return self.system.network.knows(self.system, run.run, kind)

    def knows_key(self, run: View, key: Expr) -> Expr:
        """The adversary has the record key `key` of `run`."""
        return self.system.network.knows_key(self.system, run.run, key)

    def same_secret(self, a: View, b: View) -> Expr:
        """A client and a server hold one master secret."""
        return same_secret(self.system, a.run, b.run)

    def same_keys(self, a: View, b: View) -> Expr:
        """A client and a server hold one master secret and one pair of randoms: the same session
        keys and exporter."""
        return same_keys(self.system, a.run, b.run)


@dataclass(frozen=True, eq=False)
class Property:
    """A named property. `kind` is "invariant", "reachable", "ends" or "leads_to".

    `fairness` ("weak" or "strong") is what a leads-to assumes of every step.
    """

    name: str
    id: str
    rfc: str
    kind: str
    needs: tuple[str, ...]
    function: Callable[[Any], Any]
    fairness: str = ""

    @property
    def temporal(self) -> bool:
        """Whether it speaks of whole runs: decided on the graph of an honest network."""
        return self.kind in ("ends", "leads_to")

    @property
    def place(self) -> str:
        """The module and the function."""
        f = self.function
        return f"{f.__module__}.{getattr(f, '__qualname__', self.name)}"

    @property
    def sentence(self) -> str:
        """The name as a sentence."""
        return self.name.replace("_", " ")

    def implications(self, system: System) -> list[Implication]:
        """What the property says of this system's runs."""
        out = self.function(World(system))
        if isinstance(out, Expr):
            # A goal is a witness to be reached; any other expression must always hold.
            return [Implication(out, TRUE) if self.kind == "reachable" else Implication(TRUE, out)]
        return list(out)

    def holds(self, system: System) -> Expr:
        """The property as one expression: true in every state when all is well."""
        return conj(*(implies(i.given, i.holds) for i in self.implications(system)))

    def bad(self, system: System) -> Expr:
        """When the property is broken; no single state breaks a goal or a leads-to."""
        return neg(self.holds(system)) if self.kind in ("invariant", "ends") else FALSE

    def witness(self, system: System) -> Expr:
        """The interesting case: true in some reachable state."""
        return disj(*(i.given for i in self.implications(system)))


registry: dict[str, Property] = {}


def _register(
    kind: str, id: str, rfc: str, needs: Sequence[str], fairness: str = ""
) -> Callable[..., Any]:
    def decorate(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        name = getattr(function, "__name__", "property")
        new = Property(name, id, rfc, kind, tuple(needs), function, fairness)
        for p in registry.values():
            if (p.name == name or p.id == id) and p.place != new.place:
                what = f"name {name}" if p.name == name else f"id {id}"
                raise ModelError(f"{new.place}: {what} is that of {p.place}, too")
        registry[name] = new
        return function

    return decorate


def invariant(id: str, rfc: str, needs: Sequence[str] = ()) -> Callable[..., Any]:
    """Declare an invariant: `id` of the catalogue, RFC sections, features of scenarios it needs."""
    return _register("invariant", id, rfc, needs)


def reachable(id: str, rfc: str, needs: Sequence[str] = ()) -> Callable[..., Any]:
    """Declare a goal that some run must reach: the function returns the goal."""
    return _register("reachable", id, rfc, needs)


def ends(id: str, rfc: str, needs: Sequence[str] = ()) -> Callable[..., Any]:
    """Declare what every end of the honest network looks like: true in each final component."""
    return _register("ends", id, rfc, needs)


def leads_to(
    id: str, rfc: str, needs: Sequence[str] = (), fairness: str = "weak"
) -> Callable[..., Any]:
    """Declare that in every fair run `given` is followed by `holds`, at once or later.

    Weak fairness: a step that stays possible is taken. Strong: one that is possible again and again
    is taken. A step is a rule of a run with a source of its message.
    """
    if fairness not in ("weak", "strong"):
        raise ValueError(f"fairness is weak or strong, not {fairness!r}")
    return _register("leads_to", id, rfc, needs, fairness)


def declared(kind: str, name: str, expr: Callable[[Any], Any], fairness: str = "weak") -> Property:
    """A property that is not in the catalogue, for a test of one's own."""
    return Property(name, "", "", kind, (), expr, fairness if kind == "leads_to" else "")


@cache
def catalogue() -> dict[str, Property]:
    """Every property by name, in the order of the files and of each file."""
    modules(__name__)
    features = frozenset().union(*(s.features for s in SCENARIOS))
    for p in registry.values():
        for need in p.needs:
            if need not in features:
                what = unknown("feature of a scenario", need, sorted(features))
                raise ModelError(f"{p.place}: needs: {what}")
    return dict(registry)


def find(name: str) -> list[Property]:
    """The properties called `name`, or with that id; UsageError with the near names."""
    every = catalogue().values()
    name = meant("property", name, [*(p.id for p in every), *(p.name for p in every)])
    return [p for p in every if name in (p.name, p.id)]
