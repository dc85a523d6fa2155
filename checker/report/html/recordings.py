"""Recordings held against the machines as a page: each message as a step of both machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checker.conformance.ends import Watched
from checker.conformance.monitor import Report
from checker.conformance.recording import TO_SERVER, roles
from checker.report.html.figure import machine, row
from checker.report.html.verdicts import Parts
from checker.report.monitor import verdict
from checker.report.words import count

COLUMNS = [
    {"name": "recording", "choose": False},
    {"name": "verdict", "choose": True},
    {"name": "messages", "choose": False},
    {"name": "says", "choose": False},
]
MOST = 500
"""The most recordings whose messages are told step by step."""


def page(reports: Sequence[Report]) -> dict[str, Any]:
    """The `Page` of a run of `monitor`."""
    out = Parts()
    for end, role in roles().items():
        out.machines.append(machine(end, role, role.accepts, role.states))
    rows = []
    for r in sorted(reports, key=lambda r: r.ok):
        trace = None
        if r.messages and len(out.stories) < MOST:
            out.stories.append(_story(r))
            trace = len(out.stories) - 1
        lines = verdict(r)
        notes = [out.add_note("Assumed", r.assumptions)] if r.assumptions else []
        rows.append(
            {
                "cells": [r.title, r.verdict, str(len(r.recording.messages)), "; ".join(lines)],
                "odd": not (r.as_expected if r.recording.expected else r.ok),
                "notes": notes,
                "trace": trace,
            }
        )
    verdicts = [r.verdict for r in reports]
    total = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    return {
        "command": "monitor",
        "title": "monitor",
        "said": [f"{count(len(reports), 'recording')}: {total}"],
        "tables": [{"name": "recordings", "columns": COLUMNS, "rows": rows}],
        **out.as_data(),
    }


def _story(r: Report) -> dict[str, Any]:
    """The `Story` of the messages that were fed: each is sent, and then received."""
    steps = [s for m in r.messages for s in _steps(m, refused=m.number == r.refused)]
    first = r.messages[0]
    return {
        "title": r.title,
        "property": "",
        "scenario": r.verdict,
        "columns": ["client", "network", "server"],
        "start": [],
        "begins": {"client": first.client[0], "server": first.server[0]},
        "known": [],
        "steps": steps,
        "loop": None,
        "broken": [],
        "machines": [0, 1],
    }


def _steps(m: Watched, *, refused: bool) -> list[dict[str, Any]]:
    sender, receiver = ("client", "server") if m.direction == TO_SERVER else ("server", "client")
    moves = {"client": m.client, "server": m.server}
    table = {x.name: x for x in roles()[receiver].rules}
    taken = table.get(m.row)
    nothing: dict[str, Any] = {
        "name": "",
        "when": [],
        "checks": [],
        "do": [],
        "rfc": "",
        "alert": None,
    }
    out = []
    for end, kind in ((sender, "send"), (receiver, "receive")):
        before, after = moves[end]
        of = row(taken) if kind == "receive" and taken else {**nothing, "refuses": []}
        out.append(
            {
                "run": end,
                "event": m.message,
                "right": (end == "client") == (kind == "send"),
                "source": sender,
                "forged": "",
                "under": "",
                "fields": [
                    *([n, "as recorded", sender] for n in m.shown),
                    *([n, "assumed", sender] for n in m.assumed),
                ],
                "before": before,
                "after": after,
                "alert": (of["alert"] or "refused") if refused and kind == "receive" else None,
                "row": {**of, "kind": kind, "event": m.message},
                "changed": [],
                "learned": [],
                "sound": None,
            }
        )
    return out
