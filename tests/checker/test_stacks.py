"""Installed stacks against the model: the laxer messages are those of `stacks.toml`, no others.

A stack that is not installed is skipped, and so is another release than the measured one.
`make test-stacks` installs them first.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from checker.conformance.comparison import LAXER
from checker.conformance.conform import Conformance
from checker.conformance.known import STACKS, missing
from checker.conformance.sweep import Asked, sweep

MEASURED: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "stacks.toml").read_text(encoding="utf-8")
)
pytestmark = pytest.mark.deep


def lax(results: Iterable[Conformance]) -> set[str]:
    """Each laxer message, as `stacks.toml` spells it."""
    out = set()
    for r in results:
        assert r.config is not None
        number = {"TLS12": "1.2", "TLS13": "1.3"}[r.config.version]
        for d in r.divergences:
            if d.kind == LAXER:
                out |= {f"{number} {w}" for w in (f"{d.word[-1]} in {d.state}", *d.also)}
    return out


def compared(name: str, asked: Asked) -> None:
    """Check a stack in a role, and hold what it found against what was measured."""
    found, _ = sweep([name], asked)
    assert not any(r.error for r in found), [r.error for r in found]
    release = MEASURED[name]["release"]
    if release not in found[0].release:
        pytest.skip(f"measured with {release}, this is {found[0].release}")
    assert not any(r.why for r in found), [(r.config, r.why) for r in found]
    assert lax(found) == set(MEASURED[name][asked.role])


@pytest.mark.parametrize(
    ("name", "role"),
    [(n, r) for n in STACKS for r in ("server", "client") if r == "server" or STACKS[n].client],
)
def test_a_stack_is_as_measured(name: str, role: str) -> None:
    if missing(name, role):
        pytest.skip(missing(name, role))
    compared(name, Asked(role))


@pytest.mark.parametrize("name", ["node-0.10.28", "node-0.10.29"])
def test_early_change_cipher_spec_is_in_the_old_node_and_not_in_the_next(name: str) -> None:
    if missing(name):
        pytest.skip(missing(name))
    asked = Asked(versions=("1.2",), auths=("none",))
    flaws = {d.flaw for r in sweep([name], asked)[0] for d in r.divergences}
    assert ("early_ccs" in flaws) == (name == "node-0.10.28")
