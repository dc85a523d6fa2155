"""Real handshakes between two endpoints of `ssl`, on loopback, recorded by its message hook.

Python's `ssl` has no call that updates keys, so a KeyUpdate is recorded only if the peer sends one.
Below TLS 1.3 tickets are off and session ids are on, unless a handshake has tickets.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checker.conformance.abstraction import Abstraction
from checker.conformance.events import Event, messages
from checker.conformance.recording import Recording
from checker.conformance.wire import VERSIONS, RecordingError

if TYPE_CHECKING:
    import socket
    import ssl


class LiveError(RuntimeError):
    """This Python cannot record a live handshake; the message says why and what to do."""


@dataclass(frozen=True)
class Handshake:
    """One handshake to record."""

    version: str  # the client's highest
    client_certificate: bool
    server_version: str = ""  # the server's highest; empty: the client's
    # An OpenSSL cipher list for both ends below TLS 1.3; empty: the library's default.
    ciphers: str = ""
    group: str = ""  # the server's only group, named as in OpenSSL; empty: the library's default
    later: bool = False  # the server asks for a certificate after the handshake (TLS 1.3)
    resumed: bool = False  # a second connection resumes the first
    tickets: bool = False  # sessions below TLS 1.3 are kept in tickets

    @property
    def title(self) -> str:
        """The handshake's title in reports."""
        auth = "with" if self.client_certificate else "without"
        more = f", server up to {self.server_version}" if self.server_version else ""
        more += f", {self.ciphers}" if self.ciphers else ""
        more += f", server takes {self.group}" if self.group else ""
        more += ", asked for later" if self.later else ""
        more += ", with tickets" if self.tickets else ""
        return f"{self.version} {auth} a client certificate{more}"


RESUMED = ", resumed"
"""The end of the title of a connection that resumes another one."""

HANDSHAKES = (
    *(Handshake(v, c, resumed=True) for v in ("TLS12", "TLS13") for c in (False, True)),
    Handshake("TLS12", False, resumed=True, tickets=True),
    *(Handshake("TLS13", c, group="prime256v1", resumed=True) for c in (False, True)),
    *(Handshake("TLS13", c, later=True, resumed=True) for c in (False, True)),
)
"""The handshakes of `monitor --live`. With prime256v1, an OpenSSL client, whose first key share is
of another group, is asked to retry."""


def available() -> str:
    """The reason why no live handshake can be recorded here; empty if one can."""
    import importlib.util
    import ssl

    if not hasattr(ssl.SSLContext, "_msg_callback"):
        return (
            "ssl.SSLContext has no _msg_callback, the private hook that names the messages of a "
            "live connection: this Python is not CPython, or a version that changed it; run "
            "under CPython 3.11 to 3.13, or record the messages elsewhere and use "
            "`python -m checker monitor FILE`"
        )
    if importlib.util.find_spec("cryptography") is None:
        return (
            "the package cryptography is not installed, and the live monitor makes its "
            "certificates with it: run `pip install '.[live]'`"
        )
    return ""


def record_all() -> list[Recording]:
    """The recordings of `HANDSHAKES`; LiveError if none can be made here."""
    identities = make_identities()
    return [r for h in HANDSHAKES for r in record(h, identities)]


def make_identities() -> dict[str, bytes]:
    """A new self-signed RSA certificate with its key for each end, as PEM."""
    why = available()
    if why:
        raise LiveError(why)
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    out: dict[str, bytes] = {}
    now = datetime.datetime.now(datetime.UTC)
    for serial, end in enumerate(("client", "server"), 1):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, end)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(end)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        out[end] = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    return out


Tap = Callable[[str, bytes], None]
"""Told of the bytes that an end, client or server, sent."""


def record(
    handshake: Handshake,
    identities: dict[str, bytes] | None = None,
    tap: Tap | None = None,
    key_log: str | None = None,
) -> list[Recording]:
    """The recordings of a handshake, with application data each way and the closure.

    There is one recording for each connection, so two for a resumption. `identities` are from
    `make_identities`; `tap` is told of all bytes, `key_log` is a file for the secrets. LiveError if
    none can be made here; RecordingError if the handshake fails or the model has no counterpart for
    a message.
    """
    import ssl

    events: list[Event] = []
    ends = contexts(handshake, identities or make_identities(), events)
    if key_log is not None:
        ends[0].keylog_filename = key_log
    out: list[Recording] = []
    session: ssl.SSLSession | None = None
    abstraction: Abstraction | None = None
    for resumes in (False, True) if handshake.resumed else (False,):
        title = handshake.title + (RESUMED if resumes else "")
        events.clear()
        try:
            session = _drive(*ends, session, tap, later=handshake.later)
        except ssl.SSLError as e:
            raise RecordingError(f"{title}: the live handshake failed: {e}") from e
        abstraction = Abstraction(abstraction)
        out.append(Recording(title, messages(title, events, abstraction), out[0] if out else None))
    return out


def contexts(
    handshake: Handshake, identities: dict[str, bytes], events: list[Event]
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The contexts of the client and the server, whose hooks append to `events`."""
    import os
    import ssl
    import tempfile

    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = {name: ssl.TLSVersion(code) for code, name in VERSIONS.items()}
    client.maximum_version = versions[handshake.version]
    server.maximum_version = versions[handshake.server_version or handshake.version]
    if handshake.group:
        server.set_ecdh_curve(handshake.group)
    for context in (client, server):
        context.post_handshake_auth = handshake.later
        if {handshake.version, handshake.server_version} - {"TLS13", ""} and not handshake.tickets:
            context.options |= ssl.OP_NO_TICKET
        if handshake.version in ("TLS10", "TLS11"):  # off unless asked for
            context.minimum_version = versions[handshake.version]
        if handshake.ciphers:
            context.set_ciphers(handshake.ciphers)
    # `ssl` loads a key from a file only; the file is gone when this returns.
    with tempfile.TemporaryDirectory() as folder:
        files = {end: os.path.join(folder, f"{end}.pem") for end in identities}
        for end, pem in identities.items():
            with open(files[end], "wb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
                f.write(pem)
        server.load_cert_chain(files["server"])
        client.load_verify_locations(files["server"])
        server.load_verify_locations(files["client"])
        if handshake.client_certificate:
            server.verify_mode = ssl.CERT_REQUIRED
            client.load_cert_chain(files["client"])
        elif handshake.later:
            server.verify_mode = ssl.CERT_OPTIONAL
    for side, context in (("client", client), ("server", server)):
        context._msg_callback = _hook(side, events)  # type: ignore[attr-defined]
    return client, server


def _hook(side: str, events: list[Event]) -> Callable[..., None]:
    def hook(
        conn: object, direction: str, version: int, content_type: int, msg_type: int, data: bytes
    ) -> None:
        # Only record: an exception raised here would surface later, elsewhere.
        events.append(
            Event(side, direction == "write", int(content_type), int(msg_type), bytes(data))
        )

    return hook


class _Ends:
    """The ends of a connection, which write into memory; `carry` brings the bytes to the other end.

    Each end reads all bytes before it writes, so that no messages cross. For this the ends
    themselves have no socket.
    """

    def __init__(self, sockets: Mapping[str, socket.socket], tap: Tap | None) -> None:
        import ssl

        self.sockets, self.tap = sockets, tap
        self.boxes = {side: (ssl.MemoryBIO(), ssl.MemoryBIO()) for side in sockets}

    def carry(self, side: str) -> None:
        """Bring the bytes that an end wrote to the other end, over the sockets."""
        other = "server" if side == "client" else "client"
        data = self.boxes[side][1].read()
        if self.tap is not None and data:
            self.tap(side, data)
        self.sockets[side].sendall(data)
        left = len(data)
        while left:
            part = self.sockets[other].recv(left)
            if not part:
                raise RecordingError(f"the connection to the {other} ended within a message")
            self.boxes[other][0].write(part)
            left -= len(part)

    def attempt(self, side: str, step: Callable[[], Any]) -> bool:
        """Let an end take a step, and say whether it had all bytes that it needed."""
        import ssl

        try:
            with contextlib.suppress(ssl.SSLZeroReturnError):
                step()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.carry(side)
        return True


def _drive(
    client_context: ssl.SSLContext,
    server_context: ssl.SSLContext,
    session: ssl.SSLSession | None,
    tap: Tap | None,
    *,
    later: bool,
) -> ssl.SSLSession | None:
    """Run both ends over a TCP connection on loopback; the client's session at the end."""
    import socket

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=10) as there,
        listener.accept()[0] as here,
    ):
        ends = _Ends({"client": there, "server": here}, tap)
        client = client_context.wrap_bio(
            *ends.boxes["client"], server_hostname="server", session=session
        )
        server = server_context.wrap_bio(*ends.boxes["server"], server_side=True)
        waiting = {"client": client, "server": server}
        for _ in range(10):  # a full handshake takes two turns
            for side, end in list(waiting.items()):
                if ends.attempt(side, end.do_handshake):
                    del waiting[side]
            if not waiting:
                break
        else:
            raise RecordingError("the live handshake did not complete in 10 turns")
        ends.attempt("client", lambda: client.read(16))  # takes the tickets
        if later:
            server.verify_client_post_handshake()
            ends.attempt("server", server.do_handshake)  # sends the request
            ends.attempt("client", lambda: client.read(16))
            ends.attempt("server", lambda: server.read(16))
            ends.attempt("client", lambda: client.read(16))
        session = client.session
        ends.attempt("client", lambda: client.write(b"ping"))
        ends.attempt("server", lambda: server.read(16))
        ends.attempt("server", lambda: server.write(b"pong"))
        ends.attempt("client", lambda: client.read(16))
        ends.attempt("client", client.unwrap)  # sends close_notify, then waits for the other
        ends.attempt("server", lambda: server.read(16))
        ends.attempt("server", server.unwrap)
        ends.attempt("client", client.unwrap)
    return session
