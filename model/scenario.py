"""Scenarios by name: versions, suites, runs, network and capabilities, and how each is decided.

A scenario is data: `RUNS` are its runs with the values their configuration may have. A value with
several entries is free. Client certificate, authentication mode and certificate validity are free
in every scenario.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from model.adversary.capabilities import leaking
from model.adversary.network import Adversary
from model.adversary.reliable import Reliable
from model.expr import TRUE, Expr, Value, conj, eq
from model.principal import OFFERED
from model.roles import role
from model.rule import Role
from model.system import Instance, Network, System
from model.transcript import CERTIFICATE_SUITES, view

Config = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True)
class Scenario:
    """What is checked and how: `methods` is any of "explicit" (search) and "symbolic" (proof)."""

    name: str
    summary: str
    client: Config
    server: Config
    methods: tuple[str, ...] = ("explicit", "symbolic")
    clients: int = 1
    servers: int = 1
    network: str = "adversary"
    capabilities: tuple[str, ...] = ()
    default: bool = True
    extensions: tuple[str, ...] = ()
    later: tuple[tuple[str, str], ...] = ()
    """Pairs of runs: the first is the same end's handshake after the second."""
    order: str = "apart"
    """When a later handshake begins. "apart": when all those before are closed; "rounds": when all
    those before are complete, which then take no more steps (that keeps a search small); "in step":
    and the two ends of each have the same keys; "relayed": and the same hellos, and the adversary
    makes up nothing of what was made in a round before; "over": when the one before is closed, or
    complete if it goes on on that connection; "beside": when the one before has begun."""
    goes_on: tuple[str, ...] = ()
    """Runs of `later` that go on on the connection of the run before: they renegotiate."""
    configs: Mapping[str, Config] = field(default_factory=dict)
    """By run, what differs from the configuration of its role."""
    about: tuple[str, ...] = ()
    """The ids of the properties it is for, if not for all that apply: a search over fewer variables
    has fewer states."""

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
        found = {self.network, *self.extensions, *self.capabilities}
        on = {
            n
            for c in (self.client, self.server, *self.configs.values())
            for n, v in c.items()
            if True in v
        }
        found |= {f"several-{n}" for n, k in (("clients", self.clients), ("servers", self.servers))
                  if k > 1}  # fmt: skip
        if {"reveal_client_key", "reveal_server_key", "reveal_external_key"} & found:
            found.add("long-term")
        if "resumes" in on:
            found |= {"psk-resumption", "tickets"}
        if "session_ticket" in self.extensions:
            found.add("tickets")
        if "has_register" in on:
            found.add("register")
        elif self.servers > 1:
            found.add("two-servers")
        if {"psk", "resumption"} & set(self.extensions):
            found.add("sessions")
        found |= {f"later-{n[:6]}s" for n, _ in self.later}
        if self.later:
            found.add("later")
        if "interleaves" in on:
            found.add("interleaved")
        if "asks_renegotiation" in on:
            found.add("asked")
        if any(v != "TLS13" for pair in versions for v in pair) and both:
            found.add("tls12")
        if all("TLS13" in v for v in versions):
            found.add("tls13")
            if True in self.server.get("sends_data", (True,)):
                found.add("early-server-data")
        if {"tls12", "tls13"} <= found:
            found.add("downgrade")
        if both & set(CERTIFICATE_SUITES) or "tls13" in found:
            found.add("certificates")
        # Two ends that know only TLS 1.3 as their best are stopped by the sentinel before that.
        best = {v for c in (self.client, self.server) for v in c["max_version"]}
        if both & {"DHE", "ECDHE", "RSA_EXPORT", "DHE_EXPORT"} and best != {"TLS13"}:
            found.add("signed-params")
        if any(True in c.get("sends_data", (True,)) for c in (self.client, self.server)):
            found.add("data")
            if any(c.get("null_cipher") != (True,) for c in (self.client, self.server)):
                found.add("hidden-data")
        if "RSA" in both:
            found.add("rsa")
        if "DH_anon" in both:
            found.add("anonymous")
        if True in self.server.get("asks_client", (True,)) and "certificates" in found:
            found.add("client-auth")
        if "client-auth" in found or "has_external" in on or "psk_suites" in self.extensions:
            found.add("known-clients")
        return frozenset(found)

    def system(self, client: Role | None = None, server: Role | None = None) -> System:
        """The system, with other roles than the sound ones if given."""
        client = leaking(client or role("client", self.extensions), self.capabilities)
        server = leaking(server or role("server", self.extensions), self.capabilities)
        roles = {f"client{i}": client for i in range(self.clients)}
        roles |= {f"server{i}": server for i in range(self.servers)}
        network: Network = (
            Reliable()
            if self.network == "reliable"
            else Adversary(self.capabilities, fresh=self.order == "relayed")
        )
        system = System(self.name, tuple(self._run(n, roles) for n in roles), network)
        runs = [replace(r, begins=self._begins(system, r)) for r in system.runs]
        return replace(system, runs=tuple(runs))

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
        alone = goes_on or self.order in TOGETHER
        return Instance(name, role, mine, before, alone=alone, takes_over=goes_on)

    def _place(self, name: str) -> int:
        """How many handshakes the same end had before."""
        before = dict(self.later).get(name)
        return 0 if before is None else 1 + self._place(before)

    def _begins(self, system: System, run: Instance) -> Expr:
        """When `run` may take its first step."""
        if run.prev is None:
            return TRUE
        state = system.of(run.prev, "state")
        if self.order == "apart":
            followed = dict.fromkeys(first for _, first in self.later)
            return conj(*(system.of(n, "state") == "CLOSED" for n in followed))
        if not run.takes_over and self.order in ("over", "beside"):
            return state == "CLOSED" if self.order == "over" else state != "START"
        # TLS 1.3 has no renegotiation.
        old = system.of(run.prev, "version") != "TLS13" if run.takes_over else TRUE
        if self.order not in TOGETHER:
            return old & (state == "CONNECTED")
        place = self._place(run.prev)
        round_ = [r for r in system.runs if self._place(r.name) == place]
        ready = [old, *(system.of(r, "state") == "CONNECTED" for r in round_)]
        if self.order != "rounds" and isinstance(system.network, Adversary):
            (c,) = (r for r in round_ if r.role.name == "client")
            (s,) = (r for r in round_ if r.role.name == "server")
            ready.append(system.network.same_keys(system, c, s))
            if self.order == "relayed":
                hellos = c.role.covered["hellos"]
                ready += [eq(system.at(c, view(c.role, n)), system.at(s, view(s.role, n)))
                          for n in hellos]  # fmt: skip
        return conj(*ready)


def _offers(*suites: str) -> dict[str, tuple[Value, ...]]:
    return {f"offers_{s}": (True,) for s in suites}


def _versions(*versions: str) -> dict[str, tuple[Value, ...]]:
    return {"max_version": versions}


TOGETHER = ("rounds", "in step", "relayed")
"""Orders in which all handshakes of a round are complete before the next begins."""

RESUMED = {n: {"requires_session": (True,)} for n in ("client1", "server1")}
"""The second handshakes resume, or end: what a second full one could do, the first can."""

TWICE = (("client1", "client0"), ("server1", "server0"))
"""Each end has a second handshake."""

THRICE = (*TWICE, ("client2", "client1"), ("server2", "server1"))
"""Each end has three handshakes."""

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

_PSK_FREE = {"has_external": EITHER, "takes_psk_ke": EITHER, "takes_psk_dhe_ke": EITHER}
_EARLY_CLIENT = {
    **TLS13, "has_external": (True,), "sends_early": (True,), **_no_client_auth("client")
}  # fmt: skip
_EARLY_SERVER = {
    **TLS13, "has_external": (True,), "takes_early": (True,), "issues": (False,),
    **_no_client_auth("server"), "sends_data": (False,),
}  # fmt: skip
_EARLY = ("AUT-1", "AUT-4", "AUT-6", "EDT-3", "EDT-4", "EDT-5", "EDT-7", "KEY-5E", "SEC-1")
_REFLECTING_CLIENT = {
    **TLS13, "has_external": (True,), "takes_psk_ke": EITHER, **_no_client_auth("client")
}  # fmt: skip
_REFLECTING_SERVER = {
    **TLS13, "has_external": (True,), "takes_psk_ke": EITHER, "issues": (False,),
    "principal": ("A", "B"), **_no_client_auth("server"), "sends_data": (False,),
}  # fmt: skip
_LEAKS = ("AUT-1", "AUT-6", "SEC-5", "SEC-9")

SCENARIOS = (
    Scenario(
        "honest",
        "no attacker, reliable channels: every version and suite at either end",
        {**_versions("TLS12", "TLS13"), **_offers("RSA"), "offers_ECDHE": EITHER,
         "closes": (True,)},
        {**_versions("TLS12", "TLS13"), **_offers("ECDHE"), "offers_RSA": EITHER,
         "closes": (True,)},
        network="reliable",
    ),
    Scenario(
        "tls12-small",
        "TLS 1.2, RSA only, no client authentication",
        {**TLS12, **_offers("RSA"), "has_certificate": (False,), "sends_data": (False,)},
        {**TLS12, **_offers("RSA"), "asks_client": (False,), "sends_data": (False,)},
    ),
    Scenario(
        "tls12",
        "TLS 1.2 with RSA and ECDHE",
        {**TLS12, **_offers("RSA", "ECDHE")},
        {**TLS12, **_offers("RSA", "ECDHE")},
    ),
    Scenario(
        "tls12-wide",
        "TLS 1.2 with RSA, DHE, ECDHE and compression: a large search, for measurements",
        {**TLS12, **_offers("RSA", "DHE", "ECDHE"), "deflate": (True,)},
        {**TLS12, **_offers("RSA", "DHE", "ECDHE"), "deflate": (True,)},
        default=False,
    ),
    Scenario(
        "tls13",
        "TLS 1.3 with certificates",
        TLS13,
        TLS13,
    ),
    Scenario(
        "tls10-tls13",
        "negotiation: each end's highest version is 1.0, 1.2 or 1.3",
        {**_versions("TLS10", "TLS12", "TLS13"), **_offers("ECDHE"), **_no_client_auth("client")},
        {**_versions("TLS10", "TLS12", "TLS13"), **_offers("ECDHE"), **_no_client_auth("server"),
         "sends_data": (False,)},
    ),
    Scenario(
        "client-auth",
        "TLS 1.2 with DHE and compression, client authentication optional or mandatory",
        {**TLS12, **_offers("DHE"), "deflate": (True,), "sends_data": (False,)},
        {**TLS12, **_offers("DHE"), "deflate": (True,)},
    ),
    Scenario(
        "anonymous",
        "TLS 1.1 with DH_anon enabled at both ends, beside RSA",
        {**TLS11, **_offers("RSA", "DH_anon"), **_no_client_auth("client")},
        {**TLS11, **_offers("RSA", "DH_anon"), **_no_client_auth("server")},
    ),
    Scenario(
        "export-grade",
        "a server that still takes export suites, a client that does not; weak keys are broken",
        {**TLS10, **_offers("RSA", "DHE"), **_no_client_auth("client")},
        {**TLS10, **_offers("RSA", "DHE", "RSA_EXPORT", "DHE_EXPORT"), **_no_client_auth("server")},
        capabilities=("break_export",),
    ),
    Scenario(
        "export-offered",
        "both ends take export suites; weak keys are broken",
        {**TLS10, **_offers("RSA", "RSA_EXPORT"), **_no_client_auth("client")},
        {**TLS10, **_offers("RSA", "RSA_EXPORT"), **_no_client_auth("server")},
        capabilities=("break_export",),
    ),
    Scenario(
        "weak-dhe",
        "both ends know TLS 1.3, and in 1.2 still take weak DHE groups; weak keys are broken",
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("DHE"), "weak_dh": (True,),
         **_no_client_auth("client")},
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("DHE"), "weak_dh": (True,),
         **_no_client_auth("server")},
        capabilities=("break_export",),
    ),
    Scenario(
        "tls12-rsa-tls13",
        "both ends know TLS 1.3, and in 1.2 static RSA",
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("RSA"),
         **_no_client_auth("client")},
        {"min_version": ("TLS12",), **_versions("TLS12", "TLS13"), **_offers("RSA"),
         **_no_client_auth("server"), "sends_data": (False,)},
    ),
    Scenario(
        "integrity-only",
        "TLS 1.2, RSA with a NULL cipher: records are authenticated but not hidden",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client"), "null_cipher": (True,)},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "null_cipher": (True,)},
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
        "two-servers",
        "one client run, two server runs, TLS 1.2 with RSA and ECDHE: too big to search",
        {**TLS12, **_offers("RSA", "ECDHE")},
        {**TLS12, **_offers("RSA", "ECDHE")},
        ("symbolic",),
        servers=2,
        default=False,
    ),
    Scenario(
        "two-two",
        "two client runs, two server runs, TLS 1.2 with RSA and ECDHE: too big to search",
        {**TLS12, **_offers("RSA", "ECDHE")},
        {**TLS12, **_offers("RSA", "ECDHE")},
        ("symbolic",),
        clients=2,
        servers=2,
        default=False,
    ),
    Scenario(
        "two-clients-rsa",
        "two client runs, one server run, RSA only, no client authentication, no data",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        clients=2,
        default=False,
    ),
    Scenario(
        "two-clients-ecdhe",
        "two client runs, one server run, ECDHE only, no client authentication",
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("client")},
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("server")},
        clients=2,
        default=False,
    ),
    Scenario(
        "fallback",
        "a client that knows TLS 1.2 tries again with 1.0 and the fallback signalling suite",
        {**TLS10, **_offers("ECDHE"), "fallback": EITHER, **_no_client_auth("client")},
        {"min_version": ("TLS10",), **_versions("TLS10", "TLS12"), **_offers("ECDHE"),
         **_no_client_auth("server"), "sends_data": (False,)},
        extensions=("fallback",),
    ),
    Scenario(
        "closure",
        "TLS 1.2 with ECDHE, both ends close",
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("client"), "closes": (True,)},
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("server"), "closes": (True,)},
    ),
    Scenario(
        "status-request",
        "TLS 1.2 with RSA and ECDHE; the client may ask for a certificate status",
        {**TLS12, **_offers("RSA", "ECDHE"), "asks_status": EITHER, **_no_client_auth("client")},
        {**TLS12, **_offers("RSA", "ECDHE"), "staples": (True,), **_no_client_auth("server"),
         "sends_data": (False,)},
        extensions=("status_request",),
    ),
    Scenario(
        "false-start",
        "TLS 1.1 and 1.2 with RSA and DHE, where the client may start to send early",
        {"min_version": ("TLS11",), **_versions("TLS12"), **_offers("RSA", "DHE"),
         "has_certificate": (False,), "false_starts": (True,), "null_cipher": EITHER},
        {"min_version": ("TLS11",), **_versions("TLS11", "TLS12"), **_offers("RSA", "DHE"),
         **_no_client_auth("server"), "sends_data": (False,)},
        extensions=("false_start",),
    ),
    Scenario(
        "honest-tls12-extensions",
        "no attacker, reliable channels, TLS 1.2 with a certificate status and False Start",
        {**TLS12, **_offers("RSA"), "offers_ECDHE": EITHER, "closes": (True,),
         "asks_status": EITHER, "false_starts": (True,)},
        {**TLS12, **_offers("ECDHE"), "offers_RSA": EITHER, "closes": (True,), "staples": EITHER},
        network="reliable",
        extensions=("false_start", "status_request"),
    ),
    Scenario(
        "key-update",
        "TLS 1.3 where both ends may update their keys once and answer",
        {**TLS13, **_no_client_auth("client"), "updates": (True,)},
        {**TLS13, **_no_client_auth("server"), "updates": (True,)},
        extensions=("key_update",),
    ),
    Scenario(
        "honest-key-update",
        "no attacker, reliable channels, TLS 1.3 with key updates",
        {**TLS13, "closes": (True,), "updates": (True,)},
        {**TLS13, "closes": (True,), "updates": (True,), "sends_data": (False,)},
        network="reliable",
        extensions=("key_update",),
    ),
    Scenario(
        "post-handshake-auth",
        "TLS 1.3 where the server may ask twice for a client certificate after the handshake",
        {**TLS13, "offers_pha": EITHER, "sends_data": (False,)},
        {**TLS13, **_no_client_auth("server"), "asks_later": (True,), "accepts_later": EITHER,
         "sends_data": (False,)},
        extensions=("post_handshake_auth",),
    ),
    Scenario(
        "honest-post-handshake-auth",
        "no attacker, reliable channels, TLS 1.3 with authentication in the handshake and after it",
        {**TLS13, "offers_pha": EITHER, "closes": (True,)},
        {**TLS13, "asks_later": (True,), "closes": (True,), "sends_data": (False,)},
        network="reliable",
        extensions=("post_handshake_auth",),
    ),
    Scenario(
        "half-close",
        "TLS 1.3, each direction closed by itself",
        {**TLS13, "has_certificate": (False,), "closes": (True,)},
        {**TLS13, **_no_client_auth("server"), "closes": (True,)},
        extensions=("half_close",),
    ),
    Scenario(
        "honest-half-close",
        "no attacker, reliable channels, TLS 1.3 with half-close and a client that may give up",
        {**TLS13, "closes": (True,), "cancels": EITHER},
        {**TLS13, "closes": (True,)},
        network="reliable",
        extensions=("half_close",),
    ),
    Scenario(
        "ignored-records",
        "TLS 1.3 with a bound on records ignored in a row, key updates among them",
        {**TLS13, **_no_client_auth("client"), "updates": (True,)},
        {**TLS13, **_no_client_auth("server"), "updates": (True,), "sends_data": (False,)},
        extensions=("ignored_records", "key_update"),
    ),
    Scenario(
        "honest-ignored-records",
        "no attacker, reliable channels, a client that sends empty records without end",
        {**_versions("TLS12", "TLS13"), **_offers("ECDHE"), "floods": (True,), "closes": (True,)},
        {**_versions("TLS12", "TLS13"), "offers_ECDHE": EITHER, "sends_data": (False,)},
        network="reliable",
        extensions=("ignored_records",),
    ),
    Scenario(
        "record-boundaries",
        "TLS 1.2 and 1.3 with ECDHE, with what may be left over in a record when keys change",
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("ECDHE"),
         **_no_client_auth("client")},
        {"min_version": ("TLS12",), **_versions("TLS12", "TLS13"), **_offers("ECDHE"),
         **_no_client_auth("server"), "sends_data": (False,)},
        extensions=("record_boundaries",),
    ),
    Scenario(
        "psk-suites",
        "TLS 1.2 with PSK, DHE_PSK and RSA_PSK beside RSA; the client's key may be the adversary's",
        {**TLS12, **_offers("PSK", "RSA_PSK", "DHE_PSK", "RSA"), **_no_client_auth("client"),
         "key": ("honest", "adversary")},
        {**TLS12, **_offers("PSK", "RSA_PSK", "DHE_PSK", "RSA"), **_no_client_auth("server"),
         "hints": EITHER, "sends_data": (False,)},
        extensions=("psk_suites",),
    ),
    Scenario(
        "fixed-dh",
        "TLS 1.2 with a static Diffie-Hellman key of the server, or DHE, and one of the client",
        {**TLS12, **_offers("DH_RSA", "DHE"), "dh_certificate": EITHER, "sends_data": (False,)},
        {**TLS12, **_offers("DH_RSA"), "offers_DHE": EITHER, "sends_data": (False,)},
        extensions=("fixed_dh",),
    ),
    Scenario(
        "honest-key-exchanges",
        "no attacker, reliable channels, TLS 1.2 with shared keys and static Diffie-Hellman",
        {**TLS12, **_offers("DH_RSA", "RSA_PSK"), "offers_PSK": EITHER,
         "offers_ECDHE_PSK": EITHER, "dh_certificate": EITHER, "closes": (True,)},
        {**TLS12, **_offers("PSK", "ECDHE_PSK", "DH_RSA"), "offers_RSA_PSK": EITHER,
         "hints": EITHER, "closes": (True,)},
        network="reliable",
        extensions=("fixed_dh", "psk_suites"),
    ),
    Scenario(
        "retry-honest",
        "no attacker: HelloRetryRequest for another group, with a cookie, or both",
        {**TLS13, "supports_secp256r1": EITHER, "closes": (True,)},
        {**TLS13, "supports_x25519": EITHER, "asks_cookie": EITHER, "closes": (True,)},
        network="reliable",
        extensions=("retry",),
    ),
    Scenario(
        "tls13-retry",
        "HelloRetryRequest between ends that also know TLS 1.2",
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("ECDHE"),
         **_no_client_auth("client")},
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("ECDHE"),
         "supports_x25519": EITHER, "asks_cookie": EITHER, **_no_client_auth("server"),
         "sends_data": (False,)},
        extensions=("retry",),
    ),
    Scenario(
        "psk-honest",
        "no attacker: an external pre-shared key at either end, in both modes, and certificates",
        {**TLS13, **_PSK_FREE, "closes": (True,)},
        {**TLS13, **_PSK_FREE, "closes": (True,), "sends_data": (False,), "issues_more": (True,)},
        network="reliable",
        extensions=("psk",),
    ),
    Scenario(
        "tls13-psk",
        "an external pre-shared key in both modes, beside certificates and client authentication",
        {**TLS13, **_PSK_FREE, "takes_psk_dhe_ke": (True,)},
        {**TLS13, **_PSK_FREE, "takes_psk_ke": (True,), "issues": (False,),
         "sends_data": (False,)},
        extensions=("psk",),
    ),
    Scenario(
        "tls13-resumption",
        "a handshake with a ticket, and its resumption in both modes",
        {**TLS13, **_no_client_auth("client")},
        {**TLS13, **_no_client_auth("server"), "sends_data": (False,)},
        clients=2,
        servers=2,
        later=(("client1", "client0"), ("server1", "server0")),
        configs={
            "client1": {"resumes": (True,)},
            "server1": {"resumes": (True,), "issues": (False,)},
        },
        extensions=("psk",),
        about=("AUT-1", "AUT-2", "AUT-5", "AUT-6", "AUT-7", "AUT-23", "SEC-1", "RES-1", "RES-6",
               "RES-7", "RES-10", "RES-11"),
    ),
    Scenario(
        "early-data-honest",
        "no attacker: early data accepted, refused and skipped, and not sent",
        {**TLS13, **_PSK_FREE, "takes_psk_dhe_ke": (True,), "sends_early": EITHER,
         "closes": (True,)},
        {**TLS13, **_PSK_FREE, "takes_psk_dhe_ke": (True,), "takes_early": EITHER,
         "closes": (True,), "sends_data": (False,)},
        network="reliable",
        extensions=("early_data", "psk"),
    ),
    Scenario(
        "tls13-early-data",
        "early data under an external key: accepted, refused and skipped",
        {**TLS13, "has_external": (True,), "sends_early": EITHER, **_no_client_auth("client")},
        {**TLS13, "has_external": EITHER, "takes_early": EITHER, "issues": (False,),
         **_no_client_auth("server"), "sends_data": (False,)},
        extensions=("early_data", "psk"),
    ),
    Scenario(
        "early-data-two-servers",
        "early data at two servers that share no record of hellos",
        _EARLY_CLIENT,
        _EARLY_SERVER,
        servers=2,
        extensions=("early_data", "psk"),
        about=_EARLY,
    ),
    Scenario(
        "early-data-one-server",
        "early data at one server that remembers its hellos, one connection after the other",
        _EARLY_CLIENT,
        _EARLY_SERVER,
        servers=2,
        later=(("server1", "server0"),),
        configs={"server1": {"has_register": (True,)}},
        extensions=("early_data", "psk"),
        about=_EARLY,
    ),
    Scenario(
        "retry-early-data-honest",
        "no attacker: HelloRetryRequest, pre-shared keys and early data together",
        {**TLS13, "has_external": (True,), "takes_psk_ke": EITHER, "sends_early": EITHER,
         "supports_secp256r1": EITHER, "has_certificate": (False,), "closes": (True,)},
        {**TLS13, "has_external": EITHER, "takes_psk_ke": EITHER, "takes_early": (True,),
         "asks_cookie": EITHER, "supports_x25519": EITHER, "issues": (False,),
         **_no_client_auth("server"), "sends_data": (False,), "closes": (True,)},
        network="reliable",
        extensions=("early_data", "psk", "retry"),
        about=("LIV-1", "LIV-2", "LIV-3", "LIV-4", "LIV-5", "LIV-7", "EDT-1", "EDT-2", "HRR-1",
               "HRR-2", "HRR-7"),
    ),
    Scenario(
        "retry-psk",
        "HelloRetryRequest and an external key, beside certificates and client authentication",
        {**TLS13, "has_external": (True,), "takes_psk_ke": EITHER, "sends_data": (False,)},
        {**TLS13, "has_external": EITHER, "takes_psk_ke": (True,), "supports_x25519": EITHER,
         "issues": (False,), "sends_data": (False,)},
        extensions=("psk", "retry"),
    ),
    Scenario(
        "retry-early-data",
        "early data that a HelloRetryRequest ends",
        {**TLS13, "has_external": (True,), "sends_early": (True,), **_no_client_auth("client")},
        {**TLS13, "has_external": (True,), "takes_early": (True,), "supports_x25519": EITHER,
         "issues": (False,), **_no_client_auth("server"), "sends_data": (False,)},
        extensions=("early_data", "psk", "retry"),
    ),
    Scenario(
        "after-handshake",
        "TLS 1.3 with key updates, later authentication and half-close: too big to search",
        {**TLS13, "offers_pha": EITHER, "updates": (True,), "sends_data": (False,)},
        {**TLS13, **_no_client_auth("server"), "asks_later": (True,), "updates": (True,),
         "sends_data": (False,)},
        ("symbolic",),
        extensions=("half_close", "key_update", "post_handshake_auth"),
    ),
    Scenario(
        "tls12-ems",
        "TLS 1.2 with RSA and client authentication, the extended master secret at both ends",
        {**TLS12, **_offers("RSA"), "sends_data": (False,), "requires_ems": (True,)},
        {**TLS12, **_offers("RSA"), "sends_data": (False,), "requires_ems": (True,)},
        extensions=("extended_master_secret",),
    ),
    Scenario(
        "tls12-ems-optional",
        "TLS 1.2 with RSA, each end with or without the extended master secret",
        {**TLS12, **_offers("RSA"), "offers_ems": EITHER, **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), "offers_ems": EITHER, **_no_client_auth("server"),
         "sends_data": (False,)},
        extensions=("extended_master_secret",),
    ),
    Scenario(
        "resumption-honest",
        "no attacker: a handshake and one on another connection that resumes its session",
        {**TLS12, **_offers("RSA"), "offers_ECDHE": EITHER, "offers_ems": EITHER,
         "sends_data": (False,), "closes": (True,)},
        {**TLS12, **_offers("RSA", "ECDHE"), "closes": (True,)},
        network="reliable",
        clients=2, servers=2, later=TWICE, order="over",
        extensions=("extended_master_secret", "resumption"),
    ),
    Scenario(
        "tls12-resumption",
        "TLS 1.2 with RSA: a handshake, and another that resumes its session",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        clients=2, servers=2, later=TWICE, configs=RESUMED, order="rounds",
        extensions=("resumption",),
        default=False,
    ),
    Scenario(
        "resumption-ems",
        "TLS 1.2 with RSA: a handshake, and another that resumes its session, with EMS",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client"), "requires_ems": (True,)},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,),
         "requires_ems": (True,)},
        clients=2, servers=2, later=TWICE, configs=RESUMED, order="rounds",
        extensions=("extended_master_secret", "resumption"),
        default=False,
    ),
    Scenario(
        "resumption-cache",
        "one client, and a server's second handshake beside its first, whose session it may resume",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        servers=2, later=(("server1", "server0"),), configs=RESUMED, order="beside",
        extensions=("resumption",),
        default=False,
    ),
    Scenario(
        "resumption-ems-optional",
        "a server's second handshake resumes, if it may, with EMS or without",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client"), "offers_ems": EITHER},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,),
         "offers_ems": EITHER},
        servers=2, later=(("server1", "server0"),), configs=RESUMED, order="rounds",
        extensions=("extended_master_secret", "resumption"),
        default=False,
    ),
    Scenario(
        "renegotiation-honest",
        "no attacker: a handshake, and a second one on the same connection",
        {**TLS12, **_offers("RSA"), "sends_data": (False,), "closes": (True,)},
        {**TLS12, **_offers("RSA"), "asks_renegotiation": (True,), "closes": (True,)},
        network="reliable",
        clients=2, servers=2, later=TWICE, goes_on=("client1", "server1"), order="over",
        configs={n: {"closes": (False,)} for n in ("client0", "server0")},
        extensions=("renegotiation", "renegotiation_info"),
    ),
    Scenario(
        "tls12-renegotiation",
        "TLS 1.2 with RSA: one client, a server that renegotiates, nothing binds the handshakes",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        servers=2, later=(("server1", "server0"),), goes_on=("server1",), order="over",
        extensions=("renegotiation",),
    ),
    Scenario(
        "renegotiation-info",
        "TLS 1.2 with RSA: one client, a server that renegotiates, bound by renegotiation_info",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        servers=2, later=(("server1", "server0"),), goes_on=("server1",), order="over",
        extensions=("renegotiation", "renegotiation_info"),
    ),
    Scenario(
        "renegotiation-both",
        "both ends renegotiate where they have the same keys; data comes in between",
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("client"), "interleaves": (True,)},
        {**TLS12, **_offers("ECDHE"), **_no_client_auth("server"), "asks_renegotiation": (True,)},
        clients=2, servers=2, later=TWICE, goes_on=("client1", "server1"), order="in step",
        extensions=("renegotiation", "renegotiation_info"),
    ),
    Scenario(
        "renegotiation-versions",
        "a client that knows TLS 1.3 renegotiates a connection of TLS 1.2",
        {"min_version": ("TLS12",), **_versions("TLS13"), **_offers("RSA"),
         **_no_client_auth("client")},
        {"min_version": ("TLS12",), **_versions("TLS12", "TLS13"), **_offers("RSA"),
         **_no_client_auth("server"), "sends_data": (False,)},
        clients=2, later=(("client1", "client0"),), goes_on=("client1",), order="over",
        extensions=("renegotiation", "renegotiation_info"),
    ),
    Scenario(
        "triple-handshake",
        "a handshake, one that resumes its session, and a renegotiation of that; RSA, no EMS",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        clients=3, servers=3, later=THRICE, goes_on=("client2", "server2"), order="relayed",
        configs={**RESUMED, "client2": {"offers_session": (False,)}},
        extensions=("renegotiation", "renegotiation_info", "resumption"),
        default=False,
    ),
    Scenario(
        "triple-handshake-ems",
        "the same three handshakes where both ends demand the extended master secret",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client"), "requires_ems": (True,)},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,),
         "requires_ems": (True,)},
        clients=3, servers=3, later=THRICE, goes_on=("client2", "server2"), order="relayed",
        configs={**RESUMED, "client2": {"offers_session": (False,)}},
        extensions=("extended_master_secret", "renegotiation", "renegotiation_info", "resumption"),
        default=False,
    ),
    Scenario(
        "resumption-suites",
        "a server with two suites, whose second handshake resumes the session of its first",
        {**TLS12, **_offers("RSA", "ECDHE"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA", "ECDHE"), **_no_client_auth("server"), "sends_data": (False,)},
        servers=2, later=(("server1", "server0"),), configs=RESUMED, order="rounds",
        extensions=("resumption",),
    ),
    Scenario(
        "reflection",
        "one external key of two principals, each of which is client and server with it",
        _REFLECTING_CLIENT,
        _REFLECTING_SERVER,
        extensions=("psk", "reflection"),
        about=("AUT-9", "SEC-1"),
    ),
    Scenario(
        "reflection-imported",
        "as reflection, with keys that are imported: they say who is the client",
        {**_REFLECTING_CLIENT, "imports": (True,)},
        {**_REFLECTING_SERVER, "imports": (True,)},
        extensions=("psk", "reflection"),
        about=("AUT-9", "SEC-1"),
    ),
    Scenario(
        "leaks-tls13",
        "TLS 1.3; the private keys of both certificates may be lost at any moment",
        {**TLS13, "sends_data": (False,)},
        {**TLS13, "sends_data": (False,)},
        capabilities=("reveal_client_key", "reveal_server_key"),
        about=(*_LEAKS, "AUT-3", "AUT-10"),
    ),
    Scenario(
        "leaks-tls12",
        "TLS 1.2 with RSA and ECDHE; the server's private key may be lost at any moment",
        {**TLS12, **_offers("RSA", "ECDHE"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), "offers_ECDHE": EITHER, **_no_client_auth("server"),
         "sends_data": (False,)},
        capabilities=("reveal_server_key",),
        about=(*_LEAKS, "SEC-6"),
    ),
    Scenario(
        "leaks-client-auth",
        "TLS 1.2 with client authentication; either private key may be lost at any moment",
        {**TLS12, **_offers("ECDHE"), "sends_data": (False,)},
        {**TLS12, **_offers("ECDHE"), "sends_data": (False,)},
        capabilities=("reveal_client_key", "reveal_server_key"),
        about=(*_LEAKS, "AUT-3", "AUT-10"),
    ),
    Scenario(
        "leaks-static-dh",
        "TLS 1.2 with static Diffie-Hellman of both ends; the client's may be lost at any moment",
        {**TLS12, **_offers("DH_RSA"), "dh_certificate": (True,), "sends_data": (False,)},
        {**TLS12, **_offers("DH_RSA"), "sends_data": (False,)},
        extensions=("fixed_dh",),
        capabilities=("reveal_client_key",),
        about=("AUT-10S", "SEC-6"),
    ),
    Scenario(
        "leaks-psk",
        "an external key in both modes, beside certificates; it may be lost at any moment",
        {**TLS13, **_PSK_FREE, "takes_psk_dhe_ke": (True,), **_no_client_auth("client")},
        {**TLS13, **_PSK_FREE, "takes_psk_ke": (True,), "issues": (False,),
         **_no_client_auth("server"), "sends_data": (False,)},
        extensions=("psk",),
        capabilities=("reveal_external_key",),
        about=(*_LEAKS, "SEC-6"),
    ),
    Scenario(
        "leaks-traffic",
        "TLS 1.3; the traffic secrets that an end holds may be lost at any moment",
        {**TLS13, "has_certificate": (False,)},
        {**TLS13, **_no_client_auth("server"), "sends_data": (False,)},
        capabilities=("reveal_client_traffic_secret", "reveal_server_traffic_secret"),
        about=("AUT-1", "AUT-6", "KEY-12", "SEC-10"),
    ),
    Scenario(
        "leaks-key-update",
        "TLS 1.3 with key updates; the client may lose its traffic secrets at any moment",
        {**TLS13, "has_certificate": (False,), "updates": (True,)},
        {**TLS13, **_no_client_auth("server"), "sends_data": (False,)},
        extensions=("key_update",),
        capabilities=("reveal_client_traffic_secret",),
        about=("SEC-8",),
    ),
    Scenario(
        "leaks-tickets",
        "a handshake with a ticket and its resumption, with another; their keys may be lost",
        {**TLS13, **_no_client_auth("client")},
        {**TLS13, **_no_client_auth("server"), "sends_data": (False,)},
        ("symbolic",),
        clients=2,
        servers=2,
        later=(("client1", "client0"), ("server1", "server0")),
        configs={"client1": {"resumes": (True,)}, "server1": {"resumes": (True,)}},
        extensions=("psk",),
        capabilities=("reveal_resumption_key",),
        about=("SEC-7",),
    ),
    Scenario(
        "leaks-early-data",
        "early data under an external key that may be lost at any moment",
        _EARLY_CLIENT,
        _EARLY_SERVER,
        extensions=("early_data", "psk"),
        capabilities=("reveal_external_key",),
        about=("AUT-1", "SEC-5", "SEC-6", "SEC-12"),
    ),
    Scenario(
        "session-ticket-honest",
        "no attacker: a handshake and one that resumes its session, by a ticket or by its id",
        {**TLS12, **_offers("RSA"), "uses_tickets": EITHER, "sends_data": (False,),
         "closes": (True,)},
        {**TLS12, **_offers("RSA"), "renews": (False,), "closes": (True,)},
        network="reliable",
        clients=2, servers=2, later=TWICE, order="over",
        extensions=("extended_master_secret", "resumption", "session_ticket"),
    ),
    Scenario(
        "session-ticket",
        "TLS 1.2 with RSA: a server's second handshake resumes by a ticket or the session's id",
        {**TLS12, **_offers("RSA"), **_no_client_auth("client")},
        {**TLS12, **_offers("RSA"), **_no_client_auth("server"), "sends_data": (False,)},
        servers=2, later=(("server1", "server0"),), order="rounds",
        configs={"server1": {"requires_session": (True,), "ticket_expired": EITHER}},
        extensions=("resumption", "session_ticket"),
        about=("AUT-1", "AUT-6", "SEC-1", "ORD-13", "ORD-18", "RES-1", "RES-3", "RES-5", "RES-7",
               "RES-9", "KEY-7"),
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
