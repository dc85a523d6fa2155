"""Mutants of renegotiation and its indication."""

from model.expr import TRUE
from model.extensions.renegotiation import HelloRequest
from model.extensions.renegotiation import own as run
from model.extensions.renegotiation_info import info, own, prev
from model.message import ApplicationData
from model.patch import narrowed, with_effects, with_rows, without_check
from model.principal import client
from model.rule import SAME, receive
from tests.mutants import c, s

CLIENT = "client_receive_server_hello_WAIT_SH_to_WAIT_CERTIFICATE"
SERVER = "server_receive_client_hello_START_to_SEND_SH"
INHERITED = prev.secure | (own.knows_ri & (info != "none"))

MUTANTS = {
    "a_first_hello_carries_no_verify_data": c(
        "renegotiation-info", without_check(CLIENT, "renegotiation_info of a first hello")
    ),
    "nothing_negotiated_before_goes_on_unsaid": s(
        "renegotiation-info",
        without_check(SERVER, "renegotiation_info of a renegotiation"),
        with_effects(SERVER, secure=INHERITED),
    ),
    "data_in_a_renegotiation_is_under_the_old_keys": c(
        "renegotiation-both",
        with_rows(receive("client", ApplicationData, "WAIT_FIN", SAME, rfc="5246 7.1",
                          when=run.renegotiating & (client.read_key == "application"),
                          do={"old_data": TRUE})),
    ),
    "a_hello_request_is_ignored_in_a_handshake": s(
        "renegotiation-both",
        with_rows(receive("server", HelloRequest, "WAIT_CKE", SAME, rfc="5246 7.4.1.1")),
    ),
    # The client takes no ServerHello in a renegotiation.
    "a_renegotiation_completes": c("renegotiation-honest", narrowed(CLIENT, ~run.renegotiating)),
    "a_renegotiation_carries_what_it_goes_on_from": s(
        "renegotiation-info", without_check(SERVER, "renegotiation_info of a renegotiation")
    ),
}
