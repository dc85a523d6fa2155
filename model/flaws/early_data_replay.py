"""0-RTT replay (RFC 8446 8, E.5): a server without any record of the hellos it has had.

The adversary delivers a client's ClientHello and early data to the same server again, and the
request in it is carried out twice.
"""

from dataclasses import replace

from model.expr import const, ite
from model.extensions.early_data import hello, server
from model.flaws import Flaw
from model.principal import Key
from model.rule import Role


def _forgetful(r: Role) -> Role:
    accepts = hello.early_data & server.takes_early
    key = ite(accepts, const("early", Key), const("plaintext", Key))
    rows = tuple(
        replace(x, do={**x.do, "early_accepted": accepts, "read_key": key})
        if x.name == "server_receive_client_hello_psk"
        else x
        for x in r.table
    )
    return replace(r, table=rows)


FLAW = Flaw(
    name="early_data_replay",
    number=17,
    title="a server takes the early data of one hello again and again",
    source="RFC 8446 8, E.5",
    scenario="early-data-one-server",
    patches={"server": _forgetful},
    shows="one_server_takes_the_early_data_of_a_hello_once",
    breaks={"server": ("one_server_takes_the_early_data_of_a_hello_once",)},
)
