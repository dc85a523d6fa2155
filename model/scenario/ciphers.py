"""Scenarios with several cipher suites of TLS 1.3."""

from model.scenario.definition import (
    EARLY_CLIENT,
    EARLY_SERVER,
    EITHER,
    TLS13,
    Scenario,
    no_client_auth,
)

BOTH = {"has_AES256_SHA384": EITHER, "has_AES128_SHA256": EITHER, "has_CHACHA20_SHA256": EITHER}
_KEY = {"has_external": EITHER, "key_cipher": ("CHACHA20_SHA256",)}

SCENARIOS = (
    Scenario(
        "cipher-suites",
        "TLS 1.3 with three suites of two hashes, and a key that goes with one of them",
        {**TLS13, **no_client_auth("client"), **BOTH, **_KEY},
        {**TLS13, **no_client_auth("server"), **BOTH, **_KEY, "sends_data": (False,),
         "issues": (False,)},
        extensions=("cipher_suites", "psk"),
    ),
    Scenario(
        "cipher-suites-retry",
        "the suite of a HelloRetryRequest is that of the ServerHello",
        {**TLS13, **no_client_auth("client"), **BOTH, "has_CHACHA20_SHA256": (False,)},
        {**TLS13, **no_client_auth("server"), **BOTH, "has_CHACHA20_SHA256": (False,),
         "supports_x25519": (False,), "sends_data": (False,)},
        extensions=("cipher_suites", "retry"),
    ),
    Scenario(
        "cipher-suites-early-data",
        "early data under the suite of its key, with a server that may pick another",
        {**EARLY_CLIENT, **BOTH, "key_cipher": ("CHACHA20_SHA256",),
         "has_CHACHA20_SHA256": (True,), "has_AES128_SHA256": (True,)},
        {**EARLY_SERVER, **BOTH, "key_cipher": ("CHACHA20_SHA256",)},
        extensions=("cipher_suites", "early_data", "psk"),
    ),
    Scenario(
        "cipher-suites-honest",
        "no attacker: lists that may have nothing in common, a retry, and a key",
        {**TLS13, **BOTH, **_KEY, "closes": (True,)},
        {**TLS13, **BOTH, **_KEY, "supports_x25519": EITHER, "closes": (True,)},
        network="reliable",
        extensions=("cipher_suites", "psk", "retry"),
    ),
)
