"""0-RTT replay (RFC 8446 8, E.5): a server without any record of earlier hellos.

The adversary delivers a client's ClientHello and early data to the same server again, and the
request in the data is carried out twice.
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
