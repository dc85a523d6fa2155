"""A TLS server that is the model's machine over the record layer, sound or weakened.

What it accepts is decided by the `transitions` machine of a role. What the bytes say (a right MAC,
a signature, a known certificate) is verified here.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from checker.conformance import key_schedule as ks
from checker.conformance import wire
from checker.conformance.connection import Connection, Event
from checker.conformance.credentials import Credentials
from checker.conformance.honest import Configuration, HonestMachine, Key, Probe
from checker.conformance.learned import Symbol, symbol
from checker.conformance.mapper import Mapper, Ticket
from checker.conformance.trial import Target
from checker.conformance.words import added, probe, words
from model.machine import JUNK
from model.role import Role

ACCEPTED_PATIENCE = 10.0
ECDSA_SHA256 = 0x0403
X25519 = 0x001D  # the one group of the curves offered


class OwnServer:
    """A server of one configuration; `role` is the sound one or a patched one."""

    def __init__(
        self,
        config: Configuration,
        credentials: Credentials,
        role: Role | None = None,
        *,
        alerts: bool = True,
    ) -> None:
        self.config, self.credentials, self.alerts = config, credentials, alerts
        self.tickets: dict[bytes, Ticket] = {}  # those sent, by identity
        self.machine = HonestMachine(config, role)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])

    @contextlib.contextmanager
    def running(self, wait: float = 0.1) -> Iterator[Target]:
        """The server in a thread of its own."""
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield Target("127.0.0.1", self.port, wait, pinned=True)
        finally:
            self.listener.shutdown(socket.SHUT_RDWR)  # ends the thread's wait
            thread.join(timeout=5)
            self.listener.close()

    def serves(self) -> None:
        """Called before each connection."""

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            self.serves()
            with contextlib.closing(raw), contextlib.suppress(OSError, ValueError):
                _Served(self, Connection(raw)).serve()


class _Served:
    """One connection."""

    def __init__(self, server: OwnServer, connection: Connection) -> None:
        config = server.config
        peer = Configuration(
            "client", config.version, config.suites, config.asks, extensions=config.extensions
        )
        self.server, self.machine = server, server.machine
        self.mapper = Mapper(connection, peer, server.credentials)
        self.key: Key = self.machine.initial
        self.words = words(config)

    def serve(self) -> None:
        """Answer messages until the connection ends."""
        while True:
            covered = self.mapper.transcript
            event = self.mapper.receive(time.monotonic() + ACCEPTED_PATIENCE)
            if event is None or event.name in ("ConnectionClosed", "ConnectionReset", "NotTLS"):
                return
            found = self._symbol(event, covered)
            if found is None:
                return
            extra = found.message in added()
            answer = (
                self.words.answer(self.key, found) if extra else self.machine.step(self.key, found)
            )
            if answer.alert:
                if self.server.alerts:
                    self.mapper.send(_alert(answer.alert))
                return
            before, self.key = self.key, answer.key
            self._resume()
            for name in answer.messages:
                self.mapper.send(probe(name))
            if self._state(before) != "CONNECTED" == self._state(self.key):
                self._issue()
            if found.message == "ApplicationData" and self._state(before) == "CONNECTED":
                if self._value("must_answer"):
                    self.mapper.send(probe("KeyUpdate"))
                self.mapper.send(symbol("ApplicationData"))
            if self.machine.over(self.key):
                return

    def _value(self, name: str) -> object:
        """The value of a variable of an extension's; None without the extension."""
        there = name in self.machine.role.variables
        return self.machine.value(self.key, name) if there else None

    def _resume(self) -> None:
        """Take the key of the ticket that was offered, if the machine has selected it."""
        if self.mapper.ticket is not None and self._value("psk") != "none":
            self.mapper.psk = self.mapper.ticket.key

    def _issue(self) -> None:
        """Send a ticket, and keep it."""
        if self._value("psk") == "none":
            self.mapper.send(probe("NewSessionTicket"))
            ticket = self.mapper.resumable
            assert ticket is not None
            self.server.tickets[ticket.identity] = ticket

    def _state(self, key: Key) -> str:
        return str(self.machine.value(key, "state"))

    def _symbol(self, event: Event, covered: bytes) -> Symbol | None:
        """The message as the model has it; None for one that the server does not answer."""
        sealed = self.machine.value(self.key, "read_key") != "plaintext"
        if event.name == "Undecryptable" or (event.keys and not sealed):
            return symbol("UndecryptableRecord")
        if event.name == "Alert":
            return probe("CloseNotify(clear)" if sealed and not event.keys else "CloseNotify")
        spec = event.name == "ChangeCipherSpec" and self.mapper.modern
        if spec and event.keys:
            return probe("ChangeCipherSpec(sealed)")
        clear = sealed and not event.keys and not spec
        altered = self._wrong(event, covered)
        name = event.name
        if name == "ClientHello" and self._state(self.key) == "WAIT_CH":
            name = "SecondClientHello"
        if altered is not None:
            under = "clear" if clear else ""
            return Probe(name, name, altered=altered, under=under)
        if event.name == "Certificate" and self._certificate(event) == "empty":
            return symbol("EmptyCertificate")
        return probe(f"{name}(clear)" if clear else name)

    def _wrong(self, event: Event, covered: bytes) -> tuple[tuple[str, object], ...] | None:
        """The fields of a message that are not as an honest client has them."""
        if event.name == "ChangeCipherSpec" and event.body != b"\x01":
            return (("value", "other"),)
        if event.name == "Finished" and event.body != self._verify_data(covered):
            return (("verify_data", JUNK),)
        if event.name == "CertificateVerify":
            code = wire.Reader(event.name, event.body).number(2)
            if code != ECDSA_SHA256:
                return (("scheme", "other" if wire.with_sha1(code) else "ecdsa_sha256"),)
            return None if self._signed(event.body, covered) else (("signature", JUNK),)
        if event.name == "Certificate" and self._certificate(event) not in ("empty", "honest"):
            return (("certificate", self._certificate(event)),)
        if event.name == "KeyUpdate" and event.body != b"\0":
            return (("request_update", "update_requested" if event.body == b"\1" else "other"),)
        if event.name == "ClientHello":
            return self._wrong_hello(event)
        exchanges = not self.mapper.modern and self.mapper.suite.exchange.startswith("ECDHE")
        if event.name == "ClientKeyExchange" and exchanges:
            share = wire.client_share(event.body, self.mapper.suite.exchange)
            return (("degenerate", True),) if wire.degenerate(share, X25519) else None
        return None

    def _wrong_hello(self, event: Event) -> tuple[tuple[str, object], ...] | None:
        hello = wire.client_hello(event.body)
        if hello.version != self.server.config.version:
            return (("version", hello.version), ("legacy_version", hello.legacy_version))
        exchanges = {wire.SUITES[n][0] for n in wire.pairs(hello.suites) if n in wire.SUITES}
        if not any(e.startswith("ECDHE") or not e for e in exchanges):
            return tuple((f"offers_{s}", False) for s in self.server.config.suites)
        listed = wire.schemes(hello.extensions)
        if not listed or all(map(wire.with_sha1, listed)):
            named = "none" if listed is None else "sha1" if listed else "empty"
            return (("signature_algorithms", named),)
        if any(wire.degenerate(public, group) for group, public in hello.shares.items()):
            return (("degenerate", True),)
        if b"\x01" in hello.compression:
            return (("deflate", True),)
        if self._state(self.key) == "WAIT_CH" and not hello.shares:
            shares = "empty" if wire.KEY_SHARE in hello.extensions else "none"
            return (("shares", shares), ("key_share", "none"), ("group", "none"))
        return self._wrong_key(event, hello) if self._value("psk") is not None else None

    def _wrong_key(
        self, event: Event, hello: wire.ClientHello
    ) -> tuple[tuple[str, object], ...] | None:
        """The fields of the pre-shared key, unless a ticket is offered as it should be."""
        known = (i for i in hello.identities if i in self.server.tickets)
        self.mapper.ticket = ticket = self.server.tickets.get(next(known, b""))
        if ticket is None:
            return (("identity", "none"),)
        if wire.PSK_MODES not in hello.extensions:
            return (("psk_dhe_ke", False),)
        size = hashlib.new(ticket.suite.hash).digest_size
        key = ks.Schedule(ticket.suite, psk=ticket.key).binder_key()
        right = ks.finished13(ticket.suite, key, event.raw[: -size - 3])
        return None if event.raw.endswith(right) else (("binder", JUNK),)

    def _verify_data(self, covered: bytes) -> bytes:
        m = self.mapper
        if m.modern:
            found = m._secrets.get("CLIENT_HANDSHAKE_TRAFFIC_SECRET")
            secret = found.secret if found else bytes(32)
            return ks.finished13(m.suite, secret, covered)
        return ks.finished12(m.version, m.suite, m.master or bytes(48), "client", covered)

    def _certificate(self, event: Event) -> str:
        """The model's class of a client certificate."""
        r = wire.Reader("Certificate", event.body)
        if self.mapper.modern:
            r.vector(1)
        chain = wire.Reader("Certificate", r.vector(3))
        if not chain.more():
            return "empty"
        first = chain.vector(3)
        known = self.server.credentials.client
        return next((n for n, i in known.items() if i.certificate == first), "unknown_ca")

    def _signed(self, body: bytes, covered: bytes) -> bool:
        r = wire.Reader("CertificateVerify", body)
        r.number(2)
        signature = r.vector(2)
        data = covered
        if self.mapper.modern:
            name = ks.transcript_hash(ks.TLS12, self.mapper.suite.hash, covered)
            data = b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + name
        public = self.server.credentials.client["honest"].key.public_key()
        try:
            public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def _alert(description: str) -> Symbol:
    return Symbol("Alert", "Alert", level="fatal", description=description)
