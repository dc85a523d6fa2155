"""The search on a Dask cluster against the local one: the same states, depths and verdicts, also
when a worker dies."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from checker import cli
from checker.by_search import patched_rows
from checker.engines.cluster import Cluster, ClusterError, Recipe, available
from checker.engines.explicit import Explicit
from checker.engines.interface import UNWATCHED, Budget, Question, Search, Watch, described
from checker.request import Request, properties_of, system_of
from checker.trace import replay
from model.expr import Expr
from model.scenario import scenario
from model.system import Compiled
from tests.checker.test_engines import COUNTS, compiled, many
from tests.sizes import deep_but

pytestmark = pytest.mark.skipif(bool(available()), reason=available() or "-")


# -- recipes: the workers call these -------------------------------------------------------------
def toy(name: str, full: bool) -> tuple[Compiled, list[Expr]]:
    """A toy, and no question."""
    return compiled(name, full=full), []


def wide(roles: int) -> tuple[Compiled, list[Expr]]:
    """States of several words."""
    return many(roles), []


def asked(where: str, flaw: str | None = None) -> tuple[Compiled, list[Expr]]:
    """What `verify.search` asks of a scenario."""
    request = Request(scenario=where, flaw=flaw)
    system = system_of(request, scenario(where))
    props = [p for p in properties_of(request, scenario(where)) if not p.temporal]
    exprs = [p.bad(system) for p in props]
    exprs += [e for p in props for e in p.cases(system).values()]
    exprs += patched_rows(request, scenario(where), system).values()
    return system.compile(*exprs), exprs


def deadly() -> tuple[Compiled, list[Expr]]:
    """What no worker survives."""
    os._exit(1)


def recipe(function: str, *arguments: Any) -> Recipe:
    return Recipe(__name__, function, arguments)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two worker processes on this machine."""
    import distributed

    with distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
    ) as cluster:
        yield cluster.scheduler_address


def local(c: Compiled, exprs: Sequence[Expr]) -> tuple[Search, dict[str, int]]:
    """The levels, and the depth of each question that is answered."""
    questions = [Question(str(i), e) for i, e in enumerate(exprs)]
    engine = Explicit(c)
    found = engine.search(questions)
    depths = {
        q.name: int(np.searchsorted(engine.starts, q.state, side="right")) - 1
        for q in questions
        if q.state is not None
    }
    return found, depths


def compare(address: str, r: Recipe, progress: Any = None) -> None:
    c, exprs = r.build()
    wanted, depths = local(c, exprs)
    questions = [Question(str(i), e) for i, e in enumerate(exprs)]
    with Cluster(c, r, address) as engine:
        found = engine.search(questions, watch=Watch(progress(engine)) if progress else UNWATCHED)
        assert (found.complete, found.levels) == (True, wanted.levels)
        assert {q.name: engine.depth(q.state) for q in questions if q.state is not None} == depths


@pytest.mark.parametrize(("name", "full", "levels", "edges"), COUNTS)
def test_toys(address: str, name: str, full: bool, levels: list[int], edges: int) -> None:
    c = compiled(name, full=full)
    with Cluster(c, recipe("toy", name, full), address, parts=3) as engine:
        found = engine.search()
    assert (found.complete, found.levels) == (True, levels)


def test_wide_states(address: str) -> None:
    with Cluster(many(5), recipe("wide", 5), address) as engine:
        assert engine.search().levels == [32, 160, 320, 320, 160, 32]


@pytest.mark.parametrize("where", deep_but(["tls12-small"], ["tls12-small", "honest"]))
def test_the_same_levels_and_depths(address: str, where: str) -> None:
    compare(address, recipe("asked", where))


@pytest.mark.deep
def test_a_violation_replays(address: str) -> None:
    """Its trace is as short as that of the local search."""
    request = Request(scenario="tls12-small", flaw="early_ccs")
    system = system_of(request, scenario("tls12-small"))
    props = [p for p in properties_of(request, scenario("tls12-small")) if not p.temporal]
    c, exprs = asked("tls12-small", "early_ccs")
    _, depths = local(c, exprs)
    questions = [Question(str(i), e) for i, e in enumerate(exprs)]
    with Cluster(c, recipe("asked", "tls12-small", "early_ccs"), address) as engine:
        found = engine.search(
            questions,
            watch=Watch(stop=lambda: any(q.state is not None for q in questions[: len(props)])),
        )
        assert not found.complete
        assert found.reason == "every question was answered"
        broken = [(p, q) for p, q in zip(props, questions, strict=False) if q.state is not None]
        assert broken
        for p, q in broken:
            assert q.state is not None
            trace = replay(system, described(c, engine.path(q.state)), q.expr, p.name)
            assert len(trace) == depths[q.name] == engine.depth(q.state) == found.depth


@pytest.mark.deep
def test_the_command(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    shared = ["verify", "--scenario", "tls12-small", "--engine", "explicit", "--format", "json"]
    out = []
    for more in (["--cluster", address], []):
        assert cli.main([*shared, "--flaw", "early_ccs", *more]) == 0
        rows = json.loads(capsys.readouterr().out)["results"]
        out.append([(r["property"], r["verdict"], r["states"], r["depth"]) for r in rows])
    assert out[0] == out[1]
    assert cli.main([*shared, "--cluster", address, "--backend", "c"]) == 2


@pytest.mark.deep
def test_a_lost_worker_costs_no_state(address: str) -> None:
    """SIGKILL in mid-search, where that worker holds states of every level so far."""
    killed: list[int] = []
    after: set[int] = set()

    def progress(engine: Cluster) -> Any:
        def at(result: Search, n: int) -> None:
            if result.depth == 14 and not killed:
                held = engine.client.has_what()
                pids = engine.client.run(os.getpid)
                assert all(held[w] for w in pids)
                killed.append(min(pids.values()))
                os.kill(killed[0], signal.SIGKILL)
            elif killed:
                after.update(engine.client.run(os.getpid, on_error="ignore").values())

        return at

    compare(address, recipe("asked", "tls12-small"), progress)
    assert killed
    assert after - set(killed)
    assert killed[0] not in after


@pytest.mark.deep
def test_budgets(address: str) -> None:
    c, exprs = asked("honest")
    questions = [Question(str(i), e) for i, e in enumerate(exprs)]
    with Cluster(c, recipe("asked", "honest"), address) as engine:
        found = engine.search(questions, Budget(states=1000))
        assert (found.states, found.complete) == (1000, False)
        assert found.reason == "the budget of 1000 states ended before the search"
        found = engine.search(questions, Budget(seconds=0.0))
        assert (found.complete, found.reason) == (False, "the time budget of 0 s ended")
        found = engine.search(questions, Budget(memory=10_000))
        assert (found.complete, found.reason) == (False, "the memory budget of 10000 bytes ended")

        def interrupt(result: Search, n: int) -> None:
            raise KeyboardInterrupt

        found = engine.search(questions, watch=Watch(progress=interrupt))
        assert (found.complete, found.reason) == (False, "interrupted")


def test_a_recipe_must_build_the_same(address: str) -> None:
    with (
        Cluster(compiled("toy"), recipe("toy", "counters", True), address) as engine,
        pytest.raises(ClusterError, match="cannot take part: a worker builds another system"),
    ):
        engine.search()
    with (
        Cluster(compiled("toy"), Recipe("no_such_module", "f"), address) as engine,
        pytest.raises(ClusterError, match="cannot take part: No module named 'no_such_module'"),
    ):
        engine.search()


@pytest.mark.deep
def test_a_task_that_kills_workers(address: str) -> None:
    """It is not tried for ever."""
    with (
        Cluster(compiled("toy"), recipe("deadly"), address, parts=1) as engine,
        pytest.raises(ClusterError, match="workers die of one task"),
    ):
        engine.search()


@pytest.mark.parametrize("lost", ["workers", "scheduler"])
def test_a_cluster_that_is_lost(monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    import distributed

    monkeypatch.setattr("checker.engines.cluster.LOST_SECONDS", 0.5)
    monkeypatch.setattr("checker.engines.cluster.CONNECT_SECONDS", 2.0)
    with (
        distributed.LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1,
            processes=False,
            protocol="tcp://",
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
        ) as cluster,
        Cluster(compiled("toy"), recipe("toy", "toy", True), cluster.scheduler_address) as engine,
    ):

        def lose(result: Search, n: int) -> None:
            if lost == "workers":
                cluster.sync(cluster.workers[0].close)
            else:
                cluster.close()

        with pytest.raises(ClusterError, match=r"the cluster (was lost|has lost all its workers)"):
            engine.search(watch=Watch(progress=lose))


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.engines.cluster.CONNECT_SECONDS", 0.5)
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        Cluster(compiled("toy"), recipe("toy", "toy", True), "tcp://127.0.0.1:9")
    with pytest.raises(ClusterError, match="no Dask scheduler answers at nonsense://"):
        Cluster(compiled("toy"), recipe("toy", "toy", True), "nonsense://")


@pytest.mark.scenario
def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.engines.cluster.find_spec", lambda name: None)
    with pytest.raises(ClusterError, match="dask `distributed` is not installed"):
        Cluster(compiled("toy"), recipe("toy", "toy", True), "tcp://127.0.0.1:9")
