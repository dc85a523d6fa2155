"""Mutants that are insecure once a key is lost."""

from __future__ import annotations

from model.expr import const
from model.extensions.key_update import own as end
from model.extensions.psk import Psk, client
from model.patch import (
    with_effects,
    with_secret,
    without_check,
    without_covered,
    without_effects,
)
from tests.mutants import Mutant, both, c, s

# With a pre-shared key, shares are exchanged but are no part of the secret.
NO_SHARES = with_secret(unexchanged=client.psk != "none")

MUTANTS = {
    "a_key_lost_later_does_not_open_a_fresh_exchange": c("leaks-psk", NO_SHARES),
    "a_fresh_exchange_heals_a_lost_key": c("leaks-psk", NO_SHARES),
    "a_key_lost_later_opens_nothing": Mutant("leaks-tls12", {}),
    # Early data under a key that no secret is part of.
    "early_data_is_secret_as_long_as_its_key_is": c(
        "tls13-early-data",
        with_effects("client_send_client_hello_START_to_WAIT_SH", offered_psk=const("none", Psk)),
    ),
    # A secret is made of nothing that tells one handshake from another.
    "a_resumption_key_opens_no_other_connection": both("leaks-tickets", without_covered()),
    "a_closed_run_has_nothing_to_lose": c("leaks-traffic", with_secret(erases=False)),
    # KeyUpdate is sent, but the key stays.
    "what_was_sent_before_a_key_update_stays_secret": c(
        "leaks-key-update",
        with_effects("client_send_key_update", write_generation=end.write_generation),
    ),
    # Data goes on under the handshake key.
    "a_traffic_secret_does_not_give_another": c(
        "leaks-traffic", without_effects("client_send_finished_SEND_FINISHED_to_CONNECTED")
    ),
    "a_lost_key_of_ones_own_lets_nobody_in": s(
        "leaks-client-auth",
        without_check(
            "server_receive_certificate_verify_WAIT_CERTIFICATE_VERIFY_to_WAIT_CCS", "signature"
        ),
    ),
    "a_key_that_decrypts_for_anyone_opens_no_fresh_exchange": c(
        "oracle-decrypts",
        without_check("client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD", "signature"),
    ),
    "a_lost_static_share_of_ones_own_lets_nobody_in": Mutant("leaks-static-dh", {}),
}
