"""Mutants of resumption."""

from __future__ import annotations

from model.expr import TRUE, const
from model.extensions.resumption import hello
from model.generations.negotiation import version
from model.patch import (
    narrowed,
    widened,
    with_effects,
    without_check,
    without_effects,
    without_rows,
)
from model.principal import ServerOwner
from tests.mutants import Mutant, c, s

CLIENT = "client_receive_server_hello_WAIT_SH_to_RES_WAIT_CCS"
SERVER = "server_receive_client_hello_START_to_RES_SEND_SH"
FULL = "server_receive_client_hello_START_to_SEND_SH"
ANY = (hello.session_id == "adversary") & (version <= "TLS12")

MUTANTS = {
    "a_session_keeps_its_master_secret": s(
        "resumption-ems-optional", without_check(SERVER, "EMS of the session")
    ),
    "a_session_keeps_its_identities": c(
        "tls12-resumption", without_effects(CLIENT, "client_certificate")
    ),
    "a_session_is_resumed_by_its_own_name": s(
        "resumption-suites", widened(SERVER, ANY), narrowed(FULL, ~ANY)
    ),
    "a_session_is_resumed_only_if_it_was_completed_well": s(
        "resumption-cache",
        with_effects("server_receive_finished_WAIT_FIN_to_SEND_CCS", stored=TRUE),
        without_effects("server_send_finished_SEND_FIN_to_CONNECTED", "stored"),
    ),
    "a_session_is_shared_by_those_who_know_each_other": Mutant("tls12-resumption", {}),
    "ends_with_one_tls_unique_are_on_one_channel": Mutant("tls12-resumption", {}),
    "a_second_handshake_completes_and_resumes_if_it_may": s(
        "resumption-honest", without_rows("server_send_finished_RES_SEND_FIN_to_RES_WAIT_CCS")
    ),
    "a_client_offers_only_the_session_that_it_has": c(
        "resumption-suites",
        with_effects(
            "client_send_client_hello_START_to_WAIT_SH",
            offered_session=const("server1", ServerOwner),
        ),
    ),
}
