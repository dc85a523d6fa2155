"""What is kept between runs is checked again: wrong, old and damaged answers change no verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker import cache, kept
from checker.by_proof import prove
from checker.by_search import search, temporal
from checker.cli import main
from checker.decide import run_task
from checker.engines.choice import REFERENCE
from checker.engines.interface import Final, Follows, Question
from checker.engines.symbolic import Prover
from checker.kept import Kept
from checker.request import Request, declared, properties_of, system_of, tasks_of
from checker.verdict import VIOLATED, Result
from checker.witnesses import witnesses
from model.expr import FALSE, TRUE
from model.scenario import SCENARIOS, scenario
from properties import Property
from tests.sizes import deep_but

WHERE = "tls12-small"
SHIPPED = kept.SHIPPED
NOTES: list[str] = []


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, in which a search of any size is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept, "KEEP", 1)
    monkeypatch.setattr("checker.by_search.KEEP", 1)
    monkeypatch.setattr(kept, "SHIPPED", tmp_path)  # none
    NOTES.clear()
    return cache.folder()


def asked(where: str = WHERE) -> list[Property]:
    """Invariants and a goal, of which one is violated in tls13."""
    ids = ("ORD-1", "AUT-1", "SEC-1", "LIV-5", "AUT-18S", "KEY-2")
    return [p for p in properties_of(Request(), scenario(where)) if p.id in ids]


def searched(flaw: str | None = None, where: str = WHERE) -> list[Result]:
    """The results of a search that may use and keep answers."""
    system = system_of(Request(flaw=flaw), scenario(where))
    return search(system, asked(where), Request(), whole=True, kept=Kept(where, NOTES.append))


def proved() -> list[Result]:
    """The results of proofs that may use and keep clauses; a hard one may come after the others."""
    system = system_of(Request(), scenario(WHERE))
    found = prove(system, asked(), Request(), witness=False, kept=Kept(WHERE, NOTES.append))
    return sorted(found, key=lambda r: r.id)


def told(results: list[Result]) -> list[Any]:
    """What must not depend on what was kept."""
    return [
        (r.id, r.verdict, r.states, r.depth, r.cases, r.trace and [s.rule for s in r.trace.steps])
        for r in results
    ]


def rewritten(path: Path, change: Callable[[Any], None]) -> None:
    """Change what a file says, and make its checksum fit."""
    data = cache.read(path)
    assert data is not None
    found = json.loads(zlib.decompress(data))
    change(found)
    cache.write(path, zlib.compress(json.dumps(found).encode()))


@pytest.mark.parametrize(("where", "violated"), deep_but([(WHERE, 0)], [(WHERE, 0), ("tls13", 1)]))
def test_a_kept_search_gives_the_same_results(where: str, violated: int) -> None:
    first, second = searched(where=where), searched(where=where)
    assert sum(r.verdict == VIOLATED for r in second) == violated
    assert {r.method for r in first} == {"search"}
    assert {r.method for r in second} == {"search kept"}
    assert told(first) == told(second)
    assert not NOTES


@pytest.mark.deep
def test_the_search_of_another_system_is_not_used() -> None:
    sound = searched()
    flawed = searched("early_ccs")
    assert {r.method for r in flawed} == {"search"}
    assert {r.id for r in flawed if r.verdict == VIOLATED} > {
        r.id for r in sound if r.verdict == VIOLATED
    }


def test_the_search_of_other_engines_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    first = searched()
    monkeypatch.setattr(kept, "engines", lambda: "changed")
    again = searched()
    assert {r.method for r in again} == {"search"}
    assert told(again) == told(first)


def _no_step(data: Any) -> None:
    data["paths"][0] = [data["paths"][0][0], *data["paths"][0][2:]]


def _no_path(data: Any) -> None:
    del data["paths"][0]


def _other_value(data: Any) -> None:
    name = next(iter(data["paths"][0][1][1]))
    data["paths"][0][1][1][name] = "no such value"


def _other_digest(data: Any) -> None:
    data["asked"] = data["asked"][::-1]


def _fewer_states(data: Any) -> None:
    data["levels"][-1] -= 1


def _no_levels(data: Any) -> None:
    del data["levels"]


CHANGES = [_no_step, _no_path, _other_value, _other_digest, _fewer_states, _no_levels]


@pytest.mark.parametrize("change", deep_but([_no_step, _no_path], CHANGES))
def test_a_search_with_something_wrong_or_left_out_is_not_believed(
    change: Callable[[Any], None], folder: Path
) -> None:
    first = searched()
    rewritten(folder / f"{WHERE}.search", change)
    again = searched()
    assert {r.method for r in again} == {"search"}
    assert told(again) == told(first)
    assert [f"{WHERE}: what is kept of its search does not fit, and is made anew"] == NOTES


def whole_runs(where: str, flaw: str | None = None) -> list[Result]:
    """The results on whole runs, which may use and keep answers."""
    system = system_of(Request(flaw=flaw), scenario(where))
    every = properties_of(Request(), scenario(where))
    return temporal(system, every, kept=Kept(where, NOTES.append))


def test_whole_runs_are_kept_where_all_hold() -> None:
    first, second = whole_runs("honest"), whole_runs("honest")
    assert len(first) > 1
    assert not any("kept" in r.method for r in first)
    assert [r.method for r in second] == [r.method.replace("search", "search kept") for r in first]
    assert told(first) == told(second)


def test_whole_runs_are_decided_anew_where_one_falls() -> None:
    whole_runs("honest-half-close")  # kept, but of a system with other rows
    for found in [whole_runs("honest-half-close", "close_notify_loop") for _ in range(2)]:
        assert any(r.verdict == VIOLATED for r in found)
        assert not any("kept" in r.method for r in found)


def test_a_question_of_another_kind_or_fairness_is_another_question() -> None:
    compiled = system_of(Request(), scenario(WHERE)).compile()
    asked = [
        Question("q", FALSE),
        Final("q", FALSE),
        *(
            Follows("q", FALSE, holds=h, fairness=f)
            for h in (FALSE, TRUE)
            for f in ("weak", "strong")
        ),
    ]
    assert len({kept.identity_of(compiled, [q]) for q in asked}) == len(asked)


def test_the_reference_takes_nothing_over(folder: Path) -> None:
    """What the search in C found is no answer of the reference engine."""
    found = Request(scenario="honest", properties=("LIV-1", "LIV-3"), kept=True)
    for request in (found, replace(found, engine=REFERENCE)):
        for _ in range(2):
            results = [r for t in tasks_of(request, scenario("honest")) for r in run_task(t)]
    assert (folder / "honest.runs").exists()
    assert {r.method.split(",")[0] for r in results} == {"reference"}


@pytest.mark.parametrize("change", deep_but([_no_path], CHANGES))
def test_whole_runs_with_something_wrong_or_left_out_are_not_believed(
    change: Callable[[Any], None], folder: Path
) -> None:
    first = whole_runs("honest")
    rewritten(folder / "honest.runs", change)
    again = whole_runs("honest")
    assert told(again) == told(first)
    assert not any("kept" in r.method for r in again)
    assert NOTES == ["honest: what is kept of its runs does not fit, and is made anew"]


@pytest.mark.parametrize("kind", ["search", "proofs"])
@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:9] + b"?" + b[10:]]
)
def test_a_damaged_file_is_made_anew(
    damage: Callable[[bytes], bytes], kind: str, folder: Path
) -> None:
    decide = searched if kind == "search" else proved
    first = decide()
    path = folder / f"{WHERE}.{kind}"
    path.write_bytes(damage(path.read_bytes()))
    assert told(decide()) == told(first)
    assert [f"{WHERE}: what is kept of its {kind} does not fit, and is made anew"] == NOTES
    NOTES.clear()
    decide()
    assert not NOTES


@pytest.mark.deep
def test_what_others_can_write_is_not_used(folder: Path) -> None:
    first = searched()
    (folder / f"{WHERE}.search").chmod(0o666)
    assert {r.method for r in searched()} == {"search"}
    assert "can be written by others" in NOTES[0]
    assert told(searched()) == told(first)


def test_kept_clauses_are_checked_by_the_solver_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = proved()
    monkeypatch.setattr("checker.engines.symbolic.Pdr", None)  # nothing is proved anew
    second = [r for r in proved() if r.certificate]
    assert told(second) == told([r for r in first if r.certificate])
    assert len(second) == len(asked()) - 1  # a goal is not proved


def test_clauses_that_are_no_invariant_prove_nothing(folder: Path) -> None:
    """A clause that is false in a reachable state, and all the true ones beside it."""
    first = proved()

    def change(data: Any) -> None:
        for found in data.values():
            found["clauses"] = [[["client0.verified", False]], *found["clauses"]]

    rewritten(folder / f"{WHERE}.proofs", change)
    again = proved()
    assert told(again) == told(first)
    for r in again:
        assert r.certificate is None or "(assert (not client0.verified))" not in r.certificate


@pytest.mark.deep
def test_true_clauses_that_do_not_imply_the_property_prove_nothing(folder: Path) -> None:
    first = proved()

    def change(data: Any) -> None:
        one = next(iter(data.values()))
        for name in data:
            data[name] = {**one, "clauses": []}

    rewritten(folder / f"{WHERE}.proofs", change)
    assert told(proved()) == told(first)


@pytest.mark.deep
def test_names_and_values_of_another_system_are_no_error(folder: Path) -> None:
    first = proved()

    def change(data: Any) -> None:
        for found in data.values():
            found["names"] += ["client7.state"]
            found["clauses"] += [[["client7.state", "X"]], [["client0.state", "NO SUCH"]]]

    rewritten(folder / f"{WHERE}.proofs", change)
    assert told(proved()) == told(first)


@pytest.mark.deep
@pytest.mark.parametrize("data", [b"[]", b"{}", b"3", b'{"x": 3}', b"{", b'{"x": {"clauses": 3}}'])
def test_what_is_no_answer_is_made_anew(data: bytes, folder: Path) -> None:
    first = proved()
    cache.write(folder / f"{WHERE}.proofs", zlib.compress(data))
    cache.write(folder / f"{WHERE}.search", zlib.compress(data))
    assert told(proved()) == told(first)
    assert {r.method for r in searched()} == {"search"}


@pytest.mark.deep
def test_nothing_is_kept_of_a_patch_or_under_a_bound(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def names() -> set[str]:
        return {p.name for p in folder.glob(f"{WHERE}.*")} if folder.is_dir() else set()

    common = ["verify", "ORD-1", "--scenario", WHERE]
    main([*common, "--drop", "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE:sentinel"])
    main([*common, "--states", "10", "--engine", "explicit"])
    assert not names()
    main(common)
    assert names() == {f"{WHERE}.proofs"}  # a search with a narrower question is not whole
    before = (folder / f"{WHERE}.proofs").stat().st_mtime_ns
    main([*common, "--fresh"])
    assert (folder / f"{WHERE}.proofs").stat().st_mtime_ns == before
    capsys.readouterr()
    assert main(["cache"]) == 0
    assert "proofs        1 files" in capsys.readouterr().out
    assert main(["cache", "--clear"]) == 0
    assert not names()


@pytest.mark.deep
def test_the_clauses_that_still_hold_help_after_an_edit() -> None:
    """Of a flawed system: the properties that do not fall are proved, the one that falls is not."""
    proved()
    system = system_of(Request(flaw="early_ccs"), scenario(WHERE))
    request = replace(Request(), states=100_000)
    results = prove(system, asked(), request, witness=False, kept=Kept(WHERE, NOTES.append))
    alone = prove(system, asked(), request, witness=False)
    assert {r.id: r.verdict for r in results} == {r.id: r.verdict for r in alone}


def test_a_first_run_checks_the_proofs_that_come_with_the_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = told(proved())
    cache.clear(cache.folder())
    monkeypatch.setattr(kept, "SHIPPED", SHIPPED)
    with monkeypatch.context() as patch:
        patch.setattr("checker.engines.pdr.Pdr.prove", None)  # no proof is sought
        assert told(proved()) == alone
    name = f"{WHERE}.proofs"
    (tmp_path / name).write_bytes((SHIPPED / name).read_bytes()[:100])
    monkeypatch.setattr(kept, "SHIPPED", tmp_path)
    assert told(proved()) == alone
    assert [f"{WHERE}: what is kept of its proofs does not fit, and is made anew"] == NOTES


def test_paths_to_cases_are_replayed_and_what_was_not_found_is_not_sought_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A path that is none of the system, as after an edit, shows nothing."""
    where = "leaks-key-update-client-auth"  # proved alone
    system = system_of(Request(), scenario(where))
    props = [p for p in properties_of(Request(), scenario(where)) if p.id in ("SEC-8", "KEY-10")]
    found = [witnesses(system, props, Request(), Kept(where, NOTES.append))]
    path = cache.folder() / f"{where}.witnesses"
    with monkeypatch.context() as patch:
        patch.setattr("checker.witnesses._found", None)  # nothing is searched
        found.append(witnesses(system, props, Request(), Kept(where, NOTES.append)))
    kept_once = len([*Kept(where, NOTES.append).witnesses(system)])
    with monkeypatch.context() as patch:
        patch.setattr(kept, "SHIPPED", cache.folder())  # the same ones
        assert len([*Kept(where, NOTES.append).witnesses(system)]) == kept_once > 0
    rewritten(path, lambda data: data["paths"][0][1][1].update({"client0.state": "CLOSED"}))
    found.append(witnesses(system, props, Request(), Kept(where, NOTES.append)))
    assert found[0] == found[1] == found[2]
    assert True in found[0][props[0].name].values() and not NOTES


PROVED_ONES = [s.name for s in SCENARIOS if s.default and "symbolic" in s.methods]


@pytest.mark.deep
@pytest.mark.parametrize("where", PROVED_ONES)
def test_the_proofs_that_come_with_the_project_are_those_of_its_scenarios(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not, is found anew by each user: `make proofs` writes them."""
    monkeypatch.setattr(kept, "SHIPPED", SHIPPED)
    system = system_of(Request(), scenario(where))
    found = next((x for x in Kept(where, NOTES.append).proofs() if x), {})
    asked = [p for p in properties_of(Request(), scenario(where)) if p.kind == "invariant"]
    prover = Prover(system, [p.holds(system) for p in asked])
    assert prover.recall(found.values()) and not NOTES
    fails = {p.name for p in asked if declared(p.name, where)[0] == VIOLATED}
    assert {*found} == {p.name for p in asked} - fails


def test_the_digest_of_a_system_is_the_same_in_every_process() -> None:
    """However the expressions were made before: other systems first, or none."""
    code = (
        "import sys\n"
        "from checker.kept import identity_of\n"
        "from checker.engines.interface import Question\n"
        "from model.scenario import scenario\n"
        "for name in sys.argv[1:]:\n"
        "    system = scenario(name).system()\n"
        "    q = Question('q', system.of('client0', 'verified'))\n"
        "    said = identity_of(system.compile(q.expr), [q])\n"
        "print(said)\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, *names, WHERE],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for names, seed in ([[], "0"], [["tls13", "anonymous"], "1"])
    ]
    assert said[0] == said[1] != ""
