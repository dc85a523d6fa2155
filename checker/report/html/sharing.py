"""Data with what occurs in it several times written once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable
from typing import Any

LEAST = 24
"""Characters of JSON from which a part is worth a reference."""
REFERENCE = "="
"""The only key of a reference, whose value is the number of the shared part."""


def shared(data: Any) -> list[Any]:
    """`[parts, data]`: JSON data in which {"=": n} stands for the part number n.

    A part refers to earlier parts only. Keys of `data` are strings.
    """
    return _Sharing().of(data)


class _Sharing:
    """The parts of some data, numbered by what they say."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}
        """By contents, with the numbers of the parts inside: the number of a part."""
        self.lengths: list[int] = []
        self.times: Counter[int] = Counter()
        self.at: dict[int, int] = {}
        """By number of a part: its place among the parts that are written once."""
        self.parts: list[Any] = []

    def of(self, data: Any) -> list[Any]:
        tree = self._numbered(data)
        whole = self._written(data, tree)
        return [self.parts, whole]

    def _numbered(self, data: Any) -> tuple[int, list[Any]]:
        """The number of a part, and those of the parts inside in the same shape."""
        inside = []
        key: Hashable
        if isinstance(data, dict):
            inside = [self._numbered(v) for v in data.values()]
            key = (*data, *(n for n, _ in inside))
            length = 1 + sum(len(k) + 4 for k in data)
        elif isinstance(data, list | tuple):
            inside = [self._numbered(v) for v in data]
            key = (list, *(n for n, _ in inside))
            length = 1 + len(data)
        else:
            key = (type(data), data)
            length = len(json.dumps(data, default=str))
        number = self.numbers.setdefault(key, len(self.numbers))
        if number == len(self.lengths):
            self.lengths.append(length + sum(self.lengths[n] for n, _ in inside))
        self.times[number] += 1
        return number, inside

    def _written(self, data: Any, tree: tuple[int, list[Any]]) -> Any:
        number, inside = tree
        if self.times[number] == 1 or self.lengths[number] < LEAST:
            return self._plain(data, inside)
        if number not in self.at:
            part = self._plain(data, inside)
            self.at[number] = len(self.parts)
            self.parts.append(part)
        return {REFERENCE: self.at[number]}

    def _plain(self, data: Any, inside: list[Any]) -> Any:
        if isinstance(data, dict):
            pairs = zip(data.items(), inside, strict=True)
            return {k: self._written(v, tree) for (k, v), tree in pairs}
        if isinstance(data, list | tuple):
            return [self._written(v, tree) for v, tree in zip(data, inside, strict=True)]
        return data
