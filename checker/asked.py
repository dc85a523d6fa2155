"""The parts that exports share: properties asked about, legal names, comments.

This module and the export formats see only a compiled system and know no TLS.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from model.expr import Expr
from model.system import Compiled, Step


@dataclass(frozen=True, eq=False)
class Asked:
    """A property of states in an export."""

    name: str
    bad: Expr  # true in the states to look for: they break an invariant
    goal: bool = False  # such a state must be reached: "violated" means that all is well
    about: str = ""


@dataclass(frozen=True, eq=False)
class Temporal:
    """A property of whole runs in an export."""

    name: str
    compiled: Compiled  # the system, over the variables that the property depends on
    # (given, holds): in every run that is fair to each step, `given` leads to `holds`.
    pairs: tuple[tuple[Expr, Expr], ...]
    fairness: str  # "weak" or "strong"; empty with `ends`
    ends: bool = False  # instead, each pair's implication is true at every end of a run
    about: str = ""


class Names:
    """Legal identifiers without collision: letters, digits and `_`, a letter first.

    A text whose plain form is taken gets a number, so names depend on the order of asking.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(reserved)
        self._names: dict[tuple[str, str], str] = {}

    def __call__(self, text: str, kind: str = "") -> str:
        """The identifier for `text`; one text may have one of each `kind`."""
        name = self._names.get((kind, text))
        if name is None:
            form = re.sub(r"[^A-Za-z0-9_]", "_", text)
            if not form[:1].isalpha() or form[:3] in ("WF_", "SF_"):  # TLA+ reads fairness there
                form = f"v{form}"
            name = form
            for n in itertools.count(2):
                if name not in self._taken:
                    break
                name = f"{form}_{n}"
            self._taken.add(name)
            self._names[kind, text] = name
        return name


def plain(text: object) -> str:
    """`text` made fit for a comment of every format: one line, no comment marks."""
    return re.sub(r"\s+", " ", re.sub(r"[*(/\\]{2,}|\*[)/]", " ", str(text)))


def about(step: Step) -> str:
    """The run, rule, source and RFC section of a step, as text."""
    rfc = f"RFC {step.rule.rfc}" if step.rule.rfc[:1].isdigit() else step.rule.rfc
    return plain(f"{step.run}: {step.rule.name}, from {step.source.name}, {rfc}")


def narrowed(compiled: Compiled, properties: Iterable[Asked]) -> list[tuple[Asked, Expr]]:
    """Each property, with `bad` over the compiled variables."""
    return [(p, compiled.narrow(p.bad)) for p in properties]
