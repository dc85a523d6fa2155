"""Cross-protocol confusion (Mavrogiannopoulos et al. 2012): a curve point read as a DHE group.

ServerKeyExchange of ECDHE and of DHE are signed alike, over both randoms and the parameters. A
client of DHE parsed signed elliptic-curve parameters as a prime and a generator, and with luck got
a group so weak that its logarithms are easy. Every stack that signs as TLS 1.0 to 1.2 demands was
open to it; in practice a random prime had to be weak, after some 2^40 tries. A client that knows
its groups by name (RFC 7919) does not read the bytes as another kind.
"""

from model.expr import const, ite
from model.flaws import Flaw
from model.message import ServerKeyExchange
from model.patch import loosened, with_effects
from model.principal import Group, client
from model.scenario import Scenario
from model.scenario.definition import TLS12, no_client_auth, offers

_ROW = "client_receive_server_key_exchange_WAIT_SKE_to_WAIT_CR_SHD"
_group = ServerKeyExchange.f.group
_misread = (client.suite == "DHE") & (_group == "ecdh")

FLAW = Flaw(
    name="cross_protocol",
    number=5,
    title="a client of DHE takes the parameters of an elliptic curve for a group",
    source="Mavrogiannopoulos et al., A Cross-Protocol Attack on the TLS Protocol, 2012",
    year=2012,
    hit="clients that offer DHE to a server of ECDHE, TLS 1.0 to 1.2",
    scenario=Scenario(
        "dhe-beside-ecdhe",
        "a client of DHE and ECDHE, a server of ECDHE; weak keys are broken",
        {**TLS12, **offers("DHE", "ECDHE"), **no_client_auth("client")},
        {**TLS12, **offers("ECDHE"), **no_client_auth("server")},
        capabilities=("break_export",),
    ),
    capability="break_export",
    patches={
        "client": (
            loosened(_ROW, "group fits suite", _misread),
            with_effects(_ROW, group=ite(_misread, const("dh_weak", Group), _group)),
        )
    },
    shows="session_keys_with_an_honest_peer_are_secret",
    steps=14,
    breaks={
        "client": (
            "what_a_message_says_is_what_is_kept",
            "parameters_fit_the_negotiated_suite",
            "a_verified_finished_means_one_transcript",
            "authenticated_ends_agree_on_what_was_negotiated",
            "session_keys_with_an_honest_peer_are_secret",
            "the_suite_is_the_best_both_know",
            "weak_parameters_need_both_ends_to_offer_them",
            "matching_runs_have_the_same_keys",
        ),
    },
    local=("what_a_message_says_is_what_is_kept", "parameters_fit_the_negotiated_suite"),
)
