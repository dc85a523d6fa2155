"""Data before the handshake (CVE-2023-40217): a server socket of Python that is no TLS socket yet.

If the peer sent data and closed at once, `SSLSocket` took the connection for one that was never
made, started no handshake, and let the application read what was in the buffer: in the clear, from
anybody, where a client certificate was demanded. Python 3.11.5 refuses a socket with data in it.
"""

from model.expr import TRUE
from model.flaws import Flaw
from model.message import ApplicationData
from model.patch import with_rows
from model.rule import SAME, receive

FLAW = Flaw(
    name="data_before_handshake",
    title="a server delivers data that came before any handshake",
    source="Python issue 108310, 2023",
    cve=("CVE-2023-40217",),
    year=2023,
    hit="Python before 3.8.18, 3.9.18, 3.10.13 and 3.11.5",
    scenario="tls13",
    patches={
        "server": with_rows(
            receive("server", ApplicationData, "START", SAME, rfc="8446 2",
                    do={"delivered": TRUE})
        )
    },
    shows="data_is_delivered_only_after_finished_is_verified",
    steps=1,
    breaks={
        "server": (
            "data_is_delivered_only_after_finished_is_verified",
            "no_finished_and_no_data_is_accepted_in_the_clear",
        ),
    },
)
