"""The state graph of a system, merged by the runs' local states.

States that differ only in other variables of the runs or in the network are one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from checker.engines.explicit import Explicit
from checker.engines.interface import Budget
from model.system import System

Pair = tuple[str, ...]
Move = tuple[int, str, str]


def by_local_states(
    system: System, most: int | None = None
) -> tuple[dict[Pair, int], dict[tuple[Pair, Pair], list[Move]], bool]:
    """The pairs of local states with their least depth, and the moves between pairs, both sorted.

    A move is the run's number, the kind of its rule and its event. Moves from a pair to itself are
    left out. With `most`, no more states than that are searched; last is whether these are all.
    """
    compiled = system.compile(*(system.of(r, "state") for r in system.runs))
    engine = Explicit(compiled)
    complete = engine.search((), Budget(most)).complete
    number = {r.name: i for i, r in enumerate(system.runs)}
    sizes = [len(r.role.states) for r in system.runs]
    total = int(np.prod(sizes, dtype=object))
    if total >= 1 << 31:
        raise ValueError(f"{system.name} has too many pairs of local states")

    def pairs(words: Any) -> Any:
        """The numbers of the pairs of packed states."""
        columns = engine.unpack(words)
        out: Any = np.zeros(words.shape[1], np.int64)
        for r, size in zip(system.runs, sizes, strict=True):
            i = compiled.index.get(f"{r.name}.state")
            local: Any
            codes = r.role.state_domain.codes
            if i is None:
                local = codes[compiled.constants[f"{r.name}.state"]]
            else:
                table = np.array([codes[v] for v in compiled.domains[i].values], np.int64)
                local = table[columns[i]]
            out = out * size + local
        return out

    depth: dict[int, int] = {}
    found: dict[int, set[Move]] = {}
    for level, (start, words) in enumerate(zip(engine.starts, engine.words, strict=True)):
        here = pairs(words)
        for p in np.unique(here).tolist():
            depth.setdefault(p, level)
        if not complete and level == len(engine.words) - 1:
            break
        for after, before, via in engine.expand(words, start, {}):
            rule = compiled.steps[int(via[0])]
            both = np.unique(here[before - start] * total + pairs(after))
            move = (number[rule.run], rule.rule.kind, rule.rule.event)
            for code in both.tolist():
                if code // total != code % total:
                    found.setdefault(code, set()).add(move)

    def named(code: int) -> Pair:
        out: list[str] = []
        for r, size in zip(reversed(system.runs), reversed(sizes), strict=True):
            out.append(r.role.states[code % size])
            code //= size
        return tuple(reversed(out))

    def rank(code: int) -> tuple[int, int]:
        return (depth[code], code)

    nodes = {named(c): depth[c] for c in sorted(depth, key=rank)}
    inside = [c for c in found if c // total in depth and c % total in depth]
    ordered = sorted(inside, key=lambda c: (rank(c // total), rank(c % total)))
    return (
        nodes,
        {(named(c // total), named(c % total)): sorted(found[c]) for c in ordered},
        complete,
    )
