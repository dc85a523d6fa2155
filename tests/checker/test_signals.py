"""The signals that end a command."""

import os
import signal
import subprocess
import sys
import time

import pytest

from checker.signals import STOPS, stoppable


class Slow:
    """An object whose end is interrupted, where Python loses exceptions."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)
        time.sleep(0.01)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_in_a_callback_of_the_interpreter_is_not_lost(number: signal.Signals) -> None:
    before = [signal.getsignal(n) for n in STOPS]
    with pytest.raises(KeyboardInterrupt), stoppable():
        Slow(number)
        time.sleep(5)
        raise AssertionError("lost")
    assert [signal.getsignal(n) for n in STOPS] == before


def test_an_interrupt_while_a_class_is_made_is_an_interrupt() -> None:
    class Named:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), stoppable():
        type("Made", (), {"x": Named()})
    with pytest.raises(RuntimeError, match="another"), stoppable():
        raise RuntimeError("another")


def test_a_solver_is_freed_once_though_its_end_is_interrupted() -> None:
    """Twice would end the interpreter: the memory is that of a library in C."""
    program = """
import pysolvers
from model.solver import SatSolver
free = pysolvers.glucose41_del
def interrupted(solver):
    free(solver)
    raise KeyboardInterrupt
pysolvers.glucose41_del = interrupted
for _ in range(100):
    solver = SatSolver()
    solver.add_clause([1, 2])
    try:
        solver.delete()
    except KeyboardInterrupt:
        pass
    del solver
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
