"""Alerts and closure."""

from __future__ import annotations

from model.expr import FALSE, Expr, conj, disj, eq, neg
from properties import Implication, View, World, ends, invariant, leads_to, reachable, when
from properties.composites import right_finished


@invariant("ALR-1", "5246 7.2.2; 8446 6.2")
def an_error_closes_the_run(w: World) -> list[Implication]:
    """A run that sent or received a fatal alert is closed: nothing more is sent or delivered."""
    return [when(r.end == "error").then(r.state == "CLOSED") for r in w.runs]


@invariant("ALR-2", "5246 7.2.2; 8446 6")
def a_fatal_alert_is_never_ignored(w: World) -> list[Implication]:
    """In TLS 1.3 every alert but close_notify and user_canceled is fatal, whatever its level."""
    return [when(r.version != "none").then(neg(r.survived_fatal_alert)) for r in w.runs]


@invariant("ALR-4", "5246 7.2.2; 8446 4.4.4, 6.2")
def a_finished_that_does_not_verify_is_a_decrypt_error(w: World) -> list[Implication]:
    """A bad Finished is refused, with decrypt_error; a good Finished may be refused with another
    alert because more follows in its record."""
    return [
        *(
            when(conj(r.end == "error", neg(r.verified))).then(
                neg(r.wrong_finished_alert) | refused_followed(r)
            )
            for r in w.runs
        ),
        *(when(r.verified).then(right_finished(r)) for r in w.runs),
    ]


@invariant("ALR-7", "5246 7.2.2; 8446 6.2", ("reliable",))
def no_record_between_honest_ends_is_a_bad_one(w: World) -> list[Implication]:
    """Without an adversary no end closes with bad_record_mac."""
    return [when(r.state == "CLOSED").then(r.alert != "bad_record_mac") for r in w.runs]


@invariant("CLO-1", "5246 7.2.1; 8446 6.1")
def the_end_is_clean_only_after_close_notify(w: World) -> list[Implication]:
    """A truncated connection is never reported as a clean end."""
    return [when(r.end == "close_notify").then(r.closed_in_keys) for r in w.runs]


@invariant("CLO-2", "8446 6.1", ("half_close",))
def data_after_close_notify_is_ignored(w: World) -> list[Implication]:
    """No data is delivered after the peer's close_notify."""
    return [
        when(conj(r.end == "close_notify", r.version == "TLS13")).then(
            eq(r.delivered, r.delivered_before_close)
        )
        for r in w.runs
    ]


@reachable("CLO-2W", "8446 6.1", ("half_close", "data"))
def can_data_be_sent_after_the_peers_close_notify(w: World) -> Expr:
    """An end that received close_notify can still send data, and the peer can read the data."""
    return disj(
        *(
            conj(
                a.wrote_after_close, a.state == "READ_CLOSED", b.state == "CLOSING", b.delivered,
                b.end == "none",
            )
            for a in w.runs
            for b in w.runs
            if a.role != b.role
        )
    )


@invariant("CLO-9", "5246 7.2.1", ("half_close", "legacy"))
def below_tls13_close_notify_ends_both_directions(w: World) -> list[Implication]:
    """Below TLS 1.3 an end that read close_notify writes no more data: it answers and closes."""
    return [
        when(conj(r.end == "close_notify", r.version != "TLS13")).then(
            conj(neg(r.wrote_after_close), r.state != "READ_CLOSED")
        )
        for r in w.runs
    ]


@leads_to("CLO-3", "8446 6.1", ("reliable", "half_close"))
def user_canceled_is_followed_by_close_notify(w: World) -> list[Implication]:
    """A user_canceled alert is followed by close_notify unless the transport has ended."""
    return [
        when(r.state == "CANCELED").then(conj(r.state == "CLOSED", r.closed_first | failed(r)))
        for r in w.runs
    ]


@ends("CLO-3E", "8446 6.1", ("reliable", "half_close"))
def a_handshake_given_up_ends_at_both_ends(w: World) -> list[Implication]:
    """After a canceled handshake both ends close, and an end that was not connected does not see a
    clean end of data."""
    return [
        when(a.canceled).then(
            conj(*(r.state == "CLOSED" for r in w.runs), disj(b.verified, failed(b), b.canceled))
        )
        for a in w.runs
        for b in w.runs
        if a.role != b.role
    ]


def refused_followed(r: View) -> Expr:
    """When a Finished was refused for what follows in its record; false without the extension."""
    return r.refused_followed if "refused_followed" in r.run.role.variables else FALSE


def failed(r: View) -> Expr:
    """When the run ended with an error."""
    return r.end == "error"


def canceled(w: World) -> Expr:
    """When an end canceled the handshake; false without the extension."""
    return disj(*(r.canceled for r in w.runs if "canceled" in r.run.role.variables))
