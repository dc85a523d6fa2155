"""Scenarios by name: versions, suites, runs, network and capabilities, and how each is decided.

A scenario is data: `RUNS` are its runs with the values their configuration may have. A value with
several entries is free. Client certificate, authentication mode and certificate validity are free
in every scenario.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from model.adversary.network import Adversary
from model.adversary.reliable import Reliable
from model.expr import Expr, Value, var
from model.principal import OFFERED
from model.roles import role
from model.rule import Role
from model.system import Instance, Network, System

Config = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Scenario:
    """What is checked and how: `methods` is any of the engines "explicit", "symbolic"."""

    name: str
    summary: str
    client: Config
    server: Config
    methods: tuple[str, ...]
    clients: int = 1
    servers: int = 1
    network: str = "adversary"
    capabilities: tuple[str, ...] = ()
    default: bool = True
    extensions: tuple[str, ...] = ()
    later: tuple[tuple[str, str], ...] = ()
    """Pairs of runs: the first is the same end's handshake after the second."""
    order: str = "rounds"
    """When a later handshake begins: "rounds", when all first ones are complete, which then take no
    more steps (that keeps a search small); "over", when the one before is closed;
    "beside", when the one before has begun."""
    goes_on: tuple[str, ...] = ()
    """Runs of `later` that go on on the connection of the run before: they renegotiate."""
    configs: Mapping[str, Config] = field(default_factory=dict)
    """By run, what differs from the configuration of its role."""

    @property
    def features(self) -> frozenset[str]:
        """What a property may need: the generations, key exchanges and roles that occur here."""
        both = {
            s
            for s in OFFERED
            if all(True in c.get(f"offers_{s}", ()) for c in (self.client, self.server))
        }
        versions = [set(c["max_version"]) | set(c.get("min_version", ("TLS10",)))
                    for c in (self.client, self.server)]  # fmt: skip
        found = {self.network, *self.extensions}
        found |= {f"later-{'clients' if n.startswith('client') else 'servers'}"
                  for n, _ in self.later}  # fmt: skip
        if any(v != "TLS13" for pair in versions for v in pair) and both:
            found.add("tls12")
        if all("TLS13" in v for v in versions):
            found.add("tls13")
        if {"tls12", "tls13"} <= found:
            found.add("downgrade")
        if both - {"DH_anon"} or "tls13" in found:
            found.add("certificates")
        # Two ends that know only TLS 1.3 as their best are stopped by the sentinel before that.
        best = {v for c in (self.client, self.server) for v in c["max_version"]}
        if both & {"DHE", "ECDHE", "RSA_EXPORT", "DHE_EXPORT"} and best != {"TLS13"}:
            found.add("signed-params")
        if any(True in c.get("sends_data", (True,)) for c in (self.client, self.server)):
            found.add("data")
        if "RSA" in both:
            found.add("rsa")
        if "DH_anon" in both:
            found.add("anonymous")
        if True in self.server.get("asks_client", (True,)) and "certificates" in found:
            found.add("client-auth")
        return frozenset(found)

    def system(self, client: Role | None = None, server: Role | None = None) -> System:
        """The system, with other roles than the sound ones if given."""
        client = client or role("client", self.extensions)
        server = server or role("server", self.extensions)
        roles = {f"client{i}": client for i in range(self.clients)}
        roles |= {f"server{i}": server for i in range(self.servers)}
        runs = [self._run(name, roles) for name in roles]
        network: Network = (
            Reliable() if self.network == "reliable" else Adversary(self.capabilities)
        )
        return System(self.name, tuple(runs), network)

    def _run(self, name: str, roles: Mapping[str, Role]) -> Instance:
        role = roles[name]
        config = self.client if role.name == "client" else self.server
        mine = {**config, **self.configs.get(name, {})}
        before = dict(self.later).get(name)
        if before is None:
            return Instance(name, role, mine)
        goes_on = name in self.goes_on
        if goes_on:
            keys = dict.fromkeys(("read_key", "write_key"), ("previous",))
            mine |= {"renegotiating": (True,), **keys}
        firsts = [n for n in roles if self._place(n) == self._place(before)]
        rounds = self.order == "rounds"
        begins = {n: self._begun(roles[n], goes_on) for n in (firsts if rounds else [before])}
        return Instance(name, role, mine, before, begins, rounds or goes_on, goes_on)

    def _place(self, name: str) -> int:
        """How many handshakes the same end had before."""
        before = dict(self.later).get(name)
        return 0 if before is None else 1 + self._place(before)

    def _begun(self, role: Role, goes_on: bool) -> Expr:
        """Over `own`: the handshake is so far that the same end may begin the next."""
        state = var("own.state", role.state_domain)
        if self.order == "beside" and not goes_on:
            return state != "START"
        if self.order == "over" and not goes_on:
            return state == "CLOSED"
        return state == "CONNECTED"


def _offers(*suites: str) -> dict[str, tuple[Value, ...]]:
    return {f"offers_{s}": (True,) for s in suites}


def _versions(*versions: str) -> dict[str, tuple[Value, ...]]:
    return {"max_version": versions}


RESUMED = {n: {"requires_session": (True,)} for n in ("client1", "server1")}
"""The second handshakes resume, or end: what a second full one could do, the first can."""

TWICE = (("client1", "client0"), ("server1", "server0"))
"""Each end has a second handshake."""

EITHER: tuple[Value, ...] = (False, True)


def _no_client_auth(end: str) -> dict[str, tuple[Value, ...]]:
    """The server never asks; the client has no certificate and sends no data first."""
    if end == "server":
        return {"asks_client": (False,)}
    return {"has_certificate": (False,), "sends_data": (False,)}


TLS10 = {"min_version": ("TLS10",), **_versions("TLS10")}
TLS11 = {"min_version": ("TLS11",), **_versions("TLS11")}
TLS12 = {"min_version": ("TLS12",), **_versions("TLS12")}
TLS13 = {"min_version": ("TLS13",), **_versions("TLS13")}

SCENARIOS = (
    Scenario(
        "honest",
        "no attacker, reliable channels: every version and suite at either end",
        {**_versions("TLS12", "TLS13"), **_offers("RSA"), "offers_ECDHE": EITHER,
         "closes": (True,)},
        {**_versions("TLS12", "TLS13"), **_offers("ECDHE"), "offers_RSA": EITHER,
         "closes": (True,)},
        ("explicit",),
        network="reliable",
    ),
    Scenario(
        "tls12-small",
        "TLS 1.2, RSA only, no client authentication",
        {**TLS12, **_offers("RSA"), "has_certificate": (False,), "sends_data": (False,)},
        {**TLS12, **_offers("RSA"), "asks_client": (False,), "sends_data": (False,)},
        ("explicit", "symbolic"),
    ),
    Scenario(
        "tls12",
        "TLS 1.2 with RSA and ECDHE",
        {**TLS12, **_offers("RSA", "ECDHE")},
        {**TLS12, **_offers("RSA", "ECDHE")},
        ("explicit",),
    ),
    Scenario(
        "tls12-wide",
        "TLS 1.2 with RSA, DHE, ECDHE and compression: a large search, for measurements",
        {**TLS12, **_offers("RSA", "DHE", "ECDHE"), "deflate": (True,)},
        {**TLS12, **_offers("RSA", "DHE", "ECDHE"), "deflate": (True,)},
        ("explicit",),
        default=False,
    ),
    Scenario(
        "tls13",
        "TLS 1.3 with certificates",
        TLS13,
        TLS13,
        ("explicit", "symbolic"),
    ),
    Scenario(
        "tls10-tls13",
        "negotiation: each end's highest version is 1.0, 1.2 or 1.3",
        {**_versions("TLS10", "TLS12", "TLS13"), **_offers("ECDHE"), **_no_client_auth("client")},
        {**_versions("TLS10", "TLS12", "TLS13"), **_offers("ECDHE"), **_no_client_auth("server"),
         "sends_data": (False,)},
        ("explicit",),
    ),
    Scenario(
        "client-auth",
        "TLS 1.2 with DHE and compression, client authentication optional or mandatory",
        {**TLS12, **_offers("DHE"), "deflate": (True,), "sends_data": (False,)},
        {**TLS12, **_offers("DHE"), "deflate": (True,)},
        ("explicit",),
    ),
    Scenario(
        "anonymous",
        "TLS 1.1 with DH_anon enabled at both ends, beside RSA",
        {**TLS11, **_offers("RSA", "DH_anon"), **_no_client_auth("client")},
        {**TLS11, **_offers("RSA", "DH_anon"), **_no_client_auth("server")},
        ("explicit",),
    ),
    Scenario(
        "export-grade",
        "a server that still takes export suites, a client that does not; weak keys are broken",
        {**TLS10, **_offers("RSA", "DHE"), **_no_client_auth("client")},
        {**TLS10, **_offers("RSA", "DHE", "RSA_EXPORT", "DHE_EXPORT"), **_no_client_auth("server")},
        ("explicit",),
        capabilities=("break_export",),
    ),
    Scenario(
        "export-offered",
        "both ends take export suites; weak keys are broken",
        {**TLS10, **_offers("RSA", "RSA_EXPORT"), **_no_client_auth("client")},
        {**TLS10, **_offers("RSA", "RSA_EXPORT"), **_no_client_auth("server")},
        ("explicit",),
        capabilities=("break_export",),
    ),
    Scenario(
        "weak-dhe",
        "both ends know TLS 1.3, and in 1.2 still take weak DHE groups; weak keys are broken",
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("DHE"), "weak_dh": (True,),
         **_no_client_auth("client")},
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("DHE"), "weak_dh": (True,),
         **_no_client_auth("server")},
        ("explicit",),
        capabilities=("break_export",),
    ),
    Scenario(
        "integrity-only",
        "TLS 1.2, RSA with a NULL cipher: records are authenticated but not hidden",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client"), "null_cipher": (True,)},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "null_cipher": (True,)},
        ("explicit",),
    ),
    Scenario(
        "two-clients",
        "two client runs, one server run, TLS 1.2 with RSA and ECDHE: too big to search",
        {**TLS12, **_offers("RSA", "ECDHE")},
        {**TLS12, **_offers("RSA", "ECDHE")},
        ("symbolic",),
        clients=2,
        capabilities=(),
    ),
    Scenario(
        "two-clients-rsa",
        "two client runs, one server run, RSA only, no client authentication, no data",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        ("explicit",),
        clients=2,
        default=False,
    ),
    Scenario(
        "two-clients-ecdhe",
        "two client runs, one server run, ECDHE only, no client authentication",
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("client")},
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("server")},
        ("explicit",),
        clients=2,
        default=False,
    ),
    Scenario(
        "fallback",
        "a client that knows TLS 1.2 tries again with 1.0 and the fallback signalling suite",
        {**TLS10, **_offers("ECDHE"), "fallback": EITHER, **_no_client_auth("client")},
        {"min_version": ("TLS10",), **_versions("TLS10", "TLS12"), **_offers("ECDHE"),
         **_no_client_auth("server"), "sends_data": (False,)},
        ("explicit",),
        extensions=("fallback",),
    ),
    Scenario(
        "closure",
        "TLS 1.2 with ECDHE, both ends close",
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("client"), "closes": (True,)},
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("server"), "closes": (True,)},
        ("explicit",),
    ),
    Scenario(
        "tls12-ems",
        "TLS 1.2 with RSA and client authentication, the extended master secret at both ends",
        {**TLS12, **_offers("RSA"), "sends_data": (False,), "requires_ems": (True,)},
        {**TLS12, **_offers("RSA"), "sends_data": (False,), "requires_ems": (True,)},
        ("explicit",),
        extensions=("extended_master_secret",),
    ),
    Scenario(
        "tls12-ems-optional",
        "TLS 1.2 with RSA, each end with or without the extended master secret",
        {**TLS12, **_offers("RSA"), "offers_ems": EITHER, **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), "offers_ems": EITHER, **_no_client_auth("server"),
         "sends_data": (False,)},
        ("explicit",),
        extensions=("extended_master_secret",),
    ),
    Scenario(
        "resumption-honest",
        "no attacker: a handshake and one on another connection that resumes its session",
        {**TLS12, **_offers("RSA"), "offers_ECDHE": EITHER, "offers_ems": EITHER,
         "sends_data": (False,), "closes": (True,)},
        {**TLS12, **_offers("RSA", "ECDHE"), "closes": (True,)},
        ("explicit",),
        network="reliable",
        clients=2, servers=2, later=TWICE, order="over",
        extensions=("extended_master_secret", "resumption"),
    ),
    Scenario(
        "tls12-resumption",
        "TLS 1.2 with RSA: a handshake, and another that resumes its session",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        ("explicit",),
        clients=2, servers=2, later=TWICE, configs=RESUMED,
        extensions=("resumption",),
    ),
    Scenario(
        "resumption-ems",
        "TLS 1.2 with RSA: a handshake, and another that resumes its session, with EMS",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client"), "requires_ems": (True,)},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,),
         "requires_ems": (True,)},
        ("explicit",),
        clients=2, servers=2, later=TWICE, configs=RESUMED,
        extensions=("extended_master_secret", "resumption"),
    ),
    Scenario(
        "resumption-cache",
        "one client, and a server's second handshake beside its first, whose session it may resume",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        ("explicit",),
        servers=2, later=(("server1", "server0"),), configs=RESUMED, order="beside",
        extensions=("resumption",),
    ),
    Scenario(
        "resumption-ems-optional",
        "a server's second handshake resumes, if it may, with EMS or without",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client"), "offers_ems": EITHER},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,),
         "offers_ems": EITHER},
        ("explicit",),
        servers=2, later=(("server1", "server0"),), configs=RESUMED,
        extensions=("extended_master_secret", "resumption"),
    ),
)  # fmt: skip


def scenario(name: str) -> Scenario:
    """The scenario called `name`; LookupError with the near names."""
    for s in SCENARIOS:
        if s.name == name:
            return s
    names = [s.name for s in SCENARIOS]
    near = difflib.get_close_matches(name, names, 3, 0.4) or names
    raise LookupError(f"no scenario is called {name!r}; did you mean {', '.join(near)}?")
