"""Ignored records: no run ignores records for ever."""

from __future__ import annotations

from model.expr import disj, neg
from properties import Implication, World, invariant, leads_to, when


@invariant("LIV-4B", "8446 5, D.4; 5246 7.2.2", ("ignored_records",))
def no_more_records_are_ignored_in_a_row_than_the_bound(w: World) -> list[Implication]:
    """A run ignores at most two records in a row, whatever the adversary sends."""
    return [when(r.idle != "0").then(r.idle != "more") for r in w.runs]


@leads_to("LIV-4F", "8446 5, D.4; 5246 7.2.2", ("reliable", "ignored_records"))
def a_run_that_ignores_records_goes_on_or_closes(w: World) -> list[Implication]:
    """A run that ignores records goes on or closes, however many the peer sends. Weak fairness is
    enough where the run itself sends no data that could fill the channel before an alert."""
    return [when(r.idle != "0").then(disj(r.idle == "0", r.state == "CLOSED")) for r in w.runs]


@invariant("ORD-25", "5246 6.2.1; 8446 5.1", ("ignored_records",))
def an_empty_record_is_application_data(w: World) -> list[Implication]:
    """A record of application data without content comes only after the peer's Finished."""
    return [when(r.version != "none").then(neg(r.empty_early)) for r in w.runs]
