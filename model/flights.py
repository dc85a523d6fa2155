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

from model.expr import BOOL, FALSE, TRUE, Domain, Expr, conj, disj, ite, mapping, neg, var
from model.principal import LEGACY
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


_OPENING: Flow = (
    ">ClientHello",
    "<ServerHello",
    maybe("<Certificate", maybe("<CertificateStatus")),
    maybe("<ServerKeyExchange"),
)
_CLOSING: Flow = (
    ">ChangeCipherSpec",
    ">Finished",
    maybe("<NewSessionTicket"),
    "<ChangeCipherSpec",
    "<Finished",
)

FULL: Flow = (*_OPENING, "<ServerHelloDone", ">ClientKeyExchange", *_CLOSING)
"""RFC 5246 7.3 figure 1; RFC 6066 8 for CertificateStatus, RFC 5077 3.1 figure 1 for the ticket."""

ASKED: Flow = (
    *_OPENING,
    "<CertificateRequest",
    "<ServerHelloDone",
    ">Certificate",
    ">ClientKeyExchange",
    maybe(">CertificateVerify"),
    *_CLOSING,
)
"""The same with a certificate of the client: only on request, and then always (5246 7.4.6)."""

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

_HELLOS: Flow = (
    ">ClientHello",
    maybe("<HelloRetryRequest", ">SecondClientHello"),
    "<ServerHello",
    "<EncryptedExtensions",
)

TLS13: Flow = (
    *_HELLOS,
    maybe("<Certificate", "<CertificateVerify"),
    "<Finished",
    maybe(">EndOfEarlyData"),
    ">Finished",
)
"""RFC 8446 2 figures 1 to 4, 4.4, 4.5, A."""

ASKED13: Flow = (
    *_HELLOS,
    "<CertificateRequest",
    "<Certificate",
    "<CertificateVerify",
    "<Finished",
    ">Certificate",
    maybe(">CertificateVerify"),
    maybe(),  # keeps the places in this flight apart from those in a later answer
    ">Finished",
)
"""The same with a certificate of the client, which is there if it is asked for (8446 4.4.2). With
a pre-shared key, and so with early data, none is (8446 4.3.2)."""

UPDATES = Several(((">KeyUpdate",),), again=True)
"""RFC 8446 4.6.3."""

ANSWERS = Several(
    ((">KeyUpdate",), (">Certificate", maybe(">CertificateVerify"), ">Finished")), again=True
)
"""The same with answers to later requests, RFC 8446 4.6.2: nothing comes between their messages."""

LATER = "later"
"""The flows of a TLS 1.3 handshake whose client offered post_handshake_auth."""

FLOWS: Mapping[str, tuple[Flow, ...]] = {
    "tls12": (FULL, ASKED, ABBREVIATED),
    "tls13": ((*TLS13, UPDATES), (*ASKED13, UPDATES)),
    LATER: ((*TLS13, ANSWERS), (*ASKED13, ANSWERS)),
}
"""The flows of each generation."""

_ANY_TIME13 = {"<NewSessionTicket": "<Finished", "<KeyUpdate": "<Finished"}
END = "end"
"""Stands for the last message of a flow."""

ANY_TIME = {
    "tls12": {"<HelloRequest": "", ">ClientHello": END},
    "tls13": _ANY_TIME13,
    LATER: {**_ANY_TIME13, "<CertificateRequest": ">Finished"},
}
"""The messages with no place in a flow, by the message after which they may come at any time.

RFC 5246 7.4.1.1, 7.4.1.2 (a new hello, which may be answered with no_renegotiation); RFC 8446 4.6.1
(a ticket may come before the client's Finished), 4.6.3, 4.6.2.
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
        if message == END:
            return {p for p, nexts in self.next.items() if not nexts}
        found = set(self.where(message).values()) if message else {START}
        while more := {q for p in found for q in self.next[p].values()} - found:
            found |= more
        return found


@cache
def places(generation: str) -> Places:
    """The places of the flows of a generation."""
    start = frozenset(FLOWS[generation])
    names, nexts, waiting = {start: START}, {}, [start]
    for rests in waiting:
        # In an order of their own: every process names the places alike.
        after: dict[str, set[Flow]] = {}
        for m, rest in (pair for flow in sorted(rests, key=repr) for pair in following(flow)):
            after.setdefault(m, set()).add(rest)
        for m, left in after.items():
            to = frozenset(left)
            if to not in names:
                taken = sum(n.partition(" ")[0] == m for n in names.values())
                names[to] = f"{m} {taken + 1}" if taken else m
                waiting.append(to)
        nexts[names[rests]] = {m: names[frozenset(left)] for m, left in after.items()}
    return Places(nexts)


Place = Domain("Place", tuple(dict.fromkeys(p for g in FLOWS for p in places(g).next)))
"""The places of all generations: the same up to the hello that chooses one."""

_place = var("own.position", Place)


def _moved(there: Mapping[str, str]) -> Expr:
    return mapping(_place, {p: there.get(str(p), str(p)) for p in Place.values}, Place)


def observers(of: Role, own: Fields) -> list[Observer]:
    """The observers of a role that follow the flow."""
    there = {m.name: m.handshake for m in of.alphabet}
    ways = {
        "receive": (
            ">" if of.name == "server" else "<",
            "misplaced",
            [m.name for m in of.alphabet if m.handshake and m.form.value == "record"],
        ),
        "send": (
            ">" if of.name == "client" else "<",
            "out_of_turn",
            [n for n in of.sends if there.get(n, True)],
        ),
    }
    out = []
    for kind, (sign, latch, messages) in ways.items():
        for m in messages:
            if m not in (*DATA, "Alert"):
                out += _follow(of, own, kind, m, sign + INSTEAD.get(m, m), latch)
    return out


def _offered_later(of: Role) -> Expr:
    """When the client offered to authenticate after the handshake (RFC 8446 4.2.6)."""
    flag = "offers_pha" if of.name == "client" else "pha_offered"
    return var(f"own.{flag}", BOOL) if flag in of.variables else FALSE


def _follow(
    of: Role, own: Fields, kind: str, event: str, message: str, latch: str
) -> list[Observer]:
    """The observers of one message."""
    later = _offered_later(of)
    knows_13 = conj(own.version == "none", own.max_version == "TLS13")
    there: dict[str, dict[str, str]] = {}
    ok: dict[str, Expr] = {}
    for g in FLOWS:
        there[g] = places(g).where(message)
        after: str | None = dict(ANY_TIME[g]).get(message)
        ok[g] = _place.one_of(*there[g], *(() if after is None else places(g).from_on(after)))
    if event == "ChangeCipherSpec":
        # That of TLS 1.3 is no part of the handshake (RFC 8446 5).
        ok["tls13"] = ok[LATER] = TRUE
    is_13, old = own.version == "TLS13", own.version.one_of(*LEGACY)
    right = disj(
        conj(is_13, ite(later, ok[LATER], ok["tls13"])),
        conj(old, ok["tls12"]),
        conj(own.version == "none", ok["tls12"]),
        conj(knows_13, ok["tls13"]),
    )
    out = [Observer(latch, kind, event, var(f"own.{latch}", BOOL) | neg(right))]
    if any(there.values()):
        either = {**there["tls13"], **there["tls12"]}
        to_13 = ite(later, _moved(there[LATER]), _moved(there["tls13"]))
        to = ite(is_13, to_13, ite(old, _moved(there["tls12"]), _moved(either)))
        out.append(Observer("position", kind, event, to, transient=True))
    return out
