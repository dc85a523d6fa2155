"""A recorded handshake: abstract messages in order, read from bytes or from a file.

A field's value is who made it. A random or share that equals the one this recording's client (or
server) sent is `client0` (or `server0`); any other is `adversary`. What bytes do not show is left
out of `fields`: signatures, MACs, the encrypted premaster, who made a certificate and whether it is
valid. The monitor takes those from the sender's machine and calls them assumed.

The file is JSON lines, one message a line, in the order of the wire:

    {"direction": "client->server", "message": "ClientHello", "fields": {"version": "TLS12"}}

Fields may be missing. A line `{"recording": "title"}` starts a further recording in the same file;
`{"recording": "title", "resumes": "earlier title"}` one whose client has a ticket of that earlier
connection. There the ends are `client1` and `server1`, and the ticket is by `server0`.

The groups of TLS 1.3 key shares are named by their place, for the model has two: `x25519` is one
that the client's first hello has a share of, `secp256r1` the other one (asked for by a
HelloRetryRequest, if there is one), `x448` one that the client does not support. A pre-shared key
of which no recorded ticket tells is `external`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model.expr import BOOL, COMPOSITE, Domain
from model.extensions import extensions
from model.near import hint
from model.principal import OFFERED
from model.roles import role
from model.rule import Message

TO_SERVER = "client->server"
TO_CLIENT = "server->client"
DIRECTIONS = (TO_SERVER, TO_CLIENT)
WITHOUT = {
    "ignored_records": "its bound on ignored records in a row is in no RFC: a longer row is legal",
    "renegotiation": "a recording is of one handshake",
    "session_ticket": "a session below TLS 1.3 is known by its id: the tickets are not read",
}
"""The extensions that the machines here do without, and why."""
ROLES = {
    end: role(
        end,
        tuple(
            n
            for n, e in extensions().items()
            if n not in WITHOUT and not e.excludes and not set(e.needs) & set(WITHOUT)
        ),
    )
    for end in ("client", "server")
}
"""The machines' roles: with all other extensions, but those that do not go with all of these."""
MESSAGES: Mapping[str, Message] = {m.name: m for m in ROLES["client"].alphabet}


class RecordingError(ValueError):
    """A recording cannot be read: where (line or message), what was expected, what was got."""


@dataclass(frozen=True)
class Recorded:
    """One message of a recording; `fields` holds only what was shown. `line` is 0 if not a file."""

    direction: str
    message: str
    fields: Mapping[str, Any]
    line: int = 0


@dataclass(frozen=True)
class Recording:
    """The messages of one connection, in the order of the wire; none of them crossed.

    `before` is the connection that gave the ticket which this one resumes by.
    """

    title: str
    messages: tuple[Recorded, ...]
    before: Recording | None = None


# -- bytes ---------------------------------------------------------------------------------------

VERSIONS = {0x0301: "TLS10", 0x0302: "TLS11", 0x0303: "TLS12", 0x0304: "TLS13"}


def _codes(*spans: int | tuple[int, int]) -> frozenset[int]:
    out: set[int] = set()
    for s in spans:
        out.update([s] if isinstance(s, int) else range(s[0], s[1] + 1))
    return frozenset(out)


SUITES: Mapping[str, frozenset[int]] = {
    "RSA_EXPORT": _codes(0x0003, 0x0006, 0x0008),
    "DHE_EXPORT": _codes(0x0011, 0x0014),
    "DH_anon": _codes(
        0x0018,
        0x001A,
        0x001B,
        0x0034,
        0x003A,
        0x0046,
        0x006C,
        0x006D,
        0x0089,
        0x009B,
        (0x00A6, 0x00A7),
        0x00BF,
        0x00C5,
        (0xC046, 0xC047),
        (0xC05A, 0xC05B),
        (0xC084, 0xC085),
    ),
    "RSA": _codes(
        0x0001,
        0x0002,
        0x0004,
        0x0005,
        0x0007,
        0x0009,
        0x000A,
        0x002F,
        0x0035,
        (0x003B, 0x003D),
        0x0041,
        0x0084,
        0x0096,
        (0x009C, 0x009D),
        0x00BA,
        0x00C0,
        (0xC03C, 0xC03D),
        (0xC050, 0xC051),
        (0xC07A, 0xC07B),
        (0xC09C, 0xC09D),
        (0xC0A0, 0xC0A1),
    ),
    "DHE": _codes(
        0x0012,
        0x0013,
        0x0015,
        0x0016,
        0x0032,
        0x0033,
        0x0038,
        0x0039,
        0x0040,
        0x0044,
        0x0045,
        0x0067,
        0x006A,
        0x006B,
        0x0087,
        0x0088,
        0x0099,
        0x009A,
        (0x009E, 0x009F),
        (0x00A2, 0x00A3),
        (0x00BD, 0x00BE),
        (0x00C3, 0x00C4),
        (0xC042, 0xC045),
        (0xC052, 0xC053),
        (0xC056, 0xC057),
        (0xC07C, 0xC07D),
        (0xC080, 0xC081),
        (0xC09E, 0xC09F),
        (0xC0A2, 0xC0A3),
        0xCCAA,
    ),
    "ECDHE": _codes(
        (0xC006, 0xC00A),
        (0xC010, 0xC014),
        (0xC023, 0xC024),
        (0xC027, 0xC028),
        (0xC02B, 0xC02C),
        (0xC02F, 0xC030),
        (0xC048, 0xC049),
        (0xC04C, 0xC04D),
        (0xC05C, 0xC05D),
        (0xC060, 0xC061),
        (0xC072, 0xC073),
        (0xC076, 0xC077),
        (0xC086, 0xC087),
        (0xC08A, 0xC08B),
        (0xC0AC, 0xC0AF),
        (0xCCA8, 0xCCA9),
    ),
    "AEAD": _codes((0x1301, 0x1305)),
}
"""Code points by key exchange (IANA TLS Cipher Suites; RFC 5246 A.5, RFC 8446 B.4). Suites of other
key exchanges (PSK, SRP, static DH, ECDH_anon) have no counterpart in the model."""

HANDSHAKE = {
    1: "ClientHello",
    2: "ServerHello",
    4: "NewSessionTicket",
    5: "EndOfEarlyData",
    8: "EncryptedExtensions",
    11: "Certificate",
    12: "ServerKeyExchange",
    13: "CertificateRequest",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    20: "Finished",
    22: "CertificateStatus",
    24: "KeyUpdate",
}
"""Handshake types the model knows (RFC 5246 7.4, RFC 6066 8, RFC 8446 B.3)."""

ALERTS = {
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    45: "certificate_expired",
    47: "illegal_parameter",
    48: "unknown_ca",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    80: "internal_error",
    71: "insufficient_security",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
}
"""Alert codes the model knows, close_notify (0) apart (RFC 5246 7.2, RFC 8446 6)."""

SENTINELS = {b"DOWNGRD\x01": "DOWNGRD01", b"DOWNGRD\x00": "DOWNGRD00"}
FALLBACK_SCSV = 0x5600
STATUS_REQUEST, SUPPORTED_GROUPS, EXTENDED_MASTER_SECRET = 5, 10, 23
PRE_SHARED_KEY, EARLY_DATA = 41, 42
SUPPORTED_VERSIONS, COOKIE, PSK_MODES, POST_HANDSHAKE_AUTH, KEY_SHARE = 43, 44, 45, 49, 51
"""Extension types (RFC 8446 4.2, RFC 7627 5.1)."""
KEY_UPDATE = ("update_not_requested", "update_requested")
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random that makes a ServerHello a HelloRetryRequest (RFC 8446 4.1.3)."""


def suite_of(code: int) -> str | None:
    """The model's suite of a code point; None if the model has none."""
    return next((s for s, codes in SUITES.items() if code in codes), None)


class _Reader:
    """Reads numbers and length-prefixed vectors (RFC 5246 4) off a message body."""

    def __init__(self, what: str, data: bytes) -> None:
        self.what, self.data, self.at = what, data, 0

    def take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise RecordingError(
                f"{self.what}: expected {size} bytes at byte {self.at}, got {len(part)}: the "
                "message is cut off or is not of this type"
            )
        self.at += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))

    def more(self) -> bool:
        return self.at < len(self.data)

    def extensions(self) -> dict[int, bytes]:
        out: dict[int, bytes] = {}
        if self.more():  # the block may be missing (RFC 5246 7.4.1.2)
            block = _Reader(f"{self.what} extensions", self.vector(2))
            while block.more():
                kind = block.number(2)
                out[kind] = block.vector(2)
        return out


def _reader_of(what: str, vector: bytes | None) -> _Reader:
    """Reads what is in a vector with two bytes of length; nothing if there is none."""
    return _Reader(what, b"" if vector is None else _Reader(what, vector).vector(2))


def _pairs(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data) - 1, 2)]


@dataclass(frozen=True)
class _ClientHello:
    version: str
    random: bytes
    session_id: bytes
    suites: bytes
    compression: bytes
    extensions: Mapping[int, bytes]

    @property
    def modern(self) -> bool:
        return self.version == "TLS13"

    @property
    def supported(self) -> list[int]:
        """The groups it supports (RFC 8446 4.2.7)."""
        return _pairs(self.extensions.get(SUPPORTED_GROUPS, b"")[2:])

    @property
    def shares(self) -> list[int]:
        """The groups it has key shares of (RFC 8446 4.2.8)."""
        r, out = _reader_of("ClientHello key_share", self.extensions.get(KEY_SHARE)), []
        while r.more():
            out.append(r.number(2))
            r.vector(2)
        return out

    @property
    def modes(self) -> bytes:
        """The PskKeyExchangeModes: 0 psk_ke, 1 psk_dhe_ke (RFC 8446 4.2.9)."""
        return self.extensions.get(PSK_MODES, b"")[1:]

    @property
    def identity(self) -> bytes | None:
        """The identity of the one pre-shared key that it offers (RFC 8446 4.2.11)."""
        if PRE_SHARED_KEY not in self.extensions:
            return None
        r = _reader_of("ClientHello pre_shared_key", self.extensions[PRE_SHARED_KEY])
        found = r.vector(2)
        r.number(4)
        if r.more():
            raise RecordingError(
                "ClientHello: it offers more than one pre-shared key, the model's clients one"
            )
        return found


@dataclass(frozen=True)
class _ServerHello:
    version: str
    random: bytes
    session_id: bytes
    suite: str
    compression: str
    extensions: Mapping[int, bytes]

    @property
    def group(self) -> int | None:
        """The group of its share, or that a HelloRetryRequest asks for (RFC 8446 4.2.8)."""
        share = self.extensions.get(KEY_SHARE)
        return None if share is None else _Reader("ServerHello key_share", share).number(2)


def _client_hello(body: bytes) -> _ClientHello:
    r = _Reader("ClientHello", body)
    legacy, random = r.number(2), r.take(32)
    session_id, suites, compression = r.vector(1), r.vector(2), r.vector(1)
    extensions = r.extensions()
    offered = [legacy]
    if SUPPORTED_VERSIONS in extensions:
        offered = _pairs(extensions[SUPPORTED_VERSIONS][1:])
    # Values nobody assigned are ignored, as a receiver must (RFC 8701; RFC 8446 4.2.1).
    known = [v for v in offered if v in VERSIONS]
    if not known:
        raise RecordingError(
            f"ClientHello: expected a version of {', '.join(VERSIONS.values())}, got "
            + (", ".join(f"0x{v:04x}" for v in offered) or "none")
        )
    return _ClientHello(VERSIONS[max(known)], random, session_id, suites, compression, extensions)


def _server_hello(body: bytes) -> _ServerHello:
    r = _Reader("ServerHello", body)
    version, random, session_id = r.number(2), r.take(32), r.vector(1)
    code, method = r.number(2), r.number(1)
    extensions = r.extensions()
    if SUPPORTED_VERSIONS in extensions:
        version = int.from_bytes(extensions[SUPPORTED_VERSIONS], "big")
    if version not in VERSIONS:
        raise RecordingError(
            f"ServerHello: expected a version of {', '.join(VERSIONS.values())}, got "
            f"0x{version:04x}"
        )
    suite = suite_of(code)
    if suite is None:
        raise RecordingError(
            f"ServerHello: suite 0x{code:04x} has no counterpart in the model, which knows "
            f"{', '.join(SUITES)}"
        )
    if method not in (0, 1):
        raise RecordingError(f"ServerHello: expected compression 0 or 1, got {method}")
    return _ServerHello(
        VERSIONS[version], random, session_id, suite, ("null", "deflate")[method], extensions
    )


_NO_HELLO = _ClientHello("none", b"", b"", b"", b"", {})


def _made(part: bytes | None, own: bytes | None, by: str) -> str:
    """Who made a part of a message: the end `by`, if it is what that end sent."""
    return "none" if part is None else by if part == own else "adversary"


def _ticket(body: bytes) -> bytes:
    r = _Reader("NewSessionTicket", body)
    r.take(8)  # ticket_lifetime, ticket_age_add (RFC 8446 4.6.1)
    r.vector(1)
    return r.vector(2)


def name_of(kind: int, body: bytes, *, retried: bool) -> str | None:
    """The model's name of a handshake message; None if it has none.

    A HelloRetryRequest is a ServerHello on the wire, and what follows it a ClientHello: `retried`
    says whether there was one (RFC 8446 4.1.3, 4.1.4).
    """
    name = HANDSHAKE.get(kind)
    if name == "ServerHello" and body[2:34] == RETRY_RANDOM:
        return "HelloRetryRequest"
    return "SecondClientHello" if name == "ClientHello" and retried else name


class Abstraction:
    """Message bytes to fields, for one connection; `before` is that of the one it resumes.

    Call `sent` with the bytes a side sent, then `fields` with the bytes the other side received:
    they differ if something changed them on the way. `body` is without the handshake header.
    """

    def __init__(self, before: Abstraction | None = None) -> None:
        self.number: int = before.number + 1 if before else 0
        self.client, self.server = f"client{self.number}", f"server{self.number}"
        self.hello: _ClientHello | None = None
        self.second: _ClientHello | None = None
        self.retry: _ServerHello | None = None
        self.answer: _ServerHello | None = None
        self.shares: dict[str, bytes] = {}
        self.contexts: list[bytes] = []
        self.tickets: list[bytes] = []
        # Names of what the connection before gave: its tickets, its session id.
        self.known: dict[bytes, str] = {}
        self.session: dict[bytes, str] = {}
        if before is not None:
            self.known = dict.fromkeys(before.tickets, before.server)
            if before.answer is not None and not before._modern:
                self.session = {before.answer.session_id: before.server}

    def sent(self, direction: str, message: str, body: bytes) -> None:
        """Remember who made what."""
        if message == "ClientHello" and direction == TO_SERVER:
            self.hello = _client_hello(body)
        elif message == "SecondClientHello":
            self.second = _client_hello(body)
        elif message == "HelloRetryRequest":
            self.retry = _server_hello(body)
        elif message == "ServerHello" and direction == TO_CLIENT:
            self.answer = _server_hello(body)
        elif message == "NewSessionTicket":
            if not self._modern:
                raise RecordingError(
                    "NewSessionTicket: the model has no tickets below TLS 1.3, but session ids"
                )
            self.tickets.append(_ticket(body))
        elif message in ("ServerKeyExchange", "ClientKeyExchange"):
            self.shares[message] = self._share(message, body)[0]

    def fields(self, direction: str, message: str, body: bytes) -> dict[str, Any]:
        """The fields of `message` that its bytes show; RecordingError if it cannot be read."""
        found = self._fields(message, body, direction)
        return {f: v for f, v in found.items() if f in MESSAGES[message].fields}

    def _fields(self, message: str, body: bytes, direction: str) -> dict[str, Any]:
        if message == "ClientHello":
            return self._client_fields(_client_hello(body), self.hello)
        if message == "SecondClientHello":
            return self._client_fields(_client_hello(body), self.second)
        if message == "ServerHello":
            return self._server_fields(_server_hello(body), self.answer)
        if message == "HelloRetryRequest":
            return self._retry_fields(_server_hello(body))
        if message == "EncryptedExtensions":
            return {"early_data": EARLY_DATA in _Reader(message, body).extensions()}
        if message == "CertificateRequest" and self._modern:
            return {"context": self._context(_Reader(message, body).vector(1))}
        if message == "Certificate":
            return self._certificate_fields(body)
        if message == "NewSessionTicket":
            return {"ticket": self.server if _ticket(body) in self.tickets else "adversary"}
        if message == "KeyUpdate":
            asks = _Reader(message, body).number(1)
            return {"request_update": KEY_UPDATE[asks] if asks < 2 else "other"}
        if message == "ServerKeyExchange":
            share, group = self._share(message, body)
            made = share == self.shares.get(message)
            return {"share": self.server if made else "adversary", "group": group}
        if message == "ClientKeyExchange":
            if self._suite() in ("RSA", "RSA_EXPORT"):
                return {}  # the premaster is encrypted: nothing of it is shown
            share, _ = self._share(message, body)
            made = share == self.shares.get(message)
            return {"exchange": self.client if made else "adversary", "encrypted_to": "none"}
        if message == "Alert":
            level, description = body[0], body[1]
            if level not in (1, 2) or description not in ALERTS:
                raise RecordingError(
                    f"Alert {direction}: level {level}, description {description} has no "
                    f"counterpart in the model, which knows {', '.join(ALERTS.values())}"
                )
            return {"level": ("warning", "fatal")[level - 1], "description": ALERTS[description]}
        return {}

    @property
    def _modern(self) -> bool:
        return self.answer is not None and self.answer.version == "TLS13"

    def _suite(self) -> str:
        if self.answer is None:
            raise RecordingError("a key exchange before any ServerHello: its form is not known")
        return self.answer.suite

    def _group(self, code: int) -> str:
        """The place of a group among those of the client's first hello."""
        if self.hello is None or code in self.hello.shares:
            return "x25519"
        other = self.retry.group if self.retry is not None else None
        return "secp256r1" if code in self.hello.supported and other in (None, code) else "x448"

    def _context(self, context: bytes) -> str:
        """The name of a certificate_request_context: the empty one, the first, the second."""
        if not context:
            return "none"
        if context not in self.contexts:
            self.contexts.append(context)
        if len(self.contexts) > 2:
            raise RecordingError(
                "CertificateRequest: the model's connections have two of them after the handshake"
            )
        return str(self.contexts.index(context) + 1)

    def _client_fields(self, h: _ClientHello, mine: _ClientHello | None) -> dict[str, Any]:
        """The fields of a hello as received; `mine` is the same hello as the client sent it."""
        first, mine = self.hello, mine or _NO_HELLO
        asked = self.retry.extensions if self.retry is not None else {}
        codes = _pairs(h.suites)
        offered = {suite_of(c) for c in codes}
        same_offer = first is not None and (h.suites, h.compression) == (
            first.suites,
            first.compression,
        )

        fields = {
            "version": h.version,
            "random": self.client if first and h.random == first.random else "adversary",
            "offer": self.client if same_offer else "adversary",
            **{f"offers_{s}": s in offered for s in OFFERED},
            "deflate": 1 in h.compression,
            "session_id": self.session.get(h.session_id, "none"),
            "fallback_scsv": FALLBACK_SCSV in codes,
            "extended_master_secret": EXTENDED_MASTER_SECRET in h.extensions,
            "status_request": STATUS_REQUEST in h.extensions,
            "key_share": _made(
                h.extensions.get(KEY_SHARE), mine.extensions.get(KEY_SHARE), self.client
            ),
            "post_handshake_auth": POST_HANDSHAKE_AUTH in h.extensions,
            "psk_ke": 0 in h.modes,
            "psk_dhe_ke": 1 in h.modes,
            "identity": _made(
                h.identity, mine.identity, self.known.get(h.identity or b"", "external")
            ),
            "early_data": EARLY_DATA in h.extensions,
            "cookie": _made(h.extensions.get(COOKIE), asked.get(COOKIE), self.server),
        }
        if h.modern and h.shares and first is not None:
            fields |= {
                "group": self._group(h.shares[0]),
                "supports_x25519": any(g in h.supported for g in first.shares),
                "supports_secp256r1": any(g not in first.shares for g in h.supported),
            }
        return fields

    def _server_fields(self, h: _ServerHello, mine: _ServerHello | None) -> dict[str, Any]:
        own = mine.extensions if mine is not None else {}
        selected = h.extensions.get(PRE_SHARED_KEY)
        fields = {
            "version": h.version,
            "random": self.server if mine and h.random == mine.random else "adversary",
            "sentinel": SENTINELS.get(h.random[-8:], "none"),
            "suite": h.suite,
            "compression": h.compression,
            "key_share": _made(h.extensions.get(KEY_SHARE), own.get(KEY_SHARE), self.server),
            "group": "none" if h.group is None else self._group(h.group),
            "selected": "none" if selected is None else "01"[any(selected)],
            "status_request": STATUS_REQUEST in h.extensions,
            "extended_master_secret": EXTENDED_MASTER_SECRET in h.extensions,
        }
        return fields | self._session_id(h, mine)

    def _session_id(self, h: _ServerHello, mine: _ServerHello | None) -> dict[str, Any]:
        if h.session_id in self.session and h.version != "TLS13":
            return {"session_id": self.session[h.session_id]}
        if self.hello is not None and h.session_id == self.hello.session_id:
            if h.session_id or h.version == "TLS13":
                return {"session_id": "none"}
        elif h.session_id:
            made = mine is not None and h.session_id == mine.session_id and h.version != "TLS13"
            return {"session_id": self.server if made else "adversary"}
        # An empty id below TLS 1.3, which is legal (RFC 5246 7.4.1.3), but the model's server
        # always gives one: the field is left to the sender's machine.
        return {}

    def _retry_fields(self, h: _ServerHello) -> dict[str, Any]:
        own = self.retry.extensions if self.retry is not None else {}
        return {
            "version": h.version,
            "suite": h.suite,
            "compression": h.compression,
            "group": "none" if h.group is None else self._group(h.group),
            "cookie": _made(h.extensions.get(COOKIE), own.get(COOKIE), self.server),
            **self._session_id(h, self.retry),
        }

    def _certificate_fields(self, body: bytes) -> dict[str, Any]:
        r = _Reader("Certificate", body)
        # certificate_request_context (RFC 8446 4.4.2)
        fields = {"context": self._context(r.vector(1))} if self._modern else {}
        # A certificate's maker and validity are not shown: only whether there is one.
        return fields if r.vector(3) else {**fields, "certificate": "empty"}

    def _share(self, message: str, body: bytes) -> tuple[bytes, str]:
        """The public value (or temporary RSA key) of a key exchange, and its group."""
        suite = self._suite()
        r = _Reader(message, body)
        if message == "ClientKeyExchange":
            if suite == "ECDHE":
                return r.vector(1), "ecdh"  # RFC 8422 5.7
            return r.vector(2), "none"  # RFC 5246 7.4.7
        if suite == "ECDHE":
            curve = r.take(3)  # curve_type, named curve (RFC 8422 5.4)
            if curve[0] != 3:
                raise RecordingError(
                    f"ServerKeyExchange: expected a named curve (type 3), got type {curve[0]}"
                )
            return curve + r.vector(1), "ecdh"
        if suite == "RSA_EXPORT":
            return r.vector(2) + r.vector(2), "rsa_weak"  # RFC 2246 7.4.3
        prime, generator, public = r.vector(2), r.vector(2), r.vector(2)
        # Export grade is at most 512 bits (RFC 2246 D.1).
        weak = int.from_bytes(prime, "big").bit_length() <= 512
        return prime + generator + public, "dh_weak" if weak else "dh"


# -- files ---------------------------------------------------------------------------------------


def choices_of(direction: str, message: str) -> dict[str, Domain]:
    """The arguments that the sender's rows take for `message`, such as `client_auth`."""
    sender = ROLES["client" if direction == TO_SERVER else "server"]
    out: dict[str, Domain] = {}
    for r in sender.table:
        if r.kind == "send" and r.event == message:
            out.update(r.choices)
    return out


def parse(text: str, title: str) -> list[Recording]:
    """The recordings of a JSON lines text; RecordingError with the line number."""
    done: list[Recording] = []
    now: list[Recorded] = []
    name, before = title, None

    def close() -> None:
        if now:
            done.append(Recording(name, tuple(now), before))
            now.clear()

    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except json.JSONDecodeError as e:
            raise RecordingError(
                f"line {number}: expected one JSON object a line, got {line.strip()[:60]!r}: {e}"
            ) from None
        if isinstance(item, dict) and "recording" in item and set(item) <= {"recording", "resumes"}:
            close()
            name = str(item["recording"])
            before = _earlier(number, done, item["resumes"]) if "resumes" in item else None
        else:
            now.append(_parse_message(number, item))
    close()
    if not done:
        raise RecordingError(f"{title}: expected at least one message, got an empty recording")
    return done


def _earlier(number: int, done: Iterable[Recording], title: object) -> Recording:
    """The recording that one resumes, of those above it."""
    found = next((r for r in done if r.title == title), None)
    if found is None:
        raise RecordingError(
            f"line {number}: expected resumes to name a recording above it, got {title!r}"
            + hint(title, [r.title for r in done])
        )
    if found.before is not None:
        raise RecordingError(
            f"line {number}: {title!r} is a resumption itself; the model resumes full handshakes"
        )
    return found


def _parse_message(number: int, item: object) -> Recorded:
    where = f"line {number}"
    if not isinstance(item, dict):
        raise RecordingError(f"{where}: expected a JSON object, got {type(item).__name__}")
    known = ("direction", "message", "fields")
    for key in item:
        if key not in known:
            raise RecordingError(
                f"{where}: expected the keys {', '.join(known)}, got {key!r}{hint(key, known)}"
            )
    direction, name, fields = item.get("direction"), item.get("message"), item.get("fields", {})
    if direction not in DIRECTIONS:
        raise RecordingError(
            f"{where}: expected direction {' or '.join(DIRECTIONS)}, got {direction!r}"
        )
    if not isinstance(name, str) or name not in MESSAGES:
        raise RecordingError(
            f"{where}: expected a message of {', '.join(MESSAGES)}, got {name!r}"
            + hint(name, MESSAGES)
        )
    if not isinstance(fields, dict):
        raise RecordingError(
            f"{where}, {name}: expected fields to be an object, got {type(fields).__name__}"
        )
    message = MESSAGES[name]
    domains = {**choices_of(str(direction), name), **message.fields}
    values = {
        f: _parse_value(f"{where}, {name}", message, domains, f, v) for f, v in fields.items()
    }
    if name == "Alert":
        for f in message.fields:
            if f not in values:
                raise RecordingError(
                    f"{where}, Alert: expected the fields {', '.join(message.fields)}, {f} is "
                    "missing, and no machine can say what it was"
                )
    return Recorded(str(direction), name, values, number)


def _parse_value(
    where: str, message: Message, domains: Mapping[str, Domain], field: str, value: object
) -> object:
    if field not in domains:
        raise RecordingError(
            f"{where}: expected the fields {', '.join(domains) or '(none)'}, got {field!r}"
            + hint(field, domains)
        )
    domain = domains[field]
    if domain is COMPOSITE:
        if not isinstance(value, list):
            raise RecordingError(f"{where}, {field}: expected a list of values, got {value!r}")
        return tuple(value)
    if domain is BOOL:
        if not isinstance(value, bool):  # 1 would pass for true
            raise RecordingError(f"{where}, {field}: expected true or false, got {value!r}")
        return value
    try:
        domain.code(value)
    except ValueError as e:
        raise RecordingError(f"{where}, {field}: {e}") from None
    if field in message.fields and value == "none" and message.demands(field):
        raise RecordingError(
            f"{where}, {field}: expected a value other than none in a {message.name}, got 'none'"
        )
    return value


def read(path: str) -> list[Recording]:
    """The recordings of a file; RecordingError if it cannot be opened or read."""
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except (OSError, UnicodeDecodeError) as e:
        raise RecordingError(f"{path}: expected a recording in JSON lines, got: {e}") from None
    try:
        return parse(text, path)
    except RecordingError as e:
        raise RecordingError(f"{path}: {e}" if not str(e).startswith(path) else str(e)) from None


def dump(recordings: Iterable[Recording]) -> str:
    """The recordings as JSON lines that `parse` reads back, each after the one it resumes."""
    lines: list[str] = []
    for recording in recordings:
        head = {"recording": recording.title}
        if recording.before is not None:
            head["resumes"] = recording.before.title
        lines.append(json.dumps(head))
        lines.extend(
            json.dumps({"direction": m.direction, "message": m.message, "fields": dict(m.fields)})
            for m in recording.messages
        )
    return "\n".join(lines) + "\n"
