"""Scenarios of signature schemes."""

from model.scenario.definition import (
    EITHER,
    TLS12,
    TLS13,
    Scenario,
    no_client_auth,
    offers,
    versions,
)

SIGNED = {**TLS12, **offers("ECDHE"), "sends_data": (False,)}
ANY = ("sha256", "both", "sha1")
_OLD = {"signs": ("both",)}

SCENARIOS = (
    Scenario(
        "signature-schemes",
        "TLS 1.2 with ECDHE and client certificates: each end may list SHA-1, and may sign with it",
        {**SIGNED, "schemes": ("none", "both"), "signs": ("sha256", "sha1")},
        {**SIGNED, "schemes": ("both",), "signs": ("sha256", "sha1")},
        extensions=("signature_schemes",),
    ),
    Scenario(
        "signature-schemes-tls13",
        "TLS 1.3: each end may list schemes that it may not use",
        {**TLS13, "schemes": ("none", "sha1", "both"), "sends_data": (False,)},
        {**TLS13, "schemes": ("sha1", "sha256"), "signs": ANY, "sends_data": (False,)},
        extensions=("signature_schemes",),
    ),
    Scenario(
        "signature-schemes-honest",
        "no attacker: TLS 1.1 to 1.3, with lists that may have nothing in common",
        {**offers("ECDHE"), "min_version": ("TLS11",), **versions("TLS11", "TLS12", "TLS13"),
         "schemes": ("none", "sha1", "sha256"), "signs": ANY, "closes": (True,)},
        {**offers("ECDHE"), "min_version": ("TLS11",), **versions("TLS13"),
         "schemes": ("sha1", "sha256"), "signs": ANY, "closes": (True,)},
        network="reliable",
        extensions=("signature_schemes",),
    ),
    Scenario(
        "several-certificates",
        "TLS 1.2 with RSA and ECDHE: the server has RSA and ECDSA certificates; a client may list "
        "ECDSA alone",
        {**TLS12, **offers("RSA", "ECDHE"), "schemes": ("none", "ecdsa", "both"),
         **no_client_auth("client")},
        {**TLS12, **offers("RSA", "ECDHE"), "signs": ("both",), "keys": ("both", "ecdsa"),
         **no_client_auth("server"), "sends_data": (False,)},
        extensions=("several_certificates", "signature_schemes"),
    ),
    Scenario(
        "several-certificates-tls13",
        "TLS 1.3: both ends have RSA and ECDSA certificates, and may list ECDSA alone",
        {**TLS13, "schemes": ("sha256", "ecdsa"), "keys": ("both",), "sends_data": (False,)},
        {**TLS13, "schemes": ("sha256", "ecdsa"), "keys": ("both",), "sends_data": (False,)},
        extensions=("several_certificates", "signature_schemes"),
    ),
    Scenario(
        "several-certificates-honest",
        "no attacker: TLS 1.1 to 1.3, with lists and certificates that may not fit",
        {**offers("RSA"), "offers_ECDHE": EITHER, "min_version": ("TLS11",),
         **versions("TLS11", "TLS13"), "schemes": ("sha1", "ecdsa"), "keys": ("rsa", "ecdsa"),
         "signs": ("both",), "closes": (True,)},
        {**offers("RSA", "ECDHE"), "min_version": ("TLS11",), **versions("TLS12", "TLS13"),
         "schemes": ("sha1", "ecdsa"), "keys": ("ecdsa", "both"), "signs": ("both",),
         "closes": (True,)},
        network="reliable",
        extensions=("several_certificates", "signature_schemes"),
    ),
    Scenario(
        "signature-collisions",
        "TLS 1.2 with ECDHE: SHA-1 collides; both ends sign with it and neither lists it",
        {**SIGNED, **_OLD},
        {**SIGNED, **_OLD},
        capabilities=("collide_sha1",),
        extensions=("signature_schemes",),
    ),
    Scenario(
        "sha1-collisions",
        "the same, and both ends list SHA-1, as before RFC 9155",
        {**SIGNED, **_OLD, "schemes": ("both",)},
        {**SIGNED, **_OLD, "schemes": ("both",)},
        capabilities=("collide_sha1",),
        extensions=("signature_schemes",),
        about=("AUT-1", "AUT-3", "AUT-12", "AUT-25", "AUT-27", "NEG-24", "SEC-1"),
    ),
)
