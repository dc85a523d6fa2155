"""A recorded handshake: abstract messages in order, read from bytes or from a file.

A field's value is who made it. A random or share that equals the one this recording's client (or
server) sent is `client0` (or `server0`); any other is `adversary`. What bytes do not show is left
out of `fields`: signatures, MACs, the encrypted premaster, who made a certificate and whether it is
valid. The monitor takes those from the sender's machine and calls them assumed.

The file is JSON lines, one message a line, in the order of the wire:

    {"direction": "client->server", "message": "ClientHello", "fields": {"version": "TLS12"}}

Fields may be missing. A line `{"recording": "title"}` starts a further recording in the same file.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model.expr import BOOL, COMPOSITE, Domain
from model.message import ALPHABET
from model.principal import OFFERED
from model.roles import role
from model.rule import Message

TO_SERVER = "client->server"
TO_CLIENT = "server->client"
DIRECTIONS = (TO_SERVER, TO_CLIENT)
MESSAGES: Mapping[str, Message] = {m.name: m for m in ALPHABET}


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
    """The messages of one connection, in the order of the wire; none of them crossed."""

    title: str
    messages: tuple[Recorded, ...]


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
        0x0018, 0x001A, 0x001B, 0x0034, 0x003A, 0x0046, 0x006C, 0x006D, 0x0089, 0x009B,
        (0x00A6, 0x00A7), 0x00BF, 0x00C5, (0xC046, 0xC047), (0xC05A, 0xC05B), (0xC084, 0xC085),
    ),
    "RSA": _codes(
        0x0001, 0x0002, 0x0004, 0x0005, 0x0007, 0x0009, 0x000A, 0x002F, 0x0035, (0x003B, 0x003D),
        0x0041, 0x0084, 0x0096, (0x009C, 0x009D), 0x00BA, 0x00C0, (0xC03C, 0xC03D),
        (0xC050, 0xC051), (0xC07A, 0xC07B), (0xC09C, 0xC09D), (0xC0A0, 0xC0A1),
    ),
    "DHE": _codes(
        0x0012, 0x0013, 0x0015, 0x0016, 0x0032, 0x0033, 0x0038, 0x0039, 0x0040, 0x0044, 0x0045,
        0x0067, 0x006A, 0x006B, 0x0087, 0x0088, 0x0099, 0x009A, (0x009E, 0x009F),
        (0x00A2, 0x00A3), (0x00BD, 0x00BE), (0x00C3, 0x00C4), (0xC042, 0xC045),
        (0xC052, 0xC053), (0xC056, 0xC057), (0xC07C, 0xC07D), (0xC080, 0xC081),
        (0xC09E, 0xC09F), (0xC0A2, 0xC0A3), 0xCCAA,
    ),
    "ECDHE": _codes(
        (0xC006, 0xC00A), (0xC010, 0xC014), (0xC023, 0xC024), (0xC027, 0xC028),
        (0xC02B, 0xC02C), (0xC02F, 0xC030), (0xC048, 0xC049), (0xC04C, 0xC04D),
        (0xC05C, 0xC05D), (0xC060, 0xC061), (0xC072, 0xC073), (0xC076, 0xC077),
        (0xC086, 0xC087), (0xC08A, 0xC08B), (0xC0AC, 0xC0AF), (0xCCA8, 0xCCA9),
    ),
    "AEAD": _codes((0x1301, 0x1305)),
}  # fmt: skip
"""Code points by key exchange (IANA TLS Cipher Suites; RFC 5246 A.5, RFC 8446 B.4). Suites of other
key exchanges (PSK, SRP, static DH, ECDH_anon) have no counterpart in the model."""

HANDSHAKE = {
    1: "ClientHello", 2: "ServerHello", 8: "EncryptedExtensions", 11: "Certificate",
    12: "ServerKeyExchange", 13: "CertificateRequest", 14: "ServerHelloDone",
    15: "CertificateVerify", 16: "ClientKeyExchange", 20: "Finished",
}  # fmt: skip
"""Handshake types the model knows (RFC 5246 7.4, RFC 8446 B.3)."""

ALERTS = {
    10: "unexpected_message", 20: "bad_record_mac", 40: "handshake_failure",
    42: "bad_certificate", 45: "certificate_expired", 47: "illegal_parameter", 48: "unknown_ca",
    50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 80: "internal_error",
    90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
    116: "certificate_required",
}  # fmt: skip
"""Alert codes the model knows, close_notify (0) apart (RFC 5246 7.2, RFC 8446 6)."""

SENTINELS = {b"DOWNGRD\x01": "DOWNGRD01", b"DOWNGRD\x00": "DOWNGRD00"}
SUPPORTED_VERSIONS, KEY_SHARE = 43, 51
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


def _pairs(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data) - 1, 2)]


@dataclass(frozen=True)
class _ClientHello:
    version: str
    random: bytes
    session_id: bytes
    suites: bytes
    compression: bytes
    key_share: bytes | None


@dataclass(frozen=True)
class _ServerHello:
    version: str
    random: bytes
    session_id: bytes
    suite: str
    compression: str
    key_share: bytes | None


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
    return _ClientHello(
        VERSIONS[max(known)], random, session_id, suites, compression, extensions.get(KEY_SHARE)
    )


def _server_hello(body: bytes) -> _ServerHello:
    r = _Reader("ServerHello", body)
    version, random, session_id = r.number(2), r.take(32), r.vector(1)
    if random == RETRY_RANDOM:
        raise RecordingError(
            "ServerHello: got a HelloRetryRequest, which has no counterpart in the model: let the "
            "client offer a key share for a group the server takes"
        )
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
        VERSIONS[version], random, session_id, suite, ("null", "deflate")[method],
        extensions.get(KEY_SHARE),
    )  # fmt: skip


class Abstraction:
    """Message bytes to fields, for one connection.

    Call `sent` with the bytes a side sent, then `fields` with the bytes the other side received:
    they differ if something changed them on the way. `body` is without the handshake header.
    """

    def __init__(self) -> None:
        self.hello: _ClientHello | None = None
        self.answer: _ServerHello | None = None
        self.shares: dict[str, bytes] = {}

    def sent(self, direction: str, message: str, body: bytes) -> None:
        """Remember who made what."""
        if message == "ClientHello" and direction == TO_SERVER:
            self.hello = _client_hello(body)
        elif message == "ServerHello" and direction == TO_CLIENT:
            self.answer = _server_hello(body)
        elif message in ("ServerKeyExchange", "ClientKeyExchange"):
            self.shares[message] = self._share(message, body)[0]

    def fields(self, direction: str, message: str, body: bytes) -> dict[str, Any]:
        """The fields of `message` that its bytes show; RecordingError if it cannot be read."""
        if message == "ClientHello":
            return self._client_fields(_client_hello(body))
        if message == "ServerHello":
            return self._server_fields(_server_hello(body))
        if message == "Certificate":
            return self._certificate_fields(body)
        if message == "ServerKeyExchange":
            share, group = self._share(message, body)
            made = share == self.shares.get(message)
            return {"share": "server0" if made else "adversary", "group": group}
        if message == "ClientKeyExchange":
            if self._suite() in ("RSA", "RSA_EXPORT"):
                return {}  # the premaster is encrypted: nothing of it is shown
            share, _ = self._share(message, body)
            made = share == self.shares.get(message)
            return {"exchange": "client0" if made else "adversary", "encrypted_to": "none"}
        if message == "Alert":
            level, description = body[0], body[1]
            if level not in (1, 2) or description not in ALERTS:
                raise RecordingError(
                    f"Alert {direction}: level {level}, description {description} has no "
                    f"counterpart in the model, which knows {', '.join(ALERTS.values())}"
                )
            return {"level": ("warning", "fatal")[level - 1], "description": ALERTS[description]}
        return {}

    def _suite(self) -> str:
        if self.answer is None:
            raise RecordingError("a key exchange before any ServerHello: its form is not known")
        return self.answer.suite

    def _client_fields(self, h: _ClientHello) -> dict[str, Any]:
        mine = self.hello
        offered = {suite_of(c) for c in _pairs(h.suites)}
        same_offer = mine is not None and (h.suites, h.compression) == (
            mine.suites, mine.compression,
        )  # fmt: skip
        share = "none"
        if h.key_share is not None:
            share = "client0" if mine and h.key_share == mine.key_share else "adversary"
        return {
            "version": h.version,
            "random": "client0" if mine and h.random == mine.random else "adversary",
            "offer": "client0" if same_offer else "adversary",
            **{f"offers_{s}": s in offered for s in OFFERED},
            "deflate": 1 in h.compression,
            "key_share": share,
        }

    def _server_fields(self, h: _ServerHello) -> dict[str, Any]:
        mine = self.answer
        share = "none"
        if h.key_share is not None:
            share = "server0" if mine and h.key_share == mine.key_share else "adversary"
        fields = {
            "version": h.version,
            "random": "server0" if mine and h.random == mine.random else "adversary",
            "sentinel": SENTINELS.get(h.random[-8:], "none"),
            "suite": h.suite,
            "compression": h.compression,
            "key_share": share,
        }
        echo = self.hello is not None and h.session_id == self.hello.session_id
        if echo and (h.session_id or h.version == "TLS13"):
            fields["session_id"] = "none"
        elif h.session_id:
            made = mine is not None and h.session_id == mine.session_id and h.version != "TLS13"
            fields["session_id"] = "server0" if made else "adversary"
        # Else an empty id below TLS 1.3, which is legal (RFC 5246 7.4.1.3), but the model's server
        # always gives one: the field is left to the sender's machine.
        return fields

    def _certificate_fields(self, body: bytes) -> dict[str, Any]:
        r = _Reader("Certificate", body)
        if self.answer is not None and self.answer.version == "TLS13":
            r.vector(1)  # certificate_request_context (RFC 8446 4.4.2)
        # A certificate's maker and validity are not shown: only whether there is one.
        return {} if r.vector(3) else {"certificate": "empty"}

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
    sender = role("client" if direction == TO_SERVER else "server")
    out: dict[str, Domain] = {}
    for r in sender.table:
        if r.kind == "send" and r.event == message:
            out.update(r.choices)
    return out


def parse(text: str, title: str) -> list[Recording]:
    """The recordings of a JSON lines text; RecordingError with the line number."""
    done: list[Recording] = []
    now: list[Recorded] = []
    name = title

    def close() -> None:
        if now:
            done.append(Recording(name, tuple(now)))
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
        if isinstance(item, dict) and set(item) == {"recording"}:
            close()
            name = str(item["recording"])
        else:
            now.append(_parse_message(number, item))
    close()
    if not done:
        raise RecordingError(f"{title}: expected at least one message, got an empty recording")
    return done


def _near(word: object, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(word), list(words), 2, 0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _parse_message(number: int, item: object) -> Recorded:
    where = f"line {number}"
    if not isinstance(item, dict):
        raise RecordingError(f"{where}: expected a JSON object, got {type(item).__name__}")
    known = ("direction", "message", "fields")
    for key in item:
        if key not in known:
            raise RecordingError(
                f"{where}: expected the keys {', '.join(known)}, got {key!r}{_near(key, known)}"
            )
    direction, name, fields = item.get("direction"), item.get("message"), item.get("fields", {})
    if direction not in DIRECTIONS:
        raise RecordingError(
            f"{where}: expected direction {' or '.join(DIRECTIONS)}, got {direction!r}"
        )
    if not isinstance(name, str) or name not in MESSAGES:
        raise RecordingError(
            f"{where}: expected a message of {', '.join(MESSAGES)}, got {name!r}"
            + _near(name, MESSAGES)
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
            + _near(field, domains)
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
    """The recordings as JSON lines that `parse` reads back."""
    lines: list[str] = []
    for recording in recordings:
        lines.append(json.dumps({"recording": recording.title}))
        lines.extend(
            json.dumps({"direction": m.direction, "message": m.message, "fields": dict(m.fields)})
            for m in recording.messages
        )
    return "\n".join(lines) + "\n"
