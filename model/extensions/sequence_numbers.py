"""Record sequence numbers: each record of data has its place (RFC 5246 6.1, 6.2.3; RFC 8446 5.3).

1. Each direction of a connection counts its records under the session keys, from zero.
2. The number is no part of a record: it goes into the protection, so that a record opens only at
   its place. A record that comes again, or after one that was left out, is a bad_record_mac.
3. close_notify and alerts have a number, too: a connection cannot be cut short in the middle.

Numbered are the records of data, alerts and close_notify. The others come once each, in an order of
their own. A run writes two records of data at most. A reader at the last number stays there: what
comes more is of somebody who has the key anyway. With keys that change within a connection a number
would be one of its key, too: see `excludes`.
"""

from __future__ import annotations

from model.expr import BOOL, Domain, Expr, conj, const, disj, eq, mapping, neg
from model.extensions import ENDS, Amend, Extension
from model.observers import held, keeps, latch
from model.principal import client
from model.role import Edition, Observer, Role
from model.rule import Fields, Rule, Variable, check

Number = Domain("Number", ("0", "1", "2"))
"""The sequence number of a record of data, or of what comes in its place."""
NUMBERS = tuple(str(n) for n in Number.values)
OF_DATA, LAST = NUMBERS[:-1], NUMBERS[-1]
"""The numbers that records of data have, and the one that only the end can have."""

_flag = Variable(BOOL, (False,))
VARIABLES = {
    "write_sequence": Variable(Number, ("0",), write_once=False),
    "read_sequence": Variable(Number, ("0",), write_once=False),
    # By number: whether data was written, and whether data was delivered.
    **{f"data_{n}": _flag for n in OF_DATA},
    **{f"got_{n}": _flag for n in OF_DATA},
}
FIELD = {"sequence": Number}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})
to = Fields("the receiver", "to", {"read_sequence": Number})
sequence = Fields("a record", "msg", FIELD).sequence


def following(number: Expr) -> Expr:
    """The next number; the last one has itself as the next."""
    after = dict(zip(NUMBERS, (*NUMBERS[1:], LAST), strict=True))
    return mapping(number, after, Number)


# Records of the handshake have numbers of other keys.
IN_ORDER = check(
    "sequence number",
    (client.read_key != "application") | eq(sequence, own.read_sequence),
    "bad_record_mac",
)
NUMBERED = ("ApplicationData", "CloseNotify", "Alert")


def _every(role: Role, rule: Rule) -> Amend | None:
    """A record opens at its place, and data moves the place on."""
    if rule.event not in NUMBERED:
        return None
    data = rule.event == "ApplicationData"
    if rule.kind == "receive":
        return Amend(
            "",
            first=(IN_ORDER,),
            do={"read_sequence": following(own.read_sequence)} if data else {},
        )
    if data:
        return Amend(
            "",
            when=own.write_sequence != LAST,
            do={"write_sequence": following(own.write_sequence)},
        )
    return None


def _at(number: str) -> Edition:
    return Edition(
        f"number {number}",
        own[f"data_{number}"],
        {"sequence": const(number, Number)},
        to.read_sequence == number,
    )


_moves = keeps("receive", "ApplicationData",
               held(own, read_sequence=following(own.read_sequence)))
_OBSERVERS = (
    *(
        Observer(f"data_{n}", "send", "ApplicationData",
                 own[f"data_{n}"] | (own.write_sequence == n))
        for n in OF_DATA
    ),
    *(
        Observer(f"got_{n}", "receive", "ApplicationData", own[f"got_{n}"] | (sequence == n))
        for n in OF_DATA
    ),
    latch("got_again", "receive", "ApplicationData",
          disj(*(conj(own[f"got_{n}"], sequence == n) for n in OF_DATA))),
    latch("number_reused", "send", "ApplicationData",
          disj(own.write_sequence == LAST,
               *(conj(own[f"data_{n}"], own.write_sequence == n) for n in OF_DATA))),
    *(
        latch("out_of_order", "receive", m,
              conj(client.read_key == "application", neg(eq(sequence, own.read_sequence))))
        for m in NUMBERED
    ),
    _moves,
)

EXTENSION = Extension(
    "sequence_numbers",
    "5246 6.1; 8446 5.3",
    "the place of each record of data",
    variables=dict.fromkeys(ENDS, VARIABLES),
    fields=dict.fromkeys(NUMBERED, FIELD),
    record=("sequence",),
    sends={end: {m: {"sequence": own.write_sequence} for m in NUMBERED} for end in ENDS},
    every=_every,
    observers=dict.fromkeys(ENDS, _OBSERVERS),
    editions={end: {"ApplicationData": tuple(map(_at, OF_DATA))} for end in ENDS},
    excludes={
        "key_update": "the numbers begin again with each generation of keys",
        "renegotiation": "the numbers begin again with the keys of the next handshake",
    },
)
