"""The runs of both ends of a connection, one pair for each handshake."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from checker.conformance.guess import Guess
from checker.conformance.recording import roles
from model.machine import Run, nothing_before

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
