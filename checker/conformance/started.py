"""Stacks as child processes, servers and clients, none of which outlives this process."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import IO

from checker.conformance.connection import Connection
from checker.conformance.credentials import Credentials
from checker.conformance.known import SOURCE, Stack, program
from checker.conformance.trial import Target, TargetError
from checker.signals import lives_with

START = 20.0
"""Seconds that a server may take to start, and a client to connect."""


class Started:
    """A stack made ready in a folder; what it starts dies with this process, however that ends."""

    def __init__(self, stack: Stack, made: Credentials, folder: str) -> None:
        self.stack, self.folder = stack, folder
        self.places = {
            "folder": folder,
            "source": str(SOURCE),
            "python": sys.executable,
            **made.write(folder),
        }

    def build(self, commands: Sequence[str]) -> None:
        """Run the commands before a first start; TargetError if one fails."""
        for command in commands:
            self._build(command)

    def _words(self, command: str, **more: str) -> list[str]:
        # Places are filled before the split, since what stands there can be several words.
        words = shlex.split(command.format(**self.places, **more))
        return [program(words[0]) or words[0], *words[1:]]

    def _build(self, command: str) -> None:
        done = subprocess.run(
            self._words(command), capture_output=True, text=True, timeout=120, check=False,
            env=_environment(self.folder),
        )  # fmt: skip
        if done.returncode:
            raise TargetError(
                f"{self.stack.name}: expected `{command.split()[0]}` to build it, got "
                f"exit status {done.returncode}: {(done.stderr or done.stdout)[-300:].strip()}; "
                f"{self.stack.install}"
            )

    @cached_property
    def release(self) -> str:
        """What the stack says of its version, in one line."""
        if not self.stack.reports:
            return ""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                self._words(self.stack.reports), capture_output=True, text=True, timeout=20,
                check=False,
            )  # fmt: skip
            said = (done.stdout or done.stderr).strip().splitlines()
            return said[0].strip() if said else ""
        return ""

    def _child(self, command: str, said: IO[bytes], **places: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._words(command, **places),
            stdin=subprocess.PIPE,  # some end with their input
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=partial(_begin, os.getpid()),
            env=_environment(self.folder),
        )

    @contextlib.contextmanager
    def server(self, version: str, auth: str) -> Iterator[Target]:
        """A server of one version and client authentication; TargetError if it does not start."""
        s = self.stack
        port = _free_port()
        places = {"port": str(port), "version": s.versions[version], "auth": s.auths[auth]}
        template = SOURCE / f"{s.name}.conf"
        if template.is_file():
            filled = template.read_text().format(**self.places, **places)
            places["conf"] = os.path.join(self.folder, f"{port}.conf")
            Path(places["conf"]).write_text(filled)
        with tempfile.TemporaryFile(dir=self.folder) as said:
            child = self._child(s.command, said, **places)
            try:
                _listening(s, child, port, said)
                yield Target("127.0.0.1", port, s.wait, pinned=s.pinned)
            finally:
                _end(child)

    @contextlib.contextmanager
    def client(self, version: str, *, certificate: bool) -> Iterator[Target]:
        """A client of one version, with a certificate of its own or without."""
        c = self.stack.client
        assert c is not None
        own = c.own.format(**self.places) if certificate else ""
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            tempfile.TemporaryFile(dir=self.folder) as said,
            contextlib.ExitStack() as ends,
        ):
            port = int(listener.getsockname()[1])
            places = {"port": str(port), "version": c.versions[version], "own": own}
            if c.again:
                ends.callback(_end, self._child(c.command, said, **places))

            def accept() -> Connection:
                child = None if c.again else self._child(c.command, said, **places)
                found = accepted(listener, self.stack.name)
                if child is not None:
                    found.on_close = lambda: _end(child)
                return found

            yield Target("127.0.0.1", port, self.stack.wait, pinned=True, opener=accept)


def accepted(listener: socket.socket, name: str) -> Connection:
    """The next connection of a client; TargetError if none comes."""
    listener.settimeout(START)
    try:
        return Connection(listener.accept()[0])
    except OSError:
        where = "{}:{}".format(*listener.getsockname()[:2])
        raise TargetError(
            f"{name}: expected a client to connect to {where} within {START:.0f} s, got none"
        ) from None


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.wait()
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()


def _environment(folder: str) -> dict[str, str]:
    cached = os.environ.get("GOCACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "go-build"
    )
    return os.environ | {"GOCACHE": cached, "GO111MODULE": "off", "HOME": folder, "NO_COLOR": "1"}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


def _begin(parent: int) -> None:
    """Begin as a child that ends with its parent."""
    if not lives_with(parent):
        os._exit(1)


def _listening(s: Stack, child: subprocess.Popen[bytes], port: int, said: IO[bytes]) -> None:
    """Wait until the server takes connections."""
    until = time.monotonic() + START
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1),
        ):
            if child.poll() is None:
                return
            break  # another process has the port
        time.sleep(0.02)
    said.seek(0)
    last = said.read()[-300:].decode(errors="replace").strip()
    ended = f"it ended with status {child.poll()}" if child.poll() is not None else "no port opened"
    raise TargetError(
        f"{s.name}: expected a server within {START:.0f} s, got none: {ended}; {last}"
    )
