"""The alert table against the machines: each cell is what firing them gives."""

from __future__ import annotations

import json

import pytest

from diagrams.alerts import Cell, alerts, as_json, as_markdown, codes
from model.machine import Run, fields_of
from model.roles import role
from model.rule import snake


@pytest.mark.scenario
@pytest.mark.parametrize("name", ["client", "server"])
def test_a_cell_has_every_alert_that_the_machine_answers_with(name: str) -> None:
    of, me = role(name), f"{name}0"
    table = alerts(of)
    for state, row in table.items():
        for message in of.alphabet:
            run = Run(of, me)
            run.place({"state": state})
            values = {
                f: next(v for v in d.values if v != "none")
                for f, d in message.fields.items()
                if message.demands(f)
            }
            alert = getattr(run, f"receive_{snake(message.name)}")(**fields_of(message, values))
            cell = row[message.name]
            assert (alert in cell.alerts) if alert is not None else cell.taken


def test_cells_that_the_rfc_names() -> None:
    client, server = alerts(role("client")), alerts(role("server"))
    assert server["WAIT_CCS"]["Finished"] == Cell(False, ("unexpected_message",))
    assert client["WAIT_FIN"]["Finished"] == Cell(True, ("decrypt_error",))
    assert server["WAIT_CERT"]["Certificate"].taken
    assert "certificate_required" in server["WAIT_CERT"]["Certificate"].alerts
    assert client["WAIT_CERTIFICATE"]["UndecryptableRecord"].alerts == ("bad_record_mac",)


def test_markdown_and_json_say_the_same() -> None:
    ends = [role("client"), role("server")]
    data, text = json.loads(as_json(ends)), as_markdown(ends)
    assert set(data) == {"schema_version", "command", "client", "server"}
    for name in ("client", "server"):
        assert all(f"| {state} |" in text for state in data[name])
    row = next(x for x in text.splitlines() if x.startswith("| WAIT_FIN |"))
    assert row.count("|") == len(role("client").alphabet) + 2


def test_codes_differ() -> None:
    short = codes(["decode_error", "decrypt_error", "unknown_ca", "unexpected_message"])
    assert len(set(short.values())) == 4
    assert short["decode_error"] == "de"
