"""What a notebook shows: pictures of machines and traces, tables of verdicts, and the tour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checker.trace import Trace, TraceStep
from checker.verdict import PROVED, VIOLATED, Result
from checker.verify import Outcome
from diagrams import notebook
from diagrams.render import texts
from model.machine import Run
from tests.toys.handshake import asker

ROOT = Path(__file__).resolve().parents[2]
STEP = TraceStep(
    "client0", "send", "Token", "local", {"colour": "red"}, "a_row", "1 2", "True", "A", "B", "",
    None, (), {},
)  # fmt: skip
TRACE = Trace("toy", "tokens_are_red", ("client0", "server0"), {}, (STEP,))


def test_a_trace_is_drawn() -> None:
    shown = TRACE._repr_svg_()
    assert shown is not None
    assert {"tokens are red", "1  Token", "B"} <= texts(shown)


def test_a_run_is_drawn_in_its_state() -> None:
    run = Run(asker, "client0")
    shown = run._repr_svg_()
    assert shown is not None
    assert run.state in texts(shown)
    assert notebook.HERE in shown
    assert notebook.HERE not in (asker._repr_svg_() or notebook.HERE)


def test_a_result_shows_its_verdict_and_its_trace() -> None:
    broken = Result("tokens_are_red", "T-1", "toy", VIOLATED, trace=TRACE, reason="a < b")
    page = broken._repr_html_()
    assert "<th>VIOLATED</th>" in page
    assert "a &lt; b" in page
    assert "<svg" in page
    proved = Result("tokens_are_red", "T-1", "toy", PROVED)
    assert proved._repr_svg_() is None
    assert "<td>PROVED</td>" in proved._repr_html_()
    both = Outcome([broken, proved])._repr_html_()
    assert "<p>2 verdicts: 1 VIOLATED, 1 PROVED; 1 not as declared</p>" in both


def test_what_is_no_value_of_ours_is_refused() -> None:
    for show in (notebook.picture, notebook.page):
        with pytest.raises(TypeError, match="got int"):
            show(1)


@pytest.mark.deep
def test_the_tour_runs_and_shows_pictures() -> None:
    import nbclient
    import nbformat

    tour = nbformat.read(ROOT / "diagrams/tour.ipynb", as_version=4)
    resources = {"metadata": {"path": str(ROOT)}}
    nbclient.NotebookClient(tour, timeout=600, resources=resources).execute()
    shown: list[Any] = [c.outputs[-1] for c in tour.cells if c.cell_type == "code"]
    svg = [o["data"].get("image/svg+xml", "") for o in shown]
    assert "WAIT_SH" in svg[0]
    assert notebook.HERE in svg[1]
    assert "ServerKeyExchange" in svg[3]
    assert "VIOLATED" in shown[2]["data"]["text/html"]
    assert "(5790, 14674)" in shown[4]["data"]["text/plain"]
