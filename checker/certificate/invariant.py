"""An invariant as sorted clauses over named bits: read from SMT-LIB text, written, made smaller.

A formula is in negation normal form: literals under flat `and` and `or`, whose operands are
distinct and sorted by their text. The clauses of an invariant are its conjuncts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_TOKEN = re.compile(r'\s*(?:;[^\n]*|(\|[^|]*\||"[^"]*"|[()]|[^\s()|;"]+))')


@dataclass(frozen=True)
class Formula:
    """A literal (`name`, `sign`) or, with `kind` "and" or "or", a junction of `parts`."""

    kind: str
    parts: tuple[Formula, ...] = ()
    name: str = ""
    sign: bool = True

    @cached_property
    def text(self) -> str:
        """The formula as SMT-LIB; names are symbols already."""
        if self.kind == "literal":
            return self.name if self.sign else f"(not {self.name})"
        if not self.parts:
            return "true" if self.kind == "and" else "false"
        return f"({self.kind} {' '.join(p.text for p in self.parts)})"

    @cached_property
    def leaves(self) -> int:
        """The number of literals."""
        return 1 if self.kind == "literal" else sum(p.leaves for p in self.parts)


TRUE = Formula("and")
FALSE = Formula("or")


def literal(name: str, sign: bool = True) -> Formula:
    """The formula of a bit, or with `sign` False of its negation."""
    return Formula("literal", (), name, sign)


def junction(kind: str, parts: Iterable[Formula]) -> Formula:
    """The conjunction ("and") or disjunction ("or") of `parts`."""
    zero = FALSE if kind == "and" else TRUE
    flat: dict[str, Formula] = {}
    for p in parts:
        for q in p.parts if p.kind == kind else (p,):
            flat[q.text] = q
    if zero.text in flat:
        return zero
    if any(q.kind == "literal" and literal(q.name, not q.sign).text in flat for q in flat.values()):
        return zero
    if len(flat) == 1:
        return next(iter(flat.values()))
    return Formula(kind, tuple(flat[t] for t in sorted(flat)))


def negated(f: Formula) -> Formula:
    """The negation of `f`."""
    if f.kind == "literal":
        return literal(f.name, not f.sign)
    return junction("or" if f.kind == "and" else "and", map(negated, f.parts))


def clauses(f: Formula) -> tuple[Formula, ...]:
    """The conjuncts of `f`, sorted."""
    return f.parts if f.kind == "and" else (f,)


# -- reading ---------------------------------------------------------------------------------------
def expressions(text: str) -> list[Any]:
    """The S-expressions of a text, as strings and lists; ValueError if parentheses do not match."""
    stack: list[list[Any]] = [[]]
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"cannot be read from {text[at : at + 20].strip()!r} on")
        at = found.end()
        match found[1]:
            case None:
                pass
            case "(":
                stack.append([])
            case ")":
                if len(stack) == 1:
                    raise ValueError("a parenthesis is closed that was not opened")
                done = stack.pop()
                stack[-1].append(done)
            case token:
                stack[-1].append(token)
    if len(stack) > 1:
        raise ValueError("a parenthesis is not closed")
    return stack[0]


def formula(e: Any, names: Mapping[str, str]) -> Formula:
    """An S-expression over the bits `names` (each with its symbol) as a formula.

    ValueError for anything but Boolean operators, `let` and these names.
    """
    return _formula(e, {n: literal(s) for n, s in names.items()})


def _formula(e: Any, env: Mapping[str, Formula]) -> Formula:
    if isinstance(e, str):
        if e in ("true", "false"):
            return TRUE if e == "true" else FALSE
        name = e[1:-1] if e.startswith("|") else e
        if name not in env:
            raise ValueError(f"{e} is no bit of the variables")
        return env[name]
    word, *rest = e if e and isinstance(e[0], str) else ("", *e)
    if word == "let" and len(rest) == 2:
        bound = {
            b[0][1:-1] if b[0].startswith("|") else b[0]: _formula(b[1], env)
            for b in rest[0]
            if len(b) == 2 and isinstance(b[0], str)
        }
        return _formula(rest[1], {**env, **bound})
    args = [_formula(a, env) for a in rest]
    match word, len(args):
        case "and" | "or", n if n > 0:
            return junction(word, args)
        case "not", 1:
            return negated(args[0])
        case "=>", 2:
            return junction("or", (negated(args[0]), args[1]))
        case "=" | "xor" | "distinct", 2:
            a, b = args
            if word != "=":
                b = negated(b)
            return junction(
                "and", (junction("or", (negated(a), b)), junction("or", (a, negated(b))))
            )
        case "ite", 3:
            c, a, b = args
            return junction("and", (junction("or", (negated(c), a)), junction("or", (c, b))))
    raise ValueError(f"{word or e!r} of {len(args)} is no operator of an invariant")


def read(text: str, names: Mapping[str, str]) -> tuple[Formula, ...]:
    """The clauses of a script of `assert`s, such as the prover's; ValueError as for `formula`."""
    asserted = [e[1] for e in expressions(text) if isinstance(e, list) and e[:1] == ["assert"]]
    return clauses(junction("and", (formula(e, names) for e in asserted)))


def replaced(f: Formula, change: Callable[[Formula], Formula]) -> Iterator[Formula]:
    """The formulas that `change` to a single literal of `f` gives."""
    if f.kind == "literal":
        yield change(f)
        return
    for i, p in enumerate(f.parts):
        for q in replaced(p, change):
            yield junction(f.kind, (*f.parts[:i], q, *f.parts[i + 1 :]))
