"""Mutants of key encapsulation."""

from model.patch import without_covered
from tests.mutants import both

MUTANTS = {
    # Keys of TLS 1.3 without the client's lists and share.
    "an_encapsulated_secret_is_of_one_handshake": both("kem", without_covered("offer")),
}
