"""What a change of the tables means: rows, messages accepted, verdicts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checker.diff import meaning
from checker.diff.meaning import Change, Row, Verdicts, Way
from checker.diff.side import Written, expressions
from checker.report import diff
from model.expr import BOOL, Domain, const, ite, le, mapping, var
from model.near import UsageError

ROOT = Path(__file__).resolve().parents[2]
COLOUR = Domain("colour", ("red", "green", "blue"))


def test_an_expression_is_the_same_after_it_was_data() -> None:
    a, b, flag = var("a", COLOUR), var("b", COLOUR), var("flag", BOOL)
    shade = mapping(a, {"red": 1, "green": 2, "blue": 2}, Domain("shade", (1, 2)))
    for e in (
        (a == b) & ~flag,
        ite(flag, a, b) == "red",
        le(a, b) | (shade == 2),
        const("blue", COLOUR) == ite(flag, b, a),
    ):
        written = Written()
        number = written.number(e)
        assert expressions(written.data())[number] is e


def test_a_value_that_one_tree_alone_has_is_in_the_domain_of_both() -> None:
    more = Domain("colour", (*COLOUR.values, "black"))
    sides = []
    for domain in (COLOUR, more):
        written = Written()
        written.number(var("a", domain) == "red")
        sides.append(written.data())
    domains, merged = meaning._domains(*sides)
    assert merged
    assert {d.values for d in domains.values() if d.name == "colour"} == {
        ("red", "green", "blue", "black")
    }
    assert not meaning._domains(sides[0], sides[0])[1]


def row(**told: Any) -> dict[str, Any]:
    """A row as data."""
    same = {"kind": "receive", "event": "Finished", "sources": ["A"], "target": "B"}
    written = {"guard": "True", "do": {}, "under": "None", "rfc": "1 2", "file": "f", "line": 3}
    return {**same, **written, **told}


def tables(rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The tables of a tree with one role and one scenario."""
    role = {"rows": rows, "sends": {}, "variables": {}, **more}
    about = {"roles": {"client": "client", "server": "client"}, "about": "", "rank": [False]}
    return {"roles": {"client": role}, "scenarios": {"s": about}, "properties": {}}


def test_rows_are_told_apart_by_what_they_say_and_not_by_where() -> None:
    old = tables({"same": row(), "gone": row(), "other": row()})
    new = tables({"same": row(line=9, rfc="3 4"), "added": row(), "other": row(guard="x")})
    found = {r.name: r.told for r in meaning._rows(old, new)}
    assert found == {"gone": "gone", "added": "added", "other": "changed"}
    assert [*meaning._others(old, new)] == []


def test_other_tables_are_compared() -> None:
    old = tables({}, sends={"Hello": {"a": "x", "b": "y"}}, variables={"v": [1, 2]})
    new = tables({}, sends={"Hello": {"a": "x", "b": "z"}}, variables={"v": [1, 2, 3]})
    new["properties"] = {"p": {"id": "P-1", "text": ""}}
    new["scenarios"]["s"] = {**new["scenarios"]["s"], "about": "more"}
    assert [*meaning._others(old, new)] == [
        "scenario s: defined otherwise",
        "property p: added",
        "client, contents of Hello: b gone, b added",
        "client, variable v: 3 added",
    ]


@pytest.mark.parametrize(
    ("more", "less", "otherwise", "told"),
    [
        (True, False, False, "weakened"),
        (False, True, True, "strengthened"),
        (True, True, False, "moved"),
        (False, False, True, "other effects"),
        (False, False, False, "reworded"),
    ],
)
def test_a_row_has_one_word_for_its_change(
    more: bool, less: bool, otherwise: bool, told: str
) -> None:
    r = Row("client", "r", row(), row(guard="x"), "s", Way(more), Way(less), otherwise)
    assert r.told == told
    assert Change("a", "b", [r]).differs is (told != "reworded")
    text = diff.as_markdown(Change("a", "b", [r]))
    assert f"| `r` | **{told}** | s | f:3 |" in text
    assert ("proved by the solver" in text) is (told == "reworded")


def test_what_cannot_arrive_is_told_from_what_was_not_found() -> None:
    never = Row("client", "r", row(), row(), "s", Way(True, states=1_000, complete=True))
    assert "Never: none of the 1,000 reachable states" in diff.as_markdown(
        Change("a", "b", [never])
    )
    open_ = Row("client", "r", row(), row(), "s", Way(True, states=1_000))
    assert "is not known: 1,000 states were" in diff.as_markdown(Change("a", "b", [open_]))


def test_verdicts_and_proofs_that_changed() -> None:
    def result(verdict: str, certificate: str | None) -> dict[str, Any]:
        told = {"id": "P-1", "declared": "PROVED", "trace": None}
        return {**told, "verdict": verdict, "certificate": certificate}

    proved, searched = result("PROVED", "(assert)"), result("PROVED", None)
    v = Verdicts("s", {"a": proved, "b": proved, "c": proved}, {"a": proved, "b": searched})
    assert [n for n, _, _ in v.changed()] == ["b", "c"]
    assert diff.as_markdown(Change("a", "b", verdicts=[v])).endswith(
        "`s`: 1 property as before.\n\n| property | before | now |\n| --- | --- | --- |\n"
        "| P-1 `b` | PROVED, with a proof | PROVED |\n| P-1 `c` | PROVED, with a proof |  |"
    )


def test_what_is_no_tree_is_refused(tmp_path: Path) -> None:
    for which, says in ((str(tmp_path), "the package model"), ("no/such", "is no folder, and git")):
        with pytest.raises(UsageError, match=says), meaning.tree(which):
            pass


@pytest.mark.deep
def test_a_dropped_check_is_found_with_its_attack(tmp_path: Path) -> None:
    for package in ("model", "properties", "checker", "diagrams"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    file = tmp_path / "model/generations/tls12_client.py"
    text = file.read_text()
    check = ',\n                    check("signature", signature_ok, "decrypt_error")]'
    assert check in text
    file.write_text(text.replace(check, "]"))
    done = subprocess.run(
        [sys.executable, "-m", "checker", "diff", str(ROOT), "--scenario", "closure"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    name = "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD"
    assert f"| `{name}` | **weakened** | closure |" in done.stdout
    assert f"#### `{name}`: taken now, and not before" in done.stdout
    assert "3 steps, then client0: `ServerKeyExchange(" in done.stdout
    assert "signature=junk)`, forged" in done.stdout
    assert "| SEC-1 `session_keys_with_an_honest_peer_are_secret` | PROVED" in done.stdout
