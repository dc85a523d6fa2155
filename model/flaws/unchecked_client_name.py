"""An unchecked client name (CVE-2022-4967): any valid certificate passes for any client's.

In EAP methods on top of TLS a client says who it is, and then shows a certificate in TLS.
strongSwan 5.9.2 to 5.9.5 did not compare the two, so whoever had a certificate of the network could
be anybody in it. The mend was to demand that the identity is in the certificate.
"""

from model.flaws import Flaw
from model.patch import without_check
from model.scenario import Scenario
from model.scenario.definition import TLS12, offers

CLIENT_AUTH = Scenario(
    "client-auth-rsa",
    "TLS 1.2 with RSA, client authentication optional or mandatory",
    {**TLS12, **offers("RSA"), "sends_data": (False,)},
    {**TLS12, **offers("RSA"), "sends_data": (False,)},
)

FLAW = Flaw(
    name="unchecked_client_name",
    title="a server takes a client's certificate for another name",
    source="the CVE record",
    cve=("CVE-2022-4967",),
    year=2024,
    hit="strongSwan 5.9.2 to 5.9.5, EAP methods on TLS",
    scenario=CLIENT_AUTH,
    patches={
        "server": without_check(
            "server_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CKE", "right name"
        )
    },
    shows="a_server_that_authenticated_a_client_talked_to_it",
    steps=10,
    breaks={
        "server": (
            "a_server_that_authenticated_a_client_talked_to_it",
            "a_verified_finished_means_one_transcript",
            "mandatory_client_authentication_is_enforced",
            "session_keys_with_an_honest_peer_are_secret",
            "authenticated_ends_agree_on_what_was_negotiated",
        ),
    },
)
