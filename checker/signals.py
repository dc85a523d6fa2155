"""The signals that ask a command to end: it prints what it has, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = tuple(getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n))
"""Ctrl-C, a time-out or a batch system, a closed terminal."""


@contextmanager
def stoppable() -> Iterator[None]:
    """A block in which each signal of `STOPS` does what Ctrl-C does; only the first one counts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.getsignal(n) for n in STOPS}
    heard = {n for n, handler in before.items() if handler is not signal.SIG_IGN}  # as under nohup
    unraisable = sys.unraisablehook

    def listen() -> None:
        for n in heard:
            signal.signal(n, stop)

    def stop(number: int, frame: object) -> None:
        for n in STOPS:
            signal.signal(n, signal.SIG_IGN)
        raise KeyboardInterrupt

    def again(args: sys.UnraisableHookArgs) -> None:
        # An interrupt in a callback of the interpreter, as after a fork or in `__del__`, is lost.
        if not heard or not issubclass(args.exc_type, KeyboardInterrupt):
            unraisable(args)
            return
        listen()
        threading.Timer(0.05, os.kill, (os.getpid(), min(heard))).start()

    listen()
    sys.unraisablehook = again
    try:
        yield
    except RuntimeError as e:
        # Python 3.11 makes this of an interrupt in `__set_name__`, while a class is made.
        if isinstance(e.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from e
        raise
    finally:
        sys.unraisablehook = unraisable
        for n, handler in before.items():
            signal.signal(n, handler)


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
