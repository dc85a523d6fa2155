"""A ticket of another version (Mbed TLS, CVE-2026-93831): a ticket of TLS 1.3 taken in TLS 1.2.

Both kinds of ticket are made with one key. A server of TLS 1.2 that finds a ticket in the hello
must see that the session in it is one of TLS 1.2; this one decrypted the ticket and asked no more.
A session of TLS 1.3 has no master secret, so the abbreviated handshake went on with one of zeros,
which everybody has: whoever saw the ticket could resume the session, as its owner. The mend is to
compare the version in the ticket.
"""

from model.expr import TRUE, const, eq
from model.extensions import resumption
from model.extensions.psk import server as keys
from model.extensions.session_ticket import hello, shown
from model.flaws import Flaw
from model.generations.negotiation import take_client_hello, version
from model.message import ClientHello
from model.patch import with_rows
from model.principal import Suite, server
from model.rule import receive
from model.transcript import earlier

_session = {n: e for n, e in resumption.S_RESUME.items() if n not in ("keyed", "suite")}

FLAW = Flaw(
    name="ticket_of_another_version",
    number=65,
    title="a server of TLS 1.2 takes a ticket of TLS 1.3",
    source="CVE-2026-93831, November 2026",
    cve=("CVE-2026-93831",),
    year=2026,
    hit="Mbed TLS servers with tickets in TLS 1.2 and 1.3",
    scenario="ticket-versions",
    patches={
        "server": with_rows(
            receive("server", ClientHello, "START", "RES_SEND_SH", rfc="5077 3.4",
                    when=ClientHello.f.offers_RSA & (version == "TLS12") & shown
                    & earlier(keys.issued) & eq(hello.session_ticket, earlier(server.me)),
                    do={**take_client_hello, **_session, "suite": const("RSA", Suite),
                        "offered_session": resumption.hello.session_id, "by_ticket": TRUE,
                        "hello_ticket": hello.session_ticket},
                    label="server_receive_client_hello_ticket_of_tls13"),
            first=True,
        )
    },
    shows="no_key_is_derived_from_a_secret_that_was_never_set",
    steps=11,
    breaks={
        "server": (
            "no_key_is_derived_from_a_secret_that_was_never_set",
            "a_session_keeps_its_parameters",
            "a_ticket_is_taken_only_from_its_issuer_in_time",
        ),
    },
)
