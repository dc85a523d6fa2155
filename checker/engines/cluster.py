"""The explicit search spread over a Dask cluster: exact, level by level, safe from lost workers.

A hash of a state's words says to which part the state belongs. At each level, one task for each
part expands the part's frontier, and one merges the new states of the part with the visited ones.
States stay on the workers: the client gets only counts and the states that answer a question.
Tasks are deterministic, so a lost worker costs no state: Dask recomputes what the worker held, from
the initial states on, which takes the longer the deeper the search is.

Expressions are not sent: each worker builds the system by a `Recipe`, from the same version of
this project, which must be importable there. A cluster runs any code that is sent to it: use one
that you trust.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Self

import numpy as np

from checker.engines.explicit import CHUNK, Explicit, numpy_function
from checker.engines.interface import (
    STOPPED,
    UNLIMITED,
    UNWATCHED,
    Budget,
    Question,
    Route,
    Search,
    Watch,
)
from checker.engines.words import Array, Visited, key_of, unique
from model.expr import TRUE, Expr
from model.system import Compiled, Step

CONNECT_SECONDS = 10.0
LOST_SECONDS = 60.0
"""How long a search waits while the cluster has no worker at all."""
RETRIES = 3
PROBES = 4096
_lock = threading.Lock()


class ClusterError(Exception):
    """The cluster cannot be reached, has no workers, or they do not have this system."""


def available() -> str:
    """The reason why no search can run on a cluster; empty if one can."""
    if find_spec("distributed") is None:
        return "dask `distributed` is not installed: pip install '.[cluster]'"
    return ""


@dataclass(frozen=True)
class Recipe:
    """A function by name, with hashable arguments, that builds the system in any process.

    The function returns the compiled system and the expressions of the questions, in order.
    """

    module: str
    function: str
    arguments: tuple[Any, ...] = ()

    def build(self) -> tuple[Compiled, Sequence[Expr]]:
        """The compiled system and the questions' expressions, built in this process."""
        made: tuple[Compiled, Sequence[Expr]]
        made = getattr(import_module(self.module), self.function)(*self.arguments)
        return made


def fingerprint(engine: Explicit, asked: Sequence[Any]) -> str:
    """A hash that must be equal in all processes: of the layout, the steps and their behaviour.

    The text of an expression may differ between processes (the order of operands), so steps and
    questions are hashed by their results on arbitrary states.
    """
    c = engine.compiled
    sha = hashlib.sha256(repr((c.names, [d.values for d in c.domains], c.initial)).encode())
    sha.update(repr([s.label for s in c.steps]).encode())
    rows = np.arange(1, PROBES + 1, dtype=np.uint64)
    probe = np.zeros((engine.layout.words, PROBES), dtype=np.uint64)
    for i, (d, (w, shift, _)) in enumerate(zip(c.domains, engine.layout.slots, strict=True)):
        mixed = rows * np.uint64(0x9E3779B97F4A7C15 * (2 * i + 1) % 2**64) >> np.uint64(40)
        probe[w] |= mixed % np.uint64(len(d.values)) << np.uint64(shift)
    found = [probe, *(w for w, _, _ in engine.expand(probe))]
    sha.update(unique(np.concatenate(found, axis=1))[0].tobytes())
    columns = engine.unpack(probe)
    for f in asked:
        sha.update(np.broadcast_to(f(columns, {}, np), PROBES).tobytes())
    return sha.hexdigest()


# -- on the workers --------------------------------------------------------------------------------
Hits = dict[int, tuple[int, ...]]
Part = tuple[list[tuple[Array, Array]], Array, tuple[int, Hits]]
"""The visited states (`Visited.runs`); the frontier; its size and a state for each question."""


@lru_cache(maxsize=4)
def _built(recipe: Recipe) -> tuple[str, Explicit, list[Any]]:
    compiled, exprs = recipe.build()
    asked = [numpy_function(compiled.narrow(e), compiled.index) for e in exprs]
    engine = Explicit(compiled)
    return fingerprint(engine, asked), engine, asked


def _engine(recipe: Recipe, wanted: str) -> tuple[Explicit, list[Any]]:
    """The engine and the questions of this process, built once."""
    with _lock:
        found, engine, asked = _built(recipe)
    if found != wanted:
        raise ClusterError("a worker builds another system: its version of this project differs")
    return engine, asked


def _check(recipe: Recipe, wanted: str) -> None:
    """Raise ClusterError on a worker that builds another system."""
    _engine(recipe, wanted)


def _split(words: Array, parts: int) -> list[Array]:
    """The states of each part, by part."""
    key = key_of(words) * np.uint64(0x9E3779B97F4A7C15)
    owner = (key >> np.uint64(32)) % np.uint64(parts)
    return [words[:, owner == p] for p in range(parts)]


def _expand(recipe: Recipe, wanted: str, frontier: Array, parts: int) -> list[Array]:
    """The distinct successors of a frontier, by part."""
    engine, _ = _engine(recipe, wanted)
    found = [frontier[:, :0]]
    for begin in range(0, frontier.shape[1], CHUNK):
        new = [w for w, _, _ in engine.expand(frontier[:, begin : begin + CHUNK])]
        if new:
            found.append(unique(np.concatenate(new, axis=1))[0])
    words = np.concatenate(found, axis=1)
    return _split(unique(words)[0] if len(found) > 2 else words, parts)


def _merge(
    recipe: Recipe, wanted: str, part: Part | None, batches: list[Array], pending: tuple[int, ...]
) -> Part:
    """A part after the next level: the states of `batches` that are new are its frontier."""
    engine, asked = _engine(recipe, wanted)
    visited = Visited()
    visited.runs = list(part[0]) if part else []
    words = unique(np.concatenate(batches, axis=1))[0]
    words = words[:, ~visited.contains(words)]
    if words.shape[1]:
        visited.add(words)
    questions = {i: Question("", TRUE) for i in pending}
    engine.ask([(q, asked[i]) for i, q in questions.items()], words, 0)
    hits = {i: _column(words, q.state) for i, q in questions.items() if q.state is not None}
    return visited.runs, words, (words.shape[1], hits)


def _item(values: Any, at: int) -> Any:
    return values[at]


def _column(words: Array, at: int) -> tuple[int, ...]:
    return tuple(int(w) for w in words[:, at])


def _before(
    recipe: Recipe, wanted: str, frontier: Array, target: tuple[int, ...]
) -> tuple[int, tuple[int, ...]] | None:
    """A step from a state of the frontier to the target, and that state; None if there is none."""
    engine, _ = _engine(recipe, wanted)
    goal = np.array(target, dtype=np.uint64)[:, None]
    for begin in range(0, frontier.shape[1], CHUNK):
        for words, rows, steps in engine.expand(frontier[:, begin : begin + CHUNK], begin):
            hit = np.flatnonzero(np.all(words == goal, axis=0))
            if hit.size:
                return int(steps[hit[0]]), _column(frontier, int(rows[hit[0]]))
    return None


# -- on the client ---------------------------------------------------------------------------------
class Cluster:
    """Breadth-first search of a compiled system on the cluster of the scheduler at `address`.

    `recipe` builds the system and the questions of the search on each worker. `parts` is the number
    of parts; 0 is two for each thread of the workers.
    """

    def __init__(self, compiled: Compiled, recipe: Recipe, address: str, *, parts: int = 0) -> None:
        why = available()
        if why:
            raise ClusterError(why)
        self.dask: Any = import_module("distributed")
        self.compiled, self.recipe = compiled, recipe
        self.local = Explicit(compiled)
        self.frontiers: list[dict[int, Any]] = []
        self.found: list[tuple[int, tuple[int, ...]]] = []
        self.wanted = ""
        try:
            self.client: Any = self.dask.Client(
                address, timeout=CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as e:
            raise ClusterError(f"no Dask scheduler answers at {address}: {e}") from e
        try:
            self.client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as e:
            self.close()
            raise ClusterError(f"the cluster at {address} has no workers") from e
        self.parts = parts or 2 * sum(self.client.nthreads().values())
        self.homes: list[str] = [""] * self.parts

    def close(self) -> None:
        """Leave the cluster, which then drops the states."""
        self.frontiers = []
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def depth(self, row: int) -> int:
        """The depth of the state that answered a question."""
        return self.found[row][0]

    # -- search ----------------------------------------------------------------------------------
    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore as `Engine.search` says.

        `questions` are those of the recipe, in the same order. The budget's bytes are those of the
        states on all workers together. If the budget of states ends within a level, the count is
        cut there, but the questions were asked of the whole level.
        """
        result = Search()
        began = time.monotonic()
        try:
            self._begin(questions)
            self._search(result, questions, budget, watch, began)
        except KeyboardInterrupt:
            result.reason = "interrupted"
        finally:
            result.seconds = time.monotonic() - began
        return result

    def _begin(self, questions: Sequence[Question]) -> None:
        """Check on every worker that the recipe builds this system and these questions."""
        asked = [
            numpy_function(self.compiled.narrow(q.expr), self.compiled.index) for q in questions
        ]
        self.wanted = fingerprint(self.local, asked)
        self.name = f"search-{uuid.uuid4().hex}"
        self.frontiers, self.found = [], []
        with self._connected():
            answers = self.client.run(_check, self.recipe, self.wanted, on_error="return")
        for worker, answer in answers.items():
            # A worker that dies during the check is treated like one that dies later.
            lost = isinstance(answer, self.dask.comm.CommClosedError)
            if isinstance(answer, Exception) and not lost:
                raise ClusterError(f"the worker {worker} cannot take part: {answer}") from answer

    def _search(
        self,
        result: Search,
        questions: Sequence[Question],
        budget: Budget,
        watch: Watch,
        began: float,
    ) -> None:
        until = None if budget.seconds is None else began + budget.seconds
        start = _split(unique(self.local.pack(self.compiled.initial_states()))[0], self.parts)
        batches: list[list[Any]] = [[words] for words in start]
        held: list[Any] = [None] * self.parts
        every, each = range(self.parts), 16 * self.local.layout.words + 8
        for level in range(1 << 62):
            self._settle()
            pending = tuple(i for i, q in enumerate(questions) if q.state is None)
            held = [
                self._submit(_merge, level, p, held[p], batches[p], pending, home=p) for p in every
            ]
            told = [self._submit(_item, level, p, held[p], 2) for p in every]
            frontiers = [self._submit(_item, level, p, held[p], 1, name="frontier") for p in every]
            # The initial states are counted whatever the budget.
            answers = self._wait(told, until if level else None)
            if answers is None:
                result.reason = budget.ended(time.monotonic() - began, 0)
                return
            n = sum(count for count, _ in answers)
            if not n:
                result.complete = True
                return
            self.frontiers.append({p: frontiers[p] for p in every if answers[p][0]})
            for i in pending:
                hit = next((hits[i] for _, hits in answers if i in hits), None)
                if hit is not None:
                    questions[i].state = len(self.found)
                    self.found.append((level, hit))
            if budget.states is not None and result.states + n > budget.states:
                result.levels.append(budget.states - result.states)
                result.reason = budget.short
                return
            result.levels.append(n)
            stopped = STOPPED if watch.stop() else ""
            size = result.states * each
            result.reason = stopped or budget.ended(time.monotonic() - began, size)
            if result.reason:
                return
            watch.progress(result, n)
            made = {
                p: self._submit(_expand, level, p, f, self.parts, home=p)
                for p, f in self.frontiers[-1].items()
            }
            batches = [
                [self._submit(_item, level, p, f, q, name=f"batch-{q}") for p, f in made.items()]
                for q in every
            ]

    def path(self, row: int) -> Route:
        """A shortest path to the answer `row` of a question.

        Parents are not stored: each level before is expanded again until it gives the state.
        """
        level, target = self.found[row]
        out: list[tuple[Step | None, tuple[Any, ...]]] = []
        for back in range(level - 1, -1, -1):
            answers = self._wait(
                [
                    self._submit(_before, back, p, f, target, name=f"before-{row}")
                    for p, f in self.frontiers[back].items()
                ],
                None,
            )
            step, state = next(a for a in answers or () if a is not None)
            out.append((self.compiled.steps[step], self._decode(target)))
            target = state
        out.append((None, self._decode(target)))
        return out[::-1]

    def _decode(self, column: tuple[int, ...]) -> tuple[Any, ...]:
        return self.local.decode(np.array(column, dtype=np.uint64))

    # -- tasks -----------------------------------------------------------------------------------
    def _settle(self) -> None:
        """Give each part a worker, for as long as that lives; Dask would put all on the first."""
        with self._connected():
            slots = [w for w, n in sorted(self.client.nthreads().items()) for _ in range(n)]
        for p, home in enumerate(self.homes):
            if slots and home not in slots:
                self.homes[p] = slots[p % len(slots)]

    def _submit(
        self,
        function: Any,
        level: int,
        part: int,
        *args: Any,
        home: int | None = None,
        name: str = "",
    ) -> Any:
        """The future of a task; a task with a `home` prefers the worker of that part."""
        if function is not _item:
            args = (self.recipe, self.wanted, *args)
        where: dict[str, Any] = {}
        if home is not None and self.homes[home]:
            where = {"workers": [self.homes[home]], "allow_other_workers": True}
        key = f"{self.name}-{name or function.__name__}-{level}-{part}"
        return self.client.submit(function, *args, key=key, retries=RETRIES, **where)

    def _wait(self, futures: list[Any], until: float | None) -> list[Any] | None:
        """The results of all futures; None if the time `until` has passed."""
        seen = time.monotonic()
        with self._connected():
            while True:
                try:
                    with self.client.as_current():
                        self.dask.wait(futures, timeout=1.0)
                except TimeoutError:
                    now = time.monotonic()
                else:
                    answers: list[Any] = self.client.gather(futures)
                    return answers
                if until is not None and now > until:
                    return None
                if self.client.nthreads():
                    seen = now
                elif now - seen > LOST_SECONDS:
                    raise ClusterError("the cluster has lost all its workers")

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Turn every error that means a lost cluster into a ClusterError."""
        try:
            yield
        except self.dask.scheduler.KilledWorker as e:
            raise ClusterError(f"workers die of one task: have they too little memory? {e}") from e
        except (OSError, self.dask.CancelledError) as e:
            raise ClusterError(f"the cluster was lost: {e}") from e
