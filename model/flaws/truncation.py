"""Truncation (the cookie cutter): the end of the transport passes for close_notify.

The application sees no difference: an adversary that cuts the connection chooses where the data
ends, and the application takes a part for the whole: a cookie without its attribute `secure`, a
page without its end. Browsers ignored the difference, since servers so often left close_notify out;
the mend is to tell the application.
"""

from model.expr import const, ite
from model.flaws import Flaw
from model.generations.records import failed
from model.patch import with_effects
from model.principal import End, client

_END = ite(client.delivered, const("close_notify", End), failed(client)["end"])

FLAW = Flaw(
    name="truncation",
    number=23,
    title="a client takes the end of the transport for close_notify",
    source="Bhargavan et al., Triple Handshakes and Cookie Cutters, 2014",
    year=2014,
    hit="browsers of 2014",
    scenario="half-close",
    patches={"client": with_effects("client_receive_transport_close", end=_END)},
    shows="the_end_is_clean_only_after_close_notify",
    steps=8,
    breaks={
        "client": (
            "the_end_is_clean_only_after_close_notify",
            "data_after_close_notify_is_ignored",
        )
    },
)
