"""A constant server random (CVE-2018-12384): zeros in the answer to a hello of SSL 2.0's form.

The randoms make each handshake another one. NSS filled the random of its ServerHello with zeros
when the ClientHello came in the form of SSL 2.0, so what a client had sent once fitted again. Here
every hello counts as one of that form, since the model has but one. The mend was to fill the random
in all cases.
"""

from model.expr import const
from model.flaws import Flaw
from model.patch import with_sent, with_view
from model.principal import ServerOwner

_ZEROS = const("adversary", ServerOwner)

FLAW = Flaw(
    name="constant_server_random",
    number=39,
    title="the random of a server is a constant",
    source="NSS 3.39 release notes, 2018",
    cve=("CVE-2018-12384",),
    year=2018,
    hit="NSS before 3.36.5 and 3.39",
    scenario="tls12-small",
    patches={
        "server": (
            with_sent("ServerHello", random=_ZEROS),
            with_view("server_random", _ZEROS),
        )
    },
    shows="a_client_that_finished_talked_to_the_server",
    steps=18,
    breaks={
        "server": (
            "each_finished_accepted_is_the_expected_one",
            "a_finished_that_does_not_verify_is_a_decrypt_error",
            "a_run_is_connected_only_with_a_verified_finished",
            "finished_covers_every_handshake_message",
            "a_client_that_finished_talked_to_the_server",
        ),
    },
    idle={
        "server": (
            "matching_runs_have_the_same_keys",
            "authenticated_ends_agree_on_what_was_negotiated",
            "the_version_is_the_best_both_know",
            "the_suite_is_the_best_both_know",
            "weak_parameters_need_both_ends_to_offer_them",
        ),
    },
)
