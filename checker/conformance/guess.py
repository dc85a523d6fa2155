"""The configurations of both ends under which a recording is legal, guessed from what it shows.

The client's configuration is what its ClientHello shows. The server is assumed to know, of the
suites offered, only the one that it took. If no configuration makes the recording legal, the server
is assumed to know all suites offered, and the machines refuse.

An alert says more: its sender may be configured so that it must refuse what it was sent. `evidence`
reads off the machine's reject rows which variables decide that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from checker.conformance import alerts
from checker.conformance.recording import (
    TO_CLIENT,
    TO_SERVER,
    Recorded,
    Recording,
    alphabet,
    choices_of,
    roles,
)
from model.expr import Expr, variables
from model.extensions.alpn import PROTOCOLS
from model.extensions.cipher_suites import CIPHERS
from model.principal import CLIENT, OFFERED, Version
from model.transcript import EXPORT_SUITES

MAY = {
    "client": ("updates", "false_starts", "allows_insecure", "crosses_names"),
    "server": ("updates", "asks_later", "issues_more", "asks_renegotiation", "allows_insecure"),
}
"""Options that an RFC always leaves to an end, and so are on: the end may use them."""

UNUSED = ("offers_session", "uses_tickets")
"""Options that a recording without sessions below TLS 1.3 does not use, and no assumption."""

EXTERNAL = ("external", "adversary")
"""The kinds of pre-shared keys that are no tickets, in the order in which they get these names."""

JUDGED = ("unknown_ca", "expired", "wrong_name")
"""The certificates that are `honest` to their owner, and not trusted by their receiver."""


@dataclass(frozen=True)
class Guess:
    """The configurations of both ends."""

    client: Mapping[str, Any]  # values of variables
    server: Mapping[str, Any]
    assumptions: tuple[str, ...]  # sentences
    arguments: Mapping[str, Any] = field(default_factory=dict)  # preferred, of calls
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # as received, by message
    forgotten: bool = False  # whether the server has not kept the session that is offered


def _kind(identity: str) -> str:
    """The kind of the pre-shared key with that identity: `resumption` if it is a ticket."""
    return identity if identity in ("none", *EXTERNAL) else "resumption"


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

    @cached_property
    def suite(self) -> str:
        """The suite; an abbreviated handshake that shows none has that of the one it resumes."""
        full = self
        while "suite" not in full.answer and full.abbreviated():
            if full.recording.before is None:
                break
            full = _Shown(full.recording.before)
        return full.answer["suite"] if "suite" in full.answer else full._suite()

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

    def tickets(self, message: Mapping[str, Any]) -> bool:
        """Whether the end that sent the hello `message` uses tickets below TLS 1.3."""
        return bool(
            message.get(
                "session_tickets", self.version != "TLS13" and "NewSessionTicket" in self.first
            )
        )

    def abbreviated(self) -> bool:
        """Whether the recording has the form of a resumption below TLS 1.3 (RFC 5246 7.3)."""
        after = [m.message for m in self.recording.messages if m.direction == TO_CLIENT]
        if self.version == "TLS13" or "ServerHello" not in after:
            return False
        rest = [m for m in after[after.index("ServerHello") + 1 :] if m != "NewSessionTicket"]
        return rest[:1] == ["ChangeCipherSpec"]

    def forgotten(self) -> bool:
        """Whether the server shows another session id than the offered one (RFC 5246 7.4.1.3).

        Such a server has not kept the session: no run comes before its run.
        """
        offered, answered = self.hello.get("session_id"), self.answer.get("session_id")
        if self.recording.before is None or offered in (None, "none"):
            return False
        return not self.abbreviated() if answered is None else bool(offered != answered)

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
        return self.alerts(direction, "user_canceled")

    def signs(self, direction: str) -> str:
        """What the end that sends in `direction` signs with; in TLS 1.3 never with SHA-1."""
        used = [m.fields.get("scheme") for m in self.recording.messages if m.direction == direction]
        return "sha1" if "rsa_sha1" in used and self.version != "TLS13" else "sha256"

    def alerts(self, direction: str, description: str) -> bool:
        """Whether the end that sends in `direction` sends that alert."""
        return any(
            m.direction == direction and m.fields.get("description") == description
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

    def keys(self) -> tuple[str, str]:
        """The kinds of the pre-shared keys offered, in order: `resumption`, `external`, `adversary`
        or `none`."""
        known = "ticket" if self.recording.before is not None else "external"
        named = known if self.selected() or self.early() else "none"
        first = str(self.hello.get("identity", named))
        second = str(self.hello.get("second_identity", "none"))
        return _kind(first), _kind(second)

    def selected_key(self) -> str:
        """The kind of the pre-shared key that the server selects; `none` if it selects none."""
        first, second = self.keys()
        named = second if second != "none" and self.answer.get("selected") == "1" else first
        return named if self.selected() else "none"

    def ticket(self) -> bool:
        """Whether a pre-shared key offered is a ticket."""
        return "resumption" in self.keys()

    def answered(self, field: str, default: Any) -> Any:
        """What the server answers in a field of ServerHello, or in TLS 1.3 EncryptedExtensions."""
        modern = "EncryptedExtensions" in self.first
        return self.of("EncryptedExtensions" if modern else "ServerHello").get(field, default)

    def protocols(self) -> dict[str, bool]:
        """The server's part in the choice of the application protocol: it knows the one picked."""
        picked = self.answered("protocol", "none")
        if picked != "none":
            return {f"knows_{p}": p == picked for p in PROTOCOLS}
        if self.alerts(TO_CLIENT, "no_application_protocol"):
            return dict.fromkeys((f"knows_{p}" for p in PROTOCOLS), False)
        asked = any(self.hello.get(f"lists_{p}", False) for p in PROTOCOLS)
        return {"uses_alpn": not asked or not self.answer}

    def ciphers(self) -> dict[str, Any]:
        """The server's suites of TLS 1.3: the one picked; and the suite that is taken to go with
        an external key, the same."""
        picked = (self.retry() or self.answer).get("cipher", "none")
        if picked == "none":
            return {}
        return {**{f"has_{c}": c == picked for c in CIPHERS}, "key_cipher": picked}

    def key_protocol(self) -> str:
        """The application protocol that is taken to go with an external key: the one picked."""
        return str(self.answered("protocol", "none")) if self.keys()[0] in EXTERNAL else "none"

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
    if offers.get(f"offers_{suite}") and not (
        suite in EXPORT_SUITES and version not in ("SSL30", "TLS10")
    ):
        known = {f"offers_{s}": s == suite for s in OFFERED}
    highest = version
    if answer.get("sentinel", "none") != "none":
        # RFC 8446 4.1.3: the sentinel shows that the server knows a higher version.
        least = "TLS13" if answer["sentinel"] == "DOWNGRD01" else "TLS12"
        highest = max(version, least, key=Version.code)
    weak = shown.of("ServerKeyExchange").get("group") == "dh_weak"
    # No end takes SSL 3.0 unless it is told to, and these two went on with it.
    lowest = min(version, "TLS10", key=Version.code)
    client = {
        "min_version": lowest,
        "max_version": shown.offered,
        **offers,
        "deflate": deflate,
        "closes": True,
    }
    server = {
        "min_version": lowest,
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
        f"versions {lowest} to {highest}, of the suites offered "
        f"{_named(known, 'none below TLS 1.3')}",
        f"the client's configuration, as its ClientHello shows it; its lowest version: {lowest}",
        *(
            f"the {end}'s part in extensions: {', '.join(used)}"
            for end, more in extra.items()
            if (used := [f"{n} {v}" for n, v in more.items() if n not in UNUSED or v])
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
        forgotten=shown.forgotten(),
    )


def unseen_session(recording: Recording) -> bool:
    """Whether a session is resumed whose handshake was not recorded."""
    shown = _Shown(recording)
    if recording.before is not None:
        return False
    if shown.version == "TLS13":
        return shown.ticket()
    id_ = shown.answer.get("session_id", shown.hello.get("session_id"))
    return shown.abbreviated() and id_ != "none"


def evidence(recording: Recording, guess: Guess) -> Iterator[Guess]:
    """The guesses under which an end refuses a message with the alert that it then sends.

    Each changes one thing of `guess` that decides a reject row: a variable of the configuration, a
    choice of that end, or a field that the recording does not show, as that end received it.
    """
    for at, m in enumerate(recording.messages):
        if m.message == "Alert":
            yield from _evidence(recording.messages[:at], m, guess)


def _evidence(before: tuple[Recorded, ...], alert: Recorded, guess: Guess) -> Iterator[Guess]:
    end = "client" if alert.direction == TO_SERVER else "server"
    got: Mapping[str, Any] = guess.client if end == "client" else guess.server
    received = {m.message: m for m in before if m.direction != alert.direction}
    d = alert.fields["description"]
    for name, m in reversed(received.items()):
        for alert_of_row, names in _decide(end, name):
            if d not in alerts.allowed(alert_of_row, "TLS12", garbled_in_clear=False):
                continue
            for kind, what in names:
                for value in _values(end, kind, what):
                    note = f"{what}={value}, so that {name} is refused with {alert_of_row}"
                    notes = (*guess.assumptions, f"of the {end}, from its alert: {note}")
                    out = replace(guess, assumptions=notes)
                    if kind == "own" and value != got.get(what):
                        mine = {**got, what: value}
                        yield (
                            replace(out, client=mine)
                            if end == "client"
                            else replace(out, server=mine)
                        )
                    if kind == "choice":
                        yield replace(out, arguments={what: value})
                        yield replace(out, arguments={what: value, "certificate": "empty"})
                    if kind == "msg" and what not in m.fields:
                        yield replace(out, fields={name: {what: value}})


@cache
def _decide(end: str, message: str) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """The alerts with which `end` refuses a `message`, and what decides that, by kind and name."""
    role = roles()[end]
    direction = TO_SERVER if end == "client" else TO_CLIENT
    chosen = {c for m in role.sends if m in alphabet() for c in choices_of(direction, m)}
    out: dict[str, dict[tuple[str, str], None]] = {}
    for r in role.rules:
        if r.event != message or r.refuses is None:
            continue
        row, check = r.refuses
        tested = next(c.expr for c in role.rule(row).checks if c.name == check)
        for v in variables(tested):
            kind, _, name = v.partition(".")
            if kind == "own" and name in role.configuration:
                out.setdefault(str(r.alert), {})[kind, name] = None
            elif kind == "own" and name in chosen:
                out.setdefault(str(r.alert), {})["choice", name] = None
            elif kind == "msg" and (message, name) == ("Certificate", "certificate"):
                out.setdefault(str(r.alert), {})[kind, name] = None
    return tuple((alert, tuple(names)) for alert, names in out.items())


def _values(end: str, kind: str, name: str) -> tuple[Any, ...]:
    """The values that a variable, a choice or the receiver's view of a certificate may have."""
    if kind == "msg":
        return JUDGED
    values = roles()[end].variables[name].domain.values
    return tuple(v for v in values if v != "none")


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
        "signs": shown.signs(TO_SERVER),
        "offers_session": hello.get("session_id", "none") != "none"
        if "session_id" in hello
        else shown.abbreviated(),
        "dh_certificate": any(
            m.direction == TO_SERVER and m.fields.get("dh_key", False) for m in recording.messages
        ),
        "offers_pha": shown.asked_later(),
        "uses_tickets": shown.tickets(hello),
        "knows_ri": hello.get("renegotiation_info") != "none",
        "signals": hello.get("renegotiation_info") == "scsv",
        "asks_status": shown.answer.get("status_request", "CertificateStatus" in shown.first),
        "resumes": shown.ticket(),
        "has_external": shown.keys()[0] in EXTERNAL,
        "shares_with_adversary": shown.keys()[0] == "adversary",
        "second_key": shown.keys()[1],
        "takes_psk_ke": shown.selected() and shown.answer.get("key_share") == "none",
        "shares_beside": hello.get("shares") == "one" and not hello.get("psk_dhe_ke", True),
        "key_cipher": shown.ciphers().get("key_cipher", "AES128_SHA256"),
        "first_group": "none" if hello.get("shares") == "empty" else "x25519",
        **{f: hello[f] for f in ("supports_x25519", "supports_secp256r1") if f in hello},
        "sends_early": shown.early(),
        "key_protocol": shown.key_protocol(),
        **{name: hello[f] for f, name in _configured_by_hello().items() if f in hello},
    }


def _server_extensions(shown: _Shown) -> dict[str, Any]:
    """The server's variables of extensions."""
    retry, answer, selected = shown.retry() or {}, shown.answer, shown.selected()
    cookie = retry.get("cookie", "none")
    asked = shown.retry() is not None
    key, ke_alone = shown.selected_key(), selected and answer.get("key_share") == "none"
    modern = "EncryptedExtensions" in shown.first
    return {
        "cancels": shown.cancels(TO_CLIENT),
        "signs": shown.signs(TO_CLIENT),
        "schemes": shown.of("CertificateRequest").get("signature_algorithms", "sha256"),
        "uses_tickets": shown.tickets(answer),
        "knows_ri": answer.get("renegotiation_info") != "none",
        "offers_ems": modern or answer.get("extended_master_secret", True),
        "staples": answer.get("status_request", "CertificateStatus" in shown.first),
        "hints": "ServerKeyExchange" in shown.first,
        "resumes": key == "resumption",
        "has_external": key == "external",
        "shares_with_adversary": key == "adversary",
        "takes_psk_ke": ke_alone,
        "takes_psk_dhe_ke": not ke_alone,
        "takes_early": shown.of("EncryptedExtensions").get(
            "early_data", "EndOfEarlyData" in shown.first
        ),
        "asks_cookie": cookie != "none",
        "acknowledges": shown.hello.get("server_name", "none") == "none"
        or shown.answered("server_name", True),
        **shown.protocols(),
        **shown.ciphers(),
        "key_protocol": shown.key_protocol(),
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
