"""The order of the work: what was edited or not as declared comes first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checker import turn
from checker.kept import Kept
from checker.request import Request, scenarios_of, size
from checker.turn import files, keep, ordered
from checker.verdict import PROVED, VIOLATED, Result
from checker.verify import _ahead
from model.extensions import Extension, chosen, extensions
from model.scenario import scenario

EVERY = scenarios_of(Request())
SMALL = sorted(EVERY, key=size)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept("all", lambda _: None, tmp_path / "kept")


def test_small_ones_come_first_where_nothing_is_known(kept: Kept) -> None:
    assert ordered(EVERY, kept) == ordered(EVERY, None) == SMALL
    keep(EVERY, [], kept)
    assert ordered(EVERY, kept) == SMALL


@pytest.mark.parametrize(
    ("edited", "count"), [("extensions/retry.py", 10), ("generations/tls12_server.py", 60)]
)
def test_what_was_edited_comes_first(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, edited: str, count: int
) -> None:
    odd = next(s for s in reversed(SMALL) if edited not in files(s))
    keep(EVERY, [Result("p", "P", odd.name, VIOLATED)], kept)
    before = turn._digest
    monkeypatch.setattr(turn, "_digest", lambda f: "other" if f == edited else before(f))
    found = ordered(EVERY, kept)
    retries = [s for s in SMALL if edited in files(s)]
    assert len(retries) == count
    first = [SMALL[0], *(s for s in retries if s is not SMALL[0])]
    assert found[: len(first)] == first
    assert found[len(first)] is odd
    assert sorted(s.name for s in found) == sorted(s.name for s in EVERY)


def test_what_was_not_as_declared_comes_first(kept: Kept) -> None:
    odd = Result("p", "P", "tls13-psk", VIOLATED)
    fine = Result("p", "P", "tls12", PROVED)
    keep(EVERY, [fine, odd], kept)
    assert [s.name for s in ordered(EVERY, kept)][:2] == [SMALL[0].name, "tls13-psk"]


@pytest.mark.parametrize("data", [{}, {"files": []}, {"files": {}, "odd": {}}])
def test_what_is_no_order_is_as_good_as_none(kept: Kept, data: dict[str, Any]) -> None:
    kept.write(turn.KEPT, data)
    assert ordered(EVERY, kept) == SMALL


def test_every_extension_and_capability_has_its_file() -> None:
    for s in EVERY:
        named = {*(e.name for e in chosen(s.extensions)), *s.capabilities}
        assert named <= {Path(f).stem for f in files(s)}
    assert all((turn.ROOT / f"extensions/{n}.py").is_file() for n in extensions())


def test_an_extension_of_ones_own_has_no_file(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Extension("mine", "none", "nothing")
    monkeypatch.setitem(extensions(), "mine", mine)
    own = replace(scenario("tls12-small"), name="mine", extensions=("mine",))
    assert files(own) == files(scenario("tls12-small"))
    keep([*EVERY, own], [], kept)
    assert own in ordered([*EVERY, own], kept)


def test_what_is_not_as_declared_is_noted_before_its_turn() -> None:
    name = "data_is_delivered_only_after_finished_is_verified"
    found = [Result(name, "ORD-1", "tls12-small", VIOLATED)]
    course: Any = SimpleNamespace(request=Request(), where=scenario("tls12-small"), found=found)
    said: list[str] = []
    _ahead(course, said.append)
    assert said == [f"! tls12-small: ORD-1 {name}: VIOLATED, declared PROVED"]
    found[0].verdict = PROVED
    _ahead(course, said.append)
    assert len(said) == 1
