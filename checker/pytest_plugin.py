"""Properties as pytest tests: the fixture `model_check`, and `pytest --tls-properties`; real
handshakes: the fixture `tls_proxy`.

    def test_no_data_before_finished(model_check):
        model_check.holds(
            "tls12-small", lambda w: [when(r.delivered).then(r.verified) for r in w.runs]
        )

A failure names the line of the property and the case that broke, and draws the chart of a shortest,
replayed counterexample.

    def test_my_server(tls_proxy, my_server, tmp_path):
        proxy = tls_proxy(my_server.port, keys=tmp_path / "keys.txt")
        talk_to(*proxy.address, key_log=tmp_path / "keys.txt")

At the end of the test every connection must have been legal; a failure prints the first illegal
message. pytest loads this file in every project where the checker is installed, so
whatever takes time is imported where it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import pytest

from checker import SIBLINGS, misplaced

if TYPE_CHECKING:
    from checker.conformance.proxy import Proxy
    from checker.request import Request
    from checker.verdict import Result
    from model.scenario import Scenario
    from model.system import System
    from properties import Property

OPTIONS = {
    "--tls-engine": ("engine", "engine of every check: explicit, symbolic, reference or all"),
    "--tls-time": ("seconds", "seconds for each search and each proof of a check"),
    "--tls-states": ("states", "states for each search of a check"),
}
"""By option of pytest: the field of a request that it sets, and its help."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fixture."""
    group = parser.getgroup("tls", "the TLS handshake model checker")
    for name, (_, says) in OPTIONS.items():
        group.addoption(name, help=says)
    group.addoption(
        "--tls-properties",
        action="store_true",
        help="collect every property of every default scenario, too, as SCENARIO::ID",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a wrong value of an option before the tests."""
    if any(config.getoption(name) is not None for name in OPTIONS):
        if wrong := misplaced():
            raise pytest.UsageError(wrong)
        try:
            _asked(config)
        except ValueError as e:
            raise pytest.UsageError(str(e)) from e


def _asked(config: pytest.Config) -> dict[str, Any]:
    """What the options ask for, by field of a request; ValueError for a wrong value."""
    import argparse

    from checker.arguments import ENGINE, SECONDS, STATES

    like = {"engine": ENGINE, "seconds": SECONDS, "states": STATES}
    out = {}
    for name, (field, _) in OPTIONS.items():
        value = config.getoption(name)
        if value is not None:
            _, options = like[field]
            try:
                out[field] = options.get("type", str)(value)
            except argparse.ArgumentTypeError as e:
                raise ValueError(f"{name}: {e}") from e
            choices = options.get("choices")
            if choices and value not in choices:
                raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    return out


# -- the fixture -----------------------------------------------------------------------------------
class Asked(TypedDict, total=False):
    """The options of a check, as on the command line."""

    flaw: str | None
    drop: str | tuple[str, ...]
    states: int | None


class ModelCheck:
    """The fixture: decides a property in a scenario.

    The scenario is one of the catalogue, by name, or one of your own. The property is a function of
    the world (see `properties.World`) that returns implications or one expression, or the name or
    id of a declared property. `flaw` and `drop` are as on the command line; `states` bounds the
    search.
    """

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.node = request.node
        self.config = request.config

    def holds(self, where: str | Scenario, says: Says, **asked: Unpack[Asked]) -> Result:
        """Assert that the invariant holds, by a search of the whole scenario; the result."""
        return self._decided("invariant", "PROVED", where, says, asked)

    def proved(self, where: str | Scenario, says: Says, **asked: Unpack[Asked]) -> Result:
        """Assert that the invariant is proved by induction, and checked again; the result."""
        return self._decided("invariant", "PROVED", where, says, asked, engine="symbolic")

    def violated(self, where: str | Scenario, says: Says, **asked: Unpack[Asked]) -> Any:
        """Assert that the invariant is violated; the replayed trace."""
        return self._decided("invariant", "VIOLATED", where, says, asked).trace

    def reaches(self, where: str | Scenario, goal: Says, **asked: Unpack[Asked]) -> Result:
        """Assert that some reachable state satisfies the goal; the result."""
        return self._decided("reachable", "PROVED", where, goal, asked)

    def _decided(
        self,
        kind: str,
        verdict: str,
        where: str | Scenario,
        says: Says,
        asked: Asked,
        **more: Any,
    ) -> Result:
        """The result of a check; the test fails if it is not the `verdict`."""
        from checker.request import Request
        from model.near import UsageError
        from model.rule import ModelError

        drop = asked.get("drop", ())
        options = {**_asked(self.config), **more}
        if asked.get("states") is not None:
            options["states"] = asked["states"]
        place = f"{_caller()}: "
        try:
            request = Request(
                scenario=_named(where),
                flaw=asked.get("flaw"),
                drop=(drop,) if isinstance(drop, str) else tuple(drop),
                **options,
            )
            p = _property(kind, says)
            system = _system(request)
            place = ""  # what is wrong in the property is told with its line
            p.implications(system)
        except (UsageError, ModelError) as e:
            raise pytest.fail.Exception(f"{place}{e}", pytrace=False) from None
        result = _result(p, system, request)
        if result.verdict != verdict:
            again = _command(request, p) if isinstance(says, str) else self._test()
            expected = "a violation was expected" if verdict == "VIOLATED" else ""
            pytest.fail(_explained(p, result, again, expected), pytrace=False)
        return result

    def _test(self) -> str:
        """The command that runs this test again."""
        options = [
            f"{name}={value}"
            for name in OPTIONS
            if (value := self.config.getoption(name)) is not None
        ]
        return _shell(["python", "-m", "pytest", self.node.nodeid, *options])


Says = str | Callable[[Any], Any]
"""A property: a function, or the name or id of a declared one."""


@pytest.fixture
def model_check(request: pytest.FixtureRequest) -> ModelCheck:
    """Check properties of the TLS handshake: holds, proved, violated, reaches."""
    if wrong := misplaced():
        pytest.fail(wrong, pytrace=False)
    return ModelCheck(request)


def _named(where: str | Scenario) -> str:
    """The name of a scenario, which is made known if it is one of the test's own."""
    from model.scenario import own

    if isinstance(where, str):
        return where
    own(where)
    return where.name


def _property(kind: str, says: Says) -> Property:
    from properties import declared, find

    if isinstance(says, str):
        return find(says)[0]
    name = getattr(says, "__name__", "property").replace("<lambda>", "property")
    return declared(kind, name, says)


def _system(request: Request) -> System:
    from checker.request import system_of
    from model.scenario import scenario

    return system_of(request, scenario(request.scenario or ""))


def _result(p: Property, system: System, request: Request) -> Result:
    """The result for one property, decided in this process."""
    from dataclasses import replace

    from checker.by_proof import prove
    from checker.by_search import search, temporal
    from checker.engines.choice import EXPLICIT, REFERENCE, SYMBOLIC
    from checker.verify import combined

    if p.temporal:
        return temporal(system, [p], fired=request.engine == REFERENCE)[0]
    out = []
    if request.engine != SYMBOLIC or p.kind != "invariant":
        by = REFERENCE if request.engine == REFERENCE else EXPLICIT
        out += search(system, [p], replace(request, engine=by))
    if request.engine in (SYMBOLIC, "all") and p.kind == "invariant":
        out += prove(system, [p], request)
    return combined(out)


# -- real handshakes ------------------------------------------------------------------------------
@pytest.fixture
def tls_proxy() -> Generator[Callable[..., Any]]:
    """A function that starts a proxy on loopback: `tls_proxy(port, keys=FILE)`.

    The client connects to the `address` of what it returns. When the test ends, the proxies are
    stopped. The test fails if the monitor refuses or cannot read one of their connections, or if
    there was none.
    """
    from checker.conformance.monitor import watch
    from checker.conformance.proxy import Proxy
    from checker.report.monitor import render

    bad = []
    with ExitStack() as ends:
        proxies: list[Proxy] = []

        def start(port: int, keys: object = None, host: str = "127.0.0.1") -> Proxy:
            proxy = Proxy((host, 0), (host, port), None if keys is None else str(keys))
            proxies.append(ends.enter_context(proxy))
            return proxy

        yield start
        for proxy in proxies:
            proxy.settle(2.0)
            proxy.stop()
            reports = [watch(r) for r in proxy.recordings()]
            bad += [render(report) for report in reports if not report.ok]
            if not reports:
                bad.append(f"tls_proxy: no connection came to port {proxy.address[1]}")
    if bad:
        pytest.fail("\n\n".join(bad), pytrace=False)


# -- every property as a test ----------------------------------------------------------------------
class Properties(pytest.Collector):
    """The properties of one scenario, decided together when the first of them runs."""

    scenario: Any
    found: dict[str, Any] | None = None

    def collect(self) -> Iterator[PropertyItem]:
        """An item for each property that applies."""
        from checker.request import Request, properties_of

        for p in properties_of(Request(), self.scenario):
            item: PropertyItem = PropertyItem.from_parent(self, name=p.id)
            item.property = p
            # With pytest-xdist's --dist loadgroup, one process decides a scenario.
            item.add_marker(pytest.mark.xdist_group(self.scenario.name))
            yield item

    def result(self, item: PropertyItem) -> Any:
        """The result for an item, of a run for all items of the scenario that are selected."""
        if self.found is None:
            from checker.request import Request, checked
            from checker.verify import verify

            asked = [x for x in item.session.items if x.parent is self]
            names = tuple(x.property.name for x in asked if isinstance(x, PropertyItem))
            every = len(names) == sum(1 for _ in self.collect())
            request = Request(
                () if every else names, self.scenario.name, kept=True, **_asked(self.config)
            )
            checked(request)
            outcome = verify(request)
            if outcome.interrupted:
                raise KeyboardInterrupt
            self.found = {r.property: r for r in outcome.results}
        return self.found.get(item.property.name)


class PropertyItem(pytest.Item):
    """A property in a scenario: passes if the verdict is as declared."""

    property: Any

    def runtest(self) -> None:
        """Fail with the explanation of the result, if it is not as declared."""
        from checker.request import Request

        assert isinstance(self.parent, Properties)
        result = self.parent.result(self)
        if result is None:
            if self.property.kind == "invariant":
                pytest.fail("the run gave no verdict on it", pytrace=False)
            pytest.skip("it is a goal, and the scenario is proved, not searched")
        if not result.as_declared:
            request = Request(scenario=self.parent.scenario.name, **_asked(self.config))
            again = _command(request, self.property)
            expected = f"declared {result.declared}"
            pytest.fail(_explained(self.property, result, again, expected), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File and line of the property, and its sentence."""
        file, line = _written(self.property)
        return (
            Path(file),
            line - 1,
            f"{self.parent.name if self.parent else ''}: {self.property.sentence}",
        )


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the properties, if asked for, before items are deselected."""
    if not session.config.getoption("--tls-properties"):
        return
    if wrong := misplaced():
        raise pytest.UsageError(wrong)
    from checker.request import Request, scenarios_of, size

    for where in sorted(scenarios_of(Request()), key=size):
        group: Properties = Properties.from_parent(session, name=where.name, nodeid=where.name)
        group.scenario = where
        items += session.genitems(group)


# -- what is said ----------------------------------------------------------------------------------
def _explained(p: Property, result: Result, again: str, expected: str) -> str:
    """What a failure says: line, verdict and reason, the chart, and the command that replays it."""
    from checker.report.sequence import chart

    file, line = _written(p)
    head = f"{_short(file)}:{line}: {p.name} in {result.scenario}: {result.verdict}"
    more = "; ".join(filter(None, (result.reason, expected)))
    parts = [f"{head} ({more})" if more else head]
    if result.trace is not None:
        parts.append(chart(result.trace, patched=result.rows))
    return "\n\n".join([*parts, f"replay: {again}"])


def _command(request: Request, p: Property) -> str:
    """The command line that decides a declared property as a check did."""
    asked = {
        "--scenario": request.scenario,
        "--engine": request.engine,
        "--flaw": request.flaw,
        "--time": request.seconds,
        "--states": request.states,
    }
    words = [w for name, value in asked.items() if value is not None for w in (name, str(value))]
    drops = [w for d in request.drop for w in ("--drop", d)]
    return _shell(["python", "-m", "checker", "verify", p.id, *words, *drops])


def _shell(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def _written(p: Property) -> tuple[str, int]:
    """File and line of a property's function."""
    code = getattr(p.function, "__code__", SimpleNamespace(co_filename="", co_firstlineno=0))
    return code.co_filename, code.co_firstlineno


def _caller() -> str:
    """File and line in the test."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}"


def _short(file: str) -> str:
    """The path relative to the working directory, if inside."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(call: pytest.CallInfo[Any], report: Any) -> None:
    """Explain a failed import in a test file if a file beside it hides one of our packages."""
    error = call.excinfo.value if call.excinfo is not None else None
    cause = error if isinstance(error, ImportError) else getattr(error, "__cause__", None)
    if isinstance(report, pytest.CollectReport) and isinstance(cause, ImportError):
        package = (cause.name or "").partition(".")[0]
        if package in SIBLINGS and (wrong := misplaced()):
            report.longrepr = f"{cause}\n\n{wrong}"
