"""States packed into 64-bit words: the place of each variable, and sets of states in numpy.

Full words are compared, never fingerprints.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.system import Compiled

Array = NDArray[Any]


class Layout:
    """The word, shift and mask of each variable; no variable straddles words."""

    def __init__(self, compiled: Compiled) -> None:
        self.slots: list[tuple[int, int, int]] = []
        word, shift = 0, 0
        for n, d in zip(compiled.names, compiled.domains, strict=True):
            if len(d.values) > 256:
                raise ValueError(f"{n} has {len(d.values)} values; the explicit engine takes 256")
            if shift + d.bits > 64:
                word, shift = word + 1, 0
            self.slots.append((word, shift, (1 << d.bits) - 1))
            shift += d.bits
        self.words = word + 1
        self.bits = word * 64 + shift


def key_of(words: Array) -> Array:
    """The sort key of each state: its one word, or a mix of its words."""
    key: Array = words[0]
    if words.shape[0] == 1:
        return key
    key = key * np.uint64(0x9E3779B97F4A7C15)
    for w in words[1:]:
        key ^= key >> np.uint64(29)
        key += w
        key *= np.uint64(0xBF58476D1CE4E5B9)
    key ^= key >> np.uint64(32)
    return key


def in_order(key: Array) -> tuple[Array, Array]:
    """`key` sorted, and the former position of each element; the sort is stable."""
    # Sorting values is faster than sorting positions: the low bits of each key are replaced by
    # its position, so that the sorted values tell the positions.
    spare = 64 - int(key.max(initial=0)).bit_length()
    low = np.uint64((1 << key.size.bit_length()) - 1)
    packed = key << np.uint64(min(spare, 63))
    packed &= ~low
    packed |= np.arange(key.size, dtype=np.uint64)
    packed.sort()
    packed &= low
    order = packed.view(np.int64)
    out = key.take(order, mode="clip")
    if (out[1:] < out[:-1]).any():  # two keys differ only in the bits replaced
        order = np.argsort(key, kind="stable")
        out = key[order]
    return out, order


def take(words: Array, columns: Array) -> Array:
    """The states at some positions."""
    out = np.empty((words.shape[0], columns.size), dtype=np.uint64)
    for w in range(words.shape[0]):
        # No position is out of bounds: mode "clip" spares numpy a copy.
        np.take(words[w], columns, out=out[w], mode="clip")
    return out


def equal(a: Array, b: Array) -> Array:
    """Whether the states of `a` and `b` are equal, position by position."""
    out: Array = a[0] == b[0]
    for w in range(1, a.shape[0]):
        out &= a[w] == b[w]
    return out


def unique(words: Array) -> tuple[Array, Array]:
    """The distinct states, ordered by key, and the first position of each."""
    key, order = in_order(key_of(words))
    ordered = take(words, order)
    same_key = key[1:] == key[:-1]
    same = equal(ordered[:, 1:], ordered[:, :-1])
    if not np.array_equal(same, same_key):  # two states share a key: order by the words themselves
        order = np.lexsort(words[::-1])
        ordered = words[:, order]
        same = equal(ordered[:, 1:], ordered[:, :-1])
    keep = np.flatnonzero(np.concatenate([[True], ~same])) if words.shape[1] else order
    return take(ordered, keep), order[keep]


class Visited:
    """The visited states, as a few sorted arrays: small ones are merged."""

    def __init__(self) -> None:
        self.runs: list[tuple[Array, Array]] = []

    def add(self, words: Array) -> None:
        """Add states, none of which was visited."""
        key = key_of(words)
        if (key[1:] < key[:-1]).any():
            key, order = in_order(key)
            words = take(words, order)
        self.runs.append((key, words))
        while len(self.runs) > 1 and self.runs[-2][0].size < 2 * self.runs[-1][0].size:
            a, b = self.runs.pop(), self.runs.pop()
            key = np.concatenate([b[0], a[0]])
            # A stable sort sees two sorted runs and merges them.
            order = np.argsort(key, kind="stable")
            both = np.concatenate([b[1], a[1]], axis=1)
            self.runs.append((key.take(order, mode="clip"), take(both, order)))

    def contains(self, words: Array) -> Array:
        """Whether each state was visited."""
        out = np.zeros(words.shape[1], dtype=np.bool_)
        keys = key_of(words)
        for run_keys, run in self.runs:
            at = np.searchsorted(run_keys, keys)
            live = np.flatnonzero((at < run_keys.size) & ~out)
            while live.size:
                pos = at[live]
                match = run_keys[pos] == keys[live]
                live, pos = live[match], pos[match]
                hit = equal(take(run, pos), take(words, live))
                out[live[hit]] = True
                live = live[~hit]
                at[live] += 1
                live = live[at[live] < run_keys.size]
        return out
