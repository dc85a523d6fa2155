"""The formats of `verify`: JSON by the published schemas, JUnit, SARIF, Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from referencing import Registry, Resource

import checker.report
from checker import cli
from checker.replay import Recorded, as_json
from checker.report import junit, machine_readable, markdown, sarif
from checker.report.locations import of_property, of_row
from checker.request import Request
from checker.verdict import UNKNOWN, Result
from checker.verify import Outcome, verify
from model.roles import role
from model.scenario import SCENARIOS
from properties import catalogue
from tests.sizes import deep_but

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = Path(str(checker.report.__file__)).parent / "schemas"
OFFICIAL = json.loads(Path(__file__).with_name("schemas").joinpath("sarif-2.1.0.json").read_text())
"""The schema of SARIF as OASIS published it, without line ends."""
PATCH = "client_receive_finished_WAIT_FIN_to_CONNECTED:session_id"
ASKED = Request(properties=("ORD-13", "ORD-1", "LIV-1"), scenario="tls12-small", drop=(PATCH,))

LEFT_OUT = next(p.name for p in catalogue().values() if p.kind == "leads_to")


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """The verdicts of a patched scenario: one falls, one holds."""
    return verify(ASKED)


def fits(document: Any, name: str) -> None:
    """Hold a document against a published schema."""
    every = {p.name: json.loads(p.read_text()) for p in SCHEMAS.glob("*.json")}
    known = Registry().with_resources((n, Resource.from_contents(s)) for n, s in every.items())
    schema = every[f"{name}.schema.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema, registry=known).validate(document)


def undecided(of: Outcome) -> Outcome:
    """An interrupted outcome, of which a verdict is not reached and another is an error."""
    first, second = of.results
    open_ = replace(first, verdict=UNKNOWN, trace=None, reason="the memory < ended")
    wrong = replace(second, error=True, reason="engines disagree")
    return replace(of, results=[open_, wrong], interrupted=True)


@pytest.mark.scenario
def test_json_fits_its_schema(outcome: Outcome) -> None:
    for of in (outcome, undecided(outcome)):
        fits(json.loads(machine_readable.as_json(of, {"x": "why"})), "verify")
        fits(json.loads(machine_readable.last_line(of, {})), "verify")
        for line in machine_readable.as_lines(of.results).splitlines():
            fits(json.loads(line), "verify")
    (trace,) = (r.trace for r in outcome.results if r.trace is not None)
    fits(json.loads(as_json(Recorded(trace, drop=(PATCH,)))), "trace")


@pytest.mark.scenario
def test_a_schema_refuses_what_is_none(outcome: Outcome) -> None:
    document = json.loads(machine_readable.as_json(outcome, {}))
    for change in ({"odd": 1}, {"interrupted": "no"}, {"results": [{}]}, {"command": "audit"}):
        with pytest.raises(jsonschema.ValidationError):
            fits({**document, **change}, "verify")


LEARNED = Path(__file__).with_name("learned")
A, B = (str(LEARNED / f"node-0.10.{n}-1.2-off.dot") for n in (28, 29))
ROW = "client_send_finished_SEND_FIN_to_WAIT_CCS"
COMMANDS = {
    "audit": ["audit", A, B],
    "comparison": ["audit", "--compare", A, B],
    "doctor": ["doctor"],
    "list": ["list"],
}
DEEP_COMMANDS = {
    "attacks": ["attacks", "selfie"],
    "conform": ["conform", "python-ssl", "--version", "1.3"],
    "coverage": ["coverage", "--scenario", "tls12-small"],
    "mutants": ["mutants", "--scenario", "tls12-small", "--row", ROW],
}


@pytest.mark.scenario
@pytest.mark.parametrize("name", deep_but([*COMMANDS], [*COMMANDS, *DEEP_COMMANDS]))
def test_what_each_command_writes_fits_its_schema(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*(COMMANDS | DEEP_COMMANDS)[name], "--format", "json"]) in (0, 1)
    fits(json.loads(capsys.readouterr().out), name)


@pytest.mark.deep
def test_what_certify_writes_fits_its_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proved = ["verify", "ORD-13", "--scenario", "tls12-small", "--engine", "symbolic"]
    assert cli.main([*proved, "--certificates", str(tmp_path)]) == 0
    files = [str(x) for x in tmp_path.glob("*.smt2")]
    capsys.readouterr()
    assert cli.main(["certify", *files, "--solver", "z3", "--format", "json"]) == 0
    fits(json.loads(capsys.readouterr().out), "certify")


def test_each_schema_is_of_a_command() -> None:
    # That of `tightness` is tried where the answer is, in test_mutants.
    tried = {*COMMANDS, *DEEP_COMMANDS, "certify", "tightness", "trace", "verify"}
    assert {p.name.removesuffix(".schema.json") for p in SCHEMAS.glob("*.json")} == tried


# -- JUnit -----------------------------------------------------------------------------------------
@pytest.mark.scenario
def test_junit_has_a_failure_for_what_is_not_as_declared(outcome: Outcome) -> None:
    top = ET.fromstring(junit.as_junit(outcome, {LEFT_OUT: "it needs it"}))
    small, left = top
    assert small.attrib == {
        "name": "tls12-small", "tests": "2", "failures": "1", "errors": "0", "skipped": "0",
    }  # fmt: skip
    (failed,) = (c for c in small if c.find("failure") is not None)
    assert failed.get("name") == "ORD-13 finished_covers_every_handshake_message"
    said = failed.find("failure")
    assert said is not None
    assert said.get("message") == "VIOLATED, declared PROVED"
    assert "14 steps in tls12-small" in str(said.text) and "Finished" in str(said.text)
    assert (left.get("name"), left.get("skipped")) == ("left out", "1")


@pytest.mark.scenario
def test_junit_has_an_error_for_what_is_not_decided(outcome: Outcome) -> None:
    small, run = ET.fromstring(junit.as_junit(undecided(outcome), {}))
    assert (small.get("errors"), small.get("failures")) == ("2", "0")
    assert run.get("errors") == "1"


# -- SARIF -----------------------------------------------------------------------------------------
def log(results: Sequence[Result], request: Request = ASKED) -> Any:
    """The one run of a SARIF log that fits the official schema."""
    found = json.loads(sarif.as_sarif(results, request))
    jsonschema.Draft4Validator(OFFICIAL).validate(found)
    (run,) = found["runs"]
    return run


@pytest.mark.scenario
def test_sarif_leads_from_row_to_row(outcome: Outcome) -> None:
    run = log(outcome.results)
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("ORD-13", "error")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "ORD-13"
    (flow,) = result["codeFlows"]
    (thread,) = flow["threadFlows"]
    steps = thread["locations"]
    assert len(steps) == 14
    assert [s["executionOrder"] for s in steps] == [*range(1, 15)]
    for step in steps:
        place = step["location"]["physicalLocation"]
        line = place["region"]["startLine"]
        text = (ROOT / place["artifactLocation"]["uri"]).read_text().splitlines()[line - 1]
        message = step["location"]["message"]["text"].split("(")[0].split()[-1]
        assert re.search(rf"(receive|send)\(\"(client|server)\", {message}(Message)?\b", text)
    (near,) = result["relatedLocations"]
    assert near["physicalLocation"]["artifactLocation"]["uri"] == "properties/order.py"


@pytest.mark.scenario
def test_sarif_of_what_is_undecided_or_declared(outcome: Outcome) -> None:
    open_, wrong = log(undecided(outcome).results)["results"]
    assert (open_["kind"], open_["level"]) == ("open", "none")
    assert (wrong["kind"], wrong["level"]) == ("fail", "error")
    (falls,) = (r for r in outcome.results if r.trace is not None)
    declared = replace(falls, declared="VIOLATED", reason="it may")
    (note,) = log([declared], Request())["results"]
    assert note["level"] == "note"
    assert note["suppressions"] == [{"kind": "external", "justification": "it may"}]


def test_each_row_and_property_is_written_where_its_location_says() -> None:
    lines: dict[str, list[str]] = {}

    def at(file: str, line: int) -> str:
        if file not in lines:
            lines[file] = (ROOT / file).read_text().splitlines()
        return lines[file][line - 1]

    for name in dict.fromkeys(s.extensions for s in SCENARIOS if len(s.extensions) < 3):
        for end in ("client", "server"):
            of = role(end, name)
            for row in of.table:
                where = of_row(of, row)
                assert where is not None
                assert re.search(r"\b(receive|send|step)\(", at(where.file, where.line)), row.name
    for p in catalogue().values():
        place = of_property(p)
        assert place is not None
        assert at(place.file, place.line).startswith("@")


# -- Markdown --------------------------------------------------------------------------------------
@pytest.mark.scenario
def test_markdown_shows_what_falls_with_its_trace(outcome: Outcome) -> None:
    lines = markdown.as_markdown(outcome, {}, ASKED).splitlines()
    assert lines[0] == "### 2 verdicts: 1 VIOLATED, 1 PROVED; 1 not as declared"
    assert (
        "| ! | ORD-13 `finished_covers_every_handshake_message` | tls12-small | VIOLATED | PROVED "
        "| 14 steps |"
    ) in lines
    assert "```mermaid" in lines
    assert not any("ORD-1 " in line for line in lines)


def test_a_table_of_markdown_keeps_its_columns() -> None:
    assert markdown.table(("a", "b"), [("x|y", "one\ntwo")]).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| x\\|y | one two |",
    ]


@pytest.mark.parametrize(
    ("form", "start"),
    [
        pytest.param("markdown", "### 1 verdict: 1 PROVED", marks=pytest.mark.scenario),
        pytest.param("junit", "<?xml", marks=pytest.mark.deep),
        pytest.param("sarif", "{", marks=pytest.mark.deep),
    ],
)
def test_a_format_is_written_by_the_command(form: str, start: str, tmp_path: Path) -> None:
    out = tmp_path / form
    asked = ("verify", "ORD-1", "--scenario", "retry-early-data-honest", "--format", form)
    assert cli.main([*asked, "-o", str(out)]) == 0
    assert out.read_text().startswith(start)
