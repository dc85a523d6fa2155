"""Mutants of HelloRetryRequest."""

from __future__ import annotations

from dataclasses import replace

from model.expr import TRUE, const
from model.extensions.retry import best_common, client
from model.flaws import Patch, together, without_check, without_fields
from model.generations.negotiation import ch
from model.principal import server
from model.rule import Role
from tests.mutants import Mutant, c, changed, s

SECOND = "server_receive_second_client_hello_WAIT_CH_to_NEGOTIATED"


def forgotten(*fields: str) -> Patch:
    """Fields that no proof covers and no key is made of."""

    def out_of_the_keys(r: Role) -> Role:
        groups = {
            g: tuple(n for n in r.covered[g] if n not in fields) for g in ("secret", "hellos")
        }
        return replace(r, covered={**r.covered, **groups})

    return together(
        without_fields("Finished", *fields),
        without_fields("CertificateVerify", *fields),
        out_of_the_keys,
    )


def the_old_share_again(r: Role) -> Role:
    """The second hello has the first share, whatever was asked for (wolfSSL 9362)."""
    second = {**r.sends["SecondClientHello"], "group": client.first_group}
    return replace(r, sends={**r.sends, "SecondClientHello": second})


MUTANTS = {
    "the_second_hello_is_the_first_but_for_share_and_cookie": c("tls13-retry", the_old_share_again),
    "both_hellos_and_the_retry_are_in_the_transcript": Mutant(
        "tls13-retry", {end: forgotten("first_offer") for end in ("client", "server")}
    ),
    "what_the_first_hello_decided_is_decided_again": s(
        "tls13-retry", without_check(SECOND, "version kept")
    ),
    "a_cookie_is_echoed_and_taken_only_from_its_maker": s(
        "tls13-retry", without_check(SECOND, "cookie")
    ),
    # Asks for its favourite group though it could use the share it was shown.
    "the_group_is_the_one_both_ends_would_choose": s(
        "tls13-retry",
        changed(
            "server_receive_client_hello_START_to_SEND_HRR",
            do={
                "retried": TRUE,
                "first_random": ch.random,
                "first_offer": ch.offer,
                "retry_group": best_common(),
                "version": server.max_version,
                "suite": const("AEAD", server.suite.domain),
            },
        ),
    ),
}
