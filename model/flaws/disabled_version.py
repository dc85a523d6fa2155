"""A disabled version (CVE-2024-28836): a server of TLS 1.3 alone talks TLS 1.2.

The server of Mbed TLS 3.5 that saw a hello without TLS 1.3 went over to its code of TLS 1.2 before
it asked whether that version was enabled. Configured for TLS 1.3 alone at run time, it completed a
handshake of TLS 1.2. Mbed TLS 3.6.0 asks first.
"""

from model.flaws import Flaw
from model.patch import without_check
from model.scenario import Scenario
from model.scenario.definition import TLS12, TLS13, no_client_auth, offers, versions

FLAW = Flaw(
    name="disabled_version",
    title="a server takes part in a version that it has disabled",
    source="Mbed TLS security advisory 2024-03-1",
    cve=("CVE-2024-28836",),
    year=2024,
    hit="Mbed TLS 3.5",
    scenario=Scenario(
        "tls13-server",
        "a server of TLS 1.3 alone, a client of TLS 1.2 or 1.3",
        {**TLS12, **versions("TLS12", "TLS13"), **offers("RSA"), **no_client_auth("client")},
        {**TLS13, **offers("RSA"), **no_client_auth("server"), "sends_data": (False,)},
    ),
    patches={
        "server": without_check("server_receive_client_hello_START_to_SEND_SH", "common version")
    },
    shows="an_end_takes_part_only_in_what_it_allows",
    steps=1,
    breaks={
        "server": (
            "an_end_takes_part_only_in_what_it_allows",
            "the_premaster_holds_the_version_that_was_offered",
        ),
    },
)
