"""Promela, for SPIN: one process, and one indivisible step for each step of the model.

A variable is an `unsigned` of as many bits as its values need; a value's code is its position. The
effects of a step are parallel, assignments in Promela are not: they are ordered so that none reads
a variable already overwritten. In a cycle, a new value waits in a spare variable, which is 0 again
at the end of the step (`hidden` variables cannot be searched breadth first). A step with a free
parameter becomes one step for each value.

States: the process starts at a location from which one step leads to each initial state; every
other stored state is at the head of the loop. So SPIN stores exactly one state more than the model
has (`EXTRA`), depth first and breadth first.

Whole runs: each such property has a system of its own, over only the variables that the property
depends on. SPIN knows only weak fairness to processes (option -f).

- `leads_to` under weak fairness: each step (a rule of a run with a source) is a process, and a
  never claim looks for a run that breaks the property. A run that stops stays in its last state for
  ever by a process that does nothing: SPIN's own such step does not work with -f.
- `leads_to` under strong fairness is left out, and the head of the file says so.
- `ends` becomes a property of the states in which no step is possible. A violation that SPIN finds
  is real. No violation says nothing about runs that go on for ever, which `ends` covers, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from checker.asked import Asked, Names, Temporal, about, narrowed, plain
from model.expr import BOOL, Expr, fold, neg, variables
from model.near import UsageError
from model.system import Compiled

SUMMARY = "a Promela model for SPIN, one property for each run, liveness included"
TEMPORAL = True
EXTRA = 1
"""The states that SPIN stores beyond the model's: the one before the initial values are chosen."""

PROCESSES = 250
"""The most processes for steps. SPIN has 255, with `init`, the claim and the idle process."""

# Reserved words of Promela (man pages of SPIN 6.5) and C, and names that pan.c uses of a state.
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
{whole} * Whether a property's interesting case is ever reached is not asked here: `verify` then
 * says VACUOUS.
 *
 * The properties, as NAME:
{properties} */
"""


ENDS_HEAD = """\
 * A property of the ends of runs is checked like one of states, where no step is possible: "errors:
 * 1" means that it is violated, "errors: 0" that no run that stops violates it. Of runs that go on
 * for ever that says nothing.
"""

TEMPORAL_HEAD = """\
 * For a property of whole runs (liveness) SPIN looks for a cycle, under weak fairness:
 *   spin -DCHECK_NAME -a FILE.pml
 *   gcc -O2 -DNOREDUCE -DMEMLIM=16000 -DVECTORSZ=4096 -DNFAIR={fair} -o pan pan.c
 *   ./pan -a -f -m1000000
 * "acceptance cycle" and "errors: 1" mean that the property is violated. Its path:
 *   spin -DCHECK_NAME -t -p -g FILE.pml
"""

LEFT_OUT_HEAD = """\
 * Left out, since SPIN has no strong fairness, under which alone they are asked:
{left_out}"""


def write(
    compiled: Compiled, properties: Sequence[Asked], temporal: Sequence[Temporal] = ()
) -> str:
    """The model's text, for properties of states and of whole runs.

    UsageError if SPIN can express none of the properties, or if weak fairness takes more processes
    than SPIN has.
    """
    left_out = [q for q in temporal if q.fairness == "strong"]
    said = [q for q in temporal if q not in left_out]
    if left_out and not said and not properties:
        raise UsageError(
            f"{left_out[0].name} cannot be exported: it is asked under strong fairness, and SPIN "
            "has weak fairness only"
        )
    names = Names(RESERVED)
    for n in compiled.names:
        names(n)
    memo: dict[int, Any] = {}
    checks: list[str] = []
    listing: list[str] = []
    for p, bad in narrowed(compiled, properties):
        macro = names(f"CHECK_{p.name}")
        kind = "goal" if p.goal else "invariant"
        listing.append(f" *   {macro.removeprefix('CHECK_')} ({kind}; {plain(p.about)})\n")
        asserted = _asserted(expression(bad, names, memo))
        checks += [f"#ifdef {macro}", asserted, "#endif"]
    parts: list[str] = []
    for q in said:
        macro = names(f"CHECK_{q.name}")
        kind = "the ends of runs" if q.ends else "liveness: ./pan -a -f"
        listing.append(f" *   {macro.removeprefix('CHECK_')} ({kind}; {plain(q.about)})\n")
        parts += [f"#{'elif' if parts else 'if'} defined({macro})"]
        parts += (_ends if q.ends else _leads_to)(q, names, memo)
    head = HEAD.format(
        title=plain(compiled.system.name),
        variables=len(compiled.names),
        bits=sum(d.bits for d in compiled.domains),
        steps=len(compiled.steps),
        extra=EXTRA,
        properties="".join(listing),
        whole=_whole_head(said, left_out),
    )
    search = _search(compiled, _options(compiled, names, memo), checks, names)
    out = [head, *parts, "#else", *search, "#endif"] if parts else [head, *search]
    return "\n".join(out) + "\n"


Options = list[tuple[str, list[tuple[str, str, str]]]]
"""For each step a comment on it, and for each choice of its free parameters: the choice, the guard,
and the body of a `d_step` with guard and effects."""


def _options(compiled: Compiled, names: Names, memo: dict[int, Any]) -> tuple[Options, int]:
    """The steps, and the number of spare variables that they need."""
    out: Options = []
    kept = 0
    for step in compiled.steps:
        variants: dict[str, tuple[str, str, str]] = {}
        for chosen, guard, effects in step.cases():
            lines, temporary = _assignments(effects, names, memo)
            kept = max(kept, temporary)
            test = _bare(expression(guard, names, memo))
            inside = " ".join([f"{test} ->", *(lines or ["skip;"])])
            choice = plain(", ".join(f"{n} = {v}" for n, v in chosen.items()))
            variants.setdefault(inside, (choice, test, inside))
        out.append((about(step), list(variants.values())))
    return out, kept


def _declared(compiled: Compiled, names: Names, spares: int) -> list[str]:
    """The declarations of the variables."""
    out: list[str] = []
    for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True):
        codes = ", ".join(f"{i} {v}" for i, v in enumerate(d.values))
        first = f" = {d.code(initial[0])}" if len(initial) == 1 else ""
        out.append(f"unsigned {names(n)} : {d.bits}{first}; /* {plain(n)}: {plain(codes)} */")
    widest = max((d.bits for d in compiled.domains), default=1)
    return out + [f"unsigned {names(f'new{i}', 'spare')} : {widest};" for i in range(spares)]


def _start(compiled: Compiled, names: Names, then: str = "") -> list[str]:
    """The choice of an initial state, followed by `then`: one step for each initial state.

    An `atomic` would not do: breadth first, SPIN stores the states inside, too.
    """
    free = [
        [f"{names(n)} = {d.code(v)};" for v in initial]
        for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True)
        if len(initial) > 1
    ]
    choices = [[*c, *([then] * bool(then))] or ["skip;"] for c in itertools.product(*free)]
    return ["    if", *(f"    :: d_step {{ {' '.join(c)} }}" for c in choices), "    fi;"]


def _search(
    compiled: Compiled, options: tuple[Options, int], checks: Sequence[str], names: Names
) -> list[str]:
    """The system as one process, with the options `checks` in each state."""
    steps, spares = options
    body: list[str] = []
    for about_step, variants in steps:
        body.append(f"    /* {about_step} */")
        for about_choice, _, inside in variants:
            body += [f"    /* with {about_choice} */"] if about_choice else []
            body.append(f"    :: d_step {{ {inside} }}")
    # SPIN drops variables that are never read: this option reads all and is never taken.
    every = " + ".join(["0", *(names(n) for n in compiled.names)])
    return [
        *_declared(compiled, names, spares),
        "",
        "init {",
        *_start(compiled, names),
        "end:",
        "    do",
        "    /* never taken: keeps in the state what the steps only write */",
        f"    :: (false && ({every})) -> skip",
        *checks,
        *body,
        "    od",
        "}",
    ]


def _asserted(bad: str) -> str:
    """The option that fails where `bad` is true."""
    return f"    :: d_step {{ {_bare(bad)} -> assert(false); }}"


def _possible(steps: Options) -> str:
    """The condition that some step is possible."""
    return " || ".join(dict.fromkeys(test for _, vs in steps for _, test, _ in vs)) or "0"


# -- whole runs ------------------------------------------------------------------------------------
def _whole_head(said: Sequence[Temporal], left_out: Sequence[Temporal]) -> str:
    """The head's part about properties of whole runs; empty if there are none."""
    out = ENDS_HEAD if any(q.ends for q in said) else ""
    steps = [len(q.compiled.steps) for q in said if not q.ends]
    if steps:
        # pan.c takes fewer than 4 processes for each unit, `init`, the claim and the idle process
        # included. A process needs 8 bytes of the state.
        out += TEMPORAL_HEAD.format(fair=max(2, (max(steps) + 4) // 4 + 1))
    if left_out:
        names = "".join(f" *   {plain(q.name)} ({plain(q.about)})\n" for q in left_out)
        out += LEFT_OUT_HEAD.format(left_out=names)
    return out


def _ends(asked: Temporal, names: Names, memo: dict[int, Any]) -> list[str]:
    """The property's system, with a check of states in which no step is possible."""
    compiled = asked.compiled
    options = _options(compiled, names, memo)
    unmet = " || ".join(f"({given} && {unmet})" for given, unmet in _pairs(asked, names, memo))
    return _search(
        compiled, options, [_asserted(f"(!({_possible(options[0])}) && ({unmet}))")], names
    )


def _leads_to(asked: Temporal, names: Names, memo: dict[int, Any]) -> list[str]:
    """The property's system, and a never claim: `given and not holds`, then never `holds`."""
    compiled = asked.compiled
    steps, spares = _options(compiled, names, memo)
    started = names("started", "watch")
    out = [*_declared(compiled, names, spares), f"bit {started};"]
    out += _processes(asked, steps, _start(compiled, names, f"{started} = 1;"))
    pairs = _pairs(asked, names, memo)
    out += ["never {", "search:", "    if", "    :: (true) -> goto search"]
    for i, (given, unmet) in enumerate(pairs):
        out.append(f"    :: ({started} && {given} && {unmet}) -> goto accept{i}")
    out.append("    fi;")
    for i, (_, unmet) in enumerate(pairs):
        out += [f"accept{i}:", "    if", f"    :: {unmet} -> goto accept{i}", "    fi;"]
    return [*out, "}"]


def _pairs(asked: Temporal, names: Names, memo: dict[int, Any]) -> list[list[str]]:
    """The texts of `given` and of `not holds` for each pair."""
    return [
        [_bare(expression(asked.compiled.narrow(e), names, memo)) for e in (given, neg(holds))]
        for given, holds in asked.pairs
    ]


def _processes(asked: Temporal, steps: Options, start: Sequence[str]) -> list[str]:
    """The system with a process for each step, since SPIN's -f is fair to processes."""
    if len(steps) > PROCESSES:
        raise UsageError(
            f"{asked.name} cannot be exported: weak fairness takes a process for each of "
            f"{len(steps)} steps, and SPIN has {PROCESSES}"
        )
    out: list[str] = []
    for i, (what, variants) in enumerate(steps):
        out += [f"/* {what} */", f"proctype step{i}() {{", "end:", "    do"]
        out += [f"    :: d_step {{ {inside} }}" for _, _, inside in variants]
        out += ["    od", "}"]
    out += ["proctype rest() {", "    do", f"    :: (!({_possible(steps)})) -> skip", "    od", "}"]
    runs = "".join(f"run step{i}(); " for i in range(len(steps)))
    return [*out, "init {", "    atomic {", *start, f"    {runs}run rest();", "    }", "}"]


def expression(e: Expr, names: Names, memo: dict[int, Any]) -> str:
    """`e` in Promela: the code of its value, 0 or 1 for a boolean."""

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
    """A finite function as tests of the operand's codes, the most frequent value last."""
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
    """Parallel effects as a sequence of assignments, and the number of spare variables needed."""
    waiting = dict(effects)
    first: list[str] = []
    then: list[str] = []
    last: list[str] = []
    while waiting:
        ready = [
            n
            for n in waiting
            if not any(n in variables(e) for other, e in waiting.items() if other != n)
        ]
        if ready:
            for n in ready:
                then.append(f"{names(n)} = {expression(waiting.pop(n), names, memo)};")
            continue
        # Every remaining variable is read by another: compute the first now, assign it at the end.
        n = next(iter(waiting))
        spare = names(f"new{len(first)}", "spare")
        first.append(f"{spare} = {expression(waiting.pop(n), names, memo)};")
        last += [f"{names(n)} = {spare};", f"{spare} = 0;"]
    return [*first, *then, *last], len(first)
