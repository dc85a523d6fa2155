"""Key-exchange confusion (Wagner and Schneier 1996): parameters are read as the suite says.

ServerKeyExchange signs the parameters but not what kind they are. A client of RSA_EXPORT was shown
signed Diffie-Hellman parameters, and took the prime for an RSA modulus: a prime has no factors to
find, so the adversary reads the premaster at once. It hit SSL 3.0 by design; what mends it is a
client that takes only parameters of the negotiated kind. TLS never came to sign the suite before
TLS 1.3, whose CertificateVerify covers the whole handshake.
"""

from model.expr import const, ite
from model.flaws import Flaw
from model.message import ServerKeyExchange
from model.patch import loosened, with_effects
from model.principal import Group, client
from model.scenario import Scenario
from model.scenario.definition import TLS10, no_client_auth, offers

_ROW = "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD"
_group = ServerKeyExchange.f.group
_misread = (client.suite == "RSA_EXPORT") & (_group == "dh")

FLAW = Flaw(
    name="key_exchange_confusion",
    number=4,
    title="a client of RSA_EXPORT takes Diffie-Hellman parameters for an RSA key",
    source="Wagner and Schneier, Analysis of the SSL 3.0 Protocol, 1996",
    year=1996,
    hit="SSL 3.0",
    scenario=Scenario(
        "export-client",
        "a client that still takes RSA_EXPORT beside DHE, a server of DHE; weak keys are broken",
        {**TLS10, **offers("DHE", "RSA_EXPORT"), **no_client_auth("client")},
        {**TLS10, **offers("DHE"), **no_client_auth("server")},
        capabilities=("break_export",),
    ),
    capability="break_export",
    patches={
        "client": (
            loosened(_ROW, "group fits suite", _misread),
            with_effects(_ROW, group=ite(_misread, const("rsa_weak", Group), _group)),
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=14,
    breaks={
        "client": (
            "what_a_message_says_is_what_is_kept",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "session_keys_with_an_honest_peer_are_secret",
            "the_suite_is_the_best_both_know",
            "weak_parameters_need_both_ends_to_offer_them",
            "matching_runs_have_the_same_keys",
        ),
    },
    local=("what_a_message_says_is_what_is_kept",),
)
