"""The answers of a learned machine and of the model to one input, and how they differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from checker.conformance.alerts import MALFORMED, allowed
from checker.conformance.completion import Completion
from checker.conformance.explanation import explain, published
from checker.conformance.honest import Answer, Key
from checker.conformance.learned import IGNORED, Output, Symbol, output
from checker.conformance.weakening import Weakening
from model.rule import SAME

LAXER, STRICTER, LATE, SILENT, ALERT, EXTRA = (
    "laxer",
    "stricter",
    "late-reject",
    "silent-close",
    "alert-differs",
    "extra-output",
)
RENEGOTIATION = (
    "ClientHello when connected asks for a renegotiation, which RFC 5246 7.4.1.1 and 7.2.2 leave "
    "to the server: not in the model, not followed"
)


RFC_13 = {
    "ClientHello": "8446 4.1.2",
    "ServerHello": "8446 4.1.3",
    "EncryptedExtensions": "8446 4.3.1",
    "CertificateRequest": "8446 4.3.2",
    "Certificate": "8446 4.4.2",
    "CertificateVerify": "8446 4.4.3",
    "Finished": "8446 4.4.4",
    "ChangeCipherSpec": "8446 5",
    "ApplicationData": "8446 5.1",
}
"""The sections of TLS 1.3 for messages that older versions have too."""


@dataclass
class Divergence:
    """One cause of differing answers, shown by a shortest word of inputs."""

    kind: str
    word: tuple[str, ...]
    state: str  # the model's
    expected: str  # the model's answer
    got: str  # the file's own output text
    rule: str = ""  # the model's row
    rfc: str = ""
    note: str = ""
    also: tuple[str, ...] = ()  # further inputs with the same cause
    weakening: Weakening | None = None  # of what is laxer: the row that explains it
    # Properties that fall with the weakened row: name, id, steps of the attack.
    properties: list[dict[str, Any]] = field(default_factory=list)
    flaw: str = ""  # the published flaw with the same row
    behind: bool = False  # found only after another, laxer divergence
    allowed: str = ""  # the reason why a known deviation is allowed


@dataclass(frozen=True)
class Exchange:
    """One input in a pair of states, with the answers of both machines."""

    q: int  # the learned machine's state
    key: Key  # the model's
    symbol: Symbol
    to: int  # the learned machine's next state
    got: Output
    answer: Answer  # the model's
    state: str  # of the model's run
    modern: bool  # whether the version is TLS 1.3

    def differs(self, kind: str, note: str = "", expected: str = "") -> Divergence:
        """The divergence of this exchange; `expected` replaces the text of the model's answer."""
        answer = self.answer
        said = expected or answer.alert or " ".join(answer.messages) or "accepted"
        rule, rfc = answer.rule, answer.rule.rfc
        if self.modern and rule.message is not None and rfc == rule.message.rfc:
            rfc = RFC_13.get(rule.event, "8446 4")  # a message that no row of the state takes
        return Divergence(kind, (), self.state, said, self.got.text, rule.name, rfc, note)


class Comparison:
    """The comparison of both machines' answers; `notes` says what was not followed."""

    def __init__(self, pair: Completion) -> None:
        self.pair = pair
        self.completes = bool(pair.ends)
        self.notes: dict[str, None] = {}

    def compare(
        self, q: int, key: Key, a: str, early: Collection[str] = ()
    ) -> tuple[list[Divergence], tuple[int, Key] | None]:
        """The divergences of the answers to input `a`; the next pair of states, if both go on.

        The messages `early` were taken before their time, and may count as those still due.
        """
        pair, symbol = self.pair, self.pair.symbols[a]
        to, text = pair.machine.move[q][a]
        got, state = output(text), pair.state(key)
        if symbol.harmless:
            return list(self._harmless(q, to, symbol, got, state)), None
        modern = pair.config.version == "TLS13"
        x = Exchange(q, key, symbol, to, got, pair.model.step(key, symbol), state, modern)
        if pair.mute(got, to) or self._free(x):
            return [], None
        if x.answer.alert and not got.refuses:
            x = self._counted(x, early)
        if x.answer.alert:
            return (list(self._refused(x)), None) if got.refuses else self._accepted(x)
        if got.refuses:
            return list(self._stricter(x)), None
        if pair.hopeful(x.answer.key) and q in pair.live and to not in pair.live:
            return [x.differs(STRICTER, f"nothing completes after {a}")], None
        over = pair.model.over(x.answer.key)
        return list(self._outputs(x)), None if over else (to, x.answer.key)

    def _counted(self, x: Exchange, early: Collection[str]) -> Exchange:
        """The exchange, if the model takes the message once an early one counts as the one due."""
        model = self.pair.model
        for r in model.role.table:
            due = r.kind == "receive" and r.event in early and x.state in r.sources
            if due and r.target != SAME and model.of_generation(r):
                answer = model.step(model.without(x.key, r), x.symbol)
                if not answer.alert:
                    return replace(x, answer=answer)
        return x

    def _harmless(
        self, q: int, to: int, s: Symbol, got: Output, state: str
    ) -> Iterator[Divergence]:
        """The divergence of a symbol that should be refused or ignored, if it is neither."""
        pair = self.pair
        if got.refuses:
            return
        d = Divergence("", (), state, "refused or ignored", got.text, "", "5246 6.2.1")
        note = f"{s.name} is neither refused nor ignored: "
        if pair.machine.alike[to] != pair.machine.alike[q] and q in pair.live:
            if to in pair.live:
                yield replace(d, kind=LAXER, note=note + "it changes what follows")
                return
            path = [
                p
                for p in pair.machine.reach(to)
                if any(not output(o).refuses for _, o in pair.machine.move[p].values())
            ]
            note += (
                f"it opens a second path of {len(path)} states, on which no handshake completes"
                if len(path) > 1
                else "no handshake completes after it"
            )
            yield replace(d, kind=LATE, note=note)
        elif got.messages or got.other or got.alerts:
            yield replace(d, kind=EXTRA, note=f"{s.name} is answered")

    def _free(self, x: Exchange) -> bool:
        """Whether the RFCs leave the answer to the endpoint, though the model fixes one."""
        legacy = self.pair.config.version != "TLS13"
        message, got = x.symbol.message, x.got
        if (message, x.state, self.pair.config.role) == ("ClientHello", "CONNECTED", "server"):
            if legacy and not got.refuses:
                self.notes[RENEGOTIATION] = None
            return legacy
        if message == "CloseNotify" and x.state not in ("CONNECTED", "CLOSING"):
            return got.refuses  # RFC 5246 7.2.1: either side may close; no alert need answer it
        if message == "ApplicationData" and x.state == "CONNECTED":
            return got.closed and not got.fatal  # the application may close after its answer
        return message == "Alert" and got.refuses

    # -- the model goes on -------------------------------------------------------------------------
    def _stricter(self, x: Exchange) -> Iterator[Divergence]:
        """The divergence of a refusal of what the model accepts."""
        pair, key, got = self.pair, x.answer.key, x.got
        done = pair.connected(key) and "ApplicationData" in got.messages
        ended = pair.state(key) in ("CLOSED", "ANSWER_CLOSE", "ANSWER_EARLY_CLOSE")
        alive = x.q in pair.live or not self.completes
        if pair.hopeful(key) and not done and not ended and alive:
            yield x.differs(STRICTER, f"{x.symbol.name} is refused")
        elif ended and x.answer.rule.event == "CloseNotify":
            # close_notify is answered with close_notify (RFC 5246 7.2.1), with nothing else.
            if ("warning", "close_notify") not in got.alerts and not got.fatal:
                if pair.config.version != "TLS13":
                    yield x.differs(SILENT, "close_notify is not answered", "close_notify")
            elif got.messages:
                yield x.differs(EXTRA, "data after close_notify")

    def _outputs(self, x: Exchange) -> Iterator[Divergence]:
        """The divergences of an answer with more or fewer messages than the model's."""
        want = [m for m in x.answer.messages if m != "CloseNotify"]
        have = [m for m in x.got.messages if m not in IGNORED and m != "CloseNotify"]
        if self.pair.config.version == "TLS13" and "ChangeCipherSpec" not in want:
            have = [m for m in have if m != "ChangeCipherSpec"]  # RFC 8446 D.4
        if self.pair.connected(x.answer.key):
            have = [m for m in have if m != "ApplicationData"]  # the application's own
        if x.got.hidden:
            have += want[len(have) :]  # the end of the answer was not decrypted
        if have == want and not x.got.other:
            return
        extra = [m for m in have if have.count(m) > want.count(m)] + list(x.got.other)
        if extra:
            yield x.differs(EXTRA, f"sends {' '.join(dict.fromkeys(extra))} too")
        missing = [m for m in want if want.count(m) > have.count(m)]
        if missing:
            yield x.differs(STRICTER, f"does not send {' '.join(missing)}")

    # -- the model refuses -------------------------------------------------------------------------
    def _refused(self, x: Exchange) -> Iterator[Divergence]:
        """The divergences of a refusal with a wrong alert, without alert, or with more messages."""
        clear = x.answer.garbled and self.pair.model.value(x.key, "read_key") == "plaintext"
        may = allowed(x.answer.alert, self.pair.config.version, garbled_in_clear=clear)
        if not self.pair.hopeful(x.key):
            may = (*may, *MALFORMED)  # the handshake had failed before, silently
        if x.got.fatal and x.got.fatal not in may:
            yield x.differs(ALERT, f"allowed: {', '.join(may)}")
        if not x.got.fatal:
            yield x.differs(SILENT)
        extra = [m for m in x.got.messages if m != "ApplicationData" or x.state != "CONNECTED"]
        if extra:
            yield x.differs(EXTRA, f"sends {' '.join(extra)} before it refuses")

    def _accepted(self, x: Exchange) -> tuple[list[Divergence], tuple[int, Key] | None]:
        """The divergence of an answer that does not refuse what the model refuses.

        And the next pair of states, if the message was accepted.
        """
        pair = self.pair
        accepted = x.to in pair.live
        flight = [
            m for m in x.got.messages if m not in (*IGNORED, "ApplicationData", "CloseNotify")
        ]
        rekeyed = x.symbol.message == "ChangeCipherSpec" and pair.rekeyed(x.to)
        if x.q not in pair.live:
            return [], None
        if accepted or rekeyed or flight:
            weakening, key = explain(pair, x.answer, x.to, x.state, x.got, accepted=accepted)
            note = "the handshake goes on" if accepted else "the keys change"
            if flight and not accepted:
                note = "it sends its next flight"
            if x.state in ("CONNECTED", "CLOSING") and accepted:
                note = "the connection goes on"
            d = x.differs(LAXER, note)
            d.weakening, d.flaw = weakening, published(pair, x.answer, x.state, key)
            return [d], (x.to, key) if accepted or rekeyed else None
        silent = all(
            not output(o).text.strip("- ") or output(o).text == "Empty"
            for p in pair.machine.reach(x.to)
            for _, o in pair.machine.move[p].values()
        )
        note = (
            "it answers nothing from then on"
            if silent
            else "refused only later; no handshake completes after it"
        )
        return [x.differs(LATE, note)], None
