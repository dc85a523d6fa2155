"""Two learned machines against each other: the shortest words in which they differ.

The answers are compared by what they mean, not by their text. Both machines read the same words,
short ones first, as long as they agree; inputs that only one of them has are left out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from checker.conformance.learned import LearnedError, Mealy, Output, output, read


@dataclass
class Difference:
    """One pair of answers that differ, after a shortest word on which both machines agree."""

    word: tuple[str, ...]
    answers: tuple[str, str]
    more: int = 0  # further states in which the same input has the same two answers

    @property
    def laxer(self) -> int | None:
        """Which of the two goes on where the other refuses: 0 or 1; None if neither."""
        first, second = (output(a).refuses for a in self.answers)
        return None if first == second else int(first)


@dataclass(frozen=True)
class Compared:
    """Two machines, and where they differ."""

    files: tuple[str, str]
    differences: tuple[Difference, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]  # inputs of one machine alone
    pairs: int  # of states in which both agree on the way there


def compare(first: str, second: str) -> Compared:
    """The differences of the machines in two files; LearnedError if one has no machine."""
    a, b = read(first), read(second)
    shared = [i for i in a.inputs if i in b.inputs]
    if not shared:
        raise LearnedError(
            f"{first} and {second}: expected an input that both have, got "
            f"{', '.join(a.inputs)[:100]} and {', '.join(b.inputs)[:100]}"
        )
    causes: dict[tuple[object, ...], Difference] = {}
    start = (a.initial, b.initial)
    seen = {start}
    queue: deque[tuple[int, int, tuple[str, ...]]] = deque([(*start, ())])
    while queue:
        p, q, word = queue.popleft()
        for i in shared:
            (to_p, said), (to_q, answered) = a.move[p][i], b.move[q][i]
            if _meaning(said) != _meaning(answered):
                found = Difference((*word, i), (said, answered))
                known = causes.setdefault((i, said, answered), found)
                known.more += known is not found
            elif (to_p, to_q) not in seen:
                seen.add((to_p, to_q))
                queue.append((to_p, to_q, (*word, i)))
    return Compared((first, second), tuple(causes.values()), (_only(a, b), _only(b, a)), len(seen))


def _meaning(text: str) -> Output:
    return replace(output(text), text="")


def _only(a: Mealy, b: Mealy) -> tuple[str, ...]:
    return tuple(i for i in a.inputs if i not in b.inputs)
