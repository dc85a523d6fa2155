"""An inductive invariant in words: each clause as a sentence about the runs' variables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from checker.certificate.invariant import Formula, read
from model.expr import BOOL, Domain, Value
from model.system import System

Sets = dict[str, frozenset[Value]]
"""By variable: values of which it has one."""


class Words:
    """The sentences for the invariants of one system; most invariants share clauses."""

    def __init__(self, system: System) -> None:
        self.domains = system.values.domain
        self.bits: dict[str, tuple[str, int]] = {}
        for n, d in self.domains.items():
            self.bits |= {n: (n, 0)} if d.values == BOOL.values else {}
            self.bits |= {f"{n}/{i}": (n, i) for i in range(d.bits)}
        self.symbols = {n: n for n in self.bits}
        self.said: dict[str, list[str]] = {}

    def of(self, certificate: str) -> list[str]:
        """The clauses of an invariant; those that all values satisfy are left out."""
        lines = [x for x in certificate.splitlines() if x.startswith("(assert")]
        return sorted({w for line in lines for w in self._line(line)}, key=lambda w: (len(w), w))

    def _line(self, line: str) -> list[str]:
        if line not in self.said:
            found = (
                _sentence(_alternatives(c, self.bits, self.domains), self.domains)
                for c in read(line, self.symbols)
            )
            self.said[line] = [w for w in found if w]
        return self.said[line]


def _alternatives(
    f: Formula, names: Mapping[str, tuple[str, int]], domains: Mapping[str, Domain]
) -> list[Sets]:
    """The alternatives of a clause: of each, the values that variables must have together."""
    match f.kind:
        case "literal":
            n, bit = names[f.name]
            d = domains[n]
            return [{n: frozenset(v for v in d.values if (d.code(v) >> bit & 1) == f.sign)}]
        case "and":
            return reduce(_both, (_alternatives(p, names, domains) for p in f.parts), [{}])
        case _:
            every = [a for p in f.parts for a in _alternatives(p, names, domains)]
            alone: Sets = {}
            rest = []
            for a in every:
                if len(a) == 1:
                    ((n, values),) = a.items()
                    alone[n] = alone.get(n, frozenset()) | values
                else:
                    rest.append(a)
            return [*({n: values} for n, values in alone.items()), *rest]


def _both(a: list[Sets], b: list[Sets]) -> list[Sets]:
    return [
        {n: x.get(n, y.get(n, frozenset())) & y.get(n, x.get(n, frozenset())) for n in {**x, **y}}
        for x in a
        for y in b
    ]


def _sentence(alternatives: list[Sets], domains: Mapping[str, Domain]) -> str:
    """A clause as "if A and B then C"; empty if some alternative always holds."""
    parts: list[Sets] = []
    for a in alternatives:
        left = {n: v for n, v in a.items() if len(v) < len(domains[n].values)}
        if not left:
            return ""
        if all(left.values()):
            parts.append(left)
    if not parts:
        return "false"

    def narrow(a: Sets) -> int:
        """How much less an alternative allows than forbids."""
        return sum(2 * len(v) - len(domains[n].values) for n, v in a.items())

    *given, then = sorted(parts, key=lambda a: (len(a) > 1, -narrow(a)))
    claim = _told(then, domains)
    if not given:
        return claim
    premises = [_told(a, domains, but=True) for a in given]
    return f"if {', and '.join(premises)}{',' if len(premises) > 1 else ''} then {claim}"


def _told(a: Sets, domains: Mapping[str, Domain], *, but: bool = False) -> str:
    """The values of variables in words; with `but`, that they have others."""
    out = []
    for n, values in a.items():
        wanted = frozenset(domains[n].values) - values if but else values
        out.append(_one(n, wanted, domains[n]))
    return (" or " if but else " and ").join(out)


def _one(n: str, values: frozenset[Value], domain: Domain) -> str:
    if domain.values == BOOL.values:
        return n if values == {True} else f"not {n}"
    inside = [str(v) for v in domain.values if v in values]
    outside = [str(v) for v in domain.values if v not in values]
    if len(inside) == 1:
        return f"{n} is {inside[0]}"
    if len(outside) == 1:
        return f"{n} is not {outside[0]}"
    if len(inside) <= len(outside):
        return f"{n} is {' or '.join(inside)}"
    return f"{n} is neither {' nor '.join(outside)}"
