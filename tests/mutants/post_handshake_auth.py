"""Mutants of authentication after the handshake."""

from model.expr import TRUE, conj, const, disj
from model.extensions.post_handshake_auth import context, its
from model.message import Finished
from model.patch import narrowed, with_effects, with_rows, without_check, without_condition
from model.principal import Certificate, server
from model.rule import receive
from tests.mutants import Mutant, c, s

MUTANTS = {
    "a_later_request_is_taken_only_if_it_was_offered_for": s(
        "post-handshake-auth",
        without_condition("server_send_certificate_request_later"),
        narrowed(
            "server_send_certificate_request_later",
            conj(
                server.version == "TLS13",
                its.asks_later,
                disj((context == "1") & ~its.request_1, (context == "2") & ~its.request_2),
            ),
        ),
    ),
    "a_later_answer_is_the_clients_own_over_the_whole_handshake": s(
        "post-handshake-auth",
        without_check("server_receive_certificate_verify_PH_WAIT_CV_to_PH_WAIT_FINISHED"),
    ),
    "nothing_comes_between_the_messages_of_an_answer": c(
        "honest-post-handshake-auth",
        without_condition(
            "client_send_application_data_CONNECTED_to_SAME", "own.answering == none"
        ),
    ),
    "a_later_finished_comes_after_the_certificate_and_its_proof": s(
        "post-handshake-auth",
        with_rows(
            receive(
                "server",
                Finished,
                "PH_WAIT_CV",
                "CONNECTED",
                rfc="8446 4.6.2",
                do={"done_1": TRUE},
            )
        ),
    ),
    "later_answers_arrive_as_they_were_given": s(
        "honest-post-handshake-auth",
        with_effects(
            "server_receive_certificate_CONNECTED_to_PH_WAIT_CV",
            shown_1=const("empty", Certificate),
        ),
    ),
    "a_client_whose_certificate_was_good_is_authenticated": Mutant("post-handshake-auth", {}),
    "a_later_certificate_is_of_somebody_trusted": s(
        "post-handshake-auth",
        without_check("server_receive_certificate_CONNECTED_to_PH_WAIT_CV", "known CA"),
    ),
    # With the keys that the adversary shares with the client, and no proof of the client's.
    "a_connection_authenticated_later_is_secret": s(
        "post-handshake-auth",
        without_check("server_receive_certificate_verify_PH_WAIT_CV_to_PH_WAIT_FINISHED"),
    ),
    "each_context_is_asked_and_answered_once": c(
        "post-handshake-auth",
        without_check("client_receive_certificate_request_later", "new context"),
    ),
}
