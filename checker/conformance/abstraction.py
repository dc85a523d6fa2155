"""Message bytes to the fields of the model's messages, for one connection.

A field's value is who made it. A random or share equal to the one that this recording's client or
server sent is `client0` or `server0`; any other is `adversary`. Left out is what bytes do not show:
signatures, MACs, the encrypted premaster, the maker and the validity of a certificate.

The model has two groups for TLS 1.3 key shares, so groups are named by their role: `x25519` is any
group of which the client's first hello has a share, `secp256r1` any other that the client supports
(as a HelloRetryRequest asks for), `x448` any that the client does not support. A pre-shared key
that comes from no recorded ticket is `external`. Of several pre-shared keys in a hello, the one
that the server selects counts, or else the first.

Names of servers and of protocols are named by their role, too: `a` is the first server name of a
connection and of those that resume it, `b` any other; `http` is the first protocol that is picked
or else listed, `ftp` any other. `ecdsa_sha256` is a signature scheme that is listed and does not
fit the certificate's key, `rsa_sha256` any that fits it and is not with SHA-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checker.conformance import wire
from checker.conformance.alerts import NAMES
from checker.conformance.recording import TO_CLIENT, TO_SERVER, alphabet
from checker.conformance.wire import RecordingError
from model.extensions.alpn import PROTOCOLS
from model.extensions.cipher_suites import CIPHERS
from model.observers import SIGNED_SUITES
from model.principal import OFFERED

KEY_UPDATE = ("update_not_requested", "update_requested")

EXCHANGES = {
    "RSA_EXPORT": "RSA_EXPORT",
    "DHE_DSS_EXPORT": "DHE_EXPORT",
    "DHE_RSA_EXPORT": "DHE_EXPORT",
    "DH_anon": "DH_anon",
    "RSA": "RSA",
    "DHE_DSS": "DHE",
    "DHE_RSA": "DHE",
    "ECDHE_ECDSA": "ECDHE",
    "ECDHE_RSA": "ECDHE",
    "": "AEAD",
}
"""The model's suite by key exchange, as named in `wire.SUITES`."""


def suite_of(number: int) -> str | None:
    """The model's suite for a suite number; None if the model has none."""
    return EXCHANGES[wire.SUITES[number][0]] if number in wire.SUITES else None


def _server_hello(body: bytes) -> wire.ServerHello:
    """The ServerHello in `body`; RecordingError if the model has no such suite."""
    out = wire.server_hello(body)
    if out.suite not in wire.SUITES:
        raise RecordingError(
            f"ServerHello: suite 0x{out.suite:04x} has no counterpart in the model, which knows "
            f"{', '.join(dict.fromkeys(EXCHANGES.values()))}"
        )
    return out


_NO_HELLO = wire.ClientHello("none", "", b"", b"", b"", b"", {})


def _made(part: bytes | None, own: bytes | None, by: str) -> str:
    """The maker of a part of a message: the end `by`, if equal to what that end sent."""
    return "none" if part is None else by if part == own else "adversary"


def _cipher(number: int) -> str:
    """The model's suite of TLS 1.3 for a suite number; none for another."""
    return {
        0x1301: "AES128_SHA256",
        0x1302: "AES256_SHA384",
        0x1303: "CHACHA20_SHA256",
        0x1304: "AES128_SHA256",
        0x1305: "AES128_SHA256",
    }.get(number, "none")


def _list(codes: list[int] | None) -> str:
    """The model's name of a list of signature schemes; None is no list."""
    if codes is None:
        return "none"
    old = {wire.with_sha1(c) for c in codes}
    return {frozenset(): "empty", frozenset({True}): "sha1", frozenset({False}): "sha256"}.get(
        frozenset(old), "both"
    )


def _alert(direction: str, body: bytes) -> dict[str, Any]:
    """The fields of an alert; one that is in no registry keeps its number."""
    if len(body) != 2 or body[0] not in (1, 2):
        raise RecordingError(
            f"Alert {direction}: expected a level, 1 or 2, and a description, got {body.hex(' ')}"
        )
    level, description = body
    return {
        "level": ("warning", "fatal")[level - 1],
        "description": NAMES.get(description, description),
    }


NAMES_OF_RUNS = 3
"""The number of runs of one end that the model has names for."""


class Abstraction:
    """The translation of one connection; `before` is that of the connection resumed.

    Call `sent` with the bytes that one side sent, then `fields` with the bytes that the other side
    received, which may have been changed on the way. A `body` has no handshake header.
    """

    def __init__(self, before: Abstraction | None = None) -> None:
        if before is not None and before.resumed and not before.modern:
            before = before.before or before  # its session is that of the full handshake
        self.before: Abstraction | None = before
        self.number: int = (before.number + 1) % NAMES_OF_RUNS if before else 0
        self.hello: wire.ClientHello | None = None
        self.second: wire.ClientHello | None = None
        self.retry: wire.ServerHello | None = None
        self.answer: wire.ServerHello | None = None
        self.shares: dict[str, bytes] = {}
        self.params = wire.ServerShare(b"")
        self.contexts: list[bytes] = []
        self.tickets: list[bytes] = []
        # The schemes in a CertificateRequest; by direction, the kind of key in a Certificate.
        self.asked: list[int] | None = None
        self.keys: dict[str, str] = {}
        # Names of the tickets and the session id from the connection before.
        self.known: dict[bytes, str] = {}
        self.session: dict[bytes, str] = {}
        self.protocol: bytes | None = before.first_protocol if before else None
        self.name: bytes | None = before.name if before else None
        if before is not None:
            self.known = dict.fromkeys(before.tickets, before.server)
            if before.answer is not None and before.answer.session_id and not before.modern:
                self.session = {before.answer.session_id: before.server}

    @property
    def client(self) -> str:
        """The name of this connection's client."""
        return f"client{self.number}"

    @property
    def server(self) -> str:
        """The name of this connection's server."""
        return f"server{self.number}"

    @property
    def resumed(self) -> bool:
        """Whether the server echoed the client's session id, below TLS 1.3 a resumption."""
        if self.answer is None or self.hello is None or self.modern:
            return False
        return bool(self.answer.session_id) and self.answer.session_id == self.hello.session_id

    def sent(self, direction: str, message: str, body: bytes) -> None:
        """Remember the randoms, shares and so on that a side sent, to name their maker later."""
        if message == "ClientHello" and direction == TO_SERVER:
            self.hello = wire.client_hello(body)
            self.name = self.name or self.hello.server_name
        elif message == "SecondClientHello":
            self.second = wire.client_hello(body)
        elif message == "HelloRetryRequest":
            self.retry = _server_hello(body)
        elif message == "ServerHello" and direction == TO_CLIENT:
            self.answer = _server_hello(body)
            if self.resumed and self.before is None:
                # The full handshake came before the recording began.
                self.number, self.session = 1, {self.answer.session_id: "server0"}
            self._picks(self.answer.extensions)
        elif message == "EncryptedExtensions":
            self._picks(wire.Reader(message, body).extensions())
        elif message == "NewSessionTicket":
            self.tickets.append(wire.ticket(body, modern=self.modern))
        elif message == "CertificateRequest":
            self.asked = wire.requested_schemes(body, self.version)
        elif message == "Certificate":
            self.keys[direction] = wire.signing_key(body, modern=self.modern)
        elif message == "ServerKeyExchange":
            self.params = wire.server_share(body, self._exchange())
            self.shares[message] = self.params.whole
        elif message == "ClientKeyExchange":
            self.shares[message] = wire.client_share(body, self._exchange())

    def fields(self, direction: str, message: str, body: bytes) -> dict[str, Any]:
        """The fields of `message` that the bytes show; RecordingError for unreadable bytes."""
        found = self._fields(message, body, direction)
        return {f: v for f, v in found.items() if f in alphabet()[message].fields}

    def _fields(self, message: str, body: bytes, direction: str) -> dict[str, Any]:
        if message == "ClientHello":
            return self._client_fields(wire.client_hello(body), self.hello)
        if message == "SecondClientHello":
            return self._client_fields(wire.client_hello(body), self.second)
        if message == "ServerHello":
            return self._server_fields(_server_hello(body), self.answer)
        if message == "HelloRetryRequest":
            return self._retry_fields(_server_hello(body))
        if message == "EncryptedExtensions":
            answered = wire.Reader(message, body).extensions()
            return {"early_data": wire.EARLY_DATA in answered, **self._of_names(answered)}
        if message == "CertificateRequest":
            return self._request_fields(body)
        if message == "Certificate":
            return self._certificate_fields(body)
        if message == "NewSessionTicket":
            made = wire.ticket(body, modern=self.modern) in self.tickets
            return {"ticket": self.server if made else "adversary"}
        if message == "KeyUpdate":
            asks = wire.Reader(message, body).number(1)
            return {"request_update": KEY_UPDATE[asks] if asks < 2 else "other"}
        if message == "ServerKeyExchange":
            share = wire.server_share(body, self._exchange())
            made = share.whole == self.shares.get(message)
            kind = self._kind(share.prime.bit_length())
            fields = {
                "share": self.server if made else "adversary",
                "group": kind,
                "degenerate": bool(share.public)
                and wire.degenerate(share.public, share.group, share.prime),
            }
            return fields | self._parameters_scheme(body)
        if message == "CertificateVerify":
            named = wire.Reader(message, body).number(2) if self.names_schemes else None
            return {"scheme": self._scheme(direction, named)}
        if message == "ClientKeyExchange":
            if self._exchange() in ("RSA", "RSA_EXPORT"):
                return {}  # the premaster is encrypted
            public = wire.client_share(body, self._exchange())
            made = public == self.shares.get(message)
            of = self.params
            return {
                "exchange": self.client if made else "adversary",
                "encrypted_to": "none",
                "degenerate": wire.degenerate(public, of.group, of.prime),
            }
        if message == "ChangeCipherSpec" and body:
            return {"value": "1" if body == b"\1" else "other"}
        if message == "Alert":
            return _alert(direction, body)
        return {}

    @property
    def version(self) -> str:
        """The version that the server chose; none before it did."""
        return self.answer.version if self.answer is not None else "none"

    @property
    def modern(self) -> bool:
        """Whether the version is TLS 1.3."""
        return self.version == "TLS13"

    @property
    def names_schemes(self) -> bool:
        """Whether signatures name their scheme: from TLS 1.2 on."""
        return self.version in ("TLS12", "TLS13")

    def _request_fields(self, body: bytes) -> dict[str, Any]:
        fields = {"signature_algorithms": _list(wire.requested_schemes(body, self.version))}
        if self.modern:
            fields["context"] = self._context(wire.Reader("CertificateRequest", body).vector(1))
        return fields

    def _parameters_scheme(self, body: bytes) -> dict[str, str]:
        """The scheme of signed parameters."""
        if EXCHANGES[self._exchange()] not in SIGNED_SUITES or not self.names_schemes:
            return {"scheme": "none"}
        code = wire.scheme_of_parameters(body, self._exchange())
        return {"scheme": self._scheme(TO_CLIENT, code)}

    def _scheme(self, direction: str, code: int | None) -> str:
        """The model's name of the scheme of a signature sent in a `direction`; None is no name.

        The RSA key of the model stands for the key in the certificate, whatever kind that is.
        """
        if code is None:
            return "none"
        hello = self.second or self.hello
        listed = wire.schemes(hello.extensions) if hello is not None else None
        if direction == TO_SERVER:
            listed = self.asked
        if not (wire.with_sha1(code) if listed is None else code in listed):
            return "other"
        shown, due = self.keys.get(direction, ""), wire.key_of(code, modern=self.modern)
        if shown and due and shown != due:
            return "ecdsa_sha256"
        return "rsa_sha1" if wire.with_sha1(code) else "rsa_sha256"

    def _exchange(self) -> str:
        """The key exchange of the chosen suite, as in `wire.SUITES`."""
        if self.answer is None:
            raise RecordingError("a key exchange before any ServerHello: its form is not known")
        return wire.SUITES[self.answer.suite][0]

    def _kind(self, prime: int) -> str:
        """The model's group for a ServerKeyExchange whose prime has so many bits."""
        exchange = self._exchange()
        if exchange.startswith("ECDHE"):
            return "ecdh"
        if exchange == "RSA_EXPORT":
            return "rsa_weak"
        return "dh_weak" if prime <= 512 else "dh"  # export grade is at most that (RFC 2246 D.1)

    def _group(self, code: int) -> str:
        """The model's name of a group, by its role in the client's first hello."""
        if self.hello is None or code in self.hello.shares:
            return "x25519"
        other = self.retry.group if self.retry is not None else None
        return "secp256r1" if code in self.hello.supported and other in (None, code) else "x448"

    def _context(self, context: bytes) -> str:
        """The model's name of a certificate_request_context: empty, the first or the second."""
        if not context:
            return "none"
        if context not in self.contexts:
            self.contexts.append(context)
        if len(self.contexts) > 2:
            raise RecordingError(
                "CertificateRequest: the model's connections have two of them after the handshake"
            )
        return str(self.contexts.index(context) + 1)

    def _client_fields(self, h: wire.ClientHello, mine: wire.ClientHello | None) -> dict[str, Any]:
        """The fields of a hello as received; `mine` is the hello as the client sent it."""
        first, mine = self.hello, mine or _NO_HELLO
        share = h.extensions.get(wire.KEY_SHARE)
        asked = self.retry.extensions if self.retry is not None else {}
        codes = wire.pairs(h.suites)
        offered = {suite_of(c) for c in codes}
        same_offer = first is not None and (h.suites, h.compression) == (
            first.suites,
            first.compression,
        )

        fields = {
            "version": h.version,
            **({"legacy_version": h.legacy_version} if h.legacy_version else {}),
            "random": self.client if first and h.random == first.random else "adversary",
            "offer": self.client if same_offer else "adversary",
            **{f"offers_{s}": s in offered for s in OFFERED},
            **{f"has_{c}": c in {_cipher(n) for n in codes} for c in CIPHERS},
            "deflate": 1 in h.compression,
            "session_id": self._offered(h),
            "session_tickets": wire.SESSION_TICKET in h.extensions,
            **self._ticket(h),
            "renegotiation_info": "scsv"
            if wire.RENEGOTIATION_SCSV in codes and wire.RENEGOTIATION_INFO not in h.extensions
            else wire.renegotiation_info(h.extensions),
            "fallback_scsv": wire.FALLBACK_SCSV in codes,
            "extended_master_secret": wire.EXTENDED_MASTER_SECRET in h.extensions,
            "status_request": wire.STATUS_REQUEST in h.extensions,
            "shares": "one" if h.shares else "empty" if share is not None else "none",
            "key_share": _made(
                share if h.shares else None, mine.extensions.get(wire.KEY_SHARE), self.client
            ),
            "degenerate": any(wire.degenerate(x, g) for g, x in h.shares.items()),
            "signature_algorithms": _list(wire.schemes(h.extensions)),
            "post_handshake_auth": wire.POST_HANDSHAKE_AUTH in h.extensions,
            "psk_ke": 0 in h.modes,
            "psk_dhe_ke": 1 in h.modes,
            **self._offered_keys(h, mine),
            "early_data": wire.EARLY_DATA in h.extensions,
            "server_name": self._server_name(h),
            **self._listed(h),
            "cookie": _made(h.extensions.get(wire.COOKIE), asked.get(wire.COOKIE), self.server),
        }
        if h.version == "TLS13" and share is not None and first is not None:
            fields |= {
                "group": self._group(next(iter(h.shares))) if h.shares else "none",
                "supports_x25519": any(g in h.supported for g in first.shares),
                "supports_secp256r1": any(g not in first.shares for g in h.supported),
            }
        return fields

    def _server_fields(self, h: wire.ServerHello, mine: wire.ServerHello | None) -> dict[str, Any]:
        own = mine.extensions if mine is not None else {}
        selected = h.extensions.get(wire.PRE_SHARED_KEY)
        fields = {
            "version": h.version,
            "random": self.server if mine and h.random == mine.random else "adversary",
            "sentinel": wire.SENTINELS.get(h.random[-8:], "none"),
            "suite": suite_of(h.suite),
            "cipher": _cipher(h.suite) if h.version == "TLS13" else "none",
            "compression": h.compression,
            "key_share": _made(
                h.extensions.get(wire.KEY_SHARE), own.get(wire.KEY_SHARE), self.server
            ),
            "degenerate": bool(h.share) and wire.degenerate(h.share, h.group or 0),
            "group": "none" if h.group is None else self._group(h.group),
            "selected": "none" if selected is None else self._selected(),
            "session_tickets": wire.SESSION_TICKET in h.extensions,
            "renegotiation_info": wire.renegotiation_info(h.extensions),
            "status_request": wire.STATUS_REQUEST in h.extensions,
            "extended_master_secret": wire.EXTENDED_MASTER_SECRET in h.extensions,
            **self._of_names(h.extensions),
        }
        return fields | self._session_id(h, mine)

    def _server_name(self, h: wire.ClientHello) -> str:
        """The model's name of the server that a hello names."""
        return "none" if h.server_name is None else "a" if h.server_name == self.name else "b"

    def _listed(self, h: wire.ClientHello) -> dict[str, bool]:
        """Which of the model's protocols a hello lists."""
        found = {self._protocol(p) for p in wire.protocols(h.extensions)}
        return {f"lists_{p}": p in found for p in PROTOCOLS}

    def _of_names(self, answered: Mapping[int, bytes]) -> dict[str, Any]:
        """The answers to a server name and to a list of protocols."""
        picked = wire.protocols(answered)
        return {
            "server_name": wire.SERVER_NAME in answered,
            "protocol": self._protocol(picked[0]) if picked else "none",
        }

    def _protocol(self, name: bytes) -> str:
        """The model's name of a protocol."""
        return "http" if name == self.first_protocol else "ftp"

    def _picks(self, answered: Mapping[int, bytes]) -> None:
        """Remember the protocol that the server picks, to name it."""
        self.protocol = self.protocol or next(iter(wire.protocols(answered)), None)

    @property
    def first_protocol(self) -> bytes | None:
        """The protocol that was picked first, or else listed first."""
        listed = wire.protocols(self.hello.extensions) if self.hello is not None else []
        return self.protocol or next(iter(listed), None)

    def _keys(self, h: wire.ClientHello) -> dict[int, str]:
        """The pre-shared keys of a hello that count, two at most, by place in the list.

        They are the first, and of those with another name the one that the server selects, or else
        the next. All tickets of one connection have one name.
        """
        names: dict[int, str] = {}
        for i in (0, self._chosen, *range(len(h.identities))):
            if len(names) == 2 or i >= len(h.identities) or i in names:
                continue
            unknown = "adversary" if "external" in names.values() else "external"
            name = self.known.get(h.identities[i], unknown)
            if name not in names.values():
                names[i] = name
        return names

    def _offered_keys(self, h: wire.ClientHello, mine: wire.ClientHello) -> dict[str, str]:
        """The keys of a hello and the binders that the server does not verify, by their makers."""
        names, own = self._keys(h), mine.identities
        parts = [
            _made(h.identities[i], own[i] if i < len(own) else None, name)
            for i, name in names.items()
        ]
        first, second = (*parts, "none", "none")[:2]
        unread = [b for i, b in enumerate(h.binders) if i != self._chosen]
        sent = [b for i, b in enumerate(mine.binders) if i != self._chosen]
        other = "none" if second == "none" else self.client if unread == sent else "adversary"
        return {"identity": first, "second_identity": second, "other_binder": other}

    @property
    def _chosen(self) -> int:
        """The number of the pre-shared key that the server selects; 0 if it selects none."""
        selected = self.answer.extensions.get(wire.PRE_SHARED_KEY) if self.answer else None
        return int.from_bytes(selected or b"", "big")

    def _selected(self) -> str:
        """The place of the selected key among those that count, or 2 for a number too big."""
        hello = self.second or self.hello
        if hello is None or not hello.identities:
            return str(min(self._chosen, 2))
        if self._chosen >= len(hello.identities):
            return "2"
        return "1" if self._chosen in [*self._keys(hello)][1:] else "0"

    def _offered(self, h: wire.ClientHello) -> str:
        """The session that a hello offers by its id, or by a ticket that the server takes."""
        return self.session.get(h.session_id, self._by_ticket(h))

    def _by_ticket(self, h: wire.ClientHello) -> str:
        """The session whose ticket a hello shows, if the server resumes it (RFC 5077 3.4)."""
        shown = h.extensions.get(wire.SESSION_TICKET, b"")
        return self.known.get(shown, "none") if self.resumed and not self.modern else "none"

    def _ticket(self, h: wire.ClientHello) -> dict[str, str]:
        """The maker of the ticket in a hello; empty if bytes do not tell."""
        shown = h.extensions.get(wire.SESSION_TICKET, b"")
        if shown and shown not in self.known:
            return {}
        return {"session_ticket": self.known.get(shown, "none")}

    def _session_id(self, h: wire.ServerHello, mine: wire.ServerHello | None) -> dict[str, Any]:
        """The session id of a ServerHello: new, or the one offered; empty if bytes do not tell."""
        if h.session_id in self.session and h.version != "TLS13":
            return {"session_id": self.session[h.session_id]}
        if self.hello is not None and self.resumed and self._by_ticket(self.hello) != "none":
            return {"session_id": self._by_ticket(self.hello)}
        if self.hello is not None and h.session_id == self.hello.session_id:
            if h.session_id or h.version == "TLS13":
                return {"session_id": "none"}
        elif h.session_id:
            made = mine is not None and h.session_id == mine.session_id and h.version != "TLS13"
            return {"session_id": self.server if made else "adversary"}
        return {"session_id": "none"}  # the session is not kept (RFC 5246 7.4.1.3)

    def _retry_fields(self, h: wire.ServerHello) -> dict[str, Any]:
        own = self.retry.extensions if self.retry is not None else {}
        return {
            "version": h.version,
            "suite": suite_of(h.suite),
            "cipher": _cipher(h.suite),
            "compression": h.compression,
            "group": "none" if h.group is None else self._group(h.group),
            "cookie": _made(h.extensions.get(wire.COOKIE), own.get(wire.COOKIE), self.server),
            **self._session_id(h, self.retry),
        }

    def _certificate_fields(self, body: bytes) -> dict[str, Any]:
        r = wire.Reader("Certificate", body)
        # certificate_request_context (RFC 8446 4.4.2)
        fields = {"context": self._context(r.vector(1))} if self.modern else {}
        # Bytes show only whether there is a certificate, not its maker and validity.
        return fields if r.vector(3) else {**fields, "certificate": "empty"}
