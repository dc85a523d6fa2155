"""Whatever a reader is given, it ends well: a thousand mutated inputs, and all that once failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.law import Ended, Reader, case, wrong
from tests.hostile.readers import READERS

ONCE_FAILED = Path(__file__).with_name("once_failed")
FEW = 2
"""Of each reader, how many mutated inputs the quick tests have."""


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def held(name: str, number: int, folder: Path) -> None:
    """Hold a mutated input against the law; one that fails is left in the folder."""
    reader = READERS[name]
    here = folder / str(number)
    here.mkdir()
    data = case(reader, name, number)
    (folder / f"{name}-{number}").write_bytes(data)
    ended = reader.read(here, data)
    assert not wrong(reader, ended), f"{folder / f'{name}-{number}'}: {wrong(reader, ended)}"


@pytest.mark.scenario
@pytest.mark.parametrize("name", READERS)
def test_a_few_mutated_inputs_of_each_reader(name: str, tmp_path: Path) -> None:
    for number in range(FEW):
        held(name, number, tmp_path)


@pytest.mark.deep
@pytest.mark.parametrize("name", READERS)
def test_a_thousand_mutated_inputs(name: str, tmp_path: Path) -> None:
    assert sum(reader.cases for reader in READERS.values()) >= 1_000
    for number in range(FEW, READERS[name].cases):
        held(name, number, tmp_path)


@pytest.mark.scenario
@pytest.mark.parametrize("name", READERS)
def test_what_once_failed(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    for path in sorted((ONCE_FAILED / name).glob("*")):
        here = tmp_path / path.name
        here.mkdir()
        ended = reader.read(here, path.read_bytes())
        assert not wrong(reader, ended), f"{path.name}: {wrong(reader, ended)}: {ended}"


def test_each_input_that_once_failed_has_a_reader() -> None:
    if "object" in READERS:  # there is a compiler
        assert {p.name for p in ONCE_FAILED.iterdir()} <= {*READERS}


@pytest.mark.scenario
@pytest.mark.parametrize("name", [n for n in READERS if n not in ("object", "words")])
def test_what_is_mutated_is_read_as_it_is(name: str, tmp_path: Path) -> None:
    """The law would say nothing of inputs that no reader takes anyhow."""
    reader = READERS[name]
    for i, data in enumerate(reader.samples()):
        here = tmp_path / str(i)
        here.mkdir()
        ended = reader.read(here, data)
        assert ended.status in (0, 1), ended
        assert not wrong(reader, ended)


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(0), ""),
        (Ended(2, "", "error: no\n"), ""),
        (Ended(3), "exit status 3"),
        (Ended(2, "", "Traceback (most recent call last):"), "an internal error"),
        (Ended(2, "", "internal error: KeyError: 'x'"), "an internal error"),
        (Ended(2, "", ""), "0 lines for one error"),
        (Ended(2, "", "error: a\nb"), "2 lines for one error"),
        (Ended(0, "\x1b[31m"), "a character 0x1b is printed"),
        (Ended(0, "\u202e"), "a character RIGHT-TO-LEFT OVERRIDE is printed"),
        (Ended(0, "a" * 3_000), "a line of 3,000 characters"),
    ],
)
def test_the_law_can_be_broken(ended: Ended, said: str) -> None:
    reader = Reader(lambda: [b""], lambda folder, data: ended, (0, 2), 1)
    assert wrong(reader, ended) == said
