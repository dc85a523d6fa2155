"""The reference engine: fires the real `transitions` machines and judges the fast engines.

In each state, every message that the network can deliver is fired on its receiver's machine, and
the machine decides which row takes the message and with what effects. A firing depends on the run's
own variables, those of the handshake before and the message alone, so it is cached by these. What
can be delivered, and what a send does to the network, comes from the network's own expressions in
every engine: their agreement cannot find a wrong network.

Limit: 10^4 to 10^5 states; the graph takes about 2 KB a state.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType, SimpleNamespace
from typing import Any

import networkx as nx

from checker.engines.interface import (
    STOPPED,
    UNLIMITED,
    UNWATCHED,
    Budget,
    Label,
    Question,
    Route,
    Search,
    Watch,
)
from model.expr import (
    COMPOSITE,
    Expr,
    bind,
    conj,
    conjuncts,
    const,
    eq,
    projected,
    python_function,
    substitute,
    var,
    variables,
)
from model.machine import JUNK, Run
from model.rule import Rule
from model.system import OK, Compiled, Instance, Step

State = tuple[Any, ...]


class Reference:
    """The compiled system with one `transitions` machine for each run."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.graph: nx.MultiDiGraph[State] = nx.MultiDiGraph()
        self.order: list[State] = []
        self.position = compiled.index
        self.machines: dict[str, Run] = {}
        self.own: dict[str, list[tuple[str, int]]] = {}
        self.unread: dict[str, dict[str, Any]] = {}
        self.mine: dict[str, set[str]] = {}
        self.only: dict[str, Any] = {}
        self.before: dict[str, _Before | None] = {}
        for r in compiled.system.runs:
            prefix = f"{r.name}."
            constants = {
                n.removeprefix(prefix): v
                for n, v in compiled.constants.items()
                if n.startswith(prefix) and n.removeprefix(prefix) in r.role.variables
            }
            self.machines[r.name] = Run(r.role, r.name)
            self.machines[r.name].place(constants)
            self.own[r.name] = [
                (n.removeprefix(prefix), i)
                for n, i in compiled.index.items()
                if n.startswith(prefix) and n.removeprefix(prefix) in r.role.all_variables
            ]
            # A run with a single local state has no variable for it in the system.
            self.only[r.name] = compiled.constants.get(f"{prefix}state", r.role.states[0])
            self.mine[r.name] = {f"{prefix}{n}" for n in r.role.all_variables}
            self.unread[r.name] = {
                n: r.config.get(n, v.initial)[0]
                for n, v in r.role.variables.items()
                if f"{prefix}{n}" not in compiled.index
            }
            # The variables of the handshake before that the rows read.
            self.before[r.name] = _Before(self, r) if r.prev else None
        self.fired: dict[Any, tuple[Rule, tuple[Any, ...]] | None] = {}
        self.steps = {s.label: s for s in compiled.steps}
        self._groups: dict[str, list[_Event]] = {}
        for r in compiled.system.runs:
            events: dict[tuple[str, str, int], list[Step]] = {}
            for s in compiled.steps:
                if s.run == r.name:
                    of = (s.rule.trigger, s.source.name, id(s.rule.under))
                    events.setdefault(of, []).append(s)
            self._groups[r.name] = [_Event(self, steps) for steps in events.values()]
        self._made: dict[Label, tuple[Callable[..., Any], tuple[str, ...], Callable[..., Any]]] = {}

    def function(self, exprs: Mapping[str, Expr]) -> tuple[tuple[str, ...], Callable[..., Any]]:
        """The names of `exprs`, and a function of (state, parameters) that gives their values."""

        def leaf(v: Expr) -> str:
            i = self.position.get(v.payload)
            if i is not None:
                return f"s[{i}]"
            if v.payload.startswith("msg."):
                return f"p[{v.payload!r}]"
            # Outside the cone of influence: the machines have the initial value, too.
            return repr(self.compiled.system.variables[v.payload].initial[0])

        return tuple(exprs), python_function(exprs, "s, p", leaf)

    def _network(
        self, step: Step
    ) -> tuple[Callable[..., Any], tuple[str, ...], Callable[..., Any]]:
        """Whether a step has room, and the network's variables that it sets, with their values."""
        if step.label not in self._made:
            effects = {n: e for n, e in step.effects.items() if n not in self.mine[step.run]}
            room = self.function({"room": step.room})[1]
            self._made[step.label] = (room, *self.function(effects))
        return self._made[step.label]

    def predicate(self, expr: Expr) -> Callable[[State], bool]:
        """The value of `expr`, over the system's variables, as a function of a state."""
        _, f = self.function({"value": self.compiled.narrow(expr)})
        return lambda s: f(s, {})[0]

    def fire(
        self,
        run: str,
        own: tuple[Any, ...],
        before: tuple[Any, ...],
        trigger: str,
        fields: Mapping[str, Any],
    ) -> tuple[Rule, tuple[Any, ...]] | None:
        """The row that the run's machine takes on `trigger`, and the new values of its variables.

        `own` and `before` are the values of the variables of the run and of the handshake before.
        None if no row takes the message.
        """
        key = (run, own, before, trigger, tuple(fields.items()))
        if key in self.fired:
            return self.fired[key]
        machine = self.machines[run]
        names = self.own[run]
        for name, value in self.unread[run].items():
            setattr(machine, name, value)
        for (name, _), value in zip(names, own, strict=True):
            setattr(machine, name, value)
        earlier = self.before[run]
        if earlier is not None:
            machine.prev = earlier.namespace(before)
        machine.taken = None
        out = None
        if machine._fire[trigger](**fields):
            row: Any = machine.taken
            assert row is not None
            out = (row, tuple(getattr(machine, n) for n, _ in names))
        self.fired[key] = out
        return out

    def successors(
        self, state: State, label: tuple[str, str, str] | None = None
    ) -> Iterator[tuple[Step, dict[str, Any], State]]:
        """Each distinct (step, successor), with the fields of one message that leads there.

        With a label, only successors by the step of that label.
        """
        seen: set[tuple[Any, State]] = set()
        groups = self._groups
        if label is not None:
            here = self._groups[label[0]]
            groups = {label[0]: [e for e in here if any(s.label == label for s, _, _ in e.rows)]}
        for run, events in groups.items():
            now = self._now(run, state)
            for event in events:
                under = event.key(state)
                for fields in event.messages(state, now[0]):
                    taken = self._taken(run, event, state, now, {**fields, **under})
                    if taken is None:
                        continue
                    step, dst = taken
                    if label in (None, step.label) and (step.label, dst) not in seen:
                        seen.add((step.label, dst))
                        yield step, fields, dst

    def _now(self, run: str, state: State) -> tuple[str, State, State]:
        """The local state of a run, its variables, and those of the handshake before."""
        names = self.own[run]
        own = tuple(state[i] for _, i in names)
        local = own[0] if names and names[0][0] == "state" else self.only[run]
        earlier = self.before[run]
        return local, own, earlier.values(state) if earlier is not None else ()

    def _taken(
        self,
        run: str,
        event: _Event,
        state: State,
        now: tuple[str, State, State],
        fields: Mapping[str, Any],
    ) -> tuple[Step, State] | None:
        """The step that the run's machine takes on a message, and the state then; None if none."""
        _, own, before = now
        result = self.fire(run, own, before, event.trigger, fields)
        if result is None:
            return None
        rule, after = result
        if rule.under is not event.under:
            return None  # among the steps of the other key
        step = self.steps.get((run, rule.name, event.source))
        if step is None:
            raise EngineError(
                f"the machine of {run} took row {rule.name} from {event.source}, "
                "which the system does not have as a step"
            )
        room, changed, values = self._network(step)
        if not room(state, {})[0]:
            return None
        nxt = list(state)
        for (_, i), value in zip(self.own[run], after, strict=True):
            nxt[i] = value
        for n, value in zip(changed, values(state, {}), strict=True):
            nxt[self.position[n]] = value
        return step, tuple(nxt)

    def toward(
        self,
        state: State,
        label: Label,
        wanted: Mapping[int, Any],
        given: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[Step, dict[str, Any], State] | None:
        """The step of that label to a state with the values `wanted`, by position, if there is one.

        Only one message is fired: that which the step's expressions say leads there, with the
        values `given` of its fields; ValueError for a value outside the field's domain.
        """
        for event in self._groups.get(label[0], ()):
            for k, (step, _, _) in enumerate(event.rows):
                if step.label == label:
                    fields = self._message(event, k, state, wanted, given)
                    if fields is None:
                        continue
                    given = {**fields, **event.key(state)}
                    taken = self._taken(label[0], event, state, self._now(label[0], state), given)
                    if taken is None or taken[0] is not step:
                        continue
                    if all(taken[1][i] == v for i, v in wanted.items()):
                        return step, fields, taken[1]
        return None

    def _message(
        self,
        event: _Event,
        k: int,
        state: State,
        wanted: Mapping[int, Any],
        given: Mapping[str, Any],
    ) -> dict[str, Any] | None:
        """The fields of a message for row `k` of an event that leads to the values `wanted`."""
        step = event.rows[k][0]

        def leaf(v: Expr) -> Expr:
            i = self.position.get(v.payload)
            return v if i is None else const(state[i], v.domain)

        now = {
            n: substitute(e, leaf) for n, e in step.effects.items() if self.position[n] in wanted
        }
        goals = [eq(e, const(wanted[self.position[n]], e.domain)) for n, e in now.items()]
        chosen = parameters(step, given)
        p = assignment(bind(conj(substitute(step.full, leaf), *goals), chosen))
        return None if p is None else event.message_for(k, state, {**chosen, **p})

    def explore(
        self,
        limit: int | None = None,
        depth: int | None = None,
        level: Callable[[nx.MultiDiGraph[State]], bool] = lambda graph: False,
    ) -> nx.MultiDiGraph[State]:
        """The reachable graph: nodes with `depth`, edges with `run`, `rule`, `source`, `fields`.

        The graph's attribute `complete` is False if there are more than `limit` states or states
        beyond `depth` steps, or if `level`, called after each level, returned True.
        """
        graph: nx.MultiDiGraph[State] = nx.MultiDiGraph(
            name=self.compiled.system.name, variables=self.compiled.names, complete=True
        )
        queue: deque[State] = deque()
        for s in self.compiled.initial_states():
            graph.add_node(s, depth=0, initial=True)
            queue.append(s)
        last = -1
        while queue:
            s = queue.popleft()
            at = graph.nodes[s]["depth"]
            enough = at > last and level(graph)
            last = at
            if enough:
                graph.graph["complete"] = False
                return graph
            if at == depth:
                graph.graph["complete"] = False
                continue
            for step, fields, dst in self.successors(s):
                if dst not in graph:
                    if limit is not None and len(graph) >= limit:
                        graph.graph["complete"] = False
                        return graph
                    graph.add_node(dst, depth=at + 1, initial=False)
                    queue.append(dst)
                graph.add_edge(
                    s,
                    dst,
                    key=step.label,
                    run=step.run,
                    rule=step.rule,
                    source=step.source,
                    fields=fields,
                )
        return graph

    # -- as the other engines --------------------------------------------------------------------
    def search(
        self,
        questions: Sequence[Question] = (),
        budget: Budget = UNLIMITED,
        watch: Watch = UNWATCHED,
    ) -> Search:
        """Explore as `Engine.search` says, into `graph`; the budget's bytes are ignored."""
        began = time.monotonic()
        result = Search()
        asked = [(q, self.predicate(q.expr)) for q in questions]
        self.order = []

        def ask(graph: nx.MultiDiGraph[State]) -> None:
            self.graph = graph
            base, new = len(self.order), list(itertools.islice(graph, len(self.order), None))
            for q, holds in asked:
                if q.state is None:
                    q.state = next((base + i for i, s in enumerate(new) if holds(s)), None)
            self.order += new
            result.levels.append(len(new))

        def level(graph: nx.MultiDiGraph[State]) -> bool:
            ask(graph)
            stopped = STOPPED if watch.stop(result) else ""
            result.reason = stopped or budget.ended(time.monotonic() - began, 0)
            watch.progress(result, result.levels[-1])
            return bool(result.reason)

        try:
            graph = self.explore(budget.states, level=level)
            result.complete = bool(graph.graph["complete"])
            if len(graph) > len(self.order):
                ask(graph)
            if not result.complete:
                result.reason = result.reason or budget.short
        except KeyboardInterrupt:
            result.reason = "interrupted"
        result.seconds = time.monotonic() - began
        return result

    def path(self, state: int) -> Route:
        """A shortest path to the state numbered `state` in order of discovery."""
        return self.route(self.shortest(self.order[state]))

    def shortest(self, state: State) -> list[State]:
        """The states of a shortest path from an initial state of the explored graph."""
        nodes, out = self.graph.nodes, [state]
        while not nodes[out[-1]]["initial"]:
            before = self.graph.predecessors(out[-1])
            out.append(min(before, key=lambda s: int(nodes[s]["depth"])))
        return out[::-1]

    def route(self, states: Sequence[State]) -> Route:
        """The path through the given states of the explored graph."""
        labels = (min(self.graph[a][b]) for a, b in itertools.pairwise(states))
        steps = [None, *(self.steps[label] for label in labels)]
        return list(zip(steps, states, strict=True))


class EngineError(Exception):
    """Engines disagree, or a trace does not replay (exit status 4)."""


class _Before:
    """The variables of the handshake before that a run's rows read."""

    def __init__(self, engine: Reference, run: Instance) -> None:
        read = {
            n.removeprefix("prev."): d
            for r in run.role.rules
            for n, d in variables(r.guard, *r.do.values()).items()
            if n.startswith("prev.")
        }
        self.names = tuple(read)
        at = engine.compiled.system.at
        wanted = {n: engine.compiled.narrow(at(run, var(f"prev.{n}", d))) for n, d in read.items()}
        _, self._read = engine.function(wanted)

    def values(self, state: State) -> tuple[Any, ...]:
        """The values of `names` in `state`, in order."""
        return self._read(state, {})  # type: ignore[no-any-return]

    def namespace(self, values: tuple[Any, ...]) -> SimpleNamespace:
        """The handshake before as an object; the one before that is its attribute `prev`."""
        out = SimpleNamespace()
        for name, value in zip(self.names, values, strict=True):
            of = out
            *path, last = name.split(".")
            for step in path:
                if not hasattr(of, step):
                    setattr(of, step, SimpleNamespace())
                of = getattr(of, step)
            setattr(of, last, value)
        return out


class _Deliverable:
    """The values of a step's parameters with which the network can deliver the message."""

    def __init__(self, engine: Reference, step: Step) -> None:
        self.engine, self.step, self.parameters = engine, step, step.parameters

    @cached_property
    def _asked(self) -> tuple[dict[str, Callable[..., Any]], Callable[..., Any]]:
        """What is asked of each parameter alone, or of none of them (""), and of all together."""
        parts: dict[str, list[Expr]] = {"": [], **{n: [] for n in self.parameters}}
        together = []
        for e in conjuncts(self.step.deliverable):
            read = [n for n in variables(e) if n in self.parameters]
            if len(read) > 1:
                together.append(e)
            else:
                parts["".join(read)].append(e)
        function = self.engine.function
        alone = {n: function({"": conj(*e)})[1] for n, e in parts.items() if e}
        return alone, function({"": conj(*together)})[1]

    def values(self, state: State) -> Iterator[dict[str, Any]]:
        """Each choice of values that can be delivered in `state`."""
        alone, all_fit = self._asked
        if "" in alone and not alone[""](state, {})[0]:
            return
        domains = []
        for n, d in self.parameters.items():
            fits = alone.get(n)
            domains.append([v for v in d.values if fits is None or fits(state, {n: v})[0]])
        for combo in itertools.product(*domains):
            p = dict(zip(self.parameters, combo, strict=True))
            if all_fit(state, p)[0]:
                yield p


class _Event:
    """One event of one run from one source, which enumerates the messages that can arrive.

    What an event asks of a state is compiled when it is first asked: a path takes few events.
    """

    def __init__(self, engine: Reference, steps: Sequence[Step]) -> None:
        first = steps[0]
        self.engine, self.steps = engine, steps
        self.trigger, self.source = first.rule.trigger, first.source.name
        self.run = first.run
        self.message = first.rule.message if first.rule.kind == "receive" else None
        self.under = first.rule.under
        self.rows = [(s, _Deliverable(engine, s), tuple(s.parameters)) for s in steps]
        self.choices = {n: d for s in steps for n, d in s.rule.choices.items()}
        # For a field that no row reads, any one value that a message may have.
        self.default = {
            n: next((v for v in d.values if v != "none"), None)
            if self.message is not None and self.message.demands(n)
            else next(iter(d.values), None)
            for n, d in self.choices.items()
        }
        self._some: dict[int, Callable[..., Any]] = {}
        self._expected: dict[int, dict[str, Any]] = {}
        self._rows_by_state: dict[str, tuple[tuple[int, tuple[str, ...] | None], ...]] = {}

    def some(self, k: int) -> Callable[..., Any]:
        """Whether any message for row `k` can be delivered."""
        if k not in self._some:
            s = self.steps[k]
            there = projected(s.deliverable, s.parameters)
            self._some[k] = self.engine.function({"deliverable": there})[1]
        return self._some[k]

    def expected(self, k: int) -> dict[str, Any]:
        """By composite: what a check of row `k` expects; without a check, what an observer does."""
        if k not in self._expected:
            s = self.steps[k]
            proofs = s.rule.proofs.items()
            self._expected[k] = {n: _parts(nodes[0], s, self.engine) for n, nodes in proofs}
        return self._expected[k]

    @cached_property
    def bound(self) -> tuple[tuple[str, ...], Callable[..., Any]]:
        """The values that the source gives to fields, as functions of the state."""
        out: dict[str, Expr] = {}
        narrow = self.engine.compiled.narrow
        for f, e in self.steps[0].source.fields.items():
            for i, part in enumerate(e if isinstance(e, tuple) else (e,)):
                out[f"{f}/{i}" if isinstance(e, tuple) else f] = narrow(part)
        return self.engine.function(out)

    @cached_property
    def _under(self) -> Callable[..., Any]:
        """The record key of the messages, if the rows take another than the read key."""
        assert self.under is not None
        compiled = self.engine.compiled
        key = compiled.narrow(compiled.system.at(self.run, self.under))
        return self.engine.function({"under": key})[1]

    def key(self, state: State) -> dict[str, Any]:
        """The record key of the messages, if the rows take another than the read key."""
        return {} if self.under is None else {"under": self._under(state, {})[0]}

    def _rows_in(self, local: str) -> tuple[tuple[int, tuple[str, ...] | None], ...]:
        """The rows to try in a local state, each with its parameters; None if no row reads any.

        Rows of one event differ in what they read, so the parameters of each row are tried. Of rows
        with the same parameters and composites one is enough.
        """
        if local in self._rows_by_state:
            return self._rows_by_state[local]
        here = [k for k, (s, _, _) in enumerate(self.rows) if local in s.rule.sources]
        plain = not any(_reads(self.rows[k][0].rule) & set(self.rows[k][2]) for k in here)
        out: dict[tuple[str, ...], tuple[int, tuple[str, ...] | None]] = {}
        for k in here:
            parameters = self.rows[k][2]
            signature = (*sorted(parameters), "/", *sorted(self.rows[k][0].rule.proofs))
            out.setdefault(signature, (k, None if plain else parameters))
        rows = self._rows_by_state[local] = tuple(out.values())
        return rows

    def messages(self, state: State, local: str) -> Iterator[dict[str, Any]]:
        """The field values of each message that can be delivered in `state`, without repeats."""
        rows = self._rows_in(local)
        if not rows:
            return
        seen: set[tuple[Any, ...]] = set()
        names, values = self.bound
        fixed = dict(zip(names, values(state, {}), strict=True)) if names else {}
        for k, parameters in rows:
            if parameters is None:
                # If no row reads the message, one stands for all: some fields must exist.
                if self.some(k)(state, {})[0]:
                    yield self._message(k, state, fixed, {})
                continue
            for p in self.rows[k][1].values(state):
                fields = self._message(k, state, fixed, p)
                key = tuple(fields.values())
                if key not in seen:
                    seen.add(key)
                    yield fields

    def message_for(self, k: int, state: State, p: Mapping[str, Any]) -> dict[str, Any]:
        """The message for row `k` with the parameters `p`."""
        names, values = self.bound
        return self._message(k, state, dict(zip(names, values(state, {}), strict=True)), p)

    def _message(
        self, k: int, state: State, fixed: Mapping[str, Any], p: Mapping[str, Any]
    ) -> dict[str, Any]:
        """One message for row `k`: fields from the source, the parameters `p`, or a default."""
        out: dict[str, Any] = {}
        sealed: list[str] = []
        for name, domain in self.choices.items():
            if name in fixed:
                out[name] = fixed[name]
            elif f"{name}/0" in fixed:
                out[name] = _collect(fixed, name)
            elif domain is COMPOSITE:
                out[name] = JUNK
                if p.get(f"msg.{name}{OK}", False):
                    sealed.append(name)
            else:
                out[name] = p.get(f"msg.{name}", self.default[name])
        if sealed:
            plain = {f"msg.{n}": v for n, v in out.items()}
            for name in sealed:
                out[name] = self.expected(k)[name](state, plain)
        return out


def parameters(step: Step, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a step's parameters in a message with these fields, and the fields it chooses.

    ValueError for a value outside the domain of its field.
    """
    out: dict[str, Any] = {}
    for n, domain in step.rule.choices.items():
        if n not in fields or n in step.source.fields:
            continue
        if domain is COMPOSITE:
            if f"msg.{n}{OK}" in step.parameters:
                out[f"msg.{n}{OK}"] = fields[n] != JUNK
        else:
            domain.code(fields[n])
            out[f"msg.{n}"] = fields[n]
    return out


def assignment(expr: Expr) -> dict[str, Any] | None:
    """Values of variables that make `expr` true, whatever the others are; None if none do."""
    if expr.op == "const":
        return {} if expr.payload else None
    read = variables(expr)
    name = min(read, key=lambda n: (len(read[n].values), n))
    for v in read[name].values:
        found = assignment(bind(expr, {name: v}))
        if found is not None:
            return {name: v, **found}
    return None


def _reads(rule: Rule) -> set[str]:
    """The parameters that a row reads: message fields, and whether composites are right."""
    names = set(variables(rule.guard, *rule.do.values()))
    return names | {f"{n}{OK}" for n in names}


def _collect(fixed: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    parts: list[Any] = []
    while f"{name}/{len(parts)}" in fixed:
        parts.append(fixed[f"{name}/{len(parts)}"])
    return tuple(parts)


def _parts(node: Expr, step: Step, engine: Reference) -> Callable[[State, Mapping[str, Any]], Any]:
    system = engine.compiled.system
    parts = {
        str(i): engine.compiled.narrow(system.at(step.run, e)) for i, e in enumerate(node.args[1:])
    }
    _, f = engine.function(parts)
    return f
