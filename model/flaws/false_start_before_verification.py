"""False Start before verification (CVE-2013-1740): data goes out while the chain is still checked.

NSS let an application verify the certificate beside the handshake, and False Start let it send
before the server's Finished. Together, data could go to whoever showed any certificate; the failure
of its verification came too late. NSS 3.15.4 starts early only once the certificate is verified.
"""

from model.flaws import Flaw
from model.patch import narrowed, without_check
from model.principal import client
from model.scenario import Scenario
from model.scenario.definition import TLS12, no_client_auth, offers

_CHAIN = ("known CA", "not expired", "right name")

FLAW = Flaw(
    name="false_start_before_verification",
    title="a client starts early before it has verified the certificate",
    source="Mozilla security advisories, 2014",
    cve=("CVE-2013-1740",),
    year=2014,
    hit="NSS before 3.15.4",
    scenario=Scenario(
        "false-start-dhe",
        "TLS 1.2 with DHE, where the client may start to send early",
        {**TLS12, **offers("DHE"), "has_certificate": (False,), "false_starts": (True,)},
        {**TLS12, **offers("DHE"), **no_client_auth("server"), "sends_data": (False,)},
        extensions=("false_start",),
    ),
    patches={
        "client": (
            without_check("client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_SKE", *_CHAIN),
            narrowed(
                "client_receive_change_cipher_spec_WAIT_CCS_to_WAIT_FIN",
                client.server_certificate.one_of("honest", "adversary"),
            ),
        )
    },
    shows="an_empty_or_untrusted_server_certificate_is_refused",
    steps=3,
    breaks={
        "client": ("an_empty_or_untrusted_server_certificate_is_refused",),
    },
)
