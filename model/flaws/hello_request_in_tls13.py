"""A HelloRequest is dropped in TLS 1.3 (OpenSSL issue 31532): it should be unexpected_message."""

from model.extensions.renegotiation import HelloRequest
from model.flaws import Flaw, with_rows
from model.principal import STATES
from model.rule import SAME, receive

FLAW = Flaw(
    name="hello_request_in_tls13",
    number=72,
    title="a client drops a HelloRequest in a TLS 1.3 handshake",
    source="OpenSSL issue 31532",
    scenario="renegotiation-versions",
    patches={
        "client": with_rows(
            receive("client", HelloRequest,
                    tuple(s for s in STATES["client"][13:21] if s.startswith("WAIT_")), SAME,
                    rfc="8446 4.1.3", label="client_receive_hello_request_in_tls13")
        )
    },
    shows="tls13_is_not_renegotiated_nor_negotiated_so",
    breaks={"client": ("tls13_is_not_renegotiated_nor_negotiated_so",)},
)
