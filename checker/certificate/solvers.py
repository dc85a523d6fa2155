"""The SMT-LIB 2 front ends of Z3, cvc5 and bitwuzla: a script in, the printed answers out.

Each run is a process (this file as a script, `solvers.py NAME`, the text on stdin), so that a
solver that hangs can be killed and a solver that crashes harms nothing else.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def _z3(text: str) -> None:
    import z3

    sys.stdout.write(z3.Z3_eval_smtlib2_string(z3.main_ctx().ref(), text))


def _cvc5(text: str) -> None:
    import cvc5

    solver = cvc5.Solver(cvc5.TermManager())
    # This takes a third of a second where the default takes minutes.
    solver.setOption("bitblast", "eager")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "certificate")
    symbols = parser.getSymbolManager()
    command = parser.nextCommand()
    while not command.isNull():
        sys.stdout.write(command.invoke(solver, symbols))
        command = parser.nextCommand()


def _bitwuzla(text: str) -> None:
    import bitwuzla

    parser = bitwuzla.Parser(bitwuzla.TermManager(), bitwuzla.Options())
    parser.parse(text, False, False)


SOLVERS: dict[str, Callable[[str], None]] = {"z3": _z3, "cvc5": _cvc5, "bitwuzla": _bitwuzla}


class NoAnswerError(Exception):
    """A solver did not end in time, or ended without answers."""


def installed() -> list[str]:
    """The installed solvers, Z3 first."""
    return [n for n in SOLVERS if importlib.util.find_spec(n) is not None]


def ask(solver: str, text: str, seconds: float | None = None) -> list[str]:
    """The answers of `solver` to each `check-sat` of `text`; NoAnswerError if there are none."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__, solver],
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"no answer within {seconds:g} s") from None
    answers = done.stdout.split()
    if done.returncode or any(a not in ("sat", "unsat", "unknown") for a in answers):
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise NoAnswerError(f"exit status {done.returncode}: {said[:200]}")
    return answers


class Session:
    """Z3's front end, kept open in this process for many small questions about one model."""

    def __init__(self) -> None:
        import z3

        self._z3: Any = z3
        self._context = z3.Context()

    def ask(self, text: str) -> list[str]:
        """The words that Z3 prints; an error message, if Z3 cannot read the text."""
        try:
            answer = self._z3.Z3_eval_smtlib2_string(self._context.ref(), text)
        except self._z3.Z3Exception as e:
            answer = e
        return str(answer).split()


if __name__ == "__main__":
    SOLVERS[sys.argv[1]](sys.stdin.read())
