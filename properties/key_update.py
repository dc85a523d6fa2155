"""KeyUpdate (RFC 8446 4.6.3)."""

from __future__ import annotations

from model.expr import Expr, conj, disj, neg
from properties import Implication, World, ends, invariant, reachable, when


@invariant("KEY-9", "8446 4.6.3", ("key_update",))
def a_key_update_comes_only_after_the_peers_finished(w: World) -> list[Implication]:
    """A KeyUpdate before the peer's Finished is an unexpected message."""
    return [when(r.saw_key_update).then(neg(r.early_update)) for r in w.runs]


@invariant("KEY-10", "8446 4.6.3, 7.2", ("adversary", "key_update"))
def each_generation_of_keys_is_entered_by_a_key_update(w: World) -> list[Implication]:
    """No record is read under a new key before the KeyUpdate under the old key, so nothing that an
    honest peer sent was cut off."""
    return [
        when(conj(r.read_generation != "0", neg(w.knows(r)))).then(
            r.read_generation == r.updates_taken
        )
        for r in w.runs
    ]


@invariant("KEY-10A", "8446 4.6.3, 7.2", ("adversary", "key_update"))
def a_receiver_is_never_ahead_of_an_honest_sender(w: World) -> list[Implication]:
    """A read key that the adversary does not know is one that the peer has begun to use."""
    return [
        when(conj(me.read_generation != "0", neg(w.knows(me)), w.same_keys(c, s))).then(
            me.read_generation <= p.write_generation
        )
        for c in w.clients
        for s in w.servers
        for me, p in ((c, s), (s, c))
    ]


@invariant("KEY-11", "8446 4.6.3", ("key_update",))
def a_requested_update_is_answered_before_the_next_data(w: World) -> list[Implication]:
    """An end that was asked for an update sends no more data under its old key."""
    return [when(r.must_answer | (r.write_generation != "0")).then(neg(r.data_before_answer))
            for r in w.runs]


@invariant("KEY-18", "8446 4.6.3, 5.3, 7.2", ("key_update",))
def every_record_is_read_in_its_generation(w: World) -> list[Implication]:
    """A record under an application key is read only with the key of its generation."""
    return [when(r.read_key == "application").then(neg(r.other_generation)) for r in w.runs]


@invariant("KEY-19", "8446 4.6.3", ("key_update",))
def a_key_update_asks_or_does_not(w: World) -> list[Implication]:
    """A KeyUpdate is sent and taken only with one of the two requests that are defined."""
    return [
        *(when(r.saw_key_update).then(neg(r.undefined_request)) for r in w.runs),
        *(when(r.write_generation != "0").then(neg(r.undefined_request)) for r in w.runs),
    ]


@reachable("KEY-11C", "8446 4.6.3", ("key_update",))
def can_crossing_requests_take_both_ends_two_generations_up(w: World) -> Expr:
    """Both ends can ask at once and both answer."""
    c, s = w.clients[0], w.servers[0]
    return conj(
        *(getattr(r, f"{way}_generation") == "2" for r in (c, s) for way in ("read", "write")),
        *(r.updated for r in (c, s)),
    )


@ends("KEY-11E", "8446 4.6.3", ("reliable", "key_update"))
def after_a_clean_close_each_end_read_what_the_other_wrote(w: World) -> list[Implication]:
    """After a clean close, each end's read generation is the other end's write generation."""
    c, s = w.clients[0], w.servers[0]
    clean = conj(c.end == "close_notify", s.end == "close_notify", c.version == "TLS13")
    moved = disj(c.write_generation != "0", s.write_generation != "0")
    return [
        when(conj(clean, moved)).then(
            conj(
                *(
                    disj(*(conj(a.read_generation == g, b.write_generation == g)
                           for g in ("0", "1", "2")))
                    for a, b in ((c, s), (s, c))
                )
            )
        )
    ]
