"""The known stacks, as data, and a server of one as a child process that never outlives this one.

A command is words with places: `{port}`, `{version}` and `{auth}` (as the stack spells them), the
files of the credentials, `{folder}` for what is made, and `{source}` for the programs beside this
file. A stack is missing if one of its programs or files is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from checker.conformance.credentials import PASSWORD, Credentials
from checker.conformance.trial import Target, TargetError

SOURCE = Path(__file__).parent / "stacks"
FOLDERS = (".", ".stacks")
"""Where packages of npm are looked for, in `node_modules`."""
START = 20.0
"""Seconds that a server may take to start."""

_SAME = {v: v for v in ("1.0", "1.1", "1.2", "1.3")}
_AUTH = {a: a for a in ("none", "optional", "mandatory")}
_PLACES = "{port} {version} {auth} {ca} {server} {server_key}"


@dataclass(frozen=True)
class Stack:
    """A stack that a command can start as a server."""

    name: str
    install: str  # the command that installs what is missing
    command: str
    versions: Mapping[str, str] = field(default_factory=lambda: _SAME)  # as the stack spells them
    auths: Mapping[str, str] = field(default_factory=lambda: _AUTH)
    build: tuple[str, ...] = ()  # commands before the first start
    pinned: bool = True  # whether the command fixes the version
    wait: float = 0.3  # seconds that silence is listened to
    module: str = ""  # a Python package that it needs
    reports: str = ""  # the command that prints the version


_OPENSSL = {"1.0": "-tls1 -cipher DEFAULT@SECLEVEL=0", "1.1": "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
            "1.2": "-tls1_2", "1.3": "-tls1_3"}  # fmt: skip
_GNUTLS = {v: f"NORMAL:-VERS-ALL:+VERS-TLS{v}" for v in _SAME}
_NSS = {v: f"tls{v}:tls{v}" for v in _SAME}

STACKS = {
    s.name: s
    for s in (
        Stack(
            "python-ssl",
            "nothing",
            f"{{python}} {{source}}/python_ssl.py {_PLACES} ssl",
            reports="{python} -c 'import ssl; print(ssl.OPENSSL_VERSION)'",
        ),
        Stack(
            "openssl",
            "apt-get install openssl",
            "openssl s_server -accept 127.0.0.1:{port} -cert {server} -key {server_key} "
            "-CAfile {ca} -quiet {version} {auth}",
            _OPENSSL,
            {"none": "", "optional": "-verify 2", "mandatory": "-Verify 2 -verify_return_error"},
            reports="openssl version",
        ),
        Stack(
            "gnutls",
            "apt-get install gnutls-bin",
            "gnutls-serv --echo -q -p {port} --x509certfile {server} --x509keyfile {server_key} "
            "--x509cafile {ca} --priority {version} {auth}",
            _GNUTLS,
            {
                "none": "--disable-client-cert",
                "optional": "--verify-client-cert",
                "mandatory": "--require-client-cert --verify-client-cert",
            },
            reports="gnutls-serv --version",
        ),
        Stack(
            "nss",
            "apt-get install libnss3-tools",
            "selfserv -n server -p {port} -d sql:{folder} -V {version} -u -H 1 {auth}",
            _NSS,
            {"none": "", "optional": "-r", "mandatory": "-r -r"},
            build=(
                "certutil -N -d sql:{folder} --empty-password",
                "certutil -A -d sql:{folder} -n ca -t CT,C,C -i {ca}",
                f"pk12util -d sql:{{folder}} -i {{p12}} -W {PASSWORD}",
            ),
            wait=0.5,
            reports="dpkg-query -W -f ${{Version}} libnss3-tools",
        ),
        Stack(
            "jsse",
            "apt-get install openjdk-17-jdk-headless",
            "java -Djdk.tls.server.protocols=TLSv1.2,TLSv1.3 -cp {folder} Server {port} {version} "
            "{auth} {ca} {p12}",
            {v: v for v in ("1.2", "1.3")},
            build=("javac -d {folder} {source}/Server.java",),
            wait=0.5,
            reports="java --version",
        ),
        Stack(
            "go",
            "apt-get install golang-go",
            f"{{folder}}/server {_PLACES}",
            build=("go build -o {folder}/server {source}/server.go",),
            reports="go version",
        ),
        Stack(
            "wolfssl",
            "apt-get install gcc libwolfssl-dev",
            f"{{folder}}/server {_PLACES}",
            {v: v for v in ("1.2", "1.3")},
            build=("cc -o {folder}/server {source}/wolfssl.c -lwolfssl",),
            reports="dpkg-query -W -f ${{Version}} libwolfssl-dev",
        ),
        Stack(
            "mbedtls",
            "apt-get install gcc libmbedtls-dev",
            f"{{folder}}/server {_PLACES}",
            {v: v for v in ("1.0", "1.1", "1.2")},
            build=("cc -o {folder}/server {source}/mbedtls.c -lmbedtls -lmbedx509 -lmbedcrypto",),
            reports="dpkg-query -W -f ${{Version}} libmbedtls-dev",
        ),
        Stack(
            "botan",
            "apt-get install botan",
            "botan tls_server {server} {server_key} --port={port} --policy=default",
            {"1.2": "1.2"},
            {"none": ""},
            pinned=False,
            reports="botan version",
        ),
        Stack(
            "node",
            "apt-get install nodejs",
            f"node {{source}}/node.js {_PLACES}",
            {v: v for v in ("1.2", "1.3")},
            reports="node -p process.versions.openssl",
        ),
        Stack(
            "erlang",
            "apt-get install erlang-ssl erlang-base",
            f"erl -noshell -pa {{folder}} -run server main {_PLACES}",
            build=("erlc -o {folder} {source}/server.erl",),
            reports="dpkg-query -W -f ${{Version}} erlang-ssl",
        ),
        Stack(
            "nginx",
            "apt-get install nginx-light",
            "nginx -p {folder} -c {folder}/nginx.conf",
            {"1.2": "TLSv1.2", "1.3": "TLSv1.3"},
            {"none": "off"},  # client certificates are judged by its HTTP, after the handshake
            reports="nginx -v",
        ),
        Stack(
            "boringssl",
            "npm install --prefix .stacks @oven/bun-linux-x64",
            f"@oven/bun-linux-x64/bin/bun {{source}}/node.js {_PLACES}",
            {v: v for v in ("1.2", "1.3")},
            reports="@oven/bun-linux-x64/bin/bun --version",
        ),
        Stack(
            "rustls",
            "npm install --prefix .stacks @deno/linux-x64-glibc",
            f"@deno/linux-x64-glibc/deno run --allow-all --no-remote {{source}}/deno.js {_PLACES}",
            {v: v for v in ("1.2", "1.3")},
            {"none": "none"},
            pinned=False,
            reports="@deno/linux-x64-glibc/deno --version",
        ),
        Stack(
            "tlslite-ng",
            "pip install tlslite-ng",
            f"{{python}} {{source}}/tlslite_ng.py {_PLACES}",
            auths={a: a for a in ("none", "optional")},
            module="tlslite",
            reports="{python} -c 'import tlslite; print(tlslite.__version__)'",
        ),
    )
}
"""The stacks by name."""


def program(word: str) -> str | None:
    """The path of a program, on the search path or in an npm package; None if it is not there."""
    if not word.startswith("@"):
        return shutil.which(word, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    places = (Path(folder, "node_modules", word) for folder in FOLDERS)
    return next((str(p.resolve()) for p in places if os.access(p, os.X_OK)), None)


@cache
def missing(name: str) -> str:
    """Why a stack cannot be started here; empty if it can."""
    import importlib.util

    s = STACKS[name]
    for command in (*s.build, s.command):
        first = command.split()[0]
        if not first.startswith("{") and program(first) is None:
            return f"{first} is not installed: {s.install}"
    if s.module and importlib.util.find_spec(s.module) is None:
        return f"the package {s.module} is not installed: {s.install}"
    libraries = [w[2:] for c in s.build for w in c.split() if w.startswith("-l")]
    if libraries:
        from ctypes.util import find_library

        absent = [x for x in libraries if find_library(x) is None]
        if absent:
            return f"the library {absent[0]} is not installed: {s.install}"
    return ""


class Server:
    """The servers of a stack; each dies with this process, however that ends."""

    def __init__(self, stack: Stack, made: Credentials, folder: str) -> None:
        self.stack, self.folder = stack, folder
        self.places = {
            "folder": folder,
            "source": str(SOURCE),
            "python": sys.executable,
            **made.write(folder),
        }
        for command in stack.build:
            self._build(command)

    def _words(self, command: str, **more: str) -> list[str]:
        import shlex

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
                f"{self.stack.name}: expected `{command.split()[0]}` to build its server, got "
                f"exit status {done.returncode}: {(done.stderr or done.stdout)[-300:].strip()}; "
                f"{self.stack.install}"
            )

    @property
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

    @contextlib.contextmanager
    def running(self, version: str, auth: str) -> Iterator[Target]:
        """A server of one version and client authentication; TargetError if it does not start."""
        s = self.stack
        port = _free_port()
        places = {"port": str(port), "version": s.versions[version], "auth": s.auths[auth]}
        template = SOURCE / f"{s.name}.conf"
        if template.is_file():
            filled = template.read_text().format(**self.places, **places)
            Path(self.folder, template.name).write_text(filled)
        with tempfile.TemporaryFile(dir=self.folder) as said:
            child = subprocess.Popen(
                self._words(s.command, **places),
                stdin=subprocess.PIPE,  # some servers end with their input
                stdout=said,
                stderr=said,
                start_new_session=True,
                preexec_fn=_dies_with_parent,
                env=_environment(self.folder),
            )
            try:
                _listening(s, child, port, said)
                yield Target("127.0.0.1", port, s.wait, pinned=s.pinned)
            finally:
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


def _dies_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _listening(s: Stack, child: subprocess.Popen[bytes], port: int, said: object) -> None:
    """Wait until the server takes connections."""
    until = time.monotonic() + START
    while time.monotonic() < until:
        if child.poll() is not None:
            break
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1),
        ):
            return
        time.sleep(0.02)
    last = ""
    if hasattr(said, "seek") and hasattr(said, "read"):
        said.seek(0)
        last = said.read()[-300:].decode(errors="replace").strip()
    ended = f"it ended with status {child.poll()}" if child.poll() is not None else "no port opened"
    raise TargetError(
        f"{s.name}: expected a server within {START:.0f} s, got none: {ended}; {last}"
    )
