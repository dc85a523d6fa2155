"""The message flow of a handshake: the place of every message, as the figures of the RFCs have it.

A flow is the order of the messages on the wire, `>` from the client and `<` from the server. From
the flows come three observers: `position`, how far in its flow a run is; `misplaced` and
`out_of_turn`, a message received or sent where no flow has it.

The flows say where a message may come, not whether it must: for which suite or choice a message is
there is for other properties. Nothing here is made from the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from model.expr import BOOL, TRUE, Domain, Expr, conj, disj, ite, mapping, neg, var
from model.role import Observer, Role
from model.rule import Fields


@dataclass(frozen=True)
class Several:
    """One of several parts of a flow, or none; with `again`, any of them any number of times."""

    parts: tuple[Flow, ...]
    again: bool = False


Part = str | Several
Flow = tuple[Part, ...]


def maybe(*parts: Part) -> Several:
    """Parts that come together or not at all."""
    return Several((parts,))


FULL: Flow = (
    ">ClientHello",
    "<ServerHello",
    maybe("<Certificate", maybe("<CertificateStatus")),
    maybe("<ServerKeyExchange"),
    maybe("<CertificateRequest"),
    "<ServerHelloDone",
    maybe(">Certificate"),
    ">ClientKeyExchange",
    maybe(">CertificateVerify"),
    ">ChangeCipherSpec",
    ">Finished",
    maybe("<NewSessionTicket"),
    "<ChangeCipherSpec",
    "<Finished",
)
"""RFC 5246 7.3 figure 1; RFC 6066 8 for CertificateStatus, RFC 5077 3.1 figure 1 for the ticket."""

ABBREVIATED: Flow = (
    ">ClientHello",
    "<ServerHello",
    maybe("<NewSessionTicket"),
    "<ChangeCipherSpec",
    "<Finished",
    ">ChangeCipherSpec",
    ">Finished",
)
"""RFC 5246 7.3 figure 2; RFC 5077 3.1 figure 2 for the ticket."""

TLS13: Flow = (
    ">ClientHello",
    maybe("<HelloRetryRequest", ">SecondClientHello"),
    "<ServerHello",
    "<EncryptedExtensions",
    maybe(maybe("<CertificateRequest"), "<Certificate", "<CertificateVerify"),
    "<Finished",
    maybe(">EndOfEarlyData"),
    maybe(">Certificate", maybe(">CertificateVerify")),
    maybe(),  # keeps the places in this flight apart from those in a later answer
    ">Finished",
    Several(((">KeyUpdate",),), again=True),
)
"""RFC 8446 2 figures 1 to 4, 4.4, 4.5, A; afterwards 4.6.3."""

ANSWERED: Flow = (
    *TLS13[:-1],
    # Nothing comes between the messages of an answer.
    Several(
        ((">KeyUpdate",), (">Certificate", maybe(">CertificateVerify"), ">Finished")), again=True
    ),
)
"""RFC 8446 4.6.2: with authentication after the handshake."""

FLOWS: Mapping[str, tuple[Flow, ...]] = {"tls12": (FULL, ABBREVIATED), "tls13": (TLS13,)}
"""The flows of each generation."""

ANY_TIME = {
    "tls12": {"<HelloRequest": ""},
    "tls13": {
        "<NewSessionTicket": "<Finished",
        "<KeyUpdate": "<Finished",
        "<CertificateRequest": ">Finished",
    },
}
"""The messages with no place in a flow, by the message after which they may come at any time.

RFC 5246 7.4.1.1; RFC 8446 4.6.1 (a ticket may come before the client's Finished), 4.6.3, 4.6.2.
"""

INSTEAD = {"NoCertificate": "Certificate"}
"""The messages that stand in the place of another (RFC 6101 5.4.2)."""

DATA = ("ApplicationData", "EarlyData", "CloseNotify")
"""The records of no handshake: in the figures where there are keys."""

START = "start"


def following(flow: Flow) -> Iterator[tuple[str, Flow]]:
    """Each message that may come next, with the rest of the flow."""
    if flow:
        head, *tail = flow
        if isinstance(head, str):
            yield head, tuple(tail)
        else:
            for m, rest in (pair for part in head.parts for pair in following(part)):
                yield m, (*rest, *((head,) if head.again else ()), *tail)
            yield from following(tuple(tail))


@dataclass(frozen=True)
class Places:
    """The places of a generation: what may come next, and the place after it.

    A place is named by the first message that leads there.
    """

    next: Mapping[str, Mapping[str, str]]
    """By place and message: the next place."""

    def where(self, message: str) -> dict[str, str]:
        """The places where a message may come, with the next place."""
        return {p: nexts[message] for p, nexts in self.next.items() if message in nexts}

    def from_on(self, message: str) -> set[str]:
        """The places after a message of the flow; every place if it is empty."""
        found = set(self.where(message).values()) if message else {START}
        while more := {q for p in found for q in self.next[p].values()} - found:
            found |= more
        return found


@cache
def places(generation: str, answers: bool = False) -> Places:
    """The places of the flows of a generation, perhaps with authentication after the handshake."""
    start = frozenset((ANSWERED,) if answers and generation == "tls13" else FLOWS[generation])
    names, nexts, waiting = {start: START}, {}, [start]
    for rests in waiting:
        after: dict[str, set[Flow]] = {}
        for m, rest in (pair for flow in rests for pair in following(flow)):
            after.setdefault(m, set()).add(rest)
        for m, left in after.items():
            to = frozenset(left)
            if to not in names:
                taken = sum(n.partition(" ")[0] == m for n in names.values())
                names[to] = f"{m} {taken + 1}" if taken else m
                waiting.append(to)
        nexts[names[rests]] = {m: names[frozenset(left)] for m, left in after.items()}
    return Places(nexts)


Place = Domain("Place", tuple(dict.fromkeys(p for g in FLOWS for p in places(g, True).next)))
"""The places of both generations: the same up to the hello that chooses one."""

_place = var("own.position", Place)


def _moved(there: Mapping[str, str]) -> Expr:
    return mapping(_place, {p: there.get(str(p), str(p)) for p in Place.values}, Place)


def observers(of: Role, own: Fields) -> list[Observer]:
    """The observers of a role that follow the flow."""
    ways = {
        "receive": (
            ">" if of.name == "server" else "<",
            "misplaced",
            [m.name for m in of.alphabet if m.handshake and m.form.value == "record"],
        ),
        "send": (">" if of.name == "client" else "<", "out_of_turn", list(of.sends)),
    }
    out = []
    for kind, (sign, latch, messages) in ways.items():
        for m in messages:
            if m not in (*DATA, "Alert"):
                out += _follow(of, own, kind, m, sign + INSTEAD.get(m, m), latch)
    return out


def _follow(
    of: Role, own: Fields, kind: str, event: str, message: str, latch: str
) -> list[Observer]:
    """The observers of one message."""
    knows_13 = conj(own.version == "none", own.max_version == "TLS13")
    there: dict[str, dict[str, str]] = {}
    ok: dict[str, Expr] = {}
    for g in FLOWS:
        flow = places(g, "post_handshake_auth" in of.extensions)
        there[g] = flow.where(message)
        after: str | None = dict(ANY_TIME[g]).get(message)
        ok[g] = _place.one_of(*there[g], *(() if after is None else flow.from_on(after)))
    if event == "ChangeCipherSpec":
        # That of TLS 1.3 is no part of the handshake (RFC 8446 5).
        ok["tls13"] = TRUE
    is_13, old = own.version == "TLS13", own.version.one_of("TLS10", "TLS11", "TLS12")
    right = disj(
        conj(is_13, ok["tls13"]),
        conj(old, ok["tls12"]),
        conj(own.version == "none", ok["tls12"]),
        conj(knows_13, ok["tls13"]),
    )
    out = [Observer(latch, kind, event, var(f"own.{latch}", BOOL) | neg(right))]
    if there["tls12"] or there["tls13"]:
        either = {**there["tls13"], **there["tls12"]}
        to = ite(is_13, _moved(there["tls13"]), ite(old, _moved(there["tls12"]), _moved(either)))
        out.append(Observer("position", kind, event, to, transient=True))
    return out
