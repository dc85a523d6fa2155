"""The runs of both ends of a connection, one pair for each handshake.

A recording takes some twenty rows. `send` and `receive` fire them by the callables of which the
`transitions` machine is made, without the machine's own bookkeeping, which takes longer than the
rows; a test fires every recorded handshake both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from checker.conformance.guess import Guess
from checker.conformance.recording import roles
from model.machine import Callables, Run, Sent, nothing_before
from model.rule import SAME, Rule, snake

NAMES = 3
"""The number of runs of one end that the model has names for; a fourth takes the first's name."""


def begin(guess: Guess, before: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Both runs of a handshake."""
    configs = {"client": guess.client, "server": guess.server}
    return {
        end: run_of(end, f"{end}{number % NAMES}", before.get(end), configs[end]) for end in roles()
    }


@cache
def _first(end: str) -> tuple[dict[str, Any], Any]:
    """The initial values of a run of `end`, and what comes before a first run."""
    role = roles()[end]
    values = {n: v.initial[0] for n, v in role.all_variables.items()}
    return values, nothing_before(values)


_POOL: dict[tuple[str, str], Run] = {}


def run_of(end: str, me: str, before: Any, config: Mapping[str, Any]) -> Run:
    """The run called `me`, as new: making one anew costs more than a whole handshake."""
    run = _POOL.get((end, me))
    values, nothing = _first(end)
    if run is None:
        run = _POOL[end, me] = Run(roles()[end], me)
    run.__dict__.update(values)
    run.taken, run.prev = None, nothing if before is None else before
    run.place(config)
    return run


def frozen(run: Any) -> Any:
    """The values of a run, as the handshake before another one."""
    return SimpleNamespace(**run.valuation(), me=run.me, prev=run.prev)


def fire(run: Any, trigger: str, values: Mapping[str, Any], under: object = None) -> Rule | None:
    """The row that takes the event, its effects applied; None if no row takes it."""
    callables: Callables = run.callables
    for row in callables.rows.get((trigger, run.state), ()):
        if run.takes_record(row, under) and callables.condition[row.name](run, values)[0]:
            effects = callables.effect[row.name](run, values)
            vars(run).update(zip(row.do, effects, strict=True))
            if row.target != SAME:
                run.state = row.target
            run.taken = row
            return row
    return None


def send(run: Any, message: str, arguments: Mapping[str, Any]) -> Sent | None:
    """The message that the run sends; None if no row sends it now."""
    row = fire(run, f"send_{snake(message)}", arguments)
    return None if row is None else run.message(message)


def receive(run: Any, sent: Sent) -> Rule | None:
    """The row that takes the message, a reject row too; None for a content that no row takes.

    A record in the clear that no row takes does not decrypt.
    """
    trigger = f"receive_{snake(sent.message)}"
    rows = run.callables.rows.get((trigger, run.state), ())
    under = sent.under if sent.under == "plaintext" else None
    if rows and not any(run.takes_record(r, under) for r in rows):
        return fire(run, "receive_undecryptable_record", {})
    return fire(run, trigger, sent.fields, under)
