"""A constant client random (CVE-2020-11501): 32 zero bytes in the hello of a GnuTLS client of DTLS.

A clean-up of the code dropped the call that fills the random. With a shared key and no exchange the
server's random alone made a session another one, and the adversary could answer with an old one.
Datagrams change nothing in this part of the handshake, so the model's TLS stands for DTLS. It lived
for three releases of 2018 to 2020; the mend was to fill the random again.
"""

from model.expr import const
from model.flaws import Flaw
from model.patch import with_sent, with_view
from model.principal import ClientOwner
from model.scenario import Scenario
from model.scenario.definition import TLS12, offers

_ZEROS = const("adversary", ClientOwner)

FLAW = Flaw(
    name="constant_client_random",
    number=40,
    title="the random of a client is a constant",
    source="GNUTLS-SA-2020-03-31",
    cve=("CVE-2020-11501",),
    year=2020,
    hit="GnuTLS 3.6.3 to 3.6.12, DTLS",
    scenario=Scenario(
        "psk-beside-rsa",
        "TLS 1.2 with a pre-shared key, or RSA and client authentication",
        {**TLS12, **offers("PSK", "RSA"), "sends_data": (False,)},
        {**TLS12, **offers("PSK", "RSA"), "sends_data": (False,)},
        extensions=("psk_suites",),
    ),
    patches={
        "client": (
            with_sent("ClientHello", random=_ZEROS),
            with_view("client_random", _ZEROS),
        )
    },
    shows="a_client_that_finished_talked_to_the_server",
    steps=18,
    breaks={
        "client": (
            "each_finished_accepted_is_the_expected_one",
            "a_finished_that_does_not_verify_is_a_decrypt_error",
            "a_run_is_connected_only_with_a_verified_finished",
            "a_client_that_finished_talked_to_the_server",
            "a_verified_finished_means_one_transcript",
            "finished_covers_every_handshake_message",
            "a_server_that_authenticated_a_client_talked_to_it",
        ),
    },
    idle={
        "client": (
            "matching_runs_have_the_same_keys",
            "authenticated_ends_agree_on_what_was_negotiated",
            "the_version_is_the_best_both_know",
            "the_suite_is_the_best_both_know",
            "a_server_that_shares_the_honest_key_talked_to_its_holder",
        ),
    },
)
