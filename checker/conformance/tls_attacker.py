"""Workflow traces of TLS-Attacker (XML), planned or executed.

A trace is a list of actions that send and receive messages; TLS-Attacker is the client unless the
trace begins by receiving a ClientHello. Of an executed action the actual messages count, of a
planned one those that are expected, which the recording says. Bytes in the trace are decoded.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

from checker.conformance.abstraction import Abstraction
from checker.conformance.alerts import NAMES
from checker.conformance.recording import (
    OWN_NAME,
    TO_CLIENT,
    TO_SERVER,
    Recorded,
    Recording,
    alphabet,
)
from checker.conformance.wire import RecordingError

ROOT = "workflowTrace"
PLANNED = "the messages that the trace expects were received: it was not executed"
_KEY_EXCHANGE = re.compile(r"(\w*?)(Server|Client)KeyExchange(?:Message)?$")
_GROUPS = {"DHE": "dh", "DH": "dh", "ECDHE": "ecdh", "ECDH": "ecdh"}
_WHOLE = ("completeResultingMessage", "messageBytes")


def is_trace(text: str) -> bool:
    """Whether a text is such a trace."""
    return (
        re.match(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<" + ROOT, text, re.DOTALL) is not None
    )


def parse(text: str, title: str) -> Iterator[Recording]:
    """The connections of a trace: one, and one more after each ResetConnection."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise RecordingError(f"{title}: expected a trace without a document type, got one with it")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as e:
        raise RecordingError(f"{title}: expected a workflow trace in XML, got: {e}") from None
    actions: list[tuple[bool, bool, ET.Element]] = []  # sends, planned, message
    number = 0
    for action in root:
        name = _name(action)
        if name.startswith("ResetConnection"):
            number += 1
            yield _recording(title if number == 1 else f"{title}, connection {number}", actions)
            actions = []
        elif name.startswith(("Send", "Receive", "GenericReceive")):
            actions += _messages(action, sends=name.startswith("Send"))
    number += 1
    if actions:
        yield _recording(title if number == 1 else f"{title}, connection {number}", actions)


def _name(e: ET.Element) -> str:
    return e.tag.rpartition("}")[2]


def _messages(action: ET.Element, *, sends: bool) -> list[tuple[bool, bool, ET.Element]]:
    """The messages of an action, as (sent by TLS-Attacker, planned only, message)."""
    parts = {_name(part): part for part in action}
    executed = (parts["executed"].text or "").strip() == "true" if "executed" in parts else False
    done = ("actualMessages", "messages")
    for name in done:
        if name in parts and (len(parts[name]) or not sends):
            return [(sends, False, m) for m in parts[name]]
    if executed and not sends:
        return []
    for name in ("configuredMessages", "expectedMessages"):
        if name in parts:
            return [(sends, not sends, m) for m in parts[name]]
    return []


def _recording(title: str, actions: list[tuple[bool, bool, ET.Element]]) -> Recording:
    first = next((sends for sends, _, m in actions if _name(m).startswith("ClientHello")), True)
    client = first  # whether TLS-Attacker is the client
    out: list[Recorded] = []
    abstraction, unread, retried = Abstraction(), "", False
    for sends, _, element in actions:
        direction = TO_SERVER if sends == client else TO_CLIENT
        try:
            name, fields = _message(element)
            body = _body(element)
            if body is not None:
                read = _decoded(abstraction, direction, name, body, retried=retried)
                name, more = read
                fields |= more
            retried |= name == "HelloRetryRequest"
        except RecordingError as e:
            unread = f"message {len(out) + 1}, {_name(element)}: {e}"
            break
        out.append(Recorded(direction, name, fields))
    planned = any(planned for _, planned, _ in actions)
    return Recording(title, tuple(out), unread=unread, notes=(PLANNED,) if planned else ())


def _message(element: ET.Element) -> tuple[str, dict[str, Any]]:
    """The model's message for an element, and the fields that its name tells."""
    tag = _name(element)
    plain = tag.removesuffix("Message")
    exchange = _KEY_EXCHANGE.match(tag)
    if exchange:
        group = _GROUPS.get(exchange[1].upper()) if exchange[2] == "Server" else None
        return f"{exchange[2]}KeyExchange", {} if group is None else {"group": group}
    if plain == "Alert":
        level, description = (_number(element, n) for n in ("level", "description"))
        if level not in (1, 2) or description is None:
            raise RecordingError("the trace does not have its level and description")
        name = NAMES.get(description, description)
        if name in OWN_NAME:
            return OWN_NAME[str(name)], {}
        return "Alert", {"level": ("warning", "fatal")[level - 1], "description": name}
    if plain == "Application":
        return "ApplicationData", {}
    if plain not in alphabet():
        raise RecordingError("it has no counterpart in the model")
    return plain, {}


def _number(element: ET.Element, name: str) -> int | None:
    """The number in a child, as a value of its own or of a modifiable variable."""
    found = next((c for c in element.iter() if _name(c) == name), None)
    if found is None:
        return None
    text = next((c.text for c in found.iter() if c.text and c.text.strip()), "") or ""
    text = text.strip()
    return int(text) if re.fullmatch(r"-?\d{1,3}", text) else None


def _body(element: ET.Element) -> bytes | None:
    """The bytes of the whole message that the trace holds."""
    for child in element:
        if _name(child) in _WHOLE:
            digits = "".join("".join(child.itertext()).split())
            if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", digits):
                return bytes.fromhex(digits)
    return None


def _decoded(
    abstraction: Abstraction, direction: str, name: str, whole: bytes, *, retried: bool
) -> tuple[str, dict[str, Any]]:
    """The name and the fields that the bytes of a handshake message show."""
    from checker.conformance.wire import HANDSHAKE, name_of

    if len(whole) < 4 or HANDSHAKE.get(whole[0]) not in (name, "ServerHello", "ClientHello"):
        return name, {}
    name = name_of(whole[0], whole[4:], retried=retried) or name
    if name in ("ServerKeyExchange", "ClientKeyExchange") and abstraction.answer is None:
        return name, {}
    abstraction.sent(direction, name, whole[4:])
    return name, abstraction.fields(direction, name, whole[4:])
