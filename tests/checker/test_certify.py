"""The command certify, and the solvers that it asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from checker import certificate, cli
from checker.certificate import (
    OPENING,
    RefusedError,
    check,
    solvers,
)
from checker.certificate.check import Certified, certify, clauses_of, judged
from checker.report import certificates as report
from tests.checker.test_certificate import (
    THREE,
    around,
    checked,
    each_solver,
    subject,
    verified,
    written,
)


@each_solver
def test_a_solver_answers_or_says_why_not(solver: str) -> None:
    text = (
        "(set-logic QF_BV)(declare-const x (_ BitVec 2))(push 1)(assert (bvult x #b01))"
        "(check-sat)(pop 1)(push 1)(assert (bvult x #b00))(check-sat)(pop 1)"
    )
    assert solvers.ask(solver, text) == ["sat", "unsat"]
    with pytest.raises(solvers.NoAnswerError, match="exit status"):
        solvers.ask(solver, "(assert nothing)")
    with pytest.raises(solvers.NoAnswerError, match=r"no answer within 0.01 s"):
        solvers.ask(solver, text, 0.01)


@pytest.mark.parametrize(
    ("answers", "verdict", "reasons"),
    [
        ({"z3": THREE, "cvc5": THREE}, "accepted", []),
        (
            {"z3": ["unsat", "sat", "unsat"], "cvc5": ["unsat", "sat", "unsat"]},
            "refused",
            ["query 2 is sat (z3, cvc5): a step leaves the invariant"],
        ),
        (
            {"z3": ["unsat", "sat", "unsat"], "cvc5": "no answer within 1 s"},
            "refused",
            ["query 2 is sat (z3): a step leaves the invariant"],
        ),
        (
            {"z3": ["unsat", "sat", "sat"], "cvc5": ["unsat", "sat", "unsat"]},
            "solvers disagree",
            ["query 3 is sat for z3 and unsat for cvc5"],
        ),
        (
            {"z3": THREE, "cvc5": "no answer within 1 s"},
            "a solver gave up",
            ["cvc5: no answer within 1 s"],
        ),
        (
            {"z3": THREE, "cvc5": ["unsat", "unknown", "unsat"]},
            "a solver gave up",
            ["cvc5: unknown"],
        ),
        ({}, "a solver gave up", []),
    ],
)
def test_the_verdict_of_several_solvers(
    answers: dict[str, Any], verdict: str, reasons: list[str]
) -> None:
    assert judged(answers) == (verdict, reasons)


def test_the_exit_status_is_that_of_the_worst() -> None:
    order = ["solvers disagree", "refused", "unreadable", "a solver gave up", "accepted"]
    for i, status in enumerate((4, 1, 2, 3, 0)):
        assert report.exit_status([Certified("f", v) for v in order[i:]]) == status
    assert report.exit_status([]) == 0


def test_a_solver_that_answers_too_little_has_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ask", lambda *_: ["unsat", "unsat"])
    verdict = checked("toy-0", written("toy-0"))
    assert verdict.verdict == "a solver gave up"
    assert verdict.reasons == ["z3: 2 answers to 3 queries"]


# -- the command line ------------------------------------------------------------------------------
@pytest.mark.deep
def test_two_runs_write_the_same_files(tmp_path: Path) -> None:
    words = ("SEC-1", "ORD-1", "--scenario", "tls12-small", "--engine", "symbolic")
    one = verified(tmp_path / "new" / "one", "1", *words)
    two = verified(tmp_path / "two", "2", *words)
    assert list(one) == [
        "tls12-small.data_is_delivered_only_after_finished_is_verified.smt2",
        "tls12-small.session_keys_with_an_honest_peer_are_secret.smt2",
    ]
    assert one == two
    # The model's part depends on nothing else that was built in the process, either.
    assert (
        one[list(one)[1]].decode().split(OPENING)[0]
        == written("tls12-small SEC-1").split(OPENING)[0]
    )


def run(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> str:
    assert cli.main(["certify", *words]) == status
    return capsys.readouterr().out


@pytest.mark.scenario
def test_the_command_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("NEG-7", "--scenario", "tls12-small", "--engine", "symbolic")
    (made,) = verified(tmp_path / "made", "0", *words).values()
    text = made.decode()
    _, clause = clauses_of(text, around("tls12-small NEG-7"))
    good, bad, other = (tmp_path / n for n in ("good.smt2", "bad.smt2", "other.smt2"))
    good.write_bytes(made)
    bad.write_bytes(text.replace(f"{clause.text}\n", "").encode())
    other.write_bytes(b"\xff")
    assert run(capsys, 0, str(good), "--solver", "z3") == (
        f"ACCEPTED   {good}  2 clauses, by z3\n\n1 certificate: 1 accepted\n"
    )
    assert run(capsys, 1, str(good), str(bad), str(other), "--solver", "z3") == (
        f"ACCEPTED   {good}  2 clauses, by z3\n"
        f"REFUSED    {bad}\n"
        f"           query 3 is sat (z3): {certificate.QUERIES[2]}\n"
        f"UNREADABLE {other}\n"
        "           it is no UTF-8 text\n\n"
        "3 certificates: 1 accepted, 1 unreadable, 1 refused\n"
    )
    assert "No such file" in run(capsys, 2, str(tmp_path / "none"))
    assert "no scenario is called 'tls12-smal'" in run(
        capsys, 2, _with(other, text, "tls12-small", "tls12-smal")
    )
    assert "is no invariant that is asked of" in run(
        capsys, 2, _with(other, text, "the_suite_is_the_best_both_know", "can_connect_both_ends")
    )
    assert "its flaw is a file, which is not run: x.py" in run(
        capsys, 2, _with(other, text, "flaw: none", "flaw: x.py")
    )
    assert "z3: no answer within 0.001 s" in run(
        capsys, 3, str(good), "--solver", "z3", "--time", "0.001"
    )
    found = json.loads(run(capsys, 1, str(bad), "--solver", "z3", "--format", "json"))
    assert found == {
        "schema_version": 1,
        "command": "certify",
        "interrupted": False,
        "results": [
            {
                "file": str(bad),
                "verdict": "refused",
                "reasons": [f"query 3 is sat (z3): {certificate.QUERIES[2]}"],
                "scenario": "tls12-small",
                "property": "the_suite_is_the_best_both_know",
                "flaw": None,
                "drop": None,
                "clauses": 1,
                "answers": {"z3": ["unsat", "unsat", "sat"]},
            }
        ],
    }


def _with(path: Path, text: str, old: str, new: str) -> str:
    """A file that says something else about itself."""
    path.write_bytes(text.replace(f"{old}\n", f"{new}\n", 1).encode())
    return str(path)


def test_a_solver_that_is_not_there_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "installed", lambda: ["z3"])
    assert cli.main(["certify", "f", "--solver", "cvc5"]) == 2
    assert capsys.readouterr().err == (
        "error: --solver cvc5: it is not installed (pip install '.[solvers]')\n"
    )


def test_an_interrupted_run_prints_what_it_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "certify", interrupted)
    file = tmp_path / "f"
    file.write_text("")
    out = run(capsys, 130, str(tmp_path / "none"), str(file))
    assert out.endswith("1 certificate: 1 unreadable\ninterrupted: these are the results so far\n")


def test_progress_says_who_is_asked() -> None:
    told: list[str] = []
    certify("f", written("toy-0"), lambda _: subject("toy-0")[:2], ["z3"], progress=told.append)
    assert told == ["f: z3 is asked"]


@pytest.mark.deep
def test_a_flawed_model_has_certificates_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = verified(tmp_path, "1", "ORD-1", "--engine", "symbolic", "--flaw", "early_ccs@client")
    (name,) = files
    assert name == (
        "tls12-small.data_is_delivered_only_after_finished_is_verified.early_ccs@client.smt2"
    )
    assert run(capsys, 0, str(tmp_path / name), "--solver", "z3").startswith("ACCEPTED")
    sound = tmp_path / "sound.smt2"
    sound.write_bytes(files[name].replace(b"; flaw: early_ccs@client\n", b"; flaw: none\n"))
    out = run(capsys, 1, str(sound), "--solver", "z3")
    assert "written for another version of the model" in out
    assert "the step client0/client_reject_change_cipher_spec_elsewhere/forged" in out
    assert cli.main(["verify", "--flaw", "mine.py", "--certificates", str(tmp_path)]) == 2


@pytest.mark.deep
def test_a_proof_that_the_second_encoder_refuses_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> str:
        raise RefusedError("the certificate fails")

    monkeypatch.setattr(certificate, "write", refuse)
    words = ["verify", "NEG-7", "--scenario", "tls12-small", "--engine", "symbolic"]
    assert cli.main(words) == 0
    assert cli.main([*words, "--certificates", str(tmp_path)]) == 4
    assert "RefusedError: the certificate fails" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
