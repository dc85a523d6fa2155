"""HelloRequest in a TLS 1.3 handshake (OpenSSL issue 31532): dropped, not refused.

A client of OpenSSL skips HelloRequest before it looks at the version, as TLS 1.2 demands in a
handshake. TLS 1.3 has no such message, and what no end may send must end the connection: a record
that is dropped in silence is one that two stacks take differently.
"""

from model.extensions.renegotiation import HelloRequest
from model.flaws import Flaw
from model.patch import with_rows
from model.rule import SAME, receive

FLAW = Flaw(
    name="hello_request_in_tls13",
    number=72,
    title="a client drops a HelloRequest in a TLS 1.3 handshake",
    source="OpenSSL issue 31532",
    year=2026,
    hit="OpenSSL",
    scenario="renegotiation-versions",
    patches={
        "client": with_rows(
            receive("client", HelloRequest,
                    ("WAIT_EE", "WAIT_CERT_CR", "WAIT_CERT", "WAIT_CV", "WAIT_FINISHED"), SAME,
                    rfc="8446 4.1.3", label="client_receive_hello_request_in_tls13")
        )
    },
    shows="tls13_is_not_renegotiated_nor_negotiated_so",
    steps=3,
    breaks={"client": (
        "tls13_is_not_renegotiated_nor_negotiated_so",
        "each_message_of_tls13_is_accepted_in_its_place",
    )},
)
