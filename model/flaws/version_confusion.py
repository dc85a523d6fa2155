"""Version confusion (CVE-2026-115490): a hello of TLS 1.2 that says 1.3, and no key material.

The client of Mbed TLS that offers both versions parsed a ServerHello without supported_versions as
one of TLS 1.2, and took the version from the field for old versions, where 1.3 is not allowed to
stand. It went on as a client of TLS 1.3 that has no share and no secret: its keys are public.
"""

from model.expr import const
from model.flaws import Flaw
from model.generations.negotiation import hello_13, sh, take_hello
from model.message import ServerHello
from model.patch import with_rows
from model.principal import Key
from model.rule import receive

FLAW = Flaw(
    name="version_confusion",
    number=66,
    title="a client takes TLS 1.3 from a ServerHello of TLS 1.2, and has no keys",
    source="Mbed TLS security advisories, November 2026",
    cve=("CVE-2026-115490",),
    year=2026,
    hit="Mbed TLS",
    scenario="tls12-rsa-tls13",
    patches={
        "client": with_rows(
            receive("client", ServerHello, "WAIT_SH", "WAIT_EE", rfc="8446 4.2.1",
                    when=(sh.version == "TLS13") & (sh.key_share == "none"), checks=hello_13,
                    do={**take_hello, "read_key": const("handshake", Key)},
                    label="client_receive_server_hello_without_versions"),
            first=True,
        )
    },
    shows="no_key_is_derived_from_a_secret_that_was_never_set",
    steps=2,
    breaks={
        "client": (
            "what_a_message_says_is_what_is_kept",
            "no_key_is_derived_from_a_secret_that_was_never_set",
            "finished_covers_every_handshake_message",
        ),
    },
)
