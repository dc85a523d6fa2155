"""Names as people write them, and the folders whose files are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.extensions import extensions
from model.flaws import find as find_flaw
from model.folder import modules
from model.near import UsageError, hint, meant, unknown
from model.rule import ModelError
from model.scenario import scenario
from properties import find as find_property


def test_case_and_what_joins_words_make_no_difference() -> None:
    assert meant("thing", "AUT-1", ["AUT-1", "aut-1"]) == "AUT-1"
    assert meant("thing", "aut_1", ["AUT-1"]) == "AUT-1"
    assert [p.id for p in find_property("aut-1")] == ["AUT-1"]
    assert scenario("TLS12_Small").name == "tls12-small"
    assert find_flaw("goto-fail@client")[0].name == "goto_fail"


def test_an_unknown_name_is_one_sentence() -> None:
    assert unknown("flaw", "freek", ["freak", "selfie"]) == (
        "no flaw is called 'freek'; did you mean freak?"
    )
    assert unknown("flaw", "xyz", ["freak", "selfie"]) == (
        "no flaw is called 'xyz': expected one of freak, selfie"
    )
    assert hint("aut-1", ["AUT-1", "AUT-11", "STA-1"]) == ("; did you mean AUT-1, AUT-11 or STA-1?")
    with pytest.raises(UsageError, match="no property is called 'aut-99'; did you mean AUT-"):
        find_property("aut-99")


def test_a_folder_is_read_by_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = list(modules("model.extensions", "EXTENSION"))
    assert names == sorted(names)
    assert set(names) == set(extensions())
    package = tmp_path / "shelf"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_hidden.py").write_text("1 / 0\n")
    (package / "apple.py").write_text("THING = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert [m.THING for m in modules("shelf", "THING").values()] == [1]
    for i, (text, says) in enumerate(
        [
            ("thing = 2\n", "it must define THING"),
            ("\nTHING = nothing\n", "2: name 'nothing' is not defined"),
            ("\n\nTHING = (\n", r"3: '\(' was never closed"),
            ("import no_such_package\n", "1: ModuleNotFoundError: No module"),
            ("THING = int('x')\n", "1: invalid literal"),
        ]
    ):
        (package / f"pear{i}.py").write_text(text)
        with pytest.raises(ModelError, match=f"^shelf/pear{i}.py: ?{says}"):
            modules("shelf", "THING")
        (package / f"pear{i}.py").unlink()
