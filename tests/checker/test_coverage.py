"""Coverage: what a search took, and which checks decided."""

from __future__ import annotations

import json

import pytest

from checker.cli import main
from checker.coverage import coverage
from checker.request import Request


@pytest.mark.scenario
def test_every_rule_is_taken_or_listed() -> None:
    found = coverage(Request(scenario="tls12-small"))
    assert found.reason == "" and found.accepted + len(found.never) == 121
    assert found.taken["client_receive_finished_WAIT_FIN_to_CONNECTED"] > 0
    # All of TLS 1.3 is out of reach here.
    assert "client_receive_encrypted_extensions_WAIT_EE_to_WAIT_CERT_CR" in found.impossible


@pytest.mark.scenario
def test_a_check_decides_where_it_alone_refuses() -> None:
    found = coverage(Request(scenario="tls12-small"))
    # With one version at each end there is no sentinel to find.
    row = "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE"
    assert (row, "downgrade sentinel") in found.idle
    assert ("client_receive_finished_WAIT_FIN_to_CONNECTED", "verify_data") not in found.idle


@pytest.mark.deep
def test_a_flaws_row_is_covered() -> None:
    found = coverage(Request(scenario="tls12-small", flaw="early_ccs"))
    assert found.taken["server_early_change_cipher_spec"] > 0


@pytest.mark.scenario
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coverage", "--scenario", "tls12-small"]) == 0
    assert "rules never taken: " in capsys.readouterr().out
    assert main(["coverage", "--scenario", "tls12-small", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    assert main(["coverage", "--scenario", "tls12-small", "--states", "50"]) == 3
    assert "not complete" in capsys.readouterr().out
    assert main(["coverage", "--scenario", "nonsense"]) == 2
