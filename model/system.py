"""A system: runs of roles over a network, grounded to steps over global variables.

The checker sees only a `System` and knows no TLS. Each row of each run's role becomes one step for
each source that the network has for the row's message. A step's guard and effects are the row's
expressions with `own.x` and `msg.f` replaced; nothing is described twice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from itertools import chain, product
from typing import Any, ParamSpec, Protocol

from model.expr import (
    BOOL,
    FALSE,
    TRUE,
    Domain,
    Elimination,
    Expr,
    Value,
    bind,
    conj,
    const,
    eq,
    implies,
    mapping,
    neg,
    rebuild,
    substitute,
    var,
    variables,
)
from model.role import Role
from model.rule import SAME, Message, Rule, Variable

P = ParamSpec("P")

OK = ".ok"
"""The suffix of a boolean parameter: "this composite field is what the receiver expects"."""


@dataclass(frozen=True, eq=False)
class Instance:
    """A run of a role in a system."""

    name: str
    role: Role
    config: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """By variable: the possible initial values, if not those of the role."""
    prev: str | None = None
    """The name of the run that is the previous handshake of the same end."""
    begins: Expr = TRUE
    """When the run may start, over global variables, besides what `Role.begins` demands."""
    alone: bool = False
    """Whether `prev` is frozen once this run has started."""
    takes_over: bool = False
    """Whether the run continues on the connection of `prev`."""


@dataclass(frozen=True, eq=False)
class Source:
    """A way for a message to reach a run: an honest sender, the adversary, or both."""

    name: str
    when: Expr = TRUE
    """The condition, over global variables and the free fields (`msg.f`) of the message."""
    fields: Mapping[str, Expr | tuple[Expr, ...]] = field(default_factory=dict)
    """The contents of fields over global variables; a field that is absent here is free."""
    seals: Mapping[str, Expr] = field(default_factory=dict)
    """By composite field: when the sender can make the field without an honest run's help."""
    effects: Mapping[str, Expr] = field(default_factory=dict)
    """The effects of delivery on the network's variables."""


LOCAL = Source("local")
"""The source of a row that takes no message."""


class Network(Protocol):
    """A carrier of messages: variables, sources and the effects of sending.

    A network that knows no secrets inherits `knows` and `knows_key`.
    """

    def variables(self, system: System) -> Mapping[str, Variable]:
        """The network's global variables by name."""

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> Iterable[Source]:
        """The sources of `message` for `run` in a record under the key `under`.

        `under` is an expression over global variables; None for a run without record keys.
        """

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """When `run` can send `message`, and the effects on the network's variables."""

    def knows(self, system: System, run: Instance, kind: str) -> Expr:
        """When the network knows the secret of `run` of that kind (see `model.schedule`)."""
        return FALSE

    def knows_key(self, system: System, run: Instance, key: Expr) -> Expr:
        """When the network knows the record key `key` (over global variables) of `run`."""
        return FALSE


@dataclass(frozen=True, eq=False)
class Step:
    """One row of one run with one source, over global variables and parameters.

    A parameter is a free field of the message or a choice of the caller.
    """

    run: str
    rule: Rule
    source: Source
    guard: Expr
    """The condition over global variables and `free`; all other parameters are eliminated."""
    effects: Mapping[str, Expr]
    """By global variable: the new value."""
    free: Mapping[str, tuple[Value, ...]]
    """The possible values of each parameter that an effect reads."""
    full: Expr
    """The guard before elimination, from which the message of a trace is found."""
    parameters: Mapping[str, Domain]
    """Every parameter of `full` and the effects."""
    deliverable: Expr
    """The part of `full` that lets the network deliver the message."""
    room: Expr
    """The part of `full` that lets the run take a turn, and the network carry a sent message."""

    @property
    def label(self) -> tuple[str, str, str]:
        """Names of run, rule and source, as on an edge of the state graph."""
        return (self.run, self.rule.name, self.source.name)

    @property
    def exprs(self) -> list[Expr]:
        """Every expression of the step and of its source."""
        inside = [e if isinstance(e, tuple) else (e,) for e in self.source.fields.values()]
        more = (*self.source.seals.values(), *self.source.effects.values(), *chain(*inside))
        mine = (self.guard, self.full, self.deliverable, self.room, *self.effects.values())
        return [*mine, self.source.when, *more]

    @property
    def changes(self) -> dict[str, Expr]:
        """The effects that can change something."""
        return _changes(self.effects)

    def cases(
        self, memos: dict[tuple[str, Value], dict[int, Expr]] | None = None
    ) -> Iterator[tuple[dict[str, Value], Expr, dict[str, Expr]]]:
        """Each choice of the free parameters that the guard allows, with guard and changes then.

        Calls for many steps may share `memos`: by parameter and value, the expressions bound.
        """
        known = {} if memos is None else memos
        free = list(self.free.items())

        def chosen(
            values: dict[str, Value], guard: Expr, effects: Mapping[str, Expr]
        ) -> Iterator[tuple[dict[str, Value], Expr, dict[str, Expr]]]:
            if guard is FALSE:
                return
            if len(values) == len(free):
                yield values, guard, _changes(effects)
                return
            name, possible = free[len(values)]
            for v in possible:
                memo = known.setdefault((name, v), {})
                bound = {n: bind(e, {name: v}, memo) for n, e in effects.items()}
                yield from chosen({**values, name: v}, bind(guard, {name: v}, memo), bound)

        yield from chosen({}, self.guard, self.effects)

    @cached_property
    def covered(self) -> frozenset[int]:
        """The lengths of the composites that the row's checks compare; {1} without composites."""
        out: set[int] = set()
        stack = [c.expr for c in self.rule.checks]
        while stack:
            e = stack.pop()
            if e.op == "same":
                out.add(len(e.args))
            stack.extend(e.args)
        return frozenset(out or {1})

    def same_effects(self, other: Step) -> bool:
        """Whether both steps have the same effects."""
        return self.effects.keys() == other.effects.keys() and all(
            e is other.effects[n] for n, e in self.effects.items()
        )


@dataclass(frozen=True, eq=False)
class System:
    """Runs over a network. Immutable; `compile` reduces a system to what expressions depend on."""

    name: str
    runs: tuple[Instance, ...]
    network: Network

    @cached_property
    def by_name(self) -> dict[str, Instance]:
        """Runs by name."""
        return {r.name: r for r in self.runs}

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """Every global variable by name: `run.variable` for each run, then the network's."""
        out: dict[str, Variable] = {}
        for r in self.runs:
            for n, v in r.role.all_variables.items():
                initial = r.config.get(n, v.initial)
                out[f"{r.name}.{n}"] = Variable(v.domain, tuple(initial), v.write_once)
            unknown = set(r.config) - set(r.role.all_variables)
            if unknown:
                raise ValueError(f"{self.name}: {r.name} has no variable {', '.join(unknown)}")
        out.update(self.network.variables(self))
        return out

    def at(self, run: Instance | str, expr: Expr) -> Expr:
        """`expr` over `own` and `prev`, as `run` reads it: an expression over global variables."""
        of = self.by_name[run] if isinstance(run, str) else run
        memo = self._memos.setdefault(of.name, {})
        return substitute(expr, lambda v: self._leaf(of, v), memo=memo)

    def fields(
        self, run: Instance, fields: Mapping[str, Expr | tuple[Expr, ...]]
    ) -> dict[str, Expr | tuple[Expr, ...]]:
        """`fields` over `own` of `run`, as expressions over global variables."""
        return {
            f: tuple(self.at(run, p) for p in e) if isinstance(e, tuple) else self.at(run, e)
            for f, e in fields.items()
        }

    @cached_property
    def _memos(self) -> dict[str, dict[int, Expr]]:
        """The memo of `at` by run: the same parts of expressions come again and again."""
        return {}

    def round_of(self, run: Instance) -> int:
        """The number of earlier handshakes of the same end."""
        return 0 if run.prev is None else 1 + self.round_of(self.by_name[run.prev])

    def of(self, run: Instance | str, name: str) -> Expr:
        """The global variable `run.name`."""
        full = f"{run if isinstance(run, str) else run.name}.{name}"
        return var(full, self.variables[full].domain)

    @cached_property
    def raw_steps(self) -> tuple[Step, ...]:
        """All steps before any parameter is eliminated."""
        return tuple(self._ground())

    def changed(self, sound: System) -> list[Step]:
        """The steps that are not in `sound`, or differ there in guard, effects or composites."""
        before = {s.label: s for s in sound.raw_steps}
        return [
            s
            for s in self.raw_steps
            if (old := before.get(s.label)) is None
            or s.full is not old.full
            or s.covered != old.covered
            or not s.same_effects(old)
        ]

    @cached_property
    def values(self) -> Values:
        """The possible values of variables and the steps that can fire."""
        return Values(self)

    @cached_property
    def worked_out(self) -> dict[Any, Any]:
        """What was worked out of this system, by question."""
        return {}

    def sources(self, run: Instance, rule: Rule) -> list[Source]:
        """The sources of a row's message: what a network can deliver depends on no row."""
        if rule.kind != "receive" or rule.message is None:
            return [LOCAL]
        key = rule.key(run.role.read_key)
        of = ("sources", run, rule.message.name, id(key))
        if of not in self.worked_out:
            under = None if key is None else self.at(run, key)
            self.worked_out[of] = [*self.network.sources(self, run, rule.message, under)]
        found: list[Source] = self.worked_out[of]
        return found

    def _ground(self) -> Iterator[Step]:
        for run in self.runs:
            memos: dict[int, dict[int, Expr]] = {}
            for rule in run.role.rules:
                for source in self.sources(run, rule):
                    yield self._step(run, rule, source, memos.setdefault(id(source), {}))

    def _step(self, run: Instance, rule: Rule, source: Source, memo: dict[int, Expr]) -> Step:
        def leaf(v: Expr) -> Expr:
            kind, _, rest = v.payload.partition(".")
            bound = source.fields.get(rest) if kind == "msg" else self._leaf(run, v)
            return bound if isinstance(bound, Expr) else v

        def on_same(node: Expr, parts: tuple[Expr, ...]) -> Expr:
            name = node.args[0].payload.removeprefix("msg.")
            bound = source.fields.get(name)
            if isinstance(bound, tuple):
                if len(bound) != len(parts):
                    return FALSE
                return conj(*(eq(a, b) for a, b in zip(bound, parts, strict=True)))
            right = var(f"msg.{name}{OK}", BOOL)
            expected = rule.proofs[name][0]
            if node is expected:
                return right
            # A made-up composite is the one that the row expects, or junk.
            other = tuple(map(ground, expected.args[1:]))
            if len(other) != len(parts):
                return FALSE
            return conj(right, *(eq(a, b) for a, b in zip(other, parts, strict=True)))

        if any(len(nodes) > 1 for nodes in rule.proofs.values()):
            memo = {}  # what is made of a comparison depends on the row

        def ground(e: Expr) -> Expr:
            return substitute(e, leaf, on_same, memo)

        guard = ground(rule.guard)
        effects = {f"{run.name}.{n}": ground(e) for n, e in rule.do.items()}
        if rule.target != SAME:
            effects[f"{run.name}.state"] = const(rule.target, run.role.state_domain)
        emitted = rule.message if rule.kind == "send" else run.role.fatal if rule.rejects else None
        room = TRUE
        if emitted is not None:
            room, more = self.network.emit(self, run, emitted)
            effects.update(more)
        for name, value in source.effects.items():
            effects[name] = ground(value)
        room = conj(room, self._turn(run, rule))
        state = var(f"{run.name}.state", run.role.state_domain)
        seals = [
            implies(var(n, BOOL), ground(source.seals.get(n[len("msg.") : -len(OK)], FALSE)))
            for n in variables(guard, *effects.values(), beginning="msg.")
            if n.endswith(OK)
        ]
        deliverable = conj(ground(source.when), *self._whole(rule, source), *seals)
        full = conj(state.one_of(*rule.sources), room, deliverable, guard)
        parameters = variables(full, *effects.values(), beginning="msg.")
        return Step(run.name, rule, source, full, effects, {}, full, parameters, deliverable, room)

    def _whole(self, rule: Rule, source: Source) -> Iterator[Expr]:
        """That an honest run's message has every field that it must have, where it may lack one."""
        sender = self.by_name.get(source.name.partition(" ")[0])
        if rule.message is not None and rule.kind == "receive" and sender is not None:
            for f in sorted(sender.role.lacking.get(rule.message.name, ())):
                bound = source.fields.get(f)
                if isinstance(bound, Expr):
                    yield bound != "none"

    def _turn(self, run: Instance, rule: Rule) -> Expr:
        """When `run` may fire `rule`, as far as earlier and later handshakes are concerned."""
        start = run.role.states[0]
        first = {r.event for r in run.role.table if r.kind == "receive" and start in r.sources}
        parts: list[Expr] = []
        if start in rule.sources:
            begins = conj(run.begins, self.at(run, run.role.begins))
            begun = FALSE if rule.sources == (start,) else self.of(run, "state") != start
            parts.append(begun | begins)
            if run.takes_over and rule.kind == "receive" and rule.event not in first:
                parts.append(begun)
        for after in self.runs:
            if after.prev == run.name and after.alone:
                parts.append(self.of(after, "state") == start)
            if after.prev == run.name and after.takes_over and rule.kind == "receive":
                # A message that begins a handshake is for the next run once that run may begin.
                parts.append(neg(after.begins) if rule.event in first else TRUE)
        return conj(*parts)

    def _leaf(self, run: Instance, v: Expr) -> Expr:
        """The value of `own.x` or `prev.x` for `run`; any other variable unchanged."""
        kind, _, rest = v.payload.partition(".")
        if kind not in ("own", "prev"):
            return v
        of: Instance | None = run
        path = v.payload
        while path.startswith("prev."):
            path = path.removeprefix("prev.")
            of = self.by_name[of.prev] if of is not None and of.prev is not None else None
        rest = path.removeprefix("own.")
        if rest == "me":
            return const("none" if of is None else of.name, v.domain)
        if of is None:
            return const(run.role.all_variables[rest].initial[0], v.domain)
        return var(f"{of.name}.{rest}", v.domain)

    def compile(self, *reads: Expr) -> Compiled:
        """The system reduced to the variables that guards and `reads` depend on."""
        return Compiled(self, reads)


def once(found: Callable[P, Expr]) -> Callable[P, Expr]:
    """A question about parts of a system, one of the arguments, worked out once."""

    @wraps(found)
    def answer(*parts: P.args, **named: P.kwargs) -> Expr:
        system = next(p for p in parts if isinstance(p, System))
        # The system itself is no part of its own memory, so that it is let go.
        asked = (found.__qualname__, *(p for p in parts if p is not system), *named.items())
        if asked not in system.worked_out:
            system.worked_out[asked] = found(*parts, **named)
        known: Expr = system.worked_out[asked]
        return known

    return answer


class Values:
    """The possible values of each variable and the steps that can fire, as a least fixpoint.

    Sound: a value is left out only if no chain of assignments gives that value, each guard taken by
    itself. The fixpoint depends on the system alone, so all questions about the system share it.
    """

    def __init__(self, system: System) -> None:
        held: dict[str, set[Value]] = {n: set(v.initial) for n, v in system.variables.items()}
        bit = {n: var(n, v.domain).reads for n, v in system.variables.items()}
        every = sum(bit.values())
        waiting = list(system.raw_steps)
        fireable: list[Step] = []
        self._memo: dict[int, tuple[Expr, Expr]] = {}
        self.elimination = Elimination()
        grown = -1  # a bit for each variable that has more values than a round before
        while grown:
            self._set(system, held)
            self._memo = {i: x for i, x in self._memo.items() if not x[0].reads & grown}
            ready = {
                id(s) for s in waiting if (s.full.reads & grown or grown < 0) and self._can_fire(s)
            }
            fireable += [s for s in waiting if id(s) in ready]
            waiting = [s for s in waiting if id(s) not in ready]
            before, grown = grown, 0
            for s in fireable:
                first, moved = id(s) in ready, s.full.reads & before
                for n, e in s.effects.items():
                    free = e.reads & ~every
                    # A guard says only which values of parameters reach the effect.
                    if first or e.reads & before or (free and moved):
                        guard = self.narrow(s.full) if free else None
                        new = possible(self.narrow(e), guard, self.elimination) - held[n]
                        if new:
                            held[n] |= new
                            grown |= bit[n]
        order = {id(s): i for i, s in enumerate(system.raw_steps)}
        fireable.sort(key=lambda s: order[id(s)])
        self.fireable = [(s, self.narrow(s.full)) for s in fireable]

    @classmethod
    def known(
        cls,
        system: System,
        held: Mapping[str, Container[Value]],
        fireable: Sequence[tuple[Step, Expr]],
    ) -> Values:
        """The values of a system for which they were found before, and its steps that can fire."""
        out = cls.__new__(cls)
        out._memo, out.elimination, out.fireable = {}, Elimination(), [*fireable]
        out._set(system, held)
        return out

    def _set(self, system: System, held: Mapping[str, Container[Value]]) -> None:
        """Let every variable have the values `held`."""
        self.domain, self._fewer = {}, 0
        for n, v in system.variables.items():
            values = tuple(x for x in v.domain.values if x in held[n])
            whole = len(values) == len(v.domain.values)
            self.domain[n] = v.domain if whole else Domain(v.domain.name, values)
            if not whole:
                self._fewer |= var(n, v.domain).reads

    def _can_fire(self, step: Step) -> bool:
        full = self.narrow(step.full)
        return full is not FALSE and self.elimination.projected(full, step.parameters) is not FALSE

    def narrow(self, e: Expr) -> Expr:
        """`e` with every variable restricted to its possible values."""
        if not e.reads & self._fewer:
            return e
        hit = self._memo.get(id(e))
        if hit is None:
            if e.op == "var":
                d = self.domain[e.payload]
                out = (
                    e
                    if d == e.domain
                    else mapping(var(e.payload, d), {x: x for x in d.values}, e.domain)
                )
            elif e.op == "and":
                parts: list[Expr] = []
                for a in e.args:
                    parts.append(self.narrow(a))
                    if parts[-1] is FALSE:
                        break
                out = rebuild(e, tuple(parts))
            else:
                out = rebuild(e, tuple(map(self.narrow, e.args)))
            hit = self._memo[id(e)] = (e, out)
        return hit[1]


class Compiled:
    """A system reduced to the variables and values that `reads` and the guards depend on.

    Two sound analyses reduce a system. Values: a domain has only the possible values (see
    `Values`), and a variable with one possible value is a constant. Cone of influence: only
    variables that a guard or `reads` depends on are kept.

    A state is a tuple of values in the order of `names` and `domains`.
    """

    def __init__(self, system: System, reads: Sequence[Expr]) -> None:
        self.system = system
        fireable = system.values.fireable
        self.narrow = system.values.narrow
        self._elimination = system.values.elimination
        self._domain = system.values.domain
        self.constants = {n: d.values[0] for n, d in self._domain.items() if len(d.values) == 1}
        needed = set(variables(*(g for _, g in fireable), *map(self.narrow, reads)))
        changed = True
        while changed:
            changed = False
            for s, _ in fireable:
                for n, e in s.effects.items():
                    if n in needed:
                        new = set(variables(self.narrow(e))) - needed
                        if new:
                            needed |= new
                            changed = True
        self.names = tuple(n for n in system.variables if n in needed and n not in self.constants)
        self.domains = tuple(self._domain[n] for n in self.names)
        self.index = {n: i for i, n in enumerate(self.names)}
        self.initial = [system.variables[n].initial for n in self.names]
        self.steps = tuple(s for s in (self._restrict(s, g) for s, g in fireable) if s is not None)

    def _restrict(self, step: Step, guard: Expr) -> Step | None:
        effects: dict[str, Expr] = {}
        for n, e in step.effects.items():
            if n in self.index:
                d = self._domain[n]
                small = self.narrow(e)
                # Values outside `d` do not occur when the step fires; they need some image.
                table = {v: v if v in d.codes else d.values[0] for v in small.domain.values}
                effects[n] = mapping(small, table, d) if d.values != small.domain.values else small
        parameters = variables(guard, *effects.values(), beginning="msg.")
        kept = {*variables(*effects.values(), beginning="msg.")}
        without = {n: d for n, d in parameters.items() if n not in kept}
        small = self._elimination.projected(guard, without)
        if small is FALSE:
            return None
        free: dict[str, tuple[Value, ...]] = {}
        for n in sorted(kept):
            d = parameters[n]
            free[n] = tuple(
                v for v in d.values if self._elimination.bound(small, n, v) is not FALSE
            )
            if not free[n]:
                return None
        return Step(
            step.run,
            step.rule,
            step.source,
            small,
            effects,
            free,
            guard,
            parameters,
            self.narrow(step.deliverable),
            self.narrow(step.room),
        )

    def initial_states(self) -> list[tuple[Value, ...]]:
        """All initial states."""
        return list(product(*self.initial))

    def write_once(self) -> tuple[str, ...]:
        """The names of the kept variables that are set at most once."""
        return tuple(n for n in self.names if self.system.variables[n].write_once)

    def describe(self, state: Sequence[Any]) -> dict[str, Value]:
        """The values of the kept variables in a state, by name."""
        return dict(zip(self.names, state, strict=True))


def possible(
    e: Expr, guard: Expr | None = None, elimination: Elimination | None = None
) -> set[Value]:
    """A superset of the values of `e`, for the parameter values that `guard` leaves possible.

    Calls may share an `elimination`.
    """
    if e.op == "const":
        return {e.payload}
    if guard is not None:
        by = elimination or Elimination()
        for n, d in variables(e, beginning="msg.").items():
            out: set[Value] = set()
            for value in d.values:
                left = by.bound(guard, n, value)
                if left is not FALSE:
                    out |= possible(by.bound(e, n, value), left, by)
            return out
    match e.op:
        case "ite":
            return possible(e.args[1]) | possible(e.args[2])
        case "map":
            table = dict(e.payload)
            return {table[v] for v in possible(e.args[0])}
        case _:
            return set(e.domain.values)


def _changes(effects: Mapping[str, Expr]) -> dict[str, Expr]:
    return {n: e for n, e in effects.items() if not (e.op == "var" and e.payload == n)}
