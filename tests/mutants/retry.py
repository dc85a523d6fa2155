"""Mutants of HelloRetryRequest."""

from __future__ import annotations

from model.expr import neg
from model.extensions.retry import best_common, client, needs_retry
from model.patch import (
    with_effects,
    with_sent,
    without_check,
    without_condition,
    without_covered,
    without_effects,
    without_fields,
    without_rows,
)
from model.principal import server
from tests.mutants import both, c, s

ASKS = "server_receive_client_hello_START_to_SEND_HRR"
SECOND = "server_receive_second_client_hello_WAIT_CH_to_NEGOTIATED"
FIRST = "server_receive_client_hello_START_to_NEGOTIATED"

MUTANTS = {
    # The second hello has the first share, whatever was asked for (wolfSSL 9362).
    "the_second_hello_is_the_first_but_for_share_and_cookie": c(
        "tls13-retry", with_sent("SecondClientHello", group=client.first_group)
    ),
    "both_hellos_and_the_retry_are_in_the_transcript": both(
        "tls13-retry",
        without_fields("Finished", "first_offer"),
        without_fields("CertificateVerify", "first_offer"),
        without_covered("first_offer"),
    ),
    "what_the_first_hello_decided_is_decided_again": s(
        "tls13-retry", without_check(SECOND, "version kept")
    ),
    "a_cookie_is_echoed_and_taken_only_from_its_maker": s(
        "tls13-retry", without_check(SECOND, "cookie")
    ),
    # The server asks for a favourite group although the client's share could be used.
    "the_group_is_the_one_both_ends_would_choose": s(
        "tls13-retry",
        without_effects(ASKS, "cookie"),
        with_effects(ASKS, retry_group=best_common(), version=server.max_version),
    ),
    "a_share_is_of_a_group_that_was_listed_and_is_supported": s(
        "tls13-retry", without_check(FIRST, "share in supported groups")
    ),
    "a_server_that_wants_a_cookie_asks_for_it": s(
        "tls13-retry", without_rows(ASKS), without_condition(FIRST, str(neg(needs_retry)))
    ),
}
