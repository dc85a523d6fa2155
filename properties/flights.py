"""The place of every message in its flight: the figures of the RFCs are in `model/flights.py`."""

from __future__ import annotations

from model.expr import neg
from properties import Implication, World, invariant, when
from properties.order import legacy
from properties.receiving import begun


@invariant("PLC-1", "5246 7.3; 5077 3.1; 6066 8", ("legacy",))
def each_message_is_accepted_in_its_place(w: World) -> list[Implication]:
    """TLS 1.0 to 1.2: a run accepts each message of the handshake only where the message flow has
    it, as in figures 1 and 2 of RFC 5246."""
    return [when(begun(r) & legacy(r)).then(neg(r.misplaced)) for r in w.runs]


@invariant("PLC-2", "8446 2, 4, A", ("tls13",))
def each_message_of_tls13_is_accepted_in_its_place(w: World) -> list[Implication]:
    """TLS 1.3: a run accepts each message of the handshake, and after it, only where the message
    flow has it."""
    return [when(begun(r) & (r.version == "TLS13")).then(neg(r.misplaced)) for r in w.runs]


@invariant("PLC-3", "5246 7.3; 8446 2, 4, A")
def each_message_is_sent_in_its_place(w: World) -> list[Implication]:
    """A run sends each message of the handshake only where the message flow has it."""
    return [when(begun(r)).then(neg(r.out_of_turn)) for r in w.runs]
