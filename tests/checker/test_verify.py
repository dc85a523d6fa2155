"""The command `verify` as a user sees it: verdicts, exit statuses, budgets, errors, JSON."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import networkx as nx
import pytest

import checker
from checker import cli
from checker.decide import run_task
from checker.engines.native import Native
from checker.engines.native_source import available
from checker.pool import cores, share
from checker.report.sequence import chart
from checker.report.text import by_property, summary, table
from checker.request import Request, Task, checked, left_out, omissions, scenarios_of
from checker.verdict import Result, exit_status
from checker.verify import _run, combined, verify
from model.scenario import SCENARIOS
from properties import Case, find
from tests.sizes import deep_but

ROOT = Path(__file__).resolve().parents[2]

SCHEMA = {
    "type": "object",
    "required": ["schema_version", "results", "timings", "interrupted"],
    "properties": {
        "schema_version": {"const": 1},
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "property",
                    "scenario",
                    "verdict",
                    "declared",
                    "method",
                    "states",
                    "depth",
                    "trace",
                    "certificate",
                    "configurations",
                    "witness",
                    "cases",
                ],
                "properties": {
                    "verdict": {
                        "enum": ["PROVED", "HOLDS_TO_DEPTH", "VIOLATED", "VACUOUS", "UNKNOWN"]
                    },
                    "states": {"type": ["integer", "null"]},
                    "depth": {"type": ["integer", "null"]},
                    "certificate": {"type": ["string", "null"]},
                    "configurations": {"type": ["integer", "null"]},
                    "witness": {"type": "boolean"},
                    "cases": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["place", "case", "reached"],
                            "properties": {"reached": {"type": ["boolean", "null"]}},
                        },
                    },
                    "trace": {"type": ["object", "null"]},
                },
            },
        },
    },
}


def run(*args: str, status: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command in this process; its output."""
    got = cli.main(args)
    out = capsys.readouterr()
    assert got == status, out.out + out.err
    return out.out + out.err


@pytest.mark.scenario
def test_a_small_scenario_verifies(capsys: pytest.CaptureFixture[str]) -> None:
    out = run("verify", "--scenario", "integrity-only", status=0, capsys=capsys)
    assert "ORD-1   data_is_delivered_only_after_finished_is_verified" in out
    assert "446,916 states" in out
    assert "all as declared" in out


@pytest.mark.scenario
def test_search_and_proof_are_both_told(capsys: pytest.CaptureFixture[str]) -> None:
    out = run("verify", "ORD-1", "--scenario", "tls12-small", status=0, capsys=capsys)
    assert "search+proof" in out


@pytest.mark.scenario
@pytest.mark.parametrize("engine", ["explicit", "symbolic", "reference"])
def test_each_engine_by_name(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    # The reference fires every step of a machine: a small scenario.
    where = "retry-early-data-honest" if engine == "reference" else "tls12-small"
    command = ["verify", "KEY-7", "--scenario", where, "--engine", engine]
    assert "PROVED" in run(*command, status=0, capsys=capsys)


@pytest.mark.scenario
def test_a_budget_that_ends_before_the_answer_is_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["verify", "ORD-1", "--scenario", "integrity-only", "--states", "1000"]
    out = run(*command, status=3, capsys=capsys)
    assert "UNKNOWN" in out
    assert "the budget of 1000 states ended before the search" in out


@pytest.mark.scenario
def test_a_budget_that_does_not_gives_the_true_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = run(
        "verify",
        "ORD-1",
        "--scenario",
        "integrity-only",
        "--states",
        "115992",
        status=0,
        capsys=capsys,
    )
    assert "PROVED" in out


@pytest.mark.deep
def test_a_violation_within_the_budget_is_definite(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(
        "verify", "GLOBAL", "--scenario", "tls13", "--states", "10000", status=0, capsys=capsys
    )
    assert "VIOLATED" in out


@pytest.mark.scenario
def test_time_and_memory_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["verify", "ORD-1", "--scenario", "integrity-only"]
    out = run(*command, "--time", "0.01", status=3, capsys=capsys)
    assert "the time budget of 0.01 s ended" in out
    out = run(*command, "--memory", "10K", "--spill", "none", status=3, capsys=capsys)
    assert "the memory budget of 10240 bytes ended" in out
    assert "disk" not in out


@pytest.mark.deep
@pytest.mark.skipif(bool(available()), reason=available())
def test_a_memory_budget_moves_states_to_a_disk(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note tells it, and the verdicts are the same; the index must fit."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    command = ["verify", "ORD-1", "--scenario", "tls12", "--format", "json", "--memory"]
    assert cli.main([*command, "50M"]) == 0
    out = capsys.readouterr()
    assert re.search(
        r"^tls12: the memory budget of 52428800 bytes ended: [\d,]+ bytes of states go to files in "
        + re.escape(str(tmp_path)),
        out.err,
        re.MULTILINE,
    )
    (row,) = json.loads(out.out)["results"]
    assert (row["verdict"], row["states"]) == ("PROVED", 6_067_366)
    assert list(tmp_path.iterdir()) == []
    assert cli.main([*command, "10K"]) == 3
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["reason"] == (
        "witness not found: "
        "the memory budget of 10240 bytes ended; the states are on a disk, their index is not"
    )


@pytest.mark.parametrize(
    ("args", "near"),
    [
        (["verify", "ORD1"], "ORD-1"),
        (["verify", "--scenario", "tls12-smal"], "tls12-small"),
        (["verify", "--flaw", "goto_fial"], "goto_fail"),
        (["verify", "--flaw", "goto_fail@midle"], "both"),
        (
            ["verify", "--drop", "client_receive_finished_WAIT_FIN_to_CONECTED"],
            "client_receive_finished_WAIT_FIN_to_CONNECTED",
        ),
        (["verify", "AUT-16", "--scenario", "tls13"], "no property asked for applies"),
        (["verify", "--flaw", "nowhere.py"], "no file nowhere.py"),
        (["verify", "--flaw", "goto_fail", "--all"], "--all cannot be combined with --flaw"),
    ],
)
def test_bad_names_list_the_near_ones(
    args: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(*args, status=2, capsys=capsys)
    assert near in out
    assert "Traceback" not in out


def test_a_run_without_a_verdict_does_not_say_that_all_is_well() -> None:
    assert summary([]) == "no verdict"


def test_bad_numbers_are_usage_errors() -> None:
    for args in (["--states", "0"], ["--time", "-1"], ["--memory", "many"]):
        with pytest.raises(SystemExit) as e:
            cli.main(["verify", *args])
        assert e.value.code == 2


def test_a_malformed_row_names_file_row_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad_row.py"
    file.write_text(
        "from model.expr import const\nfrom model.flaws import Flaw, with_rows\n"
        "from model.message import Finished\nfrom model.rule import receive\n"
        'FLAW = Flaw(name="bad", number=0, title="t", source="s", scenario="tls12-small",\n'
        '  patches={"client": with_rows(receive("client", Finished, "WAIT_NOWHERE", "CONNECTED",'
        ' rfc="x"))}, breaks={"client": ()})\n'
    )
    out = run("verify", "--flaw", str(file), status=2, capsys=capsys)
    assert "bad_row.py" in out
    assert "client_receive_finished_WAIT_NOWHERE_to_CONNECTED" in out
    assert "source" in out


@pytest.mark.scenario
def test_json_and_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for i in range(2):
        file = tmp_path / f"{i}.json"
        run(
            "verify",
            "--scenario",
            "integrity-only",
            "--format",
            "json",
            "-o",
            str(file),
            status=0,
            capsys=capsys,
        )
        document = json.loads(file.read_text())
        jsonschema.validate(document, SCHEMA)
        del document["timings"]
        texts.append(json.dumps(document))
    assert texts[0] == texts[1]
    violated = [r for r in json.loads(texts[0])["results"] if r["verdict"] == "VIOLATED"]
    assert violated
    assert len(violated[0]["trace"]["steps"]) == violated[0]["depth"]


def test_all_takes_every_scenario() -> None:
    assert scenarios_of(Request(every=True)) == list(SCENARIOS)
    assert scenarios_of(Request()) == [s for s in SCENARIOS if s.default]


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    every: dict[str, Any] = json.loads(run("list", "--format", "json", status=0, capsys=capsys))
    for kind in ("properties", "scenarios", "capabilities", "flaws", "rules", "engines"):
        assert every[kind]
    assert {"ORD-1", "SEC-1"} <= {p["id"] for p in every["properties"]}
    text = run("list", status=0, capsys=capsys)
    assert "goto_fail" in text
    assert "tls12-small [searched and proved]" in text
    assert "two-two [proved, not by default]" in text


@pytest.mark.scenario
def test_interrupted_it_writes_what_it_has_and_exits_130() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "checker", "verify", "--format", "json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline()  # the first line of progress
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["interrupted"] is True
    jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("command", [[], ["verify"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys, checker.cli\n"
        f"try: checker.cli.main([*{command!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('z3', 'networkx', 'numpy', 'pysat', 'transitions', 'model.expr', 'properties')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "examples:\n  python -m checker verify " in done.stdout
    assert "exit status:\n  0    every verdict is as declared" in done.stdout


# -- statuses and merging ------------------------------------------------------------------------
def _result(verdict: str, declared: str = "PROVED", **more: Any) -> Result:
    return Result("p", "P", "s", verdict, declared, **more)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([_result("PROVED")], 0),
        ([_result("VIOLATED", "VIOLATED")], 0),
        ([_result("VIOLATED")], 1),
        ([_result("PROVED", "VIOLATED")], 1),
        ([_result("VACUOUS")], 1),
        ([_result("UNKNOWN")], 3),
        ([_result("HOLDS_TO_DEPTH")], 3),
        ([_result("UNKNOWN", "UNKNOWN")], 0),
        ([_result("UNKNOWN"), _result("VIOLATED")], 1),
        ([_result("UNKNOWN", error=True), _result("VIOLATED")], 4),
    ],
)
def test_exit_statuses(results: list[Result], status: int) -> None:
    assert exit_status(results) == status
    assert exit_status(results, interrupted=True) == 130


def test_engines_that_disagree_are_an_error() -> None:
    merged = combined([_result("PROVED", method="search"), _result("VIOLATED", method="proof")])
    assert merged.error
    assert "engines disagree" in merged.reason
    assert "! P" in table([_result("VIOLATED")])


def test_an_error_of_one_engine_is_not_hidden_by_the_other() -> None:
    broken = _result("UNKNOWN", method="proof", error=True, reason="Z3Exception: out of luck")
    merged = combined([_result("PROVED", method="search"), broken])
    assert merged.error and "out of luck" in merged.reason
    assert exit_status([merged]) == 4
    assert "! P" in table([merged])


@pytest.mark.parametrize("violated", deep_but(["prove"], ["search", "prove"]))
def test_every_engine_is_asked_and_both_artefacts_are_shown(
    violated: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One engine is made to lie: the run stops with 4, the trace and the invariant."""
    command = ["verify", "NEG-13", "--scenario", "tls12-small", "--engine", "all"]
    assert cli.main(command) == 0
    assert "search+proof" in capsys.readouterr().out
    trace = run_task(
        Task(Request(properties=("SEC-1",), flaw="early_ccs"), "tls12-small", "explicit")
    )[0].trace
    assert trace is not None

    def lie(*_: object, **__: object) -> list[Result]:
        name = find("NEG-13")[0].name
        return [Result(name, "NEG-13", "tls12-small", "VIOLATED", method=violated, trace=trace)]

    monkeypatch.setattr(f"checker.decide.{violated}", lie)
    assert cli.main(command) == 4
    out = capsys.readouterr().out
    assert "engines disagree" in out
    assert "steps in tls12-small" in out
    if violated == "search":
        assert "the invariant that says otherwise" in out


def test_a_proof_completes_an_unfinished_search_if_either_saw_a_witness() -> None:
    first, second = Case("a:1:1"), Case("a:2:1")
    seen = _result("PROVED", method="proof", certificate="c", cases={first: True, second: None})
    bare = replace(seen, cases={first: None, second: None})
    ended = _result("UNKNOWN", method="search", reason="time")
    assert combined([ended, seen]).verdict == "PROVED"
    assert combined([replace(ended, cases={first: True}), bare]).verdict == "PROVED"
    assert combined([ended, bare]).verdict == combined([bare]).verdict == "UNKNOWN"
    assert combined([ended, bare]).reason == "witness not found: time"
    assert combined([_result("VACUOUS", method="search"), bare]).verdict == "VACUOUS"
    never = {first: False, second: False}
    assert combined([_result("VACUOUS", method="search", cases=never), seen]).error
    whole = {first: True, second: False}
    assert combined([_result("PROVED", method="search", cases=whole), seen]).cases == whole
    reached = {first: None, second: True}
    assert combined(
        [
            _result("PROVED", method="search", cases=whole),
            _result("PROVED", method="proof", cases=reached),
        ]
    ).error
    both = combined([_result("PROVED", method="search", cases=whole), bare])
    assert (both.verdict, both.method, both.certificate) == ("PROVED", "search+proof", "c")


# -- the chart and the graph ---------------------------------------------------------------------
@pytest.mark.deep
def test_a_chart_tells_who_sent_what_and_what_is_known() -> None:
    request = Request(properties=("SEC-1",), flaw="goto_fail")
    (result,) = run_task(Task(request, "tls12", "explicit"))
    text = chart(result.trace)
    assert "forged by the adversary" in text
    assert "the adversary knows the session keys of client0" in text
    assert "[RFC 5246 7.4.3]" in text
    assert "let through by" in text
    request = Request(properties=("SEC-1",), flaw="early_ccs")
    (result,) = run_task(Task(request, "tls12-small", "explicit"))
    text = chart(result.trace)
    assert "as it was sent" in text
    assert "client0's, resealed by the adversary, which knows the key" in text


@pytest.mark.scenario
def test_the_graph_of_a_scenario() -> None:
    graph = checker.graph("honest")
    assert isinstance(graph, nx.MultiDiGraph)
    assert graph.graph["complete"]
    assert all(d["rule"].role in ("client", "server") for *_, d in graph.edges(data=True))
    with pytest.raises(LookupError, match="honest"):
        checker.graph("hones")


@pytest.mark.deep
def test_stop_at_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Both tell the same shortest violation; only one decides the rest."""
    drop = ["--drop", "client_receive_finished_WAIT_FIN_to_CONNECTED:session_id"]
    shared = ["verify", "--scenario", "tls12-small", *drop, "--format", "json"]
    verdicts = {}
    for option in ("", "--stop-at-first"):
        assert cli.main([*shared, *filter(None, [option])]) == 1
        rows = json.loads(capsys.readouterr().out)["results"]
        verdicts[option] = {r["id"]: (r["verdict"], r["depth"]) for r in rows}
    assert verdicts["--stop-at-first"]["AUT-30"] == verdicts[""]["AUT-30"] == ("VIOLATED", 7)
    assert verdicts[""]["AUT-6"] == ("VIOLATED", 18)
    assert verdicts["--stop-at-first"]["AUT-6"][0] == "UNKNOWN"


@pytest.mark.deep
@pytest.mark.skipif(bool(available()), reason=available())
def test_a_killed_search_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGKILL ends the run with its searches; resumed, they end as if nothing had been."""
    folder = tmp_path / "kept"
    command = [sys.executable, "-m", "checker", "verify", "--scenario", "tls12"]
    with subprocess.Popen(
        [*command, "--checkpoint", str(folder)], stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not (folder / "tls12").exists():
            time.sleep(0.01)
        time.sleep(0.2)
        process.kill()
    for _ in range(100):  # the searches die with it
        if subprocess.run(["pgrep", "-f", str(folder)], stdout=subprocess.DEVNULL).returncode:
            break
        time.sleep(0.05)
    assert cli.main([*command[3:], "--resume", str(folder), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert {r["states"] for r in rows if r["method"] == "search"} == {7_861_494}


def test_what_the_back_end_cannot_do_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["verify", "--scenario", "tls13", "--backend", "numpy", "--spill", str(tmp_path)]
    assert cli.main(command) == 2
    assert "need the search in C" in capsys.readouterr().err


@pytest.mark.deep
def test_never_a_disk_is_no_wish_for_c(capsys: pytest.CaptureFixture[str]) -> None:
    run(
        "verify",
        "ORD-1",
        "--scenario",
        "tls13",
        "--backend",
        "numpy",
        "--engine",
        "explicit",
        "--spill",
        "none",
        status=0,
        capsys=capsys,
    )


@pytest.mark.parametrize(
    ("methods", "waiting", "workers", "each"),
    [
        (["explicit"], 0, 1, 1),
        (["explicit"], 0, 2, 2),
        (["explicit"], 1, 2, 1),
        (["explicit", "symbolic"], 0, 2, 1),
        (["explicit", "symbolic"], 0, 8, 7),
        (["explicit", "explicit", "liveness"], 0, 8, 3),
        (["symbolic"], 0, 8, 1),
        ([], 0, 8, 1),
        (["explicit"] * 4, 0, 2, 1),
    ],
)
def test_a_search_gets_the_cores_that_would_be_idle(
    methods: list[str], waiting: int, workers: int, each: int
) -> None:
    assert share([m == "explicit" for m in methods], waiting, workers) == each


@pytest.mark.scenario
@pytest.mark.skipif(bool(available()), reason=available())
def test_the_last_search_has_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Native.search

    def search(self: Native, *args: Any, **more: Any) -> Any:
        found = real(self, *args, **more)
        time.sleep(0.5)
        watch = args[2]
        watch.note(f"{watch.threads()} threads")
        return found

    monkeypatch.setattr(Native, "search", search)
    notes: list[str] = []
    outcome = verify(Request(("ORD-1",), "tls12-small", "explicit"), None, 5, notes.append)
    assert [r.verdict for r in outcome.results] == ["PROVED"]
    assert notes == ["tls12-small: 5 threads"]
    assert cores() == len(os.sched_getaffinity(0))


@pytest.mark.scenario
def test_both_back_ends_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    out = []
    for backend in ("numpy", *(() if available() else ("c",))):
        cli.main(
            [
                "verify",
                "--scenario",
                "tls12-small",
                "--engine",
                "explicit",
                "--format",
                "json",
                "--backend",
                backend,
            ]
        )
        rows = json.loads(capsys.readouterr().out)["results"]
        out.append([(r["property"], r["verdict"], r["states"], r["depth"]) for r in rows])
    assert len({str(x) for x in out}) == 1


def test_progress_without_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "told", [0.0])
    cli.progress("early")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(cli, "told", [time.monotonic() - cli.EVERY - 1])
    cli.progress("tls12: 5 distinct states")
    cli.progress("too soon")
    assert capsys.readouterr().err == "tls12: 5 distinct states\n"


# -- what is asked, and no more --------------------------------------------------------------------
SIGNATURE = "client_receive_certificate_verify_WAIT_CV_to_WAIT_FINISHED:signature"


@pytest.mark.deep
def test_a_search_stops_when_what_is_asked_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """A shortest attack, and no number of states: the rest was not looked at."""
    command = ["verify", "AUT-1", "--drop", SIGNATURE, "--scenario", "tls13"]
    assert cli.main([*command, "--format", "json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert (row["verdict"], row["depth"], row["states"]) == ("VIOLATED", 6, None)
    assert row["stopped"] is True
    out = run(*command, status=1, capsys=capsys)
    assert out.startswith("tls13  the search stopped at the answer\n")
    # What holds needs the whole search, and has the count.
    out = run("verify", "AUT-1", "KEY-7", *command[2:], status=1, capsys=capsys)
    assert "stopped" not in out


@pytest.mark.scenario
def test_a_drop_everywhere_is_a_line_a_property() -> None:
    trace = run_task(Task(Request(("SEC-1",), flaw="early_ccs"), "tls12-small", "explicit"))[
        0
    ].trace
    fell = _result("VIOLATED", trace=trace)
    rows = [fell, replace(fell, scenario="t"), _result("UNKNOWN", reason="late"), _result("PROVED")]
    steps = len(trace)
    assert by_property(rows) == (
        f"! P       p  falls in 2 of 4 scenarios, shortest in s: {steps} steps; "
        "UNKNOWN in 1 of 4 scenarios: late"
    )
    assert by_property(rows[3:]) == "  P       p  as declared in 1 of 1 scenario"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "reference", "--backend", "c"], "--engine reference cannot be combined with"),
        (["--engine", "symbolic", "--checkpoint", "x"], "with --checkpoint, which is for expl"),
        (["--flaw", "early_ccs", "--certificates", "kept"], "which is for symbolic"),
        (["--resume", "kept"], "--resume: kept keeps no search that is asked for"),
        (["--spill", "kept"], "--spill: there is no folder kept"),
    ],
)
def test_an_option_that_would_do_nothing_is_an_error(
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any work, and no folder is made."""
    monkeypatch.chdir(tmp_path)
    assert said in run(
        "verify", "SEC-1", "--scenario", "tls12-small", *options, status=2, capsys=capsys
    )
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    (note,) = checked(Request(scenario="tls13"))
    assert note.startswith("no C compiler: $CC is no-such-compiler: searches run in numpy")
    assert checked(Request(scenario="tls13", backend="numpy")) == []
    assert checked(Request(("KEY-7",), "tls13", "reference")) == []


def test_a_property_that_does_not_apply_is_named() -> None:
    request = Request(("AUT-3", "AUT-11"), "tls12-small", "reference")
    assert checked(request) == []
    (note,) = omissions(request)
    assert note.startswith("AUT-3 ")
    assert note.endswith(" is left out: it needs client-auth, which tls12-small lacks")
    assert left_out(request) == {
        find("AUT-3")[0].name: "it needs client-auth, which tls12-small lacks"
    }


def test_what_a_search_shows_to_fall_is_not_proved() -> None:
    class Parts:
        """A link that keeps the parts of the answer."""

        def __init__(self) -> None:
            self.results: list[Result] = []
            self.done = 0

        def part(self, value: tuple[list[Result], bool]) -> None:
            self.results += value[0]
            self.done += value[1]

        def threads(self) -> int:
            return 1

        line = note = lambda self, text: None

    names = (
        "data_of_a_server_is_for_the_client_it_authenticated",
        *(p.name for p in find("SEC-1")),
    )
    for engine, proved in ((None, {*names[1:]}), ("all", {*names})):
        request = Request(properties=names, scenario="tls13", engine=engine)
        link: Any = Parts()
        _run(link, [Task(request, "tls13", m, names) for m in ("explicit", "symbolic")])
        assert link.done == 2
        by_method = {r.property for r in link.results[len(names) :]}
        assert by_method == proved
