"""Calls of the message hook of Python's `ssl`, made one list of messages.

The hook is the private `ssl.SSLContext._msg_callback(conn, direction, version, content_type,
msg_type, data)`. Measured with OpenSSL 3.0, it reports:

- every handshake message and alert, decrypted, as written and as read;
- every record header (content type 256, `msg_type` the record's type) and, in TLS 1.3, the inner
  content type (257). For a ChangeCipherSpec that is read, there is only the header, so its headers
  are recorded in both directions. Application data is known by the header (in TLS 1.3 by the inner
  type), never by content.
"""

from __future__ import annotations

from dataclasses import dataclass

from checker.conformance.abstraction import Abstraction
from checker.conformance.alerts import NAMES
from checker.conformance.recording import DIRECTIONS, TO_CLIENT, TO_SERVER, Recorded
from checker.conformance.wire import HANDSHAKE, RecordingError, name_of

HEADER, INNER = 256, 257
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE_RECORD, APPLICATION_DATA = 20, 21, 22, 23


@dataclass(frozen=True)
class Event:
    """One call of the hook; types as plain numbers."""

    side: str
    written: bool
    content_type: int
    msg_type: int
    data: bytes


@dataclass(frozen=True)
class _Item:
    """A message of one side; `body` has no handshake header."""

    direction: str
    message: str
    body: bytes


def messages(title: str, events: list[Event], abstraction: Abstraction) -> tuple[Recorded, ...]:
    """The messages that both ends, or the only end, wrote and read, as one list in order.

    RecordingError if an end saw another order than that of sending. A ChangeCipherSpec of TLS 1.3
    may come anywhere and is ignored by its reader (RFC 8446 5), so its order does not count.
    """
    seen: dict[str, list[tuple[bool, _Item]]] = {e.side: [] for e in events}
    sent: list[_Item] = []
    # A header of type 23 is application data below TLS 1.3, and any protected record in it.
    modern = any(e.content_type == INNER for e in events)
    retried = False
    for e in events:
        item = _item(e, modern=modern, retried=retried)
        if item is not None:
            retried |= item.message == "HelloRetryRequest"
            seen[e.side].append((e.written, item))
            if e.written or len(seen) == 1:
                sent.append(item)

    def dropped(m: _Item) -> bool:
        return modern and m.message == "ChangeCipherSpec"

    order = [m for m in sent if not dropped(m)]
    for side, own in seen.items():
        outgoing = TO_SERVER if side == "client" else TO_CLIENT
        expected = [(m.direction == outgoing, m.message) for m in order]
        got = [(written, m.message) for written, m in own if not dropped(m)]
        if expected != got:
            raise RecordingError(
                f"{title}: messages crossed or were lost: both ends sent {expected}, the {side} "
                f"saw {got} (True: written)"
            )
    # Each direction keeps its order: the bytes received are paired with those sent.
    received = {
        d: [
            m
            for own in seen.values()
            for written, m in own
            if m.direction == d and (not written or len(seen) == 1)
        ]
        for d in DIRECTIONS
    }
    for m in sent:
        abstraction.sent(m.direction, m.message, m.body)
    out = []
    for m in sent:
        body = received[m.direction].pop(0).body
        out.append(
            Recorded(m.direction, m.message, abstraction.fields(m.direction, m.message, body))
        )
    return tuple(out)


def _item(e: Event, *, modern: bool, retried: bool) -> _Item | None:
    """The message that an event reports; None if it reports no further message."""
    direction = TO_SERVER if (e.side == "client") == e.written else TO_CLIENT
    data = INNER if modern else HEADER
    if (e.content_type, e.msg_type) == (HEADER, CHANGE_CIPHER_SPEC):
        return _Item(direction, "ChangeCipherSpec", b"")
    if (e.content_type, e.msg_type) == (data, APPLICATION_DATA):
        return _Item(direction, "ApplicationData", b"")
    if e.content_type == ALERT:
        own = {"close_notify": "CloseNotify", "no_certificate": "NoCertificate"}
        return _Item(direction, own.get(NAMES.get(e.data[1], ""), "Alert"), e.data)
    if e.content_type == HANDSHAKE_RECORD:
        name = name_of(e.data[0], e.data[4:], retried=retried)
        if name is None:
            raise RecordingError(
                f"{direction}: handshake type {e.data[0]} has no counterpart in the model, which "
                f"knows {', '.join(HANDSHAKE.values())}"
            )
        return _Item(direction, name, e.data[4:])
    return None
