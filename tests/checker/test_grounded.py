"""Steps and values kept between runs are those of the system as it is, or they are made anew."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checker import grounded
from checker.grounded import KIND, ready
from checker.kept import Kept
from checker.trace import every_variable
from model.adversary.capabilities import capabilities
from model.adversary.network import Adversary
from model.adversary.reliable import Reliable
from model.expr import BOOL, COMPOSITE, FALSE, TRUE, Domain, var
from model.flaws import flaws
from model.role import Role
from model.roles import role
from model.rule import Rule
from model.scenario import SCENARIOS, scenario
from model.system import System
from tests.sizes import deep_but

WHERE = "tls12-small"
NOTES: list[str] = []


@pytest.fixture(autouse=True)
def _no_notes() -> None:
    NOTES.clear()


def keeper(folder: Path, where: str = WHERE) -> Kept:
    return Kept(where, NOTES.append, folder)


def built(system: System) -> list[Any]:
    """What the steps and values of a system say; equal expressions are one and the same."""
    return [
        *((s.label, id(s.full), id(s.deliverable), id(s.room)) for s in system.raw_steps),
        *({n: id(e) for n, e in s.effects.items()} for s in system.raw_steps),
        *((s.source.name, id(s.source.when), [*s.source.fields]) for s in system.raw_steps),
        *((s.label, id(g)) for s, g in system.values.fireable),
        {n: d.values for n, d in system.values.domain.items()},
        [(s.label, id(s.guard), s.free) for s in every_variable(system).steps],
    ]


@pytest.mark.parametrize(
    "where", deep_but([WHERE, "tls13", "honest"], sorted(s.name for s in SCENARIOS))
)
def test_what_is_kept_is_what_would_be_made(where: str, tmp_path: Path) -> None:
    first, second, third = (scenario(where).system() for _ in range(3))
    ready(first, keeper(tmp_path, where))
    ready(second, keeper(tmp_path, where))
    assert "raw_steps" in vars(second)
    assert built(second) == built(first) == built(third)
    by_step = [(s.rule, s.source.fields.keys()) for s in second.raw_steps]
    assert by_step == [(s.rule, s.source.fields.keys()) for s in third.raw_steps]
    assert {id(s) for s in second.raw_steps} >= {id(s) for s, _ in second.values.fireable}
    assert not NOTES


def test_nothing_is_ground_where_something_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(scenario(WHERE).system(), keeper(tmp_path))
    monkeypatch.setattr(System, "_ground", None)
    ready(system := scenario(WHERE).system(), keeper(tmp_path))
    assert system.raw_steps
    ready(without := scenario(WHERE).system(), None)
    assert "raw_steps" not in vars(without)


@pytest.mark.parametrize("flaw", sorted(flaws()))
def test_a_flawed_system_is_another(flaw: str) -> None:
    found = flaws()[flaw]
    where = scenario(found.where)
    key = grounded._key(where.system())
    assert key == grounded._key(where.system())
    for end in found.ends:
        assert grounded._key(where.system(*found.roles(end, where.extensions))) != key


def row(change: Callable[[Rule], Rule]) -> Callable[[Role], Role]:
    """A change of a role's first row with a check."""

    def of_role(role: Role) -> Role:
        first = next(r for r in role.table if r.checks)
        return replace(role, table=tuple(change(r) if r is first else r for r in role.table))

    return of_role


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda role: replace(role), False),
        (row(lambda r: replace(r)), False),
        (row(lambda r: replace(r, line=r.line + 1, file="other.py")), False),
        (row(lambda r: replace(r, when=r.when & var("own.verified", BOOL))), True),
        (row(lambda r: replace(r, checks=r.checks[1:])), True),
        (row(lambda r: replace(r, target="CLOSED")), True),
        (row(lambda r: replace(r, do={**r.do, "verified": TRUE})), True),
        (lambda role: replace(role, alphabet=role.alphabet[1:]), True),
        (lambda role: replace(role, observers=role.observers[1:]), True),
        (lambda role: replace(role, begins=var("own.verified", BOOL)), True),
        (lambda role: replace(role, sends={**role.sends, "?": {}}), True),
        (lambda role: replace(role, schedule=replace(role.schedule, bound=TRUE)), True),
    ],
)
def test_the_digest_is_of_what_a_role_does(change: Callable[[Role], Role], counts: bool) -> None:
    where = scenario(WHERE)
    client = role("client", where.extensions)
    assert (grounded._key(where.system(change(client))) != grounded._key(where.system())) == counts


def test_the_digest_is_of_runs_and_network() -> None:
    system = scenario(WHERE).system()
    first, *rest = system.runs
    others = [
        replace(system, runs=(replace(first, config={**first.config, "verified": (True,)}), *rest)),
        replace(system, runs=(replace(first, begins=FALSE), *rest)),
        replace(system, runs=tuple(rest)),
        replace(system, network=Adversary(("break_export",))),
        replace(system, network=Reliable()),
    ]
    keys = [grounded._key(s) for s in (system, *others)]
    assert len({*keys}) == len(keys)


def test_the_digest_is_of_the_texts_that_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    file = grounded._file
    monkeypatch.setattr(grounded, "_file", lambda n: read.append(n) or file(n))
    before = grounded._texts.__wrapped__("model.adversary.network")
    needed = {"system", "expr", "role", "rule", "schedule", "principal", "transcript",
              "adversary.network", "adversary.capabilities.break_export"}  # fmt: skip
    assert {f"model.{n}" for n in needed} <= {*read}
    assert not [n for n in read if n.startswith((*grounded.DATA, "model.flaws", "model.scenario"))]
    monkeypatch.setattr(grounded, "_file", lambda n: file("model.near" if n == "model.rule" else n))
    assert grounded._texts.__wrapped__("model.adversary.network") != before


def test_what_a_capability_has_of_an_extension_is_data() -> None:
    """It stands in rows (`Leak.when`), not in functions that ground: these are known by text."""
    checked = 0
    for module in capabilities().values():
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        names = {
            n
            for line in text.splitlines()
            if line.startswith(tuple(f"from {d}" for d in grounded.DATA))
            for n in line.partition(" import ")[2].replace(",", " ").split()
        }
        checked += bool(names)
        functions = [
            getattr(module, "breaks", None),
            getattr(module.__dict__.get("LEAK"), "notes", None),
        ]
        for f in filter(None, functions):
            assert not names & {*f.__code__.co_names}, module.__name__
    assert checked


class Harm:
    """What would run as it is read."""

    def __reduce__(self) -> Any:
        return NOTES.append, ("harm",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"?",
        zlib.compress(b"?"),
        zlib.compress(pickle.dumps(None)),
        zlib.compress(pickle.dumps((1, 2, 3, 4))),
        zlib.compress(pickle.dumps(((), (), {}, ()))),
        zlib.compress(pickle.dumps(Harm())),
    ],
)
def test_what_is_no_system_is_made_anew(data: bytes, tmp_path: Path) -> None:
    system = scenario(WHERE).system()
    kept = keeper(tmp_path)
    kept.put(KIND, grounded._key(system).encode() + data)
    ready(system, kept)
    assert [f"{WHERE}: what is kept of its {KIND} does not fit, and is made anew"] == NOTES
    assert system.values.fireable
    ready(again := scenario(WHERE).system(), kept)
    assert built(again) == built(system)
    assert len(NOTES) == 1


def test_domains_that_are_told_by_identity_stay_themselves() -> None:
    for d in (BOOL, COMPOSITE):
        assert pickle.loads(pickle.dumps(d)) is d
    e = var("own.x", Domain("X", (1, 2))) == 1
    assert pickle.loads(pickle.dumps(e)) is e


def test_a_network_of_ones_own_is_kept_if_it_is_data(tmp_path: Path) -> None:
    system = scenario(WHERE).system()
    odd: Any = SimpleNamespace(variables=system.network.variables)
    ready(replace(system, network=odd), keeper(tmp_path))
    assert not [*tmp_path.iterdir()]
