"""What the command line says and writes: lists, generated tables, places for output, errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import properties
from checker import arguments, cli, docs, listing, output
from checker.report.columns import columns
from checker.report.words import count
from model.near import UsageError
from model.rule import ModelError

ROOT = Path(__file__).resolve().parents[2]


def run(*args: str, status: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command in this process; what it prints, or its errors if it fails."""
    got = cli.main(args)
    out = capsys.readouterr()
    assert got == status, out.out + out.err
    return out.err if status else out.out


# -- what there is ---------------------------------------------------------------------------------
def test_the_version_is_that_of_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        cli.main(["--version"])
    assert e.value.code == 0
    assert f'version = "{capsys.readouterr().out.strip()}"' in (ROOT / "pyproject.toml").read_text()


def test_one_kind_is_listed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    out = run("list", "Engines", status=0, capsys=capsys)
    assert out.startswith("engines:\n")
    assert "flaws:" not in out
    found = json.loads(run("list", "flaws", "--format", "json", status=0, capsys=capsys))
    assert set(found) == {"schema_version", "command", "flaws"}
    assert "no kind of thing is called 'flows'; did you mean flaws" in run(
        "list", "flows", status=2, capsys=capsys
    )
    assert tuple(listing.KINDS) == arguments.KINDS


def test_checks_are_listed_in_the_spelling_of_drop(capsys: pytest.CaptureFixture[str]) -> None:
    out = run("list", "rules", status=0, capsys=capsys)
    assert "known_CA" in out
    assert "known CA" not in out


@pytest.mark.deep
def test_what_a_rule_touches(capsys: pytest.CaptureFixture[str]) -> None:
    rule = "server_receive_certificate_CONNECTED_to_PH_WAIT_CV"
    given = ("list", "--touching", rule.upper(), "--format", "json")
    data = json.loads(run(*given, status=0, capsys=capsys))
    assert {"scenario": "honest-post-handshake-auth", "states": 21888} in data["scenarios"]


def test_a_rule_that_is_none_touches_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no rule is called 'client_nothing'; did you mean client_" in run(
        "list", "--touching", "client_nothing", status=2, capsys=capsys
    )


@pytest.mark.deep
def test_what_a_rule_touches_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    rule = "server_receive_certificate_CONNECTED_to_PH_WAIT_CV"
    out = run("list", "--touching", rule, status=0, capsys=capsys)
    assert "python -m checker verify --scenario honest-post-handshake-auth" in out
    assert f"{rule} can fire in " in out


# -- generated tables ------------------------------------------------------------------------------
def test_a_region_is_filled_and_a_stale_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    file = tmp_path / "README.md"
    file.write_text("# T\n\n<!-- generated: exit-status -->\nold\n<!-- end -->\n\nrest\n")
    assert docs.refresh(tmp_path, check=True) == (["stale: README.md", "type `make docs`"], 1)
    assert docs.refresh(tmp_path) == (["written: README.md", "1 document written"], 0)
    text = file.read_text()
    assert text.startswith("# T\n\n<!-- generated: exit-status -->\n| status | meaning |\n")
    assert text.endswith("| 130 | interrupted; what was found is printed |\n<!-- end -->\n\nrest\n")
    assert docs.refresh(tmp_path, check=True) == (["the generated tables are fresh"], 0)


@pytest.mark.parametrize("name", list(docs.TABLES))
def test_each_table_is_a_table(name: str) -> None:
    lines = docs.TABLES[name]().splitlines()
    assert len(lines) > 5
    assert len({line.count(" | ") for line in lines}) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!-- generated: flows -->\n<!-- end -->\n", "no generated table is called 'flows'; did"),
        ("<!-- generated: flaws -->\n", "to end with <!-- end -->, got 0 of 1"),
    ],
)
def test_a_malformed_region_is_one_clear_error(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=f"A.md: .*{says}"):
        docs.filled(text, "A.md")


def test_the_tables_of_this_tree_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    run("docs", "--check", status=0, capsys=capsys)


# -- where output goes -----------------------------------------------------------------------------
def test_a_place_that_takes_no_file_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("kept")
    for option, path, says in [
        ("-o", tmp_path, "expected a file to write, got a folder"),
        ("-o", tmp_path / "no" / "x", f"expected a folder {tmp_path / 'no'}, which is not there"),
        ("-o", plain / "x", "which is not there"),
        ("--certificates", plain, "expected a folder, got"),
        ("--certificates", plain / "x", "expected a folder, got"),
    ]:
        out = run("verify", "--scenario", "tls12", option, str(path), status=2, capsys=capsys)
        assert out.startswith(f"error: {option} {path}: ")
        assert says in out
    assert plain.read_text() == "kept"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plain"]


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out"
    output.write(str(file), "one")
    file.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    output.write(str(link), "two")
    assert link.is_symlink()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("two", 0o640)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "out")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        output.write(str(file), "three")
    assert file.read_text() == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "out"]


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m checker list; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | true"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr == "141\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    ("to", "says"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")]
)
def test_a_stdout_that_takes_nothing_is_one_clear_error(to: str, says: str) -> None:
    command = f"{sys.executable} -m checker list engines {to}"
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, env=buffered
    )
    assert done.returncode == 2
    assert done.stderr == f"error: stdout: expected a place to write, got: {says}\n"


# -- errors ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "says", "status"),
    [
        (UsageError("no such thing"), "error: no such thing\n", 2),
        (FileNotFoundError(2, "No such file", "x"), "error: x: No such file\n", 2),
        (ModelError("a row"), "error in the model: a row\n", 4),
        (KeyError("x"), "internal error: KeyError: 'x'; --traceback shows where\n", 4),
        (LookupError("x"), "internal error: LookupError: x; --traceback shows where\n", 4),
    ],
)
def test_only_mistakes_of_the_user_are_usage_errors(
    error: Exception,
    says: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(_: object) -> int:
        raise error

    monkeypatch.setitem(cli.COMMANDS, "list", fails)
    assert run("list", status=status, capsys=capsys) == says


@pytest.mark.scenario
@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ('without_fields("Finished", "client_randoms")', "did you mean client_random, "),
        (
            'without_check("client_receive_finshed", "verify_data")',
            "no row of the client is called",
        ),
        ("with_rows(NEVER)", "no patched row ever fires: client_never; in tls12-small it can "),
    ],
    ids=["a field", "a row", "a row that never fires"],
)
def test_a_mistake_in_a_flaw_of_ones_own_is_one_line(
    patch: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from model.flaws import Flaw\n"
        "from model.message import Finished\n"
        "from model.patch import without_check, without_fields, with_rows\n"
        "from model.principal import client\n"
        "from model.rule import receive\n"
        'NEVER = receive("client", Finished, "START", "CONNECTED", rfc="5246 7",\n'
        '                when=client.version == "TLS13", label="client_never")\n'
        f'FLAW = Flaw("mine", 0, "t", "s", "tls12-small",\n'
        f'            {{"client": {patch}}}, {{"client": ()}})\n'
    )
    told = run("verify", "ORD-1", "--flaw", str(file), status=2, capsys=capsys)
    errors = [line for line in told.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert errors[0].startswith(f"error: {file}: ")
    assert says in errors[0]


def test_a_wrong_property_is_named_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(properties.catalogue())
    monkeypatch.setattr(properties, "registry", dict(before))
    with pytest.raises(ModelError, match=r"test_cli\..*: id ORD-1 is that of properties\.order\."):
        properties.invariant("ORD-1", "5246 7.3")(_always)
    # Two functions of one name in one file.
    made: dict[str, Any] = {}
    exec("def twin(w): pass\nfirst = twin\ndef twin(w): pass", made)
    properties.invariant("MY-2", "5246 7.3")(made["first"])
    with pytest.raises(ModelError, match="name twin is that of"):
        properties.invariant("MY-3", "5246 7.3")(made["twin"])
    del properties.registry["twin"]
    properties.invariant("MY-1", "5246 7.3", ("client-auht",))(_always)
    with pytest.raises(ModelError, match=r"_always: needs: no feature .* did you mean client-auth"):
        properties.catalogue.__wrapped__()


def _always(w: object) -> list[object]:
    return []


def test_a_file_that_hides_a_package_is_told_by_pytest(tmp_path: Path) -> None:
    (tmp_path / "model.py").touch()
    (tmp_path / "test_mine.py").write_text("from properties import when\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "checker.pytest_plugin",
            "-p",
            "no:cacheprovider",
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={
            "PYTHONPATH": str(ROOT),
            "PYTEST_ADDOPTS": "--import-mode=prepend -p no:cacheprovider",
        },
    )
    assert done.returncode == 2
    assert f"but model is {tmp_path / 'model.py'}. Rename a file of your own" in done.stdout


# -- text ------------------------------------------------------------------------------------------
def test_columns_and_counts() -> None:
    assert columns([("a", "bb", ""), (10, "c", "d")]) == ["a   bb", "10  c   d"]
    assert columns([]) == []
    assert (count(1, "proof"), count(0, "proof")) == ("1 proof", "0 proofs")
    assert count(2, "property", "properties") == "2 properties"
