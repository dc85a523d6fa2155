"""A CertificateRequest too early (2025): before ServerKeyExchange, and then none in its place.

The order of a server's flight is fixed. wolfSSL's client of TLS 1.2 kept a list of messages seen,
and took CertificateRequest before ServerKeyExchange. Both Finished cover the flight as it was sent,
so nobody is deceived, but two ends that take different orders for the same are where such attacks
begin.
"""

from model.expr import const
from model.flaws import Flaw
from model.message import CertificateRequest, ServerHelloDone
from model.patch import narrowed, with_rows
from model.principal import client
from model.rule import SAME, receive
from model.scenario import Scenario
from model.scenario.definition import TLS12, offers

_IN_PLACE = (
    "client_receive_certificate_request_WAIT_CR_SHD_to_WAIT_SHD",
    "client_receive_server_hello_done_WAIT_CR_SHD_to_SEND_CKE",
)

FLAW = Flaw(
    name="request_before_key_exchange",
    title="a client takes CertificateRequest before ServerKeyExchange",
    source="wolfSSL issue 9378, 2025",
    year=2025,
    hit="wolfSSL",
    scenario=Scenario(
        "client-auth-ecdhe",
        "TLS 1.2 with ECDHE, client authentication optional or mandatory",
        {**TLS12, **offers("ECDHE"), "sends_data": (False,)},
        {**TLS12, **offers("ECDHE"), "sends_data": (False,)},
    ),
    patches={
        "client": (
            *(narrowed(row, ~client.requested) for row in _IN_PLACE),
            with_rows(
                receive("client", CertificateRequest, "WAIT_SKE", SAME, rfc="5246 7.4.4",
                        when=~client.requested, do={"requested": const(True)}),
                receive("client", ServerHelloDone, "WAIT_CR_SHD", "SEND_CERTIFICATE",
                        rfc="5246 7.4.5", when=client.requested),
            ),
        )
    },
    shows="each_message_is_accepted_in_its_place",
    steps=5,
    breaks={
        "client": ("each_message_is_accepted_in_its_place",),
    },
)
