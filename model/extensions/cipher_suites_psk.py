"""Pre-shared keys where there are several suites of TLS 1.3 (RFC 8446 4.2.10, 4.2.11).

What the rows do is in `cipher_suites.py`; here is what the properties read of it.
"""

from __future__ import annotations

from model.expr import conj, eq, neg
from model.extensions import ENDS, Extension
from model.extensions.cipher_suites import Cipher, hash_of, of_key
from model.extensions.psk import Psk
from model.observers import after, latch

_key = after("psk", Psk)
_other_hash = conj(
    _key != "none", neg(eq(hash_of(after("cipher", Cipher)), hash_of(of_key(_key))))
)
_HELLOS = {"client": ("ServerHello",), "server": ("ClientHello", "SecondClientHello")}

EXTENSION = Extension(
    "cipher_suites_psk",
    "8446 4.2.11",
    "pre-shared keys with several suites",
    needs=("cipher_suites", "psk"),
    implied=True,
    observers={
        end: tuple(latch("other_hash", "receive", m, _other_hash) for m in _HELLOS[end])
        for end in ENDS
    },
)
