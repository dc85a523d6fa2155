"""A pre-shared key without an exchange (CVE-2025-11935): the server leaves forward secrecy out.

A client that offers a key in the mode psk_dhe_ke alone wants a fresh exchange beside it. wolfSSL's
client took a ServerHello that selected the key and had no key_share, and went on in the mode psk_ke
that it never offered: whoever gets the key later reads the session. The mend is to refuse such a
ServerHello.
"""

from model.extensions.psk import client
from model.flaws import Flaw
from model.generations.negotiation import sh
from model.patch import loosened

FLAW = Flaw(
    name="key_without_exchange",
    title="a client goes on without a share where it offered a key with an exchange only",
    source="wolfSSL 5.8.4 release notes, 2025",
    cve=("CVE-2025-11935",),
    year=2025,
    hit="wolfSSL before 5.8.4",
    scenario="tls13-psk",
    patches={
        "client": loosened(
            "client_receive_server_hello_psk",
            "mode offered",
            (sh.key_share == "none") & client.takes_psk_dhe_ke,
        )
    },
    shows="a_key_is_used_in_a_mode_that_was_offered",
    steps=2,
    breaks={
        "client": ("a_key_is_used_in_a_mode_that_was_offered",),
    },
)
