"""CertificateVerify skipped for a Diffie-Hellman certificate (CVE-2015-0205).

With such a certificate and an empty ClientKeyExchange, Finished proves the key, and there is no
CertificateVerify. OpenSSL's server skipped it for any certificate of that kind, although the
ClientKeyExchange had another key: nothing proved that the client has the certificate's. OpenSSL
1.0.1k asks for the message.
"""

from model.expr import ite
from model.extensions.fixed_dh import OWN_SHARE
from model.flaws import Flaw
from model.generations.tls12_server import cke
from model.patch import with_effects, without_check

_ROW = "server_receive_client_key_exchange_empty"


_share = ite(cke.exchange == "none", OWN_SHARE, cke.exchange)

FLAW = Flaw(
    name="dh_certificate_without_proof",
    number=30,
    title="a server waits for no CertificateVerify after a Diffie-Hellman certificate",
    source="OpenSSL security advisory of 8 January 2015",
    cve=("CVE-2015-0205",),
    year=2015,
    hit="OpenSSL before 1.0.0p and 1.0.1k",
    scenario="fixed-dh",
    patches={"server": (without_check(_ROW, "empty"), with_effects(_ROW, exchange=_share))},
    shows="a_server_that_authenticated_a_client_talked_to_it",
    steps=9,
    breaks={
        "server": (
            "a_server_that_authenticated_a_client_talked_to_it",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "an_authenticated_peer_proved_it_has_its_key",
            "mandatory_client_authentication_is_enforced",
            "certificate_verify_is_there_and_in_its_place",
            "session_keys_with_an_honest_peer_are_secret",
        )
    },
)
