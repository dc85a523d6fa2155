"""A walk in the terminal: what can happen next as a numbered list, and a line for what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from checker import output
from checker.explore.walk import Walk
from checker.report.chart import fields
from checker.report.sequence import chart
from model.near import UsageError

HELP = """NUMBER           take that step
all              the steps that refuse a message, too
undo, jump N     back by one step, or to the state after step N
reach CONDITION  how a state comes about: reach client0.verified & ~server0.verified
why RUN ROW      why a row cannot be taken
chart            the walk as a chart
save FILE        as a trace; FILE.py as a test
link             the walk as one word, for --walk
quit"""


def run(walk: Walk, ask: Callable[[str], str] = input) -> int:
    """Walk until the words end; 0."""
    every = False
    _show(walk, every=every)
    while True:
        try:
            line = ask("> ").strip()
        except EOFError:
            return 0
        word, _, rest = line.partition(" ")
        try:
            if word in ("quit", "q"):
                return 0
            if word == "all":
                every = not every
            elif word == "why":
                of, _, row = rest.partition(" ")
                _why(walk.why_not(len(walk.path) - 1, of, row.strip()))
                continue
            elif not _do(walk, word, rest):
                continue
        except UsageError as e:
            output.say(f"{e}\n")
            continue
        _show(walk, every=every)


def _do(walk: Walk, word: str, rest: str) -> bool:
    """Do what a line says; whether the walk is another one then."""
    match word:
        case "undo" | "u":
            del walk.path[max(1, len(walk.path) - 1) :]
        case "jump":
            if not rest.isdigit() or int(rest) >= len(walk.path):
                raise UsageError(f"expected a number up to {len(walk.path) - 1}, got {rest!r}")
            del walk.path[int(rest) + 1 :]
        case "reach":
            output.say(f"{walk.reach(rest)}\n")
        case "chart":
            output.say(f"{chart(walk.trace())}\n")
            return False
        case "save":
            trace = json.dumps(walk.trace().as_json(), indent=1, default=str)
            output.write(rest, walk.test() if rest.endswith(".py") else f"{trace}\n")
            return False
        case "link":
            output.say(f"--walk {walk.word()}\n")
            return False
        case _ if word.isdigit():
            walk.take(len(walk.path) - 1, int(word))
        case _:
            output.say(f"{HELP}\n")
            return False
    return True


def _show(walk: Walk, *, every: bool) -> None:
    at = len(walk.path) - 1
    states = (f"{r.name} {walk.path[at][1].get(f'{r.name}.state')}" for r in walk.system.runs)
    lines = ["", f"{at} steps: {', '.join(states)}"]
    lines += [f"the adversary knows {x}" for x in walk.known(at)]
    moves = walk.moves(at)
    shown = [m for m in moves if every or m["alert"] is None]
    lines += [_move(m) for m in shown]
    if len(shown) < len(moves):
        lines.append(f"     ({len(moves) - len(shown)} steps that refuse a message: all)")
    output.say("\n".join(lines) + "\n")


def _move(m: dict[str, Any]) -> str:
    said = {k: v for k, v in m["fields"] if v not in ("none", "null", False)}
    carried = ", ".join(f"{k}={v}" for k, v in fields(said).items())
    verb = {"send": "sends", "receive": "receives"}.get(m["kind"], "does")
    came = f", {m['source']}" if m["kind"] == "receive" else ""
    end = f"refuses: {m['alert']}" if m["alert"] else m["after"]
    return f"{m['number']:4} {m['run']} {verb} {m['event']}({carried}){came} -> {end}"


def _why(found: dict[str, Any]) -> None:
    lines = [
        f"{found['row']}: " + ("it can be taken" if found["enabled"] else "it cannot be taken")
    ]
    for part in found["fails"]:
        values = ", ".join(f"{n} = {v}" for n, v in part["values"])
        lines.append(f"  fails ({part['name']}): {part['says']}")
        lines += [f"    {values}"] if values else []
    lines += [f"  the message must satisfy: {x}" for x in found["needs"]]
    output.say("\n".join(lines) + "\n")
