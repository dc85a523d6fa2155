"""The alerts of TLS: their registry, and the alternatives to each alert of the model.

Where an RFC leaves an endpoint several alerts, the model's machines send one of them.
"""

from __future__ import annotations

from collections.abc import Mapping

ALERTS: Mapping[str, tuple[int, str]] = {
    "close_notify": (0, "5246 7.2.1"),
    "unexpected_message": (10, "5246 7.2.2"),
    "bad_record_mac": (20, "5246 7.2.2"),
    "decryption_failed": (21, "2246 7.2.2"),
    "record_overflow": (22, "5246 7.2.2"),
    "decompression_failure": (30, "5246 7.2.2"),
    "handshake_failure": (40, "5246 7.2.2"),
    "no_certificate": (41, "6101 5.4.2"),
    "bad_certificate": (42, "5246 7.2.2"),
    "unsupported_certificate": (43, "5246 7.2.2"),
    "certificate_revoked": (44, "5246 7.2.2"),
    "certificate_expired": (45, "5246 7.2.2"),
    "certificate_unknown": (46, "5246 7.2.2"),
    "illegal_parameter": (47, "5246 7.2.2"),
    "unknown_ca": (48, "5246 7.2.2"),
    "access_denied": (49, "5246 7.2.2"),
    "decode_error": (50, "5246 7.2.2"),
    "decrypt_error": (51, "5246 7.2.2"),
    "too_many_cids_requested": (52, "9147 9"),
    "export_restriction": (60, "2246 7.2.2"),
    "protocol_version": (70, "5246 7.2.2"),
    "insufficient_security": (71, "5246 7.2.2"),
    "internal_error": (80, "5246 7.2.2"),
    "inappropriate_fallback": (86, "7507 2"),
    "user_canceled": (90, "5246 7.2.2"),
    "no_renegotiation": (100, "5246 7.2.2"),
    "missing_extension": (109, "8446 6.2"),
    "unsupported_extension": (110, "5246 7.2.2"),
    "certificate_unobtainable": (111, "6066 9"),
    "unrecognized_name": (112, "8446 6.2"),
    "bad_certificate_status_response": (113, "8446 6.2"),
    "bad_certificate_hash_value": (114, "6066 9"),
    "unknown_psk_identity": (115, "8446 6.2"),
    "certificate_required": (116, "8446 6.2"),
    "general_error": (117, "9846 6.2"),
    "no_application_protocol": (120, "8446 6.2"),
    "ech_required": (121, "9849 6.1.6"),
}
"""The number and the RFC section of each alert (IANA TLS Alerts)."""

NAMES = {number: name for name, (number, _) in ALERTS.items()}

_HELLOS = ("ClientHello", "SecondClientHello", "ServerHello", "HelloRetryRequest")
_CERTIFICATE = ("Certificate",)
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "handshake_failure": (*_HELLOS, "Certificate", "CertificateRequest", "ServerKeyExchange"),
    "bad_certificate": _CERTIFICATE,
    "unsupported_certificate": _CERTIFICATE,
    "certificate_revoked": ("Certificate", "CertificateStatus"),
    "certificate_expired": _CERTIFICATE,
    "certificate_unknown": _CERTIFICATE,
    "unknown_ca": _CERTIFICATE,
    "access_denied": ("Certificate", *_HELLOS[:2]),
    "export_restriction": (*_HELLOS, "ServerKeyExchange"),
    "protocol_version": _HELLOS,
    "insufficient_security": (*_HELLOS, "Certificate", "ServerKeyExchange"),
    "internal_error": (),
    "user_canceled": (),
    "missing_extension": _HELLOS[:2],
    "certificate_unobtainable": _HELLOS[:1],
    "unrecognized_name": _HELLOS[:2],
    "bad_certificate_status_response": ("Certificate", "CertificateStatus"),
    "bad_certificate_hash_value": _CERTIFICATE,
    "unknown_psk_identity": (*_HELLOS[:2], "ClientKeyExchange"),
    "general_error": (),
    "no_application_protocol": _HELLOS[:2],
    "ech_required": ("ServerHello", "Finished"),
}
"""The alerts of a sound end whose peer is sound too, and the messages that each may answer.

The reason is the end's own: its trust in certificates, its names and protocols, what it supports.
An alert with no messages may come at any time. The other alerts say that the peer's message was
wrong or was changed on the way.
"""

DECRYPTION = ("bad_record_mac", "decryption_failed")
"""The alerts for a record that does not decrypt."""

MALFORMED = (
    "illegal_parameter",
    "decode_error",
    "handshake_failure",
    "decrypt_error",
    "unexpected_message",
)
"""The alerts for a message with impossible content."""

_INSTEAD: Mapping[str, tuple[str, ...]] = {
    # RFC 5246 7.4.6: "a fatal handshake_failure"; RFC 8446 6.2: certificate_required.
    "handshake_failure": ("certificate_required", "bad_certificate"),
    "certificate_required": ("handshake_failure", "bad_certificate"),
    # RFC 5246 7.4.2 names none for an empty chain; RFC 8446 4.4.2.4: decode_error.
    "decode_error": (*MALFORMED, "bad_certificate", "unsupported_certificate"),
    "illegal_parameter": MALFORMED,
    "decrypt_error": ("bad_record_mac", "handshake_failure"),
    "missing_extension": ("handshake_failure", "illegal_parameter"),
}
"""The alerts that the RFCs allow beside the model's own.

There are none beside unexpected_message and bad_record_mac: RFC 5246 7.2.2 prescribes these alone.
"""


def allowed(alert: str, version: str, *, garbled_in_clear: bool) -> tuple[str, ...]:
    """The alerts that may answer where the model answers with `alert`."""
    if garbled_in_clear:  # ciphertext read as a plaintext message can look like anything
        return (*MALFORMED, *DECRYPTION, "record_overflow", "protocol_version")
    more = _INSTEAD.get(alert, ())
    out = more if alert in more else (alert, *more)
    if alert == "bad_record_mac" and version == "TLS10":
        return (*out, "decryption_failed")  # RFC 2246 7.2.2; MUST NOT from RFC 4346 on
    return out
