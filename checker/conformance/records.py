"""The record layer of TLS 1.0 to 1.3: bytes to records, their protection, and the keys for it.

A stream of bytes is split by `Stream`, the content of records into handshake messages by
`Messages`. A `Protection` seals and opens the records of one sender under one set of keys: none
(`Plain`), those of TLS 1.0 to 1.2 (`legacy_protections`), or those of a traffic secret of TLS 1.3
(`Traffic`). The secrets come from a handshake (`key_schedule.py`) or from a file in the format of
SSLKEYLOGFILE (`key_log`). `Epochs` opens the records of a sender whose changes of keys are not
known in advance.

The module knows no model and no sockets. All that a peer chooses is bounded.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers import algorithms as old
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from checker.conformance.key_schedule import (
    MASTER,
    SECRETS,
    TLS10,
    TLS12,
    Suite,
    expand_label,
    prf,
    xor,
)
from checker.conformance.wire import HANDSHAKE as HANDSHAKES

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
"""The content types of records (RFC 8446 B.1)."""

CONTENT = {
    CHANGE_CIPHER_SPEC: "ChangeCipherSpec",
    ALERT: "Alert",
    HANDSHAKE: "Handshake",
    APPLICATION_DATA: "ApplicationData",
}

PLAINTEXT = 2**14
"""The most bytes of content in a record (RFC 8446 5.1)."""
CIPHERTEXT = PLAINTEXT + 2048
"""The most bytes in a protected record (RFC 5246 6.2.3)."""
MESSAGE = 2**18
"""The most bytes in a handshake message here: more than any chain of certificates in use."""


class RecordError(ValueError):
    """Bytes are no records of TLS; the message says where, what was expected and got."""


class ProtectionError(RecordError):
    """A record does not open under these keys."""


# -- records ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Record:
    """A record: its content type, its version, and its fragment, protected or not."""

    kind: int
    version: int
    body: bytes

    @property
    def header(self) -> bytes:
        """The five bytes before the fragment."""
        return _header(self.kind, self.version, len(self.body))

    @property
    def raw(self) -> bytes:
        """The record as it stands on the wire."""
        return self.header + self.body


def _header(kind: int, version: int, size: int) -> bytes:
    return bytes([kind]) + version.to_bytes(2, "big") + size.to_bytes(2, "big")


class Stream:
    """The bytes of one sender, split into records; what is left of a record waits for more."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0  # the offset in the whole stream, for messages

    @property
    def pending(self) -> int:
        """The bytes of an unfinished record."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Record]:
        """The records that `data` completes; RecordError if the stream is no TLS.

        A record is at most 18,437 bytes, so this is the most that waits, beside `data` itself.
        """
        self._buffer += data
        while len(self._buffer) >= 5:
            kind = self._buffer[0]
            version, size = (int.from_bytes(self._buffer[i : i + 2], "big") for i in (1, 3))
            if kind not in CONTENT or version >> 8 != 3:
                raise RecordError(
                    f"byte {self._at}: expected a record of TLS (content type 20 to 23, version "
                    f"3.x), got {bytes(self._buffer[:5]).hex(' ')}"
                )
            if size > CIPHERTEXT:
                raise RecordError(
                    f"byte {self._at}: expected a record of at most {CIPHERTEXT} bytes, got the "
                    f"length {size}"
                )
            if len(self._buffer) < 5 + size:
                return
            body = bytes(self._buffer[5 : 5 + size])
            del self._buffer[: 5 + size]
            self._at += 5 + size
            yield Record(kind, version, body)


class Messages:
    """The content of a sender's handshake records, split into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """The bytes of an unfinished message."""
        return len(self._buffer)

    def feed(self, content: bytes) -> Iterator[bytes]:
        """The messages that `content` completes, each with its header of four bytes."""
        self._buffer += content
        while len(self._buffer) >= 4:
            size = 4 + int.from_bytes(self._buffer[1:4], "big")
            if size > MESSAGE:
                raise RecordError(
                    f"handshake type {self._buffer[0]}: expected a message of at most {MESSAGE} "
                    f"bytes, got the length {size - 4}"
                )
            if len(self._buffer) < size:
                return
            message = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield message


def message(kind: int, body: bytes) -> bytes:
    """A handshake message: its header and its body."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _cipher(s: Suite, key: bytes, iv: bytes) -> Any:
    kinds: Mapping[str, Any] = {
        "AES": algorithms.AES,
        "3DES": old.TripleDES,
        "CAMELLIA": old.Camellia,
        "RC4": old.ARC4,
    }
    return Cipher(kinds[s.cipher](key), modes.CBC(iv) if s.mode == "CBC" else None)


def _aead(s: Suite, key: bytes) -> Any:
    if s.mode == "GCM":
        return AESGCM(key)
    if s.mode == "POLY1305":
        return ChaCha20Poly1305(key)
    return AESCCM(key, 8 if s.mode == "CCM_8" else 16)


# -- protection ------------------------------------------------------------------------------------
class Protection(Protocol):
    """The protection of the records of one sender under one set of keys, in their order."""

    def seal(self, kind: int, content: bytes, version: int) -> bytes:
        """The record of at most 2^14 bytes of content, as it stands on the wire."""

    def open(self, record: Record) -> tuple[int, bytes]:
        """The content type and the content; ProtectionError if the record does not open.

        A record that does not open leaves the protection as it was.
        """


class Plain:
    """No protection."""

    def seal(self, kind: int, content: bytes, version: int) -> bytes:
        """The record."""
        return Record(kind, version, content).raw

    def open(self, record: Record) -> tuple[int, bytes]:
        """The content type and the content."""
        return record.kind, record.body


def _number(sequence: int) -> bytes:
    return sequence.to_bytes(8, "big")


@dataclass
class Traffic:
    """The protection by a traffic secret of TLS 1.3 (RFC 8446 5.2, 7.3)."""

    suite: Suite
    secret: bytes
    sequence: int = 0

    def __post_init__(self) -> None:
        h = self.suite.hash
        self.iv = expand_label(h, self.secret, "iv", b"", 12)
        self._aead = _aead(self.suite, expand_label(h, self.secret, "key", b"", self.suite.key))

    def _nonce(self) -> bytes:
        return xor(self.iv, bytes(4) + _number(self.sequence))

    def seal(self, kind: int, content: bytes, version: int = TLS12) -> bytes:
        """The record, whose content type is inside."""
        tag = 8 if self.suite.mode == "CCM_8" else 16
        header = _header(APPLICATION_DATA, TLS12, len(content) + 1 + tag)
        out = header + self._aead.encrypt(self._nonce(), content + bytes([kind]), header)
        self.sequence += 1
        return bytes(out)

    def open(self, record: Record) -> tuple[int, bytes]:
        """The inner content type and the content without padding."""
        if record.kind != APPLICATION_DATA:
            raise ProtectionError(
                f"expected a protected record, got {CONTENT[record.kind]} in the clear"
            )
        inner = _open(self._aead, self._nonce(), record.body, record.header).rstrip(b"\0")
        if not inner:
            raise ProtectionError("expected a content type, got padding alone")
        self.sequence += 1
        return inner[-1], inner[:-1]

    def updated(self) -> Traffic:
        """The protection after a KeyUpdate."""
        size = len(self.secret)
        return Traffic(
            self.suite, expand_label(self.suite.hash, self.secret, "traffic upd", b"", size)
        )


def _open(aead: Any, nonce: bytes, body: bytes, extra: bytes) -> bytes:
    try:
        return bytes(aead.decrypt(nonce, body, extra))
    except (InvalidTag, ValueError) as e:
        raise ProtectionError("the record does not open under these keys") from e


@dataclass
class Aead12:
    """The AEAD protection of TLS 1.2 (RFC 5246 6.2.3.3, RFC 5288, 6655, 7905)."""

    suite: Suite
    key: bytes
    iv: bytes
    sequence: int = 0

    def __post_init__(self) -> None:
        self._aead = _aead(self.suite, self.key)
        self._tag = 8 if self.suite.mode == "CCM_8" else 16

    def seal(self, kind: int, content: bytes, version: int) -> bytes:
        """The record."""
        number = _number(self.sequence)
        chacha = self.suite.mode == "POLY1305"
        nonce = xor(self.iv, bytes(4) + number) if chacha else self.iv + number
        extra = number + _header(kind, version, len(content))
        body = self._aead.encrypt(nonce, content, extra)
        self.sequence += 1
        return Record(kind, version, body if chacha else number + body).raw

    def open(self, record: Record) -> tuple[int, bytes]:
        """The content type and the content."""
        number, body = _number(self.sequence), record.body
        if self.suite.mode == "POLY1305":
            nonce = xor(self.iv, bytes(4) + number)
        else:
            nonce, body = self.iv + body[:8], body[8:]
        size = len(body) - self._tag
        if size < 0 or len(nonce) != 12:
            raise ProtectionError(f"expected a nonce and a tag, got {len(record.body)} bytes")
        extra = number + _header(record.kind, record.version, size)
        content = _open(self._aead, nonce, body, extra)
        self.sequence += 1
        return record.kind, content


@dataclass
class Macced:
    """The protection by a MAC and a block, stream or null cipher (RFC 2246, 4346, 5246 6.2.3).

    `etm`: the MAC is over the ciphertext (RFC 7366).
    """

    suite: Suite
    version: int
    mac: bytes
    key: bytes
    iv: bytes  # in TLS 1.0 the last block; later each record has its own
    etm: bool = False
    sequence: int = 0
    _stream: Any = field(default=None, init=False, repr=False)
    _used: int = field(default=0, init=False)  # the bytes that the stream cipher has opened

    def _mac(self, kind: int, version: int, data: bytes) -> bytes:
        covered = _number(self.sequence) + _header(kind, version, len(data)) + data
        return hmac.digest(self.mac, covered, self.suite.mac)

    def seal(self, kind: int, content: bytes, version: int) -> bytes:
        """The record."""
        if self.suite.mode != "CBC":
            body = self._run(content + self._mac(kind, version, content))
        else:
            tag = b"" if self.etm else self._mac(kind, version, content)
            size = self.suite.block
            short = size - 1 - (len(content) + len(tag)) % size
            padded = content + tag + bytes([short] * (short + 1))
            iv = self.iv if self.version == TLS10 else os.urandom(size)
            box = _cipher(self.suite, self.key, iv).encryptor()
            body = box.update(padded) + box.finalize()
            if self.version == TLS10:
                self.iv = body[-size:]
            else:
                body = iv + body
            if self.etm:
                body += self._mac(kind, version, body)
        self.sequence += 1
        return Record(kind, version, body).raw

    def _run(self, data: bytes) -> bytes:
        """`data` under the stream cipher, whose state moves on."""
        if self.suite.cipher == "NULL":
            return data
        if self._stream is None:
            self._stream = _cipher(self.suite, self.key, b"").encryptor()
            self._stream.update(bytes(self._used))
        return bytes(self._stream.update(data))

    def open(self, record: Record) -> tuple[int, bytes]:
        """The content type and the content."""
        if self.suite.mode == "CBC":
            content = self._open_blocks(record)
        else:
            try:
                content = self._checked(record, self._run(record.body))
            except ProtectionError:
                self._stream = None  # made again where it was
                raise
            self._used += len(record.body)
        self.sequence += 1
        return record.kind, content

    def _open_blocks(self, record: Record) -> bytes:
        size, body = self.suite.block, record.body
        digest = hashlib.new(self.suite.mac).digest_size
        if self.etm:
            body, tag = body[:-digest], body[-digest:]
            if not hmac.compare_digest(self._mac(record.kind, record.version, body), tag):
                raise ProtectionError("the MAC of the record is not right")
        iv = self.iv
        if self.version != TLS10:
            iv, body = body[:size], body[size:]
        if len(iv) != size or not body or len(body) % size:
            raise ProtectionError(f"expected whole blocks of {size} bytes, got {len(record.body)}")
        box = _cipher(self.suite, self.key, iv).decryptor()
        plain = box.update(body) + box.finalize()
        short = plain[-1] + 1
        if short > len(plain) or plain[-short:] != bytes([plain[-1]] * short):
            raise ProtectionError("the padding of the record is not right")
        plain = plain[:-short]
        content = plain if self.etm else self._checked(record, plain)
        if self.version == TLS10:
            self.iv = body[-size:]
        return content

    def _checked(self, record: Record, plain: bytes) -> bytes:
        digest = hashlib.new(self.suite.mac).digest_size
        content, tag = plain[:-digest], plain[-digest:]
        right = self._mac(record.kind, record.version, content)
        if len(plain) < digest or not hmac.compare_digest(right, tag):
            raise ProtectionError("the MAC of the record is not right")
        return content


class Epochs:
    """The records of one sender, opened under whichever of its known keys fits.

    Keys are added as they become known. A record is tried under the present keys, then under later
    ones, under earlier ones, under the update of the last traffic secret of TLS 1.3, and last as
    one in the clear: so the changes of keys need not be told.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self.known: list[Protection] = [Plain()]
        self.at = 0  # the keys of the last record that opened
        self.whole = whole  # whether all keys of the sender become known

    def add(self, protection: Protection) -> None:
        """Add the sender's next keys."""
        self.known.append(protection)

    def change(self) -> None:
        """Take the last keys for the present ones: the sender said that it changes keys."""
        self.at = len(self.known) - 1

    def open(self, record: Record) -> tuple[int, bytes, int]:
        """The content type, the content and the number of the keys (0: in the clear)."""
        later, earlier = range(self.at + 1, len(self.known)), range(self.at - 1, 0, -1)
        for n in (*([self.at] if self.at else []), *later, *earlier):
            try:
                kind, content = self.known[n].open(record)
            except ProtectionError:
                continue
            self.at = n
            return kind, content, n
        if self._clear(record):
            return record.kind, record.body, 0
        last = self.known[-1]
        if isinstance(last, Traffic):
            after = last.updated()
            kind, content = after.open(record)
            self.known.append(after)
            self.at = len(self.known) - 1
            return kind, content, self.at
        raise ProtectionError("the record opens under none of the known keys")

    def _clear(self, record: Record) -> bool:
        """Whether a record can be one in the clear: its content has the form of its type."""
        body = record.body
        if self.whole and len(self.known) == 1:
            return True
        if record.kind == APPLICATION_DATA:
            return False
        if record.kind == CHANGE_CIPHER_SPEC:
            return len(body) == 1
        if record.kind == ALERT:
            return len(body) == 2 and body[0] in (1, 2)
        whole = len(body) >= 4 and int.from_bytes(body[1:4], "big") == len(body) - 4
        return self.at == 0 or (whole and body[0] in HANDSHAKES)


def legacy_protections(
    version: int,
    s: Suite,
    master: bytes,
    client_random: bytes,
    server_random: bytes,
    *,
    etm: bool = False,
) -> dict[str, Protection]:
    """The protection of each end, client and server, after its ChangeCipherSpec (RFC 5246 6.3)."""
    if s.mac:
        mac = hashlib.new(s.mac).digest_size
        iv = s.block if s.mode == "CBC" and version == TLS10 else 0
    else:
        mac, iv = 0, 12 if s.mode == "POLY1305" else 4
    size = 2 * (mac + s.key + iv)
    block = prf(version, s.hash, master, "key expansion", server_random + client_random, size)
    parts = []
    for n in (mac, mac, s.key, s.key, iv, iv):
        parts.append(block[:n])
        block = block[n:]
    out: dict[str, Protection] = {}
    for i, end in enumerate(("client", "server")):
        mac_key, key, fixed = parts[i], parts[2 + i], parts[4 + i]
        if s.mac:
            out[end] = Macced(s, version, mac_key, key, fixed, etm and s.mode == "CBC")
        else:
            out[end] = Aead12(s, key, fixed)
    return out


# -- key logs --------------------------------------------------------------------------------------


def key_log(lines: Iterable[str], limit: int = 100_000) -> dict[bytes, dict[str, bytes]]:
    """The secrets of a file in the format of SSLKEYLOGFILE, by client random and by label.

    Comments and labels that are not known are skipped; RecordError for a line of another form or
    for more than `limit` lines.
    """
    out: dict[bytes, dict[str, bytes]] = {}
    for n, line in enumerate(lines, 1):
        if n > limit:
            raise RecordError(f"line {n}: expected at most {limit} lines of secrets")
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] != MASTER and words[0] not in SECRETS:
            continue
        try:
            _, random, secret = words
            out.setdefault(bytes.fromhex(random), {})[words[0]] = bytes.fromhex(secret)
        except ValueError:
            raise RecordError(
                f"line {n}: expected a label, a client random and a secret in hex "
                f"(NSS Key Log Format), got {line.strip()[:80]!r}"
            ) from None
    return out


def key_log_line(label: str, client_random: bytes, secret: bytes) -> str:
    """A line of a key log."""
    return f"{label} {client_random.hex()} {secret.hex()}"
