"""The second encoder: a system as SMT-LIB 2 text, from its expressions alone.

This encoder shares nothing with the prover. A variable is one bit-vector that holds the code of its
value (a Boolean is a Bool); the prover has a Bool for each bit. The encoder reads the steps as they
were grounded: with steps that cannot fire, all parameters and whole domains. So the analyses that
remove these before a proof are checked, too. The encoder leaves out only variables on which neither
a guard nor the property depends, and effects on those; a text that needed one would not parse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from model.expr import BOOL, Domain, Expr, Value, fold, variables
from model.system import System


@dataclass(frozen=True)
class Line:
    """One line of a certificate."""

    text: str
    about: str  # what the line says, in words, for messages
    step: str = ""  # the symbol of a step


@lru_cache(maxsize=4)
def _read(system: System) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """The variables that guards read; by variable, those that the effects on it read."""
    effects: dict[str, list[Expr]] = {}
    for s in system.raw_steps:
        for n, e in s.effects.items():
            effects.setdefault(n, []).append(e)
    guards = frozenset(variables(*(s.full for s in system.raw_steps)))
    return guards, {n: frozenset(variables(*es)) for n, es in effects.items()}


def depended(system: System, prop: Expr) -> dict[str, Domain]:
    """The variables that a guard or `prop` depends on, with their whole domains, in order."""
    guards, effects = _read(system)
    needed: set[str] = set()
    new = {*guards, *variables(prop)}
    while new:
        needed |= new
        new = {r for n in new for r in effects.get(n, ())} - needed
    return {n: v.domain for n, v in system.variables.items() if n in needed}


def bits(system: System, state: Mapping[str, Domain]) -> dict[str, tuple[str, ...]]:
    """The names `variable/bit` that an invariant may read, with the values that have the bit.

    The bits are those of the prover's codes: positions among the values that occur. Booleans are
    not in the result: an invariant reads a Boolean under its own name.
    """
    out = {}
    for n, d in state.items():
        small = system.values.domain[n]
        if d is not BOOL:
            for i in range(small.bits):
                out[f"{n}/{i}"] = tuple(
                    code(v, d) for j, v in enumerate(small.values) if j >> i & 1
                )
    return out


def code(value: Value, domain: Domain) -> str:
    """A value as an SMT-LIB constant."""
    number = domain.code(value)
    return _BOOLEANS[number] if domain is BOOL else f"#b{number:0{domain.bits}b}"


def sort(domain: Domain) -> str:
    """The SMT-LIB sort of a variable."""
    return "Bool" if domain is BOOL else f"(_ BitVec {domain.bits})"


@cache
def symbol(name: str) -> str:
    """`name` as an SMT-LIB symbol."""
    return name if all(c.isalnum() or c in "._/" for c in name) else f"|{name}|"


def primed(name: str) -> str:
    """The symbol of a variable's value after the step."""
    return symbol(f"{name}'")


def call(function: str, state: Iterable[str], prime: bool = False) -> str:
    """The application of `function` to the present state or, with `prime`, the next."""
    names = [(primed if prime else symbol)(n) for n in state]
    return f"({function} {' '.join(names)})" if names else function


def parameters(state: Mapping[str, Domain]) -> str:
    """The variables of a state as the parameters of a definition."""
    return " ".join(f"({symbol(n)} {sort(d)})" for n, d in state.items())


def junction(word: str, parts: Iterable[str], unit: str) -> str:
    """`and` or `or` of any number of terms."""
    every = list(parts)
    if len(every) < 2:
        return every[0] if every else unit
    return f"({word} {' '.join(every)})"


def among(x: str, values: Iterable[Value], domain: Domain) -> str:
    """The term that says that `x` has one of `values`."""
    if domain is BOOL:
        return junction("or", ((x if v else f"(not {x})") for v in values), "false")
    return junction("or", (f"(= {x} {code(v, domain)})" for v in values), "false")


@dataclass(frozen=True, eq=False)
class Around:
    """What is around the property in a model: the same for all over the same variables."""

    state: dict[str, Domain]
    read: str
    """The bindings of a `let` for the bits that are no variables."""
    before: tuple[Line, ...]
    after: tuple[Line, ...]


@dataclass(frozen=True)
class Model:
    """The lines of a certificate that follow from the system: all but invariant and queries."""

    around: Around
    prop: Line

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in order."""
        return (*self.around.before, self.prop, *self.around.after)


def model(system: System, prop: Expr, property_name: str) -> Model:
    """The model in a certificate.

    TypeError if an expression cannot be written; ValueError if two steps have one label.
    """
    state = depended(system, prop)
    said = term(prop, {n: symbol(n) for n in state}, {})
    line = Line(f"(define-fun prop () Bool {said})", f"the property {property_name}")
    return Model(around(system, tuple(state)), line)


@lru_cache(maxsize=4)
def around(system: System, names: tuple[str, ...]) -> Around:
    """What is around a property that depends on these variables."""
    state = {n: system.variables[n].domain for n in names}
    initial = junction(
        "and", (among(symbol(n), system.variables[n].initial, d) for n, d in state.items()), "true"
    )
    before = (
        Line("(set-logic QF_BV)", "the logic"),
        *_declarations(system, state),
        _title("initial states"),
        Line(f"(define-fun init () Bool {initial})", "the initial states"),
        *_steps(system, state),
        _title("property"),
    )
    occurring = [
        among(symbol(n), system.values.domain[n].values, d)
        for n, d in state.items()
        if len(system.values.domain[n].values) < (2 if d is BOOL else 2**d.bits)
    ]
    meaning = junction("and", occurring, "true")
    after = (
        _title("values that occur; the invariant says that there are no others"),
        Line(
            f"(define-fun occurring ({parameters(state)}) Bool {meaning})",
            "the values that occur",
        ),
    )
    read = " ".join(
        f"({symbol(n)} ({symbol(f'bit {n}')} {symbol(n.rpartition('/')[0])}))"
        for n in bits(system, state)
    )
    return Around(state, read or "(none true)", before, after)


def _title(text: str) -> Line:
    return Line(f"; == {text} ==", f"the title of: {text}")


def _declarations(system: System, state: Mapping[str, Domain]) -> Iterator[Line]:
    """The lines that declare the variables, before and after a step, and define the bits."""
    yield _title("variables: before a step, and after it")
    for n, d in state.items():
        about = f"the variable {n}"
        if d is not BOOL:
            codes = ", ".join(f"{i} {_plain(v)}" for i, v in enumerate(d.values))
            yield Line(f"; {n}: {codes}", f"the codes of {n}")
        yield Line(f"(declare-const {symbol(n)} {sort(d)})", about)
        yield Line(f"(declare-const {primed(n)} {sort(d)})", about)
    yield _title("bits that the invariant reads: of the position among the values that occur")
    for name, values in bits(system, state).items():
        d = state[name.rpartition("/")[0]]
        body = junction("or", (f"(= x {v})" for v in values), "false")
        yield Line(
            f"(define-fun {symbol(f'bit {name}')} ((x {sort(d)})) Bool {body})", f"the bit {name}"
        )


@dataclass(frozen=True)
class _Texts:
    """The terms of one step, over all variables of the system and the choices."""

    name: str
    about: str
    rfc: str
    guard: tuple[str, ...]
    effects: dict[str, str]


@lru_cache(maxsize=4)
def _texts(system: System) -> tuple[tuple[Line, ...], tuple[_Texts, ...]]:
    """The lines that declare the choices, and the terms of each step."""
    lines: list[Line] = []
    inputs: dict[tuple[str, tuple[Value, ...]], str] = {}
    for s in system.raw_steps:
        for n, d in sorted(s.parameters.items()):
            if (n, d.values) not in inputs:
                number = sum(n == other for other, _ in inputs) + 1
                name = inputs[n, d.values] = n if number == 1 else f"{n}/{number}"
                if d is not BOOL:
                    codes = ", ".join(f"{i} {_plain(v)}" for i, v in enumerate(d.values))
                    lines.append(Line(f"; {name}: {codes}", f"the codes of {name}"))
                declared = f"(declare-const {symbol(name)} {sort(d)})"
                lines.append(Line(declared, f"the choice {name}"))
    memo: dict[int, Any] = {}
    present = {n: symbol(n) for n in system.variables}
    out: dict[str, _Texts] = {}
    for s in system.raw_steps:
        name = "|" + "/".join(_plain(part) for part in s.label) + "|"
        if name in out:
            raise ValueError(f"{system.name}: two steps are called {name}")
        env = dict(present)
        guard = []
        for n, d in sorted(s.parameters.items()):
            env[n] = symbol(inputs[n, d.values])
            if d is not BOOL and len(d.values) < 2**d.bits:
                guard.append(f"(bvule {env[n]} {code(d.values[-1], d)})")
        shared = {} if s.parameters else memo
        guard.append(term(s.full, env, shared))
        effects = {}
        for n, e in s.effects.items():
            if e.domain.values != system.variables[n].domain.values:
                raise TypeError(f"{s.label}: {n} is set to a {e.domain.name}")
            effects[n] = f"(= {primed(n)} {term(e, env, shared)})"
        about = f"the step {'/'.join(s.label)}"
        out[name] = _Texts(name, about, _plain(s.rule.rfc), tuple(guard), effects)
    return tuple(lines), tuple(out.values())


def _steps(system: System, state: Mapping[str, Domain]) -> Iterator[Line]:
    """The lines that declare the parameters and define each step and the disjunction of steps."""
    choices, steps = _texts(system)
    yield _title("choices: what a message carries, what a run decides")
    yield from choices
    yield _title("what a step leaves as it is")
    frames: dict[frozenset[str], str] = {}
    for s in steps:
        changed = s.effects.keys() & state.keys()
        if frozenset(changed) not in frames:
            kept = tuple(n for n in state if n not in changed)
            # The name is a hash of the content, so that a change of one step renames no other's.
            name = f"|kept {hashlib.sha256(repr(kept).encode()).hexdigest()[:16]}|"
            frames[frozenset(changed)] = name
            same = junction("and", (f"(= {primed(n)} {symbol(n)})" for n in kept), "true")
            about = f"what a step leaves, {name}"
            yield Line(f"; all but {', '.join(n for n in state if n in changed)}", about)
            yield Line(f"(define-fun {name} () Bool {same})", about)
    yield _title("steps: one of one run, by one row of its table, with a message from one source")
    for s in steps:
        effects = [text for n, text in s.effects.items() if n in state]
        parts = [*s.guard, *effects, frames[frozenset(s.effects.keys() & state.keys())]]
        yield Line(f"; RFC {s.rfc}", f"the section of {s.about}")
        defined = f"(define-fun {s.name} () Bool {junction('and', parts, 'true')})"
        yield Line(defined, s.about, s.name)
    yield Line(
        f"(define-fun step () Bool {junction('or', (s.name for s in steps), 'false')})",
        "the transition relation, which lists the steps",
    )


def _plain(value: object) -> str:
    """`value` as text fit for a comment or a quoted symbol."""
    return " ".join(str(value).replace("|", " ").replace("\\", " ").split())


def term(e: Expr, env: Mapping[str, str], memo: dict[int, Any]) -> str:
    """`e` as a term, its variables read from `env`.

    The operands of `=` are sorted by their text: their order in `e` may differ between processes.
    """

    def algebra(e: Expr, a: list[str]) -> str:
        match e.op:
            case "const":
                return code(e.payload, e.domain)
            case "var":
                return env[e.payload]
            case "eq":
                return f"(= {' '.join(sorted(a))})"
            case "and" | "or":
                return f"({e.op} {' '.join(a)})"
            case "not":
                return f"(not {a[0]})"
            case "ite":
                return f"(ite {a[0]} {a[1]} {a[2]})"
            case "le":
                return f"({'=>' if e.args[0].domain is BOOL else 'bvule'} {a[0]} {a[1]})"
            case "map":
                return _table(e, a[0])
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")

    found: str = fold(e, algebra, memo)
    return found


def _table(e: Expr, operand: str) -> str:
    """A finite function of the term `operand`, as nested cases."""
    domain = e.args[0].domain
    x = "x" if operand.startswith("(") else operand
    if e.domain is BOOL:
        body = among(x, [k for k, v in e.payload if v], domain)
    else:
        # The last case covers the codes of no value, too, which do not occur.
        by_result: dict[Value, list[Value]] = {}
        for k, v in e.payload:
            by_result.setdefault(v, []).append(k)
        *first, (last, _) = by_result.items()
        body = code(last, e.domain)
        for v, keys in reversed(first):
            body = f"(ite {among(x, keys, domain)} {code(v, e.domain)} {body})"
    return body if x is operand else f"(let ((x {operand})) {body})"


_BOOLEANS = ("false", "true")
