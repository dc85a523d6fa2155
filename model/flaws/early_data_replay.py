"""0-RTT replay (RFC 8446 8, E.5): a server without any record of earlier hellos.

Early data comes with the first message, before the server has said anything that would make the
handshake another one. The adversary delivers a client's ClientHello and early data to the same
server again, and the request in the data is carried out twice. Every server of 0-RTT is open to it
that keeps no record; RFC 8446 8 has the mends: tickets for one use, a list of hellos, a window of
time.
"""

from model.expr import const, ite
from model.extensions.early_data import hello, server
from model.flaws import Flaw
from model.patch import with_effects
from model.principal import Key

_accepts = hello.early_data & server.takes_early
_key = ite(_accepts, const("early", Key), const("plaintext", Key))

FLAW = Flaw(
    name="early_data_replay",
    number=17,
    title="a server takes the early data of one hello again and again",
    source="RFC 8446 8, E.5",
    year=2018,
    hit="servers of early data without a record of hellos",
    scenario="early-data-one-server",
    patches={
        "server": with_effects(
            "server_receive_client_hello_psk", early_accepted=_accepts, read_key=_key
        )
    },
    shows="one_server_takes_the_early_data_of_a_hello_once",
    steps=4,
    breaks={"server": ("one_server_takes_the_early_data_of_a_hello_once",)},
)
