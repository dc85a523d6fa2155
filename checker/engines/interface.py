"""The interface of every engine: questions and a budget in, a search and paths to answers out."""

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
    """An expression that a search looks for."""

    name: str
    expr: Expr
    state: int | None = None  # the answer: the number of the first state where `expr` is true

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """The expressions that the engine must be able to evaluate."""
        return (self.expr,)


@dataclass
class Final(Question):
    """A question that is asked only of the states in which a fair run can stay for ever."""


@dataclass
class Follows(Question):
    """Whether some fair run reaches a state with `expr` and from there on never `holds`.

    The answer is a lasso: `state` is its number, which is that of no state.
    """

    holds: Expr = TRUE
    fairness: str = "weak"  # or "strong"
    loop: int | None = None  # the number of steps before those that repeat for ever

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """The expressions that the engine must be able to evaluate."""
        return (self.expr, self.holds)


@dataclass(frozen=True)
class Budget:
    """The limits of a search; None is no limit."""

    states: int | None = None
    seconds: float | None = None  # of wall time
    memory: int | None = None  # bytes

    @property
    def short(self) -> str:
        """The reason to end a search that has more than `states`."""
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
    """What a search found, apart from the answers to its questions."""

    complete: bool = False
    reason: str = ""  # why it is not complete
    levels: list[int] = field(default_factory=list)  # new states at each depth
    edges: dict[Label, int] = field(default_factory=dict)  # how many for each step
    seconds: float = 0.0

    @property
    def states(self) -> int:
        """The number of distinct states."""
        return sum(self.levels)

    @property
    def depth(self) -> int:
        """The largest distance from an initial state."""
        return len(self.levels) - 1


@dataclass(frozen=True)
class Watch:
    """The callbacks of a search."""

    # The search so far, and the size of its frontier.
    progress: Callable[[Search, int], None] = lambda search, frontier: None
    line: Callable[[str], None] = lambda text: None  # progress, in words
    note: Callable[[str], None] = lambda text: None  # log a permanent line
    threads: Callable[[], int] = lambda: 1  # how many threads may run
    stop: Callable[[Search], bool] = lambda search: False  # whether the answers so far are enough


UNLIMITED = Budget()
UNWATCHED = Watch()
STOPPED = "every question was answered"
"""The reason of a search that `Watch.stop` ended."""


class Engine(Protocol):
    """A breadth-first search of one compiled system."""

    compiled: Compiled

    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore until no state is new, the budget ends, or `watch.stop`.

        The answer of each question, the first state where its expression is true, is set in the
        question. KeyboardInterrupt ends the search with what was found so far.
        """

    def path(self, state: int, /) -> Route:
        """A shortest path from an initial state to the answer `state` of a question."""


def described(compiled: Compiled, path: Route) -> Described:
    """A path in the form that is replayed."""
    return [(step.label if step else None, compiled.describe(s)) for step, s in path]


@dataclass
class Finding:
    """What an engine found of one property."""

    method: str
    complete: bool  # without `bad`, no reachable state or run breaks the property
    reason: str = ""  # why it is not complete
    bad: Described | None = None  # the path of a violation
    loop: int | None = None  # of a lasso, the number of steps before those that repeat for ever
    # Whether each case of the property is reached; None if that is not known. Without the mapping,
    # that is left to another engine.
    cases: Mapping[Any, bool | None] | None = None
    states: int | None = None
    depth: int | None = None
    stopped: bool = False
    cleared: int | None = None  # the depth to which a bounded search found no violation
    certificate: str | None = None  # an inductive invariant as SMT-LIB text
    configurations: int | None = None
