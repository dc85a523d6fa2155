"""TLA+, for TLC: a variable for each variable, a named action for each step.

Values are strings, booleans or numbers, as in the model. In a domain that mixes these, which TLC
cannot compare, values are written as codes. A free parameter is an existential quantifier in the
action.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from checker.asked import Asked, Names, about, narrowed, plain
from model.expr import BOOL, Domain, Expr, Value, fold
from model.system import Compiled, Step

SUMMARY = "a TLA+ module for TLC, its configuration in the last comment or beside it"

WORDS = """
ASSUME ASSUMPTION AXIOM BOOLEAN BY CASE CHOOSE CONSTANT CONSTANTS COROLLARY DEF DEFINE DEFS
DOMAIN ELSE ENABLED EXCEPT EXTENDS FALSE HAVE HIDE IF IN INSTANCE LAMBDA LEMMA LET LOCAL MODULE
NEW OBVIOUS OMITTED OTHER PICK PROOF PROPOSITION PROVE QED RECURSIVE SF STATE STRING SUBSET
SUFFICES TAKE TEMPORAL THEN THEOREM TRUE UNCHANGED UNION USE VARIABLE VARIABLES WF WITH WITNESS
Init Next Spec vars
"""
RESERVED = frozenset(WORDS.split())

HEAD = """\
\\* {title}, written from the compiled system: {variables} variables, {steps} steps.
\\*
\\* To run TLC (tla2tools.jar), save this module as {module}.tla and the last comment of the file,
\\* which `export -o {module}.tla` writes itself, as {module}.cfg:
\\*   java -XX:+UseParallelGC -cp tla2tools.jar tlc2.TLC -workers auto {module}
\\*
\\* TLC's "distinct states found" at the end of a search without errors must be the number of states
\\* that `verify` prints for the same scenario, flaw and properties. To count where an invariant is
\\* violated, take the violated ones out of the .cfg, or run TLC with -continue.
\\*
\\* An invariant named Never_NAME is a goal that is to be reached: TLC must say that it is violated.
"""


def write(compiled: Compiled, properties: Sequence[Asked]) -> str:
    """The text of the module."""
    names = Names(RESERVED)
    module = names(compiled.system.name, "module")
    for n in compiled.names:
        names(n)
    memo: dict[int, Any] = {}
    out = [
        f"---- MODULE {module} ----",
        HEAD.format(
            title=plain(compiled.system.name),
            module=module,
            variables=len(compiled.names),
            steps=len(compiled.steps),
        ),
        "EXTENDS Naturals",
        "",
    ]
    every = ", ".join(names(n) for n in compiled.names)
    if compiled.names:
        out.append("VARIABLES")
        for i, (n, d) in enumerate(zip(compiled.names, compiled.domains, strict=True)):
            comma = "," if i + 1 < len(compiled.names) else ""
            out.append(f"    {names(n)}{comma} \\* {plain(n)}: {plain(values(d, d.values))}")
    out += ["", f"vars == <<{every}>>", "", "Init =="]
    for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True):
        if len(initial) == 1:
            out.append(f"    /\\ {names(n)} = {value(d, initial[0])}")
        else:
            out.append(f"    /\\ {names(n)} \\in {values(d, initial)}")
    if not compiled.names:
        out.append("    TRUE")
    actions = []
    for step in compiled.steps:
        actions.append(names(" ".join(step.label), "action"))
        out += ["", f"\\* {about(step)}", f"{actions[-1]} =="]
        out += _action(compiled, step, names, memo)
    out += ["", "Next ==", *(f"    \\/ {a}" for a in actions or ["FALSE"])]
    out += ["", "Spec == Init /\\ [][Next]_vars"]
    for p, bad in narrowed(compiled, properties):
        kind = "goal" if p.goal else "invariant"
        out += ["", f"\\* {kind}; {plain(p.about)}"]
        out.append(f"{_invariant(p, names)} == ~({expression(bad, names, {}, memo)})")
    out += ["", "(*", _cfg(properties, names).rstrip("\n"), "*)", "===="]
    return "\n".join(out) + "\n"


def beside(compiled: Compiled, properties: Sequence[Asked]) -> dict[str, str]:
    """TLC's configuration file, by suffix."""
    text = write(compiled, properties)
    return {".cfg": text[text.rindex("(*\n") + 3 : text.rindex("*)")]}


def _cfg(properties: Sequence[Asked], names: Names) -> str:
    lines = ["SPECIFICATION Spec", "CHECK_DEADLOCK FALSE"]
    lines += [f"INVARIANT {_invariant(p, names)}" for p in properties]
    return "\n".join(lines) + "\n"


def _invariant(p: Asked, names: Names) -> str:
    return names(f"Never_{p.name}" if p.goal else p.name, "property")


def _action(compiled: Compiled, step: Step, names: Names, memo: dict[int, Any]) -> list[str]:
    parameters = {n: names(n, "parameter") for n in step.free}
    memo = {} if parameters else memo
    out = []
    for n, allowed in step.free.items():
        out.append(f"    \\E {parameters[n]} \\in {values(step.parameters[n], allowed)} :")
    changed = step.changes
    out.append(f"    /\\ {expression(step.guard, names, parameters, memo)}")
    for n, e in changed.items():
        out.append(f"    /\\ {names(n)}' = {expression(e, names, parameters, memo)}")
    same = [names(n) for n in compiled.names if n not in changed]
    if same:
        out.append(f"    /\\ UNCHANGED <<{', '.join(same)}>>")
    return out


def expression(e: Expr, names: Names, parameters: Mapping[str, str], memo: dict[int, Any]) -> str:
    """`e` in TLA+."""

    def algebra(e: Expr, a: list[str]) -> str:
        match e.op:
            case "const":
                return value(e.domain, e.payload)
            case "var":
                return parameters.get(e.payload) or names(e.payload)
            case "eq":
                return f"({a[0]} = {a[1]})"
            case "and":
                return _join(" /\\ ", a)
            case "or":
                return _join(" \\/ ", a)
            case "not":
                return f"(~{a[0]})"
            case "ite":
                return f"(IF {a[0]} THEN {a[1]} ELSE {a[2]})"
            case "le":
                return _le(e.args[0].domain, a[0], a[1])
            case "map":
                return _table(e, a[0])
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")

    return str(fold(e, algebra, memo))


def _table(e: Expr, operand: str) -> str:
    """A finite function as tests of the operand, the most frequent value last."""
    domain = e.args[0].domain
    by_code: dict[int, list[Value]] = {}
    for k, v in e.payload:
        by_code.setdefault(e.domain.code(v), []).append(k)
    if e.domain is BOOL:
        return f"({operand} \\in {values(domain, by_code[1])})"
    *tested, (rest, _) = sorted(by_code.items(), key=lambda item: (len(item[1]), item[0]))
    out = value(e.domain, e.domain.values[rest])
    for code, keys in reversed(tested):
        then = value(e.domain, e.domain.values[code])
        out = f"(IF {operand} \\in {values(domain, keys)} THEN {then} ELSE {out})"
    return out


def _le(domain: Domain, a: str, b: str) -> str:
    """`a` is not after `b` in the domain's order, by cases, since the values are no numbers."""
    parts = [
        f"({b} = {value(domain, v)} /\\ {a} \\in {values(domain, domain.values[: i + 1])})"
        for i, v in enumerate(domain.values)
    ]
    return _join(" \\/ ", parts)


def _join(operator: str, parts: Iterable[str]) -> str:
    return f"({operator.join(parts)})"


def value(domain: Domain, v: Value) -> str:
    """A value as a TLA+ constant."""
    kinds = {type(x) for x in domain.values}
    if kinds == {bool}:
        return "TRUE" if v else "FALSE"
    if kinds == {str}:
        text = str(v).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    if kinds == {int} and all(int(str(x)) >= 0 for x in domain.values):
        return str(v)
    return str(domain.code(v))


def values(domain: Domain, some: Iterable[Value]) -> str:
    """A TLA+ set of values."""
    return "{" + ", ".join(value(domain, v) for v in some) + "}"
