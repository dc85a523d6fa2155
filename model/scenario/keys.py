"""Scenarios of TLS 1.3 with several pre-shared keys in one hello."""

from model.scenario.definition import EITHER, TLS13, TWICE, Config, Scenario, no_client_auth
from model.scenario.tls13 import RESUMES

_CLIENT: Config = {
    **TLS13, "has_external": (True,), "shares_with_adversary": EITHER,
    "second_key": ("external", "adversary"), **no_client_auth("client"),
}
"""A client with the key of the honest ends, one that it shares with the adversary, or both."""
_SERVER: Config = {
    **TLS13, "has_external": EITHER, "shares_with_adversary": EITHER, "prefers_second": EITHER,
    "issues": (False,), **no_client_auth("server"), "sends_data": (False,),
}

SCENARIOS = (
    Scenario(
        "psk-list-honest",
        "no attacker: two external keys in either order, with early data",
        {**_CLIENT, "sends_early": EITHER, "sends_data": (True,), "closes": (True,)},
        {**_SERVER, "takes_early": (True,), "closes": (True,)},
        network="reliable",
        extensions=("early_data", "psk", "psk_list"),
        about=("LIV-1", "LIV-3", "LIV-4", "LIV-5", "LIV-7", "LIV-11", "EDT-2", "KEY-7", "KEY-17",
               "NEG-11", "NEG-17", "RES-12", "RES-15"),
    ),
    Scenario(
        "psk-list",
        "two external keys in one hello, one of them the adversary's, in either order and mode",
        {**_CLIENT, "takes_psk_ke": (True,)},
        {**_SERVER, "has_external": (True,), "takes_psk_ke": (True,)},
        extensions=("psk", "psk_list"),
    ),
    Scenario(
        "psk-list-early-data",
        "the same with early data under the first key",
        {**_CLIENT, "sends_early": (True,)},
        {**_SERVER, "has_external": (True,), "shares_with_adversary": (True,),
         "takes_early": (True,)},
        extensions=("early_data", "psk", "psk_list"),
        about=("AUT-1", "AUT-6", "AUT-28", "EDT-2", "EDT-5", "EDT-6", "EDT-7", "EDT-11", "NEG-11",
               "NEG-17", "RES-6", "RES-15", "RES-16", "SEC-1", "SEC-12"),
    ),
    Scenario(
        "psk-list-resumption",
        "a ticket beside an external key in one hello, in either order: too big to search",
        {**TLS13, **no_client_auth("client")},
        {**TLS13, **no_client_auth("server"), "sends_data": (False,)},
        ("symbolic",),
        clients=2,
        servers=2,
        later=TWICE,
        configs={
            "client1": {
                **RESUMES["client1"], "has_external": EITHER, "shares_with_adversary": EITHER,
                "second_key": ("external", "adversary", "resumption"),
            },
            "server1": {
                **RESUMES["server1"], "has_external": EITHER, "prefers_second": EITHER,
            },
        },
        extensions=("psk", "psk_list"),
        about=("AUT-1", "AUT-5", "AUT-6", "AUT-23", "AUT-28", "SEC-1", "RES-6", "RES-7", "RES-11",
               "RES-12", "RES-13", "RES-15", "RES-16"),
    ),
)
