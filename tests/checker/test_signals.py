"""The signals that end a command."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checker.signals import AGAIN, STOPS, stoppable


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


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_while_a_module_is_loaded_is_not_lost(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `xml.etree.ElementTree`, which can do without its part in C: that is loaded so."""
    text = f"""
import os, time
try:
    os.kill(os.getpid(), {int(number)})
    time.sleep(0.2)
    whole = True
except KeyboardInterrupt:
    raise ImportError("as PyCapsule_Import says of every error")
"""
    (tmp_path / f"in_c_{int(number)}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    loaded = False
    with pytest.raises(KeyboardInterrupt), stoppable():
        try:
            loaded = importlib.import_module(f"in_c_{int(number)}").whole
        except ImportError:
            loaded = False
        time.sleep(5)
        raise AssertionError("lost")
    assert loaded


def test_a_signal_while_the_last_module_is_loaded_is_taken_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "last_for_a_test.py").write_text("import os, signal\nos.kill(os.getpid(), 15)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), stoppable():
        importlib.import_module("last_for_a_test")
    time.sleep(3 * AGAIN)  # no signal comes later


def test_a_module_that_never_is_loaded_can_be_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.signals.LOADING", 0.2)
    endless = "import os, time\nos.kill(os.getpid(), 15)\nwhile True: time.sleep(0.01)\n"
    (tmp_path / "endless_for_a_test.py").write_text(endless)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), stoppable():
        importlib.import_module("endless_for_a_test")


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_a_child_that_begins_after_its_parent_has_ended_is_told() -> None:
    code = (
        "import os, time\n"
        "from checker.signals import lives_with\n"
        "parent = os.getpid()\n"
        "if not os.fork():\n"
        "    while os.getppid() == parent:\n"
        "        time.sleep(0.001)\n"
        "    os.write(1, str(lives_with(parent)).encode())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False"
