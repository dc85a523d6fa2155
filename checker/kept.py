"""Answers kept between runs, and checked again before they count.

A scenario has files in the user's cache: of its search, the number of states with a path to each
answer; of its proofs, the clauses of each; where only proofs are made, paths to the cases of the
properties. A path is replayed on the machines, and clauses are checked by the solver on the system
as it is now. Proofs and their paths come with the project, too. Only the number of states of a
whole search is taken over, with a digest of which questions it answered and which it did not, if
the system and the questions are the same; then the verdict says `kept`. So are whole runs, of which
all properties hold.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import checker.engines
import properties
from checker import cache
from checker.engines.interface import Described, Label, Question, Search
from checker.engines.reference import EngineError, State
from checker.trace import machines_of, replay
from model.expr import Expr, fold
from model.system import Compiled, System

if TYPE_CHECKING:
    from checker.engines.symbolic import Invariant

T = TypeVar("T")
KEEP = 1_000_000
"""A search of fewer states is quicker made anew than its paths are replayed."""


SHIPPED = Path(str(properties.__file__)).with_name("proofs")
"""The proofs that come with the project, so that a first run need not find them."""
LARGEST = 1 << 28
"""The most bytes of what is kept of a scenario."""
ODD = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EngineError,
)
"""What data that have not the form of an answer raise."""


class Kept:
    """What is kept of one scenario."""

    def __init__(self, name: str, note: Callable[[str], None], folder: Path | None = None) -> None:
        self.name, self.note = name, note
        self.folder = folder or cache.folder()

    def read(self, kind: str) -> dict[str, Any]:
        """What is kept of a kind, such as "search"; empty if there is nothing that fits."""
        data = self.bytes_of(kind)
        try:
            return _unpacked(data) if data else {}
        except (ValueError, RecursionError, zlib.error) as e:
            self._unused(kind, e)
            return {}

    def write(self, kind: str, data: Mapping[str, Any]) -> None:
        """Keep data of a kind; what cannot be kept is found again next time."""
        self.put(kind, zlib.compress(json.dumps(data).encode(), 6))

    def bytes_of(self, kind: str) -> bytes:
        """The bytes kept of a kind; none if there are none that fit."""
        path = self._path(kind)
        try:
            data = cache.read(path)
        except (OSError, cache.UnsafeError) as e:
            self._unused(kind, e)
            return b""
        if data is None and path.exists():
            self.unfit(kind)
        return data or b""

    def put(self, kind: str, data: bytes) -> None:
        """Keep bytes of a kind."""
        try:
            cache.made(self.folder)
            cache.write(self._path(kind), data)
        except (OSError, cache.UnsafeError) as e:
            self.note(f"{self.name}: its {kind} cannot be kept: {e}")

    def _path(self, kind: str) -> Path:
        return self.folder / f"{self.name}.{kind}"

    def unfit(self, kind: str) -> None:
        """Say that what is kept of a kind is no such thing."""
        self.note(f"{self.name}: what is kept of its {kind} does not fit, and is made anew")

    def _unused(self, kind: str, why: Exception) -> None:
        self.note(f"{self.name}: what is kept of its {kind} is not used: {why}")

    def _each(self, kind: str) -> Iterator[dict[str, Any]]:
        """What is kept of a kind: the user's, then what comes with the project."""
        if found := self.read(kind):
            yield found
        with suppress(FileNotFoundError):
            try:
                yield _unpacked((SHIPPED / f"{self.name}.{kind}").read_bytes())
            except (ValueError, zlib.error):
                self.unfit(kind)

    # -- proofs ----------------------------------------------------------------------------------
    def proofs(self) -> Iterator[dict[str, Invariant]]:
        """The invariants kept, by property; those of the user come first."""
        for data in self._each("proofs"):
            try:
                yield _proofs(data)
            except ODD:
                self.unfit("proofs")

    def keep_proofs(self, proofs: Mapping[str, Invariant]) -> None:
        """Keep invariants, by property."""
        self.write("proofs", {p: vars(x) for p, x in proofs.items()})

    # -- paths to cases --------------------------------------------------------------------------
    def witnesses(self, system: System) -> Iterator[tuple[Described, list[State]]]:
        """The paths kept that are paths of the system as it is now, each with its states."""
        given: list[Described] = []
        for data in self._each("witnesses"):
            try:
                paths = [_path(p) for p in data["paths"]]
                for d in data["unreached"]:
                    _known(d, str)
            except ODD:
                self.unfit("witnesses")
                continue
            for path in paths:
                states: list[State] = []
                if path in given:  # the user's have those that come with the project
                    continue
                with suppress(*ODD):  # of a system before an edit
                    replay(system, path, None, reached=states.append)
                    given.append(path)
                    yield path, states

    def unreached(self) -> set[str]:
        """Digests of the cases that were looked for to the end and not found (see `digests`).

        They are not looked for again; a case is never taken for reached because of that.
        """
        out: set[str] = set()
        for data in self._each("witnesses"):
            with suppress(*ODD):  # `witnesses` says so
                out |= {_known(d, str) for d in data["unreached"]}
        return out

    def keep_witnesses(self, paths: Sequence[Described], unreached: Iterable[str]) -> None:
        """Keep paths to cases, and the digests of those that were not found."""
        said = {"paths": [_changes(p) for p in paths], "unreached": sorted(unreached)}
        self.write("witnesses", said)

    # -- searches --------------------------------------------------------------------------------
    def search(
        self, system: System, identity: str, questions: Sequence[Question], kind: str = "search"
    ) -> tuple[Search, dict[int, Described]] | None:
        """The whole search kept of a system and its questions, and a path to each answer.

        `identity` is a digest of both. None if no such search is kept, or a path does not replay.
        """
        data = self.read(kind)
        if data.get("identity") != identity:
            return None
        try:
            paths = [_path(p) for p in data["paths"]]
            found = Search(complete=True, levels=[int(n) for n in data["levels"]])
            answers = _answers(system, paths, questions)
            fits = data["asked"] == _asked(identity, found, questions, _depths(answers))
        except ODD:
            fits = False
        if not fits:
            self.unfit(kind)
            return None
        for i, q in enumerate(questions):
            q.state = i if i in answers else None
        return found, answers

    def keep_search(
        self,
        identity: str,
        found: Search,
        questions: Sequence[Question],
        path: Callable[[Question], Described],
        kind: str = "search",
    ) -> None:
        """Keep a whole search, with paths on which all answers lie."""
        paths: list[Described] = []
        answers: dict[int, Described] = {}
        on: set[tuple[Any, ...]] = set()
        # The state of an answer may lie on the path to a later one.
        for _, i in sorted(
            ((q.state, i) for i, q in enumerate(questions) if q.state is not None), reverse=True
        ):
            described = answers[i] = path(questions[i])
            states = [tuple(values.values()) for _, values in described]
            if states[-1] not in on:
                paths.append(described)
                on |= {*states}
        data = {
            "identity": identity,
            "levels": found.levels,
            "asked": _asked(identity, found, questions, _depths(answers)),
            "paths": [_changes(p) for p in paths],
        }
        self.write(kind, data)


def _unpacked(data: bytes) -> dict[str, Any]:
    """An answer from its bytes; ValueError or zlib.error if they are none."""
    unpacked = zlib.decompressobj()
    found = json.loads(unpacked.decompress(data, LARGEST))
    if unpacked.unconsumed_tail or not isinstance(found, dict):
        raise ValueError("it is no answer")
    return found


def _proofs(data: Mapping[str, Any]) -> dict[str, Invariant]:
    """The invariants in an answer, by property."""
    from checker.engines.symbolic import Invariant

    return {
        p: Invariant(
            [[(_known(n, str), _known(v, str | int)) for n, v in c] for c in x["clauses"]],
            [_known(n, str) for n in x["names"]],
        )
        for p, x in data.items()
    }


def _known(value: Any, kind: Any) -> Any:
    """The value; ValueError if it is not of this kind."""
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} is no {kind}")
    return value


def stated(expr: Expr, memo: dict[int, bytes]) -> bytes:
    """A digest of what an expression says, whatever the order in which its parts were made."""
    out: bytes = fold(expr, _stated, memo)
    return out


def _stated(e: Expr, args: list[bytes]) -> bytes:
    parts = sorted(args) if e.op in ("and", "or", "eq") else args
    about = repr((e.op, e.payload, e.domain.values)).encode()
    return hashlib.blake2b(b"\0".join([about, *parts]), digest_size=16).digest()


def identity_of(compiled: Compiled, questions: Sequence[Question]) -> str:
    """A digest of a system, of the questions of a search, and of the engines that search."""
    memo: dict[int, bytes] = {}
    out = hashlib.sha256(repr((engines(), compiled.names, compiled.initial)).encode())
    for d in compiled.domains:
        out.update(repr(d.values).encode())
    for s in compiled.steps:
        out.update(repr((s.label, sorted(s.free.items()), sorted(s.effects))).encode())
        for e in (s.guard, *(s.effects[n] for n in sorted(s.effects))):
            out.update(stated(e, memo))
    for q in questions:
        out.update(repr((type(q).__name__, getattr(q, "fairness", ""))).encode())
        for e in q.exprs:
            out.update(stated(compiled.narrow(e), memo))
    return out.hexdigest()


def digests(system: System, exprs: Mapping[T, Expr]) -> dict[T, str]:
    """A digest of the system with each of some expressions."""
    compiled = machines_of(system).compiled
    about, memo = identity_of(compiled, ()).encode(), dict[int, bytes]()
    return {
        k: hashlib.sha256(about + stated(compiled.narrow(e), memo)).hexdigest()[:20]
        for k, e in exprs.items()
    }


@functools.cache
def engines() -> str:
    """A digest of the engines' texts: a number of states stands only while they are the same."""
    folder = Path(str(checker.engines.__file__)).parent
    out = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".py", ".c")):
        out.update(path.read_bytes())
    return out.hexdigest()


def _depths(answers: Mapping[int, Described]) -> dict[int, int]:
    """The number of steps to each answer."""
    return {i: len(path) - 1 for i, path in answers.items()}


def _asked(
    identity: str, found: Search, questions: Sequence[Question], depths: Mapping[int, int]
) -> str:
    """A digest of a whole search: each question asked, with the depth of its answer or without one.

    What has no answer cannot be checked again, so an answer that is left out must not pass for it.
    """
    said = [depths.get(i) for i in range(len(questions))]
    return hashlib.sha256(json.dumps([identity, found.levels, said]).encode()).hexdigest()


def _answers(
    system: System, paths: Sequence[Described], questions: Sequence[Question]
) -> dict[int, Described]:
    """The shortest part of a replayed path that answers each question, by the question's number."""
    reference = machines_of(system)
    holds = [reference.predicate(q.expr) for q in questions]
    out: dict[int, Described] = {}
    for path in paths:
        states: list[State] = []
        replay(system, path, None, reached=states.append)
        for k, true in enumerate(holds):
            at = next((i for i, s in enumerate(states) if true(s)), None)
            if at is not None and (k not in out or at + 1 < len(out[k])):
                out[k] = path[: at + 1]
    return out


def _changes(path: Described) -> list[Any]:
    """A path as plain data: each step with the values that it changes."""
    out: list[Any] = []
    before: Mapping[str, Any] = {}
    for label, values in path:
        out.append([label, {n: v for n, v in values.items() if n not in before or before[n] != v}])
        before = values
    return out


def _path(data: Sequence[Any]) -> Described:
    """A path from plain data (see `_changes`)."""
    out: list[tuple[Label | None, Mapping[str, Any]]] = []
    values: dict[str, Any] = {}
    for label, changed in data:
        values = {**values, **changed}
        out.append((tuple(label) if label else None, values))
    return out
