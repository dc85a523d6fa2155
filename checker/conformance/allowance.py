"""Known deviations, allowed with a reason: a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checker.conformance.conform import Conformance
from checker.conformance.honest import VERSIONS
from checker.conformance.words import WordError, probe
from model.near import UsageError

KEYS = ("message", "state", "reason", "target", "version")


@dataclass(frozen=True)
class Allowance:
    """A deviation that is known: its message, its state, and why it is allowed."""

    message: str
    reason: str
    state: str = ""  # empty: every state
    target: str = ""  # empty: every target
    version: str = ""  # empty: every version

    def fits(self, r: Conformance, message: str, state: str) -> bool:
        """Whether it allows a message of a result in a state."""
        of_version = r.config is not None and r.config.version == VERSIONS.get(self.version)
        return (
            self.message == message
            and self.state in ("", state)
            and self.target in ("", r.target)
            and (not self.version or of_version)
        )


def read(path: str) -> list[Allowance]:
    """The allowances of a file; UsageError if it cannot be read."""
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as e:
        raise UsageError(f"--allow {path}: cannot be read: {e.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UsageError(f"--allow {path}: expected TOML: {e}") from None
    entries = data.get("allow")
    if not isinstance(entries, list) or set(data) != {"allow"}:
        raise UsageError(f"--allow {path}: expected tables [[allow]] and nothing else")
    return [_entry(path, n, e) for n, e in enumerate(entries, 1)]


def _entry(path: str, n: int, e: Any) -> Allowance:
    where = f"--allow {path}: entry {n}"
    if not isinstance(e, dict) or not {"message", "reason"} <= set(e) <= set(KEYS):
        got = ", ".join(e) if isinstance(e, dict) else repr(e)
        raise UsageError(
            f"{where}: expected the keys message and reason, and perhaps state, target, version; "
            f"got {got or 'none'}"
        )
    if not all(isinstance(v, str) and v for v in e.values()):
        raise UsageError(f"{where}: expected a text for each key")
    if "version" in e and e["version"] not in VERSIONS:
        raise UsageError(f"{where}: version: expected one of {', '.join(VERSIONS)}")
    try:
        probe(e["message"])
    except WordError as problem:
        raise UsageError(f"{where}: {problem}") from None
    return Allowance(**e)


def apply(allowed: Sequence[Allowance], results: Sequence[Conformance]) -> list[Allowance]:
    """Mark the divergences that are allowed in all their states; the allowances that fit none."""
    idle = list(allowed)
    for r in results:
        for d in r.divergences:
            places = [(d.word[-1], d.state)]
            places += [(m, s) for m, _, s in (a.rpartition(" in ") for a in d.also)]
            reasons = []
            for message, state in places:
                fits = [a for a in allowed if a.fits(r, message, state)]
                idle = [a for a in idle if a not in fits]
                reasons += [fits[0].reason if fits else ""]
            if all(reasons):
                d.allowed = "; ".join(dict.fromkeys(reasons))
    return idle
