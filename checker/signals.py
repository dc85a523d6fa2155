"""The signals that ask a command to end: it prints what it has, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = tuple(getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n))
"""Ctrl-C, a time-out or a batch system, a closed terminal."""
AGAIN = 0.05
"""Seconds after which a signal that could be lost comes again."""
LOADING = 2.0
"""The most seconds that a signal waits for a module to be loaded."""


@contextmanager
def stoppable() -> Iterator[None]:
    """A block in which each signal of `STOPS` does what Ctrl-C does; only the first one counts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.getsignal(n) for n in STOPS}
    heard = {n for n, handler in before.items() if handler is not signal.SIG_IGN}  # as under nohup
    unraisable = sys.unraisablehook
    waiting: list[threading.Timer] = []
    until = 0.0

    def listen() -> None:
        for n in heard:
            signal.signal(n, stop)

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal until
        for n in STOPS:
            signal.signal(n, signal.SIG_IGN)
        until = until or time.monotonic() + LOADING
        if _loads(frame) and time.monotonic() < until:
            again()
        else:
            waiting.clear()
            raise KeyboardInterrupt

    def again() -> None:
        listen()
        waiting[:] = [threading.Timer(AGAIN, os.kill, (os.getpid(), min(heard)))]
        waiting[0].start()

    def lost(args: sys.UnraisableHookArgs) -> None:
        # An interrupt in a callback of the interpreter, as after a fork or in `__del__`, is lost.
        if heard and issubclass(args.exc_type, KeyboardInterrupt):
            again()
        else:
            unraisable(args)

    listen()
    sys.unraisablehook = lost
    try:
        yield
        for timer in waiting:
            timer.cancel()
            raise KeyboardInterrupt
    finally:
        sys.unraisablehook = unraisable
        for n, handler in before.items():
            signal.signal(n, handler)


def _loads(frame: FrameType | None) -> bool:
    """Whether an import is under way: of an interrupt in one, modules in C make an ImportError."""
    while frame is not None:
        code = frame.f_code
        if (code.co_name, code.co_filename) == ("_find_and_load", "<frozen importlib._bootstrap>"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def whole() -> Iterator[None]:
    """A block that no signal of `STOPS` ends halfway: one that comes is taken at its end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def left_to_parent() -> None:
    """Let this process, and those that it starts, be ended by its parent alone."""
    for n in STOPS:
        signal.signal(n, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)


def lives_with(parent: int) -> bool:
    """Have this process killed when its parent ends, however that ends.

    False if the parent has ended before: then the process has to end by itself.
    """
    if sys.platform != "linux":
        return True
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    return os.getppid() == parent
