"""Mutants that accept a composite without comparing it."""

from model.message import ClientKeyExchange
from model.patch import with_effects, without_check, without_covered, without_fields
from tests.mutants import both, c, s

PROOF = "receive_certificate_verify_WAIT_CV_to_WAIT_FINISHED"

MUTANTS = {
    "each_finished_accepted_is_the_expected_one": c(
        "tls13", without_check("client_receive_finished_WAIT_FINISHED_to_SEND_FINISHED")
    ),
    "each_proof_of_a_server_accepted_is_the_expected_one": c(
        "tls13", without_check(f"client_{PROOF}")
    ),
    "each_proof_of_a_client_accepted_is_the_expected_one": s(
        "tls13", without_check(f"server_{PROOF}")
    ),
    "each_signature_of_parameters_accepted_is_the_expected_one": c(
        "tls12",
        without_check("client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD", "signature"),
    ),
    "each_binder_accepted_is_the_expected_one": s(
        "tls13-early-data", without_check("server_receive_client_hello_psk", "binder")
    ),
    "a_premaster_used_was_well_encrypted": s(
        "tls12-small",
        *(
            with_effects(
                f"server_receive_client_key_exchange_WAIT_CKE_to_{state}",
                exchange=ClientKeyExchange.f.exchange,
            )
            for state in ("WAIT_CERTIFICATE_VERIFY", "WAIT_CCS")
        ),
    ),
    "each_verify_data_in_a_renegotiation_is_the_expected_one": s(
        "renegotiation-info",
        without_check(
            "server_receive_client_hello_START_to_SEND_SH",
            "renegotiation_info of a renegotiation",
        ),
    ),
    "each_proof_of_a_later_answer_is_the_expected_one": s(
        "post-handshake-auth",
        without_check("server_receive_finished_PH_WAIT_FINISHED_to_CONNECTED"),
    ),
    "each_proof_covers_the_whole_handshake": both(
        "tls12-small", without_fields("Finished", "suite")
    ),
    "each_secret_is_made_of_all_that_it_should_be": both("tls12-small", without_covered("group")),
}
