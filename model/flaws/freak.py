"""FREAK (CVE-2015-0204): a client of plain RSA accepts a temporary export-grade RSA key.

The ServerKeyExchange of RSA_EXPORT, signed by the honest server, is accepted under RSA. The code
for export suites was still there, and the state machines of OpenSSL, Secure Transport and SChannel
took the message whatever the suite. The adversary asks a server for RSA_EXPORT, and factors a key
of 512 bits that the server used for months. The mends take ServerKeyExchange only where the suite
has it.
"""

from model.flaws import Flaw
from model.generations.tls12_client import signature_ok
from model.message import ServerKeyExchange
from model.patch import with_rows
from model.principal import client
from model.rule import check, receive

ske = ServerKeyExchange.f

FLAW = Flaw(
    name="freak",
    number=11,
    title="a client of RSA accepts a temporary export-grade RSA key",
    source="Beurdouche et al., A Messy State of the Union, 2015",
    cve=("CVE-2015-0204", "CVE-2015-1067", "CVE-2015-1637"),
    year=2015,
    hit="OpenSSL before 1.0.1k, Secure Transport, SChannel",
    scenario="export-grade",
    capability="break_export",
    patches={
        "client": with_rows(
            receive("client", ServerKeyExchange, "WAIT_CR_SHD", "WAIT_CR_SHD", rfc="2246 7.4.3",
                    when=(client.suite == "RSA") & (client.group == "none"),
                    checks=[check("temporary key", ske.group == "rsa_weak", "illegal_parameter"),
                            check("signature", signature_ok, "decrypt_error")],
                    do={"server_share": ske.share, "group": ske.group})
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=14,
    breaks={
        "client": (
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "server_key_exchange_is_there_where_the_suite_demands_it",
            "the_suite_is_the_best_both_know",
            "parameters_fit_the_negotiated_suite",
            "weak_parameters_need_both_ends_to_offer_them",
            "session_keys_with_an_honest_peer_are_secret",
            "a_key_that_an_honest_client_holds_too_is_secret",
            "data_sent_to_an_honest_peer_is_secret",
        ),
    },
    local=(
        "server_key_exchange_is_there_where_the_suite_demands_it",
        "parameters_fit_the_negotiated_suite",
    ),
)
