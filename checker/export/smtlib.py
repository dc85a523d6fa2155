"""SMT-LIB 2, constrained Horn clauses: one relation, `Reach`, over the bits of the variables.

A variable is one Bool for each bit of its code, the least significant first; a value's code is its
position. `Reach` holds of the initial states, and each step is one clause: if `Reach` and the guard
hold of a state, then `Reach` holds of the state after. Free parameters are quantified in the clause
of the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from checker.asked import Asked, Names, about, narrowed, plain
from model.expr import BOOL, Domain, Expr, Value, fold
from model.system import Compiled, Step

SUMMARY = "constrained Horn clauses for Z3's Spacer, Eldarica, Golem: asks the first property"

# Words of the language, its core theory and its commands, and names used in this file.
WORDS = """
and as assert bool distinct exists exit false forall get imp implies int ite iff let match not
or par pop push real reset set true xor Reach BINARY DECIMAL HEXADECIMAL NUMERAL STRING
"""
RESERVED = frozenset(WORDS.split())

HEAD = """\
; {title}, written from the compiled system: {variables} variables, {bits} bits, {steps} steps.
;
; The question: can a bad state be reached?   z3 FILE.smt2
;   sat    no: an inductive invariant, a meaning of Reach, exists. The property holds
;          (a goal: is not reached).
;   unsat  yes: a chain of clauses ends in `false`. The property is violated (a goal: is reached).
; unknown, or no answer in the time given, says nothing.
;
; The file asks for the first property. Those after it stand at the end as comments: ask for one by
; exporting it alone, or by taking the `;` from its clause and putting it before the first one's.
"""

Bits = list[str]


def write(compiled: Compiled, properties: Sequence[Asked]) -> str:
    """The text of the clauses."""
    names = Names(RESERVED)
    env = {n: _bits(n, d, names) for n, d in zip(compiled.names, compiled.domains, strict=True)}
    every = [b for n in compiled.names for b in env[n]]
    here = _call(every)
    out = [
        HEAD.format(
            title=plain(compiled.system.name),
            variables=len(compiled.names),
            bits=len(every),
            steps=len(compiled.steps),
        ),
        "(set-logic HORN)",
    ]
    for n, d in zip(compiled.names, compiled.domains, strict=True):
        codes = ", ".join(f"{i} {v}" for i, v in enumerate(d.values))
        out.append(f"; {' '.join(env[n])}: {plain(n)}: {plain(codes)}")
    out += [f"(declare-fun Reach ({' '.join('Bool' for _ in every)}) Bool)", "", "; initial states"]
    start = [
        _among(env[n], d, initial)
        for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True)
    ]
    out.append(_clause(every, _and(start), here))
    memo: dict[int, Any] = {}
    for step in compiled.steps:
        out.append(f"; {about(step)}")
        out.append(_step(compiled, step, env, every, names, memo))
    for i, (p, bad) in enumerate(narrowed(compiled, properties)):
        kind = "goal" if p.goal else "invariant"
        out += ["", f"; {plain(p.name)} ({kind}; {plain(p.about)})"]
        query = _clause(every, _and([here, terms(bad, env, memo)[0]]), "false")
        out.append(query if i == 0 else f"; {query}")
    out += ["", "(check-sat)"]
    return "\n".join(out) + "\n"


def _step(
    compiled: Compiled,
    step: Step,
    state: Mapping[str, Bits],
    every: Bits,
    names: Names,
    memo: dict[int, Any],
) -> str:
    """The Horn clause of a step."""
    env = dict(state)
    body = [_call(every)]
    inputs: Bits = []
    for n, values in step.free.items():
        d = step.parameters[n]
        env[n] = _bits(n, d, names, "parameter")
        inputs += env[n]
        body.append(_among(env[n], d, values))
    if step.free:
        memo = {}  # in another step, the same parameter may have another domain and so other bits
    body.append(terms(step.guard, env, memo)[0])
    after = {n: terms(e, env, memo) for n, e in step.changes.items()}
    head = _call([b for n in compiled.names for b in after.get(n, state[n])])
    return _clause([*every, *inputs], _and(body), head)


def terms(e: Expr, env: Mapping[str, Bits], memo: dict[int, Any]) -> Bits:
    """`e` as one SMT-LIB term for each bit of its code."""

    def algebra(e: Expr, a: list[Bits]) -> Bits:
        match e.op:
            case "const":
                return _constant(e.domain.code(e.payload), e.domain)
            case "var":
                return env[e.payload]
            case "eq":
                return [_and(_same(x, y) for x, y in zip(a[0], a[1], strict=True))]
            case "and":
                return [_and(x[0] for x in a)]
            case "or":
                return [_or(x[0] for x in a)]
            case "not":
                return [_not(a[0][0])]
            case "ite":
                return [_ite(a[0][0], x, y) for x, y in zip(a[1], a[2], strict=True)]
            case "le":
                # From the least significant bit on: the last bit that differs decides.
                out = "true"
                for x, y in zip(a[0], a[1], strict=True):
                    out = _or([_and([_not(x), y]), _and([_same(x, y), out])])
                return [out]
            case "map":
                domain = e.args[0].domain
                codes = [(k, e.domain.code(v)) for k, v in e.payload]
                return [
                    _among(a[0], domain, [k for k, code in codes if code >> i & 1])
                    for i in range(e.domain.bits)
                ]
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")

    found: Bits = fold(e, algebra, memo)
    return found


def _bits(name: str, domain: Domain, names: Names, kind: str = "") -> Bits:
    if domain is BOOL:
        return [names(name, kind)]
    return [names(f"{name}.{i}", f"{kind} bit of {domain.bits}") for i in range(domain.bits)]


def _constant(code: int, domain: Domain) -> Bits:
    return ["true" if code >> i & 1 else "false" for i in range(domain.bits)]


def _among(bits: Bits, domain: Domain, values: Iterable[Value]) -> str:
    """The term that says that the code of `bits` is one of those of `values`."""
    wanted = [_constant(domain.code(v), domain) for v in values]
    return _or(_and(_same(b, c) for b, c in zip(bits, code, strict=True)) for code in wanted)


def _clause(quantified: Bits, body: str, head: str) -> str:
    if not quantified:
        return f"(assert (=> {body} {head}))"
    return f"(assert (forall ({' '.join(f'({b} Bool)' for b in quantified)}) (=> {body} {head})))"


def _call(bits: Bits) -> str:
    return f"(Reach {' '.join(bits)})" if bits else "Reach"


def _same(x: str, y: str) -> str:
    if y in ("true", "false"):
        x, y = y, x
    if x == "true":
        return y
    if x == "false":
        return _not(y)
    return "true" if x == y else f"(= {x} {y})"


def _not(x: str) -> str:
    return {"true": "false", "false": "true"}.get(x, f"(not {x})")


def _ite(c: str, x: str, y: str) -> str:
    if x == y:
        return x
    if (x, y) == ("true", "false"):
        return c
    if (x, y) == ("false", "true"):
        return _not(c)
    return f"(ite {c} {x} {y})"


def _and(parts: Iterable[str]) -> str:
    return _junction("and", parts, "true", "false")


def _or(parts: Iterable[str]) -> str:
    return _junction("or", parts, "false", "true")


def _junction(word: str, parts: Iterable[str], unit: str, zero: str) -> str:
    kept = [p for p in parts if p != unit]
    if zero in kept:
        return zero
    if len(kept) < 2:
        return kept[0] if kept else unit
    return f"({word} {' '.join(kept)})"
