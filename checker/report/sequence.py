"""A trace as a message sequence chart in text, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from checker.report.chart import Chart, Row, lay_out, under
from checker.report.columns import WIDTH, wrapped
from checker.trace import Trace

GUTTER = 4
"""The columns of the steps' numbers."""
APART = (8, 44)
"""The least and the most columns between two lifelines."""


def chart(trace: Trace, width: int = WIDTH, patched: Collection[str] = ()) -> str:
    """The sequence chart: the runs as columns, the network in the middle, a note for each step.

    `-->|` is a message into the network, `|-->` one out of the network. `|==>` with `*` is one
    that the adversary made or changed; its note says what of. `patched` are names of changed rows.
    """
    laid = lay_out(trace)
    lines = [f"{trace.property}: {len(trace)} steps in {trace.scenario}", ""]
    if laid.start:
        lines += [*wrapped(f"start: {laid.start}", width, 2), ""]
    at = _lifelines(laid, width)
    lines.append(_heads(laid, at))
    for row in laid.rows:
        lines += _arrow(row, laid, at, width)
    if any(row.forged for row in laid.rows):
        lines += ["", "* made or changed by the adversary"]
    for line in laid.end:
        lines += ["", line]
    if laid.wrong:
        lines += ["", *(x for line in laid.wrong for x in wrapped(line, width, 2))]
    lines += ["", "steps:"]
    for row in laid.rows:
        lines += note(row, width, patched)
    return "\n".join(lines)


# -- the chart -------------------------------------------------------------------------------------
def _lifelines(laid: Chart, width: int) -> list[int]:
    """Where the lifeline of each column is."""
    first = GUTTER + len(laid.columns[0]) // 2
    last = width - 1 - len(laid.columns[-1]) // 2
    gap = (last - first) // max(len(laid.columns) - 1, 1)
    gap = max(APART[0], min(APART[1], gap))
    return [first + gap * k for k in range(len(laid.columns))]


def _heads(laid: Chart, at: Sequence[int]) -> str:
    line = ""
    for name, x in zip(laid.columns, at, strict=True):
        line = line.ljust(x - len(name) // 2) + name
    return line


def _arrow(row: Row, laid: Chart, at: Sequence[int], width: int) -> list[str]:
    """The line of a step; two, with the name of the message above, if it is too long."""
    s = row.step
    label = s.event + (f" / {s.alert}" if s.alert else "") + (" *" if row.forged else "")
    me = at[laid.columns.index(s.run)]
    bare = [" "] * (at[-1] + 1)
    for x in at:
        bare[x] = "|"
    numbered = list(f"{row.number:3}".ljust(GUTTER)) + bare[GUTTER:]
    if row.right is None:
        start = me - len(label) - 2 if me == at[-1] else me + 3
        return [_written(numbered, label, start)]
    a, b = sorted((me, at[laid.network]))
    fits = len(label) + 6 <= b - a
    body = (f" {label} " if fits else "").center(b - a - 1, "=" if row.forged else "-")
    arrow = body[:-1] + ">" if row.right else "<" + body[1:]
    if fits:
        return [_written(numbered, arrow, a + 1)]
    start = max(GUTTER, min(a + 3, width - len(label)))
    return [_written(numbered, label, start), _written(bare, arrow, a + 1)]


def _written(line: Sequence[str], text: str, at: int) -> str:
    """The line with a text written over it."""
    out = "".join(line).ljust(at)
    return (out[:at] + text + out[at + len(text) :]).rstrip()


# -- the notes -------------------------------------------------------------------------------------
def note(row: Row, width: int = WIDTH, patched: Collection[str] = ()) -> list[str]:
    """The lines below the chart about one step."""
    s = row.step
    number = f"{row.number:3}. "
    key = under(s) or "in the clear"
    if s.kind == "send":
        head = f"{s.run} sends {s.event}({row.said}) {key}"
    elif s.kind == "step":
        head = f"{s.run}: {s.event}({row.said})"
    else:
        head = f"{s.run} receives {s.event}({row.said}) {key}, {_came(row)}"
    more = [f"{s.before} -> {s.after}  [RFC {s.rfc}]", f"by {s.rule}"]
    if s.rule in patched:
        more[-1] += ", which is patched"
    if s.kind == "receive":
        guard = "no condition" if s.guard in ("True", "") else s.guard
        guard = guard if len(guard) < GUARD else guard[: GUARD - 3] + "..."
        more.append(f"let through by: {guard}" if not s.alert else f"refused: {guard}")
    if row.learned:
        more.append(f"the adversary knows {row.learned}")
    out = wrapped(f"{number}{head}", width, len(number))
    for line in more:
        out += wrapped(line, width, 2, len(number))
    return out


GUARD = 160
"""The most characters of a guard shown."""


def _came(row: Row) -> str:
    """Where a received message is from."""
    s, by = row.step, row.forged
    if not by:
        return "as it was sent" if s.key == "plaintext" else f"as {s.source} sent it"
    said = "forged by the adversary" if by == "forged" else by
    return said if s.key == "plaintext" else f"{said}, which knows the key"
