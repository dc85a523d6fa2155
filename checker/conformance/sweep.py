"""Live checks of many targets: known stacks, each with servers of its own, and servers on ports.

Each setting of a stack has a server and a process of its own, and so has each port; several run at
a time, and one server takes one connection at a time.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from checker.conformance.conform import Conformance, conform
from checker.conformance.credentials import Credentials, Identity, credentials, given
from checker.conformance.honest import VERSIONS, Configuration
from checker.conformance.known import STACKS, missing
from checker.conformance.started import Started, accepted
from checker.conformance.trial import Target, TargetError, Trial
from checker.conformance.weakening import Weakening, consequences
from checker.conformance.words import Word, WordError, words
from checker.pool import Job, Link, Pool, Reply, cores
from model.near import UsageError, hint

AUTHS = {"off": "none", "optional": "optional", "mandatory": "mandatory"}
"""Client authentication as an option, and as the model's `client_auth`."""
DEFAULT_VERSIONS = ("1.2", "1.3")
DEFAULT_AUTHS = ("none", "mandatory")
SUITES = ("ECDHE", "DHE", "RSA")
"""The key exchanges of the checks below TLS 1.3: of a port, the first that it takes."""


@dataclass(frozen=True)
class Asked:
    """What is asked for, for each target."""

    role: str = "server"  # of the targets
    versions: tuple[str, ...] = ()  # empty: 1.2 and 1.3
    auths: tuple[str, ...] = ()  # empty: none and mandatory; of a port: what it shows
    remote: bool = False
    certificate: str = ""  # the files of a client certificate for servers on ports
    key: str = ""
    runs: int = 1
    extensions: tuple[str, ...] = ()  # each checked in a setting of its own, in TLS 1.3

    def configuration(self, version: str, auth: str, suite: str = SUITES[0]) -> Configuration:
        """The configuration of a version, a client authentication and a key exchange."""
        suites = () if version == "1.3" else (suite,)
        if self.role == "client":  # it has a certificate, or none
            own = "honest" if auth == "mandatory" else "empty"
            return Configuration("client", VERSIONS[version], suites, "none", own)
        return Configuration("server", VERSIONS[version], suites, auth, "empty")

    def configurations(
        self, version: str, auth: str, suite: str = SUITES[0]
    ) -> Iterator[Configuration]:
        """The same, and in TLS 1.3 with each of the extensions asked for."""
        bare = self.configuration(version, auth, suite)
        yield bare
        if version == "1.3":
            yield from (replace(bare, extensions=(e,)) for e in self.extensions)


def split(target: str) -> tuple[str, int] | None:
    """The host and the port of a target; None for the name of a stack. UsageError if neither."""
    host, colon, port = target.rpartition(":")
    if not colon:
        if target not in STACKS:
            raise UsageError(
                f"{target}: expected host:port or a known stack{hint(target, STACKS)}: one of "
                f"{', '.join(STACKS)}, or all"
            )
        return None
    if not port.isdigit() or not 0 < int(port) < 65536 or not host:
        raise UsageError(f"{target}: expected host:port with a port of 1 to 65535")
    return host.strip("[]"), int(port)


def checked(targets: Sequence[str], asked: Asked) -> list[str]:
    """The targets, `all` spelled out; UsageError for one that is not known or not on loopback."""
    out = [t for target in targets for t in (STACKS if target == "all" else (target,))]
    for target in out:
        place = split(target)
        if place is not None and not asked.remote and not _loopback(place[0]):
            raise UsageError(
                f"{target}: expected an address on loopback: a check sends handshakes that are "
                "broken on purpose, some hundreds of connections; --remote allows it, on a server "
                "that is yours"
            )
        # Of all stacks, those that are not installed are skipped and not asked for a version.
        if place is None and (target in targets or not missing(target, asked.role)):
            known = versions_of(target, asked)
            for version in asked.versions:
                if version not in known:
                    raise UsageError(
                        f"{target}: --version {version}: expected one of {', '.join(known)}"
                    )
    if asked.certificate:
        _identity(asked)
    if asked.role == "client" and asked.extensions:
        raise UsageError("--extensions: expected a server: clients are checked without extensions")
    return list(dict.fromkeys(out))


def _loopback(host: str) -> bool:
    try:
        found = {ipaddress.ip_address(i[4][0]) for i in socket.getaddrinfo(host, None)}
    except (OSError, ValueError):
        return False
    return all(a.is_loopback for a in found)


def _identity(asked: Asked) -> Identity:
    try:
        return given(asked.certificate, asked.key)
    except (OSError, ValueError, TypeError) as e:
        raise UsageError(
            f"--certificate {asked.certificate} --key {asked.key}: expected a PEM certificate "
            f"and its PEM key without a password: {e}"
        ) from None


def made(asked: Asked) -> Credentials:
    """The credentials: made here, our end's as given."""
    found = credentials()
    if not asked.certificate:
        return found
    if asked.role == "client":
        return replace(found, servers={**found.servers, "honest": _identity(asked)})
    return replace(found, client={**found.client, "honest": _identity(asked)})


# -- the targets -----------------------------------------------------------------------------------
def settings(target: str, asked: Asked) -> list[tuple[str, str]]:
    """The versions and client authentications of a known stack that are asked for."""
    s = STACKS[target]
    known = versions_of(target, asked)
    versions = asked.versions or tuple(v for v in DEFAULT_VERSIONS if v in known)
    auths = asked.auths or DEFAULT_AUTHS
    return [(v, a) for v in versions for a in auths if asked.role == "client" or a in s.auths]


def versions_of(target: str, asked: Asked) -> Mapping[str, str]:
    """The versions of a known stack, as that spells them."""
    s = STACKS[target]
    return s.client.versions if asked.role == "client" and s.client else s.versions


def ready(name: str, asked: Asked, folder: str) -> Started:
    """A known stack made ready in a folder; TargetError if that fails."""
    s = STACKS[name]
    started = Started(s, credentials(), folder)
    started.build(s.client.build if asked.role == "client" and s.client else s.build)
    return started


def started(of: Started, asked: Asked, version: str, auth: str) -> AbstractContextManager[Target]:
    """A running server or client of a stack."""
    if asked.role == "client":
        return of.client(version, certificate=auth == "mandatory")
    return of.server(version, auth)


def of_setting(
    stack: Started, asked: Asked, setting: tuple[str, str], line: Callable[[str], None]
) -> Iterator[Conformance]:
    """The results of a stack that is made ready, with one version and client authentication."""
    version, auth = setting
    name, suite = stack.stack.name, stack.stack.suite
    config = asked.configuration(version, auth, suite)
    try:
        with started(stack, asked, version, auth) as target:
            for config in asked.configurations(version, auth, suite):
                found = conform(name, target, config, credentials(), line, asked.runs)
                found.release = stack.release
                yield found
    except TargetError as e:
        yield Conformance(name, config, error=str(e), release=stack.release)


@contextmanager
def at_port(name: str, asked: Asked) -> Iterator[Target]:
    """A server on a port, or the clients that connect to a port here."""
    place = split(name)
    assert place is not None
    if asked.role == "server":
        yield Target(*place)
        return
    try:
        listener = socket.create_server(place)
    except OSError as e:
        raise TargetError(f"{name}: expected a port to listen on for clients: {e}") from None
    with listener:
        yield Target(*place, opener=lambda: accepted(listener, name))


def of_port(name: str, asked: Asked, line: Callable[[str], None]) -> Iterator[Conformance]:
    """The results of a server or client on a port, one for each version that it offers."""
    with at_port(name, asked) as target:
        for config in shown(target, asked):
            try:
                yield conform(name, target, config, made(asked), line, asked.runs)
            except TargetError as e:
                yield Conformance(name, config, error=str(e))


def shown(target: Target, asked: Asked) -> Iterator[Configuration]:
    """The configurations asked for; what is not asked for is what the target shows."""
    for version in asked.versions or DEFAULT_VERSIONS:
        if asked.role == "client":
            for auth in asked.auths or ("none",):
                yield from asked.configurations(version, auth)
            continue
        suite = SUITES[0] if version == "1.3" else shown_suite(target, asked, version)
        auths = asked.auths or (shown_auth(target, asked, version, suite),)
        for auth in auths:
            yield from asked.configurations(version, auth, suite)


def shown_suite(target: Target, asked: Asked, version: str) -> str:
    """The first key exchange that a server takes; the first of all if it takes none."""
    taken = (s for s in SUITES if _takes(target, asked, version, "none", s, "ServerHello"))
    return next(taken, SUITES[0])


def shown_auth(target: Target, asked: Asked, version: str, suite: str) -> str:
    """The client authentication that a server shows: whether it asks, and takes none for an answer.

    TargetError if it cannot be reached.
    """
    if not _takes(target, asked, version, "none", suite, "CertificateRequest"):
        return "none"
    return "optional" if _takes(target, asked, version, "optional", suite) else "mandatory"


def _takes(
    target: Target, asked: Asked, version: str, auth: str, suite: str, shows: str = ""
) -> bool:
    """Whether the first legal word shows a message, or (without one) completes."""
    config = asked.configuration(version, auth, suite)
    legal = [w for w in words(config).legal if auth == "none" or _empty(w)]
    with Trial(target, config, made(asked)) as trial:
        done = trial.legal(legal[0])
        return any(s.has(shows) for s in trial.steps) if shows else done and trial.alive()


def _empty(word: Word) -> bool:
    return any(s.message == "Certificate" and s.empty for s in word)


def _ready(name: str, asked: Asked, folder: str) -> Started | Conformance:
    """The job that makes a known stack ready; its result if it cannot be checked."""
    why = missing(name, asked.role)
    if why:
        return Conformance(name, skipped=why)
    try:
        stack = ready(name, asked, folder)
    except TargetError as e:
        return Conformance(name, error=str(e))
    _ = stack.release  # asked once for all settings
    return stack


def _at_port(link: Link, name: str, asked: Asked) -> None:
    """The job of a target on a port: each result is a part of the answer."""
    try:
        for found in of_port(name, asked, link.line):
            link.part(found)
    except TargetError as e:
        link.part(Conformance(name, error=str(e)))


def _setting(link: Link, stack: Started, asked: Asked, setting: tuple[str, str]) -> None:
    """The job of one setting of a stack: each result is a part of the answer."""
    for found in of_setting(stack, asked, setting, link.line):
        link.part(found)


def _slow(target: str) -> bool:
    """Whether the checks of a target are among those that take longest."""
    return split(target) is None and STACKS[target].slow


class _Sweep:
    """The jobs of many targets: the results by target and by job, and the weakened rows."""

    def __init__(self, pool: Pool, asked: Asked, folder: str) -> None:
        self.pool, self.asked, self.folder = pool, asked, folder
        self.found: dict[Job, tuple[str, list[Conformance]]] = {}  # in the order of the report
        self.searches: dict[Weakening, Job] = {}
        self.attacks: dict[Job, list[dict[str, Any]]] = {}

    def begin(self, name: str) -> None:
        """Add the first job of a target."""
        if split(name) is not None:
            self._add(name, Job(_at_port, (name, self.asked), linked=True))
            return
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        self._add(name, Job(_ready, (name, self.asked, folder)))

    def _add(self, name: str, job: Job, *, first: bool = False) -> None:
        self.found[self.pool.add(job, first=first)] = name, []

    def take(self, reply: Reply) -> list[Conformance]:
        """The results in a reply, after the jobs that follow from it were added."""
        if reply.job not in self.found:
            self.attacks[reply.job] = reply.get()
            return []
        name, found = self.found[reply.job]
        value = Conformance(name, error=str(reply.problem)) if reply.problem else reply.value
        if isinstance(value, Started):
            for setting in settings(name, self.asked):
                job = Job(_setting, (value, self.asked, setting), linked=True)
                self._add(name, job, first=_slow(name))
        if not isinstance(value, Conformance):
            return []
        found.append(value)
        for d in value.divergences:
            if d.weakening is not None and d.weakening not in self.searches:
                job = Job(consequences, (d.weakening,))
                self.searches[d.weakening] = self.pool.add(job, first=True)
        return [value]

    def results(self, targets: Sequence[str]) -> list[Conformance]:
        """All results, in the order of the targets and settings, with the attacks."""
        unknown = [{"name": "", "id": "", "steps": 0, "problem": "interrupted"}]
        out = [
            r for t in targets for name, found in self.found.values() if name == t for r in found
        ]
        for r in out:
            for d in r.divergences:
                if d.weakening is not None:
                    d.properties = self.attacks.get(self.searches[d.weakening], unknown)
        return out


def sweep(
    targets: Sequence[str],
    asked: Asked,
    progress: Callable[[str], None] | None = None,
    report: Callable[[Conformance], None] | None = None,
) -> tuple[list[Conformance], bool]:
    """The results of targets, in order, with the attacks on weakened rows; whether interrupted."""
    interrupted = False
    credentials()  # made before the processes are forked, which share them
    # Most checks wait most of the time, so there are more processes than cores.
    with (
        tempfile.TemporaryDirectory(prefix="checker-") as folder,
        Pool(4 * cores(), progress) as pool,
    ):
        jobs = _Sweep(pool, asked, folder)
        try:
            for t in sorted(targets, key=_slow, reverse=True):
                jobs.begin(t)
            for reply in pool.replies():
                for found in jobs.take(reply):
                    if report is not None:
                        report(found)
        except KeyboardInterrupt:
            interrupted = True
    return jobs.results(targets), interrupted


__all__ = ["Asked", "WordError", "checked", "sweep"]
