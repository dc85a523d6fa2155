"""Early data under another key than the first (2026): the server looks for it under the first one.

A hello may offer several pre-shared keys, and its early data is under the first (RFC 8446 4.2.11).
OpenSSL's client put a ticket that allows no early data before an external key that does, and sent
early data under the external key: a server that selects the first key and accepts cannot read it.
Where the other key has another owner, he reads what was meant for the owner of the first.
"""

from model.expr import ite, var
from model.extensions.psk import Psk
from model.extensions.psk_list import first, second
from model.flaws import Flaw
from model.patch import with_memory, with_secret, with_view
from model.schedule import EXTERNAL, RESUMPTION

_key = var("own.early_key", Psk)

FLAW = Flaw(
    name="early_data_under_another_key",
    title="a client sends early data under a key that is not the first it offers",
    source="OpenSSL issue 32210",
    year=2026,
    hit="OpenSSL",
    scenario="psk-list-early-data",
    patches={
        "client": (
            with_memory("early_key", "ClientHello", ite(second == "none", first, second), "send"),
            with_view("early.psk", _key),
            with_secret(early={RESUMPTION: _key == "resumption", EXTERNAL: _key == "external"}),
        )
    },
    shows="accepted_early_data_is_under_the_first_key",
    steps=2,
    breaks={
        "client": (
            "accepted_early_data_is_under_the_first_key",
            "early_data_is_secret_as_long_as_its_key_is",
        ),
    },
)
