"""The reliable network: FIFO channels between each pair of runs, no attacker (RFC 793's service).

A closed run has closed the transport: messages to the closed run are lost, and the peer sees the
end of the transport after all earlier messages.

A channel holds only the types of messages. Every field of a message is an expression over
write-once variables of the sender, so the contents can be read at delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from model.expr import TRUE, Domain, Expr, conj, const, eq, ite, neg, substitute, var
from model.rule import Form, Message, Variable
from model.system import Instance, Network, Source, System

EMPTY = "empty"


@dataclass(frozen=True)
class Reliable(Network):
    """FIFO channels of `capacity` messages; a sender waits while its channel is full."""

    capacity: int = 3

    def _domain(self, run: Instance) -> Domain:
        return Domain("Slot", (EMPTY, *(m.name for m in run.role.alphabet)))

    def _slots(self, receiver: Instance) -> list[Expr]:
        d = self._domain(receiver)
        return [var(f"to_{receiver.name}.{i}", d) for i in range(self.capacity)]

    def _peer(self, system: System, run: Instance) -> Instance | None:
        ours = [r for r in system.runs if r.role.name == run.role.name]
        others = [r for r in system.runs if r.role.name != run.role.name]
        if len(ours) != len(others):
            raise ValueError(f"{system.name}: the reliable network joins runs two by two")
        return others[ours.index(run)]

    def _closed(self, system: System, run: Instance) -> Expr:
        state = system.of(run, "state")
        closed = state == run.role.closed
        if run.takes_over and run.prev is not None:
            # The run has not begun, and the connection is closed.
            before = system.of(run.prev, "state") == run.role.closed
            closed = closed | ((state == run.role.states[0]) & before)
        return closed

    def variables(self, system: System) -> Mapping[str, Variable]:
        """The slots of both channels by name, each channel in the order of delivery."""
        return {
            s.payload: Variable(s.domain, (EMPTY,), write_once=False)
            for r in system.runs
            for s in self._slots(r)
        }

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> Iterable[Source]:
        """The source of `message` if the head of the channel to `run` is `message`.

        Both ends of a channel have the same keys: records come under the receiver's read key.
        """
        peer = self._peer(system, run)
        if peer is None:
            return
        slots = self._slots(run)
        if message.form is Form.END:
            yield Source(peer.name, (slots[0] == EMPTY) & self._closed(system, peer))
            return
        if message.name not in slots[0].domain.codes:
            return
        sends = peer.role.sends.get(message.name)
        if sends is None:
            return  # the peer never sends it
        empty = const(EMPTY, slots[0].domain)
        shift = {s.payload: n for s, n in zip(slots, [*slots[1:], empty], strict=True)}
        for e in peer.role.times(message.name):
            fields = system.fields(peer, e.fields)
            head = conj(
                slots[0] == message.name,
                system.at(peer, e.when),
                system.at(peer, self._received(system, run, e.order)),
                TRUE if under is None else eq(under, system.of(run, "read_key")),
            )
            yield Source(f"{peer.name}{e.name and ' ' + e.name}", head, fields, {}, shift)

    def _received(self, system: System, run: Instance, order: Expr) -> Expr:
        """`order` with the receiver's `to.x` as variables of `run`."""

        def leaf(v: Expr) -> Expr:
            kind, _, name = v.payload.partition(".")
            return system.of(run, name) if kind == "to" else v

        return substitute(order, leaf)

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """When the peer's channel has an empty slot, and the effects of appending `message`."""
        peer = self._peer(system, run)
        if peer is None:
            return TRUE, {}
        gone = self._closed(system, peer)
        slots = self._slots(peer)
        if message.name not in slots[0].domain.codes:
            return TRUE, {}
        put = const(message.name, slots[0].domain)
        effects: dict[str, Expr] = {}
        before = neg(gone)
        for s in slots:
            effects[s.payload] = ite(before & (s == EMPTY), put, s)
            before = neg(gone) & neg(s == EMPTY)
        return (slots[-1] == EMPTY) | gone, effects


@dataclass(frozen=True)
class Overheard(Reliable):
    """The reliable network with an adversary that only listens, and may cut the transport.

    What the adversary sees is kept. A run without a peer gets no messages.
    """

    adversary: Network = field(kw_only=True)

    def _peer(self, system: System, run: Instance) -> Instance | None:
        ours = [r for r in system.runs if r.role.name == run.role.name]
        others = [r for r in system.runs if r.role.name != run.role.name]
        return dict(zip(ours, others, strict=False)).get(run)

    def variables(self, system: System) -> Mapping[str, Variable]:
        """The slots of the channels, and the variables of the adversary."""
        return {**super().variables(system), **self.adversary.variables(system)}

    def sources(
        self, system: System, run: Instance, message: Message, under: Expr | None
    ) -> Iterable[Source]:
        """As of the channel; the transport may end at any time."""
        if message.form is Form.END:
            yield Source("cut")
        else:
            yield from super().sources(system, run, message, under)

    def emit(self, system: System, run: Instance, message: Message) -> tuple[Expr, dict[str, Expr]]:
        """As the channel and the adversary take `message`, both."""
        heard, more = self.adversary.emit(system, run, message)
        room, effects = super().emit(system, run, message)
        return room & heard, {**effects, **more}
