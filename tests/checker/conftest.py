"""The fixtures of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.conformance.audit import Asked, Audit, audit


@pytest.fixture
def check(tmp_path: Path):
    """Audit a DOT text."""

    def run(text: str, *args: str) -> Audit:
        path = tmp_path / "machine.dot"
        path.write_text(text, encoding="utf-8")
        return audit(str(path), Asked(*args))

    return run
