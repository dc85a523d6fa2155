"""Mutants of early data."""

from dataclasses import replace

from model.expr import TRUE
from model.extensions.early_data import client, ee, skips
from model.flaws import with_rows
from model.message import UndecryptableRecord
from model.rule import SAME, Role, receive
from tests.mutants import Mutant, c, changed, s


def early_data_again(r: Role) -> Role:
    """The second hello offers early data as the first did."""
    second = {**r.sends["SecondClientHello"], "early_data": client.early_offered}
    return replace(r, sends={**r.sends, "SecondClientHello": second})


MUTANTS = {
    "a_retry_ends_early_data": c("retry-early-data", early_data_again),
    "early_data_is_accepted_only_with_its_key": c(
        "tls13-early-data",
        changed(
            "client_receive_encrypted_extensions_WAIT_EE_to_WAIT_CERT_CR",
            checks=(),
            do={"early_accepted": ee.early_data},
        ),
    ),
    "early_data_is_delivered_once_in_the_world": Mutant("early-data-two-servers", {}),
    # A record is taken for Finished without its key.
    "a_client_run_is_the_peer_of_one_server_run": s(
        "early-data-two-servers",
        with_rows(
            receive(
                "server", UndecryptableRecord, "WAIT_FINISHED", "CONNECTED", rfc="8446 5.2",
                when=~skips, do={"verified": TRUE}, label="any_record_as_finished",
            )
        ),
    ),
    "the_end_of_early_data_is_sent_if_it_was_accepted": c(
        "tls13-early-data", changed("client_send_finished_SEND_FINISHED_to_CONNECTED", when=TRUE)
    ),
    # A record is delivered without its key.
    "early_data_is_from_who_has_the_key": s(
        "tls13-early-data",
        with_rows(
            receive(
                "server", UndecryptableRecord, "WAIT_EOED", SAME, rfc="8446 5.2",
                do={"early_delivered": TRUE}, label="any_record_as_early_data",
            )
        ),
    ),
}
