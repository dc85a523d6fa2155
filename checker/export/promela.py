"""Promela, for SPIN: one process, and one indivisible step for each step of the model.

A variable is an `unsigned` of as many bits as its values need; its codes are their positions. The
effects of a step are parallel, assignments in Promela are not: they are ordered so that none reads
what another wrote before it. Where that cannot be, a new value waits in a spare variable, which is
0 again at the end of the step (`hidden` ones cannot be searched breadth first). A free parameter
becomes one step for each of its values.

States: the process starts at a location of its own, from which one step leads to each initial
state; every other stored state is at the head of the loop. So SPIN stores exactly one state more
than the model has (`EXTRA`), depth first and breadth first.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from checker.export._asked import Asked, Names, about, cases, folded, plain
from model.expr import BOOL, Expr, fold, variables
from model.system import Compiled

SUMMARY = "a Promela model for SPIN, one property for each run"
SUFFIX = ".pml"
EXTRA = 1
"""The states that SPIN stores beyond the model's: the one before the initial values are chosen."""

# Promela's own words (man pages of SPIN 6.5), C's, and what pan.c defines or reads of a state.
WORDS = """
accept active arrays assert atomic bit bool break byte chan cond_expr c_code c_decl c_expr
c_state c_track d_step do else empty enabled end eval false fi for full get_priority goto
hidden if in init inline int len local ltl mtype nempty never nfull notrace np_ od of pc_value
pid print printf printm priority proctype progress provided run select set_priority short show
skip STDIN timeout trace true typedef unless unsigned xr xs always eventually until weakuntil
release implies equivalent auto case char const continue default double enum extern float long
register return signed sizeof static struct switch union void volatile while main now
"""
RESERVED = frozenset(WORDS.split())

HEAD = """\
/* {title}, written from the compiled system: {variables} variables, {bits} bits, {steps} steps.
 *
 * Count the states (SPIN stores {extra} more than `verify` counts: the state before the start):
 *   spin -a FILE.pml
 *   gcc -O2 -DSAFETY -DNOREDUCE -DMEMLIM=16000 -o pan pan.c
 *   ./pan -m1000000
 * Breadth first, with shortest counterexamples: add -DBFS to gcc.
 *
 * Check one property: name it when SPIN writes pan.c; the rest is the same.
 *   spin -DCHECK_NAME -a FILE.pml
 * "assertion violated" and "errors: 1" mean that the property is violated (a goal: is reached),
 * "errors: 0" that it holds (a goal: is not reached). pan's exit status is 0 in either case. A
 * search that says "max search depth too small" or "out of memory" is not complete.
 * Its path: spin -DCHECK_NAME -t -p -g FILE.pml
 * Whether a property's interesting case is ever reached (else it is VACUOUS) is not asked here.
 *
 * The properties, as NAME:
{properties} */
"""


def write(compiled: Compiled, properties: Sequence[Asked]) -> str:
    """The model's text."""
    names = Names(RESERVED)
    for n in compiled.names:
        names(n)
    body: list[str] = []
    kept = 0
    memo: dict[int, Any] = {}
    for step in compiled.steps:
        body.append(f"    /* {about(step)} */")
        seen: set[str] = set()
        for chosen, guard, effects in cases(step):
            lines, temporary = _assignments(effects, names, memo)
            kept = max(kept, temporary)
            first = f"{_bare(expression(guard, names, memo))} ->"
            inside = " ".join([first, *(lines or ["skip;"])])
            if inside in seen:
                continue
            seen.add(inside)
            if chosen:
                choice = ", ".join(f"{n} = {v}" for n, v in chosen.items())
                body.append(f"    /* with {plain(choice)} */")
            body.append(f"    :: d_step {{ {inside} }}")
    checks: list[str] = []
    listing: list[str] = []
    for p, bad in folded(compiled, properties):
        macro = names(f"CHECK_{p.name}")
        kind = "goal" if p.goal else "invariant"
        listing.append(f" *   {macro.removeprefix('CHECK_')} ({kind}; {plain(p.about)})\n")
        checks += [
            f"#ifdef {macro}",
            f"    :: d_step {{ {_bare(expression(bad, names, memo))} -> assert(false); }}",
            "#endif",
        ]
    head = HEAD.format(
        title=plain(compiled.system.name), variables=len(compiled.names),
        bits=sum(d.bits for d in compiled.domains), steps=len(compiled.steps), extra=EXTRA,
        properties="".join(listing),
    )  # fmt: skip
    declared: list[str] = []
    for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True):
        codes = ", ".join(f"{i} {v}" for i, v in enumerate(d.values))
        first = f" = {d.code(initial[0])}" if len(initial) == 1 else ""
        declared.append(f"unsigned {names(n)} : {d.bits}{first}; /* {plain(n)}: {plain(codes)} */")
    widest = max((d.bits for d in compiled.domains), default=1)
    declared += [f"unsigned {names(f'new{i}', 'spare')} : {widest};" for i in range(kept)]
    # One step for each initial state: breadth first, SPIN stores what is inside an `atomic`, too.
    free = [
        [f"{names(n)} = {d.code(v)};" for v in initial]
        for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True)
        if len(initial) > 1
    ]
    start = [f"    :: d_step {{ {' '.join(c) or 'skip;'} }}" for c in itertools.product(*free)]
    # SPIN leaves out of its state what is only written. This option reads all and is never taken.
    every = " + ".join(["0", *(names(n) for n in compiled.names)])
    out = [
        head, *declared, "", "init {", "    if", *start, "    fi;", "end:", "    do",
        "    /* never taken: keeps in the state what the steps only write */",
        f"    :: (false && ({every})) -> skip", *checks, *body, "    od", "}",
    ]  # fmt: skip
    return "\n".join(out) + "\n"


def expression(e: Expr, names: Names, memo: dict[int, Any]) -> str:
    """`e` in Promela: codes, and 0 or 1 for booleans."""

    def algebra(e: Expr, a: list[str]) -> str:
        match e.op:
            case "const":
                return str(e.domain.code(e.payload))
            case "var":
                return names(e.payload)
            case "eq":
                return f"({a[0]} == {a[1]})"
            case "and":
                return f"({' && '.join(a)})"
            case "or":
                return f"({' || '.join(a)})"
            case "not":
                return f"(!{a[0]})"
            case "ite":
                return f"({a[0]} -> {a[1]} : {a[2]})"
            case "le":
                return f"({a[0]} <= {a[1]})"
            case "map":
                return _table(e, a[0])
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")

    return str(fold(e, algebra, memo))


def _table(e: Expr, operand: str) -> str:
    """A finite function: tests of the operand's codes, the most frequent value last."""
    domain = e.args[0].domain
    by_value: dict[int, list[int]] = {}
    for k, v in e.payload:
        by_value.setdefault(e.domain.code(v), []).append(domain.code(k))

    def among(codes: list[int]) -> str:
        return f"({' || '.join(f'{operand} == {c}' for c in codes)})"

    if e.domain is BOOL:
        if len(by_value[1]) <= len(by_value[0]):
            return among(by_value[1])
        return f"({' && '.join(f'{operand} != {c}' for c in by_value[0])})"
    *tested, (rest, _) = sorted(by_value.items(), key=lambda item: (len(item[1]), item[0]))
    out = str(rest)
    for value, codes in reversed(tested):
        out = f"({among(codes)} -> {value} : {out})"
    return out


def _bare(text: str) -> str:
    return text if text.startswith("(") else f"({text})"


def _assignments(
    effects: Mapping[str, Expr], names: Names, memo: dict[int, Any]
) -> tuple[list[str], int]:
    """Parallel effects as a sequence of assignments, and how many spare variables it needs."""
    waiting = dict(effects)
    first: list[str] = []
    then: list[str] = []
    last: list[str] = []
    while waiting:
        ready = [
            n for n in waiting
            if not any(n in variables(e) for other, e in waiting.items() if other != n)
        ]  # fmt: skip
        if ready:
            for n in ready:
                then.append(f"{names(n)} = {expression(waiting.pop(n), names, memo)};")
            continue
        # Each waiting one is read by another: compute the first now, assign it after all others.
        n = next(iter(waiting))
        spare = names(f"new{len(first)}", "spare")
        first.append(f"{spare} = {expression(waiting.pop(n), names, memo)};")
        last += [f"{names(n)} = {spare};", f"{spare} = 0;"]
    return [*first, *then, *last], len(first)
