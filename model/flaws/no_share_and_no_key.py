"""wolfSSL before 5.6.2 (CVE-2023-3724): TLS 1.3 without a key share and without a pre-shared key.

The client accepts a ServerHello that has neither; the secret is made of zeros, and anybody can read
the records. The handshake still needs the honest server's certificate, and an honest server sends a
share: the flaw breaks the key, not the authentication. A fuzzer that knows the protocol found it;
wolfSSL 5.6.2 refuses the hello.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="no_share_and_no_key",
    number=55,
    title="a client takes a ServerHello with neither key share nor pre-shared key",
    source="wolfSSL 5.6.2 release notes, 2023 (tlspuffin)",
    cve=("CVE-2023-3724",),
    year=2023,
    hit="wolfSSL before 5.6.2",
    scenario="tls13-psk",
    patches={
        "client": without_check("client_receive_server_hello_WAIT_SH_to_WAIT_EE", "key share")
    },
    shows="no_key_is_derived_from_a_secret_that_was_never_set",
    steps=2,
    breaks={
        "client": (
            "no_key_is_derived_from_a_secret_that_was_never_set",
            "without_a_key_there_is_an_exchange",
        )
    },
)
