"""Logjam (CVE-2015-4000): a client of DHE accepts an export-grade group.

ServerKeyExchange signs the group but not the suite, so a signature for DHE_EXPORT fits DHE too. The
adversary asks a server that still has export suites for one, and finds the logarithm in a group of
512 bits, which half the web shared. It hit every browser; the mends are a client that refuses small
groups, and the end of export suites.
"""

from model.flaws import Flaw
from model.message import ServerKeyExchange
from model.patch import loosened
from model.principal import client

FLAW = Flaw(
    name="logjam",
    number=10,
    title="a client of DHE accepts an export-grade group",
    source="Adrian et al., Imperfect Forward Secrecy, 2015",
    cve=("CVE-2015-4000",),
    year=2015,
    hit="all browsers of 2015, OpenSSL before 1.0.2b, NSS before 3.19.1",
    scenario="export-grade",
    capability="break_export",
    patches={
        "client": loosened(
            "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD",
            "group fits suite",
            (client.suite == "DHE") & (ServerKeyExchange.f.group == "dh_weak"),
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=14,
    breaks={
        "client": (
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "parameters_fit_the_negotiated_suite",
            "weak_parameters_need_both_ends_to_offer_them",
            "session_keys_with_an_honest_peer_are_secret",
            "a_key_that_an_honest_client_holds_too_is_secret",
            "data_sent_to_an_honest_peer_is_secret",
        ),
    },
    local=("parameters_fit_the_negotiated_suite",),
)
