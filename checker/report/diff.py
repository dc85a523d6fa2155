"""The meaning of a change as Markdown, for a review."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checker.diff.meaning import Change, Row, Verdicts, Way
from checker.report.markdown import code, table
from checker.report.markup import mermaid
from checker.report.words import count
from model.system import OK

FEW = 12
"""How many scenarios are named."""


def as_markdown(change: Change) -> str:
    """The rows, what each accepts now and did not, other tables, verdicts and proofs."""
    parts = [f"## From {code(change.old)} to {change.new}"]
    if not change.rows and not change.others:
        parts.append("The tables say the same.")
    if change.rows:
        heads = ("row", "change", "compared in", "written in")
        parts += ["### Rows", table(heads, [_row(r) for r in change.rows])]
    for row in change.rows:
        parts += _ways(row)
    if change.others:
        parts += ["### Other tables", "\n".join(f"- {x}" for x in change.others)]
    if change.affected:
        n = count(len(change.affected), "default scenario")
        more = ", ..." if len(change.affected) > FEW else ""
        parts.append(f"Touched: {n}: {', '.join(change.affected[:FEW])}{more}.")
    if change.verdicts:
        parts += ["### Verdicts and proofs", *map(_verdicts, change.verdicts)]
    if change.interrupted:
        parts.append("Interrupted: this is what was found so far.")
    return "\n\n".join(parts)


def _row(r: Row) -> tuple[str, ...]:
    at = r.new or r.old or {}
    place = f"{at['file']}:{at['line']}" if at["line"] else at["file"]
    return code(r.name), f"**{r.told}**", r.scenario or "no default scenario", place


_SAID = {"receive": "taken", "send": "sent", "step": "done"}


def _ways(row: Row) -> Iterator[str]:
    """What a row accepts in one tree alone, each with a shortest message sequence."""
    at = row.new or row.old or {}
    does = _SAID[at["kind"]]
    ways = ((row.more, "now, and not before"), (row.less, "before, and not now"))
    for way, when in ways:
        if not way.possible:
            continue
        yield f"#### {code(row.name)}: {does} {when}"
        yield _way(way, at["event"])
    if row.otherwise:
        effects = _effects(row)
        yield f"#### {code(row.name)}: other effects" + (f"\n\n{effects}" if effects else "")
    if row.told == "reworded":
        yield f"{code(row.name)} says the same in other words (proved by the solver)."


def _effects(row: Row) -> str:
    old, new = ((r or {}).get("do", {}) for r in (row.old, row.new))
    lines = [
        f"- {code(n)}: {code(str(old.get(n, 'kept')))} before, {code(str(new.get(n, 'kept')))} now"
        for n in {**old, **new}
        if old.get(n) != new.get(n)
    ]
    return "\n".join(lines)


def _way(way: Way, event: str) -> str:
    """The trace to what one tree alone does, or why there is none."""
    if way.trace is None:
        if way.complete:
            return f"Never: none of the {way.states:,} reachable states has such a message."
        if way.states:
            return f"Whether that can happen is not known: {way.states:,} states were searched."
        return "Whether that can happen is not looked for: a variable has other values."
    run, _, source = way.label
    said = ", ".join(f"{n}={v}" for n, v in _fields(way.message).items())
    of = {"local": "", "forged": ", forged"}.get(source, f", as {source} sends it")
    steps = count(len(way.trace), "step")
    return (
        f"A shortest sequence: {steps}, then {run}: {code(f'{event}({said})')}{of}.\n\n"
        f"```mermaid\n{mermaid(way.trace)}\n  note over {run}: then {event}\n```"
    )


def _fields(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a message must have; a composite is the expected one, or junk."""
    out = {}
    for n, v in message.items():
        name = n.removeprefix("msg.")
        sealed = name.endswith(OK)
        out[name.removesuffix(OK)] = ("as expected" if v else "junk") if sealed else v
    return dict(sorted(out.items()))


def _verdicts(v: Verdicts) -> str:
    rows = [_verdict(*x) for x in v.changed()]
    same = sum(n in v.old for n in v.new) - sum(1 for _, a, b in v.changed() if a and b)
    head = f"{code(v.scenario)}: {count(same, 'property', 'properties')} as before."
    heads = ("property", "before", "now")
    return f"{head}\n\n{table(heads, rows)}" if rows else head


def _verdict(
    name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Sequence[str]:
    known = new or old or {}
    return f"{known['id']} {code(name)}", _said(old), _said(new)


def _said(r: Mapping[str, Any] | None) -> str:
    if r is None:
        return ""
    steps = f", {len(r['trace']['steps'])} steps" if r["trace"] else ""
    proof = ", with a proof" if r["certificate"] else ""
    odd = "" if r["verdict"] == r["declared"] else f", declared {r['declared']}"
    return f"{r['verdict']}{steps}{proof}{odd}"
