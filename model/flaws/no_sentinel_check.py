"""Downgrade from TLS 1.3 to 1.2 (Bhargavan et al. 2016): the sentinel is not checked.

The adversary strips supported_versions; the server picks 1.2 with a weak DHE group and says so in
the last bytes of its signed random; the client does not look. Before draft 13 of TLS 1.3 there was
nothing to look at: an analysis of downgrades found that Finished alone comes too late once the key
exchange is broken, and the sentinel is its mend.
"""

from model.flaws import Flaw
from model.patch import without_check

FLAW = Flaw(
    name="no_sentinel_check",
    number=15,
    title="a client does not check the downgrade sentinel",
    source="Bhargavan et al., Downgrade Resilience in Key-Exchange Protocols, 2016; RFC 8446 4.1.3",
    year=2016,
    hit="TLS 1.3 before draft 13",
    scenario="weak-dhe",
    capability="break_export",
    patches={
        "client": without_check(
            "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE", "downgrade sentinel"
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=14,
    breaks={
        "client": (
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "the_version_is_the_best_both_know",
            "the_sentinel_stops_a_downgrade_at_the_signature",
            "session_keys_with_an_honest_peer_are_secret",
            "a_key_that_an_honest_client_holds_too_is_secret",
            "data_sent_to_an_honest_peer_is_secret",
        ),
    },
    local=("the_sentinel_stops_a_downgrade_at_the_signature",),
)
