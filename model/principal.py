"""The domains of values, and the variables of a client run and a server run.

A value is the name of its maker: a nonce, a key share or a premaster is the name of a run, or
`adversary`. An offer (the lists in a ClientHello) is the name of the run that sent those lists, or
`adversary` for any other lists. Domains have room for three runs of each role; the value of a run
that a scenario does not have is never delivered.
"""

from __future__ import annotations

from model.expr import BOOL, Domain
from model.rule import Fields, Variable

Version = Domain("Version", ("none", "SSL30", "TLS10", "TLS11", "TLS12", "TLS13"))
"""The protocol version, oldest first; `none` before negotiation. SSL 3.0 runs as TLS 1.0 but for
the "no certificate" warning, and no end speaks it unless its `min_version` says so."""

LEGACY = ("SSL30", "TLS10", "TLS11", "TLS12")
"""The versions below TLS 1.3."""

Suite = Domain(
    "Suite",
    (
        "none", "DH_anon", "RSA_EXPORT", "DHE_EXPORT", "RSA", "DHE", "ECDHE", "AEAD",
        "PSK", "DH_RSA", "RSA_PSK", "DHE_PSK", "ECDHE_PSK",
    ),
)
"""The cipher suite, reduced to the key exchange (RFC 5246 A.5, RFC 4279, RFC 5489).

`AEAD` is any suite of TLS 1.3; `DH_RSA` any suite with a static DH key in the server's certificate.
The suites from `PSK` on need the extensions `psk_suites` and `fixed_dh`.
"""

OFFERED = (
    "DH_anon", "RSA_EXPORT", "DHE_EXPORT", "PSK", "DH_RSA", "RSA", "RSA_PSK", "DHE", "DHE_PSK",
    "ECDHE", "ECDHE_PSK",
)
"""The suites whose offer is a configuration, in a server's order of preference, the best last.

`AEAD` is offered with TLS 1.3.
"""

Compression = Domain("Compression", ("null", "deflate"))

Shares = Domain("Shares", ("none", "empty", "one"))
"""The key_share and supported_groups of a hello: absent, there without a share, with one share."""

ClientOwner = Domain(
    "ClientOwner", ("none", "adversary", "client0", "client1", "client2", "random", "fixed")
)
"""The maker of a client's value.

`random` is the premaster that a server makes up when decryption fails; `fixed` is the key in the
honest client's certificate.
"""

ServerOwner = Domain("ServerOwner", ("none", "adversary", "server0", "server1", "server2"))
"""The maker of a server's value."""

Certificate = Domain(
    "Certificate",
    ("none", "empty", "honest", "adversary", "unknown_ca", "expired", "wrong_name"),
)
"""A certificate as the receiver sees it.

`honest` is the certificate of the honest peer, `adversary` a valid one of the adversary. The last
three carry the adversary's key too.
"""

Group = Domain("Group", ("none", "dh", "dh_weak", "ecdh", "rsa_weak"))
"""The kind of key in ServerKeyExchange: a finite-field group, an export-grade group, a curve, or a
temporary export-grade RSA key."""

Sentinel = Domain("Sentinel", ("none", "DOWNGRD01", "DOWNGRD00"))
"""The last eight bytes of the server random (RFC 8446 4.1.3)."""

ClientAuth = Domain("ClientAuth", ("none", "optional", "mandatory"))

Key = Domain("Key", ("plaintext", "empty", "handshake", "application", "early", "previous"))
"""The record keys of one direction, in order: none, keys from a master secret that was never set,
TLS 1.3 handshake traffic keys, session keys (TLS 1.3: application traffic keys), TLS 1.3 early data
keys, session keys of the previous handshake on the same connection."""

EncryptedTo = Domain(
    "EncryptedTo", ("none", "honest", "adversary", "server0", "server1", "server2")
)
"""The RSA key that encrypts a premaster: of the honest server's certificate, of the adversary, or
a server run's temporary key."""

SpecValue = Domain("SpecValue", ("1", "other"))
"""The value of a ChangeCipherSpec."""

End = Domain("End", ("none", "close_notify", "error"))
"""The end of the read side: open, clean, or by an alert or a truncation."""

Level = Domain("Level", ("warning", "fatal"))

Alert = Domain(
    "Alert",
    (
        "none", "unexpected_message", "bad_record_mac", "handshake_failure", "illegal_parameter",
        "decode_error", "decrypt_error", "protocol_version", "unknown_ca", "certificate_expired",
        "bad_certificate", "certificate_required", "missing_extension", "user_canceled",
        "no_renegotiation", "internal_error", "inappropriate_fallback", "unsupported_extension",
        "insufficient_security", "unknown_psk_identity", "bad_certificate_status_response",
        "unrecognized_name", "no_application_protocol",
    ),
)
"""The alert descriptions without close_notify (RFC 5246 7.2, RFC 8446 6)."""

Label = Domain("Label", ("client finished", "server finished"))
"""The label that tells a client's Finished or CertificateVerify from a server's."""


def _once(domain: Domain, initial: object = "none") -> Variable:
    return Variable(domain, (initial,))


_SHARED = {
    # Configuration: fixed, or free where a scenario lists several values.
    "min_version": _once(Version, "TLS10"),
    "max_version": _once(Version, "TLS12"),
    **{f"offers_{s}": _once(BOOL, False) for s in OFFERED},
    "deflate": _once(BOOL, False),
    "export_after_tls10": _once(BOOL, False),
    "weak_dh": _once(BOOL, False),
    "asks_client": _once(BOOL, True),
    "has_certificate": _once(BOOL, True),
    "sends_data": _once(BOOL, True),
    "closes": _once(BOOL, False),
    "null_cipher": _once(BOOL, False),
    # Negotiated.
    "version": _once(Version),
    "suite": _once(Suite),
    "compression": _once(Compression, "null"),
    "client_certificate": _once(Certificate),
    # Keys: whether the master secret is set, and the record key of each direction.
    "keyed": _once(BOOL, False),
    "read_key": Variable(Key, ("plaintext",), write_once=False),
    "write_key": Variable(Key, ("plaintext",), write_once=False),
    # Whether the peer's Finished was verified; data; the end.
    "verified": _once(BOOL, False),
    "sent_data": _once(BOOL, False),
    "delivered": _once(BOOL, False),
    "end": _once(End),
    "alert": _once(Alert),
}

CLIENT = {
    **_SHARED,
    # What the first hello has of key_share.
    "shares": _once(Shares),
    "server_random": _once(ServerOwner),
    "sentinel": _once(Sentinel),
    "session_id": _once(ServerOwner),
    "server_certificate": _once(Certificate),
    "server_share": _once(ServerOwner),
    "group": _once(Group),
    "requested": _once(BOOL, False),
    # With the extension fixed_dh: the client's share is the key in its certificate.
    "fixed_dh": _once(BOOL, False),
}
"""The variables of a client run."""

SERVER = {
    **_SHARED,
    "client_version": _once(Version),
    "legacy_version": _once(Version),
    "client_random": _once(ClientOwner),
    "client_offer": _once(ClientOwner),
    "client_auth": _once(ClientAuth),
    "exchange": _once(ClientOwner),
}
"""The variables of a server run. `exchange` is the maker of the premaster or the client's share."""

client = Fields(
    "the client", "own", {**{n: v.domain for n, v in CLIENT.items()}, "me": ClientOwner}
)
server = Fields(
    "the server", "own", {**{n: v.domain for n, v in SERVER.items()}, "me": ServerOwner}
)

_CLIENT_TLS12 = (
    "WAIT_CERTIFICATE", "WAIT_SKE", "WAIT_CR_SHD", "WAIT_SHD", "SEND_CERTIFICATE", "SEND_CKE",
    "SEND_CERTIFICATE_VERIFY", "SEND_CCS", "SEND_FIN", "WAIT_CCS", "WAIT_FIN",
)
_CLIENT_TLS13 = (
    "WAIT_EE", "WAIT_CERT_CR", "WAIT_CERT", "WAIT_CV", "WAIT_FINISHED", "SEND_CERT", "SEND_CV",
    "SEND_FINISHED",
)
_SERVER_TLS12 = (
    "SEND_SH", "SEND_CERTIFICATE", "SEND_SKE", "SEND_CR_SHD", "SEND_SHD", "WAIT_CERTIFICATE",
    "WAIT_CKE", "WAIT_CERTIFICATE_VERIFY", "WAIT_CCS", "WAIT_FIN", "SEND_CCS", "SEND_FIN",
)
_SERVER_TLS13 = (
    "NEGOTIATED", "SEND_EE", "SEND_CR_CERT", "SEND_CERT", "SEND_CV", "SEND_FINISHED",
    "WAIT_CERT", "WAIT_CV", "WAIT_FINISHED",
)
_OPEN = ("CONNECTED", "ANSWER_CLOSE", "ANSWER_EARLY_CLOSE", "CLOSING", "CLOSED")

GENERATIONS = {
    "client": {"tls12": _CLIENT_TLS12, "tls13": _CLIENT_TLS13},
    "server": {"tls12": _SERVER_TLS12, "tls13": _SERVER_TLS13},
}
"""The local states of one generation alone, after the hellos and before CONNECTED."""

STATES = {
    "client": ("START", "WAIT_SH", *_CLIENT_TLS12, *_CLIENT_TLS13, *_OPEN),
    "server": ("START", *_SERVER_TLS12, *_SERVER_TLS13, *_OPEN),
}
"""The local states. TLS 1.3 states have the names in RFC 8446 appendix A; RFC 5246 has none."""
