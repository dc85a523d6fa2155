"""Two pre-shared keys in each hello around a HelloRetryRequest (RFC 8446).

1. The second ClientHello has both keys again, each with a new binder.    4.1.2, 4.2.11.2
2. The server selects one of them again, by the second hello.             4.1.4
"""

from __future__ import annotations

from model.expr import const, ite
from model.extensions import Amend, Extension
from model.extensions.psk import client_binder
from model.extensions.psk_list import EXTENSION as PSK_LIST
from model.extensions.psk_list import HELLO, client, hello, of_hello, other
from model.extensions.retry import client as retry_client
from model.extensions.retry import present_share
from model.extensions.retry_psk import client_first
from model.observers import after, held, keeps
from model.principal import ClientOwner
from model.rule import Fields, Variable

VARIABLES = {"first_other_binder": Variable(ClientOwner, ("none",))}
server = Fields("the server", "own", {n: v.domain for n, v in VARIABLES.items()})
_nobody = const("none", ClientOwner)
_answered = after("client_random", ClientOwner) != "none"

EXTENSION = Extension(
    "retry_psk_list",
    "8446 4.1.2, 4.1.4",
    "two pre-shared keys around a HelloRetryRequest",
    needs=("psk_list", "retry", "retry_psk"),
    implied=True,
    variables={"server": VARIABLES},
    fields={"SecondClientHello": HELLO},
    optional={"SecondClientHello": PSK_LIST.optional["ClientHello"]},
    shown={"SecondClientHello": {"other_binder": "SecondClientHello"}},
    sends={
        "client": {
            "SecondClientHello": {
                **PSK_LIST.sends["client"]["ClientHello"],
                "second_binder": (
                    *client_binder(present_share, client.second_psk), *client_first
                ),
            }
        }
    },
    views={
        "client": {"first_other_binder": ite(retry_client.retried, other, _nobody)},
        "server": {"first_other_binder": server.first_other_binder},
    },
    covers={"hellos": ("first_other_binder",)},
    amends=(
        Amend("server_receive_client_hello_START_to_SEND_HRR", of="retry",
              do={"first_other_binder": hello.other_binder}),
    ),
    observers={
        "server": (
            of_hello("SecondClientHello"),
            keeps("receive", "ClientHello",
                  _answered | held(server, first_other_binder=hello.other_binder)),
        ),
    },
)
