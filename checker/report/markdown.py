"""Verdicts as Markdown, for the summary of a pull request or of a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checker.attack import telling
from checker.patched import fallen
from checker.report.markup import mermaid
from checker.report.text import of_patch, summary
from checker.report.words import count
from checker.request import Request, patch_of
from checker.verdict import VERDICTS, Result
from checker.verify import Outcome


def as_markdown(outcome: Outcome, left_out: Mapping[str, str], request: Request) -> str:
    """What is not as declared, or falls to a patch, the shortest trace, and a count by scenario."""
    results = outcome.results
    odd = [r for r in results if not r.as_declared or (request.patch and fallen(r))]
    found = patch_of(request)
    best = telling(odd, found[0].shows if found else "")
    parts = [f"### {summary(results)}"]
    if request.patch:
        parts.append(f"With {code(request.patch)}. {of_patch(outcome.rows, results)}".strip())
    if outcome.interrupted:
        parts.append("Interrupted: these are the results so far.")
    if odd:
        heads = ("", "property", "scenario", "verdict", "declared", "why")
        parts.append(table(heads, [_row(r) for r in odd]))
    parts += [f"- {code(str(x))}" for x in outcome.odd_cases]
    if best is not None:
        what = f"{best.property} in {best.scenario}, {count(len(best.trace), 'step')}"
        parts.append(f"The trace of {code(what)}\n\n```mermaid\n{mermaid(best.trace)}\n```")
    parts += [f"{code(name)} is left out: {why}" for name, why in left_out.items()]
    if results:
        parts.append(
            f"<details><summary>By scenario</summary>\n\n{_scenarios(results)}\n\n</details>"
        )
    return "\n\n".join(parts)


def _row(r: Result) -> tuple[str, ...]:
    steps = count(len(r.trace), "step") if r.trace is not None else ""
    why = "; ".join(filter(None, (steps, r.reason)))
    mark = "" if r.as_declared else "!"
    return mark, f"{r.id} {code(r.property)}", r.scenario, r.verdict, r.declared, why


def _scenarios(results: Sequence[Result]) -> str:
    """The numbers of verdicts of each scenario."""
    used = [v for v in VERDICTS if any(r.verdict == v for r in results)]
    rows = []
    for name in dict.fromkeys(r.scenario for r in results):
        here = [r.verdict for r in results if r.scenario == name]
        states = max((r.states or 0 for r in results if r.scenario == name), default=0)
        rows.append((name, f"{states:,}" if states else "", *(str(here.count(v)) for v in used)))
    return table(("scenario", "states", *used), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    line = "| " + " | ".join("---" for _ in heads) + " |"
    cells = [[cell(c) for c in row] for row in (heads, *rows)]
    first, *rest = ("| " + " | ".join(row) + " |" for row in cells)
    return "\n".join([first, line, *rest])


def cell(text: str) -> str:
    """The text as a part of a table's line."""
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """The text as code, in which no markup is read."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"
