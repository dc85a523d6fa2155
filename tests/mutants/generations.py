"""Mutants of TLS 1.0 to 1.3 without extensions."""

from __future__ import annotations

from model.expr import TRUE, const
from model.message import (
    ApplicationData,
    CertificateMessage,
    CertificateRequest,
    ChangeCipherSpec,
    ClientHello,
    ClientKeyExchange,
    EncryptedExtensions,
    NoCertificate,
    ServerHelloDone,
    UndecryptableRecord,
)
from model.patch import (
    with_alert,
    with_effects,
    with_rows,
    with_target,
    without_check,
    without_effects,
    without_rows,
)
from model.principal import Certificate, ClientAuth, End, Key, client, server
from model.rule import SAME, receive, send
from model.transcript import activated
from tests.mutants import Mutant, c, s

SH13 = "client_receive_server_hello_WAIT_SH_to_WAIT_EE"
SH12 = "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE"
CLOSE = "client_receive_close_notify_CONNECTED_to_ANSWER_CLOSE"
CERTIFICATE = "client_receive_certificate_WAIT_CERTIFICATE_to_WAIT_CR_SHD"

MUTANTS = {
    "no_certificate_is_a_warning_in_ssl30_alone": s(
        "client-auth",
        with_rows(receive("server", NoCertificate, "WAIT_CERTIFICATE", "WAIT_CKE", rfc="6101 5.4.2",
                          when=server.version != "SSL30",
                          do={"client_certificate": const("empty", Certificate)},
                          label="no_certificate_in_tls")),
    ),
    "an_empty_or_untrusted_server_certificate_is_refused": c(
        "tls12-small", without_check(CERTIFICATE, "known CA")),
    "an_anonymous_handshake_authenticates_nobody": s(
        "anonymous",
        with_rows(send("server", CertificateRequest, "SEND_CR_SHD", "SEND_SHD", rfc="5246 7.4.4",
                       when=server.suite == "DH_anon",
                       do={"client_auth": const("optional", ClientAuth)},
                       choices={"client_auth": ClientAuth}, label="anonymous_request")),
    ),
    "data_is_delivered_only_after_finished_is_verified": c(
        "tls12-small",
        with_rows(receive("client", ApplicationData, "WAIT_FIN", SAME, rfc="5246 10",
                          do={"delivered": TRUE}))),
    # One ServerKeyExchange for two clients, with a share of the adversary's.
    "a_server_run_is_the_peer_of_one_client_run": c(
        "two-clients-ecdhe",
        without_check("client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD", "signature")),
    "data_is_sent_only_after_finished_is_verified": c(
        "tls12",
        with_rows(send("client", ApplicationData, "WAIT_CCS", SAME, rfc="5246 10",
                       do={"sent_data": TRUE}))),
    "the_hello_comes_first": c(
        "tls12-small",
        with_rows(receive("client", CertificateMessage, "WAIT_SH", SAME, rfc="5246 7.3"))),
    "a_certificate_is_asked_for_only_by_an_authenticated_server": c(
        "anonymous",
        without_check("client_receive_certificate_request_WAIT_CR_SHD_to_WAIT_SHD",
                      "server authenticated")),
    "the_client_answers_only_after_server_hello_done": c(
        "tls12-small",
        with_rows(send("client", ClientKeyExchange, "WAIT_CR_SHD", "SEND_CCS", rfc="5246 7.4.7",
                       do={"keyed": TRUE}))),
    "client_key_exchange_comes_before_finished": s(
        "tls12-small",
        with_rows(receive("server", ChangeCipherSpec, "WAIT_CKE", "WAIT_FIN", rfc="5246 7.1",
                          do={"read_key": activated(server)}))),
    "a_run_is_connected_only_with_a_verified_finished": c(
        "tls12-small",
        with_rows(receive("client", ServerHelloDone, "WAIT_FIN", "CONNECTED", rfc="5246 7.4.5"))),
    "encrypted_extensions_come_first_under_the_handshake_key": c(
        "tls13",
        with_rows(receive("client", EncryptedExtensions, "WAIT_CV", SAME, rfc="8446 4.3.1"))),
    "no_message_of_ones_own_role_is_accepted": c(
        "tls12-small",
        with_rows(receive("client", ClientHello, "WAIT_CR_SHD", SAME, rfc="5246 7.3"))),
    "no_handshake_message_is_accepted_twice": c(
        "tls12-small",
        with_rows(receive("client", CertificateMessage, "WAIT_CR_SHD", SAME, rfc="5246 7.3"))),
    "the_read_key_changes_only_where_it_should": c(
        "tls12-small",
        with_rows(receive("client", ClientHello, "WAIT_CCS", SAME, rfc="5246 7.1",
                          do={"read_key": const("application", Key)}))),
    "a_compatibility_change_cipher_spec_changes_nothing": c(
        "tls13",
        with_rows(receive("client", ChangeCipherSpec, "CONNECTED", SAME, rfc="8446 5",
                          when=client.version == "TLS13"))),
    # The version inside the premaster is not checked.
    "the_premaster_holds_the_version_that_was_offered": s(
        "tls12-small",
        *(with_effects(f"server_receive_client_key_exchange_WAIT_CKE_to_{state}",
                       exchange=ClientKeyExchange.f.exchange)
          for state in ("WAIT_CERTIFICATE_VERIFY", "WAIT_CCS"))),
    "the_sentinel_stops_a_downgrade_below_tls12": c(
        "tls10-tls13", without_check(SH12, "downgrade sentinel")),
    "everything_chosen_was_offered": c("tls12-small", without_check(SH12, "suite offered")),
    "compression_is_offered_and_null_in_tls13": c(
        "tls12-small", without_check(SH12, "compression offered")),
    "who_knows_tls13_takes_no_hello_of_ssl30": s(
        "tls13", without_check("server_receive_client_hello_START_to_NEGOTIATED", "no SSL 3.0")),
    "the_version_is_one_decision": c("tls13", without_check(SH13, "suite offered")),
    "an_error_closes_the_run": c(
        "tls12-small",
        with_rows(receive("client", UndecryptableRecord, "CONNECTED", SAME, rfc="5246 7.2.2",
                          do={"end": const("error", End)}))),
    "a_fatal_alert_is_never_ignored": c(
        "tls12-small", with_target("client_receive_alert_fatal", SAME),
        without_effects("client_receive_alert_fatal")),
    "a_finished_that_does_not_verify_is_a_decrypt_error": c(
        "tls12-small",
        with_alert("client_receive_finished_WAIT_FIN_to_CONNECTED", "verify_data",
                    "handshake_failure")),
    "data_is_sent_only_after_both_finished_are_verified": Mutant("tls12", {}),
    "data_of_a_server_is_sent_in_the_clients_own_handshake": c(
        "tls13",
        without_check("client_receive_certificate_verify_WAIT_CV_to_WAIT_FINISHED", "signature"),
    ),
    "data_of_a_server_is_for_the_client_it_authenticated": Mutant("tls13", {}),
    "the_sentinel_stops_a_downgrade_to_static_rsa": Mutant("tls12-rsa-tls13", {}),
    "compatible_ends_complete_and_agree": c(
        "honest",
        without_rows("client_receive_application_data_SEND_CERT_SEND_CV_SEND_FINISHED_to_SAME")),
    "incompatible_ends_close_with_the_right_alert": s(
        "honest",
        with_alert("server_receive_client_hello_START_to_SEND_SH", "common suite",
                    "illegal_parameter")),
    "every_run_ends_closed": c(
        "honest", without_rows("client_send_close_notify_ANSWER_CLOSE_to_CLOSED")),
    "a_run_that_started_ends_however_much_data_flows": c(
        "honest", with_target(CLOSE, "CLOSING"), without_effects(CLOSE)),
    "an_honest_close_is_clean_and_loses_no_data": c(
        "honest", without_effects("client_receive_application_data_CONNECTED_to_SAME")),
    "can_connect_both_ends": c(
        "tls12-small", without_rows("client_receive_finished_WAIT_FIN_to_CONNECTED")),
}
