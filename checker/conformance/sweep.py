"""Live checks of many targets: known stacks, each with servers of its own, and servers on ports.

Stacks run in parallel, each in a process; one server takes one connection at a time.
"""

from __future__ import annotations

import ipaddress
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
from checker.pool import Job, Link, Pool, cores
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


def of_stack(name: str, asked: Asked, line: Callable[[str], None]) -> Iterator[Conformance]:
    """The results of a known stack, one for each setting."""
    why = missing(name, asked.role)
    if why:
        yield Conformance(name, skipped=why)
        return
    with tempfile.TemporaryDirectory(prefix="checker-") as folder:
        stack = ready(name, asked, folder)
        release = stack.release
        for version, auth in settings(name, asked):
            config = asked.configuration(version, auth, stack.stack.suite)
            try:
                with started(stack, asked, version, auth) as target:
                    for config in asked.configurations(version, auth, stack.stack.suite):
                        found = conform(name, target, config, credentials(), line, asked.runs)
                        found.release = release
                        yield found
            except TargetError as e:
                yield Conformance(name, config, error=str(e), release=release)


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


def run(link: Link, name: str, asked: Asked) -> None:
    """The job of one target: each result is a part of the answer."""
    try:
        for found in (of_stack if split(name) is None else of_port)(name, asked, link.line):
            link.part(found)
    except TargetError as e:
        link.part(Conformance(name, error=str(e)))


def sweep(
    targets: Sequence[str],
    asked: Asked,
    progress: Callable[[str], None] | None = None,
    report: Callable[[Conformance], None] | None = None,
) -> tuple[list[Conformance], bool]:
    """The results of targets, in order, with the attacks on weakened rows; whether interrupted."""
    parts: dict[str, list[Conformance]] = {t: [] for t in targets}
    jobs: dict[Job, str] = {}
    searches: dict[Weakening, Job] = {}
    results: dict[Job, list[dict[str, Any]]] = {}
    interrupted = False
    # A check mostly waits, so there are more processes than cores.
    with Pool(2 * cores(), progress) as pool:
        for t in targets:
            jobs[pool.add(Job(run, (t, asked), linked=True))] = t
        try:
            for reply in pool.replies():
                name = jobs.get(reply.job)
                if name is None:
                    results[reply.job] = reply.get()
                elif reply.problem is not None:
                    parts[name].append(Conformance(name, error=str(reply.problem)))
                elif reply.part:
                    found: Conformance = reply.value
                    parts[name].append(found)
                    if report is not None:
                        report(found)
                    for d in found.divergences:
                        if d.weakening is not None and d.weakening not in searches:
                            job = Job(consequences, (d.weakening,))
                            searches[d.weakening] = pool.add(job)
        except KeyboardInterrupt:
            interrupted = True
    unknown = [{"name": "", "id": "", "steps": 0, "problem": "interrupted"}]
    out = [r for found in parts.values() for r in found]
    for r in out:
        for d in r.divergences:
            if d.weakening is not None:
                d.properties = results.get(searches[d.weakening], unknown)
    return out, interrupted


__all__ = ["Asked", "WordError", "checked", "sweep"]
