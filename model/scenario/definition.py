"""The definition of a scenario: versions, suites, runs, network, capabilities and the method.

The client's certificate, the authentication mode and the validity of certificates are free (any
value may be chosen) in every scenario.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from model.adversary.capabilities import capabilities, leaking
from model.adversary.network import Adversary
from model.adversary.reliable import Reliable
from model.expr import TRUE, Expr, Value, conj
from model.principal import OFFERED
from model.role import Role
from model.roles import role
from model.system import Instance, Network, System
from model.transcript import CERTIFICATE_SUITES, SKE_SUITES, agree, same_keys

Config = Mapping[str, tuple[Value, ...]]

TOGETHER = ("rounds", "in step", "relayed")
"""Orders in which all handshakes of a round are complete before the next begins."""


@dataclass(frozen=True)
class Scenario:
    """A system to check and the methods to use."""

    name: str
    summary: str
    """Half a line for listings."""
    client: Config
    """The configuration of the clients: by variable, the possible values."""
    server: Config
    """The configuration of the servers."""
    methods: tuple[str, ...] = ()
    """The methods of decision: "explicit" is search, "symbolic" is proof. By default both; search
    alone on the reliable network, which has few states, and queues, which proofs find hard."""
    clients: int = 1
    """The number of client runs."""
    servers: int = 1
    """The number of server runs."""
    network: str = "adversary"
    """Either "adversary", or "reliable" for FIFO channels without an adversary."""
    capabilities: tuple[str, ...] = ()
    """The names of the adversary's capabilities."""
    default: bool = True
    """Whether a command without the name of a scenario includes this one."""
    extensions: tuple[str, ...] = ()
    """The extensions of both ends."""
    later: tuple[tuple[str, str], ...] = ()
    """Pairs (run, previous run) of the same end."""
    order: str = "apart"
    """When a later handshake may begin.

    - "apart": after every earlier handshake is closed;
    - "rounds": after every handshake of the previous round is complete, and takes no more steps (a
      small search);
    - "in step": as "rounds", if both ends of the previous round have the same keys;
    - "relayed": as "in step", if both ends also have the same hellos; the adversary then uses
      nothing of earlier rounds in messages of its own;
    - "over": after the previous handshake is closed, or complete if the connection goes on;
    - "beside": after the previous handshake has begun.
    """
    goes_on: tuple[str, ...] = ()
    """The runs in `later` that renegotiate on the connection of the previous run."""
    configs: Mapping[str, Config] = field(default_factory=dict)
    """By run: the differences from the configuration of the role."""
    about: tuple[str, ...] = ()
    """The ids of the properties to check; empty for all that apply. A search over fewer variables
    has fewer states."""

    def __post_init__(self) -> None:
        if not self.methods:
            methods = ("explicit", "symbolic")[: 1 if self.network == "reliable" else 2]
            object.__setattr__(self, "methods", methods)

    @property
    def features(self) -> frozenset[str]:
        """The features that a property may need: generations, key exchanges, roles and the like."""
        return frozenset({self.network, *self.extensions, *self.capabilities,
                          *self._runs(), *self._offered()})

    def _runs(self) -> set[str]:
        """The features of the runs, their number and order, and of the secrets they share."""
        found = {f"later-{n[:6]}s" for n, _ in self.later}
        found |= {f"several-{n}" for n, k in (("clients", self.clients), ("servers", self.servers))
                  if k > 1}
        if {"reveal_client_key", "reveal_server_key", "reveal_external_key"} & {*self.capabilities}:
            found.add("long-term")
        if any(hasattr(capabilities()[c], "ORACLE") for c in self.capabilities):
            found.add("oracle")
        if self._on("resumes"):
            found |= {"psk-resumption", "tickets"}
        if "session_ticket" in self.extensions:
            found.add("tickets")
        if self._on("has_register"):
            found.add("register")
        elif self.servers > 1:
            found.add("two-servers")
        if {"degenerate_shares", "extended_master_secret", "kem"} & set(self.extensions):
            found.add("unknown-key-share")
        if {"psk", "resumption"} & set(self.extensions):
            found.add("sessions")
        if self.later:
            found.add("later")
        if self._on("interleaves"):
            found.add("interleaved")
        if self._on("asks_renegotiation"):
            found.add("asked")
        if self._on("asks_cookie"):
            found.add("cookie")
        return found

    def _on(self, name: str) -> bool:
        """Whether some run may have a switch on."""
        return any(True in c.get(name, ())
                   for c in (self.client, self.server, *self.configs.values()))

    def _demands(self) -> bool:
        """Whether a host of some server may demand a certificate of its clients."""
        servers = (self.server, *self.configs.values())
        values = {v for c in servers for n in c if n.endswith("_demands") for v in c[n]}
        return bool(values - {"nothing"})

    def _offered(self) -> set[str]:
        """The features of what both ends offer, and of what is said under it."""
        ends = (self.client, self.server)
        both = {s for s in OFFERED if all(True in c.get(f"offers_{s}", ()) for c in ends)}
        versions = [set(c["max_version"]) | set(c.get("min_version", ("TLS10",))) for c in ends]
        found = set()
        if any(v != "TLS13" for pair in versions for v in pair) and both:
            found.add("tls12")
        for end, pair in zip(ends, versions, strict=True):
            if pair != {"TLS13"} and any(True in end.get(f"offers_{s}", ()) for s in OFFERED):
                found.add("legacy")
        if all("TLS13" in v for v in versions):
            found.add("tls13")
            if True in self.server.get("sends_data", (True,)):
                found.add("early-server-data")
        if {"tls12", "tls13"} <= found:
            found.add("downgrade")
        if both & set(CERTIFICATE_SUITES) or "tls13" in found:
            found.add("certificates")
        # The sentinel stops two ends whose highest version is TLS 1.3 before a signature.
        best = {v for c in ends for v in c["max_version"]}
        if both & set(SKE_SUITES) and best != {"TLS13"}:
            found.add("params")
        if both & {"DHE", "ECDHE", "RSA_EXPORT", "DHE_EXPORT"} and best != {"TLS13"}:
            found.add("signed-params")
        if any(True in c.get("sends_data", (True,)) for c in ends):
            found.add("data")
            if any(c.get("null_cipher") != (True,) for c in ends):
                found.add("hidden-data")
        if "RSA" in both:
            found.add("rsa")
        if "DH_anon" in both:
            found.add("anonymous")
        asks = True in self.server.get("asks_client", (True,)) or self._demands()
        if asks and "certificates" in found:
            found.add("client-auth")
        if "client-auth" in found or self._on("has_external") or "psk_suites" in self.extensions:
            found.add("known-clients")
        return found

    def system(self, client: Role | None = None, server: Role | None = None) -> System:
        """The system of sound roles, or of the given ones."""
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
        place = system.round_of(system.by_name[run.prev])
        round_ = [r for r in system.runs if system.round_of(r) == place]
        ready = [old, *(system.of(r, "state") == "CONNECTED" for r in round_)]
        if self.order != "rounds" and isinstance(system.network, Adversary):
            (c,) = (r for r in round_ if r.role.name == "client")
            (s,) = (r for r in round_ if r.role.name == "server")
            ready.append(same_keys(system, c, s))
            if self.order == "relayed":
                hellos = c.role.covered["hellos"]
                ready.append(agree(system, c, s, hellos))
        return conj(*ready)


def offers(*suites: str) -> dict[str, tuple[Value, ...]]:
    """The configuration of an end that offers these suites."""
    return {f"offers_{s}": (True,) for s in suites}


def versions(*best: str) -> dict[str, tuple[Value, ...]]:
    """The configuration of an end whose highest version is one of these."""
    return {"max_version": best}


RESUMED = {n: {"requires_session": (True,)} for n in ("client1", "server1")}
"""Second handshakes resume or end: a second full handshake could do no more than the first."""

TWICE = (("client1", "client0"), ("server1", "server0"))
"""Each end has a second handshake."""

THRICE = (*TWICE, ("client2", "client1"), ("server2", "server1"))
"""Each end has three handshakes."""

EITHER: tuple[Value, ...] = (False, True)


def no_client_auth(end: str) -> dict[str, tuple[Value, ...]]:
    """The configuration of an end without client authentication.

    The server never requests a certificate; the client has none and sends no data first.
    """
    if end == "server":
        return {"asks_client": (False,)}
    return {"has_certificate": (False,), "sends_data": (False,)}


SSL30 = {"min_version": ("SSL30",), **versions("SSL30")}
TLS10 = {"min_version": ("TLS10",), **versions("TLS10")}
TLS11 = {"min_version": ("TLS11",), **versions("TLS11")}
TLS12 = {"min_version": ("TLS12",), **versions("TLS12")}
TLS13 = {"min_version": ("TLS13",), **versions("TLS13")}

PSK_FREE = {"has_external": EITHER, "takes_psk_ke": EITHER, "takes_psk_dhe_ke": EITHER}
"""An end with or without an external key, in any PSK mode."""
EARLY_CLIENT = {
    **TLS13, "has_external": (True,), "sends_early": (True,), **no_client_auth("client")
}
EARLY_SERVER = {
    **TLS13, "has_external": (True,), "takes_early": (True,), "issues": (False,),
    **no_client_auth("server"), "sends_data": (False,),
}
"""Two ends with an external key that send and take early data."""
