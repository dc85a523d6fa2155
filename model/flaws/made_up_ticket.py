"""A made-up ticket (CVE-2014-7189): a server of Go whose ticket key was never set.

With tickets turned off by SessionTicketsDisabled, Go's server still took them, and decrypted them
under a key of zeros. Anybody could write a ticket with a session of one's own choice in it, a
client's certificate included. Go 1.3.2 refuses every ticket where they are turned off.
"""

from model.expr import TRUE, const, var
from model.extensions.resumption import hello
from model.flaws import Flaw
from model.generations.negotiation import take_client_hello, version
from model.message import ClientHello
from model.patch import with_rows
from model.principal import Certificate, ClientOwner, ServerOwner, Suite
from model.rule import receive

_ticket = var("msg.session_ticket", ServerOwner)

FLAW = Flaw(
    name="made_up_ticket",
    title="a server takes a ticket that anybody made",
    source="Go issue 8808, 2014",
    cve=("CVE-2014-7189",),
    year=2014,
    hit="Go 1.1 to 1.3.1",
    scenario="session-ticket",
    patches={
        "server": with_rows(
            receive("server", ClientHello, "START", "RES_SEND_SH", rfc="5077 3.1",
                    when=ClientHello.f.offers_RSA & (version == "TLS12") & (_ticket == "adversary"),
                    do={**take_client_hello, "suite": const("RSA", Suite), "keyed": TRUE,
                        "resumed": TRUE, "by_ticket": TRUE, "hello_ticket": _ticket,
                        "offered_session": hello.session_id,
                        "exchange": const("adversary", ClientOwner),
                        "client_certificate": const("honest", Certificate)},
                    label="server_receive_client_hello_any_ticket"),
            first=True,
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=6,
    breaks={
        "server": (
            "a_verified_finished_means_one_transcript",
            "session_keys_with_an_honest_peer_are_secret",
            "a_session_is_resumed_by_its_own_name",
            "a_ticket_is_taken_only_from_its_issuer_in_time",
            "a_session_keeps_its_identities",
        ),
    },
)
