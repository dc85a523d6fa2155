"""Typed expressions over finite domains: the one language of guards, effects and properties.

An expression is an immutable, interned node. A `fold` compiles a node to each form: a Python
callable (the condition of a `transitions` machine), numpy code (the explicit engine), Z3 terms (the
symbolic engine).

    version = var("own.version", Domain("Version", ("TLS10", "TLS12")))
    guard = (version == "TLS12") | ~(version == "TLS10")
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from types import CodeType
from typing import Any

from model.near import hint, shown

Value = Hashable


@dataclass(frozen=True, slots=True)
class Domain:
    """A finite ordered set of values; a value's code is its position."""

    name: str
    values: tuple[Value, ...]
    codes: dict[Value, int] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", {v: i for i, v in enumerate(self.values)})
        if len(self.codes) != len(self.values):
            raise ValueError(f"domain {self.name} lists a value twice: {self.values}")

    def code(self, value: Value) -> int:
        """The position of `value`; ValueError with the near names for a value outside."""
        try:
            return self.codes[value]
        except (KeyError, TypeError):
            raise ValueError(
                f"{shown(value)} is not a {self.name}: expected one of "
                f"{', '.join(map(str, self.values))}{hint(value, self.values)}"
            ) from None

    @property
    def bits(self) -> int:
        """The number of bits that hold a code."""
        return max(1, (len(self.values) - 1).bit_length())

    def __reduce__(self) -> tuple[Any, ...]:
        return domain, (self.name, self.values)


BOOL = Domain("bool", (False, True))
# A composite is a tuple of values that is compared as a whole, such as a signature or MAC.
COMPOSITE = Domain("composite", ())


def domain(name: str, values: tuple[Value, ...]) -> Domain:
    """The domain of this name and values; those that are told by identity are themselves."""
    made = Domain(name, values)
    return next((d for d in (BOOL, COMPOSITE) if d == made), made)


class Expr:
    """A node: operator, arguments, domain, and payload (a constant, variable name or table)."""

    __slots__ = ("args", "domain", "op", "payload", "reads", "serial")

    def __init__(self, op: str, args: tuple[Expr, ...], domain: Domain, payload: Any) -> None:
        self.op, self.args, self.domain, self.payload = op, args, domain, payload
        # The order of creation, by which operands are sorted: two runs build the same nodes.
        self.serial = len(_interned)
        # The variables in the expression, a bit for each.
        self.reads = 1 << _bits.setdefault(payload, len(_bits)) if op == "var" else 0
        for a in args:
            self.reads |= a.reads

    def __bool__(self) -> bool:
        raise TypeError(
            f"the expression {self} has no truth value: write & | ~ instead of and, or, not, "
            "and compare two at a time instead of chaining"
        )

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return eq(self, _lift(other, self.domain))

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return neg(eq(self, _lift(other, self.domain)))

    def __and__(self, other: object) -> Expr:
        return conj(self, _lift(other, BOOL))

    def __rand__(self, other: object) -> Expr:
        return conj(_lift(other, BOOL), self)

    def __or__(self, other: object) -> Expr:
        return disj(self, _lift(other, BOOL))

    def __ror__(self, other: object) -> Expr:
        return disj(_lift(other, BOOL), self)

    def __invert__(self) -> Expr:
        return neg(self)

    def __le__(self, other: object) -> Expr:
        return le(self, _lift(other, self.domain))

    def __ge__(self, other: object) -> Expr:
        return le(_lift(other, self.domain), self)

    def __lt__(self, other: object) -> Expr:
        return neg(le(_lift(other, self.domain), self))

    def __gt__(self, other: object) -> Expr:
        return neg(le(self, _lift(other, self.domain)))

    def one_of(self, *values: Value) -> Expr:
        """Whether the value is among `values`."""
        wanted = {self.domain.code(v) for v in values}
        return mapping(self, {v: self.domain.code(v) in wanted for v in self.domain.values}, BOOL)

    def __repr__(self) -> str:
        return text(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return made, (self.op, self.args, self.domain, self.payload)


_interned: dict[tuple[Any, ...], Expr] = {}
_bits: dict[Any, int] = {}
"""By name of a variable: the number of its bit in `Expr.reads`."""


def made(op: str, args: tuple[Expr, ...], domain: Domain, payload: Hashable = None) -> Expr:
    """The node with these parts, as they are."""
    # `==` is overloaded, so nodes are keyed by identity; interning makes identity structural.
    key = (op, tuple(map(id, args)), domain.name, domain.values, type(payload), payload)
    node = _interned.get(key)
    if node is None:
        node = _interned[key] = Expr(op, args, domain, payload)
    return node


def _lift(value: object, domain: Domain) -> Expr:
    return value if isinstance(value, Expr) else const(value, domain)


def const(value: Value, domain: Domain = BOOL) -> Expr:
    """A constant of `domain`."""
    domain.code(value)
    return made("const", (), domain, value)


TRUE = const(True)
FALSE = const(False)


def var(name: str, domain: Domain) -> Expr:
    """A variable, named `own.x` or `msg.f` in a row and `client0.x` in a system."""
    return made("var", (), domain, name)


def _same_domain(what: str, a: Expr, b: Expr) -> None:
    if a.domain.values != b.domain.values:
        raise TypeError(f"{what} compares {a} ({a.domain.name}) with {b} ({b.domain.name})")


def eq(a: Expr, b: Expr) -> Expr:
    """Whether two expressions of the same domain are equal."""
    _same_domain("==", a, b)
    if a is b:
        return TRUE
    if a.op == "const" and b.op == "const":
        return TRUE if a.payload == b.payload else FALSE
    if a.op == "const" or (b.op != "const" and a.serial > b.serial):
        a, b = b, a
    if a.domain is BOOL and b.op == "const":
        return a if b.payload else neg(a)
    if b.op == "const":
        if a.op == "ite":
            cond, then, other = a.args
            if then.op == "const" or other.op == "const":
                return ite(cond, eq(then, b), eq(other, b))
        if a.op == "map":
            return mapping(a.args[0], {k: v == b.payload for k, v in a.payload}, BOOL)
    return made("eq", (a, b), BOOL)


def conj(*args: Expr) -> Expr:
    """The conjunction of `args`."""
    return _junction("and", args, TRUE, FALSE)


def disj(*args: Expr) -> Expr:
    """The disjunction of `args`."""
    return _junction("or", args, FALSE, TRUE)


def _junction(op: str, args: Iterable[Expr], unit: Expr, zero: Expr) -> Expr:
    flat: dict[int, Expr] = {}
    for a in args:
        if a.domain is not BOOL:
            raise TypeError(f"{op} needs booleans, got {a} ({a.domain.name})")
        for part in a.args if a.op == op else (a,):
            if part is zero:
                return zero
            if part is not unit:
                flat[id(part)] = part
    for part in flat.values():
        if part.op == "not":
            inner = part.args[0]
            if all(id(x) in flat for x in (inner.args if inner.op == op else (inner,))):
                return zero
    if not flat:
        return unit
    if len(flat) == 1:
        return next(iter(flat.values()))
    return made(op, tuple(flat.values()), BOOL)


def neg(a: Expr) -> Expr:
    """Not `a`."""
    if a.domain is not BOOL:
        raise TypeError(f"~ needs a boolean, got {a} ({a.domain.name})")
    if a.op == "const":
        return FALSE if a.payload else TRUE
    if a.op == "not":
        return a.args[0]
    if a.op == "map":
        return mapping(a.args[0], {k: not v for k, v in a.payload}, BOOL)
    return made("not", (a,), BOOL)


def implies(a: Expr, b: Expr) -> Expr:
    """If `a` then `b`."""
    return disj(neg(a), b)


def ite(cond: Expr, then: Expr, other: Expr) -> Expr:
    """`then` where `cond`, else `other`."""
    _same_domain("ite", then, other)
    if cond is TRUE or then is other:
        return then
    if cond is FALSE:
        return other
    if then.domain is BOOL:
        return disj(conj(cond, then), conj(neg(cond), other))
    return made("ite", (cond, then, other), then.domain)


def le(a: Expr, b: Expr) -> Expr:
    """Whether `a` comes no later than `b` in the order of the domain."""
    _same_domain("<=", a, b)
    if a is b:
        return TRUE
    if b.op == "const":
        limit = b.domain.code(b.payload)
        return mapping(a, {v: i <= limit for i, v in enumerate(a.domain.values)}, BOOL)
    if a.op == "const":
        limit = a.domain.code(a.payload)
        return mapping(b, {v: i >= limit for i, v in enumerate(b.domain.values)}, BOOL)
    return made("le", (a, b), BOOL)


def mapping(a: Expr, table: Mapping[Any, Any], domain: Domain) -> Expr:
    """A finite function of `a`: `table` maps each value of `a` to a value of `domain`."""
    missing = [v for v in a.domain.values if v not in table]
    if missing:
        raise ValueError(f"the table over {a} has no value for {missing}")
    if a.op == "const":
        return const(table[a.payload], domain)
    if a.op == "ite" and a.args[1].op == "const":
        cond, then, other = a.args
        return ite(cond, const(table[then.payload], domain), mapping(other, table, domain))
    if a.op == "map":
        return mapping(a.args[0], {k: table[v] for k, v in a.payload}, domain)
    values = {table[v] for v in a.domain.values}
    if len(values) == 1:
        return const(values.pop(), domain)
    if domain is BOOL:
        if a.domain is BOOL:
            return a if table[True] else neg(a)
        hits = [v for v in a.domain.values if table[v]]
        if len(hits) == 1:
            return eq(a, const(hits[0], a.domain))
    elif domain.values == a.domain.values and all(table[v] == v for v in a.domain.values):
        return a
    return made("map", (a,), domain, tuple((v, table[v]) for v in a.domain.values))


def same(composite: Expr, *parts: Expr) -> Expr:
    """Whether the composite message field equals the tuple of `parts`."""
    if composite.domain is not COMPOSITE:
        raise TypeError(f"same() needs a composite field, got {composite}")
    return made("same", (composite, *parts), BOOL)


def comparisons(*exprs: Expr) -> Iterator[Expr]:
    """The comparisons of composites in expressions, each once, those of the first one first."""
    seen: set[int] = set()
    for expr in exprs:
        stack = [expr]
        while stack:
            e = stack.pop()
            if id(e) not in seen:
                seen.add(id(e))
                if e.op == "same":
                    yield e
                stack.extend(e.args)


def substitute(
    expr: Expr,
    leaf: Callable[[Expr], Expr],
    on_same: Callable[[Expr, tuple[Expr, ...]], Expr] | None = None,
    memo: dict[int, Expr] | None = None,
    among: Iterable[str] | None = None,
) -> Expr:
    """`expr` rebuilt with every variable `v` replaced by `leaf(v)`, or only those `among` others.

    `on_same(node, parts)` replaces a comparison of composites; `parts` are rewritten already.
    Calls with the same functions may share a `memo`.
    """
    done: dict[int, Expr] = {} if memo is None else memo
    mask = -1 if among is None else sum(1 << _bits[n] for n in {*among} if n in _bits)

    def go(e: Expr) -> Expr:
        if not e.reads & mask and on_same is None:
            return e
        hit = done.get(id(e))
        if hit is not None:
            return hit
        if e.op == "const":
            out = e
        elif e.op == "var":
            out = leaf(e)
        elif e.op == "same":
            parts = tuple(go(a) for a in e.args[1:])
            out = on_same(e, parts) if on_same else rebuild(e, (e.args[0], *parts))
        else:
            out = rebuild(e, tuple(map(go, e.args)))
        done[id(e)] = out
        return out

    return go(expr)


def rebuild(e: Expr, args: tuple[Expr, ...]) -> Expr:
    """`e` with new arguments, simplified."""
    if [*map(id, args)] == [*map(id, e.args)]:  # `==` of expressions is another thing
        return e
    match e.op:
        case "eq":
            return eq(*args)
        case "and":
            return conj(*args)
        case "or":
            return disj(*args)
        case "not":
            return neg(*args)
        case "ite":
            return ite(*args)
        case "le":
            return le(*args)
        case "same":
            return same(e.args[0], *args[1:])
        case _:
            return mapping(args[0], dict(e.payload), e.domain)


def replaced(expr: Expr, old: Expr, new: Expr, memo: dict[int, Expr] | None = None) -> Expr:
    """`expr` with `new` wherever the term `old` stands in it.

    A conjunction or disjunction also stands in a longer one that has all its operands. Calls with
    the same terms may share a `memo`.
    """
    _same_domain("a replacement", old, new)
    done: dict[int, Expr] = {id(old): new} if memo is None else memo
    done[id(old)] = new
    joins = {"and": conj, "or": disj}

    def go(e: Expr) -> Expr:
        out = done.get(id(e))
        if out is None:
            if e.op == old.op and e.op in joins and {*map(id, old.args)} <= {*map(id, e.args)}:
                rest = (a for a in e.args if not any(a is x for x in old.args))
                out = joins[e.op](new, *map(go, rest))
            elif e.op == "same":
                out = same(e.args[0], *map(go, e.args[1:]))
            else:
                out = rebuild(e, tuple(map(go, e.args))) if e.args else e
            done[id(e)] = out
        return out

    return go(expr)


_begin: dict[str, tuple[int, int]] = {}
"""By a beginning of names: the number of names seen, and the bits of those that begin so."""


def _beginning(beginning: str) -> int:
    """The bits of the variables whose names begin so."""
    seen, mask = _begin.get(beginning, (0, 0))
    if seen < len(_bits):
        new = islice(_bits.items(), seen, None)
        mask |= sum(1 << i for n, i in new if str(n).startswith(beginning))
        _begin[beginning] = len(_bits), mask
    return mask


def variables(*exprs: Expr, beginning: str = "") -> dict[str, Domain]:
    """The domains of the variables in `exprs`, by name, in order of first appearance.

    With a `beginning` of names, only those of variables that are named so.
    """
    have = ~_beginning(beginning) if beginning else 0
    out: dict[str, Domain] = {}
    stack = list(reversed(exprs))
    while stack:
        e = stack.pop()
        if not e.reads & ~have:
            continue
        if e.op == "var":
            have |= e.reads
            out[e.payload] = e.domain
        stack.extend(reversed(e.args))
    return out


def conjuncts(expr: Expr) -> tuple[Expr, ...]:
    """The top-level conjuncts."""
    return expr.args if expr.op == "and" else (expr,)


def bind(e: Expr, values: Mapping[str, Value], memo: dict[int, Expr] | None = None) -> Expr:
    """`e` with some variables set to values; calls with the same values may share a `memo`."""
    if not values:
        return e
    return substitute(
        e,
        lambda v: const(values[v.payload], v.domain) if v.payload in values else v,
        memo=memo,
        among=values,
    )


class Elimination:
    """Expressions with variables set or eliminated, each worked out once for all calls."""

    def __init__(self) -> None:
        self._bound: dict[tuple[str, Value], dict[int, Expr]] = {}
        self._without: dict[tuple[int, int], Expr] = {}

    def bound(self, e: Expr, name: str, value: Value) -> Expr:
        """`e` with a variable set to a value."""
        return bind(e, {name: value}, self._bound.setdefault((name, value), {}))

    def projected(self, expr: Expr, domains: Mapping[str, Domain]) -> Expr:
        """Whether `expr` is true for some values of the variables in `domains`, without these.

        Operands that share no such variable are taken apart, and each part is done once: the work
        grows with what the variables have to do with each other, not with their number.
        """
        bit = {n: 1 << _bits.setdefault(n, len(_bits)) for n in domains}
        mask = sum(bit.values())
        done = self._without

        def cases(e: Expr) -> Expr:
            parts, among = conjuncts(e), e.reads & mask
            often = {n: sum(b & p.reads > 0 for p in parts) for n, b in bit.items() if b & among}
            name = min(often, key=lambda n: (-often[n], len(domains[n].values), n))
            out = []
            for value in domains[name].values:
                out.append(go(self.bound(e, name, value)))
                if out[-1] is TRUE:
                    break
            return disj(*out)

        def go(e: Expr) -> Expr:
            among = e.reads & mask
            if not among:
                return e
            out = done.get((id(e), among))
            if out is None:
                out = disj(*map(go, e.args)) if e.op == "or" else conj(*apart(e))
                done[id(e), among] = out
            return out

        def apart(e: Expr) -> Iterator[Expr]:
            groups: list[tuple[int, list[Expr]]] = []
            for part in conjuncts(e):
                names, group = part.reads & mask, [part]
                others = []
                for those, parts in groups:
                    if names & those:
                        names, group = names | those, [*parts, *group]
                    else:
                        others.append((those, parts))
                groups = [*others, (names, group)]
            for names, parts in groups:
                if not names:
                    yield from parts
                elif len(groups) > 1:
                    yield go(conj(*parts))
                else:
                    yield cases(e)

        return go(expr)


def projected(expr: Expr, domains: Mapping[str, Domain]) -> Expr:
    """Whether `expr` is true for some values of the variables in `domains`, without these."""
    return Elimination().projected(expr, domains)


def fold(expr: Expr, algebra: Callable[[Expr, list[Any]], Any], memo: dict[int, Any]) -> Any:
    """The result of `algebra(node, results of the arguments)` for `expr`, bottom up.

    Each node is evaluated once; `memo` holds the results.
    """
    hit = memo.get(id(expr))
    if hit is None:
        hit = memo[id(expr)] = algebra(expr, [fold(a, algebra, memo) for a in expr.args])
    return hit


def text(expr: Expr) -> str:
    """The expression in the notation of the tables."""

    def wrap(e: Expr) -> str:
        loose = e.op in ("and", "or", "eq", "le", "ite", "same")
        loose |= e.op == "map" and e.domain is BOOL  # `x in {...}`
        loose |= e.op == "not" and e.args[0].op == "eq"  # `x != y`
        return f"({text(e)})" if loose else text(e)

    match expr.op:
        case "const":
            return str(expr.payload)
        case "var":
            return str(expr.payload)
        case "eq":
            return f"{wrap(expr.args[0])} == {wrap(expr.args[1])}"
        case "le":
            return f"{wrap(expr.args[0])} <= {wrap(expr.args[1])}"
        case "and":
            return " & ".join(map(wrap, expr.args))
        case "or":
            return " | ".join(map(wrap, expr.args))
        case "not":
            inner = expr.args[0]
            if inner.op == "eq":
                return f"{wrap(inner.args[0])} != {wrap(inner.args[1])}"
            return f"~{wrap(inner)}"
        case "ite":
            return " ".join(("if", text(expr.args[0]), "then", text(expr.args[1]), "else")) + (
                f" {text(expr.args[2])}"
            )
        case "same":
            return f"{expr.args[0]} == ({', '.join(map(text, expr.args[1:]))})"
        case _:
            if expr.domain is BOOL:
                hits = [str(k) for k, v in expr.payload if v]
                return f"{wrap(expr.args[0])} in {{{', '.join(hits)}}}"
            return f"{expr.domain.name}({text(expr.args[0])})"


def python_function(
    exprs: Mapping[str, Expr], arguments: str, leaf: Callable[[Expr], str]
) -> Callable[..., tuple[Any, ...]]:
    """A function of `arguments` returning the tuple of the values of `exprs`, in order.

    `leaf(variable)` is the Python text that reads a variable. Values are the domain's own values
    and a boolean is always a real `bool`, since `transitions` compares conditions with True.
    """
    names: dict[str, Any] = {}

    def algebra(e: Expr, a: list[str]) -> str:
        match e.op:
            case "const":
                return repr(e.payload)
            case "var":
                return leaf(e)
            case "eq":
                return f"({a[0]} == {a[1]})"
            case "and":
                return f"({' and '.join(a)})"
            case "or":
                return f"({' or '.join(a)})"
            case "not":
                return f"(not {a[0]})"
            case "ite":
                return f"({a[1]} if {a[0]} else {a[2]})"
            case "le":
                rank = f"k{len(names)}"
                names[rank] = e.args[0].domain.codes
                return f"({rank}[{a[0]}] <= {rank}[{a[1]}])"
            case "same":
                return f"({a[0]} == ({', '.join(a[1:])},))"
            case _:
                table = f"k{len(names)}"
                names[table] = dict(e.payload)
                return f"{table}[{a[0]}]"

    memo: dict[int, Any] = {}
    body = ", ".join(fold(e, algebra, memo) for e in exprs.values())
    code = f"lambda {arguments}: ({body}{',' if exprs else ''})"
    return eval(_code(code), names)  # type: ignore[no-any-return]


@lru_cache(maxsize=1 << 15)
def _code(text: str) -> CodeType:
    """The code of an expression: machines and systems that differ little have much of it alike."""
    return compile(text, "<expression>", "eval")
