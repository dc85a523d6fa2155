"""Scenarios of numbered records."""

from model.scenario.definition import (
    EITHER,
    TLS12,
    TLS13,
    Scenario,
    no_client_auth,
    offers,
    versions,
)

NUMBERED = ("sequence_numbers",)
CLOSES = {"closes": (True,), "sends_data": (True,)}

SCENARIOS = (
    Scenario(
        "sequence-numbers",
        "TLS 1.2 with RSA: two records of data each way, which the network drops and replays",
        {**TLS12, **offers("RSA"), **no_client_auth("client"), **CLOSES},
        {**TLS12, **offers("RSA"), **no_client_auth("server"), **CLOSES},
        extensions=NUMBERED,
    ),
    Scenario(
        "sequence-numbers-tls13",
        "the same in TLS 1.3, where each direction is closed alone",
        {**TLS13, **no_client_auth("client"), **CLOSES},
        {**TLS13, **no_client_auth("server"), **CLOSES},
        extensions=("half_close", *NUMBERED),
    ),
    Scenario(
        "sequence-numbers-honest",
        "no attacker: two records of data each way, in TLS 1.2 or 1.3",
        {**TLS13, "min_version": ("TLS12",), "offers_RSA": EITHER, "cancels": EITHER, **CLOSES},
        {**TLS12, **versions("TLS12", "TLS13"), **offers("RSA"), **CLOSES},
        network="reliable",
        extensions=("half_close", *NUMBERED),
    ),
)
