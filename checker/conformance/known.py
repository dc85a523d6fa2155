"""The known stacks, as data: how each is started as a server, and as a client.

A command is words with places: `{port}`, `{version}` and `{auth}` (as the stack spells them), the
files of the credentials, `{folder}` for what is made, and `{source}` for the programs beside this
file. A stack is missing if one of its programs or files is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from checker.conformance.credentials import PASSWORD

SOURCE = Path(__file__).parent / "stacks"
FOLDERS = (".", ".stacks")
"""Where packages are looked for, those of npm in `node_modules`."""
_SAME = {v: v for v in ("1.0", "1.1", "1.2", "1.3")}
_AUTH = {a: a for a in ("none", "optional", "mandatory")}
_PLACES = "{port} {version} {auth} {ca} {server} {server_key}"


@dataclass(frozen=True)
class Client:
    """How a stack is started as a client."""

    command: str
    own: str  # the words for a certificate of its own
    versions: Mapping[str, str]
    build: tuple[str, ...] = ()
    again: bool = (
        True  # whether it connects again and again; else it is started for each connection
    )


@dataclass(frozen=True)
class Stack:
    """A stack that a command can start as a server, and perhaps as a client."""

    name: str
    install: str  # the command that installs what is missing
    command: str
    versions: Mapping[str, str] = field(default_factory=lambda: _SAME)  # as the stack spells them
    auths: Mapping[str, str] = field(default_factory=lambda: _AUTH)
    build: tuple[str, ...] = ()  # commands before the first start
    pinned: bool = True  # whether the command fixes the version
    wait: float = 0.3  # seconds that silence is listened to
    slow: bool = False  # its checks take longest, and begin first
    module: str = ""  # a Python package that it needs
    reports: str = ""  # the command that prints the version
    suite: str = "ECDHE"  # the key exchange of the checks below TLS 1.3
    client: Client | None = None


_OPENSSL = {"1.0": "-tls1 -cipher DEFAULT@SECLEVEL=0", "1.1": "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
            "1.2": "-tls1_2", "1.3": "-tls1_3"}  # fmt: skip
_GNUTLS = {v: f"NORMAL:-VERS-ALL:+VERS-TLS{v}" for v in _SAME}
_MODERN = {v: v for v in ("1.2", "1.3")}
_OWN = "{client} {client_key}"
_NSS = {v: f"tls{v}:tls{v}" for v in _SAME}

STACKS = {
    s.name: s
    for s in (
        Stack(
            "python-ssl",
            "nothing",
            f"{{python}} {{source}}/python_ssl.py {_PLACES} ssl",
            reports="{python} -c 'import ssl; print(ssl.OPENSSL_VERSION)'",
            client=Client(
                "{python} {source}/python_ssl_client.py {port} {version} {ca} {own}", _OWN, _SAME
            ),
        ),
        Stack(
            "openssl",
            "apt-get install openssl",
            "openssl s_server -accept 127.0.0.1:{port} -cert {server} -key {server_key} "
            "-CAfile {ca} -quiet {version} {auth}",
            _OPENSSL,
            {"none": "", "optional": "-verify 2", "mandatory": "-Verify 2 -verify_return_error"},
            reports="openssl version",
            client=Client(
                "openssl s_client -connect 127.0.0.1:{port} -CAfile {ca} -verify_return_error "
                "-servername localhost -verify_hostname localhost -quiet {version} {own}",
                "-cert {client} -key {client_key}",
                _OPENSSL,
                again=False,
            ),
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
            client=Client(
                "gnutls-cli -p {port} --x509cafile {ca} --sni-hostname localhost "
                "--verify-hostname localhost --priority {version} {own} 127.0.0.1",
                "--x509certfile {client} --x509keyfile {client_key}",
                _GNUTLS,
                again=False,
            ),
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
            _MODERN,
            build=("javac -d {folder} {source}/Server.java",),
            wait=0.5,
            slow=True,
            reports="java --version",
        ),
        Stack(
            "go",
            "apt-get install golang-go",
            f"{{folder}}/server {_PLACES}",
            build=("go build -o {folder}/server {source}/server.go",),
            reports="go version",
            client=Client(
                "{folder}/client {port} {version} {ca} {own}",
                _OWN,
                _SAME,
                ("go build -o {folder}/client {source}/client.go",),
            ),
        ),
        Stack(
            "wolfssl",
            "apt-get install gcc libwolfssl-dev",
            f"{{folder}}/server {_PLACES}",
            _MODERN,
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
            _MODERN,
            reports="node -p process.versions.openssl",
            client=Client("node {source}/client.js {port} {version} {ca} {own}", _OWN, _MODERN),
        ),
        Stack(
            "erlang",
            "apt-get install erlang-ssl erlang-base",
            "erl +sbwt none +sbwtdcpu none +sbwtdio none -noshell -pa {folder} -run server main "
            + _PLACES,
            build=("erlc -o {folder} {source}/server.erl",),
            slow=True,
            reports="dpkg-query -W -f ${{Version}} erlang-ssl",
        ),
        Stack(
            "nginx",
            "apt-get install nginx-light",
            "nginx -p {folder} -c {conf}",
            {"1.2": "TLSv1.2", "1.3": "TLSv1.3"},
            {"none": "off"},  # client certificates are judged by its HTTP, after the handshake
            reports="nginx -v",
        ),
        Stack(
            "boringssl",
            "npm install --prefix .stacks @oven/bun-linux-x64",
            f"@oven/bun-linux-x64/bin/bun {{source}}/node.js {_PLACES}",
            _MODERN,
            reports="@oven/bun-linux-x64/bin/bun --version",
            client=Client(
                "@oven/bun-linux-x64/bin/bun {source}/client.js {port} {version} {ca} {own}",
                _OWN,
                _MODERN,
            ),
        ),
        Stack(
            "rustls",
            "npm install --prefix .stacks @deno/linux-x64-glibc",
            f"@deno/linux-x64-glibc/deno run --allow-all --no-remote {{source}}/deno.js {_PLACES}",
            _MODERN,
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
        *(
            Stack(
                f"node-{version}",
                "make stacks",
                f"node-v{version}-linux-x64/bin/node {{source}}/node.js {_PLACES}",
                {"1.2": "1.2"},
                reports=f"node-v{version}-linux-x64/bin/node -p process.versions.openssl",
                suite="RSA",
                slow=True,
            )
            # The last Node whose OpenSSL has CVE-2014-0224, and the first without.
            for version in ("0.10.28", "0.10.29")
        ),
    )
}
"""The stacks by name."""


def program(word: str) -> str | None:
    """The path of a program, on the search path or in a package; None if it is not there."""
    if "/" not in word or word.startswith("/"):
        return shutil.which(word, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    places = (Path(folder, inner, word) for folder in FOLDERS for inner in ("node_modules", ""))
    return next((str(p.resolve()) for p in places if os.access(p, os.X_OK)), None)


@cache
def missing(name: str, role: str = "server") -> str:
    """Why a stack cannot be started here in a role; empty if it can."""
    import importlib.util

    s = STACKS[name]
    if role == "client" and s.client is None:
        have = ", ".join(x.name for x in STACKS.values() if x.client is not None)
        return f"it is not known as a client: {have} are"
    c = s.client if role == "client" else None
    build, run = (c.build, c.command) if c is not None else (s.build, s.command)
    for command in (*build, run):
        first = command.split()[0]
        if not first.startswith("{") and program(first) is None:
            return f"{first} is not installed: {s.install}"
    if s.module and importlib.util.find_spec(s.module) is None:
        return f"the package {s.module} is not installed: {s.install}"
    libraries = [w[2:] for line in build for w in line.split() if w.startswith("-l")]
    if libraries:
        from ctypes.util import find_library

        absent = [x for x in libraries if find_library(x) is None]
        if absent:
            return f"the library {absent[0]} is not installed: {s.install}"
    return ""
