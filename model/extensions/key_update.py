"""KeyUpdate: new traffic keys while connected (RFC 8446 4.6.3, 7.2; rows P3 and P4).

1. After its own Finished an end may send KeyUpdate, as the last record under its old key, and may
   ask the peer to do the same.
2. An end that accepts a KeyUpdate reads with the next key. A KeyUpdate comes only after the peer's
   Finished and has one of two values.
3. An end that was asked sends a KeyUpdate, which asks for none, before its next data. One answer
   serves several requests; requests that cross take both ends two generations up.

A record is read only under the key of its generation: records under the application keys have a
field `generation`, and do not decrypt at a receiver of another generation. Each end starts at most
one update and answers while there is a generation left, which is always so with a sound peer. A
receiver at the last generation stays there: a peer that sends more is not sound and has the key
anyway.
"""

from __future__ import annotations

from model.expr import BOOL, TRUE, Domain, Expr, conj, const, eq, ite, mapping, neg
from model.extensions import ENDS, Amend, Extension
from model.observers import UNDER, held, keeps, latch
from model.principal import client, server
from model.role import Edition, Observer
from model.rule import SAME, Fields, Message, Rule, Variable, check, choice, receive, send

Generation = Domain("Generation", ("0", "1", "2"))
"""The generation of the application traffic keys of one direction."""
Request = Domain("Request", ("none", "update_not_requested", "update_requested", "other"))
"""The request in a KeyUpdate; `other` is a value that RFC 8446 does not define."""

GENERATIONS = [str(g) for g in Generation.values]
NEXT = {"0": "1", "1": "2", "2": "2"}
PREVIOUS = {"0": "0", "1": "0", "2": "1"}


def following(generation: Expr) -> Expr:
    """The next generation; the last one has itself as the next."""
    return mapping(generation, NEXT, Generation)


VARIABLES = {
    # Configuration: whether the end starts an update.
    "updates": Variable(BOOL, (False,)),
    "updated": Variable(BOOL, (False,)),
    "must_answer": Variable(BOOL, (False,), write_once=False),
    "read_generation": Variable(Generation, ("0",), write_once=False),
    "write_generation": Variable(Generation, ("0",), write_once=False),
    # By generation: whether data was sent, and the request in the KeyUpdate sent.
    **{f"data_{g}": Variable(BOOL, (False,)) for g in GENERATIONS},
    **{f"update_{g}": Variable(Request, ("none",)) for g in GENERATIONS[:-1]},
    # For the properties.
    "updates_taken": Variable(Generation, ("0",), write_once=False),
    "early_update": Variable(BOOL, (False,)),
    "data_before_answer": Variable(BOOL, (False,)),
}
own = Fields("an end", "own", {n: v.domain for n, v in VARIABLES.items()})
to = Fields("the receiver", "to", {"read_generation": Generation})

FIELD = {"generation": Generation}
KeyUpdate = Message("KeyUpdate", {**FIELD, "request_update": Request}, "8446 4.6.3")
update = KeyUpdate.f
record = Fields("a record", "msg", FIELD)
asks = choice("request_update", Request)

# Keys of the handshake have no generations.
DECRYPTS = check(
    "key generation",
    (client.read_key != "application") | eq(record.generation, own.read_generation),
    "bad_record_mac",
)
_defined = update.request_update.one_of("update_not_requested", "update_requested")


def _sent(request: Expr) -> dict[str, Expr]:
    """The effects of sending a KeyUpdate with `request`."""
    return {
        "write_generation": following(own.write_generation),
        "must_answer": own.must_answer & (request != "update_not_requested"),
        **{
            f"update_{g}": ite(own.write_generation == g, request, own[f"update_{g}"])
            for g in GENERATIONS[:-1]
        },
    }


def _rows(role: str) -> list[Rule]:
    of = client if role == "client" else server
    is_13 = of.version == "TLS13"
    left = own.write_generation != GENERATIONS[-1]
    flight = ("SEND_CERT", "SEND_CV", "SEND_FINISHED")
    waits = ("WAIT_CERT", "WAIT_CV", "WAIT_FINISHED")
    answers = own.must_answer & (asks == "update_not_requested")
    choices = {"request_update": Request}
    return [
        send(role, KeyUpdate, ("CONNECTED", *(waits if role == "server" else ())), SAME,
             rfc="8446 4.6.3",
             when=conj(is_13, left, own.updates, ~own.updated, ~answers,
                       asks.one_of("update_not_requested", "update_requested")),
             do={"updated": TRUE, **_sent(asks)}, choices=choices,
             label=f"{role}_send_key_update"),
        send(role, KeyUpdate, "CONNECTED", SAME, rfc="8446 4.6.3",
             when=conj(is_13, left, answers), do=_sent(asks), choices=choices,
             label=f"{role}_send_key_update_answer"),
        receive(role, KeyUpdate, (*(flight if role == "client" else ()), "CONNECTED", "CLOSING"),
                SAME, rfc="8446 4.6.3", when=is_13,
                checks=[DECRYPTS, check("request_update", _defined, "illegal_parameter")],
                do={"read_generation": following(own.read_generation),
                    "must_answer": own.must_answer | (update.request_update == "update_requested")},
                label=f"{role}_receive_key_update"),
    ]


def _amends(role: str) -> list[Amend]:
    early = "client_receive_application_data_SEND_CERT_SEND_CV_SEND_FINISHED_to_SAME"
    sends = [f"{role}_send_application_data_CONNECTED_to_SAME"]
    takes = [f"{role}_receive_application_data_{s}_to_SAME" for s in ("CONNECTED", "CLOSING")]
    takes += [f"{role}_receive_close_notify_{s}" for s in
              ("CONNECTED_to_ANSWER_CLOSE", "CLOSING_to_CLOSED", "in_handshake")]
    if role == "client":
        takes.append(early)
    else:
        sends.append("server_send_application_data_early")
    return [
        *(Amend(row, when=~own.must_answer) for row in sends),
        *(Amend(row, checks=(DECRYPTS,)) for row in takes),
        Amend(
            f"{role}_send_application_data_READ_CLOSED_to_SAME",
            when=~own.must_answer,
            of="half_close",
        ),
        Amend(f"{role}_send_key_update_answer", sources=("READ_CLOSED",), of="half_close"),
        *(
            Amend(f"{role}_receive_{row}", checks=(DECRYPTS,), of="half_close")
            for row in (
                "application_data_write_closed",
                "close_notify_CONNECTED_to_READ_CLOSED",
            )
        ),
    ]


_last = mapping(own.write_generation, PREVIOUS, Generation)
_SENDS = {
    "ApplicationData": {"generation": own.write_generation},
    "CloseNotify": {"generation": own.write_generation},
    "KeyUpdate": {
        "generation": _last,
        "request_update": ite(own.write_generation == "1", own.update_0, own.update_1),
    },
}


def _in(generation: str, sent: Expr, **fields: Expr) -> Edition:
    return Edition(
        f"in generation {generation}", sent,
        {"generation": const(generation, Generation), **fields},
        to.read_generation == generation,
    )


_EDITIONS = {
    "ApplicationData": tuple(_in(g, own[f"data_{g}"]) for g in GENERATIONS),
    "KeyUpdate": tuple(
        _in(g, own[f"update_{g}"] != "none", request_update=own[f"update_{g}"])
        for g in GENERATIONS[:-1]
    ),
}


def _observers(role: str) -> tuple[Observer, ...]:
    of = client if role == "client" else server
    return (
        # Observed by event: data can be delivered, whatever row has sent it.
        *(
            Observer(
                f"data_{g}", "send", "ApplicationData",
                own[f"data_{g}"] | (own.write_generation == g),
            )
            for g in GENERATIONS
        ),
        *(
            latch("other_generation", "receive", m,
                  (UNDER == "application") & neg(eq(record.generation, own.read_generation)))
            for m in ("ApplicationData", "CloseNotify", "KeyUpdate")
        ),
        latch("undefined_request", "receive", "KeyUpdate", ~_defined),
        latch("undefined_request", "send", "KeyUpdate", ~_defined),
        keeps("receive", "KeyUpdate",
              held(own, read_generation=following(own.read_generation),
                   must_answer=own.must_answer | (update.request_update == "update_requested"))),
        keeps("send", "KeyUpdate", held(own, **_sent(asks))),
        Observer("updates_taken", "receive", "KeyUpdate", following(own.updates_taken)),
        Observer("early_update", "receive", "KeyUpdate", own.early_update | ~of.verified),
        Observer(
            "data_before_answer", "send", "ApplicationData",
            own.data_before_answer | own.must_answer,
        ),
    )


EXTENSION = Extension(
    "key_update",
    "8446 4.6.3",
    "new traffic keys while connected",
    variables=dict.fromkeys(ENDS, VARIABLES),
    messages=(KeyUpdate,),
    fields={"ApplicationData": FIELD, "CloseNotify": FIELD},
    sends=dict.fromkeys(ENDS, _SENDS),
    rows=(*_rows("client"), *_rows("server")),
    amends=(*_amends("client"), *_amends("server")),
    observers={end: _observers(end) for end in ENDS},
    again={end: {"KeyUpdate": TRUE} for end in ENDS},
    editions=dict.fromkeys(ENDS, _EDITIONS),
)
