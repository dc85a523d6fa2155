"""Mbed TLS 2026: an EndOfEarlyData in the clear, in the same record as the ClientHello.

Bytes after the ClientHello in a record are kept, and read as the next message after the keys have
changed. The adversary appends EndOfEarlyData and drops the early data: the handshake completes, and
the client believes that the server accepted and delivered the early data. RFC 8446 5.1 has the
mend: no bytes may follow a message that changes the keys.
"""

from model.expr import const
from model.extensions.early_data import Count, server
from model.flaws import Flaw
from model.patch import with_rows
from model.principal import Key
from model.rule import step

FLAW = Flaw(
    name="forged_end_of_early_data",
    number=57,
    title="a server takes an EndOfEarlyData that came in the clear with the ClientHello",
    source="Ben Smyth, report to Mbed TLS, 2026",
    year=2026,
    hit="Mbed TLS",
    scenario="tls13-early-data",
    patches={
        "server": with_rows(
            step(
                "server",
                "EndOfEarlyDataWithHello",
                "WAIT_EOED",
                "WAIT_FINISHED",
                rfc="8446 5.1, 4.5",
                when=server.early_accepted,
                # It is in the server's transcript, as the one that the client sends is in its own.
                do={"read_key": const("handshake", Key), "ends_early": const(1, Count)},
            )
        )
    },
    shows="early_data_is_delivered_whole_or_not_at_all",
    steps=13,
    breaks={
        "server": (
            "early_data_is_delivered_whole_or_not_at_all",
            "a_key_change_is_at_a_message_boundary",
        )
    },
)
