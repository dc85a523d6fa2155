"""Audits as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checker import output
from checker.conformance.audit import IS_LAXER, Audit
from checker.conformance.comparison import LAXER, Divergence
from checker.conformance.difference import Compared, compare
from checker.conformance.honest import VERSIONS
from checker.conformance.learned import LearnedError
from checker.report.columns import columns
from checker.report.document import document
from checker.report.words import count
from model.near import UsageError

_NUMBER = {v: k for k, v in VERSIONS.items()}
SAYS = {
    "laxer": "accepts what the model refuses",
    "stricter": "refuses, or leaves out, what the model has",
    "late-reject": "refuses only at a later message",
    "silent-close": "closes without the alert",
    "alert-differs": "refuses with an alert that the RFCs do not give",
    "extra-output": "sends more than the model",
}
"""The classes, the worst first."""


def exit_status(results: Sequence[Audit], why: str = "") -> int:
    """130 if interrupted, 1 if a machine is laxer, 2 for a bad file, 3 if the time is over."""
    if why.startswith("interrupted"):
        return 130
    if any(r.verdict == IS_LAXER for r in results):
        return 1
    return 2 if any(r.error for r in results) else 3 if why else 0


def as_json(results: Sequence[Audit], why: str = "") -> str:
    """The JSON document: `incomplete` says why there is no more, and `results` has the files."""
    return document("audit", incomplete=why or None, results=[_file(r) for r in results])


def _file(r: Audit) -> dict[str, Any]:
    return {
        "file": r.file,
        "role": r.config.role if r.config else None,
        "version": _NUMBER[r.config.version] if r.config else None,
        "verdict": r.verdict,
        "states": r.states,
        "divergences": [divergence(d) for d in r.divergences],
        "unknown_inputs": list(r.unknown),
        "unknown_answers": list(r.unread),
        "notes": list(r.notes),
        "error": r.error or None,
    }


def divergence(d: Divergence) -> dict[str, Any]:
    """A divergence as data."""
    return {
        "class": d.kind,
        "word": list(d.word),
        "state": d.state,
        "expected": d.expected,
        "got": d.got,
        "rule": d.rule,
        "rfc": d.rfc,
        "note": d.note,
        "also": list(d.also),
        "behind": d.behind,
        "weakened": d.weakening.how if d.weakening else None,
        "properties": [p for p in d.properties if "problem" not in p],
        "problem": next((p["problem"] for p in d.properties if "problem" in p), None),
        "flaw": d.flaw or None,
    }


def as_text(results: Sequence[Audit], why: str = "") -> str:
    """The table of files, those that behave alike in one row; then the divergences as sentences."""
    groups: dict[object, list[Audit]] = {}
    for r in results:
        alike: object = r.file
        if not r.error:
            alike = (
                r.config,
                r.states,
                r.notes,
                tuple((d.kind, d.word, d.got, d.also) for d in r.divergences),
            )
        groups.setdefault(alike, []).append(r)
    rows = [("", "verdict", "role", "version", "states", *SAYS, "files")]
    for number, group in enumerate(groups.values(), 1):
        first = group[0]
        counts = [sum(d.kind == k for d in first.divergences) or "" for k in SAYS]
        rows.append(
            (
                str(number),
                first.verdict,
                first.config.role if first.config else "",
                _NUMBER[first.config.version] if first.config else "",
                str(first.states or ""),
                *map(str, counts),
                _names([r.file for r in group]),
            )
        )
    lines = columns(rows)
    for number, group in enumerate(groups.values(), 1):
        first = group[0]
        lines += ["", f"{number}. {', '.join(r.file for r in group)}: {first.verdict}"]
        if first.error:
            lines.append(f"   {output.line(first.error)}")
        elif not first.divergences:
            lines.append("   no divergence")
        lines += [f"   {sentence(d)}" for d in first.divergences]
        if first.unknown:
            lines.append(
                f"   not in the model, followed as what should be refused or ignored: "
                f"{', '.join(first.unknown)}"
            )
        if first.unread:
            lines.append(f"   answers that were not understood: {', '.join(first.unread)}")
    notes = dict.fromkeys(n for r in results for n in r.notes)
    lines += ["", *(f"note: {n}" for n in notes)] if notes else []
    verdicts = [r.verdict for r in results]
    total = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    lines += ["", f"{count(len(results), 'file')}: {total}"]
    if why:
        lines.append(f"{why}: these are the results so far")
    return "\n".join(lines)


def _names(files: Sequence[str]) -> str:
    shown = [f.rsplit("/", 1)[-1] for f in files[:2]]
    return output.line(", ".join(shown)) + (f" and {len(files) - 2} more" if len(files) > 2 else "")


def sentence(d: Divergence) -> str:
    """A divergence as a paragraph of the report."""
    *before, last = d.word
    after = f"after {', '.join(before)}, " if before else ""
    row = f" (row {d.rule}, RFC {d.rfc})" if d.rule else f" (RFC {d.rfc})"
    got = d.got if d.got.strip() else "nothing"
    out = (
        f"{d.kind}: {after}{last} in {d.state} is answered with `{got}`; the model: "
        f"{d.expected}{row}"
    )
    if d.note:
        out += f"; {d.note}"
    if d.behind:
        out += "; seen only behind another laxer answer, and perhaps the same flaw"
    out += ". "
    if d.kind == LAXER and d.weakening is not None:
        out += f"It fits a model in which the message {_how(d.weakening.how, d.weakening.check)}: "
        problem = next((p["problem"] for p in d.properties if "problem" in p), "")
        if problem:
            out += f"not decided ({problem}). "
        elif d.properties:
            falls = ", ".join(f"{p['id']} {p['name']} ({p['steps']} steps)" for p in d.properties)
            out += f"there fall {falls}. "
        else:
            out += "no property falls: a deviation without an attack in this model. "
    if d.flaw:
        out += f"It is the published flaw {d.flaw}. "
    if d.also:
        out += f"The same for {_also(d.also)}. "
    return out.rstrip()


def _also(also: Sequence[str]) -> str:
    """`A in S`, `B in S` as `A, B in S`."""
    by_state: dict[str, list[str]] = {}
    for a in also:
        given, _, state = a.rpartition(" in ")
        by_state.setdefault(state, []).append(given)
    return "; ".join(f"{', '.join(given)} in {state}" for state, given in by_state.items())


def _how(how: str, check: str) -> str:
    if how == "is not checked":
        return f"is not checked ({check})" if check else how
    return {"ignored": "is ignored", "ends the wait": "ends the wait for others"}.get(how, how)


# -- two machines ----------------------------------------------------------------------------------
def compared(files: Sequence[str], form: str) -> tuple[str, int]:
    """The comparison of two files as text or as JSON, and the exit status: 1 if they differ."""
    if len(files) != 2:
        raise UsageError(f"--compare: expected two files, got {len(files)}")
    try:
        found = compare(files[0], files[1])
    except LearnedError as e:
        raise UsageError(str(e)) from None
    text = _compared_json(found) if form == "json" else _compared_text(found)
    return text, 1 if found.differences else 0


def _compared_json(found: Compared) -> str:
    return document(
        "audit comparison",
        files=list(found.files),
        only=[list(inputs) for inputs in found.only],
        differences=[
            {
                "word": list(d.word),
                "answers": list(d.answers),
                "goes_on": None if d.laxer is None else found.files[d.laxer],
                "more": d.more,
            }
            for d in found.differences
        ],
    )


def _compared_text(found: Compared) -> str:
    names = [f"{name} {file}" for name, file in zip("AB", found.files, strict=True)]
    lines = [*names, ""]
    for d in found.differences:
        *before, last = d.word
        after = f"after {', '.join(before)}, " if before else ""
        said = " and by ".join(
            f"{name} with `{answer.strip() or 'nothing'}`"
            for name, answer in zip("AB", d.answers, strict=True)
        )
        goes_on = "" if d.laxer is None else f"; only {'AB'[d.laxer]} goes on"
        more = f" ({count(d.more, 'more state')})" if d.more else ""
        lines.append(f"{after}{last} is answered by {said}{goes_on}{more}")
    for name, inputs in zip("AB", found.only, strict=True):
        if inputs:
            lines.append(f"left out, inputs of {name} alone: {', '.join(inputs)}")
    return "\n".join([*lines, "", count(len(found.differences), "difference")])
