"""The symbolic engine: unbounded proofs, each invariant re-checked by a plain solver.

`Prover` proves the properties of one system one by one: by PDR (`pdr.py`), which reuses the lemmas
of earlier properties, and where PDR takes too long by Spacer. A variable is one Bool for each bit
of its code. Spacer gets one disjunctive transition relation over primed variables. An inductive
invariant from either is then checked by an ordinary solver in another form, in which each step's
effects are substituted into the invariant: initial states inside, closed under every step, inside
the property. Only then is a property PROVED. Bounded search unrolls the relation and claims no more
than the depth that it reached.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import z3

from checker.engines.pdr import OutOfTimeError, Pdr, ViolationError
from model.expr import BOOL, TRUE, Domain, Expr, fold, variables
from model.system import Compiled, Step, System

Term = Any  # a z3 Bool, or a list of z3 Bools, least significant bit first


@dataclass(frozen=True)
class Proof:
    """An inductive invariant that was re-checked."""

    invariant: str  # SMT-LIB text over the Bools `variable/bit`
    clauses: int
    seconds: float
    # What found it: "values" (which values occur is enough), "induction" (the property itself is
    # inductive), "PDR" or "Spacer".
    method: str


@dataclass(frozen=True)
class NoProof:
    """A proof that failed."""

    reason: str
    violated: bool  # the solver found a violation; else it gave up
    seconds: float


class CertificateError(Exception):
    """An invariant did not pass the re-check (exit status 4)."""


def bits_of(code: int, domain: Domain) -> list[Any]:
    """A code as constant bits."""
    return [z3.BoolVal(bool(code >> i & 1)) for i in range(domain.bits)]


def same_bits(a: Sequence[Any], b: Sequence[Any]) -> Any:
    """The term that `a` and `b` are equal bit by bit; equality with a constant is a literal."""
    parts = []
    for x, y in zip(a, b, strict=True):
        if z3.is_true(y):
            parts.append(x)
        elif z3.is_false(y):
            parts.append(z3.Not(x))
        elif z3.is_true(x):
            parts.append(y)
        elif z3.is_false(x):
            parts.append(z3.Not(y))
        else:
            parts.append(x == y)
    return parts[0] if len(parts) == 1 else z3.And(parts)


def encode(expr: Expr, env: Mapping[str, Term], memo: dict[int, Term] | None = None) -> Term:
    """`expr` as a Z3 term, its variables read from `env`."""

    def algebra(e: Expr, a: list[Term]) -> Term:
        match e.op:
            case "const":
                code = e.domain.code(e.payload)
                return z3.BoolVal(bool(code)) if e.domain is BOOL else bits_of(code, e.domain)
            case "var":
                return env[e.payload]
            case "eq":
                return a[0] == a[1] if e.args[0].domain is BOOL else same_bits(a[0], a[1])
            case "and":
                return z3.And(a)
            case "or":
                return z3.Or(a)
            case "not":
                return z3.Not(a[0])
            case "ite":
                return [z3.If(a[0], x, y) for x, y in zip(a[1], a[2], strict=True)]
            case "le":
                out: Any = z3.BoolVal(True)
                lists = [x if isinstance(x, list) else [x] for x in a]
                for x, y in zip(*lists, strict=True):
                    out = z3.Or(z3.And(z3.Not(x), y), z3.And(x == y, out))
                return out
            case "map":
                domain = e.args[0].domain
                operand = [a[0]] if domain is BOOL else a[0]

                def hits(values: list[Any]) -> Any:
                    return z3.Or(
                        [same_bits(operand, bits_of(domain.code(v), domain)) for v in values]
                    )

                if e.domain is BOOL:
                    return hits([k for k, v in e.payload if v])
                return [
                    hits([k for k, v in e.payload if e.domain.code(v) >> i & 1])
                    for i in range(e.domain.bits)
                ]
            case _:
                raise TypeError(f"a composite comparison was not grounded: {e}")

    return fold(expr, algebra, {} if memo is None else memo)


class Refuter:
    """Z3 asked whether any values of the variables make an expression true."""

    def __init__(self) -> None:
        self.terms: dict[tuple[str, Domain], tuple[Term, Any]] = {}
        self.memo: dict[int, Term] = {}
        self.answers: dict[int, bool] = {}

    def impossible(self, expr: Expr) -> bool:
        """Whether no values make `expr` true; False, too, if the solver gave up after 10 s."""
        if expr.op == "const":
            return not expr.payload
        answer = self.answers.get(id(expr))
        if answer is None:
            env: dict[str, Term] = {}
            solver = z3.SolverFor("QF_FD")
            solver.set(timeout=10_000)
            for n, d in variables(expr).items():
                env[n], limit = self._term(n, d)
                if limit is not None:
                    solver.add(limit)
            solver.add(encode(expr, env, self.memo))
            answer = self.answers[id(expr)] = bool(solver.check() == z3.unsat)
        return answer

    def _term(self, name: str, domain: Domain) -> tuple[Term, Any]:
        """The term of a variable, and the constraint that its code is one of the domain's."""
        key = (name, domain)
        if key not in self.terms:
            if domain is BOOL:
                self.terms[key] = z3.Bool(name), None
            else:
                bits = [z3.Bool(f"{name}/{i}") for i in range(domain.bits)]
                limit = None
                if len(domain.values) < 1 << domain.bits:
                    codes = range(len(domain.values))
                    limit = z3.Or([same_bits(bits, bits_of(c, domain)) for c in codes])
                self.terms[key] = bits, limit
        return self.terms[key]


def _conjuncts(formula: Any) -> list[Any]:
    """The conjuncts of a formula, nested ones flattened."""
    out, stack = [], [formula]
    while stack:
        e = stack.pop()
        if z3.is_and(e):
            stack.extend(reversed(e.children()))
        else:
            out.append(e)
    return out


def _names(formula: Any) -> set[str]:
    """The names of the Bools of a formula."""
    out, seen, stack = set(), set(), [formula]
    while stack:
        e = stack.pop()
        if e.get_id() not in seen:
            seen.add(e.get_id())
            stack.extend(e.children())
            if not e.num_args():
                out.add(e.decl().name())
    return out


def _text(invariant: Any) -> str:
    solver = z3.Solver()
    solver.add(invariant)
    return str(solver.to_smt2())


class Prover:
    """Proofs for one system, in which lemmas of one property serve the next.

    `props` are all properties that will be asked. The same ones in the same order give the same
    invariants.
    """

    def __init__(self, system: System, props: Sequence[Expr]) -> None:
        self.system = system
        self.compiled = system.compile(*props)
        self.symbolic = Symbolic(self.compiled)
        self.pdr = Pdr(self.compiled)

    def tried(self, prop: Expr, seconds: float, queries: int) -> Proof | NoProof | None:
        """The outcome of PDR alone, with at most so many `queries`; None if they do not suffice."""
        try:
            return self._by_pdr(prop, seconds, queries)
        except OutOfTimeError:
            return None

    def prove(self, prop: Expr, seconds: float = 30.0) -> Proof | NoProof:
        """A proof of `prop` in every reachable state, by PDR in 2/3 of the time, then by Spacer."""
        began = time.monotonic()
        try:
            return self._by_pdr(prop, seconds * 2 / 3)
        except OutOfTimeError:
            tried = f"PDR gave up after {seconds * 2 / 3:.0f} s"
            found = Symbolic(self.system.compile(prop)).prove(prop, seconds / 3)
            spent = time.monotonic() - began
            if isinstance(found, NoProof):
                why = found.reason if found.violated else f"{tried}, {found.reason}"
                return NoProof(why, found.violated, spent)
            return replace(found, seconds=spent)

    def _by_pdr(self, prop: Expr, seconds: float, queries: float = math.inf) -> Proof | NoProof:
        began = time.monotonic()
        if self.compiled.narrow(prop) is TRUE:
            return self.symbolic.settled(prop, began)
        try:
            clauses = self.pdr.prove(prop, seconds, queries)
        except ViolationError:
            return NoProof("PDR found a violation", True, time.monotonic() - began)
        # Check the text itself, since the text is the certificate.
        text = self.symbolic.text(map(self.pdr.named, clauses), self.pdr.names_for(prop))
        self.symbolic.check(z3.And(list(z3.parse_smt2_string(text))), prop)
        return Proof(text, len(clauses), time.monotonic() - began, "PDR")


class Symbolic:
    """The compiled system as a transition relation over Bools."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.now = self._bools("")
        self.next = self._bools("'")
        self.memo: dict[int, Term] = {}
        self.inputs: dict[str, Any] = {}
        self._steps: list[tuple[Step, Any, dict[str, tuple[Any, Any]]]] | None = None
        self._clauses: dict[int, tuple[Any, set[str]]] = {}
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
            for b in term if isinstance(term, list) else [term]:
                self.inputs[str(b)] = b
            if d is BOOL:
                limits.append(z3.Or([term if v else z3.Not(term) for v in values]))
            else:
                limits.append(z3.Or([same_bits(term, bits_of(d.code(v), d)) for v in values]))
        memo = self.memo if not step.free else {}
        guard = z3.And([encode(step.guard, env, memo), *limits])
        effects = {n: encode(e, env, memo) for n, e in step.effects.items()}
        return guard, effects

    def relation(self) -> Any:
        """The transition relation: a disjunction of steps, other variables keeping their values.

        Variables that no step of a run writes are kept once for the run, not once for each step.
        """
        by_run: dict[str, list[Step]] = {}
        for s in self.compiled.steps:
            by_run.setdefault(s.run, []).append(s)
        runs = []
        for steps in by_run.values():
            touched = {n for s in steps for n in s.effects}
            moves = []
            for s in steps:
                guard, effects = self.parts(s)
                move = [guard]
                for n in sorted(touched):
                    move.append(self._set(n, effects.get(n, self.now[n])))
                moves.append(z3.And(move))
            frame = [self._set(n, self.now[n]) for n in self.compiled.names if n not in touched]
            runs.append(z3.And([z3.Or(moves), *frame]))
        return z3.Or(runs)

    def _set(self, name: str, value: Term) -> Any:
        target = self.next[name]
        return same_bits(target, value) if isinstance(target, list) else target == value

    def prove(self, prop: Expr, seconds: float = 30.0) -> Proof | NoProof:
        """A proof of `prop` in every reachable state, by Spacer, its invariant re-checked."""
        began = time.monotonic()
        if self.compiled.narrow(prop) is TRUE:
            return self.settled(prop, began)
        # A property that is inductive itself needs no search. (If no state at all contradicts it,
        # Spacer answers with quantifiers.)
        formula = self.formula(prop)
        try:
            self.check(formula, prop)
            return Proof(_text(formula), 1, time.monotonic() - began, "induction")
        except CertificateError:
            pass
        relation = self.relation()
        inv = z3.Function("Inv", *[z3.BoolSort()] * len(self.flat), z3.BoolSort())
        bad = z3.Not(self.formula(prop))
        fp = z3.Fixedpoint()
        fp.set(engine="spacer", timeout=int(seconds * 1000))
        fp.set("xform.slice", False)
        fp.set("xform.inline_eager", False)
        fp.set("xform.inline_linear", False)
        fp.register_relation(inv)
        for b in (*self.flat, *self.flat_next, *self.inputs.values()):
            fp.declare_var(b)
        fp.rule(inv(*self.flat), self.initial)
        fp.rule(inv(*self.flat_next), [inv(*self.flat), relation])
        try:
            answer = fp.query(z3.And(inv(*self.flat), bad))
        except z3.Z3Exception as e:  # Spacer raises `canceled` when its time ends
            why = e.value.decode() if isinstance(e.value, bytes) else e
            return NoProof(f"Spacer gave up: {why}", False, time.monotonic() - began)
        if answer == z3.sat:
            return NoProof("Spacer found a violation", True, time.monotonic() - began)
        if answer == z3.unknown:
            why = fp.reason_unknown()
            return NoProof(f"Spacer gave up: {why}", False, time.monotonic() - began)
        invariant = self._invariant(fp.get_answer())
        self.check(invariant, prop)
        clauses = len(z3.simplify(invariant).children()) or 1
        return Proof(_text(invariant), clauses, time.monotonic() - began, "Spacer")

    def settled(self, prop: Expr, began: float) -> Proof:
        """The proof of a property that is true by the values that occur: any state satisfies it."""
        self.check(z3.BoolVal(True), prop)
        return Proof(_text(z3.BoolVal(True)), 0, time.monotonic() - began, "values")

    def text(self, clauses: Iterable[Sequence[tuple[str, int]]], names: Iterable[str]) -> str:
        """An invariant as SMT-LIB text, one sorted assertion a line.

        A clause, a list of pairs, says that some variable has the code beside it. For each variable
        of `names`, the text also says that its code is one of the domain's.
        """
        domains = dict(zip(self.compiled.names, self.compiled.domains, strict=True))
        bools: set[str] = set()

        def has(n: str, code: int) -> str:
            d = domains[n]
            bits = [n] if d is BOOL else [f"{n}/{i}" for i in range(d.bits)]
            bools.update(bits)
            return joined("and", [b if code >> i & 1 else f"(not {b})" for i, b in enumerate(bits)])

        def joined(op: str, parts: Sequence[str]) -> str:
            return parts[0] if len(parts) == 1 else f"({op} {' '.join(parts)})"

        every = [list(c) for c in clauses]
        for n in names:
            size = len(domains[n].values)
            if size < 1 << domains[n].bits:
                every.append([(n, code) for code in range(size)])
        lines = sorted(f"(assert {joined('or', sorted(has(*x) for x in c))})" for c in every)
        heads = [f"(declare-fun {b} () Bool)" for b in sorted(bools)]
        return "\n".join([*heads, *lines, "(check-sat)", ""])

    def _invariant(self, answer: Any) -> Any:
        """The `body` of Spacer's answer `forall x. Inv(x) = body`, over the present state."""
        stack = [answer]
        while stack:
            e = stack.pop()
            if z3.is_quantifier(e) and e.is_forall():
                body = e.body()
                names = [z3.Bool(f"?{i}") for i in range(e.num_vars())]
                body = z3.substitute_vars(body, *reversed(names))
                stack.append(body)
            elif z3.is_and(e):
                stack.extend(e.children())
            elif z3.is_eq(e) and e.arg(0).decl().name() == "Inv":
                pairs = list(zip(e.arg(0).children(), self.flat, strict=True))
                return z3.substitute(e.arg(1), *[(a, b) for a, b in pairs if z3.is_const(a)])
        raise CertificateError(f"Spacer's answer has no definition of the invariant: {answer}")

    def check(self, invariant: Any, prop: Expr) -> None:
        """Check the three facts by which `invariant` proves `prop`.

        CertificateError if one fails.
        """
        self._refute("an initial state is outside", self.initial, z3.Not(invariant))
        self._refute("the property is not implied", invariant, z3.Not(self.formula(prop)))
        solver = z3.Solver()
        solver.add(invariant)
        clauses = [self._clause(c) for c in _conjuncts(invariant)]
        for s, guard, writes in self._substitutions():
            # A clause that reads nothing that the step writes stays true.
            touched = [(c, names) for c, names in clauses if not names.isdisjoint(writes)]
            if not touched:
                continue
            read = set[str]().union(*(names for _, names in touched))
            after = z3.substitute(
                z3.And([c for c, _ in touched]), *[w for n, w in writes.items() if n in read]
            )
            solver.push()
            solver.add(guard, z3.Not(after))
            if solver.check() != z3.unsat:
                raise CertificateError(f"the invariant is not closed under {s.label}")
            solver.pop()

    def _clause(self, clause: Any) -> tuple[Any, set[str]]:
        """A clause with the names of its Bools; cached, since properties share clauses."""
        key = clause.get_id()
        if key not in self._clauses:
            self._clauses[key] = clause, _names(clause)
        return self._clauses[key]

    def _substitutions(self) -> Iterator[tuple[Step, Any, dict[str, tuple[Any, Any]]]]:
        """Each step, its guard, and the Bools that it writes with their new values, by name."""
        if self._steps is None:
            self._steps = []
            for s in self.compiled.steps:
                guard, effects = self.parts(s)
                writes: dict[str, tuple[Any, Any]] = {}
                for n, value in effects.items():
                    targets = self.now[n] if isinstance(self.now[n], list) else [self.now[n]]
                    values = value if isinstance(value, list) else [value]
                    for b, v in zip(targets, values, strict=True):
                        writes[b.decl().name()] = b, v
                self._steps.append((s, guard, writes))
        yield from self._steps

    def _refute(self, what: str, *formulas: Any) -> None:
        solver = z3.Solver()
        solver.add(*formulas)
        if solver.check() != z3.unsat:
            raise CertificateError(f"the certificate fails: {what}")

    def bounded(self, prop: Expr, depth: int, seconds: float) -> int | None:
        """The depth, up to `depth`, within which no violation was found.

        -1 if a violation was found; None if not even depth 0 was decided in time.
        """
        began = time.monotonic()
        relation = self.relation()
        solver = z3.Solver()
        frames = [self.flat]
        solver.add(self.initial)
        cleared = -1
        for k in range(depth + 1):
            left = seconds - (time.monotonic() - began)
            if left <= 0:
                break
            solver.set(timeout=max(1, int(left * 1000)))
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
