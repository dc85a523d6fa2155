"""SSL 2.0 cipher rollback (Wagner and Schneier 1996): Finished does not cover the hellos.

The adversary edits the suites in the ClientHello, down to the 40-bit ones of the export rules, and
nobody notices, since SSL 2.0 authenticates no hello. SSL 3.0 mended it with a Finished over all
messages of the handshake.
"""

from model.flaws import Flaw
from model.patch import without_fields
from model.transcript import HELLOS

_patch = without_fields("Finished", *HELLOS)

_UNREACHED = (
    "a_client_that_finished_talked_to_the_server",
    "a_server_that_authenticated_a_client_talked_to_it",
    "matching_runs_have_the_same_keys",
    "a_verified_finished_means_one_transcript",
    "authenticated_ends_agree_on_what_was_negotiated",
    "finished_covers_every_handshake_message",
    "the_version_is_the_best_both_know",
    "the_suite_is_the_best_both_know",
    "weak_parameters_need_both_ends_to_offer_them",
    "session_keys_with_an_honest_peer_are_secret",
    "a_key_that_an_honest_client_holds_too_is_secret",
    "data_sent_to_an_honest_peer_is_secret",
)

FLAW = Flaw(
    name="cipher_rollback",
    number=2,
    title="Finished does not cover the hellos",
    source="Wagner and Schneier, Analysis of the SSL 3.0 Protocol, 1996",
    year=1996,
    hit="SSL 2.0",
    scenario="tls12",
    patches={"client": _patch, "server": _patch},
    shows="the_suite_is_the_best_both_know",
    steps=18,
    breaks={
        "both": (
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "each_proof_covers_the_whole_handshake",
            "finished_covers_every_handshake_message",
            "the_suite_is_the_best_both_know",
        ),
        "client": ("each_proof_covers_the_whole_handshake",),
        "server": ("each_proof_covers_the_whole_handshake",),
    },
    idle={"client": _UNREACHED, "server": _UNREACHED},
)
