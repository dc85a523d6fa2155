"""A loop at close_notify (CVE-2024-32650): a server in the handshake reads on for ever.

A client may end a handshake with close_notify. After one right behind the ClientHello the function
`complete_io` of rustls neither finished the handshake nor gave up, not even when the transport had
ended: it went round and round, and kept a core busy. rustls 0.23.5 and its older branches end with
an error.
"""

from model.expr import BOOL, var
from model.flaws import Flaw
from model.message import TransportClose
from model.patch import narrowed, with_memory, with_rows, with_target
from model.principal import GENERATIONS, server
from model.rule import SAME, receive

_loops = var("own.loops", BOOL)

FLAW = Flaw(
    name="close_notify_loop",
    title="a server goes on waiting after a close_notify in the handshake",
    source="RUSTSEC-2024-0336",
    cve=("CVE-2024-32650",),
    year=2024,
    hit="rustls 0.20 to 0.23.4",
    scenario="honest-half-close",
    patches={
        "server": (
            with_memory("loops", "CloseNotify", _loops | ~server.verified),
            with_target("server_receive_close_notify_in_handshake", SAME),
            narrowed("server_receive_transport_close", ~_loops),
            with_rows(
                receive("server", TransportClose, GENERATIONS["server"]["tls13"], SAME,
                        rfc="8446 6.1", when=_loops,
                        label="server_receive_transport_close_in_loop")
            ),
        )
    },
    shows="a_handshake_given_up_ends_at_both_ends",
    steps=12,
    breaks={
        "server": (
            "a_handshake_given_up_ends_at_both_ends",
            "every_run_ends_closed",
            "a_run_that_started_ends_however_much_data_flows",
        ),
    },
)
