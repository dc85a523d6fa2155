"""GnuTLS before 3.6.14 (CVE-2020-13777): tickets encrypted under a key of zeros.

A server makes the key of its tickets when it starts, and changes it later; GnuTLS left it all zeros
until the first change. The adversary reads the resumption secret in any ticket seen, and can then
play the server or the client in the next handshake. In TLS 1.2 old sessions could be read, too. The
mend makes the key at the start.
"""

from model.extensions.psk import server
from model.flaws import Flaw
from model.patch import with_secret

FLAW = Flaw(
    name="public_ticket_key",
    number=41,
    title="a server encrypts its tickets under a key that everybody has",
    source="GNUTLS-SA-2020-06-03",
    cve=("CVE-2020-13777",),
    year=2020,
    hit="GnuTLS 3.6.4 to 3.6.13",
    scenario="tls13-resumption",
    patches={"server": with_secret(exposes=server.issued)},
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=21,
    breaks={
        "server": (
            "a_client_that_finished_talked_to_the_server",
            "a_server_run_is_the_peer_of_one_client_run",
            "matching_runs_have_the_same_keys",
            "a_verified_finished_means_one_transcript",
            "session_keys_with_an_honest_peer_are_secret",
        )
    },
    # The property is about keys that the adversary does not have.
    idle={"server": ("a_key_is_selected_for_a_hello_of_who_has_it",)},
)
