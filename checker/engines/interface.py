"""What every engine is: questions and a budget go in, a search and paths to answers come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from model.expr import TRUE, Expr
from model.system import Compiled, Step

Label = tuple[str, str, str]
Route = Sequence[tuple[Step | None, tuple[Any, ...]]]
"""The steps taken from an initial state, each with the state reached; the first step is None."""
Described = Sequence[tuple[Label | None, Mapping[str, Any]]]
"""A path with the labels of its steps, and the values of its states by name."""


@dataclass
class Question:
    """An expression that a search looks for; `state` numbers the first state where it is true."""

    name: str
    expr: Expr
    state: int | None = None

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All that it reads."""
        return (self.expr,)


@dataclass
class Follows(Question):
    """Whether some fair run has a state with `expr` and from it on none with `holds`.

    `state` numbers such a lasso, `loop` is the number of its steps before those that repeat for
    ever. `fairness` is "weak" or "strong".
    """

    holds: Expr = TRUE
    fairness: str = "weak"
    loop: int | None = None

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All that it reads."""
        return (self.expr, self.holds)


@dataclass(frozen=True)
class Budget:
    """What a search may use: a count of states, seconds of wall time, bytes. None: no limit."""

    states: int | None = None
    seconds: float | None = None
    memory: int | None = None

    @property
    def short(self) -> str:
        """The reason of a search that has more states than it may."""
        return f"the budget of {self.states} states ended before the search"

    def ended(self, seconds: float, held: int) -> str:
        """The reason to end a search after `seconds`, with `held` bytes in use; empty if none."""
        if self.seconds is not None and seconds > self.seconds:
            return f"the time budget of {self.seconds:g} s ended"
        if self.memory is not None and held > self.memory:
            return f"the memory budget of {self.memory} bytes ended"
        return ""


@dataclass
class Search:
    """What a search found. `levels` are the numbers of new states at each depth."""

    complete: bool = False
    reason: str = ""
    levels: list[int] = field(default_factory=list)
    edges: dict[Label, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def states(self) -> int:
        """Distinct states."""
        return sum(self.levels)

    @property
    def depth(self) -> int:
        """The largest distance from an initial state."""
        return len(self.levels) - 1


@dataclass(frozen=True)
class Watch:
    """Who watches a search: what is told, and what is asked.

    `progress(search, frontier)` is told how far the search is, `line(text)` the same in words;
    `note(text)` logs a permanent line. `threads()` says how many threads may run, `stop()` whether
    the answers so far are enough.
    """

    progress: Callable[[Search, int], None] = lambda search, frontier: None
    line: Callable[[str], None] = lambda text: None
    note: Callable[[str], None] = lambda text: None
    threads: Callable[[], int] = lambda: 1
    stop: Callable[[], bool] = lambda: False


UNLIMITED = Budget()
UNWATCHED = Watch()
STOPPED = "every question was answered"
"""The reason of a search that `Watch.stop` ended."""


class Engine(Protocol):
    """A search of one compiled system."""

    compiled: Compiled

    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore until nothing is new, the budget ends, or `watch.stop()`.

        Each question gets the first state where it is true. KeyboardInterrupt ends the search with
        what was found so far.
        """

    def path(self, state: int, /) -> Route:
        """A shortest path from an initial state to the one numbered `state`."""


def described(compiled: Compiled, path: Route) -> Described:
    """A path as it is replayed."""
    return [(step.label if step else None, compiled.describe(s)) for step, s in path]


@dataclass
class Finding:
    """What an engine found of one property; `method` says how.

    `bad` is the path to where it is broken, `loop` the number of its steps before those that
    repeat for ever (None: no lasso). `complete`: without `bad`, it is broken nowhere. `seen`:
    whether its interesting case was reached; None if that is left to another engine. `cleared` is
    the depth to which it holds, `certificate` an inductive invariant as SMT-LIB text.
    """

    method: str
    complete: bool
    reason: str = ""
    bad: Described | None = None
    loop: int | None = None
    seen: bool | None = None
    states: int | None = None
    depth: int | None = None
    stopped: bool = False
    cleared: int | None = None
    certificate: str | None = None
    configurations: int | None = None
