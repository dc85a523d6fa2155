"""Early ChangeCipherSpec (CVE-2014-0224): accepted before any key exchange.

The key block is then made from a master secret that was never set. Anybody can compute such keys,
and they are kept for the rest of the handshake, so the adversary reads and writes between the ends.
Both ends must have the flaw. OpenSSL had it for 16 years; the mend is a flag that says when the
message is due.
"""

from model.expr import Expr
from model.flaws import Flaw
from model.generations.tls12_client import SPEC
from model.message import ChangeCipherSpec
from model.patch import with_rows
from model.principal import client, server
from model.rule import SAME, Fields, Rule, receive
from model.transcript import activated


def _row(role: str, own: Fields, states: tuple[str, ...]) -> Rule:
    first: Expr = (own.read_key == "plaintext") & ~own.keyed
    return receive(
        role, ChangeCipherSpec, states, SAME, rfc="5246 7.1", when=first,
        checks=SPEC, do={"read_key": activated(own)}, label=f"{role}_early_change_cipher_spec",
    )


_ONE_END = (
    "a_connected_run_writes_under_its_last_key",
    "change_cipher_spec_waits_for_a_key_exchange",
    "every_message_is_sent_under_its_key",
    "one_change_cipher_spec_comes_before_each_finished",
    "no_key_is_derived_from_a_secret_that_was_never_set",
)

FLAW = Flaw(
    name="early_ccs",
    number=27,
    title="ChangeCipherSpec is accepted before any key exchange",
    source="Kikuchi, How I discovered CCS Injection Vulnerability, 2014",
    cve=("CVE-2014-0224",),
    year=2014,
    hit="OpenSSL before 0.9.8za, 1.0.0m and 1.0.1h",
    scenario="tls12-small",
    patches={
        "client": with_rows(
            _row("client", client, ("WAIT_CERTIFICATE", "WAIT_SKE", "WAIT_CR_SHD", "WAIT_SHD"))
        ),
        "server": with_rows(_row("server", server, ("WAIT_CERTIFICATE", "WAIT_CKE"))),
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=20,
    breaks={
        "both": (
            *_ONE_END,
            "each_message_is_accepted_in_its_place",
            "each_message_is_sent_in_its_place",
            "session_keys_with_an_honest_peer_are_secret",
            "a_key_that_an_honest_client_holds_too_is_secret",
        ),
        "client": (
            *_ONE_END,
            "each_message_is_accepted_in_its_place",
            "each_message_is_sent_in_its_place",
        ),
        "server": (*_ONE_END, "each_message_is_accepted_in_its_place"),
    },
)
