"""Mutants of signature schemes."""

from model.expr import const
from model.extensions.signature_schemes import Scheme
from model.patch import with_effects
from tests.mutants import s

MUTANTS = {
    "a_run_signs_with_a_scheme_that_its_peer_listed": s(
        "signature-schemes-tls13",
        with_effects(
            "server_receive_client_hello_START_to_NEGOTIATED",
            server_scheme=const("rsa_sha1", Scheme),
        ),
    ),
}
