"""Each property falls to some change of a row: a flaw of model/flaws, or a mutant of tests/mutants.

A property that no change breaks says nothing. A mutant is a patch of a role, like a flaw, but made
up.
"""

from __future__ import annotations

import pytest

from checker.by_search import search, temporal
from checker.request import Request
from model.flaws import flaws
from model.patch import without_covered
from model.scenario import scenario
from properties import catalogue
from tests.mutants import both, mutants
from tests.sizes import deep_but

MUTANTS = mutants()
# One that is quick to fall for each file of `properties/`.
QUICK = [
    "a_cookie_is_echoed_and_taken_only_from_its_maker",
    "a_fallback_ends_at_a_server_that_knows_no_better",
    "a_host_serves_only_clients_that_meet_its_demand",
    "a_key_is_selected_for_a_hello_of_who_has_it",
    "a_key_is_used_with_its_hash",
    "a_known_key_is_named_where_the_suite_has_one",
    "a_later_answer_is_the_clients_own_over_the_whole_handshake",
    "a_lost_static_share_of_ones_own_lets_nobody_in",
    "a_renegotiation_completes",
    "a_requested_update_is_answered_before_the_next_data",
    "a_run_that_ignores_records_goes_on_or_closes",
    "a_run_that_started_ends_however_much_data_flows",
    "a_run_signs_with_a_scheme_that_its_peer_listed",
    "a_clean_end_comes_after_all_data",
    "an_alert_comes_whole_or_in_two_records_in_a_row",
    "an_empty_or_untrusted_server_certificate_is_refused",
    "can_a_client_be_authenticated_by_the_key_it_exchanges",
    "certificate_status_comes_right_after_the_certificate",
    "client_key_exchange_comes_before_finished",
    "data_sent_early_to_an_honest_server_is_secret",
    "each_binder_accepted_is_the_expected_one",
    "each_message_of_tls13_is_accepted_in_its_place",
    "early_data_is_accepted_only_with_its_key",
    "every_record_is_taken_under_the_read_key",
    "the_key_in_use_is_that_of_the_selected_identity",
    "the_protocol_is_one_that_both_ends_have",
    "the_read_key_changes_only_where_it_should",
    "the_session_hash_is_used_if_both_hellos_ask_for_it",
    "user_canceled_is_followed_by_close_notify",
]


@pytest.mark.parametrize("name", deep_but(QUICK, sorted(MUTANTS)))
def test_a_mutant_breaks_the_property(name: str) -> None:
    mutant, prop = MUTANTS[name], catalogue()[name]
    where = scenario(mutant.scenario)
    assert set(prop.needs) <= where.features
    system = mutant.system
    decide = (
        temporal(system, [prop]) if prop.temporal else search(system, [prop], Request(first=True))
    )
    result = decide[0]
    assert result.verdict == "VIOLATED", (result.verdict, result.reason)
    assert prop.kind == "reachable" or len(result.trace) > 0


@pytest.mark.scenario
def test_only_the_transcript_tells_handshakes_with_one_encapsulated_secret_apart() -> None:
    """Keys of TLS 1.3 without the client's lists and share."""
    names = ("who_shares_a_key_knows_with_whom", "the_session_keys_identify_the_channel")
    asked = [catalogue()[n] for n in names]
    results = search(both("kem", without_covered("offer")).system, asked, Request())
    assert {r.property: r.verdict for r in results} == dict.fromkeys(names, "VIOLATED")


def test_every_property_is_broken_by_something() -> None:
    fallen = {p for f in flaws().values() for names in f.breaks.values() for p in names}
    assert set(catalogue()) - fallen - set(MUTANTS) == set()


def test_a_quick_mutant_of_each_theme_falls_in_the_short_run() -> None:
    themes = {name: p.function.__module__ for name, p in catalogue().items()}
    assert {themes[n] for n in QUICK} == {themes[n] for n in MUTANTS}


def test_there_are_at_least_forty_properties_and_each_says_what_it_means() -> None:
    counted = [p for p in catalogue().values() if p.id != "GLOBAL"]
    assert len({p.id for p in counted}) == len(counted) >= 40
    for p in catalogue().values():
        assert p.rfc
        assert (p.function.__doc__ or "").strip()
