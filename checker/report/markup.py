"""A trace as a sequence chart in the languages Mermaid and PlantUML."""

from __future__ import annotations

from collections.abc import Callable

from checker.report.chart import Chart, Row, lay_out
from checker.trace import Trace

RED = "#c01818"
"""The colour of what the adversary made or changed."""


def mermaid(trace: Trace) -> str:
    """The chart in Mermaid, as GitHub and notebooks draw it; a cross ends a forged arrow."""
    laid = lay_out(trace)
    lines = ["sequenceDiagram", *(f"  participant {c}" for c in laid.columns)]
    lines += _body(laid, "  ", lambda row: "-x" if row.forged else "->>", _mermaid)
    return "\n".join(lines)


def plantuml(trace: Trace) -> str:
    """The chart in PlantUML; a forged arrow is red."""
    laid = lay_out(trace)
    lines = ["@startuml", *(f"participant {c}" for c in laid.columns)]
    lines += _body(laid, "", lambda row: f"-[{RED}]>" if row.forged else "->", _plantuml)
    return "\n".join([*lines, "@enduml"])


def _body(
    laid: Chart, indent: str, arrow: Callable[[Row], str], escaped: Callable[[str], str]
) -> list[str]:
    """The lines of the start, the steps and the end, which both languages spell alike."""
    lines = []
    whole = f"{laid.columns[0]},{laid.columns[-1]}"

    def over(where: str, said: str) -> None:
        lines.append(f"{indent}note over {where}: {escaped(said)}")

    if laid.start:
        over(whole, laid.start)
    for row in laid.rows:
        s = row.step
        said = f"{row.number} {s.event}" + (f" / {s.alert}" if s.alert else "")
        ends = (s.run, "network") if s.kind == "send" else ("network", s.run)
        if s.kind == "step":
            ends = (s.run, s.run)
        lines.append(f"{indent}{ends[0]}{arrow(row)}{ends[1]}: {escaped(said)}")
        over(s.run, f"{s.after}" + (f" ({row.forged})" if row.forged else ""))
        if row.learned:
            over("network", f"the adversary knows {row.learned}")
    for line in laid.end:
        over(whole, line)
    return lines


def _mermaid(text: str) -> str:
    """The text with the letters escaped that end a statement of Mermaid or begin a comment."""
    return text.replace("#", "#35;").replace(";", "#59;").replace("#35#59;", "#35;")


def _plantuml(text: str) -> str:
    """The text in one line, in which no markup is read."""
    return text.replace("~", "~~").replace("\\", "~\\")
