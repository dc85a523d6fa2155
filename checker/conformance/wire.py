"""Bytes of handshake messages to structures, with the numbers and names of the IANA registries.

A message's body is without the handshake header. Names are those of the RFCs; this module does not
know which of them the model has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509 import load_der_x509_certificate

VERSIONS = {0x0300: "SSL30", 0x0301: "TLS10", 0x0302: "TLS11", 0x0303: "TLS12", 0x0304: "TLS13"}

HANDSHAKE = {
    0: "HelloRequest",
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
"""Handshake types (RFC 5246 7.4, RFC 6066 8, RFC 8446 B.3)."""

SERVER_NAME, STATUS_REQUEST, SUPPORTED_GROUPS, SIGNATURE_ALGORITHMS, ALPN = 0, 5, 10, 13, 16
ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET = 22, 23
SESSION_TICKET, RENEGOTIATION_INFO = 35, 0xFF01
PRE_SHARED_KEY, EARLY_DATA = 41, 42
SUPPORTED_VERSIONS, COOKIE, PSK_MODES, POST_HANDSHAKE_AUTH, KEY_SHARE = 43, 44, 45, 49, 51
"""Extension types (RFC 8446 4.2, RFC 6066 3, 8, RFC 7301 3.1, RFC 7366 2, RFC 7627 5.1, RFC 5077
3.2, RFC 5746 3.2)."""

_NIST = (23, 24, 25)
X25519, X25519MLKEM768 = 29, 4588
_SMALL_ORDER = {
    X25519: (
        _P := 2**255 - 19,
        (
            0,
            1,
            _P - 1,
            325606250916557431795983626356110631294008115727848805560023387167927233504,
            39382357235489614581723060781553021112529911719440698176882885853963445705823,
        ),
    ),
    30: (_Q := 2**448 - 2**224 - 1, (0, 1, _Q - 1)),
}
"""By named group, X25519 and X448: the prime, and the points whose shared secret is zero."""

_KEYS = (
    (rsa.RSAPublicKey, "RSA"),
    (ec.EllipticCurvePublicKey, "EC"),
    (ed25519.Ed25519PublicKey, "Ed25519"),
    (ed448.Ed448PublicKey, "Ed448"),
    (dsa.DSAPublicKey, "DSA"),
)
COMPRESSION = {0: "null", 1: "deflate"}
SENTINELS = {b"DOWNGRD\x01": "DOWNGRD01", b"DOWNGRD\x00": "DOWNGRD00"}
FALLBACK_SCSV, RENEGOTIATION_SCSV = 0x5600, 0x00FF
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random that makes a ServerHello a HelloRetryRequest (RFC 8446 4.1.3)."""

_REGISTRY = {
    "RSA_EXPORT": "0003:RC4_40_MD5 0006:RC2_CBC_40_MD5 0008:DES40_CBC_SHA",
    "DHE_DSS_EXPORT": "0011:DES40_CBC_SHA",
    "DHE_RSA_EXPORT": "0014:DES40_CBC_SHA",
    "DH_anon": """
        0018:RC4_128_MD5 001a:DES_CBC_SHA 001b:3DES_EDE_CBC_SHA 0034:AES_128_CBC_SHA
        003a:AES_256_CBC_SHA 0046:CAMELLIA_128_CBC_SHA 006c:AES_128_CBC_SHA256
        006d:AES_256_CBC_SHA256 0089:CAMELLIA_256_CBC_SHA 009b:SEED_CBC_SHA
        00a6:AES_128_GCM_SHA256 00a7:AES_256_GCM_SHA384 00bf:CAMELLIA_128_CBC_SHA256
        00c5:CAMELLIA_256_CBC_SHA256 c046:ARIA_128_CBC_SHA256 c047:ARIA_256_CBC_SHA384
        c05a:ARIA_128_GCM_SHA256 c05b:ARIA_256_GCM_SHA384 c084:CAMELLIA_128_GCM_SHA256
        c085:CAMELLIA_256_GCM_SHA384
    """,
    "RSA": """
        0001:NULL_MD5 0002:NULL_SHA 0004:RC4_128_MD5 0005:RC4_128_SHA 0007:IDEA_CBC_SHA
        0009:DES_CBC_SHA 000a:3DES_EDE_CBC_SHA 002f:AES_128_CBC_SHA 0035:AES_256_CBC_SHA
        003b:NULL_SHA256 003c:AES_128_CBC_SHA256 003d:AES_256_CBC_SHA256
        0041:CAMELLIA_128_CBC_SHA 0084:CAMELLIA_256_CBC_SHA 0096:SEED_CBC_SHA
        009c:AES_128_GCM_SHA256 009d:AES_256_GCM_SHA384 00ba:CAMELLIA_128_CBC_SHA256
        00c0:CAMELLIA_256_CBC_SHA256 c03c:ARIA_128_CBC_SHA256 c03d:ARIA_256_CBC_SHA384
        c050:ARIA_128_GCM_SHA256 c051:ARIA_256_GCM_SHA384 c07a:CAMELLIA_128_GCM_SHA256
        c07b:CAMELLIA_256_GCM_SHA384 c09c:AES_128_CCM c09d:AES_256_CCM c0a0:AES_128_CCM_8
        c0a1:AES_256_CCM_8
    """,
    "DHE_DSS": """
        0012:DES_CBC_SHA 0013:3DES_EDE_CBC_SHA 0032:AES_128_CBC_SHA 0038:AES_256_CBC_SHA
        0040:AES_128_CBC_SHA256 0044:CAMELLIA_128_CBC_SHA 006a:AES_256_CBC_SHA256
        0087:CAMELLIA_256_CBC_SHA 0099:SEED_CBC_SHA 00a2:AES_128_GCM_SHA256
        00a3:AES_256_GCM_SHA384 00bd:CAMELLIA_128_CBC_SHA256 00c3:CAMELLIA_256_CBC_SHA256
        c042:ARIA_128_CBC_SHA256 c043:ARIA_256_CBC_SHA384 c056:ARIA_128_GCM_SHA256
        c057:ARIA_256_GCM_SHA384 c080:CAMELLIA_128_GCM_SHA256 c081:CAMELLIA_256_GCM_SHA384
    """,
    "DHE_RSA": """
        0015:DES_CBC_SHA 0016:3DES_EDE_CBC_SHA 0033:AES_128_CBC_SHA 0039:AES_256_CBC_SHA
        0045:CAMELLIA_128_CBC_SHA 0067:AES_128_CBC_SHA256 006b:AES_256_CBC_SHA256
        0088:CAMELLIA_256_CBC_SHA 009a:SEED_CBC_SHA 009e:AES_128_GCM_SHA256
        009f:AES_256_GCM_SHA384 00be:CAMELLIA_128_CBC_SHA256 00c4:CAMELLIA_256_CBC_SHA256
        c044:ARIA_128_CBC_SHA256 c045:ARIA_256_CBC_SHA384 c052:ARIA_128_GCM_SHA256
        c053:ARIA_256_GCM_SHA384 c07c:CAMELLIA_128_GCM_SHA256 c07d:CAMELLIA_256_GCM_SHA384
        c09e:AES_128_CCM c09f:AES_256_CCM c0a2:AES_128_CCM_8 c0a3:AES_256_CCM_8
        ccaa:CHACHA20_POLY1305_SHA256
    """,
    "ECDHE_ECDSA": """
        c006:NULL_SHA c007:RC4_128_SHA c008:3DES_EDE_CBC_SHA c009:AES_128_CBC_SHA
        c00a:AES_256_CBC_SHA c023:AES_128_CBC_SHA256 c024:AES_256_CBC_SHA384
        c02b:AES_128_GCM_SHA256 c02c:AES_256_GCM_SHA384 c048:ARIA_128_CBC_SHA256
        c049:ARIA_256_CBC_SHA384 c05c:ARIA_128_GCM_SHA256 c05d:ARIA_256_GCM_SHA384
        c072:CAMELLIA_128_CBC_SHA256 c073:CAMELLIA_256_CBC_SHA384 c086:CAMELLIA_128_GCM_SHA256
        c087:CAMELLIA_256_GCM_SHA384 c0ac:AES_128_CCM c0ad:AES_256_CCM c0ae:AES_128_CCM_8
        c0af:AES_256_CCM_8 cca9:CHACHA20_POLY1305_SHA256
    """,
    "ECDHE_RSA": """
        c010:NULL_SHA c011:RC4_128_SHA c012:3DES_EDE_CBC_SHA c013:AES_128_CBC_SHA
        c014:AES_256_CBC_SHA c027:AES_128_CBC_SHA256 c028:AES_256_CBC_SHA384
        c02f:AES_128_GCM_SHA256 c030:AES_256_GCM_SHA384 c04c:ARIA_128_CBC_SHA256
        c04d:ARIA_256_CBC_SHA384 c060:ARIA_128_GCM_SHA256 c061:ARIA_256_GCM_SHA384
        c076:CAMELLIA_128_CBC_SHA256 c077:CAMELLIA_256_CBC_SHA384 c08a:CAMELLIA_128_GCM_SHA256
        c08b:CAMELLIA_256_GCM_SHA384 cca8:CHACHA20_POLY1305_SHA256
    """,
    "": """
        1301:AES_128_GCM_SHA256 1302:AES_256_GCM_SHA384 1303:CHACHA20_POLY1305_SHA256
        1304:AES_128_CCM_SHA256 1305:AES_128_CCM_8_SHA256
    """,
}
SUITES: Mapping[int, tuple[str, str]] = {
    int(code, 16): (exchange, f"TLS_{exchange}_WITH_{rest}" if exchange else f"TLS_{rest}")
    for exchange, suites in _REGISTRY.items()
    for code, _, rest in (suite.partition(":") for suite in suites.split())
}
"""The key exchange (empty in TLS 1.3) and the name of a suite, by number (IANA TLS Cipher Suites).

Suites of other key exchanges (PSK, SRP, static DH, ECDH_anon) are not listed.
"""


class RecordingError(ValueError):
    """A recording cannot be read; the message says where, what was expected and got."""


class Reader:
    """The rest of a message body, read as numbers and length-prefixed vectors (RFC 5246 4)."""

    def __init__(self, what: str, data: bytes) -> None:
        self.what, self.data, self.at = what, data, 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise RecordingError(
                f"{self.what}: expected {size} bytes at byte {self.at}, got {len(part)}: the "
                "message is cut off or is not of this type"
            )
        self.at += size
        return part

    def number(self, size: int) -> int:
        """A number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A vector whose length has `size` bytes."""
        return self.take(self.number(size))

    def more(self) -> bool:
        """Whether bytes are left."""
        return self.at < len(self.data)

    def extensions(self) -> dict[int, bytes]:
        """The extensions by type; none if the block is missing (RFC 5246 7.4.1.2)."""
        out: dict[int, bytes] = {}
        if self.more():
            block = Reader(f"{self.what} extensions", self.vector(2))
            while block.more():
                kind = block.number(2)
                out[kind] = block.vector(2)
        return out


def protocols(extensions: Mapping[int, bytes]) -> list[bytes]:
    """The application protocols in a hello or its answer (RFC 7301 3.1)."""
    r, out = _reader_of("application_layer_protocol_negotiation", extensions.get(ALPN)), []
    while r.more():
        out.append(r.vector(1))
    return out


def schemes(extensions: Mapping[int, bytes]) -> list[int] | None:
    """The signature schemes in a hello or request; None without a list (RFC 8446 4.2.3)."""
    found = extensions.get(SIGNATURE_ALGORITHMS)
    return None if found is None else pairs(_reader_of("signature_algorithms", found).data)


def requested_schemes(body: bytes, version: str) -> list[int] | None:
    """The signature schemes in a CertificateRequest; None below TLS 1.2, which has none."""
    r = Reader("CertificateRequest", body)
    if version == "TLS13":
        r.vector(1)  # certificate_request_context
        return schemes(r.extensions())
    r.vector(1)  # certificate_types (RFC 5246 7.4.4)
    return pairs(r.vector(2)) if version == "TLS12" else None


def with_sha1(scheme: int) -> bool:
    """Whether a signature scheme is with MD5 or SHA-1 (RFC 5246 7.4.1.4.1)."""
    return scheme >> 8 in (1, 2)


def key_of(scheme: int, *, modern: bool) -> str:
    """The kind of key that a signature scheme is for, in TLS 1.3 if `modern`; empty for another
    than those of RFC 8446 4.2.3."""
    old = {1: "RSA PKCS #1" if modern else "RSA", 2: "DSA", 3: "EC"}
    if scheme >> 8 <= 6:
        return old.get(scheme & 0xFF, "")
    # A key for RSASSA-PSS alone is read as any RSA key.
    return {**dict.fromkeys(range(0x0804, 0x080C), "RSA"), 0x0807: "Ed25519", 0x0808: "Ed448"}.get(
        scheme, ""
    )


def signing_key(body: bytes, *, modern: bool) -> str:
    """The kind of the key in a Certificate, as in `key_of`; empty if it cannot be told."""
    r = Reader("Certificate", body)
    if modern:
        r.vector(1)
    entries = Reader("Certificate", r.vector(3))
    if not entries.more():
        return ""
    try:
        key = load_der_x509_certificate(entries.vector(3)).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    for kind, name in _KEYS:
        if isinstance(key, kind):
            return name
    return ""


def _reader_of(what: str, vector: bytes | None) -> Reader:
    """The reader of the content of a vector with two bytes of length; empty without a vector."""
    return Reader(what, b"" if vector is None else Reader(what, vector).vector(2))


def pairs(data: bytes) -> list[int]:
    """The two-byte numbers, such as suites, in `data`."""
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data) - 1, 2)]


@dataclass(frozen=True)
class ClientHello:
    """A ClientHello, the first or a second one."""

    version: str  # the highest offered
    legacy_version: str  # empty for one that is none of the known versions
    random: bytes
    session_id: bytes
    suites: bytes
    compression: bytes
    extensions: Mapping[int, bytes]

    @property
    def supported(self) -> list[int]:
        """The supported groups (RFC 8446 4.2.7)."""
        return pairs(self.extensions.get(SUPPORTED_GROUPS, b"")[2:])

    @property
    def shares(self) -> dict[int, bytes]:
        """The key shares by group (RFC 8446 4.2.8)."""
        r = _reader_of("ClientHello key_share", self.extensions.get(KEY_SHARE))
        out: dict[int, bytes] = {}
        while r.more():
            group = r.number(2)
            out.setdefault(group, r.vector(2))
        return out

    @property
    def server_name(self) -> bytes | None:
        """The name of the server in lower case, or the whole extension if it has no DNS name
        (RFC 6066 3)."""
        whole = self.extensions.get(SERVER_NAME)
        r = _reader_of("ClientHello server_name", whole)
        while r.more():
            kind, name = r.number(1), r.vector(2)
            if kind == 0:
                return name.lower()
        return whole

    @property
    def modes(self) -> bytes:
        """The PskKeyExchangeModes: 0 psk_ke, 1 psk_dhe_ke (RFC 8446 4.2.9)."""
        return self.extensions.get(PSK_MODES, b"")[1:]

    @property
    def identities(self) -> list[bytes]:
        """The offered pre-shared keys (RFC 8446 4.2.11)."""
        if PRE_SHARED_KEY not in self.extensions:
            return []
        r = _reader_of("ClientHello pre_shared_key", self.extensions[PRE_SHARED_KEY])
        out = []
        while r.more():
            out.append(r.vector(2))
            r.number(4)
        return out

    @property
    def binders(self) -> list[bytes]:
        """The binders of the offered pre-shared keys, as far as they are there."""
        whole = Reader("ClientHello pre_shared_key", self.extensions.get(PRE_SHARED_KEY, b""))
        out = []
        if whole.more():
            whole.vector(2)
        if whole.more():
            r = Reader("ClientHello pre_shared_key", whole.vector(2))
            while r.more():
                out.append(r.vector(1))
        return out


@dataclass(frozen=True)
class ServerHello:
    """A ServerHello or a HelloRetryRequest."""

    version: str
    random: bytes
    session_id: bytes
    suite: int
    compression: str
    extensions: Mapping[int, bytes]

    @property
    def group(self) -> int | None:
        """The group of the key share, or of a HelloRetryRequest (RFC 8446 4.2.8)."""
        share = self.extensions.get(KEY_SHARE)
        return None if share is None else Reader("ServerHello key_share", share).number(2)

    @property
    def share(self) -> bytes:
        """The value of the key share; empty without one."""
        return self.extensions.get(KEY_SHARE, b"")[4:]


def client_hello(body: bytes) -> ClientHello:
    """The ClientHello in `body`; its version is from supported_versions, if that is present."""
    r = Reader("ClientHello", body)
    legacy, random = r.number(2), r.take(32)
    session_id, suites, compression = r.vector(1), r.vector(2), r.vector(1)
    extensions = r.extensions()
    offered = [legacy]
    if SUPPORTED_VERSIONS in extensions:
        offered = pairs(extensions[SUPPORTED_VERSIONS][1:])
    # A receiver must ignore unassigned values (RFC 8701; RFC 8446 4.2.1).
    known = [v for v in offered if v in VERSIONS]
    if not known:
        raise RecordingError(
            f"ClientHello: expected a version of {', '.join(VERSIONS.values())}, got "
            + (", ".join(f"0x{v:04x}" for v in offered) or "none")
        )
    return ClientHello(
        VERSIONS[max(known)],
        VERSIONS.get(legacy, ""),
        random,
        session_id,
        suites,
        compression,
        extensions,
    )


def server_hello(body: bytes) -> ServerHello:
    """The ServerHello or HelloRetryRequest in `body`."""
    r = Reader("ServerHello", body)
    version, random, session_id = r.number(2), r.take(32), r.vector(1)
    suite, method = r.number(2), r.number(1)
    extensions = r.extensions()
    if SUPPORTED_VERSIONS in extensions:
        version = int.from_bytes(extensions[SUPPORTED_VERSIONS], "big")
    if version not in VERSIONS:
        raise RecordingError(
            f"ServerHello: expected a version of {', '.join(VERSIONS.values())}, got "
            f"0x{version:04x}"
        )
    if method not in COMPRESSION:
        raise RecordingError(f"ServerHello: expected compression 0 or 1, got {method}")
    return ServerHello(
        VERSIONS[version], random, session_id, suite, COMPRESSION[method], extensions
    )


def ticket(body: bytes, *, modern: bool = True) -> bytes:
    """The ticket of a NewSessionTicket, of TLS 1.3 if `modern`."""
    r = Reader("NewSessionTicket", body)
    r.take(4)  # the lifetime (RFC 5077 3.3)
    if modern:
        r.take(4)  # ticket_age_add (RFC 8446 4.6.1)
        r.vector(1)
    return r.vector(2)


def renegotiation_info(extensions: Mapping[int, bytes]) -> str:
    """The indication in a hello's extensions: none, empty or value (RFC 5746 3.2)."""
    if RENEGOTIATION_INFO not in extensions:
        return "none"
    r = Reader("renegotiation_info", extensions[RENEGOTIATION_INFO])
    return "value" if r.vector(1) else "empty"


def client_share(body: bytes, exchange: str) -> bytes:
    """The public value of a ClientKeyExchange; `exchange` as in `SUITES`."""
    # RFC 8422 5.7, RFC 5246 7.4.7
    return Reader("ClientKeyExchange", body).vector(1 if exchange.startswith("ECDHE") else 2)


@dataclass(frozen=True)
class ServerShare:
    """The parameters of a ServerKeyExchange."""

    whole: bytes
    public: bytes = b""  # empty for a temporary RSA key
    group: int = 0  # the named curve, if any
    prime: int = 0  # of a finite-field group


def server_share(body: bytes, exchange: str) -> ServerShare:
    """The share in a ServerKeyExchange; `exchange` as in `SUITES`."""
    return _parameters(Reader("ServerKeyExchange", body), exchange)


def degenerate(public: bytes, group: int = 0, prime: int = 0) -> bool:
    """Whether a public value of a named group, or of the finite-field group with that `prime`,
    makes the shared secret a constant (RFC 8446 4.2.8.1, 4.2.8.2, 7.4.2; RFC 7748 6)."""
    if prime:
        return int.from_bytes(public, "big") % prime in (0, 1, prime - 1)
    if group == X25519MLKEM768:
        public, group = public[-32:], X25519
    if group in _NIST:
        return not any(public[1:])  # infinity, or zeros, which are no point
    if group not in _SMALL_ORDER:
        return False
    p, points = _SMALL_ORDER[group]
    u = int.from_bytes(public, "little") % (1 << p.bit_length())  # of X25519 a bit is not used
    return u % p in points


def scheme_of_parameters(body: bytes, exchange: str) -> int:
    """The signature scheme of a ServerKeyExchange of TLS 1.2 (RFC 5246 7.4.3)."""
    r = Reader("ServerKeyExchange", body)
    _parameters(r, exchange)
    return r.number(2)


def _parameters(r: Reader, exchange: str) -> ServerShare:
    """What `server_share` gives, read up to the signature."""
    if exchange.startswith("ECDHE"):
        curve = r.take(3)  # curve_type, named curve (RFC 8422 5.4)
        if curve[0] != 3:
            raise RecordingError(
                f"ServerKeyExchange: expected a named curve (type 3), got type {curve[0]}"
            )
        public = r.vector(1)
        return ServerShare(curve + public, public, int.from_bytes(curve[1:], "big"))
    if exchange == "RSA_EXPORT":
        return ServerShare(r.vector(2) + r.vector(2))  # RFC 2246 7.4.3
    prime, generator, public = r.vector(2), r.vector(2), r.vector(2)
    whole = prime + generator + public
    return ServerShare(whole, public, prime=int.from_bytes(prime, "big"))


def name_of(kind: int, body: bytes, *, retried: bool) -> str | None:
    """The name of a handshake message; None if its type is not in `HANDSHAKE`.

    On the wire a HelloRetryRequest is a ServerHello, and the next hello a ClientHello: `retried`
    says whether a HelloRetryRequest came before (RFC 8446 4.1.3, 4.1.4).
    """
    name = HANDSHAKE.get(kind)
    if name == "ServerHello" and body[2:34] == RETRY_RANDOM:
        return "HelloRetryRequest"
    return "SecondClientHello" if name == "ClientHello" and retried else name
