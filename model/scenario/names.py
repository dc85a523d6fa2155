"""Scenarios of several names at one server and of application protocols."""

from collections.abc import Mapping

from model.extensions.server_name import NAMES
from model.scenario.definition import (
    EARLY_CLIENT,
    EARLY_SERVER,
    EITHER,
    RESUMED,
    TLS12,
    TLS13,
    TWICE,
    Config,
    Scenario,
    no_client_auth,
    offers,
    versions,
)
from model.scenario.tls13 import RESUMES

SESSIONS = ("AUT-31", "NEG-19", "RES-1", "RES-7", "RES-8")
DEMANDS = ("nothing", "certificate", "member")
HOSTS = {"serves_a": EITHER, "a_demands": DEMANDS, "default_name": ("b",)}
"""A server that has the name b, and perhaps a, which demands something of its clients."""


def crossing(again: Mapping[str, Config], *runs: str) -> Mapping[str, Config]:
    """The configurations of runs, the second handshakes as in `again`: what the host of a name
    demands before and then, and a client that may cross from one name to the other."""
    more: Mapping[str, Config] = {
        "client1": {"crosses_names": EITHER},
        "server0": {"a_demands": ("nothing", "certificate")},
        "server1": {"a_demands": ("certificate", "member")},
    }
    return {n: {**again.get(n, {}), **more[n]} for n in runs}


SCENARIOS = (
    Scenario(
        "server-names",
        "TLS 1.3 at a server with two names, one of which may demand a client certificate",
        {**TLS13, "wanted": ("none", "a"), "sends_data": (False,)},
        {**TLS13, **HOSTS, "refuses_unknown": EITHER, "sends_data": (False,)},
        extensions=("server_name",),
    ),
    Scenario(
        "server-names-tls12",
        "the same in TLS 1.2 with RSA",
        {**TLS12, **offers("RSA"), "wanted": ("none", "a"), "sends_data": (False,)},
        {**TLS12, **offers("RSA"), **HOSTS, **no_client_auth("server"), "sends_data": (False,)},
        extensions=("server_name",),
    ),
    Scenario(
        "server-names-retry",
        "HelloRetryRequest at a server with two names: the two hellos may name different hosts",
        {**TLS13, "wanted": ("a",), "sends_data": (False,)},
        {**TLS13, **no_client_auth("server"), "a_demands": ("member",), "default_name": ("b",),
         "supports_x25519": (False,), "sends_data": (False,)},
        extensions=("retry", "server_name"),
    ),
    Scenario(
        "alpn",
        "TLS 1.2 and 1.3 at a server of one of two protocols, with ALPN or without",
        {**TLS13, "min_version": ("TLS12",), **offers("ECDHE"), **no_client_auth("client"),
         "lists_http": EITHER, "lists_ftp": EITHER},
        {**TLS13, "min_version": ("TLS12",), **offers("ECDHE"), **no_client_auth("server"),
         "sends_data": (False,), "uses_alpn": EITHER, "knows_http": EITHER, "speaks": ("ftp",)},
        extensions=("alpn",),
    ),
    Scenario(
        "alpn-early-data",
        "early data for one protocol, with a server that may pick another",
        {**EARLY_CLIENT, "lists_http": (True,), "lists_ftp": EITHER, "key_protocol": ("ftp",)},
        {**EARLY_SERVER, "knows_http": EITHER, "key_protocol": ("ftp",)},
        extensions=("alpn", "early_data", "psk"),
    ),
    Scenario(
        "server-names-honest",
        "no attacker: names that the server has or not, what it demands, and ALPN",
        {**TLS13, "min_version": ("TLS12",), **offers("ECDHE"), "wanted": ("none", "a"),
         "lists_http": EITHER, "lists_ftp": EITHER, "closes": (True,)},
        {**versions("TLS12", "TLS13"), **offers("ECDHE"), **HOSTS, "knows_http": EITHER,
         "sends_data": (False,), "closes": (True,)},
        network="reliable",
        extensions=("alpn", "server_name"),
    ),
    Scenario(
        "server-names-resumption",
        "TLS 1.3: a server's second handshake resumes its first, perhaps under another name",
        {**TLS13, "wanted": NAMES, "sends_data": (False,)},
        {**TLS13, **no_client_auth("server"), "sends_data": (False,)},
        ("symbolic",),
        servers=2, later=TWICE[1:], configs=crossing(RESUMES, "server0", "server1"),
        extensions=("psk", "server_name"),
        about=SESSIONS,
    ),
    Scenario(
        "server-names-resumption-tls12",
        "TLS 1.2: a handshake under one name and its resumption, perhaps under another name",
        {**TLS12, **offers("RSA"), "wanted": NAMES, "sends_data": (False,)},
        {**TLS12, **offers("RSA"), **no_client_auth("server"), "sends_data": (False,)},
        ("symbolic",),
        clients=2, servers=2, later=TWICE, order="rounds",
        configs=crossing(RESUMED, "client1", "server0", "server1"),
        extensions=("resumption", "server_name", "session_ticket"),
        about=SESSIONS,
    ),
    Scenario(
        "server-names-cache",
        "TLS 1.2: a server's second handshake resumes its first by the session's id",
        {**TLS12, **offers("RSA"), **no_client_auth("client"), "wanted": ("b",)},
        {**TLS12, **offers("RSA"), **no_client_auth("server"), "sends_data": (False,)},
        servers=2, later=TWICE[1:], order="rounds",
        configs=crossing(RESUMED, "server0", "server1"),
        extensions=("resumption", "server_name"),
        default=False,
        about=SESSIONS,
    ),
)
