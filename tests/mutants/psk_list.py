"""Mutants of several pre-shared keys in one hello."""

from model.expr import const, ite, var
from model.extensions.psk import EXTENSION as PSK
from model.extensions.psk import Psk, client
from model.extensions.psk_list import client as list_client
from model.extensions.psk_list import first, second
from model.patch import with_effects, with_memory, with_secret, with_sent, with_view
from model.schedule import EXTERNAL, RESUMPTION
from tests.mutants import Mutant, c

HELLO = "client_send_client_hello_START_to_WAIT_SH"
ANSWER = "client_receive_server_hello_psk"
_LAST = ite(list_client.second_psk == "none", client.offered_psk, list_client.second_psk)
_EARLY = var("own.early_key", Psk)
_FIRST = PSK.sends["server"]["ServerHello"]["selected"]

MUTANTS = {
    # The client goes on with its first key, whatever the server selected.
    "the_key_in_use_is_that_of_the_selected_identity": c(
        "psk-list", with_effects(ANSWER, psk=client.offered_psk)
    ),
    # The server says that it selected the first key, whichever it did, and the client goes on with
    # the second one all the same.
    "both_ends_have_the_key_of_one_identity": Mutant(
        "psk-list",
        {
            "client": with_effects(ANSWER, psk=_LAST),
            "server": with_sent("ServerHello", selected=_FIRST),
        },
    ),
    # The client sends its early data under the key that it offers last.
    "accepted_early_data_is_under_the_first_key": c(
        "psk-list-early-data",
        with_memory("early_key", "ClientHello", ite(second == "none", first, second), "send"),
        with_view("early.psk", _EARLY),
        with_secret(early={RESUMPTION: _EARLY == "resumption", EXTERNAL: _EARLY == "external"}),
    ),
    "can_the_second_key_of_a_hello_be_used": c(
        "psk-list-honest", with_effects(HELLO, second_psk=const("none", Psk))
    ),
}
