"""Random walks: reached states of a system, which guide a prover."""

from __future__ import annotations

from typing import Any

import numpy as np

from checker.engines.explicit import Explicit
from checker.engines.words import unique
from model.system import Compiled

STARTS = 1024
"""Initial states of the walk."""
TRIED = 1 << 20
"""Combinations of a state and a step's free parameters that are tried at a level, for each step."""


def walk(compiled: Compiled, *, width: int = 32, levels: int = 30, seed: int = 1) -> list[Any]:
    """Reached states from many random walks at once: one array of codes for each variable.

    At each level at most `width` successors by each step go on, drawn at random; at most two by a
    step that rejects a message, since that ends a run.
    """
    random = np.random.default_rng(seed)
    engine = Explicit(compiled)

    def some(rows: Any, each: int) -> Any:
        most = max(1, TRIED // each)
        return rows if rows.size <= most else random.choice(rows, most, replace=False)

    frontier = unique(_starts(engine, random))[0]
    found = [frontier]
    for _ in range(levels):
        by_step: dict[int, list[Any]] = {}
        for words, _, via in engine.expand(frontier, some=some):
            by_step.setdefault(int(via[0]), []).append(words)
        chosen = []
        for k, parts in sorted(by_step.items()):
            words = np.concatenate(parts, axis=1)
            keep = 2 if compiled.steps[k].rule.rejects else width
            if words.shape[1] > keep:
                words = words[:, random.choice(words.shape[1], keep, replace=False)]
            chosen.append(words)
        if not chosen:
            break
        frontier = unique(np.concatenate(chosen, axis=1))[0]
        found.append(frontier)
    return engine.unpack(unique(np.concatenate(found, axis=1))[0])


def _starts(engine: Explicit, random: np.random.Generator) -> Any:
    """Random initial states in which every initial value of every variable occurs."""
    compiled = engine.compiled
    words = np.zeros((engine.layout.words, STARTS), dtype=np.uint64)
    for values, d, (w, shift, _) in zip(
        compiled.initial, compiled.domains, engine.layout.slots, strict=True
    ):
        codes = np.resize(np.array([d.code(v) for v in values], dtype=np.uint64), STARTS)
        words[w] |= random.permutation(codes) << np.uint64(shift)
    return words
