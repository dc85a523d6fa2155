"""A trace as a sequence chart in SVG: clients, network and servers as columns, one row a step.

A run's lifeline shows the local state that each step enters; the network's lifeline shows what the
adversary learns. A delivery that the adversary made or changed is red. A delivery with exactly the
fields that an honest run sent is black, although the adversary could have made it too.

Widths of text are estimates, so that a trace gives the same SVG on every machine.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

from checker.report.chart import Row, lay_out
from checker.report.words import count
from checker.trace import Trace, TraceStep

APART, MARGIN, PAD = 400, 100, 8
"""Pixels between lifelines, at the left and right margins at least, and between other elements."""
WRAP = 46
"""The number of letters in a line between two lifelines."""
PLAIN, SOFT, FAINT, FORGED = "#222222", "#555555", "#9a9a9a", "#c01818"
WHITE, BLUE, GREY, PINK = "#ffffff", "#dbe9ff", "#f4f4f4", "#ffecec"


def sequence(trace: Trace, title: str) -> str:
    """The chart of `trace` as SVG; the first line of `title` is the heading."""
    return _Drawing(trace, title).svg()


class _Drawing:
    """A picture drawn from top to bottom; `y` is the height drawn so far."""

    def __init__(self, trace: Trace, title: str) -> None:
        self.trace, self.title, self.chart = trace, title, lay_out(trace)
        states = [_state(r.step) for r in self.chart.rows]
        self.margin = max([MARGIN, *(_width(x) // 2 + PAD for x in states)])
        self.width = 2 * self.margin + APART * (len(self.chart.columns) - 1)
        self.out: list[str] = []
        self.y = 4

    def svg(self) -> str:
        """The whole picture."""
        self._heading()
        self._legend()
        self._columns()
        top, loop = self.y, self.y
        for row in self.chart.rows:
            if row.number - 1 == self.trace.loop:
                loop = self.y
            self._row(row)
        self.y += PAD
        lives = [self._life(k, top) for k in range(len(self.chart.columns))]
        if self.trace.loop is not None and self.trace.loop < len(self.trace):
            x = self.width - 12
            path = f'd="M{x - 8} {loop + PAD}H{x}V{self.y}H{x - 8}"'
            self.out.append(f'<path {path} fill="none" stroke="{SOFT}" stroke-width="2"/>')
        self.y += PAD
        for line in self.chart.end:
            self._lines(line, 20, 110, PLAIN, 13, "start", bold=True)
        for line in self.chart.wrong:
            self._lines(line, 20, 110, FORGED, 13, "start", bold=True)
        self.y += 2 * PAD
        size = f'width="{self.width}" height="{self.y}" viewBox="0 0 {self.width} {self.y}"'
        head = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
            'font-family="Helvetica, Arial, sans-serif">',
            f"<title>{escape(self.title.splitlines()[0])}</title>",
            f'<rect width="{self.width}" height="{self.y}" fill="{WHITE}"/>',
        ]
        return "\n".join([*head, *lives, *self.out, "</svg>"]) + "\n"

    # -- parts, from top to bottom -------------------------------------------------------------
    def _heading(self) -> None:
        first, *more = self.title.splitlines()
        more.append(f"{count(len(self.trace), 'step')} in scenario {self.trace.scenario}.")
        if self.chart.start:
            more.append(f"Configuration: {self.chart.start}.")
        self._lines(first, 20, 100, PLAIN, 16, "start", bold=True)
        self.y += PAD // 2
        for line in more:
            self._lines(line, 20, 130, SOFT, 13, "start")

    def _legend(self) -> None:
        """Draw the meaning of the marks in this chart."""
        self.y += 26
        x = 20
        arrows = [(PLAIN, "as an honest run sent it")]
        if any(r.forged for r in self.chart.rows):
            arrows.append((FORGED, "made or changed by the adversary, which is the network"))
        for ink, said in arrows:
            self._arrow(x, x + 34, ink)
            x = self._text(x + 42, self.y + 4, said, ink, 12, "start") + 24
        boxes = [("STATE", WHITE, FAINT, "the state that the run enters")]
        if any(r.step.alert for r in self.chart.rows):
            boxes.append(("refused: ALERT", PINK, FORGED, "the alert it refuses a message with"))
        for label, fill, ink, said in boxes:
            half = _width([label]) // 2
            self._box(x + half, [label], fill, ink)
            x = self._text(x + 2 * half + 8, self.y + 4, said, PLAIN, 12, "start") + 24
        self.y += 12

    def _columns(self) -> None:
        """Draw the heads of the columns, with the initial states of the runs."""
        starts = {s.run: s.before for s in reversed(self.trace.steps)}
        self.y += 30
        for k, name in enumerate(self.chart.columns):
            lines = [name, starts[name]] if starts.get(name) else [name]
            fill = GREY if k == self.chart.network else BLUE
            self._box(self._x(k), lines, fill, FAINT)
        self.y += 18

    def _row(self, row: Row) -> None:
        """Draw one step: the name of the message, an arrow, the state entered, details below."""
        s, ink = row.step, FORGED if row.forged else PLAIN
        me, network = self.chart.columns.index(s.run), self.chart.network
        middle = self._x(me if me < network else me - 1) + APART // 2
        self.y += PAD
        self._lines(f"{row.number}  {s.event}", middle, WRAP, ink, 13, bold=True)
        self.y += PAD
        state = _state(s)
        fill, edge = (PINK, FORGED) if s.alert else (WHITE, FAINT)
        if row.right is not None:
            side = _width(state) // 2
            ends = (self._x(me) + (side if me < network else -side), self._x(network))
            self._arrow(*(ends if s.kind == "send" else ends[::-1]), ink)
        self._box(self._x(me), state, fill, edge)
        self.y += 4
        for detail in row.details:
            self._lines(detail, middle, WRAP, FORGED if detail == row.forged else SOFT, 12)
        self.y += PAD // 2
        if row.learned:
            self.y += 16
            known = f"the adversary knows {row.learned}"
            self._box(self._x(network), [known], PINK, FORGED, FORGED)
            self.y += 8

    # -- elements ------------------------------------------------------------------------------
    def _x(self, column: int) -> int:
        return self.margin + APART * column

    def _life(self, column: int, top: int) -> str:
        x = self._x(column)
        ends = f'x1="{x}" y1="{top}" x2="{x}" y2="{self.y}"'
        return f'<line {ends} stroke="{FAINT}" stroke-dasharray="5 4"/>'

    def _lines(
        self,
        said: str,
        x: int,
        wide: int,
        ink: str,
        size: int,
        anchor: str = "middle",
        *,
        bold: bool = False,
    ) -> None:
        """Draw text wrapped at `wide` letters."""
        for line in textwrap.wrap(said, wide, break_long_words=False, break_on_hyphens=False):
            self.y += size + 3
            self._text(x, self.y, line, ink, size, anchor, bold=bold)

    def _text(
        self,
        x: int,
        y: int,
        said: str,
        ink: str,
        size: int,
        anchor: str = "middle",
        *,
        bold: bool = False,
    ) -> int:
        """Draw one line of text with the baseline at `y`; the x at which text from `x` ends."""
        look = f'font-size="{size}" fill="{ink}" text-anchor="{anchor}"'
        weight = ' font-weight="bold"' if bold else ""
        self.out.append(f'<text x="{x}" y="{y}" {look}{weight}>{escape(said, False)}</text>')
        return x + len(said) * size * 11 // 20

    def _box(self, x: int, lines: Sequence[str], fill: str, edge: str, ink: str = PLAIN) -> None:
        """Draw lines of text in a box with the centre at `x` and the present height."""
        wide, high = _width(lines), 15 * len(lines) + 5
        corner = f'x="{x - wide // 2}" y="{self.y - high // 2}" width="{wide}" height="{high}"'
        self.out.append(f'<rect {corner} rx="4" fill="{fill}" stroke="{edge}"/>')
        for i, line in enumerate(lines):
            self._text(x, self.y - high // 2 + 14 + 15 * i, line, ink, 12)

    def _arrow(self, start: int, end: int, ink: str) -> None:
        """Draw a horizontal arrow at the present height."""
        back = 9 if end > start else -9
        line = f'x1="{start}" y1="{self.y}" x2="{end - back}" y2="{self.y}"'
        wide = 2 if ink == FORGED else 1
        self.out.append(f'<line {line} stroke="{ink}" stroke-width="{wide}"/>')
        head = f"M{end} {self.y}l{-back} -4v8z"
        self.out.append(f'<path d="{head}" fill="{ink}"/>')


def _state(step: TraceStep) -> list[str]:
    """The lines in the box of the state that a step enters."""
    return [*([f"refused: {step.alert}"] if step.alert else []), step.after]


def _width(lines: Sequence[str]) -> int:
    """The width of a box around lines of text, an even number of pixels."""
    letters = max(sum(1.3 if c.isupper() or c == "_" else 1 for c in x) for x in lines)
    return 2 * int(letters * 3.2 + PAD)
