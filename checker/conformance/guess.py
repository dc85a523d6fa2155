"""The configurations of both ends under which a recording is legal, guessed from what it shows.

The client's configuration is what its ClientHello shows. The server is assumed to know, of the
suites offered, only the one that it took. If no configuration makes the recording legal, the server
is assumed to know all suites offered, and the machines refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from checker.conformance.recording import TO_CLIENT, TO_SERVER, Recording, roles
from model.expr import Expr
from model.principal import CLIENT, OFFERED, Version
from model.transcript import EXPORT_SUITES

MAY = {
    "client": ("updates", "false_starts"),
    "server": ("updates", "asks_later", "issues_more"),
}
"""Options that an RFC always leaves to an end, and so are on: the end may use them."""


@dataclass(frozen=True)
class Guess:
    """The configurations of both ends."""

    client: Mapping[str, Any]  # values of variables
    server: Mapping[str, Any]
    assumptions: tuple[str, ...]  # sentences


class _Shown:
    """The evidence of a recording: the fields of the first message of each name, in order."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.first: dict[str, Mapping[str, Any]] = {}
        for m in recording.messages:
            self.first.setdefault(m.message, m.fields)
        self.hello, self.answer = self.of("ClientHello"), self.of("ServerHello")
        modern = {"EncryptedExtensions", "HelloRetryRequest"} & set(self.first)
        self.offered: str = self.hello.get(
            "version", self.answer.get("version", "TLS13" if modern else "TLS12")
        )
        self.version: str = self.answer.get("version", min(self.offered, "TLS13", key=Version.code))
        self.suite: str = self.answer.get("suite", self._suite())

    def of(self, message: str) -> Mapping[str, Any]:
        """The fields of the first such message; none if there is none."""
        return self.first.get(message, {})

    def _suite(self) -> str:
        """The suite inferred from the kinds of messages, for a ServerHello that shows none."""
        if self.version == "TLS13":
            return "AEAD"
        if "ServerKeyExchange" not in self.first:
            return "RSA"
        if "Certificate" not in self.first:
            return "DH_anon"
        by_group = {"dh": "DHE", "dh_weak": "DHE_EXPORT", "rsa_weak": "RSA_EXPORT"}
        return by_group.get(self.of("ServerKeyExchange").get("group", "ecdh"), "ECDHE")

    def missing(self) -> list[str]:
        """The fields that the configuration needs and the ClientHello does not show."""
        there = {
            "version": "version" in self.hello,
            "offers_*": any(f.startswith("offers_") for f in self.hello),
            "deflate": "deflate" in self.hello,
        }
        return [f for f, yes in there.items() if not yes]

    def cancels(self, direction: str) -> bool:
        """Whether the end that sends in `direction` gives up the handshake."""
        return any(
            m.direction == direction and m.fields.get("description") == "user_canceled"
            for m in self.recording.messages
        )

    def selected(self) -> bool:
        """Whether the server takes a pre-shared key: in TLS 1.3, if it shows no certificate."""
        by_server = {m.message for m in self.recording.messages if m.direction == TO_CLIENT}
        bare = {"EncryptedExtensions", "Finished"} <= by_server and "Certificate" not in by_server
        return bool(self.answer.get("selected", "0" if bare else "none") != "none")

    def early(self) -> bool:
        """Whether the client sends early data."""
        shown = bool({"EarlyData", "EndOfEarlyData"} & set(self.first))
        return bool(self.hello.get("early_data", shown))

    def identity(self) -> str:
        """The pre-shared key offered: the ticket, `external`, `none` or what the hello shows."""
        known = "ticket" if self.recording.before is not None else "external"
        named = known if self.selected() or self.early() else "none"
        return str(self.hello.get("identity", named))

    def retry(self) -> Mapping[str, Any] | None:
        """The fields of a HelloRetryRequest before the ServerHello; None if there is none."""
        order = [m for m in self.first if m in ("HelloRetryRequest", "ServerHello")]
        return self.of("HelloRetryRequest") if order[:1] == ["HelloRetryRequest"] else None

    def asked_later(self) -> bool:
        """Whether the server asks for a certificate after the handshake."""
        order = [(m.direction, m.message) for m in self.recording.messages]
        finished = (TO_SERVER, "Finished")
        return (
            finished in order
            and (TO_CLIENT, "CertificateRequest") in order[order.index(finished) :]
        )


def configure(recording: Recording) -> Guess:
    """The configurations of both ends under which the recording may be legal."""
    shown = _Shown(recording)
    hello, answer, version, suite = shown.hello, shown.answer, shown.version, shown.suite
    compression = answer.get("compression", "null")
    offers = {f"offers_{s}": hello.get(f"offers_{s}", s == suite) for s in OFFERED}
    deflate = hello.get("deflate", compression == "deflate")
    known = offers
    if offers.get(f"offers_{suite}") and not (suite in EXPORT_SUITES and version != "TLS10"):
        known = {f"offers_{s}": s == suite for s in OFFERED}
    highest = version
    if answer.get("sentinel", "none") != "none":
        # RFC 8446 4.1.3: the sentinel shows that the server knows a higher version.
        least = "TLS13" if answer["sentinel"] == "DOWNGRD01" else "TLS12"
        highest = max(version, least, key=Version.code)
    weak = shown.of("ServerKeyExchange").get("group") == "dh_weak"
    client = {"max_version": shown.offered, **offers, "deflate": deflate, "closes": True}
    server = {
        "max_version": highest,
        **known,
        "deflate": compression == "deflate",
        "weak_dh": weak,
        "closes": True,
    }
    extra = {
        "client": _changed("client", _client_extensions(shown)),
        "server": _changed("server", _server_extensions(shown)),
    }
    notes = [
        "the server's configuration, chosen so that the recorded choices are legal for it: "
        f"versions TLS10 to {highest}, of the suites offered {_named(known, 'none below TLS 1.3')}",
        "the client's configuration, as its ClientHello shows it; its lowest version: TLS10",
        *(
            f"the {end}'s part in extensions: {', '.join(f'{n} {v}' for n, v in more.items())}"
            for end, more in extra.items()
            if more
        ),
    ]
    if shown.missing():
        notes.append(
            f"the ClientHello's {', '.join(shown.missing())}, not recorded: version "
            f"{shown.offered}, suites {_named(offers, 'of TLS 1.3 only')}"
        )
    may = {end: dict.fromkeys(names, True) for end, names in MAY.items()}
    return Guess(
        client | extra["client"] | may["client"],
        server | extra["server"] | may["server"],
        tuple(notes),
    )


def _named(offers: Mapping[str, bool], otherwise: str) -> str:
    return ", ".join(s for s in OFFERED if offers[f"offers_{s}"]) or otherwise


def _changed(end: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The chosen values that differ from the initial ones."""
    variables = roles()[end].variables
    return {n: v for n, v in chosen.items() if v != variables[n].initial[0]}


def _client_extensions(shown: _Shown) -> dict[str, Any]:
    """The client's variables of extensions, from its ClientHello where that shows them."""
    hello, recording = shown.hello, shown.recording
    return {
        "cancels": shown.cancels(TO_SERVER),
        "offers_session": recording.before is None or hello.get("session_id") != "none",
        "dh_certificate": any(
            m.direction == TO_SERVER and m.fields.get("dh_key", False) for m in recording.messages
        ),
        "offers_pha": shown.asked_later(),
        "asks_status": shown.answer.get("status_request", "CertificateStatus" in shown.first),
        "resumes": recording.before is not None and shown.identity() not in ("none", "external"),
        "has_external": shown.identity() == "external",
        "takes_psk_ke": shown.selected() and shown.answer.get("key_share") == "none",
        "shares_beside": hello.get("shares") == "one" and not hello.get("psk_dhe_ke", True),
        "first_group": "none" if hello.get("shares") == "empty" else "x25519",
        **{f: hello[f] for f in ("supports_x25519", "supports_secp256r1") if f in hello},
        "sends_early": shown.early(),
        **{name: hello[f] for f, name in _configured_by_hello().items() if f in hello},
    }


def _server_extensions(shown: _Shown) -> dict[str, Any]:
    """The server's variables of extensions."""
    retry, answer, selected = shown.retry() or {}, shown.answer, shown.selected()
    cookie = retry.get("cookie", "none")
    asked = shown.retry() is not None
    ke_alone = selected and answer.get("key_share") == "none"
    modern = "EncryptedExtensions" in shown.first
    return {
        "cancels": shown.cancels(TO_CLIENT),
        "offers_ems": modern or answer.get("extended_master_secret", True),
        "staples": answer.get("status_request", "CertificateStatus" in shown.first),
        "hints": "ServerKeyExchange" in shown.first,
        "resumes": shown.recording.before is not None and selected,
        "has_external": shown.identity() == "external" and selected,
        "takes_psk_ke": ke_alone,
        "takes_psk_dhe_ke": not ke_alone,
        "takes_early": shown.of("EncryptedExtensions").get(
            "early_data", "EndOfEarlyData" in shown.first
        ),
        "asks_cookie": cookie != "none",
        "supports_x25519": not asked or (cookie != "none" and retry.get("group", "none") == "none"),
    }


@cache
def _configured_by_hello() -> Mapping[str, str]:
    """The variable of an extension that a ClientHello field shows directly, by field."""
    client = roles()["client"]
    set_by_rows = {name for r in client.table for name in r.do}
    out = {}
    for f, e in client.sends["ClientHello"].items():
        if isinstance(e, Expr) and e.op == "var":
            name = str(e.payload).removeprefix("own.")
            if name in client.variables and name not in CLIENT and name not in set_by_rows:
                out[f] = name
    return out
