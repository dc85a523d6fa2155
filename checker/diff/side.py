"""One tree of a comparison: a script that answers a question about the tree that it is run in.

    python -P side.py < question > answer

The script is that of the tree which asks, so it uses only what has long been in every tree.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import getsource
from typing import Any

from model.expr import BOOL, Domain, Expr, bind, conj, const, disj, eq, ite, le, mapping, neg, var


# -- expressions as data ---------------------------------------------------------------------------
class Written:
    """Expressions as lists: an expression is the number of its node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.domains: dict[str, list[Any]] = {}
        self._known: dict[int, int] = {}

    def number(self, expr: Expr) -> int:
        """The number of an expression's node."""
        hit = self._known.get(id(expr))
        if hit is not None:
            return hit
        args = [self.number(a) for a in expr.args]
        payload = [list(p) for p in expr.payload] if expr.op == "map" else expr.payload
        self.nodes.append([expr.op, args, self.domain(expr.domain), payload])
        self._known[id(expr)] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def domain(self, of: Domain) -> str:
        """The key of a domain: several have one name, as the states of both roles."""
        key = f"{of.name} {' '.join(map(str, of.values))}"
        self.domains[key] = [of.name, *of.values]
        return key

    def data(self) -> dict[str, Any]:
        """The nodes, and the domains that they name."""
        return {"nodes": self.nodes, "domains": self.domains}


MAKE: Mapping[str, Callable[..., Expr]] = {
    "and": conj, "or": disj, "not": neg, "eq": eq, "ite": ite, "le": le,
}  # fmt: skip
"""The functions of the operators that take expressions alone."""


def expressions(data: Mapping[str, Any], among: Mapping[str, Domain] | None = None) -> list[Expr]:
    """The expressions of nodes; `among` has other domains for some keys, with more values."""
    domains = domains_of(data) | dict(among or {})
    out: list[Expr] = []
    for op, args, name, payload in data["nodes"]:
        of, domain = [out[i] for i in args], domains[name]
        if op == "const":
            out.append(const(payload, domain))
        elif op == "var":
            out.append(var(payload, domain))
        elif op == "map":
            table = dict(payload)
            some = next(iter(table.values()))
            out.append(mapping(of[0], {v: table.get(v, some) for v in of[0].domain.values}, domain))
        else:
            out.append(MAKE[op](*of))
    return out


def domains_of(data: Mapping[str, Any]) -> dict[str, Domain]:
    """The domains of nodes, by key."""
    found = ((k, Domain(name, tuple(values))) for k, (name, *values) in data["domains"].items())
    return {k: BOOL if d == BOOL else d for k, d in found}


# -- answers ---------------------------------------------------------------------------------------
def tables() -> dict[str, Any]:
    """Rows, contents of messages and variables by role; scenarios; properties."""
    from checker.request import size
    from model.roles import role
    from model.scenario import SCENARIOS
    from properties import catalogue

    roles: dict[str, Any] = {}
    scenarios: dict[str, Any] = {}
    for s in SCENARIOS:
        if not s.default:
            continue
        used = {end: ",".join((end, *s.extensions)) for end in ("client", "server")}
        for end, name in used.items():
            if name not in roles:
                roles[name] = _role(role(end, s.extensions))
        plain = re.sub(r" at 0x[0-9a-f]+", "", repr(s))
        about = hashlib.sha256(plain.encode()).hexdigest()
        # Where an adversary is, and all states are searched, a change shows best.
        rank = [s.network != "adversary", "explicit" not in s.methods, size(s)]
        scenarios[s.name] = {"roles": used, "about": about, "rank": rank}
    props = {p.name: {"id": p.id, "text": getsource(p.function)} for p in catalogue().values()}
    return {"roles": roles, "scenarios": scenarios, "properties": props}


def _role(of: Any) -> dict[str, Any]:
    def text(e: Any) -> str:
        return ", ".join(map(str, e)) if isinstance(e, tuple) else str(e)

    rows = {
        r.name: {
            "kind": r.kind,
            "event": r.event,
            "sources": list(r.sources),
            "target": r.target,
            "guard": str(r.guard),
            "do": {n: str(e) for n, e in r.do.items()},
            "under": str(r.under),
            "rfc": r.rfc,
            "file": r.file,
            "line": getattr(r, "line", 0),
        }
        for r in of.rules
        if not r.rejects
    }
    sends = {m: {f: text(e) for f, e in c.items()} for m, c in of.sends.items()}
    variables = {n: list(v.domain.values) for n, v in of.variables.items()}
    return {"rows": rows, "sends": sends, "variables": variables}


def firing(asked: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """By row: the first of some scenarios where it can fire, as the analysis of values says.

    The rows that fire in none of them are left out.
    """
    from model.scenario import scenario as find

    fireable: dict[str, set[str]] = {}

    def fires(row: str, name: str) -> bool:
        if name not in fireable:
            fireable[name] = {s.rule.name for s, _ in find(name).system().values.fireable}
        return row in fireable[name]

    found = {row: next((n for n in names if fires(row, n)), None) for row, names in asked.items()}
    return {row: n for row, n in found.items() if n is not None}


def steps(scenario: str, events: Iterable[str]) -> dict[str, Any]:
    """The steps of a scenario that accept or make these events, with guards and effects."""
    from model.scenario import scenario as find

    written, wanted = Written(), set(events)
    out = []
    for s in find(scenario).system().raw_steps:
        if s.rule.event in wanted and not s.rule.rejects:
            out.append(
                {
                    "label": list(s.label),
                    "event": s.rule.event,
                    "full": written.number(s.full),
                    "effects": {n: written.number(e) for n, e in s.effects.items()},
                    "parameters": {n: written.domain(d) for n, d in s.parameters.items()},
                }
            )
    return {"steps": out, **written.data()}


def reach(scenario: str, asked: Mapping[str, Any], seconds: float, **data: Any) -> dict[str, Any]:
    """By name: a shortest trace to a state where one of some steps can be taken, and its message.

    A step is a label with its condition, and with that over the state alone.
    """
    from checker.engines.choice import Options, searcher
    from checker.engines.interface import Budget, Question, Watch, described
    from checker.engines.reference import assignment
    from checker.trace import machines_of, replay
    from model.scenario import scenario as find

    every, system = expressions(data), find(scenario).system()
    goals = {n: disj(*(every[w] for _, _, w in which)) for n, which in asked.items()}
    compiled = system.compile(*goals.values())
    questions = [Question(n, e) for n, e in goals.items()]
    engine = searcher(compiled, Options())
    enough = Watch(stop=lambda _: all(q.state is not None for q in questions))
    found = engine.search(questions, Budget(seconds=seconds), enough)
    out: dict[str, Any] = {}
    for q in questions:
        if q.state is None:
            out[q.name] = {"states": found.states, "complete": found.complete}
            continue
        states: list[Any] = []
        path = described(compiled, engine.path(q.state))
        trace = replay(system, path, goals[q.name], "", reached=states.append)
        now = dict(zip(machines_of(system).compiled.names, states[-1], strict=True))
        for label, full, _ in asked[q.name]:
            message = assignment(bind(every[full], now))
            if message is not None:
                out[q.name] = {"trace": trace.as_json(), "label": label, "message": message}
                break
    return out


ANSWERS: Sequence[Callable[..., Any]] = (tables, firing, steps, reach)
"""What can be asked, by name."""

if __name__ == "__main__":
    question = json.load(sys.stdin)
    sys.setrecursionlimit(20_000)
    answer: Callable[..., Any] = {f.__name__: f for f in ANSWERS}[question.pop("ask")]
    json.dump(answer(**question), sys.stdout)
