"""Promela, for SPIN: one process, and one indivisible step for each step of the model.

A variable is an `unsigned` of as many bits as its values need; its codes are their positions. The
effects of a step are parallel, assignments in Promela are not: they are ordered so that none reads
what another wrote before it. Where that cannot be, a new value waits in a spare variable, which is
0 again at the end of the step (`hidden` ones cannot be searched breadth first). A free parameter
becomes one step for each of its values.

States: the process starts at a location of its own, from which one step leads to each initial
state; every other stored state is at the head of the loop. So SPIN stores exactly one state more
than the model has (`EXTRA`), depth first and breadth first.

Liveness. Each property that speaks of whole runs has a system of its own (what it reads, no more)
and a never claim: a run that breaks it. Fairness is as in `checker/engines/liveness.py`, of each
step (a rule of a run with a source):

- Weak: each step is a process of its own, and SPIN's option -f is fair to processes.
- Strong, which SPIN does not have: the process is watched. A guess says from where on what can be
  done once can be done again and again. From there on a step that is possible is owed until it is
  taken; when nothing is owed a round ends, and all begins anew. What is taken in a round is not
  owed in it again. A run with infinitely many rounds is fair, since a step that is possible in
  infinitely many rounds is taken in each of these. A fair run has infinitely many rounds: from
  some point on all that is possible at all is taken again, so that every debt is paid. The claim
  asks for infinitely many rounds.

A run that ends is fair, and rests in its last state for ever. That is a step of its own here: what
SPIN itself does where nothing can move does not go with -f.

The ends of runs: the claim is a strongly fair run with infinitely many states that are not as they
should be. Where a final component has such a state there is such a run, so "errors: 0" is PROVED.
The other way round it may stay in a component that is not final, if each step that leaves it is
also taken inside: `ends` then sees nothing wrong, being fair to each edge and not to steps only. A
run that SPIN shows to end, or whose cycle cannot be left, breaks both.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from checker.export._asked import Asked, Names, Temporal, about, cases, narrowed, plain
from model.expr import BOOL, Expr, fold, neg, variables
from model.near import UsageError
from model.system import Compiled

SUMMARY = "a Promela model for SPIN, one property for each run, liveness included"
SUFFIX = ".pml"
TEMPORAL = True
EXTRA = 1
"""The states that SPIN stores beyond the model's: the one before the initial values are chosen."""

PROCESSES = 250
"""SPIN has 255; `init`, the claim and the one that rests are among them."""
WORD = 30
"""The steps in an `int`, whose sign is left alone."""

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
{whole} * Whether a property's interesting case is ever reached is not asked here: `verify` then
 * says VACUOUS.
 *
 * The properties, as NAME:
{properties} */
"""


TEMPORAL_HEAD = """\
 * A property of whole runs (liveness): SPIN looks for a cycle. Name it when SPIN writes pan.c:
 *   spin -DCHECK_NAME -a FILE.pml
 *   gcc -O2 -DNOREDUCE -DMEMLIM=16000{options} -o pan pan.c
 *   ./pan -a -m1000000
 * and with the options that stand beside its name. -f is for weak fairness; strong fairness is in
 * the model, and -f says nothing there. "acceptance cycle" and "errors: 1" mean that the property
 * is violated. Its path: spin -DCHECK_NAME -t -p -g FILE.pml
 * For the ends of runs (`ends`) a cycle counts only if it cannot be left.
"""


def write(
    compiled: Compiled, properties: Sequence[Asked], temporal: Sequence[Temporal] = ()
) -> str:
    """The model's text, for properties of states and of whole runs.

    UsageError if a system has more steps than SPIN has processes, where weak fairness needs them.
    """
    names = Names(RESERVED)
    for n in compiled.names:
        names(n)
    memo: dict[int, Any] = {}
    options, kept = _options(compiled, names, memo)
    body: list[str] = []
    for about_step, variants in options:
        body.append(f"    /* {about_step} */")
        for about_choice, _, inside in variants:
            body += [f"    /* with {about_choice} */"] if about_choice else []
            body.append(f"    :: d_step {{ {inside} }}")
    checks: list[str] = []
    listing: list[str] = []
    for p, bad in narrowed(compiled, properties):
        macro = names(f"CHECK_{p.name}")
        kind = "goal" if p.goal else "invariant"
        listing.append(f" *   {macro.removeprefix('CHECK_')} ({kind}; {plain(p.about)})\n")
        checks += [
            f"#ifdef {macro}",
            f"    :: d_step {{ {_bare(expression(bad, names, memo))} -> assert(false); }}",
            "#endif",
        ]
    parts: list[str] = []
    for q in temporal:
        macro = names(f"CHECK_{q.name}")
        option = " -f" if q.fairness == "weak" else ""
        listing.append(
            f" *   {macro.removeprefix('CHECK_')} (liveness, {q.fairness} fairness: "
            f"./pan -a{option}; {plain(q.about)})\n"
        )
        parts += [f"#{'elif' if parts else 'if'} defined({macro})", *_temporal(q, names, memo)]
    head = HEAD.format(
        title=plain(compiled.system.name),
        variables=len(compiled.names),
        bits=sum(d.bits for d in compiled.domains),
        steps=len(compiled.steps),
        extra=EXTRA,
        properties="".join(listing),
        whole=_temporal_head(temporal),
    )
    # SPIN leaves out of its state what is only written. This option reads all and is never taken.
    every = " + ".join(["0", *(names(n) for n in compiled.names)])
    search = [
        *_declared(compiled, names, kept),
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
    out = [head, *parts, "#else", *search, "#endif"] if parts else [head, *search]
    return "\n".join(out) + "\n"


Options = list[tuple[str, list[tuple[str, str, str]]]]
"""For each step what it is, and for each of its choices: the choice, the guard, guard and effects
as what stands in a `d_step`."""


def _options(compiled: Compiled, names: Names, memo: dict[int, Any]) -> tuple[Options, int]:
    """The steps, and how many spare variables they need."""
    out: Options = []
    kept = 0
    for step in compiled.steps:
        variants: dict[str, tuple[str, str, str]] = {}
        for chosen, guard, effects in cases(step):
            lines, temporary = _assignments(effects, names, memo)
            kept = max(kept, temporary)
            test = _bare(expression(guard, names, memo))
            inside = " ".join([f"{test} ->", *(lines or ["skip;"])])
            choice = plain(", ".join(f"{n} = {v}" for n, v in chosen.items()))
            variants.setdefault(inside, (choice, test, inside))
        out.append((about(step), list(variants.values())))
    return out, kept


def _declared(compiled: Compiled, names: Names, spares: int) -> list[str]:
    """The variables."""
    out: list[str] = []
    for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True):
        codes = ", ".join(f"{i} {v}" for i, v in enumerate(d.values))
        first = f" = {d.code(initial[0])}" if len(initial) == 1 else ""
        out.append(f"unsigned {names(n)} : {d.bits}{first}; /* {plain(n)}: {plain(codes)} */")
    widest = max((d.bits for d in compiled.domains), default=1)
    return out + [f"unsigned {names(f'new{i}', 'spare')} : {widest};" for i in range(spares)]


def _start(compiled: Compiled, names: Names, then: str = "") -> list[str]:
    """The choice of an initial state, and what is done with it.

    One step for each: breadth first, SPIN stores what is inside an `atomic`, too.
    """
    free = [
        [f"{names(n)} = {d.code(v)};" for v in initial]
        for n, d, initial in zip(compiled.names, compiled.domains, compiled.initial, strict=True)
        if len(initial) > 1
    ]
    choices = [[*c, *([then] * bool(then))] or ["skip;"] for c in itertools.product(*free)]
    return ["    if", *(f"    :: d_step {{ {' '.join(c)} }}" for c in choices), "    fi;"]


# -- liveness --------------------------------------------------------------------------------------
def _temporal_head(temporal: Sequence[Temporal]) -> str:
    """The commands for properties of whole runs; nothing where there are none."""
    steps = max((len(q.compiled.steps) for q in temporal if q.fairness == "weak"), default=0)
    if not temporal:
        return ""
    # pan.c takes fewer than 4 processes for each; `init`, the claim and the one that rests are
    # among them. A process needs 8 bytes of the state.
    options = f" -DVECTORSZ=4096 -DNFAIR={max(2, (steps + 4) // 4 + 1)}" if steps else ""
    return TEMPORAL_HEAD.format(options=options)


def _temporal(asked: Temporal, names: Names, memo: dict[int, Any]) -> list[str]:
    """A system with its property as a never claim."""
    compiled = asked.compiled
    options, spares = _options(compiled, names, memo)
    started = names("started", "watch")
    out = [*_declared(compiled, names, spares), f"bit {started};"]
    start = _start(compiled, names, f"{started} = 1;")
    pairs = [
        [_bare(expression(compiled.narrow(e), names, memo)) for e in (given, neg(holds))]
        for given, holds in asked.pairs
    ]
    if asked.ends:
        wrong = [f"({given} && {unmet})" for given, unmet in pairs]
    else:
        wrong = [unmet for _, unmet in pairs]
    settled, fair, mark = "", "", ""
    if asked.fairness == "weak":
        out += _processes(asked, options, start)
    else:
        settled, fair = names("settled", "watch"), names("fair", "watch")
        mark = names("mark", "watch")
        out += _watched(options, start, names, " || ".join(dict.fromkeys(wrong)))
    claim = (
        _ends_wrong(wrong, settled, fair)
        if asked.ends
        else _never_holds(pairs, started, mark, fair)
    )
    return [*out, "never {", *claim, "}"]


def _ends_wrong(wrong: Sequence[str], settled: str, fair: str) -> list[str]:
    """A run with `fair` and one of `wrong` again and again, once it is settled."""
    return [
        "search:",
        "    if",
        f"    :: ({settled} && ({' || '.join(wrong)})) -> goto wait",
        "    :: else -> goto search",
        "    fi;",
        "wait:",
        "    if",
        f"    :: ({fair}) -> goto accept",
        "    :: else -> goto wait",
        "    fi;",
        "accept:",
        "    if",
        "    :: (true) -> goto search",
        "    fi;",
    ]


def _never_holds(pairs: Sequence[Sequence[str]], started: str, mark: str, fair: str) -> list[str]:
    """A run that has one of (given, not holds), then never holds, and `fair` again and again."""
    out = ["search:", "    if", f"    :: ({f'!{mark}' if mark else 'true'}) -> goto search"]
    out += [
        f"    :: ({started} && {given} && {unmet}) -> goto wait{i}"
        for i, (given, unmet) in enumerate(pairs)
    ]
    out.append("    fi;")
    for i, (_, unmet) in enumerate(pairs):
        out += [
            f"wait{i}:",
            "    if",
            f"    :: ({unmet} && {fair or 'true'}) -> goto accept{i}",
            *([f"    :: ({unmet} && !{fair}) -> goto wait{i}"] * bool(fair)),
            "    fi;",
            f"accept{i}:",
            "    if",
            f"    :: {unmet} -> goto wait{i}",
            "    fi;",
        ]
    return out


def _processes(asked: Temporal, options: Options, start: Sequence[str]) -> list[str]:
    """A process for each step: for SPIN's -f."""
    if len(options) > PROCESSES:
        raise UsageError(
            f"{asked.name} cannot be exported: weak fairness takes a process for each of "
            f"{len(options)} steps, and SPIN has {PROCESSES}"
        )
    out: list[str] = []
    for i, (what, variants) in enumerate(options):
        out += [f"/* {what} */", f"proctype step{i}() {{", "end:", "    do"]
        out += [f"    :: d_step {{ {inside} }}" for _, _, inside in variants]
        out += ["    od", "}"]
    possible = " || ".join(dict.fromkeys(test for _, vs in options for _, test, _ in vs))
    out += ["proctype rest() {", "    do", f"    :: (!({possible or '0'})) -> skip", "    od", "}"]
    runs = "".join(f"run step{i}(); " for i in range(len(options)))
    return [*out, "init {", "    atomic {", *start, f"    {runs}run rest();", "    }", "}"]


def _watched(options: Options, start: Sequence[str], names: Names, wrong: str) -> list[str]:
    """One process that watches itself: `fair` is true where a round of strong fairness ended.

    What the claim looks for has `wrong` again and again, so some steps lead there again and again.
    The first of them in their order is marked when it is taken; when it is taken a second time, the
    run is settled. A run in which an earlier one leads there after the mark is given up (`dead`):
    it is found with the other mark. This keeps the states few, and no run is lost.
    """
    settled, fair, mark, last = (names(n, "watch") for n in ("settled", "fair", "mark", "last"))
    words = range(0, len(options), WORD)
    owed = [names(f"owed{i // WORD}", "watch") for i in words]
    paid = [names(f"paid{i // WORD}", "watch") for i in words]
    steps: list[str] = []
    for i, (what, variants) in enumerate(options, 1):
        steps.append(f"    /* {what} */")
        steps += [f"    :: d_step {{ {inside} {last} = {i}; }}" for _, _, inside in variants]
    take: list[str] = []
    owe: list[str] = []
    for i, o, p in zip(words, owed, paid, strict=True):
        possible = " | ".join(
            f"(({' || '.join(dict.fromkeys(test for _, test, _ in variants))}) << {j})"
            for j, (_, variants) in enumerate(options[i : i + WORD])
        )
        take.append(
            f"        if :: ({last} > {i} && {last} <= {i + WORD}) -> "
            f"{p} = {p} | (1 << ({last} - {i + 1})); {o} = {o} & ~{p}; :: else -> skip; fi;"
        )
        owe.append(f"        {o} = {o} | (({possible}) & ~{p});")
    nothing = " && ".join(f"{w} == 0" for w in owed) or "true"
    clear = " ".join(f"{w} = 0;" for w in paid)
    early = f"({last} && {last} < {mark} && ({wrong}))"
    return [
        f"bit {settled}, {fair};",
        f"short {mark}, {last};",
        *(f"int {w};" for w in owed + paid),
        "init {",
        *start,
        "    do",
        "    :: atomic {",
        "    if",
        *steps,
        "    /* the end: nothing can follow, for ever */",
        f"    :: else -> {settled} = 1",
        "    fi;",
        "    if",
        f"    :: {early} -> {fair} = 0; {last} = 0; goto dead",
        f"    :: ({settled} && !{early}) -> skip",
        f"    :: (!{settled} && {last} == {mark} && ({wrong})) -> {settled} = 1",
        f"    :: (!{settled} && !{mark} && ({wrong})) -> {mark} = {last}",
        f"    :: (!{settled} && ({last} > {mark} || !({wrong}))) -> skip",
        "    fi;",
        "    d_step {",
        "    if",
        f"    :: ({settled}) ->",
        *take,
        "        if",
        f"        :: ({nothing}) -> {fair} = 1; {clear}",
        f"        :: else -> {fair} = 0;",
        "        fi;",
        *owe,
        "    :: else -> skip;",
        "    fi;",
        f"    {last} = 0;",
        "    }",
        "    }",
        "    od;",
        "dead:",
        "    do",
        f"    :: (!{fair}) -> skip",
        "    od",
        "}",
    ]


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
            n
            for n in waiting
            if not any(n in variables(e) for other, e in waiting.items() if other != n)
        ]
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
