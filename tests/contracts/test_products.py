"""All extensions of a generation at once: every invariant has a proof there, too.

Every switch is free, so a proof also covers each pair of extensions. The single scenarios show that
the interesting cases are reached.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from checker.engines.symbolic import NoProof, Prover
from model.scenario import EITHER, Scenario
from properties import catalogue

FALSE_BY_DESIGN = {"GLOBAL", "AUT-17", "AUT-18S"}
"""What a server sends early, or thinks of a certificate, a client does not know."""
BOTH = {"min_version": ("TLS12",), "max_version": ("TLS12", "TLS13"), "offers_ECDHE": (True,)}
LISTS = {
    "schemes": ("none", "empty", "sha1", "sha256", "both"),
    "signs": ("sha256", "both", "sha1"),
}
PSK = {"has_external": EITHER, "takes_psk_ke": EITHER, "takes_psk_dhe_ke": EITHER}

TLS13 = Scenario(
    "all-of-tls13",
    "TLS 1.2 and 1.3 with all that TLS 1.3 has",
    {**BOTH, **PSK, "sends_early": EITHER, "offers_pha": EITHER, "updates": (True,)},
    {
        **BOTH,
        **PSK,
        "takes_early": EITHER,
        "asks_later": EITHER,
        "updates": (True,),
        "supports_x25519": EITHER,
        "asks_cookie": EITHER,
    },
    extensions=(
        "early_data",
        "half_close",
        "ignored_records",
        "key_update",
        "post_handshake_auth",
        "psk",
        "record_boundaries",
        "retry",
    ),
)
ONLY_13 = {"min_version": ("TLS13",), "max_version": ("TLS13",)}
SCHEMES = Scenario(
    "schemes-of-tls13",
    "signature schemes with what changes who signs in TLS 1.3",
    {**ONLY_13, **PSK, "schemes": ("none", "both"), "offers_pha": EITHER},
    {**ONLY_13, **PSK, "schemes": ("sha1", "both"), "asks_later": EITHER},
    extensions=("post_handshake_auth", "psk", "signature_schemes"),
)
CIPHERS = {f"has_{c}": EITHER for c in ("CHACHA20_SHA256", "AES128_SHA256", "AES256_SHA384")}
KEYS = Scenario(
    "keys-and-suites-of-tls13",
    "two pre-shared keys and early data, with several suites",
    {**ONLY_13, **PSK, **CIPHERS, "sends_early": EITHER, "second_key": ("none", "adversary")},
    {
        **ONLY_13,
        **PSK,
        **CIPHERS,
        "takes_early": EITHER,
        "shares_with_adversary": EITHER,
        "prefers_second": EITHER,
    },
    extensions=("cipher_suites", "early_data", "psk", "psk_list"),
)
SHARES = Scenario(
    "shares-of-tls13",
    "shares that are ciphertexts or do not contribute, with a key, early data and a retry",
    {**ONLY_13, **PSK, "sends_early": EITHER},
    {**ONLY_13, **PSK, "takes_early": EITHER, "supports_x25519": EITHER},
    extensions=("degenerate_shares", "early_data", "kem", "psk", "retry"),
)
SUITES = {f"offers_{s}": (True,) for s in ("RSA", "DHE", "DH_RSA", "PSK", "RSA_PSK", "DHE_PSK")}
TLS12 = Scenario(
    "all-of-tls12",
    "TLS 1.1 and 1.2 with all that a single handshake of theirs has",
    {
        "min_version": ("TLS11",),
        "max_version": ("TLS11", "TLS12"),
        **SUITES,
        **LISTS,
        "fallback": EITHER,
        "asks_status": EITHER,
        "false_starts": EITHER,
        "dh_certificate": EITHER,
        "requires_ems": (True,),
    },
    {
        "min_version": ("TLS11",),
        "max_version": ("TLS11", "TLS12"),
        **SUITES,
        **LISTS,
        "staples": EITHER,
        "hints": EITHER,
        "requires_ems": (True,),
    },
    extensions=(
        "degenerate_shares",
        "extended_master_secret",
        "fallback",
        "false_start",
        "fixed_dh",
        "half_close",
        "ignored_records",
        "psk_suites",
        "record_boundaries",
        "signature_schemes",
        "status_request",
    ),
)
BEST_IS_TLS12 = replace(
    TLS12, name="client-of-tls12", client={**TLS12.client, "max_version": ("TLS12",)}
)
"""ORD-2F says that to start early takes TLS 1.2, so it is asked where that is the client's best."""


@pytest.mark.deep
@pytest.mark.parametrize(
    "where", [TLS12, BEST_IS_TLS12, TLS13, SCHEMES, KEYS, SHARES], ids=lambda s: s.name
)
def test_every_invariant_is_proved_where_all_extensions_are(where: Scenario) -> None:
    system = where.system()
    left_out = FALSE_BY_DESIGN | ({"ORD-2F"} if where is TLS12 else set())
    asked = {
        p.id: p.holds(system)
        for p in catalogue().values()
        if p.kind == "invariant" and set(p.needs) <= where.features and p.id not in left_out
    }
    prover = Prover(system, list(asked.values()))
    found = {name: prover.prove(holds) for name, holds in asked.items()}
    assert {n: f.reason for n, f in found.items() if isinstance(f, NoProof)} == {}
