"""Verdicts as JUnit XML, which build servers show: a test suite for each scenario."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from checker.output import printable
from checker.report.sequence import chart
from checker.verdict import DEFINITE, PROVED, Result
from checker.verify import Outcome
from properties import catalogue

COUNTED = {
    "tests": "testcase",
    "failures": "testcase/failure",
    "errors": "testcase/error",
    "skipped": "testcase/skipped",
}
"""By attribute of a suite: the elements that it counts."""


def as_junit(outcome: Outcome, left_out: Mapping[str, str]) -> str:
    """A test case for each verdict: it fails if the verdict is not as declared.

    A verdict that is not reached, or that engines disagree about, is an error. What was asked for
    and left out is skipped, and each case of a property that is not as declared is a failure.
    """
    top = ET.Element("testsuites", name="verify")
    suites: dict[str, ET.Element] = {}

    def case(suite: str, name: str) -> ET.Element:
        if suite not in suites:
            suites[suite] = ET.SubElement(top, "testsuite", name=suite)
        return ET.SubElement(suites[suite], "testcase", classname=suite, name=name)

    for r in outcome.results:
        _judge(case(r.scenario, f"{r.id} {r.property}".strip()), r)
    for odd in outcome.odd_cases:
        _told(case("cases", f"{odd.id} {odd.property}"), "failure", odd.why, odd.case)
    for name, why in left_out.items():
        _told(case("left out", f"{catalogue()[name].id} {name}"), "skipped", why)
    if outcome.interrupted:
        _told(case("run", "every scenario is decided"), "error", "interrupted")
    for suite in suites.values():
        for attribute, kind in COUNTED.items():
            suite.set(attribute, str(len(suite.findall(kind))))
    ET.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(top, encoding="unicode")


def _judge(case: ET.Element, r: Result) -> None:
    """What a test case says of a result."""
    text = chart(r.trace) if r.trace is not None else r.reason
    if r.as_declared:
        if r.verdict != PROVED:
            ET.SubElement(case, "system-out").text = _xml(f"{r.verdict}: {r.reason}")
        return
    kind = "failure" if r.verdict in DEFINITE and not r.error else "error"
    reason = f": {r.reason}" if r.reason else ""
    _told(case, kind, f"{r.verdict}, declared {r.declared}{reason}", text, r.verdict)


def _told(case: ET.Element, tag: str, message: str, text: str = "", kind: str = "") -> None:
    child = ET.SubElement(case, tag, message=_xml(message))
    if kind:
        child.set("type", kind)
    child.text = _xml(text) or None


def _xml(text: str) -> str:
    """The text without what XML cannot carry."""
    return printable(text)
