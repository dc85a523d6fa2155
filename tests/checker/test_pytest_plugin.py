"""Properties in pytest: what a failure says, the options, the items, and other projects."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from model.scenario import scenario
from properties import catalogue

pytest_plugins = ["pytester"]
SMALL = "tls12-small"

MISTAKES = {
    "[when(r.keyd).then(r.verified) for r in w.clients]": "called 'keyd'; did you mean keyed",
    "[when(r.keyed).then(r.verified) for r in w.client]": "did you mean clients?",
    "[when(r.keyed and r.verified).then(r.keyed) for r in w.runs]": "write & | ~ instead of and",
    "[when(r.version == 'TLS99').then(r.keyed) for r in w.runs]": "did you mean TLS1",
    "[when(r.keyed).then(r.version) for r in w.runs]": "then: expected a condition",
    "[when(r.keyed).then(verifed) for r in w.runs]": "name 'verifed' is not defined",
    "w.runs[0].version": "return: expected a condition",
    "True": "expected implications, when(...).then(...), or one expression, got True",
    "[True]": "expected implications, when(...).then(...), or one expression, got True",
    "None": "expected implications, when(...).then(...), or one expression, got None",
}
"""What a property says, and what is told of its mistake."""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder that is none of ours."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


# -- a property ------------------------------------------------------------------------------------
@pytest.mark.scenario
def test_a_mistake_points_at_its_line_and_shows_no_frame_of_ours(pytester: pytest.Pytester) -> None:
    tests = [
        f"def test_{i}(model_check):\n    model_check.holds({SMALL!r}, lambda w:\n        {says})\n"
        for i, says in enumerate(MISTAKES)
    ]
    wrong = f"def test_name(model_check):\n    model_check.holds({SMALL[:-1]!r}, lambda w: [])\n"
    pytester.makepyfile("\n".join(["from properties import when", *tests, wrong]))
    result = pytester.runpytest_inprocess("-p", "checker.pytest_plugin", "-n0")
    result.assert_outcomes(failed=len(MISTAKES) + 1)
    out = result.stdout.str()
    file = "test_a_mistake_points_at_its_line_and_shows_no_frame_of_ours.py"
    lines = out[out.index("= FAILURES =") : out.index("short test summary")].splitlines()
    told = [x for x in lines[1:] if not re.match(r"[_=]", x)]
    assert len(told) == len(MISTAKES) + 1
    for i, says in enumerate(MISTAKES.values()):
        line = 4 * i + 4  # or that of the `lambda`, for what it returns
        assert told[i].startswith((f"{file}:{line}: ", f"{file}:{line - 1}: "))
        assert says in told[i]
    assert re.search(rf"{file}:\d+: no scenario is called .*did you mean {SMALL}", told[-1])


@pytest.mark.scenario
def test_a_failure_has_line_case_values_chart_and_command(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_one=f"""
        from properties import when

        def test_wrong(model_check):
            def keyed_is_verified(w):
                return [when(r.keyed).then(r.verified) for r in w.clients]

            model_check.holds({SMALL!r}, keyed_is_verified)

        def test_none(model_check):
            model_check.violated({SMALL!r}, lambda w: [when(r.delivered).then(r.verified)
                                                       for r in w.runs])

        def test_few(model_check):
            model_check.holds({SMALL!r}, "ORD-1", states=2)

        """
    )
    result = pytester.runpytest_inprocess("-p", "checker.pytest_plugin", "-n0")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            f"test_one.py:4: keyed_is_verified in {SMALL}: VIOLATED",
            "    client0  *network*server0",
            "  1    |*ClientHello*>|*|",
            "wrong at the end: test_one.py:5:17, r is client0",
            "when r.keyed: client0.keyed=True",
            "then r.verified is false: client0.verified=False",
            "steps:",
            "replay: python -m pytest test_one.py::test_wrong",
            "test_one.py:10: property in *: PROVED (a violation was expected)",
            f"*order.py:*: data_is_delivered_* in {SMALL}: UNKNOWN (*)",
            f"replay: python -m checker verify ORD-1 --scenario {SMALL} --states 2",
        ]
    )


@pytest.mark.deep
def test_a_proof_is_asked_for_by_the_test_or_by_an_option(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        def test_proof(model_check):
            found = model_check.proved({SMALL!r}, "ORD-1")
            assert found.certificate and found.method == "proof"

        def test_by_option(model_check):
            assert model_check.holds({SMALL!r}, "ORD-1").method == "search+proof"
        """
    )
    result = pytester.runpytest_inprocess("-p", "checker.pytest_plugin", "-n0", "--tls-engine=all")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--tls-engine=symbolc", "--tls-engine: expected one of .*symbolic.* got 'symbolc'"),
        ("--tls-states=0", "--tls-states: expected a whole number of states above 0"),
        ("--tls-time=soon", "--tls-time: expected a number of seconds above 0"),
    ],
)
def test_a_wrong_option_is_told_before_the_tests(
    pytester: pytest.Pytester, option: str, says: str
) -> None:
    result = pytester.runpytest_inprocess("-p", "checker.pytest_plugin", "-n0", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(says, result.stderr.str())


# -- every property --------------------------------------------------------------------------------
@pytest.mark.deep
def test_every_property_of_every_default_scenario_is_an_item(pytester: pytest.Pytester) -> None:
    plugin = ("-p", "checker.pytest_plugin", "-n0", "--tls-properties")
    result = pytester.runpytest_inprocess(*plugin, "--collect-only", "-q")
    found = {x for x in result.outlines if "::" in x}
    there = scenario("tls12-small").features
    applies = {f"tls12-small::{p.id}" for p in catalogue().values() if set(p.needs) <= there}
    assert {x for x in found if x.startswith("tls12-small::")} == applies
    assert {"tls13::AUT-1", "honest-half-close::CLO-3"} <= found
    done = run(pytester.path, "--tls-properties", "-k", "tls12-small and ORD-13")
    assert f"1 passed, {len(found) - 1} deselected" in done.stdout
    few = ("--tls-states=5", "--tls-engine=explicit")
    done = run(pytester.path, "--tls-properties", "-k", "tls12-small and ORD-13", *few)
    assert f"1 failed, {len(found) - 1} deselected" in done.stdout
    assert re.search(r"order\.py:\d+: \w+ in tls12-small: UNKNOWN \(.*declared PROVED", done.stdout)
    command = "verify ORD-13 --scenario tls12-small --engine explicit --states 5"
    assert f"replay: python -m checker {command}\n" in done.stdout


# -- other projects --------------------------------------------------------------------------------
def test_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport checker.pytest_plugin\n"
        "print(sorted(m for m in set(sys.modules) - before if '.' not in m))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "['checker']\n", done.stderr


def test_a_project_with_a_file_of_our_names_is_left_alone_until_it_asks(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("ANSWER = 42\n")
    (tmp_path / "test_own.py").write_text(
        "from model import ANSWER\n\ndef test_own():\n    assert ANSWER == 42\n"
    )
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "test_own.py").write_text(
        "def test_asks(model_check):\n    model_check.holds('tls12-small', 'ORD-1')\n"
    )
    (tmp_path / "test_imports.py").write_text("from model.expr import conj\n")
    (tmp_path / "test_other.py").write_text("import nothing_of_ours\n")
    done = run(tmp_path, "--continue-on-collection-errors")
    says = f"but model is {tmp_path / 'model.py'}. Rename a file of your own"
    # Where CI is set, pytest repeats whole messages in its summary.
    assert done.stdout.partition("short test summary")[0].count(says) == 2, done.stdout
    assert "No module named 'model.expr'; 'model' is not a package" in done.stdout
    assert "No module named 'nothing_of_ours'" in done.stdout
