"""Cipher suites, and the keys of TLS 1.0 to 1.3: pseudorandom functions, secrets, Finished.

The module knows no records, no model and no sockets.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from checker.conformance.wire import SUITES

TLS10, TLS11, TLS12, TLS13 = 0x0301, 0x0302, 0x0303, 0x0304

SECRETS: Mapping[str, tuple[str, str]] = {
    "CLIENT_EARLY_TRAFFIC_SECRET": ("early", "c e traffic"),
    "EARLY_EXPORTER_SECRET": ("early", "e exp master"),
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": ("handshake", "c hs traffic"),
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": ("handshake", "s hs traffic"),
    "CLIENT_TRAFFIC_SECRET_0": ("master", "c ap traffic"),
    "SERVER_TRAFFIC_SECRET_0": ("master", "s ap traffic"),
    "EXPORTER_SECRET": ("master", "exp master"),
    "RESUMPTION_SECRET": ("master", "res master"),
}
"""The labels of TLS 1.3 in a key log, with the stage and the label of RFC 8446 7.1."""

MASTER = "CLIENT_RANDOM"
"""The label of a master secret of TLS 1.0 to 1.2 in a key log."""


# -- suites ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Suite:
    """What a cipher suite says of keys and records."""

    number: int
    name: str
    exchange: str  # as in `wire.SUITES`
    cipher: str  # AES, 3DES, CAMELLIA, RC4, CHACHA20 or NULL, and so on
    mode: str  # GCM, CCM, CCM_8, POLY1305, CBC, or empty for a stream cipher
    key: int  # bytes
    hash: str  # of the PRF (TLS 1.2) or of the key schedule (TLS 1.3)
    mac: str  # the hash of the MAC; empty for an AEAD

    @property
    def block(self) -> int:
        """The bytes of a block in CBC mode."""
        return 8 if self.cipher in ("3DES", "IDEA", "DES") else 16


_STRENGTH = {"AES_128": 16, "AES_256": 32, "CAMELLIA_128": 16, "CAMELLIA_256": 32, "RC4_128": 16}
_HASHES = {"MD5": "md5", "SHA": "sha1", "SHA256": "sha256", "SHA384": "sha384"}


@cache
def suite(number: int) -> Suite | None:
    """The suite of a number; None if its records cannot be protected or opened here."""
    if number not in SUITES:
        return None
    exchange, name = SUITES[number]
    rest = name.partition("_WITH_")[2] or name.removeprefix("TLS_")
    words = rest.split("_")
    digest = _HASHES.get(words[-1], "")
    if digest:
        words.pop()
    if words[:1] == ["CHACHA20"]:
        return Suite(number, name, exchange, "CHACHA20", "POLY1305", 32, "sha256", "")
    if words == ["NULL"]:
        return Suite(number, name, exchange, "NULL", "", 0, "sha256", digest)
    if words[:2] == ["3DES", "EDE"]:
        return Suite(number, name, exchange, "3DES", "CBC", 24, "sha256", digest)
    key, mode = _STRENGTH.get("_".join(words[:2]), 0), "_".join(words[2:])
    aead = mode in ("GCM", "CCM", "CCM_8")
    if not key or words[0] not in ("AES", "CAMELLIA", "RC4") or (aead and words[0] != "AES"):
        return None
    prf = digest if digest in ("sha256", "sha384") else "sha256"
    return Suite(number, name, exchange, words[0], mode, key, prf, "" if aead else digest)


# -- the keys of TLS 1.0 to 1.2 --------------------------------------------------------------------
def xor(a: bytes, b: bytes) -> bytes:
    """The exclusive or of two byte strings of one length."""
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def _p_hash(name: str, secret: bytes, seed: bytes, size: int) -> bytes:
    out, a = b"", seed
    while len(out) < size:
        a = hmac.digest(secret, a, name)
        out += hmac.digest(secret, a + seed, name)
    return out[:size]


def prf(version: int, name: str, secret: bytes, label: str, seed: bytes, size: int) -> bytes:
    """The pseudorandom function: of MD5 and SHA-1 below TLS 1.2, of the hash `name` there.

    RFC 2246 5, RFC 5246 5.
    """
    seed = label.encode() + seed
    if version >= TLS12:
        return _p_hash(name, secret, seed, size)
    half = (len(secret) + 1) // 2
    md5 = _p_hash("md5", secret[:half], seed, size)
    sha1 = _p_hash("sha1", secret[len(secret) - half :], seed, size)
    return xor(md5, sha1)


def transcript_hash(version: int, name: str, transcript: bytes) -> bytes:
    """The hash of the handshake's messages: MD5 and SHA-1 below TLS 1.2, the hash `name` there."""
    if version >= TLS12:
        return hashlib.new(name, transcript).digest()
    return hashlib.md5(transcript).digest() + hashlib.sha1(transcript).digest()


def master_secret(version: int, s: Suite, premaster: bytes, seed: bytes) -> bytes:
    """The master secret; `seed` is both randoms, the client's first (RFC 5246 8.1)."""
    return prf(version, s.hash, premaster, "master secret", seed, 48)


def extended_master_secret(version: int, s: Suite, premaster: bytes, transcript: bytes) -> bytes:
    """The master secret over the messages up to ClientKeyExchange (RFC 7627 4)."""
    seed = transcript_hash(version, s.hash, transcript)
    return prf(version, s.hash, premaster, "extended master secret", seed, 48)


def finished12(version: int, s: Suite, master: bytes, end: str, transcript: bytes) -> bytes:
    """The verify_data of the Finished of `end`, client or server (RFC 5246 7.4.9)."""
    seed = transcript_hash(version, s.hash, transcript)
    return prf(version, s.hash, master, f"{end} finished", seed, 12)


# -- the keys of TLS 1.3 ---------------------------------------------------------------------------
def extract(name: str, salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 2.2)."""
    return hmac.digest(salt or bytes(hashlib.new(name).digest_size), secret, name)


def expand_label(name: str, secret: bytes, label: str, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 7.1)."""
    whole = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes([len(whole)]) + whole
    info += bytes([len(context)]) + context
    out, block, n = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes([n]), name)
        out, n = out + block, n + 1
    return out[:size]


def derive(name: str, secret: bytes, label: str, transcript: bytes) -> bytes:
    """Derive-Secret, of the messages themselves (RFC 8446 7.1)."""
    h = hashlib.new(name, transcript)
    return expand_label(name, secret, label, h.digest(), h.digest_size)


def finished13(s: Suite, secret: bytes, transcript: bytes) -> bytes:
    """The verify_data of a Finished, or a binder, under a traffic secret or binder key."""
    key = expand_label(s.hash, secret, "finished", b"", hashlib.new(s.hash).digest_size)
    return hmac.digest(key, hashlib.new(s.hash, transcript).digest(), s.hash)


@dataclass
class Schedule:
    """The key schedule of TLS 1.3 (RFC 8446 7.1): no pre-shared key or key share is zeros."""

    suite: Suite
    psk: bytes = b""
    shared: bytes = b""

    def __post_init__(self) -> None:
        name = self.suite.hash
        zeros = bytes(hashlib.new(name).digest_size)
        self.early = extract(name, b"", self.psk or zeros)
        salt = derive(name, self.early, "derived", b"")
        self.handshake = extract(name, salt, self.shared or zeros)
        self.master = extract(name, derive(name, self.handshake, "derived", b""), zeros)

    def secret(self, label: str, transcript: bytes) -> bytes:
        """A secret of a key log, by its label there, over the messages so far."""
        stage, short = SECRETS[label]
        return derive(self.suite.hash, getattr(self, stage), short, transcript)

    def binder_key(self, *, external: bool = False) -> bytes:
        """The key of the binder of a pre-shared key (RFC 8446 4.2.11.2)."""
        label = "ext binder" if external else "res binder"
        return derive(self.suite.hash, self.early, label, b"")


def ticket_psk(s: Suite, resumption_secret: bytes, nonce: bytes) -> bytes:
    """The pre-shared key of a NewSessionTicket (RFC 8446 4.6.1)."""
    size = hashlib.new(s.hash).digest_size
    return expand_label(s.hash, resumption_secret, "resumption", nonce, size)
