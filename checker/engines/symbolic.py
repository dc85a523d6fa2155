"""The symbolic engine: unbounded proofs, each invariant re-checked by a plain solver.

`Prover` proves the properties of one system one by one: by PDR (`pdr.py`), over a SAT solver, which
reuses the lemmas of earlier properties. The invariant that it finds is checked by Z3 in another
encoding: a variable is one Bool for each bit of its code, the steps are one relation over primed
variables. Initial states inside, closed under every step, inside the property: only then is
a property PROVED. Bounded search unrolls the relation and claims no more than the depth that it
reached.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import z3

from checker.engines.pdr import OutOfTimeError, Pdr, ViolationError
from model.expr import BOOL, TRUE, Domain, Expr, fold
from model.system import Compiled, Step, System

Clause = Sequence[tuple[str, Any]]
"""Pairs of a variable and a value: some variable has the value beside it."""
Term = Any  # a z3 Bool, or a list of z3 Bools, least significant bit first


QUERIES = 200_000
"""Questions to the solver after which a proof is given up; the hardest one here takes 40,000."""
WORK = 1_000_000
"""Z3's units of work for each depth of a bounded search: less than a second."""


@dataclass(frozen=True)
class Invariant:
    """Clauses that are true in every reachable state, in a form that can be kept."""

    clauses: Sequence[Clause]
    names: Sequence[str]  # the variables about whose codes the proof may need to know


@dataclass(frozen=True)
class Proof:
    """An inductive invariant that was re-checked."""

    invariant: str  # SMT-LIB text over the Bools `variable/bit`
    found: Invariant
    seconds: float


@dataclass(frozen=True)
class NoProof:
    """A proof that failed."""

    reason: str
    violated: bool  # the solver found a violation; else it gave up


class CertificateError(Exception):
    """An invariant did not pass the re-check (exit status 4)."""


# z3.And and the operators check the sorts of their arguments; for terms that are all Bools this is
# most of their time.
_CONTEXT = z3.main_ctx()


def _bool(ast: Any) -> Any:
    return z3.BoolRef(ast, _CONTEXT)


def _many(make: Any, parts: Sequence[Any]) -> Any:
    asts = (z3.Ast * len(parts))(*(p.ast for p in parts))
    return _bool(make(_CONTEXT.ref(), len(parts), asts))


def _all(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else _many(z3.Z3_mk_and, parts)


def _any(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else _many(z3.Z3_mk_or, parts)


def _every(parts: Sequence[Any]) -> Any:
    """The conjunction of any number of terms."""
    return _all(parts) if parts else _BOOLS[1]


def _not(a: Any) -> Any:
    return _bool(z3.Z3_mk_not(_CONTEXT.ref(), a.ast))


def _same(a: Any, b: Any) -> Any:
    return _bool(z3.Z3_mk_eq(_CONTEXT.ref(), a.ast, b.ast))


def _if(a: Any, b: Any, c: Any) -> Any:
    return _bool(z3.Z3_mk_ite(_CONTEXT.ref(), a.ast, b.ast, c.ast))


_BOOLS = (z3.BoolVal(False), z3.BoolVal(True))


def bits_of(code: int, domain: Domain) -> list[Any]:
    """A code as constant bits."""
    return [_BOOLS[code >> i & 1] for i in range(domain.bits)]


def same_bits(a: Sequence[Any], b: Sequence[Any]) -> Any:
    """The term that `a` and `b` are equal bit by bit; equality with a constant is a literal."""
    parts = []
    for x, y in zip(a, b, strict=True):
        for p, q in ((x, y), (y, x)):
            if q is _BOOLS[1]:
                parts.append(p)
                break
            if q is _BOOLS[0]:
                parts.append(_not(p))
                break
        else:
            parts.append(_same(x, y))
    return _all(parts)


def encode(expr: Expr, env: Mapping[str, Term], memo: dict[int, Term] | None = None) -> Term:
    """`expr` as a Z3 term, its variables read from `env`."""

    def algebra(e: Expr, a: list[Term]) -> Term:
        match e.op:
            case "const":
                code = e.domain.code(e.payload)
                return _BOOLS[code] if e.domain is BOOL else bits_of(code, e.domain)
            case "var":
                return env[e.payload]
            case "eq":
                return _same(*a) if e.args[0].domain is BOOL else same_bits(*a)
            case "and":
                return _all(a)
            case "or":
                return _any(a)
            case "not":
                return _not(a[0])
            case "ite":
                return [_if(a[0], x, y) for x, y in zip(a[1], a[2], strict=True)]
            case "le":
                out: Any = _BOOLS[1]
                lists = [x if isinstance(x, list) else [x] for x in a]
                for x, y in zip(*lists, strict=True):
                    out = _any([_all([_not(x), y]), _all([_same(x, y), out])])
                return out
            case "map":
                domain = e.args[0].domain
                operand = [a[0]] if domain is BOOL else a[0]
                # Each value once for all bits of the result.
                codes = [same_bits(operand, bits_of(domain.code(v), domain)) for v in domain.values]

                def hits(bit: int) -> Any:
                    values = (e.domain.code(v) >> bit & 1 for _, v in e.payload)
                    found = [c for c, v in zip(codes, values, strict=True) if v]
                    return _any(found) if found else _BOOLS[0]

                return hits(0) if e.domain is BOOL else [hits(i) for i in range(e.domain.bits)]
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")

    return fold(expr, algebra, {} if memo is None else memo)


class Prover:
    """Proofs for one system, in which lemmas of one property serve the next.

    `props` are all properties that will be asked. The same ones in the same order give the same
    invariants.
    """

    def __init__(self, system: System, props: Sequence[Expr]) -> None:
        self.system = system
        self.compiled = system.compile(*props)
        self.symbolic = Symbolic(self.compiled)
        self.domains = dict(zip(self.compiled.names, self.compiled.domains, strict=True))
        self.candidates: list[Clause] = []

    @cached_property
    def pdr(self) -> Pdr:
        """The prover, made when it is first needed."""
        out = Pdr(self.compiled)
        out.suggest([[(n, self.domains[n].code(v)) for n, v in c] for c in self.candidates])
        return out

    def recall(self, proofs: Iterable[Invariant]) -> bool:
        """Whether the clauses of proofs found earlier are one invariant of the system as it is now.

        If they are not, those that still are will help to find others.
        """
        found = [self._present(x) for x in proofs]
        text = self._text(
            [c for x in found for c in x.clauses], {n for x in found for n in x.names}
        )
        try:
            self.symbolic.accept(text, TRUE)
        except CertificateError:
            self.candidates += [c for x in found for c in x.clauses]
            return False
        self.candidates = []
        return True

    def recalled(self, prop: Expr, found: Invariant) -> Proof | None:
        """A proof by clauses that `recall` found to be an invariant; None if they are none."""
        try:
            return self._checked(prop, self._present(found), time.monotonic())
        except CertificateError:
            return None

    def reduced(self, proof: Proof, prop: Expr) -> str:
        """The text of a minimal part of the proof's invariant; of codes it says nothing."""
        codes = ([(n, self.domains[n].code(v)) for n, v in c] for c in proof.found.clauses)
        return self.symbolic.text(map(self.pdr.named, self.pdr.reduced(codes, prop)), [])

    def _present(self, found: Invariant) -> Invariant:
        """The invariant without variables that the system lacks, and values that they never have.

        Such a value cannot make a clause true.
        """
        known = self.domains
        clauses = [
            [(n, v) for n, v in c if n in known and v in known[n].codes] for c in found.clauses
        ]
        return Invariant(clauses, [n for n in found.names if n in known])

    def _text(self, clauses: Iterable[Clause], names: Iterable[str]) -> str:
        codes = ([(n, self.domains[n].code(v)) for n, v in c] for c in clauses)
        return self.symbolic.text(codes, names)

    def _checked(self, prop: Expr, found: Invariant, began: float) -> Proof:
        """The proof by these clauses; CertificateError if they do not pass the re-check."""
        # Check the text itself, since the text is the certificate.
        text = self._text(found.clauses, found.names)
        self.symbolic.accept(text, prop)
        return Proof(text, found, time.monotonic() - began)

    def prove(
        self, prop: Expr, queries: float = QUERIES, seconds: float = math.inf
    ) -> Proof | NoProof:
        """A proof of `prop` in every reachable state, by PDR.

        The prover gives up after so many `queries` to the solver, or `seconds` of CPU time.
        """
        began = time.monotonic()
        if self.compiled.narrow(prop) is TRUE:
            return self._checked(prop, Invariant([], []), began)  # by the values that occur
        try:
            clauses = self.pdr.prove(prop, queries, seconds)
        except ViolationError:
            return NoProof("PDR found a violation", True)
        except OutOfTimeError as e:
            return NoProof(f"PDR gave up {e}", False)
        named = [[(n, self.domains[n].values[k]) for n, k in self.pdr.named(c)] for c in clauses]
        return self._checked(prop, Invariant(named, self.pdr.names_for(prop)), began)


class Symbolic:
    """The compiled system as a transition relation over Bools."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.now = self._bools("")
        self.next = self._bools("'")
        self.memo: dict[int, Term] = {}
        self.inputs: dict[str, Any] = {}
        self._domains = dict(zip(compiled.names, compiled.domains, strict=True))
        self._lines: dict[tuple[tuple[str, int], ...], str] = {}
        self._accepted: dict[str, Any] = {}
        self._held: Any = z3.Solver()
        self.initial = z3.And(
            [
                z3.Or([self._is(n, d, v) for v in values])
                for n, d, values in zip(
                    compiled.names, compiled.domains, compiled.initial, strict=True
                )
            ]
        )
        self.flat = self._flat(self.now)
        self.flat_next = self._flat(self.next)

    def _bools(self, suffix: str) -> dict[str, Term]:
        out: dict[str, Term] = {}
        for n, d in zip(self.compiled.names, self.compiled.domains, strict=True):
            if d is BOOL:
                out[n] = z3.Bool(f"{n}{suffix}")
            else:
                out[n] = [z3.Bool(f"{n}/{i}{suffix}") for i in range(d.bits)]
        return out

    @cached_property
    def _heads(self) -> set[str]:
        """The declarations of the bits of a state, as lines of a text."""
        return {f"(declare-fun {b} () Bool)" for b in self.flat}

    def _flat(self, env: Mapping[str, Term]) -> list[Any]:
        out: list[Any] = []
        for n in self.compiled.names:
            out.extend(env[n] if isinstance(env[n], list) else [env[n]])
        return out

    def _is(self, name: str, domain: Domain, value: Any) -> Any:
        code = domain.code(value)
        if domain is BOOL:
            return self.now[name] if code else z3.Not(self.now[name])
        return same_bits(self.now[name], bits_of(code, domain))

    def formula(self, expr: Expr) -> Any:
        """The Z3 term of `expr` over the present state."""
        return encode(self.compiled.narrow(expr), self.now, self.memo)

    def parts(self, step: Step) -> tuple[Any, dict[str, Term]]:
        """A step's guard, with the limits of its parameters, and its effects, as terms."""
        env = dict(self.now)
        limits = []
        for n, values in step.free.items():
            d = step.parameters[n]
            name = f"{step.run}:{n}"
            term = z3.Bool(name) if d is BOOL else [z3.Bool(f"{name}/{i}") for i in range(d.bits)]
            env[n] = term
            bits = term if isinstance(term, list) else [term]
            self.inputs |= {str(b): b for b in bits}
            limits.append(_any([same_bits(bits, bits_of(d.code(v), d)) for v in values]))
        memo = self.memo if not step.free else {}
        guard = _all([encode(step.guard, env, memo), *limits])
        effects = {n: encode(e, env, memo) for n, e in step.effects.items()}
        return guard, effects

    @cached_property
    def relation(self) -> Any:
        """The transition relation: a disjunction of steps, other variables keeping their values.

        Variables that no step of a run writes are kept once for the run, not once for each step.
        """
        by_run: dict[str, list[Step]] = {}
        for s in self.compiled.steps:
            by_run.setdefault(s.run, []).append(s)
        keeps = {n: self._set(n, self.now[n]) for n in self.compiled.names}
        runs = []
        for steps in by_run.values():
            touched = sorted({n for s in steps for n in s.effects})
            moves = []
            for s in steps:
                guard, effects = self.parts(s)
                sets = [self._set(n, effects[n]) if n in effects else keeps[n] for n in touched]
                moves.append(_all([guard, *sets]))
            frame = [keep for n, keep in keeps.items() if n not in touched]
            runs.append(_all([_any(moves), *frame]))
        return _any(runs) if runs else _BOOLS[0]

    def _set(self, name: str, value: Term) -> Any:
        target = self.next[name]
        return same_bits(target, value) if isinstance(target, list) else _same(target, value)

    def text(self, clauses: Iterable[Sequence[tuple[str, int]]], names: Iterable[str]) -> str:
        """An invariant as SMT-LIB text, one sorted assertion a line.

        A clause, a list of pairs, says that some variable has the code beside it. For each variable
        of `names`, the text also says that its code is one of the domain's.
        """
        every = [tuple(c) for c in clauses]
        for n in names:
            size = len(self._domains[n].values)
            if size < 1 << self._domains[n].bits:
                every.append(tuple((n, code) for code in range(size)))
        lines = {c: self._line(c) for c in every}
        bools = {b for c in lines for n, _ in c for b in self._bits(n)}
        heads = [f"(declare-fun {b} () Bool)" for b in sorted(bools)]
        return "\n".join([*heads, *sorted({*lines.values()}), "(check-sat)", ""])

    def _bits(self, name: str) -> list[str]:
        """The names of a variable's bits in a text."""
        d = self._domains[name]
        return [name] if d is BOOL else [f"{name}/{i}" for i in range(d.bits)]

    def _line(self, clause: tuple[tuple[str, int], ...]) -> str:
        """A clause as a line of a text; most clauses are in several proofs."""

        def has(n: str, code: int) -> str:
            bits = enumerate(self._bits(n))
            return joined("and", [b if code >> i & 1 else f"(not {b})" for i, b in bits])

        def joined(op: str, parts: Sequence[str]) -> str:
            if len(parts) < 2:
                return parts[0] if parts else "false"
            return f"({op} {' '.join(parts)})"

        if clause not in self._lines:
            self._lines[clause] = f"(assert {joined('or', sorted(has(*x) for x in clause))})"
        return self._lines[clause]

    def check(self, invariant: Any, prop: Expr) -> None:
        """Check the three facts by which `invariant` proves `prop`.

        CertificateError if one fails.
        """
        self._closed(z3.Solver(), invariant)
        self._implied(invariant, prop)

    def accept(self, text: str, prop: Expr) -> None:
        """Check that the assertions of `text` imply `prop` and, with all accepted before, are kept.

        All that are accepted are one invariant. So only the new ones are to be checked, and a proof
        that shares its clauses with earlier ones costs little. CertificateError if a fact fails.
        """
        every = text.splitlines()
        lines = [x for x in every if x.startswith("(assert")]
        new = [x for x in lines if x not in self._accepted]
        if new:
            heads = (x for x in every if x in self._heads)
            parsed = list(z3.parse_smt2_string("\n".join([*heads, *new])))
            self._closed(self._held, _every(parsed))
            self._accepted |= zip(new, parsed, strict=True)
        self._implied(_every([self._accepted[x] for x in lines]), prop)

    def _implied(self, invariant: Any, prop: Expr) -> None:
        self._refute("the property is not implied", invariant, z3.Not(self.formula(prop)))

    def _closed(self, solver: Any, clauses: Any) -> None:
        """Check that `clauses` are initially true, and kept by each step where `solver` holds.

        The solver holds them from then on.
        """
        self._refute("an initial state is outside", self.initial, z3.Not(clauses))
        after = z3.substitute(clauses, *zip(self.flat, self.flat_next, strict=True))
        if not solver.assertions():
            solver.add(self.relation)
        solver.push()
        solver.add(clauses, z3.Not(after))
        kept = solver.check() == z3.unsat
        solver.pop()
        if not kept:
            raise CertificateError("the invariant is not closed under the steps")
        solver.add(clauses)

    def _refute(self, what: str, *formulas: Any) -> None:
        solver = z3.Solver()
        solver.add(*formulas)
        if solver.check() != z3.unsat:
            raise CertificateError(f"the certificate fails: {what}")

    def bounded(
        self, prop: Expr, depth: int, work: int = WORK, seconds: float = math.inf
    ) -> int | None:
        """The depth, up to `depth`, within which no violation was found.

        -1 if a violation was found; None if not even depth 0 was decided. `work` is Z3's measure of
        what it may do at each depth: the same on every machine, however busy. After `seconds` of
        this process's CPU time no depth is begun.
        """
        deadline = time.process_time() + seconds
        relation = self.relation
        solver = z3.Solver()
        frames = [self.flat]
        solver.add(self.initial)
        cleared = -1
        for k in range(depth + 1):
            if time.process_time() >= deadline:
                break
            solver.set("rlimit", work)
            here = frames[-1]
            swap = list(zip(self.flat, here, strict=True))
            solver.push()
            solver.add(z3.substitute(z3.Not(self.formula(prop)), *swap))
            answer = solver.check()
            solver.pop()
            if answer == z3.sat:
                return -1
            if answer != z3.unsat:
                break
            cleared = k
            after = [z3.Bool(f"{b}@{k + 1}") for b in self.flat]
            inputs = [(b, z3.Bool(f"{b}@{k}")) for b in self.inputs.values()]
            move = z3.substitute(relation, *swap, *zip(self.flat_next, after, strict=True), *inputs)
            solver.add(move)
            frames.append(after)
        return cleared if cleared >= 0 else None
