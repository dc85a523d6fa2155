"""Any message of the model at any time, as bytes: one end of a handshake that is out of order.

A `Mapper` plays the peer of the stack under test. It refuses no message: where a secret, a share
or a random is missing it uses zeros or its own value, and a message goes out under the present
write keys. What the stack answers only sets the secrets; nothing of it is verified.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519

from checker.conformance import key_schedule as ks
from checker.conformance import records as rec
from checker.conformance import wire
from checker.conformance.connection import Connection, Event
from checker.conformance.credentials import Credentials
from checker.conformance.honest import Configuration, Probe
from checker.conformance.learned import Symbol

NUMBERS = {name: number for number, name in wire.VERSIONS.items()}
KINDS = {name: kind for kind, name in wire.HANDSHAKE.items()} | {
    "HelloRetryRequest": 2,
    "SecondClientHello": 1,
}

X25519, X448, P256 = 0x001D, 0x001E, 0x0017
_ECDSA_SHA256, _RSA_PSS_SHA256, _RSA_PKCS1_SHA256 = 0x0403, 0x0804, 0x0401
_RSA_PKCS1_SHA1, _RSA_PKCS1_MD5, _ECDSA_MD5 = 0x0201, 0x0101, 0x0103
SIGNATURES = (_ECDSA_SHA256, _RSA_PSS_SHA256, _RSA_PKCS1_SHA256, 0x0503, 0x0805, 0x0806, 0x0501,
              0x0601, 0x0203, 0x0201)  # fmt: skip
SUITES: Mapping[str, tuple[int, ...]] = {
    "ECDHE": (0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC009, 0xC013, 0xC00A, 0xC014),
    "DHE": (0x009E, 0x009F, 0xCCAA, 0x0033, 0x0039, 0x0067),
    "RSA": (0x009C, 0x009D, 0x002F, 0x0035, 0x003C),
    "AEAD": (0x1301, 0x1302, 0x1303),
}
"""The suites offered for each of the model's, the preferred first."""
ADDED, LEFT_OUT, RESTARTED = "added", "left out", "restarted"
"""What an illegal message does to the transcript of a stack that takes it."""
MESSAGE_HASH = 254
AFTER = ("NewSessionTicket", "KeyUpdate")
"""The messages of TLS 1.3 that are in no transcript (RFC 8446 4.4.1), even before Finished."""
NOBODYS_SUITE = 0x0003  # TLS_RSA_EXPORT_WITH_RC4_40_MD5, which no stack of today takes
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""The data sent: what an echo server returns, and a web server answers."""


def u16(*numbers: int) -> bytes:
    """Two-byte numbers."""
    return b"".join(n.to_bytes(2, "big") for n in numbers)


def vector(size: int, data: bytes) -> bytes:
    """Data after its length in `size` bytes."""
    return len(data).to_bytes(size, "big") + data


def extension(kind: int, data: bytes) -> bytes:
    """An extension of a hello."""
    return u16(kind) + vector(2, data)


def _public(key: Any) -> bytes:
    if isinstance(key, x25519.X25519PrivateKey):
        return key.public_key().public_bytes_raw()
    return bytes(
        key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
    )


@dataclass
class Share:
    """A Diffie-Hellman share of the stack: a curve and a point, or a prime and a value."""

    group: int = 0
    public: bytes = b""
    prime: int = 0
    generator: int = 0


@dataclass(frozen=True)
class Ticket:
    """What resumes a connection of TLS 1.3: a server's ticket, and the key that belongs to it."""

    identity: bytes
    key: bytes
    suite: ks.Suite
    age_add: int


def agree(key: Any, share: Share, *, degenerate: bool = False) -> bytes:
    """The shared secret of an own key and a share; zeros if one of the shares is none."""
    if degenerate:
        return bytes(32)
    try:
        if isinstance(key, x25519.X25519PrivateKey):
            return key.exchange(x25519.X25519PublicKey.from_public_bytes(share.public))
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), share.public)
        return bytes(key.exchange(ec.ECDH(), point))
    except ValueError:
        return bytes(32)


class Mapper:
    """The peer of a stack on one connection; its role is the other one than the stack's."""

    def __init__(
        self,
        connection: Connection,
        config: Configuration,
        credentials: Credentials,
        ticket: Ticket | None = None,
    ) -> None:
        self.ticket = ticket  # of an earlier connection
        self.tickets: list[tuple[int, bytes, bytes]] = []  # age_add, nonce, identity
        self.connection, self.config, self.credentials = connection, config, credentials
        self.version = NUMBERS[config.version]
        self.modern = config.version == "TLS13"
        self.end = "client" if config.role == "server" else "server"
        self.curve = x25519.X25519PrivateKey.generate()
        self.point = ec.generate_private_key(ec.SECP256R1())
        self.answered = self.end == "server"
        self.reset()

    def reset(self) -> None:
        """Forget the handshake: as at a hello that starts the transcript again."""
        self.transcript = b""
        self.randoms = {"client": bytes(32), "server": bytes(32)}
        self.randoms[self.end] = os.urandom(32)
        self.session = os.urandom(32) if self.modern and self.end == "client" else b""
        self.suite = self._first_suite()
        self.share = Share()
        self.degenerate = False  # the own share
        self.server_key: Any = None
        self.premaster = b""
        self.master = b""
        self.schedule: ks.Schedule | None = None
        self.psk = b""  # the pre-shared key that the server selected
        self.group, self.cookie = 0, b""  # what a HelloRetryRequest asks for
        self.resumption = b""  # the secret of which the keys of tickets are made
        self.context = b""  # of a CertificateRequest
        self.client_key_exchange = False

    def _first_suite(self) -> ks.Suite:
        found = ks.suite(SUITES[self.offered[0]][0])
        assert found is not None
        return found

    @property
    def offered(self) -> tuple[str, ...]:
        """The model's suites that are offered or taken, the preferred first."""
        if self.modern:
            return ("AEAD",)
        return tuple(s for s in reversed(self.config.suites) if s in SUITES) or ("ECDHE",)

    # -- receiving -------------------------------------------------------------------------------
    def receive(self, until: float) -> Event | None:
        """The stack's next event, its secrets taken over."""
        event = self.connection.get(until)
        self.answered |= event is not None
        if event is not None and event.name == "ChangeCipherSpec" and not self.modern:
            self._expect()
            self.connection.epochs.change()
        if event is not None and event.raw:
            try:
                return self._learn(event)
            except (ValueError, IndexError):
                self.transcript += event.raw  # unreadable: the secrets stay zeros
        return event

    def _learn(self, event: Event) -> Event:
        take: Callable[[bytes], None] | None = {
            "ClientHello": self._client_hello,
            "ServerHello": self._server_hello,
            "HelloRetryRequest": self._hello_retry_request,
            "ServerKeyExchange": self._server_key_exchange,
            "ClientKeyExchange": self._client_key_exchange,
            "Certificate": self._certificate,
            "CertificateRequest": self._certificate_request,
        }.get(event.name)
        if event.name in ("HelloRequest", *AFTER * self.modern):
            if event.name == "NewSessionTicket":
                self._new_session_ticket(event.body)
            return event
        before = self.transcript
        if event.name == "HelloRetryRequest":
            self._restart(wire.server_hello(event.body).suite)
        self.transcript += event.raw
        if take is not None:
            try:
                take(event.body)
            except (ValueError, IndexError):
                self.transcript = before
                raise
        if event.name == "Finished" and self.modern:
            self._finished(self.end == "client")
            if self.end == "server":
                self._ends_handshake()
        return event

    def _client_hello(self, body: bytes) -> None:
        hello = wire.client_hello(body)
        self.randoms["client"], self.session = hello.random, hello.session_id
        offered = wire.pairs(hello.suites)
        mine = [n for s in self.offered for n in SUITES[s] if n in offered]
        ours = [n for n in mine if wire.SUITES[n][0] != "ECDHE_ECDSA"]  # the certificate is RSA
        if ours:
            self.suite = ks.suite(ours[0]) or self.suite
        if wire.KEY_SHARE in hello.extensions:
            r = wire.Reader("key_share", hello.extensions[wire.KEY_SHARE])
            r = wire.Reader("key_share", r.vector(2))
            while r.more():
                group, public = r.number(2), r.vector(2)
                if group in (X25519, P256) and not self.share.public:
                    self.share = Share(group, public)
        elif P256 in hello.supported and X25519 not in hello.supported:
            self.share = Share(P256)

    def _restart(self, suite: int) -> None:
        """Put the hash of the first hello in its place, as a retry does (RFC 8446 4.4.1)."""
        self.suite = ks.suite(suite) or self.suite
        first = hashlib.new(self.suite.hash, self.transcript).digest()
        self.transcript = rec.message(MESSAGE_HASH, first)

    def _hello_retry_request(self, body: bytes) -> None:
        extensions = wire.server_hello(body).extensions
        if wire.KEY_SHARE in extensions:
            self.group = wire.Reader("key_share", extensions[wire.KEY_SHARE]).number(2)
        self.cookie = extensions.get(wire.COOKIE, b"")

    def _new_session_ticket(self, body: bytes) -> None:
        r = wire.Reader("NewSessionTicket", body)
        r.number(4)
        self.tickets.append((r.number(4), r.vector(1), r.vector(2)))

    @property
    def resumable(self) -> Ticket | None:
        """The first ticket of the connection; None if there was none."""
        if not self.tickets:
            return None
        age_add, nonce, identity = self.tickets[0]
        key = ks.ticket_psk(self.suite, self.resumption, nonce)
        return Ticket(identity, key, self.suite, age_add)

    def _server_hello(self, body: bytes) -> None:
        hello = wire.server_hello(body)
        if self.ticket is not None and wire.PRE_SHARED_KEY in hello.extensions:
            self.psk = self.ticket.key
        self.randoms["server"], self.session = hello.random, hello.session_id
        self.suite = ks.suite(hello.suite) or self.suite
        if wire.KEY_SHARE in hello.extensions:
            r = wire.Reader("key_share", hello.extensions[wire.KEY_SHARE])
            self.share = Share(r.number(2), r.vector(2))
        if self.modern:
            self._handshake_keys()

    def _server_key_exchange(self, body: bytes) -> None:
        r = wire.Reader("ServerKeyExchange", body)
        if self.suite.exchange.startswith("ECDHE"):
            r.number(1)
            self.share = Share(r.number(2), r.vector(1))
        else:
            prime, generator = (int.from_bytes(r.vector(2), "big") for _ in range(2))
            self.share = Share(0, r.vector(2), prime, generator)

    def _certificate(self, body: bytes) -> None:
        if not self.modern and self.end == "client":
            from cryptography import x509

            chain = wire.Reader("Certificate", wire.Reader("Certificate", body).vector(3))
            self.server_key = x509.load_der_x509_certificate(chain.vector(3)).public_key()

    def _certificate_request(self, body: bytes) -> None:
        if self.modern:
            self.context = wire.Reader("CertificateRequest", body).vector(1)

    def _client_key_exchange(self, body: bytes) -> None:
        r = wire.Reader("ClientKeyExchange", body)
        if self.suite.exchange.startswith("ECDHE"):
            self.share.public = r.vector(1)
            self.premaster = agree(self._key(), self.share, degenerate=self.degenerate)
        elif self.suite.exchange == "RSA":
            key = self.credentials.server.key
            try:
                self.premaster = key.decrypt(r.vector(2), padding.PKCS1v15())
            except ValueError:
                self.premaster = bytes(48)
        self._agreed()

    # -- secrets ---------------------------------------------------------------------------------
    def _key(self) -> Any:
        """The own key of the group in use."""
        return self.point if self.share.group == P256 else self.curve

    def _public(self, key: Any, altered: Mapping[str, Any]) -> bytes:
        """The own share: the public value of a key, or zeros."""
        self.degenerate = bool(altered.get("degenerate"))
        public = _public(key)
        return bytes(len(public)) if self.degenerate else public

    def _handshake_keys(self) -> None:
        """The handshake keys of TLS 1.3, after ServerHello."""
        shared = agree(self._key(), self.share, degenerate=self.degenerate)
        self.schedule = ks.Schedule(self.suite, psk=self.psk, shared=shared)
        other = "SERVER" if self.end == "client" else "CLIENT"
        self.connection.epochs.add(self._traffic(f"{other}_HANDSHAKE_TRAFFIC_SECRET"))
        self.connection.write = self._traffic(f"{self.end.upper()}_HANDSHAKE_TRAFFIC_SECRET")

    def _traffic(self, label: str) -> rec.Traffic:
        """The protection by a traffic secret over the transcript so far."""
        schedule = self.schedule or ks.Schedule(self.suite)
        found = rec.Traffic(schedule.suite, schedule.secret(label, self.transcript))
        self._secrets[label] = found
        return found

    @property
    def _secrets(self) -> dict[str, rec.Traffic]:
        if not hasattr(self, "_known"):
            self._known: dict[str, rec.Traffic] = {}
        return self._known

    def _finished(self, server: bool) -> None:
        """Change keys at a Finished of TLS 1.3 that was sent or received; `server`: the server's.

        The application secrets are over the messages up to the server's Finished.
        """
        reads = "SERVER" if self.end == "client" else "CLIENT"
        if server:
            for end in ("CLIENT", "SERVER"):
                self._traffic(f"{end}_TRAFFIC_SECRET_0")
            self.connection.epochs.add(self._secrets[f"{reads}_TRAFFIC_SECRET_0"])

    def _ends_handshake(self) -> None:
        """Keep the secret of tickets, which is over the messages up to the client's Finished."""
        schedule = self.schedule or ks.Schedule(self.suite)
        self.resumption = schedule.secret("RESUMPTION_SECRET", self.transcript)

    def _agreed(self) -> None:
        """The master secret, after ClientKeyExchange."""
        self.client_key_exchange = True
        seed = self.randoms["client"] + self.randoms["server"]
        self.master = ks.master_secret(self.version, self.suite, self.premaster, seed)
        if self._changed:
            self._expect()

    _changed = False  # whether a ChangeCipherSpec was sent

    def _protections(self) -> dict[str, rec.Protection]:
        return rec.legacy_protections(
            self.version,
            self.suite,
            self.master or bytes(48),
            self.randoms["client"],
            self.randoms["server"],
        )

    def _expect(self) -> None:
        """Be ready for the stack's records under the session keys."""
        other = "server" if self.end == "client" else "client"
        self.connection.epochs.add(self._protections()[other])

    # -- sending ---------------------------------------------------------------------------------
    def send(self, symbol: Symbol, *, counts: bool = True, transcript: str = ADDED) -> None:
        """Send a message; `counts`: it takes effect here; `transcript`: what it does to that."""
        name = str(symbol.message)
        altered = dict(symbol.altered) if isinstance(symbol, Probe) else {}
        under = symbol.under if isinstance(symbol, Probe) else ""
        protection: rec.Protection | None = None
        compatible = name == "ChangeCipherSpec" and self.modern and under != "sealed"
        if under == "clear" or compatible:
            protection = rec.Plain()
        if name == "UndecryptableRecord" or under == "wrong":
            self._garbage()
        elif name == "ChangeCipherSpec":
            value = b"\x02" if altered.get("value") == "other" else b"\x01"
            self.connection.put(rec.CHANGE_CIPHER_SPEC, value, self._record, protection)
            if counts and not self.modern:
                self._change()
        elif name == "ApplicationData":
            data = b"" if symbol.empty else REQUEST
            self.connection.put(rec.APPLICATION_DATA, data, self._record, protection)
        elif name in ("Alert", "CloseNotify", "NoCertificate"):
            self.connection.put(rec.ALERT, _alert(symbol), self._record, protection)
        elif name == "TransportClose":
            self.connection.close()
        else:
            if transcript == RESTARTED:
                self.reset()
            raw = rec.message(KINDS[name], self._body(name, symbol, altered))
            self.connection.put(rec.HANDSHAKE, raw, self._record, protection)
            if transcript != LEFT_OUT and name != "HelloRequest":
                if name == "HelloRetryRequest" and counts:
                    self._restart(self.suite.number)
                    self.share = Share()
                self.transcript += raw
            if counts:
                self._sent(name)

    @property
    def _record(self) -> int:
        """The version of records: the lowest until a peer answers (RFC 5246 E.1)."""
        return ks.TLS10 if not self.answered else min(self.version, ks.TLS12)

    def _garbage(self) -> None:
        """Send a record that opens under no keys."""
        kind = rec.APPLICATION_DATA if self.modern else rec.HANDSHAKE
        record = rec.Record(kind, min(self.version, ks.TLS12), os.urandom(64))
        self.connection.put_raw(record.raw)

    def _change(self) -> None:
        """Write under the session keys from here on."""
        self._changed = True
        self._expect()
        self.connection.write = self._protections()[self.end]

    def _sent(self, name: str) -> None:
        """The effects of a message that was sent on the own keys."""
        if name == "ClientKeyExchange":
            self._agreed()
        elif name == "ServerHello" and self.modern:
            self._handshake_keys()
        elif name == "Finished" and self.modern:
            self._finished(self.end == "server")
            label = f"{self.end.upper()}_TRAFFIC_SECRET_0"
            self.connection.write = self._secrets.get(label) or self._traffic(label)
            if self.end == "client":
                self._ends_handshake()
        elif name == "KeyUpdate" and isinstance(self.connection.write, rec.Traffic):
            self.connection.write = self.connection.write.updated()

    def _body(self, name: str, symbol: Symbol, altered: Mapping[str, Any]) -> bytes:
        """The body of a handshake message."""
        build: Callable[[Symbol, Mapping[str, Any]], bytes] = getattr(self, f"_make_{name}")
        return build(symbol, altered)

    def _make_ClientHello(self, symbol: Symbol, altered: Mapping[str, Any]) -> bytes:  # noqa: N802
        retries = "retry" in self.config.extensions
        shares = {} if retries else {X25519: self._public(self.curve, altered)}
        return self._hello(symbol, altered, shares)

    def _make_SecondClientHello(  # noqa: N802
        self, symbol: Symbol, altered: Mapping[str, Any]
    ) -> bytes:
        self.share.group = self.group or X25519
        shares = {self.share.group: self._public(self._key(), altered)}
        return self._hello(symbol, altered, {} if altered.get("shares") == "empty" else shares)

    def _hello(
        self, symbol: Symbol, altered: Mapping[str, Any], shares: Mapping[int, bytes]
    ) -> bytes:
        """The body of a ClientHello with shares by group."""
        version = NUMBERS.get(str(altered.get("version", "")), self.version)
        modern = version == ks.TLS13
        suites = [n for s in self.offered for n in SUITES[s]]
        if symbol.suite in SUITES:
            suites = list(SUITES[symbol.suite])
        if any(f.startswith("offers_") for f in altered):
            suites = [NOBODYS_SUITE]
        elif self.ticket is not None:
            suites = [self.ticket.suite.number]  # its hash is that of the key
        extensions = extension(10, vector(2, u16(X25519, P256)))
        extensions += extension(11, vector(1, b"\0")) + extension(0xFF01, b"\0")
        if version >= ks.TLS12:
            extensions += _schemes(altered)
        if modern:
            extensions += extension(wire.SUPPORTED_VERSIONS, vector(1, u16(version)))
            if altered.get("psk_dhe_ke") is not False:
                extensions += extension(wire.PSK_MODES, vector(1, b"\x01"))
            if altered.get("shares") != "none":
                listed = b"".join(u16(g) + vector(2, public) for g, public in shares.items())
                extensions += extension(wire.KEY_SHARE, vector(2, listed))
            if self.cookie:
                extensions += extension(wire.COOKIE, self.cookie)
        methods = b"\x01\x00" if altered.get("deflate") else b"\0"
        start = u16(min(version, ks.TLS12)) + self.randoms["client"] + vector(1, self.session)
        start += vector(2, u16(*suites)) + vector(1, methods)
        if self.ticket is None or not modern:
            return start + vector(2, extensions)
        return self._bound(start, extensions, self.ticket, junk="binder" in altered)

    def _bound(self, start: bytes, extensions: bytes, ticket: Ticket, *, junk: bool) -> bytes:
        """A hello that offers a ticket's key, with the binder at its end (RFC 8446 4.2.11.2)."""
        size = hashlib.new(ticket.suite.hash).digest_size
        identities = vector(2, ticket.identity) + ticket.age_add.to_bytes(4, "big")

        def whole(binder: bytes) -> bytes:
            offer = vector(2, identities) + vector(2, vector(1, binder))
            return start + vector(2, extensions + extension(wire.PRE_SHARED_KEY, offer))

        part = rec.message(KINDS["ClientHello"], whole(bytes(size)))[: -size - 3]
        key = ks.Schedule(ticket.suite, psk=ticket.key).binder_key()
        binder = ks.finished13(ticket.suite, key, part)
        return whole(bytes(size) if junk else binder)

    def _make_ServerHello(self, symbol: Symbol, altered: Mapping[str, Any]) -> bytes:  # noqa: N802
        number = self.suite.number
        if altered.get("suite"):
            number = NOBODYS_SUITE
        version = NUMBERS.get(str(altered.get("version", "")), self.version)
        extensions = b""
        if self.modern:
            extensions = extension(wire.SUPPORTED_VERSIONS, u16(version))
            if altered.get("key_share") != "none":
                group = self.share.group or X25519
                share = u16(group) + vector(2, self._public(self._key(), altered))
                extensions += extension(wire.KEY_SHARE, share)
            if self.psk:
                extensions += extension(wire.PRE_SHARED_KEY, u16(0))
        elif self.end == "server":
            extensions = extension(0xFF01, b"\0")
        session = self.session if self.modern else b""
        if "session_id" in altered:
            session = os.urandom(32)
        random = self.randoms["server"]
        return (
            u16(min(version, ks.TLS12))
            + random
            + vector(1, session)
            + u16(number)
            + (b"\x01" if altered.get("compression") == "deflate" else b"\0")
            + (vector(2, extensions) if extensions else b"")
        )

    def _make_HelloRetryRequest(  # noqa: N802
        self, symbol: Symbol, altered: Mapping[str, Any]
    ) -> bytes:
        group = {"x25519": X25519, "x448": X448}.get(str(altered.get("group")), P256)
        extensions = extension(wire.SUPPORTED_VERSIONS, u16(ks.TLS13))
        extensions += extension(wire.KEY_SHARE, u16(group))
        number = self.suite.number if self.modern else SUITES["AEAD"][0]
        return (
            u16(ks.TLS12)
            + wire.RETRY_RANDOM
            + vector(1, self.session)
            + u16(number)
            + b"\0"
            + vector(2, extensions)
        )

    def _make_EncryptedExtensions(self, *_: Any) -> bytes:  # noqa: N802
        return vector(2, b"")

    def _make_Certificate(self, symbol: Symbol, altered: Mapping[str, Any]) -> bytes:  # noqa: N802
        which = str(altered.get("certificate", "honest"))
        known = self.credentials.servers if self.end == "server" else self.credentials.client
        chain: list[bytes] = []
        if not symbol.empty and which != "empty":
            chain = [known.get(which, known["honest"]).certificate]
        if not self.modern:
            return vector(3, b"".join(vector(3, c) for c in chain))
        context = self.context if self.end == "client" else b""
        return vector(1, context) + vector(3, b"".join(vector(3, c) + u16(0) for c in chain))

    def _make_ServerKeyExchange(  # noqa: N802
        self, symbol: Symbol, altered: Mapping[str, Any]
    ) -> bytes:
        group = P256 if self.share.group == P256 else X25519
        self.share.group = group if self.end == "server" else self.share.group
        params = b"\x03" + u16(group) + vector(1, self._public(self._key(), altered))
        signed = self.randoms["client"] + self.randoms["server"] + params
        return params + self._signature(signed, altered)

    def _make_CertificateRequest(  # noqa: N802
        self, symbol: Symbol, altered: Mapping[str, Any]
    ) -> bytes:
        listed = _schemes(altered)
        if self.modern:
            return vector(1, b"") + vector(2, listed)
        types = vector(1, b"\x01\x40")
        return types + (listed[4:] if self.version == ks.TLS12 else b"") + vector(2, b"")

    def _make_ServerHelloDone(self, *_: Any) -> bytes:  # noqa: N802
        return b""

    def _make_HelloRequest(self, *_: Any) -> bytes:  # noqa: N802
        return b""

    def _make_EndOfEarlyData(self, *_: Any) -> bytes:  # noqa: N802
        return b""

    def _make_KeyUpdate(self, symbol: Symbol, altered: Mapping[str, Any]) -> bytes:  # noqa: N802
        values = {"update_requested": b"\x01", "other": b"\x02"}
        return values.get(str(altered.get("request_update")), b"\0")

    def _make_NewSessionTicket(self, *_: Any) -> bytes:  # noqa: N802
        if not self.modern:
            return bytes([0, 0, 1, 0]) + vector(2, os.urandom(32))
        nonce, identity = b"\0", os.urandom(32)
        self.tickets.append((0, nonce, identity))
        body = bytes([0, 0, 1, 0]) + bytes(4) + vector(1, nonce) + vector(2, identity)
        return body + vector(2, b"")

    def _make_CertificateStatus(self, *_: Any) -> bytes:  # noqa: N802
        return b"\x01" + vector(3, b"0")

    def _make_ClientKeyExchange(  # noqa: N802
        self, symbol: Symbol, altered: Mapping[str, Any]
    ) -> bytes:
        exchange = self.suite.exchange
        if exchange == "RSA":
            return self._encrypted_premaster()
        if exchange.startswith("DHE"):
            prime = self.share.prime
            secret = int.from_bytes(os.urandom(32), "big")
            public, shared = 0, 0
            if altered.get("degenerate"):
                public, shared = 1, 1
            elif prime > 2:
                public = pow(self.share.generator, secret, prime)
                shared = pow(int.from_bytes(self.share.public, "big"), secret, prime)
            size = (prime.bit_length() + 7) // 8 or 1
            self.premaster = shared.to_bytes(size, "big").lstrip(b"\0")
            return vector(2, public.to_bytes(size, "big"))
        point = self._public(self._key(), altered)
        self.premaster = agree(self._key(), self.share, degenerate=self.degenerate)
        return vector(1, point)

    def _encrypted_premaster(self) -> bytes:
        self.premaster = u16(min(self.version, ks.TLS12)) + os.urandom(46)
        key = self.server_key
        if not isinstance(key, rsa.RSAPublicKey):
            return vector(2, bytes(256))
        return vector(2, key.encrypt(self.premaster, padding.PKCS1v15()))

    def _make_CertificateVerify(  # noqa: N802
        self, symbol: Symbol, altered: Mapping[str, Any]
    ) -> bytes:
        data = self.transcript
        if self.modern:
            name = hashlib.new(self.suite.hash, self.transcript).digest()
            data = b" " * 64 + f"TLS 1.3, {self.end} CertificateVerify".encode() + b"\0" + name
        return self._signature(data, altered)

    def _signature(self, data: bytes, altered: Mapping[str, Any]) -> bytes:
        """A signature by the own certificate's key, with its algorithm from TLS 1.2 on."""
        if self.end == "server":
            key, pss = self.credentials.server.key, self.modern
        else:
            key, pss = self.credentials.client["honest"].key, self.modern
        if "signature" in altered:
            data = b"something else" + data
        # MD5 stands for a hash that no peer lists.
        old = altered.get("scheme") == "other"
        digest: Any = hashes.MD5() if old else hashes.SHA256()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            digest = digest if self.version >= ks.TLS12 else hashes.SHA1()
            scheme = _ECDSA_MD5 if old else _ECDSA_SHA256
            signature = key.sign(data, ec.ECDSA(digest))
        elif pss and not old:
            scheme = _RSA_PSS_SHA256
            form = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            signature = key.sign(data, form, hashes.SHA256())
        elif self.version >= ks.TLS12:
            scheme = _RSA_PKCS1_MD5 if old else _RSA_PKCS1_SHA256
            signature = key.sign(data, padding.PKCS1v15(), digest)
        else:
            scheme, signature = 0, _md5_sha1(key, data)
        if altered.get("scheme") == "ecdsa_sha256":
            scheme = _RSA_PKCS1_SHA256 if scheme == _ECDSA_SHA256 else _ECDSA_SHA256
        prefix = u16(scheme) if self.version >= ks.TLS12 else b""
        return prefix + vector(2, signature)

    def _make_Finished(self, symbol: Symbol, altered: Mapping[str, Any]) -> bytes:  # noqa: N802
        if self.modern:
            label = f"{self.end.upper()}_HANDSHAKE_TRAFFIC_SECRET"
            known = self._secrets.get(label)
            secret = known.secret if known else bytes(hashlib.new(self.suite.hash).digest_size)
            data = ks.finished13(self.suite, secret, self.transcript)
        else:
            master = self.master or bytes(48)
            data = ks.finished12(self.version, self.suite, master, self.end, self.transcript)
        if "verify_data" in altered:
            data = bytes([data[0] ^ 1]) + data[1:]
        return data


def _schemes(altered: Mapping[str, Any]) -> bytes:
    """The extension signature_algorithms of a hello or request."""
    listed = {"none": None, "empty": (), "sha1": (_RSA_PKCS1_SHA1,)}.get(
        str(altered.get("signature_algorithms")), SIGNATURES
    )
    return b"" if listed is None else extension(wire.SIGNATURE_ALGORITHMS, vector(2, u16(*listed)))


def _md5_sha1(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """The signature of TLS 1.0 and 1.1 by an RSA key: PKCS #1 over MD5 and SHA-1, without a name.

    RFC 2246 4.7. The library does not sign so; the signature is made of the key's numbers.
    """
    digest = hashlib.md5(data).digest() + hashlib.sha1(data).digest()
    size = (key.key_size + 7) // 8
    block = b"\0\x01" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
    numbers = key.private_numbers()
    value = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    return value.to_bytes(size, "big")


def _alert(symbol: Symbol) -> bytes:
    from checker.conformance.alerts import ALERTS

    if symbol.message == "CloseNotify":
        return b"\x01\x00"
    if symbol.message == "NoCertificate":
        return b"\x01\x29"
    level = 1 if symbol.level == "warning" else 2
    return bytes([level, ALERTS[symbol.description][0]])
