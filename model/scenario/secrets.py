"""Scenarios with a secret that may be lost, or with one key that both ends use in both roles."""

from model.scenario.definition import (
    EARLY_CLIENT,
    EARLY_SERVER,
    EITHER,
    PSK_FREE,
    TLS12,
    TLS13,
    TWICE,
    Scenario,
    no_client_auth,
    offers,
)

REFLECTING_CLIENT = {
    **TLS13, "has_external": (True,), "takes_psk_ke": EITHER, **no_client_auth("client")
}
REFLECTING_SERVER = {
    **TLS13, "has_external": (True,), "takes_psk_ke": EITHER, "issues": (False,),
    "principal": ("A", "B"), **no_client_auth("server"), "sends_data": (False,),
}
RSA_CLIENT = {**TLS12, **offers("RSA", "ECDHE"), **no_client_auth("client")}
RSA_SERVER = {
    **TLS12, **offers("RSA"), "offers_ECDHE": EITHER, **no_client_auth("server"),
    "sends_data": (False,),
}
CLIENT13 = {**TLS13, "has_certificate": (False,)}
SERVER13 = {**TLS13, **no_client_auth("server"), "sends_data": (False,)}
LEAKS = ("AUT-1", "AUT-6", "SEC-5", "SEC-9")
ORACLES = ("AUT-1", "AUT-6", "AUT-22", "NEG-7", "SEC-1")

SCENARIOS = (
    Scenario(
        "reflection",
        "one external key of two principals, each of which is client and server with it",
        REFLECTING_CLIENT,
        REFLECTING_SERVER,
        extensions=("psk", "reflection"),
        about=("AUT-9", "SEC-1"),
    ),
    Scenario(
        "reflection-imported",
        "as reflection, with keys that are imported: they say who is the client",
        {**REFLECTING_CLIENT, "imports": (True,)},
        {**REFLECTING_SERVER, "imports": (True,)},
        extensions=("psk", "reflection"),
        about=("AUT-9", "SEC-1"),
    ),
    Scenario(
        "leaks-tls13",
        "TLS 1.3; the private keys of both certificates may be lost at any moment",
        {**TLS13, "sends_data": (False,)},
        {**TLS13, "sends_data": (False,)},
        capabilities=("reveal_client_key", "reveal_server_key"),
        about=(*LEAKS, "AUT-3", "AUT-10"),
    ),
    Scenario(
        "leaks-tls12",
        "TLS 1.2 with RSA and ECDHE; the server's private key may be lost at any moment",
        RSA_CLIENT,
        RSA_SERVER,
        capabilities=("reveal_server_key",),
        about=(*LEAKS, "SEC-6"),
    ),
    Scenario(
        "leaks-client-auth",
        "TLS 1.2 with client authentication; either private key may be lost at any moment",
        {**TLS12, **offers("ECDHE"), "sends_data": (False,)},
        {**TLS12, **offers("ECDHE"), "sends_data": (False,)},
        capabilities=("reveal_client_key", "reveal_server_key"),
        about=(*LEAKS, "AUT-3", "AUT-10"),
    ),
    Scenario(
        "leaks-static-dh",
        "TLS 1.2 with static Diffie-Hellman of both ends; either's may be lost at any moment",
        {**TLS12, **offers("DH_RSA"), "dh_certificate": (True,), "sends_data": (False,)},
        {**TLS12, **offers("DH_RSA"), "sends_data": (False,)},
        extensions=("fixed_dh",),
        capabilities=("reveal_client_key", "reveal_server_key"),
        about=("AUT-10S", "SEC-6"),
    ),
    Scenario(
        "leaks-psk",
        "an external key in both modes, beside certificates; it may be lost at any moment",
        {**TLS13, **PSK_FREE, "takes_psk_dhe_ke": (True,), **no_client_auth("client")},
        {**TLS13, **PSK_FREE, "takes_psk_ke": (True,), "issues": (False,),
         **no_client_auth("server"), "sends_data": (False,)},
        extensions=("psk",),
        capabilities=("reveal_external_key",),
        about=(*LEAKS, "SEC-6"),
    ),
    Scenario(
        "leaks-traffic",
        "TLS 1.3; the traffic secrets that an end holds may be lost at any moment",
        CLIENT13,
        SERVER13,
        capabilities=("reveal_client_traffic_secret", "reveal_server_traffic_secret"),
        about=("AUT-1", "AUT-6", "KEY-12", "SEC-10"),
    ),
    Scenario(
        "leaks-key-update",
        "TLS 1.3 with key updates; the client may lose its traffic secrets at any moment",
        {**CLIENT13, "updates": (True,)},
        SERVER13,
        extensions=("key_update",),
        capabilities=("reveal_client_traffic_secret",),
        about=("SEC-8",),
    ),
    Scenario(
        "leaks-key-update-client-auth",
        "the same, with a client that the server authenticates; either end may lose them",
        {**TLS13, "updates": (True,)},
        {**TLS13},
        ("symbolic",),
        extensions=("key_update",),
        capabilities=("reveal_client_traffic_secret", "reveal_server_traffic_secret"),
        about=("SEC-8",),
    ),
    Scenario(
        "leaks-post-handshake",
        "authentication after the handshake; the client may lose its traffic secrets at any moment",
        {**TLS13, "offers_pha": (True,), "sends_data": (False,)},
        {**SERVER13, "asks_later": (True,)},
        extensions=("post_handshake_auth",),
        capabilities=("reveal_client_traffic_secret",),
        about=("PHA-1", "PHA-2", "PHA-3", "KEY-12", "SEC-10"),
    ),
    Scenario(
        "leaks-tickets",
        "a handshake with a ticket and its resumption, with another; their keys may be lost",
        {**TLS13, "sends_data": (False,)},
        {**TLS13},
        ("symbolic",),
        clients=2,
        servers=2,
        later=TWICE,
        configs={"client1": {"resumes": (True,)}, "server1": {"resumes": (True,)}},
        extensions=("psk",),
        capabilities=("reveal_resumption_key",),
        about=("SEC-7",),
    ),
    Scenario(
        "leaks-early-data",
        "early data under an external key that may be lost at any moment",
        EARLY_CLIENT,
        EARLY_SERVER,
        extensions=("early_data", "psk"),
        capabilities=("reveal_external_key",),
        about=("AUT-1", "SEC-5", "SEC-6", "SEC-12"),
    ),
    Scenario(
        "oracle-decrypts",
        "TLS 1.2 with RSA and ECDHE; anyone can have the server's private key decrypt",
        RSA_CLIENT,
        RSA_SERVER,
        capabilities=("decryption_oracle",),
        about=ORACLES,
    ),
    Scenario(
        "oracle-signs",
        "TLS 1.3; anyone can have the server's private key decrypt and sign, as with RSA",
        CLIENT13,
        SERVER13,
        capabilities=("signing_oracle",),
        about=ORACLES,
    ),
)
