"""Machines that `learn` wrote of real stacks: each file says of which and when, and is audited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checker.conformance.audit import Asked, Audit, audit
from checker.conformance.comparison import LAXER

HERE = Path(__file__).parent / "learned"
HEAD = re.compile(
    r"// (?P<stack>\S+) \((?P<release>.+)\), (?P<role>server|client), TLS (?P<version>1\.\d), "
    r"client authentication (?P<auth>\w+); learned on \d{4}-\d\d-\d\d"
)
CCS = "ChangeCipherSpec"
LAX = {
    "node-0.10.28-1.2-off": {
        ("ClientHello", CCS): "early_ccs",
        ("ClientHello", "ClientHello"): "",
    },
    "node-0.10.29-1.2-off": {
        ("ClientHello", "ClientHello"): "",
        ("ClientHello", "ClientKeyExchange", CCS, "Finished", CCS): "",
    },
    "openssl-1.2-off": {},
    "openssl-1.3-mandatory": {},
    "nss-1.2-mandatory": {},
    "jsse-1.2-mandatory": {
        ("ClientHello", "Certificate", "ClientKeyExchange", CCS): "",
    },
    "wolfssl-1.2-off": {("ClientHello", "Certificate"): ""},
    "boringssl-1.3-mandatory": {},
}
"""By file: each laxer word that is behind no other, and the published flaw that it is."""


def audited(name: str) -> Audit:
    """The audit of a machine, in the setting that its head names."""
    file = HERE / f"{name}.dot"
    head = HEAD.fullmatch(file.read_text(encoding="utf-8").splitlines()[0])
    assert head is not None
    assert name.startswith(head["stack"])
    return audit(str(file), Asked(head["role"], head["version"], head["auth"]))


def test_each_file_is_audited() -> None:
    assert {f.stem for f in HERE.glob("*.dot")} == {*LAX}


@pytest.mark.scenario
@pytest.mark.parametrize("name", LAX)
def test_the_laxer_words_of_a_learned_machine(name: str) -> None:
    result = audited(name)
    assert not result.error
    found = {d.word: d.flaw for d in result.divergences if d.kind == LAXER and not d.behind}
    assert found == LAX[name]
