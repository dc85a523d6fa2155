"""A file of one's own: what is wrong in it is one line, with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.own import read
from checker.request import Request, checked
from model.near import UsageError

HEAD = "from model.extensions import Extension\nfrom properties import invariant, when\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = (", "{file}:3: '(' was never closed"),
        ("x = 1 / 0", "{file}:3: ZeroDivisionError: division by zero"),
        (
            "x = when.given",
            "{file}:3: type object 'when' has no attribute 'given'; did you mean then?",
        ),
        ("x = 1", "{file} declares no property, SCENARIOS or EXTENSION; see properties/README.md"),
        ("SCENARIOS = 'tls12'", "{file}: SCENARIOS: expected a tuple of Scenario, got 'tls12'"),
        ("EXTENSION = 'psk'", "{file}: EXTENSION: expected an Extension, got 'psk'"),
        (
            "EXTENSION = Extension('psk', 'none', 'mine')",
            "{file}: there is an extension psk: give yours another name",
        ),
        (
            "@invariant('ORD-1', 'none')\ndef mine(w): return []",
            "{file}:3: own.mine: id ORD-1 is that of properties.order.data_is_delivered_only_after"
            "_finished_is_verified, too",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(HEAD + text + "\n")
    with pytest.raises(UsageError) as e:
        read(str(file))
    assert str(e.value) == says.format(file=file)


def test_a_file_that_is_not_there_is_told_before_the_run() -> None:
    with pytest.raises(UsageError, match=r"no file /nowhere/mine\.py"):
        checked(Request(file="/nowhere/mine.py"))
