"""Alerts and closure."""

from __future__ import annotations

from model.expr import conj, neg
from properties import Implication, World, invariant, when


@invariant("ALR-1", "5246 7.2.2; 8446 6.2")
def an_error_closes_the_run(w: World) -> list[Implication]:
    """After a fatal alert was sent or received the run is closed: nothing more is sent or
    delivered."""
    return [when(r.end == "error").then(r.state == "CLOSED") for r in w.runs]


@invariant("ALR-2", "5246 7.2.2; 8446 6")
def a_fatal_alert_is_never_ignored(w: World) -> list[Implication]:
    """In TLS 1.3 every alert but close_notify and user_canceled is fatal, whatever its level."""
    return [when(r.version != "none").then(neg(r.survived_fatal_alert)) for r in w.runs]


@invariant("ALR-4", "5246 7.2.2; 8446 4.4.4, 6.2")
def a_finished_that_does_not_verify_is_a_decrypt_error(w: World) -> list[Implication]:
    """The alert for a bad Finished where one is due is decrypt_error."""
    return [
        when(conj(r.end == "error", neg(r.verified))).then(neg(r.wrong_finished_alert))
        for r in w.runs
    ]


@invariant("CLO-1", "5246 7.2.1; 8446 6.1")
def the_end_is_clean_only_after_close_notify(w: World) -> list[Implication]:
    """A truncated connection is never reported as a clean end."""
    return [when(r.end == "close_notify").then(r.closed_in_keys) for r in w.runs]
