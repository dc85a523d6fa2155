"""A server loses the resumption key that goes with a ticket it has issued (RFC 8446 4.6.1, E.1)."""

from model.adversary.capabilities import Leak
from model.extensions.psk import server
from model.rule import Message
from model.schedule import RESUMPTION

SUMMARY = "get the resumption key of a ticket that was issued, at some moment"

LEAK = Leak(
    Message("ResumptionKey", {}, "8446 E.1"), ("server",), RESUMPTION, {"server": server.issued}
)
