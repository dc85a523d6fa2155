"""Verdicts as a table, a trace as a message sequence chart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from checker.patched import Fires, told
from checker.report.chart import Chart, Row, fields, lay_out, under
from checker.report.columns import columns
from checker.report.words import count
from checker.trace import Trace
from checker.verdict import HOLDS_TO_DEPTH, VACUOUS, VIOLATED, Result

COLUMN = 44


def table(results: Sequence[Result], *, seconds: bool = True) -> str:
    """The table of verdicts: a line for each property and scenario, grouped by scenario."""
    lines: list[str] = []
    at = None
    for r, line in zip(results, columns([*map(_row, results)]), strict=True):
        if r.scenario != at:
            at = r.scenario
            stopped = any(x.stopped for x in results if x.scenario == at)
            here = [x for x in results if x.scenario == at and x.states and not x.stopped]
            sizes = [x.states or 0 for x in here if x.method.startswith("search")]
            sizes = sizes or [x.states or 0 for x in here]
            size = f"  {max(sizes):,} states" if sizes else ""
            size += "  the search stopped at the answer" if stopped else ""
            lines += ["", f"{at}{size}"]
        lines.append(line)
    return "\n".join(lines).strip("\n")


def _row(r: Result) -> tuple[str, str, str]:
    """The name, verdict and basis of a result."""
    verdict = r.verdict if r.verdict != HOLDS_TO_DEPTH else f"{r.verdict} {r.depth}"
    tail = r.method
    if r.trace is not None:
        tail += f", {len(r.trace)} steps"
    if _cases(r):
        tail += f"; {_cases(r)}"
    if not r.as_declared:
        tail += f"; declared {r.declared}"
    if r.reason:
        tail += f"; {r.reason}"
    return f"{_mark(r.as_declared)} {_name(r)}", f"{verdict:13}", tail


def _mark(as_declared: bool) -> str:
    return " " if as_declared else "!"


def _cases(r: Result) -> str:
    """How many cases are reached; empty where one says it all, or the search went no further."""
    known = [*r.cases.values()]
    unknown = known.count(None)
    if r.verdict == VACUOUS or known in ([], [True]) or (r.verdict == VIOLATED and unknown):
        return ""
    open_ = f", {unknown} not known" if unknown else ""
    return f"{known.count(True)} of {count(len(known), 'case')} reached{open_}"


def by_property(results: Sequence[Result]) -> str:
    """The table of verdicts by property: where each falls, and where by the shortest trace."""
    lines = []
    for name in dict.fromkeys(_name(r) for r in results):
        rows = [r for r in results if _name(r) == name]
        of = f"of {count(len(rows), 'scenario')}"
        odd = [r for r in rows if not r.as_declared]
        fallen = [r for r in odd if r.verdict == VIOLATED and r.trace is not None and not r.error]
        says = []
        if fallen:
            first = min(fallen, key=lambda r: len(r.trace))
            shortest = f"shortest in {first.scenario}: {len(first.trace)} steps"
            says.append(f"falls in {len(fallen)} {of}, {shortest}")
        others = Counter((r.verdict, r.reason) for r in odd if r not in fallen)
        for (verdict, reason), n in others.items():
            says.append(f"{verdict} in {n} {of}" + (f": {reason}" if reason else ""))
        says = says or [f"as declared in {len(rows)} {of}"]
        lines.append((f"{_mark(not odd)} {name}", "; ".join(says)))
    return "\n".join(columns(lines))


def summary(results: Sequence[Result]) -> str:
    """The numbers of verdicts: of each kind, by proof, not as declared."""
    if not results:
        return "no verdict"
    counts = Counter(r.verdict for r in results)
    proofs = [r for r in results if r.certificate]
    names = {r.property for r in proofs}
    odd = sum(not r.as_declared for r in results)
    parts = [f"{n} {v}" for v, n in counts.items()]
    proved = (
        f"{count(len(proofs), 'proof')} by induction, each re-checked and of every configuration "
        f"of its scenario at once, of {count(len(names), 'property', 'properties')}; "
        if proofs
        else ""
    )
    return f"{count(len(results), 'verdict')}: {', '.join(parts)}; {proved}" + (
        f"{odd} not as declared" if odd else "all as declared"
    )


def of_patch(rows: Mapping[str, Fires], results: Sequence[Result]) -> str:
    """What is to be said of a patch: why nothing falls, and which of its rows never fire."""
    said: dict[str, list[str]] = {}
    for where, fires in rows.items():
        for line in told(fires, [r for r in results if r.scenario == where]):
            said.setdefault(line, []).append(where)
    return "\n".join(f"{', '.join(where)}: {line}" for line, where in said.items())


def _name(r: Result) -> str:
    return f"{r.id:7} {r.property}"


def chart(trace: Trace) -> str:
    """The sequence chart: the runs as columns, the network in the middle, a note for each step.

    `-->|` is a message into the network, `|-->` one out of the network, `|==>` one that the
    adversary made or changed. The note of a delivery names its source.
    """
    laid = lay_out(trace)
    lines = [f"{trace.property}: {len(trace)} steps in {trace.scenario}", ""]
    if laid.start:
        lines += [f"start: {laid.start}", ""]
    lines.append("".join(c.center(COLUMN) for c in laid.columns).rstrip())
    lines += [_arrow(row, laid) for row in laid.rows]
    for line in laid.end:
        lines += ["", line]
    lines += ["", "steps:"]
    for row in laid.rows:
        lines += _note(row)
    return "\n".join(lines)


def _arrow(row: Row, laid: Chart) -> str:
    s = row.step
    label = f" {row.number} {s.event}" + (f" / {s.alert}" if s.alert else "") + " "
    half = COLUMN // 2
    line = list((" " * half + "|" + " " * (COLUMN - half - 1)) * len(laid.columns))
    if row.right is None:
        return "".join(line).rstrip() + label
    a, b = sorted(k * COLUMN + half for k in (laid.columns.index(s.run), laid.network))
    body = label.center(b - a - 1, "=" if row.forged else "-")
    line[a + 1 : b] = list(body[:-1] + ">" if row.right else "<" + body[1:])
    return "".join(line).rstrip()


def _note(row: Row) -> list[str]:
    """The lines below the chart about one step."""
    s, by = row.step, row.forged
    carried = ", ".join(f"{k}={v}" for k, v in fields(s.fields).items())
    key = under(s) or "in the clear"
    if s.kind == "send":
        head = f"{s.run} sends {s.event}({carried}) {key}"
    elif s.kind == "step":
        head = f"{s.run}: {s.event}({carried})"
    else:
        came = by or f"as {s.source} sent it"
        if by and s.key != "plaintext":
            came += (
                ", which knows the key" if by != "forged" else " by the adversary, which knows it"
            )
        elif by == "forged":
            came += " by the adversary"
        elif not by and s.key == "plaintext":
            came = "as it was sent"
        head = f"{s.run} receives {s.event}({carried}) {key}, {came}"
    out = [f"{row.number:3}. {head}"]
    out.append(f"     {s.before} -> {s.after}  by {s.rule}  [RFC {s.rfc}]")
    if s.kind == "receive" and s.guard not in ("True", ""):
        guard = s.guard if len(s.guard) < 240 else s.guard[:237] + "..."
        out.append(f"     let through by: {guard}" if not s.alert else f"     refused: {guard}")
    if s.known:
        out.append(f"     the adversary knows the session keys of {', '.join(s.known)}")
    return out
